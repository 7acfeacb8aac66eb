//! `json.remove` and `json.filter`: objects without some paths, and with nothing but some paths.

use std::collections::BTreeMap;

use super::operands::{any, items, object, units};
use super::{Builtin, Fault, Host};
use crate::rego::value::{Object, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("json.remove", 2, remove),
    Builtin::new("json.filter", 2, filter),
];

/// Paths by their segments. None: the path ends here.
type Tree = BTreeMap<Value, Option<Branch>>;

#[derive(Default)]
struct Branch(Tree);

/// The segments of a path: a text with slashes, or a list.
pub(super) fn segments(path: &Value) -> Result<Vec<Value>, Fault> {
    match path {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let segment = |text: &str| Value::string(text.replace("~1", "/").replace("~0", "~"));
            Ok(text.trim_start_matches('/').split('/').map(segment).collect())
        }
        Value::Array(items) => Ok(items.to_vec()),
        _ => Err(Fault::new("paths must be strings or arrays of segments")),
    }
}

fn tree(host: &mut Host, paths: &[Value]) -> Result<Branch, Fault> {
    let mut root = Branch::default();
    for path in paths {
        let mut path = segments(path)?;
        host.spend(units(path.len() * 64))?;
        let Some(last) = path.pop() else { continue };
        let mut branch = Some(&mut root);
        for segment in path {
            // A shorter path includes this one.
            branch = branch.and_then(|branch| {
                branch
                    .0
                    .entry(segment)
                    .or_insert_with(|| Some(Branch::default()))
                    .as_mut()
            });
        }
        if let Some(branch) = branch {
            branch.0.insert(last, None);
        }
    }
    Ok(root)
}

/// What the tree has for an item of a list, whose segment is a text.
fn at(branch: &Branch, place: usize) -> Option<&Option<Branch>> {
    branch.0.get(&Value::string(place.to_string()))
}

fn remove(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    object(args, 0)?;
    let tree = tree(host, items(args, 1)?)?;
    without(host, any(args, 0)?, &tree)
}

fn without(host: &mut Host, value: &Value, branch: &Branch) -> Result<Value, Fault> {
    host.spend(units(length(value) * 4))?;
    let mut kept = |value: &Value, branch: Option<&Option<Branch>>| match branch {
        None => Ok(Some(value.clone())),
        Some(None) => Ok(None),
        Some(Some(branch)) => without(host, value, branch).map(Some),
    };
    Ok(match value {
        Value::Object(object) => {
            let mut entries = Vec::with_capacity(object.len());
            for (key, value) in object.iter() {
                entries.extend(kept(value, branch.0.get(key))?.map(|value| (key.clone(), value)));
            }
            Value::object(entries)
        }
        Value::Array(items) => {
            let mut rest = Vec::with_capacity(items.len());
            for (place, item) in items.iter().enumerate() {
                rest.extend(kept(item, at(branch, place))?);
            }
            Value::array(rest)
        }
        Value::Set(set) => {
            let mut rest = Vec::with_capacity(set.len());
            for member in set.iter() {
                rest.extend(kept(member, branch.0.get(member))?);
            }
            Value::set(rest)
        }
        scalar => scalar.clone(),
    })
}

fn filter(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let object: &Object = object(args, 0)?;
    let tree = tree(host, items(args, 1)?)?;
    host.spend(units(object.len()))?;
    only(host, any(args, 0)?, &tree)
}

fn only(host: &mut Host, value: &Value, branch: &Branch) -> Result<Value, Fault> {
    host.spend(units(length(value) * 4))?;
    let mut kept = |value: &Value, branch: &Option<Branch>| match branch {
        None => Ok(value.clone()),
        Some(branch) => only(host, value, branch),
    };
    Ok(match value {
        Value::Object(object) => {
            let mut entries = Vec::new();
            for (key, branch) in &branch.0 {
                if let Some(value) = object.get(key) {
                    entries.push((key.clone(), kept(value, branch)?));
                }
            }
            Value::object(entries)
        }
        Value::Array(items) => {
            let mut rest = Vec::new();
            for (place, item) in items.iter().enumerate() {
                if let Some(branch) = at(branch, place) {
                    rest.push(kept(item, branch)?);
                }
            }
            Value::array(rest)
        }
        Value::Set(set) => {
            let mut rest = Vec::new();
            for (member, branch) in &branch.0 {
                if let Some(member) = set.get(member) {
                    rest.push(kept(member, branch)?);
                }
            }
            Value::set(rest)
        }
        scalar => scalar.clone(),
    })
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        Value::Set(set) => set.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_are_removed_and_kept() {
        let cases = [
            (
                "json.remove",
                r#"[{"a":{"b":{"c":7,"d":8}},"e":9}, ["a/b/c","e"]]"#,
                r#"{"a": {"b": {"d": 8}}}"#,
            ),
            ("json.remove", r#"[{"a":{"b":1}}, ["a","a/b"]]"#, "{}"),
            ("json.remove", r#"[{"a":{"b":1}}, ["a/b","a"]]"#, "{}"),
            (
                "json.remove",
                r#"[{"a":["x","y","z"]}, ["a/0","a/2"]]"#,
                r#"{"a": ["y"]}"#,
            ),
            ("json.remove", r#"[{"a":["x","y"]}, [["a",0]]]"#, r#"{"a": ["x", "y"]}"#),
            ("json.remove", r#"[{"a":1}, ["","b/c","a/b"]]"#, r#"{"a": 1}"#),
            (
                "json.remove",
                r#"[{"a/b":1,"c~d":2,"e":3}, ["//a~1b","/c~0d"]]"#,
                r#"{"e": 3}"#,
            ),
            ("json.remove", r#"[["a"], ["0"]]"#, "undefined"),
            ("json.remove", r#"[{"a":1}, "a"]"#, "undefined"),
            ("json.remove", r#"[{"a":1}, [1]]"#, "undefined"),
            (
                "json.filter",
                r#"[{"a":{"b":{"c":7,"d":8}},"e":9}, ["a/b/c"]]"#,
                r#"{"a": {"b": {"c": 7}}}"#,
            ),
            (
                "json.filter",
                r#"[{"a":["x","y","z"],"b":1}, ["a/0","a/2"]]"#,
                r#"{"a": ["x", "z"]}"#,
            ),
            ("json.filter", r#"[{"a":1}, ["a/b"]]"#, r#"{"a": 1}"#),
            ("json.filter", r#"[{"a":{"b":1}}, ["a/b","a"]]"#, r#"{"a": {"b": 1}}"#),
            ("json.filter", r#"[{"a":{"b":1}}, []]"#, "{}"),
            ("json.filter", r#"[{"a":{"b":1}}, ["a/c"]]"#, r#"{"a": {}}"#),
        ];
        for (name, args, expected) in cases {
            let args_value = json::parse(args.as_bytes()).unwrap();
            let result = (find(name).unwrap().run)(&mut Host::new(1_000), args_value.as_array().unwrap());
            let result = result.map_or_else(|_| "undefined".to_owned(), |value| value.to_string());
            assert_eq!(result, expected, "{name}({args})");
        }
    }
}
