//! Values that are made, and what is in them.

use std::rc::Rc;

use super::{Env, MAX_ROWS, Made, Origin, Seg, Source, Traced, Tracer};
use crate::rego::builtins::Builtin;
use crate::rego::plan::Template;
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    #[expect(clippy::self_only_used_in_recursion, reason = "reads as the other steps do")]
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
                self.note(&place);
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
            Origin::Either(ways) => {
                let ways = ways.clone();
                let members = ways.iter().map(|way| self.member(way, key)).collect();
                Traced::missing(Origin::Either(members))
            }
            Origin::Call { .. } | Origin::Part { .. } => {
                if let Origin::Call { builtin, args } = &*of.from
                    && let Some(member) = self.member_of_call(builtin, args, key, value.as_ref())
                {
                    return member;
                }
                match &key.value {
                    Some(key) => made(Origin::Part {
                        of: of.clone(),
                        key: key.clone(),
                    }),
                    None => Traced::missing(Origin::Unknown),
                }
            }
            Origin::Overlaid { under, name, over } => {
                if key.value.as_ref() == Some(name) {
                    return over.clone();
                }
                let under = under.clone();
                self.member(&under, key)
            }
            Origin::Key { .. } | Origin::Unknown => made(Origin::Unknown),
        }
    }

    /// Whether a value is a field of the object itself, and not its identity.
    pub(super) fn is_leaf(&self, value: &Traced<'p>) -> bool {
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
                let found: Vec<_> = entries(of).into_iter().map(|(key, value)| member(key, value)).collect();
                for (_, member) in &found {
                    if let Origin::Input(place) = &*member.from {
                        self.note(place);
                    }
                }
                found
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
            Origin::Overlaid { under, name, over } => {
                let mut found = self.children(&under.clone());
                found.retain(|(key, _)| key.value.as_ref() != Some(name));
                found.push((Traced::written(name.clone()), over.clone()));
                found
            }
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
            Origin::Written | Origin::Key { .. } | Origin::Either(_) | Origin::Unknown => entries(of)
                .into_iter()
                .map(|(k, v)| plain(k, v, &|| Origin::Written))
                .collect(),
        }
    }

    pub(super) fn children_of_call(
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

    /// The result of a builtin; without a value when it has none, or an argument has none.
    pub(super) fn apply(&mut self, builtin: &'static Builtin, args: Vec<Traced<'p>>) -> Traced<'p> {
        if builtin.name == "object.get"
            && let [object, key, default] = args.as_slice()
            && (object.value.is_some() || matches!(&*object.from, Origin::Input(_)))
        {
            return self.object_get(object, key, default);
        }
        for arg in &args {
            self.note_all(arg);
        }
        let values: Option<Vec<Value>> = args.iter().map(|arg| arg.value.clone()).collect();
        self.host.budget = self.host.budget.max(10_000);
        let value = values.and_then(|values| (builtin.run)(self.host, &values).ok());
        Traced {
            value,
            from: Rc::new(Origin::Call { builtin, args }),
        }
    }

    /// The field that is asked for, and the default as its value while it is missing.
    pub(super) fn object_get(&mut self, object: &Traced<'p>, key: &Traced<'p>, default: &Traced<'p>) -> Traced<'p> {
        let keys: Vec<Traced<'p>> = match &key.value {
            Some(Value::Array(_)) => self.children(key).into_iter().map(|(_, key)| key).collect(),
            _ => vec![key.clone()],
        };
        let mut value = object.clone();
        for key in &keys {
            value = self.member(&value, key);
        }
        match (&value.value, &*value.from) {
            // What stands elsewhere in the object counts instead, and is what is wrong.
            (None, Origin::Input(_)) if self.is_there(default) => default.clone(),
            (None, Origin::Input(_)) => Traced {
                value: default.value.clone(),
                from: value.from,
            },
            (None, _) => default.clone(),
            _ => value,
        }
    }

    /// Whether a value is a plain field that the object has.
    fn is_there(&self, value: &Traced<'p>) -> bool {
        match &*value.from {
            Origin::Input(place) => {
                let is_plain = matches!(value.value, Some(Value::String(_) | Value::Number(_) | Value::Bool(_)));
                is_plain && self.is_leaf(value) && self.at(place).is_some()
            }
            _ => false,
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
