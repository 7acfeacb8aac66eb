//! Durations as Go writes them, `1h15m30.5s`, and days, weeks and years, which only OPA knows.

/// Nanoseconds. Years have 365 days.
pub(super) fn parse(text: &str) -> Option<i64> {
    if text.contains(['d', 'w', 'y']) {
        parse_go(&rewritten(text)?)
    } else {
        parse_go(text)
    }
}

/// With hours for what Go does not know.
fn rewritten(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut out = text.get(..text.len() - rest.len())?.to_owned();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|end| *end > 0)?;
        let (digits, after) = rest.split_at(end);
        let long = ["ms", "us", "µs", "ns"]
            .iter()
            .find(|unit| after.starts_with(**unit))
            .map(|unit| unit.len());
        let (unit, after) = after.split_at_checked(long.unwrap_or(1))?;
        rest = after;
        let hours = match unit {
            "d" => 24.0,
            "w" => 168.0,
            "y" => 8_760.0,
            _ if long.is_some() || unit.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                out.push_str(&format!("{digits}{unit}"));
                continue;
            }
            _ => return None,
        };
        let count: f64 = digits.parse().ok().filter(|count: &f64| count.is_finite())?;
        out.push_str(&format!("{}h", count * hours));
    }
    Some(out)
}

fn parse_go(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    if rest == "0" {
        return Some(0);
    }
    let mut total: u64 = 0;
    let limit = 1_u64 << 63;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let size: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part = whole
            .checked_mul(size)?
            .checked_add(part(fraction, size))
            .filter(|part| *part <= limit)?;
        total = total.checked_add(part).filter(|total| *total <= limit)?;
        rest = after;
    }
    if negative {
        0_i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A fraction of a unit, with Go's rounding.
fn part(fraction: &str, size: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let next = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')));
        // More digits than fit make no difference.
        let Some(next) = next.filter(|next| *next <= 1 << 63) else {
            break;
        };
        value = next;
        scale *= 10.0;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as Go does it"
    )]
    let part = (value as f64 * (size as f64 / scale)) as u64;
    part
}
