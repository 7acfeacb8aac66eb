//! Which models may speak with which prompt: what `whynot gateway evaluate` found, as a gate before the words of an explanation.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::Target;
use crate::evaluation::gate::{self, Threshold};

/// What the evaluation of models came to: the file that it writes and that `releaseGate` names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluated {
    /// `whynot.dev/v1`
    pub api_version: String,
    /// `Evaluation`
    pub kind: String,
    /// When, in RFC 3339.
    pub at: String,
    /// The SHA-256 of the cases' names, and so of which there were.
    pub cases: String,
    /// What the figures were compared with.
    pub thresholds: Vec<Threshold>,
    /// Each model with its prompt.
    pub pairs: Vec<Pair>,
}

/// A model with its prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// Who has the model.
    pub provider: String,
    /// As the provider calls it.
    pub model: String,
    /// Its prompts: for words, and for a change.
    pub prompts: Vec<Prompt>,
    /// Every threshold holds.
    pub passed: bool,
    /// What does not hold, in words.
    pub failures: Vec<String>,
    /// What was measured.
    pub figures: Value,
}

/// Which prompt it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The SHA-256 of its text: another text is another prompt, whatever it is called.
    pub hash: String,
}

/// The pairs that may speak.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    evaluated: Evaluated,
    /// The SHA-256 of the file.
    pub digest: String,
}

impl Evaluated {
    /// As they begin.
    pub const API_VERSION: &str = "whynot.dev/v1";
    /// What they are.
    pub const KIND: &str = "Evaluation";
}

impl Pair {
    /// That it passed follows from its figures, whatever the file says.
    fn checked(&self, thresholds: &[Threshold]) -> Result<(), String> {
        if self.prompts.is_empty() {
            return Err("prompts: expected one or more".to_owned());
        }
        let failures = gate::failures(thresholds, |name| self.figures.get(name).and_then(Value::as_f64));
        match failures.first() {
            Some(failure) if self.passed => Err(format!("says that it passed, and {failure}")),
            _ => Ok(()),
        }
    }

    fn is_of(&self, target: &Target) -> bool {
        (self.provider.as_str(), self.model.as_str()) == (target.provider.as_str(), target.model.as_str())
    }

    /// What the audit log has of it.
    pub fn described(&self, evaluated: &Evaluated, digest: Option<&str>) -> Value {
        serde_json::json!({
            "provider": self.provider, "model": self.model, "prompts": self.prompts, "passed": self.passed,
            "failures": self.failures, "figures": self.figures, "thresholds": evaluated.thresholds,
            "evaluatedAt": evaluated.at, "cases": evaluated.cases, "resultDigest": digest,
        })
    }

    /// What the audit log calls it.
    pub fn subject(&self) -> String {
        let prompts: Vec<String> = self
            .prompts
            .iter()
            .map(|prompt| format!("{}@{}", prompt.name, prompt.version))
            .collect();
        format!("{}/{} {}", self.provider, self.model, prompts.join("+"))
    }
}

impl Release {
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        Self::parse(&super::config::read(path)?).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let evaluated: Evaluated = super::config::parsed(text)?;
        if (evaluated.api_version.as_str(), evaluated.kind.as_str()) != (Evaluated::API_VERSION, Evaluated::KIND) {
            return Err("expected what whynot gateway evaluate writes".to_owned());
        }
        if evaluated.at.parse::<jiff::Timestamp>().is_err() {
            return Err(format!(
                "at: {:?}: expected a time, for example 2026-11-23T05:00:00Z",
                evaluated.at
            ));
        }
        gate::checked(&evaluated.thresholds)?;
        for (index, pair) in evaluated.pairs.iter().enumerate() {
            pair.checked(&evaluated.thresholds)
                .map_err(|problem| format!("pairs[{index}]: {problem}"))?;
        }
        Ok(Self {
            evaluated,
            digest: super::sha256(text),
        })
    }

    /// Whether a model may speak with a prompt: its name and the hash of its text, or the hash alone.
    pub fn allows(&self, target: &Target, prompt: &str) -> bool {
        let hash = prompt.rsplit(' ').next().unwrap_or_default();
        self.evaluated
            .pairs
            .iter()
            .any(|pair| pair.passed && pair.is_of(target) && pair.prompts.iter().any(|known| known.hash == hash))
    }

    /// Whether a place passed with some prompt. Which, is looked at with each call.
    pub(super) fn has(&self, target: &Target) -> bool {
        self.evaluated
            .pairs
            .iter()
            .any(|pair| pair.passed && pair.is_of(target))
    }

    /// All pairs, for the audit log: what each is called there, and what of it.
    pub fn described(&self) -> impl Iterator<Item = (String, Value)> {
        let described = |pair: &Pair| (pair.subject(), pair.described(&self.evaluated, Some(&self.digest)));
        self.evaluated.pairs.iter().map(described)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(at: &str, thresholds: &Value, passed: bool, figures: &Value) -> String {
        let pair = json!({
            "provider": "p", "model": "m", "prompts": [{"name": "explain", "version": 1, "hash": "abc"}],
            "passed": passed, "failures": [], "figures": figures,
        });
        let file = json!({
            "apiVersion": "whynot.dev/v1", "kind": "Evaluation", "at": at, "cases": "x", "thresholds": thresholds, "pairs": [pair],
        });
        file.to_string()
    }

    const AT: &str = "2026-11-23T05:00:00Z";

    fn release(passed: bool) -> Release {
        let thresholds = json!([{"figure": "grounded", "min": 0.95}]);
        Release::parse(&file(AT, &thresholds, passed, &json!({"grounded": 1.0}))).unwrap()
    }

    #[test]
    fn that_a_pair_passed_is_not_believed_as_it_is_written() {
        let grounded = json!([{"figure": "grounded", "min": 0.95}]);
        let unverified = json!([{"figure": "fixesUnverified", "max": 0}]);
        for (at, thresholds, figures, expected) in [
            (
                AT,
                &json!([]),
                json!({"grounded": 1.0}),
                "thresholds: expected one or more",
            ),
            (
                AT,
                &json!([{"figure": "grounded"}]),
                json!({"grounded": 1.0}),
                "min or max",
            ),
            (
                AT,
                &json!([{"figure": "good", "min": 0}]),
                json!({"good": 1.0}),
                "no figure",
            ),
            (
                AT,
                &grounded,
                json!({"grounded": 0.94}),
                "pairs[0]: says that it passed, and grounded is 0.94",
            ),
            (AT, &grounded, json!({}), "could not be measured"),
            (AT, &unverified, json!({"grounded": 1.0}), "could not be measured"),
            (
                "lately",
                &grounded,
                json!({"grounded": 1.0}),
                "at: \"lately\": expected a time",
            ),
        ] {
            let wrong = Release::parse(&file(at, thresholds, true, &figures)).unwrap_err();
            assert!(wrong.contains(expected), "{wrong}");
        }
        // What is said not to have passed does not speak.
        let not = Release::parse(&file(AT, &grounded, false, &json!({"grounded": 0.94}))).unwrap();
        assert!(!not.has(&target("p", "m")));
    }

    fn target(provider: &str, model: &str) -> Target {
        Target {
            provider: provider.to_owned(),
            model: model.to_owned(),
        }
    }

    #[test]
    fn only_the_very_pair_that_passed_may_speak() {
        let passed = release(true);
        assert!(passed.allows(&target("p", "m"), "abc"));
        assert!(passed.allows(&target("p", "m"), "explain@1 abc"));
        assert!(!passed.allows(&target("p", "m"), "abd"), "the prompt is another one");
        assert!(!passed.allows(&target("p", "n"), "abc"));
        assert!(
            !passed.allows(&target("q", "m"), "abc"),
            "the same model somewhere else"
        );
        assert!(!release(false).allows(&target("p", "m"), "abc"));
        assert!(passed.has(&target("p", "m")) && !passed.has(&target("q", "m")));
        let (subject, payload) = passed.described().next().unwrap();
        assert_eq!(subject, "p/m explain@1");
        assert_eq!(payload["resultDigest"], passed.digest);
    }

    #[test]
    fn another_file_is_refused() {
        assert!(Release::parse("{}").is_err());
        let other = r#"{"apiVersion": "whynot.dev/v1", "kind": "Gateway", "at": "", "cases": "", "thresholds": [], "pairs": []}"#;
        assert!(Release::parse(other).unwrap_err().contains("gateway evaluate"));
    }
}
