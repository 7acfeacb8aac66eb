//! A patch as a piece of YAML: the path around the change, and a comment on what was there.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::path_of;
use crate::finding::path_order;
use crate::redact;

/// A part of the piece.
enum Node {
    Map(Vec<(String, Node)>),
    /// Elements by their position in the object.
    List(Vec<(usize, Node)>),
    Leaf {
        value: Value,
        note: String,
    },
    Removed {
        note: String,
    },
}

/// The piece of YAML for a change of an object of this kind.
pub fn render(kind: &str, before: &Value, after: &Value, patch: &Patch) -> String {
    let mut operations: Vec<&PatchOperation> = patch.0.iter().collect();
    operations.sort_by_cached_key(|operation| path_order(path_of(operation)));
    let mut root = Node::Map(Vec::new());
    for change in operations {
        let place = path_of(change);
        let old = before.pointer(place);
        let was = old.and_then(|value| redact::value(kind, place, value));
        let leaf = match change {
            PatchOperation::Remove(_) => Node::Removed {
                note: was.map_or(String::new(), |was| format!(": {was}")),
            },
            _ => Node::Leaf {
                value: after.pointer(place).cloned().unwrap_or_default(),
                note: match (old, was) {
                    (None, _) => "add".to_owned(),
                    (Some(_), Some(was)) => format!("was: {was}"),
                    (Some(_), None) => "change".to_owned(),
                },
            },
        };
        let segments: Vec<String> = place
            .split('/')
            .skip(1)
            .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
            .collect();
        insert(&mut root, before, &segments, leaf);
    }
    let mut text = String::new();
    write(&root, before, 0, &mut text);
    text
}

fn insert(node: &mut Node, object: &Value, segments: &[String], leaf: Node) {
    let Some((first, rest)) = segments.split_first() else {
        return;
    };
    let (child, place) = match object {
        Value::Array(items) => {
            let index = first.parse().unwrap_or(items.len());
            (items.get(index), element(node, index))
        }
        // Below a value that was just added everything is in it already.
        _ => (object.get(first), member(node, first)),
    };
    let Some(place) = place else { return };
    let child = child.unwrap_or(&Value::Null);
    if matches!(place, Node::Leaf { .. }) {
        return;
    }
    if rest.is_empty() {
        *place = leaf;
    } else {
        insert(place, child, rest, leaf);
    }
}

/// The place of an element, made when it is not there.
fn element(node: &mut Node, index: usize) -> Option<&mut Node> {
    if !matches!(node, Node::List(_)) {
        *node = Node::List(Vec::new());
    }
    let Node::List(children) = node else { return None };
    let known = children.iter().position(|(known, _)| *known == index);
    let position = known.unwrap_or(children.len());
    if known.is_none() {
        children.push((index, Node::Map(Vec::new())));
    }
    children.get_mut(position).map(|(_, place)| place)
}

/// The place of a member, made when it is not there.
fn member<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    let Node::Map(children) = node else { return None };
    let known = children.iter().position(|(known, _)| known == key);
    let position = known.unwrap_or(children.len());
    if known.is_none() {
        children.push((key.to_owned(), Node::Map(Vec::new())));
    }
    children.get_mut(position).map(|(_, place)| place)
}

fn write(node: &Node, object: &Value, depth: usize, text: &mut String) {
    match node {
        Node::Map(children) => {
            for (key, child) in children {
                let value = object.get(key).unwrap_or(&Value::Null);
                write_entry(&yaml_inline(&Value::from(key.as_str())), child, value, depth, "", text);
            }
        }
        Node::List(children) => {
            for (index, child) in children {
                let item = object.get(index).unwrap_or(&Value::Null);
                write_item(*index, child, item, depth, text);
            }
        }
        Node::Leaf { .. } | Node::Removed { .. } => {}
    }
}

/// An element of a list: its name tells a person which.
fn write_item(index: usize, child: &Node, item: &Value, depth: usize, text: &mut String) {
    let pad = "  ".repeat(depth);
    match child {
        Node::Removed { note } => text.push_str(&format!("{pad}# remove item {index}{note}\n")),
        Node::Leaf { value, note } => text.push_str(&format!("{pad}- {} # {note}\n", yaml_inline(value))),
        Node::Map(_) | Node::List(_) => {
            match identity(item) {
                Some((key, value)) => text.push_str(&format!("{pad}- {key}: {}\n", yaml_inline(value))),
                None => text.push_str(&format!("{pad}- # item {index}\n")),
            }
            write(child, item, depth + 1, text);
        }
    }
}

/// What tells an element from its neighbours: the keys by which Kubernetes merges lists.
fn identity(item: &Value) -> Option<(&str, &Value)> {
    const KEYS: [&str; 8] = [
        "name",
        "containerPort",
        "port",
        "mountPath",
        "devicePath",
        "key",
        "ip",
        "topologyKey",
    ];
    let members = item.as_object()?;
    let (key, value) = KEYS.iter().find_map(|key| members.get_key_value(*key))?;
    (value.is_string() || value.is_number()).then_some((key.as_str(), value))
}

fn write_entry(key: &str, child: &Node, value: &Value, depth: usize, lead: &str, text: &mut String) {
    let pad = "  ".repeat(depth);
    match child {
        Node::Removed { note } => text.push_str(&format!("{pad}{lead}# remove {key}{note}\n")),
        Node::Leaf { value, note } if is_inline(value) => {
            text.push_str(&format!("{pad}{lead}{key}: {} # {note}\n", yaml_inline(value)));
        }
        Node::Leaf { value, note } => {
            text.push_str(&format!("{pad}{lead}{key}: # {note}\n"));
            let block = serde_saphyr::to_string(value).unwrap_or_default();
            for line in block.lines() {
                text.push_str(&format!("{pad}  {line}\n"));
            }
        }
        Node::Map(_) | Node::List(_) => {
            text.push_str(&format!("{pad}{lead}{key}:\n"));
            write(child, value, depth + 1, text);
        }
    }
}

/// Scalars and lists of scalars stand on one line.
fn is_inline(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        _ => true,
    }
}

fn yaml_inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(yaml_inline).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => "{}".to_owned(),
        Value::String(text) if text.chars().any(|c| matches!(c, ',' | '[' | ']' | '{' | '}' | '\n')) => {
            // JSON strings are YAML strings, also inside of brackets.
            value.to_string()
        }
        scalar => serde_saphyr::to_string(scalar)
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use serde_json::json;

    use super::*;

    fn snippet(before: &Value, patch: Value) -> String {
        let patch: Patch = serde_json::from_value(patch).unwrap();
        let mut after = before.clone();
        json_patch::patch(&mut after, &patch).unwrap();
        render("Pod", before, &after, &patch)
    }

    #[test]
    fn the_path_around_the_change_is_shown_with_names() {
        let text = snippet(
            &json!({"spec": {"hostNetwork": true, "containers": [
                {"name": "log", "image": "log:1"},
                {"name": "app", "image": "app:1", "securityContext": {"privileged": true}}]}}),
            json!([
                {"op": "add", "path": "/spec/containers/0/securityContext", "value": {"capabilities": {"drop": ["ALL"]}}},
                {"op": "replace", "path": "/spec/containers/1/securityContext/privileged", "value": false},
                {"op": "remove", "path": "/spec/hostNetwork"}]),
        );
        insta::assert_snapshot!(text, @r#"
        spec:
          containers:
            - name: log
              securityContext: # add
                capabilities:
                  drop:
                  - ALL
            - name: app
              securityContext:
                privileged: false # was: true
          # remove hostNetwork: true
        "#);
    }

    #[test]
    fn a_value_added_in_two_steps_is_shown_once_and_whole() {
        let text = snippet(
            &json!({"spec": {}}),
            json!([
                {"op": "add", "path": "/spec/securityContext", "value": {"runAsNonRoot": true}},
                {"op": "add", "path": "/spec/securityContext/runAsUser", "value": 1000}]),
        );
        insta::assert_snapshot!(text, @r"
        spec:
          securityContext: # add
            runAsNonRoot: true
            runAsUser: 1000
        ");
    }
}
