//! Bodies in the form and order in which they are evaluated.
//!
//! As in OPA, calls are taken out of what surrounds them, and expressions are ordered so that each has what it needs. What is
//! negated then is exactly what OPA negates.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::ast::{Call, Comprehension, Expr, Function, Head, Kind, Ref, Term, Unify, Var};
use super::value::Value;

pub(super) type Vars = BTreeSet<Var>;

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

/// Which variables a look at terms finds.
#[derive(Clone, Copy)]
struct Look {
    closures: bool,
    heads: bool,
    sets_and_keys: bool,
}

const ALL: Look = Look {
    closures: false,
    heads: true,
    sets_and_keys: true,
};
/// What a pattern can give values to.
const OUTPUTS: Look = Look {
    closures: false,
    heads: false,
    sets_and_keys: false,
};
const IN_REFERENCES: Look = Look {
    closures: false,
    heads: false,
    sets_and_keys: true,
};
const WITH_CLOSURES: Look = Look {
    closures: true,
    heads: true,
    sets_and_keys: true,
};

fn term_vars(term: &Term, look: Look, vars: &mut Vars) {
    match term {
        Term::Const(_) => {}
        Term::Var(var) => {
            vars.insert(*var);
        }
        Term::Ref(refr) => {
            match &refr.head {
                Head::Var(var) if look.heads => {
                    vars.insert(*var);
                }
                Head::Term(term) => term_vars(term, look, vars),
                _ => {}
            }
            for key in &refr.path {
                term_vars(key, look, vars);
            }
        }
        Term::Array(items) => items.iter().for_each(|item| term_vars(item, look, vars)),
        Term::Set(items) => {
            if look.sets_and_keys {
                for item in items {
                    term_vars(item, look, vars);
                }
            }
        }
        Term::Object(fields) => {
            for (key, value) in fields {
                if look.sets_and_keys {
                    term_vars(key, look, vars);
                }
                term_vars(value, look, vars);
            }
        }
        Term::Comprehension(comprehension) => {
            if look.closures {
                match comprehension.as_ref() {
                    Comprehension::Array { item, .. } | Comprehension::Set { item, .. } => term_vars(item, look, vars),
                    Comprehension::Object { key, value, .. } => {
                        term_vars(key, look, vars);
                        term_vars(value, look, vars);
                    }
                }
                for expr in comprehension.body() {
                    expr_vars(expr, look, vars);
                }
            }
        }
        Term::Call(call) => call.args.iter().for_each(|arg| term_vars(arg, look, vars)),
    }
}

fn terms(expr: &Expr) -> Vec<&Term> {
    match &expr.kind {
        Kind::Term(term) | Kind::Every { domain: term, .. } => vec![term],
        Kind::Call(call) => call.args.iter().collect(),
        Kind::Unify { left, right, .. } => vec![left, right],
        Kind::Not(_) => Vec::new(),
    }
}

fn expr_vars(expr: &Expr, look: Look, vars: &mut Vars) {
    for term in terms(expr) {
        term_vars(term, look, vars);
    }
    for with in &expr.with {
        term_vars(&with.value, look, vars);
    }
    if let Kind::Every { body, .. } | Kind::Not(body) = &expr.kind
        && look.closures
    {
        for expr in body {
            expr_vars(expr, look, vars);
        }
    }
}

/// The variables of an expression outside of its closures.
fn own_vars(expr: &Expr) -> Vars {
    let mut vars = Vars::new();
    expr_vars(expr, ALL, &mut vars);
    vars
}

/// The variables in the closures of an expression.
fn closure_vars(expr: &Expr) -> Vars {
    fn find(term: &Term, vars: &mut Vars) {
        match term {
            Term::Comprehension(_) => term_vars(term, WITH_CLOSURES, vars),
            Term::Ref(refr) => refr.path.iter().for_each(|key| find(key, vars)),
            Term::Array(items) | Term::Set(items) => items.iter().for_each(|item| find(item, vars)),
            Term::Object(fields) => fields.iter().for_each(|(key, value)| {
                find(key, vars);
                find(value, vars);
            }),
            _ => {}
        }
    }
    let mut vars = Vars::new();
    for term in terms(expr) {
        find(term, &mut vars);
    }
    if let Kind::Every { body, .. } | Kind::Not(body) = &expr.kind {
        for expr in body {
            expr_vars(expr, WITH_CLOSURES, &mut vars);
        }
    }
    vars
}

fn is_safe(refr: &Ref, safe: &Vars) -> bool {
    match &refr.head {
        Head::Var(var) => safe.contains(var),
        _ => true,
    }
}

/// What references give values to: the variables in their brackets.
fn reference_outputs(term: &Term, safe: &Vars, out: &mut Vars) {
    match term {
        Term::Ref(refr) if is_safe(refr, safe) => {
            for key in &refr.path {
                term_vars(key, IN_REFERENCES, out);
            }
        }
        Term::Array(items) | Term::Set(items) => items.iter().for_each(|item| reference_outputs(item, safe, out)),
        Term::Object(fields) => fields.iter().for_each(|(key, value)| {
            reference_outputs(key, safe, out);
            reference_outputs(value, safe, out);
        }),
        _ => {}
    }
}

fn outputs(expr: &Expr, safe: &Vars) -> Vars {
    let mut out = Vars::new();
    if expr.negated {
        return out;
    }
    let mut needed = Vars::new();
    for with in &expr.with {
        term_vars(&with.value, ALL, &mut needed);
    }
    if !needed.is_subset(safe) {
        return out;
    }
    for term in terms(expr) {
        reference_outputs(term, safe, &mut out);
    }
    match &expr.kind {
        Kind::Term(_)
        | Kind::Every { .. }
        | Kind::Not(_)
        | Kind::Unify {
            sort: Unify::Compare, ..
        } => {}
        Kind::Unify { left, right, sort } => {
            let mut basis: Vars = out.union(safe).copied().collect();
            if *sort == Unify::Assign {
                let mut assigned = Vars::new();
                term_vars(left, ALL, &mut assigned);
                basis.retain(|var| !assigned.contains(var));
            }
            let mut unifier = Unifier {
                safe: &basis,
                unified: Vars::new(),
                unknown: Vec::new(),
            };
            unifier.unify(left, right);
            out.extend(unifier.unified);
            out.retain(|var| !safe.contains(var));
        }
        Kind::Call(call) => {
            let count = takes(&call.function);
            if let Some(result) = call.args.get(count) {
                let mut needed = Vars::new();
                for arg in call.args.iter().take(count) {
                    term_vars(arg, OUTPUTS, &mut needed);
                }
                if needed.iter().any(|var| !out.contains(var) && !safe.contains(var)) {
                    return Vars::new();
                }
                term_vars(result, OUTPUTS, &mut out);
            }
        }
    }
    out
}

/// Which variables get values when two terms are unified.
struct Unifier<'a> {
    safe: &'a Vars,
    unified: Vars,
    /// Each pair: the first has a value once the second has.
    unknown: Vec<(Var, Vars)>,
}

impl Unifier<'_> {
    fn is_safe(&self, var: Var) -> bool {
        self.safe.contains(&var) || self.unified.contains(&var)
    }

    fn mark(&mut self, var: Var) {
        self.unified.insert(var);
        let mut more = Vec::new();
        self.unknown.retain(|(of, on)| {
            let is_it = *of == var;
            if is_it {
                more.extend(on.iter().copied());
            }
            !is_it
        });
        for (of, on) in &mut self.unknown {
            if on.remove(&var) && on.is_empty() {
                more.push(*of);
            }
        }
        self.unknown.retain(|(_, on)| !on.is_empty());
        for next in more {
            if !self.unified.contains(&next) {
                self.mark(next);
            }
        }
    }

    fn mark_all(&mut self, term: &Term) {
        let mut vars = Vars::new();
        term_vars(term, OUTPUTS, &mut vars);
        for var in vars {
            self.mark(var);
        }
    }

    fn unknown(&mut self, of: Var, on: Var) {
        match self.unknown.iter_mut().find(|(known, _)| *known == of) {
            Some((_, vars)) => {
                vars.insert(on);
            }
            None => self.unknown.push((of, Vars::from([on]))),
        }
    }

    fn var_and_composite(&mut self, var: Var, term: &Term) {
        if self.is_safe(var) {
            return self.mark_all(term);
        }
        let mut vars = Vars::new();
        term_vars(term, OUTPUTS, &mut vars);
        vars.retain(|var| !self.is_safe(*var));
        if vars.is_empty() {
            self.mark(var);
        }
        for on in vars {
            self.unknown(var, on);
        }
    }

    fn unify(&mut self, a: &Term, b: &Term) {
        match (a, b) {
            (Term::Var(a), Term::Var(b)) => {
                if self.is_safe(*b) {
                    self.mark(*a);
                } else if self.is_safe(*a) {
                    self.mark(*b);
                } else {
                    self.unknown(*a, *b);
                    self.unknown(*b, *a);
                }
            }
            (Term::Var(var), composite @ (Term::Array(_) | Term::Object(_)))
            | (composite @ (Term::Array(_) | Term::Object(_)), Term::Var(var)) => {
                self.var_and_composite(*var, composite);
            }
            (Term::Var(var), Term::Ref(refr)) | (Term::Ref(refr), Term::Var(var)) if is_safe(refr, self.safe) => {
                self.mark(*var);
            }
            (Term::Var(var), _) | (_, Term::Var(var)) => self.mark(*var),
            (Term::Ref(refr), composite @ (Term::Array(_) | Term::Object(_)))
            | (composite @ (Term::Array(_) | Term::Object(_)), Term::Ref(refr))
                if is_safe(refr, self.safe) =>
            {
                self.mark_all(composite);
            }
            (Term::Comprehension(_) | Term::Const(_), composite @ (Term::Array(_) | Term::Object(_)))
            | (composite @ (Term::Array(_) | Term::Object(_)), Term::Comprehension(_) | Term::Const(_)) => {
                self.mark_all(composite);
            }
            (Term::Array(a), Term::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    self.unify(a, b);
                }
            }
            (Term::Object(a), Term::Object(b)) if a.len() == b.len() => {
                for (key, value) in a {
                    let same = b.iter().find(|(other, _)| same_constant(key, other));
                    if let Some((_, other)) = same {
                        self.unify(value, other);
                    }
                }
            }
            _ => {}
        }
    }
}

pub(super) fn same_constant(a: &Term, b: &Term) -> bool {
    match (a, b) {
        (Term::Const(a), Term::Const(b)) => a == b,
        (Term::Var(a), Term::Var(b)) => a == b,
        _ => false,
    }
}

/// Orders a body so that each expression has what it needs. The error has the variables that nothing gives a value, with the
/// lines.
pub(super) fn order(body: Vec<Expr>, globals: &Vars) -> Result<Vec<Expr>, Vec<(Var, u32)>> {
    let all: Vec<Vars> = body.iter().map(own_vars).collect();
    let body_vars: Vars = all.iter().flatten().copied().collect();
    let mut safe: Vars = body_vars.intersection(globals).copied().collect();
    let closed: Vec<Vars> = body
        .iter()
        .map(|expr| {
            let vars = closure_vars(expr);
            vars.into_iter()
                .filter(|var| body_vars.contains(var) && !globals.contains(var))
                .collect()
        })
        .collect();
    let mut pending: Vec<(Expr, Vars, Vars)> = body
        .into_iter()
        .zip(all)
        .zip(closed)
        .map(|((expr, vars), closed)| (expr, vars.difference(&safe).copied().collect(), closed))
        .collect();
    let mut ordered = Vec::with_capacity(pending.len());
    loop {
        let before = ordered.len();
        let mut rest = Vec::new();
        for (expr, mut needed, closed) in pending {
            let gives = outputs(&expr, &safe);
            let missing: Vars = closed.difference(&safe).copied().collect();
            if !missing.is_empty() {
                if missing == gives {
                    rest.push((expr, needed, closed));
                    continue;
                }
                needed.extend(missing);
            }
            needed.retain(|var| !gives.contains(var) && !safe.contains(var));
            if needed.is_empty() {
                safe.extend(gives);
                ordered.push(expr);
            } else {
                rest.push((expr, needed, closed));
            }
        }
        pending = rest;
        if pending.is_empty() {
            return Ok(ordered);
        }
        if ordered.len() == before {
            let lost = pending.iter().flat_map(|(expr, needed, closed)| {
                let vars = if needed.is_empty() { closed } else { needed };
                vars.iter().map(|var| (*var, expr.line))
            });
            return Err(lost.collect());
        }
    }
}
