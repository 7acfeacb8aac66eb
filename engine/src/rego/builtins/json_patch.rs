//! `json.patch`: RFC 6902 for all of Rego's values, sets as well.

use std::collections::BTreeMap;

use super::json_paths::segments;
use super::operands::{any, array, units};
use super::{Builtin, Fault, Halt, Host};
use crate::rego::value::{List, MAX_DEPTH, Value};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("json.patch", 2, patch)];

fn patch(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let mut document = Document {
        host,
        root: Some(Node::Whole(any(args, 0)?.clone())),
    };
    for operation in array(args, 1)? {
        document.apply(operation)?;
    }
    document
        .root
        .map(Node::render)
        .ok_or_else(|| Fault::new("nothing is left"))
}

/// A value, opened where it is edited.
enum Node {
    Whole(Value),
    Object(BTreeMap<Value, Self>),
    /// By the members as they were when they were last looked up.
    Set(BTreeMap<Value, Self>),
    List {
        original: List,
        items: Vec<Item>,
    },
}

enum Item {
    Kept(Value),
    Edited(Node),
}

impl Node {
    fn render(self) -> Value {
        match self {
            Self::Whole(value) => value,
            Self::Object(members) => {
                Value::object(members.into_iter().map(|(key, node)| (key, node.render())).collect())
            }
            Self::Set(members) => Value::set(members.into_values().map(Self::render).collect()),
            Self::List { items, .. } => Value::array(items.into_iter().map(Item::render).collect()),
        }
    }

    /// As it is now.
    fn value(&self) -> Value {
        match self {
            Self::Whole(value) => value.clone(),
            Self::Object(members) => {
                Value::object(members.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
            Self::Set(members) => Value::set(members.values().map(Self::value).collect()),
            Self::List { items, .. } => Value::array(items.iter().map(Item::value).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Whole(Value::Object(object)) => object.len(),
            Self::Whole(Value::Array(items)) => items.len(),
            Self::Whole(Value::Set(set)) => set.len(),
            Self::Whole(_) => 1,
            Self::Object(members) | Self::Set(members) => members.len(),
            Self::List { items, .. } => items.len(),
        }
    }

    /// Opens it for edits.
    fn open(&mut self) {
        let whole = |value: &Value| Self::Whole(value.clone());
        let opened = match self {
            Self::Whole(Value::Object(object)) => {
                Self::Object(object.iter().map(|(key, value)| (key.clone(), whole(value))).collect())
            }
            Self::Whole(Value::Set(set)) => {
                Self::Set(set.iter().map(|member| (member.clone(), whole(member))).collect())
            }
            Self::Whole(Value::Array(items)) => Self::List {
                original: items.clone(),
                items: items.iter().cloned().map(Item::Kept).collect(),
            },
            _ => return,
        };
        *self = opened;
    }

    /// Members of a set that were edited are found by what they are now.
    fn settle(&mut self, key: &Value) {
        let composite = matches!(key, Value::Object(_) | Value::Array(_) | Value::Set(_));
        if let (true, Self::Set(members)) = (composite, &mut *self) {
            let settled = std::mem::take(members).into_values().map(|node| {
                let value = node.render();
                (value.clone(), Self::Whole(value))
            });
            *members = settled.collect();
        }
    }

    fn child(&mut self, key: &Value) -> Result<&mut Self, Fault> {
        self.open();
        self.settle(key);
        let missing = || Fault::new(format!("path {key} does not exist"));
        match self {
            Self::Object(members) | Self::Set(members) => members.get_mut(key).ok_or_else(missing),
            Self::List { original, items } => {
                let place = index(items.len(), key)?;
                let item = items.get_mut(place).ok_or_else(missing)?;
                if let Item::Kept(_) = item {
                    // OPA takes the item that was in this place before all edits.
                    let value = original.get(place).ok_or_else(missing)?;
                    *item = Item::Edited(Self::Whole(value.clone()));
                }
                match item {
                    Item::Edited(node) => Ok(node),
                    Item::Kept(_) => Err(missing()),
                }
            }
            Self::Whole(_) => Err(missing()),
        }
    }

    fn insert(&mut self, key: &Value, value: Value) -> Result<(), Fault> {
        self.open();
        self.settle(key);
        match self {
            Self::Object(members) => {
                members.insert(key.clone(), Self::Whole(value));
            }
            Self::Set(members) => {
                if *key != value {
                    return Err(Fault::new("set key does not equal value to be inserted"));
                }
                members.insert(key.clone(), Self::Whole(value));
            }
            Self::List { items, .. } => {
                let place = index(items.len(), key)?;
                if place > items.len() {
                    return Err(Fault::new("index for array insertion out of bounds"));
                }
                items.insert(place, Item::Edited(Self::Whole(value)));
            }
            Self::Whole(_) => return Err(Fault::new("expected composite type")),
        }
        Ok(())
    }

    fn remove(&mut self, key: &Value) -> Result<(), Fault> {
        self.open();
        self.settle(key);
        let missing = || Fault::new(format!("cannot delete child key {key} that does not exist"));
        match self {
            Self::Object(members) | Self::Set(members) => members.remove(key).map(|_| ()).ok_or_else(missing),
            Self::List { items, .. } => {
                let place = index(items.len(), key)?;
                if place >= items.len() {
                    return Err(missing());
                }
                items.remove(place);
                Ok(())
            }
            Self::Whole(_) => Err(Fault::new("expected composite type")),
        }
    }
}

impl Item {
    fn render(self) -> Value {
        match self {
            Self::Kept(value) => value,
            Self::Edited(node) => node.render(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Kept(value) => value.clone(),
            Self::Edited(node) => node.value(),
        }
    }
}

/// The place that a segment means; `-` is the one behind the last item.
fn index(length: usize, segment: &Value) -> Result<usize, Fault> {
    let invalid = || Fault::new("invalid index");
    let place = match segment {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if text == "-" => return Ok(length),
        Value::String(text) if text.len() > 1 && text.starts_with('0') => None,
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    place.and_then(|place| usize::try_from(place).ok()).ok_or_else(invalid)
}

struct Document<'a> {
    host: &'a mut Host,
    root: Option<Node>,
}

impl Document<'_> {
    fn apply(&mut self, operation: &Value) -> Result<(), Fault> {
        let missing = |name: &str| Fault::new(format!("missing required attribute '{name}'"));
        let attribute = |name: &'static str| operation.member(name).ok_or_else(|| missing(name));
        let path = attribute("path")?;
        let kind = attribute("op")?
            .as_str()
            .ok_or_else(|| Fault::new("attribute 'op' must be a string"))?;
        let path = segments(path)?;
        match kind {
            "add" => self.insert(&path, attribute("value")?.clone()),
            "remove" => self.remove(&path),
            "replace" => {
                self.remove(&path)?;
                self.insert(&path, attribute("value")?.clone())
            }
            "move" => {
                let from = segments(attribute("from")?)?;
                let value = self.node(&from)?.value();
                self.remove(&from)?;
                self.insert(&path, value)
            }
            "copy" => {
                let from = segments(attribute("from")?)?;
                let value = self.node(&from)?.value();
                self.insert(&path, value)
            }
            "test" => {
                let (value, expected) = (self.node(&path)?.value(), attribute("value")?);
                if value == *expected {
                    Ok(())
                } else {
                    Err(Fault::new("the value is not the expected one"))
                }
            }
            other => Err(Fault::new(format!("unrecognized op: '{other}'"))),
        }
    }

    /// The node at the end of a path.
    fn node(&mut self, path: &[Value]) -> Result<&mut Node, Fault> {
        let mut node = self.root.as_mut().ok_or_else(|| Fault::new("nothing is left"))?;
        for segment in path {
            self.host.spend(units(node.len() * 4))?;
            node = node.child(segment)?;
        }
        self.host.spend(units(node.len() * 4))?;
        Ok(node)
    }

    fn insert(&mut self, path: &[Value], value: Value) -> Result<(), Fault> {
        // Each operation may put all that there is below itself.
        if value.depth().saturating_add(path.len()) > MAX_DEPTH {
            return Err(Fault::Halt(Halt::Depth));
        }
        match path {
            [] => {
                self.root = Some(Node::Whole(value));
                Ok(())
            }
            [parent @ .., last] => self.node(parent)?.insert(last, value),
        }
    }

    fn remove(&mut self, path: &[Value]) -> Result<(), Fault> {
        match path {
            [] => self
                .root
                .take()
                .map(|_| ())
                .ok_or_else(|| Fault::new("nothing is left")),
            [parent @ .., last] => self.node(parent)?.remove(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::json;
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn patch(document: Value, operations: &str) -> String {
        let args = [document, json::parse(operations.as_bytes()).unwrap()];
        let result = (find("json.patch").unwrap().run)(&mut Host::new(1_000), &args);
        result.map_or_else(|_| "undefined".to_owned(), |value| value.to_string())
    }

    #[test]
    fn operations_are_applied_in_turn() {
        let cases = [
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":2}]"#,
                r#"{"a": 1, "b": 2}"#,
            ),
            (
                r#"{"a":[1,3]}"#,
                r#"[{"op":"add","path":"a/1","value":2}]"#,
                r#"{"a": [1, 2, 3]}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":["a","-"],"value":2}]"#,
                r#"{"a": [1, 2]}"#,
            ),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"a/2","value":2}]"#, "undefined"),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"a/01","value":2}]"#, "undefined"),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"a/-1","value":2}]"#, "undefined"),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":["a",1.0],"value":2}]"#,
                r#"{"a": [1, 2]}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"a/b","value":2}]"#, "undefined"),
            (r#"{"a":1}"#, r#"[{"op":"remove","path":"b"}]"#, "undefined"),
            (
                r#"{"a":1,"b":2}"#,
                r#"[{"op":"remove","path":"b"},{"op":"add","path":"b","value":3}]"#,
                r#"{"a": 1, "b": 3}"#,
            ),
            (
                r#"{"a":[1,2]}"#,
                r#"[{"op":"replace","path":"a/0","value":3}]"#,
                r#"{"a": [3, 2]}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"b","value":3}]"#, "undefined"),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":3}]"#, "3"),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"move","from":"a/b","path":"c"}]"#,
                r#"{"a": {}, "c": 1}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"a","path":"a/c"}]"#,
                r#"{"a": {"b": 1, "c": {"b": 1}}}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"test","path":"a/b","value":1}]"#,
                r#"{"a": {"b": 1}}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"test","path":"a/b","value":2}]"#,
                "undefined",
            ),
            (r#"{"a~b/c":1}"#, r#"[{"op":"remove","path":"a~0b~1c"}]"#, "{}"),
            (r#"{"a":1}"#, r#"[{"op":"nope","path":"a"}]"#, "undefined"),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"a"}]"#, "undefined"),
            (r#"{"a":1}"#, r#"[{"path":"a"}]"#, "undefined"),
            (r#"{"a":1}"#, "[1]", "undefined"),
            (r#"{"a":1}"#, r#"[{"op":"remove","path":""}]"#, "undefined"),
            // Not what RFC 6902 says, but what OPA does.
            (
                "[[1],[2],[3]]",
                r#"[{"op":"remove","path":"0"},{"op":"add","path":"0/-","value":9}]"#,
                "[[1, 9], [3]]",
            ),
        ];
        for (document, operations, expected) in cases {
            let value = json::parse(document.as_bytes()).unwrap();
            assert_eq!(patch(value, operations), expected, "{document} {operations}");
        }
    }

    #[test]
    fn sets_are_patched_by_their_members() {
        let list = |number: i64| Value::array(vec![number.into()]);
        let set = Value::set(vec![list(0), "a".into()]);
        let add = r#"[{"op":"add","path":[[0],1],"value":1},{"op":"add","path":[[0,1],2],"value":2}]"#;
        assert_eq!(patch(set.clone(), add), r#"{"a", [0, 1, 2]}"#);
        assert_eq!(patch(set.clone(), r#"[{"op":"remove","path":["a"]}]"#), "{[0]}");
        assert_eq!(
            patch(set.clone(), r#"[{"op":"add","path":["b"],"value":"b"}]"#),
            r#"{"a", "b", [0]}"#
        );
        assert_eq!(patch(set, r#"[{"op":"add","path":["b"],"value":"c"}]"#), "undefined");
    }
}
