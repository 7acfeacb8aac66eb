//! Values that are named, and what is put where nothing was.

use serde_json::{Value as Json, json};

use super::known::{meaning, number_for, opens, quantity_for, structure};
use super::refused::removal;
use super::{Candidate, DERIVED, FILLED, REMOVE_ELEMENT, SET, Spot, filled, set};
use crate::fix::change::{Action, Step, names, pointer};
use crate::fix::texts::{self, FILL_IN};
use crate::rego::value::Value;
use crate::rego::why::Source;
use crate::schema::{Field, Form};

/// One of the values that the policy names, in its order; one that shares words with what is there comes first.
pub(super) fn among(spot: &Spot<'_>, values: &[Value], source: Source, is_list: bool) -> Vec<Candidate> {
    let base = match source {
        Source::Rule | Source::Parameter | Source::Request => SET + 8,
        Source::Object | Source::Old => DERIVED,
        Source::Inventory => SET + 10,
    };
    let now = spot.now.and_then(Json::as_str).unwrap_or_default();
    let now_number = spot.now.and_then(Json::as_f64);
    let mut distances: Vec<f64> = Vec::new();
    if let Some(now) = now_number {
        let numbers = values.iter().filter_map(|value| value.to_json().as_f64());
        distances.extend(numbers.map(|number| (number - now).abs()));
        distances.sort_by(f64::total_cmp);
    }
    let has_near = values
        .iter()
        .filter_map(Value::as_str)
        .any(|value| texts::nearness(now, value) == 3);
    let mut found = Vec::new();
    for (place, value) in values.iter().enumerate() {
        let json = spelled(spot, value.to_json());
        let near = json.as_str().map_or(0, |text| texts::nearness(now, text));
        // Names of other objects are only meant when this one was misspelt.
        let is_type = matches!(names(spot.path).last(), Some(&"kind" | &"apiVersion"));
        if source == Source::Inventory && spot.now.is_some() && near < 3 && !json.is_number() && !is_type {
            continue;
        }
        // Of numbers the nearest.
        let distance = now_number.and_then(|now| Some((json.as_f64()? - now).abs()));
        let place = distance.map_or(place, |own| distances.partition_point(|other| *other < own));
        let place = u32::try_from(place.min(5)).unwrap_or(5);
        let cost = match near {
            3 if source == Source::Object => base,
            _ if source == Source::Object && spot.now.is_some() => FILLED + 10 + place,
            3 => base.saturating_sub(14),
            near => base + place - 3 * near.min(place) + if has_near { 14 } else { 0 },
        };
        // One of several, none of which is like what was there, or a bound where nothing was said: a person's choice.
        let is_choice = match source {
            Source::Inventory => spot.now.is_none(),
            Source::Rule | Source::Parameter => {
                let several = values.len().max(spot.options) > 1;
                let is_quantity = matches!(spot.field.map(Field::form), Some(Form::Quantity));
                ((is_list || spot.is_part) && several && near == 0 && json.is_string() && is_free_text(spot))
                    || (source == Source::Parameter && spot.now.is_none() && is_quantity)
            }
            _ => false,
        };
        found.push(Candidate {
            action: Action::Set(json),
            cost,
            placeholder: is_choice.then(|| meaning(spot)),
        });
    }
    found
}

/// Whether only a person knows which of several texts is meant: no label, no element of a list, nothing that Kubernetes lists.
pub(super) fn is_free_text(spot: &Spot<'_>) -> bool {
    let path = names(spot.path);
    let is_element = path.last().is_some_and(|name| name.parse::<usize>().is_ok());
    let is_listed = spot.field.is_some_and(|field| field.values().len() > 0);
    let is_type = matches!(path.last(), Some(&"type" | &"kind" | &"apiVersion"));
    // The levels of Pod security are no free choice: the first that is named is meant.
    let is_level = path.last().is_some_and(|name| {
        ["pod-security.kubernetes.io/", "container.apparmor", "seccomp"]
            .iter()
            .any(|start| name.starts_with(start))
    });
    !is_element && !is_listed && !is_type && !is_level
}

/// A value in the type that the field has.
pub(super) fn spelled(spot: &Spot<'_>, value: Json) -> Json {
    let form = spot.field.map(Field::form);
    match (&value, form) {
        (Json::Number(number), Some(Form::String)) => Json::String(number.to_string()),
        (Json::Bool(flag), Some(Form::String)) => Json::String(flag.to_string()),
        (Json::String(text), Some(Form::Int32 | Form::Int64 | Form::Number)) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Json::from)
        }
        (Json::String(text), Some(Form::Boolean)) => text.parse::<bool>().map_or_else(|_| value.clone(), Json::from),
        (Json::Number(number), Some(Form::Quantity)) if !matches!(spot.now, Some(Json::Number(_))) => {
            Json::String(number.to_string())
        }
        (Json::String(text), Some(Form::Quantity)) if matches!(spot.now, Some(Json::Number(_))) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Json::from)
        }
        // Policies compare them in any letters; the runtime knows them in capitals.
        (Json::String(text), _) if names(spot.path).contains(&"capabilities") => Json::String(text.to_uppercase()),
        _ => value,
    }
}

pub(super) fn has_form(field: Field, value: &Json) -> bool {
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
pub(super) fn present(spot: &Spot<'_>, has_to_be_true: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    match spot.field.map(Field::form) {
        Some(Form::Boolean) => {
            let usual = !opens(names(spot.path).last().copied().unwrap_or_default());
            found.push(set(json!(usual || has_to_be_true), SET));
            if !has_to_be_true {
                found.push(set(json!(!usual), SET + 4));
            }
        }
        Some(Form::List(_) | Form::Object(_)) => found.extend(structure(spot)),
        Some(Form::Map(_)) if structure(spot).is_some() => found.extend(structure(spot)),
        _ => {
            found.extend(copied(spot));
            let is_text = names(spot.path)
                .iter()
                .any(|name| ["labels", "annotations", "data", "parameters"].contains(name));
            if spot.field.is_none() && !is_text && found.is_empty() {
                found.extend(like_siblings(spot, has_to_be_true));
            }
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

/// A field that no schema knows: as the same field of other elements of the list, or of the type that its neighbours have.
fn like_siblings(spot: &Spot<'_>, has_to_be_true: bool) -> Option<Candidate> {
    let at = spot
        .path
        .iter()
        .rposition(|step| matches!(step, Step::Key(key) if key.parse::<usize>().is_ok()));
    if let Some(at) = at {
        let elements = spot
            .path
            .get(..at)
            .and_then(pointer)
            .and_then(|list| spot.object.pointer(&list));
        let below = spot.path.get(at + 1..).and_then(pointer)?;
        let mut elements = elements.and_then(Json::as_array).into_iter().flatten();
        if let Some(value) = elements.find_map(|element| element.pointer(&below)) {
            return Some(filled(value.clone(), DERIVED, meaning(spot)));
        }
    }
    let parent = spot.path.get(..spot.path.len().saturating_sub(1)).and_then(pointer);
    let neighbours = parent
        .and_then(|parent| spot.object.pointer(&parent))
        .and_then(Json::as_object);
    let count = |is: fn(&Json) -> bool| neighbours.map_or(0, |found| found.values().filter(|value| is(value)).count());
    let is_flag = count(Json::is_boolean) > 0 && count(Json::is_boolean) >= count(Json::is_string);
    let is_unknown = neighbours.is_none_or(serde_json::Map::is_empty);
    (is_flag || (has_to_be_true && is_unknown)).then(|| set(json!(true), DERIVED))
}

/// What an element cannot do without.
pub(in crate::fix) fn needed(spot: &Spot<'_>) -> Option<Candidate> {
    let path = names(spot.path);
    let value = match path.last().copied().unwrap_or_default() {
        "maxSkew" => json!(1),
        "whenUnsatisfiable" => json!("ScheduleAnyway"),
        "pathType" => json!("Prefix"),
        "weight" => json!(100),
        "topologyKey" if path.contains(&"podAntiAffinity") => json!("kubernetes.io/hostname"),
        "topologyKey" if path.contains(&"topologySpreadConstraints") => json!("topology.kubernetes.io/zone"),
        "labelSelector" => return Some(own_selector(spot)),
        "podAffinityTerm" => {
            let inner = |name: &str| {
                let mut path = spot.path.to_vec();
                path.push(Step::Key(name.to_owned()));
                needed(&Spot {
                    path: &path,
                    now: None,
                    ..*spot
                })
            };
            let (key, selector) = (inner("topologyKey")?, inner("labelSelector")?);
            let (Action::Set(key), Action::Set(labels)) = (key.action, selector.action) else {
                return None;
            };
            return Some(Candidate {
                action: Action::Set(json!({"topologyKey": key, "labelSelector": labels})),
                ..selector
            });
        }
        _ => return present(spot, false).into_iter().next(),
    };
    Some(set(value, SET))
}

/// The Pods of this object: what it selects, else the labels that its Pods have; a person's to say where neither is known.
pub(super) fn own_selector(spot: &Spot<'_>) -> Candidate {
    let is_pod = spot.object.pointer("/spec/containers").is_some();
    let places = [
        "/spec/selector/matchLabels",
        "/spec/template/metadata/labels",
        "/spec/jobTemplate/spec/template/metadata/labels",
    ];
    let own = is_pod.then_some("/metadata/labels");
    let labels = places
        .into_iter()
        .chain(own)
        .find_map(|place| spot.object.pointer(place));
    match labels.and_then(Json::as_object).filter(|labels| !labels.is_empty()) {
        Some(labels) => set(json!({"matchLabels": labels}), SET),
        None => filled(
            json!({"matchLabels": {"app": FILL_IN}}),
            FILLED,
            "the labels of the Pods that are meant".to_owned(),
        ),
    }
}

/// A label that the object has elsewhere, on its Pods or on itself, is most likely the same here.
pub(super) fn copied(spot: &Spot<'_>) -> Option<Candidate> {
    let path = names(spot.path);
    let [.., group @ ("labels" | "annotations" | "matchLabels"), key] = path.as_slice() else {
        return None;
    };
    let key = key.replace('~', "~0").replace('/', "~1");
    let group = if *group == "annotations" {
        "annotations"
    } else {
        "labels"
    };
    let places = [
        "/metadata",
        "/spec/template/metadata",
        "/spec/jobTemplate/spec/template/metadata",
    ];
    let own = pointer(spot.path)?;
    let other = places
        .iter()
        .map(|place| format!("{place}/{group}/{key}"))
        .filter(|place| *place != own)
        .find_map(|place| spot.object.pointer(&place).cloned())?;
    Some(set(other, SET))
}

pub(super) fn has_member(spot: &Spot<'_>, member: &Value, source: Source) -> Vec<Candidate> {
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

pub(super) fn at_least(spot: &Spot<'_>, least: usize) -> Vec<Candidate> {
    match (spot.now, spot.field.map(Field::form)) {
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
                _ => match structure(spot) {
                    Some(made) => return vec![made],
                    None => return Vec::new(),
                },
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

pub(super) fn at_most(spot: &Spot<'_>, most: usize) -> Vec<Candidate> {
    match spot.now {
        Some(Json::Array(_) | Json::Object(_)) if most == 0 => vec![removal(spot)],
        Some(Json::Array(items)) => vec![set(
            Json::Array(items.iter().take(most).cloned().collect()),
            REMOVE_ELEMENT,
        )],
        Some(Json::String(text)) => {
            let text: String = text.chars().take(most).collect();
            let text = text.trim_end_matches(['-', '.', '_']);
            vec![filled(json!(text), FILLED, meaning(spot))]
        }
        _ => Vec::new(),
    }
}

pub(super) fn of_type(spot: &Spot<'_>, name: &str) -> Vec<Candidate> {
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

/// An example of a value that nobody but a person knows.
pub(super) fn example(spot: &Spot<'_>) -> Candidate {
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
