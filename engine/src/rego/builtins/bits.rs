//! The bits of whole numbers of any size; negative ones are two's complements without an end.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use super::arithmetic::integer;
use super::operands::units;
use super::{Builtin, Fault, Halt, Host};
use crate::rego::number::Number;
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("bits.and", 2, |host, args| binary(host, args, |a, b| a & b)),
    Builtin::new("bits.lsh", 2, shift_left),
    Builtin::new("bits.negate", 1, |host, args| {
        Ok(Number::from_integer(&!integer(host, args, 0)?)?.into())
    }),
    Builtin::new("bits.or", 2, |host, args| binary(host, args, |a, b| a | b)),
    Builtin::new("bits.rsh", 2, shift_right),
    Builtin::new("bits.xor", 2, |host, args| binary(host, args, |a, b| a ^ b)),
];

fn binary(host: &mut Host, args: &[Value], run: fn(BigInt, BigInt) -> BigInt) -> Result<Value, Fault> {
    let (a, b) = (integer(host, args, 0)?, integer(host, args, 1)?);
    Ok(Number::from_integer(&run(a, b))?.into())
}

/// The number, and by how many bits. What is past all memory is the largest.
fn shifted(host: &mut Host, args: &[Value]) -> Result<(BigInt, usize), Fault> {
    let (number, by) = (integer(host, args, 0)?, integer(host, args, 1)?);
    if by.is_negative() {
        let reason = "operand 2 must be an unsigned integer number but got a negative integer";
        return Err(Fault::new(reason));
    }
    Ok((number, by.to_usize().unwrap_or(usize::MAX)))
}

fn shift_left(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (number, by) = shifted(host, args)?;
    if number.is_zero() {
        return Ok(Value::from(0_i64));
    }
    // Larger than any number that is let through: not even tried.
    if by > 1 << 20 {
        return Err(Fault::Halt(Halt::Limit));
    }
    host.spend(units(by / 8))?;
    Ok(Number::from_integer(&(number << by))?.into())
}

fn shift_right(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (number, by) = shifted(host, args)?;
    Ok(Number::from_integer(&(number >> by))?.into())
}
