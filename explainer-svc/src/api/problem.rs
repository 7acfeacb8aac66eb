//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::ExplainError;
use crate::store::StoreError;
use crate::upstream::UpstreamError;

/// When to try again after 503, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What went wrong, for who asked (RFC 9457). Details of the inside are in the log only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What the status means.
    pub title: String,
    /// What is wrong, and what to do instead.
    pub detail: String,
    /// Where in the request, for example `review.kind.kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Everything that is wrong, where it is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self {
            status: status.as_u16(),
            title,
            detail: detail.into(),
            path: None,
            reasons: Vec::new(),
        }
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn because(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// A body that is not the JSON that was expected.
    pub(crate) fn of_json(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::BytesRejection(rejection) => rejection.into(),
            JsonRejection::MissingJsonContentType(_) => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as content-type application/json.",
            ),
            other => Self::bad_request(other.body_text()),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is over the limit."),
            status => Self::new(status, "The body could not be read."),
        }
    }
}

impl From<ExplainError> for Problem {
    fn from(error: ExplainError) -> Self {
        let detail = match error {
            ExplainError::Late => "The ledger did not answer before the deadline; use your own words.",
            ExplainError::Busy => "Too many attempts are waiting to be recorded; use your own words.",
            ExplainError::Store(_) | ExplainError::Stopped | ExplainError::Id(_) => {
                "The attempt could not be recorded; use your own words."
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        let detail = match error {
            UpstreamError::Review(error) => return Self::bad_request(error.reason).at("admissionReview"),
            UpstreamError::Busy => "Too many reviews are being evaluated; use your own words.",
            UpstreamError::Failed => "The review could not be evaluated; use your own words.",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "cannot read the ledger");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The ledger cannot be read now.")
    }
}
