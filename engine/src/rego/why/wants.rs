//! A test of a value, as a want of the field that it comes from.

use std::rc::Rc;

use super::succeed::MAX_ALTERNATIVES;
use super::{Blame, Goal, Made, Origin, Place, Row, Seg, Source, Test, Traced, Tracer, Want};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
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

    pub(super) fn want_here(&mut self, value: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        match &*value.from {
            Origin::Input(place) => match self.in_object(place) {
                Some(place) => {
                    let whole = Goal::Want(Want {
                        place,
                        test: test.clone(),
                        wanted,
                        source,
                        detour: 0,
                    });
                    match test {
                        Test::Among(values) if wanted && matches!(value.value, Some(Value::Object(_))) => {
                            let mut ways: Vec<Goal> = values
                                .iter()
                                .map(|other| self.differing(value, other, source))
                                .collect();
                            ways.push(whole.detour(1));
                            Goal::any(ways)
                        }
                        _ => whole,
                    }
                }
                None => Goal::Never(Blame::of(self.source_of(value))),
            },
            Origin::Either(ways) => {
                let goals = ways.iter().map(|way| self.want(way, test, wanted, source));
                Goal::any(goals.collect())
            }
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
            Origin::Object(fields) => match test {
                Test::Among(values) => {
                    let mut ways = Vec::new();
                    for value in values
                        .iter()
                        .filter_map(Value::as_object)
                        .filter(|value| value.len() == fields.len())
                    {
                        let mut parts = Vec::new();
                        for (key, field) in fields {
                            let wish = key.value.as_ref().and_then(|key| value.get(key)).cloned();
                            parts.push(match wish {
                                Some(wish) => self.want(field, &Test::Among(vec![wish]), wanted, source),
                                None => Goal::Never(Blame::UNKNOWN),
                            });
                        }
                        ways.push(if wanted { Goal::all(parts) } else { Goal::any(parts) });
                    }
                    if wanted { Goal::any(ways) } else { Goal::all(ways) }
                }
                _ => Goal::Never(Blame::UNKNOWN),
            },
            Origin::Looked { of, key, path } => self.look_elsewhere(of, key, path, (test, wanted, source)),
            Origin::Unknown | Origin::Overlaid { .. } => Goal::Never(Blame::UNKNOWN),
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

    /// A value of another object that a field of this one names: another name, for which the value is right.
    pub(super) fn look_elsewhere(
        &mut self,
        of: &Traced<'p>,
        key: &Traced<'p>,
        path: &[Value],
        (test, wanted, source): (&Test, bool, Source),
    ) -> Goal {
        let mut ways = Vec::new();
        let mut members = self.children(of);
        members.truncate(MAX_ALTERNATIVES);
        for (name, member) in members {
            let mut value = member.value.clone();
            for step in path {
                value = value.as_ref().and_then(|value| value.get(step)).cloned();
            }
            let holds = match &value {
                Some(value) => test.holds(value, self.host) == Some(wanted),
                None => !wanted,
            };
            if let (true, Some(name)) = (holds, name.value.clone()) {
                ways.push(self.want(key, &Test::Among(vec![name]), true, Source::Inventory));
            }
        }
        if ways.is_empty() {
            return Goal::Never(Blame::of(source).and(Blame::INVENTORY));
        }
        Goal::any(ways)
    }

    /// The name of a member: a new one can have any name; one that is there can only go.
    pub(super) fn want_key(&mut self, of: &Place, key: &Seg, test: &Test, wanted: bool, source: Source) -> Goal {
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
    pub(super) fn want_of_rule(
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
                    self.fail_row(row)
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

    pub(super) fn source_below(&self, value: &Traced<'p>, depth: u32) -> Source {
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
            Origin::Looked { .. } => Source::Inventory,
            Origin::Call { args, .. } => most(&mut args.iter()),
            Origin::Part { of, .. } | Origin::Overlaid { under: of, .. } => self.source_below(of, depth + 1),
            Origin::List(items) | Origin::Either(items) => most(&mut items.iter()),
            Origin::Object(fields) => most(&mut fields.iter().map(|(_, value)| value)),
            Origin::Made(made) | Origin::Rule(made) => most(&mut made.rows.iter().map(|row| &row.value)),
            Origin::Member { item, .. } => self.source_below(item, depth + 1),
        }
    }

    pub(super) fn source_at(&self, place: &Place) -> Source {
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
