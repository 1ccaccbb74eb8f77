//! What the operator reads: one line a login, refusal and leave, with the exact reason, and never a credential.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use token_gen::Privilege;
use tracing_subscriber::fmt::MakeWriter;

use super::harness::{TestGateway, settings};
use crate::store::{AuditFilter, AuditRecord, AuditStore, AuditWalk};

/// Everything logged on this thread, where the whole test runs.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_tells_the_exact_reason_and_no_credential() {
    // proves T16
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .finish();
    // With a lone subscriber, a log line that another test reaches first would be switched off for everybody: whether
    // it is wanted is then asked on that other thread. With two, it is asked anew each time.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _guard = tracing::subscriber::set_default(subscriber);

    let test = TestGateway::start(settings()).await;
    let (good, renewed) = (test.token("alice", 600), test.token("alice", 700));
    let damaged = good.replacen(&good[40..44], "AAAA", 1);
    let mut refused = test.connect().await;
    assert_eq!(refused.login("alice", "r1", json!({ "token": damaged })).await["code"], "token_invalid");
    let mut alice = test.connect().await;
    let proof = alice.proof("alice", "r1");
    let credentials = json!({ "token": damaged, "app_sign_proof": proof, "sdk": "test/1" });
    assert_eq!(alice.login("alice", "r1", credentials).await["auth"], "app_sign");
    let mut bob = test.connect().await;
    let bobs = test.token("bob", 600);
    bob.login("bob", "r1", json!({ "token": bobs })).await;
    assert_eq!(bob.renew(&renewed).await["code"], "token_user_mismatch");
    bob.ask("logout", json!({})).await;
    bob.hear_close().await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for secret in [&*good, &renewed, &damaged, &bobs, proof["proof"].as_str().unwrap(), "00112233445566778899"] {
        assert!(!log.contains(secret), "{log}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["target"].as_str().unwrap().starts_with("roompass_server"))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| super::harness::part(line, &["message", "code", "reason", "auth", "other_credential"]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["login refused", "token_invalid", "undecryptable", null, null],
            ["room opened", null, null, null, null],
            ["logged in", null, null, "app_sign", "undecryptable"],
            ["logged in", null, null, "token", null],
            ["renewal", null, "user_mismatch", null, null],
            ["left", null, "logged_out", null, null]
        ])
    );
    let damaged_id = token_gen::TokenId::of(&damaged).to_string();
    assert_eq!((&lines[0]["token_id"], &lines[2]["token_id"]), (&json!(damaged_id), &json!(damaged_id)));
    assert_eq!((&lines[3]["session_id"], &lines[3]["user_id"]), (&lines[5]["session_id"], &lines[5]["user_id"]));

    test.audit.flush().await.unwrap();
    let found = test.store.audit_records(AuditFilter::default(), AuditWalk::Forth(0), 100).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|(_, record)| {
            let AuditRecord { action, result, reason, user_id, details, .. } = record;
            json!([action, result, reason, user_id, details])
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["login", "refused", "undecryptable", "alice", "token_invalid"],
            ["login", "done", null, "alice", "app_sign; the other credential: undecryptable"],
            ["login", "done", null, "bob", "token"],
            ["renew", "refused", "user_mismatch", "bob", null]
        ])
    );
    let (first, third) = (&found[0].1, &found[2].1);
    assert_eq!((first.token_id.as_ref(), first.source.as_deref()), (Some(&damaged_id), Some("127.0.0.1")));
    assert_eq!(
        (third.rights.as_deref(), third.session_id.as_deref()),
        (Some("login,publish"), lines[3]["session_id"].as_str())
    );
    assert!(!format!("{found:?}").contains(&*bobs));
}

#[tokio::test]
async fn a_renewal_with_a_good_token_that_may_not_replace_the_present_one_is_recorded_as_refused() {
    let test = TestGateway::start(settings()).await;
    let older = test.token("alice", 600);
    test.advance(1);
    let mut alice = test.enter("alice", 600).await;
    let of_elsewhere = test.token_with("alice", "r2", &[Privilege::Login], 600);
    assert_eq!(alice.renew(&older).await["code"], "token_invalid");
    assert_eq!(alice.renew(&of_elsewhere).await["code"], "login_denied");
    test.audit.flush().await.unwrap();
    let found = test.store.audit_records(AuditFilter::default(), AuditWalk::Forth(0), 100).await.unwrap();
    let told = found.iter().filter(|(_, record)| record.action == "renew");
    let told: Vec<_> = told.map(|(_, record)| (&*record.result, record.reason.as_deref())).collect();
    assert_eq!(told, [("refused", Some("older")), ("refused", Some("room"))]);
}
