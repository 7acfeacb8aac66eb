//! What a webhook of anybody's sends to `POST /v1/explain`, and what it gets.

use engine::admission::MAX_REVIEW_BYTES;
use engine::upstream::Item;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Change, Problem, body, schema};

/// The kind of the body.
const KIND: &str = "ExplainRequest";
/// The longest name of a webhook: that of an object in Kubernetes.
const MAX_NAME: usize = 253;
/// The longest words, in characters.
const MAX_WORDS: usize = 131_072;
/// What the API server waits for a webhook, when its configuration does not say.
const USUAL_DEADLINE_MS: u64 = 5_000;
/// What it waits at most.
const MAX_DEADLINE_MS: u64 = 30_000;

/// What a webhook of anybody's denied, in its own words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookRequest {
    /// `whynot.dev/v1`.
    #[schema(value_type = ExplainVersion)]
    api_version: String,
    /// `ExplainRequest`.
    #[schema(value_type = ExplainKind)]
    kind: String,
    /// What the webhook is called: letters, digits, `.`, `_` and `-`.
    #[schema(min_length = 1, max_length = 253, pattern = "^[A-Za-z0-9._-]{1,253}$")]
    pub(super) webhook: String,
    /// Its own words. They come back whole, below the explanation.
    #[schema(max_length = 131_072)]
    pub(super) message: String,
    /// The `AdmissionReview` that it was asked, as the API server sent it; at most 15 MiB.
    #[schema(value_type = AdmissionReview)]
    pub(super) admission_review: Box<RawValue>,
    /// How long the caller waits, in milliseconds. With little time no fix is searched.
    #[serde(default = "usual_deadline")]
    #[schema(minimum = 1, maximum = 30_000, default = 5_000)]
    pub(super) deadline_ms: u64,
}

fn usual_deadline() -> u64 {
    USUAL_DEADLINE_MS
}

impl WebhookRequest {
    /// Checks what types cannot say.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let wrong = |field: &str, expected: String| Err(Problem::bad_request(expected).at(field));
        body::version(&self.api_version)?;
        if self.kind != KIND {
            return wrong(
                "kind",
                format!("Expected {KIND:?}, or the filter's body, which has no kind."),
            );
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.webhook.is_empty() || self.webhook.len() > MAX_NAME || !self.webhook.chars().all(is_plain) {
            let expected = format!("Expected 1 to {MAX_NAME} letters, digits, '.', '_' and '-'.");
            return wrong("webhook", expected);
        }
        if self.message.chars().count() > MAX_WORDS {
            return wrong("message", format!("Expected at most {MAX_WORDS} characters."));
        }
        if self.admission_review.get().len() > MAX_REVIEW_BYTES {
            return Err(body::too_large().at("admissionReview"));
        }
        if !(1..=MAX_DEADLINE_MS).contains(&self.deadline_ms) {
            return wrong("deadlineMs", format!("Expected 1 to {MAX_DEADLINE_MS}."));
        }
        Ok(())
    }
}

/// What the API server sends to webhooks (admission.k8s.io/v1). Only what is needed of it is described.
#[derive(ToSchema)]
#[schema(as = AdmissionReview)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct AdmissionReview {
    /// `admission.k8s.io/v1`.
    #[schema(rename = "apiVersion")]
    api_version: ReviewVersion,
    /// `AdmissionReview`.
    kind: ReviewKind,
    request: AdmissionRequest,
}

/// The request of an `AdmissionReview`.
#[derive(ToSchema)]
#[schema(as = AdmissionRequest)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct AdmissionRequest {
    #[schema(min_length = 1)]
    uid: String,
    operation: Operation,
    kind: ReviewedKind,
    /// The object as it would be.
    #[schema(required = false)]
    object: Option<serde_json::Value>,
    /// The object as it was.
    #[schema(rename = "oldObject", required = false)]
    old_object: Option<serde_json::Value>,
}

/// The version of this interface.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum ExplainVersion {
    #[schema(rename = "whynot.dev/v1")]
    V1,
}

/// The kind of a webhook's question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum ExplainKind {
    ExplainRequest,
}

/// The version of a review.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum ReviewVersion {
    #[schema(rename = "admission.k8s.io/v1")]
    V1,
}

/// The kind of a review.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum ReviewKind {
    AdmissionReview,
}

/// What is to be done.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// The kind of the object.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct ReviewedKind {
    #[schema(min_length = 1)]
    kind: String,
}

/// The words, the fix, and where both stay readable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookResponse {
    /// Names the explanation.
    pub(super) id: String,
    /// Where it stays readable.
    pub(super) url: String,
    /// For `status.message`: the explanation, and below it the webhook's own words, whole.
    pub(super) message: String,
    /// The explanation alone.
    pub(super) explanation: String,
    /// For `warnings`, one line each.
    pub(super) warnings: Vec<String>,
    /// A change after which the policies that said the same pass; null when none is known.
    pub(super) fix: Option<Change>,
    /// The words, taken apart.
    #[schema(value_type = Vec<schema::UpstreamItem>)]
    pub(super) items: Vec<Item>,
    /// Who wrote the words: `engine`, or `model` when some of them, marked as such, are a model's.
    pub(super) source: String,
    /// Which model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    /// The prompt that it was asked with: name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt: Option<String>,
    /// The revision of the policies that were looked at; null when there are none.
    pub(super) revision: Option<String>,
}
