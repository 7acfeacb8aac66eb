//! How long the API server waits, as it says in the query.

/// How long a webhook may take when the API server does not say: the default of `timeoutSeconds`.
const DEFAULT_DEADLINE_MS: u64 = 10_000;

/// The webhook's deadline in milliseconds: `timeout=10s`, as Go writes durations.
pub(super) fn milliseconds(query: &str) -> u64 {
    let timeout = query.split('&').find_map(|pair| pair.strip_prefix("timeout="));
    timeout.and_then(go_duration_ms).unwrap_or(DEFAULT_DEADLINE_MS)
}

fn go_duration_ms(text: &str) -> Option<u64> {
    let mut total = 0.0_f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let factor = match unit {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1_000.0,
            "ms" => 1.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    // The API server's own limit is 30 s; more than a minute is no deadline.
    let is_sensible = !text.is_empty() && (0.0..=60_000.0).contains(&total);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and 60,000"
    )]
    is_sensible.then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_go_writes_them() {
        for (query, expected) in [
            ("timeout=5s", 5_000),
            ("a=b&timeout=1m0s", 60_000),
            ("timeout=1.5s", 1_500),
            ("timeout=250ms", 250),
            ("timeout=", DEFAULT_DEADLINE_MS),
            ("timeout=garbage", DEFAULT_DEADLINE_MS),
            ("timeout=-5s", DEFAULT_DEADLINE_MS),
            ("timeout=999h", DEFAULT_DEADLINE_MS),
            ("", DEFAULT_DEADLINE_MS),
        ] {
            assert_eq!(milliseconds(query), expected, "{query}");
        }
    }
}
