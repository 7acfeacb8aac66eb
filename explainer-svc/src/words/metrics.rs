//! What is counted of models' words. Every label's value is from a list in the program.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Said {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Without {
    what: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tried {
    outcome: &'static str,
    reason: &'static str,
}

const VERIFIED: Tried = Tried {
    outcome: "verified",
    reason: "none",
};

/// Counters of one server.
#[derive(Debug, Clone, Default)]
pub struct WordsMetrics {
    said: Family<Said, Counter>,
    unwritten: Family<Without, Counter>,
    fixes: Family<Tried, Counter>,
    denials: Family<Said, Counter>,
    writing: Gauge,
}

/// A denial that is written about, until this is dropped.
#[derive(Debug)]
pub(super) struct Writing(Gauge);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl WordsMetrics {
    /// Shows them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "model_words",
            "Models' words by where they came from",
            self.said.clone(),
        );
        registry.register(
            "model_words_missing",
            "Denials without a model's words, or without its change, by reason",
            self.unwritten.clone(),
        );
        registry.register(
            "model_fixes",
            "Changes that models proposed, by outcome",
            self.fixes.clone(),
        );
        registry.register(
            "model_words_shown",
            "Denials by whether a model's words were in them, came later, or did not come",
            self.denials.clone(),
        );
        registry.register(
            "model_writing",
            "Denials that models write about now",
            self.writing.clone(),
        );
    }

    pub(super) fn said(&self, cached: bool) {
        let outcome = if cached { "kept" } else { "new" };
        self.said.get_or_create(&Said { outcome }).inc();
    }

    pub(super) fn unwritten(&self, what: &'static str, reason: &'static str) {
        self.unwritten.get_or_create(&Without { what, reason }).inc();
    }

    /// Changes that were tried and hold.
    pub(crate) fn verified(&self) -> u64 {
        self.fixes.get_or_create(&VERIFIED).get()
    }

    pub(super) fn tried(&self, outcome: &'static str, reason: &'static str) {
        self.fixes.get_or_create(&Tried { outcome, reason }).inc();
    }

    pub(super) fn writing(&self) -> Writing {
        self.writing.inc();
        Writing(self.writing.clone())
    }

    pub(super) fn denial(&self, outcome: &'static str) {
        self.denials.get_or_create(&Said { outcome }).inc();
    }
}
