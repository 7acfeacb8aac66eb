//! What was used and spent, for whoever pays.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::Gateway;
use super::store::StoreError;

/// Rows of an answer.
const MOST: i64 = 10_000;

/// What one agent used for one team and policy on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// The day, in UTC.
    pub day: String,
    /// Who asked.
    pub agent: String,
    /// Who pays.
    pub team: String,
    /// What it was about; empty when it was not about a policy.
    pub policy: String,
    /// Who answered.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Answers, kept ones included.
    pub requests: i64,
    /// Answers that were kept from before, and cost nothing.
    pub kept: i64,
    /// Tokens of questions.
    pub input: i64,
    /// Those of them that the provider had in its cache.
    pub cached: i64,
    /// Tokens of answers.
    pub output: i64,
    /// Billionths of a dollar, of what has a price.
    pub nanodollars: i64,
    /// Answers of models without a price: what they cost is not in `nanodollars`.
    pub unpriced: i64,
}

impl Gateway {
    /// Deletes what was used and spent before a day (2026-11-23); how many rows that were. Of budgets, only periods that are over.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn purge(&self, before: &str) -> Result<u64, StoreError> {
        let write = &self.0.store.write;
        let usage = sqlx::query("DELETE FROM usage WHERE day < ?").bind(before);
        let mut deleted = write.execute(usage).await?.rows_affected();
        // A month (2026-11) is over when the day is in a later one; as texts, it is before each of its own days.
        let month = before.get(..7).unwrap_or_default();
        let balance = sqlx::query(
            "DELETE FROM balance WHERE (length(period) = 10 AND period < ?) OR (length(period) = 7 AND period < ?)",
        )
        .bind(before)
        .bind(month);
        deleted += write.execute(balance).await?.rows_affected();
        self.0.bank.forget(before, month);
        Ok(deleted)
    }

    /// What was used since a day (2026-11-23), the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn usage(&self, since: &str) -> Result<Vec<UsageRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM usage WHERE day >= ? ORDER BY day DESC, agent, team, policy LIMIT ?")
            .bind(since)
            .bind(MOST)
            .fetch_all(&self.0.store.read)
            .await?;
        let row = |row: sqlx::sqlite::SqliteRow| {
            Ok(UsageRow {
                day: row.try_get("day")?,
                agent: row.try_get("agent")?,
                team: row.try_get("team")?,
                policy: row.try_get("policy")?,
                provider: row.try_get("provider")?,
                model: row.try_get("model")?,
                requests: row.try_get("requests")?,
                kept: row.try_get("kept")?,
                input: row.try_get("input")?,
                cached: row.try_get("cached")?,
                output: row.try_get("output")?,
                nanodollars: row.try_get("money")?,
                unpriced: row.try_get("unpriced")?,
            })
        };
        rows.into_iter().map(row).collect()
    }
}
