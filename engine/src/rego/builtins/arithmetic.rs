//! The operators of numbers and of comparison, and ranges of numbers. `-` is also that of sets.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive};

use super::operands::{any, units, wrong};
use super::sets::difference;
use super::{Builtin, Fault, Halt, Host};
use crate::rego::number::{ArithmeticError, Number};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("abs", 1, |host, args| unary(host, args, Number::abs)),
    Builtin::new("ceil", 1, |host, args| unary(host, args, Number::ceil)),
    Builtin::new("div", 2, |host, args| binary(host, args, Number::div)),
    Builtin::new("equal", 2, |_, args| Ok((any(args, 0)? == any(args, 1)?).into())),
    Builtin::new("floor", 1, |host, args| unary(host, args, Number::floor)),
    Builtin::new("gt", 2, |_, args| Ok((any(args, 0)? > any(args, 1)?).into())),
    Builtin::new("gte", 2, |_, args| Ok((any(args, 0)? >= any(args, 1)?).into())),
    Builtin::new("lt", 2, |_, args| Ok((any(args, 0)? < any(args, 1)?).into())),
    Builtin::new("lte", 2, |_, args| Ok((any(args, 0)? <= any(args, 1)?).into())),
    Builtin::new("minus", 2, minus),
    Builtin::new("mul", 2, |host, args| binary(host, args, Number::mul)),
    Builtin::new("neq", 2, |_, args| Ok((any(args, 0)? != any(args, 1)?).into())),
    Builtin::new("numbers.range", 2, |host, args| range(host, args, &BigInt::from(1))),
    Builtin::new("numbers.range_step", 3, range_step),
    Builtin::new("plus", 2, |host, args| binary(host, args, Number::add)),
    Builtin::new("rem", 2, |host, args| binary(host, args, Number::rem)),
    Builtin::new("round", 1, |host, args| unary(host, args, Number::round)),
];

impl From<ArithmeticError> for Fault {
    fn from(error: ArithmeticError) -> Self {
        match error {
            // OPA would have a result: nothing may be concluded from having none.
            ArithmeticError::TooLarge => Self::Halt(Halt::Limit),
            _ => Self::new(error.to_string()),
        }
    }
}

pub(super) fn number(args: &[Value], place: usize) -> Result<&Number, Fault> {
    let value = any(args, place)?;
    value.as_number().ok_or_else(|| wrong(place, value, "number"))
}

/// A whole number of any size, however it is written.
pub(super) fn integer(host: &mut Host, args: &[Value], place: usize) -> Result<BigInt, Fault> {
    let value = any(args, place)?;
    let number = value.as_number().ok_or_else(|| wrong(place, value, "integer"))?;
    host.spend(number.cost())?;
    number.to_integer().ok_or_else(|| {
        let place = place + 1;
        Fault::new(format!(
            "operand {place} must be integer number but got floating-point number"
        ))
    })
}

fn unary(host: &mut Host, args: &[Value], run: fn(&Number) -> Result<Number, ArithmeticError>) -> Result<Value, Fault> {
    let number = number(args, 0)?;
    host.spend(number.cost())?;
    Ok(run(number)?.into())
}

type Operation = fn(&Number, &Number) -> Result<Number, ArithmeticError>;

fn binary(host: &mut Host, args: &[Value], run: Operation) -> Result<Value, Fault> {
    let (a, b) = (number(args, 0)?, number(args, 1)?);
    host.spend(a.cost() + b.cost())?;
    Ok(run(a, b)?.into())
}

fn minus(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    match (any(args, 0)?, any(args, 1)?) {
        (Value::Number(_), Value::Number(_)) => binary(host, args, Number::sub),
        (Value::Set(_), Value::Set(_)) => difference(host, args),
        (Value::Set(_), other @ Value::Number(_)) => Err(wrong(1, other, "set")),
        (Value::Number(_) | Value::Set(_), other) => Err(wrong(1, other, "number")),
        (other, _) => Err(wrong(0, other, "one of {number, set}")),
    }
}

fn range_step(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    // The ends are complained of first.
    integer(host, args, 0)?;
    integer(host, args, 1)?;
    let step = integer(host, args, 2)?;
    if !step.is_positive() {
        return Err(Fault::new("numbers.range_step: step must be a positive integer"));
    }
    range(host, args, &step)
}

/// From the first to the second, both in it, up or down.
fn range(host: &mut Host, args: &[Value], step: &BigInt) -> Result<Value, Fault> {
    let (from, to) = (integer(host, args, 0)?, integer(host, args, 1)?);
    let steps = ((&to - &from).abs() / step).to_usize().unwrap_or(usize::MAX);
    host.spend(units(steps.saturating_mul(32)))?;
    let step = if to < from { -step } else { step.clone() };
    // What begins and ends within bounds is within bounds all the way.
    if let (Some(from), Some(step), true) = (from.to_i64(), step.to_i64(), to.to_i64().is_some()) {
        let items = (0..=steps).map_while(|place| from.checked_add(step.checked_mul(i64::try_from(place).ok()?)?));
        return Ok(Value::Array(items.map(Value::from).collect()));
    }
    let items = (0..=steps).map(|place| {
        let item = Number::from_integer(&(&from + &step * place))?;
        host.spend(1 + item.cost())?;
        Ok(item.into())
    });
    Ok(Value::array(items.collect::<Result<Vec<_>, Fault>>()?))
}
