//! Recording one attempt, in one transaction.

use engine::explain::text::Words;
use engine::explain::wire::{Decision, Repeat};
use sqlx::{Row as _, SqliteConnection};

use super::{Store, StoreError};
use crate::ledger::{Attempt, Entry, action_name};

/// What an attempt became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The explanation's id: a new one, or that of the attempt which this one repeats.
    pub id: String,
    /// How often a controller made this attempt, this time included.
    pub attempts: u64,
    /// How often the team hit each rule.
    pub repeats: Vec<Repeat>,
    /// The words, as stored.
    pub words: Words,
}

impl Store {
    /// Records an attempt under `new_id`, or as a retry of an earlier one, and the words that `word` makes of it.
    pub async fn record(
        &self,
        attempt: &Attempt<'_>,
        new_id: &str,
        window_days: u32,
        source: &str,
        word: impl FnOnce(&str, &[Repeat]) -> Words,
    ) -> Result<Recorded, StoreError> {
        let request = serde_json::to_string(attempt.request)?;
        let mut writing = self.write.turn().await?;
        let mut transaction = writing.begin().await?;
        let (id, attempts) = explanation(&mut transaction, attempt, new_id, &request, source).await?;
        for entry in &attempt.entries {
            violation(&mut transaction, attempt, entry, &id).await?;
        }
        let repeats = repeats(&mut transaction, attempt, window_days).await?;
        let words = word(&id, &repeats);
        sqlx::query("UPDATE explanation SET message = ?, warnings = ?, repeats = ? WHERE id = ?")
            .bind(&words.message)
            .bind(serde_json::to_string(&words.warnings)?)
            .bind(serde_json::to_string(&repeats)?)
            .bind(&id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        writing.keep();
        Ok(Recorded {
            id,
            attempts,
            repeats,
            words,
        })
    }
}

/// Inserts the explanation, or finds that of the attempt which this one repeats.
async fn explanation(
    connection: &mut SqliteConnection,
    attempt: &Attempt<'_>,
    new_id: &str,
    request: &str,
    source: &str,
) -> Result<(String, u64), StoreError> {
    if let Some(key) = &attempt.retry_key {
        // What was not seen for a whole window is over: the same attempt is then a new one, and the old row stays as it was.
        sqlx::query("UPDATE explanation SET retry_key = NULL WHERE retry_key = ? AND last_seen < ?")
            .bind(key)
            .bind(attempt.since)
            .execute(&mut *connection)
            .await?;
    }
    let row = sqlx::query(
        "INSERT INTO explanation (id, retry_key, at, last_seen, team, request, message, warnings, repeats, source)
         VALUES (?, ?, ?, ?, ?, ?, '', '[]', '[]', ?)
         ON CONFLICT (retry_key) DO UPDATE SET attempts = attempts + 1, last_seen = max(last_seen, excluded.last_seen)
         RETURNING id, attempts",
    )
    .bind(new_id)
    .bind(&attempt.retry_key)
    .bind(attempt.now)
    .bind(attempt.now)
    .bind(&attempt.team)
    .bind(request)
    .bind(source)
    .fetch_one(connection)
    .await?;
    Ok((row.try_get("id")?, count(row.try_get("attempts")?)))
}

/// Inserts one policy's part, or bumps that of the attempt which this one repeats. A retry that counts makes the row count:
/// a comparison came first, the real attempt after it.
async fn violation(
    connection: &mut SqliteConnection,
    attempt: &Attempt<'_>,
    entry: &Entry<'_>,
    explanation: &str,
) -> Result<(), StoreError> {
    if let Some(key) = &entry.retry_key {
        sqlx::query("UPDATE violation SET retry_key = NULL WHERE retry_key = ? AND last_seen < ?")
            .bind(key)
            .bind(attempt.since)
            .execute(&mut *connection)
            .await?;
    }
    let request = attempt.request;
    let review = &request.review;
    let first = entry
        .violations
        .first()
        .map_or("", |violation| violation.message.as_str());
    let decision = match request.decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    };
    sqlx::query(
        "INSERT INTO violation (explanation, retry_key, at, last_seen, counted, team, policy, action, decision, found, message,
             operation, api_group, api_version, kind, sub_resource, namespace, name, username, tool, dry_run, revision)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (retry_key) DO UPDATE SET
             attempts = attempts + 1, last_seen = max(last_seen, excluded.last_seen), explanation = excluded.explanation,
             counted = max(counted, excluded.counted), dry_run = min(dry_run, excluded.dry_run)",
    )
    .bind(explanation)
    .bind(&entry.retry_key)
    .bind(attempt.now)
    .bind(attempt.now)
    .bind(entry.counted)
    .bind(&attempt.team)
    .bind(entry.policy)
    .bind(action_name(entry.action))
    .bind(decision)
    .bind(i64::try_from(entry.violations.len()).unwrap_or(i64::MAX))
    .bind(first)
    .bind(&review.operation)
    .bind(&review.kind.group)
    .bind(&review.kind.version)
    .bind(&review.kind.kind)
    .bind(&review.sub_resource)
    .bind(&review.namespace)
    .bind(if review.name.is_empty() { &review.generate_name } else { &review.name })
    .bind(&review.username)
    .bind(&review.field_manager)
    .bind(review.dry_run)
    .bind(&request.revision)
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts what the team hit in the window, this attempt included.
async fn repeats(
    connection: &mut SqliteConnection,
    attempt: &Attempt<'_>,
    window_days: u32,
) -> Result<Vec<Repeat>, StoreError> {
    let mut repeats = Vec::new();
    for entry in attempt.countable() {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM violation WHERE counted = 1 AND team = ? AND policy = ? AND last_seen >= ?",
        )
        .bind(&attempt.team)
        .bind(entry.policy)
        .bind(attempt.since)
        .fetch_one(&mut *connection)
        .await?;
        repeats.push(attempt.repeat(entry.policy, count(found), window_days));
    }
    Ok(repeats)
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
