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

/// Start a server for real
///
/// It is set up by a file, by the environment (`roompass config docs` lists the variables), or by both; then the
/// environment counts. SIGHUP reads apps and keys again. SIGTERM and Ctrl-C end it after what is under way; log lines go
/// to standard error.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration; `roompass config default` prints one to start from
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (config, log) = config::serve(self.config.as_deref(), &Overrides { listen: self.listen })?;
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
