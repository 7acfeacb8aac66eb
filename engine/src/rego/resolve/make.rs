//! Terms, made of terms: constants become one value.

use smol_str::SmolStr;

use super::Refused;
use crate::rego::ast::{Call, Function, Head, Ref, Term};
use crate::rego::builtins;
use crate::rego::number::Number;
use crate::rego::value::Value;

pub(super) fn text(name: SmolStr) -> Term {
    Term::Const(Value::String(name))
}

pub(super) fn single(mut items: Vec<Term>) -> Term {
    items.pop().unwrap_or(Term::Const(Value::Null))
}

pub(super) fn reference(head: Head, path: Vec<Term>) -> Term {
    Term::Ref(Box::new(Ref { head, path }))
}

pub(super) fn extend(head: Term, key: Term) -> Term {
    match head {
        Term::Ref(mut refr) => {
            refr.path.push(key);
            Term::Ref(refr)
        }
        Term::Var(var) => reference(Head::Var(var), vec![key]),
        other => reference(Head::Term(other), vec![key]),
    }
}

pub(super) fn builtin_call(name: &str, args: Vec<Term>, at: usize) -> Refused<Term> {
    let builtin = builtins::find(name).ok_or_else(|| (at, builtins::absent(name)))?;
    let function = Function::Builtin(builtin);
    Ok(Term::Call(Box::new(Call { function, args })))
}

pub(super) fn number(written: &str, at: usize) -> Refused<Value> {
    let number = Number::parse(written).ok_or_else(|| (at, format!("{written} is no number")))?;
    Ok(Value::Number(number))
}

pub(super) fn negative(number: &Number) -> Value {
    let written = number.to_string();
    let turned = written
        .strip_prefix('-')
        .map_or_else(|| format!("-{written}"), str::to_owned);
    Value::Number(Number::parse(&turned).unwrap_or(Number::Int(0)))
}

pub(super) fn constants(terms: &[Term]) -> Option<Vec<Value>> {
    let constant = |term: &Term| match term {
        Term::Const(value) => Some(value.clone()),
        _ => None,
    };
    terms.iter().map(constant).collect()
}

pub(super) fn fold_array(terms: Vec<Term>) -> Term {
    constants(&terms).map_or(Term::Array(terms), |values| Term::Const(Value::array(values)))
}

pub(super) fn fold_set(terms: Vec<Term>) -> Term {
    constants(&terms).map_or(Term::Set(terms), |values| Term::Const(Value::set(values)))
}

/// Whether two keys are written alike: then they are one key, whatever they are.
pub(super) fn is_same_key(a: &Term, b: &Term) -> bool {
    let all = |a: &[Term], b: &[Term]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_key(a, b));
    match (a, b) {
        (Term::Const(a), Term::Const(b)) => a == b,
        (Term::Var(a), Term::Var(b)) => a == b,
        (Term::Array(a), Term::Array(b)) | (Term::Set(a), Term::Set(b)) => all(a, b),
        (Term::Ref(a), Term::Ref(b)) => {
            let same_head = match (&a.head, &b.head) {
                (Head::Input, Head::Input) | (Head::Data, Head::Data) => true,
                (Head::Var(a), Head::Var(b)) => a == b,
                (Head::Term(a), Head::Term(b)) => is_same_key(a, b),
                _ => false,
            };
            same_head && all(&a.path, &b.path)
        }
        (Term::Call(a), Term::Call(b)) => {
            let same_function = match (&a.function, &b.function) {
                (Function::Builtin(a), Function::Builtin(b)) => a.name == b.name,
                (Function::Rule(a, _), Function::Rule(b, _)) => a == b,
                _ => false,
            };
            same_function && all(&a.args, &b.args)
        }
        _ => false,
    }
}

pub(super) fn fold_object(written: Vec<(Term, Term)>) -> Term {
    // Of equal keys the last value stays, and the others are not even evaluated.
    let mut fields: Vec<(Term, Term)> = Vec::with_capacity(written.len());
    for (key, value) in written {
        let same = |other: &&mut (Term, Term)| is_same_key(&other.0, &key);
        match fields.iter_mut().find(same) {
            Some(other) => other.1 = value,
            None => fields.push((key, value)),
        }
    }
    let values: Option<Vec<(Value, Value)>> = fields
        .iter()
        .map(|(key, value)| match (key, value) {
            (Term::Const(key), Term::Const(value)) => Some((key.clone(), value.clone())),
            _ => None,
        })
        .collect();
    values.map_or(Term::Object(fields), |values| Term::Const(Value::object(values)))
}
