//! Who may ask which model, and what for: Rego, evaluated by the engine. Whatever is not surely allowed is denied.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use engine::rego::builtins::{Halt, Host};
use engine::rego::value::Value;
use engine::rego::{Location, Program, Source, dialect_of};
use regex::Regex;
use serde::Serialize;
use serde_json::json;

use super::agents::Agent;
use super::budget::Standing;
use super::config::Provider;

/// The policy that counts when the file names none.
pub const SHIPPED: &str = include_str!("default.rego");
/// The rule that is asked.
const RULE: &str = "data.whynot.gateway.deny";
/// Work for one question.
const MAX_WORK: u64 = 200_000;
/// Reasons that are told.
const MAX_REASONS: usize = 8;

/// What is asked.
#[derive(Debug, Serialize)]
pub(super) struct Question<'a> {
    pub(super) agent: &'a str,
    pub(super) team: &'a str,
    pub(super) purpose: &'a str,
    pub(super) policy: Option<&'a str>,
    pub(super) model: &'a str,
    pub(super) target: Place<'a>,
    pub(super) budget: BTreeMap<&'a str, Standing>,
}

/// Who would be asked.
#[derive(Debug, Serialize)]
pub(super) struct Place<'a> {
    provider: &'a str,
    model: &'a str,
    region: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn new(provider: &'a Provider, model: &'a str) -> Self {
        Self {
            provider: &provider.name,
            model,
            region: &provider.region,
        }
    }
}

/// A policy that was compiled.
#[derive(Debug)]
pub struct Policy {
    program: Program,
    deny: Location,
    data: Value,
    /// Patterns that it compiled, from one question to the next: compiling one takes longer than all the rest of a question.
    patterns: Mutex<HashMap<String, Option<Regex>>>,
    /// The SHA-256 of its files, for the audit log.
    pub digest: String,
}

impl Policy {
    /// Compiles files of Rego; none for the policy that comes along.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn compile(files: &[(String, String)], agents: &[Agent]) -> Result<Self, String> {
        let shipped = [("default.rego".to_owned(), SHIPPED.to_owned())];
        let files = if files.is_empty() { &shipped } else { files };
        let mut sources = Vec::new();
        for (file, text) in files {
            let dialect = dialect_of(file, text).map_err(|(line, problem)| format!("{file}:{line}: {problem}"))?;
            sources.push(Source { file, text, dialect });
        }
        let program = Program::compile(&sources).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            texts.join("; ")
        })?;
        // A misspelt package would deny nothing.
        if !program.has_rule(RULE.trim_start_matches("data.")) {
            return Err(format!("there is no rule {RULE}"));
        }
        let each = agents.iter().map(|agent| {
            let Agent {
                name,
                team,
                models,
                purposes,
                ..
            } = agent;
            (
                name.clone(),
                json!({"team": team, "models": models, "purposes": purposes}),
            )
        });
        let agents: serde_json::Map<String, serde_json::Value> = each.collect();
        let texts = serde_json::to_string(files).map_err(|error| error.to_string())?;
        Ok(Self {
            deny: program.locate(RULE),
            program,
            data: Value::from(&json!({"gateway": {"agents": agents}})),
            patterns: Mutex::default(),
            digest: super::sha256(&texts),
        })
    }

    /// Why not; nothing when it is allowed.
    pub(super) fn objections(&self, question: &Question<'_>) -> Vec<String> {
        self.asked(question)
            .unwrap_or_else(|problem| vec![format!("the policy could not be asked: {problem}")])
    }

    fn asked(&self, question: &Question<'_>) -> Result<Vec<String>, String> {
        let input = serde_json::to_value(question).map_err(|error| error.to_string())?;
        let mut host = Host::new(MAX_WORK);
        let patterns = || self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        host.patterns = std::mem::take(&mut *patterns());
        let value = self
            .program
            .value(&self.deny, Some(&Value::from(&input)), &self.data, &mut host);
        // Who asked at the same time has compiled its own.
        *patterns() = host.patterns;
        let value = value.map_err(|halt| match halt {
            Halt::Error(reason) => reason,
            Halt::Limit | Halt::Depth => "it takes too much work".to_owned(),
        })?;
        let Some(value) = value else {
            return Err("deny is undefined".to_owned());
        };
        let Some(reasons) = value.as_set() else {
            return Err(format!("deny is a {}, expected a set", value.type_name()));
        };
        let text = |reason: &Value| {
            reason
                .as_str()
                .map_or_else(|| reason.to_json().to_string(), str::to_owned)
        };
        Ok(reasons.iter().take(MAX_REASONS).map(text).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Vec<Agent> {
        let agent = |name: &str, team: &str, models: &[&str], purposes: &[&str]| Agent {
            name: name.to_owned(),
            team: team.to_owned(),
            token: None,
            models: models.iter().map(|&text| text.to_owned()).collect(),
            purposes: purposes.iter().map(|&text| text.to_owned()).collect(),
            requests_per_minute: None,
        };
        vec![
            agent("triage", "platform", &["small*"], &["chat"]),
            agent("explainer", "*", &["*"], &["explain"]),
            agent("nothing", "platform", &[], &[]),
        ]
    }

    fn ask(policy: &Policy, agent: &str, team: &str, purpose: &str, model: &str) -> Vec<String> {
        let standing = Standing {
            over_soft: true,
            ..Standing::default()
        };
        policy.objections(&Question {
            agent,
            team,
            purpose,
            policy: None,
            model,
            target: Place {
                provider: "p",
                model: "m",
                region: "eu-west-1",
            },
            budget: [("monthly", standing)].into(),
        })
    }

    #[test]
    fn the_policy_that_comes_along_allows_what_an_agents_entry_lists_and_nothing_else() {
        let policy = Policy::compile(&[], &agents()).unwrap();
        assert_eq!(ask(&policy, "triage", "platform", "chat", "small-1"), [""; 0]);
        assert_eq!(ask(&policy, "explainer", "shop", "explain", "any"), [""; 0]);
        for (agent, team, purpose, model, reason) in [
            ("triage", "platform", "chat", "large", "model \"large\""),
            ("triage", "platform", "explain", "small-1", "for \"explain\""),
            ("triage", "shop", "chat", "small-1", "team \"shop\""),
            ("nobody", "platform", "chat", "small-1", "not known"),
            ("nothing", "platform", "chat", "small-1", "model"),
        ] {
            let reasons = ask(&policy, agent, team, purpose, model);
            assert!(
                reasons.iter().any(|found| found.contains(reason)),
                "{agent}: {reasons:?}"
            );
        }
    }

    #[test]
    fn its_patterns_are_compiled_once() {
        let policy = Policy::compile(&[], &agents()).unwrap();
        let kept = || {
            let patterns = policy.patterns.lock().unwrap();
            let mut kept: Vec<_> = patterns.keys().cloned().collect();
            kept.sort();
            kept
        };
        assert_eq!(ask(&policy, "triage", "platform", "chat", "small-1"), [""; 0]);
        let first = kept();
        assert_eq!(first.len(), 2, "{first:?}: of models and purposes");
        assert_eq!(ask(&policy, "explainer", "shop", "explain", "small-2"), [""; 0]);
        let both = kept();
        assert_eq!(both.len(), 4, "{both:?}: what is asked later is added");
        assert_eq!(ask(&policy, "triage", "platform", "chat", "small-2"), [""; 0]);
        assert_eq!(kept(), both);
    }

    #[test]
    fn a_policy_that_fails_denies() {
        let compile = |body: &str| {
            let text = format!("package whynot.gateway\nimport rego.v1\n{body}\n");
            Policy::compile(&[("own.rego".to_owned(), text)], &agents())
        };
        for (body, reason) in [
            ("deny := true if input.agent == \"x\"", "undefined"),
            ("deny := true if input.agent == \"triage\"", "expected a set"),
            (
                "deny := 1 if input.agent\ndeny := 2 if input.team",
                "could not be asked",
            ),
            (
                "deny contains \"x\" if count([1 | some i in numbers.range(1, 1000); some j in numbers.range(1, 1000); i == j]) < 0",
                "too much work",
            ),
            ("deny contains \"over\" if input.budget.monthly.overSoft", "over"),
            ("deny contains \"far\" if input.target.region != \"us\"", "far"),
        ] {
            let reasons = ask(&compile(body).unwrap(), "triage", "platform", "chat", "small-1");
            assert!(
                reasons.iter().any(|found| found.contains(reason)),
                "{body}: {reasons:?}"
            );
        }
        let allowed = compile("deny contains \"x\" if input.agent == \"x\"").unwrap();
        assert_eq!(ask(&allowed, "triage", "platform", "chat", "small-1"), [""; 0]);
        let misspelt = Policy::compile(
            &[(
                "a.rego".to_owned(),
                "package whynot.gatewy\ndeny contains 1 if false\n".to_owned(),
            )],
            &agents(),
        );
        assert!(misspelt.unwrap_err().contains("data.whynot.gateway.deny"));
        assert!(compile("deny contains x if true").is_err());
    }
}
