//! Who of all instances asks the explainer: one at a time. A lease ends by itself, so that nothing ends with an instance.

use super::board::{self, LEASE};

/// How long nobody asks when the one who did is gone.
const LENGTH_US: u64 = 3_000_000;

/// Takes the lease, or keeps it. False when somebody else has it.
pub(super) fn hold(id: u32, now_us: u64) -> bool {
    match read(&board::text(LEASE), now_us) {
        Some((holder, _)) if holder != id => return false,
        // Long enough yet: nothing to write.
        Some((_, until_us)) if until_us > now_us + LENGTH_US / 2 => return true,
        _ => {}
    }
    board::update(LEASE, |text| match read(text, now_us) {
        Some((holder, _)) if holder != id => None,
        _ => Some(format!("{id} {}", now_us + LENGTH_US)),
    })
}

/// Whether it has the lease, or nobody has.
pub(super) fn is_of(id: u32, now_us: u64) -> bool {
    read(&board::text(LEASE), now_us).is_none_or(|(holder, _)| holder == id)
}

/// Who has it, and until when; `None` when it has ended. One that is far too long is of a clock that was set back.
fn read(text: &str, now_us: u64) -> Option<(u32, u64)> {
    let (holder, until_us) = text.split_once(' ')?;
    let until_us = until_us.parse().ok()?;
    (now_us..=now_us + 2 * LENGTH_US)
        .contains(&until_us)
        .then_some((holder.parse().ok()?, until_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_by_its_time_and_with_a_clock_that_was_set_back() {
        let until = 10_000_000;
        let text = format!("7 {until}");
        assert_eq!(read(&text, until - 1), Some((7, until)));
        assert_eq!(read(&text, until + 1), None);
        assert_eq!(read(&text, until - 3 * LENGTH_US), None);
        for broken in ["", "7", "x 10000000", "7 x"] {
            assert_eq!(read(broken, until - 1), None, "{broken}");
        }
    }
}
