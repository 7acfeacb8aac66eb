//! The plugin itself: its configuration taken up, and what it does between requests.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::host;
use crate::shell::Request;

pub(crate) use crate::hot::Shared;

/// Introduces the plugin to Envoy.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "called by Envoy's entry point alone")
)]
pub(crate) fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}

#[derive(Default)]
struct Root {
    shared: Option<Rc<Shared>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _trailers: usize) {
        if let Some(shared) = &self.shared {
            shared.answered(token, headers > 0, body_size);
        }
    }
}

impl RootContext for Root {
    /// False makes Envoy refuse the whole configuration: it does not start, or keeps the one it has.
    fn on_configure(&mut self, _size: usize) -> bool {
        match Shared::configured(&host::configuration()) {
            Ok(shared) => {
                shared.warm_up();
                self.shared = Some(Rc::new(shared));
                true
            }
            Err(error) => {
                host::log(LogLevel::Error, &format!("whynot: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(shared) = &self.shared {
            shared.tick();
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
