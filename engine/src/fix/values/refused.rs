//! Instead of a value that is refused: another one, or none.

use serde_json::{Value as Json, json};

use super::choices::{at_least, at_most, example, present};
use super::joined::{part, versions};
use super::known::{is_image, meaning, number_for, renamed, unset_is_safe, usual};
use super::{Candidate, DERIVED, FILLED, REMOVE_ELEMENT, REMOVE_LEAF, REMOVE_TREE, SET, Spot, filled, set};
use crate::fix::change::{Action, Step, names, pointer};
use crate::fix::texts::FILL_IN;
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::Test;
use crate::schema::{Field, Form};

pub(super) fn unwanted(spot: &Spot<'_>, test: &Test) -> Vec<Candidate> {
    if *test == Test::Defined {
        let mut found = volume(spot);
        found.push(removal(spot));
        return found;
    }
    let is_login = spot
        .now
        .and_then(Json::as_str)
        .is_some_and(|text| text.contains("://") && text.contains('@'));
    if (holds_secret(spot) || is_login)
        && let Some(candidate) = secret(spot)
    {
        return vec![candidate];
    }
    if is_image(&names(spot.path)) && !spot.is_part && !matches!(test, Test::Prefix(_) | Test::Defined | Test::True) {
        return versions(spot);
    }
    match test {
        Test::True => {
            let mut found = volume(spot);
            if matches!(spot.now, Some(Json::Bool(true))) || spot.field.map(Field::form) == Some(Form::Boolean) {
                found.push(set(json!(false), SET));
            }
            found.push(removal(spot));
            found
        }
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
        Test::Regex(_) | Test::Glob(_) | Test::Contains(_) if names(spot.path).first() == Some(&"data") => {
            vec![removal(spot)]
        }
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
            now.contains(part).then(|| {
                // A word in a list or a name; in a longer text nobody can say what is left of it.
                if now.contains(char::is_whitespace) {
                    FILL_IN.to_owned()
                } else {
                    now.replace(part, FILL_IN)
                }
            })
        }),
        Test::Regex(_) | Test::Glob(_) => vec![example(spot), removal(spot)],
        Test::Part { separator, place, test } => {
            let mut host = Host::new(10_000);
            part(spot, separator, *place, &mut host, &|spot, _| unwanted(spot, test))
        }
        Test::Defined | Test::Try(_) | Test::Named(_) | Test::AtLeast(_) => Vec::new(),
    }
}

/// A text without what is forbidden in it; what stands there instead is a person's to say.
pub(super) fn without(
    spot: &Spot<'_>,
    parts: &[Value],
    change: impl Fn(&str, &str) -> Option<String>,
) -> Vec<Candidate> {
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
pub(super) fn other_than(spot: &Spot<'_>, values: &[Value]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let is_forbidden = |value: &Json| values.contains(&Value::from(value));
    if matches!(spot.now, None | Some(Json::Null)) {
        return present(spot, false);
    }
    match spot.now {
        Some(Json::Bool(flag)) => found.push(set(json!(!flag), SET)),
        Some(Json::String(text)) if text == "false" || text == "true" => {
            found.push(set(json!(if text == "true" { "false" } else { "true" }), SET));
        }
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
                let known = usual(names(spot.path).last().copied().unwrap_or_default());
                let known = known.filter(|known| field.values().any(|value| value == *known));
                let values = known
                    .into_iter()
                    .chain(field.values().filter(|value| Some(*value) != known));
                for (place, value) in values.enumerate() {
                    let place = u32::try_from(place).unwrap_or(9);
                    let value = json!(value);
                    // The opposite of what is refused is as much a choice as what is refused.
                    let is_opposite = match (now.and_then(Json::as_str), value.as_str()) {
                        (Some(now), Some(value)) => value.strip_prefix("Not") == Some(now),
                        _ => false,
                    };
                    if !is_forbidden(&value) && !is_opposite && value.as_str() != Some("") {
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
                    let is_user = name.starts_with("runAs") || name == "fsGroup";
                    // Beside what is refused is only where it is refused no more.
                    let is_beside = name.to_lowercase().ends_with("port");
                    found.push(if is_user || is_beside {
                        filled(json!(example), FILLED, meaning(spot))
                    } else {
                        set(json!(example), DERIVED)
                    });
                }
                Some(Json::String(now)) if now.ends_with('%') => {
                    found.push(filled(json!("50%"), FILLED, meaning(spot)));
                }
                Some(Json::String(now)) if found.is_empty() => found.push(renamed(spot, now)),
                _ => {}
            }
        }
    }
    let path = names(spot.path);
    let is_element = path.last().is_some_and(|name| name.parse::<usize>().is_ok());
    if found.is_empty() || unset_is_safe(&path) || (is_element && !path.contains(&"accessModes")) {
        // With nothing there, often nothing is asked any more: a dodge, where another value would do.
        found.push(removal(spot));
    }
    found
}

pub(super) fn removal(spot: &Spot<'_>) -> Candidate {
    let is_element = matches!(spot.path.last(), Some(Step::Key(key)) if key.parse::<usize>().is_ok());
    let path = names(spot.path);
    let cost = match spot.now {
        // What a label says, others rely on.
        _ if path.contains(&"labels") || path.contains(&"annotations") => REMOVE_TREE + 70,
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

/// Whether the field is the value of a variable whose name says that it is a secret.
pub(super) fn holds_secret(spot: &Spot<'_>) -> bool {
    let path = names(spot.path);
    let [.., "env", _, "value"] = path.as_slice() else {
        return false;
    };
    let variable = spot.path.get(..spot.path.len() - 1).and_then(pointer);
    let name = variable.and_then(|variable| spot.object.pointer(&format!("{variable}/name")).cloned());
    let name = name
        .and_then(|name| name.as_str().map(str::to_uppercase))
        .unwrap_or_default();
    ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}

/// A variable that holds a secret gets it from a Secret.
pub(super) fn secret(spot: &Spot<'_>) -> Option<Candidate> {
    let path = names(spot.path);
    let is_value = matches!(path.as_slice(), [.., "env", _, "value"]);
    is_value.then(|| Candidate {
        action: Action::Remove,
        cost: FILLED - 4,
        placeholder: Some("the Secret that holds the value, and the key in it".to_owned()),
    })
}

/// What a volume could be instead: scratch space, or a claim; nothing, when it is a way to the node or nobody mounts it.
pub(super) fn volume(spot: &Spot<'_>) -> Vec<Candidate> {
    let path = names(spot.path);
    let (Some(Json::Object(now)), [.., "volumes", place]) = (spot.now, path.as_slice()) else {
        return Vec::new();
    };
    if place.parse::<usize>().is_err() {
        return Vec::new();
    }
    let harmless = [
        "emptyDir",
        "configMap",
        "secret",
        "projected",
        "downwardAPI",
        "persistentVolumeClaim",
        "ephemeral",
        "image",
    ];
    if harmless.iter().any(|source| now.contains_key(*source)) {
        return Vec::new();
    }
    let name = now.get("name").and_then(Json::as_str).unwrap_or_default();
    let spec = spot
        .path
        .get(..spot.path.len().saturating_sub(2))
        .and_then(pointer)
        .unwrap_or_default();
    let mounts: Vec<&Json> = ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .filter_map(|list| spot.object.pointer(&format!("{spec}/{list}"))?.as_array())
        .flatten()
        .filter_map(|container| container.get("volumeMounts")?.as_array())
        .flatten()
        .filter(|mount| mount.get("name").and_then(Json::as_str) == Some(name))
        .collect();
    let on_node = spot
        .now
        .and_then(|now| now.pointer("/hostPath/path"))
        .and_then(Json::as_str)
        .unwrap_or_default();
    let is_of_node = std::path::Path::new(on_node)
        .extension()
        .is_some_and(|end| end == "sock")
        || [
            "/var/run",
            "/run",
            "/proc",
            "/sys",
            "/dev",
            "/etc",
            "/var/log",
            "/root",
            "/var/lib/kubelet",
        ]
        .iter()
        .any(|root| on_node.starts_with(root))
        || on_node == "/";
    if mounts.is_empty() || is_of_node {
        return Vec::new();
    }
    let words = format!("{name} {on_node}").to_lowercase();
    let is_scratch = ["tmp", "temp", "cache", "scratch", "work", "spool"]
        .iter()
        .any(|word| words.contains(word));
    let claim = filled(
        json!({"name": name, "persistentVolumeClaim": {"claimName": FILL_IN}}),
        REMOVE_ELEMENT - 12,
        "the claim that holds the data".to_owned(),
    );
    let scratch = json!({"name": name, "emptyDir": {}});
    if is_scratch {
        vec![set(scratch, REMOVE_ELEMENT - 16), claim]
    } else {
        vec![claim, set(scratch, REMOVE_ELEMENT - 8)]
    }
}
