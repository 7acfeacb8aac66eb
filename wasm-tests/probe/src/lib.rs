//! The engine's evaluator, asked as OPA is asked.
//!
//! Natively [`evaluate::answer`] and [`cases::Case::run`] are called directly. In wasm the same questions come as JSON: the module
//! is a proxy-wasm plugin that answers requests, so that it runs on the host on which the filter is tested.

pub mod cases;
pub mod evaluate;
pub mod protocol;
#[cfg(target_arch = "wasm32")]
mod shell;

use protocol::Question;

/// The answer to a question, both as JSON. `now`: nanoseconds since 1970.
///
/// # Errors
/// It is no question.
pub fn answer(question: &[u8], now: Option<i64>) -> Result<Vec<u8>, String> {
    let question: Question = serde_json::from_slice(question).map_err(|error| error.to_string())?;
    let answer = match question {
        Question::Program(request) => serde_json::to_vec(&evaluate::answer(&request)?),
        Question::Case(case) => serde_json::to_vec(&case.run(now)),
    };
    answer.map_err(|error| error.to_string())
}

/// What the host calls first; the SDK's macro exports it.
#[cfg(target_arch = "wasm32")]
mod entry {
    proxy_wasm::main! {{ crate::shell::start(); }}
}
