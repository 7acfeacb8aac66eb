//! A model's words in a denial: called that, short, and beside the engine's own.

use super::text::bullet;
use crate::redact;

/// The longest text, in characters: the rest is behind the link.
const MAX_TEXT: usize = 480;

/// More steps than this are behind the link; with a fix none is needed.
const MAX_STEPS: usize = 3;

/// The longest step, in characters.
const MAX_STEP: usize = 240;

/// What a model said, after all guards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByModel {
    /// Its name.
    pub model: String,
    /// What is wrong, and why that matters.
    pub text: String,
    /// What to do, step by step.
    pub steps: Vec<String>,
}

/// The lines for a terminal.
pub(super) fn block(words: &ByModel, has_fix: bool) -> String {
    let ByModel { model, text, steps } = words;
    let name = redact::line(model, 100);
    let counts = if has_fix {
        "what is above and the fix below are checked"
    } else {
        "what is above is checked"
    };
    let mut block = String::new();
    bullet(
        "",
        &format!("These words are by a model ({name}); {counts}:"),
        &mut block,
    );
    bullet("  ", &whole_sentences(text, MAX_TEXT), &mut block);
    if !has_fix {
        let short = steps.iter().filter(|step| step.chars().count() <= MAX_STEP);
        for step in short.take(MAX_STEPS) {
            bullet("  - ", step, &mut block);
        }
    }
    block.trim_end().to_owned()
}

/// As many sentences as fit.
fn whole_sentences(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let cut: String = text.chars().take(room).collect();
    let end = cut.rfind(". ").map_or(cut.len(), |end| end + 1);
    cut.get(..end).unwrap_or(&cut).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn words_say_whose_they_are_and_stay_short() {
        let words = ByModel {
            model: "m-1\u{1b}[2J".to_owned(),
            text: format!("First. {}. Last {}", "x".repeat(300), "y".repeat(300)),
            steps: vec!["Do this.".to_owned(), "z".repeat(300), "And that.".to_owned()],
        };
        let with = block(&words, true);
        assert!(with.starts_with(
            "These words are by a model (m-1[2J); what is above and the fix below are checked:\n  First."
        ));
        assert!(
            !with.contains("Do this") && !with.contains("yyy") && !with.contains('\u{1b}'),
            "{with}"
        );
        let without = block(&words, false);
        assert!(without.ends_with("  - Do this.\n  - And that."), "{without}");
    }
}
