//! Budgets of the gateway's file.

use std::collections::BTreeSet;

use globset::GlobSet;

use super::raw::{RawBudget, RawLimit};
use super::{globs, name};
use crate::gateway::budget::{Budget, Limit};
use crate::gateway::prices::billionths;

pub(super) fn budgets(raw: Vec<RawBudget>, problems: &mut Vec<String>) -> Vec<Budget> {
    let mut names = BTreeSet::new();
    let mut budgets = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        match budget(raw) {
            Ok(budget) if names.insert(budget.name.clone()) => budgets.push(budget),
            Ok(_) => problems.push(format!("budgets[{index}].name: is there twice")),
            Err(problem) => problems.push(format!("budgets[{index}].{problem}")),
        }
    }
    budgets
}

fn budget(raw: RawBudget) -> Result<Budget, String> {
    name(&raw.name)?;
    let dollars = |field: &str, amount: Option<f64>| match amount {
        None => Ok(None),
        Some(dollars) => billionths(dollars)
            .map(Some)
            .ok_or_else(|| format!("dollars.{field}: expected dollars from 0 on")),
    };
    let money = Limit {
        soft: dollars("soft", raw.dollars.soft)?,
        hard: dollars("hard", raw.dollars.hard)?,
    };
    let of = |raw: RawLimit<u64>| Limit {
        soft: raw.soft,
        hard: raw.hard,
    };
    let budget = Budget {
        name: raw.name,
        per: raw.per,
        period: raw.period,
        agents: only("agents", raw.only.agents)?,
        teams: only("teams", raw.only.teams)?,
        models: only("models", raw.only.models)?,
        money,
        tokens: of(raw.tokens),
        requests: of(raw.requests),
    };
    let limits = [budget.money, budget.tokens, budget.requests];
    if limits.iter().all(|limit| limit.soft.is_none() && limit.hard.is_none()) {
        return Err("dollars, tokens or requests: expected a limit".to_owned());
    }
    let is_odd = |limit: &Limit| {
        let above = limit.soft.zip(limit.hard).is_some_and(|(soft, hard)| soft > hard);
        above
            || [limit.soft, limit.hard]
                .into_iter()
                .flatten()
                .any(|value| i64::try_from(value).is_err())
    };
    if limits.iter().any(is_odd) {
        return Err("soft: is above hard, or a limit is too large".to_owned());
    }
    Ok(budget)
}

fn only(field: &str, patterns: Option<Vec<String>>) -> Result<Option<GlobSet>, String> {
    patterns
        .map(|patterns| globs(&patterns).map_err(|problem| format!("only.{field}: {problem}")))
        .transpose()
}
