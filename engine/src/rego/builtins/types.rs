//! The types of values.

use super::operands::any;
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("is_array", 1, |_, args| is(args, "array")),
    Builtin::new("is_boolean", 1, |_, args| is(args, "boolean")),
    Builtin::new("is_null", 1, |_, args| is(args, "null")),
    Builtin::new("is_number", 1, |_, args| is(args, "number")),
    Builtin::new("is_object", 1, |_, args| is(args, "object")),
    Builtin::new("is_set", 1, |_, args| is(args, "set")),
    Builtin::new("is_string", 1, |_, args| is(args, "string")),
    Builtin::new("type_name", 1, type_name),
];

fn is(args: &[Value], name: &str) -> Result<Value, Fault> {
    Ok((any(args, 0)?.type_name() == name).into())
}

fn type_name(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(any(args, 0)?.type_name().into())
}
