//! Who asks for words, by the token that comes with it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::{AppState, Problem};

/// That whoever asks may, and its name where tokens are configured. Taken before the body is read.
#[derive(Debug)]
pub(super) struct Client(pub(super) Option<String>);

impl FromRequestParts<AppState> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Some(clients) = &state.clients else {
            return Ok(Self(None));
        };
        let given = bearer(&parts.headers);
        let named = clients.named(given.unwrap_or_default()).map_err(|reason| {
            tracing::error!(event = "api_tokens_unusable", reason, "tokens cannot be checked");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The token cannot be checked now.")
        })?;
        if named.is_some() && given.is_some() {
            return Ok(Self(named));
        }
        tracing::warn!(event = "api_refused", "somebody without a token asked for words");
        let detail = "This needs a client's token: authorization: Bearer TOKEN.";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}

/// The token of the header `authorization`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
