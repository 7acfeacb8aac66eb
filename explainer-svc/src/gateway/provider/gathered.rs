//! An answer while it comes in, in either protocol.

use super::{Answered, Fault, FaultKind};
use crate::gateway::call::{Stop, Usage};

/// What is known so far.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) text: String,
    pub(super) tool_calls: usize,
    pub(super) stop: Option<Stop>,
    pub(super) filtered: bool,
    pub(super) usage: Option<Usage>,
    /// Nothing more will come.
    pub(super) is_done: bool,
    limit: usize,
}

impl Gathered {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            tool_calls: 0,
            stop: None,
            filtered: false,
            usage: None,
            is_done: false,
            limit,
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), Fault> {
        if self.text.len().saturating_add(text.len()) > self.limit {
            return Err(Fault::new(FaultKind::TooLarge, "the answer is over the limit"));
        }
        self.text.push_str(text);
        Ok(())
    }

    /// What it took, where the provider said it: no question is of no tokens, and no text either.
    pub(super) fn used(&self) -> Option<Usage> {
        self.usage
            .filter(|usage| usage.input > 0 && (usage.output > 0 || self.text.is_empty()))
    }

    /// The answer, when it is whole.
    pub(super) fn answered(&mut self) -> Result<Answered, Fault> {
        if self.filtered {
            return Err(Fault::new(FaultKind::Filtered, "the provider's own filter stopped it"));
        }
        // A model that wants to call tools says so instead of why it stopped.
        let stop = match self.stop {
            Some(stop) => stop,
            None if self.tool_calls > 0 => Stop::Stop,
            None => return Err(Fault::new(FaultKind::Cut, "it ended before the answer did")),
        };
        let usage = self.used();
        Ok(Answered {
            text: std::mem::take(&mut self.text),
            tool_calls: self.tool_calls,
            stop,
            usage,
        })
    }
}
