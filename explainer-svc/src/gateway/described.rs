//! What the audit log has of the gateway's file: who may be asked by whom, within which limits. No key.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Settings;
use super::budget::Budget;
use super::config::Provider;

impl Settings {
    /// The file in short.
    pub(super) fn described(&self) -> Value {
        let routes: BTreeMap<&str, Vec<String>> = self
            .routes
            .values()
            .map(|route| {
                let targets = route.targets.iter();
                let each = targets.map(|target| format!("{}/{}", target.provider, target.model));
                (route.name.as_str(), each.collect())
            })
            .collect();
        let alternatives = self.routes.values().filter(|route| route.targets.len() > 1).count();
        let providers: BTreeMap<&str, Value> = self
            .providers
            .values()
            .map(|provider| {
                let described = json!({
                    "region": provider.region, "tls": is_tls(provider), "local": is_local(provider),
                    "keyed": provider.key.is_some(),
                });
                (provider.name.as_str(), described)
            })
            .collect();
        let regions: BTreeMap<&str, &str> = self
            .providers
            .values()
            .map(|provider| (provider.name.as_str(), provider.region.as_str()))
            .collect();
        let encrypted = self
            .providers
            .values()
            .all(|provider| is_tls(provider) || is_local(provider));
        let agents: BTreeMap<&str, Value> = self
            .agents
            .iter()
            .map(|agent| {
                let described = json!({
                    "team": agent.team, "models": agent.models, "purposes": agent.purposes, "token": agent.token.is_some(),
                    "requestsPerMinute": agent.requests_per_minute,
                });
                (agent.name.as_str(), described)
            })
            .collect();
        // A budget of everything bounds each of them.
        let for_all = |budget: &Budget| budget.agents.is_none() && budget.teams.is_none() && budget.models.is_none();
        let limited = self.budgets.iter().any(for_all)
            || self
                .agents
                .iter()
                .all(|agent| agent.token.is_none() || agent.requests_per_minute.is_some());
        let budgets: Vec<&str> = self.budgets.iter().map(|budget| budget.name.as_str()).collect();
        // A list that lets everything through closes nothing.
        let is_closed = |list: &[String]| !list.iter().any(|pattern| pattern.chars().all(|c| c == '*'));
        let allow: BTreeMap<&str, &[String]> = self
            .allow
            .iter()
            .map(|(field, list)| (*field, list.as_slice()))
            .filter(|(_, list)| is_closed(list))
            .collect();
        let limits = &self.limits;
        json!({
            "digest": self.digest, "policy": self.policy.digest, "pricesAsOf": self.prices.as_of.to_string(),
            "routes": routes, "alternatives": alternatives, "regions": regions, "providers": providers, "allow": allow, "encrypted": encrypted,
            "releaseGate": self.release.as_ref().map(|release| &release.digest), "agents": agents, "agentsLimited": limited, "budgets": budgets,
            "limits": {
                "concurrency": limits.concurrency, "maxTokens": limits.max_tokens, "answerBytes": limits.answer_bytes,
                "requestBytes": limits.request_bytes,
                "deadlineMs": u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            },
        })
    }
}

fn is_tls(provider: &Provider) -> bool {
    provider.url.starts_with("https://")
}

fn is_local(provider: &Provider) -> bool {
    let url = reqwest::Url::parse(&provider.url).ok();
    url.as_ref().and_then(reqwest::Url::host_str).is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}
