//! What a proposal may touch only where a policy asks for it, and which of its texts are somebody's guess. The proof cannot tell: where
//! a policy lets some images, accounts or labels pass, taking one of them passes.

use serde_json::Value as Json;

use crate::admission::Review;
use crate::fix::change::{self, Action, Edit};
use crate::fix::proof::Aim;
use crate::schema::Type;
use crate::verdict::Violation;

/// As whom the object runs, where, and for how long: with another value policies may look away.
const GIVEN: [&str; 15] = [
    "affinity",
    "nodeAffinity",
    "nodeName",
    "nodeSelector",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "serviceAccountName",
    "tolerations",
    "topologySpreadConstraints",
];

/// Whether an edit may be made at all for these policies.
pub(super) fn is_asked(before: &Json, edit: &Edit, aims: &[Aim<'_>]) -> bool {
    let names = change::names(&edit.path);
    if let Some(at) = label(&names) {
        return names.get(at).is_none_or(|key| asks_for_label(edit, at, key, aims));
    }
    if let ([.., "image"] | [.., "image", "reference"], Action::Set(new)) = (names.as_slice(), &edit.action) {
        let place = change::pointer(&edit.path);
        let old = place.as_deref().and_then(|place| before.pointer(place));
        let is_found = place.is_some_and(|place| found(aims).any(|found| found == place));
        // Another repository is another program.
        let stays = old.and_then(repository).is_some_and(|old| repository(new) == Some(old));
        return is_found && stays;
    }
    let mut places = names.iter().enumerate();
    places.all(|(at, name)| !GIVEN.contains(name) || names_field(edit, at, name, aims))
}

/// Where in a path the key of a label or an annotation is, or would be.
fn label(names: &[&str]) -> Option<usize> {
    let pairs = names.windows(2);
    let at = pairs
        .into_iter()
        .position(|pair| matches!(pair, ["metadata", "labels" | "annotations"]));
    at.map(|at| at + 2)
}

/// A label that nobody asked for may be one with which policies look away.
fn asks_for_label(edit: &Edit, at: usize, key: &str, aims: &[Aim<'_>]) -> bool {
    let below = ["labels.", "labels/", "annotations.", "annotations/"];
    let said = |text: &str| says(text, key) || below.iter().any(|map| says_as_path(text, &format!("{map}{key}")));
    is_found(edit, at, aims) || violations(aims).flat_map(texts).any(said)
}

/// Whether a policy names that very field. What shows a whole object right names fields that nobody asks for.
fn names_field(edit: &Edit, at: usize, name: &str, aims: &[Aim<'_>]) -> bool {
    let said = |violation: &Violation| {
        let texts = [&violation.title, &violation.message, &violation.remediation];
        texts.into_iter().any(|text| says_as_path(text, name))
    };
    // A name without a capital is also a plain word.
    let is_name = name.contains(char::is_uppercase);
    is_found(edit, at, aims) || (is_name && violations(aims).any(said))
}

/// Whether a violation was found at this field, or below it.
fn is_found(edit: &Edit, at: usize, aims: &[Aim<'_>]) -> bool {
    let Some(field) = edit.path.get(..=at).and_then(change::pointer) else {
        return false;
    };
    found(aims).any(|found| {
        let rest = found.strip_prefix(&field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn violations<'a>(aims: &'a [Aim<'_>]) -> impl Iterator<Item = &'a Violation> {
    aims.iter().flat_map(|aim| aim.violations.iter().copied())
}

fn found<'a>(aims: &'a [Aim<'_>]) -> impl Iterator<Item = &'a str> {
    violations(aims).flat_map(|violation| violation.found.iter().map(|found| found.path.as_str()))
}

/// An image without tag and digest.
fn repository(image: &Json) -> Option<&str> {
    let image = image.as_str()?;
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let name = match image.rsplit_once(':') {
        // Before a slash it is a port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    Some(name.strip_prefix("library/").unwrap_or(name))
}

/// What a text is that neither the policy nor the schema nor the object's author has said there: somebody's guess, for a person to
/// look at.
pub(super) fn guessed(review: &Review, before: &Json, edit: &Edit, aims: &[Aim<'_>]) -> Option<String> {
    let Action::Set(value) = &edit.action else {
        return None;
    };
    let mut path: Vec<String> = change::names(&edit.path).into_iter().map(place_in_list).collect();
    let is_known = |path: &[String], text: &str| {
        let kind = &review.kind;
        let field = Type::of_kind(&kind.group, &kind.version, &kind.kind).and_then(|of| of.at(path));
        field.is_some_and(|field| field.values().any(|value| value == text))
            || violations(aims).flat_map(texts).any(|said| says(said, text))
            || path.last().is_some_and(|name| has(before, name, text))
    };
    (!all_known(value, &mut path, &is_known)).then(|| "a value that fits; it was guessed".to_owned())
}

/// A new element has the type of the first.
fn place_in_list(name: &str) -> String {
    if name == "-" { "0" } else { name }.to_owned()
}

fn all_known(value: &Json, path: &mut Vec<String>, is_known: &impl Fn(&[String], &str) -> bool) -> bool {
    let mut inner = |name: String, value: &Json| {
        path.push(name);
        let known = all_known(value, path, is_known);
        path.pop();
        known
    };
    match value {
        Json::String(text) => is_known(path, text),
        Json::Array(items) => items.iter().enumerate().all(|(at, item)| inner(at.to_string(), item)),
        Json::Object(members) => members.iter().all(|(name, member)| inner(name.clone(), member)),
        _ => true,
    }
}

/// Whether a field of this name has the text already, as a template's labels have what is selected.
fn has(value: &Json, name: &str, text: &str) -> bool {
    match value {
        Json::Array(items) => items.iter().any(|item| has(item, name, text)),
        Json::Object(members) => members
            .iter()
            .any(|(own, member)| (own == name && member.as_str() == Some(text)) || has(member, name, text)),
        _ => false,
    }
}

/// Whether a text has these words whole.
fn says(text: &str, words: &str) -> bool {
    stands(text, words, |last| {
        !is_joined(last) && !matches!(last, '.' | '/' | ':' | '@')
    })
}

/// The same, where the words may be the end of a path.
fn says_as_path(text: &str, words: &str) -> bool {
    stands(text, words, |last| !is_joined(last))
}

fn stands(text: &str, words: &str, may_precede: impl Fn(char) -> bool) -> bool {
    !words.is_empty()
        && text.match_indices(words).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + words.len()..).unwrap_or_default();
            // The end of a sentence is none of the word.
            let goes_on = after.trim_start_matches(['.', ':']).starts_with(is_joined);
            let goes_on = goes_on || after.starts_with(['/', '@']);
            before.is_none_or(&may_precede) && !goes_on
        })
}

fn is_joined(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_')
}

/// What a policy's authors say.
fn texts(violation: &Violation) -> impl Iterator<Item = &str> {
    let texts = [
        &violation.message,
        &violation.title,
        &violation.why,
        &violation.remediation,
        &violation.example,
    ];
    texts.into_iter().map(String::as_str)
}
