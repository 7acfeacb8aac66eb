//! Facts become statuses: pure, so that what is red and what is green can be tested without a service.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::attestation::{Attestation, Attestations};
use super::checks::looked;
use super::control::{Control, Controls, Need, Query};
use super::facts::Facts;
use super::previous::Previous;
use super::report::{Assessed, Evidence, FrameworkSummary, Report, Said, Status};

/// Evaluates all controls.
pub(super) fn evaluate(
    controls: &Controls,
    attestations: &Attestations,
    facts: &Facts,
    server: Option<&str>,
) -> Report {
    let found: HashMap<&str, Evidence> = controls
        .checks
        .iter()
        .map(|(name, check)| (name.as_str(), looked(name, check, facts)))
        .collect();
    let models = facts.models();
    let each = controls.controls.iter();
    let assessed: Vec<Assessed> = each
        .map(|control| {
            let attestation = attestations.of(&control.name());
            assess(control, controls, attestation, &found, models, facts.now)
        })
        .collect();
    let now = facts.now.to_string();
    let previous = facts.previous.clone().unwrap_or_else(|| Previous::of(facts));
    let regressions = assessed.iter().filter_map(|control| previous.regressed(control, &now));
    let frameworks = controls.frameworks.iter().map(|(id, framework)| {
        let mut statuses: BTreeMap<String, usize> = Status::ALL
            .into_iter()
            .map(|status| (status.name().to_owned(), 0))
            .collect();
        for control in assessed.iter().filter(|control| &control.framework == id) {
            *statuses.entry(control.status.name().to_owned()).or_default() += 1;
        }
        FrameworkSummary {
            id: id.clone(),
            name: framework.name.clone(),
            version: framework.version.clone(),
            statuses,
        }
    });
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        controls_as_of: controls.as_of.clone(),
        controls_digest: controls.digest.clone(),
        attestations_digest: attestations.digest.clone(),
        server: server.map(ToOwned::to_owned),
        models,
        log: facts.log.clone(),
        frameworks: frameworks.collect(),
        regressions: regressions.collect(),
        controls: assessed,
        at: now,
    }
}

fn assess(
    control: &Control,
    controls: &Controls,
    attestation: Option<&Attestation>,
    found: &HashMap<&str, Evidence>,
    models: Option<bool>,
    now: Timestamp,
) -> Assessed {
    let with_models = models != Some(false);
    let checks = control.checks.iter();
    let checks = checks.chain(control.model_checks.iter().filter(|_| with_models));
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let counts = attestation.filter(|attestation| attestation.on <= today && today <= attestation.until);
    let scoped_out = counts.filter(|attestation| attestation.does_not_apply);
    let (status, reason, evidence) = if let Some(reason) = &control.not_applicable {
        (Status::NotApplicable, reason.clone(), Vec::new())
    } else if let Some(said) = scoped_out {
        (
            Status::NotApplicable,
            format!("{} says: {}", said.by, said.note),
            Vec::new(),
        )
    } else if control.needs == Some(Need::Models) && !with_models {
        (Status::NotApplicable, "No model is configured.".to_owned(), Vec::new())
    } else {
        let evidence: Vec<Evidence> = checks.filter_map(|check| found.get(check.as_str()).cloned()).collect();
        let (status, reason) = judge(control, controls, attestation, counts.is_some(), &evidence);
        (status, reason, evidence)
    };
    Assessed {
        framework: control.framework.clone(),
        id: control.id.clone(),
        title: control.title.clone(),
        optional: control.optional,
        status,
        reason,
        evidence,
        attest: control.attest.clone(),
        attestation: attestation.map(|said| Said {
            by: said.by.clone(),
            on: said.on.to_string(),
            until: said.until.to_string(),
            note: said.note.clone(),
        }),
    }
}

/// Whether a check of the control shows that what did not occur yet would be recorded.
fn is_watched(none_yet: &Evidence, controls: &Controls, evidence: &[Evidence]) -> bool {
    let Some(Query::Events(events)) = controls.checks.get(&none_yet.check).map(|check| &check.query) else {
        return false;
    };
    let mut shown = evidence.iter().filter(|evidence| evidence.holds);
    shown.any(|evidence| events.machinery.contains(&evidence.check))
}

fn judge(
    control: &Control,
    controls: &Controls,
    attestation: Option<&Attestation>,
    counts: bool,
    evidence: &[Evidence],
) -> (Status, String) {
    let failing: Vec<String> = evidence
        .iter()
        .filter(|one| !(one.holds || one.none_yet && is_watched(one, controls, evidence)))
        .map(|evidence| format!("{}: {}", evidence.means, evidence.found))
        .collect();
    if !failing.is_empty() {
        return (Status::NotEvidenced, format!("Not shown: {}.", failing.join("; ")));
    }
    match (&control.attest, attestation) {
        (None, _) => (Status::Evidenced, String::new()),
        (Some(_), Some(said)) if counts => {
            let status = if evidence.is_empty() {
                Status::Attested
            } else {
                Status::Evidenced
            };
            (status, format!("Attested by {} until {}.", said.by, said.until))
        }
        (Some(asked), Some(said)) => {
            let reason = format!(
                "The attestation of {} counts from {} to {}: {asked}.",
                said.by, said.on, said.until
            );
            (Status::AttestationMissing, reason)
        }
        (Some(asked), None) => (Status::AttestationMissing, format!("Nobody has attested that {asked}.")),
    }
}
