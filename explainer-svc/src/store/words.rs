//! What a model said about an explanation: kept beside it, and deleted with it.

use engine::explain::wire::FixSummary;
use sqlx::Row as _;

use super::{Store, StoreError};
use crate::words::{Progress, PromptId};

/// A model's words, as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWords {
    /// When they came, in milliseconds since 1970.
    pub at: i64,
    /// What is wrong, and why that matters; empty when only a change came.
    pub text: String,
    /// What to do.
    pub steps: Vec<String>,
    /// The model.
    pub model: String,
    /// Whose it is.
    pub provider: String,
    /// What it was asked with.
    pub prompt: PromptId,
    /// The leaf of the audit log.
    pub leaf: i64,
    /// A change that it proposed and that holds.
    pub fix: Option<FixSummary>,
}

impl Store {
    /// Keeps what a model said about an explanation. What came earlier and is not said again stays.
    pub async fn keep_words(&self, explanation: &str, at: i64, progress: &Progress) -> Result<(), StoreError> {
        let Some(origin) = progress.origin() else { return Ok(()) };
        let (text, steps) = progress.words.as_ref().map_or((String::new(), Vec::new()), |words| {
            (words.text.clone(), words.steps.clone())
        });
        let fix = progress
            .fix
            .as_ref()
            .map(|(fix, _)| serde_json::to_string(fix))
            .transpose()?;
        let words = sqlx::query(
            "INSERT INTO words (explanation, at, text, steps, model, provider, prompt, leaf, fix) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (explanation) DO UPDATE SET
                 at = excluded.at, model = excluded.model, provider = excluded.provider, prompt = excluded.prompt,
                 leaf = excluded.leaf, fix = coalesce(excluded.fix, fix),
                 steps = CASE excluded.text WHEN '' THEN steps ELSE excluded.steps END,
                 text = CASE excluded.text WHEN '' THEN text ELSE excluded.text END",
        )
        .bind(explanation)
        .bind(at)
        .bind(text)
        .bind(serde_json::to_string(&steps)?)
        .bind(&origin.model)
        .bind(&origin.provider)
        .bind(serde_json::to_string(&origin.prompt)?)
        .bind(i64::try_from(origin.audit).unwrap_or(i64::MAX))
        .bind(fix);
        self.write.execute(words).await?;
        Ok(())
    }

    /// What a model said about an explanation.
    pub async fn words(&self, explanation: &str) -> Result<Option<KeptWords>, StoreError> {
        let row =
            sqlx::query("SELECT at, text, steps, model, provider, prompt, leaf, fix FROM words WHERE explanation = ?")
                .bind(explanation)
                .fetch_optional(&self.read)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let fix: Option<String> = row.try_get("fix")?;
        Ok(Some(KeptWords {
            at: row.try_get("at")?,
            text: row.try_get("text")?,
            steps: serde_json::from_str(row.try_get("steps")?)?,
            model: row.try_get("model")?,
            provider: row.try_get("provider")?,
            prompt: serde_json::from_str(row.try_get("prompt")?)?,
            leaf: row.try_get("leaf")?,
            fix: fix.map(|fix| serde_json::from_str(&fix)).transpose()?,
        }))
    }

    /// How often a team hit the one of these policies that it hit most, since then.
    pub async fn times(&self, team: &str, policies: &[String], since: i64) -> Result<u64, StoreError> {
        let mut most = 0;
        for policy in policies {
            let found: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM violation WHERE counted = 1 AND team = ? AND policy = ? AND last_seen >= ?",
            )
            .bind(team)
            .bind(policy)
            .bind(since)
            .fetch_one(&self.read)
            .await?;
            most = most.max(found);
        }
        Ok(u64::try_from(most).unwrap_or(0))
    }
}
