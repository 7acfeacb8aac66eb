//! Objects that are made of others: of several, the last one wins; of one, a part is left.

use std::rc::Rc;

use super::{Blame, Goal, Origin, Source, Test, Traced, Tracer};
use crate::rego::builtins::{self, Builtin};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// The member of an object that a function made of others; none when it is no such function.
    pub(super) fn member_of_call(
        &mut self,
        builtin: &'static Builtin,
        args: &[Traced<'p>],
        key: &Traced<'p>,
        value: Option<&Value>,
    ) -> Option<Traced<'p>> {
        let objects: Vec<Traced<'p>> = match (builtin.name, args) {
            ("object.union", [_, _]) => args.to_vec(),
            ("object.union_n", [list]) => self.children(list).into_iter().map(|(_, object)| object).collect(),
            ("object.filter" | "object.remove" | "json.filter" | "json.remove" | "json.patch", [first, ..]) => {
                let own = self.member(first, key);
                return (value.is_some() && own.value.as_ref() == value).then_some(own);
            }
            _ => return None,
        };
        key.value.as_ref()?;
        let members: Vec<Traced<'p>> = objects.iter().map(|object| self.member(object, key)).collect();
        let mut there: Vec<Traced<'p>> = members
            .iter()
            .filter(|member| member.value.is_some())
            .cloned()
            .collect();
        match there.len() {
            // Any of them could have it.
            0 => Some(Traced::missing(Origin::Either(members))),
            1 => there.pop(),
            _ if value.is_some_and(|value| value.as_object().is_some()) => {
                let last = there.pop()?;
                let rest = there.pop()?;
                Some(Traced {
                    value: value.cloned(),
                    from: Rc::new(Origin::Call {
                        builtin: builtins::find("object.union")?,
                        args: vec![rest, last],
                    }),
                })
            }
            _ => there.pop(),
        }
    }

    /// An object that has all that another one says.
    pub(super) fn subset(&mut self, whole: &Traced<'p>, part: &Traced<'p>, wanted: bool) -> Goal {
        let source = self.source_of(part);
        match &part.value {
            Some(Value::Object(_)) => {
                let mut goals = Vec::new();
                for (key, below) in self.children(part) {
                    let own = self.member(whole, &key);
                    goals.push(self.subset(&own, &below, wanted));
                }
                if wanted { Goal::all(goals) } else { Goal::any(goals) }
            }
            Some(Value::Array(_) | Value::Set(_)) if whole.value.is_some() => {
                let mut goals = Vec::new();
                for (_, member) in self.children(part) {
                    goals.push(match (&member.value, wanted) {
                        (Some(_), true) => self.include(whole, &member),
                        (Some(value), false) => self.exclude(whole, value),
                        (None, _) => Goal::Never(Blame::UNKNOWN),
                    });
                }
                if wanted { Goal::all(goals) } else { Goal::any(goals) }
            }
            Some(value) => self.want(whole, &Test::Among(vec![value.clone()]), wanted, source),
            None => Goal::Never(Blame::UNKNOWN),
        }
    }

    /// A map of the object that shall be as another one says: only what differs.
    pub(super) fn differing(&mut self, own: &Traced<'p>, other: &Value, source: Source) -> Goal {
        let (Some(Value::Object(now)), Value::Object(wish)) = (&own.value, other) else {
            return Goal::Never(Blame::UNKNOWN);
        };
        let keys = now.iter().chain(wish.iter()).map(|(key, _)| key.clone());
        let mut goals = Vec::new();
        let mut seen: Vec<Value> = Vec::new();
        for key in keys {
            if seen.contains(&key) {
                continue;
            }
            let member = self.member(own, &Traced::written(key.clone()));
            match wish.get(&key) {
                Some(value) if member.value.as_ref() == Some(value) => {}
                Some(value @ Value::Object(_)) if member.value.is_some() => {
                    goals.push(self.differing(&member, value, source));
                }
                Some(value) => goals.push(self.want(&member, &Test::Among(vec![value.clone()]), true, source)),
                None => goals.push(self.want(&member, &Test::Defined, false, source)),
            }
            seen.push(key);
        }
        Goal::all(goals)
    }

    /// A text that is in what was made of a structure, as a test of the fields that hold it.
    pub(super) fn within_structure(&mut self, of: &Traced<'p>, test: &Test, source: Source) -> Goal {
        let mut holding = Vec::new();
        for pair in self.walk(of) {
            let Origin::List(parts) = &*pair.from else { continue };
            if let Some(leaf) = parts.get(1)
                && let Some(value @ Value::String(_)) = &leaf.value
                && test.holds(value, self.host) == Some(true)
            {
                holding.push(leaf.clone());
            }
        }
        let changed = holding.iter().map(|leaf| self.want(leaf, test, false, source));
        let changed = Goal::all(changed.collect());
        let gone = self.want(of, &Test::Defined, false, source);
        if holding.is_empty() {
            gone
        } else {
            Goal::any(vec![changed, gone])
        }
    }
}
