//! A text of YAML or JSON -> documents: a tree with places, and the value that kubectl makes of it.
//!
//! kubectl reads YAML with go-yaml 2: `yes` and `on` are booleans, `0644` is octal, of equal keys the last one counts.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

/// Collections in collections that are read.
const DEPTH: usize = 200;
/// Aliases make a small text a large value: more nodes than this are no manifest.
const MAX_NODES: usize = 2_000_000;

/// One document.
#[derive(Debug)]
pub(in super::super) struct Document {
    pub(in super::super) value: Value,
    pub(super) root: Node,
}

/// A part of a document, and where it stands in the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    line: usize,
    /// In bytes, of a scalar.
    pub(super) span: Option<Range<usize>>,
    pub(super) anchor: usize,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        value: Value,
        is_merge: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// Of the node with this anchor.
    Alias(usize),
}

/// A text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Wrong {
    /// From 1; 0 when it is not known.
    pub(in super::super) line: usize,
    /// From 1; 0 when it is not known.
    pub(in super::super) column: usize,
    pub(in super::super) reason: String,
}

impl Wrong {
    fn at(span: Span, reason: impl Into<String>) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col() + 1,
            reason: reason.into(),
        }
    }
}

/// Everything in a text. What is empty or `null` is no document.
pub(in super::super) fn documents(text: &str) -> Result<Vec<Document>, Wrong> {
    let mut documents = Vec::new();
    let mut anchors: HashMap<usize, Value> = HashMap::new();
    let mut open: Vec<(Node, Vec<Node>)> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Wrong {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info().clone(),
        })?;
        let node = |content, anchor| Node {
            content,
            line: span.start.line(),
            span: span
                .start
                .byte_offset()
                .zip(span.end.byte_offset())
                .map(|(start, end)| start..end),
            anchor,
        };
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => {
                return Err(Wrong::at(span, format!("is deeper than {DEPTH} levels, the limit")));
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push((node(Content::List(Vec::new()), anchor), Vec::new()));
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push((node(Content::Map(Vec::new()), anchor), Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((mut node, inner)) = open.pop() else { continue };
                close(&mut node, inner);
                node
            }
            Event::Scalar(content, style, anchor, tag) => {
                let tag = tag.map(|tag| {
                    let (handle, suffix) = tag.parts();
                    format!("{handle}{suffix}")
                });
                let is_plain = style == ScalarStyle::Plain;
                let value = scalar(&content, is_plain, tag.as_deref()).map_err(|reason| Wrong::at(span, reason))?;
                let is_merge = is_plain && content == "<<";
                node(Content::Scalar { value, is_merge }, anchor)
            }
            Event::Alias(anchor) => node(Content::Alias(anchor), 0),
            _ => continue,
        };
        nodes += 1;
        if done.anchor != 0 {
            let value = value(&done, &anchors, &mut nodes).map_err(|reason| Wrong::at(span, reason))?;
            anchors.insert(done.anchor, value);
        }
        if let Some((_, items)) = open.last_mut() {
            items.push(done);
            continue;
        }
        let value = value(&done, &anchors, &mut nodes).map_err(|reason| Wrong::at(span, reason))?;
        if !value.is_null() {
            documents.push(Document { value, root: done });
        }
    }
    Ok(documents)
}

/// Puts what was inside of a collection into it.
fn close(node: &mut Node, inner: Vec<Node>) {
    match &mut node.content {
        Content::List(items) => *items = inner,
        Content::Map(members) => {
            let mut inner = inner.into_iter();
            while let (Some(key), Some(value)) = (inner.next(), inner.next()) {
                members.push((key, value));
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}

fn scalar(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let plain = || match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        _ => engine::rego::plain_scalar(text),
    };
    let as_text = || Value::String(text.to_owned());
    let tag = tag.map(|tag| tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag));
    match tag {
        None | Some("!") if is_plain => Ok(plain().unwrap_or_else(as_text)),
        Some(tag @ ("int" | "float" | "bool" | "null")) => {
            let value = plain();
            let fits = match &value {
                Some(Value::Number(number)) => tag == "float" || (tag == "int" && !number.is_f64()),
                Some(Value::Bool(_)) => tag == "bool",
                Some(Value::Null) => tag == "null",
                _ => false,
            };
            value
                .filter(|_| fits)
                // The value itself may be a secret.
                .ok_or_else(|| format!("the value cannot be read as !!{tag}"))
        }
        Some("binary") => Err("!!binary is not read; write the text, or use binaryData".to_owned()),
        _ => Ok(as_text()),
    }
}

fn value(node: &Node, anchors: &HashMap<usize, Value>, nodes: &mut usize) -> Result<Value, String> {
    *nodes += 1;
    if *nodes > MAX_NODES {
        return Err(format!("its aliases make more than {MAX_NODES} values of it"));
    }
    Ok(match &node.content {
        Content::Scalar { value, .. } => value.clone(),
        Content::List(items) => items
            .iter()
            .map(|item| value(item, anchors, nodes))
            .collect::<Result<_, _>>()?,
        Content::Map(members) => {
            let (mut own, mut merged) = (Map::new(), Vec::new());
            for (key, member) in members {
                if matches!(key.content, Content::Scalar { is_merge: true, .. }) {
                    merged.push(value(member, anchors, nodes)?);
                } else {
                    own.insert(name(key)?, value(member, anchors, nodes)?);
                }
            }
            for other in merged {
                merge(&mut own, other)?;
            }
            Value::Object(own)
        }
        Content::Alias(anchor) => {
            let value = anchors.get(anchor).ok_or("an anchor contains itself, or is unknown")?;
            *nodes += size(value);
            value.clone()
        }
    })
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}

fn merge(own: &mut Map<String, Value>, other: Value) -> Result<(), String> {
    match other {
        Value::Object(members) => {
            for (key, value) in members {
                own.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(items) => items.into_iter().try_for_each(|item| merge(own, item)),
        _ => Err("`<<` merges maps only".to_owned()),
    }
}

/// A key as the text that JSON has for it.
pub(super) fn name(key: &Node) -> Result<String, String> {
    match &key.content {
        Content::Scalar {
            value: Value::String(text),
            ..
        } => Ok(text.clone()),
        Content::Scalar { value, .. } if !value.is_null() => Ok(value.to_string()),
        _ => Err("a key is no text".to_owned()),
    }
}

impl Document {
    /// The line of the deepest node on the way that a JSON pointer names, from 1.
    pub(in super::super) fn line(&self, pointer: &str) -> usize {
        let mut node = &self.root;
        let mut line = node.line;
        for step in super::edit::steps(pointer) {
            match &node.content {
                Content::Map(members) => {
                    let Some((key, value)) = members
                        .iter()
                        .rfind(|(key, _)| name(key).is_ok_and(|name| name == step))
                    else {
                        break;
                    };
                    (node, line) = (value, key.line);
                }
                Content::List(items) => {
                    let Some(item) = step.parse::<usize>().ok().and_then(|index| items.get(index)) else {
                        break;
                    };
                    (node, line) = (item, item.line);
                }
                _ => break,
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        documents(text).unwrap().pop().unwrap().value
    }

    #[test]
    fn values_are_those_of_kubectl() {
        assert_eq!(
            read(
                "{a: yes, b: 'yes', c: 0644, d: 0o10, e: 1.5, f: ~, g: 1e3, 1: on, true: x, h: 2024-01-01, i: !!str 5}"
            ),
            json!({"a": true, "b": "yes", "c": 420, "d": 8, "e": 1.5, "f": null, "g": 1000, "1": true, "true": "x",
                "h": "2024-01-01", "i": "5"})
        );
        assert_eq!(read("a: 1\na: 2\n"), json!({"a": 2}));
        assert_eq!(
            read("x: &x {a: 1, b: 2}\nm:\n  <<: *x\n  b: 3\nz: [*x]\n"),
            json!({"x": {"a": 1, "b": 2}, "m": {"a": 1, "b": 3}, "z": [{"a": 1, "b": 2}]})
        );
        assert_eq!(read("{\n\t\"a\": [1,\n\t2]}"), json!({"a": [1, 2]}));
    }

    #[test]
    fn nothing_is_no_document() {
        for text in ["", "---\n", "# only a comment\n", "null\n", "---\n---\n"] {
            assert!(documents(text).unwrap().is_empty(), "{text:?}");
        }
        assert_eq!(documents("a: 1\n...\n---\nb: 2\n").unwrap().len(), 2);
    }

    #[test]
    fn errors_have_line_and_column() {
        let wrong = documents("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(wrong.line >= 2 && wrong.column > 0, "{wrong:?}");
        let bomb = format!(
            "a: &a [{0}]\nb: &b [{1}]\nc: &c [{2}]\nd: [{3}]\n",
            "x,".repeat(200),
            "*a,".repeat(200),
            "*b,".repeat(200),
            "*c,".repeat(200)
        );
        assert!(documents(&bomb).unwrap_err().reason.contains("aliases"));
        assert!(documents(&"[".repeat(1000)).is_err());
    }

    #[test]
    fn lines_are_those_of_keys() {
        let text = "kind: Pod\nspec:\n  containers:\n    # one\n    - name: a\n      image: b\n";
        let document = documents(text).unwrap().pop().unwrap();
        for (pointer, line) in [
            ("", 1),
            ("/spec", 2),
            ("/spec/containers/0", 5),
            ("/spec/containers/0/image", 6),
            ("/spec/containers/0/securityContext/privileged", 5),
            ("/spec/hostNetwork", 2),
        ] {
            assert_eq!(document.line(pointer), line, "{pointer}");
        }
    }
}
