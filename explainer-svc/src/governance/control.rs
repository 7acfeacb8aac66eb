//! Controls as data: what each asks for, and the queries for its evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use super::condition::{Conditions, Test};
use crate::audit::Kind;

/// The controls that come along.
const SHIPPED: &str = include_str!("controls.yaml");

/// All controls, as they were read.
#[derive(Debug, Clone)]
pub struct Controls {
    /// By their ids.
    pub frameworks: BTreeMap<String, Framework>,
    /// By their names.
    pub checks: BTreeMap<String, Check>,
    /// In the order of the file.
    pub controls: Vec<Control>,
    /// When they were last compared with the frameworks.
    pub as_of: String,
    /// The SHA-256 of the file.
    pub digest: String,
}

/// Whose controls they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// The name.
    pub name: String,
    /// Which version of it.
    pub version: String,
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Control {
    /// The id of its framework.
    pub framework: String,
    /// Its id there.
    pub id: String,
    /// In our own words.
    pub title: String,
    /// The framework does not demand it.
    #[serde(default)]
    pub optional: bool,
    /// Without it, there is nothing to control.
    #[serde(default)]
    pub needs: Option<Need>,
    /// The names of its checks.
    #[serde(default)]
    pub checks: Vec<String>,
    /// The names of those that count when models are asked.
    #[serde(default)]
    pub model_checks: Vec<String>,
    /// What a person has to say.
    #[serde(default)]
    pub attest: Option<String>,
    /// Why it is none of ours.
    #[serde(default)]
    pub not_applicable: Option<String>,
}

impl Control {
    /// The framework's id and its own, as attestations name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.framework, self.id)
    }
}

/// What a control presupposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Models are asked.
    Models,
}

/// A query, and what its evidence means.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawCheck")]
pub struct Check {
    /// For people.
    pub means: String,
    /// What is looked for.
    pub query: Query,
}

/// What can be looked for. Nothing else can: who reads a control knows what its evidence is.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Guards that the last canary found in the path.
    Guards(Guards),
    /// How many events there are.
    Events(Events),
    /// Of how many of them a condition holds.
    Share(Share),
    /// Sums of a member that has numbers by name.
    Tally(Tally),
    /// A figure of the worst event.
    Figure(Figure),
    /// What something was last started with.
    Configuration(Configuration),
    /// The audit log verifies.
    Log,
    /// A witness has cosigned it.
    Witness(Witness),
    /// A metric of the running service.
    Metric(Metric),
}

/// See [`Query::Guards`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Guards {
    /// Their names.
    pub names: Vec<String>,
    /// How old the canary may be.
    #[serde(default = "two_days")]
    pub hours: u32,
}

const fn two_days() -> u32 {
    48
}

/// See [`Query::Events`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Events {
    /// Of which kind.
    pub kind: Kind,
    /// How far back.
    pub days: u32,
    /// About what.
    #[serde(default)]
    pub subject: Option<String>,
    /// With what in their payload.
    #[serde(default)]
    pub having: Conditions,
    /// Only the newest one is looked at: what failed last is no better for what was before it.
    #[serde(default)]
    pub newest: bool,
    /// That many; 0 only tells how many there are.
    pub at_least: u64,
    /// No more than that.
    #[serde(default)]
    pub at_most: Option<u64>,
    /// Where it only tells how many: the checks of which one has to hold while there was none yet. What did not occur
    /// is no evidence that it would be recorded.
    #[serde(default)]
    pub machinery: Vec<String>,
}

impl Events {
    /// Whether it only tells how many there are.
    pub fn only_tells(&self) -> bool {
        self.at_least == 0 && self.at_most.is_none()
    }
}

/// See [`Query::Share`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Share {
    /// Of which kind.
    pub kind: Kind,
    /// How far back.
    pub days: u32,
    /// Which of them are looked at.
    #[serde(default)]
    pub of: Conditions,
    /// Only measurements of what may speak now: of the release gate's file and the explainer's route as the gateway
    /// was last started.
    #[serde(default)]
    pub in_force: bool,
    /// What has to hold.
    pub having: Conditions,
    /// For how many of one.
    pub at_least: f64,
}

/// See [`Query::Tally`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tally {
    /// Of which kind.
    pub kind: Kind,
    /// How far back.
    pub days: u32,
    /// Where the numbers are.
    pub member: String,
}

/// See [`Query::Figure`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Figure {
    /// Of which kind.
    pub kind: Kind,
    /// How old it may be.
    pub days: u32,
    /// Where the number is.
    pub member: String,
    /// With what in their payload.
    #[serde(default)]
    pub having: Conditions,
    /// As with a share.
    #[serde(default)]
    pub in_force: bool,
    /// The least.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The most.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// See [`Query::Configuration`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Configuration {
    /// Of what.
    pub part: Part,
    /// What has to hold.
    pub having: Conditions,
}

/// What is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The explainer.
    Service,
    /// The gateway to models.
    Gateway,
}

/// See [`Query::Witness`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Witness {
    /// How long ago it may have been.
    pub hours: u32,
}

/// See [`Query::Metric`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metric {
    /// Its name; what its other labels say is added up.
    pub name: String,
    /// Labels that it has to have.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The least.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The most.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// It is a time, in seconds since 1970, and not longer ago than so many seconds.
    #[serde(default)]
    pub within: Option<u32>,
}

/// A check as it is written: one query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawCheck {
    means: String,
    #[serde(default)]
    guards: Option<Guards>,
    #[serde(default)]
    events: Option<Events>,
    #[serde(default)]
    share: Option<Share>,
    #[serde(default)]
    tally: Option<Tally>,
    #[serde(default)]
    figure: Option<Figure>,
    #[serde(default)]
    configuration: Option<Configuration>,
    #[serde(default)]
    log: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    witness: Option<Witness>,
    #[serde(default)]
    metric: Option<Metric>,
}

impl TryFrom<RawCheck> for Check {
    type Error = String;

    fn try_from(raw: RawCheck) -> Result<Self, String> {
        let RawCheck {
            means,
            guards,
            events,
            share,
            tally,
            figure,
            configuration,
            log,
            witness,
            metric,
        } = raw;
        let queries = [
            guards.map(Query::Guards),
            events.map(Query::Events),
            share.map(Query::Share),
            tally.map(Query::Tally),
            figure.map(Query::Figure),
            configuration.map(Query::Configuration),
            log.map(|_| Query::Log),
            witness.map(Query::Witness),
            metric.map(Query::Metric),
        ];
        let mut queries = queries.into_iter().flatten();
        match (queries.next(), queries.next()) {
            (Some(query), None) => Ok(Self { means, query }),
            _ => Err("expected one query".to_owned()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    api_version: String,
    kind: String,
    as_of: String,
    frameworks: BTreeMap<String, Framework>,
    checks: BTreeMap<String, Check>,
    controls: Vec<Control>,
}

impl Controls {
    /// Those that come along.
    ///
    /// # Errors
    /// They are wrong, which a test excludes.
    pub fn shipped() -> Result<Self, String> {
        Self::parse(SHIPPED)
    }

    /// Reads a file of controls.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = parsed(text)?;
        if (raw.api_version.as_str(), raw.kind.as_str()) != ("whynot.dev/v1", "Controls") {
            return Err("expected apiVersion whynot.dev/v1 and kind Controls".to_owned());
        }
        let mut seen = BTreeSet::new();
        for control in &raw.controls {
            let name = control.name();
            if !seen.insert(name.clone()) {
                return Err(format!("{name}: is there twice"));
            }
            if !raw.frameworks.contains_key(&control.framework) {
                return Err(format!("{name}: there is no framework {:?}", control.framework));
            }
            let mut checks = control.checks.iter().chain(&control.model_checks);
            if let Some(unknown) = checks.find(|check| !raw.checks.contains_key(*check)) {
                return Err(format!("{name}: there is no check {unknown:?}"));
            }
            machinery(control, &raw.checks).map_err(|problem| format!("{name}: {problem}"))?;
            if control.checks.is_empty() && control.attest.is_none() && control.not_applicable.is_none() {
                return Err(format!("{name}: nothing would evidence it"));
            }
        }
        for (name, check) in &raw.checks {
            if let Query::Events(events) = &check.query
                && events.only_tells() == events.machinery.is_empty()
            {
                return Err(format!(
                    "checks.{name}: expected machinery with atLeast 0, which shows nothing by itself, and nowhere else"
                ));
            }
            let conditions = match &check.query {
                Query::Events(events) => vec![&events.having],
                Query::Share(share) => vec![&share.of, &share.having],
                Query::Figure(figure) => vec![&figure.having],
                Query::Configuration(configuration) => vec![&configuration.having],
                _ => Vec::new(),
            };
            for (member, test) in conditions.into_iter().flatten() {
                if !member.starts_with('/') || test.asks_nothing() {
                    return Err(format!(
                        "checks.{name}: {member:?}: expected a JSON pointer and a condition"
                    ));
                }
            }
        }
        Ok(Self {
            frameworks: raw.frameworks,
            checks: raw.checks,
            controls: raw.controls,
            as_of: raw.as_of,
            digest: data_encoding::HEXLOWER.encode(&Sha256::digest(text)),
        })
    }
}

/// What only tells how many there are needs what shows that there would be some, whether or not models are asked.
fn machinery(control: &Control, checks: &BTreeMap<String, Check>) -> Result<(), String> {
    let all: Vec<&String> = control.checks.iter().chain(&control.model_checks).collect();
    for (of, there) in [
        (&control.checks, control.checks.iter().collect()),
        (&control.model_checks, all),
    ] {
        for name in of {
            if let Some(Query::Events(events)) = checks.get(name).map(|check| &check.query)
                && events.only_tells()
                && !events.machinery.iter().any(|shows| there.contains(&shows))
            {
                return Err(format!(
                    "{name} shows nothing without one of {}",
                    events.machinery.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// Reads YAML, and names the field that is wrong.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("{path}: {}", error.inner()),
    })
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
