//! Through functions back to what they were called with.

use super::compare::Order;
use super::{Blame, Goal, Origin, Source, Test, Traced, Tracer};
use crate::rego::builtins::Builtin;
use crate::rego::value::Value;

pub(super) type Wanted<'a> = (&'a Test, bool, Source);

impl<'p> Tracer<'p, '_> {
    /// Two values shall be equal, or not.
    pub(super) fn equal(&mut self, left: &Traced<'p>, right: &Traced<'p>, wanted: bool) -> Goal {
        if let (Some(one), Some(other)) = (&left.value, &right.value)
            && (one == other) == wanted
        {
            return Goal::Done;
        }
        let mut ways = Vec::new();
        if let (
            Origin::Call {
                builtin: one,
                args: ones,
            },
            Origin::Call {
                builtin: other,
                args: others,
            },
        ) = (&*left.from, &*right.from)
            && wanted
            && one.name == other.name
            && ones.len() == others.len()
        {
            // The same function of both: what it is called with, in its own spelling.
            let mut all = Vec::new();
            for (one, other) in ones.iter().zip(others) {
                all.push(self.equal(one, other, true));
            }
            ways.push(Goal::all(all));
        }
        for (changed, fixed) in [(left, right), (right, left)] {
            let Some(value) = &fixed.value else { continue };
            let source = self.source_of(fixed);
            if source == Source::Inventory && !wanted {
                ways.push(Goal::Never(Blame::of(source)));
                continue;
            }
            if matches!(&*changed.from, Origin::Written) {
                ways.push(Goal::Never(Blame::of(self.source_of(changed))));
                continue;
            }
            ways.push(self.want(changed, &Test::Among(vec![value.clone()]), wanted, source));
        }
        Goal::any(ways)
    }

    /// A test of a function's result, as a test of its arguments.
    pub(super) fn back(
        &mut self,
        builtin: &'static Builtin,
        args: &[Traced<'p>],
        result: &Traced<'p>,
        (test, wanted, source): Wanted<'_>,
    ) -> Goal {
        let asks = match test {
            Test::True => Some(wanted),
            Test::Among(values) => match values.as_slice() {
                [Value::Bool(value)] => Some(*value == wanted),
                _ => None,
            },
            _ => None,
        };
        if let Some(wanted) = asks
            && let Some(goal) = self.predicate(builtin.name, args, wanted)
        {
            return goal;
        }
        let goal = match (builtin.name, args) {
            ("count", [of]) => self.count(of, test, wanted),
            (
                "minus" | "and" | "or" | "union" | "array.concat" | "object.union" | "object.keys" | "sort"
                | "cast_set" | "array.slice" | "set_diff" | "object.remove" | "object.filter" | "array.reverse",
                _,
            ) if !matches!(result.value, Some(Value::Number(_))) => self.size(result, test, wanted),
            ("to_number", [of]) => self.numeric_text(of, test, wanted, source),
            ("lower" | "upper" | "trim_space" | "cast_string", [of])
            | ("trim" | "trim_left" | "trim_right" | "trim_prefix" | "trim_suffix", [of, _])
            | ("replace", [of, _, _]) => self.want_inside(of, test, wanted, source),
            ("concat", [separator, items]) => self.back_to_items(separator.text(), items, (test, wanted, source)),
            ("sprintf", [format, items]) => self.back_to_format(format, items, (test, wanted, source)),
            ("bits.and", [of, mask] | [mask, of])
                if wanted && self.source_of(of) == Source::Object && is_zero(test) =>
            {
                let number = |value: &Traced<'p>| value.value.as_ref().and_then(Value::as_i64);
                match number(of).zip(number(mask)) {
                    Some((now, mask)) => self.want(of, &Test::Try(vec![Value::from(now & !mask)]), true, source),
                    None => Goal::Never(Blame::UNKNOWN),
                }
            }
            ("substring", [of, start, _]) if start.value.as_ref().and_then(Value::as_i64) == Some(0) => match test {
                Test::Among(values) => self.want(of, &Test::Prefix(values.clone()), wanted, source),
                _ => Goal::Never(Blame::UNKNOWN),
            },
            ("indexof", [of, part]) if is_number(test, -1) => self.text_test(of, part, Test::Contains, !wanted),
            ("strings.count", [of, part]) if is_zero(test) => self.text_test(of, part, Test::Contains, !wanted),
            ("max" | "min", [of]) => {
                let members: Vec<Traced<'p>> = self.children(of).into_iter().map(|(_, value)| value).collect();
                let goals = members
                    .iter()
                    .map(|member| self.want(member, test, wanted, source))
                    .collect();
                Goal::all(goals)
            }
            (_, [of]) => {
                let decoded = self.back_to_encoded(builtin, of, (test, wanted, source));
                decoded.unwrap_or(Goal::Never(Blame::UNKNOWN))
            }
            _ => Goal::Never(Blame::UNKNOWN),
        };
        if !matches!(goal, Goal::Never(_)) {
            return goal;
        }
        if !wanted && *test == Test::Defined {
            // Without what it is made of there is nothing to ask for: a dodge.
            return goal;
        }
        // A guess: the same test of what it was made from.
        let guesses = self.leaves_toward(result, test, wanted, source);
        Goal::any(vec![goal, guesses])
    }

    /// Functions that say yes or no.
    fn predicate(&mut self, name: &str, args: &[Traced<'p>], wanted: bool) -> Option<Goal> {
        let goal = match (name, args) {
            ("equal", [left, right]) => self.equal(left, right, wanted),
            ("neq", [left, right]) => self.equal(left, right, !wanted),
            ("lt" | "lte" | "gt" | "gte", [left, right]) => {
                let order = match name {
                    "lt" => Order::Less,
                    "lte" => Order::AtMost,
                    "gt" => Order::More,
                    _ => Order::AtLeast,
                };
                self.compare(left, if wanted { order } else { order.negated() }, right)
            }
            ("contains", [text, part]) if !wanted && marshalled(text).is_some() => {
                let of = marshalled(text)?;
                let source = self.source_of(part);
                self.within_structure(&of, &Test::Contains(vec![part.value.clone()?]), source)
            }
            ("object.subset", [whole, part]) => self.subset(whole, part, wanted),
            ("startswith", [text, part]) => self.text_test(text, part, Test::Prefix, wanted),
            ("endswith", [text, part]) => self.text_test(text, part, Test::Suffix, wanted),
            ("contains", [text, part]) => self.text_test(text, part, Test::Contains, wanted),
            ("strings.any_prefix_match", [text, parts]) => self.text_tests(text, parts, Test::Prefix, wanted),
            ("strings.any_suffix_match", [text, parts]) => self.text_tests(text, parts, Test::Suffix, wanted),
            ("regex.match" | "re_match", [pattern, text]) => self.text_test(text, pattern, Test::Regex, wanted),
            ("glob.match", [pattern, _, text]) => self.text_test(text, pattern, Test::Glob, wanted),
            ("net.cidr_contains", [range, address]) => match &range.value {
                Some(value) if wanted && self.source_of(range) != Source::Object => {
                    let source = self.source_of(range);
                    self.want(address, &Test::Try(vec![value.clone()]), true, source)
                }
                _ if wanted => {
                    let own = address.text()?;
                    let whole = if own.contains('/') {
                        own.to_owned()
                    } else {
                        format!("{own}/32")
                    };
                    let values = vec![Value::string(whole), Value::string(own)];
                    let source = self.source_of(address);
                    self.want(range, &Test::Try(values), true, source)
                }
                _ => return None,
            },
            ("internal.member_2", [member, collection]) => self.membership(member, collection, wanted),
            ("internal.member_3", [key, value, collection]) => {
                let inside = self.member(collection, key);
                self.equal(&inside, value, wanted)
            }
            ("any", [items]) => {
                let items: Vec<Traced<'p>> = self.children(items).into_iter().map(|(_, item)| item).collect();
                let goals = items
                    .iter()
                    .map(|item| self.want(item, &Test::True, wanted, Source::Rule))
                    .collect();
                if wanted { Goal::any(goals) } else { Goal::all(goals) }
            }
            ("all", [items]) => {
                let items: Vec<Traced<'p>> = self.children(items).into_iter().map(|(_, item)| item).collect();
                let goals = items
                    .iter()
                    .map(|item| self.want(item, &Test::True, wanted, Source::Rule))
                    .collect();
                if wanted { Goal::all(goals) } else { Goal::any(goals) }
            }
            ("semver.is_valid", [of]) if wanted => {
                let version = Value::string(r"^v?[0-9]+\.[0-9]+\.[0-9]+$");
                self.want(of, &Test::Regex(vec![version]), true, Source::Rule)
            }
            ("is_string", [of]) => self.want(of, &Test::Type("string"), wanted, Source::Rule),
            ("is_number", [of]) => self.want(of, &Test::Type("number"), wanted, Source::Rule),
            ("is_boolean", [of]) => self.want(of, &Test::Type("boolean"), wanted, Source::Rule),
            ("is_array", [of]) => self.want(of, &Test::Type("array"), wanted, Source::Rule),
            ("is_object", [of]) => self.want(of, &Test::Type("object"), wanted, Source::Rule),
            ("is_null", [of]) => self.want(of, &Test::Type("null"), wanted, Source::Rule),
            _ => return None,
        };
        Some(goal)
    }

    fn text_test(&mut self, text: &Traced<'p>, part: &Traced<'p>, asks: fn(Vec<Value>) -> Test, wanted: bool) -> Goal {
        let source = self.source_of(part);
        let mut ways = Vec::new();
        if let Some(value) = &part.value {
            ways.push(self.want(text, &asks(vec![value.clone()]), wanted, source));
        }
        if let (Some(now), Some(part), false) = (text.text(), part.text(), wanted)
            && let Some(usual) = usual_instead(now, part)
        {
            let usual = Test::Try(vec![Value::string(usual)]);
            ways.insert(0, self.want(text, &usual, true, source));
        }
        if source == Source::Object
            && let (Some(value), true) = (&text.value, wanted)
        {
            // The other way round: the part is what is to be changed.
            ways.push(
                self.want(part, &Test::Try(vec![value.clone()]), true, Source::Object)
                    .detour(4),
            );
        }
        Goal::any(ways)
    }

    fn text_tests(
        &mut self,
        text: &Traced<'p>,
        parts: &Traced<'p>,
        asks: fn(Vec<Value>) -> Test,
        wanted: bool,
    ) -> Goal {
        let source = self.source_of(parts);
        let values = match &parts.value {
            Some(value @ Value::String(_)) => vec![value.clone()],
            _ => self
                .children(parts)
                .into_iter()
                .filter_map(|(_, part)| part.value)
                .collect(),
        };
        if matches!(text.value, Some(Value::String(_)) | None) {
            return self.want(text, &asks(values), wanted, source);
        }
        let texts: Vec<Traced<'p>> = self.children(text).into_iter().map(|(_, text)| text).collect();
        let goals = texts
            .iter()
            .map(|text| self.want(text, &asks(values.clone()), wanted, source))
            .collect();
        if wanted { Goal::any(goals) } else { Goal::all(goals) }
    }

    fn membership(&mut self, member: &Traced<'p>, collection: &Traced<'p>, wanted: bool) -> Goal {
        let is_in = match (&member.value, &collection.value) {
            (Some(member), Some(Value::Array(items))) => Some(items.contains(member)),
            (Some(member), Some(Value::Set(set))) => Some(set.contains(member)),
            (Some(member), Some(Value::Object(object))) => Some(object.iter().any(|(_, value)| value == member)),
            _ => None,
        };
        if is_in == Some(wanted) {
            return Goal::Done;
        }
        let source = self.source_of(collection);
        let mut values: Vec<Value> = self
            .children(collection)
            .into_iter()
            .filter_map(|(_, value)| value.value)
            .collect();
        if let Some(now) = member.value.as_ref().and_then(Value::as_i64) {
            // Of numbers, the nearest is meant; what is none stays where it is.
            values.sort_by_key(|value| value.as_i64().map_or(0, |number| number.abs_diff(now)));
        }
        let mut ways = Vec::new();
        if wanted {
            if !values.is_empty() {
                ways.push(self.want(member, &Test::Among(values), true, source));
            }
            if !matches!(source, Source::Rule | Source::Parameter) || values_empty(collection) {
                ways.push(self.include(collection, member));
            }
        } else {
            if source == Source::Inventory {
                ways.push(Goal::Never(Blame::INVENTORY));
            } else {
                ways.push(self.want(member, &Test::Among(values), false, source));
            }
            if let Some(value) = &member.value
                && source == Source::Object
            {
                ways.push(self.exclude(collection, value));
            }
        }
        Goal::any(ways)
    }

    /// A test of how many there are.
    fn count(&mut self, of: &Traced<'p>, test: &Test, wanted: bool) -> Goal {
        let numbers = match test {
            Test::Among(values) => values.iter().filter_map(Value::as_i64).collect::<Vec<_>>(),
            _ => return Goal::Never(Blame::UNKNOWN),
        };
        let now = Self::apply_count(of);
        let Some(target) = numbers.first().and_then(|number| usize::try_from(*number).ok()) else {
            return Goal::Never(Blame::UNKNOWN);
        };
        match (wanted, now < target) {
            (true, true) => self.want(of, &Test::AtLeast(target), true, Source::Rule),
            (true, false) => self.want(of, &Test::AtMost(target), true, Source::Rule),
            (false, _) if target == 0 => self.want(of, &Test::AtLeast(1), true, Source::Rule),
            (false, _) => {
                let more = self.want(of, &Test::AtLeast(target + 1), true, Source::Rule);
                let less = self.want(of, &Test::AtMost(target.saturating_sub(1)), true, Source::Rule);
                Goal::any(vec![less, more])
            }
        }
    }

    pub(super) fn apply_count(of: &Traced<'p>) -> usize {
        match &of.value {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Set(set)) => set.len(),
            Some(Value::Object(object)) => object.len(),
            Some(Value::String(text)) => text.chars().count(),
            _ => 0,
        }
    }

    /// A number that was read from a text: written as a text again.
    fn numeric_text(&mut self, of: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        match test {
            Test::Among(values) | Test::Try(values) => {
                let is_text = matches!(of.value, Some(Value::String(_)));
                let written = |value: &Value| match value {
                    Value::Number(number) if is_text => Value::string(number.to_string()),
                    other => other.clone(),
                };
                let values = values.iter().map(written).collect();
                let test = if matches!(test, Test::Among(_)) {
                    Test::Among(values)
                } else {
                    Test::Try(values)
                };
                self.want(of, &test, wanted, source)
            }
            Test::Defined | Test::Type(_) if wanted => {
                self.want(of, &Test::Regex(vec![Value::string("^[0-9]+$")]), true, source)
            }
            _ => Goal::Never(Blame::UNKNOWN),
        }
    }
}

/// What everybody writes instead of a part that is refused: TLS, and the other mark between words.
fn usual_instead(now: &str, part: &str) -> Option<String> {
    match part {
        "http://" => now.strip_prefix(part).map(|rest| format!("https://{rest}")),
        "_" if now.contains(part) => Some(now.replace(part, "-")),
        _ => None,
    }
}

/// What a text was made of as a whole.
fn marshalled<'p>(text: &Traced<'p>) -> Option<Traced<'p>> {
    match &*text.from {
        Origin::Call { builtin, args } if matches!(builtin.name, "json.marshal" | "yaml.marshal" | "lower") => {
            let of = args.first()?;
            if builtin.name == "lower" {
                marshalled(of)
            } else {
                Some(of.clone())
            }
        }
        Origin::Member { item, .. } => marshalled(item),
        _ => None,
    }
}

fn is_number(test: &Test, number: i64) -> bool {
    matches!(test, Test::Among(values) if values.iter().any(|value| value.as_i64() == Some(number)))
}

fn is_zero(test: &Test) -> bool {
    is_number(test, 0)
}

fn values_empty(collection: &Traced<'_>) -> bool {
    match &collection.value {
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Set(set)) => set.is_empty(),
        Some(_) => false,
        None => true,
    }
}
