//! Texts made from the one that is there.

use serde_json::{Value as Json, json};

use super::known::{is_image, meaning};
use super::{Candidate, DERIVED, FILLED, SET, Spot, filled, set};
use crate::fix::change::{Action, names};
use crate::fix::texts::{self, FILL_IN, Image};
use crate::rego::builtins::Host;
use crate::rego::value::Value;
use crate::rego::why::{Source, Test};

pub(super) fn prefixed(spot: &Spot<'_>, start: &str) -> Vec<Candidate> {
    let Some(now) = spot.now.and_then(Json::as_str) else {
        return vec![filled(json!(format!("{start}{FILL_IN}")), FILLED, meaning(spot))];
    };
    let mut found = Vec::new();
    if now.contains("://") || (now.starts_with('/') && start.starts_with('/')) {
        // An address or a path: what it ends with, where it should be.
        if texts::nearness(now, start.trim_end_matches('/')) == 3 {
            return vec![set(json!(start.trim_end_matches('/')), DERIVED)];
        }
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
        found.push(joined(spot, &format!("{start}{now}")));
    }
    found
}

/// What is there with more before or after it. In a label these are the object's own words; anywhere else it is the name of
/// something that has to be there, and which names there are a person knows.
fn joined(spot: &Spot<'_>, text: &str) -> Candidate {
    let path = names(spot.path);
    let now = spot.now.and_then(Json::as_str).unwrap_or_default();
    let is_own = path.contains(&"labels") || path.contains(&"annotations");
    // A version of an image that says the same more exactly.
    let is_version = spot.is_part && is_image(&path);
    if is_own || is_version || texts::is_slip(now, text) {
        set(json!(text), DERIVED)
    } else {
        filled(json!(text), DERIVED, meaning(spot))
    }
}

pub(super) fn suffixed(spot: &Spot<'_>, end: &str, source: Source) -> Candidate {
    match spot.now.and_then(Json::as_str) {
        Some(now) => {
            // A host keeps its name and gets another domain.
            let stem = if end.starts_with('.') {
                now.split('.').next().unwrap_or(now)
            } else {
                now
            };
            if let (Some((who, _)), true) = (now.split_once('@'), end.starts_with('@')) {
                // Whether the same person is there at another address.
                return filled(json!(format!("{who}{end}")), DERIVED, meaning(spot));
            }
            let text = format!("{stem}{end}");
            // The end may come from the request itself: then there is no other.
            if source == Source::Request {
                set(json!(text), DERIVED)
            } else {
                joined(spot, &text)
            }
        }
        None => filled(json!(format!("{FILL_IN}{end}")), FILLED, meaning(spot)),
    }
}

pub(super) fn containing(spot: &Spot<'_>, part: &str) -> Candidate {
    let now = spot.now.and_then(Json::as_str).unwrap_or(FILL_IN);
    let value = if part == "@" || part.starts_with("@sha256") {
        format!("{now}@sha256:{}", "0".repeat(64))
    } else {
        format!("{now}{part}{FILL_IN}")
    };
    filled(json!(value), FILLED, meaning(spot))
}

pub(super) fn fitting(spot: &Spot<'_>, patterns: &[Value], host: &mut Host) -> Vec<Candidate> {
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
            let is_spelled = now.as_ref().is_some_and(|now| now.eq_ignore_ascii_case(&sample));
            let is_joined = now
                .as_ref()
                .is_some_and(|now| sample.starts_with(now) || sample.ends_with(now));
            found.push(if samples.is_all {
                set(json!(sample), (SET + 8 + place).saturating_sub(near))
            } else if is_spelled {
                set(json!(sample), SET)
            } else if is_joined && !sample.contains(FILL_IN) {
                joined(spot, &sample)
            } else {
                filled(json!(sample), (FILLED + place).saturating_sub(near), meaning(spot))
            });
        }
    }
    found
}

pub(super) fn globbed(spot: &Spot<'_>, patterns: &[Value]) -> Vec<Candidate> {
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

/// A part of a text is changed, the others stay.
pub(super) fn part(
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
        options: spot.options,
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
pub(super) fn versions(spot: &Spot<'_>) -> Vec<Candidate> {
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
