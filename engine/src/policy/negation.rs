//! `not`, where the evaluator and OPA differ.
//!
//! OPA takes references and calls out of a negated expression and evaluates them before it: when one is undefined, the statement
//! fails. The evaluator evaluates the expression whole: when a part is undefined, the negation is true. So `not a.n > 3` with
//! `a.n` missing is false in OPA and true here. Both agree on the forms that [`agrees`] accepts; the others are refused.

use serde_json::Value;

use super::syntax::{child, variant};

/// What to write instead.
pub(super) const ADVICE: &str = "`not` with a reference or a call inside means something else in OPA when that is undefined; assign \
    it first (`value := …`) and negate a plain value, or put the condition into a rule of its own and negate that";

/// What a name in an expression is.
pub(super) trait Names {
    /// A variable of the rule, or a rule that always has a value.
    fn has_value(&self, name: &str) -> bool;
    /// A function of the file, which may be undefined for some arguments.
    fn is_own_function(&self, name: &str) -> bool;
}

/// Whether both say the same of `not <expression>`, whatever is undefined.
pub(super) fn agrees(expression: &Value, names: &impl Names) -> bool {
    let Some((kind, node)) = variant(expression) else {
        return false;
    };
    match kind {
        "Var" => true,
        "RefDot" | "RefBrack" => is_simple_reference(expression, names),
        "Call" => all_have_value(node.get("params"), names),
        "BoolExpr" | "AssignExpr" if is_equality(node) => {
            let [left, right] = [child(node, "/lhs"), child(node, "/rhs")];
            match (has_value(left, names), has_value(right, names)) {
                (true, true) => true,
                (false, true) => is_simple_reference(left, names) && !holds_call(right),
                (true, false) => is_simple_reference(right, names) && !holds_call(left),
                (false, false) => false,
            }
        }
        _ => has_value(expression, names),
    }
}

fn is_equality(node: &Value) -> bool {
    node.get("op").and_then(Value::as_str) == Some("Eq")
}

/// A chain of fields and of brackets that hold nothing undefined.
fn is_simple_reference(expression: &Value, names: &impl Names) -> bool {
    let Some((kind, node)) = variant(expression) else {
        return false;
    };
    let below = child(node, "/refr");
    match kind {
        "Var" => true,
        "RefDot" => is_simple_reference(below, names),
        "RefBrack" => has_value(child(node, "/index"), names) && is_simple_reference(below, names),
        _ => false,
    }
}

/// An expression that is defined whatever the input is, or ends the evaluation with an error.
pub(super) fn has_value(expression: &Value, names: &impl Names) -> bool {
    let Some((kind, node)) = variant(expression) else {
        return false;
    };
    match kind {
        "String" | "RawString" | "Number" | "Bool" | "Null" | "ArrayCompr" | "SetCompr" | "ObjectCompr" => true,
        "Var" => node
            .get("value")
            .and_then(Value::as_str)
            .is_some_and(|name| names.has_value(name)),
        "Array" | "Set" => all_have_value(node.get("items"), names),
        "Object" => node
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .all(|field| {
                let parts = field.as_array().into_iter().flatten().skip(1);
                parts.into_iter().all(|part| has_value(part, names))
            }),
        "Call" => {
            let function = node
                .pointer("/fcn/Var/value")
                .and_then(Value::as_str)
                .unwrap_or_default();
            !names.is_own_function(function) && all_have_value(node.get("params"), names)
        }
        "ArithExpr" | "BinExpr" | "BoolExpr" | "Membership" | "UnaryExpr" => {
            ["lhs", "rhs", "key", "value", "collection", "expr"]
                .iter()
                .filter_map(|part| node.get(part))
                .all(|part| part.is_null() || has_value(part, names))
        }
        _ => false,
    }
}

fn all_have_value(list: Option<&Value>, names: &impl Names) -> bool {
    list.and_then(Value::as_array)
        .is_some_and(|items| items.iter().all(|item| has_value(item, names)))
}

fn holds_call(expression: &Value) -> bool {
    match expression {
        Value::Object(members) => members.iter().any(|(key, value)| key == "Call" || holds_call(value)),
        Value::Array(items) => items.iter().any(holds_call),
        _ => false,
    }
}
