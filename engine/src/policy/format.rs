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

/// The form of a package, by what its files read.
pub fn form<'a>(package: &str, has_metadata: bool, reads: impl Iterator<Item = &'a Read>) -> Form {
    decide(package, has_metadata, reads).0
}

/// The form of a package, and why: "it …".
pub fn decide<'a>(package: &str, has_metadata: bool, reads: impl Iterator<Item = &'a Read>) -> (Form, String) {
    let first: BTreeSet<&str> = reads
        .filter(|read| read.is_input)
        .map(|read| read.path.first().map_or("", |name| name.as_str()))
        .collect();
    let of_objects = ["metadata", "spec", "data", "roleRef", "rules", "subjects", "webhooks"];
    let read_of_object = of_objects.iter().find(|name| first.contains(*name));
    let of_both = ["kind", "apiVersion"].into_iter().find(|name| first.contains(name));
    if package == "system" {
        (Form::Response, "it is the package system".to_owned())
    } else if has_metadata {
        (Form::Admission, "it has METADATA with custom".to_owned())
    } else if first.contains("request") {
        (Form::Admission, "it reads input.request".to_owned())
    } else if let Some(name) = read_of_object {
        (
            Form::Object,
            format!("it reads input.{name}, a field of the object itself"),
        )
    } else if package == "main" && !first.is_empty() {
        (
            Form::Object,
            "it is the package main and does not read input.request".to_owned(),
        )
    } else if let Some(name) = of_both {
        (Form::Object, format!("it reads input.{name} and not input.request"))
    } else {
        (Form::Admission, "it reads nothing that says otherwise".to_owned())
    }
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

    #[test]
    fn the_form_follows_from_what_is_read() {
        assert_eq!(form("main", false, [read("spec.replicas")].iter()), Form::Object);
        assert_eq!(form("main", false, [read("kind")].iter()), Form::Object);
        assert_eq!(
            form("k8s", false, [read("request.kind.kind"), read("kind")].iter()),
            Form::Admission
        );
        assert_eq!(form("k8s", true, [read("spec")].iter()), Form::Admission);
        assert_eq!(form("system", false, [read("request.uid")].iter()), Form::Response);
        assert_eq!(form("k8s", false, [].iter()), Form::Admission);
    }
}
