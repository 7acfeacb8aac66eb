//! What policies can know beside the review: namespaces and the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::policy::matching::Glob;

/// What policies know of the cluster: `data.context`, and `data.inventory`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// By name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The cluster.
    pub cluster: Cluster,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub teams: BTreeMap<String, Team>,
    /// Objects of the cluster, as Gatekeeper has them: `cluster[apiVersion][kind][name]` and
    /// `namespace[namespace][apiVersion][kind][name]`.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub inventory: serde_json::Value,
}

/// Who owns namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Team {
    /// Their names, or globs over them.
    pub namespaces: Vec<String>,
    /// Where to reach the team.
    pub contact: String,
}

/// What a namespace says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Namespace {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The cluster that the request was made to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// For example `production`.
    pub environment: String,
}

impl Context {
    /// `data.context`: all but the inventory, which is a document of its own.
    pub fn document(&self) -> Document {
        // Maps with string keys always serialise.
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = json.as_object_mut() {
            members.remove("inventory");
            members
                .entry("teams")
                .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
        }
        Document::from(json)
    }

    /// The team that owns a namespace: who names it exactly, else the first whose pattern covers it.
    pub fn team_of(&self, namespace: &str) -> Option<&str> {
        let exact = |team: &Team| team.namespaces.iter().any(|name| name == namespace);
        let covers = |pattern: &String| Glob::new(pattern).is_ok_and(|glob| glob.matches(namespace));
        let by_pattern = |team: &Team| team.namespaces.iter().any(covers);
        let find = |fits: &dyn Fn(&Team) -> bool| self.teams.iter().find(|(_, team)| fits(team));
        find(&exact)
            .or_else(|| find(&by_pattern))
            .map(|(name, _)| name.as_str())
    }
}
