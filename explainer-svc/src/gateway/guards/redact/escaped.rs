//! Texts inside of texts: a file in a string of JSON, the words of a command in a list. What is found there is cut out of the
//! text around it.

use std::sync::LazyLock;

use regex::Regex;

use super::{Span, assignments, kinds, phrases};
use crate::gateway::guards::pattern::fixed;

/// Finds what shows only once escapes are read and lists are joined.
pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    if text.contains('\\') {
        let plain = unescaped(text);
        let mut inner = Vec::new();
        kinds::find(&plain, &mut inner);
        assignments::find(&plain, &mut inner);
        phrases::find(&plain, &mut inner);
        bring_back(text, &plain, &inner, found);
    }
    turned(text, found);
    apart(text, found);
    if let Some(joined) = joined(text) {
        let mut inner = Vec::new();
        kinds::find(&joined, &mut inner);
        assignments::find(&joined, &mut inner);
        bring_back(text, &joined, &inner, found);
    }
}

/// Tokens that are a secret of a known form from their end.
fn turned(text: &str, found: &mut Vec<Span>) {
    static TOKENS: LazyLock<Regex> = LazyLock::new(|| fixed(r"[A-Za-z0-9_.-]{16,}"));
    let mut turned = String::new();
    let mut places = Vec::new();
    for token in TOKENS
        .find_iter(text)
        .filter(|token| token.as_str().bytes().any(|byte| byte.is_ascii_digit()))
    {
        places.push((turned.len(), token.range()));
        turned.extend(token.as_str().chars().rev());
        turned.push('\n');
    }
    let mut inner = Vec::new();
    kinds::find(&turned, &mut inner);
    for span in inner {
        let at = places.partition_point(|(start, _)| *start <= span.start);
        if let Some((_, place)) = at.checked_sub(1).and_then(|at| places.get(at))
            && (span.end - span.start) * 5 >= place.len() * 4
        {
            found.push(Span {
                start: place.start,
                end: place.end,
                kind: span.kind,
            });
        }
    }
}

/// Secrets of a known form, letter by letter.
fn apart(text: &str, found: &mut Vec<Span>) {
    static LETTERS: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?:[A-Za-z0-9_.+/=-] ){11,}[A-Za-z0-9_.+/=-]"));
    for letters in LETTERS.find_iter(text).take(16) {
        let mut inner = Vec::new();
        kinds::find(&letters.as_str().replace(' ', ""), &mut inner);
        found.extend(inner.first().map(|span| Span {
            start: letters.start(),
            end: letters.end(),
            kind: span.kind,
        }));
    }
}

/// Line breaks and quotes as they are read by who gets the string.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') | None => {}
            Some(other) => plain.push(other),
        }
    }
    plain
}

/// The elements of lists as the line that they make: `["a", "b"]` and `- a` above `- b`.
fn joined(text: &str) -> Option<String> {
    let mut line = String::with_capacity(text.len());
    let mut is_changed = false;
    for part in text.split('\n') {
        let entry = part.trim_start();
        if let Some(rest) = entry.strip_prefix("- ").filter(|rest| !rest.contains(": ")) {
            is_changed = true;
            line.push(' ');
            line.push_str(rest.trim_matches(['"', '\'']));
        } else {
            line.push('\n');
            line.push_str(part);
        }
    }
    for between in ["\", \"", "\",\"", "', '", "','"] {
        if line.contains(between) {
            is_changed = true;
            line = line.replace(between, " ");
        }
    }
    is_changed.then_some(line)
}

/// Each line of what was found, wherever the text has it between edges of words.
fn bring_back(text: &str, read: &str, inner: &[Span], found: &mut Vec<Span>) {
    // `-phunter2`
    static FLAG: LazyLock<Regex> = LazyLock::new(|| fixed(r#"(?:^|[\s"',\[])-[A-Za-z]$"#));
    let is_edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
    for span in inner {
        let secret = read.get(span.start..span.end).unwrap_or_default();
        for line in secret.lines().map(str::trim).filter(|line| line.chars().count() >= 4) {
            for written in [line.to_owned(), line.replace('\\', "\\\\").replace('"', "\\\"")] {
                for (start, _) in text.match_indices(&written) {
                    let end = start + written.len();
                    let before = text.get(..start).unwrap_or_default();
                    // The letter of an escape is no letter of a word.
                    let is_begin = is_edge(before.chars().next_back())
                        || before.ends_with("\\n")
                        || before.ends_with("\\t")
                        || FLAG.is_match(before);
                    if is_begin && is_edge(text.get(end..).and_then(|after| after.chars().next())) {
                        found.push(Span {
                            start,
                            end,
                            kind: span.kind,
                        });
                    }
                }
            }
        }
    }
}
