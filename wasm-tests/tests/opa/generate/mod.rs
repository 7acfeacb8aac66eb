//! Small programs about small documents, made from a seed: what policies do, and what they had better not do.

mod documents;
mod functions;
mod rules;
mod scope;
mod statements;
mod terms;

use wasm_tests::opa::{Module, Request};

use self::rules::Known;
use self::scope::Scope;
use crate::tree::{Tree, tree};

pub(crate) use self::documents::document;

/// A program, and what it is tried on.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) seed: u64,
    /// The rules of the packages `lib` and `t`.
    pub(crate) packages: [Tree; 2],
    pub(crate) data: serde_json::Value,
    pub(crate) inputs: Vec<serde_json::Value>,
    pub(crate) queries: Vec<String>,
}

/// Makes one program.
pub(crate) struct Generator {
    random: fastrand::Rng,
    /// Rules that are written already: a rule names only those, so nothing calls itself.
    known: Vec<Known>,
    /// Names of variables that the rule has anywhere.
    mentioned: Vec<String>,
    /// Package that is being written.
    package: &'static str,
}

/// The program of a seed.
pub(crate) fn program(seed: u64, inputs: usize) -> Program {
    let mut generator = Generator {
        random: fastrand::Rng::with_seed(seed),
        known: Vec::new(),
        mentioned: Vec::new(),
        package: "lib",
    };
    let library = generator.package("lib", 3);
    let policy = generator.package("t", 5);
    let mut queries: Vec<String> = generator
        .known
        .iter()
        .filter(|known| known.arity == 0)
        .map(|known| format!("data.{}.{}", known.package, known.name))
        .collect();
    queries.push("data.lib".to_owned());
    queries.push("data.t".to_owned());
    let data = serde_json::json!({"d": document(&mut generator.random)});
    let inputs = (0..inputs).map(|_| document(&mut generator.random)).collect();
    Program {
        seed,
        packages: [library, policy],
        data,
        inputs,
        queries,
    }
}

impl Program {
    pub(crate) fn modules(&self) -> Vec<Module> {
        let module = |(name, rules): (&str, &Tree)| Module {
            file: format!("{name}.rego"),
            text: format!("package {name}\n\n{}\n", rules.text()),
            version: "v1".to_owned(),
        };
        ["lib", "t"].into_iter().zip(&self.packages).map(module).collect()
    }

    pub(crate) fn request(&self) -> Request {
        Request {
            modules: self.modules(),
            data: self.data.to_string(),
            inputs: self.inputs.iter().map(|input| Some(input.to_string())).collect(),
            queries: self.queries.clone(),
        }
    }

    /// The same with one input and one query.
    pub(crate) fn only(&self, input: usize, query: usize) -> Self {
        Self {
            inputs: vec![self.inputs[input].clone()],
            queries: vec![self.queries[query].clone()],
            ..self.clone()
        }
    }
}

impl Generator {
    fn package(&mut self, name: &'static str, most: usize) -> Tree {
        self.package = name;
        let count = self.random.usize(2..=most);
        let rules = (0..count).map(|number| self.rule(format!("r{number}"))).collect();
        Tree::list(rules, "\n\n")
    }

    /// True in so many of a hundred.
    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(0..100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.random.usize(0..items.len())]
    }

    /// The place of a weight, more often of a larger one.
    fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.random.u32(0..weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        0
    }

    /// Statements, each of which may use what those before it bind.
    fn body(&mut self, scope: &mut Scope, depth: usize, most: usize) -> Tree {
        let count = self.random.usize(1..=most);
        let mut statements: Vec<Tree> = (0..count).map(|_| self.statement(scope, depth)).collect();
        // OPA finds an order in which everything has a value.
        if statements.len() > 1 && self.chance(8) {
            self.random.shuffle(&mut statements);
        }
        Tree::body(statements)
    }

    /// A body in braces.
    fn block(&mut self, scope: &mut Scope, depth: usize, most: usize) -> Tree {
        let body = self.body(scope, depth, most);
        tree!["{\n\t", body, "\n}"]
    }
}
