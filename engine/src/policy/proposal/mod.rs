//! What a policy's author says about the fix: `custom.fix` in METADATA, and `fix` of a violation.

mod pattern;
mod written;

use std::fmt;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

pub use self::pattern::{Part, Pattern};
pub(crate) use self::pattern::{at_place, covers, is_near, places};
pub use self::written::{Known, Written};

/// What an author says, in the order in which it counts; empty when nothing is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposals(Arc<[Proposal]>);

/// One fix, or what the search for one has to heed.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Where; the violation's own paths when there is none.
    pub target: Option<Pattern>,
    /// What becomes of it.
    pub word: Option<Word>,
    /// What a person has to fill in.
    pub placeholder: Option<String>,
    /// Where the search should rather change something.
    pub prefer: Vec<Pattern>,
    /// Where it must not.
    pub avoid: Vec<Pattern>,
    /// Whether another `apiVersion` may be set.
    pub allow_identity: Option<bool>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// The value is replaced, or added where it is missing.
    Set(Written),
    /// An element is appended, or a key added.
    Add(Written),
    /// The value is removed.
    Remove,
    /// The element of a list that holds the place is removed.
    RemoveElement,
    /// Nothing is proposed, and nothing is searched.
    None,
    /// No edit helps, and why.
    Unfixable(String),
}

impl Proposals {
    /// The fixes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Proposal> {
        self.0.iter()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a violation's own `fix` says. What policies compute is data: a text that is no template stands for itself.
    pub(crate) fn of_violation(fix: &Json) -> Result<Self, String> {
        let proposals: Self =
            serde_path_to_error::deserialize(fix).map_err(|error| match error.path().to_string() {
                path if path == "." => error.inner().to_string(),
                path if path.starts_with('[') => format!("`fix{path}`: {}", error.inner()),
                path => format!("`fix.{path}`: {}", error.inner()),
            })?;
        Ok(proposals)
    }

    /// Whether each text in it could be read; the first that could not, and why.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        let is_one = self.0.len() == 1;
        for (place, proposal) in self.0.iter().enumerate() {
            if let Some(Word::Set(value) | Word::Add(value)) = &proposal.word
                && let Err(problem) = value.check()
            {
                let field = if is_one {
                    "value".to_owned()
                } else {
                    format!("[{place}].value")
                };
                return Err((field, problem));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Proposals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Proposals;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a fix, such as {action: set, value: false}, or a list of them")
    }

    fn visit_unit<E>(self) -> Result<Proposals, E> {
        Ok(Proposals::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Proposals, A::Error> {
        let proposal = Proposal::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Proposals(Arc::new([proposal])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Proposals, A::Error> {
        let proposals = Vec::<Proposal>::deserialize(SeqAccessDeserializer::new(items))?;
        if proposals.is_empty() {
            return Err(A::Error::custom("the list is empty; name a fix, or leave `fix` out"));
        }
        Ok(Proposals(proposals.into()))
    }
}

impl Proposal {
    /// It in a few words: `set at /spec/type`.
    pub fn describe(&self) -> String {
        let what = match &self.word {
            Some(Word::Set(_)) => "set",
            Some(Word::Add(_)) => "add",
            Some(Word::Remove) => "remove",
            Some(Word::RemoveElement) => "remove the element",
            Some(Word::None) => "none",
            Some(Word::Unfixable(_)) => "unfixable",
            None => "search",
        };
        let mut text = what.to_owned();
        if let Some(target) = &self.target {
            text.push_str(&format!(" at {}", target.text()));
        }
        for (word, patterns) in [("preferring", &self.prefer), ("avoiding", &self.avoid)] {
            if !patterns.is_empty() {
                let patterns: Vec<&str> = patterns.iter().map(Pattern::text).collect();
                text.push_str(&format!(", {word} {}", patterns.join(" ")));
            }
        }
        if self.placeholder.is_some() {
            text.push_str(", to be filled in");
        }
        text
    }
}

/// A fix as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    target: Option<Pattern>,
    action: Option<Action>,
    #[serde(default, deserialize_with = "given")]
    value: Option<Written>,
    placeholder: Option<String>,
    #[serde(default)]
    prefer: Vec<Pattern>,
    #[serde(default)]
    avoid: Vec<Pattern>,
    unfixable: Option<String>,
    allow_identity: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Set,
    Add,
    Remove,
    RemoveElement,
    None,
}

/// Null is a value, too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Written>, D::Error> {
    Written::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Proposal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw {
            target,
            action,
            value,
            placeholder,
            prefer,
            avoid,
            unfixable,
            allow_identity,
        } = Raw::deserialize(deserializer)?;
        let refuse = |message: &str| Err(D::Error::custom(message));
        let advises = !prefer.is_empty() || !avoid.is_empty() || allow_identity.is_some();
        let is_empty = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        if is_empty(&placeholder) {
            return refuse("`placeholder` is empty; say what a person has to fill in");
        }
        if is_empty(&unfixable) {
            return refuse("`unfixable` is empty; say why no edit helps, and what does");
        }
        if unfixable.is_some() && (action.is_some() || value.is_some() || placeholder.is_some() || advises) {
            return refuse("`unfixable` stands alone, or with `target`: nothing is edited then");
        }
        let changes = matches!(action, Some(Action::Set | Action::Add));
        if placeholder.is_some() && !changes {
            return refuse("`placeholder` says what belongs into a value; it needs the action set or add");
        }
        if action == Some(Action::None) && advises {
            return refuse(
                "with the action none nothing is searched; leave `action` out, or `prefer`, `avoid` and `allowIdentity`",
            );
        }
        if target.is_some() && action.is_none() && unfixable.is_none() && !advises {
            return refuse("`target` says where; add an `action`: set, add, remove, remove-element or none");
        }
        let word = match (action, value, unfixable) {
            (_, _, Some(reason)) => Some(Word::Unfixable(reason.trim().to_owned())),
            (Some(Action::Set), Some(value), None) => Some(Word::Set(value)),
            (Some(Action::Add), Some(value), None) => Some(Word::Add(value)),
            (Some(Action::Set | Action::Add), None, None) => {
                return refuse("missing field `value`; the actions set and add need it");
            }
            (Some(_), Some(_), None) => {
                return refuse("`value` goes with the actions set and add alone; leave it out");
            }
            (Some(Action::Remove), None, None) => Some(Word::Remove),
            (Some(Action::RemoveElement), None, None) => Some(Word::RemoveElement),
            (Some(Action::None), None, None) => Some(Word::None),
            (None, Some(_), None) => {
                return refuse("missing field `action`; a `value` needs the action set or add");
            }
            (None, None, None) if advises => None,
            (None, None, None) => {
                return refuse(
                    "it says nothing; add an `action`, `unfixable`, `prefer`, `avoid` or `allowIdentity`, or leave it out",
                );
            }
        };
        Ok(Self {
            target,
            word,
            placeholder,
            prefer,
            avoid,
            allow_identity,
        })
    }
}

#[cfg(test)]
mod tests;
