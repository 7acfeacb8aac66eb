//! What is recorded, and the bytes that are hashed.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;

/// Bytes of a subject: names and ids. With the rest a leaf stays below the 64 KiB that an entry in a tile can have.
const MAX_SUBJECT: usize = 1024;
/// Bytes of a payload.
const MAX_PAYLOAD: usize = 256 << 10;
/// Bytes of a salt: nobody tries all payloads that somebody may have had in mind.
pub(super) const SALT: usize = 32;

/// What happened. Names are stable: they are in leaves for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody was told why something was denied or warned about.
    VerdictExplained,
    /// A model was asked.
    ModelCalled,
    /// A model was not asked, or its answer was not used.
    ModelRefused,
    /// A guard stopped or changed something.
    GuardFired,
    /// A proposed change was tried, and holds.
    FixVerified,
    /// A proposed change was tried, and does not.
    FixRejected,
    /// A team was reminded.
    NudgeSent,
    /// Policies were taken up.
    PolicyRolledOut,
    /// Policies were not.
    PolicyRefused,
    /// A key was made, added or taken away.
    KeyChanged,
    /// A budget has another limit.
    BudgetChanged,
    /// A budget is spent.
    BudgetExhausted,
    /// Models were turned off or on.
    KillSwitch,
    /// The service was started, or configured anew.
    ConfigurationLoaded,
    /// The guards were tried.
    Canary,
    /// Payloads were deleted: the subject is the range of leaves, `FIRST-LAST`.
    PayloadErased,
    /// What is kept for a time was looked through, and what was older deleted.
    RetentionRun,
    /// A model and prompt were measured.
    EvaluationRun,
    /// The controls were evaluated.
    GovernanceEvaluated,
    /// Events that could not be written while the log failed: the subject is how many.
    EventsLost,
}

impl Kind {
    /// The name in leaves.
    pub fn name(self) -> &'static str {
        match self {
            Self::VerdictExplained => "verdict-explained",
            Self::ModelCalled => "model-called",
            Self::ModelRefused => "model-refused",
            Self::GuardFired => "guard-fired",
            Self::FixVerified => "fix-verified",
            Self::FixRejected => "fix-rejected",
            Self::NudgeSent => "nudge-sent",
            Self::PolicyRolledOut => "policy-rolled-out",
            Self::PolicyRefused => "policy-refused",
            Self::KeyChanged => "key-changed",
            Self::BudgetChanged => "budget-changed",
            Self::BudgetExhausted => "budget-exhausted",
            Self::KillSwitch => "kill-switch",
            Self::ConfigurationLoaded => "configuration-loaded",
            Self::Canary => "canary",
            Self::PayloadErased => "payload-erased",
            Self::RetentionRun => "retention-run",
            Self::EvaluationRun => "evaluation-run",
            Self::GovernanceEvaluated => "governance-evaluated",
            Self::EventsLost => "events-lost",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// To what: an id, a revision, a range. In the leaf, so it stays for ever: never a person's name, never a value.
    pub subject: String,
    /// The details. Only their commitment is in the leaf; they are deleted by retention.
    pub payload: serde_json::Value,
}

impl Event {
    /// An event.
    pub fn new(kind: Kind, subject: impl Into<String>, payload: serde_json::Value) -> Self {
        Self {
            kind,
            subject: subject.into(),
            payload,
        }
    }

    /// Whether it can be a leaf; the payload's bytes.
    pub(super) fn encoded(&self) -> Result<String, Error> {
        let too_large = |what, limit| Err(Error::TooLarge { what, limit });
        if self.subject.len() > MAX_SUBJECT {
            return too_large("subject", MAX_SUBJECT);
        }
        let payload = serde_json::to_string(&self.payload)?;
        if payload.len() > MAX_PAYLOAD {
            return too_large("payload", MAX_PAYLOAD);
        }
        Ok(payload)
    }
}

/// Where an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The leaf's number.
    pub index: u64,
    /// When it was written, in RFC 3339.
    pub at: String,
}

/// A leaf as it is hashed: the order of these members is that of the bytes.
#[derive(Debug, Clone, Serialize)]
struct Sealed<'a> {
    v: u8,
    at: &'a str,
    kind: Kind,
    subject: &'a str,
    commitment: &'a str,
}

/// A leaf as it is read: by a program that may be older than what wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaf {
    pub(super) v: u8,
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) commitment: String,
}

/// The bytes of a leaf. They are stored, and never made again.
pub(super) fn leaf(event: &Event, at: &str, salt: &[u8], payload: &str) -> Result<String, Error> {
    Ok(serde_json::to_string(&Sealed {
        v: 1,
        at,
        kind: event.kind,
        subject: &event.subject,
        commitment: &commitment(salt, payload.as_bytes()),
    })?)
}

/// Binds a leaf to its payload, and says nothing of it.
pub(super) fn commitment(salt: &[u8], payload: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(salt);
    digest.update(payload);
    HEXLOWER.encode(&digest.finalize())
}

/// RFC 3339 in UTC, with milliseconds.
pub(super) fn time(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// The first and the last leaf that a `payload-erased` leaf speaks of.
pub(super) fn erased(subject: &str) -> Option<(u64, u64)> {
    let (first, last) = subject.split_once('-')?;
    let range = (first.parse().ok()?, last.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn the_bytes_of_a_leaf_are_fixed() {
        let event = Event::new(Kind::VerdictExplained, "a\"b", serde_json::json!({"x": 1}));
        let payload = event.encoded().unwrap();
        assert_eq!(payload, r#"{"x":1}"#);
        assert_eq!(
            leaf(&event, &time(1_795_000_000_120), &[7; SALT], &payload).unwrap(),
            r#"{"v":1,"at":"2026-11-18T11:06:40.120Z","kind":"verdict-explained","subject":"a\"b","commitment":"3f41bfea59b49050309e6528b30e276f5b5edc27f108907909ec399f053e9337"}"#
        );
    }

    #[test]
    fn names_are_those_that_serde_and_the_command_line_use() {
        for kind in Kind::value_variants() {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let long = "x".repeat(MAX_PAYLOAD);
        assert!(
            Event::new(Kind::Canary, &long, serde_json::Value::Null)
                .encoded()
                .is_err()
        );
        assert!(Event::new(Kind::Canary, "", long.into()).encoded().is_err());
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(erased("0-9"), Some((0, 9)));
        for wrong in ["", "9", "9-0", "-9", "a-b"] {
            assert_eq!(erased(wrong), None, "{wrong}");
        }
    }
}
