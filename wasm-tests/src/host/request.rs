//! One HTTP request to the filter.

use super::Host;
use super::abi::{ACTION_CONTINUE, Headers, headers as to_headers};
use super::state::{LocalResponse, Stream};
use super::vm::count;

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is decided: more of the request, or the answer of a call, is awaited.
    Pending,
    /// The whole request went on to the next filter.
    Continue,
    /// The filter answered.
    Local(LocalResponse),
    /// The VM died; Envoy would answer a 5xx.
    Trap(String),
}

/// A request, from its headers to its end. Dropping it does not end it: [`Request::end`] does.
pub struct Request<'h> {
    pub(super) host: &'h Host,
    pub(super) context: u32,
}

impl<'h> Request<'h> {
    pub(super) fn open<N: AsRef<str>, V: AsRef<[u8]>>(
        host: &'h Host,
        method: &str,
        path: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        ended: bool,
    ) -> Self {
        let pseudo = [
            (":method", method),
            (":path", path),
            (":authority", "whynot.test"),
            (":scheme", "https"),
        ];
        let mut request_headers = to_headers(pseudo);
        request_headers.extend(to_headers(headers));
        let size = count(request_headers.len());
        let mut vm = host.vm();
        let context = vm.open(Stream {
            request_headers,
            ended,
            ..Stream::default()
        });
        let action = vm.call(context, "proxy_on_request_headers", (context, size, u32::from(ended)));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            apply(stream, action);
            stream.headers_paused = stream.paused;
        }
        drop(vm);
        Self { host, context }
    }

    /// Delivers a chunk of the body. `end`: the request ends with it.
    pub fn body(&mut self, chunk: impl AsRef<[u8]>, end: bool) -> &mut Self {
        let context = self.context;
        let mut vm = self.host.vm();
        let stops_at_headers = !vm.state().options.allow_on_headers_stop_iteration;
        let Some(stream) = vm.stream(context) else { return self };
        if !stream.responses.is_empty() || stream.closed || (stops_at_headers && stream.headers_paused) {
            return self;
        }
        if !stream.paused || stream.headers_paused {
            // The chunks before this one went on; or there were none.
            stream.body.clear();
            stream.headers_paused = false;
        }
        stream.body.extend_from_slice(chunk.as_ref());
        stream.ended = end;
        let size = count(stream.body.len());
        let action = vm.call(context, "proxy_on_request_body", (context, size, u32::from(end)));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            apply(stream, action);
        }
        self
    }

    /// Ends the request with trailers.
    pub fn trailers<N: AsRef<str>, V: AsRef<[u8]>>(&mut self, trailers: impl IntoIterator<Item = (N, V)>) -> &mut Self {
        let context = self.context;
        let trailers = to_headers(trailers);
        let size = count(trailers.len());
        let mut vm = self.host.vm();
        let Some(stream) = vm.stream(context) else { return self };
        if !stream.responses.is_empty() || stream.closed {
            return self;
        }
        if !stream.paused {
            stream.body.clear();
        }
        stream.request_trailers = Some(trailers);
        stream.ended = true;
        let action = vm.call(context, "proxy_on_request_trailers", (context, size));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            apply(stream, action);
        }
        self
    }

    /// Ends the stream, as after a response or when the client goes away: done, log, delete.
    pub fn end(&mut self) {
        self.host.vm().end(self.context);
    }

    /// Where the request stands now.
    pub fn outcome(&self) -> Outcome {
        let mut vm = self.host.vm();
        let trap = vm.trap().map(ToOwned::to_owned);
        match vm.stream(self.context) {
            Some(stream) if !stream.responses.is_empty() => stream
                .responses
                .first()
                .cloned()
                .map_or(Outcome::Pending, Outcome::Local),
            _ if trap.is_some() => Outcome::Trap(trap.unwrap_or_default()),
            Some(stream) if stream.ended && !stream.paused => Outcome::Continue,
            _ => Outcome::Pending,
        }
    }

    /// Every response that the filter sent: more than one is a fault.
    pub fn responses(&self) -> Vec<LocalResponse> {
        self.host
            .vm()
            .stream(self.context)
            .map(|stream| stream.responses.clone())
            .unwrap_or_default()
    }

    /// Whether anything of the request was let through to the next filter, be it only its headers.
    pub fn released(&self) -> bool {
        self.host
            .vm()
            .stream(self.context)
            .is_some_and(|stream| stream.released)
    }

    /// The request headers as the next filter gets them.
    pub fn headers(&self) -> Headers {
        self.host
            .vm()
            .stream(self.context)
            .map(|stream| stream.request_headers.clone())
            .unwrap_or_default()
    }
}

/// A resumption inside the callback loses to the callback's own answer, as in Envoy.
fn apply(stream: &mut Stream, action: u32) {
    let goes_on = action == ACTION_CONTINUE && stream.responses.is_empty();
    stream.paused = !goes_on;
    stream.released |= goes_on;
}
