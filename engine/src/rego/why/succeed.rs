//! What would make a body succeed.

use super::run::put;
use super::{Blame, Env, Goal, Maker, Origin, Source, Test, Traced, Tracer};
use crate::rego::plan::{Collect, Op, Pattern, Sort, Source as From, Step, Template, TreeStep};
use crate::rego::value::Value;

/// How many alternatives of one body are followed.
pub(super) const MAX_ALTERNATIVES: usize = 64;

/// What makes the members of a collection, when rows do.
pub(super) fn maker_of<'p>(collection: &Traced<'p>) -> Option<Maker<'p>> {
    match &*collection.from {
        Origin::Made(made) => Some(match &made.by {
            Maker::Collect {
                sort,
                steps,
                env,
                world,
            } => Maker::Collect {
                sort,
                steps,
                env: env.clone(),
                world: *world,
            },
            Maker::Rule { id, args, world } => Maker::Rule {
                id: *id,
                args: args.clone(),
                world: *world,
            },
        }),
        Origin::Member { item, .. } => maker_of(item),
        Origin::Rule(made) => made.rows.first().and_then(|row| maker_of(&row.value)),
        _ => None,
    }
}

/// The keys of a path through packages and data.
pub(super) fn base_keys(steps: &[TreeStep]) -> Vec<Option<&Template>> {
    steps
        .iter()
        .map(|step| match step {
            TreeStep::Key(key) => Some(key),
            TreeStep::Scan(_) => None,
        })
        .collect()
}

/// What else has to be so at the end of a body.
pub(super) type End<'e, 'p, 'h> = &'e mut dyn FnMut(&mut Tracer<'p, 'h>, Env<'p>) -> Goal;

impl<'p, 'h> Tracer<'p, 'h> {
    /// A value shall fit; fills the pattern's variables as if it did.
    pub(super) fn fit(&mut self, pattern: &Pattern, value: &Traced<'p>, env: &mut Env<'p>) -> Goal {
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

    #[expect(clippy::too_many_lines, reason = "one arm for each step that has several ways")]
    pub(super) fn succeed_here(&mut self, steps: &'p [Step], mut env: Env<'p>, end: End<'_, 'p, 'h>) -> Goal {
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
                Op::With { changes, steps, .. } => {
                    let Some(world) = self.enter_with(changes, &env) else {
                        return Goal::Never(Blame::UNKNOWN);
                    };
                    let outside = self.world;
                    goals.push(self.within(world, |tracer| {
                        tracer.succeed(steps, env, &mut |tracer, env| {
                            tracer.within(outside, |tracer| tracer.succeed(after, env, end))
                        })
                    }));
                    return Goal::all(goals);
                }
                Op::Call { rule, args, out } => {
                    let args: Vec<Traced<'p>> = args.iter().map(|arg| self.make(arg, &env)).collect();
                    if let Some(result) = self.call(*rule, &args).filter(|result| result.value.is_some()) {
                        self.fit(out, &result, &mut env)
                    } else {
                        let maker = Maker::Rule {
                            id: *rule,
                            args,
                            world: self.world,
                        };
                        goals.push(self.through(&maker, &mut |tracer, value| {
                            let mut env = env.clone();
                            let fitting = tracer.fit(out, &value, &mut env);
                            let others = tracer.succeed(after, env, end);
                            Goal::all(vec![fitting, others])
                        }));
                        return Goal::all(goals);
                    }
                }
                Op::Path {
                    source: From::Rule(rule),
                    keys,
                    out,
                } if self.rule(*rule).is_none_or(|value| value.value.is_none()) => {
                    let maker = Maker::Rule {
                        id: *rule,
                        args: Vec::new(),
                        world: self.world,
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
                        (From::Data, Some("inventory")) => self.seen_data(Source::Inventory),
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

    /// What would make one step succeed that has one way at most.
    pub(super) fn meet(&mut self, step: &'p Step, env: &mut Env<'p>) -> Goal {
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
    pub(super) fn scan(
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
        let never = Goal::Never(Blame::UNKNOWN);
        let program = self.program;
        let outside = self.world;
        let (Maker::Collect { world, .. } | Maker::Rule { world, .. }) = maker;
        let each = &mut |tracer: &mut Self, key: Traced<'p>, value: Traced<'p>| {
            tracer.within(outside, |tracer| each(tracer, key, value))
        };
        let run = |tracer: &mut Self| match maker {
            Maker::Collect { sort, steps, env, .. } => tracer.succeed(steps, env.clone(), &mut |tracer, env| {
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
            Maker::Rule { id, args, .. } => {
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
        };
        self.deeper(never, |tracer| tracer.within(*world, run))
    }
}
