//! What the evaluator would get wrong, or crash on, is refused when a policy is loaded.
//!
//! The evaluator is regorus' interpreter, for every policy: its virtual machine is faster and gives wrong answers for some
//! programs (an assignment from an undefined reference that nobody reads is skipped). What the interpreter in its turn does not
//! do as OPA does is found here and in `negation.rs`, on the syntax tree; so is what could only ever be undefined.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::syntax::{
    Segment, at as position, child, declared, dotted, head, line, list, reference, rule_name, variables, variant,
};
use super::{Problem, negation};

/// What a policy sees of the request.
const INPUT: [&str; 4] = ["request", "namespace", "parameters", "template"];

/// What a policy sees of the context.
const CONTEXT: [&str; 2] = ["namespaces", "cluster"];

/// What is in one policy file.
#[derive(Debug, Default)]
pub struct Module {
    /// The package, without `data.`.
    pub package: String,
    rules: BTreeMap<String, Rule>,
    /// The names that imports give.
    imports: BTreeSet<String>,
    /// Functions called that the file does not define, with the number of arguments and the first line.
    pub calls: BTreeMap<(String, usize), usize>,
    problems: Vec<(usize, String)>,
}

#[derive(Debug, Default)]
struct Rule {
    /// The names that it refers to.
    refers_to: BTreeSet<String>,
    /// The numbers of arguments, when it is a function.
    arities: BTreeSet<usize>,
    /// It has a value whatever the input is: a set, a constant, or one with a default.
    has_value: bool,
}

/// Reads the syntax tree. `text` is what its positions point into.
pub fn inspect(file: &str, text: &str, ast: &Value) -> Result<Module, Vec<Problem>> {
    let package = dotted(child(ast, "/package/refr")).unwrap_or_default();
    let mut module = Module {
        package,
        ..Module::default()
    };
    for import in list(ast, "/imports") {
        let Some((root, steps)) = reference(child(import, "/refr")) else {
            continue;
        };
        module.check_path(root, &steps, line(import));
        if module.is_own(&dotted(child(import, "/refr")).unwrap_or_default()) {
            let advice = "the file imports its own package; name its rules directly".to_owned();
            module.problems.push((line(import), advice));
        }
        let last = match steps.last() {
            Some(Segment::Name(name)) => Some(name.clone()),
            _ => None,
        };
        module.imports.extend(position(child(import, "/as"), text).or(last));
    }
    for rule in list(ast, "/rules") {
        module.declare(rule);
    }
    for rule in list(ast, "/rules") {
        module.check_rule(rule, text);
    }
    if let Some(cycle) = module.cycle() {
        let message = format!("rules call themselves: {}; Rego forbids recursion", cycle.join(" -> "));
        module.problems.push((0, message));
    }
    if module.problems.is_empty() {
        return Ok(module);
    }
    module.problems.dedup();
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

    fn declare(&mut self, node: &Value) {
        let rule = self.rules.entry(rule_name(node)).or_default();
        match head(node) {
            Some(("Func", head)) => {
                rule.arities.insert(list(head, "/args").count());
            }
            Some(("Set" | "Object", _)) => rule.has_value = true,
            Some((_, head)) => {
                let is_plain = list(node, "/Spec/bodies").next().is_none();
                rule.has_value |= is_plain && negation::has_value(child(head, "/assign/value"), &Nothing);
            }
            None => rule.has_value |= list(node, "/Default/args").next().is_none(),
        }
    }

    fn check_rule(&mut self, rule: &Value, text: &str) {
        let mut locals = BTreeSet::new();
        declared(rule, text, &mut locals);
        self.check_head(rule, &locals);
        let mut names = BTreeSet::new();
        let mut walk = Walk {
            module: self,
            locals: &locals,
            names: &mut names,
        };
        for (key, part) in head(rule).and_then(|(_, head)| head.as_object()).into_iter().flatten() {
            if key != "refr" {
                walk.visit(part);
            }
        }
        walk.visit(child(rule, "/Spec/bodies"));
        walk.visit(child(rule, "/Default/value"));
        // A variable of the rule hides the rule of the same name.
        names.retain(|name| !locals.contains(name));
        self.rules.entry(rule_name(rule)).or_default().refers_to.extend(names);
    }

    /// `deny contains msg if …` where nothing says what `msg` is: OPA refuses it, the interpreter stops at the first request.
    fn check_head(&mut self, rule: &Value, locals: &BTreeSet<String>) {
        let parts = head(rule).and_then(|(_, head)| head.as_object()).into_iter().flatten();
        let mut used = BTreeSet::new();
        for (_, part) in parts.filter(|(key, _)| *key != "refr") {
            // A comprehension has variables of its own, and is checked by the evaluator.
            let json = part.to_string();
            if !["ArrayCompr", "SetCompr", "ObjectCompr"]
                .iter()
                .any(|kind| json.contains(kind))
            {
                variables(part, &mut used);
            }
        }
        let mut given = BTreeSet::from(["input", "data", "_"].map(str::to_owned));
        variables(child(rule, "/Spec/bodies"), &mut given);
        given.extend(locals.iter().chain(&self.imports).cloned());
        if let Some(name) = used.iter().find(|name| !given.contains(*name) && !self.defines(name)) {
            let problem = (
                line(child(rule, "/Spec")),
                format!("nothing gives the variable {name} a value"),
            );
            self.problems.push(problem);
        }
    }

    /// What is read from outside of the file has to be there: a misspelt path is undefined, and a policy that reads it never
    /// objects.
    fn check_path(&mut self, root: &str, steps: &[Segment], line: usize) {
        let names: Vec<&str> = steps
            .iter()
            .map_while(|step| match step {
                Segment::Name(name) => Some(name.as_str()),
                Segment::Dynamic => None,
            })
            .collect();
        let path = std::iter::once(root)
            .chain(names.iter().copied())
            .collect::<Vec<_>>()
            .join(".");
        let problem = match (root, names.as_slice()) {
            ("input", [first, ..]) if !INPUT.contains(first) => {
                format!("{path} is not there: a policy sees input.{}", INPUT.join(", input."))
            }
            ("data", ["context", second, ..]) if !CONTEXT.contains(second) => {
                format!(
                    "{path} is not there: a policy sees data.context.{}",
                    CONTEXT.join(", data.context.")
                )
            }
            ("data", ["context", ..]) => return,
            ("data", _) if path == format!("data.{}", self.package) => {
                format!("{path} as a whole holds this rule too: name the rule that is meant")
            }
            ("data", _) if !self.is_own(&path) => format!(
                "{path} is not there: a policy is evaluated by itself and can read only data.context and its own package; \
                 copy the rules that it needs into its file"
            ),
            _ => return,
        };
        self.problems.push((line, problem));
    }

    fn is_own(&self, path: &str) -> bool {
        self.own_rule(path).is_some() || path == format!("data.{}", self.package)
    }

    /// The rule that a full path to this package names.
    fn own_rule<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix("data.")?
            .strip_prefix(&self.package)?
            .strip_prefix('.')?
            .split('.')
            .next()
    }

    /// A chain of names that leads back to its start.
    fn cycle(&self) -> Option<Vec<String>> {
        self.rules.keys().find_map(|start| {
            let mut path = vec![start.clone()];
            self.find(start, start, &mut path, &mut BTreeSet::new()).then_some(path)
        })
    }

    fn find(&self, start: &str, from: &str, path: &mut Vec<String>, seen: &mut BTreeSet<String>) -> bool {
        for next in self.rules.get(from).into_iter().flat_map(|rule| &rule.refers_to) {
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

/// No name has a value: what then has one is constant.
struct Nothing;

impl negation::Names for Nothing {
    fn has_value(&self, _: &str) -> bool {
        false
    }

    fn is_own_function(&self, _: &str) -> bool {
        true
    }
}

/// One rule, read from top to bottom.
struct Walk<'a> {
    module: &'a mut Module,
    locals: &'a BTreeSet<String>,
    names: &'a mut BTreeSet<String>,
}

impl negation::Names for Walk<'_> {
    fn has_value(&self, name: &str) -> bool {
        match self.module.rules.get(name) {
            Some(rule) if !self.locals.contains(name) => rule.has_value,
            _ => self.locals.contains(name) || !self.module.imports.contains(name),
        }
    }

    fn is_own_function(&self, name: &str) -> bool {
        self.module.rules.get(name).is_some_and(|rule| !rule.arities.is_empty())
    }
}

impl Walk<'_> {
    fn visit(&mut self, node: &Value) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.visit(item)),
            Value::Object(members) => {
                for (key, value) in members {
                    match key.as_str() {
                        "span" => {}
                        "Var" | "RefDot" | "RefBrack" => self.reference(node),
                        "Call" => {
                            self.call(value);
                            self.visit(child(value, "/params"));
                        }
                        "NotExpr" => {
                            if !negation::agrees(child(value, "/expr"), self) {
                                self.module.problems.push((line(value), negation::ADVICE.to_owned()));
                            }
                            self.visit(value);
                        }
                        _ => self.visit(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, node: &Value) {
        let inner = variant(node).map_or(&Value::Null, |(_, inner)| inner);
        match reference(node) {
            Some((root, steps)) => {
                if !self.locals.contains(root) {
                    self.module.check_path(root, &steps, line(inner));
                }
                self.names.insert(root.to_owned());
                let path = dotted(node).unwrap_or_default();
                self.names.extend(self.module.own_rule(&path).map(str::to_owned));
            }
            // It begins with a call or a comprehension.
            None => self.visit(child(inner, "/refr")),
        }
        self.indexes(node);
    }

    /// What stands in the brackets of a reference.
    fn indexes(&mut self, node: &Value) {
        let Some(("RefDot" | "RefBrack", inner)) = variant(node) else {
            return;
        };
        self.visit(child(inner, "/index"));
        self.indexes(child(inner, "/refr"));
    }

    fn call(&mut self, call: &Value) {
        let Some(name) = dotted(child(call, "/fcn")) else {
            return;
        };
        let count = list(call, "/params").count();
        self.names.insert(name.clone());
        match self.module.rules.get(&name) {
            Some(rule) if !rule.arities.contains(&count) => {
                let problem = (line(call), format!("function {name} does not take {count} arguments"));
                self.module.problems.push(problem);
            }
            Some(_) => {}
            None => {
                self.module.calls.entry((name, count)).or_insert_with(|| line(call));
            }
        }
    }
}

#[cfg(test)]
mod tests;
