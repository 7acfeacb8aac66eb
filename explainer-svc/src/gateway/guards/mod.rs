//! What goes to a model and what comes back, under control. Pure functions: no I/O, no clock.
//!
//! ```text
//! ExplainRequest -> projection -> Outgoing -> inbound:  size, instructions, redaction, marking        -> Guarded -> model
//! Clean <- outbound: tool calls, length, characters, schema, links, commands, scope, echo, grounds, change  <- Answer <-+
//! ```
//!
//! No guard is a boundary by itself. The boundary is what a model can do here: propose words, and a change that counts only when
//! the engine's policies pass.

mod canary;
mod characters;
mod inbound;
mod injection;
mod outbound;
mod pattern;
mod projection;
mod redact;
mod samples;
mod spotlight;

#[cfg(test)]
mod corpora;

use serde::Serialize;

pub use canary::samples;
pub use inbound::{Guarded, Limits, Message, Outgoing, Part, Report, Role, Sent, inbound};
pub use injection::{Detection, Place, Verdict, detect};
#[cfg(test)]
pub(crate) use outbound::AT_THE_SOURCE;
pub use outbound::{Answer, Clean, Explained, Grounds, answer_schema, change_schema, outbound};
pub use projection::{Projected, Reason, Record, Subject, project};
pub use redact::{Kind, Redactor};
pub use spotlight::Marks;

/// A guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// In: fields by allow-list.
    Projection,
    /// In and out: secrets and personal data.
    Redaction,
    /// In: how much is sent.
    Size,
    /// In: untrusted text is marked.
    Marking,
    /// In and out: instructions in what only describes.
    Instructions,
    /// Out: a model has no tools.
    ToolCalls,
    /// Out: how much comes back.
    Length,
    /// Out: invisible characters.
    Characters,
    /// Out: the answer's form.
    Schema,
    /// Out: links and images that the policy does not have.
    Links,
    /// Out: commands that the policy does not have.
    Commands,
    /// Out: what is not for it to say.
    Scope,
    /// Out: untrusted text repeated.
    Echo,
    /// Out: names, paths and values that are not in the facts.
    Groundedness,
    /// Out: a change that is none.
    Change,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Projection,
        Self::Redaction,
        Self::Size,
        Self::Marking,
        Self::Instructions,
        Self::ToolCalls,
        Self::Length,
        Self::Characters,
        Self::Schema,
        Self::Links,
        Self::Commands,
        Self::Scope,
        Self::Echo,
        Self::Groundedness,
        Self::Change,
    ];

    /// For counters and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::Redaction => "redaction",
            Self::Size => "size",
            Self::Marking => "marking",
            Self::Instructions => "instructions",
            Self::ToolCalls => "tool-calls",
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Schema => "schema",
            Self::Links => "links",
            Self::Commands => "commands",
            Self::Scope => "scope",
            Self::Echo => "echo",
            Self::Groundedness => "groundedness",
            Self::Change => "change",
        }
    }
}

/// A guard refused. The detail is for the log: it may quote what a model said, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the guard `{}` refused: {detail}", guard.name())]
pub struct Fired {
    /// Which.
    pub guard: Guard,
    /// Why.
    pub detail: String,
    /// What the guards did until then.
    pub report: Box<Report>,
}

impl Fired {
    fn new(guard: Guard, detail: String, mut report: Report) -> Self {
        if guard != Guard::Instructions {
            report.count(guard, 1);
        }
        Self {
            guard,
            detail,
            report: Box::new(report),
        }
    }
}
