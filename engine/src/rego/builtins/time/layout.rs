//! Go's layouts: a certain time, written as times are to be written.

use super::civil::Civil;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A part of a layout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    LongYear,
    Month,
    LongMonth,
    NumberMonth,
    ZeroMonth,
    WeekDay,
    LongWeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(Offset),
    /// So many digits behind the point.
    Fraction(usize),
    /// So many at most, without zeros at the end.
    ShortFraction(usize),
}

/// How an offset from UTC is written.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what is written is a choice for each part")]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub(super) z: bool,
    pub(super) colons: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// What a part is written as. Longer ones are before those that they begin with.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Monday", Part::LongWeekDay),
    ("MST", Part::ZoneName),
    ("01", Part::ZeroMonth),
    ("002", Part::ZeroYearDay),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumberMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("_2", Part::UnderDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
];

/// The text before the first part, the part, its separator or nothing, and what follows.
pub(super) fn next(layout: &str) -> (&str, Option<(Part, char)>, &str) {
    for (place, c) in layout.char_indices() {
        let (before, here) = layout.split_at(place);
        let found = match c {
            // The year keeps the line before it.
            '_' if here.starts_with("_2006") => None,
            'J' | 'M' => short_name(here).or_else(|| simple(here)),
            '-' | 'Z' => offset(here),
            '.' | ',' => fraction(here),
            _ => simple(here),
        };
        if let Some((part, length)) = found {
            return (before, Some((part, c)), here.get(length..).unwrap_or_default());
        }
    }
    (layout, None, "")
}

fn simple(text: &str) -> Option<(Part, usize)> {
    PARTS
        .iter()
        .find(|(name, _)| text.starts_with(name))
        .map(|(name, part)| (*part, name.len()))
}

/// `Jan` and `Mon`, where they are not the beginning of a word.
fn short_name(text: &str) -> Option<(Part, usize)> {
    let (name, rest) = text.split_at_checked(3)?;
    let part = match name {
        "Jan" => Part::Month,
        "Mon" => Part::WeekDay,
        _ => return None,
    };
    (!rest.starts_with(|c: char| c.is_ascii_lowercase())).then_some((part, 3))
}

fn offset(text: &str) -> Option<(Part, usize)> {
    let z = text.starts_with('Z');
    let digits = text.get(1..)?;
    let forms = [
        ("070000", false, true, true),
        ("07:00:00", true, true, true),
        ("0700", false, true, false),
        ("07:00", true, true, false),
        ("07", false, false, false),
    ];
    let (form, colons, minutes, seconds) = forms.into_iter().find(|form| digits.starts_with(form.0))?;
    Some((
        Part::Offset(Offset {
            z,
            colons,
            minutes,
            seconds,
        }),
        1 + form.len(),
    ))
}

/// `.000` and `.999`, which no other digit follows.
fn fraction(text: &str) -> Option<(Part, usize)> {
    let digits = text.get(1..)?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == digit).count();
    let ends = !digits.get(count..)?.starts_with(|c: char| c.is_ascii_digit());
    let part = if digit == '0' {
        Part::Fraction(count)
    } else {
        Part::ShortFraction(count)
    };
    ends.then_some((part, 1 + count))
}

/// Writes a time of UTC.
pub(super) fn format(time: &Civil, mut layout: &str) -> String {
    let mut out = String::new();
    loop {
        let (before, part, rest) = next(layout);
        out.push_str(before);
        let Some((part, separator)) = part else { return out };
        out.push_str(&written(time, part, separator));
        layout = rest;
    }
}

fn written(time: &Civil, part: Part, separator: char) -> String {
    let month = usize::try_from(time.month - 1)
        .ok()
        .and_then(|place| MONTHS.get(place))
        .unwrap_or(&"");
    let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
    let hour12 = (time.hour + 11) % 12 + 1;
    match part {
        Part::Year => format!("{:02}", time.year.rem_euclid(100)),
        Part::LongYear => format!("{:04}", time.year),
        Part::Month => short(month),
        Part::LongMonth => (*month).to_owned(),
        Part::NumberMonth => time.month.to_string(),
        Part::ZeroMonth => format!("{:02}", time.month),
        Part::WeekDay => short(time.weekday()),
        Part::LongWeekDay => time.weekday().to_owned(),
        Part::Day => time.day.to_string(),
        Part::UnderDay => format!("{:2}", time.day),
        Part::ZeroDay => format!("{:02}", time.day),
        Part::UnderYearDay => format!("{:3}", time.day_of_year()),
        Part::ZeroYearDay => format!("{:03}", time.day_of_year()),
        Part::Hour => format!("{:02}", time.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => time.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", time.minute),
        Part::Second => time.second.to_string(),
        Part::ZeroSecond => format!("{:02}", time.second),
        Part::UpperPm => if time.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerPm => if time.hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::ZoneName => "UTC".to_owned(),
        Part::Offset(Offset { z: true, .. }) => "Z".to_owned(),
        Part::Offset(Offset {
            colons,
            minutes,
            seconds,
            ..
        }) => {
            let zeros = if colons { ":00" } else { "00" };
            format!("+00{}", zeros.repeat(usize::from(minutes) + usize::from(seconds)))
        }
        Part::Fraction(digits) | Part::ShortFraction(digits) => {
            let all = format!("{:09}", time.nanosecond);
            let kept = all.get(..digits).unwrap_or(&all);
            let shortened = matches!(part, Part::ShortFraction(_));
            let kept = if shortened { kept.trim_end_matches('0') } else { kept };
            if kept.is_empty() {
                String::new()
            } else {
                format!("{separator}{kept}")
            }
        }
    }
}
