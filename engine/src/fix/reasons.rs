//! Why no edit of the object helps, and what does.

use json_patch::PatchOperation;
use serde_json::{Value, json};

use super::proof::{Aim, Proof};
use super::search::Nothing;
use super::{Fix, Remedy, path_of};
use crate::admission::{Operation, Review};
use crate::document::Document;
use crate::explain::path;
use crate::redact;
use crate::rego::why::Source;
use crate::verdict::Violation;

/// Why no edit helps, when that is known.
pub(super) fn of(nothing: Nothing, review: &Review) -> Option<String> {
    if let Some(blame) = nothing.blame {
        if blame.old() {
            return Some(
                "The field cannot be changed on an object that exists. Keep the old value, or make a new object."
                    .to_owned(),
            );
        }
        if blame.inventory() {
            return Some(
                "Another object of the cluster decides here: no value in this object makes it right by itself."
                    .to_owned(),
            );
        }
        if blame.request() {
            return Some(format!(
                "The request itself is refused, not a field: the operation ({}), who asks, or the namespace decides.",
                review.operation.as_str()
            ));
        }
        if blame.parameter() {
            return Some(
                "The policy's parameters leave no value that it accepts; whoever keeps the policy has to mend them."
                    .to_owned(),
            );
        }
    }
    // Where changes could be tried, something else stands in the way than what the object is.
    let said = match nothing {
        Nothing {
            other: Some(Source::Inventory),
            ..
        } => {
            "It is compared with other objects of the cluster, and no change of this one was found that passes. Change the other \
             one, or take what no other has."
        }
        Nothing {
            other: Some(Source::Old),
            ..
        } => {
            "It is compared with the object as it was, and no change was found that passes. Keep the old value, or make a new \
             object."
        }
        Nothing {
            other: Some(Source::Request),
            ..
        } => {
            "It is compared with the request itself, and no change of the object was found that passes. Another operation, \
             another person or another namespace may be allowed."
        }
        Nothing { tried: true, .. } => return None,
        other => return standing_in_the_way(other),
    };
    Some(said.to_owned())
}

/// Two rules of which each passes as long as the other does not.
pub(super) fn contradiction(proof: &Proof<'_>, aim: &Aim<'_>) -> Option<String> {
    let (policy, message) = proof.clash(aim)?;
    let own = aim.violations.first()?;
    let quoted = |message: &str, policy: &str| format!("{:?} ({policy})", redact::line(message, MAX_QUOTED));
    Some(format!(
        "Two rules contradict each other here, {} and {}: every change that was tried for the first breaks the second. Ask who \
         keeps them.",
        quoted(&own.message, aim.policy),
        quoted(message, policy)
    ))
}

/// In names of parameters that allow more, or as much, when they are empty.
const MAY_BE_EMPTY: [&str; 14] = [
    "exempt", "exclu", "ignore", "except", "skip", "deny", "denied", "forbid", "disallow", "block", "banned",
    "prohibit", "require", "label",
];

/// Parameters without which nothing passes, when they are empty.
pub(super) fn emptiness(proof: &Proof<'_>, aim: &Aim<'_>) -> Option<String> {
    let parameters = proof.parameters(aim.policy);
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    // A list of exceptions, or of what is refused, may well be empty.
    let may_be_empty = |name: &str| {
        let name = name.to_lowercase();
        MAY_BE_EMPTY.iter().any(|word| name.contains(word))
    };
    let mut parameters = parameters.as_object()?.iter();
    let (name, _) = parameters.find(|(name, value)| is_empty(value) && !may_be_empty(name))?;
    Some(format!(
        "The policy's parameter `{name}` is empty, and no change was found that passes: it seems to allow nothing. Whoever keeps the \
         policy has to fill it in."
    ))
}

/// What keeps a field as it is.
pub(super) fn standing_in_the_way(nothing: Nothing) -> Option<String> {
    let said = match nothing {
        Nothing { frozen: true, .. } => {
            "This cannot be changed on an object that exists: make a new one with the change."
        }
        Nothing { hidden: true, .. } => {
            "The value may be a secret, so no change of it is shown. The rule says what it has to be."
        }
        Nothing { identity: true, .. } => {
            "Only another object would pass: its name, namespace or kind decides, and these cannot be edited."
        }
        Nothing { .. } => return None,
    };
    Some(said.to_owned())
}

/// Why, where no field leads to it: the rule is asked again as if the request were another one.
pub(super) fn found_out(proof: &mut Proof<'_>, aim: &Aim<'_>) -> Option<String> {
    let update = proof.review().operation == Operation::Update;
    let questions = [
        (
            "userInfo",
            Document::from(json!({})),
            "Who asks has a part in it, and no change of the object was found that passes. Somebody whom the rule allows has to \
             do it.",
        ),
        (
            "oldObject",
            Document::from(proof.before().clone()),
            "The change itself is refused: what the object was before decides. Keep what was there, or make a new object.",
        ),
        (
            "operation",
            Document::from(json!(if update { "CREATE" } else { "UPDATE" })),
            "The rule is for this operation, and no change of the object was found that passes. Another operation may be allowed.",
        ),
    ];
    let mut asked = questions
        .into_iter()
        .filter(|(name, _, _)| update || *name != "oldObject");
    asked
        .find(|(name, value, _)| proof.passes_with(name, value.clone(), aim))
        .map(|(_, _, reason)| reason.to_owned())
}

/// The longest text that is repeated, in characters.
const MAX_QUOTED: usize = 90;

/// How many changes are named.
const MAX_CHANGES: usize = 4;

/// Why not all that a policy says can be mended, and what to do about the rest.
pub(super) fn of_rest(fix: &Fix, unmended: &[(Vec<&Violation>, Remedy)]) -> String {
    let mut said: Vec<(String, &str)> = Vec::new();
    for (violations, remedy) in unmended {
        let reason = match remedy {
            Remedy::Unfixable(reason) => reason,
            _ => "No change was found that passes.",
        };
        for violation in violations {
            let message = redact::line(&violation.message, MAX_QUOTED);
            match said.iter_mut().find(|(_, known)| *known == reason) {
                Some((messages, _)) => *messages = format!("{messages} {message:?}"),
                None => said.push((format!("{message:?}"), reason)),
            }
        }
    }
    let reasons: Vec<String> = said
        .iter()
        .map(|(messages, reason)| format!("{messages}: {reason}"))
        .collect();
    let mut changes: Vec<String> = fix
        .patch()
        .0
        .iter()
        .take(MAX_CHANGES)
        .map(|operation| change(fix, operation))
        .collect();
    if fix.patch().0.len() > MAX_CHANGES {
        changes.push(format!("{} more", fix.patch().0.len() - MAX_CHANGES));
    }
    format!("{} The rest passes with: {}.", reasons.join(" "), changes.join(", "))
}

fn change(fix: &Fix, operation: &PatchOperation) -> String {
    let place = path::human(path_of(operation).trim_end_matches("/-"));
    let value = match operation {
        PatchOperation::Add(add) => &add.value,
        PatchOperation::Replace(replace) => &replace.value,
        _ => return format!("{place} removed"),
    };
    let open = match fix.meaning_at(path_of(operation)) {
        Some(meaning) => format!(" (fill in: {meaning})"),
        None => String::new(),
    };
    format!("{place}: {}{open}", redact::line(&value.to_string(), MAX_QUOTED))
}
