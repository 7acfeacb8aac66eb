//! What has to be otherwise for a body to fail, or to succeed.

use std::rc::Rc;

use super::run::put;
use super::{
    Blame, CONDITION, ESCAPE, Env, Goal, Made, Maker, Origin, Place, Row, Seg, Source, Test, Traced, Tracer, Want,
};
use crate::rego::plan::{Op, Pattern, Sort, Step, Template};
use crate::rego::value::Value;

/// What else has to be so at the end of a body.
pub(super) type End<'e, 'p, 'h> = &'e mut dyn FnMut(&mut Tracer<'p, 'h>, Env<'p>) -> Goal;

/// How many alternatives of one body are followed.
const MAX_ALTERNATIVES: usize = 64;

/// To be exempt.
const EXEMPTION: u32 = 8;

/// Whether a step asks something, rather than giving a variable its value.
fn is_condition(op: &Op) -> bool {
    let asks = |pattern: &Pattern| !matches!(pattern, Pattern::Any | Pattern::Bind(_));
    match op {
        Op::Path { out, .. } | Op::Builtin { out, .. } | Op::Call { out, .. } | Op::Tree { out, .. } => asks(out),
        Op::Match { pattern, .. } => asks(pattern),
        Op::Scan { value, .. } => matches!(value, Pattern::True | Pattern::Equal(_)),
        Op::Not(_) | Op::Every { .. } => true,
        _ => false,
    }
}

/// Where a value is refused, the values that the message names may be right.
fn with_values(goal: Goal, values: &[Value]) -> Goal {
    if values.is_empty() {
        return goal;
    }
    match goal {
        Goal::Want(want) if !want.wanted && matches!(want.test, Test::Among(_)) && want.detour < ESCAPE => {
            let instead = Want {
                test: Test::Try(values.to_vec()),
                wanted: true,
                source: Source::Parameter,
                ..want.clone()
            };
            Goal::Any(vec![Goal::Want(instead), Goal::Want(want)])
        }
        Goal::All(goals) => Goal::All(goals.into_iter().map(|goal| with_values(goal, values)).collect()),
        Goal::Any(goals) => Goal::Any(goals.into_iter().map(|goal| with_values(goal, values)).collect()),
        other => other,
    }
}

/// Whether no step reads what a pattern binds.
fn is_presence(out: &Pattern, steps: &[Step]) -> bool {
    match out {
        Pattern::Any => true,
        Pattern::Bind(slot) => !steps.iter().any(|step| reads(&step.op, *slot)),
        _ => false,
    }
}

fn reads(op: &Op, slot: usize) -> bool {
    let of = |template: &Template| template_reads(template, slot);
    let any = |steps: &[Step]| steps.iter().any(|step| reads(&step.op, slot));
    match op {
        Op::Path { source, keys, out } => {
            matches!(source, crate::rego::plan::Source::Slot(own) if *own == slot)
                || keys.iter().any(of)
                || pattern_reads(out, slot)
        }
        Op::Scan { slot: own, key, value } => *own == slot || pattern_reads(key, slot) || pattern_reads(value, slot),
        Op::Tree { out, steps, .. } => {
            pattern_reads(out, slot)
                || steps.iter().any(|step| match step {
                    crate::rego::plan::TreeStep::Key(key) => of(key),
                    crate::rego::plan::TreeStep::Scan(pattern) => pattern_reads(pattern, slot),
                })
        }
        Op::Match { value, pattern } => {
            !matches!(pattern, Pattern::Bind(_)) && of(value) || pattern_reads(pattern, slot)
        }
        // A message is made of it.
        Op::Builtin { builtin, args, out } => {
            builtin.name != "sprintf" && args.iter().any(of) || pattern_reads(out, slot)
        }
        Op::Call { args, out, .. } => args.iter().any(of) || pattern_reads(out, slot),
        Op::Walk { value, .. } => of(value),
        Op::Not(inner) => any(inner),
        Op::Every { domain, steps, .. } => of(domain) || any(steps),
        Op::Collect { sort, steps, .. } => {
            any(steps)
                || match sort {
                    crate::rego::plan::Collect::Array(item) | crate::rego::plan::Collect::Set(item) => of(item),
                    crate::rego::plan::Collect::Object(key, value) => of(key) || of(value),
                }
        }
        Op::With { steps, .. } => any(steps),
        Op::Fail => false,
    }
}

fn template_reads(template: &Template, slot: usize) -> bool {
    match template {
        Template::Const(_) => false,
        Template::Slot(own) => *own == slot,
        Template::Array(items) | Template::Set(items) => items.iter().any(|item| template_reads(item, slot)),
        Template::Object(fields) => fields
            .iter()
            .any(|(key, value)| template_reads(key, slot) || template_reads(value, slot)),
    }
}

fn pattern_reads(pattern: &Pattern, slot: usize) -> bool {
    match pattern {
        Pattern::Equal(template) => template_reads(template, slot),
        Pattern::Array(patterns) => patterns.iter().any(|pattern| pattern_reads(pattern, slot)),
        Pattern::Object(fields) => fields
            .iter()
            .any(|(key, pattern)| template_reads(key, slot) || pattern_reads(pattern, slot)),
        _ => false,
    }
}

fn names_exemption(name: &str) -> bool {
    let name = name.to_lowercase();
    ["exempt", "exclu", "skip", "ignore", "whitelist", "bypass", "exception"]
        .iter()
        .any(|word| name.contains(word))
}

impl<'p, 'h> Tracer<'p, 'h> {
    /// A rule that says nothing: a set without members, an answer that allows.
    pub(super) fn silent(&mut self, value: &Traced<'p>) -> Goal {
        match &*value.from {
            Origin::Made(made) => {
                let made = Rc::clone(made);
                let broken = made.rows.iter().map(|row| {
                    let said = self.leaves(&row.value);
                    let mut values = Vec::new();
                    self.said_values(&row.value, 0, &mut values);
                    let goal = with_values(self.fail(row.steps, &row.env), &values);
                    let goal = Goal::any(vec![self.suggested(&row.value, 0), goal]);
                    self.toward(goal, &said)
                });
                Goal::all(broken.collect())
            }
            _ => {
                let mut allowed = value.clone();
                for key in ["response", "allowed"] {
                    allowed = self.member(&allowed, &Traced::written(Value::string(key)));
                }
                self.want(&allowed, &Test::True, true, Source::Rule)
            }
        }
    }

    /// A message may say the value that would be right: it is made from the one that is there.
    fn suggested(&self, said: &Traced<'p>, depth: u32) -> Goal {
        let never = Goal::Never(Blame::default());
        if depth > 6 {
            return never;
        }
        match &*said.from {
            Origin::Object(fields) => {
                let goals = fields
                    .iter()
                    .map(|(_, value)| self.suggested(value, depth + 1))
                    .collect();
                Goal::any(goals)
            }
            Origin::List(items) => Goal::any(items.iter().map(|item| self.suggested(item, depth + 1)).collect()),
            Origin::Call { builtin, args } if matches!(builtin.name, "sprintf" | "concat") => {
                Goal::any(args.iter().map(|arg| self.suggested(arg, depth + 1)).collect())
            }
            Origin::Call { builtin, args } if matches!(builtin.name, "replace" | "regex.replace" | "lower") => {
                let place = args.iter().find_map(|arg| match &*arg.from {
                    Origin::Input(place) => self.in_object(place),
                    _ => None,
                });
                match (place, &said.value) {
                    (Some(place), Some(value)) => Goal::Want(Want {
                        place,
                        test: Test::Try(vec![value.clone()]),
                        wanted: true,
                        source: Source::Rule,
                        detour: 0,
                    }),
                    _ => never,
                }
            }
            _ => never,
        }
    }

    /// The values of the policy that the message names: what should be there instead is often one of them.
    fn said_values(&self, said: &Traced<'p>, depth: u32, found: &mut Vec<Value>) {
        if depth > 6 || found.len() > 8 {
            return;
        }
        match &*said.from {
            Origin::Object(fields) => fields
                .iter()
                .for_each(|(_, value)| self.said_values(value, depth + 1, found)),
            Origin::List(items) => items.iter().for_each(|item| self.said_values(item, depth + 1, found)),
            Origin::Call { builtin, args } if builtin.name == "sprintf" => {
                args.iter()
                    .skip(1)
                    .for_each(|arg| self.said_values(arg, depth + 1, found));
            }
            Origin::Call { builtin, args } if builtin.name == "concat" => {
                args.iter()
                    .skip(1)
                    .for_each(|arg| self.said_values(arg, depth + 1, found));
            }
            Origin::Input(_) | Origin::Data(_) | Origin::Member { .. } if self.source_of(said) == Source::Parameter => {
                match &said.value {
                    Some(value @ (Value::String(_) | Value::Number(_))) => found.push(value.clone()),
                    Some(Value::Array(items)) => found.extend(items.iter().take(6).cloned()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// What is near to what the message names is more likely meant.
    fn toward(&self, goal: Goal, said: &[Place]) -> Goal {
        let named: Vec<Place> = said
            .iter()
            .filter_map(|place| self.in_object(place))
            .filter(|place| {
                let last = place.last();
                !matches!(last, Some(Seg::Key(key)) if matches!(key.as_str(), Some("name" | "namespace" | "kind")))
            })
            .collect();
        let is_named = |place: &Place| {
            named
                .iter()
                .any(|leaf| leaf.starts_with(place) || place.starts_with(leaf))
        };
        let mut has_named = false;
        goal.visit(&mut |want| has_named |= is_named(&want.place) && want.detour < ESCAPE);
        let goal = if has_named {
            goal.each(&|want: &mut Want| {
                if is_named(&want.place) {
                    want.detour = if want.detour < ESCAPE {
                        want.detour.saturating_sub(CONDITION)
                    } else {
                        want.detour
                    };
                } else {
                    want.detour += 2;
                }
            })
        } else {
            goal
        };
        let near: Vec<Place> = said
            .iter()
            .filter_map(|place| self.in_object(place))
            .filter(|place| place.len() > 2)
            .collect();
        if near.is_empty() {
            return goal;
        }
        let is_near = |place: &Place| {
            near.iter().any(|leaf| {
                let around = leaf.get(..leaf.len() - 1).unwrap_or_default();
                place == leaf || place.starts_with(around) || leaf.starts_with(place)
            })
        };
        goal.each(&|want: &mut Want| {
            if !is_near(&want.place) {
                want.detour += 1;
            }
        })
    }

    /// A success of these steps becomes a failure: one of the steps has to fail. The last condition is what a body is about;
    /// those before it say when it applies, and to change them is to get out of the way.
    pub(super) fn fail(&mut self, steps: &'p [Step], env: &Env<'p>) -> Goal {
        self.deeper(Goal::Never(Blame::UNKNOWN), |tracer| {
            let asks = steps
                .iter()
                .any(|step| is_condition(&step.op) && !tracer.is_exemption(&step.op));
            let mut goals: Vec<(Goal, &'p Op)> = Vec::new();
            for step in steps {
                let failing = match &step.op {
                    // Nobody asks for its value: that it is there is what is asked.
                    Op::Path { source, keys, out } if !asks && is_presence(out, steps) => {
                        let value = tracer.path(source, keys, env);
                        tracer.want(&value, &Test::Defined, false, Source::Rule)
                    }
                    _ => tracer.fail_step(step, env),
                };
                // It succeeds, so it cannot have failed: what was followed is not what happens.
                let goal = match failing {
                    Goal::Done => Goal::Never(Blame::UNKNOWN),
                    goal => goal,
                };
                goals.push((goal, &step.op));
            }
            // What a body is about: a rule that says what is wrong, or the last condition that the object can change.
            let is_open = |goal: &Goal| !matches!(goal, Goal::Never(_));
            let says = |op: &Op| match op {
                Op::Path {
                    source: crate::rego::plan::Source::Rule(_),
                    out,
                    ..
                }
                | Op::Call { out, .. } => matches!(out, Pattern::Bind(_)) && is_presence(out, steps),
                _ => false,
            };
            let main = goals.iter().rposition(|(goal, op)| says(op) && is_open(goal));
            let last = goals
                .iter()
                .rposition(|(goal, op)| is_condition(op) && is_open(goal) && !tracer.is_exemption(op));
            let about = main.or(last);
            let goals = goals.into_iter().enumerate().map(|(place, (goal, op))| {
                if tracer.is_exemption(op) {
                    goal.detour(EXEMPTION)
                } else if is_condition(op) && about.is_some_and(|about| place < about || main.is_some()) {
                    goal.detour(CONDITION)
                } else {
                    goal
                }
            });
            Goal::any(goals.collect())
        })
    }

    /// Whether a step asks who or what the rule does not apply to.
    fn is_exemption(&self, op: &Op) -> bool {
        match op {
            Op::Call { rule, .. } => {
                let set = self.program.rules.get(*rule);
                set.and_then(|set| set.path.last())
                    .is_some_and(|name| names_exemption(name))
            }
            Op::Path { source, keys, .. } => {
                let of_rule = match source {
                    crate::rego::plan::Source::Rule(rule) => self
                        .program
                        .rules
                        .get(*rule)
                        .and_then(|set| set.path.last())
                        .is_some_and(|name| names_exemption(name)),
                    _ => false,
                };
                of_rule
                    || keys
                        .iter()
                        .any(|key| matches!(key, Template::Const(Value::String(name)) if names_exemption(name)))
            }
            Op::Not(inner) | Op::Every { steps: inner, .. } => inner.iter().any(|step| self.is_exemption(&step.op)),
            _ => false,
        }
    }

    fn fail_rows(&mut self, rows: &[Row<'p>]) -> Goal {
        let goals = rows.iter().map(|row| self.fail(row.steps, &row.env)).collect();
        Goal::all(goals)
    }

    fn fail_step(&mut self, step: &'p Step, env: &Env<'p>) -> Goal {
        let never = Goal::Never(Blame::default());
        match &step.op {
            Op::Path { source, keys, out } => {
                let value = self.path(source, keys, env);
                self.unfit(out, &value, env)
            }
            Op::Match { value, pattern } => {
                let value = self.make(value, env);
                match pattern {
                    // An assignment does not fail.
                    Pattern::Bind(_) | Pattern::Any => never,
                    _ => self.unfit(pattern, &value, env),
                }
            }
            Op::Scan { slot, key, value } => self.fail_scan(*slot, key, value, env),
            Op::Builtin { builtin, args, out } => {
                let args = args.iter().map(|arg| self.make(arg, env)).collect();
                let result = self.apply(builtin, args);
                match out {
                    Pattern::Bind(_) | Pattern::Any => never,
                    _ => self.unfit(out, &result, env),
                }
            }
            Op::Call { rule, args, out } => {
                let args: Vec<Traced<'p>> = args.iter().map(|arg| self.make(arg, env)).collect();
                match self.call(*rule, &args) {
                    Some(result) => self.unfit(out, &result, env),
                    None => Goal::Done,
                }
            }
            Op::Not(inner) => self.succeed(inner, env.clone(), &mut |_, _| Goal::Done),
            Op::Every {
                domain,
                key,
                value,
                steps,
            } => {
                let domain = self.make(domain, env);
                let mut goals = Vec::new();
                for (name, member) in self.children(&domain) {
                    let mut env = env.clone();
                    if self.fits(key, &name, &mut env) && self.fits(value, &member, &mut env) {
                        let found = self.runs(steps, env);
                        let broken = found.iter().map(|env| self.fail(steps, env)).collect();
                        goals.push(Goal::all(broken));
                    }
                }
                Goal::any(goals)
            }
            Op::Tree { node, base, steps, out } => {
                let mut goals = Vec::new();
                for (value, mut env) in self.tree_at(*node, base, steps, env) {
                    if self.fits(out, &value, &mut env) {
                        goals.push(self.unfit(out, &value, &env));
                    }
                }
                if goals.is_empty() { never } else { Goal::all(goals) }
            }
            Op::Collect { .. } | Op::Walk { .. } | Op::With { .. } | Op::Fail => never,
        }
    }

    /// A member is taken out of its collection.
    fn fail_scan(&mut self, slot: usize, key: &Pattern, value: &Pattern, env: &Env<'p>) -> Goal {
        let collection = self.make(&Template::Slot(slot), env);
        let found = match (value, key) {
            (Pattern::Bind(value), _) => env.get(*value).cloned().flatten(),
            (_, Pattern::Bind(key)) => {
                let key = self.make(&Template::Slot(*key), env);
                Some(self.member(&collection, &key))
            }
            (_, Pattern::Equal(template)) => {
                let key = self.make(template, env);
                let member = self.member(&collection, &key);
                return match value {
                    Pattern::Any => self.want(&member, &Test::Defined, false, Source::Rule),
                    _ => self.unfit(value, &member, env),
                };
            }
            _ => None,
        };
        match found {
            Some(member) => {
                let removed = self.want(&member, &Test::Defined, false, Source::Rule);
                if let Pattern::True | Pattern::Equal(_) = value {
                    let changed = self.unfit(value, &member, env);
                    return Goal::any(vec![changed, removed]);
                }
                removed
            }
            None => {
                let mut goals = Vec::new();
                for (name, member) in self.children(&collection) {
                    let mut env = env.clone();
                    if self.fits(key, &name, &mut env) && self.fits(value, &member, &mut env) {
                        let changed = self.unfit(value, &member, &env);
                        goals.push(changed);
                    }
                }
                Goal::all(goals)
            }
        }
    }

    /// A value that fits shall fit no more.
    fn unfit(&mut self, pattern: &Pattern, value: &Traced<'p>, env: &Env<'p>) -> Goal {
        match pattern {
            // Nothing is asked of it: only without it does this fail.
            Pattern::Any | Pattern::Bind(_) => {
                let is_made = matches!(&*value.from, Origin::Rule(_) | Origin::Member { .. } | Origin::Made(_));
                self.want(value, &Test::Defined, false, Source::Rule)
                    .detour(if is_made { 1 } else { ESCAPE })
            }
            Pattern::True => self.want(value, &Test::True, false, Source::Rule),
            Pattern::Type(name) => self.want(value, &Test::Type(name), false, Source::Rule),
            Pattern::Equal(template) => {
                let other = self.make(template, env);
                self.equal(value, &other, false)
            }
            Pattern::Array(patterns) => {
                let mut goals = Vec::new();
                for (place, pattern) in patterns.iter().enumerate() {
                    let item = self.member(value, &Traced::written(place.into()));
                    goals.push(self.unfit(pattern, &item, env));
                }
                Goal::any(goals)
            }
            Pattern::Object(patterns) => {
                let mut goals = Vec::new();
                for (key, pattern) in patterns {
                    let key = self.make(key, env);
                    let item = self.member(value, &key);
                    goals.push(self.unfit(pattern, &item, env));
                }
                Goal::any(goals)
            }
        }
    }

    /// A value shall fit; fills the pattern's variables as if it did.
    fn fit(&mut self, pattern: &Pattern, value: &Traced<'p>, env: &mut Env<'p>) -> Goal {
        let is_there = |tracer: &mut Self| match value.value {
            Some(_) => Goal::Done,
            None => tracer.want(value, &Test::Defined, true, Source::Rule),
        };
        match pattern {
            Pattern::Any => is_there(self),
            Pattern::Bind(slot) => {
                put(env, *slot, value.clone());
                is_there(self)
            }
            Pattern::True => self.want(value, &Test::True, true, Source::Rule),
            Pattern::Type(name) => self.want(value, &Test::Type(name), true, Source::Rule),
            Pattern::Equal(template) => {
                let other = self.make(template, env);
                self.equal(value, &other, true)
            }
            Pattern::Array(patterns) => {
                let mut goals = Vec::new();
                for (place, pattern) in patterns.iter().enumerate() {
                    let item = self.member(value, &Traced::written(place.into()));
                    goals.push(self.fit(pattern, &item, env));
                }
                Goal::all(goals)
            }
            Pattern::Object(patterns) => {
                let mut goals = Vec::new();
                for (key, pattern) in patterns {
                    let key = self.make(key, env);
                    let item = self.member(value, &key);
                    goals.push(self.fit(pattern, &item, env));
                }
                Goal::all(goals)
            }
        }
    }

    /// What would make all of these steps succeed, and the end after them.
    pub(super) fn succeed(&mut self, steps: &'p [Step], env: Env<'p>, end: End<'_, 'p, 'h>) -> Goal {
        self.deeper(Goal::Never(Blame::UNKNOWN), |tracer| {
            tracer.succeed_here(steps, env, end)
        })
    }

    fn succeed_here(&mut self, steps: &'p [Step], mut env: Env<'p>, end: End<'_, 'p, 'h>) -> Goal {
        let mut goals = Vec::new();
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            rest = after;
            if !self.spend() {
                return Goal::Never(Blame::UNKNOWN);
            }
            let goal = match &step.op {
                Op::Scan { slot, key, value } => {
                    let collection = self.make(&Template::Slot(*slot), &env);
                    goals.push(self.scan(&collection, (key, value), &env, after, end));
                    return Goal::all(goals);
                }
                Op::Tree { node, base, steps, out } => {
                    let mut any = Vec::new();
                    for (value, mut env) in self.tree_at(*node, base, steps, &env) {
                        if value.value.is_none() {
                            continue;
                        }
                        let fitting = self.fit(out, &value, &mut env);
                        let others = self.succeed(after, env, end);
                        any.push(Goal::all(vec![fitting, others]));
                    }
                    if any.is_empty() {
                        let keys: Vec<Option<&Template>> = base_keys(steps);
                        let names = base.iter().map(|name| Traced::written(Value::String(name.clone())));
                        let own = keys.iter().map_while(|key| key.map(|key| self.make(key, &env)));
                        let path: Vec<Traced<'p>> = names.chain(own).collect();
                        any.push(self.among_data(&path, &mut |tracer, value| {
                            let mut env = env.clone();
                            let fitting = tracer.fit(out, value, &mut env);
                            let others = tracer.succeed(after, env, end);
                            Goal::all(vec![fitting, others])
                        }));
                    }
                    goals.push(Goal::any(any));
                    return Goal::all(goals);
                }
                Op::Walk { value, out } => {
                    let value = self.make(value, &env);
                    let mut any = Vec::new();
                    for pair in self.walk(&value).into_iter().take(MAX_ALTERNATIVES) {
                        let mut env = env.clone();
                        let fitting = self.fit(out, &pair, &mut env);
                        let others = self.succeed(after, env, end);
                        any.push(Goal::all(vec![fitting, others]));
                    }
                    goals.push(Goal::any(any));
                    return Goal::all(goals);
                }
                Op::Call { rule, args, out } => {
                    let args: Vec<Traced<'p>> = args.iter().map(|arg| self.make(arg, &env)).collect();
                    match self.call(*rule, &args).filter(|result| result.value.is_some()) {
                        Some(result) => self.fit(out, &result, &mut env),
                        None => {
                            let maker = Maker::Rule { id: *rule, args };
                            goals.push(self.through(&maker, &mut |tracer, value| {
                                let mut env = env.clone();
                                let fitting = tracer.fit(out, &value, &mut env);
                                let others = tracer.succeed(after, env, end);
                                Goal::all(vec![fitting, others])
                            }));
                            return Goal::all(goals);
                        }
                    }
                }
                Op::Path {
                    source: crate::rego::plan::Source::Rule(rule),
                    keys,
                    out,
                } if self.rule(*rule).is_none_or(|value| value.value.is_none()) => {
                    let maker = Maker::Rule {
                        id: *rule,
                        args: Vec::new(),
                    };
                    goals.push(self.through(&maker, &mut |tracer, value| {
                        let mut env = env.clone();
                        let mut value = value;
                        for key in keys {
                            let key = tracer.make(key, &env);
                            value = tracer.member(&value, &key);
                        }
                        let fitting = tracer.fit(out, &value, &mut env);
                        let others = tracer.succeed(after, env, end);
                        Goal::all(vec![fitting, others])
                    }));
                    return Goal::all(goals);
                }
                Op::Path { source, keys, out } if !keys.is_empty() && self.leads_elsewhere(source, keys, &env) => {
                    let path: Vec<Traced<'p>> = keys.iter().map(|key| self.make(key, &env)).collect();
                    let start = match (source, path.first().and_then(Traced::text)) {
                        (crate::rego::plan::Source::Data, Some("inventory")) => {
                            Traced::new(self.data.clone(), Origin::Data(Source::Inventory))
                        }
                        _ => self.path(source, &[], &env),
                    };
                    goals.push(self.among_below(&start, &path, &mut |tracer, value| {
                        let mut env = env.clone();
                        let fitting = tracer.fit(out, value, &mut env);
                        let others = tracer.succeed(after, env, end);
                        Goal::all(vec![fitting, others])
                    }));
                    return Goal::all(goals);
                }
                _ => self.meet(step, &mut env),
            };
            if matches!(goal, Goal::Never(_)) {
                return goal;
            }
            goals.push(goal);
        }
        goals.push(end(self, env));
        Goal::all(goals)
    }

    /// Whether a path leads nowhere because of a name from the object, in something that the object is not.
    fn leads_elsewhere(&mut self, source: &crate::rego::plan::Source, keys: &[Template], env: &Env<'p>) -> bool {
        let mut value = self.path(source, &[], env);
        for key in keys {
            let key = self.make(key, env);
            let next = self.member(&value, &key);
            if next.value.is_none() {
                let is_made = maker_of(&value).is_some() || matches!(&*value.from, Origin::Call { .. });
                let is_open = value.value.is_some() && self.source_of(&value) != Source::Object;
                return is_made || (is_open && self.source_of(&key) == Source::Object);
            }
            value = next;
        }
        false
    }

    /// A path into data with names from the object that lead nowhere: other names that do.
    fn among_data(&mut self, path: &[Traced<'p>], each: &mut dyn FnMut(&mut Self, &Traced<'p>) -> Goal) -> Goal {
        let never = Goal::Never(Blame::INVENTORY);
        let Some((first, rest)) = path.split_first() else {
            return never;
        };
        let source = match first.text() {
            Some("inventory") => Source::Inventory,
            Some("context") => Source::Request,
            _ => Source::Parameter,
        };
        let start = Traced::new(self.data.clone(), Origin::Data(source));
        let start = self.member(&start, first);
        self.among_below(&start, rest, each)
    }

    fn among_below(
        &mut self,
        value: &Traced<'p>,
        path: &[Traced<'p>],
        each: &mut dyn FnMut(&mut Self, &Traced<'p>) -> Goal,
    ) -> Goal {
        let Some((key, rest)) = path.split_first() else {
            return if value.value.is_some() {
                each(self, value)
            } else {
                Goal::Never(Blame::INVENTORY)
            };
        };
        let next = self.member(value, key);
        let found = if next.value.is_some() {
            self.among_below(&next, rest, each)
        } else {
            Goal::Never(Blame::INVENTORY)
        };
        let is_made = maker_of(value).is_some() || matches!(&*value.from, Origin::Call { .. });
        if is_made && next.value.is_none() && rest.is_empty() {
            // It has to be among what is made.
            let included = self.include(value, key);
            let others = each(self, key);
            return Goal::all(vec![included, others]);
        }
        if self.source_of(key) != Source::Object || self.source_of(value) == Source::Object {
            return found;
        }
        let kept = self.source_of(value);
        let mut ways = Vec::new();
        let is_found = !matches!(found, Goal::Never(_));
        if is_found {
            ways.push(found.clone());
        }
        let mut members = self.children(value);
        members.truncate(MAX_ALTERNATIVES);
        for (name, member) in members {
            if name.value == key.value {
                continue;
            }
            if is_found {
                // Another name here only when all below it is there as it is.
                let mut end = Some(member.clone());
                for key in rest {
                    end = end.map(|end| self.member(&end, key)).filter(|end| end.value.is_some());
                }
                if end.is_none() {
                    continue;
                }
            }
            let below = self.among_below(&member, rest, each);
            if matches!(below, Goal::Never(_)) {
                continue;
            }
            let Some(name) = name.value.clone() else { continue };
            let renamed = self.want(key, &Test::Among(vec![name]), true, kept);
            ways.push(Goal::all(vec![renamed, below]));
        }
        if ways.is_empty() { found } else { Goal::any(ways) }
    }

    /// What would make one step succeed that has one way at most.
    fn meet(&mut self, step: &'p Step, env: &mut Env<'p>) -> Goal {
        match &step.op {
            Op::Path { source, keys, out } => {
                let value = self.path(source, keys, env);
                self.fit(out, &value, env)
            }
            Op::Match { value, pattern } => {
                let value = self.make(value, env);
                self.fit(pattern, &value, env)
            }
            Op::Builtin { builtin, args, out } => {
                let args: Vec<Traced<'p>> = args.iter().map(|arg| self.make(arg, env)).collect();
                let result = self.apply(builtin, args);
                match (out, &result.value) {
                    // What it will be is not known while an argument is not.
                    (Pattern::Bind(slot), None) => {
                        put(env, *slot, result);
                        Goal::Done
                    }
                    (Pattern::Any, None) => Goal::Done,
                    _ => self.fit(out, &result, env),
                }
            }
            Op::Not(inner) => {
                let found = self.runs(inner, env.clone());
                let goals = found.iter().map(|env| self.fail(inner, env)).collect();
                Goal::all(goals)
            }
            Op::Every {
                domain,
                key,
                value,
                steps,
            } => {
                let domain = self.make(domain, env);
                let mut goals = Vec::new();
                for (name, member) in self.children(&domain) {
                    let mut env = env.clone();
                    if self.fits(key, &name, &mut env) && self.fits(value, &member, &mut env) {
                        goals.push(self.succeed(steps, env, &mut |_, _| Goal::Done));
                    }
                }
                Goal::all(goals)
            }
            Op::Collect { sort, steps, out } => {
                let made = self.collect(sort, steps, env);
                self.fit(out, &made, env)
            }
            _ => Goal::Never(Blame::UNKNOWN),
        }
    }

    /// One of the members, or a new one, and what comes after.
    fn scan(
        &mut self,
        collection: &Traced<'p>,
        (key, value): (&Pattern, &Pattern),
        env: &Env<'p>,
        after: &'p [Step],
        end: End<'_, 'p, 'h>,
    ) -> Goal {
        if let Some(maker) = maker_of(collection) {
            let mut bind = |tracer: &mut Self, name: Traced<'p>, member: Traced<'p>| {
                let mut env = env.clone();
                let named = tracer.fit(key, &name, &mut env);
                let fitting = tracer.fit(value, &member, &mut env);
                if matches!(named, Goal::Never(_)) || matches!(fitting, Goal::Never(_)) {
                    return Goal::Never(Blame::UNKNOWN);
                }
                let others = tracer.succeed(after, env, end);
                Goal::all(vec![named, fitting, others])
            };
            return self.rows(&maker, &mut bind);
        }
        let mut members = self.children(collection);
        members.truncate(MAX_ALTERNATIVES);
        members.extend(self.fresh_member(collection));
        let mut goals = Vec::new();
        for (name, member) in members {
            let mut env = env.clone();
            let named = self.fit(key, &name, &mut env);
            let fitting = self.fit(value, &member, &mut env);
            if matches!(named, Goal::Never(_)) || matches!(fitting, Goal::Never(_)) {
                goals.push(Goal::Never(Blame::UNKNOWN));
                continue;
            }
            let others = self.succeed(after, env, end);
            goals.push(Goal::all(vec![named, fitting, others]));
        }
        Goal::any(goals)
    }

    /// Each way in which a rule or function could have a value, and what is to be done with it.
    pub(super) fn through(&mut self, maker: &Maker<'p>, each: &mut dyn FnMut(&mut Self, Traced<'p>) -> Goal) -> Goal {
        self.rows(maker, &mut |tracer, _, value| each(tracer, value))
    }

    /// Each way in which what makes rows could make one.
    pub(super) fn rows(
        &mut self,
        maker: &Maker<'p>,
        each: &mut dyn FnMut(&mut Self, Traced<'p>, Traced<'p>) -> Goal,
    ) -> Goal {
        use crate::rego::plan::Collect;
        let never = Goal::Never(Blame::UNKNOWN);
        let program = self.program;
        self.deeper(never, |tracer| match maker {
            Maker::Collect { sort, steps, env } => tracer.succeed(steps, env.clone(), &mut |tracer, env| {
                let (key, value) = match sort {
                    Collect::Array(item) => (Traced::missing(Origin::Unknown), tracer.make(item, &env)),
                    Collect::Set(item) => {
                        let item = tracer.make(item, &env);
                        (item.clone(), item)
                    }
                    Collect::Object(key, value) => (tracer.make(key, &env), tracer.make(value, &env)),
                };
                each(tracer, key, value)
            }),
            Maker::Rule { id, args } => {
                let Some(set) = program.rules.get(*id) else {
                    return Goal::Never(Blame::UNKNOWN);
                };
                let mut goals = Vec::new();
                for definition in &set.definitions {
                    let mut start: Env<'p> = vec![None; definition.slots];
                    let mut fitting = Vec::new();
                    for (pattern, arg) in definition.args.iter().zip(args) {
                        match (pattern, &arg.value) {
                            (Pattern::Bind(slot), _) => put(&mut start, *slot, arg.clone()),
                            (Pattern::Any, _) => {}
                            _ => fitting.push(tracer.fit(pattern, arg, &mut start)),
                        }
                    }
                    let fitting = Goal::all(fitting);
                    if matches!(fitting, Goal::Never(_)) {
                        goals.push(fitting);
                        continue;
                    }
                    for branch in &definition.branches {
                        let succeeding = tracer.succeed(&branch.steps, start.clone(), &mut |tracer, env| {
                            let value = tracer.make(&branch.value, &env);
                            let key = match branch.keys.first() {
                                Some(key) => tracer.make(key, &env),
                                None if set.sort == Sort::Set => value.clone(),
                                None => Traced::missing(Origin::Unknown),
                            };
                            each(tracer, key, value)
                        });
                        goals.push(Goal::all(vec![fitting.clone(), succeeding]));
                    }
                }
                Goal::any(goals)
            }
        })
    }

    /// What would make a test of a value hold, or fail.
    pub(super) fn want(&mut self, value: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        match &value.value {
            Some(known) if test.holds(known, self.host) == Some(wanted) => return Goal::Done,
            None if !wanted && !matches!(&*value.from, Origin::Call { .. } | Origin::Part { .. }) => return Goal::Done,
            _ => {}
        }
        let never = Goal::Never(Blame::UNKNOWN);
        self.deeper(never, |tracer| tracer.want_here(value, test, wanted, source))
    }

    fn want_here(&mut self, value: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        match &*value.from {
            Origin::Input(place) => match self.in_object(place) {
                Some(place) => Goal::Want(Want {
                    place,
                    test: test.clone(),
                    wanted,
                    source,
                    detour: 0,
                }),
                None => Goal::Never(Blame::of(self.source_of(value))),
            },
            Origin::Key { of, key } => self.want_key(of, key, test, wanted, source),
            Origin::Written => Goal::Never(Blame::RULE),
            Origin::Data(data) => Goal::Never(Blame::of(*data)),
            Origin::Call { builtin, args } => self.back(builtin, args, value, (test, wanted, source)),
            Origin::Part { of, key } => self.back_to_part(of, key, (test, wanted, source)),
            Origin::List(items) => match test {
                Test::Among(values) if wanted => {
                    let lists = values.iter().filter_map(Value::as_array);
                    let fitting: Vec<&[Value]> = lists.filter(|list| list.len() == items.len()).collect();
                    let mut any = Vec::new();
                    for list in fitting {
                        let mut all = Vec::new();
                        for (item, value) in items.iter().zip(list) {
                            all.push(self.want(item, &Test::Among(vec![value.clone()]), true, source));
                        }
                        any.push(Goal::all(all));
                    }
                    Goal::any(any)
                }
                Test::Among(_) => {
                    let all: Vec<Goal> = items
                        .iter()
                        .map(|item| match &item.value {
                            Some(known) => self.want(item, &Test::Among(vec![known.clone()]), false, source),
                            None => Goal::Never(Blame::UNKNOWN),
                        })
                        .collect();
                    Goal::any(all)
                }
                Test::AtMost(_) | Test::AtLeast(_) | Test::Has(_) => self.size(value, test, wanted),
                _ => Goal::Never(Blame::UNKNOWN),
            },
            Origin::Object(fields) => match test {
                Test::Among(values) => {
                    let mut ways = Vec::new();
                    for value in values
                        .iter()
                        .filter_map(Value::as_object)
                        .filter(|value| value.len() == fields.len())
                    {
                        let mut parts = Vec::new();
                        for (key, field) in fields {
                            let wish = key.value.as_ref().and_then(|key| value.get(key)).cloned();
                            parts.push(match wish {
                                Some(wish) => self.want(field, &Test::Among(vec![wish]), wanted, source),
                                None => Goal::Never(Blame::UNKNOWN),
                            });
                        }
                        ways.push(if wanted { Goal::all(parts) } else { Goal::any(parts) });
                    }
                    if wanted { Goal::any(ways) } else { Goal::all(ways) }
                }
                _ => Goal::Never(Blame::UNKNOWN),
            },
            Origin::Looked { of, key, path } => self.look_elsewhere(of, key, path, (test, wanted, source)),
            Origin::Unknown => Goal::Never(Blame::UNKNOWN),
            Origin::Made(_) => self.size(value, test, wanted),
            Origin::Rule(made) => self.want_of_rule(made, value, test, wanted, source),
            Origin::Member { item, of, rows } => {
                let rows: Vec<Row<'p>> = rows.iter().filter_map(|row| of.rows.get(*row)).cloned().collect();
                let own = self.want(item, test, wanted, source);
                if wanted {
                    return own;
                }
                let gone = self.fail_rows(&rows).detour(2);
                if matches!(test, Test::Defined) && !matches!(&*item.from, Origin::Input(_) | Origin::Key { .. }) {
                    return gone;
                }
                Goal::any(vec![own, gone])
            }
        }
    }

    /// A value of another object that a field of this one names: another name, for which the value is right.
    fn look_elsewhere(
        &mut self,
        of: &Traced<'p>,
        key: &Traced<'p>,
        path: &[Value],
        (test, wanted, source): (&Test, bool, Source),
    ) -> Goal {
        let mut ways = Vec::new();
        let mut members = self.children(of);
        members.truncate(MAX_ALTERNATIVES);
        for (name, member) in members {
            let mut value = member.value.clone();
            for step in path {
                value = value.as_ref().and_then(|value| value.get(step)).cloned();
            }
            let holds = match &value {
                Some(value) => test.holds(value, self.host) == Some(wanted),
                None => !wanted,
            };
            if let (true, Some(name)) = (holds, name.value.clone()) {
                ways.push(self.want(key, &Test::Among(vec![name]), true, Source::Inventory));
            }
        }
        if ways.is_empty() {
            return Goal::Never(Blame::of(source).and(Blame::INVENTORY));
        }
        Goal::any(ways)
    }

    /// The name of a member: a new one can have any name; one that is there can only go.
    fn want_key(&mut self, of: &Place, key: &Seg, test: &Test, wanted: bool, source: Source) -> Goal {
        let Some(mut place) = self.in_object(of) else {
            return Goal::Never(Blame::UNKNOWN);
        };
        match (key, wanted) {
            (Seg::New(_), true) => {
                place.push(key.clone());
                Goal::Want(Want {
                    place,
                    test: Test::Named(Box::new(test.clone())),
                    wanted: true,
                    source,
                    detour: 0,
                })
            }
            (Seg::Key(_), false) => {
                place.push(key.clone());
                Goal::Want(Want {
                    place,
                    test: Test::Defined,
                    wanted: false,
                    source,
                    detour: 1,
                })
            }
            _ => Goal::Never(Blame::UNKNOWN),
        }
    }

    /// The value of a rule or function changes with what it was made of, or with which of its bodies makes it.
    fn want_of_rule(
        &mut self,
        made: &Rc<Made<'p>>,
        value: &Traced<'p>,
        test: &Test,
        wanted: bool,
        source: Source,
    ) -> Goal {
        let rows = made.rows.clone();
        let mut ways = Vec::new();
        if rows.is_empty() && !wanted && matches!(test, Test::Defined) {
            return Goal::Never(Blame::RULE);
        }
        if !rows.is_empty() {
            let mut all = Vec::new();
            for row in &rows {
                let changed = self.want(&row.value, test, wanted, source);
                let gone = if wanted {
                    Goal::Never(Blame::UNKNOWN)
                } else {
                    self.fail(row.steps, &row.env)
                };
                all.push(Goal::any(vec![changed, gone]));
            }
            ways.push(Goal::all(all));
        }
        let is_constant = value
            .value
            .as_ref()
            .is_some_and(|value| !matches!(value, Value::Object(_)));
        if is_constant && (wanted || !rows.is_empty()) {
            // Another body takes over; the one that does now has to fail.
            let others = self.through(&made.by, &mut |tracer, value| tracer.want(&value, test, wanted, source));
            if !matches!(others, Goal::Done) {
                let gone = self.fail_rows(&rows);
                ways.push(Goal::all(vec![others.clone().detour(1), gone]));
                ways.push(others.detour(2));
            }
        }
        Goal::any(ways)
    }

    /// The place in the object, when it is one.
    pub(super) fn in_object(&self, place: &Place) -> Option<Place> {
        let root = &self.roots.object;
        let starts = |root: &[&str]| {
            place.len() >= root.len()
                && root.iter().zip(place).all(|(name, seg)| match seg {
                    Seg::Key(key) => key.as_str() == Some(name),
                    Seg::New(_) => false,
                })
        };
        starts(root).then(|| place.get(root.len()..).unwrap_or_default().to_vec())
    }

    /// Where a value comes from, the least certain part of it.
    pub(super) fn source_of(&self, value: &Traced<'p>) -> Source {
        self.source_below(value, 0)
    }

    fn source_below(&self, value: &Traced<'p>, depth: u32) -> Source {
        let most = |items: &mut dyn Iterator<Item = &Traced<'p>>| {
            items
                .map(|item| self.source_below(item, depth + 1))
                .max()
                .unwrap_or(Source::Rule)
        };
        if depth > 12 {
            return Source::Rule;
        }
        match &*value.from {
            Origin::Written | Origin::Unknown => Source::Rule,
            Origin::Input(place) | Origin::Key { of: place, .. } => self.source_at(place),
            Origin::Data(source) => *source,
            Origin::Looked { .. } => Source::Inventory,
            Origin::Call { args, .. } => most(&mut args.iter()),
            Origin::Part { of, .. } => self.source_below(of, depth + 1),
            Origin::List(items) => most(&mut items.iter()),
            Origin::Object(fields) => most(&mut fields.iter().map(|(_, value)| value)),
            Origin::Made(made) | Origin::Rule(made) => most(&mut made.rows.iter().map(|row| &row.value)),
            Origin::Member { item, .. } => self.source_below(item, depth + 1),
        }
    }

    fn source_at(&self, place: &Place) -> Source {
        if self.in_object(place).is_some() {
            return Source::Object;
        }
        let name = |at: usize| match place.get(at) {
            Some(Seg::Key(key)) => key.as_str(),
            _ => None,
        };
        let is_old = self
            .roots
            .old
            .iter()
            .enumerate()
            .all(|(at, root)| name(at) == Some(root));
        match name(0) {
            Some("parameters") => Source::Parameter,
            _ if is_old && !self.roots.old.is_empty() => Source::Old,
            _ => Source::Request,
        }
    }
}

/// What makes the members of a collection, when rows do.
pub(super) fn maker_of<'a, 'p>(collection: &'a Traced<'p>) -> Option<Maker<'p>> {
    match &*collection.from {
        Origin::Made(made) => Some(match &made.by {
            Maker::Collect { sort, steps, env } => Maker::Collect {
                sort,
                steps,
                env: env.clone(),
            },
            Maker::Rule { id, args } => Maker::Rule {
                id: *id,
                args: args.clone(),
            },
        }),
        Origin::Member { item, .. } => maker_of(item),
        Origin::Rule(made) => made.rows.first().and_then(|row| maker_of(&row.value)),
        _ => None,
    }
}

/// The keys of a path through packages and data.
fn base_keys(steps: &[crate::rego::plan::TreeStep]) -> Vec<Option<&Template>> {
    steps
        .iter()
        .map(|step| match step {
            crate::rego::plan::TreeStep::Key(key) => Some(key),
            crate::rego::plan::TreeStep::Scan(_) => None,
        })
        .collect()
}
