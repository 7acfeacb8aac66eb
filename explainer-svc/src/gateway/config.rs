//! The gateway's file: YAML becomes [`Settings`], whole or refused.

mod agents;
mod budgets;
mod providers;
mod raw;
mod reading;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

pub use self::raw::{Kind, MaxTokensField, Output};
use self::raw::{Raw, RawAllow, RawLimits, RawRoute, RawTarget};
use self::reading::Problems;
pub(super) use self::reading::parsed;
use super::agents::Agent;
use super::budget::Budget;
use super::policy::Policy;
use super::prices::{self, Prices};
use super::release::Release;
use super::secret::Source;

/// Bytes of a file that is read here.
const LARGEST: u64 = 1 << 20;

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
    /// Through whom it is asked, instead of directly.
    pub proxy: Option<String>,
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
        let mut problems = Problems::default();
        let raw: Raw = reading::read(text, &mut problems)?;
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
        let providers = providers::providers(raw_providers, folder, &mut problems);
        let routes = routes(raw_routes, &providers, &allow, &mut problems);
        let default_route = default_route
            .or_else(|| (routes.len() == 1).then(|| routes.keys().next().cloned()).flatten())
            .unwrap_or_else(|| "default".to_owned());
        if !routes.contains_key(&default_route) {
            problems.add("defaultRoute", format!("there is no route {default_route:?}"));
        }
        let agents = agents::agents(raw_agents, folder, &mut problems);
        let budgets = budgets::budgets(raw_budgets, &mut problems);
        let prices = match prices {
            None => Prices::parse(prices::SHIPPED),
            Some(path) => read(&folder.join(path)).and_then(|text| Prices::parse(&text)),
        };
        let prices = prices.map_err(|problem| problems.add("prices", problem));
        let policy = rego(&policy, folder, &agents).map_err(|problem| problems.add("policy", problem));
        let limits = self::limits(&limits, &mut problems);
        let release = release_gate.map(|path| Release::load(&folder.join(path))).transpose();
        let release = release.map_err(|problem| problems.add("releaseGate", problem));
        let (Ok(prices), Ok(policy), Ok(release), true) = (prices, policy, release, problems.is_empty()) else {
            return Err(problems.joined());
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
            "{text:?}: expected up to 63 letters, digits, dots, dashes and underscores"
        ));
    }
    Ok(())
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
    problems: &mut Problems,
) -> BTreeMap<String, Route> {
    let mut allowed = |field: &str, patterns: &Option<Vec<String>>| {
        let everything = vec!["*".to_owned()];
        globs(patterns.as_ref().unwrap_or(&everything)).unwrap_or_else(|problem| {
            problems.add(format!("allow.{field}"), problem);
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
            problems.add(at("model"), problem);
        }
        if route.targets.is_empty() {
            problems.add(at("targets"), "expected one or more");
        }
        if !(1..=5).contains(&route.attempts) {
            problems.add(at("attempts"), "expected 1 to 5");
        }
        if route.attempt_timeout_ms == Some(0) {
            problems.add(at("attemptTimeoutMs"), "expected at least 1: in no time nobody answers");
        }
        let mut targets = Vec::new();
        for (place, RawTarget { provider, model }) in route.targets.into_iter().enumerate() {
            let at = |rest: &str| at(&format!("targets[{place}]{rest}"));
            let Some((known, models)) = providers.get(&provider) else {
                // One whose name is wrong may be the one that is meant.
                let mut names = (0..=providers.len()).map(|index| format!("providers[{index}].name"));
                if !names.any(|name| problems.is_at(&name)) {
                    problems.add(at(".provider"), format!("there is no provider {provider:?}"));
                }
                continue;
            };
            if !models.is_empty() && !models.contains(&model) {
                problems.add(at(".model"), format!("{provider} has no model {model:?} in its list"));
            }
            let values = [(".provider", &provider), (".model", &model), ("", &known.region)];
            for ((field, list), (place, value)) in lists.iter().zip(values) {
                let is_told = problems.is_at(&format!("allow.{field}")) || value.is_empty();
                if !is_told && !list.is_match(value) {
                    problems.add(at(place), format!("{value:?} is not among allow.{field}"));
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
            problems.add(at("model"), "is there twice");
        }
    }
    routes
}

fn rego(paths: &[PathBuf], folder: &Path, agents: &[Agent]) -> Result<Policy, String> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.display().to_string(), read(&folder.join(path))?));
    }
    Policy::compile(&files, agents)
}

fn limits(raw: &RawLimits, problems: &mut Problems) -> Limits {
    let RawLimits {
        concurrency,
        deadline_ms,
        answer_bytes,
        request_bytes,
        max_tokens,
        budget_wait_ms,
    } = *raw;
    for (field, value, range) in [
        ("concurrency", concurrency as u64, 1..=65_536),
        ("deadlineMs", deadline_ms, 100..=600_000),
        ("answerBytes", answer_bytes as u64, 1..=16 << 20),
        ("requestBytes", request_bytes as u64, 1..=16 << 20),
        ("maxTokens", u64::from(max_tokens), 1..=1_000_000),
    ] {
        if !range.contains(&value) {
            let expected = format!("expected a number from {} to {}", range.start(), range.end());
            problems.add(format!("limits.{field}"), expected);
        }
    }
    Limits {
        concurrency,
        deadline: Duration::from_millis(deadline_ms),
        answer_bytes,
        request_bytes,
        max_tokens,
        budget_wait: Duration::from_millis(budget_wait_ms),
    }
}
