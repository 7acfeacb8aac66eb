//! `policy-set.yaml`: what applies to the whole set, and overrides by policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Problem, matching::Glob};
use crate::verdict::Action;

/// What a policy that cannot be evaluated leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureMode {
    /// The request is refused: nobody knows whether it may pass.
    #[default]
    Deny,
    /// The request passes with a warning.
    Allow,
}

/// What the policy set has a policy do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It refuses.
    Deny,
    /// It warns.
    Warn,
    /// It is recorded.
    Audit,
    /// Nothing, at admission: another webhook enforces it, whose denials it explains.
    Explain,
}

impl Enforcement {
    /// What a violation leads to; of a policy that only explains, once its webhook has denied.
    pub fn action(self) -> Action {
        match self {
            Self::Deny | Self::Explain => Action::Deny,
            Self::Warn => Action::Warn,
            Self::Audit => Action::Audit,
        }
    }
}

impl From<Action> for Enforcement {
    fn from(action: Action) -> Self {
        match action {
            Action::Deny => Self::Deny,
            Action::Warn => Self::Warn,
            Action::Audit => Self::Audit,
        }
    }
}

/// The settings of a policy set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// `whynot.dev/v1`.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// `PolicySet`.
    #[serde(default = "kind")]
    pub kind: String,
    /// For policies that have no mode of their own.
    #[serde(default)]
    pub failure_mode: FailureMode,
    /// Namespaces that no policy concerns, as globs. kube-system unless said otherwise: what the cluster needs to start must not
    /// wait for a webhook that needs the cluster.
    #[serde(default = "excluded_namespaces")]
    pub excluded_namespaces: Vec<String>,
    /// The kinds of objects that policies read in `data.inventory`, as `GROUP/VERSION/KIND`: what the explainer has to watch. The
    /// filter does nothing with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<String>,
    /// By id, or by a glob over ids. The more specific entry (the longer pattern) wins, field by field.
    #[serde(default)]
    pub policies: BTreeMap<String, Override>,
}

/// What the policy set says about a policy, over what the policy says about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Off when false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What a violation leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Enforcement>,
    /// What a failure leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<FailureMode>,
    /// Replace the policy's own, name by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, serde_json::Value>,
}

fn api_version() -> String {
    crate::explain::wire::API_VERSION.to_owned()
}

fn kind() -> String {
    "PolicySet".to_owned()
}

fn excluded_namespaces() -> Vec<String> {
    vec!["kube-system".to_owned()]
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_version: api_version(),
            kind: kind(),
            failure_mode: FailureMode::default(),
            excluded_namespaces: excluded_namespaces(),
            inventory: Vec::new(),
            policies: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The name of the file.
    pub const FILE: &str = "policy-set.yaml";

    /// Reads the file.
    pub fn from_yaml(text: &str) -> Result<Self, Vec<Problem>> {
        let settings: Self = super::yaml::read(text).map_err(|error| {
            let (row, reason) = super::yaml::located(&error);
            vec![Problem::at(Self::FILE, row, reason)]
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// What types cannot say: versions, and globs that are globs.
    pub(super) fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |message: String| problems.push(Problem::at(Self::FILE, 0, message));
        if self.api_version != api_version() || self.kind != kind() {
            problem(format!(
                "expected apiVersion {:?} and kind {:?}, got {:?} and {:?}",
                api_version(),
                kind(),
                self.api_version,
                self.kind
            ));
        }
        for kind in &self.inventory {
            let parts: Vec<&str> = kind.split('/').collect();
            let is_kind = match parts.as_slice() {
                [_, version, kind] | [version, kind] => {
                    !version.is_empty() && kind.starts_with(|c: char| c.is_ascii_uppercase())
                }
                _ => false,
            };
            if !is_kind {
                problem(format!(
                    "inventory: {kind:?}: expected GROUP/VERSION/KIND, for example networking.k8s.io/v1/Ingress or v1/Pod"
                ));
            }
        }
        for (field, patterns) in [
            (
                "excludedNamespaces",
                self.excluded_namespaces.iter().collect::<Vec<_>>(),
            ),
            ("policies", self.policies.keys().collect()),
        ] {
            for pattern in patterns {
                if let Err(reason) = Glob::new(pattern) {
                    problem(format!("{field}: {reason}"));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What applies to one policy.
    pub fn for_policy(&self, id: &str) -> Override {
        let mut merged = Override::default();
        let mut matching: Vec<(&String, &Override)> = self
            .policies
            .iter()
            .filter(|(pattern, _)| Glob::new(pattern).is_ok_and(|glob| glob.matches(id)))
            .collect();
        // An exact id is the most specific, whatever its length.
        matching.sort_by_key(|(pattern, _)| (pattern.as_str() == id, pattern.len()));
        for (_, entry) in matching {
            merged.enabled = entry.enabled.or(merged.enabled);
            merged.action = entry.action.or(merged.action);
            merged.failure_mode = entry.failure_mode.or(merged.failure_mode);
            merged.parameters.extend(entry.parameters.clone());
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_more_specific_entry_wins_field_by_field() {
        let settings = Settings::from_yaml(
            "policies:\n  'general/*': {enabled: false, action: warn}\n  general/probes: {enabled: true}\n",
        )
        .unwrap();
        let probes = settings.for_policy("general/probes");
        assert_eq!((probes.enabled, probes.action), (Some(true), Some(Enforcement::Warn)));
        assert_eq!(settings.for_policy("general/x").enabled, Some(false));
        assert_eq!(settings.for_policy("other/x"), Override::default());
    }

    #[test]
    fn mistakes_name_the_field() {
        let text = |yaml: &str| super::super::list(&Settings::from_yaml(yaml).unwrap_err());
        assert!(
            text("failureMod: deny\n").contains("failureMod"),
            "{}",
            text("failureMod: deny\n")
        );
        assert!(text("policies: {a: {action: block}}\n").contains("block"));
        assert!(text("excludedNamespaces: ['a[']\n").contains("excludedNamespaces"));
        assert!(text("kind: Other\n").contains("Other"));
        for kind in ["Pod", "v1/pods", "/Pod", "a/b/c/D"] {
            let text = text(&format!("inventory: [{kind}]\n"));
            assert!(text.contains("inventory") && text.contains(kind), "{text}");
        }
        assert!(Settings::from_yaml("inventory: [v1/Pod, /v1/Pod, apps/v1/Deployment]\n").is_ok());
    }
}
