//! The text of a denial, taken apart: which policy said what. Every message is a piece of the text as it stands there.
//!
//! Known are the ways in which Gatekeeper, Kyverno, `ValidatingAdmissionPolicy`, Kubewarden and webhooks with lists say it. What is
//! written in no known way is one message.

use serde::{Deserialize, Serialize};

/// How many messages are told apart; what comes after them is read in the text itself.
pub const MAX_ITEMS: usize = 50;

/// How much of a text is taken apart, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// The longest name of a policy, in bytes.
const MAX_NAME: usize = 128;

/// One thing that a webhook objects to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The policy or constraint, and with a slash its rule; empty when the text names none.
    #[serde(default)]
    pub policy: String,
    /// What it says.
    pub message: String,
    /// The policy set has this policy, and it says the same.
    #[serde(default)]
    pub known: bool,
}

impl Item {
    fn new(policy: &str, message: &str) -> Self {
        let is_name = |name: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ' ');
            name.len() <= MAX_NAME && name.chars().all(is_plain)
        };
        Self {
            policy: if is_name(policy) {
                policy.trim().replace(' ', "-")
            } else {
                String::new()
            },
            message: message.trim().to_owned(),
            known: false,
        }
    }
}

/// Takes a denial apart.
pub fn parse(text: &str) -> Vec<Item> {
    let text = head(text);
    let (webhook, body) = without_prefixes(text);
    let known = kyverno(body)
        .or_else(|| gatekeeper(body))
        .or_else(|| validating_policy(body))
        .or_else(|| pod_security(body))
        .or_else(|| list(body));
    let mut items = known.unwrap_or_else(|| vec![Item::new(kubewarden(webhook), body)]);
    items.retain(|item| !item.message.is_empty());
    if items.is_empty() && !text.trim().is_empty() {
        // A frame without a message in it says something all the same.
        items.push(Item::new("", text));
    }
    items.truncate(MAX_ITEMS);
    items
}

/// As much of a text as is read.
fn head(text: &str) -> &str {
    let end = text.len().min(MAX_TEXT);
    let end = (0..=end).rev().find(|&end| text.is_char_boundary(end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

/// The text behind `admission webhook "…" denied the request:`, which a webhook that asks another one, or a person who copies
/// from a terminal, has before it; and the innermost name.
fn without_prefixes(text: &str) -> (&str, &str) {
    const START: &str = "admission webhook \"";
    const END: &str = "\" denied the request: ";
    let (mut name, mut rest) = ("", text);
    for _ in 0..4 {
        let line = rest.lines().next().unwrap_or_default();
        let Some((_, after)) = line.split_once(START) else {
            break;
        };
        let Some((inner, _)) = after.split_once(END) else { break };
        let Some((_, behind)) = rest.split_once(START).and_then(|(_, after)| after.split_once(END)) else {
            break;
        };
        if behind.trim().is_empty() {
            break;
        }
        (name, rest) = (inner, behind);
    }
    (name, rest)
}

/// `clusterwide-no-latest.kubewarden.admission`: there each policy is a webhook, and its name says which.
fn kubewarden(webhook: &str) -> &str {
    let Some(name) = webhook.strip_suffix(".kubewarden.admission") else {
        return "";
    };
    name.strip_prefix("clusterwide-").unwrap_or(name)
}

/// Lines with their places in the text.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

/// Messages that begin at these places, each until the next one begins: policy, start.
fn pieces(text: &str, starts: &[(String, usize, usize)]) -> Vec<Item> {
    let ends = starts.iter().skip(1).map(|(_, line, _)| *line).chain([text.len()]);
    let piece = |((policy, _, start), end): (&(String, usize, usize), usize)| {
        Item::new(policy, text.get(*start..end).unwrap_or_default())
    };
    starts.iter().zip(ends).map(piece).collect()
}

/// `[constraint] message`, one below the other; older ones `[denied by constraint] message`.
fn gatekeeper(text: &str) -> Option<Vec<Item>> {
    let name_of = |line: &str| -> Option<(String, usize)> {
        let (name, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let name = name.strip_prefix("denied by ").unwrap_or(name);
        // What a Kubernetes object can be called, or a policy of ours.
        let is_name = !name.is_empty()
            && name.len() <= 253
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.' | b'_' | b'/'));
        (is_name && !rest.is_empty()).then(|| (name.to_owned(), line.len() - rest.len()))
    };
    let mut starts: Vec<(String, usize, usize)> = Vec::new();
    for (at, line) in lines(text) {
        match name_of(line) {
            Some((name, offset)) => starts.push((name, at, at + offset)),
            None if starts.is_empty() && !line.trim().is_empty() => starts.push((String::new(), at, at)),
            None => {}
        }
    }
    starts
        .iter()
        .any(|(name, _, _)| !name.is_empty())
        .then(|| pieces(text, &starts))
}

/// A sentence about the resource, and below it YAML: policies, their rules, the messages.
fn kyverno(text: &str) -> Option<Vec<Item>> {
    let is_header = |line: &str| {
        line.contains("was blocked due to the following policies")
            || (line.starts_with("policy ") && line.contains(" for resource "))
    };
    let mut rest = lines(text).skip_while(|(_, line)| !is_header(line)).peekable();
    rest.next()?;
    let mut policy = String::new();
    let mut rule_indent = None;
    let mut starts: Vec<(String, usize, usize)> = Vec::new();
    for (at, line) in rest {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim();
        if content.is_empty() {
            continue;
        }
        if indent == 0 {
            rule_indent = None;
            if let Some(name) = content.strip_suffix(':') {
                name.clone_into(&mut policy);
            } else {
                // Whatever is said between, or after.
                policy.clear();
                starts.push((String::new(), at, at));
            }
            continue;
        }
        let key = content.split_once(':').filter(|(key, value)| {
            !key.is_empty() && !key.contains(['\'', '"']) && (value.is_empty() || value.starts_with(' '))
        });
        if let Some((rule, value)) = key
            && !policy.is_empty()
            && rule_indent.is_none_or(|known| known == indent)
        {
            rule_indent = Some(indent);
            let start = at + indent + content.len() - value.len();
            starts.push((format!("{policy}/{rule}"), at, start));
        }
    }
    // A policy without rules, at the end of another's text, is cut off there.
    let is_known = starts.iter().any(|(policy, _, _)| !policy.is_empty());
    is_known.then(|| pieces(text, &starts).into_iter().map(unquoted).collect())
}

/// Without what YAML puts around a text, and without the name of the next policy, which stands at its end.
fn unquoted(item: Item) -> Item {
    let mut message = item.message.as_str();
    let last = message
        .rsplit_once('\n')
        .map(|(before, last)| (before.trim_end(), last));
    if let Some((before, last)) = last
        && !last.starts_with([' ', '\t'])
        && last.ends_with(':')
        && !item.policy.is_empty()
    {
        message = before;
    }
    for mark in ["|-", "|+", "|", ">-", ">+", ">"] {
        if let Some(rest) = message.strip_prefix(mark)
            && rest.starts_with('\n')
        {
            message = rest.trim();
            break;
        }
    }
    for quote in ['\'', '"'] {
        if let Some(inner) = message.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            message = inner.trim();
            break;
        }
    }
    Item {
        message: message.to_owned(),
        ..item
    }
}

/// `ValidatingAdmissionPolicy 'x' with binding 'y' denied request: …`, also several of them.
fn validating_policy(text: &str) -> Option<Vec<Item>> {
    const START: &str = "ValidatingAdmissionPolicy '";
    const DENIED: &str = " denied request: ";
    let mut starts: Vec<(String, usize, usize)> = Vec::new();
    for (at, _) in text.match_indices(START) {
        let Some((name, rest)) = text.get(at + START.len()..).and_then(|rest| rest.split_once('\'')) else {
            continue;
        };
        let end = rest.find(START).unwrap_or(rest.len());
        let Some(denied) = rest.get(..end).and_then(|rest| rest.find(DENIED)) else {
            continue;
        };
        let start = at + START.len() + name.len() + 1 + denied + DENIED.len();
        starts.push((name.to_owned(), at, start));
    }
    (!starts.is_empty()).then(|| pieces(text, &starts))
}

/// `violates PodSecurity "restricted:latest": one thing (where and what), another (…)`.
fn pod_security(text: &str) -> Option<Vec<Item>> {
    let (before, level) = text.split_once("violates PodSecurity \"")?;
    let (_, rest) = level.split_once("\": ")?;
    let mut at = text.len() - rest.len();
    let mut starts = Vec::new();
    for piece in rest.split_inclusive("), ") {
        starts.push(("PodSecurity".to_owned(), at, at));
        at += piece.len();
    }
    let tidy = |item: Item| Item {
        message: item.message.trim_end_matches(',').to_owned(),
        ..item
    };
    (!before.contains('\n')).then(|| pieces(text, &starts).into_iter().map(tidy).collect())
}

/// `- one thing` below the other, as Polaris and many webhooks of one team write it.
fn list(text: &str) -> Option<Vec<Item>> {
    let mark = |line: &str| {
        let content = line.trim_start();
        let mark = ["- ", "* ", "\u{2022} "]
            .into_iter()
            .find(|mark| content.starts_with(mark))?;
        Some(line.len() - content.len() + mark.len())
    };
    let mut starts: Vec<(String, usize, usize)> = Vec::new();
    let (mut marks, mut is_announced, mut indent) = (0, false, 0);
    for (at, line) in lines(text) {
        let depth = line.len() - line.trim_start().len();
        match mark(line) {
            Some(offset) if marks == 0 || depth <= indent => {
                indent = depth;
                marks += 1;
                starts.push((String::new(), at, at + offset));
            }
            None if line.trim().is_empty() => {}
            None if marks == 0 && line.trim_end().ends_with(':') => {
                is_announced = true;
            }
            // What stands before, between or after is said, too.
            None if marks == 0 || depth == 0 => starts.push((String::new(), at, at)),
            Some(_) | None => {}
        }
    }
    (marks >= 2 || (marks == 1 && is_announced)).then(|| pieces(text, &starts))
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
