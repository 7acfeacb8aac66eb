//! What has to be otherwise for a body to fail, or to succeed.

use std::rc::Rc;

use super::run::put;
use super::{Blame, Env, Goal, Made, Maker, Origin, Place, Row, Seg, Source, Test, Traced, Tracer, Want};
use crate::rego::plan::{Op, Pattern, Sort, Step, Template};
use crate::rego::value::Value;

/// What else has to be so at the end of a body.
pub(super) type End<'e, 'p, 'h> = &'e mut dyn FnMut(&mut Tracer<'p, 'h>, Env<'p>) -> Goal;

/// How many alternatives of one body are followed.
const MAX_ALTERNATIVES: usize = 64;

impl<'p, 'h> Tracer<'p, 'h> {
    /// A rule that says nothing: a set without members, an answer that allows.
    pub(super) fn silent(&mut self, value: &Traced<'p>) -> Goal {
        match &*value.from {
            Origin::Made(made) => {
                let made = Rc::clone(made);
                let broken = made.rows.iter().map(|row| self.fail(row.steps, &row.env));
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

    /// A success of these steps becomes a failure: one of the steps has to fail.
    pub(super) fn fail(&mut self, steps: &'p [Step], env: &Env<'p>) -> Goal {
        self.deeper(Goal::Never(Blame::UNKNOWN), |tracer| {
            let goals = steps.iter().map(|step| tracer.fail_step(step, env)).collect();
            Goal::any(goals)
        })
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
            Pattern::Any | Pattern::Bind(_) => self.want(value, &Test::Defined, false, Source::Rule).detour(12),
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
                        let fitting = self.fit(out, &value, &mut env);
                        let others = self.succeed(after, env, end);
                        any.push(Goal::all(vec![fitting, others]));
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
                    let Some(start) = tracer.enter(definition, args) else {
                        continue;
                    };
                    for branch in &definition.branches {
                        goals.push(tracer.succeed(&branch.steps, start.clone(), &mut |tracer, env| {
                            let value = tracer.make(&branch.value, &env);
                            let key = match branch.keys.first() {
                                Some(key) => tracer.make(key, &env),
                                None if set.sort == Sort::Set => value.clone(),
                                None => Traced::missing(Origin::Unknown),
                            };
                            each(tracer, key, value)
                        }));
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
            Origin::Object(_) | Origin::Unknown => Goal::Never(Blame::UNKNOWN),
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
