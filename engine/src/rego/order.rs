//! The order in which the expressions of a body are evaluated: as OPA's, by what each needs and gives.

use std::collections::BTreeSet;

use super::ast::{Comprehension, Expr, Head, Kind, Ref, Term, Unify, Var};
use super::body::{same_constant, takes};

pub(super) type Vars = BTreeSet<Var>;

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
