//! The wire types of the engine, once more for the API's description: the engine knows nothing of
//! HTTP. A test sends every field through both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was decided about one admission review, without the object.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExplainRequest {
    /// `whynot.dev/v1`.
    #[schema(value_type = super::webhook::ExplainVersion)]
    api_version: String,
    /// The revision of the policy set that decided.
    revision: String,
    decision: Decision,
    /// How long the caller waits, in milliseconds from when it sent this.
    #[schema(maximum = 86_400_000)]
    deadline_ms: u64,
    review: ReviewSummary,
    /// What the policies found, of every action.
    #[serde(default)]
    violations: Vec<Violation>,
    /// Policies that could not be evaluated.
    #[serde(default)]
    failures: Vec<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fix: Option<FixSummary>,
    /// Policies that no change of the object satisfies: why, and what helps, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unfixable: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// Those of the found places that the API server filled in: JSON pointers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    defaulted: Vec<String>,
    /// Another webhook denied, and not the policies; the violations are what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream: Option<Upstream>,
    /// The review, so that a change which a model proposes can be tried. It is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::webhook::AdmissionReview>)]
    admission_review: Option<serde_json::Value>,
}

/// What another webhook said.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Upstream {
    /// Its name.
    webhook: String,
    /// Its own words.
    message: String,
    /// The same, taken apart.
    #[serde(default)]
    items: Vec<UpstreamItem>,
}

/// One thing that another webhook objects to.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamItem {
    /// The policy or constraint; empty when the message names none.
    #[serde(default)]
    policy: String,
    message: String,
    /// The policy set has this policy, and it says the same.
    #[serde(default)]
    known: bool,
}

/// Where the object comes from, and so where to change it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Origin {
    /// `Deployment`, `Helm release`, `Argo CD application`, and so on.
    kind: String,
    #[serde(default)]
    namespace: String,
    name: String,
    /// All of it in a sentence or two.
    text: String,
}

/// The verdict, which the explainer records and cannot change.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    Allow,
    Deny,
}

/// Who wanted to do what to which object.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReviewSummary {
    /// Names a round trip, not an attempt.
    uid: String,
    /// CREATE, UPDATE, DELETE or CONNECT.
    operation: String,
    kind: GroupVersionKind,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    namespace: String,
    /// Empty when the API server makes it.
    #[serde(default)]
    name: String,
    #[serde(default)]
    generate_name: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    username: String,
    /// The tool, as it named itself.
    #[serde(default)]
    field_manager: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    namespace_labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    /// Equal digests of one owner are retries of one attempt.
    #[serde(default)]
    spec_digest: String,
}

/// A kind, fully named.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupVersionKind {
    /// Empty for the core group.
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    kind: String,
}

/// The controller that made the object.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    kind: String,
    name: String,
    uid: String,
}

/// One thing that one policy objects to.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Violation {
    policy: String,
    action: Action,
    #[serde(default = "severity")]
    severity: Severity,
    #[serde(default)]
    title: String,
    message: String,
    #[serde(default)]
    found: Vec<Found>,
    /// Why it matters.
    #[serde(default)]
    why: String,
    /// How to fix it.
    #[serde(default)]
    remediation: String,
    /// A piece of YAML that shows it right.
    #[serde(default)]
    example: String,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    controls: Vec<String>,
}

fn severity() -> Severity {
    Severity::Medium
}

/// What a violation leads to.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Deny,
    Warn,
    Audit,
}

/// How bad a violation is.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// A field and its value.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    /// A JSON pointer into the object.
    path: String,
    /// Short JSON; absent when the field is missing or may be secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// A place to read more.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    #[serde(default)]
    description: String,
    r#ref: String,
}

/// A policy that could not be evaluated.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Failure {
    policy: String,
    kind: FailureKind,
    detail: String,
    /// The request passes in spite of it.
    #[serde(default)]
    tolerated: bool,
}

/// Why a policy could not be evaluated.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FailureKind {
    Undefined,
    Shape,
    Limit,
    Error,
    Context,
}

/// Whether a fix can be applied as it stands.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Class {
    /// It can.
    #[default]
    Fix,
    /// A person fills in what only a person knows.
    Placeholder,
}

/// Who proposed a fix.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    /// The policy's author.
    #[default]
    Author,
    /// The search.
    Search,
    /// A model.
    Model,
}

/// A value that a person has to fill in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Placeholder {
    /// A JSON pointer into the changed object.
    path: String,
    /// What belongs there.
    meaning: String,
}

/// A fix that was tried.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FixSummary {
    /// RFC 6902.
    #[schema(value_type = Vec<Object>)]
    patch: serde_json::Value,
    /// A piece of YAML with the path around it.
    snippet: String,
    /// The policies that no longer object after it.
    policies: Vec<String>,
    /// Every denial is gone after it.
    complete: bool,
    #[serde(default)]
    class: Class,
    #[serde(default)]
    source: Source,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    placeholders: Vec<Placeholder>,
    /// What it takes away: JSON pointers into the denied object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removes: Vec<String>,
    /// Where more is allowed after it: JSON pointers into the denied object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    widens: Vec<String>,
    /// The snippet for the place that `origin` names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    lifted: String,
    /// What changes in the object's YAML, as a unified diff.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    diff: String,
    /// A command that makes the change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kubectl: String,
}

/// The words, and where they stay readable.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExplainResponse {
    id: String,
    url: String,
    /// For the person: several lines.
    message: String,
    /// One line each.
    #[serde(default)]
    warnings: Vec<String>,
    /// Who wrote the words: `engine`, or `model` when some of them, marked as such, are a model's.
    source: String,
    /// Which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The prompt that it was asked with: name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    /// A change that a model proposed and that holds, where the engine found none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fix: Option<FixSummary>,
    #[serde(default)]
    repeats: Vec<Repeat>,
}

/// How often one team hit one rule.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Repeat {
    policy: String,
    team: String,
    /// In the window, this time included; a controller's retries count as one.
    count: u64,
    window_days: u32,
}

#[cfg(test)]
mod tests {
    use engine::explain::wire;
    use engine::verdict;

    use super::*;

    /// Every field, so that one that is added to the engine does not compile here until it is described.
    fn request() -> wire::ExplainRequest {
        wire::ExplainRequest {
            api_version: wire::API_VERSION.into(),
            revision: "3f2a9c01d4e5".into(),
            decision: wire::Decision::Deny,
            deadline_ms: 800,
            review: wire::ReviewSummary {
                uid: "uid".into(),
                operation: "CREATE".into(),
                kind: wire::GroupVersionKind {
                    group: "apps".into(),
                    version: "v1".into(),
                    kind: "Deployment".into(),
                },
                sub_resource: "scale".into(),
                namespace: "shop".into(),
                name: "web".into(),
                generate_name: "web-".into(),
                dry_run: true,
                username: "jane".into(),
                field_manager: "kubectl".into(),
                labels: BTreeMap::from([("team".into(), "checkout".into())]),
                namespace_labels: BTreeMap::from([("team".into(), "shop".into())]),
                owner: Some(wire::Owner {
                    kind: "ReplicaSet".into(),
                    name: "web-5d".into(),
                    uid: "owner".into(),
                }),
                spec_digest: "00".into(),
            },
            violations: vec![verdict::Violation {
                policy: "a/b".into(),
                action: verdict::Action::Warn,
                severity: verdict::Severity::Critical,
                title: "title".into(),
                message: "message".into(),
                found: vec![verdict::Found {
                    path: "/spec".into(),
                    value: Some("1".into()),
                }],
                why: "why".into(),
                remediation: "remediation".into(),
                example: "example".into(),
                links: vec![verdict::Link {
                    description: "more".into(),
                    reference: "https://example.test".into(),
                }],
                controls: vec!["control".into()],
            }],
            failures: vec![verdict::Failure {
                policy: "a/c".into(),
                kind: verdict::FailureKind::Shape,
                detail: "detail".into(),
                tolerated: true,
            }],
            fix: Some(wire::FixSummary {
                patch: serde_json::json!([{"op": "remove", "path": "/spec"}]),
                snippet: "spec: {}".into(),
                policies: vec!["a/b".into()],
                complete: true,
                class: engine::fix::Class::Placeholder,
                source: engine::fix::Source::Search,
                placeholders: vec![engine::fix::Placeholder {
                    path: "/spec".into(),
                    meaning: "meaning".into(),
                }],
                removes: vec!["/spec".into()],
                widens: vec!["/spec/a".into()],
                lifted: "spec: {}".into(),
                diff: "-spec".into(),
                kubectl: "kubectl patch".into(),
            }),
            unfixable: BTreeMap::from([("a/c".into(), "reason".into())]),
            origin: Some(wire::Origin {
                kind: "Deployment".into(),
                namespace: "shop".into(),
                name: "web".into(),
                text: "This Pod is made from Deployment shop/web.".into(),
            }),
            defaulted: vec!["/spec".into()],
            upstream: Some(wire::Upstream {
                webhook: "gatekeeper".into(),
                message: "[a] b".into(),
                items: vec![engine::upstream::Item {
                    policy: "a".into(),
                    message: "b".into(),
                    known: true,
                }],
            }),
        }
    }

    #[test]
    fn the_described_request_is_the_engines() {
        let sent = serde_json::to_value(request()).unwrap();
        let described: ExplainRequest = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(serde_json::to_value(described).unwrap(), sent);
    }

    #[test]
    fn the_described_answer_is_the_engines() {
        let answer = wire::ExplainResponse {
            id: "id".into(),
            url: "url".into(),
            message: "message".into(),
            warnings: vec!["warning".into()],
            source: "model".into(),
            model: Some("m".into()),
            prompt: Some("explain@1".into()),
            fix: request().fix,
            repeats: vec![wire::Repeat {
                policy: "a/b".into(),
                team: "checkout".into(),
                count: 3,
                window_days: 14,
            }],
        };
        let sent = serde_json::to_value(answer).unwrap();
        let described: ExplainResponse = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(serde_json::to_value(described).unwrap(), sent);
    }
}
