//! The plugin itself: its configuration, and what all requests of one VM share.

use std::rc::Rc;

use engine::warm;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::Config;
use crate::host;
use crate::metrics::Metrics;
use crate::shell::Request;

/// Introduces the plugin to Envoy.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "called by Envoy's entry point alone")
)]
pub(crate) fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}

/// For so long a new configuration is warmed up, and then for the rest of one review: its worker serves nobody meanwhile.
const WARM_UP_US: u64 = 20_000;

/// What all requests of one VM share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
}

#[derive(Default)]
struct Root {
    shared: Option<Rc<Shared>>,
}

impl Context for Root {}

impl RootContext for Root {
    /// False makes Envoy refuse the whole configuration: it does not start, or keeps the one it has.
    fn on_configure(&mut self, _size: usize) -> bool {
        match Config::parse(&host::configuration()) {
            Ok(config) => {
                let policies = config.policies.policies().iter().map(|policy| policy.meta.id.clone());
                let metrics = Metrics::new(policies);
                metrics.wrapped(config.wrapped.keys());
                let (revision, count) = (config.policies.revision(), config.policies.policies().len());
                let (judged, micros) = warm_up(&config);
                let text = format!(
                    "whynot: revision {revision}, {count} policies; warmed up by {judged} reviews in {micros} us"
                );
                host::log(LogLevel::Info, &text);
                self.shared = Some(Rc::new(Shared { config, metrics }));
                true
            }
            Err(error) => {
                host::log(LogLevel::Error, &format!("whynot: {error}"));
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Judges made-up reviews, so that the first real one meets warm code. Nothing of it is counted. Returns how many, and for how
/// many microseconds.
fn warm_up(config: &Config) -> (usize, u64) {
    let started = host::now_us();
    let elapsed = || host::now_us().saturating_sub(started);
    let judged = warm::up(&config.policies, || elapsed() < WARM_UP_US);
    (judged, elapsed())
}
