//! The evaluator's syntax tree, as JSON: names, references, declarations and positions in it.

use std::collections::BTreeSet;

use serde_json::Value;

/// One step of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `.name` or `["name"]`.
    Name(String),
    /// `[…]` with anything else.
    Dynamic,
}

/// A part of the tree; null when there is none.
pub(super) fn child<'a>(node: &'a Value, pointer: &str) -> &'a Value {
    node.pointer(pointer).unwrap_or(&Value::Null)
}

/// The elements of a list in the tree.
pub(super) fn list<'a>(node: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    child(node, pointer).as_array().into_iter().flatten()
}

/// The kind of a node and what is in it.
pub(super) fn variant(node: &Value) -> Option<(&str, &Value)> {
    let (kind, inner) = node.as_object()?.iter().next()?;
    Some((kind, inner))
}

/// The line of a node, from 1; 0 when it has none.
pub(super) fn line(node: &Value) -> usize {
    let line = child(node, "/span/line").as_u64();
    line.and_then(|line| usize::try_from(line).ok()).unwrap_or(0)
}

/// A reference as its variable and its steps; `None` when it does not begin with a variable.
pub(super) fn reference(node: &Value) -> Option<(&str, Vec<Segment>)> {
    let (kind, inner) = variant(node)?;
    let step = match kind {
        "Var" => return Some((child(inner, "/value").as_str()?, Vec::new())),
        "RefDot" => Segment::Name(child(inner, "/field/1").as_str()?.to_owned()),
        "RefBrack" => match child(inner, "/index/String/value").as_str() {
            Some(name) => Segment::Name(name.to_owned()),
            None => Segment::Dynamic,
        },
        _ => return None,
    };
    let (root, mut steps) = reference(child(inner, "/refr"))?;
    steps.push(step);
    Some((root, steps))
}

/// A reference of plain names as text: `input.request.object`.
pub(super) fn dotted(node: &Value) -> Option<String> {
    let (root, steps) = reference(node)?;
    let mut text = root.to_owned();
    for step in steps {
        let Segment::Name(name) = step else { return None };
        text.push('.');
        text.push_str(&name);
    }
    Some(text)
}

/// The head of a rule: its kind and what is in it.
pub(super) fn head(rule: &Value) -> Option<(&str, &Value)> {
    variant(child(rule, "/Spec/head"))
}

/// The name of a rule or function, whatever the form of its head.
pub(super) fn rule_name(rule: &Value) -> String {
    let own = head(rule).map(|(_, head)| child(head, "/refr"));
    let name = own.unwrap_or_else(|| child(rule, "/Default/refr"));
    reference(name).map(|(root, _)| root.to_owned()).unwrap_or_default()
}

/// The variables that a rule declares: arguments, `some`, `every`, `:=`.
pub(super) fn declared(node: &Value, text: &str, locals: &mut BTreeSet<String>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| declared(item, text, locals)),
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "span" => continue,
                    "Func" => variables(child(value, "/args"), locals),
                    "AssignExpr" if child(value, "/op") == "ColEq" => variables(child(value, "/lhs"), locals),
                    "SomeIn" => {
                        variables(child(value, "/key"), locals);
                        variables(child(value, "/value"), locals);
                    }
                    "SomeVars" => locals.extend(list(value, "/vars").filter_map(|position| at(position, text))),
                    "Every" => {
                        let both = [child(value, "/key"), child(value, "/value")];
                        locals.extend(both.into_iter().filter_map(|position| at(position, text)));
                    }
                    _ => {}
                }
                declared(value, text, locals);
            }
        }
        _ => {}
    }
}

/// The variables in a pattern.
pub(super) fn variables(pattern: &Value, names: &mut BTreeSet<String>) {
    match pattern {
        Value::Array(items) => items.iter().for_each(|item| variables(item, names)),
        Value::Object(members) => {
            // The name of a function that is called is no variable.
            for (key, value) in members.iter().filter(|(key, _)| *key != "fcn") {
                if key == "Var" {
                    names.extend(child(value, "/value").as_str().map(str::to_owned));
                }
                variables(value, names);
            }
        }
        _ => {}
    }
}

/// The text at a position; it may stand alone or before the name in a pair.
pub(super) fn at(position: &Value, text: &str) -> Option<String> {
    let span = position.get(0).unwrap_or(position);
    let index = |key: &str| usize::try_from(span.get(key)?.as_u64()?).ok();
    text.get(index("start")?..index("end")?).map(str::to_owned)
}
