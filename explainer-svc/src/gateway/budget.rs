//! What may be spent: by whom, on what, in a day or a month.

use std::time::Duration;

use globset::GlobSet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::call::Money;

/// Who shares a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Everybody that it covers.
    #[default]
    All,
    /// Each team has its own.
    Team,
    /// Each agent has its own.
    Agent,
    /// Each model has its own.
    Model,
}

/// How long a budget lasts, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
}

/// Two limits of one measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Told when it is reached.
    pub soft: Option<u64>,
    /// Never exceeded by what is known before a call.
    pub hard: Option<u64>,
}

/// Names that a budget is for.
#[derive(Debug, Clone)]
pub struct Patterns {
    listed: Vec<String>,
    globs: GlobSet,
}

impl Patterns {
    pub(super) fn new(listed: Vec<String>, globs: GlobSet) -> Self {
        Self { listed, globs }
    }
}

/// A budget.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Who shares it.
    pub per: Per,
    /// How long it lasts.
    pub period: Period,
    /// The agents that it covers; `None` for all.
    pub agents: Option<Patterns>,
    /// The teams that it covers.
    pub teams: Option<Patterns>,
    /// The models that it covers: routes, or models of providers.
    pub models: Option<Patterns>,
    /// Billionths of a dollar.
    pub money: Limit,
    /// Tokens.
    pub tokens: Limit,
    /// Calls.
    pub requests: Limit,
}

/// An amount of everything that is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) money: u64,
    pub(super) tokens: u64,
    pub(super) requests: u64,
}

/// A call as budgets see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spender<'a> {
    pub(super) agent: &'a str,
    pub(super) team: &'a str,
    pub(super) route: &'a str,
    pub(super) model: &'a str,
}

/// What of a budget a call is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    /// The place of the budget in the configuration.
    pub(super) budget: usize,
    pub(super) scope: String,
    pub(super) period: String,
}

/// How a budget stands, for the policy on agents.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// In dollars.
    pub dollars: Measure<f64>,
    /// In tokens.
    pub tokens: Measure<u64>,
    /// In calls.
    pub requests: Measure<u64>,
    /// A soft limit is reached.
    pub over_soft: bool,
}

/// One measure of a budget.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Measure<T> {
    /// Spent in this period.
    pub spent: T,
    /// The soft limit.
    pub soft: Option<T>,
    /// The hard limit.
    pub hard: Option<T>,
}

/// What comes of asking a budget for an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It fits.
    Enough,
    /// It would fit if what others have reserved came back.
    Held,
    /// It does not fit.
    None,
}

impl Budget {
    pub(super) fn line(&self, index: usize, spender: &Spender<'_>, now: Timestamp) -> Option<Line> {
        let covers = |patterns: &Option<Patterns>, names: &[&str]| {
            let is_among = |patterns: &Patterns| names.iter().any(|name| patterns.globs.is_match(name));
            patterns.as_ref().is_none_or(is_among)
        };
        let Spender {
            agent,
            team,
            route,
            model,
        } = *spender;
        let covered =
            covers(&self.agents, &[agent]) && covers(&self.teams, &[team]) && covers(&self.models, &[route, model]);
        let scope = match self.per {
            Per::All => "*",
            Per::Team => team,
            Per::Agent => agent,
            Per::Model => model,
        };
        covered.then(|| Line {
            budget: index,
            scope: scope.to_owned(),
            period: self.period.name(now),
        })
    }

    pub(super) fn limits_money(&self) -> bool {
        self.money.soft.is_some() || self.money.hard.is_some()
    }

    pub(super) fn room(&self, spent: Amount, reserved: Amount, asked: Amount) -> Room {
        let measures = [
            (self.money.hard, spent.money, reserved.money, asked.money),
            (self.tokens.hard, spent.tokens, reserved.tokens, asked.tokens),
            (self.requests.hard, spent.requests, reserved.requests, asked.requests),
        ];
        let mut room = Room::Enough;
        for (hard, spent, reserved, asked) in measures {
            let Some(hard) = hard else { continue };
            if spent.saturating_add(asked) > hard {
                return Room::None;
            }
            if spent.saturating_add(reserved).saturating_add(asked) > hard {
                room = Room::Held;
            }
        }
        room
    }

    pub(super) fn is_over_soft(&self, spent: Amount) -> bool {
        [
            (self.money.soft, spent.money),
            (self.tokens.soft, spent.tokens),
            (self.requests.soft, spent.requests),
        ]
        .iter()
        .any(|(soft, spent)| soft.is_some_and(|soft| *spent >= soft))
    }

    pub(super) fn standing(&self, spent: Amount) -> Standing {
        let measure = |limit: Limit, spent| Measure {
            spent,
            soft: limit.soft,
            hard: limit.hard,
        };
        let dollars = |limit: Option<u64>| limit.map(|limit| Money(limit).dollars());
        Standing {
            dollars: Measure {
                spent: Money(spent.money).dollars(),
                soft: dollars(self.money.soft),
                hard: dollars(self.money.hard),
            },
            tokens: measure(self.tokens, spent.tokens),
            requests: measure(self.requests, spent.requests),
            over_soft: self.is_over_soft(spent),
        }
    }

    /// For the audit log: whether it is another budget than before.
    pub(super) fn described(&self) -> serde_json::Value {
        let limit = |limit: Limit| serde_json::json!([limit.soft, limit.hard]);
        let only = |patterns: &Option<Patterns>| patterns.as_ref().map(|patterns| patterns.listed.clone());
        serde_json::json!({
            "only": {"agents": only(&self.agents), "teams": only(&self.teams), "models": only(&self.models)},
            "per": format!("{:?}", self.per), "period": format!("{:?}", self.period),
            "nanodollars": limit(self.money), "tokens": limit(self.tokens), "requests": limit(self.requests),
        })
    }
}

impl Period {
    fn name(self, now: Timestamp) -> String {
        let date = today(now);
        match self {
            Self::Day => date.to_string(),
            Self::Month => format!("{:04}-{:02}", date.year(), date.month()),
        }
    }

    /// When the next one begins.
    pub(super) fn ends(self, now: Timestamp) -> Timestamp {
        let today = today(now);
        let next = match self {
            Self::Day => today.tomorrow().ok(),
            Self::Month => today.last_of_month().tomorrow().ok(),
        };
        let midnight = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        next.and_then(midnight).unwrap_or(now)
    }
}

pub(super) fn today(now: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(now).date()
}

/// From one time to a later one.
pub(super) fn until(now: Timestamp, then: Timestamp) -> Duration {
    let milliseconds = then.as_millisecond().saturating_sub(now.as_millisecond());
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(hard: u64) -> Budget {
        Budget {
            name: "b".to_owned(),
            per: Per::Team,
            period: Period::Month,
            agents: None,
            teams: Some(Patterns::new(
                vec!["shop*".to_owned()],
                globset::GlobSetBuilder::new()
                    .add(globset::Glob::new("shop*").unwrap())
                    .build()
                    .unwrap(),
            )),
            models: None,
            money: Limit {
                soft: Some(hard / 2),
                hard: Some(hard),
            },
            tokens: Limit::default(),
            requests: Limit::default(),
        }
    }

    #[test]
    fn what_is_reserved_may_come_back_and_what_is_spent_does_not() {
        let money = |money| Amount {
            money,
            ..Amount::default()
        };
        let room = |spent, reserved, asked| budget(10).room(money(spent), money(reserved), money(asked));
        assert_eq!(room(0, 0, 10), Room::Enough);
        assert_eq!(room(5, 3, 3), Room::Held);
        assert_eq!(room(8, 0, 3), Room::None);
        assert_eq!(room(u64::MAX, 0, 1), Room::None);
        assert!(budget(10).is_over_soft(money(5)) && !budget(10).is_over_soft(money(4)));
    }

    #[test]
    fn periods_are_those_of_the_calendar_in_utc() {
        let now: Timestamp = "2026-12-31T23:59:59Z".parse().unwrap();
        let spender = |team| Spender {
            agent: "a",
            team,
            route: "r",
            model: "m",
        };
        let line = budget(1).line(3, &spender("shop-1"), now).unwrap();
        assert_eq!(
            (line.budget, line.scope.as_str(), line.period.as_str()),
            (3, "shop-1", "2026-12")
        );
        assert_eq!(budget(1).line(3, &spender("bank"), now), None);
        assert_eq!(Period::Day.name(now), "2026-12-31");
        assert_eq!(Period::Day.ends(now).to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(Period::Month.ends(now).to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(until(now, Period::Month.ends(now)), Duration::from_secs(1));
    }
}
