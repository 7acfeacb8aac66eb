//! Walks an object along its type.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::path::Path;
use super::types::{Field, Form, ListType, Type};
use super::{Problem, What, quantity, rules, syntax};

/// More than anybody reads; an object made of nothing else costs no more than this.
const MAXIMUM: usize = 100;

/// Required texts that may be empty: the API server fills them in, or takes them as they are.
const MAY_BE_EMPTY: [&str; 2] = ["value", "apiGroup"];

/// One walk.
pub(super) struct Check<'a> {
    /// The kind of the whole object.
    pub(super) kind: &'a str,
    /// Names of volumes that a `StatefulSet` makes beside those of its Pods.
    pub(super) claims: Vec<&'a str>,
    found: Vec<Problem>,
}

pub(super) fn problems(kind: &str, of: Type, object: &Value) -> Vec<Problem> {
    let mut check = Check {
        kind,
        claims: Vec::new(),
        found: Vec::new(),
    };
    match object {
        Value::Object(object) => {
            rules::whole(object, &mut check);
            check.object(of, object, &Path::ROOT);
        }
        _ => check.wrong_type(&Path::ROOT, "an object"),
    }
    check.found
}

impl<'a> Check<'a> {
    // Problems are rare, and there are many places that could have one: not inlined, they cost little.
    #[cold]
    #[inline(never)]
    pub(super) fn report(&mut self, path: &Path<'_>, what: What) {
        if self.found.len() < MAXIMUM {
            let path = path.to_string();
            self.found.push(Problem { path, what });
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn invalid(&mut self, path: &Path<'_>, text: &'static str) {
        self.report(path, What::Invalid(Cow::Borrowed(text)));
    }

    #[cold]
    #[inline(never)]
    pub(super) fn missing(&mut self, path: &Path<'_>) {
        self.report(path, What::Missing);
    }

    #[cold]
    #[inline(never)]
    fn wrong_type(&mut self, path: &Path<'_>, expected: &'static str) {
        self.report(path, What::WrongType { expected });
    }

    fn object(&mut self, of: Type, object: &'a Map<String, Value>, path: &Path<'_>) {
        rules::part(of.name(), object, path, self);
        for (key, value) in object {
            match of.field(key) {
                Some(field) => self.value(field, value, &path.key(key)),
                None => self.report(&path.key(key), What::UnknownField),
            }
        }
        for name in of.required() {
            let is_there = match object.get(name) {
                None | Some(Value::Null) => false,
                Some(Value::String(text)) => !text.is_empty() || MAY_BE_EMPTY.contains(&name) || path.is_status(),
                Some(_) => true,
            };
            if !is_there {
                self.missing(&path.key(name));
            }
        }
    }

    fn value(&mut self, field: Field, value: &'a Value, path: &Path<'_>) {
        let form = field.form();
        match (form, value) {
            // As if the field was not there.
            (_, Value::Null) | (Form::Any, _) => {}
            (Form::Object(of), Value::Object(object)) => self.object(of, object, path),
            (Form::Map(of), Value::Object(object)) => {
                for (key, value) in object {
                    self.value(of, value, &path.key(key));
                }
            }
            (Form::List(of), Value::Array(items)) => self.list(field, of, items, path),
            (Form::String, Value::String(text)) => self.listed(field, text, path),
            _ if is_scalar(form, value) => {}
            _ => self.wrong_type(path, form.noun()),
        }
    }

    fn listed(&mut self, field: Field, text: &str, path: &Path<'_>) {
        let mut values = field.values();
        // An empty text is as if the field was not there.
        if values.len() > 0 && !text.is_empty() && !values.any(|value| value == text) {
            let allowed = field.values().collect();
            self.report(path, What::NotListed { allowed });
        }
    }

    fn list(&mut self, field: Field, of: Field, items: &'a [Value], path: &Path<'_>) {
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::Null => self.wrong_type(&path.index(index), of.form().noun()),
                item => self.value(of, item, &path.index(index)),
            }
        }
        if items.len() < 2 {
            return;
        }
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let keys = match field.list_type() {
                Some(ListType::Set) => vec![Key::of(item)],
                Some(ListType::Map) => field.list_keys().map(|name| Key::of_element(of, item, name)).collect(),
                _ => return,
            };
            // An element without its keys is reported for that.
            if keys.iter().any(|key| *key != Key::Absent) && !seen.insert(keys) {
                self.report(&path.index(index), What::Duplicate);
            }
        }
    }
}

/// What tells an element of a list apart, comparable.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Absent,
    Text(&'a str),
    Number(i64),
    Other(String),
}

impl<'a> Key<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Absent,
            Value::String(text) => Self::Text(text),
            Value::Number(number) => number
                .as_i64()
                .map_or_else(|| Self::Other(number.to_string()), Self::Number),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_element(of: Field, element: &'a Value, name: &str) -> Self {
        match element.get(name) {
            None | Some(Value::Null) => match of.step(name).and_then(Field::default_text) {
                Some(default) => Self::Text(default),
                None => Self::Absent,
            },
            Some(value) => Self::of(value),
        }
    }
}

fn is_scalar(form: Form, value: &Value) -> bool {
    match (form, value) {
        (Form::Boolean, Value::Bool(_)) | (Form::Number, Value::Number(_)) | (Form::IntOrString, Value::String(_)) => {
            true
        }
        (Form::Int32 | Form::IntOrString, Value::Number(number)) => is_int32(number),
        (Form::Int64, Value::Number(number)) => number.is_i64(),
        (Form::Time, Value::String(text)) => syntax::is_time(text),
        (Form::Bytes, Value::String(text)) => is_base64(text),
        (Form::Quantity, value) => quantity::of(value).is_some(),
        _ => false,
    }
}

fn is_int32(number: &Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// Go's decoder passes over ends of lines.
fn is_base64(text: &str) -> bool {
    if text.contains(['\r', '\n']) {
        let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        return STANDARD.decode(joined).is_ok();
    }
    STANDARD.decode(text).is_ok()
}
