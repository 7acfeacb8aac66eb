//! Answers that are kept, as the model gave them, so that the next team to hit the same rule in the same way costs
//! nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Row as _;
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;

use super::Gateway;
use super::call::{Call, Form, Stop};
use super::config::{CacheLimits, Route};
use super::store::{Store, StoreError};

/// Keys that somebody works on, before those that nobody does are forgotten.
const TURNS: usize = 1024;
/// Keys whose answers were refused, before they are forgotten.
const REFUSALS: usize = 4096;
/// How long nobody is asked again after a guard refused an answer; twice as long each time after.
const FIRST_REFUSAL: Duration = Duration::from_mins(2);
/// As long as that gets at most.
const LONGEST_REFUSAL: Duration = Duration::from_mins(32);

/// A guard refused what a model answered.
#[derive(Debug)]
struct Refusal {
    guard: String,
    wait: Duration,
    until: Instant,
}

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) stop: Stop,
    pub(super) text: String,
}

impl Kept {
    /// Whether the place that gave it may be asked by who asks now.
    pub(super) fn may_be_given(&self, route: &Route, objections: &[Option<Vec<String>>]) -> bool {
        let mut targets = route.targets.iter().zip(objections);
        targets.any(|(target, objection)| {
            objection.is_none() && target.provider == self.provider && target.model == self.model
        })
    }
}

/// The answers that are kept.
#[derive(Debug)]
pub(super) struct Cache {
    store: Store,
    limits: CacheLimits,
    turns: Mutex<HashMap<String, Arc<Turn<()>>>>,
    /// In memory only: guards of another version may judge otherwise.
    refusals: Mutex<HashMap<String, Refusal>>,
}

impl Gateway {
    /// Whether the answer to this call is kept, so that nobody has to be asked. It may be gone at the next moment.
    pub async fn is_kept(&self, call: &Call) -> bool {
        let name = call.model.as_deref().unwrap_or(&self.0.settings.default_route);
        let Some(route) = self.0.settings.routes.get(name) else {
            return false;
        };
        let Some(key) = self.0.cache.key(call, name) else {
            return false;
        };
        match self.0.cache.get(&key).await {
            Ok(Some(kept)) => kept.may_be_given(route, &self.0.objections(call, route)),
            _ => false,
        }
    }
}

impl Cache {
    pub(super) fn new(store: Store, limits: CacheLimits) -> Self {
        Self {
            store,
            limits,
            turns: Mutex::default(),
            refusals: Mutex::default(),
        }
    }

    /// Under what the answer to a call is kept; `None` when it is not.
    pub(super) fn key(&self, call: &Call, route: &str) -> Option<String> {
        let super::call::CacheKey {
            revision,
            rule,
            shape,
            prompt,
        } = call.cache.as_ref().filter(|_| self.limits.entries > 0)?;
        let form = match &call.form {
            None => String::new(),
            Some(Form::Object) => "object".to_owned(),
            Some(Form::Schema(schema)) => schema.to_string(),
        };
        let limit = call.max_tokens.to_string();
        // JSON, so that no two lists of parts are the same bytes.
        let parts = serde_json::json!([revision, rule, shape, prompt, route, call.purpose, form, limit]);
        Some(super::sha256(&parts.to_string()))
    }

    /// One call at a time works on a key: those after it find its answer.
    pub(super) fn turn(&self, key: &str) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(key.to_owned()).or_default())
    }

    /// The guard that refused the answer under a key lately: asked and paid again, it would be refused again.
    pub(super) fn refused(&self, key: &str) -> Option<String> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = refusals.get(key).filter(|refusal| refusal.until > Instant::now())?;
        Some(refusal.guard.clone())
    }

    /// A guard refused the answer under a key.
    pub(super) fn refuse(&self, key: &str, guard: &str) {
        let now = Instant::now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= REFUSALS {
            refusals.retain(|_, refusal| refusal.until > now);
        }
        if refusals.len() >= REFUSALS {
            return;
        }
        let before = refusals.get(key).map(|refusal| refusal.wait);
        let wait = before.map_or(FIRST_REFUSAL, |wait| wait.saturating_mul(2).min(LONGEST_REFUSAL));
        let refusal = Refusal {
            guard: guard.to_owned(),
            wait,
            until: now + wait,
        };
        refusals.insert(key.to_owned(), refusal);
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Kept>, StoreError> {
        let now = jiff::Timestamp::now().as_millisecond();
        let row = sqlx::query("SELECT at, provider, model, stop, text FROM answer WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.store.read)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let at: i64 = row.try_get("at")?;
        let age = i64::try_from(self.limits.age.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(at) > age {
            return Ok(None);
        }
        let stop: String = row.try_get("stop")?;
        let used = sqlx::query("UPDATE answer SET last_used = ? WHERE key = ?");
        self.store.write.execute(used.bind(now).bind(key)).await?;
        Ok(Some(Kept {
            provider: row.try_get("provider")?,
            model: row.try_get("model")?,
            stop: if stop == "length" { Stop::Length } else { Stop::Stop },
            text: row.try_get("text")?,
        }))
    }

    /// Keeps an answer, and forgets those that were not used for longest.
    pub(super) async fn put(&self, key: &str, kept: &Kept) -> Result<(), StoreError> {
        let now = jiff::Timestamp::now().as_millisecond();
        let stop = match kept.stop {
            Stop::Stop => "stop",
            Stop::Length => "length",
        };
        let mut writing = self.store.write.turn().await?;
        let mut transaction = writing.begin().await?;
        sqlx::query(
            "INSERT INTO answer (key, at, last_used, provider, model, stop, text) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET at = excluded.at, last_used = excluded.last_used, provider = excluded.provider,
                 model = excluded.model, stop = excluded.stop, text = excluded.text",
        )
        .bind(key)
        .bind(now)
        .bind(now)
        .bind(&kept.provider)
        .bind(&kept.model)
        .bind(stop)
        .bind(&kept.text)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM answer WHERE key IN
                 (SELECT key FROM answer ORDER BY last_used DESC, key LIMIT -1 OFFSET ?)",
        )
        .bind(i64::from(self.limits.entries))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        writing.keep();
        Ok(())
    }
}
