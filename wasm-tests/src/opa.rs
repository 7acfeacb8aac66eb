//! Asks OPA itself what a policy means (`wasm-tests/opa`, a Go program that holds OPA), and our own evaluator the same: in this
//! process and compiled for wasm (`wasm-tests/probe`).

pub mod cases;
mod native;
#[cfg(feature = "host")]
mod wasm;
mod wire;

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

pub use self::native::Native;
#[cfg(feature = "host")]
pub use self::wasm::Wasm;
use self::wire::WireRequest;
use crate::fixtures::repository;
pub use probe::protocol::{Answer, Module, Outcome, Request};

/// Who says what modules mean.
pub trait Evaluator {
    /// For messages.
    fn name(&self) -> &'static str;

    /// Each query on each input.
    ///
    /// # Errors
    /// It cannot be asked. What is wrong with the modules is an answer.
    fn ask(&mut self, request: &Request) -> Result<Answer>;
}

/// The folder with the oracle and OPA's conformance cases: built when it is not there yet.
pub fn folder() -> Result<PathBuf> {
    let output = Command::new(repository("scripts/opa-build.sh"))
        .stderr(Stdio::inherit())
        .output()
        .context("scripts/opa-build.sh")?;
    if !output.status.success() {
        bail!("OPA, which the comparison needs, cannot be built: run `just setup`");
    }
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

/// The program that holds OPA, with these arguments: `eval`, `bench` or `serve` and what belongs to it.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(folder()?.join("opa-oracle"));
    command.args(arguments);
    Ok(command)
}

/// OPA, running. It ends when this is dropped.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    requests: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let mut child = command(&["eval"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("opa-oracle")?;
        let requests = child.stdin.take().context("no standard input")?;
        let answers = child.stdout.take().context("no standard output")?;
        Ok(Self {
            child,
            requests: Some(BufWriter::new(requests)),
            answers: BufReader::new(answers),
        })
    }

    /// OPA passes over rules whose result is not needed, and over the errors in them. Not here.
    pub fn ask_thoroughly(&mut self, request: &Request) -> Result<Answer> {
        send(self.requests.as_mut().context("it has ended")?, request, true)?;
        receive(&mut self.answers)
    }

    /// All answers, in the same order. Faster than one after the other: it works on two at a time.
    pub fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<Answer>> {
        let Self {
            requests: pipe,
            answers,
            ..
        } = self;
        let pipe = pipe.as_mut().context("it has ended")?;
        std::thread::scope(|scope| {
            // From another thread: it answers while it reads.
            let writer = scope.spawn(|| -> Result<()> {
                for request in requests {
                    send(pipe, request, false)?;
                }
                Ok(())
            });
            let read: Result<Vec<Answer>> = requests.iter().map(|_| receive(answers)).collect();
            writer.join().ok().context("the writer panicked")??;
            read
        })
    }
}

impl Evaluator for Oracle {
    fn name(&self) -> &'static str {
        "OPA"
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        send(self.requests.as_mut().context("it has ended")?, request, false)?;
        receive(&mut self.answers)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn send(pipe: &mut BufWriter<ChildStdin>, request: &Request, thorough: bool) -> Result<()> {
    serde_json::to_writer(&mut *pipe, &WireRequest { request, thorough })?;
    pipe.write_all(b"\n")?;
    Ok(pipe.flush()?)
}

fn receive(pipe: &mut BufReader<ChildStdout>) -> Result<Answer> {
    let mut line = String::new();
    if pipe.read_line(&mut line)? == 0 {
        bail!("opa-oracle ended before it had answered");
    }
    wire::answer(&line)
}
