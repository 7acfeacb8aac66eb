//! Our own evaluator compiled for wasm, asked as OPA is.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use probe::protocol::{Outcome, Question};
use serde::de::DeserializeOwned;

use super::cases::{Case, Verdict};
use super::{Answer, Evaluator, Request};
use crate::fixtures::repository;
use crate::host::{self, FilterModule, Host, Options};

/// A host keeps what it was sent, and a module the memory that it once needed.
const QUESTIONS: usize = 500;

/// The engine's evaluator in a VM of its own.
#[derive(Default)]
pub struct Wasm {
    host: Option<Host>,
    asked: usize,
}

impl Wasm {
    /// One of OPA's cases.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn run(&mut self, case: &Case) -> Result<Verdict> {
        let verdict = self.answer(&Question::Case(Box::new(case.clone())))?;
        Ok(verdict.unwrap_or_else(|trap| Verdict::Wrong(format!("the module trapped: {trap}"))))
    }

    /// The answer, or why the module died of the question.
    fn answer<A: DeserializeOwned>(&mut self, question: &Question) -> Result<Result<A, String>> {
        if self.host.is_none() || self.asked == QUESTIONS {
            let host = Host::with_module(module()?, [], Options::default());
            self.host = Some(host.context("the probe")?);
            self.asked = 0;
        }
        let host = self.host.as_ref().context("no host")?;
        self.asked += 1;
        let mut request = host.request("POST", "/", [("content-type", "application/json")]);
        request.body(serde_json::to_vec(question)?, true);
        let outcome = request.outcome();
        request.end();
        match outcome {
            host::Outcome::Local(response) if response.status == 200 => Ok(Ok(serde_json::from_slice(&response.body)?)),
            host::Outcome::Local(response) => bail!("{}", String::from_utf8_lossy(&response.body)),
            host::Outcome::Trap(trap) => {
                self.host = None;
                Ok(Err(trap))
            }
            other => bail!("no answer: {other:?}"),
        }
    }
}

impl Evaluator for Wasm {
    fn name(&self) -> &'static str {
        "whynot in wasm"
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        let answer = self.answer(&Question::Program(request.clone()))?;
        Ok(answer.unwrap_or_else(|_| {
            let Request { inputs, queries, .. } = request;
            Answer::Outcomes(vec![vec![Outcome::Panicked; queries.len()]; inputs.len()])
        }))
    }
}

/// The module, compiled from the sources as they are now.
fn module() -> Result<&'static FilterModule> {
    static MODULE: OnceLock<Result<FilterModule, String>> = OnceLock::new();
    let module = MODULE.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    module.as_ref().map_err(|reason| anyhow!("{reason}"))
}

fn build() -> Result<FilterModule> {
    let output = Command::new(repository("scripts/wasm-probe.sh"))
        .stderr(Stdio::inherit())
        .output()
        .context("scripts/wasm-probe.sh")?;
    if !output.status.success() {
        bail!("the evaluator cannot be compiled for wasm: run `just setup`");
    }
    let path = String::from_utf8(output.stdout)?;
    let bytes = std::fs::read(path.trim()).with_context(|| path.clone())?;
    FilterModule::compile(&bytes).map_err(Error::msg)
}
