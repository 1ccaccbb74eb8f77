//! `roompass serve`: a server for real.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::{
    app::{self, Running},
    audit::Origin,
    clock::SystemClock,
    config::{self, Callers, Overrides},
    telemetry,
};

/// Start a server for real
///
/// It is set up by a file, by the environment (`roompass config docs` lists the variables), or by both; then the
/// environment counts. SIGHUP reads apps, keys, the TLS certificate and what else may change again
/// (`roompass config docs` says which fields). SIGTERM and Ctrl-C end it after what is under way; log lines go to
/// standard error. While there is no admin, each start at a terminal prints a link there that makes the first one.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration; `roompass config default` prints one to start from
    #[arg(long, value_name = "FILE", env = "ROOMPASS_CONFIG")]
    config: Option<PathBuf>,
    /// Overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Serve although the clock is behind the time the store has seen, because the clock is right
    #[arg(long)]
    accept_clock: bool,
    /// Without an admin or a key, start all the same; print the code that makes the first admin even where there is no
    /// terminal
    #[arg(long)]
    setup: bool,
}

impl Serve {
    /// How many threads are to serve, if that is said. Asked before anything runs.
    pub(super) fn workers(&self) -> Option<usize> {
        config::workers(self.config.as_deref()).and_then(|workers| usize::try_from(workers).ok())
    }

    pub(super) async fn run(self) -> Result<(), Failure> {
        let (mut config, log) = config::serve(self.config.as_deref(), &Overrides { listen: self.listen })?;
        config.accept_clock = self.accept_clock;
        if self.setup {
            config.callers = Callers::Optional;
            config.store = config.store.or_create();
        }
        let traces = telemetry::start_with(&log, config.traces.as_ref())?;
        let signals = Signals::listen()?;
        let running = app::start(config, Arc::new(SystemClock::new())).await?;
        if let Some(traces) = &traces {
            traces.count_in(Arc::clone(&running.service().metrics));
        }
        if matches!(running.service().admins.exist().await, Ok(false)) {
            // Whoever reads the code may become an owner: without a terminal, what is printed ends up in a log.
            if self.setup || io::stdout().is_terminal() {
                super::admin::print_setup_link(running.service()).await?;
            } else {
                tracing::info!("nobody can sign in to the console yet: `roompass admin setup-link` says how to");
            }
        }
        signals.until_told_to_stop(&running).await;
        running.shutdown().await;
        if let Some(traces) = traces {
            traces.shutdown().await;
        }
        Ok(())
    }
}

/// The signals a server obeys. Listen before anybody can know that the server is there: an early signal would kill.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    /// From now on no signal ends the process by itself.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            reload: listen(SignalKind::hangup())?,
        })
    }

    /// Returns at SIGTERM or SIGINT; at SIGHUP, takes up what may change, and goes on.
    pub(super) async fn until_told_to_stop(mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // What fails is in the log.
                _ = self.reload.recv() => drop(running.service().reloader.reload(running.service(), Origin::SERVER).await),
            }
        }
    }
}
