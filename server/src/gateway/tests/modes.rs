//! The mode table of the documentation, cell by cell, over sockets.

use serde_json::{Value, json};
use token_gen::{AppId, Privilege, RightsBuilder, TokenId};

use super::harness::{APP_ID, TestClient, TestGateway, part, settings};
use crate::{
    apps::{AppSettings, AuthMode, BothCredentials},
    bans,
    operator::{Act, Who},
    revocations::Target,
};

const PAGE: &str = include_str!("../../../docs/modes.md");
const COLUMNS: [(AuthMode, BothCredentials); 4] = [
    (AuthMode::AppSign, BothCredentials::Either),
    (AuthMode::TokenPreferred, BothCredentials::Either),
    (AuthMode::TokenPreferred, BothCredentials::TokenDecides),
    (AuthMode::TokenOnly, BothCredentials::Either),
];

/// The rows of the table: proof, token, and what each column expects.
fn rows() -> Vec<(&'static str, &'static str, Vec<String>)> {
    let table = PAGE.split("|---|---|---|---|---|---|\n").nth(1).expect("there is a table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0], cells[1], cells[2..].iter().map(|cell| cell.replace('`', "")).collect())
    })
    .collect()
}

/// The sorts of tokens that are refused, with the code of each.
const REFUSED: [(&str, &str); 7] = [
    ("for another room", "login_denied"),
    ("of another user", "token_user_mismatch"),
    ("expired", "token_expired"),
    ("tampered with", "token_invalid"),
    ("of an unknown version", "token_version"),
    ("used up", "token_used"),
    ("without the right to log in", "login_denied"),
];

/// A token of that sort, refused to `user_id` in r1.
async fn refused(test: &TestGateway, sort: &str, user_id: &str) -> String {
    let good = test.token(user_id, 60);
    match sort {
        "for another room" => test.token_with(user_id, "r2", &Privilege::ALL, 60),
        "of another user" => test.token("mallory", 60),
        "expired" => {
            let short = test.token(user_id, 1);
            test.advance(1);
            short
        }
        "tampered with" => {
            let (kept, changed) = good.split_at(good.len() / 2);
            let other = if changed.starts_with('A') { "B" } else { "A" };
            [kept, other, &changed[1..]].concat()
        }
        "of an unknown version" => good.replacen("04", "05", 1),
        "used up" => {
            let once = test.token_on(user_id, 60, RightsBuilder::single_use);
            let mut first = test.connect().await;
            assert_eq!(first.login(user_id, "r1", json!({ "token": once })).await["auth"], "token");
            assert_eq!(first.ask("logout", json!({})).await["type"], "ok");
            once
        }
        "without the right to log in" => test.token_with(user_id, "r1", &[Privilege::Publish], 60),
        _ => unreachable!("{sort}"),
    }
}

/// The cell that an answer to a login stands for.
fn cell(answer: &Value) -> String {
    let text = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
    match (&*text("auth"), &*text("other_credential")) {
        ("", _) => text("code"),
        ("token", "") => "Token".to_owned(),
        ("token", other) => format!("Token ({other})"),
        (_, "") => "AppSign".to_owned(),
        (_, other) => format!("AppSign ({other})"),
    }
}

async fn present(test: &TestGateway, client: &TestClient, proof: &str, token: &str) -> Value {
    let mut credentials = json!({});
    match token {
        "✓" => credentials["token"] = json!(test.token("alice", 60)),
        "✗" => credentials["token"] = json!(test.token_with("alice", "r2", &Privilege::ALL, 60)),
        _ => {}
    }
    match proof {
        "✓" => credentials["app_sign_proof"] = client.proof("alice", "r1"),
        "✗" => credentials["app_sign_proof"] = client.proof("alice", "r2"),
        _ => {}
    }
    credentials
}

#[tokio::test]
async fn every_cell_of_the_documented_table_holds() {
    // proves T47
    let rows = rows();
    assert_eq!(rows.len(), 9);
    for (proof, token, cells) in rows {
        assert_eq!(cells.len(), COLUMNS.len());
        for ((mode, both_credentials), expected) in COLUMNS.into_iter().zip(cells) {
            let test = TestGateway::start(AppSettings { mode, both_credentials, ..settings() }).await;
            let mut client = test.connect().await;
            let credentials = present(&test, &client, proof, token).await;
            let answer = client.login("alice", "r1", credentials).await;
            let case = format!("{mode:?} {both_credentials:?} proof {proof} token {token}");
            let heard = cell(&answer);
            assert_eq!(heard, expected.replace("its code", "login_denied"), "{case}");
            let is_in = answer["type"] == "logged_in";
            assert_eq!(is_in && answer["expire_at"].is_null(), heard.starts_with("AppSign"), "{case}");
            if !is_in {
                assert_eq!(client.hear_close().await.0, 4000, "{case}");
            }
        }
    }
}

// proves T47 (whatever is wrong with the token)
#[tokio::test]
async fn a_cell_holds_for_every_sort_of_refused_token() {
    let rows: Vec<_> = rows().into_iter().filter(|(_, token, _)| *token == "✗").collect();
    assert_eq!(rows.len(), 3);
    for (column, (mode, both_credentials)) in COLUMNS.into_iter().enumerate() {
        let test = TestGateway::start(settings()).await;
        for (row, (proof, _, cells)) in rows.iter().enumerate() {
            for (number, (sort, code)) in REFUSED.into_iter().enumerate() {
                let user_id = format!("u{row}.{number}");
                test.configure(settings());
                let token = refused(&test, sort, &user_id).await;
                test.configure(AppSettings { mode, both_credentials, ..settings() });
                let mut client = test.connect().await;
                let mut credentials = json!({ "token": token });
                match *proof {
                    "✓" => credentials["app_sign_proof"] = client.proof(&user_id, "r1"),
                    "✗" => credentials["app_sign_proof"] = client.proof(&user_id, "r2"),
                    _ => {}
                }
                let answer = client.login(&user_id, "r1", credentials).await;
                let case = format!("{mode:?} {both_credentials:?} proof {proof} token {sort}");
                assert_eq!(cell(&answer), cells[column].replace("its code", code), "{case}");
                if answer["type"] == "logged_in" {
                    let members = part(&answer, &["auth", "privileges", "expire_at"]);
                    assert_eq!(members, json!(["app_sign", ["login", "publish", "play"], null]), "{case}");
                    assert_eq!(client.ask("logout", json!({})).await["type"], "ok", "{case}");
                } else {
                    assert_eq!(client.hear_close().await.0, 4000, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_used_up_is_no_way_round_who_was_shut_out() {
    async fn both(test: &TestGateway, token: &str) -> Value {
        let mut client = test.connect().await;
        let proof = client.proof("alice", "r1");
        let answer = client.login("alice", "r1", json!({ "token": token, "app_sign_proof": proof })).await;
        if answer["type"] == "logged_in" {
            client.close().await;
        }
        answer
    }
    let test = TestGateway::start(settings()).await;
    let used = refused(&test, "used up", "alice").await;
    assert_eq!(cell(&both(&test, &used).await), "AppSign (token_used)");
    let token_ids = [TokenId::of(&used).as_str().to_owned()].into();
    let who = || Who::User { user_id: "alice".into(), room_id: None };
    let condemn = Act::Condemn { who: who(), reason: None, token_ids };
    let app_id = AppId::new(APP_ID).unwrap();
    test.gateway.obey(app_id, &condemn, test.now());
    assert_eq!(cell(&both(&test, &used).await), "token_revoked");
    let pardon = Act::Pardon { who: who(), token_ids: [TokenId::of(&used).as_str().to_owned()].into() };
    test.gateway.obey(app_id, &pardon, test.now());
    assert_eq!(cell(&both(&test, &used).await), "AppSign (token_used)");
    test.ban(bans::Target::User("alice".to_owned()), Some(test.now().get() + 60));
    assert_eq!(cell(&both(&test, &used).await), "banned");
    test.advance(60);
    let used = refused(&test, "used up", "alice").await;
    assert_eq!(cell(&both(&test, &used).await), "AppSign (token_used)");
    test.revoke(Target::Token(TokenId::of(&used)), i64::MAX);
    assert_eq!(cell(&both(&test, &used).await), "token_revoked");
}

#[tokio::test]
async fn what_is_said_beside_the_table_holds_too() {
    let test = TestGateway::start(settings()).await;
    // Revoked beside a good proof: refused. Banned beside a good token: refused.
    let (mut both, token) = (test.connect().await, test.token("alice", 600));
    test.revoke(super::shut_out::user("alice"), test.now().get());
    let proof = both.proof("alice", "r1");
    let answer = both.login("alice", "r1", json!({ "token": token, "app_sign_proof": proof })).await;
    assert_eq!(part(&answer, &["type", "code"]), json!(["error", "token_revoked"]));

    // The rights of a session by AppSign are the app's, and it does not renew into more.
    let only_login = token_gen::Privileges::NONE.with(Privilege::Login);
    test.configure(AppSettings { app_sign_privileges: only_login, ..settings() });
    let mut unproven = test.connect().await;
    let proof = unproven.proof("bob", "r1");
    let answer = unproven.login("bob", "r1", json!({ "app_sign_proof": proof })).await;
    assert_eq!(part(&answer, &["auth", "privileges", "rights"]), json!(["app_sign", ["login", "play"], {}]));
    assert_eq!(part(&unproven.publish("s1").await, &["code", "reason"]), json!(["publish_denied", "publish"]));
    // An app may let them play as little, and whoever comes by an identity token.
    test.configure(AppSettings { app_sign_play: false, identity_play: false, ..settings() });
    let mut deaf = test.connect().await;
    let proof = deaf.proof("dave", "r2");
    let answer = deaf.login("dave", "r2", json!({ "app_sign_proof": proof })).await;
    assert_eq!(part(&answer, &["auth", "privileges"]), json!(["app_sign", ["login", "publish"]]));
    let mut identified = test.connect().await;
    let answer = identified.login("erin", "r2", json!({ "token": test.identity_token("erin", 600) })).await;
    assert_eq!(part(&answer, &["auth", "privileges"]), json!(["token", ["login", "publish"]]));
    deaf.hear().await;
    for client in [&mut deaf, &mut identified] {
        let refused = client.ask("play", json!({ "stream_id": "s1" })).await;
        assert_eq!(part(&refused, &["code", "reason"]), json!(["play_denied", "play"]));
    }
    assert_eq!(unproven.renew(&test.token("bob", 600)).await["code"], "app_sign_session");

    // It gives way to a proven user id, and after a change of mode it goes on, but does not come in again.
    test.configure(AppSettings { mode: AuthMode::TokenOnly, ..settings() });
    assert_eq!(unproven.ask("play", json!({ "stream_id": "s1" })).await["type"], "ok");
    let proven = test.enter("bob", 600).await;
    assert_eq!(unproven.hear().await["code"], "kicked_by_other_login");
    let mut again = test.connect().await;
    let proof = again.proof("carol", "r1");
    let answer = again.login("carol", "r1", json!({ "app_sign_proof": proof })).await;
    assert_eq!(answer["code"], "app_sign_refused");
    drop(proven);
}
