//! Terms of the syntax tree, with their names resolved.

use regorus::unstable as syntax;
use smol_str::SmolStr;

use super::make::{builtin_call, extend, fold_array, fold_object, fold_set, negative, number, single, text};
use super::names::{constant_path, field_text, line_of};
use super::{Node, Refused, Resolver};
use crate::rego::ast::{Call, Comprehension, Expr, Function, Term};
use crate::rego::builtins;
use crate::rego::value::Value;

impl Resolver<'_> {
    pub(super) fn term(&mut self, node: &Node) -> Refused<Term> {
        use syntax::Expr as E;
        let at = line_of(node);
        Ok(match node.as_ref() {
            E::String { .. } | E::RawString { .. } => text(field_text(node).unwrap_or_default()),
            E::Number { span, .. } => Term::Const(number(span.text(), at)?),
            E::Bool { span, .. } => Term::Const(Value::Bool(span.text() == "true")),
            E::Null { .. } => Term::Const(Value::Null),
            E::Var { span, .. } => self.name(span.text()),
            E::Array { items, .. } => fold_array(self.terms(items)?),
            E::Set { items, .. } => fold_set(self.terms(items)?),
            E::Object { fields, .. } => {
                let fields = fields
                    .iter()
                    .map(|(_, key, value)| Ok((self.term(key)?, self.term(value)?)));
                fold_object(fields.collect::<Refused<Vec<_>>>()?)
            }
            E::ArrayCompr { term, query, .. } => {
                let (items, body) = self.closure(query, &[term])?;
                let item = single(items);
                Term::Comprehension(Box::new(Comprehension::Array { item, body }))
            }
            E::SetCompr { term, query, .. } => {
                let (items, body) = self.closure(query, &[term])?;
                let item = single(items);
                Term::Comprehension(Box::new(Comprehension::Set { item, body }))
            }
            E::ObjectCompr { key, value, query, .. } => {
                let (mut items, body) = self.closure(query, &[key, value])?;
                let value = items.pop().unwrap_or(Term::Const(Value::Null));
                let key = single(items);
                Term::Comprehension(Box::new(Comprehension::Object { key, value, body }))
            }
            E::Call { fcn, params, .. } => return self.call(fcn, params, at),
            E::UnaryExpr { expr, .. } => match self.term(expr)? {
                Term::Const(Value::Number(number)) => Term::Const(negative(&number)),
                other => builtin_call("minus", vec![Term::Const(Value::from(0_i64)), other], at)?,
            },
            E::RefDot { refr, field, .. } => self.step(refr, text(SmolStr::new(field.0.text())))?,
            E::RefBrack { refr, index, .. } => {
                let head = self.term(refr)?;
                let index = self.term(index)?;
                extend(head, index)
            }
            E::BinExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::BinOp::Intersection => "and",
                    syntax::BinOp::Union => "or",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::BoolExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::BoolOp::Lt => "lt",
                    syntax::BoolOp::Le => "lte",
                    syntax::BoolOp::Eq => "equal",
                    syntax::BoolOp::Ge => "gte",
                    syntax::BoolOp::Gt => "gt",
                    syntax::BoolOp::Ne => "neq",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::ArithExpr { op, lhs, rhs, .. } => {
                let name = match op {
                    syntax::ArithOp::Add => "plus",
                    syntax::ArithOp::Sub => "minus",
                    syntax::ArithOp::Mul => "mul",
                    syntax::ArithOp::Div => "div",
                    syntax::ArithOp::Mod => "rem",
                };
                self.operator(name, lhs, rhs, at)?
            }
            E::Membership {
                key, value, collection, ..
            } => {
                let mut args = Vec::new();
                let name = if key.is_some() {
                    "internal.member_3"
                } else {
                    "internal.member_2"
                };
                for part in key.iter().chain([value, collection]) {
                    args.push(self.term(part)?);
                }
                builtin_call(name, args, at)?
            }
            E::AssignExpr { .. } => return Err((at, "an assignment cannot be a part of an expression".to_owned())),
        })
    }

    pub(super) fn terms(&mut self, nodes: &[Node]) -> Refused<Vec<Term>> {
        nodes.iter().map(|node| self.term(node)).collect()
    }

    pub(super) fn step(&mut self, head: &Node, key: Term) -> Refused<Term> {
        Ok(extend(self.term(head)?, key))
    }

    pub(super) fn operator(&mut self, name: &str, lhs: &Node, rhs: &Node, at: usize) -> Refused<Term> {
        let args = vec![self.term(lhs)?, self.term(rhs)?];
        builtin_call(name, args, at)
    }

    pub(super) fn closure(&mut self, query: &syntax::Query, heads: &[&Node]) -> Refused<(Vec<Term>, Vec<Expr>)> {
        self.enter(Some(query), heads);
        let body = self.body(query)?;
        let heads = heads.iter().map(|head| self.term(head)).collect::<Refused<Vec<_>>>()?;
        self.scopes.pop();
        Ok((heads, body))
    }

    pub(super) fn call(&mut self, function: &Node, params: &[Node], at: usize) -> Refused<Term> {
        let path = constant_path(function)?;
        let Some((first, rest)) = path.split_first() else {
            return Err((at, "a call needs a function".to_owned()));
        };
        if self.scopes.iter().any(|scope| scope.declared.contains_key(first)) {
            return Err((
                at,
                format!("function {} is hidden by the variable {first}", path.join(".")),
            ));
        }
        if let name @ ("rego.metadata.rule" | "rego.metadata.chain") = path.join(".").as_str() {
            let known = self.unit.metadata.get(&self.rule_line);
            let value = match (known, name) {
                (Some((rule, _)), "rego.metadata.rule") => rule.clone(),
                (Some((_, chain)), _) => chain.clone(),
                (None, "rego.metadata.rule") => Value::object(Vec::new()),
                (None, _) => Value::array(Vec::new()),
            };
            return Ok(Term::Const(value));
        }
        let absolute = match self.global(first) {
            Some((false, path)) => Some([path, rest.to_vec()].concat()),
            _ if first == "data" => Some(rest.to_vec()),
            _ => None,
        };
        let args = self.terms(params)?;
        let count = args.len();
        let wrong = |takes: usize| format!("function {} takes {takes} arguments and not {count}", path.join("."));
        if let Some(absolute) = absolute {
            let Some(takes) = self.names.functions.get(&absolute).copied() else {
                return Err((at, format!("there is no function {}", path.join("."))));
            };
            // One more is its result.
            if count != takes && count != takes + 1 {
                return Err((at, wrong(takes)));
            }
            let function = Function::Rule(absolute, takes);
            return Ok(Term::Call(Box::new(Call { function, args })));
        }
        let name = path.join(".");
        if name == "walk" {
            if count == 0 || count > 2 {
                return Err((at, wrong(1)));
            }
            let function = Function::Walk;
            return Ok(Term::Call(Box::new(Call { function, args })));
        }
        let Some(builtin) = builtins::find(&name) else {
            return Err((at, builtins::absent(&name)));
        };
        if count != builtin.arity && count != builtin.arity + 1 {
            return Err((at, wrong(builtin.arity)));
        }
        let function = Function::Builtin(builtin);
        Ok(Term::Call(Box::new(Call { function, args })))
    }
}
