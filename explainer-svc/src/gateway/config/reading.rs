//! From YAML to types, with every place that is wrong: what is, is told, and read again without it.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::Segment;

/// More are not looked for in one file.
const MOST: usize = 1000;

/// Reads YAML, and names the field that is wrong.
pub(in crate::gateway) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(yaml(text)?).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}

/// Any YAML; an error has its line and column.
fn yaml(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let told = error.without_snippet().to_string();
        match error.location() {
            Some(at) if !told.contains("line ") => format!("line {}, column {}: {told}", at.line(), at.column()),
            _ => told,
        }
    })
}

/// What is wrong with a file: one thing for each place, the first that was found. What comes of it is not told as well.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(String, String)>);

impl Problems {
    /// A place and what is wrong with it.
    pub(super) fn add(&mut self, place: impl Into<String>, problem: impl Display) {
        let place = place.into();
        if !self.is_at(&place) {
            self.0.push((place, problem.to_string()));
        }
    }

    /// Whether something is wrong there.
    pub(super) fn is_at(&self, place: &str) -> bool {
        self.0.iter().any(|(other, _)| other == place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For people.
    pub(super) fn joined(&self) -> String {
        let each: Vec<String> = self
            .0
            .iter()
            .map(|(place, problem)| {
                if place.is_empty() {
                    return problem.clone();
                }
                format!("{place}: {problem}")
            })
            .collect();
        each.join("; ")
    }
}

/// What stands for a value that is wrong or missing, so that the rest is read: one after the other, until one is of the type. The
/// last are of the enumerations that have to be there.
fn stand_ins() -> [Value; 6] {
    [json!(""), json!([]), json!({}), json!(0), json!("openai"), json!("day")]
}

/// Reads a file as far as that can be. What is returned although there are problems is for finding others only.
///
/// # Errors
/// It is no YAML, or so wrong that nothing can be made of it.
pub(super) fn read<T: DeserializeOwned>(text: &str, problems: &mut Problems) -> Result<T, String> {
    let mut value = yaml(text)?;
    // How many stand-ins were tried, by place.
    let mut tried: BTreeMap<Vec<Part>, usize> = BTreeMap::new();
    for _ in 0..MOST {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        let mut place: Vec<Part> = error.path().iter().filter_map(Part::of).collect();
        let told = error.inner().to_string();
        let missing = told
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        if let Some(name) = missing {
            place.push(Part::Name(name.to_owned()));
        }
        // An error in what is not there itself, a variant for example, is one of what is around it.
        while missing.is_none() && !place.is_empty() && at(&mut value, &place).is_none() {
            place.pop();
        }
        let Some((last, around)) = place.split_last() else {
            return Err(told);
        };
        let is_known = (0..=place.len()).any(|end| place.get(..end).is_some_and(|part| tried.contains_key(part)));
        if !is_known {
            problems.add(shown(&place), if missing.is_some() { "is missing" } else { &told });
        }
        let Some(around) = at(&mut value, around) else {
            return Err(problems.joined());
        };
        let count = tried.entry(place.clone()).or_default();
        match (around, last) {
            // Much need not be there.
            (Value::Object(members), Part::Name(name)) if missing.is_none() && *count == 0 => {
                members.remove(name);
            }
            (around, last) => {
                let Some(stand_in) = stand_ins().get(*count).cloned() else {
                    return Err(problems.joined());
                };
                *count += 1;
                match (around, last) {
                    (Value::Object(members), Part::Name(name)) => {
                        members.insert(name.clone(), stand_in);
                    }
                    (Value::Array(items), Part::Index(index)) => {
                        if let Some(item) = items.get_mut(*index) {
                            *item = stand_in;
                        }
                    }
                    _ => return Err(problems.joined()),
                }
            }
        }
    }
    Err(problems.joined())
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Name(String),
    Index(usize),
}

impl Part {
    fn of(segment: &Segment) -> Option<Self> {
        match segment {
            Segment::Map { key } => Some(Self::Name(key.clone())),
            Segment::Seq { index } => Some(Self::Index(*index)),
            Segment::Enum { variant } => Some(Self::Name(variant.clone())),
            Segment::Unknown => None,
        }
    }
}

fn at<'v>(value: &'v mut Value, place: &[Part]) -> Option<&'v mut Value> {
    place.iter().try_fold(value, |value, part| match part {
        Part::Name(name) => value.get_mut(name),
        Part::Index(index) => value.get_mut(index),
    })
}

fn shown(place: &[Part]) -> String {
    let mut text = String::new();
    for part in place {
        match part {
            Part::Name(name) if text.is_empty() => text.push_str(name),
            Part::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Part::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct File {
        name: String,
        items: Vec<Item>,
        #[serde(default)]
        most: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct Item {
        period: crate::gateway::budget::Period,
        models: Vec<String>,
        #[serde(default)]
        key: Option<crate::gateway::secret::Source>,
    }

    fn problems(text: &str) -> String {
        let mut problems = Problems::default();
        match read::<File>(text, &mut problems) {
            Ok(_) => problems.joined(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn one_mistake_hides_no_other() {
        let text = "
name: a
most: many
items:
  - {period: week, models: [a]}
  - {period: day, models: b, more: 1}
  - {period: month, models: [1, c], key: {fil: x}}
  - {period: day}
  - 7
";
        let told = problems(text);
        for place in [
            "most: invalid type: string \"many\"",
            "items[0].period: unknown variant `week`",
            "items[1].models: invalid type",
            "items[1].more: unknown field",
            "items[2].models[0]: invalid type",
            "unknown variant `fil`",
            "items[3].models: is missing",
            "items[4]: invalid type",
        ] {
            assert!(told.contains(place), "{place}: {told}");
        }
        assert_eq!(told.split("; ").count(), 8, "{told}");
    }

    #[test]
    fn what_is_no_yaml_has_its_line_and_column() {
        let told = problems("name: a\nitems: {bad");
        assert!(told.contains("line 2") && told.contains("column"), "{told}");
        assert!(problems("[]").contains("expected struct File"), "{}", problems("[]"));
    }
}
