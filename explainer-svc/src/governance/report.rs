//! What an evaluation says. The server writes it, `whynot governance report` shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a control stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ControlStatus)]
pub enum Status {
    /// All of its checks hold.
    Evidenced,
    /// One does not.
    NotEvidenced,
    /// Software cannot tell, and a person says so.
    Attested,
    /// Software cannot tell, and nobody says so now.
    AttestationMissing,
    /// There is nothing to control.
    NotApplicable,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Evidenced,
        Self::NotEvidenced,
        Self::Attested,
        Self::AttestationMissing,
        Self::NotApplicable,
    ];

    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evidenced => "evidenced",
            Self::NotEvidenced => "not-evidenced",
            Self::Attested => "attested",
            Self::AttestationMissing => "attestation-missing",
            Self::NotApplicable => "not-applicable",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Evidenced => "evidenced",
            Self::NotEvidenced => "not evidenced",
            Self::Attested => "attested",
            Self::AttestationMissing => "attestation missing",
            Self::NotApplicable => "not applicable",
        }
    }

    /// It was shown, or somebody stands for it.
    pub fn is_met(self) -> bool {
        matches!(self, Self::Evidenced | Self::Attested)
    }

    /// It ought to be, and is not.
    pub fn is_open(self) -> bool {
        matches!(self, Self::NotEvidenced | Self::AttestationMissing)
    }
}

/// How all controls stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Governance)]
pub struct Report {
    /// When it was evaluated.
    pub at: String,
    /// By which version of whynot.
    pub version: String,
    /// When the controls were last compared with their frameworks.
    pub controls_as_of: String,
    /// The SHA-256 of the file of controls.
    pub controls_digest: String,
    /// The SHA-256 of the file of attestations; null when there is none.
    pub attestations_digest: Option<String>,
    /// Where proofs are to be had; null when no server was asked.
    pub server: Option<String>,
    /// Whether models are asked; null when the log does not say.
    pub models: Option<bool>,
    /// The audit log that the evidence is from.
    pub log: LogState,
    /// Whose controls, and how many stand how.
    pub frameworks: Vec<FrameworkSummary>,
    /// One by one.
    pub controls: Vec<Assessed>,
    /// What was evidenced or attested before, and is not any more.
    pub regressions: Vec<Regression>,
}

/// The audit log that evidence is from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GovernanceLog)]
pub struct LogState {
    /// Its name.
    pub origin: String,
    /// How many leaves it has.
    pub leaves: u64,
    /// How many of them are signed.
    pub signed: u64,
    /// The hash of its tree, in base64.
    pub root: String,
    /// Nothing is wrong with it.
    pub verified: bool,
    /// From which leaf on it was read this time; before it nothing was read again.
    pub read_from: u64,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// A framework, and how many of its controls stand how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkSummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Which version of it.
    pub version: String,
    /// By status.
    pub statuses: BTreeMap<String, usize>,
}

/// How one control stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AssessedControl)]
pub struct Assessed {
    /// The id of its framework.
    pub framework: String,
    /// Its id there.
    pub id: String,
    /// In our own words.
    pub title: String,
    /// The framework does not demand it.
    pub optional: bool,
    /// How it stands.
    pub status: Status,
    /// Why, for people.
    pub reason: String,
    /// What was looked for, and found.
    pub evidence: Vec<Evidence>,
    /// What a person has to say.
    pub attest: Option<String>,
    /// Who said so; also when it does not count any more.
    pub attestation: Option<Said>,
}

impl Assessed {
    /// The framework's id and its own.
    pub fn name(&self) -> String {
        format!("{}/{}", self.framework, self.id)
    }
}

/// What was found for one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The check's name.
    pub check: String,
    /// What it means.
    pub means: String,
    /// It holds.
    pub holds: bool,
    /// Nothing of the sort occurred yet, which shows nothing by itself: another check has to show that it would be recorded.
    #[serde(default)]
    pub none_yet: bool,
    /// What was found, for people.
    pub found: String,
    /// The figure, where it is one.
    pub figure: Option<f64>,
    /// Leaves of the audit log that say so: the newest, at most three.
    pub leaves: Vec<Leaf>,
}

/// A leaf of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EvidenceLeaf)]
pub struct Leaf {
    /// Its number.
    pub index: u64,
    /// When it was written.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// Where its proof is: a path of the server.
    pub proof: String,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attestation)]
pub struct Said {
    /// Who.
    pub by: String,
    /// When.
    pub on: String,
    /// The last day on which it counts.
    pub until: String,
    /// What is behind it.
    pub note: String,
}

/// A control that was evidenced or attested, and is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    /// The id of its framework.
    pub framework: String,
    /// Its id there.
    pub id: String,
    /// Since which evaluation.
    pub since: String,
    /// Why, for people.
    pub reason: String,
}

impl Report {
    /// How many controls stand so.
    pub fn count(&self, status: Status) -> usize {
        self.controls.iter().filter(|control| control.status == status).count()
    }

    /// The controls of a framework.
    pub fn of<'r>(&'r self, framework: &'r str) -> impl Iterator<Item = &'r Assessed> {
        self.controls
            .iter()
            .filter(move |control| control.framework == framework)
    }

    /// Where a leaf's proof is: an address where a server is known, else nothing.
    pub fn proof(&self, leaf: &Leaf) -> Option<String> {
        self.server.as_ref().map(|server| format!("{server}{}", leaf.proof))
    }
}
