//! Reading times by Go's layouts, with all that Go lets pass.

use super::civil::{self, DAY, SECOND};
use super::layout::{MONTHS, Offset, Part, next};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    afternoon: Option<bool>,
    /// In seconds. UTC when it was named so, whatever else is there.
    offset: Option<i64>,
    is_utc: bool,
}

/// Nanoseconds since 1970.
pub(super) fn parse(mut layout: &str, mut value: &str) -> Option<i128> {
    let mut fields = Fields::default();
    loop {
        let (before, part, rest) = next(layout);
        value = skip(value, before)?;
        let Some((part, _)) = part else {
            return if value.is_empty() { fields.time() } else { None };
        };
        layout = rest;
        value = fields.read(part, value, layout)?;
    }
}

/// What follows a text; any number of spaces is as good as another.
fn skip<'a>(mut value: &'a str, mut text: &str) -> Option<&'a str> {
    while let Some(c) = text.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            text = text.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
        } else {
            value = value.strip_prefix(c)?;
            text = text.get(c.len_utf8()..)?;
        }
    }
    Some(value)
}

fn is_digit(value: &str, place: usize) -> bool {
    value.as_bytes().get(place).is_some_and(u8::is_ascii_digit)
}

/// So many digits, and what follows.
fn take(value: &str, count: usize) -> Option<(i64, &str)> {
    let (digits, rest) = value.split_at_checked(count)?;
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| all)?, rest))
}

/// Two digits, or one.
fn number(value: &str, fixed: bool) -> Option<(i64, &str)> {
    if fixed || is_digit(value, 1) {
        take(value, 2)
    } else {
        take(value, 1)
    }
}

fn within(number: Option<(i64, &str)>, least: i64, most: i64) -> Option<(i64, &str)> {
    number.filter(|(number, _)| (least..=most).contains(number))
}

/// The place of a name, whatever its case, and what follows.
fn name<'a>(value: &'a str, names: &[&str], length: usize) -> Option<(i64, &'a str)> {
    let place = names.iter().position(|name| {
        let name = name.get(..length.min(name.len())).unwrap_or_default();
        value
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    let name = names.get(place)?;
    Some((i64::try_from(place).ok()?, value.get(length.min(name.len())..)?))
}

/// A point or a comma, and so many bytes with it.
fn fraction(value: &str, length: usize) -> Option<(i64, &str)> {
    let (text, rest) = value.split_at_checked(length)?;
    let digits = text.strip_prefix(['.', ','])?;
    let kept = digits.get(..9).unwrap_or(digits);
    let all = !kept.is_empty() && kept.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = format!("{kept:0<9}").parse().ok().filter(|_| all)?;
    Some((number, rest))
}

/// The length of the point and the digits behind it, when there are any.
fn fraction_length(value: &str) -> Option<usize> {
    let digits = value
        .strip_prefix(['.', ','])?
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    (digits > 0).then_some(digits + 1)
}

impl Fields {
    /// Reads one part; gives what follows it.
    fn read<'a>(&mut self, part: Part, value: &'a str, layout: &str) -> Option<&'a str> {
        let (field, (number, rest)) = match part {
            Part::Year => {
                // With a sign as well.
                let (year, rest) = value.split_at_checked(2)?;
                let year: i64 = year.parse().ok()?;
                (
                    &mut self.year,
                    (if year >= 69 { 1900 + year } else { 2000 + year }, rest),
                )
            }
            Part::LongYear => (&mut self.year, take(value, 4)?),
            Part::Month | Part::LongMonth => {
                let (month, rest) = name(value, &MONTHS, if part == Part::Month { 3 } else { 9 })?;
                (self.month.insert(0), (month + 1, rest))
            }
            Part::NumberMonth | Part::ZeroMonth => (
                self.month.insert(0),
                within(number(value, part == Part::ZeroMonth), 1, 12)?,
            ),
            // It is not compared with the date.
            Part::WeekDay | Part::LongWeekDay => {
                return name(value, &WEEKDAYS, if part == Part::WeekDay { 3 } else { 9 }).map(|(_, rest)| rest);
            }
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                let value = if part == Part::UnderDay {
                    value.strip_prefix(' ').unwrap_or(value)
                } else {
                    value
                };
                (self.day.insert(0), number(value, part == Part::ZeroDay)?)
            }
            Part::UnderYearDay | Part::ZeroYearDay => {
                let zeros = part == Part::ZeroYearDay;
                let spaces = value.bytes().take(2).take_while(|byte| !zeros && *byte == b' ').count();
                let value = value.get(spaces..)?;
                let count = (0..3).take_while(|place| is_digit(value, *place)).count();
                (self.day_of_year.insert(0), take(value, if zeros { 3 } else { count })?)
            }
            Part::Hour => (&mut self.hour, within(number(value, false), 0, 23)?),
            Part::Hour12 | Part::ZeroHour12 => {
                (&mut self.hour, within(number(value, part == Part::ZeroHour12), 0, 12)?)
            }
            Part::Minute | Part::ZeroMinute => (
                &mut self.minute,
                within(number(value, part == Part::ZeroMinute), 0, 59)?,
            ),
            Part::Second | Part::ZeroSecond => {
                let (second, rest) = within(number(value, part == Part::ZeroSecond), 0, 59)?;
                self.second = second;
                // A fraction may follow that the layout does not have.
                let expected = matches!(next(layout).1, Some((Part::Fraction(_) | Part::ShortFraction(_), _)));
                match fraction_length(rest).filter(|_| !expected) {
                    Some(length) => (&mut self.nanosecond, fraction(rest, length)?),
                    None => return Some(rest),
                }
            }
            Part::UpperPm | Part::LowerPm => {
                let names = if part == Part::UpperPm {
                    ["AM", "PM"]
                } else {
                    ["am", "pm"]
                };
                let place = names.iter().position(|name| value.starts_with(name))?;
                self.afternoon = Some(place == 1);
                return value.get(2..);
            }
            Part::ZoneName => return self.zone_name(value),
            Part::Offset(offset) => return self.offset(offset, value),
            Part::Fraction(digits) => (&mut self.nanosecond, fraction(value, digits + 1)?),
            Part::ShortFraction(_) => match fraction_length(value) {
                Some(length) => (&mut self.nanosecond, fraction(value, length)?),
                None => return Some(value),
            },
        };
        *field = number;
        Some(rest)
    }

    /// Offsets of 24 hours and 60 minutes are written by some.
    fn offset<'a>(&mut self, offset: Offset, value: &'a str) -> Option<&'a str> {
        if offset.z
            && let Some(rest) = value.strip_prefix('Z')
        {
            self.is_utc = true;
            return Some(rest);
        }
        let sign = match value.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, mut rest) = within(take(value.get(1..)?, 2), 0, 24)?;
        let mut seconds = hours * 3_600;
        for (wanted, size) in [(offset.minutes, 60), (offset.seconds, 1)] {
            if wanted {
                rest = if offset.colons { rest.strip_prefix(':')? } else { rest };
                let (count, after) = within(take(rest, 2), 0, 60)?;
                seconds += count * size;
                rest = after;
            }
        }
        self.offset = Some(sign * seconds);
        Some(rest)
    }

    /// Zones are not known by their names: the time is taken for that of UTC, as Go does, even with `GMT+3`.
    fn zone_name<'a>(&mut self, value: &'a str) -> Option<&'a str> {
        if let Some(rest) = value.strip_prefix("UTC") {
            self.is_utc = true;
            return Some(rest);
        }
        let signed_hours = |text: &str| {
            let digits = text.strip_prefix(['+', '-'])?;
            let count = digits.bytes().take_while(u8::is_ascii_digit).count();
            let hours: u8 = digits.get(..count)?.parse().ok()?;
            (hours <= 23).then_some(count + 1)
        };
        if value.len() < 3 {
            return None;
        }
        let length = if value.starts_with("ChST") || value.starts_with("MeST") {
            4
        } else if let Some(rest) = value.strip_prefix("GMT") {
            3 + signed_hours(rest).unwrap_or(0)
        } else if value.starts_with(['+', '-']) {
            signed_hours(value)?
        } else {
            match value.bytes().take(6).take_while(u8::is_ascii_uppercase).count() {
                3 => 3,
                4 if value.as_bytes().get(3) == Some(&b'T') || value.starts_with("WITA") => 4,
                5 if value.as_bytes().get(4) == Some(&b'T') => 5,
                _ => return None,
            }
        };
        value.get(length..)
    }

    fn time(mut self) -> Option<i128> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        if let Some(day_of_year) = self.day_of_year {
            let (mut month, mut day) = (1, day_of_year);
            while month < 12 && day > civil::days_in(self.year, month) {
                day -= civil::days_in(self.year, month);
                month += 1;
            }
            if self.month.is_some_and(|own| own != month) || self.day.is_some_and(|own| own != day) {
                return None;
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if !(1..=civil::days_in(self.year, month)).contains(&day) {
            return None;
        }
        let days = civil::days(self.year.into(), month.into(), day.into());
        let offset = if self.is_utc { 0 } else { self.offset.unwrap_or(0) };
        let seconds = i128::from(self.hour * 3_600 + self.minute * 60 + self.second - offset);
        Some(days * DAY + seconds * SECOND + i128::from(self.nanosecond))
    }
}
