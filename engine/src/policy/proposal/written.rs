//! Values with blanks: texts in which `{old}`, `{parameters…}` and `{name}` stand for what is there.

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// A value as an author wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// As it is.
    Same(Json),
    /// A text with blanks.
    Text(Vec<Piece>),
    /// A list that holds some.
    List(Vec<Written>),
    /// A map that holds some.
    Map(Vec<(String, Written)>),
    /// A text that is no template, and why.
    Unread(String, String),
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// What stands elsewhere.
    Blank(Root, Vec<Member>),
}

/// Where a blank begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The value that is replaced.
    Old,
    /// The policy's parameters.
    Parameters,
    /// The object's name.
    Name,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// A key, or a part of an image's name.
    Key(String),
    /// A position.
    At(usize),
}

/// What blanks stand for.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// The value that is replaced.
    pub old: Option<&'k Json>,
    /// The policy's parameters.
    pub parameters: &'k Json,
    /// The object's name.
    pub name: Option<&'k str>,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::from)
    }
}

impl From<Json> for Written {
    fn from(value: Json) -> Self {
        match value {
            Json::String(text) if text.contains(['{', '}']) => match pieces(&text) {
                Ok(pieces) => Self::Text(pieces),
                Err(problem) => Self::Unread(text, problem),
            },
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => {
                let member = |(name, value): (String, Json)| (name, Self::from(value));
                Self::Map(members.into_iter().map(member).collect())
            }
            other => Self::Same(other),
        }
    }
}

impl Written {
    /// Why a text in it cannot be read.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Same(_) | Self::Text(_) => Ok(()),
            Self::List(items) => items.iter().try_for_each(Self::check),
            Self::Map(members) => members.iter().try_for_each(|(_, value)| value.check()),
            Self::Unread(text, problem) => Err(format!("{text:?}: {problem}")),
        }
    }

    /// The value; none when something that it names is not there.
    pub(crate) fn fill(&self, known: Known<'_>) -> Option<Json> {
        match self {
            Self::Same(value) => Some(value.clone()),
            Self::Unread(text, _) => Some(Json::String(text.clone())),
            Self::List(items) => items.iter().map(|item| item.fill(known)).collect(),
            Self::Map(members) => members
                .iter()
                .map(|(name, value)| Some((name.clone(), value.fill(known)?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object),
            Self::Text(pieces) => match pieces.as_slice() {
                [Piece::Blank(root, members)] => value(known, *root, members),
                pieces => {
                    let mut text = String::new();
                    for piece in pieces {
                        match piece {
                            Piece::Text(own) => text.push_str(own),
                            Piece::Blank(root, members) => match value(known, *root, members)? {
                                Json::String(own) => text.push_str(&own),
                                own @ (Json::Number(_) | Json::Bool(_)) => text.push_str(&own.to_string()),
                                _ => return None,
                            },
                        }
                    }
                    Some(Json::String(text))
                }
            },
        }
    }
}

fn value(known: Known<'_>, root: Root, members: &[Member]) -> Option<Json> {
    let start = match root {
        Root::Old => known.old?,
        Root::Parameters => known.parameters,
        Root::Name => return known.name.map(|name| Json::String(name.to_owned())),
    };
    let mut value = start;
    for (at, member) in members.iter().enumerate() {
        value = match (value, member) {
            (Json::String(image), Member::Key(part)) if at + 1 == members.len() => {
                return part_of_image(image, part).map(|part| Json::String(part.to_owned()));
            }
            (Json::Array(items), Member::At(position)) => items.get(*position)?,
            (value, Member::Key(name)) => value.get(name)?,
            _ => return None,
        };
    }
    Some(value.clone())
}

/// A part of an image's name: `repository:tag@digest`, where the repository is `registry/path`.
fn part_of_image<'i>(image: &'i str, part: &str) -> Option<&'i str> {
    let is_digest = |digest: &str| digest.contains(':') && !digest.contains('/');
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) if is_digest(digest) => (name, Some(digest)),
        _ => (image, None),
    };
    // After the last slash a colon is a tag's; before it, a port's.
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    };
    let is_host = |host: &str| {
        host == "localhost" || host.contains(['.', ':']) || host.contains(|letter: char| letter.is_ascii_uppercase())
    };
    let (registry, path) = match repository.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => ("docker.io", repository),
    };
    let found = match part {
        "repository" => Some(repository),
        "tag" => tag,
        "digest" => digest,
        "registry" => Some(registry),
        "path" => Some(path),
        _ => None,
    };
    found.filter(|text| !text.is_empty())
}

/// The parts of a text.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut found = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            plain.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            plain.push('}');
            rest = after;
        } else if let Some((inner, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            if !plain.is_empty() {
                found.push(Piece::Text(std::mem::take(&mut plain)));
            }
            found.push(blank(inner)?);
            rest = after;
        } else {
            return Err("a brace stands alone; `{{` and `}}` are braces in the value".to_owned());
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        found.push(Piece::Text(plain));
    }
    Ok(found)
}

/// What stands between two braces.
fn blank(inner: &str) -> Result<Piece, String> {
    let end = inner.find(['.', '[']).unwrap_or(inner.len());
    let (root, mut rest) = inner.split_at(end);
    let root = match root {
        "old" => Root::Old,
        "parameters" => Root::Parameters,
        "name" if rest.is_empty() => Root::Name,
        _ => {
            return Err(format!(
                "{{{inner}}} is not known; use {{old…}}, {{parameters…}} or {{name}}, and {{{{ for a brace"
            ));
        }
    };
    let unread =
        || format!("{{{inner}}} cannot be read; write {{parameters.registries[0]}}, {{old.tag}} or {{old[\"a.b/c\"]}}");
    let mut members = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(unread());
            }
            members.push(Member::Key(name.to_owned()));
            rest = after;
        } else {
            let (index, after) = rest
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
                .ok_or_else(unread)?;
            let quoted = index.strip_prefix('"').and_then(|index| index.strip_suffix('"'));
            members.push(match quoted {
                Some(name) => Member::Key(name.to_owned()),
                None => Member::At(index.parse().map_err(|_| unread())?),
            });
            rest = after;
        }
        if !(rest.is_empty() || rest.starts_with(['.', '['])) {
            return Err(unread());
        }
    }
    Ok(Piece::Blank(root, members))
}
