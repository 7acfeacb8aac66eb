//! What goes wrong with a provider, and what is said of it: never what it says itself.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::call::Usage;

/// Why it did not. The names are stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", kind.name())]
pub(in crate::gateway) struct Fault {
    pub(in crate::gateway) kind: FaultKind,
    /// For the log. Never what it was asked or answered, and never its key.
    pub(in crate::gateway) detail: String,
    /// How long it wants to be left alone.
    pub(in crate::gateway) retry_after: Option<Duration>,
    /// What it may charge for: it had the question.
    pub(in crate::gateway) began: Option<Usage>,
}

/// What went wrong with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No connection, or one that broke before the answer.
    Connection,
    /// No headers in time.
    Slow,
    /// An answer that stopped coming.
    Stalled,
    /// An answer that ended too early.
    Cut,
    /// 429.
    RateLimited,
    /// 5xx.
    Server,
    /// Any other status: the request will not become right.
    Rejected,
    /// 401, 403, or no key.
    Key,
    /// No JSON, or not what the protocol has.
    Malformed,
    /// Neither JSON nor a stream.
    ContentType,
    /// Over the limit.
    TooLarge,
    /// The provider's own filter.
    Filtered,
}

impl FaultKind {
    /// For counters and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Cut => "cut",
            Self::RateLimited => "rate-limited",
            Self::Server => "server",
            Self::Rejected => "rejected",
            Self::Key => "key",
            Self::Malformed => "malformed",
            Self::ContentType => "content-type",
            Self::TooLarge => "too-large",
            Self::Filtered => "filtered",
        }
    }

    /// Whether the same question may get an answer a moment later.
    pub(in crate::gateway) fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Slow
                | Self::Stalled
                | Self::Cut
                | Self::RateLimited
                | Self::Server
                | Self::Malformed
        )
    }

    /// Whether it says something about the provider's health. What comes of the question does not: another question
    /// may get an answer, and whoever asks for long answers would turn the model off for everybody.
    pub(in crate::gateway) fn breaks(self) -> bool {
        match self {
            Self::RateLimited | Self::Rejected | Self::TooLarge | Self::Filtered => false,
            Self::Connection
            | Self::Slow
            | Self::Stalled
            | Self::Cut
            | Self::Server
            | Self::Key
            | Self::Malformed
            | Self::ContentType => true,
        }
    }

    /// What an error means that comes in the answer, after a status of success.
    fn of_error(name: &str) -> Self {
        match name {
            "rate_limit_error" | "rate_limit_exceeded" => Self::RateLimited,
            "invalid_request_error" | "request_too_large" | "not_found_error" => Self::Rejected,
            "authentication_error" | "permission_error" => Self::Key,
            _ => Self::Server,
        }
    }
}

impl Fault {
    pub(in crate::gateway) fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
            began: None,
        }
    }
}

/// What errors call themselves in the interfaces that are spoken here. Anything else is the provider's own words, which may repeat the
/// question or the key.
const CODES: [&str; 73] = [
    "400",
    "401",
    "403",
    "404",
    "408",
    "413",
    "422",
    "429",
    "500",
    "502",
    "503",
    "504",
    "AuthenticationError",
    "BadRequest",
    "BadRequestError",
    "ContextWindowExceededError",
    "DeploymentNotFound",
    "InternalServerError",
    "InvalidRequestBody",
    "NoCapacity",
    "NotFoundError",
    "OperationNotSupported",
    "RateLimitError",
    "RequestTooLarge",
    "ResourceNotFound",
    "ServiceUnavailable",
    "Unauthorized",
    "UnauthorizedError",
    "account_deactivated",
    "api_error",
    "authentication_error",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "content_filter",
    "content_policy_violation",
    "context_length_exceeded",
    "deployment_not_found",
    "engine_overloaded",
    "exceed_context_size_error",
    "insufficient_quota",
    "internal_error",
    "internal_server_error",
    "invalid_api_key",
    "invalid_authentication",
    "invalid_prompt",
    "invalid_request_error",
    "invalid_schema",
    "invalid_type",
    "invalid_value",
    "missing_required_parameter",
    "model_not_found",
    "model_overloaded",
    "not_found_error",
    "not_supported_error",
    "overloaded_error",
    "permission_denied",
    "permission_error",
    "quota_exceeded",
    "rate_limit_error",
    "rate_limit_exceeded",
    "request_too_large",
    "requests",
    "server_error",
    "service_unavailable",
    "string_above_max_length",
    "timeout",
    "timeout_error",
    "tokens",
    "unavailable_error",
    "unsupported_country_region_territory",
    "unsupported_parameter",
    "unsupported_value",
];

/// What an error calls itself, where that is a name of the interface; nothing else of it.
pub(super) fn code(error: &Value) -> &'static str {
    let names = ["code", "type"].iter().filter_map(|name| error.get(name)?.as_str());
    let mut known = names.filter_map(|name| CODES.iter().find(|code| **code == name));
    known.next().copied().unwrap_or_default()
}

/// An error in the place of an answer.
pub(super) fn instead(error: &Value) -> Fault {
    let code = code(error);
    let detail = format!("an error instead of an answer: {code}");
    Fault::new(FaultKind::of_error(code), detail.trim_end_matches([':', ' ']))
}
