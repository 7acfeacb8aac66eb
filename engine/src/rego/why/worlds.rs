//! What rules see: `input` and `data`, and under `with` what is put in their place, each value with where it comes from.

use std::collections::BTreeMap;
use std::rc::Rc;

use smol_str::SmolStr;

use super::{Env, Origin, Source, Traced, Tracer};
use crate::rego::plan::{Change, RuleId};
use crate::rego::value::Value;

/// Its place among the worlds of a tracer. A value may be looked into after its `with` is left: it remembers its world.
pub(super) type WorldId = usize;

/// How many are made for one policy.
const MAX_WORLDS: usize = 512;

pub(super) struct World<'p> {
    input: Traced<'p>,
    /// None is the data of the set.
    data: Option<Traced<'p>>,
    /// What rules came to in it.
    pub(super) rules: BTreeMap<RuleId, Option<Traced<'p>>>,
}

impl World<'_> {
    /// Outside of every `with`.
    pub(super) fn plain(input: Value) -> Self {
        Self {
            input: Traced::new(input, Origin::Input(Vec::new())),
            data: None,
            rules: BTreeMap::new(),
        }
    }

    /// All of `input`.
    pub(super) fn input(&self) -> Option<Value> {
        self.input.value.clone()
    }
}

impl<'p> Tracer<'p, '_> {
    /// What `input` is here.
    pub(super) fn seen_input(&self) -> Traced<'p> {
        let world = self.worlds.get(self.world);
        world.map_or_else(|| Traced::missing(Origin::Unknown), |world| world.input.clone())
    }

    /// What `data` is here; below it is what comes from this source.
    pub(super) fn seen_data(&self, source: Source) -> Traced<'p> {
        let changed = self.worlds.get(self.world).and_then(|world| world.data.clone());
        changed.unwrap_or_else(|| Traced::new(self.data.clone(), Origin::Data(source)))
    }

    pub(super) fn keep_rule(&mut self, id: RuleId, value: Option<Traced<'p>>) {
        if let Some(world) = self.worlds.get_mut(self.world) {
            world.rules.insert(id, value);
        }
    }

    /// Runs in another world.
    pub(super) fn within<T>(&mut self, world: WorldId, run: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::replace(&mut self.world, world);
        let result = run(self);
        self.world = outside;
        result
    }

    /// The world of a `with`; none when it puts another function in the place of one.
    pub(super) fn enter_with(&mut self, changes: &[Change], env: &Env<'p>) -> Option<WorldId> {
        let mut world = World {
            input: self.seen_input(),
            data: self.worlds.get(self.world).and_then(|world| world.data.clone()),
            rules: BTreeMap::new(),
        };
        for change in changes {
            match change {
                Change::Input { path, value } => {
                    let value = self.make(value, env);
                    world.input = self.overlaid(&world.input, path, value);
                }
                Change::Data { path, value } => {
                    let value = self.make(value, env);
                    for (id, set) in self.program.rules.iter().enumerate() {
                        if set.path.as_slice() == path.as_ref() {
                            world.rules.insert(id, Some(value.clone()));
                        }
                    }
                    let data = world.data.take();
                    let data = data.unwrap_or_else(|| Traced::new(self.data.clone(), Origin::Data(Source::Parameter)));
                    world.data = Some(self.overlaid(&data, path, value));
                }
                Change::Builtin { .. } | Change::Function { .. } => return None,
            }
        }
        if self.worlds.len() >= MAX_WORLDS {
            return None;
        }
        self.worlds.push(world);
        Some(self.worlds.len() - 1)
    }

    /// The value with another one at a path.
    fn overlaid(&mut self, under: &Traced<'p>, path: &[SmolStr], over: Traced<'p>) -> Traced<'p> {
        let Some((name, rest)) = path.split_first() else {
            return over;
        };
        let name = Value::String(name.clone());
        let below = self.member(under, &Traced::written(name.clone()));
        let over = self.overlaid(&below, rest, over);
        let value = match (&under.value, &over.value) {
            (Some(Value::Object(object)), Some(over)) => {
                Some(Value::Object(object.with(name.clone(), over.clone()).into()))
            }
            (_, Some(over)) => Some(Value::object(vec![(name.clone(), over.clone())])),
            (_, None) => under.value.clone(),
        };
        Traced {
            value,
            from: Rc::new(Origin::Overlaid {
                under: under.clone(),
                name,
                over,
            }),
        }
    }
}
