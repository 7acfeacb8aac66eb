//! The fields that a value is made from.

use super::{Goal, Maker, Origin, Seg, Source, Test, Traced, Tracer, Want};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// The fields that a value is made from.
    pub(super) fn leaves(&self, value: &Traced<'p>) -> Vec<Vec<Seg>> {
        let mut found = Vec::new();
        self.leaves_below(value, 0, &mut found);
        found
    }

    fn leaves_below(&self, value: &Traced<'p>, depth: u32, found: &mut Vec<Vec<Seg>>) {
        if depth > 16 || found.len() > 32 {
            return;
        }
        match &*value.from {
            Origin::Input(place) => {
                let is_structure = matches!(value.value, Some(Value::Object(_) | Value::Array(_)));
                if self.in_object(place).is_some() && !is_structure && !found.contains(place) {
                    found.push(place.clone());
                }
            }
            Origin::Call { args, .. } => args.iter().for_each(|arg| self.leaves_below(arg, depth + 1, found)),
            Origin::Part { of, .. } => self.leaves_below(of, depth + 1, found),
            Origin::List(items) | Origin::Either(items) => {
                for item in items {
                    self.leaves_below(item, depth + 1, found);
                }
            }
            Origin::Object(fields) => fields
                .iter()
                .for_each(|(_, item)| self.leaves_below(item, depth + 1, found)),
            Origin::Rule(made) | Origin::Made(made) => {
                if let Maker::Rule { args, .. } = &made.by {
                    for arg in args {
                        self.leaves_below(arg, depth + 1, found);
                    }
                }
                made.rows
                    .iter()
                    .for_each(|row| self.leaves_below(&row.value, depth + 1, found));
            }
            Origin::Member { item, .. } => self.leaves_below(item, depth + 1, found),
            Origin::Looked { key, .. } => self.leaves_below(key, depth + 1, found),
            Origin::Overlaid { under, over, .. } => {
                self.leaves_below(under, depth + 1, found);
                self.leaves_below(over, depth + 1, found);
            }
            Origin::Written | Origin::Data(_) | Origin::Key { .. } | Origin::Unknown => {}
        }
    }

    /// A guess for each field that a value is made from.
    pub(super) fn leaves_toward(&mut self, value: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        let goals = self
            .leaves(value)
            .into_iter()
            .filter_map(|place| {
                let place = self.in_object(&place)?;
                Some(Goal::Want(Want {
                    place,
                    test: test.clone(),
                    wanted,
                    source,
                    detour: 4,
                }))
            })
            .collect();
        Goal::any(goals)
    }
}
