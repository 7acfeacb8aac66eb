//! The guards, as the gateway calls them.

use serde_json::{Value, json};

use super::call::{Call, Content, Form, Message, Role};
use super::guards::{self, Grounds, Missing, Outgoing};
use super::seams::{self, Guards};

/// The guards of this program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guarding {
    /// Bytes of an answer to an agent.
    pub answer_bytes: usize,
}

impl Guards for Guarding {
    fn canary(&self) -> Result<Vec<&'static str>, Vec<&'static str>> {
        let names = |guards: Vec<guards::Guard>| guards.into_iter().map(guards::Guard::name).collect();
        guards::canary(self)
            .map(names)
            .map_err(|Missing(missing)| names(missing))
    }

    fn inbound(&self, call: &Call) -> Result<seams::Guarded, seams::Fired> {
        let (guarded, grounds) = match &call.content {
            Content::Chat(messages) => {
                let guarded = guards::inbound(&of_caller(messages)).map_err(fired)?;
                let grounds = Grounds::Plain {
                    schema: call.form.as_ref().map(|form| match form {
                        Form::Object => json!({"type": "object"}),
                        Form::Schema(schema) => schema.clone(),
                    }),
                    max_bytes: self.answer_bytes,
                    marks: guarded.marks.clone(),
                };
                (guarded, grounds)
            }
            Content::Explanation { outgoing, grounds } => {
                let guarded = guards::inbound(outgoing).map_err(fired)?;
                let grounds = Grounds::Explanation {
                    facts: grounds.clone(),
                    marks: guarded.marks.clone(),
                };
                (guarded, grounds)
            }
        };
        let messages = guarded.messages.into_iter().map(|sent| Message {
            role: match sent.role {
                guards::Role::System => Role::System,
                guards::Role::User => Role::User,
                guards::Role::Assistant => Role::Assistant,
                guards::Role::Tool => Role::Tool,
            },
            content: sent.content,
        });
        Ok(seams::Guarded {
            messages: messages.collect(),
            counts: counts(&guarded.report),
            report: report(&guarded.report),
            outbound: Box::new(move |answer: &seams::Answer<'_>| {
                let answer = guards::Answer {
                    text: answer.text,
                    tool_calls: answer.tool_calls,
                };
                let clean = guards::outbound(&answer, &grounds).map_err(fired)?;
                Ok(seams::Clean {
                    counts: counts(&clean.report),
                    report: report(&clean.report),
                    text: clean.text,
                    policies: clean.policies,
                    fields: clean.fields,
                    change: clean.change,
                    dropped: clean.dropped,
                })
            }),
        })
    }
}

fn of_caller(messages: &[Message]) -> Outgoing {
    Outgoing::of_caller(messages.iter().map(|message| {
        let role = match message.role {
            Role::System => guards::Role::System,
            Role::User => guards::Role::User,
            Role::Assistant => guards::Role::Assistant,
            Role::Tool => guards::Role::Tool,
        };
        (role, message.content.as_str())
    }))
}

fn report(report: &guards::Report) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

fn counts(report: &guards::Report) -> Vec<(&'static str, u64)> {
    report
        .guards
        .iter()
        .map(|(guard, times)| (guard.name(), *times as u64))
        .collect()
}

fn fired(fired: guards::Fired) -> seams::Fired {
    seams::Fired {
        guard: fired.guard.name(),
        report: report(&fired.report),
        detail: fired.detail,
    }
}
