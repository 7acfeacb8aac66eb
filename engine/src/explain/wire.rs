//! What the filter asks the explainer, and what it gets back: the body of `POST /v1/explain`, both ways.
//!
//! The request is a projection: names, labels, the violated fields and their values. The object itself is not in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fix::{Class, Placeholder, Source};
use crate::upstream::Item;
use crate::verdict::{Action, Failure, Violation};

/// The version of this contract, in every request.
pub const API_VERSION: &str = "whynot.dev/v1";

/// What was decided about one admission review, without the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainRequest {
    /// [`API_VERSION`].
    pub api_version: String,
    /// The revision of the policy set that decided.
    pub revision: String,
    /// The verdict, which the explainer records and cannot change.
    pub decision: Decision,
    /// How long the caller waits, in milliseconds from when it sent this.
    pub deadline_ms: u64,
    /// Who wanted to do what.
    pub review: ReviewSummary,
    /// What the policies found, of every action.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// Policies that could not be evaluated.
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// A change after which the policies pass, tried by the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixSummary>,
    /// Policies that no change of the object satisfies: why, and what helps, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unfixable: BTreeMap<String, String>,
    /// Where the object comes from, when it is made by something else than a person's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Those of the found places that the API server filled in: JSON pointers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defaulted: Vec<String>,
    /// Another webhook denied, and not the policies; the violations are what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// What another webhook said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Its name: that under `/wrap/`, or what whoever asks calls it.
    pub webhook: String,
    /// Its own words, without control characters.
    pub message: String,
    /// The same, taken apart.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The API server was told "allowed"; violations, if any, warn or are recorded.
    Allow,
    /// The API server was told "denied".
    Deny,
}

/// Who wanted to do what to which object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewSummary {
    /// The review's uid. It names a round trip, not an attempt of a user.
    pub uid: String,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: String,
    /// The object's kind.
    pub kind: GroupVersionKind,
    /// The subresource, or empty.
    #[serde(default)]
    pub sub_resource: String,
    /// The namespace, or empty for what has none.
    #[serde(default)]
    pub namespace: String,
    /// The name; empty when the API server makes it (`generateName`).
    #[serde(default)]
    pub name: String,
    /// The prefix of a name that the API server makes, or empty.
    #[serde(default)]
    pub generate_name: String,
    /// Nothing would have been stored.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asked.
    #[serde(default)]
    pub username: String,
    /// The tool, as it named itself (`kubectl-client-side-apply`, `argocd-controller`, …), or empty.
    #[serde(default)]
    pub field_manager: String,
    /// The object's labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The labels of its namespace, as far as the context knows them.
    #[serde(default)]
    pub namespace_labels: BTreeMap<String, String>,
    /// The controller that made the object, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// SHA-256, in hex, of the object's spec without what differs from one retry to the next. Equal digests of one owner are
    /// retries of one attempt.
    #[serde(default)]
    pub spec_digest: String,
}

/// A kind, fully named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version.
    #[serde(default)]
    pub version: String,
    /// The kind.
    pub kind: String,
}

/// The controller in an object's `ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// For example `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A fix that was tried: the policies were evaluated again on the changed object, and pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixSummary {
    /// The change as an RFC 6902 patch of the denied object.
    pub patch: serde_json::Value,
    /// The change as a piece of YAML with the path around it.
    pub snippet: String,
    /// The policies that no longer object after it, by id.
    pub policies: Vec<String>,
    /// Every denial is gone after it. When false, the denials of policies not listed remain.
    pub complete: bool,
    /// Whether it can be applied as it stands.
    #[serde(default)]
    pub class: Class,
    /// Who proposed it.
    #[serde(default)]
    pub source: Source,
    /// What a person has to fill in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placeholders: Vec<Placeholder>,
    /// What it takes away: JSON pointers into the denied object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
    /// Where more is allowed or reached after it: JSON pointers into the denied object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widens: Vec<String>,
    /// The snippet for the place that `origin` names, when the same change surely has its place there; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lifted: String,
    /// The object before and after as YAML, what changes with two lines around it; empty when it is too long, or when a secret is
    /// near.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// A command that makes the change, quoted for a shell; empty when there is none that would last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubectl: String,
}

/// Where an object comes from, and so where to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    /// What it is: `Deployment`, `Helm release`, `Argo CD application`.
    pub kind: String,
    /// Its namespace, or empty.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// All of it in a sentence or two.
    pub text: String,
}

/// The explainer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainResponse {
    /// Names the explanation; goes into the audit annotations.
    pub id: String,
    /// Where the explanation stays readable.
    pub url: String,
    /// The text for the person: several lines, no control characters but line feeds.
    pub message: String,
    /// One line each, for `Warning:`.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Who wrote the words: `engine`, or `model` when some of them, marked as such, are a model's.
    pub source: String,
    /// Which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The prompt that it was asked with: name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// A change that a model proposed and that holds, where the engine found none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixSummary>,
    /// How often the team hit each of these rules lately, this time included.
    #[serde(default)]
    pub repeats: Vec<Repeat>,
}

/// How often one team hit one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repeat {
    /// The policy's id.
    pub policy: String,
    /// The team.
    pub team: String,
    /// How often in the window, this time included; a controller's retries count as one.
    pub count: u64,
    /// The window, in days.
    pub window_days: u32,
}

impl ExplainRequest {
    /// The violations of one action.
    pub fn with_action(&self, action: Action) -> impl Iterator<Item = &Violation> {
        self.violations
            .iter()
            .filter(move |violation| violation.action == action)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_recorded_before_fixes_had_classes_is_still_read() {
        let old = json!({
            "apiVersion": API_VERSION, "revision": "3f2a9c01d4e5", "decision": "deny", "deadlineMs": 800,
            "review": {"uid": "u", "operation": "CREATE", "kind": {"kind": "Pod"}},
            "fix": {"patch": [], "snippet": "spec: {}", "policies": ["a/b"], "complete": true},
        });
        let request: ExplainRequest = serde_json::from_value(old).unwrap();
        let fix = request.fix.clone().unwrap();
        assert_eq!((fix.class, fix.source), (Class::Fix, Source::Author));
        assert!(request.unfixable.is_empty() && request.origin.is_none() && fix.kubectl.is_empty());
        assert!(request.upstream.is_none());
    }
}
