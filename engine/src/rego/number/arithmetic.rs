//! What OPA calculates: with whole numbers of any size, and with floats as soon as one number is none.

use num_bigint::BigInt;
use num_traits::{Signed, Zero};
use thiserror::Error;

use super::{Float, Number};

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ArithmeticError {
    /// By zero, in any way of writing it.
    #[error("divide by zero")]
    DivideByZero,
    /// By zero, in any way of writing it.
    #[error("modulo by zero")]
    ModuloByZero,
    /// Of numbers that are not whole.
    #[error("modulo on floating-point number")]
    ModuloOnFloat,
    /// OPA would go on for long.
    #[error("number too big")]
    TooLarge,
}

type Outcome = Result<Number, ArithmeticError>;

/// Both as small whole numbers.
fn small(a: &Number, b: &Number) -> Option<(i64, i64)> {
    Some((a.as_i64()?, b.as_i64()?))
}

/// Both as whole numbers.
fn whole(a: &Number, b: &Number) -> Option<(BigInt, BigInt)> {
    Some((a.to_integer()?, b.to_integer()?))
}

impl Number {
    /// `self + other`
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn add(&self, other: &Self) -> Outcome {
        if let Some(sum) = small(self, other).and_then(|(a, b)| a.checked_add(b)) {
            return Ok(Self::Int(sum));
        }
        match whole(self, other) {
            Some((a, b)) => Self::from_integer(&(a + b)),
            None => Float::from(self).add(&Float::from(other)).to_number(),
        }
    }

    /// `self - other`
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn sub(&self, other: &Self) -> Outcome {
        if let Some(difference) = small(self, other).and_then(|(a, b)| a.checked_sub(b)) {
            return Ok(Self::Int(difference));
        }
        match whole(self, other) {
            Some((a, b)) => Self::from_integer(&(a - b)),
            None => Float::from(self).add(&Float::from(other).negated()).to_number(),
        }
    }

    /// `self * other`
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn mul(&self, other: &Self) -> Outcome {
        if let Some(product) = small(self, other).and_then(|(a, b)| a.checked_mul(b)) {
            return Ok(Self::Int(product));
        }
        match whole(self, other) {
            Some((a, b)) => Self::from_integer(&(a * b)),
            None => Float::from(self).mul(&Float::from(other)).to_number(),
        }
    }

    /// `self / other`
    ///
    /// # Errors
    /// The divisor is zero.
    pub fn div(&self, other: &Self) -> Outcome {
        // The quotient of zero is left to floats, which know a negative zero.
        if let Some((a, b)) = small(self, other)
            && a != 0
            && a.checked_rem(b) == Some(0)
            && let Some(quotient) = a.checked_div(b)
        {
            return Ok(Self::Int(quotient));
        }
        let divisor = Float::from(other);
        if divisor.is_zero() {
            return Err(ArithmeticError::DivideByZero);
        }
        Float::from(self).div(&divisor).to_number()
    }

    /// `self % other`, with the sign of `self`.
    ///
    /// # Errors
    /// The divisor is zero, or one of the two is not whole.
    pub fn rem(&self, other: &Self) -> Outcome {
        if let Some(rest) = small(self, other).and_then(|(a, b)| a.checked_rem(b)) {
            return Ok(Self::Int(rest));
        }
        let (a, b) = whole(self, other).ok_or(ArithmeticError::ModuloOnFloat)?;
        if b.is_zero() {
            return Err(ArithmeticError::ModuloByZero);
        }
        Self::from_integer(&(a % b))
    }

    /// Without its sign.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn abs(&self) -> Outcome {
        match self.as_i64().and_then(i64::checked_abs) {
            Some(size) => Ok(Self::Int(size)),
            None => Float::from(self).abs().to_number(),
        }
    }

    /// The nearest whole number, halves away from zero.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn round(&self) -> Outcome {
        if let Some(int) = self.as_i64() {
            return Ok(Self::Int(int));
        }
        let float = Float::from(self);
        let half = if float.is_negative() {
            Float::half().negated()
        } else {
            Float::half()
        };
        Self::from_integer(&float.add(&half).truncate()?)
    }

    /// The next whole number up. As in OPA, that of `-0.5` is 1.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn ceil(&self) -> Outcome {
        self.truncated(|whole| !whole.is_negative(), 1)
    }

    /// The next whole number down. As in OPA, that of `-0.5` is 0.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn floor(&self) -> Outcome {
        self.truncated(Signed::is_negative, -1)
    }

    /// The fraction cut off, and one step more when the whole part asks for it. OPA looks at that part's sign and not
    /// at the number's, which is why small negative numbers are rounded wrongly.
    fn truncated(&self, steps: impl Fn(&BigInt) -> bool, step: i64) -> Outcome {
        if let Some(int) = self.as_i64() {
            return Ok(Self::Int(int));
        }
        let float = Float::from(self);
        let whole = float.truncate()?;
        if float.is_whole() || !steps(&whole) {
            return Self::from_integer(&whole);
        }
        Self::from_integer(&(whole + step))
    }

    /// All added up.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn sum<'a>(numbers: impl Iterator<Item = &'a Self> + Clone) -> Outcome {
        let total = numbers
            .clone()
            .try_fold(0_i64, |total, number| total.checked_add(number.as_i64()?));
        if let Some(total) = total {
            return Ok(Self::Int(total));
        }
        let total = numbers
            .clone()
            .try_fold(BigInt::ZERO, |total, number| Some(total + number.to_integer()?));
        match total {
            Some(total) => Self::from_integer(&total),
            None => numbers
                .fold(Float::zero(), |total, number| total.add(&Float::from(number)))
                .to_number(),
        }
    }

    /// All multiplied. Floats are multiplied with the precision of a machine's, as in OPA: less than with `*`.
    ///
    /// # Errors
    /// The result is beyond all bounds.
    pub fn product<'a>(numbers: impl Iterator<Item = &'a Self> + Clone) -> Outcome {
        let product = numbers
            .clone()
            .try_fold(1_i64, |product, number| product.checked_mul(number.as_i64()?));
        if let Some(product) = product {
            return Ok(Self::Int(product));
        }
        let mut product = BigInt::from(1);
        for number in numbers.clone() {
            let Some(integer) = number.to_integer() else {
                return numbers
                    .fold(Float::one(), |product, number| product.mul(&Float::from(number)))
                    .to_number();
            };
            // Checked on the way: it grows with each.
            product = Self::from_integer(&(product * integer))?
                .to_integer()
                .unwrap_or_default();
        }
        Self::from_integer(&product)
    }
}
