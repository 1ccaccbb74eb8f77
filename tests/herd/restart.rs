//! A server that is killed and started again: everybody is back, and nobody is refused.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use roompass_sdk::{Client, RoomState, TokenAnswer, TokenRequest};
use roompass_tests::logs;
use serde_json::Value;
use token_gen::UnixSeconds;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

use crate::crowd::{self, Backend, CLIENTS};

/// How long everybody may take to be back.
const LIMIT: Duration = Duration::from_secs(120);

/// The program of this build, which lies beside the folder of the test programs.
fn roompass() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let path = test.ancestors().nth(2).expect("it lies in a folder of the build").join("roompass");
    assert!(path.exists(), "{} is not there: `cargo test --workspace` builds it", path.display());
    path
}

/// Where a server of this test logs.
fn log_at(folder: &Path, name: &str) -> PathBuf {
    logs::folder().unwrap_or_else(|| folder.to_owned()).join(name)
}

/// Starts a server on `address` with its data in `folder`. It ends when it is dropped.
async fn start(address: &str, folder: &Path, log: &Path) -> (Child, Value) {
    let mut server = Command::new(roompass());
    server.args(["dev", "--json", "--listen", address, "--data-dir"]).arg(folder);
    let filter = if logs::folder().is_some() { "trace" } else { "info" };
    server.env("ROOMPASS_LOG_FILTER", filter).stderr(File::create(log).expect("it can be written"));
    server.stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = server.spawn().expect("it starts");
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout).lines().next_line().await.expect("it can be read").expect("a line comes");
    let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
    for secret in ["app_sign", "server_secret", "backend_key"] {
        logs::note_secret(ready[secret].as_str().expect("a string"));
    }
    (child, ready)
}

// proves F10 (everybody comes back after a restart), F6 (for the clients)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_and_a_restart_five_thousand_clients_are_back_and_none_is_refused() {
    let _turn = crowd::turn().await;
    let folder = tempfile::tempdir().unwrap();
    // Not 127.0.0.1, from where the clients come: while nobody listens, one of them could be given the server's port.
    let (mut server, ready) = start("127.0.0.2:0", folder.path(), &log_at(folder.path(), "herd-before.log")).await;
    let text = |member: &str| ready[member].as_str().expect("a string").to_owned();
    let app_id = u32::try_from(ready["app_id"].as_u64().unwrap()).unwrap();
    let backend = Backend::new(app_id, &text("server_secret"));
    let client = Client::builder(app_id, &text("url"))
        .token_provider(move |request: TokenRequest| {
            let token = backend.token(&request.user_id, Duration::from_secs(3600), now());
            async { TokenAnswer::Token(token) }
        })
        .build()
        .unwrap();
    let began = Instant::now();
    let rooms = crowd::log_in(&client).await;
    println!("{CLIENTS} clients are in after {:.1?}", began.elapsed());

    server.kill().await.unwrap();
    let lost = rooms.iter().map(|room| {
        let mut state = room.watch_state();
        async move { drop(state.wait_for(|state| !state.is_connected()).await.unwrap()) }
    });
    timeout(LIMIT, lost.collect::<JoinSet<_>>().join_all()).await.expect("everybody notices");
    let address = text("url").trim_start_matches("http://").to_owned();
    let log = log_at(folder.path(), "herd-after.log");
    let (_server, _) = start(&address, folder.path(), &log).await;
    let restarted = Instant::now();
    let back = rooms.iter().map(|room| {
        let mut state = room.watch_state();
        async move {
            let state = state.wait_for(|state| state.is_connected() || state.is_over()).await.unwrap().clone();
            (state, restarted.elapsed())
        }
    });
    let back = timeout(LIMIT, back.collect::<JoinSet<_>>().join_all()).await.expect("everybody is back in time");
    let refused: Vec<_> = back.iter().filter(|(state, _)| !matches!(state, RoomState::Reconnected)).collect();
    assert!(refused.is_empty(), "{} were refused, such as {:?}", refused.len(), refused[0]);
    let said = fs::read_to_string(&log).expect("it was written");
    assert!(said.contains("logged in"), "logins are logged");
    let refusal = said.lines().find(|line| line.contains("login refused"));
    assert_eq!(refusal, None, "nobody was refused on the way either");
    let mut times: Vec<Duration> = back.iter().map(|(_, after)| *after).collect();
    times.sort_unstable();
    let [half, last] = [times[CLIENTS / 2], times[CLIENTS - 1]];
    println!("after the restart half of {CLIENTS} clients are back within {half:.1?}, all within {last:.1?}");
}

#[expect(clippy::disallowed_methods, reason = "the edge of the test run: the server goes by the machine's clock")]
fn now() -> UnixSeconds {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is right");
    UnixSeconds::new(i64::try_from(since.as_secs()).expect("it is this century"))
}
