//! The gateway's file: YAML becomes [`Settings`], whole or refused.

mod budgets;
mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use reqwest::Url;
use serde::de::DeserializeOwned;

pub use self::raw::{Kind, MaxTokensField, Output};
use self::raw::{Raw, RawAgent, RawAllow, RawLimits, RawProvider, RawRoute, RawTarget};
use super::agents::Agent;
use super::budget::Budget;
use super::policy::Policy;
use super::prices::{self, Prices};
use super::release::Release;
use super::secret::Source;

/// Bytes of a file that is read here.
const LARGEST: u64 = 1 << 20;

/// Reads YAML, and names the field that is wrong.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}

/// What the gateway runs with.
#[derive(Debug)]
pub struct Settings {
    /// By name.
    pub providers: BTreeMap<String, Provider>,
    /// By the name that callers use.
    pub routes: BTreeMap<String, Route>,
    /// For callers that name none.
    pub default_route: String,
    /// The lists of what may be asked, by field; one that is not there allows everything.
    pub allow: BTreeMap<&'static str, Vec<String>>,
    /// Who may ask.
    pub agents: Vec<Agent>,
    /// What may be spent.
    pub budgets: Vec<Budget>,
    /// What it costs.
    pub prices: Prices,
    /// Who may ask whom, and what for.
    pub policy: Policy,
    /// The limits.
    pub limits: Limits,
    /// What is kept.
    pub cache: CacheLimits,
    /// Which models may explain, with which prompt; `None` for all.
    pub release: Option<Release>,
    /// The SHA-256 of the file, for the audit log.
    pub digest: String,
}

/// A provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name here.
    pub name: String,
    /// Its protocol.
    pub kind: Kind,
    /// Where its interface begins, without a slash at the end.
    pub url: String,
    /// Where it computes.
    pub region: String,
    /// Its key; `None` when it wants none.
    pub key: Option<Source>,
    /// Who may have signed its certificate, instead of the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Azure's version.
    pub api_version: Option<String>,
    /// How it is asked for JSON.
    pub output: Output,
    /// What it calls the limit of the answer.
    pub max_tokens_field: MaxTokensField,
    /// Whether it is asked for a stream.
    pub stream: bool,
    /// Calls at a time.
    pub concurrency: usize,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Until the answer's headers are there.
    pub first_byte_timeout: Duration,
    /// Between two pieces of an answer.
    pub idle_timeout: Duration,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// How long it stays open.
    pub breaker_open: Duration,
}

/// A name for models, with who is asked one after the other.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name.
    pub name: String,
    /// Who is asked.
    pub targets: Vec<Target>,
    /// How often each is asked.
    pub attempts: u32,
    /// For one attempt.
    pub attempt_timeout: Duration,
}

/// One place of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The provider.
    pub provider: String,
    /// Its model.
    pub model: String,
}

/// What one gateway takes at most.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls at a time.
    pub concurrency: usize,
    /// For a call that says nothing else, and at most.
    pub deadline: Duration,
    /// Bytes of an answer's text.
    pub answer_bytes: usize,
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Tokens of an answer.
    pub max_tokens: u32,
    /// For money that others have reserved.
    pub budget_wait: Duration,
}

/// What is kept.
#[derive(Debug, Clone)]
pub struct CacheLimits {
    /// How many answers.
    pub entries: u32,
    /// How long.
    pub age: Duration,
}

impl Settings {
    /// Reads the file, and those that it names.
    ///
    /// # Errors
    /// All that is wrong with it, or the first thing that keeps it from being read.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Reads a text; paths in it begin at `folder`.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let raw: Raw = parsed(text)?;
        let Raw {
            api_version,
            kind,
            providers: raw_providers,
            routes: raw_routes,
            default_route,
            allow,
            agents: raw_agents,
            budgets: raw_budgets,
            prices,
            policy,
            limits,
            cache,
            release_gate,
        } = raw;
        if (api_version.as_str(), kind.as_str()) != ("whynot.dev/v1", "Gateway") {
            return Err("expected apiVersion whynot.dev/v1 and kind Gateway".to_owned());
        }
        let mut problems = Vec::new();
        let mut providers = BTreeMap::new();
        for (index, raw) in raw_providers.into_iter().enumerate() {
            match provider(raw, folder) {
                Ok((provider, models)) => {
                    if providers.insert(provider.name.clone(), (provider, models)).is_some() {
                        problems.push(format!("providers[{index}].name: is there twice"));
                    }
                }
                Err(problem) => problems.push(format!("providers[{index}].{problem}")),
            }
        }
        let routes = routes(raw_routes, &providers, &allow, &mut problems);
        let default_route = default_route
            .or_else(|| (routes.len() == 1).then(|| routes.keys().next().cloned()).flatten())
            .unwrap_or_else(|| "default".to_owned());
        if problems.is_empty() && !routes.contains_key(&default_route) {
            problems.push(format!("defaultRoute: there is no route {default_route:?}"));
        }
        let agents = agents(raw_agents, folder, &mut problems);
        let budgets = budgets::budgets(raw_budgets, &mut problems);
        let prices = match prices {
            None => Prices::parse(prices::SHIPPED),
            Some(path) => read(&folder.join(path)).and_then(|text| Prices::parse(&text)),
        };
        let prices = prices.map_err(|problem| problems.push(format!("prices: {problem}")));
        let policy = rego(&policy, folder, &agents).map_err(|problem| problems.push(format!("policy: {problem}")));
        let limits = self::limits(&limits).map_err(|problem| problems.push(format!("limits.{problem}")));
        let release = release_gate.map(|path| Release::load(&folder.join(path))).transpose();
        let release = release.map_err(|problem| problems.push(format!("releaseGate: {problem}")));
        let (Ok(prices), Ok(policy), Ok(limits), Ok(release), true) =
            (prices, policy, limits, release, problems.is_empty())
        else {
            return Err(problems.join("; "));
        };
        Ok(Self {
            providers: providers
                .into_iter()
                .map(|(name, (provider, _))| (name, provider))
                .collect(),
            routes,
            default_route,
            allow: [
                ("providers", allow.providers),
                ("models", allow.models),
                ("regions", allow.regions),
            ]
            .into_iter()
            .filter_map(|(field, list)| Some((field, list?)))
            .collect(),
            agents,
            budgets,
            prices,
            policy,
            limits,
            cache: CacheLimits {
                entries: cache.entries,
                age: Duration::from_hours(u64::from(cache.hours)),
            },
            release,
            digest: super::sha256(text),
        })
    }
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if std::fs::metadata(path).map_err(wrong)?.len() > LARGEST {
        return Err(format!("{} is larger than {LARGEST} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(wrong)
}

/// Names are in metrics, events and addresses.
fn name(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 63 || !text.chars().all(allowed) {
        return Err(format!(
            "name: {text:?}: expected up to 63 letters, digits, dots, dashes and underscores"
        ));
    }
    Ok(())
}

fn provider(raw: RawProvider, folder: &Path) -> Result<(Provider, Vec<String>), String> {
    name(&raw.name)?;
    let is_web = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = Url::parse(&raw.url)
        .ok()
        .filter(is_web)
        .ok_or("url: expected http(s)://HOST with the path where the interface begins, without a login, ? and #")?;
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if url.scheme() == "http" && !is_here && !raw.plaintext {
        return Err("url: prompts and keys would be sent in the clear: use https, or say plaintext: true".to_owned());
    }
    if raw.models.is_empty() {
        return Err("models: name those that may be used".to_owned());
    }
    if raw.kind == Kind::Azure && raw.api_version.is_none() {
        return Err("apiVersion: Azure needs one".to_owned());
    }
    if raw.region.is_empty() {
        return Err("region: say where it computes; local is a region".to_owned());
    }
    if raw.concurrency == 0 || raw.breaker.failures == 0 {
        return Err("concurrency and breaker.failures: expected at least 1".to_owned());
    }
    let key = raw.key.map(|source| beside(source, folder));
    if let Some(key) = &key {
        key.read().map_err(|problem| format!("key: {problem}"))?;
    }
    let milliseconds = |given: Option<u64>, otherwise| Duration::from_millis(given.unwrap_or(otherwise));
    let provider = Provider {
        name: raw.name,
        kind: raw.kind,
        url: raw.url.trim_end_matches('/').to_owned(),
        region: raw.region,
        key,
        ca_file: raw.ca_file.map(|path| folder.join(path)),
        api_version: raw.api_version,
        output: raw.output,
        max_tokens_field: raw.max_tokens_field,
        stream: raw.stream,
        concurrency: raw.concurrency,
        connect_timeout: milliseconds(raw.connect_timeout_ms, 3_000),
        first_byte_timeout: milliseconds(raw.first_byte_timeout_ms, 20_000),
        idle_timeout: milliseconds(raw.idle_timeout_ms, 10_000),
        breaker_failures: raw.breaker.failures,
        breaker_open: Duration::from_millis(raw.breaker.open_ms),
    };
    Ok((provider, raw.models))
}

fn beside(source: Source, folder: &Path) -> Source {
    match source {
        Source::File(path) => Source::File(folder.join(path)),
        Source::Env(name) => Source::Env(name),
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(Glob::new(pattern).map_err(|error| error.to_string())?);
    }
    builder.build().map_err(|error| error.to_string())
}

fn routes(
    raw: Vec<RawRoute>,
    providers: &BTreeMap<String, (Provider, Vec<String>)>,
    allow: &RawAllow,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Route> {
    let mut allowed = |field: &str, patterns: &Option<Vec<String>>| {
        let everything = vec!["*".to_owned()];
        globs(patterns.as_ref().unwrap_or(&everything)).unwrap_or_else(|problem| {
            problems.push(format!("allow.{field}: {problem}"));
            GlobSet::empty()
        })
    };
    let lists = [
        ("providers", allowed("providers", &allow.providers)),
        ("models", allowed("models", &allow.models)),
        ("regions", allowed("regions", &allow.regions)),
    ];
    let mut routes = BTreeMap::new();
    for (index, route) in raw.into_iter().enumerate() {
        let at = |rest: &str| format!("routes[{index}].{rest}");
        if let Err(problem) = name(&route.model) {
            problems.push(at(&problem.replacen("name", "model", 1)));
        }
        if route.targets.is_empty() || !(1..=5).contains(&route.attempts) {
            problems.push(at(
                "targets and attempts: expected one target or more, and 1 to 5 attempts",
            ));
        }
        let mut targets = Vec::new();
        for (place, RawTarget { provider, model }) in route.targets.into_iter().enumerate() {
            let at = |rest: String| at(&format!("targets[{place}].{rest}"));
            let Some((known, models)) = providers.get(&provider) else {
                problems.push(at(format!("provider: there is no provider {provider:?}")));
                continue;
            };
            if !models.contains(&model) {
                problems.push(at(format!("model: {provider} has no model {model:?} in its list")));
            }
            for ((field, list), value) in lists.iter().zip([&provider, &model, &known.region]) {
                if !list.is_match(value) {
                    problems.push(at(format!("{value:?} is not among allow.{field}")));
                }
            }
            targets.push(Target { provider, model });
        }
        let loaded = Route {
            name: route.model.clone(),
            targets,
            attempts: route.attempts,
            attempt_timeout: Duration::from_millis(route.attempt_timeout_ms.unwrap_or(30_000)),
        };
        if routes.insert(route.model, loaded).is_some() {
            problems.push(at("model: is there twice"));
        }
    }
    routes
}

fn agents(raw: Vec<RawAgent>, folder: &Path, problems: &mut Vec<String>) -> Vec<Agent> {
    let mut names = BTreeSet::new();
    let mut agents: Vec<Agent> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let mut wrong = |problem: String| problems.push(format!("agents[{index}].{problem}"));
        if let Err(problem) = name(&raw.name) {
            wrong(problem);
        }
        if !names.insert(raw.name.clone()) {
            wrong("name: is there twice".to_owned());
        }
        if raw.requests_per_minute == Some(0) {
            wrong("requestsPerMinute: expected at least 1".to_owned());
        }
        let token = raw.token.map(|source| beside(source, folder));
        match token.as_ref().map(Source::read) {
            Some(Err(problem)) => wrong(format!("token: {problem}")),
            Some(Ok(key)) if !key.is_long() => {
                wrong("token: is shorter than 16 letters; make one with: openssl rand -hex 32".to_owned());
            }
            _ => {}
        }
        agents.push(Agent {
            name: raw.name,
            team: raw.team,
            token,
            models: raw.models,
            purposes: raw.purposes,
            requests_per_minute: raw.requests_per_minute,
        });
    }
    agents
}

fn rego(paths: &[PathBuf], folder: &Path, agents: &[Agent]) -> Result<Policy, String> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.display().to_string(), read(&folder.join(path))?));
    }
    Policy::compile(&files, agents)
}

fn limits(raw: &RawLimits) -> Result<Limits, String> {
    let RawLimits {
        concurrency,
        deadline_ms,
        answer_bytes,
        request_bytes,
        max_tokens,
        budget_wait_ms,
    } = *raw;
    let within = |field: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
        if range.contains(&value) {
            return Ok(());
        }
        Err(format!(
            "{field}: expected a number from {} to {}",
            range.start(),
            range.end()
        ))
    };
    within("concurrency", concurrency as u64, 1..=65_536)?;
    within("deadlineMs", deadline_ms, 100..=600_000)?;
    within("answerBytes", answer_bytes as u64, 1..=16 << 20)?;
    within("requestBytes", request_bytes as u64, 1..=16 << 20)?;
    within("maxTokens", u64::from(max_tokens), 1..=1_000_000)?;
    Ok(Limits {
        concurrency,
        deadline: Duration::from_millis(deadline_ms),
        answer_bytes,
        request_bytes,
        max_tokens,
        budget_wait: Duration::from_millis(budget_wait_ms),
    })
}
