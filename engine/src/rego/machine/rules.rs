//! The values of rules and functions.

use super::documents::at_path;
use super::objects::{assemble, fixed_parts};
use super::{Called, Flow, KEPT_CALLS, Machine, Memo, Mocked};
use crate::rego::builtins::Halt;
use crate::rego::number::Number;
use crate::rego::plan::{Branch, Definition, Pattern, RuleId, RuleSet, Sort, Template};
use crate::rego::value::Value;

impl<'p> Machine<'p, '_> {
    /// The value of a rule.
    pub(super) fn rule(&mut self, id: RuleId) -> Result<Option<Value>, Halt> {
        if let Some(Memo::Known(known)) = self.memo.get(id) {
            return Ok(known.clone());
        }
        let Some(set) = self.program.rules.get(id) else {
            return Ok(None);
        };
        let value = if self.masks.iter().any(|mask| set.path.starts_with(mask)) {
            at_path(&self.data, &set.path).cloned()
        } else {
            match set.sort {
                Sort::Function(_) => None,
                Sort::Complete => self.complete(set, &[])?,
                Sort::Set => Some(self.set(set)?),
                Sort::Object => Some(self.object(set)?),
            }
        };
        if let Some(memo) = self.memo.get_mut(id) {
            *memo = Memo::Known(value.clone());
        }
        Ok(value)
    }

    /// The value of a rule of which only one member is asked for. A conflict of other members is not seen then.
    pub(super) fn rule_for(&mut self, id: RuleId, key: Option<&Value>) -> Result<Option<Value>, Halt> {
        let (frame, file) = (self.stack.len(), self.file);
        let value = self.rule(id);
        let (Err(Halt::Error(_)), Some(key), Some(set)) = (&value, key, self.program.rules.get(id)) else {
            return value;
        };
        if set.sort != Sort::Object {
            return value;
        }
        // The evaluation that failed left its frames.
        self.stack.truncate(frame);
        self.file = file;
        let mut parts = self.parts(set, Some(key))?;
        parts.retain(|(keys, _, _)| keys.first() == Some(key));
        assemble(parts, Vec::new(), 0).map(|value| Some(self.made(value)))
    }

    pub(in crate::rego) fn function(&mut self, id: RuleId, args: &[Value]) -> Result<Option<Value>, Halt> {
        if !self.mocks.is_empty()
            && let Some(mock) = self.mock(Mocked::Rule(id))
        {
            return self.mocked(mock, args);
        }
        let Some(set) = self.program.rules.get(id) else {
            return Ok(None);
        };
        if self.masks.iter().any(|mask| set.path.starts_with(mask)) {
            return Ok(None);
        }
        let known = self.calls.iter().find(|call| {
            call.function == id
                && call.args.len() == args.len()
                && call.args.iter().zip(args).all(|(a, b)| is_same(a, b))
        });
        if let Some(call) = known {
            return Ok(call.result.clone());
        }
        let result = self.complete(set, args)?;
        let call = Called {
            function: id,
            args: args.into(),
            result: result.clone(),
        };
        if self.calls.len() < KEPT_CALLS {
            self.calls.push(call);
        } else {
            self.oldest = (self.oldest + 1) % KEPT_CALLS;
            if let Some(place) = self.calls.get_mut(self.oldest) {
                *place = call;
            }
        }
        Ok(result)
    }

    /// The value of a rule or function: all its definitions have to agree.
    pub(super) fn complete(&mut self, set: &'p RuleSet, args: &[Value]) -> Result<Option<Value>, Halt> {
        let mut found: Option<Value> = None;
        for definition in &set.definitions {
            self.definition(set, definition, args, &mut found)?;
            if set.stops_early && found.is_some() {
                break;
            }
        }
        if found.is_none()
            && let Some(default) = &set.default
        {
            self.definition(set, default, args, &mut found)?;
        }
        Ok(found)
    }

    pub(super) fn definition(
        &mut self,
        set: &'p RuleSet,
        definition: &'p Definition,
        args: &[Value],
        found: &mut Option<Value>,
    ) -> Result<(), Halt> {
        self.spend()?;
        // Most definitions of a function such as `multiple("Ki") = 1024` are none of this call's.
        let differs = |(pattern, arg): (&Pattern, &Value)| matches!(pattern, Pattern::Equal(Template::Const(constant)) if constant != arg);
        if definition.args.iter().zip(args).any(differs) {
            return Ok(());
        }
        let file = std::mem::replace(&mut self.file, definition.file);
        let frame = self.enter(definition);
        let fits = definition
            .args
            .iter()
            .zip(args)
            .all(|(pattern, arg)| self.matches(pattern, arg, frame));
        let mut outcome = Ok(Flow::More);
        if fits {
            for branch in &definition.branches {
                let mut is_taken = false;
                // A constant is the same however often it is found.
                let is_constant = matches!(branch.value, Template::Const(_));
                outcome = self.run(&branch.steps, frame, &mut |machine, frame| {
                    is_taken = true;
                    machine.cover(branch.line);
                    let value = machine.make(&branch.value, frame);
                    match found {
                        Some(other) if *other != value => Err(Halt::Error(conflict(set.sort))),
                        Some(_) => Ok(if is_constant { Flow::Stop } else { Flow::More }),
                        None => {
                            *found = Some(value);
                            Ok(if is_constant { Flow::Stop } else { Flow::More })
                        }
                    }
                });
                if is_taken || outcome.is_err() {
                    break;
                }
            }
        }
        self.stack.truncate(frame);
        self.file = file;
        outcome.map(|_| ())
    }

    pub(super) fn enter(&mut self, definition: &Definition) -> usize {
        let frame = self.stack.len();
        self.stack.resize(frame + definition.slots, None);
        frame
    }

    pub(super) fn set(&mut self, set: &'p RuleSet) -> Result<Value, Halt> {
        let mut members = Vec::new();
        for definition in &set.definitions {
            let file = std::mem::replace(&mut self.file, definition.file);
            let frame = self.enter(definition);
            for branch in &definition.branches {
                self.run(&branch.steps, frame, &mut |machine, frame| {
                    machine.cover(branch.line);
                    members.push(machine.make(&branch.value, frame));
                    Ok(if matches!(branch.value, Template::Const(_)) {
                        Flow::Stop
                    } else {
                        Flow::More
                    })
                })?;
            }
            self.stack.truncate(frame);
            self.file = file;
        }
        Ok(self.made(Value::set(members)))
    }

    pub(super) fn object(&mut self, set: &'p RuleSet) -> Result<Value, Halt> {
        let parts = self.parts(set, None)?;
        let branches: Vec<&Branch> = set
            .definitions
            .iter()
            .flat_map(|definition| &definition.branches)
            .collect();
        let mut fixed = Vec::new();
        fixed_parts(&branches, &mut Vec::new(), &mut fixed);
        assemble(parts, fixed, 0).map(|value| self.made(value))
    }

    /// The parts of an object; without those that cannot be under the key, when one is given.
    pub(super) fn parts(
        &mut self,
        set: &'p RuleSet,
        key: Option<&Value>,
    ) -> Result<Vec<(Vec<Value>, Value, bool)>, Halt> {
        let mut parts: Vec<(Vec<Value>, Value, bool)> = Vec::new();
        for definition in &set.definitions {
            let file = std::mem::replace(&mut self.file, definition.file);
            let frame = self.enter(definition);
            for branch in &definition.branches {
                if let (Some(Template::Const(own)), Some(key)) = (branch.keys.first(), key)
                    && own != key
                {
                    continue;
                }
                self.run(&branch.steps, frame, &mut |machine, frame| {
                    machine.cover(branch.line);
                    let keys = branch.keys.iter().map(|key| machine.make(key, frame)).collect();
                    parts.push((keys, machine.make(&branch.value, frame), branch.is_member));
                    Ok(Flow::More)
                })?;
            }
            self.stack.truncate(frame);
            self.file = file;
        }
        Ok(parts)
    }
}

/// Whether two arguments are the same, told at once: what is large is only looked at from outside.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.is_same(b),
        (Value::Object(a), Value::Object(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Set(a), Value::Set(b)) => std::sync::Arc::ptr_eq(a, b),
        // 1 and 1.0 are equal, and written differently.
        (Value::Number(Number::Int(a)), Value::Number(Number::Int(b))) => a == b,
        (Value::Number(_), _) => false,
        _ => a == b,
    }
}

pub(super) fn conflict(sort: Sort) -> String {
    match sort {
        Sort::Function(_) => "functions must not produce multiple outputs for same inputs".to_owned(),
        _ => "complete rules must not produce multiple outputs".to_owned(),
    }
}
