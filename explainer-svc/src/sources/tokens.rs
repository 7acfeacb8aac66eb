//! Rego cut into words and signs. Only as much as telling forms apart takes; whether it is Rego at all is the engine's
//! matter.

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Name(String),
    /// A text, without its quotes.
    Text(String),
    Number,
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    /// From 1.
    pub(crate) line: usize,
    /// Nothing stands before it on its line.
    pub(crate) first: bool,
    /// How many brackets are open around it.
    pub(crate) depth: usize,
}

/// The tokens of a module, and whether one of its comments begins METADATA.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) list: Vec<Placed>,
    pub(crate) metadata: bool,
}

/// Deeper than anybody writes, and less than the stack.
const DEPTH: usize = 100;

const SIGNS: [&str; 23] = [
    ":=", "==", "!=", "<=", ">=", "{", "}", "[", "]", "(", ")", ".", ",", ":", ";", "=", "<", ">", "|", "&", "+", "-",
    "*",
];

/// Cuts a module.
pub(crate) fn tokens(text: &str) -> Tokens {
    let mut cutter = Cutter {
        rest: text,
        line: 1,
        first: true,
        depth: 0,
        tokens: Tokens::default(),
    };
    while cutter.next() {}
    cutter.tokens
}

struct Cutter<'a> {
    rest: &'a str,
    line: usize,
    first: bool,
    depth: usize,
    tokens: Tokens,
}

impl Cutter<'_> {
    fn next(&mut self) -> bool {
        let Some(c) = self.rest.chars().next() else {
            return false;
        };
        match c {
            '\n' => {
                self.line += 1;
                self.first = true;
                self.skip(1);
            }
            '#' => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                let comment = self.rest.get(1..end).unwrap_or_default();
                self.tokens.metadata |= comment.trim() == "METADATA";
                self.skip(end);
            }
            '"' => self.text(),
            '`' => self.raw(),
            '$' if self.rest.starts_with("$\"") => self.template('"'),
            '$' if self.rest.starts_with("$`") => self.template('`'),
            c if c == '_' || c.is_alphabetic() => {
                let length = self.length(|c| c == '_' || c.is_alphanumeric());
                let name = self.rest.get(..length).unwrap_or_default().to_owned();
                self.push(Token::Name(name), length);
            }
            c if c.is_ascii_digit() => {
                let length = self.length(|c| c.is_ascii_alphanumeric());
                self.push(Token::Number, length);
            }
            _ => self.sign(c),
        }
        true
    }

    fn sign(&mut self, c: char) {
        if c.is_whitespace() {
            return self.skip(c.len_utf8());
        }
        let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) else {
            return self.push(Token::Sign("?"), c.len_utf8());
        };
        if matches!(*sign, "}" | "]" | ")") {
            self.depth = self.depth.saturating_sub(1);
        }
        self.push(Token::Sign(sign), sign.len());
        if matches!(*sign, "{" | "[" | "(") {
            self.depth += 1;
        }
    }

    fn text(&mut self) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = !escaped && (*c == '"' || *c == '\n');
            escaped = !escaped && *c == '\\';
            ends
        });
        let end = end.map_or(self.rest.len(), |(index, _)| index);
        // Names are compared, not shown: escapes may stay.
        let text = self.rest.get(1..end).unwrap_or_default().to_owned();
        let quote = usize::from(self.rest.get(end..).is_some_and(|rest| rest.starts_with('"')));
        self.push(Token::Text(text), end + quote);
    }

    fn raw(&mut self) {
        let inside = self.rest.get(1..).unwrap_or_default();
        let text = inside.split('`').next().unwrap_or_default().to_owned();
        let lines = text.matches('\n').count();
        let length = (text.len() + 2).min(self.rest.len());
        self.push(Token::Text(text), length);
        self.line += lines;
    }

    /// A text with expressions in braces, which may hold such texts again.
    fn template(&mut self, quote: char) {
        if self.depth > DEPTH {
            return self.skip(self.rest.len());
        }
        self.push(Token::Text(String::new()), 2);
        let depth = self.depth;
        self.depth += 1;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '{' => self.expression(),
                '\\' => self.skip(1 + self.rest.chars().nth(1).map_or(0, char::len_utf8)),
                '\n' if quote == '"' => break,
                _ => {
                    self.line += usize::from(c == '\n');
                    self.skip(c.len_utf8());
                    if c == quote {
                        break;
                    }
                }
            }
        }
        self.depth = depth;
        // Ends a term, as any text does.
        self.first = false;
        self.push(Token::Text(String::new()), 0);
    }

    /// What is in braces, with them.
    fn expression(&mut self) {
        let depth = self.depth;
        self.sign('{');
        while self.depth > depth && self.next() {}
    }

    fn length(&self, part: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !part(c)).unwrap_or(self.rest.len())
    }

    fn push(&mut self, token: Token, length: usize) {
        let placed = Placed {
            token,
            line: self.line,
            first: self.first,
            depth: self.depth,
        };
        self.tokens.list.push(placed);
        self.first = false;
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_hide_what_is_in_them() {
        let cut = tokens("a := \"x # \\\" {\" # input.y {\nb := `\n[`\n  c");
        let names: Vec<(&Token, usize, bool, usize)> = cut
            .list
            .iter()
            .map(|placed| (&placed.token, placed.line, placed.first, placed.depth))
            .collect();
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(names.len(), 7, "{names:?}");
        assert_eq!(names[0], (&name("a"), 1, true, 0));
        assert_eq!(names[3], (&name("b"), 2, true, 0));
        assert_eq!(names[6], (&name("c"), 4, true, 0));
        assert!(!cut.metadata);
        assert!(tokens("#  METADATA  \n# title: x").metadata);
    }

    #[test]
    fn expressions_in_texts_are_seen() {
        let cut = tokens("x := $\"a {f(\"}\", input.y)} \\{ {$`\n{z}`} b\" # c\nq");
        let names: Vec<&str> = cut
            .list
            .iter()
            .filter_map(|placed| match &placed.token {
                Token::Name(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["x", "f", "input", "y", "z", "q"]);
        let last = cut.list.last().unwrap();
        assert_eq!((last.line, last.first, last.depth), (3, true, 0));
        tokens(&"$\"{".repeat(100_000));
    }

    #[test]
    fn nothing_makes_it_stop_or_fail() {
        for text in ["\"", "`", "\"\\", "}}}]", "a\u{301} ☃ \u{0}", "0x1fz", "#"] {
            tokens(text);
        }
    }
}
