//! `time.*`, in UTC and with offsets. There are no rules of time zones: half a megabyte for what admission hardly needs.

use super::operands::{any, int, text, units, wrong};
use super::{Builtin, Fault, Halt, Host};
use crate::rego::number::Number;
use crate::rego::value::Value;

mod civil;
mod duration;
mod layout;
mod parse;

use civil::{Civil, DAY};

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("time.now_ns", 0, now_ns),
    Builtin::new("time.parse_rfc3339_ns", 1, parse_rfc3339_ns),
    Builtin::new("time.parse_ns", 2, parse_ns),
    Builtin::new("time.parse_duration_ns", 1, parse_duration_ns),
    Builtin::new("time.format", 1, format),
    Builtin::new("time.date", 1, date),
    Builtin::new("time.clock", 1, clock),
    Builtin::new("time.weekday", 1, weekday),
    Builtin::new("time.add_date", 4, add_date),
    Builtin::new("time.diff", 2, diff),
];

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// Layouts by their names; others stand for themselves.
fn named(layout: &str) -> &str {
    match layout {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => RFC3339,
        "RFC3339Nano" => RFC3339_NANO,
        other => other,
    }
}

/// Whether go-yaml takes a scalar for a time.
pub(super) fn is_timestamp(text: &str) -> bool {
    let year = text.bytes().take_while(u8::is_ascii_digit).count();
    let layouts = [
        "2006-1-2T15:4:5.999999999Z07:00",
        "2006-1-2t15:4:5.999999999Z07:00",
        "2006-1-2 15:4:5.999999999",
        "2006-1-2",
    ];
    year == 4
        && text.as_bytes().get(4) == Some(&b'-')
        && layouts.iter().any(|layout| parse::parse(layout, text).is_some())
}

fn now_ns(host: &mut Host, _: &[Value]) -> Result<Value, Fault> {
    // Undefined would pass over a rule for want of a clock.
    host.now
        .map(Value::from)
        .ok_or_else(|| Fault::Halt(Halt::Error("time.now_ns: the time is not known here".to_owned())))
}

/// Nanoseconds since 1970, when 64 bits hold them.
fn nanoseconds(time: i128) -> Result<Value, Fault> {
    i64::try_from(time)
        .map(Value::from)
        .map_err(|_| Fault::new("time outside of valid range"))
}

fn parsed(host: &mut Host, layout: &str, value: &str) -> Result<Value, Fault> {
    host.spend(units(layout.len() + value.len()))?;
    let time = parse::parse(layout, value).ok_or_else(|| Fault::new(format!("cannot parse {value} as {layout}")))?;
    nanoseconds(time)
}

fn parse_rfc3339_ns(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    parsed(host, RFC3339, text(args, 0)?)
}

fn parse_ns(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    parsed(host, named(text(args, 0)?), text(args, 1)?)
}

fn parse_duration_ns(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let value = text(args, 0)?;
    host.spend(units(value.len()))?;
    let duration = duration::parse(value);
    duration
        .map(Value::from)
        .ok_or_else(|| Fault::new(format!("time: invalid duration {value}")))
}

/// A time, and the layout that may follow it: a number, or a list of a number, a zone and a layout.
fn operand(args: &[Value], place: usize) -> Result<(i64, &str), Fault> {
    let value = any(args, place)?;
    let mismatch = || wrong(place, value, "either number (ns) or [number (ns), string (tz)]");
    let (number, zone, layout) = match value {
        Value::Number(number) => (number, None, None),
        Value::Array(items) => match &**items {
            [Value::Number(number), rest @ ..] => (number, rest.first(), rest.get(1)),
            _ => return Err(mismatch()),
        },
        _ => return Err(mismatch()),
    };
    match zone.map_or(Some(""), Value::as_str).ok_or_else(mismatch)? {
        "" | "UTC" => {}
        // OPA may know it, and a rule may not be passed over because we do not.
        zone => {
            return Err(Fault::Halt(Halt::Error(format!(
                "time zones other than UTC are not supported: {zone}"
            ))));
        }
    }
    let layout = layout.map_or(Some(""), Value::as_str).ok_or_else(mismatch)?;
    // However it is written.
    let time = number.to_integer().and_then(|time| i64::try_from(&time).ok());
    Ok((time.ok_or_else(|| Fault::new("timestamp too big"))?, layout))
}

fn civil(args: &[Value], place: usize) -> Result<Civil, Fault> {
    Ok(Civil::new(operand(args, place)?.0))
}

fn numbers(numbers: &[i64]) -> Value {
    Value::array(
        numbers
            .iter()
            .map(|number| Value::Number(Number::from(*number)))
            .collect(),
    )
}

fn format(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (time, layout) = operand(args, 0)?;
    host.spend(units(layout.len() * 4))?;
    let layout = if layout.is_empty() { RFC3339_NANO } else { named(layout) };
    Ok(Value::string(layout::format(&Civil::new(time), layout)))
}

fn date(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let time = civil(args, 0)?;
    Ok(numbers(&[time.year, time.month, time.day]))
}

fn clock(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let time = civil(args, 0)?;
    Ok(numbers(&[time.hour, time.minute, time.second]))
}

fn weekday(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    Ok(Value::string(civil(args, 0)?.weekday()))
}

fn add_date(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (time, _) = operand(args, 0)?;
    let (years, months, days) = (int(args, 1)?, int(args, 2)?, int(args, 3)?);
    let civil = Civil::new(time);
    let wide = i128::from;
    // A day that its month does not have is one of the next month.
    let day = civil::days(
        wide(civil.year) + wide(years),
        wide(civil.month) + wide(months),
        wide(civil.day) + wide(days),
    );
    nanoseconds(day * DAY + wide(time).rem_euclid(DAY))
}

fn diff(_: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (operand(args, 0)?.0, operand(args, 1)?.0);
    let (from, to) = (Civil::new(a.min(b)), Civil::new(a.max(b)));
    let mut parts = [
        to.year - from.year,
        to.month - from.month,
        to.day - from.day,
        to.hour - from.hour,
        to.minute - from.minute,
        to.second - from.second,
    ];
    let sizes = [0, 12, civil::days_in(from.year, from.month), 24, 60, 60];
    let mut borrowed = 0;
    for (part, size) in parts.iter_mut().zip(sizes).rev() {
        *part -= borrowed;
        borrowed = i64::from(*part < 0 && size > 0);
        *part += borrowed * size;
    }
    Ok(numbers(&parts))
}

#[cfg(test)]
mod tests;
