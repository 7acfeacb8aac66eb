//! The guards, as the gateway calls them.

use serde_json::{Value, json};

use super::call::{Call, Content, Form, Message, Role, Sampling};
use super::guards::{self, Grounds, Outgoing, Redactor};
use super::seams::{self, Guards};

/// The guards of this program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guarding {
    /// Bytes of an answer to an agent.
    pub answer_bytes: usize,
}

impl Guards for Guarding {
    fn samples(&self) -> Vec<seams::Sample> {
        guards::samples(self.answer_bytes)
    }

    fn inbound(&self, call: &Call) -> Result<seams::Guarded, seams::Fired> {
        let (mut form, mut sampling) = (call.form.clone(), call.sampling.clone());
        let (guarded, grounds) = match &call.content {
            Content::Chat(messages) => {
                let beside = beside(call);
                let mut guarded = guards::inbound(&of_caller(messages, &beside)).map_err(fired)?;
                if !beside.is_empty() {
                    guarded.messages.pop();
                }
                (form, sampling) = without_secrets(call, messages, &beside);
                if let Some(Form::Schema(schema)) = &form
                    && !is_usable(schema)
                {
                    // Known before anybody is asked and paid.
                    return Err(seams::Fired {
                        guard: guards::Guard::Schema.name(),
                        detail: "the schema of the answer is none".to_owned(),
                        report: report(&guarded.report),
                    });
                }
                let grounds = Grounds::Plain {
                    schema: form.as_ref().map(|form| match form {
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
            form,
            sampling,
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

/// What a caller says beside the messages: the texts of its schema, names included, and those that end the answer.
fn beside(call: &Call) -> Vec<String> {
    fn gather(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) => texts.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
            Value::Object(members) => {
                for (name, member) in members {
                    texts.push(name.clone());
                    gather(member, texts);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = call.sampling.stop.clone();
    if let Some(Form::Schema(schema)) = &call.form {
        gather(schema, &mut texts);
    }
    texts
}

/// The form and the sampling as they may be sent.
fn without_secrets(call: &Call, messages: &[Message], beside: &[String]) -> (Option<Form>, Sampling) {
    fn cleaned(value: &Value, clean: &mut dyn FnMut(&str) -> String) -> Value {
        match value {
            Value::String(text) => Value::String(clean(text)),
            Value::Array(items) => items.iter().map(|item| cleaned(item, clean)).collect(),
            Value::Object(members) => {
                let each = members
                    .iter()
                    .map(|(name, member)| (clean(name), cleaned(member, clean)));
                Value::Object(each.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
    let mut redactor = Redactor::default();
    // What is a secret by what stands around it in one place is one in the others.
    for text in messages.iter().map(|message| &message.content).chain(beside) {
        redactor.text(text);
    }
    let mut clean = |text: &str| {
        let text = redactor.text(text);
        redactor.again(&text)
    };
    let sampling = Sampling {
        stop: call.sampling.stop.iter().map(|text| clean(text)).collect(),
        ..call.sampling.clone()
    };
    let form = call.form.as_ref().map(|form| match form {
        Form::Object => Form::Object,
        Form::Schema(schema) => Form::Schema(cleaned(schema, &mut clean)),
    });
    (form, sampling)
}

/// Whether answers can be checked against a schema, as the guard of the way out does it: nothing is fetched.
fn is_usable(schema: &Value) -> bool {
    let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
    options.build(schema).is_ok()
}

fn of_caller(messages: &[Message], beside: &[String]) -> Outgoing {
    let mut outgoing = Outgoing::of_caller(messages.iter().map(|message| {
        let role = match message.role {
            Role::System => guards::Role::System,
            Role::User => guards::Role::User,
            Role::Assistant => guards::Role::Assistant,
            Role::Tool => guards::Role::Tool,
        };
        (role, message.content.as_str())
    }));
    if !beside.is_empty() {
        outgoing.limits.messages += 1;
        outgoing.messages.push(guards::Message {
            role: guards::Role::User,
            parts: beside.iter().cloned().map(guards::Part::Caller).collect(),
        });
    }
    outgoing
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
