//! Agents of the gateway's file.

use std::path::Path;

use super::raw::RawAgent;
use super::reading::Problems;
use super::{beside, name};
use crate::gateway::agents::Agent;
use crate::gateway::secret::{Digested, Source};

pub(super) fn agents(raw: Vec<RawAgent>, folder: &Path, problems: &mut Problems) -> Vec<Agent> {
    let mut agents: Vec<Agent> = Vec::new();
    let mut tokens: Vec<(String, Digested)> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let mut wrong = |field: &str, problem: &str| problems.add(format!("agents[{index}].{field}"), problem);
        if let Err(problem) = name(&raw.name) {
            wrong("name", &problem);
        }
        if agents.iter().any(|agent| agent.name == raw.name) {
            wrong("name", "is there twice");
        }
        if raw.requests_per_minute == Some(0) {
            wrong("requestsPerMinute", "expected at least 1");
        }
        let token = raw.token.map(|source| beside(source, folder));
        match token.as_ref().map(Source::read) {
            None => {}
            Some(Err(problem)) => wrong("token", &problem),
            Some(Ok(key)) if !key.is_long() => {
                wrong(
                    "token",
                    "is shorter than 16 letters; make one with: openssl rand -hex 32",
                );
            }
            Some(Ok(key)) => {
                let digest = key.digest();
                if let Some((owner, _)) = tokens.iter().find(|(_, other)| other.is(&digest)) {
                    wrong("token", &format!("is that of {owner}: who asks could not be told"));
                }
                tokens.push((raw.name.clone(), digest));
            }
        }
        agents.push(Agent {
            name: raw.name,
            team: raw.team,
            token,
            models: raw.models,
            purposes: raw.purposes,
            requests_per_minute: raw.requests_per_minute,
        });
    }
    agents
}
