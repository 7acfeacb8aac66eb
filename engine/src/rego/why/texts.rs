//! A test of a text that was put together or cut, as a test of the field that is in it.

use super::calls::Wanted;
use super::{Blame, Goal, Origin, Source, Test, Traced, Tracer};
use crate::rego::value::Value;

impl<'p> Tracer<'p, '_> {
    /// A part of a text that was cut.
    pub(super) fn back_to_part(&mut self, of: &Traced<'p>, key: &Value, (test, wanted, source): Wanted<'_>) -> Goal {
        if let Origin::Call { builtin, args } = &*of.from
            && let ("split", [text, separator]) = (builtin.name, args.as_slice())
            && let (Some(separator), Some(place)) = (separator.text(), key.as_i64())
        {
            let count = Self::apply_count(of);
            let place = usize::try_from(place).ok();
            let is_last = count > 1 && place == Some(count - 1);
            let test = Test::Part {
                separator: separator.to_owned(),
                place: if is_last { None } else { place },
                test: Box::new(test.clone()),
            };
            return self.want(text, &test, wanted, source);
        }
        if let Some(goal) = self.back_to_written(of, key, (test, wanted, source)) {
            return goal;
        }
        if let (Test::Defined, false) = (test, wanted) {
            return Goal::Never(Blame::UNKNOWN);
        }
        self.leaves_toward(of, test, wanted, source)
    }

    /// A test of texts that were put together: the one part that the object decides.
    pub(super) fn back_to_items(
        &mut self,
        separator: Option<&str>,
        items: &Traced<'p>,
        (test, wanted, source): Wanted<'_>,
    ) -> Goal {
        let parts: Vec<Traced<'p>> = self.children(items).into_iter().map(|(_, item)| item).collect();
        let separator = separator.unwrap_or_default();
        let texts: Vec<Option<String>> = parts.iter().map(|part| part.text().map(str::to_owned)).collect();
        let mut ways = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            if self.source_of(part) != Source::Object {
                continue;
            }
            let join = |texts: &[Option<String>]| -> Option<String> {
                let texts: Option<Vec<&str>> = texts.iter().map(|text| text.as_deref()).collect();
                texts.map(|texts| texts.join(separator))
            };
            let (before, rest) = texts.split_at(place);
            let (Some(mut before), Some(mut after)) = (join(before), join(rest.get(1..).unwrap_or_default())) else {
                continue;
            };
            if place > 0 {
                before.push_str(separator);
            }
            if place + 1 < texts.len() {
                after.insert_str(0, separator);
            }
            let test = within(test, &before, &after);
            ways.push(self.want_inside(part, &test, wanted, source));
        }
        Goal::any(ways)
    }

    /// A part of a text that as a whole is not what it should be, so the part is not either.
    pub(super) fn want_inside(&mut self, part: &Traced<'p>, test: &Test, wanted: bool, source: Source) -> Goal {
        match (self.want(part, test, wanted, source), &part.value) {
            (Goal::Done, Some(value)) if !wanted => self.want(part, &Test::Among(vec![value.clone()]), false, source),
            (Goal::Done, _) => self.leaves_toward(part, test, wanted, source),
            (other, _) => other,
        }
    }

    /// The same for a format with `%s`, `%v` or `%d` in it.
    pub(super) fn back_to_format(
        &mut self,
        format: &Traced<'p>,
        items: &Traced<'p>,
        (test, wanted, source): Wanted<'_>,
    ) -> Goal {
        let Some(format) = format.text() else {
            return Goal::Never(Blame::UNKNOWN);
        };
        let parts: Vec<Traced<'p>> = self.children(items).into_iter().map(|(_, item)| item).collect();
        let mut pieces = vec![String::new()];
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                if let Some(piece) = pieces.last_mut() {
                    piece.push(character);
                }
                continue;
            }
            match characters.next() {
                Some('s' | 'v' | 'd') => pieces.push(String::new()),
                Some('%') => {
                    if let Some(piece) = pieces.last_mut() {
                        piece.push('%');
                    }
                }
                _ => return Goal::Never(Blame::UNKNOWN),
            }
        }
        if pieces.len() != parts.len() + 1 {
            return Goal::Never(Blame::UNKNOWN);
        }
        let shown = |part: &Traced<'p>| match &part.value {
            Some(Value::String(shown)) => Some(shown.to_string()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let mut ways = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            if self.source_of(part) != Source::Object {
                continue;
            }
            let (mut before, mut after) = (String::new(), String::new());
            let mut is_known = true;
            for (other, piece) in pieces.iter().enumerate() {
                let side = if other <= place { &mut before } else { &mut after };
                side.push_str(piece);
                if other != place && other < parts.len() {
                    match parts.get(other).and_then(shown) {
                        Some(shown) => side.push_str(&shown),
                        None => is_known = false,
                    }
                }
            }
            if is_known {
                let test = within(test, &before, &after);
                ways.push(self.want_inside(part, &test, wanted, source));
            }
        }
        Goal::any(ways)
    }
}

/// A test of a text with a known beginning and end, as a test of what is between them.
fn within(test: &Test, before: &str, after: &str) -> Test {
    let cut = |values: &[Value]| -> Vec<Value> {
        let texts = values.iter().filter_map(Value::as_str);
        let inner = texts.filter_map(|text| text.strip_prefix(before)?.strip_suffix(after));
        inner.map(Value::string).collect()
    };
    match test {
        Test::Among(values) => Test::Among(cut(values)),
        Test::Try(values) => Test::Try(cut(values)),
        Test::Prefix(values) => Test::Prefix(
            values
                .iter()
                .filter_map(Value::as_str)
                .map(|text| Value::string(text.strip_prefix(before).unwrap_or(text)))
                .collect(),
        ),
        Test::Suffix(values) => Test::Suffix(
            values
                .iter()
                .filter_map(Value::as_str)
                .map(|text| Value::string(text.strip_suffix(after).unwrap_or(text)))
                .collect(),
        ),
        other => other.clone(),
    }
}
