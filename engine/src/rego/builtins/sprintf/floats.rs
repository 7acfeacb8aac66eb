//! Floats as Go's `strconv.FormatFloat` writes them.

/// The digits of a float that differ from zero end before here: behind them there are only zeros to write.
const MAX_PRECISION: usize = 1100;

/// One of the formats `e E f g G b x X`, with so many digits or with as few as are needed.
pub(super) fn format(value: f64, verb: char, precision: Option<usize>) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let size = value.abs();
    let text = match verb {
        'b' => binary(size),
        'x' | 'X' => hexadecimal(size, precision),
        'e' | 'E' => exponential(size, precision),
        'f' => fixed(size, precision.unwrap_or(6)),
        _ => general(size, precision),
    };
    let text = if verb.is_ascii_uppercase() {
        text.to_ascii_uppercase()
    } else {
        text
    };
    format!("{sign}{text}")
}

fn fixed(size: f64, precision: usize) -> String {
    let written = precision.min(MAX_PRECISION);
    format!("{size:.written$}{}", "0".repeat(precision - written))
}

fn exponential(size: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => {
            let written = precision.min(MAX_PRECISION);
            let text = format!("{size:.written$e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{mantissa}{}e{exponent}", "0".repeat(precision - written))
        }
        None => shortest(size),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!(
        "{mantissa}e{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.abs()
    )
}

/// As few digits as name this float. Of two that are as near to it, Go takes the even one and Rust does not.
fn shortest(size: f64) -> String {
    let text = format!("{size:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let nearest = format!("{size:.*e}", digits.saturating_sub(1));
    if nearest.parse() == Ok(size) { nearest } else { text }
}

/// With an exponent when it is below -4 or there are more places before the point than digits are asked for.
fn general(size: f64, precision: Option<usize>) -> String {
    let precision = precision.map(|precision| precision.max(1));
    let text = exponential(size, precision.map(|precision| precision - 1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // No zeros behind the point.
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let asked = precision.map(|precision| i32::try_from(precision).unwrap_or(i32::MAX));
    let largest = match asked {
        None => 6,
        // All digits stand before the point.
        Some(asked) if asked > count && count > exponent => count,
        Some(asked) => asked,
    };
    if exponent < -4 || exponent >= largest {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if exponent < 0 {
        return format!("0.{}{digits}", zeros(-exponent - 1));
    }
    if exponent + 1 >= count {
        return format!("{digits}{}", zeros(exponent + 1 - count));
    }
    let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
    format!("{whole}.{fraction}")
}

/// `mantissa * 2^exponent`
fn parts(size: f64) -> (u64, i64) {
    let bits = size.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match i64::try_from(bits >> 52).unwrap_or(0) {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent - 1075),
    }
}

fn binary(size: f64) -> String {
    let (mantissa, exponent) = parts(size);
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(size: f64, precision: Option<usize>) -> String {
    let (mantissa, exponent) = parts(size);
    // The first digit is the bit of two to the power of 60.
    let shift = mantissa.leading_zeros().saturating_sub(3).min(60);
    let (mut mantissa, mut exponent) = if mantissa == 0 {
        (0, 0)
    } else {
        (mantissa << shift, exponent + 60 - i64::from(shift))
    };
    if let Some(precision @ 0..15) = precision {
        let dropped = 60 - 4 * precision;
        let rest = mantissa & ((1 << dropped) - 1);
        let half = 1_u64 << (dropped - 1);
        mantissa >>= dropped;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= dropped;
        if mantissa >> 61 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) => fraction.chars().chain(std::iter::repeat('0')).take(precision).collect(),
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("0x{}{dot}{fraction}p{sign}{:02}", mantissa >> 60, exponent.abs())
}
