//! Answers of the filter's own.

use engine::admission::Answer;

use super::Effect;

/// An HTTP response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u32,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer when there is no other: the API server takes it as a failed call.
pub fn nothing_to_judge_with() -> Response {
    Response {
        status: 500,
        content_type: "text/plain; charset=utf-8",
        body: b"whynot: this review could not be answered\n".to_vec(),
    }
}

/// One line, for a person.
pub fn text(status: u32, line: &str) -> Response {
    Response {
        status,
        content_type: "text/plain; charset=utf-8",
        body: format!("{line}\n").into_bytes(),
    }
}

pub(super) fn plain(status: u32, line: &str) -> Effect {
    Effect::Respond(text(status, line))
}

pub(super) fn admission(answer: &Answer) -> Effect {
    Effect::Respond(Response {
        status: 200,
        content_type: "application/json",
        body: answer.to_bytes(),
    })
}
