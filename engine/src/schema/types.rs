//! What Kubernetes' schema says of a kind and of its fields.

use serde_json::Value;

use super::table::{self, NONE};

/// The type of an object: of a kind, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type(u16);

/// What is at a path of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    shape: u16,
    is_required: bool,
}

/// What a value looks like in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything: the schema does not say.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Number,
    /// A text.
    String,
    /// Bytes as base64.
    Bytes,
    /// A time (RFC 3339).
    Time,
    /// A quantity: `100m`, `64Mi`, or a number.
    Quantity,
    /// A whole number or a text: a port, a percentage.
    IntOrString,
    /// An object with fields.
    Object(Type),
    /// An object with any keys, and what their values are.
    Map(Field),
    /// A list, and what its elements are.
    List(Field),
}

/// How the elements of a list are told apart when two changes of it meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListType {
    /// Not at all: the list is one value.
    Atomic,
    /// By their value.
    Set,
    /// By the fields that [`Field::list_keys`] names.
    Map,
}

impl Type {
    /// The type of a built-in kind; `None` for any other, and for the ones that no object is stored as or edited.
    pub fn of_kind(group: &str, version: &str, kind: &str) -> Option<Self> {
        table::kind(group, version, kind).map(Self)
    }

    /// Its name, without package and version: `PodSpec`.
    pub fn name(self) -> &'static str {
        table::type_name(self.0)
    }

    /// One of its fields.
    pub fn field(self, name: &str) -> Option<Field> {
        table::field(self.0, name).map(Field::in_row)
    }

    /// All of its fields.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, Field)> {
        table::fields(self.0).map(|row| (table::field_name(row), Field::in_row(row)))
    }

    /// Its fields that must be there.
    pub fn required(self) -> impl Iterator<Item = &'static str> {
        table::fields(self.0)
            .filter(|row| table::is_required(*row))
            .map(table::field_name)
    }

    /// What is at a path: names of fields, keys of maps, indexes of lists (or `-`). `None` when nothing can be there,
    /// and for the empty path, where the type itself is.
    pub fn at<S: AsRef<str>>(self, path: &[S]) -> Option<Field> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.field(first.as_ref())?, |field, step| field.step(step.as_ref()))
    }

    /// As [`Type::at`], by a JSON pointer (RFC 6901).
    pub fn at_pointer(self, pointer: &str) -> Option<Field> {
        let steps = pointer.strip_prefix('/')?.split('/');
        let steps: Vec<_> = steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        self.at(&steps)
    }

    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..table::types()).map(Self)
    }
}

impl Field {
    fn in_row(row: u16) -> Self {
        Self {
            shape: table::field_shape(row),
            is_required: table::is_required(row),
        }
    }

    fn inner(shape: u16) -> Self {
        Self {
            shape,
            is_required: false,
        }
    }

    /// What its value looks like.
    pub fn form(self) -> Form {
        let row = table::shape(self.shape);
        match row.tag {
            1 => Form::Boolean,
            2 => Form::Int32,
            3 => Form::Int64,
            4 => Form::Number,
            5 => Form::String,
            6 => Form::Bytes,
            7 | 8 => Form::Time,
            9 => Form::Quantity,
            10 => Form::IntOrString,
            11 => Form::Object(Type(row.of)),
            12 => Form::Map(Self::inner(row.of)),
            13 => Form::List(Self::inner(row.of)),
            _ => Form::Any,
        }
    }

    /// What is one step further down.
    pub fn step(self, step: &str) -> Option<Field> {
        match self.form() {
            Form::Object(fields) => fields.field(step),
            Form::Map(of) => Some(of),
            Form::List(of) => (step == "-" || step.parse::<usize>().is_ok()).then_some(of),
            Form::Any => Some(self),
            _ => None,
        }
    }

    /// Whether its object is nothing without it.
    pub fn is_required(self) -> bool {
        self.is_required
    }

    /// The values that it may have; none when there is no list of them.
    pub fn values(self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        table::list(if self.list_type().is_none() {
            table::shape(self.shape).list
        } else {
            NONE
        })
    }

    /// The value that it has when it is absent, where the schema says so: `TCP` for a port's protocol. Most of the defaults
    /// of Kubernetes are in the code of the API server and not here.
    pub fn default(self) -> Option<Value> {
        let row = table::shape(self.shape);
        if row.default == NONE {
            return None;
        }
        serde_json::from_str(table::text(row.default)).ok()
    }

    /// The default, when it is a text.
    pub(super) fn default_text(self) -> Option<&'static str> {
        let row = table::shape(self.shape);
        let text = (row.default != NONE).then(|| table::text(row.default))?;
        text.strip_prefix('"')?.strip_suffix('"')
    }

    /// How its elements are told apart; `None` when it is no list.
    pub fn list_type(self) -> Option<ListType> {
        let row = table::shape(self.shape);
        (row.tag == 13).then_some(match row.list_type {
            1 => ListType::Set,
            2 => ListType::Map,
            _ => ListType::Atomic,
        })
    }

    /// The fields that tell the elements of a list apart: `name` for containers.
    pub fn list_keys(self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        table::list(if self.list_type() == Some(ListType::Map) {
            table::shape(self.shape).list
        } else {
            NONE
        })
    }

    /// The field by which `kubectl patch` finds an element of this list again.
    pub fn merge_key(self) -> Option<&'static str> {
        let row = table::shape(self.shape);
        (row.merge_key != NONE).then(|| table::text(row.merge_key))
    }
}

impl Form {
    /// The form, in the words of a message.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Boolean => "true or false",
            Self::Int32 => "a whole number of 32 bits",
            Self::Int64 => "a whole number",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Bytes => "base64",
            Self::Time => "a time like 2006-01-02T15:04:05Z",
            Self::Quantity => "a quantity like 100m or 64Mi",
            Self::IntOrString => "a whole number or a text",
            Self::Object(_) => "an object",
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
        }
    }
}
