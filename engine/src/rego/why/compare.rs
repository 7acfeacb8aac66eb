//! Sizes: which value of a field brings a result to the right side of a bound.

use super::reads::says_how;
use super::worlds::World;
use super::{Blame, Goal, Maker, Origin, Place, Seg, Test, Traced, Tracer, Want};
use crate::rego::builtins::Halt;
use crate::rego::machine::Machine;
use crate::rego::value::Value;

/// How a value shall stand to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Order {
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::More,
            Self::More => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }

    fn flipped(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    fn holds(self, value: &Value, bound: &Value) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::More => value > bound,
            Self::AtLeast => value >= bound,
        }
    }
}

impl<'p> Tracer<'p, '_> {
    pub(super) fn compare(&mut self, left: &Traced<'p>, order: Order, right: &Traced<'p>) -> Goal {
        if let (Some(left), Some(right)) = (&left.value, &right.value)
            && order.holds(left, right)
        {
            return Goal::Done;
        }
        let ways = vec![self.bound(left, order, right), self.bound(right, order.flipped(), left)];
        Goal::any(ways)
    }

    fn bound(&mut self, changed: &Traced<'p>, order: Order, bound: &Traced<'p>) -> Goal {
        let source = self.source_of(bound);
        let Some(limit) = &bound.value else {
            return Goal::Never(Blame::UNKNOWN);
        };
        if let Some(of) = counted(changed) {
            let Some(limit) = limit.as_i64() else {
                return Goal::Never(Blame::UNKNOWN);
            };
            let at_least = |number: i64| usize::try_from(number).unwrap_or(0);
            let test = match order {
                Order::AtLeast => Test::AtLeast(at_least(limit)),
                Order::More => Test::AtLeast(at_least(limit + 1)),
                Order::AtMost if limit >= 0 => Test::AtMost(at_least(limit)),
                Order::Less if limit > 0 => Test::AtMost(at_least(limit - 1)),
                _ => return Goal::Never(Blame::RULE),
            };
            return self.want(&of, &test, true, source);
        }
        let mut ways = Vec::new();
        let is_sum = matches!(&*changed.from, Origin::Call { builtin, .. } if builtin.name == "sum");
        let leaves = self.leaves(changed);
        for place in &leaves {
            let Some(own) = self.in_object(place) else { continue };
            let mut values = self.candidates(changed, place, order, bound, limit);
            if is_sum && let Some(now) = self.at(place).as_ref().and_then(quantity) {
                // One of several in a sum gives what it can spare, and not nearly all that it has.
                let amount = |(number, unit): (f64, String)| number * factor(&unit);
                let least = amount(now) / 4.0;
                values.retain(|value| quantity(value).is_none_or(|value| amount(value) >= least));
            }
            if !values.is_empty() {
                ways.push(Goal::Want(Want {
                    place: own,
                    test: Test::Try(values),
                    wanted: true,
                    source,
                    detour: 0,
                }));
            }
        }
        if ways.is_empty() {
            return Goal::Never(Blame::of(self.source_of(changed)));
        }
        Goal::any(ways)
    }

    /// Values of one field with which the comparison holds, the nearest to the bound first.
    fn candidates(
        &mut self,
        changed: &Traced<'p>,
        place: &Place,
        order: Order,
        bound: &Traced<'p>,
        limit: &Value,
    ) -> Vec<Value> {
        let mut guesses: Vec<Value> = self.constants(bound);
        guesses.push(limit.clone());
        guesses.extend(self.constants(changed));
        let now = self.at(place);
        if let Some(text) = now.as_ref().and_then(Value::as_str)
            && let Some((stem, _)) = text.rsplit_once(':')
        {
            // The part behind a colon: a tag.
            let parts: Vec<Value> = guesses
                .iter()
                .filter_map(Value::as_str)
                .map(|guess| Value::string(format!("{stem}:{guess}")))
                .collect();
            guesses.extend(parts);
        }
        if let Some(now) = &now {
            guesses.extend(self.scaled(changed, place, now, order, limit));
        } else {
            guesses.extend(limit.as_i64().map(|number| Value::string(number.to_string())));
        }
        // The nearest to what is there: a bound, and not far behind it.
        if let Some((present, unit)) = now.as_ref().and_then(quantity) {
            let present = present * factor(&unit);
            if let Some(Value::String(_)) = &now {
                // A bound is said as the field says its own: with a unit, and in whole numbers.
                let is_whole = |text: &str| {
                    !text.contains('.')
                        && (unit.is_empty() || text.ends_with(|last: char| last.is_alphabetic() || last == '%'))
                };
                guesses.retain(|guess| match guess {
                    Value::String(text) => is_whole(text),
                    other => unit.is_empty() && is_whole(&other.to_json().to_string()),
                });
            }
            let distance = |guess: &Value| {
                quantity(guess).map_or(f64::MAX, |(number, unit)| (number * factor(&unit) - present).abs())
            };
            let length = |guess: &Value| guess.to_json().to_string().len();
            guesses.sort_by(|one, other| {
                let nearer = distance(one).total_cmp(&distance(other));
                nearer.then_with(|| length(one).cmp(&length(other)))
            });
        }
        let mut found: Vec<Value> = Vec::new();
        for guess in guesses {
            let is_plain = matches!(guess, Value::Number(_) | Value::String(_));
            // A field keeps its type, but a number may stand for a text where Kubernetes takes both.
            let fits = match (&now, &guess) {
                (Some(Value::Number(_) | Value::String(_)) | None, _) => is_plain,
                _ => false,
            };
            if fits
                && !found.contains(&guess)
                && self
                    .again(changed, place, &guess, 0)
                    .is_some_and(|value| order.holds(&value, limit) && is_same_type(&value, limit))
            {
                found.push(guess);
            }
        }
        found
    }

    /// The plain values that a bound is made from: a parameter in its own spelling.
    fn constants(&self, bound: &Traced<'p>) -> Vec<Value> {
        let mut found = Vec::new();
        self.constants_below(bound, 0, &mut found);
        found
    }

    fn constants_below(&self, value: &Traced<'p>, depth: u32, found: &mut Vec<Value>) {
        if depth > 12 {
            return;
        }
        match &*value.from {
            Origin::Input(place) if self.in_object(place).is_some() => {}
            Origin::Written | Origin::Data(_) | Origin::Input(_) => {
                if let Some(value @ (Value::String(_) | Value::Number(_))) = &value.value
                    && !found.contains(value)
                {
                    found.push(value.clone());
                }
            }
            Origin::Call { builtin, args } => {
                for (place, arg) in args.iter().enumerate() {
                    if !says_how(builtin.name, place) {
                        self.constants_below(arg, depth + 1, found);
                    }
                }
            }
            Origin::Part { of, .. } => self.constants_below(of, depth + 1, found),
            Origin::Rule(made) => {
                if let Maker::Rule { args, .. } = &made.by {
                    for arg in args {
                        self.constants_below(arg, depth + 1, found);
                    }
                }
                if let Some(row) = made.rows.first() {
                    self.constants_below(&row.value, depth + 1, found);
                }
            }
            Origin::Member { item, .. } => self.constants_below(item, depth + 1, found),
            _ => {}
        }
    }

    /// The value of a field now.
    pub(super) fn at(&self, place: &[Seg]) -> Option<Value> {
        let mut value = &self.input;
        for seg in place {
            let Seg::Key(key) = seg else { return None };
            value = value.get(key)?;
        }
        Some(value.clone())
    }

    /// The field's number moved in a straight line to where the bound is, in its own unit or a smaller one.
    fn scaled(&mut self, changed: &Traced<'p>, place: &Place, now: &Value, order: Order, limit: &Value) -> Vec<Value> {
        let Some((number, unit)) = quantity(now) else {
            return Vec::new();
        };
        let float = |value: &Value| value.as_number().map(super::super::number::Number::as_f64);
        let (Some(target), Some(present)) = (float(limit), changed.value.as_ref().and_then(float)) else {
            return Vec::new();
        };
        let step = if number == 0.0 { 1.0 } else { number };
        let spelled = |number: f64, unit: &str| -> Value {
            match now {
                Value::String(_) => Value::string(format!("{}{unit}", plain(number))),
                _ => written(number),
            }
        };
        let moved = self.again(changed, place, &spelled(number + step, &unit), 0);
        let Some(moved) = moved.as_ref().and_then(float) else {
            return Vec::new();
        };
        let slope = (moved - present) / step;
        if slope == 0.0 || !slope.is_finite() {
            return Vec::new();
        }
        let aim = number + (target - present) / slope;
        let downward = matches!(order, Order::Less | Order::AtMost) == (slope > 0.0);
        let mut found = Vec::new();
        let smaller: &[(&str, f64)] = match unit.as_str() {
            "" => &[("", 1.0), ("m", 1000.0)],
            "m" => &[("m", 1.0)],
            "Ti" => &[("Ti", 1.0), ("Gi", 1024.0)],
            "Gi" => &[("Gi", 1.0), ("Mi", 1024.0)],
            "Mi" => &[("Mi", 1.0), ("Ki", 1024.0)],
            "T" => &[("T", 1.0), ("G", 1000.0)],
            "G" => &[("G", 1.0), ("M", 1000.0)],
            "M" => &[("M", 1.0), ("k", 1000.0)],
            _ => &[],
        };
        let own = [(unit.as_str(), 1.0)];
        let units: Vec<(&str, f64)> = if smaller.is_empty() {
            own.to_vec()
        } else {
            smaller.to_vec()
        };
        for (unit, factor) in units {
            if !unit.is_empty() && matches!(now, Value::Number(_)) {
                continue;
            }
            let exact = aim * factor;
            if exact < 0.0 || exact.abs() > 1e15 {
                continue;
            }
            // Halves of a rounding error are no reason to be one off.
            let near = exact.round();
            let whole = if (exact - near).abs() < 1e-6 {
                near
            } else if downward {
                exact.floor()
            } else {
                exact.ceil()
            };
            let next = if downward { whole - 1.0 } else { whole + 1.0 };
            if whole > 0.0 || target == 0.0 {
                found.push(spelled(whole, unit));
            }
            if next > 0.0 {
                found.push(spelled(next, unit));
            }
        }
        found
    }

    /// The value again, with another one in the place of one field.
    fn again(&mut self, value: &Traced<'p>, place: &Place, new: &Value, depth: u32) -> Option<Value> {
        if depth > 16 || !self.spend() {
            return None;
        }
        match &*value.from {
            Origin::Input(own) if place.starts_with(own) => {
                let below = place.get(own.len()..).unwrap_or_default();
                Some(replaced(value.value.as_ref(), below, new))
            }
            Origin::Call { builtin, args } => {
                let args: Option<Vec<Value>> = args.iter().map(|arg| self.again(arg, place, new, depth + 1)).collect();
                self.host.budget = self.host.budget.max(10_000);
                (builtin.run)(self.host, &args?).ok()
            }
            Origin::Part { of, key } => self.again(of, place, new, depth + 1)?.get(key).cloned(),
            Origin::List(items) => {
                let items: Option<Vec<Value>> = items
                    .iter()
                    .map(|item| self.again(item, place, new, depth + 1))
                    .collect();
                Some(match value.value {
                    Some(Value::Set(_)) => Value::set(items?),
                    _ => Value::array(items?),
                })
            }
            Origin::Made(made) => {
                let rows: Option<Vec<Value>> = made
                    .rows
                    .iter()
                    .map(|row| self.again(&row.value, place, new, depth + 1))
                    .collect();
                match value.value {
                    Some(Value::Set(_)) => rows.map(Value::set),
                    Some(Value::Array(_)) => rows.map(Value::array),
                    _ => value.value.clone(),
                }
            }
            Origin::Member { item, .. } => self.again(item, place, new, depth + 1),
            Origin::Rule(made) => match &made.by {
                Maker::Rule { id, args, world } if !args.is_empty() => {
                    let args: Option<Vec<Value>> =
                        args.iter().map(|arg| self.again(arg, place, new, depth + 1)).collect();
                    self.host.budget = self.host.budget.max(100_000);
                    let input = self.worlds.get(*world).and_then(World::input);
                    let result: Result<Option<Value>, Halt> =
                        Machine::new(self.program, input, self.data.clone(), self.host).function(*id, &args?);
                    result.ok().flatten()
                }
                _ => match made.rows.first() {
                    Some(row) => self.again(&row.value, place, new, depth + 1),
                    None => value.value.clone(),
                },
            },
            _ => value.value.clone(),
        }
    }
}

/// What a number counts.
fn counted<'p>(value: &Traced<'p>) -> Option<Traced<'p>> {
    match &*value.from {
        Origin::Call { builtin, args } if builtin.name == "count" => args.first().cloned(),
        Origin::Member { item, .. } => counted(item),
        Origin::Rule(made) => made.rows.first().and_then(|row| counted(&row.value)),
        _ => None,
    }
}

fn is_same_type(one: &Value, other: &Value) -> bool {
    one.type_name() == other.type_name()
}

/// A number with a unit behind it.
fn quantity(value: &Value) -> Option<(f64, String)> {
    match value {
        Value::Number(number) => Some((number.as_f64(), String::new())),
        Value::String(text) => {
            let end = text
                .find(|character: char| !character.is_ascii_digit() && character != '.' && character != '-')
                .unwrap_or(text.len());
            let (number, unit) = text.split_at_checked(end)?;
            Some((number.parse().ok()?, unit.to_owned()))
        }
        _ => None,
    }
}

/// What a unit of Kubernetes' quantities stands for.
fn factor(unit: &str) -> f64 {
    match unit {
        "m" => 1e-3,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => 1.0,
    }
}

fn plain(number: f64) -> String {
    format!("{number}")
}

fn written(number: f64) -> Value {
    let text = plain(number);
    crate::rego::number::Number::parse(&text).map_or(Value::Null, Value::Number)
}

/// The value with another one at a path of names; what is missing on the way is made.
pub(super) fn replaced(value: Option<&Value>, path: &[Seg], new: &Value) -> Value {
    let Some((Seg::Key(key), rest)) = path.split_first() else {
        return new.clone();
    };
    let below = replaced(value.and_then(|value| value.get(key)), rest, new);
    match value {
        Some(Value::Object(object)) => Value::Object(object.with(key.clone(), below).into()),
        Some(Value::Array(items)) => {
            let place = key.as_i64().and_then(|place| usize::try_from(place).ok());
            let items = items.iter().enumerate();
            Value::array(
                items
                    .map(|(at, item)| if Some(at) == place { below.clone() } else { item.clone() })
                    .collect(),
            )
        }
        _ => Value::object(vec![(key.clone(), below)]),
    }
}
