//! Runs the steps of a program.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::builtins::{Builtin, Fault, Halt, Host};
use super::number::Number;
use super::plan::{
    Branch, Change, Collect, Definition, NodeId, Op, Pattern, Replacement, RuleId, RuleSet, Slot, Sort, Source, Step,
    Template, TreeStep,
};
use super::program::{Location, Program};
use super::value::{Set, Value};

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
}

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
        }
    }

    /// The value of a document.
    pub(super) fn value(&mut self, location: &Location) -> Result<Option<Value>, Halt> {
        if let Some(rule) = location.rule {
            return self.rule(rule);
        }
        let base = at_path(&self.data, &location.path).cloned();
        if let Some(node) = location.node {
            self.document(node, base)
        } else {
            // Below a rule, or data alone.
            for end in (1..location.path.len()).rev() {
                let (above, below) = location.path.split_at(end);
                let rule = self.program.rules.iter().position(|set| set.path == above);
                if let Some(rule) = rule {
                    let value = self.rule(rule)?;
                    return Ok(value.and_then(|value| at_path(&value, below).cloned()));
                }
            }
            Ok(base)
        }
    }

    fn spend(&mut self) -> Result<(), Halt> {
        match self.host.budget.checked_sub(1) {
            Some(left) => {
                self.host.budget = left;
                Ok(())
            }
            None => Err(Halt::Limit),
        }
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
            Template::Array(items) => Value::Array(items.iter().map(|item| self.make(item, frame)).collect()),
            Template::Set(items) => Value::set(items.iter().map(|item| self.make(item, frame)).collect()),
            Template::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (self.make(key, frame), self.make(value, frame)));
                Value::object(fields.collect())
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
            Ok(value) => Ok(Some(value)),
            // As in OPA: what fails is undefined.
            Err(Fault::Undefined(_)) => Ok(None),
            Err(Fault::Halt(halt)) => Err(halt),
        }
    }

    fn mock(&self, function: Mocked) -> Option<Mock> {
        let found = self.mocks.iter().rev().find(|(mocked, _)| *mocked == function);
        found.map(|(_, mock)| mock.clone())
    }

    fn mocked(&mut self, mock: Mock, args: &[Value]) -> Result<Option<Value>, Halt> {
        // What replaces a function may call it, and calls no other replacement.
        let mocks = std::mem::take(&mut self.mocks);
        let value = match mock {
            Mock::Value(value) => Ok(Some(value)),
            Mock::Rule(rule) => self.function(rule, args),
            Mock::Builtin(builtin) => self.call_builtin(builtin, args),
        };
        self.mocks = mocks;
        value
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
                Ok(if matches!(sort, Collect::Array(_)) {
                    Value::array(items)
                } else {
                    Value::set(items)
                })
            }
            Collect::Object(key, value) => {
                let mut entries: Vec<(Value, Value)> = Vec::new();
                self.run(steps, frame, &mut |machine, frame| {
                    entries.push((machine.make(key, frame), machine.make(value, frame)));
                    Ok(Flow::More)
                })?;
                unique(entries)
            }
        }
    }

    /// Each path in a value with what is there, the value itself first.
    fn walk(
        &mut self,
        path: &mut Vec<Value>,
        value: &Value,
        out: &Pattern,
        frame: usize,
        each: Sink<'_, 'p, 'h>,
    ) -> Outcome {
        self.spend()?;
        let fits = match out {
            Pattern::Array(patterns) if patterns.len() == 2 => {
                let mut patterns = patterns.iter();
                let (first, second) = (patterns.next(), patterns.next());
                let path_fits = match first {
                    Some(Pattern::Any) => true,
                    Some(pattern) => {
                        self.host.spend(path.len() as u64 / 4).map_err(|_| Halt::Limit)?;
                        self.matches(pattern, &Value::array(path.clone()), frame)
                    }
                    None => false,
                };
                path_fits && second.is_some_and(|pattern| self.matches(pattern, value, frame))
            }
            other => {
                let pair = Value::array(vec![Value::array(path.clone()), value.clone()]);
                self.matches(other, &pair, frame)
            }
        };
        if fits && each(self, frame)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        let mut below = |machine: &mut Self, key: Value, child: &Value| {
            path.push(key);
            let flow = machine.walk(path, child, out, frame, each);
            path.pop();
            flow
        };
        match value {
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    if below(self, place.into(), item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Object(object) => {
                for (key, member) in object.iter() {
                    if below(self, key.clone(), member)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Set(set) => {
                for member in set.iter() {
                    if below(self, member.clone(), member)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            _ => {}
        }
        Ok(Flow::More)
    }

    fn with(
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
                    self.input = Some(replaced(self.input.as_ref(), path, value));
                }
                Change::Data { path, value } => {
                    let value = self.make(value, frame);
                    self.data = replaced(Some(&self.data), path, value);
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

    fn replacement(&self, by: &Replacement, frame: usize) -> Mock {
        match by {
            Replacement::Value(template) => Mock::Value(self.make(template, frame)),
            Replacement::Rule(rule) => Mock::Rule(*rule),
            Replacement::Builtin(builtin) => Mock::Builtin(builtin),
        }
    }

    /// The value of a rule.
    fn rule(&mut self, id: RuleId) -> Result<Option<Value>, Halt> {
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
    fn rule_for(&mut self, id: RuleId, key: Option<&Value>) -> Result<Option<Value>, Halt> {
        let value = self.rule(id);
        let (Err(Halt::Error(_)), Some(key), Some(set)) = (&value, key, self.program.rules.get(id)) else {
            return value;
        };
        if set.sort != Sort::Object {
            return value;
        }
        let mut parts = self.parts(set, Some(key))?;
        parts.retain(|(keys, _, _)| keys.first() == Some(key));
        assemble(parts, Vec::new(), 0).map(Some)
    }

    fn function(&mut self, id: RuleId, args: &[Value]) -> Result<Option<Value>, Halt> {
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
    fn complete(&mut self, set: &'p RuleSet, args: &[Value]) -> Result<Option<Value>, Halt> {
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

    fn definition(
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

    fn enter(&mut self, definition: &Definition) -> usize {
        let frame = self.stack.len();
        self.stack.resize(frame + definition.slots, None);
        frame
    }

    fn set(&mut self, set: &'p RuleSet) -> Result<Value, Halt> {
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
        Ok(Value::set(members))
    }

    fn object(&mut self, set: &'p RuleSet) -> Result<Value, Halt> {
        let parts = self.parts(set, None)?;
        let branches: Vec<&Branch> = set
            .definitions
            .iter()
            .flat_map(|definition| &definition.branches)
            .collect();
        let mut fixed = Vec::new();
        fixed_parts(&branches, &mut Vec::new(), &mut fixed);
        assemble(parts, fixed, 0)
    }

    /// The parts of an object; without those that cannot be under the key, when one is given.
    fn parts(&mut self, set: &'p RuleSet, key: Option<&Value>) -> Result<Vec<(Vec<Value>, Value, bool)>, Halt> {
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

    /// All of a package: its data, its rules and the packages below.
    fn document(&mut self, node: NodeId, base: Option<Value>) -> Result<Option<Value>, Halt> {
        let Some(here) = self.program.nodes.get(node) else {
            return Ok(base);
        };
        if let Some(rule) = here.rule {
            return self.rule(rule);
        }
        let mut entries: Vec<(Value, Value)> = match &base {
            Some(Value::Object(object)) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            _ => Vec::new(),
        };
        for (name, child) in &here.children {
            let below = base.as_ref().and_then(|base| base.member(name)).cloned();
            // Where data and a rule have one name, OPA shows the data of the whole.
            let is_data = match &below {
                Some(Value::Object(_)) => self.program.nodes.get(*child).is_some_and(|child| child.rule.is_some()),
                Some(_) => true,
                None => false,
            };
            if !is_data && let Some(value) = self.document(*child, below)? {
                entries.push((Value::String(name.clone()), value));
            }
        }
        Ok(Some(Value::object(entries)))
    }

    /// Follows keys through packages, rules and data.
    fn tree(
        &mut self,
        node: Option<NodeId>,
        base: Option<Value>,
        steps: &'p [TreeStep],
        frame: usize,
        each: Each<'_, 'p, 'h>,
    ) -> Outcome {
        self.spend()?;
        let here = node.and_then(|node| self.program.nodes.get(node));
        let Some(here) = here else {
            return match base {
                Some(value) => self.below(&value, steps, frame, each),
                None => Ok(Flow::More),
            };
        };
        if let Some(rule) = here.rule {
            let key = match steps.first() {
                Some(TreeStep::Key(key)) => Some(self.make(key, frame)),
                _ => None,
            };
            return match self.rule_for(rule, key.as_ref())? {
                Some(value) => self.below(&value, steps, frame, each),
                None => Ok(Flow::More),
            };
        }
        match steps.split_first() {
            None => match self.document(node.unwrap_or(0), base)? {
                Some(value) => each(self, value),
                None => Ok(Flow::More),
            },
            Some((TreeStep::Key(key), rest)) => {
                let key = self.make(key, frame);
                let child = key.as_str().and_then(|name| here.child(name));
                let below = base.as_ref().and_then(|base| base.get(&key)).cloned();
                self.tree(child, below, rest, frame, each)
            }
            Some((TreeStep::Scan(pattern), rest)) => {
                let mut keys: Vec<Value> = here
                    .children
                    .iter()
                    .map(|(name, _)| Value::String(name.clone()))
                    .collect();
                if let Some(Value::Object(object)) = &base {
                    keys.extend(object.iter().map(|(key, _)| key.clone()));
                }
                for key in &Set::new(keys) {
                    if !self.matches(pattern, key, frame) {
                        continue;
                    }
                    let child = key.as_str().and_then(|name| here.child(name));
                    let below = base.as_ref().and_then(|base| base.get(key)).cloned();
                    if self.tree(child, below, rest, frame, each)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::More)
            }
        }
    }

    /// Follows keys into a value.
    fn below(&mut self, value: &Value, steps: &'p [TreeStep], frame: usize, each: Each<'_, 'p, 'h>) -> Outcome {
        match steps.split_first() {
            None => each(self, value.clone()),
            Some((TreeStep::Key(key), rest)) => {
                let key = self.make(key, frame);
                match value.get(&key) {
                    Some(next) => self.below(&next.clone(), rest, frame, each),
                    None => Ok(Flow::More),
                }
            }
            Some((TreeStep::Scan(pattern), rest)) => {
                let entries: Vec<(Value, Value)> = match value {
                    Value::Array(items) => items
                        .iter()
                        .enumerate()
                        .map(|(place, item)| (place.into(), item.clone()))
                        .collect(),
                    Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
                    Value::Set(set) => set.iter().map(|member| (member.clone(), member.clone())).collect(),
                    _ => Vec::new(),
                };
                for (key, next) in entries {
                    self.spend()?;
                    if self.matches(pattern, &key, frame) && self.below(&next, rest, frame, each)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Ok(Flow::More)
            }
        }
    }
}

/// Whether two arguments are the same, told at once: what is large is only looked at from outside.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Set(a), Value::Set(b)) => std::sync::Arc::ptr_eq(a, b),
        // 1 and 1.0 are equal, and written differently.
        (Value::Number(Number::Int(a)), Value::Number(Number::Int(b))) => a == b,
        (Value::Number(_), _) => false,
        _ => a == b,
    }
}

fn at_path<'v>(value: &'v Value, path: &[SmolStr]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Object(object) => object.member(name),
        other => other.get(&Value::String(name.clone())),
    })
}

/// The value with another one at a path; what is no object on the way becomes one.
fn replaced(value: Option<&Value>, path: &[SmolStr], new: Value) -> Value {
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

fn conflict(sort: Sort) -> String {
    match sort {
        Sort::Function(_) => "functions must not produce multiple outputs for same inputs".to_owned(),
        _ => "complete rules must not produce multiple outputs".to_owned(),
    }
}

fn unique(mut entries: Vec<(Value, Value)>) -> Result<Value, Halt> {
    entries.sort();
    entries.dedup();
    let is_double = entries.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
    if is_double {
        return Err(Halt::Error("object keys must be unique".to_owned()));
    }
    Ok(Value::object(entries))
}

/// What is there of rules such as `p.q[1][x]` though their bodies have no result: all up to the first place where one of them has
/// a key that is no constant, and whether a set is at the end.
#[expect(clippy::mutable_key_type, reason = "what is read late is the same before and after")]
fn fixed_parts(branches: &[&Branch], path: &mut Vec<Value>, fixed: &mut Vec<(Vec<Value>, bool)>) {
    let depth = path.len();
    let constant = |branch: &&Branch| match branch.keys.get(depth) {
        Some(Template::Const(key)) => !matches!(key, Value::Array(_) | Value::Object(_) | Value::Set(_)),
        _ => false,
    };
    if !branches.iter().all(constant) {
        return;
    }
    let mut by_key: BTreeMap<&Value, Vec<&Branch>> = BTreeMap::new();
    for branch in branches {
        if let Some(Template::Const(key)) = branch.keys.get(depth) {
            by_key.entry(key).or_default().push(branch);
        }
    }
    for (key, below) in by_key {
        path.push(key.clone());
        let ends = |branch: &&Branch| branch.keys.len() == depth + 1;
        if below.iter().all(|branch| ends(branch) && branch.is_member) {
            fixed.push((path.clone(), true));
        } else if !below.iter().any(ends) {
            fixed.push((path.clone(), false));
            fixed_parts(&below, path, fixed);
        }
        path.pop();
    }
}

/// An object of parts that each know their keys.
#[expect(clippy::mutable_key_type, reason = "what is read late is the same before and after")]
fn assemble(
    parts: Vec<(Vec<Value>, Value, bool)>,
    fixed: Vec<(Vec<Value>, bool)>,
    depth: usize,
) -> Result<Value, Halt> {
    let conflict = || Halt::Error("object keys must be unique".to_owned());
    // All parts end here: a set, or one value.
    if parts.iter().any(|(keys, _, _)| keys.len() == depth) {
        let is_set = parts
            .iter()
            .all(|(keys, _, is_member)| keys.len() == depth && *is_member);
        if is_set && depth > 0 {
            return Ok(Value::set(parts.into_iter().map(|(_, value, _)| value).collect()));
        }
        let mut values = parts.into_iter();
        let Some((keys, first, _)) = values.next() else {
            return Err(conflict());
        };
        let agrees = keys.len() == depth
            && values.all(|(keys, value, is_member)| keys.len() == depth && !is_member && value == first);
        return if agrees { Ok(first) } else { Err(conflict()) };
    }
    if parts.is_empty() && fixed.iter().any(|(keys, is_set)| keys.len() == depth && *is_set) {
        return Ok(Value::set(Vec::new()));
    }
    let mut by_key: BTreeMap<Value, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for part in parts {
        if let Some(key) = part.0.get(depth).cloned() {
            by_key.entry(key).or_default().0.push(part);
        }
    }
    for part in fixed {
        if let Some(key) = part.0.get(depth).cloned() {
            by_key.entry(key).or_default().1.push(part);
        }
    }
    let entries = by_key
        .into_iter()
        .map(|(key, (parts, fixed))| Ok((key, assemble(parts, fixed, depth + 1)?)));
    Ok(Value::object(entries.collect::<Result<Vec<_>, Halt>>()?))
}
