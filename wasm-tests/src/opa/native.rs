//! Our own evaluator in this process, asked as OPA is.

use anyhow::{Error, Result};

use super::{Answer, Evaluator, Request};

/// The engine's evaluator in this process.
#[derive(Debug, Default)]
pub struct Native;

impl Evaluator for Native {
    fn name(&self) -> &'static str {
        "whynot"
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        probe::evaluate::answer(request).map_err(Error::msg)
    }
}
