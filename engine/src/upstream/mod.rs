//! Denials of other webhooks: what they say, and what can be said about it.
//!
//! ```text
//! answer of the webhook behind -> answer (allowed, denied, or neither) -> items (which policy said what)
//!   -> explain: the policies of the same names, as far as the policy set has them; a fix that was tried -> words
//! ```
//!
//! Nothing here decides: what another webhook denied stays denied, in its own words too.

pub mod answer;
mod explain;
pub mod items;
mod paths;

pub use self::explain::{Depth, Explained, explain, verify};
pub use self::items::Item;

use crate::redact;

/// The longest explanation that is put before the webhook's own words, in bytes.
pub const MAX_EXPLANATION: usize = redact::MAX_MESSAGE;

/// The explanation, and below it what the webhook itself said: all of it, without what would move a terminal's cursor.
pub fn with_original(explanation: &str, webhook: &str, original: &str) -> String {
    let explanation = redact::lines(explanation, MAX_EXPLANATION);
    let original = redact::verbatim(original);
    format!(
        "{}\n\nIn the words of the webhook {}:\n{original}",
        explanation.trim_end(),
        redact::line(webhook, 200)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_original_is_kept_whole_and_moves_no_cursor() {
        let text = with_original("why\n", "gate", "\u{1b}[2J[a] b\n\tc\r\n\n  d ");
        assert_eq!(text, "why\n\nIn the words of the webhook gate:\n[2J[a] b\n\tc\n\n  d ");
        let long = "x".repeat(300_000);
        let text = with_original(&long, "gate", &long);
        assert!(text.ends_with(&long) && text.len() < long.len() + MAX_EXPLANATION + 300);
    }
}
