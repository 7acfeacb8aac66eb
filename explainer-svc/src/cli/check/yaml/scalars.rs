//! Every scalar of a document: where it stands in the text, and in which objects.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::read::{Content, Document, Node, name};

/// Aliases can make more of a text than anybody needs to look at.
const MAX_SCALARS: usize = 500_000;

/// One scalar; a key has no places.
#[derive(Debug, Clone)]
pub(in super::super) struct Scalar {
    /// In bytes.
    pub(in super::super) span: Range<usize>,
    pub(in super::super) value: Value,
    /// The kind of each object around it, and the JSON pointer from there.
    pub(in super::super) places: Vec<(String, String)>,
}

impl Document {
    /// Adds its scalars, those behind an alias once for each place; none when their places are not known or too many.
    pub(in super::super) fn scalars(&self, all: &mut Vec<Scalar>) -> Option<()> {
        let mut anchors = HashMap::new();
        collect(&self.root, &mut anchors);
        Walk { anchors, all }.node(&self.root, &[(String::new(), String::new())])
    }
}

fn collect<'a>(node: &'a Node, anchors: &mut HashMap<usize, &'a Node>) {
    if node.anchor != 0 {
        anchors.insert(node.anchor, node);
    }
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| collect(item, anchors)),
        Content::Map(members) => members.iter().for_each(|(key, member)| {
            collect(key, anchors);
            collect(member, anchors);
        }),
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}

struct Walk<'a, 'b> {
    anchors: HashMap<usize, &'a Node>,
    all: &'b mut Vec<Scalar>,
}

impl Walk<'_, '_> {
    fn node(&mut self, node: &Node, places: &[(String, String)]) -> Option<()> {
        match &node.content {
            Content::Scalar { value, .. } => self.scalar(node, value, places.to_vec()),
            Content::Alias(anchor) => {
                let target = *self.anchors.get(anchor)?;
                self.node(target, places)
            }
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &below(places, &index.to_string()))?;
                }
                Some(())
            }
            Content::Map(members) => self.map(members, places),
        }
    }

    fn map(&mut self, members: &[(Node, Node)], places: &[(String, String)]) -> Option<()> {
        let text = |wanted: &str| {
            let found = members.iter().rev().find(|(key, _)| is_key(key, wanted))?;
            self.text(&found.1)
        };
        let mut places = places.to_vec();
        if let (Some(kind), Some(_)) = (text("kind"), text("apiVersion")) {
            // Below what holds secrets an object is one of them too: the places around it still count.
            places.push((kind, String::new()));
        }
        // `{name: API_TOKEN, value: …}`: what it is called is not in its path.
        let called = text("name");
        for (key, member) in members {
            if let Content::Scalar { value, .. } = &key.content {
                self.scalar(key, value, Vec::new())?;
            }
            if matches!(key.content, Content::Scalar { is_merge: true, .. }) {
                match &member.content {
                    Content::List(items) => items.iter().try_for_each(|item| self.node(item, &places))?,
                    _ => self.node(member, &places)?,
                }
                continue;
            }
            let step = name(key).ok()?.replace('~', "~0").replace('/', "~1");
            let mut inner = below(&places, &step);
            if let (true, Some(called)) = (step == "value", &called) {
                inner.push((String::new(), format!("/{called}")));
            }
            self.node(member, &inner)?;
        }
        Some(())
    }

    fn scalar(&mut self, node: &Node, value: &Value, places: Vec<(String, String)>) -> Option<()> {
        if self.all.len() >= MAX_SCALARS {
            return None;
        }
        self.all.push(Scalar {
            span: node.span.clone()?,
            value: value.clone(),
            places,
        });
        Some(())
    }

    /// The text of a scalar, also behind an alias.
    fn text(&self, node: &Node) -> Option<String> {
        match &node.content {
            Content::Scalar {
                value: Value::String(text),
                ..
            } => Some(text.clone()),
            Content::Alias(anchor) => self.anchors.get(anchor).and_then(|target| self.text(target)),
            _ => None,
        }
    }
}

fn is_key(key: &Node, wanted: &str) -> bool {
    matches!(&key.content, Content::Scalar { value: Value::String(text), .. } if text == wanted)
}

fn below(places: &[(String, String)], step: &str) -> Vec<(String, String)> {
    let moved = places
        .iter()
        .map(|(kind, path)| (kind.clone(), format!("{path}/{step}")));
    moved.collect()
}
