//! What is in a collection: one more, one less, how many.

use super::succeed::maker_of;
use super::{Blame, Goal, Origin, Seg, Source, Test, Traced, Tracer};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// A member that a collection of the object does not have yet.
    pub(super) fn fresh_member(&mut self, collection: &Traced<'p>) -> Option<(Traced<'p>, Traced<'p>)> {
        match &*collection.from {
            Origin::Input(place) => {
                self.in_object(place)?;
                self.next += 1;
                let seg = Seg::New(self.next);
                let mut below = place.clone();
                below.push(seg.clone());
                let key = Origin::Key {
                    of: place.clone(),
                    key: seg,
                };
                Some((Traced::missing(key), Traced::missing(Origin::Input(below))))
            }
            Origin::Member { item, .. } => {
                let item = item.clone();
                self.fresh_member(&item)
            }
            Origin::Rule(made) => {
                let value = made.rows.first()?.value.clone();
                self.fresh_member(&value)
            }
            Origin::Call { builtin, args } if matches!(builtin.name, "array.concat" | "or" | "sort" | "cast_array") => {
                let first = args.first()?.clone();
                self.fresh_member(&first)
            }
            _ => None,
        }
    }

    /// A collection shall have this member.
    pub(super) fn include(&mut self, collection: &Traced<'p>, member: &Traced<'p>) -> Goal {
        let never = Goal::Never(Blame::UNKNOWN);
        self.deeper(never, |tracer| tracer.include_here(collection, member))
    }

    fn include_here(&mut self, collection: &Traced<'p>, member: &Traced<'p>) -> Goal {
        if let Some(maker) = maker_of(collection) {
            let member = member.clone();
            return self.rows(&maker, &mut |tracer, _, value| tracer.equal(&value, &member, true));
        }
        match &*collection.from {
            Origin::Input(_) => match &member.value {
                Some(value) => {
                    let source = self.source_of(member);
                    self.want(collection, &Test::Has(value.clone()), true, source)
                }
                None => Goal::Never(Blame::UNKNOWN),
            },
            Origin::Member { item, .. } => {
                let item = item.clone();
                self.include(&item, member)
            }
            Origin::Rule(made) => {
                let goals: Vec<Goal> = made.rows.iter().map(|row| self.include(&row.value, member)).collect();
                Goal::any(goals)
            }
            Origin::Call { builtin, args } => match (builtin.name, args.as_slice()) {
                ("or" | "array.concat" | "object.union", [first, second]) => {
                    let ways = vec![self.include(first, member), self.include(second, member)];
                    Goal::any(ways)
                }
                ("and", [first, second]) => {
                    let both = vec![self.include(first, member), self.include(second, member)];
                    Goal::all(both)
                }
                ("minus", [first, second]) => {
                    let mut both = vec![self.include(first, member)];
                    if let Some(value) = &member.value {
                        both.push(self.exclude(second, value));
                    }
                    Goal::all(both)
                }
                ("object.keys", [object]) => match &member.value {
                    Some(_) => {
                        let inside = self.member(object, member);
                        self.want(&inside, &Test::Defined, true, Source::Rule)
                    }
                    None => Goal::Never(Blame::UNKNOWN),
                },
                ("sort" | "cast_set" | "cast_array" | "array.slice" | "array.reverse", [first, ..]) => {
                    self.include(first, member)
                }
                ("split", [text, separator]) => {
                    let (Some(text_now), Some(separator), Some(part)) = (text.text(), separator.text(), member.text())
                    else {
                        return Goal::Never(Blame::UNKNOWN);
                    };
                    let whole = if text_now.is_empty() {
                        part.to_owned()
                    } else {
                        format!("{text_now}{separator}{part}")
                    };
                    self.want(text, &Test::Try(vec![Value::string(whole)]), true, Source::Rule)
                }
                _ => Goal::Never(Blame::UNKNOWN),
            },
            Origin::List(items) => {
                let goals: Vec<Goal> = items.iter().map(|item| self.equal(item, member, true)).collect();
                Goal::any(goals).detour(2)
            }
            Origin::Written => Goal::Never(Blame::RULE),
            Origin::Data(source) => Goal::Never(Blame::of(*source)),
            _ => Goal::Never(Blame::UNKNOWN),
        }
    }

    /// A collection shall not have this member.
    pub(super) fn exclude(&mut self, collection: &Traced<'p>, member: &Value) -> Goal {
        let never = Goal::Never(Blame::UNKNOWN);
        self.deeper(never, |tracer| {
            if let Origin::Call { builtin, args } = &*collection.from
                && let ("minus", [first, second]) = (builtin.name, args.as_slice())
            {
                // The member itself, for what it was made from: `lower("ALL")`.
                let own = tracer.children(first).into_iter().map(|(_, own)| own);
                let own = own.into_iter().find(|own| own.value.as_ref() == Some(member));
                let known = own
                    .filter(|own| tracer.source_of(own) != Source::Object)
                    .unwrap_or_else(|| Traced::written(member.clone()));
                let mut ways = vec![tracer.include(second, &known), tracer.exclude(first, member)];
                let source = tracer.source_of(second);
                let allowed = tracer.children(second).into_iter().filter_map(|(_, value)| value.value);
                let allowed: Vec<Value> = allowed.collect();
                if matches!(source, Source::Rule | Source::Parameter) && !allowed.is_empty() {
                    // One of those that are taken away, in the place of the one that is left.
                    let own = tracer.children(first).into_iter().map(|(_, own)| own);
                    // An element of a list goes; a field has another value.
                    let own: Vec<Traced<'p>> = own
                        .filter(|own| own.value.as_ref() == Some(member) && is_field(own))
                        .collect();
                    let other = own
                        .iter()
                        .map(|own| tracer.want(own, &Test::Among(allowed.clone()), true, source));
                    let other: Vec<Goal> = other.collect();
                    if !other.is_empty() {
                        ways.push(Goal::all(other));
                    }
                }
                return Goal::any(ways);
            }
            if let Origin::Call { builtin, args } = &*collection.from
                && let ("and", [first, second]) = (builtin.name, args.as_slice())
            {
                let ways = vec![tracer.exclude(first, member), tracer.exclude(second, member)];
                return Goal::any(ways);
            }
            if let Origin::Call { builtin, args } = &*collection.from
                && let ("split", [text, separator]) = (builtin.name, args.as_slice())
                && let (Some(now), Some(separator), Some(part)) = (text.text(), separator.text(), member.as_str())
            {
                let rest: Vec<&str> = now.split(separator).filter(|other| *other != part).collect();
                let rest = Value::string(rest.join(separator).trim());
                return tracer.want(text, &Test::Try(vec![rest]), true, Source::Rule);
            }
            let found: Vec<Traced<'p>> = tracer
                .children(collection)
                .into_iter()
                .filter(|(_, value)| value.value.as_ref() == Some(member))
                .map(|(_, value)| value)
                .collect();
            let goals = found
                .iter()
                .map(|found| {
                    let gone = tracer.want(found, &Test::Defined, false, Source::Rule);
                    let other = tracer.want(found, &Test::Among(vec![member.clone()]), false, Source::Rule);
                    Goal::any(vec![gone, other])
                })
                .collect();
            Goal::all(goals)
        })
    }

    /// How many members there are, or whether one is among them.
    pub(super) fn size(&mut self, collection: &Traced<'p>, test: &Test, wanted: bool) -> Goal {
        let count = match &collection.value {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Set(set)) => set.len(),
            Some(Value::Object(object)) => object.len(),
            _ => return Goal::Never(Blame::UNKNOWN),
        };
        match (test, wanted) {
            (Test::AtMost(most), true) => self.shrink(collection, count, *most),
            (Test::AtLeast(least), false) if *least > 0 => self.shrink(collection, count, *least - 1),
            (Test::AtLeast(least), true) => self.grow(collection, count, *least),
            (Test::AtMost(most), false) => self.grow(collection, count, *most + 1),
            (Test::Has(member), true) => self.include(collection, &Traced::written(member.clone())),
            (Test::Has(member), false) => self.exclude(collection, member),
            (Test::Among(values), true) => {
                // Only a collection without members is asked for often enough.
                let is_empty = |value: &Value| match value {
                    Value::Set(set) => set.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    Value::Object(object) => object.is_empty(),
                    _ => false,
                };
                if values.iter().any(is_empty) {
                    return self.shrink(collection, count, 0);
                }
                self.same_members(collection, values)
            }
            (Test::Among(_), false) if count == 0 => self.grow(collection, 0, 1),
            _ => Goal::Never(Blame::UNKNOWN),
        }
    }

    /// The members shall be those of a value.
    fn same_members(&mut self, collection: &Traced<'p>, values: &[Value]) -> Goal {
        let mut ways = Vec::new();
        for value in values {
            let (Some(now), Value::Set(target)) = (&collection.value, value) else {
                continue;
            };
            let has: Vec<Value> = now
                .as_set()
                .map(|set| set.iter().cloned().collect())
                .unwrap_or_default();
            let mut all = Vec::new();
            for missing in target.iter().filter(|member| !has.contains(member)) {
                all.push(self.include(collection, &Traced::written(missing.clone())));
            }
            for extra in has.iter().filter(|member| !target.contains(member)) {
                all.push(self.exclude(collection, extra));
            }
            ways.push(Goal::all(all));
        }
        Goal::any(ways)
    }

    fn shrink(&mut self, collection: &Traced<'p>, count: usize, most: usize) -> Goal {
        if count <= most {
            return Goal::Done;
        }
        if let Origin::Call { builtin, args } = &*collection.from
            && let ("minus" | "and", [_, _]) = (builtin.name, args.as_slice())
        {
            let members: Vec<Value> = collection
                .value
                .as_ref()
                .and_then(Value::as_set)
                .map(|set| set.iter().cloned().collect())
                .unwrap_or_default();
            if count - most == 1 && count > 1 {
                let goals = members.iter().map(|member| self.exclude(collection, member));
                return Goal::any(goals.collect());
            }
            let goals = members
                .iter()
                .rev()
                .take(count - most)
                .map(|member| self.exclude(collection, member));
            return Goal::all(goals.collect());
        }
        let members = self.children(collection);
        let goals: Vec<Goal> = members
            .into_iter()
            .rev()
            .take(count - most)
            .map(|(_, member)| self.want(&member, &Test::Defined, false, Source::Rule))
            .collect();
        Goal::all(goals)
    }

    fn grow(&mut self, collection: &Traced<'p>, count: usize, least: usize) -> Goal {
        if count >= least {
            return Goal::Done;
        }
        let Some(maker) = maker_of(collection) else {
            return match &*collection.from {
                Origin::Call { args, .. } => {
                    // More of what it was made of.
                    let ways = args
                        .iter()
                        .map(|arg| self.want(arg, &Test::AtLeast(least), true, Source::Rule))
                        .collect();
                    Goal::any(ways).detour(2)
                }
                _ => Goal::Never(Blame::UNKNOWN),
            };
        };
        let mut ways = Vec::new();
        let known: Vec<Value> = self
            .children(collection)
            .into_iter()
            .filter_map(|(_, value)| value.value)
            .collect();
        let goal = self.rows(&maker, &mut |_, _, value| match &value.value {
            // What is in it already is no more.
            Some(value) if known.contains(value) => Goal::Never(Blame::UNKNOWN),
            _ => Goal::Done,
        });
        match goal {
            Goal::Any(goals) => ways.extend(goals),
            Goal::Done => return Goal::Never(Blame::UNKNOWN),
            other => ways.push(other),
        }
        let more = least - count;
        if more >= ways.len() {
            Goal::all(ways)
        } else if more == 1 {
            Goal::any(ways)
        } else {
            Goal::all(ways.into_iter().take(more).collect())
        }
    }
}

/// Whether a value is at a name of the input, and not in a list.
fn is_field(value: &Traced<'_>) -> bool {
    match &*value.from {
        Origin::Input(place) => matches!(place.last(), Some(Seg::Key(Value::String(_)))),
        Origin::Member { item, .. } => is_field(item),
        _ => false,
    }
}
