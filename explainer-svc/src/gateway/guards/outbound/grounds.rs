//! What an explanation may rest on, and whether it does.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use engine::explain::wire::{ExplainRequest, GroupVersionKind};
use engine::schema::{Form, Type};
use engine::verdict::Action;
use regex::Regex;
use serde_json::Value;

use super::founded::{learn, unfounded};
use super::said::{sentences, words};
use super::untrusted::{rows_of, shingles, texts};
use super::urged::Advice;
use crate::gateway::guards::injection::{Place, Verdict, detect};
use crate::gateway::guards::pattern::fixed;
use crate::gateway::guards::projection::{self, Projected};

/// The facts of one denial, as its explanation is checked against them.
#[derive(Debug, Clone)]
pub struct Explained {
    policies: BTreeSet<String>,
    denying: BTreeSet<String>,
    found: BTreeSet<String>,
    paths: BTreeSet<String>,
    names: BTreeSet<String>,
    kind: Option<Type>,
    links: BTreeSet<String>,
    authored: String,
    authored_words: String,
    facts: String,
    /// The stems of what the facts speak of.
    known: BTreeSet<String>,
    untrusted: BTreeSet<String>,
    pub(super) object: Option<Value>,
    only_change: bool,
    advice: Advice,
}

impl Explained {
    /// The grounds of a decision: what was sent about it, and, when the caller has it, the object for the paths in it.
    pub fn new(request: &ExplainRequest, projected: &Projected, object: Option<&Value>) -> Self {
        let mut authored = String::new();
        let mut links = BTreeSet::new();
        let mut found = BTreeSet::new();
        for violation in &request.violations {
            for text in [
                &violation.title,
                &violation.why,
                &violation.remediation,
                &violation.example,
            ] {
                // Nobody's words count when they instruct a model.
                if detect(text, Place::Policy).verdict < Verdict::Sure {
                    authored.push_str(text);
                    authored.push('\n');
                }
            }
            links.extend(violation.links.iter().map(|link| link.reference.clone()));
            found.extend(violation.found.iter().map(|found| found.path.clone()));
        }
        links.extend(addresses(&authored));
        if let Some(fix) = &request.fix {
            authored.push_str(&fix.kubectl);
        }
        let mut paths = BTreeSet::new();
        let mut add = |path: &str| {
            let mut path = path;
            while !path.is_empty() && paths.insert(path.to_owned()) {
                path = path.rsplit_once('/').map_or("", |(above, _)| above);
            }
        };
        for path in &found {
            add(path);
        }
        for path in &projected.record.sent {
            add(path);
        }
        if let Some(object) = object {
            projection::leaves("", object, &mut add);
        }
        for operation in request.fix.iter().filter_map(|fix| fix.patch.as_array()).flatten() {
            operation
                .get("path")
                .and_then(Value::as_str)
                .into_iter()
                .for_each(&mut add);
        }
        let kind = type_of(&request.review.kind);
        let mut names: BTreeSet<String> = paths
            .iter()
            .flat_map(|path| path.split('/'))
            .map(str::to_lowercase)
            .collect();
        let mut seen = BTreeSet::new();
        if let Some(kind) = kind {
            field_names(kind, &mut names, &mut seen);
        }
        let mut facts = String::new();
        let mut known = BTreeSet::new();
        texts(&projected.facts, &mut |text| {
            // What instructs is nothing to rest on.
            if detect(text, Place::Prose).verdict < Verdict::Sure {
                learn(&mut known, text);
                facts.push_str(text);
                facts.push('\n');
            }
        });
        let facts = format!("{facts}{}", links.iter().cloned().collect::<Vec<_>>().join("\n")).to_lowercase();
        let authored_words = words(&authored);
        let untrusted = rows_of(request, object, &authored_words);
        let advice = Advice::new(request, &authored);
        let by_action = |is: fn(Action) -> bool| {
            request
                .violations
                .iter()
                .filter(move |violation| is(violation.action))
                .map(|violation| violation.policy.clone())
        };
        Self {
            policies: by_action(|_| true).collect(),
            denying: by_action(|action| action == Action::Deny).collect(),
            found,
            paths,
            names,
            kind,
            links,
            authored,
            authored_words,
            facts,
            known,
            untrusted,
            object: object.cloned(),
            only_change: false,
            advice,
        }
    }

    /// Of the answer only a change is used: whatever words it has are never shown, so nothing is asked of them.
    #[must_use]
    pub fn only_change(self) -> Self {
        Self {
            only_change: true,
            ..self
        }
    }

    pub(super) fn is_only_change(&self) -> bool {
        self.only_change
    }

    /// Also wary of what stands in this decision: a model that was sent less of it may have it from elsewhere.
    #[must_use]
    pub fn wary_of(mut self, request: &ExplainRequest, object: Option<&Value>) -> Self {
        let more = rows_of(request, object, &self.authored_words);
        self.untrusted.extend(more);
        self
    }

    pub(super) fn advice(&self) -> &Advice {
        &self.advice
    }

    pub(super) fn authored(&self) -> &str {
        &self.authored
    }

    pub(super) fn authored_words(&self) -> &str {
        &self.authored_words
    }

    pub(super) fn has_link(&self, address: &str) -> bool {
        let trim = |address: &str| {
            address
                .trim_end_matches(['.', ',', ';', ':', '!', '?', '/', ')', '*', '_'])
                .to_owned()
        };
        let address = trim(address);
        self.links.iter().any(|link| trim(link) == address)
    }

    pub(super) fn has_command(&self, command: &str) -> bool {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let command = plain(command.trim_end_matches(['.', ',', ';', ':']));
        plain(&self.authored).contains(&command)
    }

    /// Whether the facts have this text between edges of words.
    pub(super) fn has_word(&self, text: &str) -> bool {
        let text = text.trim().to_lowercase();
        let is_edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
        !text.is_empty()
            && self.facts.match_indices(&text).any(|(at, found)| {
                is_edge(self.facts.get(..at).and_then(|before| before.chars().next_back()))
                    && is_edge(
                        self.facts
                            .get(at + found.len()..)
                            .and_then(|after| after.chars().next()),
                    )
            })
    }

    /// Whether this is a path in the object, or one that its kind has.
    pub(super) fn is_path(&self, written: &str) -> bool {
        let pointer = as_pointer(written);
        if self.paths.contains(&pointer) {
            return true;
        }
        // Below `spec.containers[]`, as people write it: without an index.
        let plain = |path: &str| {
            path.split('/')
                .filter(|step| step.parse::<usize>().is_err() && *step != "*")
                .collect::<Vec<_>>()
                .join("/")
        };
        let has_index = pointer.split('/').any(|step| step.parse::<usize>().is_ok());
        let short = plain(&pointer);
        if !has_index
            && self
                .paths
                .iter()
                .any(|path| plain(path).ends_with(&short) || plain(path).contains(&format!("{short}/")))
        {
            return true;
        }
        let of_kind = self.kind.is_some_and(|kind| {
            let steps: Vec<&str> = pointer.split('/').skip(1).collect();
            let known = |index: &usize| {
                self.paths.contains(&format!(
                    "/{}",
                    steps.iter().take(index + 1).copied().collect::<Vec<_>>().join("/")
                ))
            };
            let are_indexes_known = steps
                .iter()
                .enumerate()
                .filter(|(_, step)| step.parse::<usize>().is_ok())
                .all(|(index, _)| known(&index));
            are_indexes_known && kind.at(&steps).is_some()
        });
        // `securityContext.privileged`: the end of a path, of names that the kind has.
        let is_tail = || {
            !written.starts_with('/')
                && !has_index
                && pointer
                    .split('/')
                    .skip(1)
                    .all(|step| self.names.contains(&step.to_lowercase()))
        };
        of_kind || is_tail()
    }

    /// Whether an operation may name this path: it is there, or one step below something that is.
    pub(super) fn may_change(&self, path: &str, is_new: bool) -> bool {
        if self.paths.contains(path)
            && self
                .object
                .as_ref()
                .is_none_or(|object| is_new || object.pointer(path).is_some())
        {
            return true;
        }
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if is_new && (parent.is_empty() || self.paths.contains(parent)) {
                let is_asked_for = self
                    .found
                    .iter()
                    .any(|found| found.starts_with(path) || path.starts_with(found.as_str()));
                return is_asked_for || self.kind.is_some_and(|kind| kind.at_pointer(path).is_some());
            }
            // An element of a list that is not there has no fields.
            if parent
                .rsplit('/')
                .next()
                .is_some_and(|step| step.parse::<usize>().is_ok())
            {
                return false;
            }
            above = parent;
        }
        false
    }

    /// The policies and fields that an answer names are those of the denial, and the ones that deny are among them.
    pub(super) fn ungrounded_names(&self, policies: &[&str], fields: &[&str]) -> Option<String> {
        let named: BTreeSet<&str> = policies.iter().copied().collect();
        if let Some(policy) = named.iter().find(|policy| !self.policies.contains(**policy)) {
            return Some(format!("the policy {policy} did not object"));
        }
        if let Some(policy) = self.denying.iter().find(|policy| !named.contains(policy.as_str())) {
            return Some(format!("the policy {policy} is not named"));
        }
        if let Some(field) = fields
            .iter()
            .find(|field| !self.found.contains(**field) && !self.is_near(field))
        {
            return Some(format!("no violation is about {field}"));
        }
        if !self.found.is_empty()
            && !fields
                .iter()
                .any(|field| self.found.contains(*field) || self.is_near(field))
        {
            return Some("no violated field is named".to_owned());
        }
        None
    }

    /// What a violated field is in, or what is in it and exists.
    fn is_near(&self, field: &str) -> bool {
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        self.paths.contains(field)
            && self
                .found
                .iter()
                .any(|found| within(found, field) || within(field, found))
    }

    /// A name, path or value in the text that nothing here has. `own` is what the answer's change says: the engine judges it.
    pub(super) fn invented(&self, text: &str, own: &str) -> Option<String> {
        static CODE: LazyLock<Regex> = LazyLock::new(|| fixed(r#"`([^`\n]+)`|"([^"\n]{2,80})"|“([^”\n]{2,80})”"#));
        static NAMES: LazyLock<Regex> = LazyLock::new(|| {
            fixed(
                r"/?[\pL\pN_][\pL\pN_~-]*(?:[./:@=\[\]][\pL\pN_~*-]+\]?)+|\b\pL*[a-z][A-Z]\pL*\b|\b\d[\d.,]*(?:[a-zA-Z]{1,3}|%)?\b",
            )
        });
        let is_known = |name: &str| self.is_known(name) || (!own.is_empty() && own.contains(name));
        let quoted = CODE
            .captures_iter(text)
            .filter_map(|captures| captures.iter().skip(1).flatten().next());
        for name in quoted.map(|quoted| quoted.as_str()) {
            let mut parts = name.split(|character: char| character.is_whitespace() || "{},\"'".contains(character));
            if !is_known(name) && !parts.all(|part| is_known(part.trim_end_matches(':'))) {
                return Some(name.to_owned());
            }
        }
        NAMES
            .find_iter(text)
            .map(|name| name.as_str().trim_end_matches(['.', ',', ':', ';']))
            .find(|name| !is_known(name) && !name.split(['=', ':']).all(is_known))
            .map(str::to_owned)
    }

    fn is_known(&self, name: &str) -> bool {
        const WORDS: [&str; 22] = [
            "true",
            "false",
            "null",
            "yaml",
            "json",
            "kubernetes",
            "node",
            "container",
            "pod",
            "i.e",
            "e.g",
            "and/or",
            "read/write",
            "read-only",
            "cpu/memory",
            "tcp/ip",
            "ci/cd",
            "kubectl",
            "configmap",
            "replicaset",
            "statefulset",
            "daemonset",
        ];
        let small = name.trim().to_lowercase();
        let is_small_number = small.parse::<u32>().is_ok_and(|number| number <= 10);
        small.is_empty()
            || is_small_number
            || WORDS.contains(&small.as_str())
            || self.names.contains(&small)
            || self.has_word(&small)
            || self.is_path(name.trim())
    }

    /// Words of a sentence that the facts do not have, when they are too many: it speaks of something else.
    pub(super) fn unfounded(&self, text: &str) -> Option<String> {
        let text = ADDRESS.replace_all(text, " ");
        let new = sentences(&text).find_map(|sentence| unfounded(sentence, &self.known))?;
        Some(format!("the facts have nothing of: {}", new.join(" ")))
    }

    /// Words of an untrusted text, in a row.
    pub(super) fn repeated(&self, text: &str) -> Option<String> {
        if self.untrusted.is_empty() {
            return None;
        }
        shingles(&words(text)).find(|shingle| self.untrusted.contains(shingle))
    }
}

fn type_of(kind: &GroupVersionKind) -> Option<Type> {
    Type::of_kind(&kind.group, &kind.version, &kind.kind)
}

fn field_names(of: Type, names: &mut BTreeSet<String>, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(of.name()) {
        return;
    }
    for (name, field) in of.fields() {
        names.insert(name.to_lowercase());
        let mut form = field.form();
        while let Form::List(inner) | Form::Map(inner) = form {
            form = inner.form();
        }
        if let Form::Object(inner) = form {
            field_names(inner, names, seen);
        }
    }
}

/// `spec.containers[0].image` as a JSON pointer.
fn as_pointer(written: &str) -> String {
    if written.starts_with('/') {
        return written.trim_end_matches('/').to_owned();
    }
    let steps = written
        .trim_start_matches('.')
        .replace(['[', '.'], "/")
        .replace(']', "");
    format!("/{}", steps.trim_matches('/'))
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| fixed(r#"\bhttps?://[^\s<>"'`)\]]+"#));

fn addresses(text: &str) -> impl Iterator<Item = String> {
    ADDRESS.find_iter(text).map(|found| found.as_str().to_owned())
}
