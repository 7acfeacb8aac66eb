//! Which form a package of Rego has, and by what one sees it.

use std::collections::BTreeSet;

use super::scan::{Scan, Shape};

/// Who a package was written for, which says what its `input` is and which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// whynot: `input.request`, `input.parameters`; `deny`.
    Native,
    /// OPA as an admission webhook: `input` is the `AdmissionReview`; `deny` and `violation` are sets.
    Admission,
    /// OPA as an admission webhook: `data.system.main` is the whole answer.
    Response,
    /// conftest: `input` is the object; `deny`, `violation`, `warn`, also with a suffix.
    Conftest,
    /// Gatekeeper: the Rego of a `ConstraintTemplate`, which belongs into one.
    Gatekeeper,
    /// Tests only.
    Tests,
    /// Rules for others to use.
    Library,
    /// It decides something, but nothing says for whom.
    Unclear,
}

/// A form, and why it was taken for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// The form.
    pub format: Format,
    /// The rules that are asked, by their names in the package, sorted.
    pub entries: Vec<String>,
    /// Ends the sentence "It is taken for this because it …". For [`Format::Unclear`] also what to do.
    pub reason: String,
}

/// What whynot gives a policy.
const NATIVE: [&str; 4] = ["request", "namespace", "parameters", "template"];

/// The form of a package, by its name, its rules and what it reads of `input`, itself or through what it uses.
pub(super) fn detect(scan: &Scan) -> Detection {
    let is_main = scan.package == ["main"];
    let reads = |field: &str| scan.reads.contains(field);
    let sets: Vec<&str> = sets(scan).collect();
    let has = |name: &str| sets.contains(&name);

    if scan.package == ["system"] && scan.rules.contains_key("main") {
        return found(
            Format::Response,
            ["main"],
            "is the package system and defines main".to_owned(),
        );
    }
    if !scan.rules.is_empty()
        && scan
            .rules
            .keys()
            .all(|name| name.starts_with("test_") || name.starts_with("todo_test_"))
    {
        return found(Format::Tests, [], "defines nothing but tests".to_owned());
    }
    let decisions: Vec<&str> = sets.iter().copied().filter(|name| is_decision(name)).collect();
    if decisions.is_empty() {
        return undecided(scan);
    }
    if has("violation") && !reads("request") && (reads("review") || reads("parameters")) {
        let field = if reads("review") { "review" } else { "parameters" };
        return found(
            Format::Gatekeeper,
            ["violation"],
            format!("reads input.{field} and defines violation"),
        );
    }
    if reads("request") {
        return for_request(scan, &decisions);
    }
    let own: Vec<&String> = scan.reads.iter().filter(|field| !field.is_empty()).collect();
    let only_native = own.iter().all(|field| NATIVE.contains(&field.as_str()));
    if has("deny") && !is_main && only_native && (scan.metadata || !own.is_empty() || contains(scan, "deny")) {
        let by = own.first().map_or("defines deny".to_owned(), |field| {
            format!("reads input.{field} and defines deny")
        });
        let by = if scan.metadata {
            format!("has METADATA and {by}")
        } else {
            by
        };
        return found(Format::Native, ["deny"], by);
    }
    let names = list(&decisions);
    match own.first() {
        Some(field) if !reads("review") => found(
            Format::Conftest,
            decisions,
            format!("reads input.{field}, a field of the object itself, and defines {names}"),
        ),
        None if is_main => found(
            Format::Conftest,
            decisions,
            format!("is the package main and defines {names}"),
        ),
        _ => {
            let reason = format!(
                "defines {names} and does not read input.request, nor a field of the object; \
                 read input.request in a policy for admission, or name the package main for conftest"
            );
            found(Format::Unclear, decisions, reason)
        }
    }
}

/// The names that conftest asks for; the others ask for some of them.
fn is_decision(name: &str) -> bool {
    ["deny", "violation", "warn"].into_iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|suffix| {
            suffix.is_empty()
                || suffix.strip_prefix('_').is_some_and(|suffix| {
                    suffix
                        .split('_')
                        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
                })
        })
    })
}

/// A policy that reads the request: ours, or OPA's.
fn for_request(scan: &Scan, decisions: &[&str]) -> Detection {
    let plain: Vec<&str> = decisions.iter().copied().filter(|name| !name.contains('_')).collect();
    if plain.is_empty() {
        let reason = format!(
            "reads input.request and defines {}, which nothing asks for; name the rule deny or violation",
            list(decisions)
        );
        return found(Format::Unclear, decisions.iter().copied(), reason);
    }
    // Of the review itself, which our own policies do not get.
    let review = scan
        .reads
        .iter()
        .find(|field| !field.is_empty() && !NATIVE.contains(&field.as_str()));
    let ours = scan.metadata || contains(scan, "deny");
    if plain == ["deny"] && ours && review.is_none() {
        let by = if scan.metadata {
            "has METADATA, reads input.request and defines deny"
        } else {
            "reads input.request and defines deny with contains"
        };
        return found(Format::Native, ["deny"], by.to_owned());
    }
    let by = match review {
        Some(field) => format!("reads input.request and input.{field}, and defines {}", list(&plain)),
        None => format!("reads input.request and defines {}", list(&plain)),
    };
    found(Format::Admission, plain, by)
}

/// A package without a rule that denies.
fn undecided(scan: &Scan) -> Detection {
    let wrong: Vec<&str> = scan
        .rules
        .keys()
        .map(String::as_str)
        .filter(|name| is_decision(name))
        .collect();
    if let (false, Some(name)) = (is_only_functions(scan, &wrong), wrong.first()) {
        let reason = format!("defines {name}, which is not a set; write `{name} contains message if {{ … }}`");
        return found(Format::Unclear, [], reason);
    }
    let grants: Vec<&str> = ["allow", "allowed"]
        .into_iter()
        .filter(|name| scan.rules.contains_key(*name))
        .collect();
    if let (Some(name), false) = (grants.first(), scan.reads.is_empty()) {
        let reason = format!("defines {name} and nothing that denies; write `deny contains message if not {name}`");
        return found(Format::Unclear, [], reason);
    }
    found(Format::Library, [], "defines neither deny nor violation".to_owned())
}

fn is_only_functions(scan: &Scan, names: &[&str]) -> bool {
    names
        .iter()
        .all(|name| scan.rules.get(*name).is_some_and(|shape| shape.function))
}

/// The rules that are sets, or could be.
fn sets(scan: &Scan) -> impl Iterator<Item = &str> {
    let is_set = |shape: &Shape| (shape.contains || shape.bracket) && !shape.function;
    scan.rules
        .iter()
        .filter(move |(_, shape)| is_set(shape))
        .map(|(name, _)| name.as_str())
}

fn contains(scan: &Scan, name: &str) -> bool {
    scan.rules.get(name).is_some_and(|shape| shape.contains)
}

fn list(names: &[&str]) -> String {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

fn found<'a>(format: Format, entries: impl IntoIterator<Item = &'a str>, reason: String) -> Detection {
    Detection {
        format,
        entries: entries.into_iter().map(str::to_owned).collect(),
        reason,
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
