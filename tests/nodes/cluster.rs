//! Nodes as an operator runs them, and clients that know them all.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use roompass_sdk::{
    BackendClient, BackendKey, Client, FixedToken, LocalUser, MintRequest, PrivilegeName, Room, TokenAnswer,
    TokenProvider, TokenRequest,
};
use roompass_tests::{logs, program};
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::{postgres::Server as Postgres, redis::Server as Redis};

/// Far beyond what anything here takes, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const APP: u32 = 77;
const MASTER_KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";

/// Media is held to parts of a second, so what forwards it has the machine to itself.
static MACHINE: RwLock<()> = RwLock::new(());

#[expect(dead_code, reason = "holding it is what it is for")]
enum Place {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Place {
    fn shared() -> Self {
        Self::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn alone() -> Self {
        Self::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One installation and its nodes.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    pub(crate) redis: Redis,
    backend_key: String,
    pub(crate) nodes: Vec<Node>,
    /// The last to go, after the nodes.
    _place: Place,
}

/// A server process; killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) url: String,
    log: Arc<Mutex<String>>,
}

impl Cluster {
    /// So many nodes, and app 77 with these settings.
    pub(crate) fn start(nodes: usize, settings: &[&str]) -> Self {
        Self::start_with(Place::shared(), nodes, settings, "")
    }

    /// So many nodes, which forward media over loopback, and app 77.
    pub(crate) fn start_with_media(nodes: usize) -> Self {
        Self::start_with(Place::alone(), nodes, &[], "[media]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n")
    }

    fn start_with(place: Place, nodes: usize, settings: &[&str], more: &str) -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let redis = Redis::start();
        let key_file = directory.path().join("master.key");
        fs::write(&key_file, MASTER_KEY).expect("it can be written");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let config = format!(
            "[server]\ndrain_secs = 12\n[store]\nurl = \"{}\"\n[bus]\nurl = \"{}\"\n[master_key]\nfile = \"{}\"\n[log]\nformat = \"json\"\n{more}",
            Postgres::shared().database(),
            redis.url(),
            key_file.display(),
        );
        fs::write(directory.path().join("roompass.toml"), config).expect("it can be written");
        let mut cluster = Self { directory, redis, backend_key: String::new(), nodes: Vec::new(), _place: place };
        cluster.operate(&["app", "create", "--name", "Shop", "--app-id", "77"]);
        if !settings.is_empty() {
            cluster.operate(&[&["app", "update", "77"], settings].concat());
        }
        let rights = ["mint", "read", "operate", "revoke", "admin"].map(|right| ["--right", right]);
        let key = cluster.operate(&[&["key", "create", "--app-id", "77"][..], rights.as_flattened()].concat());
        cluster.backend_key = key["backend_key"].as_str().expect("a string").to_owned();
        logs::note_secret(&cluster.backend_key);
        (0..nodes).for_each(|_| cluster.add_node());
        cluster
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("roompass.toml")
    }

    fn operate(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(program("roompass"));
        let command = command.args(arguments).args(["--json", "--config"]).arg(self.config()).env_clear();
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    /// `roompass room …`, asked of one node. What it printed as JSON.
    pub(crate) fn room(&self, node: usize, arguments: &[&str]) -> Value {
        let key_file = self.directory.path().join("backend.key");
        fs::write(&key_file, &self.backend_key).expect("it can be written");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let mut command = Command::new(program("roompass"));
        command.arg("room").args(arguments).args(["--json", "--app-id", "77", "--url", &self.nodes[node].url]);
        let output = command.arg("--key-file").arg(key_file).env_clear().output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    /// The same by the API, without a program that has to start first.
    pub(crate) async fn operate_room(&self, node: usize, path: &str, body: Value) -> Value {
        self.ask(node, Method::POST, path, &body).await
    }

    /// What of the app one node is asked, which it must do.
    pub(crate) async fn ask(&self, node: usize, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_to_ask(node, method, path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What it answers, and with which status.
    pub(crate) async fn try_to_ask(&self, node: usize, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/apps/{APP}{path}", self.nodes[node].url);
        let request = reqwest::Client::new().request(method, url).bearer_auth(&self.backend_key).json(body);
        let answer = request.send().await.expect("the node answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("it is JSON"))
    }

    /// Starts one more node.
    pub(crate) fn add_node(&mut self) {
        self.add_node_at("127.0.0.1:0");
    }

    /// Starts one more node at an address.
    pub(crate) fn add_node_at(&mut self, address: &str) {
        let node = self.start_node(address);
        self.nodes.push(node);
    }

    /// Starts a node that has stopped anew, where it was.
    pub(crate) fn start_again(&mut self, node: usize) {
        let address = self.nodes[node].url.trim_start_matches("http://").to_owned();
        self.nodes[node] = self.start_node(&address);
    }

    fn start_node(&self, address: &str) -> Node {
        let mut command = Command::new(program("roompass"));
        command.args(["serve", "--listen", address, "--config"]).arg(self.config()).env_clear();
        let mut whole = logs::file();
        if whole.is_some() {
            command.env("ROOMPASS_LOG_FILTER", "trace");
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Everything is kept; the tests see what an operator would.
        let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut output = lines.filter(move |line| {
            if let Some(whole) = &mut whole {
                writeln!(whole, "{line}").expect("the folder can be written");
            }
            !["TRACE", "DEBUG"].iter().any(|level| line.contains(&format!("\"level\":\"{level}\"")))
        });
        let line = output.find(|line| line.contains("\"address\"")).expect("the node starts");
        let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
        let url = format!("http://{}", ready["address"].as_str().expect("a string"));
        let log = Arc::new(Mutex::new(String::new()));
        let keeper = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in output {
                keeper.lock().expect("no keeper panics").push_str(&(line + "\n"));
            }
        });
        Node { child, url, log }
    }

    /// A token for everything in `room_id`, from a node that lives.
    pub(crate) async fn token(&self, user_id: &str, room_id: &str) -> String {
        self.token_for(user_id, room_id, vec![PrivilegeName::Login, PrivilegeName::Publish]).await
    }

    /// A token for these privileges in `room_id`.
    pub(crate) async fn token_for(&self, user_id: &str, room_id: &str, privileges: Vec<PrivilegeName>) -> String {
        let url = &self.nodes.last().expect("there is a node").url;
        let backend = BackendClient::new(url, APP, BackendKey::new(&self.backend_key)).expect("the address is good");
        let request = MintRequest {
            user_id: user_id.to_owned(),
            room_id: Some(room_id.to_owned()),
            privileges: Some(privileges),
            ..MintRequest::default()
        };
        let begun = Instant::now();
        loop {
            match backend.mint(&request).await {
                Ok(minted) => {
                    logs::note_secret(&minted.token);
                    return minted.token;
                }
                // A node that is too busy says when to ask again.
                Err(error) => {
                    assert!(error.is_retryable() && begun.elapsed() < DEADLINE, "{error}");
                    pause(error.retry_after().unwrap_or(Duration::from_millis(100))).await;
                }
            }
        }
    }

    /// A client that begins at node `first` and knows the others.
    pub(crate) fn client(&self, first: usize, token: &str) -> Client {
        self.client_with(first, FixedToken::new(token))
    }

    /// The same, which gets tokens for everything from the last node, whoever its user is.
    pub(crate) fn minting_client(&self, first: usize) -> Client {
        let url = &self.nodes.last().expect("there is a node").url;
        let backend = BackendClient::new(url, APP, BackendKey::new(&self.backend_key)).expect("the address is good");
        let provider = move |request: TokenRequest| {
            let backend = backend.clone();
            async move {
                let mint = MintRequest {
                    user_id: request.user_id,
                    room_id: Some(request.room_id),
                    privileges: Some(vec![PrivilegeName::Login, PrivilegeName::Publish]),
                    ..MintRequest::default()
                };
                match backend.mint(&mint).await {
                    Ok(minted) => {
                        logs::note_secret(&minted.token);
                        TokenAnswer::Token(minted.token)
                    }
                    Err(_) => TokenAnswer::Retry,
                }
            }
        };
        self.client_with(first, provider)
    }

    fn client_with(&self, first: usize, provider: impl TokenProvider) -> Client {
        let mut urls = self.nodes.iter().cycle().skip(first).take(self.nodes.len()).map(|node| &node.url);
        let client = Client::builder(APP, urls.next().expect("there is a node"));
        let client = urls.fold(client, |client, url| client.fallback_url(url));
        client.token_provider(provider).build().expect("the options are good")
    }

    /// Enters a room, beginning at node `first`.
    pub(crate) async fn enter(&self, first: usize, user_id: &str, room_id: &str) -> Room {
        let token = self.token(user_id, room_id).await;
        let user = LocalUser::new(user_id).expect("a good id");
        self.client(first, &token).login_room(room_id, user).await.expect("the token is good")
    }
}

impl Node {
    /// Ends it in the middle of what it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it is ours");
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("there is kill").success());
    }

    /// The exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<i32>, String> {
        let status = self.child.try_wait().expect("it is ours");
        status.map(|status| status.code()).ok_or_else(|| "it goes on".to_owned())
    }

    /// Waits for the end of a node that stops.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code();
            }
            assert!(start.elapsed() < DEADLINE, "it does not stop");
            std::thread::yield_now();
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no keeper panics").clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a state, and says how long it took.
pub(crate) async fn eventually(what: &str, mut state: impl FnMut() -> Result<(), String>) -> Duration {
    let start = Instant::now();
    loop {
        match state() {
            Ok(()) => return start.elapsed(),
            Err(missing) => assert!(start.elapsed() < DEADLINE, "{what}: {missing}"),
        }
        // States of three hundred clients are worth a look some times a second, not all of it.
        pause(Duration::from_millis(20)).await;
    }
}

/// How late this process is while it listens: what waits because others have the processor is nobody's fault here.
pub(crate) struct Lateness {
    micros: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Lateness {
    /// Counts from now on.
    pub(crate) fn start() -> Self {
        let micros = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&micros);
        let task = tokio::spawn(async move {
            let mut looks = tokio::time::interval(Duration::from_millis(50));
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let late = looks.tick().await.elapsed();
                counter.fetch_add(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { micros, task }
    }

    /// How late everything was in all.
    pub(crate) fn so_far(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A rhythm, not a wait for anything.
pub(crate) async fn pause(time: Duration) {
    tokio::time::interval_at(tokio::time::Instant::now() + time, time).tick().await;
}
