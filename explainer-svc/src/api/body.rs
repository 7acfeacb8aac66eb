//! The body of `POST /v1/explain`, read within its limits, as the one or the other kind of question.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use engine::admission::MAX_REVIEW_BYTES;
use engine::explain::wire::{API_VERSION, ExplainRequest};
use futures_util::StreamExt as _;
use mediatype::{MediaType, names};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Problem;
use super::webhook::WebhookRequest;

/// The largest body with a review in it: what there is around the review is small.
const MAX_BYTES: usize = MAX_REVIEW_BYTES + (1 << 20);
/// Bodies over the usual limit that are read or worked on at a time.
const LARGE: usize = 8;

/// Nobody waits longer than a day; the filter waits for seconds.
const MAX_DEADLINE_MS: u64 = 86_400_000;

/// How bodies are read by one server.
#[derive(Debug, Clone)]
pub struct Bodies {
    /// Bytes of a body without a review.
    usual: usize,
    /// Places for larger ones.
    large: Arc<Semaphore>,
}

/// Who asks, and what.
pub(super) enum Question {
    /// The filter, with what it decided, and the review where a change is missing.
    Filter(Box<ExplainRequest>, Option<Box<RawValue>>),
    /// A webhook, with what it said.
    Webhook(Box<WebhookRequest>),
}

/// What tells the two kinds of questions apart. Only objects have it: an array is not taken for one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Signs {
    kind: Option<IgnoredAny>,
    admission_review: Option<IgnoredAny>,
    /// The filter's projection.
    review: Option<IgnoredAny>,
}

pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = declared
        .and_then(|text| MediaType::parse(text).ok())
        .is_some_and(|media| media.ty == names::APPLICATION && media.subty == names::JSON && media.suffix.is_none());
    if is_json {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Send the body as content-type application/json.",
    ))
}

impl Bodies {
    /// Bodies without a review have at most so many bytes.
    pub fn new(usual: usize) -> Self {
        Self {
            usual,
            large: Arc::new(Semaphore::new(LARGE)),
        }
    }

    /// A body and, when it is a large one, its place.
    pub(super) async fn read(&self, body: Body) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
        let mut bytes = Vec::new();
        let mut place = None;
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Problem::bad_request("The body could not be read."))?;
            let size = bytes.len().saturating_add(chunk.len());
            if size > self.usual.max(MAX_BYTES) {
                return Err(too_large());
            }
            if size > self.usual && place.is_none() {
                let free = Arc::clone(&self.large).try_acquire_owned();
                let busy = "Too many large reviews at a time; use your own words.";
                place = Some(free.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, busy))?);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, place))
    }

    /// Takes a body for what it is.
    pub(super) fn parse(&self, body: &[u8]) -> Result<Question, Problem> {
        let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        // What is wrong with it is said by who reads it whole.
        let signs = Signs::deserialize(&mut serde_json::Deserializer::from_slice(body)).unwrap_or_default();
        if is_object && (signs.kind.is_some() || (signs.admission_review.is_some() && signs.review.is_none())) {
            let request: WebhookRequest = from_json(body)?;
            request.check()?;
            return Ok(Question::Webhook(Box::new(request)));
        }
        let (request, review) = if is_object && signs.admission_review.is_some() {
            let mut members: BTreeMap<String, Box<RawValue>> = from_json(body)?;
            let review = members.remove("admissionReview");
            let rest = serde_json::to_vec(&members).unwrap_or_default();
            (self.decided(&rest)?, review)
        } else {
            (self.decided(body)?, None)
        };
        Ok(Question::Filter(Box::new(request), review))
    }

    /// What the filter decided.
    fn decided(&self, body: &[u8]) -> Result<ExplainRequest, Problem> {
        if body.len() > self.usual {
            return Err(too_large());
        }
        let request: ExplainRequest = from_json(body)?;
        version(&request.api_version)?;
        if request.deadline_ms > MAX_DEADLINE_MS {
            return Err(Problem::bad_request(format!("Expected at most {MAX_DEADLINE_MS}.")).at("deadlineMs"));
        }
        // The wire type takes any JSON there.
        let is_patch = |patch: &Value| patch.as_array().is_some_and(|steps| steps.iter().all(Value::is_object));
        if request.fix.as_ref().is_some_and(|fix| !is_patch(&fix.patch)) {
            return Err(Problem::bad_request("Expected the operations of an RFC 6902 patch.").at("fix.patch"));
        }
        Ok(request)
    }
}

pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is over the limit.")
}

pub(super) fn version(version: &str) -> Result<(), Problem> {
    if version == API_VERSION {
        return Ok(());
    }
    let detail = format!("This server speaks {API_VERSION:?} only.");
    Err(Problem::bad_request(detail).at("apiVersion"))
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut *deserializer)
        .map_err(|error| Problem::bad_request(error.inner().to_string()).at(place(error.path())))?;
    deserializer
        .end()
        .map_err(|error| Problem::bad_request(error.to_string()).at("."))?;
    Ok(value)
}

/// The place of an error; `.` is the whole body, also when it is no JSON.
fn place(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        unknown if unknown == "?" => ".".to_owned(),
        known => known,
    }
}
