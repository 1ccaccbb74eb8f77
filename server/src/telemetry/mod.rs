//! Logs and traces. Lines go to standard error; standard output is for answers.

pub(crate) mod traces;

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn, ParseError},
    fmt,
    layer::{Filter, SubscriberExt},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::config::{ConfigError, LogFormat, LogSection};
pub use traces::{TraceSettings, Traces};

/// Libraries that log what passes through them, tokens included, below the level `info`. No filter opens that.
const TALKATIVE: [&str; 7] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tokio_tungstenite", "tungstenite"];

/// The directives of this process, once logging is set up by us.
static DIRECTIVES: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends log lines to standard error from now on, for the whole process. The first call decides.
pub fn start(log: &LogSection) {
    // Without traces there is nothing that could fail.
    let _ = start_with(log, None);
}

/// The same, and spans to a collector of traces.
///
/// # Errors
/// The collector's address cannot be used.
pub fn start_with(log: &LogSection, traces: Option<&TraceSettings>) -> Result<Option<Traces>, ConfigError> {
    let traces = traces.map(Traces::new).transpose()?;
    let lines = match log.format {
        LogFormat::Pretty => fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).boxed(),
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr).boxed()
        }
    };
    // The directives were judged with the configuration.
    let Ok(directives) = EnvFilter::try_new(&log.filter) else { return Ok(traces) };
    let (directives, handle) = reload::Layer::new(directives);
    let filter = directives.and(FilterFn::new(keeps_contents_to_itself));
    // An error means that logging was set up before, by whoever embeds us.
    let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
    let is_ours = match &traces {
        None => lines.try_init(),
        Some(traces) => {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer())
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_target(false);
            lines.with(spans.with_filter(FilterFn::new(is_for_traces))).try_init()
        }
    };
    if is_ours.is_ok() {
        let _ = DIRECTIVES.set(handle);
    }
    Ok(traces)
}

/// Changes what is logged from now on, if logging was set up here.
pub fn set_filter(log: &LogSection) {
    if let (Some(handle), Ok(directives)) = (DIRECTIVES.get(), EnvFilter::try_new(&log.filter)) {
        // It fails only when the subscriber is gone, and then nothing is logged at all.
        let _ = handle.reload(directives);
    }
}

/// What of all that is logged is kept: the usual directives (`info,roompass_server=debug`), but never the contents of
/// messages, at no level.
///
/// # Errors
/// What is wrong with `directives`.
pub fn filter<S>(directives: &str) -> Result<impl Filter<S> + use<S>, ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Ok(EnvFilter::try_new(directives)?.and(FilterFn::new(keeps_contents_to_itself)))
}

fn keeps_contents_to_itself(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    let keeps = *metadata.level() <= Level::INFO || !TALKATIVE.contains(&library);
    keeps && !is_for_traces(metadata)
}

fn is_for_traces(metadata: &Metadata<'_>) -> bool {
    metadata.target() == traces::TARGET
}
