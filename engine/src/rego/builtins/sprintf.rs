//! `sprintf`: Go's `fmt.Sprintf`, with the arguments that OPA hands to it.

use num_bigint::BigInt;

use super::operands::{array, text, units};
use super::text::write_value;
use super::{Builtin, Fault, Host};
use crate::rego::number::Number;
use crate::rego::value::Value;

mod floats;
mod verbs;

pub(super) const TABLE: &[Builtin] = &[Builtin::new("sprintf", 2, sprintf)];

/// No width and no precision is larger.
const MAX_WIDTH: usize = 1_000_000;

/// An argument as the Go value that OPA makes of it.
enum Argument {
    Float(f64),
    Int(i64),
    Big(BigInt),
    /// Texts, and the text of everything that is no number.
    Text(String),
}

impl Argument {
    fn new(value: &Value) -> Self {
        let mut out = String::new();
        match value {
            Value::String(text) => out.push_str(text),
            Value::Number(number) => return Self::number(number),
            other => write_value(&mut out, other),
        }
        Self::Text(out)
    }

    /// The text decides what kind of number it is: `1.0` is a float.
    fn number(number: &Number) -> Self {
        if number.is_written_as_float() {
            let float = number.as_f64();
            return if float.is_finite() {
                Self::Float(float)
            } else {
                Self::Text(number.to_string())
            };
        }
        match number.as_i64() {
            Some(int) => Self::Int(int),
            None => number
                .to_integer()
                .map_or_else(|| Self::Text(number.to_string()), Self::Big),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Float(_) => "float64",
            Self::Int(_) => "int64",
            Self::Big(_) => "*big.Int",
            Self::Text(_) => "string",
        }
    }
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `#` in front of `v`, where it asks for Go's syntax.
    sharp_v: bool,
    /// `+` in front of `v`.
    plus_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'a> {
    host: &'a mut Host,
    arguments: &'a [Argument],
    out: String,
    flags: Flags,
    /// The argument that comes next.
    next: usize,
    /// An index was used, as in `%[2]d`: whether all arguments were printed is not looked at then.
    reordered: bool,
    good_index: bool,
}

fn sprintf(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (format, values) = (text(args, 0)?, array(args, 1)?);
    let mut size = format.len();
    let mut arguments = Vec::with_capacity(values.len());
    for value in values {
        if let Value::Number(number) = value {
            host.spend(number.cost())?;
        }
        let argument = Argument::new(value);
        size += match &argument {
            Argument::Text(text) => text.len(),
            _ => 16,
        };
        arguments.push(argument);
    }
    host.spend(units(size))?;
    let mut printer = Printer {
        host,
        arguments: &arguments,
        out: String::new(),
        flags: Flags::default(),
        next: 0,
        reordered: false,
        good_index: true,
    };
    printer.run(format)?;
    Ok(printer.out.into())
}

impl Printer<'_> {
    fn run(&mut self, format: &str) -> Result<(), Fault> {
        let mut rest = format;
        while let Some((before, verb)) = rest.split_once('%') {
            self.out.push_str(before);
            rest = self.directive(verb)?;
        }
        self.out.push_str(rest);
        if self.reordered || self.next >= self.arguments.len() {
            return Ok(());
        }
        self.flags = Flags::default();
        self.out.push_str("%!(EXTRA ");
        for (place, argument) in self.arguments.iter().skip(self.next).enumerate() {
            self.out.push_str(if place == 0 { "" } else { ", " });
            self.out.push_str(argument.type_name());
            self.out.push('=');
            self.argument(argument, 'v')?;
        }
        self.out.push(')');
        Ok(())
    }

    /// What follows a `%`. Returns what follows that.
    fn directive<'f>(&mut self, format: &'f str) -> Result<&'f str, Fault> {
        self.flags = Flags::default();
        self.good_index = true;
        let mut rest = format;
        loop {
            match rest.as_bytes().first() {
                Some(b'#') => self.flags.sharp = true,
                Some(b'0') => self.flags.zero = true,
                Some(b'+') => self.flags.plus = true,
                Some(b'-') => self.flags.minus = true,
                Some(b' ') => self.flags.space = true,
                _ => break,
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        let mut indexed;
        (rest, indexed) = self.index(rest);
        if let Some(behind) = rest.strip_prefix('*') {
            rest = behind;
            let width = self.size_argument();
            if width.is_none() {
                self.out.push_str("%!(BADWIDTH)");
            }
            if width.is_some_and(|width| width < 0) {
                self.flags.minus = true;
                self.flags.zero = false;
            }
            self.flags.width = width.and_then(|width| usize::try_from(width.unsigned_abs()).ok());
            indexed = false;
        } else {
            (self.flags.width, rest) = number(rest);
            if indexed && self.flags.width.is_some() {
                self.good_index = false;
            }
        }
        // A point at the very end is taken for a verb.
        if let Some(behind) = rest.strip_prefix('.').filter(|behind| !behind.is_empty()) {
            if indexed {
                self.good_index = false;
            }
            (rest, indexed) = self.index(behind);
            if let Some(behind) = rest.strip_prefix('*') {
                rest = behind;
                self.flags.precision = self.size_argument().and_then(|size| usize::try_from(size).ok());
                if self.flags.precision.is_none() {
                    self.out.push_str("%!(BADPREC)");
                }
                indexed = false;
            } else {
                let precision;
                (precision, rest) = number(rest);
                self.flags.precision = Some(precision.unwrap_or(0));
            }
        }
        if !indexed {
            (rest, _) = self.index(rest);
        }
        let mut letters = rest.chars();
        let Some(verb) = letters.next() else {
            self.out.push_str("%!(NOVERB)");
            return Ok("");
        };
        self.verb(verb)?;
        Ok(letters.as_str())
    }

    fn verb(&mut self, verb: char) -> Result<(), Fault> {
        if verb == '%' {
            self.out.push('%');
            return Ok(());
        }
        if !self.good_index {
            self.out.push_str(&format!("%!{verb}(BADINDEX)"));
            return Ok(());
        }
        let Some(argument) = self.arguments.get(self.next) else {
            self.out.push_str(&format!("%!{verb}(MISSING)"));
            return Ok(());
        };
        if matches!(verb, 'v' | 'w') {
            self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
            self.flags.plus_v = std::mem::take(&mut self.flags.plus);
        }
        self.next += 1;
        self.argument(argument, verb)
    }

    /// An index such as `[2]`, and whether there was one.
    fn index<'f>(&mut self, format: &'f str) -> (&'f str, bool) {
        let Some(inside) = format.strip_prefix('[') else {
            return (format, false);
        };
        self.reordered = true;
        // Not even `[1]`.
        let Some((digits, rest)) = inside.split_once(']').filter(|_| format.len() >= 3) else {
            self.good_index = false;
            return (inside, false);
        };
        let (index, left) = number(digits);
        let index = index.filter(|_| left.is_empty());
        match index
            .and_then(|index| index.checked_sub(1))
            .filter(|index| *index < self.arguments.len())
        {
            Some(place) => self.next = place,
            None => self.good_index = false,
        }
        (rest, index.is_some())
    }

    /// A width or precision that is an argument: `*`.
    fn size_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        match argument {
            Argument::Int(int) if usize::try_from(int.unsigned_abs()).is_ok_and(|size| size <= MAX_WIDTH) => Some(*int),
            _ => None,
        }
    }
}

/// The number at the beginning, and what follows it. After one that is too large nothing follows.
fn number(format: &str) -> (Option<usize>, &str) {
    let end = format.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = format.split_at_checked(end).unwrap_or((format, ""));
    if digits.is_empty() {
        return (None, rest);
    }
    let size = |digits: &str| digits.parse().unwrap_or(usize::MAX);
    // As Go does it: it looks before it reads a digit.
    match digits.len().checked_sub(1).and_then(|last| digits.get(..last)) {
        Some(all_but_last) if !all_but_last.is_empty() && size(all_but_last) > MAX_WIDTH => (None, ""),
        _ => (Some(size(digits)), rest),
    }
}
