//! What an evaluation found before this one: whoever was met then, and is not any more, has regressed.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::report::{Assessed, Regression, Report, Status};
use crate::audit::Kind;

/// What the last evaluation found, as its event has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Previous {
    statuses: BTreeMap<String, Status>,
    /// Controls that were met once, and since when they are not.
    regressed: BTreeMap<String, String>,
}

impl Previous {
    /// As a report has it.
    pub(super) fn from_report(report: &Report) -> Self {
        let statuses = report.controls.iter().map(|control| (control.name(), control.status));
        let regressed = report.regressions.iter();
        let since = regressed.map(|one| (format!("{}/{}", one.framework, one.id), one.since.clone()));
        Self {
            statuses: statuses.collect(),
            regressed: since.collect(),
        }
    }

    /// From the event of the last evaluation.
    pub(super) fn of(facts: &Facts) -> Self {
        let events = facts.events.get(&Kind::GovernanceEvaluated);
        let last = events.and_then(|seen| seen.newest.first());
        let payload = last.and_then(|event| event.payload.as_ref());
        let member = |name: &str| {
            payload
                .and_then(|payload| payload.get(name))
                .cloned()
                .unwrap_or_default()
        };
        Self {
            statuses: serde_json::from_value(member("statuses")).unwrap_or_default(),
            regressed: serde_json::from_value(member("regressed")).unwrap_or_default(),
        }
    }

    pub(super) fn regressed(&self, control: &Assessed, now: &str) -> Option<Regression> {
        let name = control.name();
        let was_met = self.statuses.get(&name).is_some_and(|status| status.is_met());
        let since = self
            .regressed
            .get(&name)
            .map(String::as_str)
            .or(was_met.then_some(now))?;
        control.status.is_open().then(|| Regression {
            framework: control.framework.clone(),
            id: control.id.clone(),
            since: since.to_owned(),
            reason: control.reason.clone(),
        })
    }
}
