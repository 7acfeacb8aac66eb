//! Which changes of one field could give what is wanted of it, and how dear each is.
//!
//! A cost says how far a change is from what a person would do who knows what the policy is for: to set what the policy names,
//! before adding, before removing a leaf, an element, a subtree. What needs a person's value comes after what does not.

mod choices;
mod joined;
mod known;
mod refused;

use serde_json::Value as Json;

pub(in crate::fix) use self::choices::needed;
use self::choices::{among, at_least, at_most, has_form, has_member, of_type, present};
use self::joined::{containing, fitting, globbed, part, prefixed, suffixed, versions};
use self::known::{is_container_name, is_image, meaning, unset_is_safe};
use self::refused::{holds_secret, secret, unwanted};
use super::bounds;
use super::change::{Action, Step, names};
use super::texts;
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{CONDITION, ESCAPE, Source, Test, Want};
use crate::schema::Field;

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
    /// How many values the policy would take here, as far as it names them.
    pub(super) options: usize,
    /// Only a part of the field's text is meant.
    pub(super) is_part: bool,
}

/// How many changes of one field are tried.
const MAX_CANDIDATES: usize = 6;

const SET: u32 = 10;

const DERIVED: u32 = 24;

const FILLED: u32 = 34;

const REMOVE_LEAF: u32 = 50;

/// To make the object work in another manner.
const MANNER: u32 = 40;

/// To change the label by which a rule chooses its objects.
const GATE: u32 = 120;

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
            if !want.wanted && chooses(spot, &want.test) {
                candidate.cost += GATE;
            }
            let is_listed = spot.field.is_some_and(|field| field.values().len() > 0);
            if !want.wanted && spot.now.is_some() && bounds::is_manner(&names(spot.path), is_listed) {
                candidate.cost += MANNER;
            }
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
        name_what_is_open(spot, candidate);
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

/// Whether a rule that refuses this value most likely only says by it which objects it is for: a label of the object.
fn chooses(spot: &Spot<'_>, test: &Test) -> bool {
    let is_label = names(spot.path).windows(2).any(|pair| pair == ["metadata", "labels"]);
    is_label && spot.now.is_some() && matches!(test, Test::Among(_) | Test::Prefix(_) | Test::Suffix(_))
}

/// A value that nobody but a person can know is an example: the name of another object, and what is made up.
fn name_what_is_open(spot: &Spot<'_>, candidate: &mut Candidate) {
    let path = names(spot.path);
    let last = path.last().copied().unwrap_or_default();
    let above = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .copied()
        .unwrap_or_default();
    // The name of another object, that has to be there.
    let is_reference = (last == "name" && above.ends_with("Ref")) || last == "secretName" || last == "claimName";
    let is_derived = match (&candidate.action, spot.now.and_then(Json::as_str)) {
        // A typing error is none of a person's choices.
        (Action::Set(Json::String(text)), Some(now)) if texts::is_slip(now, text) => false,
        (Action::Set(_), _) => candidate.cost >= DERIVED,
        (Action::Remove, _) => false,
    };
    if is_reference && is_derived && candidate.placeholder.is_none() {
        candidate.placeholder = Some(meaning(spot));
    }
    let is_made_up = matches!(&candidate.action, Action::Set(Json::String(text)) if text.contains(texts::FILL_IN));
    if is_made_up && candidate.placeholder.is_none() {
        candidate.placeholder = Some(meaning(spot));
    }
}

/// Whether a value is one of those that are asked for, but for capital letters.
fn is_same_letters(test: &Test, value: &Value) -> bool {
    let (Test::Among(values) | Test::Try(values)) = test else {
        return false;
    };
    let Some(given) = value.as_str() else { return false };
    values
        .iter()
        .filter_map(Value::as_str)
        .any(|asked| asked.eq_ignore_ascii_case(given))
}

/// What makes a change less likely to be meant, wherever it comes from.
fn surcharge(spot: &Spot<'_>, candidate: &Candidate) -> u32 {
    let names = names(spot.path);
    // To change what is there comes before adding beside it.
    let mut more = if spot.now.is_none() { 3 } else { 0 };
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
            more += match (is_id, &candidate.placeholder) {
                (true, None) => 60,
                (false, None) => 56,
                _ => 100,
            };
        }
    }
    // Hosts are what others know the object by.
    if last == "host" && spot.now.is_some_and(Json::is_string) && candidate.placeholder.is_none() {
        more += 60;
    }
    if is_image(&names) && candidate.placeholder.is_none() {
        more += 12;
    }
    if names.contains(&"volumeMounts") && names.contains(&"-") {
        more += 40;
    }
    // An annotation of the object may be what exempts it.
    let is_of_object = names.windows(2).any(|pair| pair == ["metadata", "annotations"]);
    if is_of_object && matches!(candidate.action, Action::Set(_)) && spot.now.is_none() {
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
