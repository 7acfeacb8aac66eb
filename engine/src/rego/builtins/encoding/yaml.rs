//! `yaml.*`, as OPA reads it with go-yaml 3: YAML 1.2's booleans, 1.1's octal numbers, keys of any scalar, the last of equal keys.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use base64::Engine as _;
use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::super::operands::{any, from_bytes, text, units};
use super::super::{Fault, Halt, Host};
use super::yaml_scalar::{Scalar, resolve};
use super::{PADDED, yaml_writer};
use crate::rego::value::Value;

/// Lists in lists that are read.
const DEPTH: usize = 200;

pub(super) fn marshal(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    yaml_writer::write(host, any(args, 0)?).map(Value::string)
}

pub(super) fn unmarshal(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let text = text(args, 0)?;
    host.spend(units(text.len() * 4))?;
    match document(text)? {
        Some(node) => Reader { host }.value(&node),
        None => Ok(Value::Null),
    }
}

pub(super) fn is_valid(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    match unmarshal(host, args) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(Fault::Undefined(_)) => Ok(Value::Bool(false)),
        Err(halt) => Err(halt),
    }
}

/// A part of a document. Aliases share it.
enum Node {
    Scalar {
        text: String,
        plain: bool,
        tag: Option<String>,
    },
    List(Vec<Rc<Self>>),
    /// Keys and values in turn.
    Map(Vec<Rc<Self>>),
}

impl Node {
    /// Whether the key says that other maps are merged in.
    fn is_merge(&self) -> bool {
        match self {
            Self::Scalar { text, plain, tag: None } => *plain && text == "<<",
            Self::Scalar {
                text, tag: Some(tag), ..
            } => text == "<<" && tag == "merge",
            _ => false,
        }
    }
}

/// The first document, when there is one. The others have to be free of errors.
fn document(source: &str) -> Result<Option<Rc<Node>>, Fault> {
    let mut first = None;
    // Lists and maps that are not closed yet: their anchors, and what is in them.
    let mut open: Vec<(usize, Vec<Rc<Node>>)> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| Fault::new(error.to_string()))?;
        let (anchor, node) = match event {
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                return Err(Fault::new("found incompatible YAML document"));
            }
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                if open.len() >= DEPTH {
                    return Err(Fault::Halt(Halt::Limit));
                }
                open.push((anchor, Vec::new()));
                continue;
            }
            Event::SequenceEnd => {
                let (anchor, items) = open.pop().unwrap_or_default();
                (anchor, Rc::new(Node::List(items)))
            }
            Event::MappingEnd => {
                let (anchor, members) = open.pop().unwrap_or_default();
                (anchor, Rc::new(Node::Map(members)))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let mut content = text.into_owned();
                // The last line of a document may have no end, and then go-yaml does not make one.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if is_block
                    && !source.ends_with([' ', '\t', '\n'])
                    && span.byte_range().is_some_and(|range| range.end >= source.len())
                {
                    content.truncate(content.trim_end_matches('\n').len());
                }
                (
                    anchor,
                    Rc::new(Node::Scalar {
                        text: content,
                        plain,
                        tag: tag.map(|tag| short(&tag)),
                    }),
                )
            }
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).cloned();
                (
                    0,
                    node.ok_or_else(|| Fault::new("anchor contains itself, or is unknown"))?,
                )
            }
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            Some((_, items)) => items.push(node),
            None => first = first.or(Some(node)),
        }
    }
    Ok(first)
}

/// `int` of `!!int`; others as they are.
fn short(tag: &Tag) -> String {
    let (handle, suffix) = tag.parts();
    let whole = format!("{handle}{suffix}");
    whole.strip_prefix("tag:yaml.org,2002:").unwrap_or(&whole).to_owned()
}

struct Reader<'a> {
    host: &'a mut Host,
}

impl Reader<'_> {
    fn value(&mut self, node: &Node) -> Result<Value, Fault> {
        // Aliases make a small text a large value.
        self.host.spend(1)?;
        match node {
            Node::Scalar { .. } => scalar(node)?.into_value(),
            Node::List(items) => Ok(Value::array(
                items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?,
            )),
            Node::Map(members) => {
                let mut map = BTreeMap::new();
                self.members(members, &mut map)?;
                Ok(Value::object(
                    map.into_iter()
                        .map(|(key, value)| (Value::string(key), value))
                        .collect(),
                ))
            }
        }
    }

    /// Adds the members that are not there yet: a map's own ones, and those of the maps that it merges.
    fn members(&mut self, members: &[Rc<Node>], map: &mut BTreeMap<String, Value>) -> Result<(), Fault> {
        let (mut own, mut merged) = (BTreeMap::new(), Vec::new());
        for member in members.chunks_exact(2) {
            let [key, value] = member else { continue };
            if key.is_merge() {
                merged.push(value);
            } else {
                own.insert(scalar(key)?.into_key()?, self.value(value)?);
            }
        }
        for (key, value) in own {
            map.entry(key).or_insert(value);
        }
        for node in merged {
            match &**node {
                Node::List(nodes) => nodes.iter().try_for_each(|node| self.merge(node, map))?,
                node => self.merge(node, map)?,
            }
        }
        Ok(())
    }

    fn merge(&mut self, node: &Node, map: &mut BTreeMap<String, Value>) -> Result<(), Fault> {
        self.host.spend(1)?;
        match node {
            Node::Map(members) => self.members(members, map),
            _ => Err(Fault::new("map merge requires map or sequence of maps as the value")),
        }
    }
}

fn scalar(node: &Node) -> Result<Scalar, Fault> {
    let Node::Scalar { text, plain, tag } = node else {
        return Err(Fault::new("invalid map key"));
    };
    let as_text = || Scalar::Text(text.clone());
    let resolved = || resolve(text).unwrap_or_else(as_text);
    let wanted = match tag.as_deref() {
        Some("int" | "float" | "bool" | "null") => tag.as_deref(),
        Some("binary") => {
            let bytes = PADDED
                .decode(text)
                .map_err(|_| Fault::new("!!binary value contains invalid base64 data"))?;
            return Ok(Scalar::Text(from_bytes(bytes).as_str().unwrap_or_default().to_owned()));
        }
        Some("timestamp") => return Err(Fault::new("!!timestamp is not read")),
        None | Some("!") if *plain => return Ok(resolved()),
        _ => return Ok(as_text()),
    };
    Ok(match (wanted, resolved()) {
        (Some("int"), value @ Scalar::Int(_))
        | (Some("float"), value @ Scalar::Float(_))
        | (Some("bool"), value @ Scalar::Bool(_))
        | (Some("null"), value @ Scalar::Null) => value,
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for it")]
        (Some("float"), Scalar::Int(int)) => Scalar::Float(int as f64),
        _ => {
            return Err(Fault::new(format!(
                "cannot decode `{text}` as a !!{}",
                wanted.unwrap_or_default()
            )));
        }
    })
}
