//! What the log counts, for the metrics.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The counters of one log. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    leaves: Family<KindLabel, Counter>,
    errors: Counter,
    lost: Counter,
    erased: Counter,
    damaged: Counter,
    failing: Gauge,
    signed: Gauge<u64, AtomicU64>,
}

impl Counts {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("audit_leaves", "Events appended to the audit log", self.leaves.clone());
        registry.register(
            "audit_errors",
            "Transactions and checkpoints of the audit log that could not be written",
            self.errors.clone(),
        );
        registry.register(
            "audit_lost",
            "Events that did not get into the audit log",
            self.lost.clone(),
        );
        registry.register(
            "audit_payloads_erased",
            "Payloads of the audit log deleted after their retention",
            self.erased.clone(),
        );
        registry.register(
            "audit_damaged",
            "Reads of the audit log that found something that is not as it was written",
            self.damaged.clone(),
        );
        registry.register(
            "audit_failing",
            "1 while the audit log cannot be written",
            self.failing.clone(),
        );
        registry.register(
            "audit_checkpoint_size",
            "Leaves in the last signed checkpoint",
            self.signed.clone(),
        );
    }

    pub(super) fn appended(&self, kind: Kind) {
        self.leaves.get_or_create(&KindLabel { kind: kind.name() }).inc();
    }

    pub(super) fn error(&self) {
        self.errors.inc();
    }

    pub(super) fn lost(&self, events: u64) {
        self.lost.inc_by(events);
    }

    pub(super) fn erased(&self, payloads: u64) {
        self.erased.inc_by(payloads);
    }

    pub(super) fn damaged(&self) {
        self.damaged.inc();
    }

    pub(super) fn failing(&self, failing: bool) {
        self.failing.set(i64::from(failing));
    }

    pub(super) fn signed(&self, size: u64) {
        self.signed.set(size);
    }

    /// How many events were lost.
    pub(super) fn all_lost(&self) -> u64 {
        self.lost.get()
    }
}
