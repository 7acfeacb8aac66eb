//! Label selectors, as Kubernetes has them.

use std::fmt;

use super::fields::{Fields, join};
use super::yaml::Node;
use crate::rego::value::Value;

/// The labels of an object, where they are: a map of texts, or nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Labels<'a>(pub Option<&'a Value>);

impl<'a> Labels<'a> {
    fn get(self, key: &str) -> Option<&'a str> {
        self.0?.member(key)?.as_str()
    }
}

/// A label selector, checked. All requirements have to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Requirement {
    fn is_met(&self, labels: Labels<'_>) -> bool {
        let value = labels.get(&self.key);
        let is_in = || value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        match self.operator {
            Operator::In => is_in(),
            // A missing label is not in the list.
            Operator::NotIn => !is_in(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|requirement| {
            let Requirement { key, operator, values } = requirement;
            match (operator, values.as_slice()) {
                (Operator::In, [value]) => format!("{key}={value}"),
                (Operator::In, values) => format!("{key} in ({})", values.join(", ")),
                (Operator::NotIn, values) => format!("{key} notin ({})", values.join(", ")),
                (Operator::Exists, _) => key.clone(),
                (Operator::DoesNotExist, _) => format!("!{key}"),
            }
        });
        // As kubectl writes selectors.
        out.write_str(&words.collect::<Vec<_>>().join(", "))
    }
}

impl Selector {
    /// Whether labels are selected. A selector that asks for nothing selects everything.
    pub(super) fn matches(&self, labels: Labels<'_>) -> bool {
        self.0.iter().all(|requirement| requirement.is_met(labels))
    }

    /// Reads a member that is a selector; `None` when it is absent.
    pub(super) fn read(fields: &mut Fields<'_>, node: &Node, field: &str, key: &str) -> Option<Self> {
        let selector = fields.object(node, field, key, &["matchLabels", "matchExpressions"])?;
        let field = join(field, key);
        let mut requirements = Vec::new();
        if selector.get("matchLabels").is_some() {
            let labels = selector.get("matchLabels")?;
            let names: Vec<&str> = labels.members().iter().map(|member| member.key.as_str()).collect();
            fields.object(selector, &field, "matchLabels", &names);
            for member in labels.members() {
                let field = format!("{field}.matchLabels");
                check_key(fields, member.line, &join(&field, &member.key), &member.key);
                let Some(value) = fields.text(labels, &field, &member.key) else {
                    continue;
                };
                check_value(fields, member.line, &join(&field, &member.key), value);
                requirements.push(Requirement {
                    key: member.key.clone(),
                    operator: Operator::In,
                    values: vec![value.to_owned()],
                });
            }
        }
        for (place, node) in fields.list(selector, &field, "matchExpressions").iter().enumerate() {
            let field = format!("{field}.matchExpressions[{place}]");
            requirements.extend(requirement(fields, node, &field));
        }
        Some(Self(requirements))
    }
}

fn requirement(fields: &mut Fields<'_>, node: &Node, field: &str) -> Option<Requirement> {
    fields.known(node, field, &["key", "operator", "values"]);
    let key = fields.text(node, field, "key").unwrap_or_default().to_owned();
    check_key(fields, node.line, &join(field, "key"), &key);
    let values = fields.texts(node, field, "values");
    let operator = match fields.text(node, field, "operator") {
        Some("In") => Operator::In,
        Some("NotIn") => Operator::NotIn,
        Some("Exists") => Operator::Exists,
        Some("DoesNotExist") => Operator::DoesNotExist,
        other => {
            let reason = format!(
                "{:?} is none of In, NotIn, Exists and DoesNotExist",
                other.unwrap_or_default()
            );
            fields.wrong(node.line, &join(field, "operator"), &reason);
            return None;
        }
    };
    let needs_values = matches!(operator, Operator::In | Operator::NotIn);
    if needs_values == values.is_empty() {
        let reason = if needs_values {
            format!("{operator:?} needs at least one value")
        } else {
            format!("{operator:?} takes no values; remove them")
        };
        fields.wrong(node.line, &join(field, "values"), &reason);
    }
    for value in &values {
        check_value(fields, node.line, &join(field, "values"), value);
    }
    Some(Requirement { key, operator, values })
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().copied().all(fits)
}

/// Names of DNS, as most names in Kubernetes are.
pub(super) fn is_subdomain(text: &str) -> bool {
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.bytes().all(fits)
    };
    text.len() <= 253 && text.split('.').all(is_part)
}

fn check_key(fields: &mut Fields<'_>, line: usize, field: &str, key: &str) {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_name(name) || !prefix.is_none_or(is_subdomain) {
        let reason = format!("{key:?} is no name of a label; write `name` or `example.com/name`");
        fields.wrong(line, field, &reason);
    }
}

fn check_value(fields: &mut Fields<'_>, line: usize, field: &str, value: &str) {
    if !value.is_empty() && !is_name(value) {
        let reason = format!("{value:?} is no value of a label; use up to 63 letters, digits, `-`, `_` and `.`");
        fields.wrong(line, field, &reason);
    }
}
