//! `spec.match`: which requests a constraint concerns, as Gatekeeper decides it.

use super::fields::{Fields, join};
use super::selector::{Labels, Selector};
use super::yaml::Node;
use crate::admission::Operation;
use crate::policy::matching::describe_kinds;
use crate::rego::value::Value;

/// An object as it is matched: the new one or the old one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a> {
    /// Of its own `apiVersion`; empty for the core group.
    pub group: &'a str,
    /// Its own `kind`.
    pub kind: &'a str,
    /// `metadata.namespace`, or empty.
    pub namespace: &'a str,
    /// `metadata.name`, or empty.
    pub name: &'a str,
    /// `metadata.generateName`, or empty.
    pub generate_name: &'a str,
    /// `metadata.labels`.
    pub labels: Labels<'a>,
}

/// What a request is matched by.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What is to be done.
    pub operation: Operation,
    /// `request.namespace`: empty for what is in no namespace, and for a Namespace itself.
    pub namespace: &'a str,
    /// Of the namespace; `None` when nobody knows it.
    pub namespace_labels: Option<Labels<'a>>,
    /// The object; the old one on DELETE.
    pub object: Option<Object<'a>>,
    /// The object as it was.
    pub old_object: Option<Object<'a>>,
}

impl<'a> Object<'a> {
    /// From the object itself; `None` when it is null.
    pub fn new(object: &'a Value) -> Option<Self> {
        object.as_object()?;
        let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            group: text(&["apiVersion"]).split_once('/').map_or("", |(group, _)| group),
            kind: text(&["kind"]),
            namespace: text(&["metadata", "namespace"]),
            name: text(&["metadata", "name"]),
            generate_name: text(&["metadata", "generateName"]),
            labels: Labels(object.at(&["metadata", "labels"])),
        })
    }

    fn is_namespace(&self) -> bool {
        self.kind == "Namespace" && self.group.is_empty()
    }
}

impl<'a> Subject<'a> {
    /// From an `AdmissionRequest` and the labels of its namespace, when they are known.
    pub fn new(request: &'a Value, operation: Operation, namespace_labels: Option<Labels<'a>>) -> Self {
        let object = |key: &str| request.member(key).and_then(Object::new);
        let old_object = object("oldObject");
        let kind = |key: &str| request.at(&["kind", key]).and_then(Value::as_str).unwrap_or_default();
        let is_namespace = kind("kind") == "Namespace" && kind("group").is_empty();
        let namespace = request.member("namespace").and_then(Value::as_str);
        Self {
            operation,
            // A Namespace is not in itself.
            namespace: namespace.filter(|_| !is_namespace).unwrap_or_default(),
            namespace_labels: namespace_labels.filter(|_| !is_namespace),
            object: if operation == Operation::Delete {
                old_object
            } else {
                object("object")
            },
            old_object,
        }
    }
}

/// Whether a constraint concerns a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Matches,
    /// It does not.
    Differs,
    /// Nobody can tell, and why. Gatekeeper counts that as a violation with this message.
    Unknown(String),
}

/// A name with `*` at its beginning, its end or both.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wildcard(String);

impl Wildcard {
    fn new(pattern: &str) -> Option<Self> {
        let inner = pattern.strip_prefix('*').unwrap_or(pattern);
        let inner = inner.strip_suffix('*').unwrap_or(inner);
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b':');
        inner.bytes().all(fits).then(|| Self(pattern.to_owned()))
    }

    fn matches(&self, name: &str) -> bool {
        let pattern = self.0.as_str();
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(end), Some(_)) => name.contains(end.strip_suffix('*').unwrap_or(end)),
            (Some(end), None) => name.ends_with(end),
            (None, Some(start)) => name.starts_with(start),
            (None, None) => name == pattern,
        }
    }

    /// Only the beginning of a generated name is known.
    fn matches_generated(&self, prefix: &str) -> bool {
        self.0.ends_with('*') && self.matches(prefix)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Cluster,
    Namespaced,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kinds {
    groups: Vec<String>,
    kinds: Vec<String>,
}

/// An empty list is any.
fn covers(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|listed| listed == "*" || listed == name)
}

/// `spec.match`, checked, and the operations of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    operations: Vec<Operation>,
    kinds: Vec<Kinds>,
    scope: Scope,
    namespaces: Vec<Wildcard>,
    excluded_namespaces: Vec<Wildcard>,
    label_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    name: Option<Wildcard>,
    /// `source: Generated`, which no request is.
    only_generated: bool,
}

impl Match {
    /// Everything.
    pub(super) fn any(operations: &[Operation]) -> Self {
        Self {
            operations: operations.to_vec(),
            kinds: Vec::new(),
            scope: Scope::Any,
            namespaces: Vec::new(),
            excluded_namespaces: Vec::new(),
            label_selector: None,
            namespace_selector: None,
            name: None,
            only_generated: false,
        }
    }

    /// Reads `match` in `spec`.
    pub(super) fn read(fields: &mut Fields<'_>, spec: &Node, operations: &[Operation]) -> Self {
        const FIELD: &str = "spec.match";
        const KNOWN: [&str; 8] = [
            "kinds",
            "scope",
            "namespaces",
            "excludedNamespaces",
            "labelSelector",
            "namespaceSelector",
            "name",
            "source",
        ];
        let mut criteria = Self::any(operations);
        let Some(node) = fields.object(spec, "spec", "match", &KNOWN) else {
            return criteria;
        };
        for (place, entry) in fields.list(node, FIELD, "kinds").iter().enumerate() {
            let field = format!("{FIELD}.kinds[{place}]");
            fields.known(entry, &field, &["apiGroups", "kinds"]);
            criteria.kinds.push(Kinds {
                groups: fields.texts(entry, &field, "apiGroups"),
                kinds: fields.texts(entry, &field, "kinds"),
            });
        }
        criteria.scope = one_of(
            fields,
            node,
            "scope",
            &[
                ("*", Scope::Any),
                ("Cluster", Scope::Cluster),
                ("Namespaced", Scope::Namespaced),
            ],
        )
        .unwrap_or(Scope::Any);
        criteria.only_generated = one_of(
            fields,
            node,
            "source",
            &[("All", false), ("Original", false), ("Generated", true)],
        )
        .unwrap_or(false);
        criteria.namespaces = wildcards(fields, node, "namespaces");
        criteria.excluded_namespaces = wildcards(fields, node, "excludedNamespaces");
        criteria.label_selector = Selector::read(fields, node, FIELD, "labelSelector");
        criteria.namespace_selector = Selector::read(fields, node, FIELD, "namespaceSelector");
        // An empty name is any.
        let name = fields.text(node, FIELD, "name").filter(|name| !name.is_empty());
        criteria.name = name.and_then(|name| wildcard(fields, node, "name", name));
        criteria
    }

    /// The groups and kinds that can be concerned; `None` when it cannot be told without the object.
    pub fn exact_kinds(&self) -> Option<Vec<(&str, &str)>> {
        let is_exact = |names: &[String]| !names.is_empty() && names.iter().all(|name| name != "*");
        if self.kinds.is_empty()
            || !self
                .kinds
                .iter()
                .all(|entry| is_exact(&entry.groups) && is_exact(&entry.kinds))
        {
            return None;
        }
        let pairs = self.kinds.iter().flat_map(|entry| {
            let groups = entry.groups.iter();
            groups.flat_map(|group| entry.kinds.iter().map(move |kind| (group.as_str(), kind.as_str())))
        });
        let mut pairs: Vec<(&str, &str)> = pairs.collect();
        pairs.sort_unstable();
        pairs.dedup();
        Some(pairs)
    }

    /// Whether the labels of namespaces decide.
    pub fn selects_namespaces(&self) -> bool {
        self.namespace_selector.is_some()
    }

    /// What it asks for, each a name and words for people; what it leaves open is not among them.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let kinds = self
            .kinds
            .iter()
            .map(|entry| describe_kinds(&entry.groups, &entry.kinds));
        let operations: Vec<&str> = self.operations.iter().map(|operation| operation.as_str()).collect();
        let scope = match self.scope {
            Scope::Any => "",
            Scope::Cluster => "what is in no namespace",
            Scope::Namespaced => "what is in a namespace",
        };
        let names = |names: &[Wildcard]| names.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", ");
        let selector = |selector: &Option<Selector>| selector.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = if self.only_generated {
            "generated objects only, which no request is"
        } else {
            ""
        };
        let parts = [
            ("kinds", kinds.collect::<Vec<_>>().join(", ")),
            ("operations", operations.join(", ")),
            ("scope", scope.to_owned()),
            ("namespaces", names(&self.namespaces)),
            ("excludedNamespaces", names(&self.excluded_namespaces)),
            ("labelSelector", selector(&self.label_selector)),
            ("namespaceSelector", selector(&self.namespace_selector)),
            (
                "name",
                self.name.as_ref().map(|name| name.0.clone()).unwrap_or_default(),
            ),
            ("source", source.to_owned()),
        ];
        parts.into_iter().filter(|(_, words)| !words.is_empty()).collect()
    }

    /// Whether a request is concerned: by its object as it will be, or as it was.
    pub fn matches(&self, subject: &Subject<'_>) -> Outcome {
        if self.only_generated || !self.operations.contains(&subject.operation) {
            return Outcome::Differs;
        }
        let objects = [subject.object, subject.old_object];
        if objects.iter().all(Option::is_none) {
            return Outcome::Unknown("the request has neither an object nor an old object".to_owned());
        }
        let mut outcome = Outcome::Differs;
        for object in objects.iter().flatten() {
            match self.matches_object(subject, object) {
                Outcome::Matches => return Outcome::Matches,
                Outcome::Differs => {}
                unknown @ Outcome::Unknown(_) => outcome = unknown,
            }
        }
        outcome
    }

    fn matches_object(&self, subject: &Subject<'_>, object: &Object<'_>) -> Outcome {
        let selects =
            |selector: &Option<Selector>, labels| selector.as_ref().is_none_or(|selector| selector.matches(labels));
        let plain = self.covers_kind(object.group, object.kind)
            && self.covers_scope(subject, object)
            && self.covers_namespace(subject, object)
            && selects(&self.label_selector, object.labels)
            && self.covers_name(object);
        // Last, since it alone can be unknown: what differs anyway need not be.
        match (&self.namespace_selector, subject.namespace_labels) {
            _ if !plain => Outcome::Differs,
            (None, _) => Outcome::Matches,
            (Some(selector), _) if object.is_namespace() => decided(selector.matches(object.labels)),
            // What is in no namespace is not excluded by one.
            (Some(_), _) if subject.namespace.is_empty() && object.namespace.is_empty() => Outcome::Matches,
            (Some(selector), Some(labels)) => decided(selector.matches(labels)),
            (Some(_), None) => {
                let name = if subject.namespace.is_empty() {
                    object.namespace
                } else {
                    subject.namespace
                };
                Outcome::Unknown(format!(
                    "the labels of the namespace {name:?} are not known, and spec.match.namespaceSelector asks for them"
                ))
            }
        }
    }

    fn covers_kind(&self, group: &str, kind: &str) -> bool {
        let fits = |entry: &Kinds| covers(&entry.kinds, kind) && covers(&entry.groups, group);
        self.kinds.is_empty() || self.kinds.iter().any(fits)
    }

    fn covers_scope(&self, subject: &Subject<'_>, object: &Object<'_>) -> bool {
        let is_in_namespace = !object.is_namespace() && (!object.namespace.is_empty() || !subject.namespace.is_empty());
        match self.scope {
            Scope::Any => true,
            Scope::Cluster => !is_in_namespace,
            Scope::Namespaced => is_in_namespace,
        }
    }

    fn covers_namespace(&self, subject: &Subject<'_>, object: &Object<'_>) -> bool {
        let namespace = match subject.namespace {
            _ if object.is_namespace() => object.name,
            "" => object.namespace,
            namespace => namespace,
        };
        // What is in no namespace is neither left out nor excluded.
        if namespace.is_empty() && !object.is_namespace() {
            return true;
        }
        let listed = |patterns: &[Wildcard]| patterns.iter().any(|pattern| pattern.matches(namespace));
        (self.namespaces.is_empty() || listed(&self.namespaces)) && !listed(&self.excluded_namespaces)
    }

    fn covers_name(&self, object: &Object<'_>) -> bool {
        let fits = |name: &Wildcard| name.matches(object.name) || name.matches_generated(object.generate_name);
        self.name.as_ref().is_none_or(fits)
    }
}

fn decided(fits: bool) -> Outcome {
    if fits { Outcome::Matches } else { Outcome::Differs }
}

/// Gatekeeper takes a scope that is none of these for `*`: a typing error that widens a constraint. Refused here.
fn one_of<T: Copy>(fields: &mut Fields<'_>, node: &Node, key: &str, choices: &[(&str, T)]) -> Option<T> {
    let text = fields.text(node, "spec.match", key).filter(|text| !text.is_empty())?;
    let choice = choices.iter().find(|(name, _)| *name == text);
    if choice.is_none() {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        let reason = format!("{text:?} is none of {}", names.join(", "));
        fields.wrong(node.line_of(&[key.to_owned()]), &join("spec.match", key), &reason);
    }
    choice.map(|(_, value)| *value)
}

fn wildcards(fields: &mut Fields<'_>, node: &Node, key: &str) -> Vec<Wildcard> {
    let patterns = fields.texts(node, "spec.match", key);
    patterns
        .iter()
        .filter_map(|pattern| wildcard(fields, node, key, pattern))
        .collect()
}

fn wildcard(fields: &mut Fields<'_>, node: &Node, key: &str, pattern: &str) -> Option<Wildcard> {
    let wildcard = Wildcard::new(pattern);
    if wildcard.is_none() {
        let reason =
            format!("{pattern:?} is no name; use small letters, digits and `-`, and `*` only at the beginning and end");
        fields.wrong(node.line_of(&[key.to_owned()]), &join("spec.match", key), &reason);
    }
    wildcard
}

#[cfg(test)]
mod tests;
