//! Rules of every form.

use super::Generator;
use super::documents::KEYS;
use super::scope::Scope;
use crate::tree::{Tree, term, tree};

const DEPTH: usize = 2;

/// A rule that others may name.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) package: &'static str,
    pub(crate) name: String,
    /// 0: no function.
    pub(crate) arity: usize,
}

impl Known {
    /// How a package names it.
    pub(crate) fn reference(&self, package: &str) -> String {
        if self.package == package {
            self.name.clone()
        } else {
            format!("data.{}.{}", self.package, self.name)
        }
    }
}

impl Generator {
    /// All definitions of one name.
    pub(super) fn rule(&mut self, name: String) -> Tree {
        let mut arity = 0;
        let definitions = match self.weighted(&[32, 16, 14, 16, 22]) {
            0 => self.complete(&name),
            1 => self.several(|own| own.partial_set(&name)),
            2 => self.several(|own| own.partial_object(&name)),
            3 => {
                let (steps, is_set) = (self.random.usize(1..=3), self.chance(40));
                self.several(|own| {
                    // Definitions that overlap are refused by OPA's compiler.
                    let steps = if own.chance(15) { own.random.usize(1..=3) } else { steps };
                    own.composite(&name, steps, is_set)
                })
            }
            _ => {
                arity = self.random.usize(1..=2);
                self.function(&name, arity)
            }
        };
        self.known.push(Known {
            package: self.package,
            name,
            arity,
        });
        Tree::list(definitions, "\n\n")
    }

    fn several(&mut self, mut definition: impl FnMut(&mut Self) -> Tree) -> Vec<Tree> {
        let count = self.random.usize(1..=2);
        (0..count)
            .map(|_| {
                self.mentioned.clear();
                definition(self)
            })
            .collect()
    }

    fn complete(&mut self, name: &str) -> Vec<Tree> {
        let mut definitions = Vec::new();
        if self.chance(20) {
            definitions.push(tree![format!("default {name} := "), self.literal()]);
        }
        let one_value = self.chance(50);
        let value = self.literal();
        definitions.extend(
            self.several(|own| own.definition(tree![name], &Scope::new(Vec::new()), one_value.then_some(&value))),
        );
        definitions
    }

    /// `HEAD := value if { … } else := …`
    fn definition(&mut self, head: Tree, scope: &Scope, value: Option<&Tree>) -> Tree {
        let mut parts = vec![head];
        let branches = if self.chance(22) { self.random.usize(2..=3) } else { 1 };
        for branch in 0..branches {
            let mut scope = scope.clone();
            let body = self.block(&mut scope, DEPTH, 3);
            let value = match value {
                Some(value) => value.clone(),
                None if self.chance(40) => self.document(&mut scope.closed(), 0),
                None => self.term(&mut scope.closed(), DEPTH - 1),
            };
            let keyword = if branch == 0 { "" } else { " else" };
            let is_true = self.chance(25);
            let clause = match (branch, self.random.u32(0..10)) {
                // The last branch may have no body.
                (1.., 0..3) if branch + 1 == branches => tree![keyword, " := ", self.literal()],
                _ if is_true => tree![keyword, " if ", body],
                _ => tree![keyword, " := ", value, " if ", body],
            };
            parts.push(clause);
        }
        Tree::Node(crate::tree::Kind::Other, parts)
    }

    fn partial_set(&mut self, name: &str) -> Tree {
        let mut scope = Scope::new(Vec::new());
        let body = self.block(&mut scope, DEPTH, 3);
        let member = self.term(&mut scope.closed(), DEPTH - 1);
        tree![format!("{name} contains "), member, " if ", body]
    }

    fn partial_object(&mut self, name: &str) -> Tree {
        let mut scope = Scope::new(Vec::new());
        let body = self.block(&mut scope, DEPTH, 3);
        let mut scope = scope.closed();
        let (key, value) = (self.term(&mut scope, 0), self.term(&mut scope, DEPTH - 1));
        tree![format!("{name}["), key, "] := ", value, " if ", body]
    }

    /// A head with several steps.
    fn composite(&mut self, name: &str, steps: usize, is_set: bool) -> Tree {
        let mut scope = Scope::new(Vec::new());
        let body = self.block(&mut scope, DEPTH, 2);
        let mut scope = scope.closed();
        let mut head = vec![Tree::from(name)];
        for _ in 0..steps {
            if self.chance(50) {
                head.push(Tree::from(format!(".{}", self.pick(&KEYS[..3]))));
            } else {
                let key = self.term(&mut scope, 0);
                head.push(tree!["[", key, "]"]);
            }
        }
        let head = Tree::Node(crate::tree::Kind::Other, head);
        let value = self.term(&mut scope, DEPTH - 1);
        if is_set {
            tree![head, " contains ", value, " if ", body]
        } else {
            tree![head, " := ", value, " if ", body]
        }
    }

    fn function(&mut self, name: &str, arity: usize) -> Vec<Tree> {
        let mut definitions = Vec::new();
        if self.chance(15) {
            let parameters = vec!["_"; arity].join(", ");
            definitions.push(tree![format!("default {name}({parameters}) := "), self.literal()]);
        }
        let one_value = self.chance(35);
        let value = self.literal();
        definitions.extend(self.several(|own| {
            let mut scope = Scope::new(Vec::new());
            let parameters = (0..arity).map(|_| own.parameter(&mut scope)).collect();
            let parameters = Tree::List {
                items: parameters,
                separator: ", ",
                minimum: arity,
            };
            let head = tree![name, "(", parameters, ")"];
            own.definition(head, &Scope::new(scope.visible), one_value.then_some(&value))
        }));
        definitions
    }

    fn parameter(&mut self, scope: &mut Scope) -> Tree {
        if self.chance(65) {
            return term![self.declare(scope)];
        }
        self.pattern(scope, 2)
    }
}
