//! Quantities, as Kubernetes reads them: `100m`, `1.5Gi`, `2e3`.

use serde_json::Value;

/// An amount, in billionths: the finest that Kubernetes tells apart.
pub(super) type Amount = i128;

const BILLION: i128 = 1_000_000_000;

/// The amount that a JSON value stands for; `None` when it is no quantity.
pub(super) fn of(value: &Value) -> Option<Amount> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Amount> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (digits, suffix) = unsigned.split_at_checked(end)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let factor = factor(suffix)?;
    let amount = scaled(whole, fraction, factor);
    Some(if is_negative { -amount } else { amount })
}

/// What one unit is, as a fraction.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, BILLION),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (BILLION, 1),
        "T" => (BILLION * 1_000, 1),
        "P" => (BILLION * 1_000_000, 1),
        "E" => (BILLION * BILLION, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            // Further than what Kubernetes can hold, both ways.
            let power = 10_i128.pow(exponent.unsigned_abs().min(18));
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

/// In billionths, rounded up as Kubernetes does; what is too large stays the largest.
fn scaled(whole: &str, fraction: &str, (times, over): (i128, i128)) -> Amount {
    // More digits than these say nothing that Kubernetes keeps.
    let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
    let digits: String = [whole.trim_start_matches('0'), fraction].concat();
    let digits = if digits.is_empty() { "0" } else { &digits };
    let Ok(value) = digits.parse::<i128>() else {
        return Amount::MAX / 2;
    };
    let decimals = u32::try_from(fraction.len()).unwrap_or(0);
    let over = over.saturating_mul(10_i128.pow(decimals));
    let Some(value) = value.checked_mul(times).and_then(|value| value.checked_mul(BILLION)) else {
        return Amount::MAX / 2;
    };
    value / over + i128::from(value % over != 0)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::parse;

    #[test]
    fn quantities_are_read_as_kubernetes_does() {
        for (text, billionths) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("+1", 1_000_000_000),
            ("-1", -1_000_000_000),
            ("100m", 100_000_000),
            ("0.1", 100_000_000),
            (".5", 500_000_000),
            ("1.", 1_000_000_000),
            ("1.5Ki", 1536 * 1_000_000_000),
            ("2e3", 2_000 * 1_000_000_000),
            ("2E-3", 2_000_000),
            ("1n", 1),
            ("0.1n", 1),
        ] {
            assert_eq!(parse(text), Some(billionths), "{text}");
        }
        assert_eq!(parse("1E"), parse("1000P"));
        assert_eq!(parse("1024Mi"), parse("1Gi"));
        for text in ["", "m", "1 Gi", "1GB", "1.2.3", "one", "1mi", "--1", "0x10", "1e", "."] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse(&"9".repeat(100)) > parse("100E"));
    }
}
