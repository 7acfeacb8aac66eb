//! What plain scalars of YAML mean to go-yaml 3.

use super::super::Fault;
use super::super::time::is_timestamp;
use crate::rego::number::Number;
use crate::rego::value::Value;

/// A scalar that is read.
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// Of 64 bits, with or without a sign.
    Int(i128),
    Float(f64),
    Text(String),
}

impl Scalar {
    pub(super) fn into_value(self) -> Result<Value, Fault> {
        let number = |text: &str| {
            Number::parse(text)
                .map(Value::Number)
                .ok_or_else(|| Fault::new("unsupported value"))
        };
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(value) => Ok(Value::Bool(value)),
            Self::Int(int) => number(&int.to_string()),
            Self::Float(float) if float.is_finite() => number(&json_float(float)),
            Self::Float(_) => Err(Fault::new("unsupported value")),
            Self::Text(text) => Ok(Value::string(text)),
        }
    }

    /// As the key of an object.
    pub(super) fn into_key(self) -> Result<String, Fault> {
        Ok(match self {
            Self::Null => return Err(Fault::new("unsupported map key")),
            Self::Bool(value) => value.to_string(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) if float.is_nan() => ".nan".to_owned(),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "OPA writes keys with the precision of a small float"
            )]
            Self::Float(float) => match float as f32 {
                f32::INFINITY => ".inf".to_owned(),
                f32::NEG_INFINITY => "-.inf".to_owned(),
                float => general(&format!("{float:e}")),
            },
            Self::Text(text) => text,
        })
    }
}

/// What a plain scalar is when it is no text.
pub(super) fn resolve(text: &str) -> Option<Scalar> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Scalar::Null),
        "true" | "True" | "TRUE" => return Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Scalar::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) || is_timestamp(text) {
        return None;
    }
    // Behind a point, where there are no whole numbers, Go wants digits around a line.
    if text.starts_with('.')
        && text
            .split('_')
            .skip(1)
            .any(|part| !part.starts_with(|c: char| c.is_ascii_digit()))
    {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain)
        .map(Scalar::Int)
        .or_else(|| float(&plain).map(Scalar::Float))
}

/// With a prefix for its base; a leading zero is that of base 8.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let signed = digits.len() < text.len();
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some(other) if other.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    let size = i128::from_str_radix(digits, base)
        .ok()
        .filter(|_| !digits.starts_with(['+', '-']))?;
    let value = if text.starts_with('-') { -size } else { size };
    (i64::try_from(value).is_ok() || (!signed && u64::try_from(value).is_ok())).then_some(value)
}

fn float(text: &str) -> Option<f64> {
    let size = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = size
        .split_once(['e', 'E'])
        .map_or((size, None), |(before, after)| (before, Some(after)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let some_digits = |text: &str| !text.is_empty() && digits(text);
    let whole = match mantissa.split_once('.') {
        Some(("", fraction)) => some_digits(fraction),
        Some((whole, fraction)) => some_digits(whole) && digits(fraction),
        None => some_digits(mantissa),
    };
    let fits = whole && exponent.is_none_or(|text| some_digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    // Go refuses what is out of range.
    fits.then(|| text.parse().ok())
        .flatten()
        .filter(|float: &f64| float.is_finite())
}

/// A float as Go's JSON has it.
fn json_float(float: f64) -> String {
    if float != 0.0 && !(1e-6..1e21).contains(&float.abs()) {
        let text = format!("{float:e}");
        if text.contains("e-") {
            text
        } else {
            text.replace('e', "e+")
        }
    } else {
        float.to_string()
    }
}

/// Go's `%g` with as many digits as are needed, from Rust's `{:e}`.
pub(super) fn general(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        // Enough of them stay floats when they are written out.
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    // It has few places, so a float has it exactly as written.
    scientific
        .parse::<f64>()
        .map_or_else(|_| scientific.to_owned(), |float| float.to_string())
}
