//! Budgets of the gateway's file.

use super::raw::{RawBudget, RawLimit};
use super::reading::Problems;
use super::{globs, name};
use crate::gateway::budget::{Budget, Limit, Patterns};
use crate::gateway::prices::billionths;

pub(super) fn budgets(raw: Vec<RawBudget>, problems: &mut Problems) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let mut wrong = |field: &str, problem: &str| problems.add(format!("budgets[{index}].{field}"), problem);
        let budget = budget(raw, &mut wrong);
        if budgets.iter().any(|other| other.name == budget.name) {
            wrong("name", "is there twice");
        }
        budgets.push(budget);
    }
    budgets
}

fn budget(raw: RawBudget, wrong: &mut impl FnMut(&str, &str)) -> Budget {
    if let Err(problem) = name(&raw.name) {
        wrong("name", &problem);
    }
    let mut dollars = |field: &str, amount: Option<f64>| {
        let read = amount.map(billionths);
        if read == Some(None) {
            wrong(&format!("dollars.{field}"), "expected dollars from 0 on");
        }
        // One that is wrong is a limit all the same.
        read.map(Option::unwrap_or_default)
    };
    let money = Limit {
        soft: dollars("soft", raw.dollars.soft),
        hard: dollars("hard", raw.dollars.hard),
    };
    let of = |raw: RawLimit<u64>| Limit {
        soft: raw.soft,
        hard: raw.hard,
    };
    let mut only = |field: &str, patterns: Option<Vec<String>>| {
        patterns.and_then(|patterns| match globs(&patterns) {
            Ok(globs) => Some(Patterns::new(patterns, globs)),
            Err(problem) => {
                wrong(&format!("only.{field}"), &problem);
                None
            }
        })
    };
    let budget = Budget {
        name: raw.name,
        per: raw.per,
        period: raw.period,
        agents: only("agents", raw.only.agents),
        teams: only("teams", raw.only.teams),
        models: only("models", raw.only.models),
        money,
        tokens: of(raw.tokens),
        requests: of(raw.requests),
    };
    let limits = [
        ("dollars", budget.money),
        ("tokens", budget.tokens),
        ("requests", budget.requests),
    ];
    if limits
        .iter()
        .all(|(_, limit)| limit.soft.is_none() && limit.hard.is_none())
    {
        wrong("dollars", "expected a limit of dollars, tokens or requests");
    }
    for (field, Limit { soft, hard }) in limits {
        if soft.zip(hard).is_some_and(|(soft, hard)| soft > hard) {
            wrong(&format!("{field}.soft"), "is above hard");
        }
        for (side, value) in [("soft", soft), ("hard", hard)] {
            if value.is_some_and(|value| i64::try_from(value).is_err()) {
                wrong(&format!("{field}.{side}"), "is too large");
            }
        }
    }
    budget
}
