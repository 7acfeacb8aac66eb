//! Which changes of one field could give what is wanted of it, and how dear each is.
//!
//! A cost says how far a change is from what a person would do who knows what the policy is for: to set what the policy names,
//! before adding, before removing a leaf, an element, a subtree. What needs a person's value comes after what does not.

use serde_json::{Value as Json, json};

use super::change::{Action, Step, names};
use super::texts::{self, FILL_IN, Image};
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{Source, Test, Want};
use crate::schema::{Field, Form};

/// A change of one field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) action: Action,
    pub(super) cost: u32,
    pub(super) placeholder: Option<String>,
}

/// A field of the object.
pub(super) struct Spot<'a> {
    pub(super) path: &'a [Step],
    pub(super) now: Option<&'a Json>,
    /// What Kubernetes says of it, when the kind is its own.
    pub(super) field: Option<Field>,
}

/// How many changes of one field are tried.
const MAX_CANDIDATES: usize = 6;

const SET: u32 = 10;
const DERIVED: u32 = 24;
const FILLED: u32 = 34;
const REMOVE_LEAF: u32 = 50;
const REMOVE_ELEMENT: u32 = 60;
const REMOVE_TREE: u32 = 80;

/// The changes that could give all of these wants, the cheapest first.
pub(super) fn candidates(spot: &Spot<'_>, wants: &[&Want], host: &mut Host) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for want in wants {
        let detour = want.detour * 10;
        for mut candidate in of_want(spot, want, host) {
            candidate.cost += detour;
            found.push(candidate);
        }
    }
    found.retain(|candidate| {
        wants.iter().all(|want| match &candidate.action {
            Action::Set(value) => {
                let value = Value::from(value);
                want.test.holds(&value, host).is_none_or(|holds| holds == want.wanted)
            }
            Action::Remove => !want.wanted,
        })
    });
    found.retain(|candidate| match (&candidate.action, spot.now) {
        (Action::Set(value), Some(now)) => value != now,
        (Action::Remove, None) => false,
        _ => true,
    });
    for candidate in &mut found {
        candidate.cost += surcharge(spot, candidate);
    }
    found.sort_by_key(|candidate| candidate.cost);
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in found {
        if kept.len() == MAX_CANDIDATES {
            break;
        }
        if !kept.iter().any(|other| other.action == candidate.action) {
            kept.push(candidate);
        }
    }
    kept
}

/// What makes a change less likely to be meant, wherever it comes from.
fn surcharge(spot: &Spot<'_>, candidate: &Candidate) -> u32 {
    let names = names(spot.path);
    let mut more = 0;
    if names.contains(&"annotations") && matches!(candidate.action, Action::Set(_)) && spot.now.is_none() {
        more += 12;
    }
    if let Action::Set(value) = &candidate.action {
        match value.as_str() {
            Some("") => more += 60,
            Some(text) if text.contains('*') => more += 80,
            _ => {}
        }
        if let Some(field) = spot.field
            && !has_form(field, value)
        {
            more += 200;
        }
    }
    more
}

fn set(value: Json, cost: u32) -> Candidate {
    Candidate {
        action: Action::Set(value),
        cost,
        placeholder: None,
    }
}

fn filled(value: Json, cost: u32, meaning: String) -> Candidate {
    Candidate {
        action: Action::Set(value),
        cost,
        placeholder: Some(meaning),
    }
}

fn of_want(spot: &Spot<'_>, want: &Want, host: &mut Host) -> Vec<Candidate> {
    if want.wanted {
        wanted(spot, &want.test, want.source, host)
    } else {
        unwanted(spot, &want.test)
    }
}

fn wanted(spot: &Spot<'_>, test: &Test, source: Source, host: &mut Host) -> Vec<Candidate> {
    match test {
        Test::Among(values) | Test::Try(values) => among(spot, values, source),
        Test::True | Test::Defined => present(spot, matches!(test, Test::True)),
        Test::Prefix(starts) => starts
            .iter()
            .filter_map(Value::as_str)
            .flat_map(|start| prefixed(spot, start))
            .collect(),
        Test::Suffix(ends) => ends
            .iter()
            .filter_map(Value::as_str)
            .map(|end| suffixed(spot, end))
            .collect(),
        Test::Contains(parts) => parts
            .iter()
            .filter_map(Value::as_str)
            .map(|part| containing(spot, part))
            .collect(),
        Test::Regex(patterns) => fitting(spot, patterns, host),
        Test::Glob(patterns) => globbed(spot, patterns),
        Test::Has(member) => has_member(spot, member, source),
        Test::AtLeast(least) => at_least(spot, *least),
        Test::AtMost(most) => at_most(spot, *most),
        Test::Type(name) => of_type(spot, name),
        Test::Part { separator, place, test } => part(spot, separator, *place, host, &|spot, host| {
            wanted(spot, test, source, host)
        }),
        Test::Named(_) => Vec::new(),
    }
}

/// One of the values that the policy names, in its order; one that shares words with what is there comes first.
fn among(spot: &Spot<'_>, values: &[Value], source: Source) -> Vec<Candidate> {
    let base = match source {
        Source::Rule | Source::Parameter | Source::Request => SET,
        Source::Object => DERIVED,
        Source::Inventory | Source::Old => FILLED,
    };
    let now = spot.now.and_then(Json::as_str).unwrap_or_default();
    let is_choice = source == Source::Inventory;
    let mut found = Vec::new();
    for (place, value) in values.iter().enumerate() {
        let json = spelled(spot, value.to_json());
        let near = json.as_str().map_or(0, |text| texts::likeness(now, text).min(3));
        let place = u32::try_from(place.min(5)).unwrap_or(5);
        let cost = (base + 2 * place).saturating_sub(u32::try_from(4 * near).unwrap_or(0));
        found.push(Candidate {
            action: Action::Set(json),
            cost,
            placeholder: is_choice.then(|| meaning(spot)),
        });
    }
    found
}

/// A value in the type that the field has.
fn spelled(spot: &Spot<'_>, value: Json) -> Json {
    let form = spot.field.map(Field::form);
    match (&value, form) {
        (Json::Number(number), Some(Form::String)) => Json::String(number.to_string()),
        (Json::Bool(flag), Some(Form::String)) => Json::String(flag.to_string()),
        (Json::String(text), Some(Form::Int32 | Form::Int64 | Form::Number)) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Json::from)
        }
        (Json::String(text), Some(Form::Boolean)) => text.parse::<bool>().map_or_else(|_| value.clone(), Json::from),
        (Json::Number(number), Some(Form::Quantity)) => Json::String(number.to_string()),
        _ => value,
    }
}

fn has_form(field: Field, value: &Json) -> bool {
    match field.form() {
        Form::Any => true,
        Form::Boolean => value.is_boolean(),
        Form::Int32 | Form::Int64 => value.is_i64() || value.is_u64(),
        Form::Number => value.is_number(),
        Form::String | Form::Bytes | Form::Time => value.is_string(),
        Form::Quantity | Form::IntOrString => value.is_string() || value.is_number(),
        Form::Object(_) | Form::Map(_) => value.is_object(),
        Form::List(_) => value.is_array(),
    }
}

/// Something has to be there.
fn present(spot: &Spot<'_>, has_to_be_true: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    match spot.field.map(Field::form) {
        Some(Form::Boolean) => {
            found.push(set(json!(true), SET));
            if !has_to_be_true {
                found.push(set(json!(false), SET));
            }
        }
        Some(Form::List(_)) => {}
        Some(Form::Object(_)) => found.extend(structure(spot)),
        _ => {
            if let Some(field) = spot.field {
                for (place, value) in field.values().filter(|value| !value.is_empty()).enumerate() {
                    let place = u32::try_from(place).unwrap_or(9);
                    found.push(filled(json!(value), FILLED + place, meaning(spot)));
                }
                if let Some(default) = field.default().filter(|default| default.as_str() != Some("")) {
                    found.push(set(default, DERIVED));
                }
            }
            if found.is_empty() {
                found.push(example(spot));
            }
        }
    }
    found
}

/// A piece of an object that is asked for as a whole.
fn structure(spot: &Spot<'_>) -> Option<Candidate> {
    let last = names(spot.path).last().copied()?;
    let value = match last {
        "livenessProbe" | "readinessProbe" | "startupProbe" => json!({"tcpSocket": {"port": 8080}}),
        "limits" | "requests" => json!({"cpu": "100m", "memory": "128Mi"}),
        "resources" => json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}),
        "seccompProfile" => return Some(set(json!({"type": "RuntimeDefault"}), SET)),
        "securityContext" => return Some(set(json!({}), DERIVED)),
        _ => return None,
    };
    Some(filled(value, FILLED, meaning(spot)))
}

/// An example of a value that nobody but a person knows.
fn example(spot: &Spot<'_>) -> Candidate {
    let form = spot.field.map(Field::form);
    let path = names(spot.path);
    let last = path.last().copied().unwrap_or_default();
    let value = match form {
        Some(Form::Int32 | Form::Int64 | Form::Number) => json!(number_for(last)),
        Some(Form::IntOrString) => json!(1),
        Some(Form::Quantity) => json!(quantity_for(last)),
        _ if last == "cpu" || last == "memory" || last == "ephemeral-storage" => json!(quantity_for(last)),
        None if path.contains(&"spec") && last.ends_with("econds") => json!(number_for(last)),
        _ => json!(FILL_IN),
    };
    filled(value, FILLED, meaning(spot))
}

fn number_for(name: &str) -> i64 {
    match name {
        "runAsUser" | "runAsGroup" | "fsGroup" => 1000,
        "replicas" | "minAvailable" => 2,
        "ttlSecondsAfterFinished" => 3600,
        "activeDeadlineSeconds" => 3600,
        "terminationGracePeriodSeconds" => 30,
        "startingDeadlineSeconds" => 60,
        "revisionHistoryLimit" => 3,
        "backoffLimit" => 3,
        _ => 1,
    }
}

fn quantity_for(name: &str) -> &'static str {
    match name {
        "cpu" => "100m",
        "memory" => "128Mi",
        _ => "1Gi",
    }
}

/// What a person fills in, in words.
pub(super) fn meaning(spot: &Spot<'_>) -> String {
    let path = names(spot.path);
    let last = path.last().copied().unwrap_or_default();
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    match (parent, last) {
        ("labels", label) => format!("the value of the label {label}"),
        ("annotations", annotation) => format!("the value of the annotation {annotation}"),
        (_, "image") => "the image that is meant, as the policy allows it".to_owned(),
        ("limits" | "requests", resource) => format!("how much {resource} the container needs"),
        (_, "runAsUser" | "runAsGroup") => "a user of the image that is not root".to_owned(),
        (_, "livenessProbe" | "readinessProbe" | "startupProbe") => "how the container shows that it works".to_owned(),
        _ => format!("the right value for {last}"),
    }
}

fn prefixed(spot: &Spot<'_>, start: &str) -> Vec<Candidate> {
    let Some(now) = spot.now.and_then(Json::as_str) else {
        return vec![filled(json!(format!("{start}{FILL_IN}")), FILLED, meaning(spot))];
    };
    let is_image = names(spot.path).last() == Some(&"image");
    let mut found = Vec::new();
    if is_image {
        let image = Image::parse(now);
        let path = image.path();
        // The image has to be brought to the registry first, so the name there is a person's to say.
        let base = start.trim_end_matches('/');
        let slash = if start.ends_with('/') || !base.is_empty() {
            "/"
        } else {
            ""
        };
        let tail = path.as_str();
        // Whether the prefix already ends with a part of the path.
        let joined = match base.rsplit_once('/') {
            Some((_, last)) if tail.split('/').next() == Some(last) && tail.contains('/') => {
                let rest = tail.split_once('/').map_or(tail, |(_, rest)| rest);
                format!("{base}{slash}{rest}")
            }
            _ if base.ends_with(image.repository) => format!("{base}{}", image.version()),
            _ => format!("{base}{slash}{tail}"),
        };
        let near = u32::try_from(texts::likeness(now, start).min(3)).unwrap_or(0);
        found.push(filled(json!(joined), FILLED - 4 * near, meaning(spot)));
    } else {
        found.push(filled(json!(format!("{start}{now}")), DERIVED, meaning(spot)));
    }
    found
}

fn suffixed(spot: &Spot<'_>, end: &str) -> Candidate {
    match spot.now.and_then(Json::as_str) {
        Some(now) => {
            // A host keeps its name and gets another domain.
            let stem = if end.starts_with('.') {
                now.split('.').next().unwrap_or(now)
            } else {
                now
            };
            filled(json!(format!("{stem}{end}")), DERIVED, meaning(spot))
        }
        None => filled(json!(format!("{FILL_IN}{end}")), FILLED, meaning(spot)),
    }
}

fn containing(spot: &Spot<'_>, part: &str) -> Candidate {
    let now = spot.now.and_then(Json::as_str).unwrap_or(FILL_IN);
    let value = if part == "@" || part.starts_with("@sha256") {
        format!("{now}@sha256:{}", "0".repeat(64))
    } else {
        format!("{now}{part}{FILL_IN}")
    };
    filled(json!(value), FILLED, meaning(spot))
}

fn fitting(spot: &Spot<'_>, patterns: &[Value], host: &mut Host) -> Vec<Candidate> {
    let now = spot.now.and_then(|now| match now {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let mut found = Vec::new();
    for pattern in patterns {
        let Some(text) = pattern.as_str() else { continue };
        let fits = Test::Regex(vec![pattern.clone()]);
        let samples = texts::samples(text, now.as_deref());
        let mut place = 0;
        for sample in samples.texts {
            if fits.holds(&Value::string(&sample), host) != Some(true) {
                continue;
            }
            place += 1;
            let near = now.as_ref().map_or(0, |now| texts::likeness(now, &sample).min(3));
            let near = u32::try_from(4 * near).unwrap_or(0);
            let is_lower = now.as_ref().is_some_and(|now| now.to_lowercase() == sample);
            found.push(if samples.is_all {
                set(json!(sample), (SET + 2 * place).saturating_sub(near))
            } else if is_lower {
                set(json!(sample), DERIVED)
            } else {
                filled(json!(sample), (FILLED + place).saturating_sub(near), meaning(spot))
            });
        }
    }
    found
}

fn globbed(spot: &Spot<'_>, patterns: &[Value]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for pattern in patterns.iter().filter_map(Value::as_str) {
        match pattern.strip_suffix('*').map(|start| start.trim_end_matches('*')) {
            Some(start) if !start.contains(['*', '?', '[', '{']) => found.extend(prefixed(spot, start)),
            _ => match pattern.strip_prefix('*').map(|end| end.trim_start_matches('*')) {
                Some(end) if !end.contains(['*', '?', '[', '{']) => found.push(suffixed(spot, end)),
                _ if !pattern.contains(['*', '?', '[', '{']) => found.push(set(json!(pattern), SET)),
                _ => {
                    let text = pattern.replace("**", "*").replace('*', FILL_IN).replace('?', "x");
                    found.push(filled(json!(text), FILLED, meaning(spot)));
                }
            },
        }
    }
    found
}

fn has_member(spot: &Spot<'_>, member: &Value, source: Source) -> Vec<Candidate> {
    let member = member.to_json();
    let cost = if source == Source::Inventory { FILLED } else { SET + 2 };
    match spot.now {
        Some(Json::Array(items)) => {
            let mut items = items.clone();
            items.push(member);
            vec![set(Json::Array(items), cost)]
        }
        None | Some(Json::Null) => vec![set(json!([member]), cost)],
        _ => Vec::new(),
    }
}

fn at_least(spot: &Spot<'_>, least: usize) -> Vec<Candidate> {
    match (spot.now, spot.field.map(Field::form)) {
        (Some(Json::Number(_)), _) => Vec::new(),
        (Some(Json::String(text)), _) => {
            let text = format!(
                "{text}{FILL_IN}{}",
                "x".repeat(least.saturating_sub(text.len() + FILL_IN.len()))
            );
            vec![filled(json!(text), FILLED, meaning(spot))]
        }
        (None | Some(Json::Array(_)), Some(Form::List(of))) => {
            let element = match of.form() {
                Form::String => json!(FILL_IN),
                _ => return Vec::new(),
            };
            let mut items = spot.now.and_then(Json::as_array).cloned().unwrap_or_default();
            while items.len() < least {
                items.push(element.clone());
            }
            vec![filled(Json::Array(items), FILLED + 6, meaning(spot))]
        }
        (None, Some(Form::Map(_))) => vec![filled(json!({FILL_IN: FILL_IN}), FILLED + 10, meaning(spot))],
        (None, Some(Form::Object(_))) => structure(spot).into_iter().collect(),
        (None, Some(Form::String) | None) => vec![filled(
            json!(format!(
                "{FILL_IN}{}",
                "-x".repeat(least.saturating_sub(FILL_IN.len()).div_ceil(2))
            )),
            FILLED,
            meaning(spot),
        )],
        _ => Vec::new(),
    }
}

fn at_most(spot: &Spot<'_>, most: usize) -> Vec<Candidate> {
    match spot.now {
        Some(Json::Array(_)) if most == 0 => vec![removal(spot)],
        Some(Json::Array(items)) => vec![set(
            Json::Array(items.iter().take(most).cloned().collect()),
            REMOVE_ELEMENT,
        )],
        Some(Json::Object(_)) if most == 0 => vec![removal(spot)],
        Some(Json::String(text)) => {
            let text: String = text.chars().take(most).collect();
            let text = text.trim_end_matches(['-', '.', '_']);
            vec![filled(json!(text), FILLED, meaning(spot))]
        }
        _ => Vec::new(),
    }
}

fn of_type(spot: &Spot<'_>, name: &str) -> Vec<Candidate> {
    match (name, spot.now) {
        ("string", Some(Json::Number(number))) => vec![set(json!(number.to_string()), SET)],
        ("string", Some(Json::Bool(flag))) => vec![set(json!(flag.to_string()), SET)],
        ("number", Some(Json::String(text))) => text
            .parse::<i64>()
            .ok()
            .map(|number| set(json!(number), SET))
            .into_iter()
            .collect(),
        ("string", None) => vec![filled(json!(FILL_IN), FILLED, meaning(spot))],
        ("boolean", None) => vec![set(json!(true), SET), set(json!(false), SET)],
        ("number", None) => vec![example(spot)],
        _ => Vec::new(),
    }
}

/// A part of a text is changed, the others stay.
fn part(
    spot: &Spot<'_>,
    separator: &str,
    place: Option<usize>,
    host: &mut Host,
    of_part: &dyn Fn(&Spot<'_>, &mut Host) -> Vec<Candidate>,
) -> Vec<Candidate> {
    let Some(now) = spot.now.and_then(Json::as_str) else {
        return Vec::new();
    };
    let parts: Vec<&str> = now.split(separator).collect();
    let place = place.unwrap_or(parts.len().saturating_sub(1));
    let own = parts.get(place).map(|part| json!(part));
    let inner = Spot {
        path: spot.path,
        now: own.as_ref(),
        field: None,
    };
    of_part(&inner, host)
        .into_iter()
        .filter_map(|candidate| {
            let Action::Set(Json::String(new)) = &candidate.action else {
                return None;
            };
            let mut parts: Vec<&str> = parts.clone();
            if place == parts.len() {
                parts.push(new);
            } else {
                *parts.get_mut(place)? = new;
            }
            Some(Candidate {
                action: Action::Set(json!(parts.join(separator))),
                ..candidate
            })
        })
        .collect()
}

fn unwanted(spot: &Spot<'_>, test: &Test) -> Vec<Candidate> {
    match test {
        Test::True => {
            let mut found = Vec::new();
            if matches!(spot.now, Some(Json::Bool(true))) || spot.field.map(Field::form) == Some(Form::Boolean) {
                found.push(set(json!(false), SET));
            }
            found.push(removal(spot));
            found
        }
        Test::Defined => vec![removal(spot)],
        Test::Among(values) => other_than(spot, values),
        Test::Type(_) => vec![removal(spot)],
        Test::AtLeast(least) if *least > 0 => at_most(spot, least - 1),
        Test::AtMost(most) => at_least(spot, most + 1),
        Test::Has(member) => match spot.now {
            Some(Json::Array(items)) => {
                let member = member.to_json();
                let rest: Vec<Json> = items.iter().filter(|item| **item != member).cloned().collect();
                vec![set(Json::Array(rest), REMOVE_ELEMENT)]
            }
            _ => Vec::new(),
        },
        Test::Suffix(ends) => without(spot, ends, |now, end| {
            let stem = now.strip_suffix(end)?;
            Some(match end.chars().next() {
                Some(mark @ (':' | '@' | '.' | '-' | '/')) => format!("{stem}{mark}{FILL_IN}"),
                _ => format!("{stem}{FILL_IN}"),
            })
        }),
        Test::Prefix(starts) => without(spot, starts, |now, start| {
            let rest = now.strip_prefix(start)?;
            Some(match start.chars().last() {
                Some('/') => format!("{FILL_IN}/{rest}"),
                _ => format!("{FILL_IN}{rest}"),
            })
        }),
        Test::Contains(parts) => without(spot, parts, |now, part| {
            now.contains(part).then(|| now.replace(part, FILL_IN))
        }),
        Test::Regex(_) | Test::Glob(_) => vec![example(spot), removal(spot)],
        Test::Part { separator, place, test } => {
            let mut host = Host::new(10_000);
            part(spot, separator, *place, &mut host, &|spot, _| unwanted(spot, test))
        }
        Test::Try(_) | Test::Named(_) | Test::AtLeast(_) => Vec::new(),
    }
}

/// A text without what is forbidden in it; what stands there instead is a person's to say.
fn without(spot: &Spot<'_>, parts: &[Value], change: impl Fn(&str, &str) -> Option<String>) -> Vec<Candidate> {
    let mut found = Vec::new();
    if let Some(now) = spot.now.and_then(Json::as_str) {
        let changed = parts
            .iter()
            .filter_map(Value::as_str)
            .find_map(|part| change(now, part));
        found.extend(changed.map(|text| filled(json!(text), FILLED, meaning(spot))));
    }
    found.push(removal(spot));
    found
}

/// Another value than these.
fn other_than(spot: &Spot<'_>, values: &[Value]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let is_forbidden = |value: &Json| values.contains(&Value::from(value));
    match spot.now {
        Some(Json::Bool(flag)) => found.push(set(json!(!flag), SET)),
        None if spot.field.map(Field::form) == Some(Form::Boolean) => {
            found.push(set(json!(true), SET));
            found.push(set(json!(false), SET));
        }
        now => {
            if let Some(field) = spot.field {
                if let Some(default) = field
                    .default()
                    .filter(|value| !is_forbidden(value) && value.as_str() != Some(""))
                {
                    found.push(set(default, SET));
                }
                for (place, value) in field.values().enumerate() {
                    let place = u32::try_from(place).unwrap_or(9);
                    let value = json!(value);
                    if !is_forbidden(&value) && value.as_str() != Some("") {
                        found.push(set(value, DERIVED + place));
                    }
                }
            }
            match now {
                Some(Json::Number(number)) => {
                    let name = names(spot.path).last().copied().unwrap_or_default().to_owned();
                    let example = number_for(&name);
                    let next = number.as_i64().map_or(example, |number| number + 1);
                    let example = if example == 1 { next } else { example };
                    found.push(filled(json!(example), FILLED, meaning(spot)));
                }
                Some(Json::String(_)) if found.is_empty() => found.push(filled(json!(FILL_IN), FILLED, meaning(spot))),
                _ => {}
            }
        }
    }
    found.push(removal(spot));
    found
}

fn removal(spot: &Spot<'_>) -> Candidate {
    let is_element = matches!(spot.path.last(), Some(Step::Key(key)) if key.parse::<usize>().is_ok());
    let cost = match spot.now {
        _ if is_element => REMOVE_ELEMENT,
        Some(Json::Object(_) | Json::Array(_)) => REMOVE_TREE,
        _ => REMOVE_LEAF,
    };
    Candidate {
        action: Action::Remove,
        cost,
        placeholder: None,
    }
}
