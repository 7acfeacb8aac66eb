//! A patch as a piece of YAML: the path around the change, and a comment on what was there.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::{Placeholder, path_of};
use crate::explain::authored::{authored, identity, is_default};
use crate::explain::fill_in;
use crate::explain::wire::GroupVersionKind;
use crate::finding::path_order;
use crate::redact;

/// Longer lines have their comment on lines of its own above them.
const WIDTH: usize = 90;

/// What is to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) kind: &'a GroupVersionKind,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
    pub(super) patch: &'a Patch,
    pub(super) placeholders: &'a [Placeholder],
    /// A pointer that is shown before every path.
    pub(super) under: &'a str,
    /// All of the object was written by a person: nothing in it is a default.
    pub(super) is_written: bool,
}

/// A part of the piece.
enum Node {
    Map(Vec<(String, Node)>),
    /// Elements by their position in the object.
    List(Vec<(usize, Node)>),
    Leaf {
        value: Value,
        note: String,
        /// Where it is in the changed object.
        path: String,
    },
    Removed {
        note: String,
    },
}

/// Writes nodes, and knows what a person has to fill in.
struct Writer {
    /// One for each line that has to be filled in.
    placeholders: Vec<Placeholder>,
    text: String,
}

/// The piece of YAML for a change.
pub(super) fn render(change: &Change<'_>) -> String {
    let Change {
        kind,
        before,
        after,
        placeholders,
        under,
        ..
    } = *change;
    let root = tree(change);
    let mut writer = Writer {
        placeholders: fill_in::leaves(kind, before, after, placeholders),
        text: String::new(),
    };
    let around: Vec<&str> = under.split('/').skip(1).collect();
    for (depth, key) in around.iter().enumerate() {
        writer.text.push_str(&format!("{}{key}:\n", "  ".repeat(depth)));
    }
    writer.write(&root, before, around.len());
    writer.text
}

fn tree(change: &Change<'_>) -> Node {
    let Change {
        kind,
        before,
        after,
        patch,
        is_written,
        ..
    } = *change;
    let own = authored(before);
    let mut operations: Vec<(String, &PatchOperation)> = Vec::new();
    for operation in &patch.0 {
        let path = path_of(operation);
        let place = match path.strip_suffix("/-") {
            // An element at the end: its position, counted with those that are added before it.
            Some(list) => {
                let length = before.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
                let earlier = operations.iter().filter(|(_, other)| path_of(other) == path).count();
                format!("{list}/{}", length + earlier)
            }
            None => path.to_owned(),
        };
        operations.push((place, operation));
    }
    operations.sort_by_cached_key(|(place, _)| path_order(place));
    let mut root = Node::Map(Vec::new());
    for (place, operation) in operations {
        let old = before.pointer(&place);
        let was = old.and_then(|value| redact::value(&kind.kind, &place, value));
        let is_default = !is_written && is_default(kind, before, own.as_ref(), &place);
        let leaf = match operation {
            PatchOperation::Remove(_) => Node::Removed {
                note: was.map_or(String::new(), |was| format!(": {was}")),
            },
            _ => Node::Leaf {
                value: match operation {
                    PatchOperation::Add(add) if path_of(operation).ends_with("/-") => add.value.clone(),
                    _ => after.pointer(&place).cloned().unwrap_or_default(),
                },
                note: match (old, was) {
                    (None, _) => "add".to_owned(),
                    (Some(_), Some(was)) if is_default => format!("instead of the default, {was}"),
                    (Some(_), Some(was)) => format!("was: {was}"),
                    (Some(_), None) => "change".to_owned(),
                },
                path: place.clone(),
            },
        };
        let segments: Vec<String> = place
            .split('/')
            .skip(1)
            .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
            .collect();
        insert(&mut root, before, &segments, leaf);
    }
    root
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

impl Writer {
    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A line with a comment behind it, or above it where both are too long for one.
    fn commented(&mut self, depth: usize, line: &str, note: &str) {
        let comment = if note.is_empty() {
            String::new()
        } else {
            format!("# {note}")
        };
        if comment.is_empty() || depth * 2 + line.chars().count() + 1 + comment.chars().count() <= WIDTH {
            self.line(depth, format!("{line} {comment}").trim());
            return;
        }
        let room = WIDTH.saturating_sub(depth * 2).max(40);
        let options = textwrap::Options::new(room)
            .subsequent_indent("# ")
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(false);
        for part in textwrap::wrap(&comment, options) {
            self.line(depth, &part);
        }
        if !line.is_empty() {
            self.line(depth, line);
        }
    }

    fn write(&mut self, node: &Node, object: &Value, depth: usize) {
        match node {
            Node::Map(children) => {
                for (key, child) in children {
                    self.member(key, child, object, depth);
                }
            }
            Node::List(children) => {
                for (index, child) in children {
                    let item = object.get(index).unwrap_or(&Value::Null);
                    self.item(*index, child, item, depth);
                }
            }
            Node::Leaf { .. } | Node::Removed { .. } => {}
        }
    }

    /// An element of a list: its name tells a person which.
    fn item(&mut self, index: usize, child: &Node, item: &Value, depth: usize) {
        match child {
            Node::Removed { note } => {
                let which = identity(item).map(|(key, value)| format!(" ({key}: {})", yaml_inline(value)));
                self.commented(
                    depth,
                    "",
                    &format!("remove item {index}{}{note}", which.unwrap_or_default()),
                );
            }
            Node::Leaf { value, note, path } if is_inline(value) => {
                let note = self.noted(note, path);
                self.commented(depth, &format!("- {}", yaml_inline(value)), &note);
            }
            Node::Leaf { value, note, path } => {
                self.commented(depth, "-", note);
                self.block(value, path, depth + 1);
            }
            Node::Map(_) | Node::List(_) => {
                let changed: &[(String, Node)] = if let Node::Map(children) = child { children } else { &[] };
                match identity(item) {
                    // It is itself what changes: written once, as the change.
                    Some((key, _)) if changed.iter().any(|(known, _)| known == key) => {
                        let start = self.text.len() + depth * 2;
                        let (own, rest): (Vec<_>, Vec<_>) = changed.iter().partition(|(known, _)| known == key);
                        for (key, child) in own.into_iter().chain(rest) {
                            self.member(key, child, item, depth + 1);
                        }
                        self.dash(start);
                    }
                    Some((key, value)) => {
                        self.line(depth, &format!("- {key}: {}", yaml_inline(value)));
                        self.write(child, item, depth + 1);
                    }
                    None => {
                        self.line(depth, &format!("- # item {index}"));
                        self.write(child, item, depth + 1);
                    }
                }
            }
        }
    }

    /// What was written from this place on is an element: its first line stands behind a dash.
    fn dash(&mut self, start: usize) {
        if self.text.get(start..start + 2) == Some("  ") {
            self.text.replace_range(start..start + 2, "- ");
        }
    }

    fn member(&mut self, key: &str, child: &Node, object: &Value, depth: usize) {
        let value = object.get(key).unwrap_or(&Value::Null);
        self.entry(&yaml_inline(&Value::from(key)), child, value, depth);
    }

    fn entry(&mut self, key: &str, child: &Node, value: &Value, depth: usize) {
        match child {
            Node::Removed { note } => self.commented(depth, "", &format!("remove {key}{note}")),
            Node::Leaf { value, note, path } if is_inline(value) => {
                let note = self.noted(note, path);
                self.commented(depth, &format!("{key}: {}", yaml_inline(value)), &note);
            }
            Node::Leaf { value, note, path } => {
                self.commented(depth, &format!("{key}:"), note);
                self.block(value, path, depth + 1);
            }
            Node::Map(_) | Node::List(_) => {
                self.line(depth, &format!("{key}:"));
                self.write(child, value, depth + 1);
            }
        }
    }

    /// A value that has maps in it.
    fn block(&mut self, value: &Value, path: &str, depth: usize) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    let below = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                    let key = yaml_inline(&Value::from(key.as_str()));
                    if is_inline(member) {
                        let note = self.noted("", &below);
                        self.commented(depth, &format!("{key}: {}", yaml_inline(member)), &note);
                    } else {
                        self.line(depth, &format!("{key}:"));
                        self.block(member, &below, depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let below = format!("{path}/{index}");
                    if is_inline(item) {
                        let note = self.noted("", &below);
                        self.commented(depth, &format!("- {}", yaml_inline(item)), &note);
                        continue;
                    }
                    let start = self.text.len() + depth * 2;
                    self.block(item, &below, depth + 1);
                    self.dash(start);
                }
            }
            plain => self.line(depth, &yaml_inline(plain)),
        }
    }

    /// What the comment says, with what a person has to fill in here.
    fn noted(&self, note: &str, path: &str) -> String {
        let is_here = |placeholder: &&Placeholder| {
            placeholder.path == path
                || placeholder
                    .path
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let meaning = self.placeholders.iter().find(is_here);
        match meaning.map(|placeholder| redact::line(&placeholder.meaning, 120)) {
            None => note.to_owned(),
            Some(meaning) if note.is_empty() || note == "add" => format!("fill in: {meaning}"),
            Some(meaning) => format!("fill in: {meaning}; {note}"),
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
        scalar => {
            let text = serde_saphyr::to_string(scalar).unwrap_or_default();
            let text = text.trim_end();
            // A long text is folded into lines, which would stand at the wrong depth.
            if text.contains('\n') {
                scalar.to_string()
            } else {
                text.to_owned()
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
