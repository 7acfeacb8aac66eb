//! In which form a package speaks: what it is shown, and which of its rules are asked.

use std::collections::BTreeSet;

use crate::rego::Read;
use crate::rego::why::Roots;
use crate::verdict::Action;

/// What a policy sees as `input`, and what its result looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `input.request`, with `input.namespace` and `input.parameters`; sets of violations.
    Admission,
    /// `input.review` and `input.parameters`, as Gatekeeper has them.
    Gatekeeper,
    /// The whole `AdmissionReview`, answered by one: `system.main`.
    Response,
    /// The object itself, as conftest shows it; sets of violations.
    Object,
}

impl Form {
    /// Where in `input` the object is.
    pub(crate) fn roots(self) -> Roots {
        match self {
            Self::Admission | Self::Response => Roots {
                object: vec!["request", "object"],
                old: vec!["request", "oldObject"],
            },
            Self::Gatekeeper => Roots {
                object: vec!["review", "object"],
                old: vec!["review", "oldObject"],
            },
            Self::Object => Roots {
                object: Vec::new(),
                old: Vec::new(),
            },
        }
    }

    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Admission => "an admission policy: reads input.request",
            Self::Gatekeeper => "a Gatekeeper constraint: reads input.review and input.parameters",
            Self::Response => "an admission webhook in Rego: answers the AdmissionReview",
            Self::Object => "a conftest policy: reads the object itself",
        }
    }
}

/// The rule by which a policy for conftest takes others back.
pub const EXCEPTION: &str = "exception";

/// The members of `input` in [`Form::Admission`].
pub const INPUT: [&str; 7] = [
    "request",
    "namespace",
    "parameters",
    "template",
    "owner",
    "apiVersion",
    "kind",
];

/// A rule that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the package.
    pub rule: String,
    /// What a violation leads to; `None` leaves it to the policy.
    pub action: Option<Action>,
}

/// Which rules of a package are asked, by their names.
pub fn entries(package: &str, rules: &BTreeSet<&str>) -> Vec<Entry> {
    if package == "system" && rules.contains("main") {
        return vec![Entry {
            rule: "main".to_owned(),
            action: None,
        }];
    }
    let action = |rule: &str| {
        let is = |name: &str| rule == name || rule.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        match rule {
            _ if is("deny") || is("violation") => Some(None),
            _ if is("warn") => Some(Some(Action::Warn)),
            _ => None,
        }
    };
    let known = rules.iter().filter_map(|rule| {
        Some(Entry {
            rule: (*rule).to_owned(),
            action: action(rule)?,
        })
    });
    known.collect()
}

/// Fields of objects that no review has.
const OF_OBJECTS: [&str; 7] = ["metadata", "spec", "data", "roleRef", "rules", "subjects", "webhooks"];
/// Fields of objects and of reviews.
const OF_BOTH: [&str; 2] = ["kind", "apiVersion"];
/// What whynot shows beside the request.
const OF_OURS: [&str; 4] = ["namespace", "parameters", "template", "owner"];

/// The form of a package, and why: "it …". `own` is what its own files read, `all` also what the rules read that they use: often
/// a library alone looks at `input`, and taken for another form its policy would never object.
pub fn decide<'a>(
    package: &str,
    has_custom: bool,
    own: impl IntoIterator<Item = &'a Read>,
    all: impl IntoIterator<Item = &'a Read>,
) -> (Form, String) {
    if package == "system" {
        return (Form::Response, "it is the package system".to_owned());
    }
    let (own, all) = (fields(own), fields(all));
    let is_ours = has_custom && OF_OURS.iter().any(|name| all.contains(name));
    for (reads, how) in [(&own, ""), (&all, ", through the rules that it uses")] {
        if reads.contains("request") {
            return (Form::Admission, format!("it reads input.request{how}"));
        }
        if let Some(name) = OF_OBJECTS.iter().find(|name| reads.contains(*name) && !is_ours) {
            let reason = format!("it reads input.{name}{how}, a field of the object itself");
            return (Form::Object, reason);
        }
    }
    let of_both = OF_BOTH.iter().find(|name| all.contains(*name) && !is_ours);
    if has_custom && of_both.is_none() {
        (Form::Admission, "it has METADATA with custom".to_owned())
    } else if package == "main" && !all.is_empty() {
        let reason = "it is the package main and does not read input.request";
        (Form::Object, reason.to_owned())
    } else if let Some(name) = of_both {
        (Form::Object, format!("it reads input.{name} and not input.request"))
    } else {
        (Form::Admission, "it reads nothing that says otherwise".to_owned())
    }
}

/// The first names below `input`; empty for all of it.
fn fields<'a>(reads: impl IntoIterator<Item = &'a Read>) -> BTreeSet<&'a str> {
    let inputs = reads.into_iter().filter(|read| read.is_input);
    inputs
        .map(|read| read.path.first().map_or("", |name| name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(path: &str) -> Read {
        Read {
            file: String::new(),
            line: 1,
            is_input: true,
            path: path.split('.').map(Into::into).collect(),
        }
    }

    #[test]
    fn rules_are_asked_by_their_names() {
        let rules = BTreeSet::from(["deny", "deny_latest", "denylist", "warn", "allowed", "violation"]);
        let asked = entries("main", &rules);
        let names: Vec<&str> = asked.iter().map(|entry| entry.rule.as_str()).collect();
        assert_eq!(names, ["deny", "deny_latest", "violation", "warn"]);
        assert_eq!(asked.last().unwrap().action, Some(Action::Warn));
        assert_eq!(entries("system", &BTreeSet::from(["main", "deny"])).len(), 1);
    }

    fn form(package: &str, has_custom: bool, own: &[&str], used: &[&str]) -> Form {
        let read_all = |paths: &[&str]| paths.iter().map(|path| read(path)).collect::<Vec<Read>>();
        let all = read_all(&[own, used].concat());
        decide(package, has_custom, &read_all(own), &all).0
    }

    #[test]
    fn the_form_follows_from_what_is_read() {
        assert_eq!(form("main", false, &["spec.replicas"], &[]), Form::Object);
        assert_eq!(form("main", false, &["kind"], &[]), Form::Object);
        assert_eq!(form("k8s", false, &["request.kind.kind", "kind"], &[]), Form::Admission);
        assert_eq!(form("system", false, &["request.uid"], &[]), Form::Response);
        assert_eq!(form("k8s", false, &[], &[]), Form::Admission);
    }

    #[test]
    fn what_a_library_reads_counts_where_the_package_reads_nothing_that_tells() {
        assert_eq!(form("main", false, &[], &["kind"]), Form::Object);
        assert_eq!(form("k8s", false, &[], &["metadata.name"]), Form::Object);
        assert_eq!(form("main", false, &["kind"], &["request.kind"]), Form::Admission);
        // A library for both.
        assert_eq!(form("k8s", false, &["spec"], &["request.object"]), Form::Object);
    }

    #[test]
    fn custom_metadata_is_not_only_ours() {
        assert_eq!(form("k8s", true, &[], &[]), Form::Admission);
        assert_eq!(form("k8s", true, &["parameters.x", "kind"], &[]), Form::Admission);
        assert_eq!(form("k8s", true, &["request.object", "spec"], &[]), Form::Admission);
        // As checks for conftest have it.
        assert_eq!(form("main", true, &["kind"], &[]), Form::Object);
        assert_eq!(form("k8s", true, &["spec"], &[]), Form::Object);
    }
}
