//! The oracle's own lines.

use anyhow::{Context as _, Result, anyhow, bail};
use engine::rego::json;
use probe::protocol::{Answer, Outcome, Request, unmarked};
use serde::{Deserialize, Serialize};

/// A request as the oracle reads it.
#[derive(Debug, Serialize)]
pub(super) struct WireRequest<'a> {
    #[serde(flatten)]
    pub(super) request: &'a Request,
    pub(super) thorough: bool,
}

#[derive(Deserialize)]
struct WireAnswer {
    #[serde(default)]
    refused: Vec<WireRefusal>,
    #[serde(default)]
    outcomes: Vec<Option<Vec<WireOutcome>>>,
    #[serde(default)]
    failure: String,
}

#[derive(Deserialize)]
struct WireRefusal {
    code: String,
    message: String,
    #[serde(default)]
    row: usize,
}

#[derive(Deserialize)]
struct WireOutcome {
    value: Option<String>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireError {
    code: String,
    message: String,
}

/// Reads a line of the oracle.
pub(super) fn answer(line: &str) -> Result<Answer> {
    let wire: WireAnswer = serde_json::from_str(line).with_context(|| line.to_owned())?;
    let WireAnswer {
        refused,
        outcomes,
        failure,
    } = wire;
    if !failure.is_empty() {
        bail!("OPA cannot answer: {failure}");
    }
    if !refused.is_empty() {
        let reason = |WireRefusal { code, message, row }| format!("{code} in line {row}: {message}");
        return Ok(Answer::Refused(refused.into_iter().map(reason).collect()));
    }
    let outcomes = outcomes
        .into_iter()
        .map(|of_input| of_input.unwrap_or_default().into_iter().map(outcome).collect())
        .collect::<Result<_>>()?;
    Ok(Answer::Outcomes(outcomes))
}

fn outcome(WireOutcome { value, error }: WireOutcome) -> Result<Outcome> {
    if let Some(WireError { code, message }) = error {
        return Ok(if code == "eval_cancel_error" {
            Outcome::Limit
        } else {
            Outcome::Error(format!("{code}: {message}"))
        });
    }
    let Some(text) = value else {
        return Ok(Outcome::Undefined);
    };
    let value = json::parse(text.as_bytes()).map_err(|error| anyhow!("{error}: {text}"))?;
    Ok(Outcome::Value(unmarked(&value)))
}
