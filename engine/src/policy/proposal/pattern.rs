//! Patterns of paths: JSON pointers in which `*` is any element or key, and `{path}` at the beginning the violation's path.

use serde::Deserialize;
use serde_json::Value as Json;

/// The violation's path, at the beginning of a pattern.
const OWN: &str = "{path}";

/// Places in an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    own: bool,
    parts: Vec<Part>,
    text: String,
}

/// A step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Every element, or every key.
    Any,
    /// This one.
    Named(String),
}

impl Part {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(own) => own == name,
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let own = text.starts_with(OWN);
        let rest = text.strip_prefix(OWN).unwrap_or(&text);
        if rest.contains(['{', '}']) {
            return Err(format!(
                "{text:?} is no path pattern: {OWN} can stand at its beginning only, and nothing else in braces"
            ));
        }
        let is_pointer = jsonptr::Pointer::parse(rest).is_ok();
        if !is_pointer || (rest.is_empty() && !own) {
            return Err(format!(
                "{text:?} is no path pattern: write a JSON pointer, such as /spec/containers/*/image, or begin with {OWN}"
            ));
        }
        let part = |name: &str| match name {
            "*" => Part::Any,
            name => Part::Named(name.replace("~1", "/").replace("~0", "~")),
        };
        let parts = rest.split('/').skip(1).map(part).collect();
        Ok(Self { own, parts, text })
    }
}

impl Pattern {
    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its steps; none when it begins at the violation's path.
    pub fn parts(&self) -> Option<&[Part]> {
        (!self.own).then_some(self.parts.as_slice())
    }

    /// The steps from the root of the object that came, for a violation's path there. `template` leads to what the policy saw.
    pub(crate) fn rooted(&self, path: Option<&[String]>, template: &[&str]) -> Option<Vec<Part>> {
        let named = |name: &str| Part::Named(name.to_owned());
        let mut all: Vec<Part> = if self.own {
            path?.iter().map(|name| named(name)).collect()
        } else {
            template.iter().map(|name| named(name)).collect()
        };
        all.extend(self.parts.iter().cloned());
        Some(all)
    }
}

/// Whether a pattern speaks of the place of a path: all of it up to its last `*` agrees with the path, as far as both go; without
/// a `*`, all of it.
pub(crate) fn is_near(parts: &[Part], path: &[String]) -> bool {
    let last = parts.iter().rposition(|part| *part == Part::Any);
    let needed = last.map_or(parts.len(), |last| last + 1).min(path.len());
    agreeing(parts, path) >= needed
}

fn agreeing(parts: &[Part], path: &[String]) -> usize {
    parts
        .iter()
        .zip(path)
        .take_while(|(part, name)| part.matches(name))
        .count()
}

/// The places in an object. As long as the pattern follows the path, `*` is what the path has there; after that, everything.
/// What comes after the last `*` need not be there.
pub(crate) fn places(parts: &[Part], path: &[String], object: &Json) -> Vec<Vec<String>> {
    let bound = agreeing(parts, path);
    let mut found: Vec<Vec<String>> = vec![Vec::new()];
    for (at, part) in parts.iter().enumerate() {
        let mut next = Vec::new();
        for place in found {
            let names = match part {
                Part::Named(name) => vec![name.clone()],
                Part::Any if at < bound => path.get(at).cloned().into_iter().collect(),
                Part::Any => match at_place(object, &place) {
                    Some(Json::Array(items)) => (0..items.len()).map(|position| position.to_string()).collect(),
                    Some(Json::Object(members)) => members.keys().cloned().collect(),
                    _ => Vec::new(),
                },
            };
            next.extend(names.into_iter().map(|name| {
                let mut place = place.clone();
                place.push(name);
                place
            }));
        }
        found = next;
    }
    found
}

/// Whether a place is one of the pattern's, or below one.
pub(crate) fn covers(parts: &[Part], place: &[&str]) -> bool {
    parts.len() <= place.len() && parts.iter().zip(place).all(|(part, name)| part.matches(name))
}

/// What stands at a place.
pub(crate) fn at_place<'o>(object: &'o Json, place: &[String]) -> Option<&'o Json> {
    place.iter().try_fold(object, |value, name| match value {
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}
