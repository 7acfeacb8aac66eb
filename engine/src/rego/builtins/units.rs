//! Quantities as Kubernetes writes them: `100m`, `1.5Gi`.

use num_bigint::BigInt;
use num_traits::Signed;

use super::operands::{text, units as units_of_work};
use super::{Builtin, Fault, Halt, Host};
use crate::rego::number::{Float, Number};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("units.parse", 1, parse),
    Builtin::new("units.parse_bytes", 1, parse_bytes),
];

/// The float nearest to a thousandth, which OPA multiplies with: so many parts of two to the power of 60.
const MILLI: (i64, u32) = (1_152_921_504_606_847, 60);

/// What OPA takes no longer exponent than.
const MAX_EXPONENT_DIGITS: usize = 6;

/// The number and the unit behind it.
fn amount<'a>(function: &str, text: &'a str) -> Result<(&'a str, &'a str), Fault> {
    let fault = |reason: &str| Fault::new(format!("{function}: {reason}"));
    if text.contains(' ') {
        return Err(fault("spaces not allowed in resource strings"));
    }
    let bytes = text.as_bytes();
    let at = |place: usize| bytes.get(place).copied().unwrap_or(b' ');
    let mut place = 0;
    while place < bytes.len() {
        match at(place) {
            b'0'..=b'9' | b'.' | b'+' | b'-' => place += 1,
            // An exponent, unless it is the unit of exa.
            b'e' | b'E' if matches!(at(place + 1), b'0'..=b'9' | b'+' | b'-') => {
                place += 1 + usize::from(matches!(at(place + 1), b'+' | b'-'));
                let digits = bytes
                    .iter()
                    .skip(place)
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                if digits > MAX_EXPONENT_DIGITS {
                    return Err(fault("exponent too large"));
                }
            }
            _ => break,
        }
    }
    match text.split_at_checked(place) {
        Some((number, unit)) if !number.is_empty() => Ok((number, unit)),
        _ if function == "units.parse" => Err(fault("no amount provided")),
        _ => Err(fault("no byte amount provided")),
    }
}

/// A number that Go reads. One of those that OPA would labour with ends the evaluation.
fn read(text: &str, fault: &str) -> Result<Number, Fault> {
    let valid = |number: &str| Number::parse(number).is_some();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    match Number::parse(text) {
        Some(number) => Ok(number),
        None if valid(mantissa) && exponent.parse::<i32>().is_ok() => Err(Fault::Halt(Halt::Limit)),
        None => Err(Fault::new(fault)),
    }
}

fn parse(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let quoted = text(args, 0)?;
    host.spend(units_of_work(quoted.len()))?;
    let unquoted = quoted.replace('"', "");
    let (number, unit) = amount("units.parse", &unquoted)?;
    // Only the first letter's case counts: `m` is a thousandth, `M` a million.
    let mut letters = unit.chars();
    let normal: String = letters
        .next()
        .into_iter()
        .chain(letters.flat_map(char::to_lowercase))
        .collect();
    let (numerator, halvings) = match normal.as_str() {
        "m" => MILLI,
        "" => (1, 0),
        "k" | "K" => (1000, 0),
        "ki" | "Ki" => (1 << 10, 0),
        "M" => (1_000_000, 0),
        "mi" | "Mi" => (1 << 20, 0),
        "g" | "G" => (1_000_000_000, 0),
        "gi" | "Gi" => (1 << 30, 0),
        "t" | "T" => (1_000_000_000_000, 0),
        "ti" | "Ti" => (1 << 40, 0),
        "p" | "P" => (1_000_000_000_000_000, 0),
        "pi" | "Pi" => (1 << 50, 0),
        "e" | "E" => (1_000_000_000_000_000_000, 0),
        "ei" | "Ei" => (1 << 60, 0),
        _ => return Err(Fault::new(format!("units.parse: unit {normal} not recognized"))),
    };
    let number = read(number, "units.parse: could not parse amount to a number")?;
    host.spend(number.cost())?;
    let (digits, places) = number.to_fraction();
    let fraction = Fraction {
        numerator: digits * numerator,
        tens: places,
        twos: halvings,
    };
    fraction.to_value()
}

/// `numerator / (10^tens * 2^twos)`
struct Fraction {
    numerator: BigInt,
    tens: u32,
    twos: u32,
}

impl Fraction {
    /// A whole number, or one with ten digits behind the point, the last one rounded, halves away from zero.
    fn to_value(&self) -> Result<Value, Fault> {
        let ten = || BigInt::from(10);
        let divisor = ten().pow(self.tens) << self.twos;
        if &self.numerator % &divisor == BigInt::ZERO {
            return Ok(Number::from_integer(&(&self.numerator / &divisor))?.into());
        }
        let scaled: BigInt = self.numerator.abs() * ten().pow(10) * 2 + &divisor;
        let rounded: BigInt = scaled / (divisor * 2);
        let (whole, rest) = (&rounded / ten().pow(10), rounded % ten().pow(10));
        let sign = if self.numerator.is_negative() { "-" } else { "" };
        let text = format!("{sign}{whole}.{:0>10}", rest.to_string());
        Number::parse(&text).map(Value::from).ok_or(Fault::Halt(Halt::Limit))
    }
}

fn parse_bytes(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let quoted = text(args, 0)?;
    host.spend(units_of_work(quoted.len()))?;
    let unquoted = quoted.to_lowercase().replace('"', "");
    let (number, unit) = amount("units.parse_bytes", &unquoted)?;
    let factor: i64 = match unit {
        "" => 1,
        "kb" | "k" => 1000,
        "kib" | "ki" => 1 << 10,
        "mb" | "m" => 1_000_000,
        "mib" | "mi" => 1 << 20,
        "gb" | "g" => 1_000_000_000,
        "gib" | "gi" => 1 << 30,
        "tb" | "t" => 1_000_000_000_000,
        "tib" | "ti" => 1 << 40,
        "pb" | "p" => 1_000_000_000_000_000,
        "pib" | "pi" => 1 << 50,
        "eb" | "e" => 1_000_000_000_000_000_000,
        "eib" | "ei" => 1 << 60,
        _ => {
            return Err(Fault::new(format!(
                "units.parse_bytes: byte unit {unit} not recognized"
            )));
        }
    };
    let number = read(number, "units.parse_bytes: could not parse byte amount to a number")?;
    host.spend(number.cost())?;
    let product = Float::from(&number).mul(&Float::from(&Number::from(factor)));
    Ok(Number::from_integer(&product.truncate()?)?.into())
}
