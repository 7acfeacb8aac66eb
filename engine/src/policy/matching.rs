//! Which policies can concern a request at all.
//!
//! `match` in METADATA becomes [`Criteria`]; what they tell beforehand goes into the [`Index`](super::index::Index).

use std::collections::BTreeMap;
use std::fmt;

use globset::GlobMatcher;
use serde::Deserialize;

use super::index::Hints;
use crate::admission::Operation;
use crate::explain::wire::GroupVersionKind;
use crate::template;

/// `match` as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MatchCriteria {
    kinds: Vec<Kinds>,
    operations: Vec<Operation>,
    subresources: Vec<String>,
    namespaces: Vec<String>,
    excluded_namespaces: Vec<String>,
    label_selector: Selector,
    namespace_selector: Selector,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kinds {
    #[serde(default = "any")]
    api_groups: Vec<String>,
    #[serde(default = "any")]
    kinds: Vec<String>,
}

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}

/// A Kubernetes label selector.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Whether no label is asked for.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether labels fit.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let expression = |requirement: &Requirement| {
            let value = labels.get(&requirement.key);
            let is_in = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => is_in,
                // As in Kubernetes, a missing label is not in the list.
                Operator::NotIn => !is_in,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        };
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(expression)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let expressions = self.match_expressions.iter().map(|requirement| {
            let Requirement { key, operator, values } = requirement;
            let values = values.join(", ");
            match operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            }
        });
        // As kubectl writes selectors.
        out.write_str(&labels.chain(expressions).collect::<Vec<_>>().join(", "))
    }
}

/// A pattern with `*` and `?`, over a whole name.
#[derive(Debug, Clone)]
pub struct Glob(GlobMatcher);

impl Glob {
    /// The name, when the pattern has only one.
    fn literal(&self) -> Option<String> {
        let pattern = self.pattern();
        (!pattern.contains(['*', '?', '[', ']', '{', '}', '!', '\\'])).then(|| pattern.to_owned())
    }
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Result<Self, String> {
        globset::Glob::new(pattern)
            .map(|glob| Self(glob.compile_matcher()))
            .map_err(|error| format!("{pattern:?} is no glob: {}", error.kind()))
    }

    /// Whether it covers the whole name.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// As it was written.
    pub fn pattern(&self) -> &str {
        self.0.glob().glob()
    }
}

/// What a request is matched by.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The kind as the policy sees it: a Pod for a template.
    pub kind: &'a GroupVersionKind,
    /// The subresource, or empty.
    pub sub_resource: &'a str,
    /// What is to be done.
    pub operation: Operation,
    /// The namespace, or empty.
    pub namespace: &'a str,
    /// The labels of the object as the policy sees it, the new one's and the old one's.
    pub labels: &'a [BTreeMap<String, String>],
    /// The labels of the namespace; `None` when the context does not know the namespace.
    pub namespace_labels: Option<&'a BTreeMap<String, String>>,
}

/// `match`, checked.
#[derive(Debug, Clone)]
pub struct Criteria {
    kinds: Vec<Kinds>,
    operations: Vec<Operation>,
    subresources: Vec<String>,
    namespaces: Vec<Glob>,
    excluded_namespaces: Vec<Glob>,
    label_selector: Selector,
    namespace_selector: Selector,
}

impl Criteria {
    /// Checks what was written and fills in the defaults.
    pub fn new(written: MatchCriteria) -> Result<Self, String> {
        let globs = |field: &str, patterns: &[String]| {
            patterns
                .iter()
                .map(|pattern| Glob::new(pattern).map_err(|reason| format!("custom.match.{field}: {reason}")))
                .collect::<Result<Vec<_>, _>>()
        };
        if written
            .kinds
            .iter()
            .any(|entry| entry.kinds.is_empty() || entry.api_groups.is_empty())
        {
            return Err("custom.match.kinds: an empty list matches nothing; leave it out, or write [\"*\"]".to_owned());
        }
        let operations = match written.operations {
            none if none.is_empty() => vec![Operation::Create, Operation::Update],
            some => some,
        };
        for (field, selector) in [
            ("labelSelector", &written.label_selector),
            ("namespaceSelector", &written.namespace_selector),
        ] {
            for requirement in &selector.match_expressions {
                let needs_values = matches!(requirement.operator, Operator::In | Operator::NotIn);
                if needs_values == requirement.values.is_empty() {
                    let verb = if needs_values { "needs" } else { "takes no" };
                    let operator = requirement.operator;
                    return Err(format!(
                        "custom.match.{field}: {:?} {operator:?} {verb} values",
                        requirement.key
                    ));
                }
            }
        }
        Ok(Self {
            namespaces: globs("namespaces", &written.namespaces)?,
            excluded_namespaces: globs("excludedNamespaces", &written.excluded_namespaces)?,
            kinds: written.kinds,
            operations,
            subresources: written.subresources,
            label_selector: written.label_selector,
            namespace_selector: written.namespace_selector,
        })
    }

    /// Whether a kind is concerned.
    pub fn covers_kind(&self, group: &str, kind: &str) -> bool {
        let is = |names: &[String], name: &str| names.iter().any(|candidate| candidate == "*" || candidate == name);
        self.kinds.is_empty()
            || self
                .kinds
                .iter()
                .any(|entry| is(&entry.api_groups, group) && is(&entry.kinds, kind))
    }

    /// Whether Pods are concerned because the author said so, not because everything is.
    pub fn names_pods(&self) -> bool {
        self.names_kind("Pod") && self.covers_kind("", "Pod")
    }

    fn names_kind(&self, name: &str) -> bool {
        self.kinds
            .iter()
            .any(|entry| entry.kinds.iter().any(|kind| kind == name))
    }

    /// Whether a request is concerned.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.covers_kind(&subject.kind.group, &subject.kind.kind)
            && self.operations.contains(&subject.operation)
            && self.covers_subresource(subject)
            && self.covers_namespace(subject)
            && self.covers_labels(subject)
    }

    fn covers_labels(&self, subject: &Subject<'_>) -> bool {
        self.label_selector.is_empty() || subject.labels.iter().any(|labels| self.label_selector.matches(labels))
    }

    fn covers_subresource(&self, subject: &Subject<'_>) -> bool {
        if subject.sub_resource.is_empty() {
            // A policy for subresources alone says so by listing none but them.
            return self.subresources.is_empty() || self.subresources.iter().any(String::is_empty);
        }
        if self
            .subresources
            .iter()
            .any(|name| name == "*" || name == subject.sub_resource)
        {
            return true;
        }
        if !self.subresources.is_empty() {
            return false;
        }
        // Connections are made to subresources alone, and some kinds are only ever sent to one: who names those means them.
        subject.operation == Operation::Connect
            || (self.names_kind(&subject.kind.kind) && is_sent_to_subresources(&subject.kind.kind))
            // These two carry the whole Pod and can change what policies judge.
            || (template::is_pod(subject.kind) && matches!(subject.sub_resource, "ephemeralcontainers" | "resize"))
    }

    fn covers_namespace(&self, subject: &Subject<'_>) -> bool {
        let is_in = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(subject.namespace));
        if is_in(&self.excluded_namespaces) || !(self.namespaces.is_empty() || is_in(&self.namespaces)) {
            return false;
        }
        // A selector cannot be told to fail for a namespace that nobody knows: then the policy applies.
        self.namespace_selector.is_empty()
            || subject
                .namespace_labels
                .is_none_or(|labels| self.namespace_selector.matches(labels))
    }
}

/// Kinds of requests to subresources: exec, eviction, scale, binding, token.
fn is_sent_to_subresources(kind: &str) -> bool {
    matches!(kind, "Scale" | "Eviction" | "Binding" | "TokenRequest")
        || (kind.ends_with("Options") && ["Pod", "Node", "Service"].iter().any(|owner| kind.starts_with(owner)))
}

impl Criteria {
    /// Whether the labels of namespaces decide.
    pub fn selects_namespaces(&self) -> bool {
        !self.namespace_selector.is_empty()
    }

    /// Everything: for policies that say nothing about it.
    pub fn everything() -> Self {
        Self {
            kinds: Vec::new(),
            operations: vec![
                Operation::Create,
                Operation::Update,
                Operation::Delete,
                Operation::Connect,
            ],
            subresources: vec![String::new(), "*".to_owned()],
            namespaces: Vec::new(),
            excluded_namespaces: Vec::new(),
            label_selector: Selector::default(),
            namespace_selector: Selector::default(),
        }
    }

    /// What it asks for, each a name and words for people; what it leaves open is not among them.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let kinds = self
            .kinds
            .iter()
            .map(|entry| describe_kinds(&entry.api_groups, &entry.kinds))
            .collect::<Vec<_>>();
        let mut kinds = kinds.join(", ");
        if self.names_pods() {
            kinds.push_str("; also the Pod templates of workloads");
        }
        let operations: Vec<&str> = self.operations.iter().map(|operation| operation.as_str()).collect();
        let subresources = self.subresources.iter().map(|name| match name.as_str() {
            "" => "the object itself",
            "*" => "all subresources",
            name => name,
        });
        let globs = |globs: &[Glob]| globs.iter().map(Glob::pattern).collect::<Vec<_>>().join(", ");
        let parts = [
            ("kinds", kinds),
            ("operations", operations.join(", ")),
            ("subresources", subresources.collect::<Vec<_>>().join(", ")),
            ("namespaces", globs(&self.namespaces)),
            ("excludedNamespaces", globs(&self.excluded_namespaces)),
            ("labelSelector", self.label_selector.to_string()),
            ("namespaceSelector", self.namespace_selector.to_string()),
        ];
        parts.into_iter().filter(|(_, words)| !words.is_empty()).collect()
    }

    /// For the index.
    pub fn hints(&self) -> Hints {
        let names = self.namespaces.iter().map(Glob::literal).collect::<Option<Vec<_>>>();
        Hints {
            kinds: self.exact_kinds(),
            // What is in no namespace does not match a list of them.
            namespaces: names.filter(|names| !names.is_empty()),
            label: self
                .label_selector
                .match_labels
                .iter()
                .next()
                .map(|(k, v)| (k.clone(), v.clone())),
        }
    }

    /// The kinds by group and name; `None` when a wildcard is among them.
    fn exact_kinds(&self) -> Option<Vec<(String, String)>> {
        if self.kinds.is_empty() {
            return None;
        }
        let mut names = Vec::new();
        for entry in &self.kinds {
            for group in &entry.api_groups {
                for kind in &entry.kinds {
                    if group == "*" || kind == "*" {
                        return None;
                    }
                    names.push((group.clone(), kind.clone()));
                }
            }
        }
        Some(names)
    }
}

/// `Deployment, StatefulSet (apps)`; an empty list is any, as `*` is.
pub(super) fn describe_kinds(groups: &[String], kinds: &[String]) -> String {
    let is_any = |names: &[String]| names.is_empty() || names.iter().any(|name| name == "*");
    let named: Vec<&str> = groups
        .iter()
        .map(|group| if group.is_empty() { "core" } else { group })
        .collect();
    let is_core = groups.iter().all(String::is_empty) && !groups.is_empty();
    match (is_any(groups), is_any(kinds)) {
        (true, true) => "every kind".to_owned(),
        (true, false) => kinds.join(", "),
        (false, true) => format!("every kind of {}", named.join(", ")),
        (false, false) if is_core => kinds.join(", "),
        (false, false) => format!("{} ({})", kinds.join(", "), named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn criteria_are_told_in_words() {
        let written: MatchCriteria = serde_saphyr::from_str(
            "kinds: [{apiGroups: [''], kinds: [Pod]}, {apiGroups: [apps], kinds: [Deployment, DaemonSet]}, {apiGroups: [batch]}]\n\
             namespaces: [shop, 'team-*']\nexcludedNamespaces: [dev]\n\
             labelSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}]}\n\
             namespaceSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}\n",
        )
        .unwrap();
        let found = Criteria::new(written).unwrap().describe();
        let expected = [
            (
                "kinds",
                "Pod, Deployment, DaemonSet (apps), every kind of batch; also the Pod templates of workloads",
            ),
            ("operations", "CREATE, UPDATE"),
            ("namespaces", "shop, team-*"),
            ("excludedNamespaces", "dev"),
            ("labelSelector", "app=web, tier in (a, b)"),
            ("namespaceSelector", "!x"),
        ];
        assert_eq!(found, expected.map(|(name, words)| (name, words.to_owned())));
        let everything: Vec<&str> = Criteria::everything()
            .describe()
            .iter()
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(everything, ["operations", "subresources"]);
    }
}
