//! Policies on their way in: sources and settings, checked whole, become a [`PolicySet`](crate::eval::PolicySet).

pub mod bundle;
pub mod compile;
pub mod custom;
mod documents;
pub mod format;
pub mod gatekeeper;
pub mod index;
pub mod matching;
pub mod metadata;
pub mod modules;
pub mod proposal;
pub mod settings;
pub(crate) mod yaml;

use std::fmt;

/// One reason why a policy set is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the bundle.
    pub file: String,
    /// The line, from 1; 0 when it concerns the whole file.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem at a line.
    pub fn at(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file, self.message),
            line => write!(formatter, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Several problems, one a line.
pub fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The id of a policy: its package with `/` for `.` and `-` for `_`.
pub fn id_of(package: &str) -> String {
    package.trim_start_matches("data.").replace('.', "/").replace('_', "-")
}
