//! `roompass dev`: a server for this machine, with a demo app.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rand::rngs::SysRng;

use super::{Failure, demo, print_json, say, serve::Signals};
use crate::{
    app,
    clock::SystemClock,
    config::{self, Config, ConfigError},
    private_file,
    sealing::MasterKey,
    store::Location,
    telemetry,
    webhooks::PrivateNetworks,
};

/// Start a server for development, with a demo app, on this machine only
///
/// Data and the demo app's credentials are kept in one directory, and printed with the commands to try next. It listens
/// on loopback and nothing else, because its secrets are shown. ROOMPASS_LOG_FORMAT and ROOMPASS_LOG_FILTER count.
/// Ctrl-C stops it.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// The loopback address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where data and demo credentials are kept, so that the next start has the same
    #[arg(long, value_name = "DIR", default_value = ".roompass", conflicts_with = "ephemeral")]
    data_dir: PathBuf,
    /// Keep nothing: all data goes with the process
    #[arg(long)]
    ephemeral: bool,
    /// Print one line of JSON when ready, for scripts: url, gateway_url, app_id, app_sign, server_secret, backend_key
    #[arg(long)]
    json: bool,
    /// With --json: also setup_link, which makes the first admin of the console, while there is none
    #[arg(long, requires = "json")]
    setup: bool,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() {
            let reason = "a development server shows its secrets, so it listens on loopback only; see `roompass serve`";
            return Err(ConfigError::new("--listen", reason).into());
        }
        telemetry::start(&config::log_section()?);
        let data_dir = (!self.ephemeral).then_some(&*self.data_dir);
        let master_key = match data_dir {
            Some(data_dir) => master_key_in(data_dir).map_err(|reason| ConfigError::new("--data-dir", reason))?,
            None => MasterKey::generate(&mut SysRng).map_err(|error| error.to_string())?,
        };
        let mut config = Config::ephemeral(self.listen, master_key);
        config.dev = true;
        // Media goes the same way as everything else: over this machine, on a free port.
        config.media.listen = Some(SocketAddr::new(self.listen.ip(), 0));
        config.media.allow_loopback = true;
        config.webhooks.networks = PrivateNetworks::loopback();
        // The clock of a machine for trying things out may be anything.
        config.accept_clock = true;
        if let Some(data_dir) = data_dir {
            config.store = Location::File(database_in(data_dir)).into();
        }

        let signals = Signals::listen()?;
        let running = app::start(config, Arc::new(SystemClock::new())).await?;
        let mut demo = demo::prepare(&running, data_dir).await?;
        if self.json {
            demo.setup_link = demo.setup_link.filter(|_| self.setup);
            print_json(&demo)
        } else {
            say(&demo.tour(data_dir))
        }
        signals.until_told_to_stop(&running).await;
        running.shutdown().await;
        Ok(())
    }
}

fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join("roompass.db")
}

/// The master key of a data directory, made with it.
fn master_key_in(data_dir: &Path) -> Result<MasterKey, String> {
    let path = data_dir.join("master.key");
    if path.exists() {
        return config::read_master_key(&path);
    }
    if database_in(data_dir).exists() {
        return Err(format!("{} is missing, and the data there cannot be read without it", path.display()));
    }
    private_file::make_directory(data_dir)?;
    let key = MasterKey::generate(&mut SysRng).map_err(|error| error.to_string())?;
    private_file::write(&path, &format!("{}\n", *key.expose()))?;
    Ok(key)
}
