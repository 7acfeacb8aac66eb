//! The plugin's configuration: JSON to [`Config`], whole or refused, with the path of what is wrong.

use std::collections::BTreeMap;

use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::{self, bundle::Bundle};
use serde::Deserialize;

use engine::admission::MAX_REVIEW_BYTES;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawConfig {
    bundle: Bundle,
    #[serde(default)]
    context: Context,
    #[serde(default = "validate_path")]
    validate_path: String,
    #[serde(default = "wrap_prefix")]
    wrap_prefix: String,
    #[serde(default = "max_body_bytes")]
    max_body_bytes: usize,
    explainer: Option<Explainer>,
    #[serde(default)]
    wrapped: BTreeMap<String, Wrapped>,
}

/// A webhook behind this one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wrapped {
    /// The policies are asked before it is. False for one that changes objects: what it gets is not what will be stored.
    #[serde(default = "yes")]
    pub policies: bool,
}

fn yes() -> bool {
    true
}

fn validate_path() -> String {
    "/validate".to_owned()
}

fn wrap_prefix() -> String {
    "/wrap/".to_owned()
}

fn max_body_bytes() -> usize {
    8 * 1024 * 1024
}

fn timeout_ms() -> u64 {
    800
}

fn margin_ms() -> u64 {
    200
}

/// Where words come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explainer {
    /// The name of Envoy's cluster.
    pub cluster: String,
    /// The `Host` header.
    pub authority: String,
    /// The path of the service.
    pub path: String,
    /// How long to wait at most, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// How long before the webhook's own deadline the answer must leave, in milliseconds.
    #[serde(default = "margin_ms")]
    pub margin_ms: u64,
}

/// Everything that a request needs.
#[derive(Debug)]
pub struct Config {
    /// The policies, compiled.
    pub policies: PolicySet,
    /// The path that is answered here.
    pub validate_path: String,
    /// The start of the paths whose allowed requests go on to a wrapped webhook.
    pub wrap_prefix: String,
    /// The largest body that is read.
    pub max_body_bytes: usize,
    /// `None`: the engine's own words.
    pub explainer: Option<Explainer>,
    /// The webhooks that have a route, by the name in their path.
    pub wrapped: BTreeMap<String, Wrapped>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not the JSON that is expected.
    #[error("the plugin's configuration: {path}: {reason}")]
    Syntax {
        /// The field.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A field that does not make sense.
    #[error("the plugin's configuration: {0}")]
    Value(String),
    /// Policies that do not compile.
    #[error("the policies are refused:\n{}", policy::list(.0))]
    Policies(Vec<policy::Problem>),
}

impl Config {
    /// Reads the configuration and compiles its policies.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let deserializer = &mut serde_json::Deserializer::from_slice(json);
        let raw: RawConfig = serde_path_to_error::deserialize(deserializer).map_err(|error| ConfigError::Syntax {
            path: error.path().to_string(),
            reason: error.inner().to_string(),
        })?;
        let RawConfig {
            bundle,
            context,
            validate_path,
            wrap_prefix,
            max_body_bytes,
            explainer,
            wrapped,
        } = raw;
        if max_body_bytes == 0 || max_body_bytes > MAX_REVIEW_BYTES {
            let reason = format!("maxBodyBytes is {max_body_bytes}; it must be from 1 to {MAX_REVIEW_BYTES}");
            return Err(ConfigError::Value(reason));
        }
        for (name, path) in [("validatePath", &validate_path), ("wrapPrefix", &wrap_prefix)] {
            if !path.starts_with('/') {
                return Err(ConfigError::Value(format!(
                    "{name} is {path:?}; it must begin with a slash"
                )));
            }
        }
        let policies = policy::compile::compile(&bundle, context).map_err(ConfigError::Policies)?;
        Ok(Self {
            policies,
            validate_path,
            wrap_prefix,
            max_body_bytes,
            explainer,
            wrapped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_field() {
        let error = Config::parse(br#"{"bundle": {"apiVersion": 1}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("bundle.apiVersion"), "{error}");
        assert!(
            Config::parse(b"{}")
                .unwrap_err()
                .to_string()
                .contains("missing field `bundle`")
        );
    }

    #[test]
    fn policies_that_do_not_compile_are_all_named() {
        let files = [
            ("a.rego".to_owned(), "package a\n\ndeny := {".to_owned()),
            ("b.rego".to_owned(), "package b\n".to_owned()),
        ];
        let bundle = Bundle::new(policy::settings::Settings::default(), files);
        let json = format!(r#"{{"bundle": {}}}"#, String::from_utf8(bundle.to_json()).unwrap());
        let error = Config::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("a.rego:") && error.contains("b.rego: there is no rule `deny`"),
            "{error}"
        );
    }

    #[test]
    fn limits_have_bounds() {
        let bundle = Bundle::new(policy::settings::Settings::default(), []);
        let bundle = String::from_utf8(bundle.to_json()).unwrap();
        let config = |rest: &str| Config::parse(format!(r#"{{"bundle": {bundle}, {rest}}}"#).as_bytes());
        assert!(config(r#""maxBodyBytes": 1000"#).is_ok());
        assert!(
            config(r#""maxBodyBytes": 99999999"#)
                .unwrap_err()
                .to_string()
                .contains("maxBodyBytes")
        );
        assert!(
            config(r#""validatePath": "x""#)
                .unwrap_err()
                .to_string()
                .contains("validatePath")
        );
    }
}
