//! Names from the object that lead nowhere in what the object is not: parameters, other objects, what rules made.

use super::succeed::MAX_ALTERNATIVES;
use super::{Blame, Env, Goal, Origin, Source, Test, Traced, Tracer};
use crate::rego::plan::{Source as From, Template};
use crate::rego::value::Value;

/// Whether a value is made of others: by rows, or by a function.
fn is_collection(value: &Traced<'_>) -> bool {
    match &*value.from {
        Origin::Made(_) | Origin::Call { .. } => true,
        Origin::Rule(made) => made.rows.first().is_some_and(|row| is_collection(&row.value)),
        Origin::Member { item, .. } => is_collection(item),
        _ => false,
    }
}

impl<'p> Tracer<'p, '_> {
    /// Whether a path leads nowhere because of a name from the object, in something that the object is not.
    pub(super) fn leads_elsewhere(&mut self, source: &From, keys: &[Template], env: &Env<'p>) -> bool {
        let mut value = self.path(source, &[], env);
        for key in keys {
            let key = self.make(key, env);
            let next = self.member(&value, &key);
            if next.value.is_none() {
                if let Origin::Either(_) = &*next.from {
                    // It can be added where it is missing.
                    return false;
                }
                let is_made = is_collection(&value);
                let is_open = value.value.is_some() && self.source_of(&value) != Source::Object;
                return is_made || (is_open && self.source_of(&key) == Source::Object);
            }
            value = next;
        }
        false
    }

    /// A path into data with names from the object that lead nowhere: other names that do.
    pub(super) fn among_data(
        &mut self,
        path: &[Traced<'p>],
        each: &mut dyn FnMut(&mut Self, &Traced<'p>) -> Goal,
    ) -> Goal {
        let never = Goal::Never(Blame::INVENTORY);
        let Some((first, rest)) = path.split_first() else {
            return never;
        };
        let source = match first.text() {
            Some("inventory") => Source::Inventory,
            Some("context") => Source::Request,
            _ => Source::Parameter,
        };
        let start = self.seen_data(source);
        let start = self.member(&start, first);
        self.among_below(&start, rest, each)
    }

    pub(super) fn among_below(
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
        let is_made = is_collection(value);
        if is_made && next.value.is_none() && rest.is_empty() {
            // It has to be among what is made.
            let members: Vec<Value> = self
                .children(value)
                .into_iter()
                .filter_map(|(_, member)| member.value)
                .collect();
            let mut ways = vec![self.include(value, key)];
            if !members.is_empty() && self.source_of(key) == Source::Object {
                let source = self.source_of(value);
                ways.push(self.want(key, &Test::Among(members), true, source));
            }
            let others = each(self, key);
            return Goal::all(vec![Goal::any(ways), others]);
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
}
