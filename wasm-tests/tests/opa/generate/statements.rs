//! What stands in bodies.

use super::Generator;
use super::documents::KEYS;
use super::scope::Scope;
use crate::tree::{Tree, term, tree};

impl Generator {
    pub(super) fn statement(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let nested = u32::from(depth > 0);
        let before = scope.closed();
        let weights = [17, 6, 7, 15, 8, 12, 4, 6, 15 * nested, 6 * nested, 6, 3];
        let statement = match self.weighted(&weights) {
            0 => {
                // The value is before the variable: it may not name it.
                let value = if self.chance(55) {
                    self.document(scope, depth)
                } else {
                    self.term(scope, depth)
                };
                let name = self.declare(scope);
                tree![name, " := ", value]
            }
            1 => {
                let (left, right) = self.comparable(scope, depth);
                tree![left, " = ", right]
            }
            2 => {
                let value = self.document(&mut scope.closed(), depth);
                let pattern = self.pattern(scope, 2);
                if self.chance(70) {
                    tree![pattern, " = ", value]
                } else {
                    tree![value, " = ", pattern]
                }
            }
            3 => self.comparison(scope, depth),
            4 => self.condition(scope, depth),
            5 => self.some_in(scope, depth),
            6 => {
                let name = self.declare(scope);
                let base = self.collection();
                let operator = self.pick(&["==", "!=", "=", "<"]);
                let other = self.term(&mut scope.closed(), 0);
                tree![format!("some {name}\n\t"), base, format!("[{name}] {operator} "), other]
            }
            7 => {
                let reference = self.reference(scope, depth);
                tree![reference]
            }
            8 => {
                let negated = self.negated(scope, depth - 1);
                tree!["not ", negated]
            }
            9 => self.every(scope, depth),
            10 => {
                let (item, list) = self.member(scope, depth);
                tree![item, " in ", list]
            }
            _ => {
                let value = self.term(&mut scope.closed(), 0);
                let (path, found) = (self.loose(scope), self.loose(scope));
                tree!["walk(", value, format!(", [{path}, {found}])")]
            }
        };
        if self.chance(7) {
            return self.modified(statement, before);
        }
        statement
    }

    /// Something that is true or not, and binds nothing that has to be known elsewhere.
    fn condition(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        match self.weighted(&[40, 40, 20]) {
            0 => self.call(scope, depth.max(1)),
            1 => self.reference(scope, depth),
            _ => self.comparison(scope, depth),
        }
    }

    fn comparison(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let (left, right) = self.comparable(scope, depth);
        let operator = self.pick(&["==", "==", "!=", "<", "<=", ">", ">="]);
        tree![left, " ", operator, " ", right]
    }

    /// What `not` stands before: with calls and references inside that may be undefined.
    fn negated(&mut self, scope: &Scope, depth: usize) -> Tree {
        let mut scope = scope.closed();
        match self.weighted(&[40, 40, 20]) {
            0 => self.comparison(&mut scope, depth),
            1 => self.condition(&mut scope, depth),
            _ => {
                let (item, list) = self.member(&mut scope, depth);
                tree![item, " in ", list]
            }
        }
    }

    /// Both sides of `in`.
    fn member(&mut self, scope: &mut Scope, depth: usize) -> (Tree, Tree) {
        let item = self.term(scope, depth);
        let list = match self.weighted(&[55, 15, 30]) {
            0 => self.document(&mut scope.closed(), depth),
            1 => self.collection(),
            _ => self.term(&mut scope.closed(), depth),
        };
        (item, list)
    }

    fn some_in(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let form = self.weighted(&[80, 10, 10]);
        let list = if form > 0 {
            self.document(&mut scope.closed(), depth)
        } else if self.chance(60) {
            self.collection()
        } else {
            self.term(&mut scope.closed(), depth)
        };
        let item = match form {
            0 => term![self.declare(scope)],
            1 => {
                let (first, second) = (self.declare(scope), self.declare(scope));
                term![format!("[{first}, {second}]")]
            }
            _ => {
                let name = self.declare(scope);
                term![format!("{{\"a\": {name}}}")]
            }
        };
        if self.chance(35) {
            let key = self.declare(scope);
            return tree![format!("some {key}, "), item, " in ", list];
        }
        tree!["some ", item, " in ", list]
    }

    fn every(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let list = if self.chance(70) {
            self.collection()
        } else {
            self.term(&mut scope.closed(), depth - 1)
        };
        let mut inner = scope.inner();
        let value = self.declare(&mut inner);
        // OPA refuses variables that nobody uses.
        let (names, used) = if self.chance(30) {
            let key = self.declare(&mut inner);
            (format!("{key}, {value}"), format!("[{key}, {value}]"))
        } else {
            (value.clone(), value)
        };
        let operator = self.pick(&["==", "!=", ">=", "in"]);
        let other = self.document(&mut inner.closed(), 0);
        let body = self.body(&mut inner, depth - 1, 2);
        tree![
            format!("every {names} in "),
            list,
            format!(" {{\n\t{used} {operator} "),
            other,
            "\n\t",
            body,
            "\n}"
        ]
    }

    /// Something that often has items.
    fn collection(&mut self) -> Tree {
        term![self.pick(&[
            "input.xs",
            "input.ys",
            "input.m",
            "data.d.xs",
            "data.d.m",
            "[1, \"a\", null]",
            "{\"a\": 1, \"b\": 2}",
            "{1, \"b\"}",
            "input",
        ])]
    }

    /// What a value can be taken apart by. Its variables get their value from that.
    pub(super) fn pattern(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let weights: &[u32] = if depth == 0 { &[60, 25, 15] } else { &[15, 8, 5, 45, 27] };
        match self.weighted(weights) {
            0 => term![self.loose(scope)],
            1 => self.literal(),
            2 => term!["_"],
            3 => {
                let count = self.random.usize(0..4);
                let items = (0..count).map(|_| self.pattern(scope, depth - 1)).collect();
                term!["[", Tree::list(items, ", "), "]"]
            }
            _ => {
                let start = self.random.usize(0..KEYS.len() - 1);
                let count = self.random.usize(1..3);
                let mut members = Vec::new();
                for key in &KEYS[start..(start + count).min(KEYS.len())] {
                    members.push(tree![format!("\"{key}\": "), self.pattern(scope, depth - 1)]);
                }
                term!["{", Tree::list(members, ", "), "}"]
            }
        }
    }

    /// The same with other documents, rules or functions.
    fn modified(&mut self, statement: Tree, mut scope: Scope) -> Tree {
        let count = if self.chance(20) { 2 } else { 1 };
        let mut replacements = Vec::new();
        for _ in 0..count {
            let rules: Vec<String> = self
                .known
                .iter()
                .filter(|known| known.arity == 0)
                .map(|known| known.reference(self.package))
                .collect();
            let target = match self.weighted(&[20, 40, 15, 20, 5]) {
                0 => "input".to_owned(),
                1 => format!("input.{}", self.pick(&KEYS)),
                2 => format!("data.d.{}", self.pick(&KEYS)),
                3 if !rules.is_empty() => rules[self.random.usize(0..rules.len())].clone(),
                // The parser takes no numbers there.
                3 if self.chance(5) => "input.xs[0]".to_owned(),
                3 => "input.m.a".to_owned(),
                _ => self.pick(&["count", "lower", "is_string"]).to_owned(),
            };
            let value = self.term(&mut scope, 1);
            replacements.push(tree![format!(" with {target} as "), value]);
        }
        tree![statement, Tree::list(replacements, "")]
    }
}
