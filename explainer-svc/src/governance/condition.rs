//! Conditions on what an event says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// A time may be so much later than now: clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// Conditions on members of a payload, by JSON pointer. All have to hold.
pub type Conditions = BTreeMap<String, Test>;

/// A condition on one member.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Test {
    /// It is this.
    pub is: Option<Value>,
    /// It is there, and not this.
    pub is_not: Option<Value>,
    /// It is a number, and not less.
    pub at_least: Option<f64>,
    /// It is a number, and not more.
    pub at_most: Option<f64>,
    /// It is not null.
    pub exists: bool,
    /// It is not null, and not empty.
    pub present: bool,
    /// It is a time, not longer ago than so many days, and not to come.
    pub within_days: Option<u32>,
}

impl Test {
    /// Whether it holds. What is not there fulfils nothing.
    pub fn holds(&self, value: Option<&Value>, now: Timestamp) -> bool {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return false;
        };
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        let number = value.as_f64();
        let is_recent = |days: u32| {
            let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            at.is_some_and(|at| is_recent(at, now, i64::from(days) * 24))
        };
        self.is.as_ref().is_none_or(|expected| expected == value)
            && self.is_not.as_ref().is_none_or(|other| other != value)
            && self
                .at_least
                .is_none_or(|least| number.is_some_and(|number| number >= least))
            && self
                .at_most
                .is_none_or(|most| number.is_some_and(|number| number <= most))
            && !(self.present && is_empty)
            && self.within_days.is_none_or(is_recent)
    }

    pub(super) fn asks_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The first condition that does not hold.
pub(super) fn unfulfilled<'c>(conditions: &'c Conditions, payload: &Value, now: Timestamp) -> Option<&'c str> {
    let failing = conditions
        .iter()
        .find(|(member, test)| !test.holds(payload.pointer(member), now));
    failing.map(|(member, _)| member.as_str())
}

/// Whether a time is not longer ago than so many hours, and not to come: what says that it is would count for ever.
pub(super) fn is_recent(at: Timestamp, now: Timestamp, hours: i64) -> bool {
    let age = now.duration_since(at);
    -AHEAD <= age && age <= SignedDuration::from_hours(hours)
}
