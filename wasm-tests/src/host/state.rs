//! Everything the filter can see or change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::abi::{Buffer, Headers, LogLevel, Map, Status};
use super::answer::Delivered;

/// The environment of a VM.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of memory that the guest may have. Past it, growing fails as in a browser or in Envoy.
    pub memory_limit: usize,
    /// Envoy's plugin option: whether a body is delivered although the headers were paused. Without it, pausing in the
    /// headers stops the stream until somebody resumes it.
    pub allow_on_headers_stop_iteration: bool,
    /// Lowest level of the log, as the filter is told it.
    pub log_level: LogLevel,
    /// How much later it is each time that the filter looks at the clock, which otherwise stands still.
    pub clock_step: Duration,
    /// Envoy's attributes, by dotted path.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What the VM shares with others.
    pub process: Process,
}

/// What all VMs of one proxy share: shared data, queues, the clock. Cloned, it is the same one.
#[derive(Clone, Debug, Default)]
pub struct Process(Arc<Mutex<Common>>);

#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Duration,
    pub(super) data: BTreeMap<String, (Vec<u8>, u32)>,
    /// The last version: Envoy counts them over all keys.
    pub(super) version: u32,
    pub(super) queues: Vec<(String, VecDeque<Vec<u8>>)>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            // A fixed start, so that nothing depends on the day a test runs.
            clock: Duration::from_secs(1_767_225_601),
            data: BTreeMap::new(),
            version: 0,
            queues: Vec::new(),
        }
    }
}

impl Process {
    pub(super) fn common(&self) -> MutexGuard<'_, Common> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock that all of its VMs read.
    pub fn advance_clock(&self, by: Duration) {
        self.common().clock += by;
    }

    /// What is shared, as another VM would find it.
    pub fn shared_data(&self) -> BTreeMap<String, Vec<u8>> {
        let common = self.common();
        common
            .data
            .iter()
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_limit: 1 << 30,
            allow_on_headers_stop_iteration: true,
            log_level: LogLevel::Trace,
            clock_step: Duration::ZERO,
            properties: BTreeMap::from([
                ("plugin_name".to_owned(), b"whynot".to_vec()),
                ("plugin_root_id".to_owned(), Vec::new()),
                ("plugin_vm_id".to_owned(), b"whynot".to_vec()),
                ("node.id".to_owned(), b"test".to_vec()),
            ]),
            process: Process::default(),
        }
    }
}

/// One line of the filter's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How bad it is.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

pub(super) fn render(lines: &[LogLine]) -> String {
    let shown: Vec<String> = lines
        .iter()
        .map(|line| format!("[{:?}] {}", line.level, line.text))
        .collect();
    shown.join("\n")
}

/// An HTTP call that the filter dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Names the call to [`super::Host::answer_call`].
    pub token: u32,
    /// Envoy's cluster.
    pub cluster: String,
    /// Pseudo-headers included.
    pub headers: Headers,
    /// As sent.
    pub body: Vec<u8>,
    /// What the filter grants.
    pub timeout: Duration,
    pub(super) context: u32,
}

/// An answer that the filter made itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResponse {
    /// HTTP status.
    pub status: u32,
    /// Without `:status` and what Envoy adds.
    pub headers: Headers,
    /// As given.
    pub body: Vec<u8>,
    /// Envoy's `RESPONSE_CODE_DETAILS`.
    pub details: String,
}

pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) value: u64,
}

pub(super) struct CallAnswer {
    pub(super) headers: Option<Headers>,
    pub(super) body: Option<Vec<u8>>,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a stream, and most combinations occur"
)]
pub(super) struct Stream {
    pub(super) request_headers: Headers,
    pub(super) request_trailers: Option<Headers>,
    pub(super) response_headers: Option<Headers>,
    /// The chunk at hand, with all earlier ones when the filter paused.
    pub(super) body: Vec<u8>,
    pub(super) paused: bool,
    pub(super) headers_paused: bool,
    pub(super) ended: bool,
    /// Something was let through to the next filter: it cannot be taken back.
    pub(super) released: bool,
    pub(super) responses: Vec<LocalResponse>,
    pub(super) response_delivered: bool,
    pub(super) closed: bool,
    /// Of the answer of what is behind: what is kept back, and what went on.
    pub(super) answer_body: Vec<u8>,
    pub(super) answer_paused: bool,
    pub(super) answer_ended: bool,
    pub(super) delivered: Delivered,
}

/// The data of a `Store`.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) limits: wasmtime::StoreLimits,
    pub(super) configuration: Vec<u8>,
    pub(super) tick_period: Duration,
    pub(super) effective_context: u32,
    pub(super) streams: BTreeMap<u32, Stream>,
    pub(super) calls: Vec<Call>,
    /// Set while its callback runs.
    pub(super) call_answer: Option<CallAnswer>,
    pub(super) refuse_dispatch: Option<Status>,
    pub(super) logs: Vec<LogLine>,
    pub(super) metrics: Vec<Metric>,
}

impl State {
    pub(super) fn new(configuration: Vec<u8>, options: Options) -> Self {
        Self {
            limits: wasmtime::StoreLimitsBuilder::new()
                .memory_size(options.memory_limit)
                .build(),
            options,
            configuration,
            tick_period: Duration::ZERO,
            effective_context: 0,
            streams: BTreeMap::new(),
            calls: Vec::new(),
            call_answer: None,
            refuse_dispatch: None,
            logs: Vec::new(),
            metrics: Vec::new(),
        }
    }

    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.effective_context)
    }

    /// A map that is not there in this phase is `None`; Envoy says `BadArgument`, on which the SDK's plain wrappers panic.
    pub(super) fn map(&mut self, map: Map) -> Option<&mut Headers> {
        match map {
            Map::CallResponseHeaders => self.call_answer.as_mut()?.headers.as_mut(),
            Map::CallResponseTrailers => None,
            Map::RequestHeaders => self.stream().map(|stream| &mut stream.request_headers),
            Map::RequestTrailers => self.stream()?.request_trailers.as_mut(),
            Map::ResponseHeaders => self.stream()?.response_headers.as_mut(),
        }
    }

    pub(super) fn buffer(&mut self, buffer: Buffer) -> Option<&mut Vec<u8>> {
        match buffer {
            Buffer::RequestBody => self.stream().map(|stream| &mut stream.body),
            Buffer::ResponseBody => self.stream().map(|stream| &mut stream.answer_body),
            Buffer::VmConfiguration => None,
            Buffer::CallResponseBody => self.call_answer.as_mut()?.body.as_mut(),
            Buffer::PluginConfiguration => Some(&mut self.configuration),
        }
    }
}
