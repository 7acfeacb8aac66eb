//! The schema of a template's parameters: the part of `OpenAPI` v3 that a `CustomResourceDefinition` may use.
//!
//! It is applied as the API server applies it: nulls that may not be there are dropped, then defaults filled in, then
//! the rest is checked.

mod validation;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value as Json;

/// Where in a document: the keys and places on the way.
pub(super) type Path = Vec<String>;

/// A complaint and where.
pub(super) type Complaint = (Path, String);

/// A schema. Keywords that say nothing about the value (`description`, `x-kubernetes-validations`) are not read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the keywords are these")]
pub struct Schema {
    #[serde(rename = "type")]
    sort: Option<Type>,
    nullable: bool,
    default: Option<Json>,
    properties: BTreeMap<String, Schema>,
    #[serde(deserialize_with = "additional")]
    additional_properties: Option<Additional>,
    items: Option<Box<Schema>>,
    required: Vec<String>,
    #[serde(rename = "enum")]
    choices: Option<Vec<Json>>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: bool,
    exclusive_maximum: bool,
    multiple_of: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    pattern: Option<String>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    unique_items: bool,
    min_properties: Option<usize>,
    max_properties: Option<usize>,
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    int_or_string: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    embedded: bool,
    #[serde(rename = "$ref")]
    reference: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

#[derive(Debug, Clone, PartialEq)]
enum Additional {
    /// `true`
    Any,
    Of(Box<Schema>),
}

fn additional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Additional>, D::Error> {
    match Json::deserialize(deserializer)? {
        Json::Null | Json::Bool(false) => Ok(None),
        Json::Bool(true) => Ok(Some(Additional::Any)),
        other => {
            let schema = serde_json::from_value(other).map_err(D::Error::custom)?;
            Ok(Some(Additional::Of(Box::new(schema))))
        }
    }
}

/// The name of a value's type in a schema.
pub(super) fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn step(path: &[String], key: &str) -> Path {
    let mut longer = path.to_vec();
    longer.push(key.to_owned());
    longer
}

impl Schema {
    /// Reads a schema. With `legacy`, which is `legacySchema: true`, fields that it does not name are kept.
    pub(super) fn new(written: Json, legacy: bool) -> Result<Self, Vec<Complaint>> {
        let mut schema: Self = serde_path_to_error::deserialize(written).map_err(|error| {
            let path = error.path().iter().map(|segment| match segment {
                serde_path_to_error::Segment::Seq { index } => index.to_string(),
                other => other.to_string(),
            });
            vec![(path.collect(), error.inner().to_string())]
        })?;
        if legacy {
            schema.preserve();
        }
        let mut complaints = Vec::new();
        schema.check(&Vec::new(), &mut complaints);
        if complaints.is_empty() {
            Ok(schema)
        } else {
            Err(complaints)
        }
    }

    fn preserve(&mut self) {
        match self.sort {
            None | Some(Type::Object) => self.preserve_unknown = !self.int_or_string,
            Some(Type::Array) if self.items.is_none() => self.items = Some(Box::default()),
            Some(_) => {}
        }
        self.properties.values_mut().for_each(Self::preserve);
        if let Some(items) = &mut self.items {
            items.preserve();
        }
        if let Some(Additional::Of(schema)) = &mut self.additional_properties {
            schema.preserve();
        }
    }

    /// What the API server asks of a schema that it shall fill in defaults by.
    fn check(&self, path: &[String], complaints: &mut Vec<Complaint>) {
        let mut wrong = |keyword: &str, reason: String| complaints.push((step(path, keyword), reason));
        if self.sort.is_none() && !self.preserve_unknown && !self.int_or_string {
            let advice = "missing; write `type: object` or the like, or `x-kubernetes-preserve-unknown-fields: true`";
            wrong("type", advice.to_owned());
        }
        if self.sort == Some(Type::Array) && self.items.is_none() {
            wrong("items", "missing; an array needs the schema of its items".to_owned());
        }
        if !self.properties.is_empty() && self.additional_properties.is_some() {
            wrong("additionalProperties", "cannot stand beside `properties`".to_owned());
        }
        if self.reference.is_some() {
            wrong(
                "$ref",
                "references are not allowed here; write the schema in full".to_owned(),
            );
        }
        if let Some(Err(error)) = self.pattern.as_ref().map(|pattern| regex::Regex::new(pattern)) {
            let last = error.to_string();
            let reason = last.lines().last().unwrap_or_default().to_owned();
            wrong("pattern", format!("is no regular expression: {reason}"));
        }
        if let Some(default) = &self.default {
            let mut whole = default.clone();
            self.fill(&mut whole);
            let mut misfits = Vec::new();
            self.validate(&whole, &Vec::new(), true, &mut misfits);
            for (place, reason) in misfits {
                let field = place
                    .iter()
                    .fold(String::new(), |text, key| super::fields::join(&text, key));
                wrong("default", format!("does not fit the schema: {field} {reason}"));
            }
        }
        for (name, property) in &self.properties {
            property.check(&step(&step(path, "properties"), name), complaints);
        }
        if let Some(items) = &self.items {
            items.check(&step(path, "items"), complaints);
        }
        if let Some(Additional::Of(schema)) = &self.additional_properties {
            schema.check(&step(path, "additionalProperties"), complaints);
        }
    }

    /// The parameters that the policy sees, or what is wrong with those that were given. `None`: none were given.
    pub(super) fn apply(&self, given: Option<Json>) -> Result<Json, Vec<Complaint>> {
        let given = given.filter(|value| self.nullable || !value.is_null());
        let Some(mut value) = given.or_else(|| self.default.clone()) else {
            // As for Gatekeeper: nothing that stands deeper is filled in, and nothing is required.
            return Ok(Json::Object(serde_json::Map::new()));
        };
        self.drop_nulls(&mut value);
        self.fill(&mut value);
        let mut complaints = Vec::new();
        self.validate(&value, &Vec::new(), true, &mut complaints);
        match value {
            _ if !complaints.is_empty() => Err(complaints),
            Json::Null => Ok(Json::Object(serde_json::Map::new())),
            value => Ok(value),
        }
    }

    fn member(&self, name: &str) -> Option<&Self> {
        match (self.properties.get(name), &self.additional_properties) {
            (Some(schema), _) => Some(schema),
            (None, Some(Additional::Of(schema))) => Some(schema),
            (None, _) => None,
        }
    }

    /// Nulls of fields that may not be null and have no default.
    fn drop_nulls(&self, value: &mut Json) {
        match value {
            Json::Object(members) => {
                members.retain(|name, value| {
                    let schema = self.member(name);
                    !value.is_null() || schema.is_none_or(|schema| schema.nullable || schema.default.is_some())
                });
                for (name, value) in members {
                    if let Some(schema) = self.member(name) {
                        schema.drop_nulls(value);
                    }
                }
            }
            Json::Array(items) => {
                if let Some(schema) = &self.items {
                    for item in items {
                        schema.drop_nulls(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn fill(&self, value: &mut Json) {
        let replaced = |schema: &Self, value: &Json| value.is_null() && !schema.nullable;
        match value {
            Json::Object(members) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if members.get(name).is_none_or(|value| replaced(schema, value)) {
                        members.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in members {
                    let Some(schema) = self.member(name) else { continue };
                    if replaced(schema, value) {
                        *value = schema.default.clone().unwrap_or_default();
                    }
                    schema.fill(value);
                }
            }
            Json::Array(items) => {
                let Some(schema) = &self.items else { return };
                for item in items {
                    if replaced(schema, item) {
                        *item = schema.default.clone().unwrap_or_default();
                    }
                    schema.fill(item);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
