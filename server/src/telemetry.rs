//! Log set-up. Lines go to standard error; standard output is for answers.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::config::{LogFormat, LogSection};

/// The filter of this process, once logging is set up by us.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends log lines to standard error from now on, for the whole process. The first call decides.
pub fn start(log: &LogSection) {
    let (filter, handle) = reload::Layer::new(filter(log));
    let lines = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Pretty => registry.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    // An error means that logging was set up before, by whoever embeds us.
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Changes what is logged from now on, if logging was set up here.
pub fn set_filter(log: &LogSection) {
    // It fails only when the subscriber is gone, and then nothing is logged at all.
    let _ = FILTER.get().map(|handle| handle.reload(filter(log)));
}

/// The filter was judged with the configuration.
fn filter(log: &LogSection) -> EnvFilter {
    EnvFilter::try_new(&log.filter).unwrap_or_default()
}
