//! A small proxy-wasm host: what Envoy does to the filter, minus Envoy.
//!
//! Everything a filter can see or change is in one [`wasmtime::Store`], so tests run side by side, and a test can do what a
//! network cannot be asked to do: cut a body at every byte, answer a call twice, refuse to dispatch one, stop the clock.
//! Where the specification leaves room the host does as Envoy 1.40 does (`Context` in its `source/extensions/common/wasm`).

mod abi;
mod answer;
mod imports;
mod memory;
mod module;
mod request;
mod state;
mod vm;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;

pub use abi::{Headers, LogLevel, Status};
pub use answer::Delivered;
pub use module::{FilterModule, filter_module};
pub use request::{Outcome, Request};
pub use state::{Call, LocalResponse, LogLine, Options, Process};

use state::CallAnswer;
use vm::Vm;

/// Why a host could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no compiled filter, or it is no module.
    #[error("{0}")]
    Module(String),
    /// The module asks for something that a proxy does not have, or lacks an entry point.
    #[error("the module cannot be instantiated: {0}")]
    Instantiate(String),
    /// The module trapped before it was configured.
    #[error("the module trapped: {0}")]
    Trap(String),
    /// The module refused its configuration.
    #[error("the filter refused its configuration; its log:\n{}", state::render(.0))]
    Configuration(Vec<LogLine>),
}

/// One VM with one plugin in it.
pub struct Host {
    vm: RefCell<Vm>,
}

impl Host {
    /// The compiled filter, configured with `configuration`.
    pub fn new(configuration: impl AsRef<[u8]>) -> Result<Self, HostError> {
        Self::with_options(configuration, Options::default())
    }

    /// As [`Host::new`], in an environment other than the default one.
    pub fn with_options(configuration: impl AsRef<[u8]>, options: Options) -> Result<Self, HostError> {
        let module = filter_module().map_err(|error| HostError::Module(error.to_owned()))?;
        Self::with_module(module, configuration, options)
    }

    /// As [`Host::with_options`], with another module.
    pub fn with_module(
        module: &FilterModule,
        configuration: impl AsRef<[u8]>,
        options: Options,
    ) -> Result<Self, HostError> {
        Vm::start(module, configuration.as_ref().to_vec(), options).map(|vm| Self { vm: RefCell::new(vm) })
    }

    /// A new stream, with its request headers delivered. A body is expected to follow.
    pub fn request<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        method: &str,
        path: &str,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Request<'_> {
        Request::open(self, method, path, headers, false)
    }

    /// As [`Host::request`], for a request that ends with its headers.
    pub fn request_without_body<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        method: &str,
        path: &str,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Request<'_> {
        Request::open(self, method, path, headers, true)
    }

    /// Every HTTP call that was dispatched, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.vm().state().calls.clone()
    }

    /// Answers a call. `:status` is a header like the others.
    pub fn answer_call<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        token: u32,
        headers: impl IntoIterator<Item = (N, V)>,
        body: impl AsRef<[u8]>,
    ) {
        let answer = CallAnswer {
            headers: Some(abi::headers(headers)),
            body: Some(body.as_ref().to_vec()),
        };
        self.vm().answer_call(token, answer);
    }

    /// Ends a call as Envoy does on a time-out, a reset or an unreachable endpoint: without headers and body.
    pub fn fail_call(&self, token: u32) {
        self.vm().answer_call(
            token,
            CallAnswer {
                headers: None,
                body: None,
            },
        );
    }

    /// From now on no HTTP call can be dispatched (`None`: it can again).
    pub fn refuse_dispatch(&self, status: impl Into<Option<Status>>) {
        self.vm().state_mut().refuse_dispatch = status.into();
    }

    /// Lets the tick timer fire once. Does nothing when the filter asked for none.
    pub fn tick(&self) {
        self.vm().tick();
    }

    /// Moves the clock that the filter reads.
    pub fn advance_clock(&self, by: std::time::Duration) {
        self.vm().state().options.process.advance_clock(by);
    }

    /// What the filter logged, oldest first.
    pub fn logs(&self) -> Vec<LogLine> {
        self.vm().state().logs.clone()
    }

    /// [`Host::logs`] as one text, for messages.
    pub fn log_text(&self) -> String {
        state::render(&self.vm().state().logs)
    }

    /// The value of each counter and gauge, and how many values each histogram was given.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        self.vm()
            .state()
            .metrics
            .iter()
            .map(|metric| (metric.name.clone(), metric.value))
            .collect()
    }

    /// How often the filter wants to be called by itself; zero: never.
    pub fn tick_period(&self) -> std::time::Duration {
        self.vm().state().tick_period
    }

    /// Shared data, as another VM would find it.
    pub fn shared_data(&self) -> BTreeMap<String, Vec<u8>> {
        self.vm().state().options.process.shared_data()
    }

    /// Bytes of the VM's memory.
    pub fn memory_size(&self) -> usize {
        self.vm().memory_size()
    }

    /// Why the VM is dead, when it is. Every later request is then answered by a trap.
    pub fn trap(&self) -> Option<String> {
        self.vm().trap().map(ToOwned::to_owned)
    }

    fn vm(&self) -> RefMut<'_, Vm> {
        self.vm.borrow_mut()
    }
}
