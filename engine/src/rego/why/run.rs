//! What succeeds, and with which values.

use std::rc::Rc;

use super::{Env, MAX_DEPTH, MAX_ROWS, Made, Maker, Origin, Row, Seg, Source, Traced, Tracer};
use crate::rego::builtins::{Builtin, Fault};
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

    pub(super) fn make(&self, template: &Template, env: &Env<'p>) -> Traced<'p> {
        let value_of =
            |items: &[Traced<'p>]| -> Option<Vec<Value>> { items.iter().map(|item| item.value.clone()).collect() };
        match template {
            Template::Const(value) => Traced::written(value.clone()),
            Template::Slot(slot) => {
                let known = env.get(*slot).cloned().flatten();
                known.unwrap_or_else(|| Traced::missing(Origin::Unknown))
            }
            Template::Array(items) | Template::Set(items) => {
                let items: Vec<Traced<'p>> = items.iter().map(|item| self.make(item, env)).collect();
                let is_list = matches!(template, Template::Array(_));
                let value = value_of(&items).map(if is_list { Value::array } else { Value::set });
                Traced {
                    value,
                    from: Rc::new(Origin::List(items)),
                }
            }
            Template::Object(fields) => {
                let fields: Vec<(Traced<'p>, Traced<'p>)> = fields
                    .iter()
                    .map(|(key, value)| (self.make(key, env), self.make(value, env)))
                    .collect();
                let entries: Option<Vec<(Value, Value)>> = fields
                    .iter()
                    .map(|(key, value)| Some((key.value.clone()?, value.value.clone()?)))
                    .collect();
                Traced {
                    value: entries.map(Value::object),
                    from: Rc::new(Origin::Object(fields)),
                }
            }
        }
    }

    /// The member of a value; without a value when there is none.
    pub(super) fn member(&mut self, of: &Traced<'p>, key: &Traced<'p>) -> Traced<'p> {
        let value = match (&of.value, &key.value) {
            (Some(of), Some(key)) => of.get(key).cloned(),
            _ => None,
        };
        let made = |from: Origin<'p>| Traced {
            value: value.clone(),
            from: Rc::new(from),
        };
        match &*of.from {
            Origin::Input(place) => {
                let seg = match (&key.value, &*key.from) {
                    (Some(key), _) => Seg::Key(key.clone()),
                    (None, Origin::Key { key, .. }) => key.clone(),
                    (None, _) => return Traced::missing(Origin::Unknown),
                };
                let mut place = place.clone();
                place.push(seg);
                made(Origin::Input(place))
            }
            Origin::Written => made(Origin::Written),
            Origin::Data(Source::Inventory)
                if value.is_some() && self.source_of(key) == Source::Object && self.is_leaf(key) =>
            {
                made(Origin::Looked {
                    of: of.clone(),
                    key: key.clone(),
                    path: Vec::new(),
                })
            }
            Origin::Data(source) => made(Origin::Data(*source)),
            Origin::Looked { of, key: name, path } => {
                let mut path = path.clone();
                path.extend(key.value.clone());
                made(Origin::Looked {
                    of: of.clone(),
                    key: name.clone(),
                    path,
                })
            }
            Origin::Member { item, .. } => {
                let item = item.clone();
                self.member(&item, key)
            }
            Origin::Rule(rule) => match rule.rows.first() {
                Some(row) => {
                    let value = row.value.clone();
                    self.member(&value, key)
                }
                None => made(Origin::Written),
            },
            Origin::List(_) | Origin::Object(_) | Origin::Made(_) => {
                let found = self.children(of).into_iter().find(|(name, _)| name.value == key.value);
                found.map_or_else(|| Traced::missing(Origin::Unknown), |(_, value)| value)
            }
            Origin::Call { .. } | Origin::Part { .. } => match &key.value {
                Some(key) => made(Origin::Part {
                    of: of.clone(),
                    key: key.clone(),
                }),
                None => Traced::missing(Origin::Unknown),
            },
            Origin::Key { .. } | Origin::Unknown => made(Origin::Unknown),
        }
    }

    /// Whether a value is a field of the object itself, and not its identity.
    fn is_leaf(&self, value: &Traced<'p>) -> bool {
        match &*value.from {
            Origin::Input(place) => self
                .in_object(place)
                .is_some_and(|place| place.first() != Some(&Seg::Key(Value::string("metadata")))),
            _ => false,
        }
    }

    /// All members, each with its name or position.
    pub(super) fn children(&mut self, of: &Traced<'p>) -> Vec<(Traced<'p>, Traced<'p>)> {
        let plain = |key: Value, value: Value, from: &dyn Fn() -> Origin<'p>| {
            (Traced::new(key, from()), Traced::new(value, from()))
        };
        match &*of.from {
            Origin::Input(place) => {
                let member = |key: Value, value: Value| {
                    let mut below = place.clone();
                    below.push(Seg::Key(key.clone()));
                    let name = Origin::Key {
                        of: place.clone(),
                        key: Seg::Key(key.clone()),
                    };
                    (Traced::new(key, name), Traced::new(value, Origin::Input(below)))
                };
                entries(of).into_iter().map(|(key, value)| member(key, value)).collect()
            }
            Origin::Data(source) => {
                let source = *source;
                let from = move || Origin::Data(source);
                entries(of).into_iter().map(|(k, v)| plain(k, v, &from)).collect()
            }
            Origin::Member { item, .. } => {
                let item = item.clone();
                self.children(&item)
            }
            Origin::Rule(rule) => match rule.rows.first() {
                Some(row) => {
                    let value = row.value.clone();
                    self.children(&value)
                }
                None => entries(of)
                    .into_iter()
                    .map(|(k, v)| plain(k, v, &|| Origin::Written))
                    .collect(),
            },
            Origin::List(items) => {
                let is_set = matches!(of.value, Some(Value::Set(_)));
                let name = |(place, item): (usize, &Traced<'p>)| {
                    let key = if is_set {
                        item.clone()
                    } else {
                        Traced::written(place.into())
                    };
                    (key, item.clone())
                };
                items.iter().enumerate().map(name).collect()
            }
            Origin::Object(fields) => fields.clone(),
            Origin::Made(made) => members_of(made, of.value.as_ref()),
            Origin::Call { builtin, args } => self.children_of_call(builtin, args, of),
            Origin::Part { .. } => {
                let part = |(key, value): (Value, Value)| {
                    let from = Origin::Part {
                        of: of.clone(),
                        key: key.clone(),
                    };
                    (Traced::written(key), Traced::new(value, from))
                };
                entries(of).into_iter().map(part).collect()
            }
            Origin::Looked { .. } => entries(of)
                .into_iter()
                .map(|(key, _)| {
                    let key = Traced::written(key);
                    (key.clone(), self.member(of, &key))
                })
                .collect(),
            Origin::Written | Origin::Key { .. } | Origin::Unknown => entries(of)
                .into_iter()
                .map(|(k, v)| plain(k, v, &|| Origin::Written))
                .collect(),
        }
    }

    fn children_of_call(
        &mut self,
        builtin: &'static Builtin,
        args: &[Traced<'p>],
        of: &Traced<'p>,
    ) -> Vec<(Traced<'p>, Traced<'p>)> {
        let is_in = |value: &Traced<'p>| match (&of.value, &value.value) {
            (Some(Value::Set(set)), Some(value)) => set.contains(value),
            (Some(Value::Array(items)), Some(value)) => items.contains(value),
            (Some(_), Some(_)) => true,
            _ => false,
        };
        match (builtin.name, args) {
            (
                "minus" | "and" | "set_diff" | "sort" | "array.slice" | "cast_set" | "cast_array" | "array.reverse",
                [first, ..],
            )
            | ("object.remove" | "object.filter", [first, _]) => {
                let mut found = self.children(first);
                found.retain(|(_, value)| is_in(value));
                found
            }
            ("or" | "array.concat" | "object.union", [first, second]) => {
                let mut found = self.children(first);
                found.extend(self.children(second));
                if builtin.name == "array.concat" {
                    for (place, (key, _)) in found.iter_mut().enumerate() {
                        *key = Traced::written(place.into());
                    }
                }
                found
            }
            ("union", [sets]) => {
                let sets = self.children(sets);
                sets.iter().flat_map(|(_, set)| self.children(set)).collect()
            }
            ("object.keys", [object]) => {
                let found = self.children(object);
                found.into_iter().map(|(key, _)| (key.clone(), key)).collect()
            }
            _ => {
                let part = |(key, value): (Value, Value)| {
                    let from = Origin::Part {
                        of: of.clone(),
                        key: key.clone(),
                    };
                    (Traced::written(key), Traced::new(value, from))
                };
                entries(of).into_iter().map(part).collect()
            }
        }
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
            plan::Source::Input => Traced::new(self.input.clone(), Origin::Input(Vec::new())),
            plan::Source::Data => {
                let source = match keys.first() {
                    Some(Template::Const(Value::String(name))) if name == "inventory" => Source::Inventory,
                    Some(Template::Const(Value::String(name))) if name == "context" => Source::Request,
                    _ => Source::Parameter,
                };
                Traced::new(self.data.clone(), Origin::Data(source))
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

    /// The result of a builtin; without a value when it has none, or an argument has none.
    pub(super) fn apply(&mut self, builtin: &'static Builtin, args: Vec<Traced<'p>>) -> Traced<'p> {
        if builtin.name == "object.get"
            && let [object, key, default] = args.as_slice()
            && (object.value.is_some() || matches!(&*object.from, Origin::Input(_)))
        {
            return self.object_get(object, key, default);
        }
        let values: Option<Vec<Value>> = args.iter().map(|arg| arg.value.clone()).collect();
        self.host.budget = self.host.budget.max(10_000);
        let value = values.and_then(|values| match (builtin.run)(self.host, &values) {
            Ok(value) => Some(value),
            Err(Fault::Undefined(_) | Fault::Halt(_)) => None,
        });
        Traced {
            value,
            from: Rc::new(Origin::Call { builtin, args }),
        }
    }

    /// The field that is asked for, and the default as its value while it is missing.
    fn object_get(&mut self, object: &Traced<'p>, key: &Traced<'p>, default: &Traced<'p>) -> Traced<'p> {
        let keys: Vec<Traced<'p>> = match &key.value {
            Some(Value::Array(_)) => self.children(key).into_iter().map(|(_, key)| key).collect(),
            _ => vec![key.clone()],
        };
        let mut value = object.clone();
        for key in &keys {
            value = self.member(&value, key);
        }
        match (&value.value, &*value.from) {
            (None, Origin::Input(_)) => Traced {
                value: default.value.clone(),
                from: value.from,
            },
            (None, _) => default.clone(),
            _ => value,
        }
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
                    });
                }
                if is_taken {
                    break;
                }
            }
        }
        let value = match rows.first() {
            Some(row) => row.value.value.clone(),
            None => {
                let default = set.default.as_ref()?.branches.first()?;
                match &default.value {
                    Template::Const(value) => Some(value.clone()),
                    _ => None,
                }
            }
        };
        let args = args.to_vec();
        let made = Made {
            by: Maker::Rule { id, args },
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
        if let Some(known) = self.rules.get(&id) {
            return known.clone();
        }
        let program = self.program;
        let set = program.rules.get(id)?;
        let value = match set.sort {
            Sort::Function(_) => None,
            Sort::Complete => self.call(id, &[]),
            Sort::Set | Sort::Object => Some(self.partial(id, set)),
        };
        self.rules.insert(id, value.clone());
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
        let by = Maker::Rule { id, args: Vec::new() };
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

    /// Pairs of a path and what is there, the value itself first.
    pub(super) fn walk(&mut self, value: &Traced<'p>) -> Vec<Traced<'p>> {
        let mut found = Vec::new();
        let mut pending = vec![(Vec::new(), value.clone())];
        while let Some((path, value)) = pending.pop() {
            if found.len() >= 16 * MAX_ROWS || !self.spend() {
                break;
            }
            for (key, child) in self.children(&value).into_iter().rev() {
                let mut below: Vec<Traced<'p>> = path.clone();
                below.push(key);
                pending.push((below, child));
            }
            let names: Option<Vec<Value>> = path.iter().map(|key| key.value.clone()).collect();
            let path = Traced {
                value: names.map(Value::array),
                from: Rc::new(Origin::List(path)),
            };
            let pair = match (&path.value, &value.value) {
                (Some(path), Some(value)) => Some(Value::array(vec![path.clone(), value.clone()])),
                _ => None,
            };
            found.push(Traced {
                value: pair,
                from: Rc::new(Origin::List(vec![path, value])),
            });
        }
        found
    }
}

pub(super) fn put<'p>(env: &mut Env<'p>, slot: usize, value: Traced<'p>) {
    if let Some(place) = env.get_mut(slot) {
        *place = Some(value);
    }
}

fn entries(of: &Traced<'_>) -> Vec<(Value, Value)> {
    match &of.value {
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(i, item)| (i.into(), item.clone()))
            .collect(),
        Some(Value::Object(object)) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        Some(Value::Set(set)) => set.iter().map(|member| (member.clone(), member.clone())).collect(),
        _ => Vec::new(),
    }
}

/// The members of what was made: equal ones of a set are one, with all of their rows.
fn members_of<'p>(made: &Rc<Made<'p>>, value: Option<&Value>) -> Vec<(Traced<'p>, Traced<'p>)> {
    let is_set = matches!(value, Some(Value::Set(_)));
    let mut found: Vec<(Traced<'p>, Traced<'p>)> = Vec::new();
    for (place, row) in made.rows.iter().enumerate() {
        let same = made
            .rows
            .iter()
            .enumerate()
            .filter(|(_, other)| other.value.value == row.value.value);
        let rows: Vec<usize> = if is_set {
            same.map(|(place, _)| place).collect()
        } else {
            vec![place]
        };
        if rows.first() != Some(&place) {
            continue;
        }
        let item = row.value.clone();
        let member = Traced {
            value: item.value.clone(),
            from: Rc::new(Origin::Member {
                item,
                of: Rc::clone(made),
                rows,
            }),
        };
        let key = match &row.key {
            Some(key) => key.clone(),
            None if is_set => member.clone(),
            None => Traced::written(place.into()),
        };
        found.push((key, member));
    }
    found
}
