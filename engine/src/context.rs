//! What policies can know beside the review: namespaces and the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::Document;

/// Namespaces and the cluster, as evaluation sees them (`data.context`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// By name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The cluster.
    pub cluster: Cluster,
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
    /// As policies see it.
    pub fn document(&self) -> Document {
        // Maps with string keys always serialise.
        Document::from(serde_json::to_value(self).unwrap_or_default())
    }
}
