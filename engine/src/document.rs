//! A JSON document in the evaluator's own representation: parsed once, shared by every policy that reads it.
//!
//! Cloning is cheap (reference counts). Beside `eval.rs` this is the only file that names the evaluator's crate.

use std::collections::BTreeMap;

use regorus::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A JSON value, or a Rego value (a set) that came out of evaluation.
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

    /// An object with these members.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Document)>) -> Self {
        let map: BTreeMap<Value, Value> = members
            .into_iter()
            .map(|(key, value)| (Value::from(key.into()), value.0))
            .collect();
        Self(Value::from(map))
    }

    /// A member of an object; `None` when this is no object or has no such member.
    pub fn get(&self, key: &str) -> Option<Document> {
        let object = self.0.as_object().ok()?;
        object.get(&Value::from(key)).cloned().map(Self)
    }

    /// A member at the end of a chain of keys.
    pub fn at(&self, keys: &[&str]) -> Option<Document> {
        keys.iter().try_fold(self.clone(), |document, key| document.get(key))
    }

    /// This object with one member replaced or added. Anything but an object is returned as it is.
    #[must_use]
    pub fn with(&self, key: &str, value: Document) -> Self {
        let mut copy = self.0.clone();
        if let Ok(object) = copy.as_object_mut() {
            object.insert(Value::from(key), value.0);
        }
        Self(copy)
    }

    /// This object without some of its members.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Self {
        let mut copy = self.0.clone();
        if let Ok(object) = copy.as_object_mut() {
            for key in keys {
                object.remove(&Value::from(*key));
            }
        }
        Self(copy)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_string().ok().map(AsRef::as_ref)
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        self.0.as_bool().ok().copied()
    }

    /// The elements of an array; none for anything else.
    pub fn items(&self) -> Vec<Document> {
        self.0
            .as_array()
            .map(|array| array.iter().cloned().map(Self).collect())
            .unwrap_or_default()
    }

    /// Whether this is JSON `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Value::Null)
    }

    /// The string members of an object: labels, annotations. Members of other types are left out.
    pub fn string_map(&self) -> BTreeMap<String, String> {
        let Ok(object) = self.0.as_object() else {
            return BTreeMap::new();
        };
        object
            .iter()
            .filter_map(|(key, value)| Some((text(key)?.to_owned(), text(value)?.to_owned())))
            .collect()
    }

    /// As a `serde_json` value. Sets become arrays.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_string().ok().map(AsRef::as_ref)
}

impl From<serde_json::Value> for Document {
    fn from(value: serde_json::Value) -> Self {
        Self(Value::from(value))
    }
}

impl From<&str> for Document {
    fn from(value: &str) -> Self {
        Self(Value::from(value))
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
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}
