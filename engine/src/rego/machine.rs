//! Runs the steps of a program.

mod documents;
mod objects;
mod replace;
mod rules;

use std::cell::Cell;

use smallvec::SmallVec;
use smol_str::SmolStr;

use self::documents::at_path;
use self::objects::unique;
use super::builtins::{Builtin, Fault, Halt, Host};
use super::plan::{Collect, Op, Pattern, RuleId, Slot, Source, Step, Template};
use super::program::Program;
use super::value::Value;

/// Whether to look for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    More,
    Stop,
}

type Outcome = Result<Flow, Halt>;
/// What is done with each result of steps: it finds the values in the frame that begins there.
type Sink<'s, 'p, 'h> = &'s mut dyn FnMut(&mut Machine<'p, 'h>, usize) -> Outcome;
type Each<'s, 'p, 'h> = &'s mut dyn FnMut(&mut Machine<'p, 'h>, Value) -> Outcome;

/// One evaluation.
pub(super) struct Machine<'p, 'h> {
    program: &'p Program,
    input: Option<Value>,
    data: Value,
    host: &'h mut Host,
    /// The frames of the rules that are being evaluated, one on the other.
    stack: Vec<Option<Value>>,
    /// The values of rules that are known.
    memo: Vec<Memo>,
    /// Documents that `with` put in the place of rules.
    masks: Vec<&'p [SmolStr]>,
    /// Functions that `with` replaced.
    mocks: Vec<(Mocked, Mock)>,
    /// Results of functions, the latest ones.
    calls: Vec<Called>,
    /// The next of them to be forgotten.
    oldest: usize,
    /// The file of the rule that is evaluated.
    file: usize,
    /// How many bodies are being run, one in the other.
    depth: usize,
    /// How many steps into values and documents are taken, one in the other.
    inside: usize,
    /// Whether a value was made that is nested too deep: evaluation ends then, with the next step at the latest.
    nested: Cell<bool>,
}

/// How many bodies and loops may run in each other, through rules, functions, comprehensions and iteration. The stack of a wasm
/// module is small, and running out of it ends the module.
const MAX_DEPTH: usize = 250;

/// How many steps into values and documents may be taken, one in the other: a walk through the deepest value, and some more.
const MAX_INSIDE: usize = 1_000;

/// What is known of a rule.
#[derive(Clone)]
enum Memo {
    Unknown,
    /// Its value; none when it is undefined.
    Known(Option<Value>),
}

/// A call and its result.
struct Called {
    function: RuleId,
    args: Args,
    result: Option<Value>,
}

/// So many results of functions are kept: policies ask the same of a few values again and again.
const KEPT_CALLS: usize = 24;

type Args = SmallVec<[Value; 3]>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mocked {
    Builtin(&'static str),
    Rule(RuleId),
}

#[derive(Clone)]
enum Mock {
    Value(Value),
    Rule(RuleId),
    Builtin(&'static Builtin),
}

impl<'p, 'h> Machine<'p, 'h> {
    pub(super) fn new(program: &'p Program, input: Option<Value>, data: Value, host: &'h mut Host) -> Self {
        Self {
            program,
            input,
            data,
            host,
            stack: Vec::with_capacity(64),
            memo: vec![Memo::Unknown; program.rules.len()],
            masks: Vec::new(),
            mocks: Vec::new(),
            calls: Vec::new(),
            oldest: 0,
            file: 0,
            depth: 0,
            inside: 0,
            nested: Cell::new(false),
        }
    }

    fn spend(&mut self) -> Result<(), Halt> {
        match self.host.budget.checked_sub(1) {
            Some(_) if self.nested.get() => Err(Halt::Depth),
            Some(left) => {
                self.host.budget = left;
                Ok(())
            }
            None => Err(Halt::Limit),
        }
    }

    /// Takes one step into a value or a document.
    fn inside<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Halt>) -> Result<T, Halt> {
        if self.inside == MAX_INSIDE {
            return Err(Halt::Depth);
        }
        self.inside += 1;
        let outcome = run(self);
        self.inside -= 1;
        outcome
    }

    /// Remembers when a value that was made is nested too deep.
    fn made(&self, value: Value) -> Value {
        if value.is_too_deep() {
            self.nested.set(true);
        }
        value
    }

    fn cover(&mut self, line: u32) {
        if let Some(covered) = &mut self.host.covered {
            covered.insert((self.file, line));
        }
    }

    fn slot(&self, place: usize) -> Option<&Value> {
        self.stack.get(place).and_then(Option::as_ref)
    }

    fn fill(&mut self, place: usize, value: Value) {
        if let Some(slot) = self.stack.get_mut(place) {
            *slot = Some(value);
        }
    }

    /// Runs steps; each result goes to the sink.
    fn run(&mut self, steps: &'p [Step], frame: usize, sink: Sink<'_, 'p, 'h>) -> Outcome {
        if self.depth == MAX_DEPTH {
            return Err(Halt::Depth);
        }
        self.depth += 1;
        let outcome = self.run_here(steps, frame, sink);
        self.depth -= 1;
        outcome
    }

    fn run_here(&mut self, steps: &'p [Step], frame: usize, sink: Sink<'_, 'p, 'h>) -> Outcome {
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            rest = after;
            self.spend()?;
            self.cover(step.line);
            let goes_on = match &step.op {
                Op::Path { source, keys, out } => self.path(source, keys, out, frame)?,
                Op::Match { value, pattern } => match value {
                    // Often a plain variable: no need to make a value.
                    Template::Slot(slot) if matches!(pattern, Pattern::True) => {
                        self.slot(frame + slot).is_some_and(Value::is_true)
                    }
                    _ => {
                        let value = self.make(value, frame);
                        self.matches(pattern, &value, frame)
                    }
                },
                Op::Builtin { builtin, args, out } => self.builtin(builtin, args, out, frame)?,
                Op::Call { rule, args, out } => {
                    let args: Args = args.iter().map(|arg| self.make(arg, frame)).collect();
                    match self.function(*rule, &args)? {
                        Some(value) => self.matches(out, &value, frame),
                        None => false,
                    }
                }
                Op::Not(inner) => {
                    let flow = self.run(inner, frame, &mut |_, _| Ok(Flow::Stop))?;
                    flow == Flow::More
                }
                Op::Every {
                    domain,
                    key,
                    value,
                    steps,
                } => self.every(domain, key, value, steps, frame)?,
                Op::Collect { sort, steps, out } => {
                    let value = self.collect(sort, steps, frame)?;
                    self.matches(out, &value, frame)
                }
                Op::Fail => false,
                Op::Scan { slot, key, value } => return self.scan(*slot, key, value, after, frame, sink),
                Op::Walk { value, out } => {
                    let value = self.make(value, frame);
                    return self.walk(&mut Vec::new(), &value, out, frame, &mut |machine, _| {
                        machine.run(after, frame, sink)
                    });
                }
                Op::Tree { node, base, steps, out } => {
                    let data = at_path(&self.data, base).cloned();
                    return self.tree(Some(*node), data, steps, frame, &mut |machine, value| {
                        if machine.matches(out, &value, frame) {
                            machine.run(after, frame, sink)
                        } else {
                            Ok(Flow::More)
                        }
                    });
                }
                Op::With { changes, steps, slots } => {
                    for row in self.with(changes, steps, slots, frame)? {
                        for (slot, value) in slots.iter().zip(row) {
                            if let Some(place) = self.stack.get_mut(frame + slot) {
                                *place = value;
                            }
                        }
                        if self.run(after, frame, sink)? == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                    }
                    return Ok(Flow::More);
                }
            };
            if !goes_on {
                return Ok(Flow::More);
            }
        }
        sink(self, frame)
    }

    fn path(&mut self, source: &Source, keys: &[Template], out: &Pattern, frame: usize) -> Result<bool, Halt> {
        let held;
        let start = match source {
            Source::Input => self.input.as_ref(),
            Source::Data => Some(&self.data),
            Source::Slot(slot) => self.slot(frame + slot),
            Source::Rule(rule) => {
                let first = keys.first().map(|key| self.make(key, frame));
                held = self.rule_for(*rule, first.as_ref())?;
                held.as_ref()
            }
        };
        let Some(mut value) = start else { return Ok(false) };
        for key in keys {
            let next = match key {
                Template::Const(Value::String(name)) => match value {
                    Value::Object(object) => object.member(name),
                    other => other.get(&Value::String(name.clone())),
                },
                Template::Const(key) => value.get(key),
                Template::Slot(slot) => self.slot(frame + slot).and_then(|key| value.get(key)),
                other => value.get(&self.make(other, frame)),
            };
            // Keys of base documents are texts, and OPA reads numbers as such there.
            let next = match (next, source, key, value) {
                (None, Source::Data, Template::Const(Value::Number(number)), Value::Object(object)) => {
                    object.member(&number.to_string())
                }
                (next, ..) => next,
            };
            match next {
                Some(next) => value = next,
                None => return Ok(false),
            }
        }
        match out {
            Pattern::Any => Ok(true),
            Pattern::True => Ok(value.is_true()),
            Pattern::Equal(Template::Const(constant)) => Ok(value == constant),
            Pattern::Equal(Template::Slot(slot)) => Ok(self.slot(frame + slot) == Some(value)),
            _ => {
                let value = value.clone();
                Ok(self.matches(out, &value, frame))
            }
        }
    }

    fn scan(
        &mut self,
        slot: Slot,
        key: &'p Pattern,
        value: &'p Pattern,
        after: &'p [Step],
        frame: usize,
        sink: Sink<'_, 'p, 'h>,
    ) -> Outcome {
        let Some(collection) = self.slot(frame + slot).cloned() else {
            return Ok(Flow::More);
        };
        self.members(&collection, key, value, frame, &mut |machine, _| {
            machine.run(after, frame, sink)
        })
    }

    /// Goes on for each member that fits.
    fn members(
        &mut self,
        collection: &Value,
        key: &Pattern,
        value: &Pattern,
        frame: usize,
        each: Sink<'_, 'p, 'h>,
    ) -> Outcome {
        match collection {
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    self.spend()?;
                    let fits = (matches!(key, Pattern::Any) || self.matches(key, &place.into(), frame))
                        && self.matches(value, item, frame);
                    if fits && each(self, frame)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Object(object) => {
                for (name, member) in object.iter() {
                    self.spend()?;
                    let fits = self.matches(key, name, frame) && self.matches(value, member, frame);
                    if fits && each(self, frame)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Set(set) => {
                for member in set.iter() {
                    self.spend()?;
                    let fits = self.matches(key, member, frame) && self.matches(value, member, frame);
                    if fits && each(self, frame)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            _ => {}
        }
        Ok(Flow::More)
    }

    /// Whether a value is what the pattern says. Fills the pattern's slots.
    fn matches(&mut self, pattern: &Pattern, value: &Value, frame: usize) -> bool {
        match pattern {
            Pattern::Any => true,
            Pattern::True => value.is_true(),
            Pattern::Type(name) => value.type_name() == *name,
            Pattern::Bind(slot) => {
                self.fill(frame + slot, value.clone());
                true
            }
            Pattern::Equal(Template::Const(constant)) => constant == value,
            Pattern::Equal(Template::Slot(slot)) => self.slot(frame + slot) == Some(value),
            Pattern::Equal(template) => self.make(template, frame) == *value,
            Pattern::Array(patterns) => match value {
                Value::Array(items) if items.len() == patterns.len() => patterns
                    .iter()
                    .zip(items.iter())
                    .all(|(pattern, item)| self.matches(pattern, item, frame)),
                _ => false,
            },
            Pattern::Object(patterns) => match value {
                Value::Object(object) if object.len() == patterns.len() => patterns.iter().all(|(key, pattern)| {
                    let key = self.make(key, frame);
                    object
                        .get(&key)
                        .is_some_and(|member| self.matches(pattern, member, frame))
                }),
                _ => false,
            },
        }
    }

    fn make(&self, template: &Template, frame: usize) -> Value {
        match template {
            Template::Const(value) => value.clone(),
            // The planner reads no slot that is not filled.
            Template::Slot(slot) => self.slot(frame + slot).cloned().unwrap_or(Value::Null),
            Template::Array(items) => {
                self.made(Value::Array(items.iter().map(|item| self.make(item, frame)).collect()))
            }
            Template::Set(items) => self.made(Value::set(items.iter().map(|item| self.make(item, frame)).collect())),
            Template::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (self.make(key, frame), self.make(value, frame)));
                self.made(Value::object(fields.collect()))
            }
        }
    }

    fn builtin(
        &mut self,
        builtin: &'static Builtin,
        args: &[Template],
        out: &Pattern,
        frame: usize,
    ) -> Result<bool, Halt> {
        let args: Args = args.iter().map(|arg| self.make(arg, frame)).collect();
        let mock = if self.mocks.is_empty() {
            None
        } else {
            self.mock(Mocked::Builtin(builtin.name))
        };
        let value = match mock {
            Some(mock) => self.mocked(mock, &args)?,
            None => self.call_builtin(builtin, &args)?,
        };
        Ok(value.is_some_and(|value| self.matches(out, &value, frame)))
    }

    fn call_builtin(&mut self, builtin: &Builtin, args: &[Value]) -> Result<Option<Value>, Halt> {
        match (builtin.run)(self.host, args) {
            Ok(value) => Ok(Some(self.made(value))),
            // As in OPA: what fails is undefined.
            Err(Fault::Undefined(_)) => Ok(None),
            Err(Fault::Halt(halt)) => Err(halt),
        }
    }

    fn every(
        &mut self,
        domain: &Template,
        key: &Pattern,
        value: &Pattern,
        steps: &'p [Step],
        frame: usize,
    ) -> Result<bool, Halt> {
        let domain = self.make(domain, frame);
        if !matches!(domain, Value::Array(_) | Value::Object(_) | Value::Set(_)) {
            return Ok(false);
        }
        let flow = self.members(&domain, key, value, frame, &mut |machine, frame| {
            let found = machine.run(steps, frame, &mut |_, _| Ok(Flow::Stop))?;
            // One without a result ends it.
            Ok(if found == Flow::Stop { Flow::More } else { Flow::Stop })
        })?;
        Ok(flow == Flow::More)
    }

    fn collect(&mut self, sort: &Collect, steps: &'p [Step], frame: usize) -> Result<Value, Halt> {
        let mut items = Vec::new();
        match sort {
            Collect::Array(item) | Collect::Set(item) => {
                self.run(steps, frame, &mut |machine, frame| {
                    items.push(machine.make(item, frame));
                    Ok(Flow::More)
                })?;
                Ok(self.made(if matches!(sort, Collect::Array(_)) {
                    Value::array(items)
                } else {
                    Value::set(items)
                }))
            }
            Collect::Object(key, value) => {
                let mut entries: Vec<(Value, Value)> = Vec::new();
                self.run(steps, frame, &mut |machine, frame| {
                    entries.push((machine.make(key, frame), machine.make(value, frame)));
                    Ok(Flow::More)
                })?;
                unique(entries).map(|value| self.made(value))
            }
        }
    }
}
