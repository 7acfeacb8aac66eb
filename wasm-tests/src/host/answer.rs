//! The answer of what is behind the filter, on its way back through it.

use super::abi::{ACTION_CONTINUE, Headers, headers as to_headers};
use super::request::Request;
use super::state::Stream;
use super::vm::count;

/// How far an answer has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The headers, once they went on; `:status` is among them.
    pub headers: Option<Headers>,
    /// The bytes that went on.
    pub body: Vec<u8>,
    /// All of it went on.
    pub is_whole: bool,
}

impl Delivered {
    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.as_ref()?.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

impl Request<'_> {
    /// The webhook behind begins to answer. `end`: without a body.
    pub fn answer_headers<N: AsRef<str>, V: AsRef<[u8]>>(
        &mut self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
        end: bool,
    ) -> &mut Self {
        let mut all = to_headers([(":status", status.to_string())]);
        all.extend(to_headers(headers));
        let (size, context) = (count(all.len()), self.context);
        let mut vm = self.host.vm();
        let Some(stream) = vm.stream(context) else { return self };
        stream.response_headers = Some(all);
        stream.answer_ended = end;
        let action = vm.call(context, "proxy_on_response_headers", (context, size, u32::from(end)));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            stream.go_on(action);
        }
        drop(vm);
        self
    }

    /// More of its answer.
    pub fn answer_body(&mut self, chunk: impl AsRef<[u8]>, end: bool) -> &mut Self {
        let context = self.context;
        let mut vm = self.host.vm();
        let Some(stream) = vm.stream(context) else { return self };
        stream.answer_body.extend_from_slice(chunk.as_ref());
        stream.answer_ended = end;
        let size = count(stream.answer_body.len());
        let action = vm.call(context, "proxy_on_response_body", (context, size, u32::from(end)));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            stream.go_on(action);
        }
        drop(vm);
        self
    }

    /// Its answer ends with a trailer.
    pub fn answer_trailers(&mut self) -> &mut Self {
        let context = self.context;
        let mut vm = self.host.vm();
        let Some(stream) = vm.stream(context) else { return self };
        stream.answer_ended = true;
        let action = vm.call(context, "proxy_on_response_trailers", (context, 1_u32));
        if let (Some(action), Some(stream)) = (action, vm.stream(context)) {
            stream.go_on(action);
        }
        drop(vm);
        self
    }

    /// What the caller has of the answer by now.
    pub fn delivered(&self) -> Delivered {
        let mut vm = self.host.vm();
        let stream = vm.stream(self.context);
        stream.map(|stream| stream.delivered.clone()).unwrap_or_default()
    }
}

impl Stream {
    fn go_on(&mut self, action: u32) {
        self.answer_paused = action != ACTION_CONTINUE;
        if !self.answer_paused {
            self.deliver_answer();
        }
    }

    /// What was kept back goes on. From then on its headers cannot be changed: Envoy says `BadArgument`.
    pub(super) fn deliver_answer(&mut self) {
        self.answer_paused = false;
        if let Some(headers) = self.response_headers.take() {
            self.delivered.headers = Some(headers);
        }
        self.delivered.body.append(&mut self.answer_body);
        self.delivered.is_whole = self.answer_ended;
    }
}
