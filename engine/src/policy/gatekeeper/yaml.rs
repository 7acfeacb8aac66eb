//! YAML as Kubernetes reads it, with the line of each value.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::Spanned;

use crate::policy::{Problem, yaml};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Null, a bool, a number or a text.
    Scalar(Json),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A key, its line and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// All documents of a file; those that are empty are left out.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Node>, Problem> {
    // Kubernetes reads YAML 1.1: `0644` is octal there.
    let mut options = yaml::options();
    options.legacy_octal_numbers = true;
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let (line, reason) = yaml::located(&error);
        Problem::at(file, line, format!("this is no YAML: {reason}"))
    })
}

impl Node {
    /// The members of a map; none of anything else.
    pub(super) fn members(&self) -> &[Member] {
        match &self.content {
            Content::Map(members) => members,
            _ => &[],
        }
    }

    /// The member of this name. One that is null is as good as absent, as for the API server.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let member = self.members().iter().find(|member| member.key == key)?;
        (!member.value.is_null()).then_some(&member.value)
    }

    /// The member at the end of a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at the end of a path of names.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Json::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.content == Content::Scalar(Json::Null)
    }

    /// What it is, for a message.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Scalar(value) => super::schema::type_name(value),
            Content::List(_) => "array",
            Content::Map(_) => "object",
        }
    }

    /// The same without lines.
    pub(super) fn to_json(&self) -> Json {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(members) => {
                let pair = |member: &Member| (member.key.clone(), member.value.to_json());
                Json::Object(members.iter().map(pair).collect())
            }
        }
    }

    /// The line of what a JSON pointer leads to, or of the last step on the way that is there.
    pub(super) fn line_of(&self, pointer: &[String]) -> usize {
        let Some((step, rest)) = pointer.split_first() else {
            return self.line;
        };
        match &self.content {
            Content::Map(members) => match members.iter().find(|member| member.key == *step) {
                Some(member) if rest.is_empty() => member.line,
                Some(member) => member.value.line_of(rest),
                None => self.line,
            },
            Content::List(items) => {
                let item = step.parse::<usize>().ok().and_then(|place| items.get(place));
                item.map_or(self.line, |item| item.line_of(rest))
            }
            Content::Scalar(_) => self.line,
        }
    }
}

fn line(spanned: &Spanned<impl Sized>) -> usize {
    // Where a value was written, not where an alias repeats it: that is what has to be changed.
    usize::try_from(spanned.defined.line()).unwrap_or(0)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            line: line(&spanned),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Json::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        // On its way to the API server YAML becomes JSON, and 1.0 becomes 1.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and far smaller than the largest")]
        let number = if value.fract() == 0.0 && value.abs() < 1e15 {
            Json::from(value as i64)
        } else {
            Json::from(value)
        };
        Ok(Content::Scalar(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            let line = line(&key);
            members.push(Member {
                key: key.value,
                line,
                value,
            });
        }
        Ok(Content::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn values_are_what_kubernetes_makes_of_them() {
        let nodes = read(
            "a.yaml",
            "# c\na: yes\nb: 0644\nc: 1.0\nd: 1.5\ne: '1'\nf: ~\ng: [x, {h: -1}]\n---\n---\n# c\n",
        );
        let nodes = nodes.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!(
            nodes[0].to_json(),
            json!({"a": true, "b": 420, "c": 1, "d": 1.5, "e": "1", "f": null, "g": ["x", {"h": -1}]})
        );
        assert!(nodes[0].get("f").is_none());
    }

    #[test]
    fn each_value_has_its_line() {
        let nodes = read("a.yaml", "a: 1\n---\nb:\n  - c: 1\n    d: {e: 2}\n  - f\n").unwrap();
        let line = |pointer: &[&str]| nodes[1].line_of(&pointer.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(line(&["b"]), 3);
        assert_eq!(line(&["b", "0", "d", "e"]), 5);
        assert_eq!(line(&["b", "0", "missing", "x"]), 4);
        assert_eq!(line(&["b", "1"]), 6);
    }

    #[test]
    fn what_is_no_yaml_has_a_line() {
        assert_eq!(read("a.yaml", "a: 1\nb: [\n").unwrap_err().line, 2);
        let twice = read("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert!(twice.message.contains("duplicate") && twice.line == 2, "{twice}");
    }
}
