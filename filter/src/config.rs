//! The plugin's configuration: JSON to [`Plugin`], whole or refused, with the path of what is wrong; [`Config`] is what a
//! request needs of it.

use std::collections::BTreeMap;
use std::fmt;

use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::{self, bundle::Bundle};
use engine::surroundings::Prepared;
use serde::Deserialize;

use engine::admission::MAX_REVIEW_BYTES;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawConfig {
    bundle: Option<Bundle>,
    context: Option<Context>,
    #[serde(default = "validate_path")]
    validate_path: String,
    #[serde(default = "wrap_prefix")]
    wrap_prefix: String,
    #[serde(default = "max_body_bytes")]
    max_body_bytes: usize,
    explainer: Option<Explainer>,
    live: Option<Live>,
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

fn live_path() -> String {
    "/v1".to_owned()
}

fn wait_seconds() -> u64 {
    20
}

fn pause_ms() -> u64 {
    1000
}

fn poll_timeout_ms() -> u64 {
    5000
}

fn max_context_age_seconds() -> u64 {
    300
}

fn namespace_timeout_ms() -> u64 {
    1000
}

/// What is fetched while Envoy runs, and where from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Live {
    /// The name of Envoy's cluster.
    pub cluster: String,
    /// The `Host` header.
    pub authority: String,
    /// What the service's paths begin with.
    #[serde(default = "live_path")]
    pub path: String,
    /// Policies: the embedded ones serve until others have been fetched.
    #[serde(default)]
    pub policies: bool,
    /// The context: the embedded one counts until another has been fetched, or for as long as a context may be used.
    #[serde(default)]
    pub context: bool,
    /// How long the service may hold an answer back until there is something new, in seconds; 0: it answers at once.
    #[serde(default = "wait_seconds")]
    pub wait_seconds: u64,
    /// How long to wait before asking again after a failure, or when the service does not hold answers back, in milliseconds.
    #[serde(default = "pause_ms")]
    pub pause_ms: u64,
    /// How long an answer may take beyond `wait_seconds`, in milliseconds.
    #[serde(default = "poll_timeout_ms")]
    pub timeout_ms: u64,
    /// How old the context may be, in seconds. One that is older is not used: policies that need it fail.
    #[serde(default = "max_context_age_seconds")]
    pub max_context_age_seconds: u64,
    /// How long a review waits for a namespace that the context does not have, in milliseconds.
    #[serde(default = "namespace_timeout_ms")]
    pub namespace_timeout_ms: u64,
}

impl Live {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.path.starts_with('/') {
            let reason = format!("live.path is {:?}; it must begin with a slash", self.path);
            return Err(ConfigError::Value(reason));
        }
        for (name, value, range) in [
            ("waitSeconds", self.wait_seconds, 0..=30),
            ("pauseMs", self.pause_ms, 50..=60_000),
            ("timeoutMs", self.timeout_ms, 100..=60_000),
            ("maxContextAgeSeconds", self.max_context_age_seconds, 1..=86_400),
            ("namespaceTimeoutMs", self.namespace_timeout_ms, 1..=30_000),
        ] {
            if !range.contains(&value) {
                let (first, last) = (range.start(), range.end());
                let reason = format!("live.{name} is {value}; it must be from {first} to {last}");
                return Err(ConfigError::Value(reason));
            }
        }
        Ok(())
    }
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
    /// What shows the explainer who asks.
    pub token: Option<Token>,
    /// The review goes along where no change was found: so a change that a model proposes can be tried.
    #[serde(default)]
    pub object: bool,
}

/// A bearer token. It is shown nowhere.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

impl Token {
    /// The header `authorization`.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("the token has letters that a header cannot have, or none");
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Everything that a request needs. Which policies and which context, it keeps from its decision to its end.
#[derive(Debug, Clone)]
pub struct Config {
    /// The policies, compiled, with the context that they evaluate with.
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
    /// How long to wait for a namespace that the context does not have; `None`: nobody is asked.
    pub namespace_timeout_ms: Option<u64>,
}

/// The plugin's configuration: what requests need, but for the policies, which may not be there yet.
#[derive(Debug)]
pub struct Plugin {
    /// The policies to start with. They were not compiled yet.
    pub bundle: Option<Bundle>,
    /// The context to start with.
    pub context: Option<Prepared>,
    /// What is fetched.
    pub live: Option<Live>,
    validate_path: String,
    wrap_prefix: String,
    max_body_bytes: usize,
    explainer: Option<Explainer>,
    pub(crate) wrapped: BTreeMap<String, Wrapped>,
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

impl Plugin {
    /// Reads the configuration. Its policies are still to be compiled.
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
            live,
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
        if let Some(live) = &live {
            live.check()?;
        }
        if bundle.is_none() && !live.as_ref().is_some_and(|live| live.policies) {
            let reason = "there is no bundle, and live.policies does not say that one is fetched";
            return Err(ConfigError::Value(reason.to_owned()));
        }
        Ok(Self {
            bundle,
            context: context.map(|context| Prepared::new(context, None)),
            live,
            validate_path,
            wrap_prefix,
            max_body_bytes,
            explainer,
            wrapped,
        })
    }

    /// Compiles the policies to start with, if there are some.
    pub fn compile(&self) -> Result<Option<PolicySet>, ConfigError> {
        let compile = |bundle| {
            let set = policy::compile::compile(bundle, Context::default()).map_err(ConfigError::Policies)?;
            Ok(set.with_context(&self.context.clone().unwrap_or_default()))
        };
        self.bundle.as_ref().map(compile).transpose()
    }

    /// What a request needs, with these policies.
    pub fn with(&self, policies: PolicySet) -> Config {
        Config {
            policies,
            validate_path: self.validate_path.clone(),
            wrap_prefix: self.wrap_prefix.clone(),
            max_body_bytes: self.max_body_bytes,
            explainer: self.explainer.clone(),
            wrapped: self.wrapped.clone(),
            namespace_timeout_ms: self
                .live
                .as_ref()
                .filter(|live| live.context)
                .map(|live| live.namespace_timeout_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_field() {
        let error = Plugin::parse(br#"{"bundle": {"apiVersion": 1}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("bundle.apiVersion"), "{error}");
        assert!(
            Plugin::parse(b"{}")
                .unwrap_err()
                .to_string()
                .contains("there is no bundle")
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
        let plugin = Plugin::parse(json.as_bytes()).unwrap();
        let error = plugin.compile().unwrap_err().to_string();
        assert!(
            error.contains("a.rego:") && error.contains("b.rego: there is no rule `deny`"),
            "{error}"
        );
    }

    #[test]
    fn a_token_is_taken_and_never_shown() {
        let bundle = Bundle::new(policy::settings::Settings::default(), []);
        let bundle = String::from_utf8(bundle.to_json()).unwrap();
        let config = |token: &str| {
            let explainer = format!(r#"{{"cluster": "e", "authority": "e", "path": "/v1/explain", "token": {token}}}"#);
            Plugin::parse(format!(r#"{{"bundle": {bundle}, "explainer": {explainer}}}"#).as_bytes())
        };
        let plugin = config(r#""topsecrettopsecret""#).unwrap();
        let token = plugin.explainer.clone().unwrap().token.unwrap();
        assert_eq!(token.authorization(), "Bearer topsecrettopsecret");
        assert!(!format!("{plugin:?}").contains("topsecret"));
        for wrong in [
            r#""""#,
            r#""topsecret\ntopsecret""#,
            r#""topsecret topsecret""#,
            r#""topsecret\u00e4""#,
        ] {
            let error = config(wrong).unwrap_err().to_string();
            assert!(
                error.contains("explainer.token") && !error.contains("topsecret"),
                "{error}"
            );
        }
        assert!(config("null").unwrap().explainer.unwrap().token.is_none());
    }

    #[test]
    fn limits_have_bounds() {
        let bundle = Bundle::new(policy::settings::Settings::default(), []);
        let bundle = String::from_utf8(bundle.to_json()).unwrap();
        let config = |rest: &str| Plugin::parse(format!(r#"{{"bundle": {bundle}, {rest}}}"#).as_bytes());
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
        let live = |rest: &str| {
            config(&format!(
                r#""live": {{"cluster": "explainer", "authority": "explainer", {rest}}}"#
            ))
        };
        assert!(live(r#""waitSeconds": 0"#).is_ok());
        for wrong in [
            r#""waitSeconds": 31"#,
            r#""pauseMs": 1"#,
            r#""path": "v1""#,
            r#""maxContextAgeSeconds": 0"#,
        ] {
            assert!(live(wrong).unwrap_err().to_string().contains("live."), "{wrong}");
        }
    }
}
