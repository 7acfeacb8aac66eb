//! The body of each request is a question, and the response is its answer.

use std::time::UNIX_EPOCH;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

/// Introduces the plugin to the host.
pub(crate) fn start() {
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            let question = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size)
                .ok()
                .flatten();
            let (status, body) = match crate::answer(&question.unwrap_or_default(), now()) {
                Ok(answer) => (200, answer),
                Err(reason) => (400, reason.into_bytes()),
            };
            // Without a response the host has no answer, and says so.
            let _ = hostcalls::send_http_response(status, Vec::new(), Some(&body));
        }
        Action::Pause
    }
}

fn now() -> Option<i64> {
    let since = hostcalls::get_current_time().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}
