//! What has a value.

use super::Generator;
use super::documents::{KEYS, TEXTS};
use super::functions::{Argument, FUNCTIONS};
use super::scope::Scope;
use crate::tree::{Tree, term};

const PATTERNS: [&str; 6] = ["`^a`", "`[a-c]+$`", "`.`", "`b*`", "`\\\\d`", "`(`"];
const FORMATS: [&str; 9] = ["%v", "%s", "%d", "%q", "%v %v", "%5s|", "%.1f", "%t", "x"];

impl Generator {
    /// Any term, at most so deep.
    pub(super) fn term(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let weights: &[u32] = if depth == 0 {
            &[30, 32, 38]
        } else {
            &[12, 20, 28, 13, 9, 6, 5, 5, 7, 3]
        };
        match self.weighted(weights) {
            0 => self.literal(),
            1 => self.variable(scope),
            2 => self.reference(scope, depth),
            3 => self.call(scope, depth),
            4 => self.arithmetic(scope, depth),
            5 => {
                let items = self.terms(scope, depth - 1, 3);
                term!["[", Tree::list(items, ", "), "]"]
            }
            6 => self.object(scope, depth),
            7 => {
                let items = self.terms(scope, depth - 1, 3);
                if items.is_empty() {
                    return term!["set()"];
                }
                let items = Tree::List {
                    items,
                    separator: ", ",
                    minimum: 1,
                };
                term!["{", items, "}"]
            }
            8 => self.comprehension(scope, depth),
            _ => {
                let (left, right) = self.comparable(scope, depth - 1);
                let operator = self.pick(&["==", "!=", "<", ">=", "in"]);
                term!["(", left, " ", operator, " ", right, ")"]
            }
        }
    }

    fn terms(&mut self, scope: &mut Scope, depth: usize, most: usize) -> Vec<Tree> {
        let count = self.random.usize(0..=most);
        (0..count).map(|_| self.term(scope, depth)).collect()
    }

    pub(super) fn literal(&mut self) -> Tree {
        match self.weighted(&[40, 40, 10, 5, 5]) {
            0 => term![self.pick(&["0", "1", "2", "3", "-1", "1.5", "10"])],
            1 => term![format!("\"{}\"", self.pick(&TEXTS))],
            2 => term![self.pick(&["true", "false"])],
            3 => term!["null"],
            _ => term![self.pick(&["[]", "{}", "set()", "[1]", "{\"a\": 1}", "{1}"])],
        }
    }

    fn variable(&mut self, scope: &mut Scope) -> Tree {
        if scope.visible.is_empty() {
            return self.reference(scope, 0);
        }
        let place = self.random.usize(0..scope.visible.len());
        term![scope.visible[place].as_str()]
    }

    fn object(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let count = self.random.usize(0..3);
        let mut members = Vec::new();
        for _ in 0..count {
            // Variables in keys have to have their value from elsewhere.
            let key = if self.chance(75) {
                term![format!("\"{}\"", self.pick(&KEYS))]
            } else {
                self.term(&mut scope.closed(), 0)
            };
            let value = self.term(scope, depth - 1);
            members.push(crate::tree::tree![key, ": ", value]);
        }
        term!["{", Tree::list(members, ", "), "}"]
    }

    /// Two terms, one of which can be of any type as far as OPA's compiler knows.
    pub(super) fn comparable(&mut self, scope: &mut Scope, depth: usize) -> (Tree, Tree) {
        let any = self.document(scope, depth);
        let other = self.term(scope, depth);
        if self.chance(50) { (any, other) } else { (other, any) }
    }

    /// Into a document: the compiler does not know its type.
    pub(super) fn document(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let base = self.pick(&["input", "input", "input", "data.d"]);
        let mut parts = vec![Tree::from(base), Tree::from(format!(".{}", self.pick(&KEYS)))];
        let steps = self.weighted(&[55, 35, 10]);
        for _ in 0..steps {
            parts.push(self.step(scope, depth, false));
        }
        Tree::Node(crate::tree::Kind::Term, parts)
    }

    fn operand(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        match self.weighted(&[30, 48, 14, 8]) {
            0 => term![self.pick(&["0", "1", "2", "-1", "2.5", "10"])],
            1 => self.document(scope, depth),
            2 => self.variable(scope),
            _ if depth > 0 => self.arithmetic(scope, depth),
            _ => self.document(scope, depth),
        }
    }

    fn arithmetic(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        if self.chance(15) {
            let (left, right) = (self.document(scope, depth - 1), self.document(scope, depth - 1));
            let operator = self.pick(&["|", "&", "-"]);
            return term!["({1, \"a\", ", left, "} ", operator, " {1, ", right, "})"];
        }
        let (left, right) = (self.operand(scope, depth - 1), self.operand(scope, depth - 1));
        let operator = self.pick(&["+", "-", "*", "/", "%"]);
        term!["(", left, " ", operator, " ", right, ")"]
    }

    fn comprehension(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let mut inner = scope.inner();
        let body = self.body(&mut inner, depth - 1, 2);
        let mut inner = inner.closed();
        let value = self.term(&mut inner, 0);
        match self.random.u32(0..3) {
            0 => term!["[", value, " | ", body, "]"],
            1 => term!["{", value, " | ", body, "}"],
            _ => {
                let key = self.term(&mut inner, 0);
                term!["{", key, ": ", value, " | ", body, "}"]
            }
        }
    }

    /// A call of a function of ours or of a builtin one.
    pub(super) fn call(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let own: Vec<(String, usize)> = self
            .known
            .iter()
            .filter(|known| known.arity > 0)
            .map(|known| (known.reference(self.package), known.arity))
            .collect();
        if !own.is_empty() && self.chance(45) {
            let (name, arity) = own[self.random.usize(0..own.len())].clone();
            let arguments = (0..arity).map(|_| self.term(scope, depth - 1)).collect();
            return call(&name, arguments);
        }
        if self.chance(12) {
            let format = self.pick(&FORMATS);
            let arguments = self.terms(scope, depth - 1, 3);
            return term![
                "sprintf(",
                format!("\"{format}\""),
                ", [",
                Tree::list(arguments, ", "),
                "])"
            ];
        }
        let (name, arguments) = FUNCTIONS[self.random.usize(0..FUNCTIONS.len())];
        let arguments = arguments
            .iter()
            .map(|argument| self.argument(*argument, scope, depth - 1))
            .collect();
        call(name, arguments)
    }

    fn argument(&mut self, argument: Argument, scope: &mut Scope, depth: usize) -> Tree {
        if argument == Argument::Any {
            return self.term(scope, depth);
        }
        match self.weighted(&[35, 20, 40, 5]) {
            0 => {
                let key = match argument {
                    Argument::Text | Argument::Pattern => "s",
                    Argument::Number | Argument::Small => "n",
                    Argument::Object => "m",
                    _ => self.pick(&["xs", "ys"]),
                };
                term![self.pick(&["input.", "input.", "data.d."]), key]
            }
            1 => self.variable(scope),
            3 => self.term(scope, depth),
            _ => match argument {
                Argument::Number | Argument::Small => term![self.pick(&["0", "1", "2", "-1", "2.5", "10"])],
                Argument::Array => term!["[", self.term(scope, depth), ", ", self.literal(), "]"],
                Argument::Object => term!["{\"a\": ", self.term(scope, depth), ", \"m\": ", self.literal(), "}"],
                Argument::Set => term!["{{", self.term(scope, depth), "}, {1, \"a\"}}"],
                Argument::Keys => term!["[\"", self.pick(&KEYS), "\", \"", self.pick(&KEYS), "\"]"],
                Argument::Pattern => term![self.pick(&PATTERNS)],
                _ => term![format!("\"{}\"", self.pick(&TEXTS))],
            },
        }
    }

    /// A reference into a document, to a rule or into a variable.
    pub(super) fn reference(&mut self, scope: &mut Scope, depth: usize) -> Tree {
        let mut parts = vec![match self.weighted(&[50, 12, 25, 13]) {
            0 => Tree::from("input"),
            1 => Tree::from("data.d"),
            2 => {
                let rules: Vec<String> = self
                    .known
                    .iter()
                    .filter(|known| known.arity == 0)
                    .map(|known| known.reference(self.package))
                    .collect();
                if rules.is_empty() {
                    Tree::from("input")
                } else if self.package == "t" && self.chance(15) {
                    // Its rules, by names that are not known.
                    let name = if scope.open && self.chance(60) {
                        self.loose(scope)
                    } else {
                        self.pick(&["input.s", "\"r0\"", "data.d.s", "\"r1\""]).to_owned()
                    };
                    Tree::from(format!("data.lib[{name}]"))
                } else {
                    let rule = rules[self.random.usize(0..rules.len())].as_str();
                    if self.chance(80) {
                        return term![rule];
                    }
                    Tree::from(rule)
                }
            }
            _ => match self.variable(scope) {
                variable @ Tree::Node(..) if !scope.visible.is_empty() => variable,
                _ => Tree::from("input"),
            },
        }];
        let steps = self.weighted(&[4, 50, 34, 12]);
        for place in 0..steps {
            parts.push(self.step(scope, depth, place == 0));
        }
        Tree::Node(crate::tree::Kind::Term, parts)
    }

    fn step(&mut self, scope: &mut Scope, depth: usize, first: bool) -> Tree {
        let weights: &[u32] = if first { &[85, 1, 4, 5, 5] } else { &[45, 15, 12, 20, 8] };
        match self.weighted(weights) {
            0 => Tree::from(format!(".{}", self.pick(&KEYS))),
            1 => Tree::from(format!("[{}]", self.pick(&["0", "1", "2", "\"a\"", "\"n\"", "true"]))),
            2 => {
                let variable = self.variable(scope);
                crate::tree::tree!["[", variable, "]"]
            }
            3 if scope.open => {
                let name = if self.chance(35) {
                    "_".to_owned()
                } else {
                    self.loose(scope)
                };
                Tree::from(format!("[{name}]"))
            }
            _ => {
                let key = self.term(scope, depth.saturating_sub(1).min(1));
                crate::tree::tree!["[", key, "]"]
            }
        }
    }
}

fn call(name: &str, arguments: Vec<Tree>) -> Tree {
    let count = arguments.len();
    let arguments = Tree::List {
        items: arguments,
        separator: ", ",
        minimum: count,
    };
    term![name, "(", arguments, ")"]
}
