//! Reading what was recorded.

use engine::explain::wire::{ExplainRequest, Repeat};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{KeptWords, Store, StoreError};

/// A recorded explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its id.
    pub id: String,
    /// When it was first given, in milliseconds since 1970.
    pub at: i64,
    /// When it was last given.
    pub last_seen: i64,
    /// How often: more than once when a controller retried.
    pub attempts: u64,
    /// The team.
    pub team: String,
    /// What was asked.
    pub request: ExplainRequest,
    /// The text for the person.
    pub message: String,
    /// The warnings.
    pub warnings: Vec<String>,
    /// How often the team had hit each rule, when it was last given.
    pub repeats: Vec<Repeat>,
    /// Who wrote the words.
    pub source: String,
    /// What a model said beside them.
    pub words: Option<KeptWords>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the columns of migrations/0001_ledger.sql, described in api/violations.rs"
)]
pub struct RecordedViolation {
    pub id: i64,
    pub explanation: String,
    pub at: i64,
    pub last_seen: i64,
    pub attempts: u64,
    pub counted: bool,
    pub team: String,
    pub policy: String,
    pub action: String,
    pub decision: String,
    pub found: u64,
    pub message: String,
    pub operation: String,
    pub api_group: String,
    pub api_version: String,
    pub kind: String,
    pub sub_resource: String,
    pub namespace: String,
    pub name: String,
    pub username: String,
    pub tool: String,
    pub dry_run: bool,
    pub revision: String,
}

/// Which rows of the ledger; the newest first.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of this team.
    pub team: Option<String>,
    /// Of this policy.
    pub policy: Option<String>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// Last seen since, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Recorded before the row with this number.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: i64,
}

impl Store {
    /// The explanation of this id.
    pub async fn explanation(&self, id: &str) -> Result<Option<Explanation>, StoreError> {
        let row = sqlx::query(
            "SELECT id, at, last_seen, attempts, team, request, message, warnings, repeats, source
             FROM explanation WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let words = self.words(id).await?;
        explanation(&row, words).map(Some)
    }

    /// Rows of the ledger.
    pub async fn violations(&self, query: &Query) -> Result<Vec<RecordedViolation>, StoreError> {
        let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT * FROM violation WHERE 1 = 1");
        let equal = [
            (" AND team = ", &query.team),
            (" AND policy = ", &query.policy),
            (" AND namespace = ", &query.namespace),
            (" AND action = ", &query.action),
        ];
        for (condition, value) in equal {
            if let Some(value) = value {
                sql.push(condition).push_bind(value.clone());
            }
        }
        for (condition, value) in [(" AND last_seen >= ", query.since), (" AND id < ", query.before)] {
            if let Some(value) = value {
                sql.push(condition).push_bind(value);
            }
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(query.limit);
        let rows = sql.build().fetch_all(&self.read).await?;
        rows.iter().map(violation).collect()
    }
}

fn explanation(row: &SqliteRow, words: Option<KeptWords>) -> Result<Explanation, StoreError> {
    Ok(Explanation {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        last_seen: row.try_get("last_seen")?,
        attempts: count(row, "attempts")?,
        team: row.try_get("team")?,
        request: serde_json::from_str(row.try_get("request")?)?,
        message: row.try_get("message")?,
        warnings: serde_json::from_str(row.try_get("warnings")?)?,
        repeats: serde_json::from_str(row.try_get("repeats")?)?,
        source: row.try_get("source")?,
        words,
    })
}

fn violation(row: &SqliteRow) -> Result<RecordedViolation, StoreError> {
    Ok(RecordedViolation {
        id: row.try_get("id")?,
        explanation: row.try_get("explanation")?,
        at: row.try_get("at")?,
        last_seen: row.try_get("last_seen")?,
        attempts: count(row, "attempts")?,
        counted: row.try_get("counted")?,
        team: row.try_get("team")?,
        policy: row.try_get("policy")?,
        action: row.try_get("action")?,
        decision: row.try_get("decision")?,
        found: count(row, "found")?,
        message: row.try_get("message")?,
        operation: row.try_get("operation")?,
        api_group: row.try_get("api_group")?,
        api_version: row.try_get("api_version")?,
        kind: row.try_get("kind")?,
        sub_resource: row.try_get("sub_resource")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        username: row.try_get("username")?,
        tool: row.try_get("tool")?,
        dry_run: row.try_get("dry_run")?,
        revision: row.try_get("revision")?,
    })
}

fn count(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}
