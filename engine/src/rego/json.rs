//! JSON into values and back, without anything in between.

use jiter::{Jiter, JiterError, Peek};
use smol_str::SmolStr;

use super::number::Number;
use super::value::{Object, Value};

/// Members of Kubernetes' objects that policies hardly ever read, and that are large: they are checked and skipped, and read when
/// somebody asks. Half of a live object is `managedFields`.
const DEFERRED: &str = "managedFields";

/// Reads one JSON text.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    // What is only skipped is not decoded.
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(format!("it is not UTF-8 at byte {}", error.valid_up_to()));
    }
    let mut json = Jiter::new(bytes);
    let mut reader = Reader {
        stack: Vec::new(),
        depth: 0,
    };
    let value = json
        .peek()
        .map_err(Wrong::from)
        .and_then(|peek| reader.value(&mut json, peek));
    let value = value.and_then(|value| json.finish().map(|()| value).map_err(Wrong::from));
    value.map_err(|wrong| match wrong {
        Wrong::Json(error) => error.description(&json),
        Wrong::Depth => format!(
            "lists and objects are nested more than {MAX_DEPTH} deep at {}",
            json.current_position()
        ),
        Wrong::Number => format!("a number is out of range at {}", json.current_position()),
    })
}

/// Why a text is not read.
enum Wrong {
    Json(JiterError),
    Number,
    Depth,
}

impl From<JiterError> for Wrong {
    fn from(error: JiterError) -> Self {
        Self::Json(error)
    }
}

/// Values that wait for the end of their list or object.
struct Reader {
    stack: Vec<Value>,
    depth: usize,
}

/// Lists and objects in each other. The stack of a wasm module is small.
const MAX_DEPTH: usize = 512;

impl Reader {
    fn value(&mut self, json: &mut Jiter<'_>, peek: Peek) -> Result<Value, Wrong> {
        match peek {
            Peek::Null => Ok(json.known_null().map(|()| Value::Null)?),
            Peek::True | Peek::False => Ok(Value::Bool(json.known_bool(peek)?)),
            Peek::String => Ok(Value::String(SmolStr::new(json.known_str()?))),
            Peek::Array | Peek::Object if self.depth >= MAX_DEPTH => Err(Wrong::Depth),
            Peek::Array | Peek::Object => {
                self.depth += 1;
                let value = if peek == Peek::Array {
                    self.array(json)
                } else {
                    self.object(json)
                };
                self.depth -= 1;
                value
            }
            _ => {
                let start = json.current_index();
                json.known_number_bytes(peek)?;
                let text = std::str::from_utf8(json.slice_to_current(start)).unwrap_or_default();
                Ok(Value::Number(Number::parse(text).ok_or(Wrong::Number)?))
            }
        }
    }

    fn array(&mut self, json: &mut Jiter<'_>) -> Result<Value, Wrong> {
        let start = self.stack.len();
        let mut next = json.known_array()?;
        while let Some(peek) = next {
            let item = self.value(json, peek)?;
            self.stack.push(item);
            next = json.array_step()?;
        }
        Ok(Value::Array(self.stack.drain(start..).collect()))
    }

    fn object(&mut self, json: &mut Jiter<'_>) -> Result<Value, Wrong> {
        let start = self.stack.len();
        let mut deferred = None;
        let mut key = json.known_object()?.map(SmolStr::new);
        while let Some(name) = key {
            let peek = json.peek()?;
            if name == DEFERRED && deferred.is_none() && matches!(peek, Peek::Array | Peek::Object) {
                let from = json.current_index();
                json.known_skip(peek)?;
                deferred = std::str::from_utf8(json.slice_to_current(from)).ok();
            } else {
                let value = self.value(json, peek)?;
                self.stack.push(Value::String(name));
                self.stack.push(value);
            }
            key = json.next_key()?.map(SmolStr::new);
        }
        let mut entries = Vec::with_capacity((self.stack.len() - start) / 2);
        let mut parts = self.stack.drain(start..);
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            entries.push((key, value));
        }
        drop(parts);
        let key = Value::String(SmolStr::new_static(DEFERRED));
        let object = match deferred {
            Some(json) if !entries.iter().any(|entry| entry.0 == key) => {
                Object::with_deferred(entries, SmolStr::new_static(DEFERRED), json)
            }
            _ => Object::new(entries),
        };
        Ok(Value::Object(object.into()))
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => {
                Self::Number(Number::parse(&number.to_string()).unwrap_or(Number::Int(0)))
            }
            serde_json::Value::String(text) => Self::string(text),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => Self::object(
                members
                    .iter()
                    .map(|(key, value)| (Self::string(key), value.into()))
                    .collect(),
            ),
        }
    }
}

impl Value {
    /// As JSON: sets are lists, keys that are no texts are written as Rego would.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(Number::Int(number)) => (*number).into(),
            Self::Number(number) => serde_json::from_str(&number.to_string()).unwrap_or(serde_json::Value::Null),
            Self::String(text) => text.as_str().into(),
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Set(set) => set.iter().map(Self::to_json).collect(),
            Self::Object(object) => {
                let key = |key: &Self| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                object.iter().map(|(k, v)| (key(k), v.to_json())).collect()
            }
        }
    }
}
