//! Which models may speak with which prompt: what `whynot gateway evaluate` found, as a gate before the words of an explanation.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::Target;

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
    pub thresholds: Value,
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
        Ok(Self {
            evaluated,
            digest: super::sha256(text),
        })
    }

    /// Whether a model may speak with a prompt: its name and the hash of its text, or the hash alone.
    pub fn allows(&self, target: &Target, prompt: &str) -> bool {
        let hash = prompt.rsplit(' ').next().unwrap_or_default();
        self.evaluated.pairs.iter().any(|pair| {
            pair.passed
                && (pair.provider.as_str(), pair.model.as_str()) == (target.provider.as_str(), target.model.as_str())
                && pair.prompts.iter().any(|known| known.hash == hash)
        })
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

    fn release(passed: bool) -> Release {
        let pair = json!({
            "provider": "p", "model": "m", "prompts": [{"name": "explain", "version": 1, "hash": "abc"}],
            "passed": passed, "failures": [], "figures": {"grounded": 1.0},
        });
        let text = json!({
            "apiVersion": "whynot.dev/v1", "kind": "Evaluation", "at": "2026-11-23T05:00:00Z", "cases": "x", "thresholds": [],
            "pairs": [pair],
        });
        Release::parse(&text.to_string()).unwrap()
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
