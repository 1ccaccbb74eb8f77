//! `roompass serve`: a server for real.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::{
    app::{self, Running},
    clock::SystemClock,
    config::{self, Overrides},
    telemetry,
};

/// Starts a server from a configuration file, the environment (see `roompass config docs`), or both; the environment
/// wins. SIGHUP reads apps and keys again, SIGTERM and SIGINT end it without cutting anybody off.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Serve although the clock is behind the time the store has seen, because the clock is right
    #[arg(long)]
    accept_clock: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (mut config, log) = config::serve(self.config.as_deref(), &Overrides { listen: self.listen })?;
        config.accept_clock = self.accept_clock;
        telemetry::start(&log);
        let signals = Signals::listen()?;
        let running = app::start(config, Arc::new(SystemClock::new())).await?;
        signals.until_told_to_stop(&running).await;
        running.shutdown().await;
        Ok(())
    }
}

/// The signals that this process heeds, from the moment it listens: one that came before would end it at once.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Returns at SIGTERM or SIGINT; at SIGHUP, reads apps and keys again and goes on.
    pub(super) async fn until_told_to_stop(mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match running.service().admin.load().await {
                    Ok(()) => tracing::info!("apps and keys read again"),
                    Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot read apps and keys"),
                },
            }
        }
    }
}
