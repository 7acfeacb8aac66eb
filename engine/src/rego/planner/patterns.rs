//! Values that are made, and patterns that values are held against.

use super::{Planner, Refused};
use crate::rego::ast::Term;
use crate::rego::body;
use crate::rego::plan::{Op, Pattern, Step, Template};

impl Planner<'_> {
    /// The term as a value. Everything in it has to have one.
    pub(super) fn operand(&mut self, term: &Term, steps: &mut Vec<Step>) -> Refused<Template> {
        let term = self.flat(term, steps)?;
        self.template(&term)
    }

    pub(super) fn template(&self, term: &Term) -> Refused<Template> {
        Ok(match term {
            Term::Const(value) => Template::Const(value.clone()),
            Term::Var(var) if self.bound.contains(var) => Template::Slot(*var),
            Term::Var(var) => return self.unsafe_var(*var),
            Term::Array(items) => {
                Template::Array(items.iter().map(|item| self.template(item)).collect::<Refused<_>>()?)
            }
            Term::Set(items) => Template::Set(items.iter().map(|item| self.template(item)).collect::<Refused<_>>()?),
            Term::Object(fields) => Template::Object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((self.template(key)?, self.template(value)?)))
                    .collect::<Refused<_>>()?,
            ),
            Term::Ref(_) | Term::Comprehension(_) | Term::Call(_) => {
                return self.refuse("an expression stands where only a value can");
            }
        })
    }

    pub(super) fn has_value(&self, term: &Term) -> bool {
        match term {
            Term::Const(_) => true,
            Term::Var(var) => self.bound.contains(var),
            Term::Array(items) | Term::Set(items) => items.iter().all(|item| self.has_value(item)),
            Term::Object(fields) => fields
                .iter()
                .all(|(key, value)| self.has_value(key) && self.has_value(value)),
            Term::Ref(_) | Term::Comprehension(_) | Term::Call(_) => false,
        }
    }

    /// What a value has to be to be the term; variables without a value get theirs from it.
    pub(super) fn pattern(&mut self, term: &Term) -> Refused<Pattern> {
        if self.has_value(term) {
            return Ok(Pattern::Equal(self.template(term)?));
        }
        Ok(match term {
            Term::Var(var) => {
                self.bound.insert(*var);
                if self.names.get(*var).is_some_and(|name| name == "_") {
                    Pattern::Any
                } else {
                    Pattern::Bind(*var)
                }
            }
            Term::Array(items) => Pattern::Array(items.iter().map(|item| self.pattern(item)).collect::<Refused<_>>()?),
            Term::Object(fields) => Pattern::Object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((self.template(key)?, self.pattern(value)?)))
                    .collect::<Refused<_>>()?,
            ),
            _ => {
                return self.refuse("a set with variables cannot be compared with a value; name its members");
            }
        })
    }

    pub(super) fn unify(&mut self, left: &Term, right: &Term, steps: &mut Vec<Step>) -> Refused<()> {
        let mut pending = vec![(left.clone(), right.clone())];
        loop {
            let before = pending.len();
            let mut rest = Vec::new();
            for (left, right) in pending {
                match (&left, &right) {
                    _ if self.has_value(&left) => {
                        let value = self.template(&left)?;
                        let pattern = self.pattern(&right)?;
                        self.push(steps, Op::Match { value, pattern });
                    }
                    _ if self.has_value(&right) => {
                        let value = self.template(&right)?;
                        let pattern = self.pattern(&left)?;
                        self.push(steps, Op::Match { value, pattern });
                    }
                    (Term::Array(a), Term::Array(b)) if a.len() == b.len() => {
                        rest.extend(a.iter().cloned().zip(b.iter().cloned()));
                    }
                    (Term::Object(a), Term::Object(b)) if a.len() == b.len() => {
                        for (key, value) in a {
                            match b.iter().find(|(other, _)| body::same_constant(key, other)) {
                                Some((_, other)) => rest.push((value.clone(), other.clone())),
                                None if matches!(key, Term::Const(_)) => self.push(steps, Op::Fail),
                                None => return self.refuse("keys of these objects have to be constants"),
                            }
                        }
                    }
                    (Term::Array(_) | Term::Object(_), Term::Array(_) | Term::Object(_) | Term::Set(_))
                    | (Term::Set(_), Term::Array(_) | Term::Object(_)) => self.push(steps, Op::Fail),
                    _ => rest.push((left, right)),
                }
            }
            if rest.is_empty() {
                return Ok(());
            }
            let is_stuck = rest.len() == before
                && rest.iter().all(|(left, right)| {
                    !matches!(
                        (left, right),
                        (Term::Array(_), Term::Array(_)) | (Term::Object(_), Term::Object(_))
                    ) && !self.has_value(left)
                        && !self.has_value(right)
                });
            if is_stuck {
                return self.refuse("neither side of this has a value; assign one first");
            }
            pending = rest;
        }
    }
}
