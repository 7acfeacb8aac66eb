//! The gateway's file as it is written.

use std::path::PathBuf;

use serde::Deserialize;

use crate::gateway::budget::{Per, Period};
use crate::gateway::secret::Source;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) providers: Vec<RawProvider>,
    pub(super) routes: Vec<RawRoute>,
    #[serde(default)]
    pub(super) default_route: Option<String>,
    #[serde(default)]
    pub(super) allow: RawAllow,
    #[serde(default)]
    pub(super) agents: Vec<RawAgent>,
    #[serde(default)]
    pub(super) budgets: Vec<RawBudget>,
    #[serde(default)]
    pub(super) prices: Option<PathBuf>,
    #[serde(default)]
    pub(super) policy: Vec<PathBuf>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) cache: RawCache,
    #[serde(default)]
    pub(super) release_gate: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawProvider {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) url: String,
    pub(super) region: String,
    pub(super) models: Vec<String>,
    #[serde(default)]
    pub(super) key: Option<Source>,
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) proxy: Option<String>,
    #[serde(default)]
    pub(super) api_version: Option<String>,
    #[serde(default)]
    pub(super) plaintext: bool,
    #[serde(default)]
    pub(super) output: Output,
    #[serde(default)]
    pub(super) max_tokens_field: MaxTokensField,
    #[serde(default = "yes")]
    pub(super) stream: bool,
    #[serde(default = "eight")]
    pub(super) concurrency: usize,
    #[serde(default)]
    pub(super) connect_timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) first_byte_timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) idle_timeout_ms: Option<u64>,
    #[serde(default)]
    pub(super) breaker: RawBreaker,
}

const fn yes() -> bool {
    true
}

const fn eight() -> usize {
    8
}

/// Which protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Chat completions, as `OpenAI`, vLLM, Ollama and llama.cpp have them.
    Openai,
    /// The same below a deployment's name, with `api-key` and `api-version`.
    Azure,
    /// Anthropic's Messages.
    Anthropic,
}

/// How a provider is asked for JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// It takes a schema.
    #[default]
    Schema,
    /// It can be told that JSON is wanted.
    Object,
    /// It cannot be told. What it says is checked all the same.
    Text,
}

/// What a provider calls the limit of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// As most do.
    #[default]
    MaxTokens,
    /// As `OpenAI`'s newer models do.
    MaxCompletionTokens,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawBreaker {
    pub(super) failures: u32,
    pub(super) open_ms: u64,
}

impl Default for RawBreaker {
    fn default() -> Self {
        Self {
            failures: 5,
            open_ms: 30_000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawRoute {
    pub(super) model: String,
    pub(super) targets: Vec<RawTarget>,
    #[serde(default = "two")]
    pub(super) attempts: u32,
    #[serde(default)]
    pub(super) attempt_timeout_ms: Option<u64>,
}

const fn two() -> u32 {
    2
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTarget {
    pub(super) provider: String,
    pub(super) model: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawAllow {
    pub(super) providers: Option<Vec<String>>,
    pub(super) models: Option<Vec<String>>,
    pub(super) regions: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawAgent {
    pub(super) name: String,
    pub(super) team: String,
    #[serde(default)]
    pub(super) token: Option<Source>,
    pub(super) models: Vec<String>,
    pub(super) purposes: Vec<String>,
    #[serde(default)]
    pub(super) requests_per_minute: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBudget {
    pub(super) name: String,
    #[serde(default)]
    pub(super) per: Per,
    pub(super) period: Period,
    #[serde(default)]
    pub(super) only: RawOnly,
    #[serde(default)]
    pub(super) dollars: RawLimit<f64>,
    #[serde(default)]
    pub(super) tokens: RawLimit<u64>,
    #[serde(default)]
    pub(super) requests: RawLimit<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawOnly {
    pub(super) agents: Option<Vec<String>>,
    pub(super) teams: Option<Vec<String>>,
    pub(super) models: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawLimit<T> {
    #[serde(default = "none")]
    pub(super) soft: Option<T>,
    #[serde(default = "none")]
    pub(super) hard: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> Default for RawLimit<T> {
    fn default() -> Self {
        Self { soft: None, hard: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawLimits {
    pub(super) concurrency: usize,
    pub(super) deadline_ms: u64,
    pub(super) answer_bytes: usize,
    pub(super) request_bytes: usize,
    pub(super) max_tokens: u32,
    pub(super) budget_wait_ms: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            concurrency: 256,
            deadline_ms: 60_000,
            answer_bytes: 256 << 10,
            request_bytes: 1 << 20,
            max_tokens: 4096,
            budget_wait_ms: 10_000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct RawCache {
    pub(super) entries: u32,
    pub(super) hours: u32,
}

impl Default for RawCache {
    fn default() -> Self {
        Self {
            entries: 10_000,
            hours: 24 * 30,
        }
    }
}
