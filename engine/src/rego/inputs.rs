//! What of `input` the value of a rule follows from.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::plan::{Op, Source, Step, Template};
use super::program::{Location, Program};
use super::value::Value;

/// Names, from `input` down.
type Path = Vec<SmolStr>;

impl Program {
    /// The places below `input` whose values alone, with `data`, decide the value of a rule; none of them is below another.
    /// `None` when nothing is said of them: the rule is none, reads all of `input`, or puts another one in its place.
    pub fn inputs(&self, location: &Location) -> Option<Vec<Vec<SmolStr>>> {
        let mut paths = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut left = vec![location.rule?];
        while let Some(rule) = left.pop() {
            if !seen.insert(rule) {
                continue;
            }
            let set = self.rules.get(rule)?;
            for definition in set.definitions.iter().chain(&set.default) {
                for branch in &definition.branches {
                    collect(&branch.steps, &mut paths)?;
                }
            }
            left.extend(self.reads.get(rule)?);
        }
        // In order, a path comes right before those below it.
        let mut shortest: Vec<Path> = Vec::new();
        for path in paths {
            if !shortest.last().is_some_and(|kept| path.starts_with(kept)) {
                shortest.push(path);
            }
        }
        Some(shortest)
    }
}

fn collect(steps: &[Step], paths: &mut BTreeSet<Path>) -> Option<()> {
    for step in steps {
        match &step.op {
            Op::Path {
                source: Source::Input,
                keys,
                ..
            } => {
                let names = keys.iter().map_while(|key| match key {
                    Template::Const(Value::String(name)) => Some(name.clone()),
                    _ => None,
                });
                let path: Path = names.collect();
                if path.is_empty() {
                    return None;
                }
                paths.insert(path);
            }
            Op::Not(steps) | Op::Every { steps, .. } | Op::Collect { steps, .. } => collect(steps, paths)?,
            Op::With { .. } => return None,
            // These read what the steps before them have read, rules, and data.
            Op::Path { .. }
            | Op::Scan { .. }
            | Op::Tree { .. }
            | Op::Match { .. }
            | Op::Builtin { .. }
            | Op::Call { .. }
            | Op::Walk { .. }
            | Op::Fail => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::rego::{Dialect, Program, Source};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn inputs(body: &str, more: &str) -> Option<Vec<String>> {
        let text = format!("package a\n\ndeny contains \"x\" if {{\n\t{body}\n}}\n\n{more}\n");
        let source = Source {
            file: "a.rego",
            text: &text,
            dialect: Dialect::V1,
        };
        let program = Program::compile(&[source]).unwrap();
        let paths = program.inputs(&program.locate("data.a.deny"))?;
        Some(paths.iter().map(|path| path.join(".")).collect())
    }

    #[test]
    fn places_are_found_through_rules_functions_and_comprehensions() {
        let found = inputs(
            "some c in input.request.object.spec.containers\n\tf(c)\n\tnot other\n\tcount([x | x := input.request.name]) > 0",
            "f(c) if c.image == input.parameters.image\n\nother if every k, v in input.request.object.metadata.labels { v != k }\n\n\
             unread := input.request.uid",
        );
        let expected = [
            "parameters.image",
            "request.name",
            "request.object.metadata.labels",
            "request.object.spec.containers",
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_place_covers_what_is_below_it_and_names_end_where_they_are_computed() {
        let found = inputs("o := input.request.object\n\to.a\n\tinput.request.object.b", "");
        assert_eq!(found.unwrap(), ["request.object"]);
        let found = inputs("some k in [\"a\", \"b\"]\n\tinput.request.object[k].c", "");
        assert_eq!(found.unwrap(), ["request.object"]);
        let found = inputs(
            "input.request.objects == 1\n\tinput.request.object.b == 1\n\tinput.request.object == 2",
            "",
        );
        assert_eq!(found.unwrap(), ["request.object", "request.objects"]);
    }

    #[test]
    fn nothing_is_said_of_all_of_input() {
        assert_eq!(inputs("f(input)", "f(x) if x.y"), None);
        assert_eq!(inputs("some k\n\tinput[k] == 1", ""), None);
        assert_eq!(inputs("walk(input, [p, 1])\n\tp", ""), None);
        assert_eq!(inputs("other with input as {\"x\": 1}", "other if input.x"), None);
        assert_eq!(inputs("other with input.x as 1", "other if input.x"), None);
    }
}
