//! `roompass serve`: a server for real.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

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
        let running = app::start(config, Arc::new(SystemClock::new())).await?;
        until_told_to_stop(&running).await?;
        running.shutdown().await;
        Ok(())
    }
}

/// Returns at SIGTERM or SIGINT; at SIGHUP, reads apps and keys again and goes on.
pub(super) async fn until_told_to_stop(running: &Running) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut reload = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = reload.recv() => match running.service().admin.load().await {
                Ok(()) => tracing::info!("apps and keys read again"),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot read apps and keys"),
            },
        }
    }
}
