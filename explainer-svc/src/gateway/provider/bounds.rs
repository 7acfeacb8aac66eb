//! What a question and its answer take, as far as that is known here.

use super::Question;
use crate::gateway::call::{Form, Message, Usage};

/// What a question and its answer take at most: a token is at least a byte.
pub(in crate::gateway) fn bounds(question: &Question<'_>, answer: &str) -> Usage {
    Usage {
        input: input_bound(question.messages, question.form),
        cached: 0,
        output: u64::from(question.max_tokens).min(answer.len() as u64),
        estimated: true,
    }
}

/// The same when nothing is known of the answer.
pub(in crate::gateway) fn most(question: &Question<'_>) -> Usage {
    Usage {
        output: u64::from(question.max_tokens),
        ..bounds(question, "")
    }
}

/// What a provider says that it took, as far as that can be: one that says any number could empty everybody's budgets.
pub(super) fn believed(said: Usage, question: &Question<'_>, answer: &str) -> Usage {
    /// Tokens that a provider puts before a question at most: its templates, and how it asks for JSON.
    const BEFORE: u64 = 4096;
    let input = said.input.min(input_bound(question.messages, question.form) + BEFORE);
    // Not every provider keeps to the limit of the answer.
    let output = said.output.min(u64::from(question.max_tokens).max(answer.len() as u64));
    Usage {
        input,
        cached: said.cached.min(input),
        output,
        estimated: said.estimated || (input, output) != (said.input, said.output),
    }
}

/// Tokens of a question, at most.
pub(in crate::gateway) fn input_bound(messages: &[Message], form: Option<&Form>) -> u64 {
    /// What templates of models put around a message.
    const AROUND: usize = 16;
    let texts: usize = messages.iter().map(|message| message.content.len() + AROUND).sum();
    let form = match form {
        Some(Form::Schema(schema)) => schema.to_string().len(),
        Some(Form::Object) | None => 0,
    };
    (texts + form) as u64
}
