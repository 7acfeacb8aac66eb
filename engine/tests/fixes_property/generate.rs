//! Policies and objects in combinations that nobody wrote: many policies at once with any of their parameters, and objects
//! merged with others of their kind and then tampered with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use engine::context::Context;
use engine::policy::bundle::Bundle;
use engine::policy::settings::{Override, Settings};
use engine::verdict::Action;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::library;
use crate::mutate::mutated;
use crate::support::fixes::{HELD_OUT, TUNED, load};

/// Objects for each set of policies: to compile one costs more than to evaluate it.
const OBJECTS: usize = 8;

/// Policies of a kind at once, at most.
const MOST: usize = 24;

/// Where the policies and the objects come from.
pub(crate) struct Corpus {
    policies: Vec<Policy>,
    subjects: Vec<Subject>,
}

struct Policy {
    name: String,
    /// Its id in the library; templates have their parameters in their constraints.
    library: bool,
    /// Of one name there is one in a set.
    unique: String,
    files: Vec<(String, String)>,
    parameters: Vec<BTreeMap<String, Value>>,
    /// What it was written for.
    subjects: Vec<usize>,
}

struct Subject {
    kind: String,
    review: Value,
    context: Context,
}

/// Policies, and reviews for them.
pub(crate) struct Round {
    pub(crate) policies: Vec<String>,
    pub(crate) bundle: Bundle,
    pub(crate) context: Context,
    pub(crate) reviews: Vec<Value>,
}

impl Corpus {
    pub(crate) fn read() -> Self {
        let mut corpus = Self {
            policies: Vec::new(),
            subjects: Vec::new(),
        };
        corpus.library();
        corpus.templates();
        corpus.recorded();
        corpus
    }

    fn library(&mut self) {
        for library::Policy { id, text, cases } in library::load() {
            let mut policy = Policy {
                library: true,
                unique: id.clone(),
                files: vec![(format!("{id}/policy.rego"), text)],
                parameters: vec![BTreeMap::new()],
                subjects: Vec::new(),
                name: id,
            };
            for (_, case) in cases {
                if !policy.parameters.contains(&case.parameters) {
                    policy.parameters.push(case.parameters.clone());
                }
                for variant in case.variants().unwrap() {
                    policy
                        .subjects
                        .push(self.subject(variant.review_json(), case.context()));
                }
            }
            self.policies.push(policy);
        }
    }

    fn templates(&mut self) {
        for policy in [TUNED, HELD_OUT].into_iter().flat_map(|half| load(half).unwrap()) {
            let files = policy.files();
            let template: Value = serde_saphyr::from_str(&files[0].1).unwrap();
            let subjects = policy.cases.iter().map(|denied| {
                let review = serde_json::from_slice(&denied.review_bytes(&denied.object)).unwrap();
                self.subject(review, denied.context())
            });
            let subjects = subjects.collect();
            self.policies.push(Policy {
                library: false,
                unique: template["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                files: files.to_vec(),
                parameters: vec![BTreeMap::new()],
                subjects,
                name: policy.name,
            });
        }
    }

    /// What an API server really sent.
    fn recorded(&mut self) {
        for file in library::sorted(&repository().join("wasm-tests/fixtures/admission-reviews")) {
            if file.extension().is_some_and(|extension| extension == "json") {
                let review = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
                self.subject(review, Context::default());
            }
        }
    }

    fn subject(&mut self, review: Value, context: Context) -> usize {
        self.subjects.push(Subject {
            kind: review["request"]["kind"]["kind"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            review,
            context,
        });
        self.subjects.len() - 1
    }

    /// The library's policies, for a bundle.
    pub(crate) fn library_files(&self) -> Vec<(String, String)> {
        let library = self.policies.iter().filter(|policy| policy.library);
        library.flat_map(|policy| policy.files.clone()).collect()
    }

    /// The same seed gives the same round.
    pub(crate) fn round(&self, seed: u64) -> Round {
        let mut random = Rng::with_seed(seed);
        let chosen = self.chosen(&mut random);
        let mut settings = Settings {
            excluded_namespaces: Vec::new(),
            ..Settings::default()
        };
        let mut files = Vec::new();
        for policy in &chosen {
            files.extend(policy.files.iter().cloned());
            if policy.library {
                let action = [Action::Deny, Action::Deny, Action::Deny, Action::Warn];
                let own = Override {
                    enabled: Some(true),
                    action: Some(one(&mut random, &action).to_owned().into()),
                    parameters: one(&mut random, &policy.parameters).clone(),
                    ..Override::default()
                };
                settings.policies.insert(policy.name.clone(), own);
            }
        }
        let written: Vec<&Subject> = chosen
            .iter()
            .flat_map(|policy| &policy.subjects)
            .map(|place| &self.subjects[*place])
            .collect();
        let base: Vec<&Subject> = (0..OBJECTS).map(|_| *one(&mut random, &written)).collect();
        Round {
            policies: chosen.iter().map(|policy| policy.name.clone()).collect(),
            bundle: Bundle::new(settings, files),
            context: contexts(&base),
            reviews: base.iter().map(|subject| self.review(&mut random, subject)).collect(),
        }
    }

    fn chosen(&self, random: &mut Rng) -> Vec<&Policy> {
        let with_subjects: Vec<&Policy> = self
            .policies
            .iter()
            .filter(|policy| !policy.subjects.is_empty())
            .collect();
        let (library, templates): (Vec<&Policy>, Vec<&Policy>) =
            with_subjects.iter().partition(|policy| policy.library);
        let mut chosen = match random.u32(0..8) {
            0..=2 => some(random, &library, 14),
            3..=4 => some(random, &templates, 6),
            5..=6 => [some(random, &library, 8), some(random, &templates, 4)].concat(),
            // Everything that is for one kind.
            _ => {
                let of = one(random, &with_subjects);
                let kind = &self.subjects[of.subjects[0]].kind;
                let all: Vec<&Policy> = with_subjects
                    .iter()
                    .filter(|policy| policy.subjects.iter().any(|place| self.subjects[*place].kind == *kind))
                    .copied()
                    .collect();
                some_of(random, &all, all.len().min(MOST))
            }
        };
        let mut names = BTreeSet::new();
        chosen.retain(|policy| names.insert(&policy.unique));
        chosen
    }

    /// The subject's review, merged with others of its kind and tampered with.
    fn review(&self, random: &mut Rng, subject: &Subject) -> Value {
        let mut review = subject.review.clone();
        if random.u32(0..2) == 0 {
            let same: Vec<&Subject> = self
                .subjects
                .iter()
                .filter(|other| other.kind == subject.kind && other.review["request"]["object"].is_object())
                .collect();
            if !same.is_empty() {
                let other = one(random, &same).review["request"]["object"].clone();
                let identity = ["name", "namespace"].map(|name| {
                    let value = review["request"]["object"]["metadata"].get(name).cloned();
                    (name, value)
                });
                merge(random, &mut review["request"]["object"], &other);
                for (name, value) in identity {
                    if let (Some(value), Some(place)) = (value, review["request"]["object"].get_mut("metadata")) {
                        place[name] = value;
                    }
                }
            }
        }
        if random.u32(0..3) == 0 {
            labels(random, &mut review["request"]["object"]);
        }
        if random.u32(0..4) == 0 {
            more_containers(random, &mut review["request"]["object"]);
        }
        let request = &review["request"];
        if random.u32(0..8) == 0 && request["operation"] == "CREATE" && request["object"].is_object() {
            review["request"]["oldObject"] = subject.review["request"]["object"].clone();
            review["request"]["operation"] = json!("UPDATE");
        }
        match random.u32(0..3) {
            0 => review,
            1 => mutated(random, &review, 1, &["request/object"]),
            _ => mutated(
                random,
                &review,
                4,
                &["request/object", "request/object", "request/oldObject"],
            ),
        }
    }
}

/// What the policies know of the cluster: everything that they were written with.
fn contexts(subjects: &[&Subject]) -> Context {
    let mut all = Context::default();
    for subject in subjects {
        all.namespaces.extend(subject.context.namespaces.clone());
        if !subject.context.inventory.is_null() {
            unite(&mut all.inventory, &subject.context.inventory);
        }
    }
    all
}

fn unite(into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                unite(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, other) => *into = other.clone(),
    }
}

/// Members of both; elements of both, or of one.
fn merge(random: &mut Rng, into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                match into.get_mut(key) {
                    Some(mine) => merge(random, mine, value),
                    None if random.u32(0..4) > 0 => {
                        into.insert(key.clone(), value.clone());
                    }
                    None => {}
                }
            }
        }
        (Value::Array(into), Value::Array(other)) if random.bool() => into.extend(other.iter().cloned()),
        (Value::Array(into), Value::Array(other)) => {
            for (mine, value) in into.iter_mut().zip(other) {
                merge(random, mine, value);
            }
        }
        (into, other) => {
            if random.u32(0..3) == 0 {
                *into = other.clone();
            }
        }
    }
}

fn labels(random: &mut Rng, object: &mut Value) {
    const NAMES: [&str; 8] = [
        "app",
        "app.kubernetes.io/name",
        "team",
        "owner",
        "env",
        "tier",
        "cost-center",
        "a~b/c.d",
    ];
    const VALUES: [&str; 8] = ["web", "prod", "UPPER", "", "gold", "x_y", "1", "é"];
    let places = ["/metadata", "/spec/template/metadata", "/spec/selector"];
    let Some(Value::Object(place)) = object.pointer_mut(one::<&str>(random, &places)) else {
        return;
    };
    let member = *one(random, &["labels", "annotations", "matchLabels"]);
    if random.u32(0..6) == 0 {
        place.remove(member);
        return;
    }
    let held = place.entry(member).or_insert_with(|| json!({}));
    for _ in 0..random.usize(1..4) {
        if let Value::Object(held) = held {
            held.insert((*one(random, &NAMES)).to_owned(), json!(one(random, &VALUES)));
        }
    }
}

/// Containers as they are, under another name.
fn more_containers(random: &mut Rng, object: &mut Value) {
    let pod = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let Some(pod) = pod.into_iter().find(|place| {
        let place = format!("{place}/containers");
        object.pointer(&place).is_some()
    }) else {
        return;
    };
    let Some(pod) = object.pointer_mut(pod) else { return };
    let Some(first) = pod.pointer("/containers/0").cloned().filter(Value::is_object) else {
        return;
    };
    let list = *one(random, &["containers", "containers", "initContainers"]);
    if !pod[list].is_array() {
        pod[list] = json!([]);
    }
    if let Value::Array(items) = &mut pod[list] {
        for number in 0..random.usize(1..5) {
            let mut copy = first.clone();
            copy["name"] = json!(format!("more-{number}"));
            items.insert(random.usize(0..=items.len()), copy);
        }
    }
}

fn one<'a, T>(random: &mut Rng, items: &'a [T]) -> &'a T {
    &items[random.usize(0..items.len())]
}

/// One to so many.
fn some<'a>(random: &mut Rng, items: &[&'a Policy], most: usize) -> Vec<&'a Policy> {
    let count = random.usize(1..=most);
    some_of(random, items, count)
}

fn some_of<'a>(random: &mut Rng, items: &[&'a Policy], count: usize) -> Vec<&'a Policy> {
    let mut items = items.to_vec();
    random.shuffle(&mut items);
    items.truncate(count);
    items
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
