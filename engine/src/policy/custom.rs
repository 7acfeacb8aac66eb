//! `custom` in METADATA: what whynot reads of it. Other keys are the author's own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::matching::MatchCriteria;
use super::proposal::Proposals;
use crate::verdict::{Action, Severity};

/// What a policy says about itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    /// How bad a violation is.
    #[serde(default)]
    pub severity: Severity,
    /// What a violation leads to.
    #[serde(default)]
    pub action: Action,
    /// How to fix it, in a sentence or two.
    #[serde(default)]
    pub remediation: String,
    /// A piece of YAML that shows it right, for what no mechanical fix can know.
    #[serde(default)]
    pub example: String,
    /// What the author says about the fix.
    #[serde(default)]
    pub fix: Proposals,
    /// The controls of standards that the policy serves.
    #[serde(default)]
    pub controls: Vec<String>,
    /// What `input.parameters` holds unless the policy set overrides it.
    #[serde(default)]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// What the policy concerns.
    #[serde(default, rename = "match")]
    pub criteria: MatchCriteria,
}

/// The keys of `custom` that are read here.
const KEYS: [&str; 8] = [
    "severity",
    "action",
    "remediation",
    "example",
    "fix",
    "controls",
    "parameters",
    "match",
];

/// A key that is so near to one of ours that it is a typing error: other keys are the author's own.
pub fn misspelt<'a>(keys: impl Iterator<Item = &'a String>) -> Option<(&'a str, &'static str)> {
    let mut pairs = keys.flat_map(|key| KEYS.iter().map(move |ours| (key.as_str(), *ours)));
    pairs.find(|(key, ours)| {
        // Short names are near to everything: `id` is no `fix`.
        let far = 2.min(ours.len() / 3);
        key != ours && !KEYS.contains(key) && strsim::damerau_levenshtein(&key.to_lowercase(), ours) <= far
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn typing_errors_are_told_from_own_keys() {
        let found = |key: &str| misspelt([key.to_owned()].iter()).map(|(_, ours)| ours);
        assert_eq!(found("macth"), Some("match"));
        assert_eq!(found("Severity"), Some("severity"));
        assert_eq!(found("paramters"), Some("parameters"));
        assert_eq!(found("match"), None);
        assert_eq!(found("owner"), None);
        assert_eq!(found("id"), None);
        assert_eq!(found("fx"), Some("fix"));
        assert_eq!(found("runbook"), None);
    }
}
