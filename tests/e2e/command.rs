//! The command `roompass dev --json`, as scripts use it: a process of its own, the machine's own clock.

use std::process::Stdio;

use roompass_sdk::{BackendClient, BackendKey, Client, LocalUser, MintRequest};
use roompass_tests::{logs, program};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Starts `roompass dev --json`, with its log in the file `log` of a kept run. It ends when it is dropped.
pub(crate) async fn start_dev(log: &str) -> (Child, Value) {
    let mut dev = Command::new(program("roompass"));
    dev.args(["dev", "--json", "--ephemeral", "--listen", "127.0.0.1:0"]).env("ROOMPASS_LOG_FILTER", "trace");
    match logs::folder() {
        Some(folder) => dev.stderr(std::fs::File::create(folder.join(log)).expect("it can be written")),
        None => dev.stderr(Stdio::null()),
    };
    let mut child = dev.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout).lines().next_line().await.expect("it can be read").expect("a line comes");
    let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
    for secret in ["app_sign", "server_secret", "backend_key"] {
        logs::note_secret(ready[secret].as_str().expect("a string"));
    }
    (child, ready)
}

#[tokio::test]
async fn the_printed_line_is_all_that_a_script_needs() {
    let (mut dev, ready) = start_dev("dev-command.log").await;
    let members: Vec<&str> = ready.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members.len(), 6);
    for member in ["url", "gateway_url", "app_id", "app_sign", "server_secret", "backend_key"] {
        assert!(members.contains(&member), "{member}");
    }
    let url = ready["url"].as_str().expect("a string");
    let app_id = u32::try_from(ready["app_id"].as_u64().expect("a number")).expect("an app id");
    let key = BackendKey::new(ready["backend_key"].as_str().expect("a string"));
    let request = MintRequest { user_id: "alice".into(), room_id: Some("r1".into()), ..MintRequest::default() };
    let minted = BackendClient::new(url, app_id, key).unwrap().mint(&request).await.unwrap();
    logs::note_secret(&minted.token);

    let secret = token_gen::ServerSecret::new(ready["server_secret"].as_str().expect("a string")).unwrap();
    let verifier = token_gen::Verifier::new(token_gen::AppId::new(app_id).unwrap(), &secret);
    let verified = verifier.verify_user(&minted.token, "alice", minted.issued_at.into()).expect("it opens elsewhere");
    assert_eq!(verified.claims.expire_at.get(), minted.expire_at);

    let client = Client::builder(app_id, url).build().unwrap();
    let user = LocalUser::new("alice").unwrap();
    let room = client.login_room_with_token("r1", user, &minted.token).await.unwrap();
    room.logout_room().await;
    dev.start_kill().expect("it runs");
    dev.wait().await.expect("it ends");
}
