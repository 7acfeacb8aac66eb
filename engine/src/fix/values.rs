//! Which changes of one field could give what is wanted of it, and how dear each is.
//!
//! A cost says how far a change is from what a person would do who knows what the policy is for: to set what the policy names,
//! before adding, before removing a leaf, an element, a subtree. What needs a person's value comes after what does not.

use serde_json::{Value as Json, json};

use super::change::{Action, Step, names};
use super::texts::{self, FILL_IN, Image};
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{CONDITION, ESCAPE, Source, Test, Want};
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
    /// All of it.
    pub(super) object: &'a Json,
    pub(super) path: &'a [Step],
    pub(super) now: Option<&'a Json>,
    /// What Kubernetes says of it, when the kind is its own.
    pub(super) field: Option<Field>,
    /// What is there was put there as an example.
    pub(super) is_example: bool,
    /// Only a part of the field's text is meant.
    pub(super) is_part: bool,
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
    let is_safe_unset = unset_is_safe(&names(spot.path));
    let is_secret = holds_secret(spot);
    if is_secret {
        found.extend(secret(spot));
    }
    for want in wants {
        let is_escape = want.detour >= ESCAPE;
        if (is_escape && !is_safe_unset) || is_secret {
            continue;
        }
        let detour = if is_escape { want.detour - ESCAPE } else { want.detour } * 10;
        for mut candidate in of_want(spot, want, host) {
            // What only says when a rule applies is not taken away.
            let is_plain = !matches!(spot.now, Some(Json::Array(_)));
            if candidate.action == Action::Remove && want.detour >= CONDITION && !is_safe_unset && is_plain {
                continue;
            }
            candidate.cost += detour;
            if is_safe_unset && candidate.action == Action::Remove {
                candidate.cost = detour + SET - 1;
            }
            found.push(candidate);
        }
    }
    for candidate in &mut found {
        // Nothing is said better by saying nothing.
        let is_nothing = match &candidate.action {
            Action::Set(Json::Null) => true,
            Action::Set(Json::Array(items)) => items.is_empty(),
            Action::Set(Json::String(text)) => text.is_empty(),
            Action::Set(Json::Number(number)) => number.as_i64() == Some(0) && is_safe_unset,
            _ => false,
        };
        if is_nothing {
            candidate.action = Action::Remove;
            candidate.cost = if is_safe_unset { SET - 1 } else { REMOVE_LEAF };
        }
    }
    found.retain(|candidate| {
        wants.iter().all(|want| match &candidate.action {
            // One of several in a text may be gone.
            Action::Set(_) if matches!(&want.test, Test::Part { separator, .. } if separator.trim() == ",") => true,
            // A volume that is another one.
            Action::Set(Json::Object(_)) if matches!(want.test, Test::Defined | Test::True) && !want.wanted => true,
            Action::Set(value) => {
                let value = Value::from(value);
                let is_spelled =
                    want.wanted && is_same_letters(&want.test, &value) && names(spot.path).contains(&"capabilities");
                is_spelled || want.test.holds(&value, host).is_none_or(|holds| holds == want.wanted)
            }
            Action::Remove => {
                let nothing = [Value::Null, Value::string(""), Value::from(0_i64)];
                let empty = Value::array(Vec::new());
                !want.wanted
                    || is_secret
                    || (is_safe_unset && nothing.iter().any(|value| want.test.holds(value, host) == Some(true)))
                    || (matches!(spot.now, Some(Json::Array(_))) && want.test.holds(&empty, host) == Some(true))
            }
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

/// Whether a value is one of those that are asked for, but for capital letters.
fn is_same_letters(test: &Test, value: &Value) -> bool {
    let (Test::Among(values) | Test::Try(values)) = test else {
        return false;
    };
    let Some(text) = value.as_str() else { return false };
    values
        .iter()
        .filter_map(Value::as_str)
        .any(|asked| asked.eq_ignore_ascii_case(text))
}

/// Fields that are safest when nothing is said.
fn unset_is_safe(path: &[&str]) -> bool {
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    match path.last().copied().unwrap_or_default() {
        "procMount" | "hostPort" | "hostIP" | "seLinuxOptions" | "hostProcess" | "appArmorProfile" | "runAsUser"
        | "runAsGroup" | "nodePort" => true,
        "host" => ["httpGet", "tcpSocket"].contains(&parent),
        _ => parent == "seLinuxOptions",
    }
}

fn is_container_name(path: &[&str]) -> bool {
    matches!(path, [.., list, _, "name"] if list.ends_with("ontainers"))
}

/// Whether the field names an image.
fn is_image(path: &[&str]) -> bool {
    path.last() == Some(&"image") || path.ends_with(&["image", "reference"])
}

/// What makes a change less likely to be meant, wherever it comes from.
fn surcharge(spot: &Spot<'_>, candidate: &Candidate) -> u32 {
    let names = names(spot.path);
    let mut more = 0;
    let last = names.last().copied().unwrap_or_default();
    let is_element = last.parse::<usize>().is_ok();
    let is_id = matches!(last, "name" | "key" | "topologyKey") && names.len() > 2 && {
        let above = names.get(names.len() - 2).copied().unwrap_or_default();
        above.parse::<usize>().is_ok()
    };
    if let (Action::Set(value), Some(now)) = (&candidate.action, spot.now)
        && (is_element || is_id)
    {
        // What is in a list goes; another one in its place is something else, unless it is the same in other letters.
        let near = match (now.as_str(), value.as_str()) {
            (Some(now), Some(value)) => texts::nearness(now, value),
            _ => 0,
        };
        if near < 3 && now.is_string() && now.as_str() != Some("*") && !names.ends_with(&["accessModes", "0"]) {
            more += if is_id { 60 } else { 56 };
        }
    }
    if is_image(&names) && candidate.placeholder.is_none() {
        more += 12;
    }
    if names.contains(&"volumeMounts") && names.contains(&"-") {
        more += 40;
    }
    if names.contains(&"annotations") && matches!(candidate.action, Action::Set(_)) && spot.now.is_none() {
        more += 45;
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
    if is_image(&names(spot.path)) && !spot.is_part && !matches!(test, Test::Prefix(_) | Test::Among(_) | Test::Try(_))
    {
        let mut found = versions(spot);
        if let Test::Part {
            separator,
            place,
            test: inner,
        } = test
        {
            // Only what says the same more exactly: 1.31 as 1.31.0.
            let made = part(spot, separator, *place, host, &|spot, host| {
                wanted(spot, inner, source, host)
            });
            found.extend(made.into_iter().filter(|candidate| candidate.placeholder.is_none()));
        }
        if let Test::Regex(_) | Test::Glob(_) = test {
            let made = match test {
                Test::Regex(patterns) => fitting(spot, patterns, host),
                Test::Glob(patterns) => globbed(spot, patterns),
                _ => Vec::new(),
            };
            found.extend(made.into_iter().map(|candidate| Candidate {
                cost: candidate.cost + 20,
                placeholder: candidate.placeholder.or_else(|| Some(meaning(spot))),
                ..candidate
            }));
        }
        return found;
    }
    match test {
        Test::Among(values) => among(spot, values, source, true),
        Test::Try(values) => among(spot, values, source, false),
        Test::True | Test::Defined => present(spot, matches!(test, Test::True)),
        // What a container is called is not said by a beginning: that is how some are left alone.
        Test::Prefix(_) | Test::Suffix(_) | Test::Contains(_) | Test::Regex(_) | Test::Glob(_)
            if is_container_name(&names(spot.path)) =>
        {
            Vec::new()
        }
        Test::Prefix(starts) => starts
            .iter()
            .filter_map(Value::as_str)
            .flat_map(|start| prefixed(spot, start))
            .collect(),
        Test::Suffix(ends) => ends
            .iter()
            .filter_map(Value::as_str)
            .map(|end| suffixed(spot, end, source))
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
fn among(spot: &Spot<'_>, values: &[Value], source: Source, is_list: bool) -> Vec<Candidate> {
    let base = match source {
        Source::Rule | Source::Parameter | Source::Request => SET + 8,
        Source::Object | Source::Old => DERIVED,
        Source::Inventory => SET + 10,
    };
    let now = spot.now.and_then(Json::as_str).unwrap_or_default();
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
            Source::Parameter => {
                (is_list
                    && spot.now.is_some()
                    && !spot.is_example
                    && values.len() > 1
                    && near == 0
                    && is_free_text(spot))
                    || (spot.now.is_none() && matches!(spot.field.map(Field::form), Some(Form::Quantity)))
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
fn is_free_text(spot: &Spot<'_>) -> bool {
    let path = names(spot.path);
    let is_element = path.last().is_some_and(|name| name.parse::<usize>().is_ok());
    let is_listed = spot.field.is_some_and(|field| field.values().len() > 0);
    let is_type = matches!(path.last(), Some(&"type" | &"kind" | &"apiVersion"));
    !is_element && !is_listed && !is_type && !path.contains(&"labels") && !path.contains(&"annotations")
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

/// What an element cannot do without.
pub(super) fn needed(spot: &Spot<'_>) -> Option<Candidate> {
    let value = match names(spot.path).last().copied().unwrap_or_default() {
        "maxSkew" => json!(1),
        "whenUnsatisfiable" => json!("ScheduleAnyway"),
        "pathType" => json!("Prefix"),
        "labelSelector" => {
            let labels = [
                "/spec/template/metadata/labels",
                "/spec/selector/matchLabels",
                "/metadata/labels",
            ]
            .iter()
            .find_map(|place| spot.object.pointer(place).cloned());
            json!({"matchLabels": labels?})
        }
        _ => return present(spot, false).into_iter().next(),
    };
    Some(set(value, SET))
}

/// Something has to be there.
fn present(spot: &Spot<'_>, has_to_be_true: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    match spot.field.map(Field::form) {
        Some(Form::Boolean) => {
            let usual = !opens(names(spot.path).last().copied().unwrap_or_default());
            found.push(set(json!(usual || has_to_be_true), SET));
            if !has_to_be_true {
                found.push(set(json!(!usual), SET + 4));
            }
        }
        Some(Form::List(_)) => found.extend(structure(spot)),
        Some(Form::Object(_)) => found.extend(structure(spot)),
        Some(Form::Map(_)) if structure(spot).is_some() => found.extend(structure(spot)),
        _ => {
            found.extend(copied(spot));
            let is_text = names(spot.path)
                .iter()
                .any(|name| ["labels", "annotations", "data", "parameters"].contains(name));
            if spot.field.is_none() && has_to_be_true && !is_text && found.is_empty() {
                found.push(set(json!(true), DERIVED));
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

/// A label that the object has elsewhere, on its Pods or on itself, is most likely the same here.
fn copied(spot: &Spot<'_>) -> Option<Candidate> {
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
    let own = super::change::pointer(spot.path)?;
    let other = places
        .iter()
        .map(|place| format!("{place}/{group}/{key}"))
        .filter(|place| *place != own)
        .find_map(|place| spot.object.pointer(&place).cloned())?;
    Some(set(other, SET))
}

/// Flags that give more when they are true.
fn opens(name: &str) -> bool {
    name.starts_with("host")
        || matches!(
            name,
            "privileged"
                | "allowPrivilegeEscalation"
                | "automountServiceAccountToken"
                | "shareProcessNamespace"
                | "stdin"
                | "tty"
        )
}

/// A piece of an object that is asked for as a whole.
fn structure(spot: &Spot<'_>) -> Option<Candidate> {
    let last = names(spot.path).last().copied()?;
    let value = match last {
        "livenessProbe" | "startupProbe" => json!({"httpGet": {"path": "/healthz", "port": port(spot)}}),
        "readinessProbe" => json!({"httpGet": {"path": "/ready", "port": port(spot)}}),
        "topologySpreadConstraints" => {
            let element = |name: &str| {
                let mut path = spot.path.to_vec();
                path.extend([Step::Key("-".to_owned()), Step::Key(name.to_owned())]);
                let inner = Spot {
                    path: &path,
                    now: None,
                    ..*spot
                };
                match needed(&inner)?.action {
                    Action::Set(value) => Some(value),
                    Action::Remove => None,
                }
            };
            return Some(set(
                json!([{
                    "maxSkew": 1,
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": element("labelSelector")?,
                }]),
                DERIVED,
            ));
        }
        "imagePullSecrets" => json!([{"name": FILL_IN}]),
        "tls" => {
            let rules = spot.object.pointer("/spec/rules").and_then(Json::as_array);
            let hosts: Vec<&Json> = rules
                .into_iter()
                .flatten()
                .filter_map(|rule| rule.get("host"))
                .collect();
            json!([{"hosts": hosts, "secretName": FILL_IN}])
        }
        "from" | "to" => json!([{"podSelector": {"matchLabels": {"app": FILL_IN}}}]),
        "limits" | "requests" => json!({"cpu": "100m", "memory": "128Mi"}),
        "resources" => json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}),
        "httpGet" => json!({"path": "/healthz", "port": 8080}),
        "tcpSocket" => json!({"port": 8080}),
        "exec" => json!({"command": [FILL_IN]}),
        "seccompProfile" => return Some(set(json!({"type": "RuntimeDefault"}), SET)),
        "emptyDir" => return Some(set(json!({}), SET)),
        "secretKeyRef" => json!({"name": FILL_IN, "key": variable_key(spot)}),
        "securityContext" => return Some(set(json!({}), DERIVED)),
        _ => return None,
    };
    Some(filled(value, FILLED, meaning(spot)))
}

/// A key for a variable: `DATABASE_URL` as `database-url`.
fn variable_key(spot: &Spot<'_>) -> String {
    let variable = spot
        .path
        .get(..spot.path.len().saturating_sub(2))
        .and_then(super::change::pointer);
    let name = variable.and_then(|variable| spot.object.pointer(&format!("{variable}/name")).cloned());
    let name = name.and_then(|name| name.as_str().map(str::to_lowercase));
    name.map_or_else(|| FILL_IN.to_owned(), |name| name.replace('_', "-"))
}

/// The first port that the container declares.
fn port(spot: &Spot<'_>) -> Json {
    let container = spot
        .path
        .get(..spot.path.len().saturating_sub(1))
        .and_then(super::change::pointer);
    let first = container.and_then(|container| spot.object.pointer(&format!("{container}/ports/0")).cloned());
    let first = first.unwrap_or_default();
    let named = first.get("name").or(first.get("containerPort")).cloned();
    named.unwrap_or(json!(8080))
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
    let mut found = Vec::new();
    if now.contains("://") || (now.starts_with('/') && start.starts_with('/')) {
        // An address or a path: what it ends with, where it should be.
        let last = now.trim_end_matches('/').rsplit('/').next().unwrap_or(FILL_IN);
        let joined = format!("{}/{last}", start.trim_end_matches('/'));
        return vec![filled(json!(joined), FILLED, meaning(spot))];
    }
    if is_image(&names(spot.path)) {
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
        let near = texts::nearness(now, start);
        found.push(filled(json!(joined), FILLED - 4 * near, meaning(spot)));
    } else {
        found.push(set(json!(format!("{start}{now}")), DERIVED));
    }
    found
}

fn suffixed(spot: &Spot<'_>, end: &str, source: Source) -> Candidate {
    match spot.now.and_then(Json::as_str) {
        Some(now) => {
            // A host keeps its name and gets another domain.
            let stem = if end.starts_with('.') {
                now.split('.').next().unwrap_or(now)
            } else {
                now
            };
            let value = json!(format!("{stem}{end}"));
            // Which of the names in a domain a person has.
            let is_host = names(spot.path).last() == Some(&"host") || names(spot.path).contains(&"hosts");
            if is_host && source != Source::Request {
                filled(value, DERIVED, meaning(spot))
            } else {
                set(value, DERIVED)
            }
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
            let near = 4 * now.as_ref().map_or(0, |now| texts::nearness(now, &sample));
            let is_lower = now.as_ref().is_some_and(|now| now.to_lowercase() == sample);
            let is_joined = now
                .as_ref()
                .is_some_and(|now| sample.starts_with(now) || sample.ends_with(now));
            found.push(if samples.is_all {
                set(json!(sample), (SET + 8 + place).saturating_sub(near))
            } else if is_lower {
                set(json!(sample), SET)
            } else if (is_joined && !sample.contains(FILL_IN)) {
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
                Some(end) if !end.contains(['*', '?', '[', '{']) => found.push(suffixed(spot, end, Source::Parameter)),
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
        // A text of one part.
        return if matches!(place, None | Some(0)) {
            of_part(spot, host)
        } else {
            Vec::new()
        };
    };
    let parts: Vec<&str> = now.split(separator).collect();
    let place = place.unwrap_or(parts.len().saturating_sub(1));
    let is_list = separator.trim() == "," && parts.len() > 1;
    let own = parts.get(place).map(|part| json!(part));
    let inner = Spot {
        object: spot.object,
        path: spot.path,
        now: own.as_ref(),
        field: None,
        is_example: spot.is_example,
        is_part: true,
    };
    let mut found = Vec::new();
    if is_list {
        // One of several in a text goes.
        let rest: Vec<&str> = parts
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != place)
            .map(|(_, part)| part.trim())
            .collect();
        let separator = if now.contains(", ") { ", " } else { "," };
        found.push(set(json!(rest.join(separator)), SET + 4));
    }
    let changed = of_part(&inner, host).into_iter().filter_map(|candidate| {
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
            cost: candidate.cost + if is_list { 20 } else { 0 },
            ..candidate
        })
    });
    found.extend(changed);
    found
}

/// The same image in another version: with a tag, with a digest, with both.
fn versions(spot: &Spot<'_>) -> Vec<Candidate> {
    let Some(now) = spot.now.and_then(Json::as_str) else {
        return vec![filled(json!(FILL_IN), FILLED, meaning(spot))];
    };
    let image = Image::parse(now.trim_end_matches([':', '@']));
    let name = image.name();
    let zeros = format!("sha256:{}", "0".repeat(64));
    let tagged = image
        .tag
        .filter(|tag| !tag.is_empty() && *tag != "latest")
        .map_or(name.clone(), |tag| format!("{name}:{tag}"));
    let mut found = Vec::new();
    if image.tag.is_some_and(|tag| !tag.is_empty()) && now.ends_with('@') {
        found.push(set(json!(tagged), SET));
    }
    found.push(filled(
        json!(format!("{name}:{FILL_IN}")),
        FILLED - 4,
        "the version of the image that is meant: its tag".to_owned(),
    ));
    found.push(filled(
        json!(format!("{tagged}@{zeros}")),
        FILLED - 2,
        "the digest of the image that is meant".to_owned(),
    ));
    found
}

/// Whether the field is the value of a variable whose name says that it is a secret.
fn holds_secret(spot: &Spot<'_>) -> bool {
    let path = names(spot.path);
    let [.., "env", _, "value"] = path.as_slice() else {
        return false;
    };
    let variable = spot.path.get(..spot.path.len() - 1).and_then(super::change::pointer);
    let name = variable.and_then(|variable| spot.object.pointer(&format!("{variable}/name")).cloned());
    let name = name
        .and_then(|name| name.as_str().map(str::to_uppercase))
        .unwrap_or_default();
    ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}

/// A variable that holds a secret gets it from a Secret.
fn secret(spot: &Spot<'_>) -> Option<Candidate> {
    let path = names(spot.path);
    let is_value = matches!(path.as_slice(), [.., "env", _, "value"]);
    is_value.then(|| Candidate {
        action: Action::Remove,
        cost: FILLED - 4,
        placeholder: Some("the Secret that holds the value, and the key in it".to_owned()),
    })
}

/// What a volume could be instead: scratch space, or a claim; nothing, when it is a way to the node or nobody mounts it.
fn volume(spot: &Spot<'_>) -> Vec<Candidate> {
    let path = names(spot.path);
    let (Some(Json::Object(now)), [.., "volumes", place]) = (spot.now, path.as_slice()) else {
        return Vec::new();
    };
    if place.parse::<usize>().is_err() {
        return Vec::new();
    }
    let name = now.get("name").and_then(Json::as_str).unwrap_or_default();
    let spec = spot
        .path
        .get(..spot.path.len().saturating_sub(2))
        .and_then(super::change::pointer)
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

fn unwanted(spot: &Spot<'_>, test: &Test) -> Vec<Candidate> {
    if *test == Test::Defined {
        let mut found = volume(spot);
        found.push(removal(spot));
        return found;
    }
    if let Some(candidate) = secret(spot) {
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
        Test::Defined => Vec::new(),
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
                Some(Json::String(now)) if found.is_empty() => found.push(renamed(spot, now)),
                _ => {}
            }
        }
    }
    let mut gone = removal(spot);
    if !found.is_empty() {
        // With nothing there, often nothing is asked any more.
        gone.cost += 20;
    }
    found.push(gone);
    found
}

/// Another text in the place of one that is refused.
fn renamed(spot: &Spot<'_>, now: &str) -> Candidate {
    let path = names(spot.path);
    match path.as_slice() {
        // A container is called as what it is for.
        [.., list, _, "name"] if list.ends_with("ontainers") => {
            let own = spot
                .object
                .pointer("/metadata/name")
                .and_then(Json::as_str)
                .unwrap_or(FILL_IN);
            set(json!(own), DERIVED)
        }
        [.., "verbs", _] if now == "*" => filled(
            json!("get"),
            FILLED,
            "the verbs that are needed, each by its name".to_owned(),
        ),
        [.., "apiGroups", _] if now == "*" => {
            filled(json!("apps"), FILLED, "the API groups that are needed".to_owned())
        }
        [.., "resources", _] if now == "*" => {
            filled(json!("configmaps"), FILLED, "the resources that are needed".to_owned())
        }
        _ => filled(json!(FILL_IN), FILLED, meaning(spot)),
    }
}

/// The value that most objects have.
fn usual(name: &str) -> Option<&'static str> {
    match name {
        "type" => Some("ClusterIP"),
        "imagePullPolicy" => Some("IfNotPresent"),
        "concurrencyPolicy" => Some("Forbid"),
        _ => None,
    }
}

fn removal(spot: &Spot<'_>) -> Candidate {
    let is_element = matches!(spot.path.last(), Some(Step::Key(key)) if key.parse::<usize>().is_ok());
    let path = names(spot.path);
    let cost = match spot.now {
        // What a label says, others rely on.
        _ if path.contains(&"labels") || path.contains(&"annotations") => REMOVE_TREE + 10,
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
