//! `GET /v1/violations`: the ledger.

#![expect(unused_qualifications, reason = "in what utoipa makes of `params`")]

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{AppState, Problem, time};
use crate::store::{self, RecordedViolation};

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1000;

/// Which violations; all conditions must hold.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Conditions {
    /// Of this team; `unknown` for those that no label attributes.
    team: Option<String>,
    /// Of the policy with this id.
    policy: Option<String>,
    /// In this namespace.
    namespace: Option<String>,
    /// `deny`, `warn` or `audit`.
    #[param(value_type = Option<super::schema::Action>, inline)]
    action: Option<String>,
    /// Last seen since: a time (`2026-11-22T10:00:00Z`), a day in UTC (`2026-11-22`) or a span back from now (`14d`, `36h`).
    since: Option<String>,
    /// At most this many, from 1 to 1000; 100 when not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// A page of the ledger, the newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Page {
    items: Vec<Item>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<i64>,
}

/// One policy that objected to one attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    id: i64,
    /// The id of the explanation, for `/e/{id}`.
    explanation: String,
    url: String,
    /// When it was first seen.
    at: String,
    last_seen: String,
    /// How often: more than once when a controller retried.
    attempts: u64,
    /// It is among the team's repeats.
    counted: bool,
    team: String,
    policy: String,
    /// `deny`, `warn` or `audit`.
    action: String,
    /// `allow` or `deny`: what the API server was told.
    decision: String,
    /// How many things the policy objected to.
    found: u64,
    /// The first of them, in the policy's words.
    message: String,
    operation: String,
    group: String,
    version: String,
    kind: String,
    sub_resource: String,
    namespace: String,
    /// The name, or the prefix of a name that the API server makes.
    name: String,
    username: String,
    /// The field manager.
    tool: String,
    dry_run: bool,
    revision: String,
}

/// Lists recorded violations.
#[utoipa::path(
    get, path = "/v1/violations", tag = "ledger", operation_id = "violations",
    params(Conditions),
    responses(
        (status = 200, description = "A page, the newest first", body = Page),
        (status = 400, description = "A condition is not understood; `path` names it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    conditions: Result<Query<Conditions>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(conditions) = conditions.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (query, limit) = query(conditions, jiff::Timestamp::now())?;
    let mut rows = state.explainer.store().violations(&query).await?;
    let has_more = i64::try_from(rows.len()).is_ok_and(|found| found > limit);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| has_more).map(|row| row.id);
    let items = rows.into_iter().map(|row| item(row, &state)).collect();
    Ok(Json(Page { items, next }))
}

/// Conditions become a query for one row more than the limit, which tells whether there is a next page.
fn query(conditions: Conditions, now: jiff::Timestamp) -> Result<(store::Query, i64), Problem> {
    let Conditions {
        team,
        policy,
        namespace,
        action,
        since,
        limit,
        cursor,
    } = conditions;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("Expected a number from 1 to {MAX_LIMIT}.")).at("limit"));
    }
    if action
        .as_deref()
        .is_some_and(|action| !["deny", "warn", "audit"].contains(&action))
    {
        return Err(Problem::bad_request("Expected deny, warn or audit.").at("action"));
    }
    let since = since.map(|text| self::since(&text, now)).transpose()?;
    Ok((
        store::Query {
            team,
            policy,
            namespace,
            action,
            since,
            before: cursor,
            limit: limit + 1,
        },
        limit,
    ))
}

fn since(text: &str, now: jiff::Timestamp) -> Result<i64, Problem> {
    let expected = || {
        let detail = "Expected a time like 2026-11-22T10:00:00Z, a day like 2026-11-22, or a span like 14d or 36h.";
        Problem::bad_request(detail).at("since")
    };
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| expected())?;
        return Ok(midnight.timestamp().as_millisecond());
    }
    let span: jiff::Span = text.parse().map_err(|_| expected())?;
    let span = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| expected())?;
    Ok(now.checked_sub(span.abs()).map_err(|_| expected())?.as_millisecond())
}

fn item(row: RecordedViolation, state: &AppState) -> Item {
    Item {
        url: state.explainer.url(&row.explanation),
        id: row.id,
        explanation: row.explanation,
        at: time(row.at),
        last_seen: time(row.last_seen),
        attempts: row.attempts,
        counted: row.counted,
        team: row.team,
        policy: row.policy,
        action: row.action,
        decision: row.decision,
        found: row.found,
        message: row.message,
        operation: row.operation,
        group: row.api_group,
        version: row.api_version,
        kind: row.kind,
        sub_resource: row.sub_resource,
        namespace: row.namespace,
        name: row.name,
        username: row.username,
        tool: row.tool,
        dry_run: row.dry_run,
        revision: row.revision,
    }
}
