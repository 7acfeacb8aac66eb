//! Numbers, as OPA has them: decimal texts of any size, written out as they came in.
//!
//! Everything is exact up to a bound on the size: beyond it, where OPA would labour for seconds, there is no number.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use num_bigint::{BigInt, BigUint, Sign};

mod arithmetic;
mod float;

pub use arithmetic::ArithmeticError;
pub(crate) use float::Float;

/// The longest text of a number: a mantissa is read in time that grows with its square.
const MAX_TEXT: usize = 1 << 16;

/// The furthest place of a first digit, before and after the point. OPA refuses numbers from two to the power of
/// 100,000 on.
const MAX_PLACE: i64 = 30_103;

/// A number. Small whole ones are fast.
#[derive(Clone)]
pub enum Number {
    /// A whole number that fits, and that is written the plain way: neither `1.0` nor `-0`.
    Int(i64),
    /// Any other.
    Other(Arc<Decimal>),
}

/// A number that is no small whole one.
#[derive(Debug)]
pub struct Decimal {
    text: Box<str>,
    negative: bool,
    /// Where the first digit that is not zero stands: 0 for ones, 1 for tens, -1 for tenths. Zero has none.
    place: Option<i64>,
}

impl Number {
    /// Reads a JSON number, or one of the other ways of writing a decimal that Go reads: `+1`, `.5`, `5.` and `007`.
    ///
    /// There is none when the text is no number or is beyond all bounds.
    pub fn parse(text: &str) -> Option<Self> {
        if let [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] | [b'0'] = text.as_bytes()
            && let Ok(int) = text.parse()
        {
            return Some(Self::Int(int));
        }
        Decimal::read(text).map(|decimal| Self::Other(Arc::new(decimal)))
    }

    /// A whole number of any size.
    ///
    /// # Errors
    /// It is beyond all bounds.
    pub fn from_integer(value: &BigInt) -> Result<Self, ArithmeticError> {
        if let Ok(int) = i64::try_from(value) {
            return Ok(Self::Int(int));
        }
        // Before it is written out, which takes time with the square of its size. A digit is more than three bits.
        if value.bits() > MAX_PLACE.unsigned_abs() * 10 / 3 {
            return Err(ArithmeticError::TooLarge);
        }
        Self::parse(&value.to_string()).ok_or(ArithmeticError::TooLarge)
    }

    /// The whole number that it is, when that fits. As in OPA, `1.0` is one and `1e0` is none: indices of lists are
    /// found so.
    pub fn as_i64(&self) -> Option<i64> {
        let decimal = match self {
            Self::Int(int) => return Some(*int),
            Self::Other(decimal) => decimal,
        };
        let digits = decimal.text.trim_start_matches(['+', '-']);
        // As many as OPA looks at.
        if digits.len() > 19 {
            return None;
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if fraction.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let size: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        Some(if decimal.negative { -size } else { size })
    }

    /// The whole number that it is equal to.
    pub fn to_integer(&self) -> Option<BigInt> {
        let decimal = match self {
            Self::Int(int) => return Some((*int).into()),
            Self::Other(decimal) => decimal,
        };
        let place = decimal.place.unwrap_or_default();
        let mut digits: Vec<u8> = significant(&decimal.text).collect();
        digits.truncate(
            digits
                .iter()
                .rposition(|digit| *digit != b'0')
                .map_or(0, |last| last + 1),
        );
        // As many zeros behind them: fewer than none is a fraction.
        let zeros = if digits.is_empty() {
            0
        } else {
            place + 1 - i64::try_from(digits.len()).ok()?
        };
        Some(decimal.signed(&digits) * BigInt::from(10).pow(u32::try_from(zeros).ok()?))
    }

    /// A whole number, and the power of ten that divides it.
    pub(crate) fn to_fraction(&self) -> (BigInt, u32) {
        let decimal = match self {
            Self::Int(int) => return ((*int).into(), 0),
            Self::Other(decimal) => decimal,
        };
        let digits: Vec<u8> = significant(&decimal.text).collect();
        let whole = decimal.signed(&digits);
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let places = decimal.place.map_or(0, |place| count - 1 - place);
        let power = u32::try_from(places.unsigned_abs()).unwrap_or(u32::MAX);
        if places < 0 {
            (whole * BigInt::from(10).pow(power), 0)
        } else {
            (whole, power)
        }
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest one is what is asked for")]
            Self::Int(int) => *int as f64,
            Self::Other(decimal) => decimal.text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The number, when it is a small whole one that is written the plain way.
    pub(crate) fn small(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Other(_) => None,
        }
    }

    /// Whether it is written with a point or an exponent. OPA's formatting goes by that.
    pub fn is_written_as_float(&self) -> bool {
        match self {
            Self::Int(_) => false,
            Self::Other(decimal) => decimal.text.contains(['.', 'e', 'E']),
        }
    }

    /// What calculating with it costs, in units of work: next to nothing for all but the very large.
    pub fn cost(&self) -> u64 {
        match self {
            Self::Int(_) => 0,
            Self::Other(decimal) => {
                let size = decimal.text.len() as u64 + decimal.place.map_or(0, i64::unsigned_abs);
                size * size / 16_384
            }
        }
    }

    fn order(&self) -> Order<'_> {
        match self {
            Self::Int(0) => Order {
                negative: false,
                place: None,
                digits: Digits::Int(0),
            },
            Self::Int(int) => {
                let size = int.unsigned_abs();
                Order {
                    negative: *int < 0,
                    place: Some(size.ilog10().into()),
                    digits: Digits::Int(size),
                }
            }
            Self::Other(decimal) => Order {
                negative: decimal.negative && decimal.place.is_some(),
                place: decimal.place,
                digits: Digits::Text(&decimal.text),
            },
        }
    }
}

impl Decimal {
    /// Checks that a text is a decimal within the bounds, and finds the place of the first digit that is not zero.
    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => {
                let (mantissa, exponent) = unsigned.split_at(at);
                (mantissa, exponent.get(1..)?)
            }
            None => (unsigned, "0"),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !are_digits(whole) || !are_digits(fraction) || whole.len() + fraction.len() == 0 {
            return None;
        }
        if exponent_digits.is_empty() || !are_digits(exponent_digits) {
            return None;
        }
        let digits = || whole.bytes().chain(fraction.bytes());
        let Some(first) = digits().position(|digit| digit != b'0') else {
            return Some(Self::new(text, None));
        };
        // What does not fit is out of bounds in any case.
        let exponent: i64 = exponent.parse().ok()?;
        let place = i64::try_from(whole.len()).ok()? - 1 - i64::try_from(first).ok()?;
        let place = place.checked_add(exponent)?;
        (-MAX_PLACE - 1..MAX_PLACE)
            .contains(&place)
            .then(|| Self::new(text, Some(place)))
    }

    fn new(text: &str, place: Option<i64>) -> Self {
        let negative = text.starts_with('-');
        let text = text.into();
        Self { text, negative, place }
    }

    fn signed(&self, digits: &[u8]) -> BigInt {
        let size = BigUint::parse_bytes(digits, 10).unwrap_or_default();
        BigInt::from_biguint(if self.negative { Sign::Minus } else { Sign::Plus }, size)
    }
}

/// What orders numbers: the sign, then the place of the first digit, then the digits.
struct Order<'a> {
    negative: bool,
    place: Option<i64>,
    digits: Digits<'a>,
}

enum Digits<'a> {
    Int(u64),
    Text(&'a str),
}

impl Order<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = || {
            self.place
                .cmp(&other.place)
                .then_with(|| self.digits.cmp(&other.digits))
        };
        match (self.negative, other.negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl Digits<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Int(a), Self::Text(b)) => compare_digits(a.to_string().bytes(), significant(b)),
            (Self::Text(a), Self::Int(b)) => compare_digits(significant(a), b.to_string().bytes()),
            (Self::Text(a), Self::Text(b)) => compare_digits(significant(a), significant(b)),
        }
    }
}

/// Digits that begin at the same place; behind the shorter ones are zeros.
fn compare_digits(mut a: impl Iterator<Item = u8>, mut b: impl Iterator<Item = u8>) -> Ordering {
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        let order = x.unwrap_or(b'0').cmp(&y.unwrap_or(b'0'));
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits of the mantissa from the first on that is not zero.
fn significant(text: &str) -> impl Iterator<Item = u8> {
    mantissa(text)
        .filter(u8::is_ascii_digit)
        .skip_while(|digit| *digit == b'0')
}

fn mantissa(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'))
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        // Nothing in memory is longer than that.
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            _ => self.order().cmp(&other.order()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

/// The text that it was written as, or that OPA writes for what was calculated.
impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(out),
            Self::Other(decimal) => out.write_str(&decimal.text),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is no number"))
    }

    #[test]
    fn a_number_is_written_as_it_was_read() {
        for text in [
            "0",
            "-0",
            "1",
            "1.0",
            "1.50",
            "1E5",
            "-1e-7",
            "007",
            "+5",
            ".5",
            "5.",
            "12345678901234567890123",
        ] {
            assert_eq!(number(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_or_beyond_all_bounds_is_refused() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "1.2.3", "--1", "0x10", "1_000", "NaN", "inf", " 1", "1 ",
        ] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
        for text in [
            "1e30103",
            "1e-40000",
            "1e1000000000",
            "1e-99999999999999999999",
            "1e99999999999999999999",
        ] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
        assert!(Number::parse(&"1".repeat(31_000)).is_none());
        assert!(Number::parse("1e30102").is_some());
        assert_eq!(number("0e1000000000"), Number::Int(0));
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let ascending = [
            "-1e30000",
            "-12345678901234567890124",
            "-12345678901234567890123",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-1e-30000",
            "0",
            "1e-30000",
            "0.1",
            "0.10000000000000000000001",
            "0.3",
            "1",
            "9.99999999999999999999",
            "10",
            "9007199254740992",
            "9007199254740992.5",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "1e19",
            "12345678901234567890123.5",
        ];
        for (place, text) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(
                    number(text).cmp(&number(other)),
                    place.cmp(&other_place),
                    "{text} and {other}"
                );
            }
        }
        for (a, b) in [
            ("1", "1.000"),
            ("100", "1e2"),
            ("0", "-0.0"),
            ("0", "0e5"),
            ("0.001", "1E-3"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(number(a), number(b));
        }
    }

    #[test]
    fn whole_numbers_are_found_by_their_text() {
        for (text, int) in [
            ("1.0", 1),
            ("-7.00", -7),
            ("-0", 0),
            ("+5", 5),
            ("9223372036854775807", i64::MAX),
            (".0", 0),
        ] {
            assert_eq!(number(text).as_i64(), Some(int), "{text}");
        }
        for text in ["1e0", "1.5", "9223372036854775808", "1.0000000000000000000"] {
            assert_eq!(number(text).as_i64(), None, "{text}");
        }
        for (text, integer) in [
            ("1e3", "1000"),
            ("1.50e1", "15"),
            ("-2.000", "-2"),
            ("1e25", "10000000000000000000000000"),
            ("0.0", "0"),
        ] {
            assert_eq!(
                number(text).to_integer().map(|found| found.to_string()).as_deref(),
                Some(integer)
            );
        }
        assert_eq!(number("1.25e1").to_integer(), None);
    }
}
