//! A server as an operator runs it, that can be killed and started again.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use roompass_tests::{logs, program};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{interval, timeout},
};

pub(crate) const APP: u32 = 77;
const MASTER_KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";
/// Far beyond what a start takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where a server keeps everything.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    pub(crate) server_secret: String,
    pub(crate) backend_key: String,
}

/// One that runs. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// Where it says what it counts.
    pub(crate) watcher: String,
    log: PathBuf,
}

impl Installation {
    /// With app 77 and a key that may mint.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let key_file = folder.path().join("master.key");
        fs::write(&key_file, MASTER_KEY).expect("it can be written");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let config = format!(
            "[store]\nurl = \"sqlite:{}\"\n[master_key]\nfile = \"{}\"\n[log]\nformat = \"json\"\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\n",
            folder.path().join("roompass.db").display(),
            key_file.display(),
        );
        fs::write(folder.path().join("roompass.toml"), config).expect("it can be written");
        let mut installation = Self { folder, server_secret: String::new(), backend_key: String::new() };
        let app = installation.operate(&["app", "create", "--name", "Shop", "--app-id", "77"]).await;
        let key = installation.operate(&["key", "create", "--app-id", "77"]).await;
        let secret = |answer: &Value, name: &str| {
            let secret = answer[name].as_str().expect("a string").to_owned();
            logs::note_secret(&secret);
            secret
        };
        installation.server_secret = secret(&app, "server_secret");
        installation.backend_key = secret(&key, "backend_key");
        installation
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program("roompass"));
        command.env_clear().current_dir(self.folder.path());
        command
    }

    async fn operate(&self, arguments: &[&str]) -> Value {
        let output = self.command().args(arguments).args(["--json", "--config", "roompass.toml"]).output().await;
        let output = output.expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    /// Starts it at `address`, with its log in the file `log`.
    pub(crate) async fn serve(&self, address: &str, log: &str) -> Server {
        let log = logs::folder().unwrap_or_else(|| self.folder.path().to_owned()).join(log);
        let mut command = self.command();
        command.args(["serve", "--listen", address, "--config", "roompass.toml"]);
        if logs::folder().is_some() {
            command.env("ROOMPASS_LOG_FILTER", "trace");
        }
        command.stdout(Stdio::null()).stderr(File::create(&log).expect("it can be written")).kill_on_drop(true);
        let child = command.spawn().expect("it starts");
        let mut server = Server { child, address: String::new(), watcher: String::new(), log };
        server.address = server.said("\"roompass serves on").await["address"].as_str().expect("a string").to_owned();
        let watcher = server.said("\"metrics are at").await;
        server.watcher = format!("http://{}/metrics", watcher["address"].as_str().expect("a string"));
        server
    }
}

impl Server {
    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("it was written")
    }

    /// The first line with these words, once it is there.
    async fn said(&self, words: &str) -> Value {
        let comes = async {
            let mut looks = interval(Duration::from_millis(10));
            loop {
                looks.tick().await;
                let log = self.log();
                // The last line may not be whole yet.
                let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
                if let Some(line) = whole.lines().find(|line| line.contains(words)) {
                    return serde_json::from_str(line).expect("one line of JSON");
                }
            }
        };
        timeout(DEADLINE, comes).await.expect("it starts")
    }
}
