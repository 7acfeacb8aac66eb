//! What the evaluator would get wrong, or crash on, is refused when a policy is loaded.
//!
//! The evaluator is regorus' interpreter, for every policy: its virtual machine is faster and gives wrong answers for some
//! programs (an assignment from an undefined reference that nobody reads is skipped). What the interpreter in its turn does not
//! do as OPA does is found here, on the syntax tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Problem;

/// The only global data that a policy can read, beside its own package.
const DATA: &str = "context";

/// What is in one policy file.
#[derive(Debug, Default)]
pub struct Module {
    /// The package, without `data.`.
    pub package: String,
    /// Names of rules and functions, and the names that each refers to.
    rules: BTreeMap<String, BTreeSet<String>>,
    /// Functions called that the file does not define, with the first line.
    pub calls: BTreeMap<String, usize>,
    problems: Vec<(usize, String)>,
}

/// Reads the syntax tree, which is the evaluator's own. `text` is what its positions point into.
pub fn inspect(file: &str, text: &str, ast: &Value) -> Result<Module, Vec<Problem>> {
    let mut module = Module {
        package: dotted(child(ast, "/package/refr")).unwrap_or_default(),
        ..Module::default()
    };
    for import in ast["imports"].as_array().into_iter().flatten() {
        let path = dotted(&import["refr"]).unwrap_or_default();
        if path.starts_with("data.") && !module.may_read(&path) {
            module.problems.push((line(import), foreign(&path)));
        }
    }
    let rules: Vec<&Value> = ast["rules"].as_array().into_iter().flatten().collect();
    for rule in &rules {
        module.rules.entry(rule_name(rule)).or_default();
    }
    for rule in rules {
        module.check_head(rule, text);
        let mut names = BTreeSet::new();
        module.walk(rule, &mut names);
        // A variable of the rule hides the rule of the same name, and the head names the rule itself.
        let mut locals = BTreeSet::new();
        declared(rule, text, &mut locals);
        names.retain(|name| !locals.contains(name));
        module.rules.entry(rule_name(rule)).or_default().extend(names);
    }
    if let Some(cycle) = module.cycle() {
        module.problems.push((
            0,
            format!("rules call themselves: {}; Rego forbids recursion", cycle.join(" -> ")),
        ));
    }
    let defined: BTreeSet<String> = module.rules.keys().cloned().collect();
    module.calls.retain(|name, _| !defined.contains(name));
    if module.problems.is_empty() {
        return Ok(module);
    }
    Err(module
        .problems
        .iter()
        .map(|(line, message)| Problem::at(file, *line, message.clone()))
        .collect())
}

impl Module {
    /// Whether the file defines a rule of this name.
    pub fn defines(&self, rule: &str) -> bool {
        self.rules.contains_key(rule)
    }

    fn may_read(&self, path: &str) -> bool {
        let path = path.trim_start_matches("data.");
        let is_below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        is_below(DATA) || is_below(&self.package)
    }

    fn walk(&mut self, node: &Value, names: &mut BTreeSet<String>) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item, names)),
            Value::Object(members) => {
                for (key, value) in members {
                    match key.as_str() {
                        "span" => continue,
                        "head" => {
                            self.walk_head(value, names);
                            continue;
                        }
                        "Call" => self.call(value),
                        "NotExpr" => self.negation(value),
                        "Var" => names.extend(value["value"].as_str().map(str::to_owned)),
                        "RefDot" => self.reference(node, names),
                        _ => {}
                    }
                    self.walk(value, names);
                }
            }
            _ => {}
        }
    }

    /// Everything in a head but the name of the rule.
    fn walk_head(&mut self, head: &Value, names: &mut BTreeSet<String>) {
        for part in head.as_object().into_iter().flat_map(|head| head.values()) {
            for (key, value) in part.as_object().into_iter().flatten() {
                if key != "refr" {
                    self.walk(value, names);
                }
            }
        }
    }

    /// `deny contains msg if …` where nothing says what `msg` is: OPA refuses it, the interpreter stops at the first request.
    fn check_head(&mut self, rule: &Value, text: &str) {
        let head = child(rule, "/Spec/head")
            .as_object()
            .and_then(|head| head.values().next());
        let parts = head
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "refr");
        let mut used = BTreeSet::new();
        for (_, part) in parts {
            // A comprehension has variables of its own, and is checked by the evaluator.
            let json = part.to_string();
            if !["ArrayCompr", "SetCompr", "ObjectCompr"]
                .iter()
                .any(|kind| json.contains(kind))
            {
                variables(part, &mut used);
            }
        }
        let mut given = BTreeSet::from(["input".to_owned(), "data".to_owned(), "_".to_owned()]);
        variables(child(rule, "/Spec/bodies"), &mut given);
        declared(rule, text, &mut given);
        if let Some(name) = used
            .iter()
            .find(|name| !given.contains(*name) && !self.rules.contains_key(*name))
        {
            let head_line = line(child(rule, "/Spec"));
            self.problems
                .push((head_line, format!("nothing gives the variable {name} a value")));
        }
    }

    fn call(&mut self, call: &Value) {
        if let Some(name) = dotted(&call["fcn"]) {
            self.calls.entry(name).or_insert_with(|| line(call));
        }
    }

    fn reference(&mut self, node: &Value, names: &mut BTreeSet<String>) {
        let Some(path) = dotted(node) else { return };
        if let Some(name) = path.strip_prefix(&format!("data.{}.", self.package)) {
            names.extend(name.split('.').next().map(str::to_owned));
        } else if path.starts_with("data.") && !self.may_read(&path) {
            let problem = (line(&node["RefDot"]), foreign(&path));
            // `data.a.b` contains `data.a`, which says nothing new.
            if !self
                .problems
                .iter()
                .any(|(row, message)| *row == problem.0 && message.contains("only data."))
            {
                self.problems.push(problem);
            }
        }
    }

    /// `not f(x.y)`: OPA reads `x.y` before the negation, so that the statement fails when it is undefined; the interpreter
    /// makes it true.
    fn negation(&mut self, not: &Value) {
        let call = child(not, "/expr/Call");
        let Some(name) = dotted(&call["fcn"]) else { return };
        let is_reference =
            |parameter: &&Value| parameter.get("RefDot").is_some() || parameter.get("RefBrack").is_some();
        if let Some(argument) = call["params"].as_array().into_iter().flatten().find(is_reference) {
            let shown = dotted(argument).unwrap_or_else(|| "the reference".to_owned());
            self.problems.push((
                line(not),
                format!(
                    "`not {name}(…)` with a reference as argument means something else when {shown} is undefined; \
                     assign it first (`value := {shown}`) and write `not {name}(value)`"
                ),
            ));
        }
    }

    /// A chain of names that leads back to its start.
    fn cycle(&self) -> Option<Vec<String>> {
        self.rules.keys().find_map(|start| {
            let mut path = vec![start.clone()];
            self.find(start, start, &mut path, &mut BTreeSet::new()).then_some(path)
        })
    }

    fn find(&self, start: &str, from: &str, path: &mut Vec<String>, seen: &mut BTreeSet<String>) -> bool {
        for next in self.rules.get(from).into_iter().flatten() {
            if next == start {
                path.push(next.clone());
                return true;
            }
            if self.rules.contains_key(next) && seen.insert(next.clone()) {
                path.push(next.clone());
                if self.find(start, next, path, seen) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }
}

/// The variables that a rule declares: arguments, `some`, `every`, `:=`.
fn declared(node: &Value, text: &str, locals: &mut BTreeSet<String>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| declared(item, text, locals)),
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "span" => continue,
                    "Func" => variables(&value["args"], locals),
                    "AssignExpr" if value["op"] == "ColEq" => variables(&value["lhs"], locals),
                    "SomeIn" => {
                        variables(&value["key"], locals);
                        variables(&value["value"], locals);
                    }
                    "SomeVars" => locals.extend(
                        value["vars"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter_map(|v| at(v, text)),
                    ),
                    "Every" => locals.extend([&value["key"], &value["value"]].into_iter().filter_map(|v| at(v, text))),
                    _ => {}
                }
                declared(value, text, locals);
            }
        }
        _ => {}
    }
}

/// The variables in a pattern.
fn variables(pattern: &Value, names: &mut BTreeSet<String>) {
    match pattern {
        Value::Array(items) => items.iter().for_each(|item| variables(item, names)),
        Value::Object(members) => {
            // The name of a function that is called is no variable.
            for (key, value) in members.iter().filter(|(key, _)| *key != "fcn") {
                if key == "Var" {
                    names.extend(value["value"].as_str().map(str::to_owned));
                }
                variables(value, names);
            }
        }
        _ => {}
    }
}

/// The text at a position; it may stand alone or before the name in a pair.
fn at(position: &Value, text: &str) -> Option<String> {
    let span = position.get(0).unwrap_or(position);
    let index = |key: &str| usize::try_from(span.get(key)?.as_u64()?).ok();
    text.get(index("start")?..index("end")?).map(str::to_owned)
}

fn foreign(path: &str) -> String {
    format!(
        "{path} is not there: a policy is evaluated by itself and can read only data.{DATA} and its own package; \
         copy the rules that it needs into its file"
    )
}

/// A part of the tree; null when there is none.
fn child<'a>(node: &'a Value, pointer: &str) -> &'a Value {
    node.pointer(pointer).unwrap_or(&Value::Null)
}

fn line(node: &Value) -> usize {
    child(node, "/span/line")
        .as_u64()
        .and_then(|line| usize::try_from(line).ok())
        .unwrap_or(0)
}

/// The name of a rule or function, whatever the form of its head.
fn rule_name(rule: &Value) -> String {
    let head = match (rule.get("Spec"), rule.get("Default")) {
        (Some(spec), _) => spec["head"]
            .as_object()
            .and_then(|head| head.values().next())
            .map(|head| &head["refr"]),
        (None, Some(default)) => Some(&default["refr"]),
        (None, None) => None,
    };
    let name = head.and_then(root).unwrap_or_default();
    name.to_owned()
}

/// The variable that a reference begins with.
fn root(reference: &Value) -> Option<&str> {
    let (kind, node) = reference.as_object()?.iter().next()?;
    match kind.as_str() {
        "Var" => node["value"].as_str(),
        _ => root(&node["refr"]),
    }
}

/// A reference of plain fields as text: `input.request.object`.
fn dotted(reference: &Value) -> Option<String> {
    let (kind, node) = reference.as_object()?.iter().next()?;
    match kind.as_str() {
        "Var" => node["value"].as_str().map(str::to_owned),
        "RefDot" => Some(format!(
            "{}.{}",
            dotted(&node["refr"])?,
            child(node, "/field/1").as_str()?
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::context::Context;
    use crate::eval::Program;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn problems(text: &str) -> String {
        let program = Program::load("p.rego", text, Context::default().document()).unwrap();
        let result = inspect("p.rego", text, &program.syntax_tree().unwrap());
        result.map_or_else(|problems| super::super::list(&problems), |_| String::new())
    }

    #[test]
    fn ordinary_rules_are_accepted() {
        assert_eq!(
            problems(
                "package p\n\nbad(c) := c.x if c.y\nnames contains n if some n in input.names\n\
                 deny contains names if { some c in input.a; names := bad(c); not startswith(names, `x`) }\n\
                 deny contains x if { some x; names[x]; data.context.cluster; data.p.names[x]; every d, e in x { d; e } }\n"
            ),
            ""
        );
    }

    #[test]
    fn a_head_without_a_value_is_refused() {
        assert_eq!(
            problems("package p\n\ndeny contains msg if { input.x }\n"),
            "p.rego:3: nothing gives the variable msg a value"
        );
        let fine = "package p\nname := 1\nf(x) := x\ndeny contains {`a`: a, `n`: name, `i`: i, `c`: [y | some y in [1]]} if { some i; a = f(input[i]) }\n";
        assert_eq!(problems(fine), "");
    }

    #[test]
    fn recursion_is_refused() {
        assert_eq!(
            problems("package p\nf(x) := f(x - 1)\ndeny contains 1 if f(3)\n"),
            "p.rego: rules call themselves: f -> f; Rego forbids recursion"
        );
        let long = problems("package p\ndeny contains 1 if a\na if b\nb if data.p.a\n");
        assert!(long.contains("a -> b -> a"), "{long}");
    }

    #[test]
    fn data_that_is_not_there_is_refused() {
        assert!(problems("package p\nimport data.lib.x\ndeny contains 1 if x.y\n").starts_with("p.rego:2: data.lib.x"));
        assert!(
            problems("package p\ndeny contains 1 if data.lib.x\n").starts_with("p.rego:2: data.lib.x is not there")
        );
    }

    #[test]
    fn a_negated_call_of_a_reference_is_refused() {
        let text = problems("package p\ndeny contains 1 if {\n\tnot startswith(input.a.b, `x`)\n}\n");
        assert!(
            text.starts_with("p.rego:3: `not startswith(…)`") && text.contains("value := input.a.b"),
            "{text}"
        );
    }
}
