//! What succeeds, and with which values.

use std::rc::Rc;

use super::{Env, MAX_DEPTH, MAX_ROWS, Made, Maker, Origin, Row, Source, Traced, Tracer};
use crate::rego::plan::{self, Collect, NodeId, Op, Pattern, RuleId, RuleSet, Sort, Step, Template, TreeStep};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// Whether there is anything left to spend.
    pub(super) fn spend(&mut self) -> bool {
        self.fuel = self.fuel.saturating_sub(1);
        self.fuel > 0
    }

    /// Runs deeper, when that is not too deep.
    pub(super) fn deeper<T>(&mut self, otherwise: T, run: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAX_DEPTH || !self.spend() {
            return otherwise;
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Whether a value is what the pattern says; fills its variables.
    pub(super) fn fits(&mut self, pattern: &Pattern, value: &Traced<'p>, env: &mut Env<'p>) -> bool {
        let Some(known) = &value.value else { return false };
        match pattern {
            Pattern::Any => true,
            Pattern::True => known.is_true(),
            Pattern::Type(name) => known.type_name() == *name,
            Pattern::Bind(slot) => {
                put(env, *slot, value.clone());
                true
            }
            Pattern::Equal(template) => self.make(template, env).value.as_ref() == Some(known),
            Pattern::Array(patterns) => {
                known.as_array().is_some_and(|items| items.len() == patterns.len())
                    && patterns.iter().enumerate().all(|(place, pattern)| {
                        let item = self.member(value, &Traced::written(place.into()));
                        self.fits(pattern, &item, env)
                    })
            }
            Pattern::Object(patterns) => {
                known.as_object().is_some_and(|object| object.len() == patterns.len())
                    && patterns.iter().all(|(key, pattern)| {
                        let key = self.make(key, env);
                        let item = self.member(value, &key);
                        self.fits(pattern, &item, env)
                    })
            }
        }
    }

    /// Every success of the steps.
    pub(super) fn runs(&mut self, steps: &'p [Step], env: Env<'p>) -> Vec<Env<'p>> {
        self.deeper(Vec::new(), |tracer| {
            let mut found = vec![env];
            for step in steps {
                let mut next = Vec::new();
                for env in found {
                    if next.len() >= MAX_ROWS || !tracer.spend() {
                        break;
                    }
                    tracer.pass(step, env, &mut next);
                }
                found = next;
            }
            found
        })
    }

    /// One step, from one set of values to those after it.
    fn pass(&mut self, step: &'p Step, mut env: Env<'p>, found: &mut Vec<Env<'p>>) {
        match &step.op {
            Op::Scan { slot, key, value } => {
                let Some(collection) = env.get(*slot).cloned().flatten() else {
                    return;
                };
                for (name, member) in self.children(&collection) {
                    let mut env = env.clone();
                    if self.spend() && self.fits(key, &name, &mut env) && self.fits(value, &member, &mut env) {
                        found.push(env);
                    }
                }
            }
            Op::Tree { node, base, steps, out } => {
                for (value, mut env) in self.tree_at(*node, base, steps, &env) {
                    if self.fits(out, &value, &mut env) {
                        found.push(env);
                    }
                }
            }
            Op::Walk { value, out } => {
                let value = self.make(value, &env);
                for pair in self.walk(&value) {
                    let mut env = env.clone();
                    if self.fits(out, &pair, &mut env) {
                        found.push(env);
                    }
                }
            }
            Op::With { changes, steps, .. } => {
                if let Some(world) = self.enter_with(changes, &env) {
                    found.extend(self.within(world, |tracer| tracer.runs(steps, env)));
                }
            }
            _ => {
                if self.holds(step, &mut env) {
                    found.push(env);
                }
            }
        }
    }

    /// A step with at most one success.
    pub(super) fn holds(&mut self, step: &'p Step, env: &mut Env<'p>) -> bool {
        match &step.op {
            Op::Path { source, keys, out } => {
                let value = self.path(source, keys, env);
                self.fits(out, &value, env)
            }
            Op::Match { value, pattern } => {
                let value = self.make(value, env);
                self.fits(pattern, &value, env)
            }
            Op::Builtin { builtin, args, out } => {
                let args = args.iter().map(|arg| self.make(arg, env)).collect();
                let result = self.apply(builtin, args);
                self.fits(out, &result, env)
            }
            Op::Call { rule, args, out } => {
                let args: Vec<Traced<'p>> = args.iter().map(|arg| self.make(arg, env)).collect();
                let result = self.call(*rule, &args);
                result.is_some_and(|result| self.fits(out, &result, env))
            }
            Op::Not(inner) => self.runs(inner, env.clone()).is_empty(),
            Op::Every {
                domain,
                key,
                value,
                steps,
            } => {
                let domain = self.make(domain, env);
                if domain.value.is_none() {
                    return false;
                }
                self.children(&domain).into_iter().all(|(name, member)| {
                    let mut env = env.clone();
                    self.fits(key, &name, &mut env)
                        && self.fits(value, &member, &mut env)
                        && !self.runs(steps, env).is_empty()
                })
            }
            Op::Collect { sort, steps, out } => {
                let made = self.collect(sort, steps, env);
                self.fits(out, &made, env)
            }
            Op::Scan { .. } | Op::Tree { .. } | Op::Walk { .. } | Op::With { .. } | Op::Fail => false,
        }
    }

    pub(super) fn path(&mut self, source: &plan::Source, keys: &[Template], env: &Env<'p>) -> Traced<'p> {
        let mut value = match source {
            plan::Source::Input => self.seen_input(),
            plan::Source::Data => {
                let source = match keys.first() {
                    Some(Template::Const(Value::String(name))) if name == "inventory" => Source::Inventory,
                    Some(Template::Const(Value::String(name))) if name == "context" => Source::Request,
                    _ => Source::Parameter,
                };
                self.seen_data(source)
            }
            plan::Source::Slot(slot) => self.make(&Template::Slot(*slot), env),
            plan::Source::Rule(rule) => match self.rule(*rule) {
                Some(value) => value,
                None => return Traced::missing(Origin::Unknown),
            },
        };
        for key in keys {
            let key = self.make(key, env);
            value = self.member(&value, &key);
        }
        value
    }

    /// The result of a function, with the rows that have it.
    pub(super) fn call(&mut self, id: RuleId, args: &[Traced<'p>]) -> Option<Traced<'p>> {
        let program = self.program;
        let set = program.rules.get(id)?;
        let mut rows = Vec::new();
        for definition in &set.definitions {
            let Some(env) = self.enter(definition, args) else {
                continue;
            };
            for branch in &definition.branches {
                let found = self.runs(&branch.steps, env.clone());
                let is_taken = !found.is_empty();
                for env in found {
                    let value = self.make(&branch.value, &env);
                    rows.push(Row {
                        steps: &branch.steps,
                        env,
                        key: None,
                        value,
                        world: self.world,
                    });
                }
                if is_taken {
                    break;
                }
            }
        }
        let value = if let Some(row) = rows.first() {
            row.value.value.clone()
        } else {
            let default = set.default.as_ref()?.branches.first()?;
            match &default.value {
                Template::Const(value) => Some(value.clone()),
                _ => None,
            }
        };
        let args = args.to_vec();
        let made = Made {
            by: Maker::Rule {
                id,
                args,
                world: self.world,
            },
            rows,
        };
        Some(Traced {
            value,
            from: Rc::new(Origin::Rule(Rc::new(made))),
        })
    }

    /// The variables of a definition, when the arguments fit. What is not known yet fits what asks for nothing.
    pub(super) fn enter(&mut self, definition: &'p plan::Definition, args: &[Traced<'p>]) -> Option<Env<'p>> {
        let mut env: Env<'p> = vec![None; definition.slots];
        for (pattern, arg) in definition.args.iter().zip(args) {
            match (pattern, &arg.value) {
                (Pattern::Bind(slot), None) => put(&mut env, *slot, arg.clone()),
                (_, None) => {}
                _ => {
                    if !self.fits(pattern, arg, &mut env) {
                        return None;
                    }
                }
            }
        }
        Some(env)
    }

    /// The value of a rule.
    pub(super) fn rule(&mut self, id: RuleId) -> Option<Traced<'p>> {
        if let Some(known) = self.worlds.get(self.world).and_then(|world| world.rules.get(&id)) {
            return known.clone();
        }
        let program = self.program;
        let set = program.rules.get(id)?;
        let value = match set.sort {
            Sort::Function(_) => None,
            Sort::Complete => self.call(id, &[]),
            Sort::Set | Sort::Object => Some(self.partial(id, set)),
        };
        self.keep_rule(id, value.clone());
        value
    }

    fn partial(&mut self, id: RuleId, set: &'p RuleSet) -> Traced<'p> {
        let mut rows = Vec::new();
        for definition in &set.definitions {
            for branch in &definition.branches {
                for env in self.runs(&branch.steps, vec![None; definition.slots]) {
                    let value = self.make(&branch.value, &env);
                    let key = branch.keys.first().map(|key| self.make(key, &env));
                    rows.push(Row {
                        steps: &branch.steps,
                        env,
                        key,
                        value,
                        world: self.world,
                    });
                }
            }
        }
        let value = if set.sort == Sort::Set {
            Value::set(rows.iter().filter_map(|row| row.value.value.clone()).collect())
        } else {
            let entry = |row: &Row<'p>| Some((row.key.as_ref()?.value.clone()?, row.value.value.clone()?));
            Value::object(rows.iter().filter_map(entry).collect())
        };
        let by = Maker::Rule {
            id,
            args: Vec::new(),
            world: self.world,
        };
        Traced::new(value, Origin::Made(Rc::new(Made { by, rows })))
    }

    pub(super) fn collect(&mut self, sort: &'p Collect, steps: &'p [Step], env: &Env<'p>) -> Traced<'p> {
        let mut rows = Vec::new();
        for after in self.runs(steps, env.clone()) {
            let (key, value) = match sort {
                Collect::Array(item) | Collect::Set(item) => (None, self.make(item, &after)),
                Collect::Object(key, value) => (Some(self.make(key, &after)), self.make(value, &after)),
            };
            rows.push(Row {
                steps,
                env: after,
                key,
                value,
                world: self.world,
            });
        }
        let values = rows.iter().filter_map(|row| row.value.value.clone());
        let value = match sort {
            Collect::Array(_) => Value::array(values.collect()),
            Collect::Set(_) => Value::set(values.collect()),
            Collect::Object(..) => {
                let entry = |row: &Row<'p>| Some((row.key.as_ref()?.value.clone()?, row.value.value.clone()?));
                Value::object(rows.iter().filter_map(entry).collect())
            }
        };
        let by = Maker::Collect {
            sort,
            steps,
            env: env.clone(),
            world: self.world,
        };
        Traced::new(value, Origin::Made(Rc::new(Made { by, rows })))
    }

    pub(super) fn tree_at(
        &mut self,
        node: NodeId,
        base: &[smol_str::SmolStr],
        steps: &'p [TreeStep],
        env: &Env<'p>,
    ) -> Vec<(Traced<'p>, Env<'p>)> {
        let keys: Vec<Template> = base
            .iter()
            .map(|name| Template::Const(Value::String(name.clone())))
            .collect();
        let data = self.path(&plan::Source::Data, &keys, env);
        let data = data.value.is_some().then_some(data);
        self.tree(Some(node), data, steps, env)
    }

    fn tree(
        &mut self,
        node: Option<NodeId>,
        base: Option<Traced<'p>>,
        steps: &'p [TreeStep],
        env: &Env<'p>,
    ) -> Vec<(Traced<'p>, Env<'p>)> {
        let program = self.program;
        let here = node.and_then(|node| program.nodes.get(node));
        let rule = here.and_then(|here| here.rule);
        if here.is_none() || rule.is_some() {
            let value = match rule {
                Some(rule) => self.rule(rule),
                None => base,
            };
            return value.map_or_else(Vec::new, |value| self.below(value, steps, env.clone()));
        }
        let (Some(here), Some((step, rest))) = (here, steps.split_first()) else {
            return base.map(|base| (base, env.clone())).into_iter().collect();
        };
        match step {
            TreeStep::Key(key) => {
                let key = self.make(key, env);
                let child = key.text().and_then(|name| here.child(name));
                let below = base.map(|base| self.member(&base, &key));
                let below = below.filter(|below| below.value.is_some());
                self.tree(child, below, rest, env)
            }
            TreeStep::Scan(pattern) => {
                let mut found = Vec::new();
                for (name, child) in &here.children {
                    let key = Traced::written(Value::String(name.clone()));
                    let mut env = env.clone();
                    if self.fits(pattern, &key, &mut env) {
                        let below = base.as_ref().map(|base| self.member(base, &key));
                        let below = below.filter(|below| below.value.is_some());
                        found.extend(self.tree(Some(*child), below, rest, &env));
                    }
                }
                let own: Vec<(Traced<'p>, Traced<'p>)> =
                    base.as_ref().map(|base| self.children(base)).unwrap_or_default();
                for (key, value) in own {
                    if key.text().is_some_and(|name| here.child(name).is_some()) {
                        continue;
                    }
                    let mut env = env.clone();
                    if self.spend() && self.fits(pattern, &key, &mut env) {
                        found.extend(self.below(value, rest, env));
                    }
                }
                found
            }
        }
    }

    fn below(&mut self, value: Traced<'p>, steps: &'p [TreeStep], env: Env<'p>) -> Vec<(Traced<'p>, Env<'p>)> {
        match steps.split_first() {
            None => vec![(value, env)],
            Some((TreeStep::Key(key), rest)) => {
                let key = self.make(key, &env);
                let next = self.member(&value, &key);
                self.below(next, rest, env)
            }
            Some((TreeStep::Scan(pattern), rest)) => {
                let mut found = Vec::new();
                for (key, next) in self.children(&value) {
                    let mut env = env.clone();
                    if found.len() < MAX_ROWS && self.spend() && self.fits(pattern, &key, &mut env) {
                        found.extend(self.below(next, rest, env));
                    }
                }
                found
            }
        }
    }
}

pub(super) fn put<'p>(env: &mut Env<'p>, slot: usize, value: Traced<'p>) {
    if let Some(place) = env.get_mut(slot) {
        *place = Some(value);
    }
}
