//! Keeps what a test process logs itself, at every level.

use std::sync::{Mutex, Once};

use tracing_subscriber::{
    Layer, Registry, fmt,
    layer::{Filter, SubscriberExt},
};

use super::kept;

/// Keeps it, as far as `filter` lets it through, if this run keeps anything. The first call decides.
pub(crate) fn keep(filter: impl Filter<Registry> + Send + Sync + 'static) {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let Some(file) = kept::log() else { return };
        let lines = fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter);
        // Not of what is logged by other means: some tests look at all that comes to a subscriber of theirs.
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).expect("it is the first");
    });
}
