//! One instance of the module: its entry points, and what Envoy does around each.

use wasmtime::{AsContextMut, Instance, Linker, Memory, Store, WasmParams, WasmResults};

use super::HostError;
use super::abi::LogLevel;
use super::imports;
use super::module::{DEADLINE_TICKS, FilterModule};
use super::state::{CallAnswer, Options, State, Stream};

/// The plugin's own context.
pub(super) const ROOT: u32 = 1;

pub(super) struct Vm {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
    next_context: u32,
    trap: Option<String>,
}

impl Vm {
    /// Instantiates, starts and configures.
    pub(super) fn start(module: &FilterModule, configuration: Vec<u8>, options: Options) -> Result<Self, HostError> {
        let engine = module.module.engine();
        let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
        let mut store = Store::new(engine, State::new(configuration, options));
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(DEADLINE_TICKS);
        let mut linker = Linker::new(engine);
        let instantiate = |error: wasmtime::Error| HostError::Instantiate(format!("{error:#}"));
        imports::link(&mut linker).map_err(instantiate)?;
        let instance = linker.instantiate(&mut store, &module.module).map_err(instantiate)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| HostError::Instantiate("no memory is exported".to_owned()))?;
        if instance.get_export(&mut store, "proxy_abi_version_0_2_1").is_none() {
            return Err(HostError::Instantiate(
                "proxy_abi_version_0_2_1 is not exported".to_owned(),
            ));
        }
        let mut vm = Self {
            store,
            instance,
            memory,
            next_context: ROOT + 1,
            trap: None,
        };
        let configured = vm.configure(size);
        match (configured, vm.trap) {
            (_, Some(trap)) => Err(HostError::Trap(trap)),
            (Some(true), None) => Ok(Self { trap: None, ..vm }),
            _ => Err(HostError::Configuration(vm.store.into_data().logs)),
        }
    }

    fn configure(&mut self, size: u32) -> Option<bool> {
        for entry in ["_initialize", "_start"] {
            if self.has(entry) {
                self.call::<_, ()>(ROOT, entry, ())?;
                break;
            }
        }
        self.call::<_, ()>(ROOT, "proxy_on_context_create", (ROOT, 0_u32))?;
        if self.call::<_, u32>(ROOT, "proxy_on_vm_start", (ROOT, 0_u32))? == 0 {
            return Some(false);
        }
        self.call::<_, u32>(ROOT, "proxy_on_configure", (ROOT, size))
            .map(|configured| configured != 0)
    }

    pub(super) fn state(&self) -> &State {
        self.store.data()
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        self.store.data_mut()
    }

    pub(super) fn stream(&mut self, context: u32) -> Option<&mut Stream> {
        self.state_mut().streams.get_mut(&context)
    }

    pub(super) fn trap(&self) -> Option<&str> {
        self.trap.as_deref()
    }

    pub(super) fn memory_size(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn has(&mut self, function: &str) -> bool {
        self.instance.get_func(&mut self.store, function).is_some()
    }

    /// `None`: the VM is dead, now or already.
    pub(super) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        function: &str,
        arguments: P,
    ) -> Option<R> {
        if self.trap.is_some() {
            return None;
        }
        self.state_mut().effective_context = context;
        self.store.set_epoch_deadline(DEADLINE_TICKS);
        let result = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, function)
            .and_then(|function| function.call(self.store.as_context_mut(), arguments));
        match result {
            Ok(value) => {
                self.deliver_response(context);
                Some(value)
            }
            Err(error) => {
                let last = self
                    .state()
                    .logs
                    .iter()
                    .rev()
                    .find(|line| line.level >= LogLevel::Error);
                let log = last
                    .map(|line| format!("; last error in the log: {}", line.text))
                    .unwrap_or_default();
                self.trap = Some(format!("{function}: {}{log}", error.root_cause()));
                None
            }
        }
    }

    pub(super) fn open(&mut self, stream: Stream) -> u32 {
        let context = self.next_context;
        self.next_context += 1;
        self.state_mut().streams.insert(context, stream);
        self.call::<_, ()>(ROOT, "proxy_on_context_create", (context, ROOT));
        context
    }

    /// A local response passes the filter's own response callbacks, after the callback that made it has returned.
    fn deliver_response(&mut self, context: u32) {
        let Some(stream) = self.stream(context) else { return };
        if stream.response_delivered {
            return;
        }
        let Some(response) = stream.responses.first() else {
            return;
        };
        let (size, body) = (count(response.headers.len()) + 1, count(response.body.len()));
        let mut headers = vec![(":status".to_owned(), response.status.to_string().into_bytes())];
        headers.extend(response.headers.clone());
        stream.response_headers = Some(headers);
        stream.response_delivered = true;
        self.call::<_, u32>(
            context,
            "proxy_on_response_headers",
            (context, size, u32::from(body == 0)),
        );
        if body > 0 {
            self.call::<_, u32>(context, "proxy_on_response_body", (context, body, 1_u32));
        }
    }

    pub(super) fn answer_call(&mut self, token: u32, answer: CallAnswer) {
        let Some(call) = self.state().calls.iter().find(|call| call.token == token) else {
            return;
        };
        let context = call.context;
        let headers = answer.headers.as_ref().map_or(0, |headers| count(headers.len()));
        let body = answer.body.as_ref().map_or(0, |body| count(body.len()));
        self.state_mut().call_answer = Some(answer);
        self.call::<_, ()>(
            context,
            "proxy_on_http_call_response",
            (context, token, headers, body, 0_u32),
        );
        self.state_mut().call_answer = None;
    }

    pub(super) fn tick(&mut self) {
        if !self.state().tick_period.is_zero() {
            self.call::<_, ()>(ROOT, "proxy_on_tick", ROOT);
        }
    }

    /// The end of a stream, whichever way it came.
    pub(super) fn end(&mut self, context: u32) {
        if self.state().streams.contains_key(&context) {
            self.call::<_, u32>(context, "proxy_on_done", context);
            self.call::<_, ()>(context, "proxy_on_log", context);
            self.call::<_, ()>(context, "proxy_on_delete", context);
        }
    }
}

pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
