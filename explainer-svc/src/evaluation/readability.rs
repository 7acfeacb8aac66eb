//! How easy words are to read: the formulas of Flesch (1948) and of Kincaid and others (1975), for English.
//!
//! Both are of the length of sentences and of words in syllables, which are counted by rule. What nobody reads aloud (paths of
//! fields, names, numbers, values) is left out, or a path would be the longest word of all.

use serde::{Deserialize, Serialize};

/// What the formulas say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readability {
    /// Flesch reading ease: 100 is very easy, 60 to 70 plain English, below 30 for who has studied.
    pub ease: f64,
    /// Flesch-Kincaid: the years of school that it takes.
    pub grade: f64,
}

/// Of a text; `None` when it has no words.
pub fn of(text: &str) -> Option<Readability> {
    let (mut sentences, mut words, mut syllables) = (0.0_f64, 0.0_f64, 0.0_f64);
    for sentence in sentences_of(text) {
        let spoken: Vec<&str> = sentence.split_whitespace().filter_map(spoken).collect();
        if spoken.is_empty() {
            continue;
        }
        sentences += 1.0;
        for word in spoken {
            words += 1.0;
            syllables += syllables_of(word);
        }
    }
    if words < 1.0 {
        return None;
    }
    let (length, weight) = (words / sentences, syllables / words);
    Some(Readability {
        ease: 206.835 - 1.015 * length - 84.6 * weight,
        grade: 0.39 * length + 11.8 * weight - 15.59,
    })
}

/// At a mark that ends a sentence before a space, and at line breaks: a dot in a path ends nothing.
fn sentences_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let is_end = |(at, mark): (usize, char)| {
                let after = rest.get(at + mark.len_utf8()..)?;
                (matches!(mark, '.' | '!' | '?') && after.starts_with(char::is_whitespace))
                    .then_some(at + mark.len_utf8())
            };
            let end = rest.char_indices().find_map(is_end).unwrap_or(rest.len());
            let (sentence, after) = rest.split_at_checked(end)?;
            rest = after;
            Some(sentence)
        })
    })
}

/// The letters of a word; `None` for what is no word.
fn spoken(token: &str) -> Option<&str> {
    let word = token.trim_matches(|c: char| !c.is_alphabetic());
    let is_plain = word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-'));
    // `runAsNonRoot` is a name, `Pod` and `CPU` are words.
    let has_hump = word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
    let has_marks = token.contains(['/', '[', '{', '=', '`', '_', '$']);
    (!word.is_empty() && is_plain && !has_hump && !has_marks).then_some(word)
}

/// Groups of vowels, but for an `e` that is not heard at the end.
fn syllables_of(word: &str) -> f64 {
    let mut count = 0.0;
    let mut was_vowel = false;
    let lower = word.to_lowercase();
    for letter in lower.chars() {
        let is_vowel = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
        if is_vowel && !was_vowel {
            count += 1.0;
        }
        was_vowel = is_vowel;
    }
    let is_silent = lower.ends_with('e') && !lower.ends_with("le") && !lower.ends_with("ee");
    let is_past = lower.ends_with("ed") && !["ted", "ded", "ied"].iter().any(|end| lower.ends_with(end));
    if (is_silent || is_past) && count > 1.0 {
        count -= 1.0;
    }
    f64::max(count, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_counted_as_they_are_heard() {
        for (word, expected) in [
            ("the", 1.0),
            ("root", 1.0),
            ("user", 2.0),
            ("policy", 3.0),
            ("container", 3.0),
            ("image", 2.0),
            ("table", 2.0),
            ("allowed", 2.0),
            ("denied", 2.0),
            ("wanted", 2.0),
            ("rhythm", 1.0),
        ] {
            assert!(
                (syllables_of(word) - expected).abs() < 0.1,
                "{word}: {}",
                syllables_of(word)
            );
        }
    }

    #[test]
    fn the_formulas_are_the_published_ones() {
        // Six words of one syllable in one sentence: 206.835 - 1.015 * 6 - 84.6.
        let easy = of("The cat sat on the mat.").unwrap();
        assert!((easy.ease - 116.145).abs() < 0.001, "{easy:?}");
        assert!((easy.grade - (0.39 * 6.0 + 11.8 - 15.59)).abs() < 0.001, "{easy:?}");
        let hard = of("Considerable administrative complications necessitate organizational reconsideration.").unwrap();
        assert!(hard.ease < 0.0 && hard.grade > 20.0, "{hard:?}");
    }

    #[test]
    fn what_is_not_read_aloud_does_not_count() {
        let plain = of("Set it to true. It is safe.").unwrap();
        let with_path =
            of("Set spec.containers[0].securityContext.runAsNonRoot it to `true` true. It is safe.").unwrap();
        assert!((plain.ease - with_path.ease).abs() < 0.001);
        assert_eq!(of("spec.containers[0]: 1"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn lines_and_marks_end_sentences_and_dots_in_names_do_not() {
        let sentences: Vec<&str> = sentences_of("One v1.2 thing. Two!\nThree").map(str::trim).collect();
        assert_eq!(sentences, ["One v1.2 thing.", "Two!", "Three"]);
    }
}
