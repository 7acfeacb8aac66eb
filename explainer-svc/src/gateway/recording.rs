//! The audit log, as the gateway writes to it.

use super::seams::{Appending, Event, Happened, Trail};
use crate::audit::{self, Kind, Log};

impl Trail for Log {
    fn append(&self, event: Event) -> Appending<'_> {
        Box::pin(async move {
            let receipt = Log::append(self, of(event)).await;
            receipt.map(|receipt| receipt.index).map_err(|error| error.to_string())
        })
    }

    fn record(&self, event: Event) {
        Log::record(self, of(event));
    }

    fn is_ready(&self) -> bool {
        self.problem().is_none()
    }
}

fn of(event: Event) -> audit::Event {
    let kind = match event.kind {
        Happened::ModelCalled => Kind::ModelCalled,
        Happened::ModelRefused => Kind::ModelRefused,
        Happened::GuardFired => Kind::GuardFired,
        Happened::KeyChanged => Kind::KeyChanged,
        Happened::BudgetChanged => Kind::BudgetChanged,
        Happened::BudgetExhausted => Kind::BudgetExhausted,
        Happened::KillSwitch => Kind::KillSwitch,
        Happened::ConfigurationLoaded => Kind::ConfigurationLoaded,
        Happened::Canary => Kind::Canary,
        Happened::EvaluationRun => Kind::EvaluationRun,
    };
    audit::Event::new(kind, event.subject, event.payload)
}
