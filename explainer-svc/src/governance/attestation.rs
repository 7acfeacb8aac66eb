//! What people say about controls that software cannot evidence: who, when, and until when it counts.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::control::{Controls, parsed};

/// Days that somebody's word may count: a year, and time to say it again.
const LONGEST: i32 = 400;
/// Bytes of the file.
const LARGEST: u64 = 1 << 20;

/// What was attested, by control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attestations {
    by_control: BTreeMap<String, Attestation>,
    /// The SHA-256 of the file.
    pub digest: Option<String>,
}

/// What one person says about one control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Who.
    pub by: String,
    /// When.
    pub on: Date,
    /// The last day on which it counts.
    pub until: Date,
    /// What is behind it: a document, an address.
    pub note: String,
    /// It says that the control does not apply, and `note` why.
    pub does_not_apply: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    api_version: String,
    kind: String,
    attestations: Vec<RawAttestation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawAttestation {
    control: String,
    by: String,
    on: String,
    until: String,
    #[serde(default)]
    note: String,
    #[serde(default = "yes")]
    applies: bool,
}

const fn yes() -> bool {
    true
}

impl Attestations {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(path: &Path, controls: &Controls) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        if std::fs::metadata(path).map_err(|error| wrong(&error))?.len() > LARGEST {
            return Err(wrong(&format!("is larger than {LARGEST} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        Self::parse(&text, controls).map_err(|error| wrong(&error))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, controls: &Controls) -> Result<Self, String> {
        let raw: Raw = parsed(text)?;
        if (raw.api_version.as_str(), raw.kind.as_str()) != ("whynot.dev/v1", "Attestations") {
            return Err("expected apiVersion whynot.dev/v1 and kind Attestations".to_owned());
        }
        let mut read = BTreeMap::new();
        for (index, raw) in raw.attestations.into_iter().enumerate() {
            let wrong = |what: &str| format!("attestations[{index}]: {}: {what}", raw.control);
            let known = controls.controls.iter().find(|control| control.name() == raw.control);
            let Some(control) = known else {
                return Err(wrong("there is no such control; name it as in aiuc-1/E001"));
            };
            if raw.applies && control.attest.is_none() {
                return Err(wrong("what software evidences is not attested"));
            }
            if raw.by.trim().is_empty() || (!raw.applies && raw.note.trim().is_empty()) {
                return Err(wrong(
                    "say who says so, and for a control that does not apply why, in note",
                ));
            }
            let date = |text: &str| {
                let date = text.parse::<Date>();
                date.map_err(|_| wrong(&format!("{text:?}: expected a day, for example 2026-11-23")))
            };
            let (on, until) = (date(&raw.on)?, date(&raw.until)?);
            if until < on {
                return Err(wrong("until is before on"));
            }
            let days = on.until(until).map_or(i32::MAX, |span| span.get_days());
            if days > LONGEST {
                return Err(wrong(&format!(
                    "from {on} until {until} is {days} days, and {LONGEST} are the most: who attests looks again each year"
                )));
            }
            let attestation = Attestation {
                by: raw.by.clone(),
                on,
                until,
                note: raw.note.clone(),
                does_not_apply: !raw.applies,
            };
            if read.insert(raw.control.clone(), attestation).is_some() {
                return Err(wrong("is there twice"));
            }
        }
        Ok(Self {
            by_control: read,
            digest: Some(data_encoding::HEXLOWER.encode(&Sha256::digest(text))),
        })
    }

    /// What was said about a control, whether or not it still counts.
    pub fn of(&self, control: &str) -> Option<&Attestation> {
        self.by_control.get(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Result<Attestations, String> {
        let text = format!("apiVersion: whynot.dev/v1\nkind: Attestations\nattestations:\n  - {entry}\n");
        Attestations::parse(&text, &Controls::shipped().unwrap())
    }

    #[test]
    fn an_attestation_has_who_when_and_until() {
        let read = read("{control: aiuc-1/E001, by: Ada, on: 2026-10-01, until: 2027-10-01, note: 'plan 3'}").unwrap();
        let found = read.of("aiuc-1/E001").unwrap();
        assert_eq!(
            (found.by.as_str(), found.until.to_string().as_str()),
            ("Ada", "2027-10-01")
        );
        assert!(read.of("aiuc-1/E002").is_none());
    }

    #[test]
    fn what_counts_as_none_is_refused() {
        for (entry, expected) in [
            (
                "{control: aiuc-1/E999, by: Ada, on: 2026-10-01, until: 2027-10-01}",
                "no such control",
            ),
            (
                "{control: aiuc-1/B006, by: Ada, on: 2026-10-01, until: 2027-10-01}",
                "is not attested",
            ),
            (
                "{control: aiuc-1/E001, by: '', on: 2026-10-01, until: 2027-10-01}",
                "say who",
            ),
            (
                "{control: aiuc-1/E001, by: Ada, on: 2026-10-01, until: 2025-10-01}",
                "before on",
            ),
            (
                "{control: aiuc-1/E001, by: Ada, on: soon, until: 2025-10-01}",
                "expected a day",
            ),
            (
                "{control: aiuc-1/B006, by: Ada, on: 2026-10-01, until: 2027-10-01, applies: false}",
                "why",
            ),
            ("{control: aiuc-1/E001, by: Ada, on: 2026-10-01}", "until"),
            (
                "{control: aiuc-1/E001, by: Ada, on: 2026-10-01, until: 9999-12-31}",
                "400 are the most",
            ),
            (
                "{control: aiuc-1/E001, by: Ada, on: 2026-10-01, until: 2027-11-06}",
                "is 401 days",
            ),
            (
                "{control: aiuc-1/B006, by: Ada, on: 2026-10-01, until: 2999-12-31, applies: false, note: x}",
                "400 are the most",
            ),
        ] {
            let wrong = read(entry).unwrap_err();
            assert!(wrong.contains(expected), "{wrong}");
        }
    }
}
