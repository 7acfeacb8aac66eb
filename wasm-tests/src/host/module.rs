//! The compiled filter, read and compiled once in a process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Engine, Module};

/// How often the clock of running guests advances.
const TICK: Duration = Duration::from_millis(100);

/// A module for [`super::Host::with_module`].
pub struct FilterModule {
    pub(super) module: Module,
    size: usize,
}

impl FilterModule {
    /// Compiles a module.
    pub fn compile(bytes: &[u8]) -> Result<Self, String> {
        let engine = engine().as_ref().map_err(Clone::clone)?;
        let module = Module::new(engine, bytes).map_err(|error| format!("{error:?}"))?;
        Ok(Self {
            module,
            size: bytes.len(),
        })
    }

    /// Bytes of the module's file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// `(module, name)` of every import.
    pub fn imports(&self) -> Vec<(String, String)> {
        self.module
            .imports()
            .map(|import| (import.module().to_owned(), import.name().to_owned()))
            .collect()
    }
}

/// The filter that the recipes build, or the file that `WHYNOT_FILTER_WASM` names.
pub fn filter_module() -> Result<&'static FilterModule, &'static str> {
    static MODULE: OnceLock<Result<FilterModule, String>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let path = filter_path();
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("no compiled filter ({}: {error}): run `just wasm`", path.display()))?;
        FilterModule::compile(&bytes).map_err(|error| format!("{}: {error}", path.display()))
    });
    module.as_ref().map_err(String::as_str)
}

fn filter_path() -> PathBuf {
    std::env::var_os("WHYNOT_FILTER_WASM").map_or_else(|| build_folder().join("whynot_filter.wasm"), PathBuf::from)
}

fn build_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(|root| root.join("build"))
        .unwrap_or_default()
}

/// One engine: its epoch is the clock that stops a guest which loops.
fn engine() -> &'static Result<Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut cache = CacheConfig::new();
        cache.with_directory(build_folder().join("wasmtime-cache"));
        let mut config = Config::new();
        config.epoch_interruption(true);
        // Without it a run starts with half a minute of compilation; a folder that cannot be written is no reason to fail.
        config.cache(Cache::new(cache).ok());
        let engine = Engine::new(&config).map_err(|error| format!("{error:?}"))?;
        let clock = engine.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(TICK);
                clock.increment_epoch();
            }
        });
        Ok(engine)
    })
}

/// What one callback may take. Far above what any takes, far below what a person waits for a hanging test.
pub(super) const DEADLINE_TICKS: u64 = 300;
