//! How long a store takes. Each store counts its own; whoever watches it asks.

use std::time::Instant;

use prometheus_client::metrics::{counter::Counter, family::Family};

use tracing::Instrument;

use super::StoreError;
use crate::{metrics::Latency, telemetry::traces::TARGET};

/// What is asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Nothing changes.
    Read,
    /// Something may.
    Write,
    /// The store does not tell one from the other.
    Any,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Any => "any",
        }
    }
}

type Label = [(&'static str, &'static str); 1];

/// Times and failures of one store. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    seconds: Family<Label, Latency>,
    failures: Family<Label, Counter>,
}

impl Timings {
    /// The histogram of times, by operation.
    pub fn seconds(&self) -> Family<Label, Latency> {
        self.seconds.clone()
    }

    /// What was not answered, by operation.
    pub fn failures(&self) -> Family<Label, Counter> {
        self.failures.clone()
    }

    /// Times `work`, the wait for its turn included.
    pub(super) async fn of<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let done = work.instrument(tracing::info_span!(target: TARGET, "store", operation = operation.as_str())).await;
        let label = [("operation", operation.as_str())];
        self.seconds.get_or_create(&label).since(begun);
        if let Err(StoreError::Unavailable(_)) = done {
            self.failures.get_or_create(&label).inc();
        }
        done
    }
}
