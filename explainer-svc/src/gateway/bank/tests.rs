//! What is known of budgets when a database does not take a charge, or has others than those of today.

use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::gateway::budget::{Limit, Per, Period};
use crate::gateway::seams::{Appending, Event};

#[derive(Debug, Default)]
struct Told(Mutex<Vec<Event>>);

impl Trail for Told {
    fn append(&self, event: Event) -> Appending<'_> {
        self.record(event);
        Box::pin(async { Ok(0) })
    }

    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn budget() -> Budget {
    Budget {
        name: "b".to_owned(),
        per: Per::All,
        period: Period::Month,
        agents: None,
        teams: None,
        models: None,
        money: Limit {
            soft: Some(10),
            hard: Some(100),
        },
        tokens: Limit::default(),
        requests: Limit::default(),
    }
}

fn line(period: &str) -> Line {
    Line {
        budget: 0,
        scope: "*".to_owned(),
        period: period.to_owned(),
    }
}

fn money(bank: &Bank, period: &str) -> Option<u64> {
    let known = bank.0.known.read().unwrap();
    known.get(&line(period)).map(|amount| amount.money)
}

#[tokio::test]
async fn what_was_spent_in_another_period_is_known_until_it_is_kept_no_more() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("gateway.db")).await.unwrap();
    let rows = "INSERT INTO balance (budget, scope, period, money) VALUES
        ('b', '*', '2026-10', 7), ('b', '*', '2026-11', 8), ('b', '*', '2026-11-22', 9), ('other', '*', '2026-11', 6)";
    store.write.execute(sqlx::query(rows)).await.unwrap();
    let (bank, _writer) = Bank::open(store, vec![budget()], Arc::new(Told::default()))
        .await
        .unwrap();
    let known = || ["2026-10", "2026-11", "2026-11-22"].map(|period| money(&bank, period));
    assert_eq!(known(), [Some(7), Some(8), Some(9)]);
    bank.forget("2026-11-23", "2026-11");
    assert_eq!(known(), [None, Some(8), None]);
}

#[tokio::test]
async fn a_charge_that_cannot_be_written_counts_and_its_soft_limit_is_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("gateway.db")).await.unwrap();
    let refuses = "CREATE TRIGGER refused BEFORE INSERT ON balance BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.write.execute(sqlx::query(refuses)).await.unwrap();
    let told = Arc::new(Told::default());
    let trail = Arc::clone(&told);
    let (bank, _writer) = Bank::open(store, vec![budget()], trail).await.unwrap();
    for (spent, soft) in [(4, 0), (8, 1), (8, 1)] {
        let lines = vec![line("2026-11")];
        let deadline = Instant::now() + Duration::from_secs(5);
        let reservation = bank
            .reserve(lines, Amount::default(), deadline, Duration::ZERO)
            .await
            .unwrap();
        let spent = Spent {
            money: Some(Money(spent)),
            ..Spent::default()
        };
        assert!(!reservation.settle(Used::default(), spent).written().await);
        // Once this is answered, what came before is told.
        bank.flushed().await;
        let told = told.0.lock().unwrap();
        let limits: Vec<_> = told.iter().map(|event| &event.payload["limit"]).collect();
        assert_eq!(limits, vec![&json!("soft"); soft]);
    }
    assert_eq!(money(&bank, "2026-11"), Some(20));
}
