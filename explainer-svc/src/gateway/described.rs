//! What the audit log has of the gateway's file: who may be asked by whom, within which limits. No key.

use std::collections::BTreeMap;

use globset::{Glob, GlobSetBuilder};
use serde_json::{Value, json};

use super::Settings;
use super::budget::Budget;
use super::config::Provider;

/// How a name goes on that nobody has.
const UNLIKELY: &str = "7x-qzv_ywk.jq/gb:v0";
/// So many first letters may fit a list that is closed: `eu-*` has one, `[a-m]*` is no list.
const FEW: usize = 3;

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
        let for_all = |budget: &Budget| {
            let limits = [budget.money, budget.tokens, budget.requests];
            // A soft limit is told, and bounds nothing.
            let is_hard = limits.iter().any(|limit| limit.hard.is_some());
            is_hard && budget.agents.is_none() && budget.teams.is_none() && budget.models.is_none()
        };
        let limited = self.budgets.iter().any(for_all)
            || self
                .agents
                .iter()
                .all(|agent| agent.token.is_none() || agent.requests_per_minute.is_some());
        let budgets: Vec<&str> = self.budgets.iter().map(|budget| budget.name.as_str()).collect();
        let scoped = self.agents.iter().all(|agent| is_closed(&agent.purposes));
        // The places where explanations are asked for, as far as the release gate lets them speak.
        let asked = self.routes.get(&self.default_route);
        let released: Vec<String> = asked
            .iter()
            .flat_map(|route| &route.targets)
            .filter(|target| self.release.as_ref().is_some_and(|release| release.has(target)))
            .map(|target| format!("{}/{}", target.provider, target.model))
            .collect();
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
            "releaseGate": self.release.as_ref().map(|release| &release.digest), "released": released, "agents": agents,
            "agentsLimited": limited, "agentsScoped": scoped, "budgets": budgets,
            "limits": {
                "concurrency": limits.concurrency, "maxTokens": limits.max_tokens, "answerBytes": limits.answer_bytes,
                "requestBytes": limits.request_bytes,
                "deadlineMs": u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            },
        })
    }
}

/// Whether a list of patterns lets some names through and not about any: by how many different names that nobody has fit it.
fn is_closed(patterns: &[String]) -> bool {
    let mut builder = GlobSetBuilder::new();
    for glob in patterns.iter().filter_map(|pattern| Glob::new(pattern).ok()) {
        builder.add(glob);
    }
    let Ok(list) = builder.build() else { return false };
    let fits = |first: char, length: usize| {
        let rest = UNLIKELY.chars().take(length);
        list.is_match(std::iter::once(first).chain(rest).collect::<String>())
    };
    let firsts = || ('a'..='z').chain('A'..='Z').chain('0'..='9');
    (0..=UNLIKELY.len()).all(|length| firsts().filter(|first| fits(*first, length)).count() <= FEW)
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

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: whynot.dev/v1
kind: Gateway
prices: prices.yaml
providers:
  - {name: a, kind: openai, url: 'https://a.example.com/v1', region: eu-west-1, models: [m, l]}
routes:
  - {model: default, targets: [{provider: a, model: m}, {provider: a, model: l}]}
  - {model: other, targets: [{provider: a, model: l}]}
defaultRoute: default
";

    fn described(more: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("prices.yaml"),
            "asOf: 2026-11-01\nmodels:\n  m: {input: 1, output: 2}\n  l: {input: 1, output: 2}\n",
        )
        .unwrap();
        let pair = |provider: &str, model: &str, grounded: f64| {
            json!({
                "provider": provider, "model": model, "prompts": [{"name": "explain", "version": 1, "hash": "abc"}],
                "passed": grounded > 0.9, "failures": [], "figures": {"grounded": grounded},
            })
        };
        let evaluated = json!({
            "apiVersion": "whynot.dev/v1", "kind": "Evaluation", "at": "2026-11-23T05:00:00Z", "cases": "x",
            "thresholds": [{"figure": "grounded", "min": 0.9}], "pairs": [pair("a", "m", 0.5), pair("b", "m", 1.0), pair("a", "l", 1.0)],
        });
        std::fs::write(folder.path().join("evaluation.json"), evaluated.to_string()).unwrap();
        std::fs::write(folder.path().join("token"), "a-token-of-an-agent").unwrap();
        Settings::parse(&format!("{FILE}{more}"), folder.path())
            .unwrap()
            .described()
    }

    #[test]
    fn a_list_that_about_any_name_fits_is_not_closed() {
        let closed = |patterns: &[&str]| is_closed(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>());
        for open in [
            "*",
            "**",
            "?*",
            "*?",
            "[a-z]*",
            "[!x]*",
            "{*,m}",
            "[0-9a-zA-Z]?*",
            "*-*",
            "????????",
            "*[!q]",
            "*/*",
        ] {
            assert!(!closed(&["m", open]), "{open}");
        }
        let alphabet: Vec<String> = ('a'..='z').map(|first| format!("{first}*")).collect();
        assert!(!is_closed(&alphabet));
        assert!(closed(&["m"]) && closed(&["gpt-*", "claude-*"]) && closed(&["eu-*-1"]) && closed(&["*-mini"]));
        assert!(closed(&[]), "nothing is let through");
        let allow = &described("allow: {providers: ['?*'], models: [m, l], regions: ['{*,x}']}\n")["allow"];
        assert_eq!(allow, &json!({"models": ["m", "l"]}));
    }

    #[test]
    fn a_soft_budget_limits_no_agent() {
        let agents = "agents:\n  - {name: t, team: x, token: {file: token}, models: ['*'], purposes: [chat]}\n";
        let limited = |limits: &str| {
            let budgets = format!("budgets:\n  - {{name: all, period: day, {limits}}}\n");
            described(&format!("{agents}{budgets}"))["agentsLimited"] == true
        };
        assert!(limited("requests: {hard: 10}") && limited("dollars: {soft: 1, hard: 2}"));
        assert!(!limited("requests: {soft: 10}") && !limited("dollars: {soft: 1}, tokens: {soft: 1}"));
        let scoped = |file: &str| described(file)["agentsScoped"] == true;
        assert!(scoped(agents) && !scoped(&agents.replace("[chat]", "['?*']")));
    }

    #[test]
    fn released_is_what_passed_of_the_places_where_explanations_are_asked_for() {
        assert_eq!(described("releaseGate: evaluation.json\n")["released"], json!(["a/l"]));
        assert_eq!(described("")["released"], json!([]));
    }
}
