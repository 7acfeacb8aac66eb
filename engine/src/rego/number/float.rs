//! Floats as OPA calculates with them: Go's `big.Float`. Mantissas have 64 bits (53 for products of lists), results
//! are the nearest ones, and their texts the shortest that lead back to them.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{ToPrimitive, Zero};

use super::{ArithmeticError, Number, mantissa};

/// The furthest exponent to base two that is written out.
const MAX_EXPONENT: i64 = 100_000;

/// `mantissa * 2^exponent`. The mantissa's highest bit is set, except for zero.
#[derive(Clone, Debug)]
pub(crate) struct Float {
    negative: bool,
    mantissa: u64,
    exponent: i64,
    /// How many bits of the mantissa are kept.
    precision: u32,
}

impl Float {
    /// The nearest one; `sticky` says that there is something more behind the last bit.
    fn nearest(negative: bool, mantissa: u128, exponent: i64, sticky: bool, precision: u32) -> Self {
        if mantissa == 0 {
            return Self {
                negative,
                mantissa: 0,
                exponent: 0,
                precision,
            };
        }
        let shift = mantissa.leading_zeros();
        let mantissa = mantissa << shift;
        let mut exponent = exponent - i64::from(shift);
        let dropped = 128 - precision;
        let mut kept = mantissa >> dropped;
        let rest = mantissa & ((1 << dropped) - 1);
        let half = 1_u128 << (dropped - 1);
        let up = match rest.cmp(&half) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => sticky || kept & 1 == 1,
        };
        if up {
            kept += 1;
            if kept >> precision == 1 {
                kept >>= 1;
                exponent += 1;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "as many bits as the precision, which is 64 at the most"
        )]
        let mantissa = (kept as u64) << (64 - precision);
        Self {
            negative,
            mantissa,
            exponent: exponent + 64,
            precision,
        }
    }

    fn nearest_big(negative: bool, mantissa: &BigUint, exponent: i64, sticky: bool) -> Self {
        let (top, shift, dropped) = top_bits(mantissa, 128);
        Self::nearest(
            negative,
            top.to_u128().unwrap_or_default(),
            exponent + shift,
            sticky || dropped,
            64,
        )
    }

    pub(crate) fn zero() -> Self {
        Self::nearest(false, 0, 0, false, 64)
    }

    pub(super) fn half() -> Self {
        Self::nearest(false, 1, -1, false, 64)
    }

    /// One, with a machine's precision.
    pub(super) fn one() -> Self {
        Self::nearest(false, 1, 0, false, 53)
    }

    /// A text that [`Number::parse`] took.
    fn read(text: &str) -> Self {
        let negative = text.starts_with('-');
        let digits: Vec<u8> = mantissa(text).filter(u8::is_ascii_digit).collect();
        let after_point = mantissa(text)
            .skip_while(|byte| *byte != b'.')
            .filter(u8::is_ascii_digit)
            .count();
        let exponent = text
            .split_once(['e', 'E'])
            .and_then(|(_, exponent)| exponent.parse::<i64>().ok())
            .unwrap_or(0);
        let exponent = exponent - i64::try_from(after_point).unwrap_or(0);
        let size = BigUint::parse_bytes(&digits, 10).unwrap_or_default();
        if size.is_zero() {
            return Self::nearest(negative, 0, 0, false, 64);
        }
        // Powers of ten are powers of five, shifted.
        let (five, five_exponent) = power_of_five(exponent.unsigned_abs());
        if exponent >= 0 {
            return Self::nearest_big(negative, &(size * five), exponent + five_exponent, false);
        }
        // At least 66 bits of quotient: the mantissa, the bit that rounds, and one to spare.
        let shift = (66 + five.bits()).saturating_sub(size.bits());
        let dividend = size << shift;
        let quotient = &dividend / &five;
        let exact = &quotient * &five == dividend;
        let exponent = exponent - five_exponent - i64::try_from(shift).unwrap_or(0);
        Self::nearest_big(negative, &quotient, exponent, !exact)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_zero() || self.exponent + i64::from(self.mantissa.trailing_zeros()) >= 0
    }

    pub(super) fn negated(mut self) -> Self {
        self.negative = !self.negative;
        self
    }

    pub(super) fn abs(mut self) -> Self {
        self.negative = false;
        self
    }

    /// With the first one's precision, as all operations.
    pub(super) fn add(&self, other: &Self) -> Self {
        if self.is_zero() && other.is_zero() {
            return Self {
                negative: self.negative && other.negative,
                ..self.clone()
            };
        }
        if other.is_zero() {
            return self.clone();
        }
        if self.is_zero() {
            return Self::nearest(
                other.negative,
                other.mantissa.into(),
                other.exponent,
                false,
                self.precision,
            );
        }
        let (large, small) = match self
            .exponent
            .cmp(&other.exponent)
            .then(self.mantissa.cmp(&other.mantissa))
        {
            Ordering::Less => (other, self),
            _ => (self, other),
        };
        // Two bits above for the sum, 62 below: what falls out there only says that there is more.
        let distance = u32::try_from(large.exponent - small.exponent).unwrap_or(u32::MAX);
        let a = u128::from(large.mantissa) << 62;
        let whole = u128::from(small.mantissa) << 62;
        let b = whole.checked_shr(distance).unwrap_or(0);
        let sticky = b.checked_shl(distance) != Some(whole);
        let (mantissa, negative) = if large.negative == small.negative {
            (a + b, large.negative)
        } else {
            let difference = a - b - u128::from(sticky);
            (difference, large.negative && difference != 0)
        };
        Self::nearest(negative, mantissa, large.exponent - 62, sticky, self.precision)
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        let negative = self.negative != other.negative;
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        Self::nearest(negative, product, self.exponent + other.exponent, false, self.precision)
    }

    /// The divisor is not zero.
    pub(super) fn div(&self, other: &Self) -> Self {
        let divisor = u128::from(other.mantissa).max(1);
        let dividend = u128::from(self.mantissa) << 64;
        let (quotient, rest) = (dividend / divisor, (dividend % divisor) << 2);
        let mantissa = (quotient << 2) | (rest / divisor);
        let sticky = rest % divisor != 0;
        let exponent = self.exponent - other.exponent - 66;
        Self::nearest(
            self.negative != other.negative,
            mantissa,
            exponent,
            sticky,
            self.precision,
        )
    }

    /// The whole part.
    pub(crate) fn truncate(&self) -> Result<BigInt, ArithmeticError> {
        if self.exponent > MAX_EXPONENT {
            return Err(ArithmeticError::TooLarge);
        }
        let size = BigUint::from(self.mantissa);
        let size = if self.exponent >= 0 {
            size << self.exponent
        } else {
            size >> self.exponent.unsigned_abs()
        };
        Ok(BigInt::from_biguint(
            if self.negative { Sign::Minus } else { Sign::Plus },
            size,
        ))
    }

    pub(super) fn to_number(&self) -> Result<Number, ArithmeticError> {
        if self.exponent.abs() > MAX_EXPONENT {
            return Err(ArithmeticError::TooLarge);
        }
        Number::parse(&self.text()).ok_or(ArithmeticError::TooLarge)
    }

    /// As Go writes it: whole numbers without an exponent, others with one when it is large.
    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let Decimals { digits, point } = self.shortest();
        let digits = String::from_utf8(digits).unwrap_or_default();
        if self.is_zero() {
            return format!("{sign}0");
        }
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let exponent = point - 1;
        if !self.is_whole() && !(-4..6).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let exponent_sign = if exponent < 0 { '-' } else { '+' };
            return format!("{sign}{first}{dot}{rest}e{exponent_sign}{:02}", exponent.abs());
        }
        if point <= 0 {
            return format!("{sign}0.{}{digits}", zeros(-point));
        }
        if point >= count {
            return format!("{sign}{digits}{}", zeros(point - count));
        }
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{sign}{whole}.{fraction}")
    }

    /// The fewest digits that name this float and no other of its precision.
    fn shortest(&self) -> Decimals {
        if self.is_zero() {
            return Decimals {
                digits: Vec::new(),
                point: 0,
            };
        }
        // One bit more than the mantissa has: half of the distance to the next float.
        let dropped = 64 - self.precision;
        let middle = u128::from(self.mantissa >> dropped) << 1;
        let exponent = self.exponent + i64::from(dropped) - 1;
        let mut decimals = Decimals::new(middle, exponent);
        let lower = Decimals::new(middle - 1, exponent);
        let upper = Decimals::new(middle + 1, exponent);
        // The ends are rounded to an even mantissa.
        let inclusive = middle & 2 == 0;
        let at = |decimals: &Decimals, place: usize| decimals.digits.get(place).copied().unwrap_or(b'0');
        for place in 0..decimals.digits.len() {
            let (low, digit, high) = (at(&lower, place), at(&decimals, place), at(&upper, place));
            let down = low != digit || inclusive && place + 1 == lower.digits.len();
            let up = digit != high && (inclusive || digit + 1 < high || place + 1 < upper.digits.len());
            if down || up {
                let up = up && (!down || decimals.rounds_up(place + 1));
                decimals.cut(place + 1, up);
                break;
            }
        }
        decimals
    }
}

impl From<&Number> for Float {
    fn from(number: &Number) -> Self {
        match number {
            Number::Int(int) => Self::nearest(*int < 0, int.unsigned_abs().into(), 0, false, 64),
            Number::Other(decimal) => Self::read(&decimal.text),
        }
    }
}

/// The highest bits of a number, how far the others reach below them, and whether one of those is set.
fn top_bits(number: &BigUint, count: u64) -> (BigUint, i64, bool) {
    let shift = number.bits().saturating_sub(count);
    let dropped = number.trailing_zeros().is_some_and(|zeros| zeros < shift);
    (number >> shift, i64::try_from(shift).unwrap_or(i64::MAX), dropped)
}

/// `5^power` as a number and an exponent to base two: exact up to 128 bits, then rounded on the way as Go does.
fn power_of_five(power: u64) -> (BigUint, i64) {
    if let Some(exact) = u32::try_from(power).ok().and_then(|power| 5_u128.checked_pow(power)) {
        return (exact.into(), 0);
    }
    let mut result = (BigUint::from(5_u64.pow(27)), 0);
    let mut factor = (BigUint::from(5_u8), 0);
    let mut rest = power - 27;
    while rest > 0 {
        if rest & 1 == 1 {
            result = multiply(&result, &factor, 128);
        }
        factor = multiply(&factor, &factor, 192);
        rest >>= 1;
    }
    result
}

fn multiply(a: &(BigUint, i64), b: &(BigUint, i64), precision: u64) -> (BigUint, i64) {
    let product = &a.0 * &b.0;
    let exponent = a.1 + b.1;
    if product.bits() <= precision {
        return (product, exponent);
    }
    // One bit more, which rounds.
    let (top, shift, dropped) = top_bits(&product, precision + 1);
    let mut kept: BigUint = &top >> 1_u8;
    if top.bit(0) && (dropped || kept.bit(0)) {
        kept += 1_u8;
    }
    (kept, exponent + shift + 1)
}

/// `0.digits * 10^point`, without zeros at the end.
struct Decimals {
    digits: Vec<u8>,
    point: i64,
}

impl Decimals {
    /// Of `mantissa * 2^exponent`.
    fn new(mantissa: u128, exponent: i64) -> Self {
        let shared = i64::from(mantissa.trailing_zeros()).min(exponent.min(0).abs());
        let (mantissa, exponent) = (mantissa >> shared, exponent + shared);
        let size = exponent.unsigned_abs();
        let (number, below_point) = if exponent >= 0 {
            (BigUint::from(mantissa) << size, 0)
        } else {
            // A half is five tenths.
            (
                BigUint::from(mantissa) * BigUint::from(5_u8).pow(u32::try_from(size).unwrap_or(u32::MAX)),
                -exponent,
            )
        };
        let mut digits = number.to_string().into_bytes();
        let point = i64::try_from(digits.len()).unwrap_or(i64::MAX) - below_point;
        digits.truncate(
            digits
                .iter()
                .rposition(|digit| *digit != b'0')
                .map_or(0, |last| last + 1),
        );
        Self { digits, point }
    }

    /// Whether what is behind so many digits is more than half, or half behind an odd digit.
    fn rounds_up(&self, count: usize) -> bool {
        match self.digits.get(count..) {
            Some([b'5']) => count
                .checked_sub(1)
                .and_then(|last| self.digits.get(last))
                .is_some_and(|digit| digit % 2 == 1),
            Some([next, ..]) => *next >= b'5',
            _ => false,
        }
    }

    /// Keeps so many digits.
    fn cut(&mut self, count: usize, up: bool) {
        if count >= self.digits.len() {
            return;
        }
        self.digits.truncate(count);
        let unneeded = if up { b'9' } else { b'0' };
        while self.digits.last() == Some(&unneeded) {
            self.digits.pop();
        }
        if !up {
            return;
        }
        if let Some(last) = self.digits.last_mut() {
            *last += 1;
        } else {
            self.digits.push(b'1');
            self.point += 1;
        }
    }
}
