//! Names and patterns in the parser's syntax tree.

use std::collections::BTreeSet;

use regorus::unstable as syntax;
use smol_str::SmolStr;

use super::{Node, Refused};

pub(super) fn line(span: &syntax::Span) -> u32 {
    span.line
}

pub(super) fn line_of(node: &Node) -> usize {
    usize::try_from(node.span().line).unwrap_or(0)
}

pub(super) fn field_text(node: &syntax::Expr) -> Option<SmolStr> {
    match node {
        syntax::Expr::String { value, .. } | syntax::Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| SmolStr::new(text.as_ref()))
        }
        _ => None,
    }
}

/// The names of a reference that is all names.
pub(super) fn constant_path(node: &Node) -> Refused<Vec<SmolStr>> {
    let (path, rest) = rule_path(node);
    if rest.is_empty() {
        Ok(path)
    } else {
        Err((
            line_of(node),
            format!("{} has to be a path of names", node.span().text()),
        ))
    }
}

/// The leading names of a reference, and what follows them.
pub(super) fn rule_path(node: &Node) -> (Vec<SmolStr>, Vec<Node>) {
    match node.as_ref() {
        syntax::Expr::Var { span, .. } => (vec![SmolStr::new(span.text())], Vec::new()),
        syntax::Expr::RefDot { refr, field, .. } => {
            let (mut path, mut rest) = rule_path(refr);
            if rest.is_empty() {
                path.push(SmolStr::new(field.0.text()));
            } else {
                rest.push(text_node(&field.0));
            }
            (path, rest)
        }
        syntax::Expr::RefBrack { refr, index, .. } => {
            let (mut path, mut rest) = rule_path(refr);
            match field_text(index) {
                Some(text) if rest.is_empty() => path.push(text),
                _ => rest.push(index.clone()),
            }
            (path, rest)
        }
        _ => (Vec::new(), vec![node.clone()]),
    }
}

pub(super) fn text_node(span: &syntax::Span) -> Node {
    Node::new(syntax::Expr::String {
        span: span.clone(),
        value: regorus::Value::from(span.text()),
        eidx: 0,
    })
}

pub(super) fn constant_node(near: &Node, name: &str) -> Node {
    Node::new(syntax::Expr::String {
        span: near.span().clone(),
        value: regorus::Value::from(name),
        eidx: 0,
    })
}

pub(super) fn is_print(node: &Node) -> bool {
    matches!(node.as_ref(), syntax::Expr::Call { fcn, .. } if fcn.span().text() == "print")
}

/// What may stand to the left of `:=`: names, and lists and objects of names.
pub(super) fn check_assignable(node: &Node) -> Refused<()> {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { .. } => Ok(()),
        E::Array { items, .. } => items.iter().try_for_each(check_assignable_part),
        E::Object { fields, .. } => fields.iter().try_for_each(|(_, _, value)| check_assignable_part(value)),
        _ => Err((line_of(node), format!("cannot assign to {}", node.span().text()))),
    }
}

pub(super) fn check_assignable_part(node: &Node) -> Refused<()> {
    use syntax::Expr as E;
    match node.as_ref() {
        E::String { .. } | E::RawString { .. } | E::Number { .. } | E::Bool { .. } | E::Null { .. } => {
            Err((line_of(node), format!("cannot assign to {}", node.span().text())))
        }
        _ => check_assignable(node),
    }
}

/// The names in a pattern that get values: not keys of objects, and nothing below a call or a reference.
pub(super) fn pattern_names(node: &Node, names: &mut Vec<SmolStr>) {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { span, .. } if span.text() != "_" => names.push(SmolStr::new(span.text())),
        E::Array { items, .. } => items.iter().for_each(|item| pattern_names(item, names)),
        E::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| pattern_names(value, names)),
        _ => {}
    }
}

/// The names that a statement declares in its body.
pub(super) fn declared_by(statement: &syntax::LiteralStmt, names: &mut BTreeSet<SmolStr>) {
    let mut found = Vec::new();
    match &statement.literal {
        syntax::Literal::SomeVars { vars, .. } => names.extend(vars.iter().map(|var| SmolStr::new(var.text()))),
        syntax::Literal::SomeIn { key, value, .. } => {
            for pattern in key.iter().chain([value]) {
                pattern_names(pattern, &mut found);
            }
        }
        syntax::Literal::Expr { expr, .. } => {
            if let syntax::Expr::AssignExpr {
                op: syntax::AssignOp::ColEq,
                lhs,
                ..
            } = expr.as_ref()
            {
                pattern_names(lhs, &mut found);
            }
        }
        _ => {}
    }
    names.extend(found);
}

/// The names used in a node outside of closures, without those of functions.
pub(super) fn used_names(node: &Node, names: &mut Vec<SmolStr>) {
    use syntax::Expr as E;
    match node.as_ref() {
        E::Var { span, .. } if span.text() != "_" => {
            names.push(SmolStr::new(span.text()));
        }
        E::Array { items, .. } | E::Set { items, .. } => items.iter().for_each(|item| used_names(item, names)),
        E::Object { fields, .. } => {
            for (_, key, value) in fields {
                used_names(key, names);
                used_names(value, names);
            }
        }
        E::Call { params, .. } => params.iter().for_each(|param| used_names(param, names)),
        E::UnaryExpr { expr, .. } => used_names(expr, names),
        E::RefDot { refr, .. } => used_names(refr, names),
        E::RefBrack { refr, index, .. } => {
            used_names(refr, names);
            used_names(index, names);
        }
        E::BinExpr { lhs, rhs, .. }
        | E::BoolExpr { lhs, rhs, .. }
        | E::ArithExpr { lhs, rhs, .. }
        | E::AssignExpr { lhs, rhs, .. } => {
            used_names(lhs, names);
            used_names(rhs, names);
        }
        E::Membership {
            key, value, collection, ..
        } => {
            for part in key.iter().chain([value, collection]) {
                used_names(part, names);
            }
        }
        _ => {}
    }
}
