//! What evaluation found, and the one function that turns it into a decision.

use serde::{Deserialize, Serialize};

use crate::explain::wire::Decision;
use crate::finding::{self, Finding};

/// What a violation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The request is refused.
    #[default]
    Deny,
    /// The request passes with a warning that the person sees.
    Warn,
    /// The request passes; the violation is recorded.
    Audit,
}

/// How bad a violation is, in the author's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to have.
    Low,
    /// The default.
    #[default]
    Medium,
    /// A real risk.
    High,
    /// The node or the cluster is at stake.
    Critical,
}

/// One thing that one policy objects to, with all that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Violation {
    /// The policy's id.
    pub policy: String,
    /// What follows from it.
    pub action: Action,
    /// The author's judgement.
    #[serde(default)]
    pub severity: Severity,
    /// The policy's title, or empty.
    #[serde(default)]
    pub title: String,
    /// What is wrong, in the policy's words.
    pub message: String,
    /// Where, and what stands there.
    #[serde(default)]
    pub found: Vec<Found>,
    /// Why it matters, or empty.
    #[serde(default)]
    pub why: String,
    /// How to fix it, in the author's words, or empty.
    #[serde(default)]
    pub remediation: String,
    /// The author's piece of YAML that shows it right, or empty.
    #[serde(default)]
    pub example: String,
    /// Where to read more.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The controls that the policy serves.
    #[serde(default)]
    pub controls: Vec<String>,
}

/// A field and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// A JSON pointer into the object (RFC 6901).
    pub path: String,
    /// The value as short JSON; none when the field is missing, or when it may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A place to read more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What is there, or empty.
    #[serde(default)]
    pub description: String,
    /// The address.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// A policy that could not be evaluated. Never "no violations".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// The policy's id.
    pub policy: String,
    /// What kind of failure.
    pub kind: FailureKind,
    /// What exactly, for the policy's author.
    pub detail: String,
    /// The request passes in spite of it, because the policy set says so.
    #[serde(default)]
    pub tolerated: bool,
}

/// Why a policy could not be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// `deny` has no value.
    Undefined,
    /// `deny` is not a set of strings or of objects with `msg`.
    Shape,
    /// A limit was reached: work, number of violations, length of a message.
    Limit,
    /// The evaluator reported an error.
    Error,
    /// What it needs to know of the cluster is not known, or is too old to judge by.
    Context,
}

/// What the policies found for one review.
///
/// Only [`Verdict::new`] makes one, so that the decision follows from the findings and from nothing else.
#[derive(Debug, Clone)]
pub struct Verdict {
    revision: String,
    findings: Vec<Finding>,
    failures: Vec<Failure>,
    evaluated: usize,
}

impl Verdict {
    pub(crate) fn new(revision: String, mut findings: Vec<Finding>, failures: Vec<Failure>, evaluated: usize) -> Self {
        findings.sort_by_cached_key(|Finding { violation, .. }| {
            let path = violation.found.first().map_or("", |found| found.path.as_str());
            (
                violation.policy.clone(),
                finding::path_order(path),
                violation.message.clone(),
            )
        });
        Self {
            revision,
            findings,
            failures,
            evaluated,
        }
    }

    /// Denied when a policy of action deny objects, or when one that may not fail did.
    pub fn decision(&self) -> Decision {
        let objects = self
            .findings
            .iter()
            .any(|finding| finding.violation.action == Action::Deny);
        let broken = self.failures.iter().any(|failure| !failure.tolerated);
        if objects || broken {
            Decision::Deny
        } else {
            Decision::Allow
        }
    }

    /// The revision of the policy set.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Violations and proposed changes, sorted by policy and path.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The violations alone.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.findings.iter().map(|finding| &finding.violation)
    }

    /// Policies that could not be evaluated.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How many policies ran.
    pub fn evaluated(&self) -> usize {
        self.evaluated
    }

    /// Nobody has anything to say.
    pub fn is_silent(&self) -> bool {
        self.findings.is_empty() && self.failures.is_empty()
    }
}
