//! The corpus of fixes: templates as platform teams write them, denied objects, and the change that a good engineer would make.
//! `../fixes/README.md` has the format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::admission::{Operation, Review};
use engine::cases::{Case, Expect, Expectation};
use engine::context::{Context, Namespace};
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings;
use engine::policy::{self, compile};
use serde::Deserialize;
use serde_json::Value;

/// A search may be tuned on these.
pub(crate) const TUNED: &str = "tuned";
/// Nobody tunes on these.
pub(crate) const HELD_OUT: &str = "held-out";

/// A folder: a template with its constraints, and objects that they deny.
pub(crate) struct Policy {
    /// `tuned/required-labels`.
    pub(crate) name: String,
    /// In the file's order.
    pub(crate) cases: Vec<Denied>,
    template: String,
    constraints: String,
}

/// An object that is denied, and what to do about it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Denied {
    /// What is wrong with it.
    pub(crate) name: String,
    /// For DELETE the old one.
    pub(crate) object: Value,
    /// CREATE unless said otherwise.
    #[serde(default)]
    pub(crate) operation: Option<Operation>,
    /// For UPDATE.
    #[serde(default)]
    pub(crate) old_object: Value,
    /// For example `ephemeralcontainers`.
    #[serde(default)]
    pub(crate) sub_resource: String,
    /// Who asks.
    #[serde(default)]
    pub(crate) user_info: Value,
    /// The object's namespace.
    #[serde(default)]
    pub(crate) namespace: Option<Namespace>,
    /// `data.inventory`.
    #[serde(default)]
    pub(crate) inventory: Value,
    /// What is right.
    pub(crate) fix: Expectation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeniedFile {
    cases: Vec<Denied>,
}

/// All folders of one half, in the order of their names; or every reason why that cannot be.
pub(crate) fn load(half: &str) -> Result<Vec<Policy>, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixes").join(half);
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut problems = Vec::new();
    let mut policies = Vec::new();
    for folder in folders {
        match Policy::read(half, &folder) {
            Ok(policy) => policies.push(policy),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(policies)
    } else {
        Err(problems)
    }
}

impl Policy {
    fn read(half: &str, folder: &Path) -> Result<Self, String> {
        let name = format!("{half}/{}", folder.file_name().unwrap().to_str().unwrap());
        let text = |file: &str| {
            fs::read_to_string(folder.join(file)).map_err(|error| format!("{name}/{file} cannot be read: {error}"))
        };
        let cases = serde_saphyr::from_str::<DeniedFile>(&text("cases.yaml")?)
            .map_err(|error| format!("{name}/cases.yaml: {error}"))?
            .cases;
        Ok(Self {
            cases,
            template: text("template.yaml")?,
            constraints: text("constraint.yaml")?,
            name,
        })
    }

    /// The template and its constraints alone, in the cluster as the case has it.
    pub(crate) fn policy_set(&self, denied: &Denied) -> Result<PolicySet, String> {
        let settings = Settings {
            excluded_namespaces: Vec::new(),
            ..Settings::default()
        };
        let bundle = Bundle::new(settings, self.files());
        compile::compile(&bundle, denied.context()).map_err(|problems| policy::list(&problems))
    }

    /// The template and its constraints.
    pub(crate) fn files(&self) -> [(String, String); 2] {
        [
            (format!("{}/template.yaml", self.name), self.template.clone()),
            (format!("{}/constraint.yaml", self.name), self.constraints.clone()),
        ]
    }
}

impl Denied {
    /// The review with this object in the place of the denied one.
    pub(crate) fn review(&self, object: &Value) -> Review {
        Review::parse(&self.review_bytes(object)).unwrap()
    }

    /// The same as the API server would send it.
    pub(crate) fn review_bytes(&self, object: &Value) -> Vec<u8> {
        let case = self.case(object);
        case.variants().unwrap()[0].review_bytes()
    }

    /// The cluster as the case has it.
    pub(crate) fn context(&self) -> Context {
        Context {
            inventory: self.inventory.clone(),
            ..self.case(&self.object).context()
        }
    }

    fn case(&self, object: &Value) -> Case {
        Case {
            name: self.name.clone(),
            object: object.clone(),
            kinds: Vec::new(),
            operation: self.operation,
            old_object: self.old_object.clone(),
            sub_resource: self.sub_resource.clone(),
            user_info: self.user_info.clone(),
            parameters: BTreeMap::new(),
            namespace: self.namespace.clone(),
            expect: Expect::Deny,
            violations: None,
            fixed: None,
            fix: None,
        }
    }
}
