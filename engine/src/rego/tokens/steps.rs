//! How deep the tree of an expression becomes, told from its text: reading, compiling and dropping a tree are recursive, and a
//! tree too deep ends the process before anybody can say so.

use super::{Piece, Token};

/// Operators, signs and steps of references in each other. `a + b + c` is two of them, and so is `a.b.c`.
const MAX_STEPS: usize = 100;

/// Words that are never names, and that no expression goes on after.
const ENDS: [&str; 5] = ["with", "as", "not", "some", "else"];

/// What stands between two brackets.
#[derive(Default)]
struct Level {
    /// The deepest of the expressions that ended.
    ended: usize,
    /// Of the expression that goes on: its operators so far, each of which has all before it as its operand.
    operators: usize,
    /// Its deepest operand so far.
    operand: usize,
    /// Of the operand that goes on: its steps, and the deepest of its brackets.
    steps: usize,
    brackets: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.ended
            .max(self.operators + self.operand.max(self.steps + self.brackets))
    }

    fn operator(&mut self) {
        self.operand = self.operand.max(self.steps + self.brackets);
        (self.steps, self.brackets) = (0, 0);
        self.operators += 1;
    }

    fn end(&mut self) {
        *self = Self {
            ended: self.depth(),
            ..Self::default()
        };
    }
}

/// Refuses what would become too deep, with its line.
pub(super) fn check(text: &str, pieces: &[Piece]) -> Result<(), (usize, String)> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let mut before: Option<&Piece> = None;
    for piece in pieces {
        let word = text.get(piece.start..piece.end).unwrap_or_default();
        let is_term = before.is_some_and(|before| {
            let word = text.get(before.start..before.end).unwrap_or_default();
            match before.token {
                Token::Word => !super::CONTINUED.contains(&word),
                Token::Close(_) => true,
                Token::Open(_) | Token::Other => false,
            }
        });
        let follows_operator = before.is_some_and(|before| before.token == Token::Other && before.end == piece.start);
        let is_operator = piece.token == Token::Other || word == "in";
        if !is_operator && is_term && before.is_some_and(|before| before.line < piece.line) {
            level.end();
        }
        match piece.token {
            Token::Open(_) => {
                // A call, or a step of a reference.
                level.steps += usize::from(is_term);
                outer.push(std::mem::take(&mut level));
            }
            Token::Close(_) => {
                let inner = level.depth() + 1;
                level = outer.pop().unwrap_or_default();
                level.brackets = level.brackets.max(inner);
            }
            Token::Word if word == "in" => level.operator(),
            Token::Word if ENDS.contains(&word) => level.end(),
            Token::Word if word.starts_with(|first: char| first.is_ascii_digit() || "\"`".contains(first)) => {}
            Token::Word => level.steps += word.bytes().filter(|byte| *byte == b'.').count(),
            // The second half of an operator.
            Token::Other if word == "=" && follows_operator => {}
            // An assignment, or what stands between expressions.
            Token::Other if matches!(word, "," | ";" | ":") => level.end(),
            Token::Other => level.operator(),
        }
        // Brackets that are never closed are read as well.
        let open: usize = outer.iter().map(|level| level.operators + level.steps).sum();
        if open + level.depth() > MAX_STEPS {
            let advice = format!(
                "an expression has more than {MAX_STEPS} operators, signs and steps in each other; split it: give its parts names"
            );
            return Err((piece.line, advice));
        }
        before = Some(piece);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, prepare};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn refused(expression: &str) -> Option<usize> {
        let text = format!("package a\n\np if {{\n\tx := {expression}\n}}\n");
        prepare(&text, Dialect::V1).err().map(|(line, message)| {
            assert!(message.contains("more than 100 operators"), "{message}");
            line
        })
    }

    #[test]
    fn what_becomes_a_deep_tree_is_refused_with_its_line() {
        let many = |part: &str| part.repeat(101);
        for expression in [
            format!("1{}", many("+1")),
            format!("1{}", many(" +\n 1")),
            format!("{{1}}{}", many(" | {1}")),
            format!("{}1", many("-")),
            format!("{}1", many("- ")),
            format!("a{}", many(".b")),
            format!("a{}", many("[0]")),
            format!("a{}", many("[b]")),
            format!("a{}", many(" in b")),
            format!("(1{}){}", "+1".repeat(50), "+1".repeat(50)),
            format!("{}1", "-(".repeat(8).replace('-', &"-".repeat(20))),
            format!("[1, {{\"a\": f(1{})}}]", many("*2")),
        ] {
            assert!(refused(&expression).is_some_and(|line| line >= 4), "{expression:.40}");
        }
    }

    #[test]
    fn what_is_only_long_is_not() {
        let many = |part: &str| part.repeat(1_000);
        for expression in [
            format!("[{}]", many("a.b + 1, ")),
            format!("{{{}}}", many("\"a\": -1, ")),
            format!("1{}", many("; x == 1 + 1")),
            format!("1{}", many(" with input.a as 1")),
            format!("1{}", many("\n\tx[y] == a.b.c - 1\n\t[1] == z\n\tnot x in y")),
            format!("1{}", "+1".repeat(90)),
            format!("a.b.c{}", " + input.request.object.metadata.labels[x]".repeat(80)),
            format!("\"{}\"", many("a.b + ")),
            format!("`{}`", many("a.b +\n")),
        ] {
            assert_eq!(refused(&expression), None, "{expression:.40}");
        }
    }
}
