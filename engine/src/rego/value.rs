//! Rego's values: JSON and sets, in an order of their own.
//!
//! Everything is immutable and shared: a clone costs a counter. Objects and sets are sorted arrays: small ones, which nearly all
//! of Kubernetes' are, are found through faster than trees or hashes, and iterate in Rego's order for nothing.

mod list;
mod text;

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;

pub use self::list::List;
pub(in crate::rego) use self::list::MAX_DEPTH;
use self::list::{TOO_DEEP, depth_above};
use super::number::Number;

/// A value.
#[derive(Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// Of any size.
    Number(Number),
    /// Without an allocation up to 23 bytes.
    String(SmolStr),
    /// A list.
    Array(List),
    /// Keys of any type.
    Object(Arc<Object>),
    /// No two members are equal.
    Set(Arc<Set>),
}

/// Keys and values, sorted by key.
#[derive(Clone, Default)]
pub struct Object {
    entries: Vec<(Value, Value)>,
    /// Of the values in each other, this one included.
    depth: u32,
    /// A member that is read only when somebody asks for it or for all members.
    deferred: Option<Box<Deferred>>,
}

/// What is deferred was skipped by a reader that goes no deeper than 200.
const DEFERRED_DEPTH: u32 = 202;

#[derive(Clone)]
struct Deferred {
    key: SmolStr,
    json: Box<str>,
    /// All members, with this one read and in its place.
    whole: OnceLock<Vec<(Value, Value)>>,
}

/// Members, sorted.
#[derive(Clone, Default)]
pub struct Set {
    members: Vec<Value>,
    depth: u32,
}

impl Value {
    /// A text.
    pub fn string(text: impl AsRef<str>) -> Self {
        Self::String(SmolStr::new(text))
    }

    /// A list.
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(items.into())
    }

    /// An object of these members; of equal keys the last one stays.
    pub fn object(entries: Vec<(Self, Self)>) -> Self {
        Self::Object(Arc::new(Object::new(entries)))
    }

    /// A set of these members.
    pub fn set(members: Vec<Self>) -> Self {
        Self::Set(Arc::new(Set::new(members)))
    }

    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The list, when it is one.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, when it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The set, when it is one.
    pub fn as_set(&self) -> Option<&Set> {
        match self {
            Self::Set(set) => Some(set),
            _ => None,
        }
    }

    /// The number, when it is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The whole number, when it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// What `x[key]` is: a member of an object, an item of a list, or the key itself when it is in a set.
    pub fn get(&self, key: &Self) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(key),
            Self::Array(items) => items.get(usize::try_from(key.as_i64()?).ok()?),
            Self::Set(set) => set.get(key),
            _ => None,
        }
    }

    /// The member of this name.
    pub fn member(&self, key: &str) -> Option<&Self> {
        self.as_object().and_then(|object| object.member(key))
    }

    /// The member at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.member(key))
    }

    /// The type's name, as `type_name` has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Set(_) => "set",
        }
    }

    /// Everything but `false` counts as true in a rule's body.
    pub fn is_true(&self) -> bool {
        !matches!(self, Self::Bool(false))
    }

    /// How many lists, objects and sets are in each other; [`TOO_DEEP`] when they would be too many.
    fn levels(&self) -> u32 {
        match self {
            Self::Array(items) => items.depth(),
            Self::Object(object) => object.depth,
            Self::Set(set) => set.depth,
            _ => 0,
        }
    }

    /// Whether it stands in the place of one that would have been nested deeper than values may be. Whoever makes values has to
    /// ask, and to end the evaluation.
    pub(in crate::rego) fn is_too_deep(&self) -> bool {
        self.levels() == TOO_DEEP
    }

    /// How many lists, objects and sets are in each other.
    pub(in crate::rego) fn depth(&self) -> usize {
        usize::try_from(self.levels()).unwrap_or(usize::MAX)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
            Self::Set(_) => 6,
        }
    }
}

impl Object {
    /// Of equal keys the last one stays.
    pub fn new(mut entries: Vec<(Value, Value)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            // Stable, so that the last of equal keys is the last written.
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        Self::sorted(entries)
    }

    fn sorted(entries: Vec<(Value, Value)>) -> Self {
        let depth = depth_above(entries.iter().flat_map(|(key, value)| [key, value]));
        Self {
            entries: if depth == TOO_DEEP { Vec::new() } else { entries },
            depth,
            deferred: None,
        }
    }

    /// One member stays JSON until it is asked for. `json` has to be valid and not to be among the entries.
    pub(super) fn with_deferred(entries: Vec<(Value, Value)>, key: SmolStr, json: &str) -> Self {
        let mut object = Self::new(entries);
        object.entries.shrink_to_fit();
        object.depth = object.depth.max(DEFERRED_DEPTH);
        object.deferred = Some(Box::new(Deferred {
            key,
            json: json.into(),
            whole: OnceLock::new(),
        }));
        object
    }

    fn entries(&self) -> &[(Value, Value)] {
        match &self.deferred {
            None => &self.entries,
            Some(deferred) => deferred.whole.get_or_init(|| {
                let mut entries = self.entries.clone();
                // It was read once already, only not kept.
                let value = super::json::parse(deferred.json.as_bytes()).unwrap_or(Value::Null);
                entries.push((Value::String(deferred.key.clone()), value));
                Self::new(entries).entries
            }),
        }
    }

    /// The member under a key.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        if let Value::String(name) = key {
            return self.member(name);
        }
        find(self.entries(), |entry| entry.0.cmp(key)).map(|entry| &entry.1)
    }

    /// The member under a name.
    pub fn member(&self, key: &str) -> Option<&Value> {
        let entries = match &self.deferred {
            Some(deferred) if deferred.key == key => self.entries(),
            _ => &self.entries,
        };
        let name = |entry: &(Value, Value)| match &entry.0 {
            Value::String(name) => name.as_str().cmp(key),
            other => other.rank().cmp(&3),
        };
        if entries.len() <= 8 {
            // Unequal texts mostly differ in length: cheaper than halving.
            let is_it = |entry: &&(Value, Value)| matches!(&entry.0, Value::String(name) if name == key);
            return entries.iter().find(is_it).map(|entry| &entry.1);
        }
        find(entries, name).map(|entry| &entry.1)
    }

    /// In Rego's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Value, &Value)> + ExactSizeIterator {
        self.entries().iter().map(|(key, value)| (key, value))
    }

    /// The member in this place of the order.
    pub fn nth(&self, place: usize) -> Option<(&Value, &Value)> {
        self.entries().get(place).map(|(key, value)| (key, value))
    }

    /// Whether a member of it is still JSON.
    pub(crate) fn is_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.entries.len() + usize::from(self.deferred.is_some())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same object with one member set.
    #[must_use]
    pub fn with(&self, key: Value, value: Value) -> Self {
        let mut entries = self.entries().to_vec();
        match entries.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(place) => {
                if let Some(entry) = entries.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => entries.insert(place, (key, value)),
        }
        Self::sorted(entries)
    }
}

fn find<T>(items: &[T], order: impl FnMut(&T) -> Ordering) -> Option<&T> {
    items.binary_search_by(order).ok().and_then(|place| items.get(place))
}

impl Set {
    /// Equal members are one.
    pub fn new(mut members: Vec<Value>) -> Self {
        if !members.is_sorted_by(|a, b| a < b) {
            members.sort();
            members.dedup();
        }
        let depth = depth_above(members.iter());
        Self {
            members: if depth == TOO_DEEP { Vec::new() } else { members },
            depth,
        }
    }

    /// The member that is equal.
    pub fn get(&self, member: &Value) -> Option<&Value> {
        find(&self.members, |own| own.cmp(member))
    }

    /// Whether it is in.
    pub fn contains(&self, member: &Value) -> bool {
        self.get(member).is_some()
    }

    /// In Rego's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.members.iter()
    }

    /// The members, sorted.
    pub fn as_slice(&self) -> &[Value] {
        &self.members
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.iter()
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.as_str().cmp(b.as_str()),
            (Self::Array(a), Self::Array(b)) => a[..].cmp(&b[..]),
            (Self::Object(a), Self::Object(b)) => a.cmp(b),
            (Self::Set(a), Self::Set(b)) => a.members.cmp(&b.members),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        // Rego compares the keys and values of objects in turn, in the order of their keys.
        self.entries().cmp(other.entries())
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a.is_same(b) || a[..] == b[..],
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Set(a), Self::Set(b)) => Arc::ptr_eq(a, b) || a.members == b.members,
            _ => false,
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.entries() == other.entries()
    }
}

impl Eq for Value {}
impl Eq for Object {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::string(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}
