//! Who may ask: agents with their tokens and how often they may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::secret::{Digested, Source};

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The name.
    pub name: String,
    /// Who pays.
    pub team: String,
    /// By what it is known over HTTP; `None` for one inside of this process.
    pub token: Option<Source>,
    /// Patterns of routes and models that it may use.
    pub models: Vec<String>,
    /// Patterns of what it may use them for.
    pub purposes: Vec<String>,
    /// Calls a minute.
    pub requests_per_minute: Option<u32>,
}

/// How long digests of tokens are used before the files are read again.
const FRESH: Duration = Duration::from_secs(1);

/// The tokens of agents, as digests. Files are not read for each call, and a new token counts at once: a token that
/// nobody has makes them read again.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Option<(Instant, Vec<Key>)>>);

type Key = Result<Option<Digested>, String>;

impl Keys {
    /// Whose token it is. All are compared, so that the time tells nothing. A token that two have is nobody's: the wrong one would
    /// pay.
    pub(super) fn owner<'a>(&self, agents: &'a [Agent], token: &str) -> Result<Option<&'a Agent>, String> {
        let given = Digested::of(token);
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, keys)) = &*read
            && at.elapsed() < FRESH
            && let Some(owner) = found(agents, keys, &given)
        {
            return Ok(Some(owner));
        }
        let keys: Vec<Key> = agents.iter().map(key).collect();
        let owner = found(agents, &keys, &given);
        let unreadable = keys.iter().find_map(|key| key.as_ref().err().cloned());
        *read = Some((Instant::now(), keys));
        match (owner, unreadable) {
            (None, Some(problem)) => Err(problem),
            (owner, _) => Ok(owner),
        }
    }
}

fn key(agent: &Agent) -> Key {
    let Some(source) = &agent.token else {
        return Ok(None);
    };
    let key = source.read()?;
    Ok(key.is_long().then(|| key.digest()))
}

fn found<'a>(agents: &'a [Agent], keys: &[Key], given: &Digested) -> Option<&'a Agent> {
    let mut owners = Vec::new();
    for (agent, key) in agents.iter().zip(keys) {
        if let Ok(Some(key)) = key
            && key.is(given)
        {
            owners.push(agent);
        }
    }
    if owners.len() > 1 {
        tracing::error!(
            event = "agent_token_shared",
            "two agents have the same token: nobody is let in with it"
        );
        return None;
    }
    owners.pop()
}

/// How often agents may call: a burst of a sixth of a minute's, and then evenly.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<String, Instant>>);

impl Rates {
    /// Takes a place, or says how long to wait. Nobody but configured agents gets here, so the map is as large as their
    /// list.
    pub(super) fn take(&self, agent: &Agent, now: Instant) -> Result<(), Duration> {
        let Some(per_minute) = agent.requests_per_minute else {
            return Ok(());
        };
        let each = Duration::from_mins(1) / per_minute.max(1);
        let burst = each * (per_minute / 6).max(1);
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // When the place after the last one that was taken would be due, were there no bursts.
        let due = next.get(&agent.name).copied().unwrap_or(now).max(now);
        let after = due + each;
        let early = after.saturating_duration_since(now + burst);
        if !early.is_zero() {
            return Err(early);
        }
        next.insert(agent.name.clone(), after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, token: Option<Source>, per_minute: u32) -> Agent {
        Agent {
            name: name.to_owned(),
            team: String::new(),
            token,
            models: Vec::new(),
            purposes: Vec::new(),
            requests_per_minute: Some(per_minute),
        }
    }

    #[test]
    fn a_burst_passes_and_then_one_by_one() {
        let rates = Rates::default();
        let agent = agent("a", None, 60);
        let begun = Instant::now();
        let passed = (0..100).filter(|_| rates.take(&agent, begun).is_ok()).count();
        assert_eq!(passed, 10);
        assert_eq!(rates.take(&agent, begun), Err(Duration::from_secs(1)));
        let later = begun + Duration::from_secs(1);
        assert!(rates.take(&agent, later).is_ok());
        assert!(rates.take(&agent, later).is_err());
        let minute = (1..=60).filter(|second| rates.take(&agent, later + Duration::from_secs(*second)).is_ok());
        assert_eq!(minute.count(), 60);
    }

    #[test]
    fn tokens_are_told_apart_and_read_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let source = |name: &str, token: &str| {
            std::fs::write(folder.path().join(name), token).unwrap();
            Some(Source::File(folder.path().join(name)))
        };
        let agents = [
            agent("inside", None, 1),
            agent("a", source("a", "token-of-agent-a-1234"), 1),
            agent("b", source("b", "token-of-agent-b-1234"), 1),
        ];
        let who = |token: &str| {
            let owner = Keys::default().owner(&agents, token);
            owner.map(|agent| agent.map(|agent| agent.name.as_str()))
        };
        assert_eq!(who("token-of-agent-b-1234"), Ok(Some("b")));
        assert_eq!(who(""), Ok(None));
        assert_eq!(who("token-of-agent-c-1234"), Ok(None));
        let keys = Keys::default();
        assert!(keys.owner(&agents, "token-of-agent-a-1234").unwrap().is_some());
        source("a", "another-token-of-a-1234");
        let owner = keys.owner(&agents, "another-token-of-a-1234").unwrap();
        assert_eq!(
            owner.map(|agent| agent.name.as_str()),
            Some("a"),
            "a new token counts at once"
        );
        assert_eq!(who("token-of-agent-a-1234"), Ok(None));
        assert_eq!(who("another-token-of-a-1234"), Ok(Some("a")));
        source("b", "another-token-of-a-1234");
        assert_eq!(who("another-token-of-a-1234"), Ok(None), "that of two is nobody's");
        source("b", "token-of-agent-b-1234");
        std::fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(who("token-of-agent-b-1234"), Ok(Some("b")));
        assert!(who("another-token-of-a-1234").is_err(), "who it is cannot be said");
    }
}
