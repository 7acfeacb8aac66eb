//! What has to be otherwise for a body to fail.

use std::rc::Rc;

use super::about::{EXEMPTION, is_condition, is_presence, with_values};
use super::{Blame, CONDITION, ESCAPE, Env, Goal, Origin, Row, Source, Test, Traced, Tracer};
use crate::rego::plan::{Op, Pattern, Source as From, Step, Template};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// A rule that says nothing: a set without members, an answer that allows.
    pub(super) fn silent(&mut self, value: &Traced<'p>, asks: &dyn Fn(&Value) -> bool) -> Goal {
        if let Origin::Made(made) = &*value.from {
            let made = Rc::clone(made);
            let asked = made.rows.iter().filter(|row| row.value.value.as_ref().is_none_or(asks));
            let broken = asked.map(|row| {
                let said = self.leaves(&row.value);
                let mut values = Vec::new();
                self.said_values(&row.value, 0, &mut values);
                let goal = with_values(self.fail_row(row), &values);
                let goal = Goal::any(vec![self.suggested(&row.value, 0), goal]);
                self.toward(goal, &said)
            });
            Goal::all(broken.collect())
        } else {
            let mut allowed = value.clone();
            for key in ["response", "allowed"] {
                allowed = self.member(&allowed, &Traced::written(Value::string(key)));
            }
            self.want(&allowed, &Test::True, true, Source::Rule)
        }
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
                    source: From::Rule(_),
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

    pub(super) fn fail_rows(&mut self, rows: &[Row<'p>]) -> Goal {
        let goals = rows.iter().map(|row| self.fail_row(row)).collect();
        Goal::all(goals)
    }

    /// In the world in which it succeeded.
    pub(super) fn fail_row(&mut self, row: &Row<'p>) -> Goal {
        self.within(row.world, |tracer| tracer.fail(row.steps, &row.env))
    }

    fn fail_step(&mut self, step: &'p Step, env: &Env<'p>) -> Goal {
        let never = Goal::Never(Blame::default());
        match &step.op {
            Op::Path { source, keys, out } => {
                let value = self.path(source, keys, env);
                let other = self.unfit(out, &value, env);
                match self.other_names(source, keys, env) {
                    Some(renamed) => Goal::any(vec![other, renamed]),
                    None => other,
                }
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
            Op::With { changes, steps, .. } => match self.enter_with(changes, env) {
                Some(world) => self.within(world, |tracer| tracer.fail(steps, env)),
                None => never,
            },
            Op::Collect { .. } | Op::Walk { .. } | Op::Fail => never,
        }
    }

    /// A field of the object that is looked up in what the object is not, and found: another value, that is not there.
    fn other_names(&mut self, source: &From, keys: &[Template], env: &Env<'p>) -> Option<Goal> {
        let (last, before) = keys.split_last()?;
        let key = self.make(last, env);
        if self.source_of(&key) != Source::Object || !self.is_leaf(&key) {
            return None;
        }
        let table = self.path(source, before, env);
        let kept = self.source_of(&table);
        if !matches!(kept, Source::Rule | Source::Parameter) {
            return None;
        }
        let names = self
            .children(&table)
            .into_iter()
            .filter_map(|(name, _)| name.value)
            .collect();
        Some(self.want(&key, &Test::Among(names), false, kept))
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
        if let Some(member) = found {
            let removed = self.want(&member, &Test::Defined, false, Source::Rule);
            if let Pattern::True | Pattern::Equal(_) = value {
                let changed = self.unfit(value, &member, env);
                return Goal::any(vec![changed, removed]);
            }
            removed
        } else {
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
}
