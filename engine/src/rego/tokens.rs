//! The parser does not read all that OPA reads. What can be written in another way without a change of meaning is rewritten
//! here, on the text and within its line, so that positions stay true.

mod steps;

use super::Dialect;

/// How deep brackets may be nested.
const MAX_DEPTH: usize = 16;

/// Words after which a term goes on in the next line.
const CONTINUED: [&str; 9] = ["in", "not", "as", "with", "if", "else", "every", "some", "contains"];

/// A piece of text that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Open(u8),
    Close(u8),
    /// A name, a number, a string or the like.
    Word,
    Other,
}

struct Piece {
    token: Token,
    start: usize,
    end: usize,
    line: usize,
}

/// Rewrites:
/// - a parenthesis that begins a line is no call of what stands at the end of the line before;
/// - a second body in braces after that of a set's rule is a rule of its own.
pub(super) fn prepare(text: &str, dialect: Dialect) -> Result<String, (usize, String)> {
    let pieces = scan(text)?;
    steps::check(text, &pieces)?;
    let mut insertions: Vec<(usize, String)> = Vec::new();
    let mut depth = 0_usize;
    let mut braces: Vec<u8> = Vec::new();
    // Where the head of the current rule begins and ends.
    let mut head: Option<(usize, usize)> = None;
    // Whether the last braces outside of all others were a body.
    let mut is_body = false;
    for (place, piece) in pieces.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| pieces.get(place));
        match piece.token {
            Token::Open(b'(') => {
                let follows_word = before.is_some_and(|before| {
                    let word = text.get(before.start..before.end).unwrap_or_default();
                    let ends_term = match before.token {
                        Token::Word => !CONTINUED.contains(&word),
                        other => other == Token::Close(b']'),
                    };
                    before.line < piece.line && ends_term
                });
                if follows_word && braces.last() == Some(&b'{') {
                    insertions.push((before.map_or(0, |before| before.end), ";".to_owned()));
                }
            }
            // After an operator it is a value.
            Token::Open(b'{') if depth == 0 && before.is_some_and(|before| before.token == Token::Other) => {
                is_body = false;
            }
            Token::Open(b'{') if depth == 0 && dialect == Dialect::V0 => {
                let after_body = is_body && before.is_some_and(|before| before.token == Token::Close(b'}'));
                is_body = true;
                if after_body {
                    if let Some(text) = head.and_then(|(start, end)| text.get(start..end)) {
                        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                        insertions.push((piece.start, format!("{one_line} ")));
                    }
                } else if let Some((start, _)) = head {
                    head = Some((start, piece.start));
                }
            }
            _ => {}
        }
        match piece.token {
            // The parser takes twice as long for each level.
            Token::Open(_) if depth >= MAX_DEPTH => {
                let advice = format!("brackets are nested more than {MAX_DEPTH} deep; give the inner part a name");
                return Err((piece.line, advice));
            }
            Token::Open(bracket) => {
                if depth == 0 && head.is_none() {
                    head = Some((piece.start, piece.start));
                }
                depth += 1;
                braces.push(bracket);
            }
            Token::Close(_) => {
                depth = depth.saturating_sub(1);
                braces.pop();
            }
            Token::Word if depth == 0 => {
                let new_rule = before.is_none_or(|before| before.line < piece.line) || head.is_none();
                if new_rule || before.is_some_and(|before| before.token == Token::Close(b'}')) {
                    // `else` belongs to the rule before it, and has a body of its own.
                    head = (text.get(piece.start..piece.end) != Some("else")).then_some((piece.start, piece.start));
                }
            }
            _ => {}
        }
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    insertions.sort_by_key(|(at, _)| *at);
    for (at, insertion) in insertions {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(&insertion);
        from = at;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(out)
}

fn scan(text: &str) -> Result<Vec<Piece>, (usize, String)> {
    let bytes = text.as_bytes();
    let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || byte >= 0x80;
    let mut pieces = Vec::new();
    let (mut place, mut line) = (0, 1);
    while place < bytes.len() {
        let start = place;
        let first_line = line;
        let token = match at(place) {
            b'\n' => {
                line += 1;
                place += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                place += 1;
                continue;
            }
            b'#' => {
                while place < bytes.len() && at(place) != b'\n' {
                    place += 1;
                }
                continue;
            }
            b'$' if matches!(at(place + 1), b'"' | b'`') => {
                let advice = "template strings are not available here; use sprintf";
                return Err((line, advice.to_owned()));
            }
            b'"' => {
                place += 1;
                while place < bytes.len() && at(place) != b'"' && at(place) != b'\n' {
                    place += if at(place) == b'\\' { 2 } else { 1 };
                }
                place += 1;
                Token::Word
            }
            b'`' => {
                place += 1;
                while place < bytes.len() && at(place) != b'`' {
                    line += usize::from(at(place) == b'\n');
                    place += 1;
                }
                place += 1;
                Token::Word
            }
            bracket @ (b'(' | b'[' | b'{') => {
                place += 1;
                Token::Open(bracket)
            }
            bracket @ (b')' | b']' | b'}') => {
                place += 1;
                Token::Close(bracket)
            }
            byte if is_word(byte) => {
                while place < bytes.len() && is_word(at(place)) {
                    place += 1;
                }
                Token::Word
            }
            _ => {
                place += 1;
                Token::Other
            }
        };
        pieces.push(Piece {
            token,
            start,
            end: place.min(bytes.len()),
            line: if matches!(token, Token::Word) { line } else { first_line },
        });
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn prepared(text: &str) -> String {
        prepare(text, Dialect::V0).unwrap()
    }

    #[test]
    fn a_parenthesis_on_a_line_of_its_own_is_no_call() {
        assert_eq!(
            prepared("p {\n\tx := y\n\t(x == 1)\n}"),
            "p {\n\tx := y;\n\t(x == 1)\n}"
        );
        assert_eq!(
            prepared("p {\n\tf(\n\t(1)) # c\n\t(2 == 2)\n}"),
            "p {\n\tf(\n\t(1)) # c\n\t(2 == 2)\n}"
        );
        assert_eq!(prepared("p { x := 1 + # c\n (2) }"), "p { x := 1 + # c\n (2) }");
    }

    #[test]
    fn a_second_body_is_a_rule_of_its_own() {
        assert_eq!(
            prepared("package a\n\ndeny[msg] {\n\tmsg := \"}\"\n} {\n\tmsg := `{`\n}\nq = 1 { true }\n"),
            "package a\n\ndeny[msg] {\n\tmsg := \"}\"\n} deny[msg] {\n\tmsg := `{`\n}\nq = 1 { true }\n"
        );
        let object = "p = {\"a\": 1} { true } { true }\n";
        assert_eq!(prepared(object), "p = {\"a\": 1} { true } p = {\"a\": 1} { true }\n");
        let other = "p = 1 { false } else = 2 { true }\nq { true }\n";
        assert_eq!(prepared(other), other);
    }

    #[test]
    fn template_strings_are_named() {
        assert_eq!(prepare("package a\np := $\"x\"", Dialect::V1).unwrap_err().0, 2);
    }
}
