//! Log set-up. Lines go to standard error; standard output is for answers.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, LogSection};

/// Sends log lines to standard error from now on, for the whole process. The first call decides.
pub fn start(log: &LogSection) {
    // The filter was judged with the configuration.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_default();
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error means that logging was set up before, by whoever embeds us.
    let _ = match log.format {
        LogFormat::Pretty => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
