//! Bodies in the form and order in which they are evaluated.
//!
//! As in OPA, calls are taken out of what surrounds them, and expressions are ordered so that each has what it needs. What is
//! negated then is exactly what OPA negates.

use smol_str::SmolStr;

use super::ast::{Call, Comprehension, Expr, Function, Head, Kind, Ref, Term, Unify, Var};
use super::value::Value;

/// Takes calls out of terms.
pub(super) struct Expander<'a> {
    pub(super) names: &'a mut Vec<SmolStr>,
}

impl Expander<'_> {
    /// A variable of nobody's.
    pub(super) fn fresh(&mut self) -> Var {
        self.names.push(SmolStr::default());
        self.names.len() - 1
    }

    pub(super) fn body(&mut self, body: Vec<Expr>) -> Vec<Expr> {
        let mut out = Vec::with_capacity(body.len());
        for expr in body {
            self.expr(expr, &mut out);
        }
        out
    }

    fn expr(&mut self, mut expr: Expr, out: &mut Vec<Expr>) {
        let line = expr.line;
        let mut before = Vec::new();
        // Calls first and references then, as OPA does: it shows when one of them has no value.
        for with in &mut expr.with {
            let value = std::mem::replace(&mut with.value, Term::Const(Value::Null));
            with.value = self.term(value, line, &mut before);
        }
        for with in &mut expr.with {
            let value = std::mem::replace(&mut with.value, Term::Const(Value::Null));
            with.value = self.without_references(value, line, &mut before);
        }
        out.append(&mut before);
        expr.kind = match expr.kind {
            Kind::Term(term) => Kind::Term(self.term(term, line, &mut before)),
            Kind::Call(call) => Kind::Call(self.call(call, line, &mut before)),
            // `x := f(y)`: the variable takes the result, without one in between.
            Kind::Unify {
                left: Term::Var(var),
                right: Term::Call(call),
                sort,
            } if !expr.negated && sort != Unify::Compare && call.args.len() == takes(&call.function) => {
                let mut call = self.call(*call, line, &mut before);
                call.args.push(Term::Var(var));
                Kind::Call(call)
            }
            Kind::Unify { left, right, sort } => Kind::Unify {
                left: self.term(left, line, &mut before),
                right: self.term(right, line, &mut before),
                sort,
            },
            Kind::Every {
                key,
                value,
                domain,
                body,
            } => {
                let domain = self.hoisted(domain, line, &mut before);
                let body = self.body(body);
                Kind::Every {
                    key,
                    value,
                    domain,
                    body,
                }
            }
            Kind::Not(body) => Kind::Not(self.body(body)),
        };
        for support in &mut before {
            support.with.clone_from(&expr.with);
        }
        out.append(&mut before);
        out.push(expr);
    }

    fn call(&mut self, call: Call, line: u32, out: &mut Vec<Expr>) -> Call {
        let args = call.args.into_iter().map(|arg| self.term(arg, line, out)).collect();
        Call { args, ..call }
    }

    fn term(&mut self, term: Term, line: u32, out: &mut Vec<Expr>) -> Term {
        match term {
            Term::Const(_) | Term::Var(_) => term,
            Term::Call(call) => {
                let mut call = self.call(*call, line, out);
                let result = self.fresh();
                call.args.push(Term::Var(result));
                out.push(plain(Kind::Call(call), line));
                Term::Var(result)
            }
            Term::Ref(refr) => {
                let Ref { head, path } = *refr;
                let head = match head {
                    Head::Term(term) => Head::Var(self.variable(term, line, out)),
                    other => other,
                };
                let path = path.into_iter().map(|key| self.term(key, line, out)).collect();
                Term::Ref(Box::new(Ref { head, path }))
            }
            Term::Array(items) => Term::Array(items.into_iter().map(|item| self.term(item, line, out)).collect()),
            Term::Set(items) => Term::Set(items.into_iter().map(|item| self.term(item, line, out)).collect()),
            Term::Object(fields) => {
                let fields = fields.into_iter();
                Term::Object(
                    fields
                        .map(|(k, v)| (self.term(k, line, out), self.term(v, line, out)))
                        .collect(),
                )
            }
            Term::Comprehension(comprehension) => Term::Comprehension(Box::new(match *comprehension {
                Comprehension::Array { item, body } => {
                    let (mut items, body) = self.with_heads(vec![item], body, line);
                    let item = items.remove(0);
                    Comprehension::Array { item, body }
                }
                Comprehension::Set { item, body } => {
                    let (mut items, body) = self.with_heads(vec![item], body, line);
                    let item = items.remove(0);
                    Comprehension::Set { item, body }
                }
                Comprehension::Object { key, value, body } => {
                    let (mut items, body) = self.with_heads(vec![key, value], body, line);
                    let value = items.remove(1);
                    let key = items.remove(0);
                    Comprehension::Object { key, value, body }
                }
            })),
        }
    }

    /// The term as a variable.
    fn variable(&mut self, term: Term, line: u32, out: &mut Vec<Expr>) -> Var {
        match self.term(term, line, out) {
            Term::Var(var) => var,
            right => {
                let var = self.fresh();
                let left = Term::Var(var);
                out.push(plain(
                    Kind::Unify {
                        left,
                        right,
                        sort: Unify::Assign,
                    },
                    line,
                ));
                var
            }
        }
    }

    /// The term with its references and comprehensions as variables too: for what stands outside of a body.
    fn hoisted(&mut self, term: Term, line: u32, out: &mut Vec<Expr>) -> Term {
        let term = self.term(term, line, out);
        self.without_references(term, line, out)
    }

    fn without_references(&mut self, term: Term, line: u32, out: &mut Vec<Expr>) -> Term {
        match term {
            Term::Ref(_) | Term::Comprehension(_) => {
                let var = self.fresh();
                let left = Term::Var(var);
                out.push(plain(
                    Kind::Unify {
                        left,
                        right: term,
                        sort: Unify::Assign,
                    },
                    line,
                ));
                Term::Var(var)
            }
            Term::Array(items) => {
                let items = items.into_iter();
                Term::Array(items.map(|item| self.without_references(item, line, out)).collect())
            }
            Term::Set(items) => {
                let items = items.into_iter();
                Term::Set(items.map(|item| self.without_references(item, line, out)).collect())
            }
            Term::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| {
                    let key = self.without_references(key, line, out);
                    (key, self.without_references(value, line, out))
                });
                Term::Object(fields.collect())
            }
            other => other,
        }
    }

    /// What stands before a body is evaluated at its end.
    pub(super) fn with_heads(&mut self, heads: Vec<Term>, body: Vec<Expr>, line: u32) -> (Vec<Term>, Vec<Expr>) {
        let mut body = self.body(body);
        let heads = heads
            .into_iter()
            .map(|head| self.hoisted(head, line, &mut body))
            .collect();
        (heads, body)
    }
}

fn plain(kind: Kind, line: u32) -> Expr {
    Expr {
        kind,
        negated: false,
        with: Vec::new(),
        line,
    }
}

/// How many arguments go in.
pub(super) fn takes(function: &Function) -> usize {
    match function {
        Function::Builtin(builtin) => builtin.arity,
        Function::Walk => 1,
        Function::Rule(_, takes) => *takes,
    }
}

/// Whether two keys are the same constant or variable.
pub(super) fn same_constant(a: &Term, b: &Term) -> bool {
    match (a, b) {
        (Term::Const(a), Term::Const(b)) => a == b,
        (Term::Var(a), Term::Var(b)) => a == b,
        _ => false,
    }
}
