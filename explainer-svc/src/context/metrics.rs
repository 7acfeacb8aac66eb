//! Figures of the context, taken when they are asked for.

use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::watched::Phase;
use super::{KindStatus, LiveContext};

/// What a kind counts, by the kind's own figures.
type Figure = (&'static str, &'static str, bool, fn(&KindStatus) -> u64);

/// Kinds are what the server was told to watch, never what a caller wrote.
const BY_KIND: [Figure; 5] = [
    ("context_objects", "Objects that are kept, by kind", false, |kind| {
        whole(kind.objects)
    }),
    ("context_bytes", "Bytes that are kept, by kind", false, |kind| {
        whole(kind.bytes)
    }),
    (
        "context_watch_up",
        "1 while changes arrive as they are made, by kind",
        false,
        |kind| u64::from(matches!(kind.phase, Phase::Live | Phase::Absent)),
    ),
    (
        "context_watch_restarts",
        "Watches that were begun anew, by kind",
        true,
        |kind| kind.restarts,
    ),
    (
        "context_watch_errors",
        "Lists and watches that failed, by kind",
        true,
        |kind| kind.errors,
    ),
];

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Registered before the context is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContextMetrics(Arc<OnceLock<LiveContext>>);

impl ContextMetrics {
    /// Whose figures they are.
    pub(crate) fn of(&self, context: LiveContext) {
        let _ = self.0.set(context);
    }
}

impl Collector for ContextMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(context) = self.0.get() else {
            return Ok(());
        };
        let status = context.status();
        let mut gauge = |name: &str, help: &str, value: f64| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&value)
        };
        let age = context.age().as_secs_f64();
        gauge(
            "context_age_seconds",
            "How old the knowledge of the cluster is; 0 while all changes arrive",
            age,
        )?;
        let known = f64::from(u8::from(status.revision.is_some()));
        gauge("context_known", "1 when there is a context", known)?;
        let failing = f64::from(u8::from(status.file_error.is_some()));
        gauge(
            "context_file_failing",
            "1 while the context's file cannot be used",
            failing,
        )?;
        for (name, help, is_counter, figure) in BY_KIND {
            if status.kinds.is_empty() {
                continue;
            }
            let metric_type = if is_counter {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut family = encoder.encode_descriptor(name, help, None, metric_type)?;
            // Namespaces are watched once for their labels, and once more when the inventory has them.
            for kind in &status.kinds {
                let labels = [("kind", kind.kind.as_str()), ("purpose", kind.purpose.as_str())];
                let mut metric = family.encode_family(&labels)?;
                if is_counter {
                    metric.encode_counter::<NoLabelSet, _, u64>(&figure(kind), None)?;
                } else {
                    let value = i64::try_from(figure(kind)).unwrap_or(i64::MAX);
                    metric.encode_gauge(&value)?;
                }
            }
        }
        Ok(())
    }
}
