//! A JSON document in the evaluator's own representation: parsed once, shared by every policy that reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rego::json;
use crate::rego::value::{Object, Value};

/// A JSON value, or a Rego value (a set) that came out of evaluation. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(pub(crate) Value);

impl Default for Document {
    fn default() -> Self {
        Self::null()
    }
}

impl Document {
    /// JSON `null`.
    pub fn null() -> Self {
        Self(Value::Null)
    }

    /// Reads a JSON text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        json::parse(bytes).map(Self)
    }

    /// An object with these members.
    pub fn object<K: AsRef<str>>(members: impl IntoIterator<Item = (K, Document)>) -> Self {
        let members = members.into_iter().map(|(key, value)| (Value::string(key), value.0));
        Self(Value::object(members.collect()))
    }

    /// The value itself.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// A member of an object; `None` when this is no object or has no such member.
    pub fn get(&self, key: &str) -> Option<Document> {
        self.0.member(key).cloned().map(Self)
    }

    /// A member at the end of a chain of keys.
    pub fn at(&self, keys: &[&str]) -> Option<Document> {
        self.0.at(keys).cloned().map(Self)
    }

    /// This object with one member replaced or added. Anything but an object is returned as it is.
    #[must_use]
    pub fn with(&self, key: &str, value: Document) -> Self {
        match &self.0 {
            Value::Object(object) => Self(Value::Object(Arc::new(object.with(Value::string(key), value.0)))),
            other => Self(other.clone()),
        }
    }

    /// This object without some of its members.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Self {
        let Value::Object(object) = &self.0 else {
            return self.clone();
        };
        let is_kept = |key: &Value| !key.as_str().is_some_and(|key| keys.contains(&key));
        let members = object
            .iter()
            .filter(|(key, _)| is_kept(key))
            .map(|(key, value)| (key.clone(), value.clone()));
        Self(Value::Object(Arc::new(Object::new(members.collect()))))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.0 {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of an array; none for anything else.
    pub fn items(&self) -> Vec<Document> {
        self.0
            .as_array()
            .map(|items| items.iter().cloned().map(Self).collect())
            .unwrap_or_default()
    }

    /// Whether this is JSON `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Value::Null)
    }

    /// The string members of an object: labels, annotations. Members of other types are left out.
    pub fn string_map(&self) -> BTreeMap<String, String> {
        let Value::Object(object) = &self.0 else {
            return BTreeMap::new();
        };
        let texts = object
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())));
        texts.collect()
    }

    /// As a `serde_json` value. Sets become arrays.
    pub fn to_json(&self) -> serde_json::Value {
        self.0.to_json()
    }
}

impl From<serde_json::Value> for Document {
    fn from(value: serde_json::Value) -> Self {
        Self(Value::from(&value))
    }
}

impl From<&str> for Document {
    fn from(value: &str) -> Self {
        Self(Value::string(value))
    }
}

impl From<&BTreeMap<String, String>> for Document {
    fn from(map: &BTreeMap<String, String>) -> Self {
        Self::object(
            map.iter()
                .map(|(key, value)| (key.as_str(), Document::from(value.as_str()))),
        )
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self::from)
    }
}
