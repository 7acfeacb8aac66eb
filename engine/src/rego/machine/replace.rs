//! `with`: other documents and functions for some steps.

use smol_str::SmolStr;

use super::{Flow, Machine, Memo, Mock, Mocked};
use crate::rego::builtins::Halt;
use crate::rego::plan::{Change, Replacement, Slot, Step};
use crate::rego::value::Value;

impl<'p> Machine<'p, '_> {
    pub(super) fn mock(&self, function: Mocked) -> Option<Mock> {
        let found = self.mocks.iter().rev().find(|(mocked, _)| *mocked == function);
        found.map(|(_, mock)| mock.clone())
    }

    pub(super) fn mocked(&mut self, mock: Mock, args: &[Value]) -> Result<Option<Value>, Halt> {
        // What replaces a function may call it, and calls no other replacement. What is found out meanwhile holds only there.
        let mocks = std::mem::take(&mut self.mocks);
        let memo = std::mem::replace(&mut self.memo, vec![Memo::Unknown; self.program.rules.len()]);
        let calls = std::mem::take(&mut self.calls);
        let value = match mock {
            Mock::Value(value) => Ok(Some(value)),
            Mock::Rule(rule) => self.function(rule, args),
            Mock::Builtin(builtin) => self.call_builtin(builtin, args),
        };
        self.mocks = mocks;
        self.memo = memo;
        self.calls = calls;
        value
    }

    pub(super) fn with(
        &mut self,
        changes: &'p [Change],
        steps: &'p [Step],
        slots: &[Slot],
        frame: usize,
    ) -> Result<Vec<Vec<Option<Value>>>, Halt> {
        let (input, data) = (self.input.clone(), self.data.clone());
        let (masks, mocks) = (self.masks.len(), self.mocks.len());
        for change in changes {
            match change {
                Change::Input { path, value } => {
                    let value = self.make(value, frame);
                    self.input = Some(self.made(replaced(self.input.as_ref(), path, value)));
                }
                Change::Data { path, value } => {
                    let value = self.make(value, frame);
                    self.data = self.made(replaced(Some(&self.data), path, value));
                    self.masks.push(path);
                }
                Change::Builtin { name, by } => {
                    let mock = self.replacement(by, frame);
                    self.mocks.push((Mocked::Builtin(name), mock));
                }
                Change::Function { rule, by } => {
                    let mock = self.replacement(by, frame);
                    self.mocks.push((Mocked::Rule(*rule), mock));
                }
            }
        }
        let memo = std::mem::replace(&mut self.memo, vec![Memo::Unknown; self.program.rules.len()]);
        let calls = std::mem::take(&mut self.calls);
        let mut rows = Vec::new();
        let outcome = self.run(steps, frame, &mut |machine, frame| {
            rows.push(slots.iter().map(|slot| machine.slot(frame + slot).cloned()).collect());
            Ok(Flow::More)
        });
        self.memo = memo;
        self.calls = calls;
        self.input = input;
        self.data = data;
        self.masks.truncate(masks);
        self.mocks.truncate(mocks);
        outcome.map(|_| rows)
    }

    pub(super) fn replacement(&self, by: &Replacement, frame: usize) -> Mock {
        match by {
            Replacement::Value(template) => Mock::Value(self.make(template, frame)),
            Replacement::Rule(rule) => Mock::Rule(*rule),
            Replacement::Builtin(builtin) => Mock::Builtin(builtin),
        }
    }
}

/// The value with another one at a path; what is no object on the way becomes one.
pub(super) fn replaced(value: Option<&Value>, path: &[SmolStr], new: Value) -> Value {
    let Some((name, rest)) = path.split_first() else {
        return new;
    };
    let below = replaced(value.and_then(|value| value.member(name)), rest, new);
    let key = Value::String(name.clone());
    match value {
        Some(Value::Object(object)) => Value::Object(object.with(key, below).into()),
        _ => Value::object(vec![(key, below)]),
    }
}
