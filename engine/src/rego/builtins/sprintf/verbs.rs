//! What the verbs make of arguments.

use num_bigint::{BigInt, Sign};

use super::{Argument, Printer, floats};
use crate::rego::builtins::Fault;
use crate::rego::builtins::operands::units;
use crate::rego::builtins::text::{fits_backquotes, is_printed, quote};

impl Printer<'_> {
    pub(super) fn argument(&mut self, argument: &Argument, verb: char) -> Result<(), Fault> {
        let size = self.flags.width.unwrap_or(0) + self.flags.precision.unwrap_or(0);
        self.host.spend(units(size))?;
        match (argument, verb) {
            (argument, 'T') => self.plain(argument.type_name()),
            (Argument::Int(int), _) => self.int(*int, verb),
            (Argument::Float(float), 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') => {
                self.float(*float, verb)
            }
            (Argument::Big(integer), _) => self.big(integer, verb),
            (Argument::Text(text), 'v') if self.flags.sharp_v => self.quoted(text),
            (Argument::Text(text), 'v' | 's') => self.plain(text),
            (Argument::Text(text), 'q') => self.quoted(text),
            (Argument::Text(text), 'x' | 'X') => self.hexadecimal(text, verb == 'X'),
            _ => self.bad_verb(argument, verb),
        }
    }

    fn bad_verb(&mut self, argument: &Argument, verb: char) -> Result<(), Fault> {
        self.out.push_str(&format!("%!{verb}({}=", argument.type_name()));
        match argument {
            // As the structure that it is in Go.
            Argument::Big(integer) => {
                let words: Vec<String> = integer.iter_u64_digits().map(|word| word.to_string()).collect();
                let negative = integer.sign() == Sign::Minus;
                self.out.push_str(&format!("&{{{negative} [{}]}}", words.join(" ")));
            }
            other => self.argument(other, 'v')?,
        }
        self.out.push(')');
        Ok(())
    }

    fn int(&mut self, int: i64, verb: char) -> Result<(), Fault> {
        let letter = || {
            u32::try_from(int)
                .ok()
                .and_then(char::from_u32)
                .unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        match verb {
            'v' | 'd' => self.integer(int, 10, verb),
            'b' => self.integer(int, 2, verb),
            'o' | 'O' => self.integer(int, 8, verb),
            'x' | 'X' => self.integer(int, 16, verb),
            'c' => self.padded(&letter().to_string()),
            'q' => self.padded(&quote(&letter().to_string(), '\'', self.flags.plus)),
            'U' => self.unicode(int),
            _ => self.bad_verb(&Argument::Int(int), verb),
        }
    }

    fn integer(&mut self, int: i64, base: u32, verb: char) -> Result<(), Fault> {
        let flags = self.flags;
        let size = int.unsigned_abs();
        let mut digits = match base {
            2 => format!("{size:b}"),
            8 => format!("{size:o}"),
            16 if verb == 'X' => format!("{size:X}"),
            16 => format!("{size:x}"),
            _ => size.to_string(),
        };
        let signed = int < 0 || flags.plus || flags.space;
        let least = match (flags.precision, flags.width) {
            (Some(0), _) if int == 0 => {
                return self.without_zeros(|printer| printer.padded(""));
            }
            (Some(precision), _) => precision,
            (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(signed.into()),
            _ => 0,
        };
        digits.insert_str(0, &"0".repeat(least.saturating_sub(digits.len())));
        let prefix = match base {
            _ if verb == 'O' && flags.sharp && !digits.starts_with('0') => "0o0",
            _ if verb == 'O' => "0o",
            2 if flags.sharp => "0b",
            8 if flags.sharp && !digits.starts_with('0') => "0",
            16 if flags.sharp && verb == 'X' => "0X",
            16 if flags.sharp => "0x",
            _ => "",
        };
        let sign = match int {
            ..0 => "-",
            _ if flags.plus => "+",
            _ if flags.space => " ",
            _ => "",
        };
        self.without_zeros(|printer| printer.padded(&format!("{sign}{prefix}{digits}")))
    }

    /// `U+0041`, and with `#` the character also.
    fn unicode(&mut self, int: i64) -> Result<(), Fault> {
        let least = self.flags.precision.unwrap_or(0).max(4);
        // A negative number as its two's complement: what Go does.
        let mut text = format!("{int:X}");
        text.insert_str(0, &"0".repeat(least.saturating_sub(text.len())));
        text.insert_str(0, "U+");
        let letter = u32::try_from(int)
            .ok()
            .and_then(char::from_u32)
            .filter(|letter| is_printed(*letter));
        if let (true, Some(letter)) = (self.flags.sharp, letter) {
            text.push_str(&format!(" '{letter}'"));
        }
        self.without_zeros(|printer| printer.padded(&text))
    }

    fn big(&mut self, integer: &BigInt, verb: char) -> Result<(), Fault> {
        let flags = self.flags;
        let base = match verb {
            'b' => 2,
            'o' | 'O' => 8,
            'd' | 's' | 'v' => 10,
            'x' | 'X' => 16,
            'w' => return self.bad_verb(&Argument::Big(integer.clone()), verb),
            _ => {
                self.out.push_str(&format!("%!{verb}(big.Int={integer})"));
                return Ok(());
            }
        };
        let sharp = flags.sharp || flags.sharp_v;
        let prefix = match verb {
            'O' => "0o",
            'b' if sharp => "0b",
            'o' if sharp => "0",
            'x' if sharp => "0x",
            'X' if sharp => "0X",
            _ => "",
        };
        let sign = match integer.sign() {
            Sign::Minus => "-",
            _ if flags.plus || flags.plus_v => "+",
            _ if flags.space => " ",
            _ => "",
        };
        let mut digits = integer.magnitude().to_str_radix(base);
        self.host.spend(units(digits.len()))?;
        if verb == 'X' {
            digits.make_ascii_uppercase();
        }
        let mut zeros = flags.precision.unwrap_or(0).saturating_sub(digits.len());
        let length = sign.len() + prefix.len() + zeros + digits.len();
        if flags.zero && !flags.minus && flags.precision.is_none() {
            zeros += flags.width.unwrap_or(0).saturating_sub(length);
        }
        let text = format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
        self.without_zeros(|printer| printer.padded(&text))
    }

    fn float(&mut self, float: f64, verb: char) -> Result<(), Fault> {
        let flags = self.flags;
        let (format, usual) = match verb {
            'v' => ('g', None),
            'f' | 'F' => ('f', Some(6)),
            'e' | 'E' => (verb, Some(6)),
            _ => (verb, None),
        };
        let precision = flags.precision.or(usual);
        let mut text = floats::format(float, format, precision);
        let negative = text.starts_with('-');
        if negative {
            text.remove(0);
        }
        if flags.sharp && format != 'b' {
            text = with_point(&text, format, precision);
        }
        let sign = match negative {
            true => "-",
            false if flags.plus => "+",
            false if flags.space => " ",
            false => "",
        };
        // Zeros come between the sign and the digits.
        if flags.zero && !flags.minus && !sign.is_empty() && flags.width.is_some_and(|width| width > text.len() + 1) {
            self.out.push_str(sign);
            self.flags.width = flags.width.map(|width| width - 1);
            return self.padded(&text);
        }
        self.padded(&format!("{sign}{text}"))
    }

    /// A text, cut at the precision.
    fn plain(&mut self, text: &str) -> Result<(), Fault> {
        self.padded(self.cut(text))
    }

    fn quoted(&mut self, text: &str) -> Result<(), Fault> {
        let text = self.cut(text);
        if self.flags.sharp && fits_backquotes(text) {
            return self.padded(&format!("`{text}`"));
        }
        self.host.spend(units(text.len()))?;
        self.padded(&quote(text, '"', self.flags.plus))
    }

    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = self.flags.precision.and_then(|count| text.char_indices().nth(count));
        end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
    }

    /// The bytes of a text.
    fn hexadecimal(&mut self, text: &str, upper: bool) -> Result<(), Fault> {
        let flags = self.flags;
        let count = flags.precision.unwrap_or(usize::MAX).min(text.len());
        self.host.spend(units(count * 5))?;
        let prefix = match (flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut out = String::new();
        for (place, byte) in text.bytes().take(count).enumerate() {
            if place > 0 && flags.space {
                out.push(' ');
            }
            if place == 0 || flags.space {
                out.push_str(prefix);
            }
            out.push_str(&if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            });
        }
        self.padded(&out)
    }

    fn without_zeros(&mut self, print: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let zero = std::mem::take(&mut self.flags.zero);
        let printed = print(self);
        self.flags.zero = zero;
        printed
    }

    /// Filled up to the width.
    fn padded(&mut self, text: &str) -> Result<(), Fault> {
        self.host.spend(units(text.len()))?;
        let missing = self
            .flags
            .width
            .map_or(0, |width| width.saturating_sub(text.chars().count()));
        if self.flags.minus {
            self.out.push_str(text);
            self.out.push_str(&" ".repeat(missing));
        } else {
            self.out
                .push_str(&if self.flags.zero { "0" } else { " " }.repeat(missing));
            self.out.push_str(text);
        }
        Ok(())
    }
}

/// What `#` asks of a float: a point, and the zeros behind it.
fn with_point(text: &str, format: char, precision: Option<usize>) -> String {
    let is_hexadecimal = matches!(format, 'x' | 'X');
    let marks: &[char] = if is_hexadecimal { &['p', 'P'] } else { &['e', 'E'] };
    let (digits, tail) = text
        .find(marks)
        .and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""));
    let mut wanted = match format {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = digits
        .chars()
        .filter(|digit| *digit != '.')
        .skip_while(|digit| *digit == '0')
        .count();
    wanted = wanted.saturating_sub(significant);
    let mut out = digits.to_owned();
    if !digits.contains('.') {
        if digits == "0" {
            wanted = wanted.saturating_sub(1);
        }
        out.push('.');
    }
    out.push_str(&"0".repeat(wanted));
    out.push_str(tail);
    out
}
