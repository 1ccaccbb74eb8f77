//! Revoked tokens and banned users: kept out, shown out, and not let in again.

use std::sync::Arc;

use serde_json::{Value, json};
use token_gen::{AppId, Privilege, TokenId, UnixSeconds};
use tokio::sync::Barrier;

use super::harness::{APP_ID, START, TestClient, TestGateway, part, settings};
use crate::{
    apps::{AppSettings, AuthMode},
    bans::{self, Ban},
    revocations::{Revocation, Target},
};

impl TestGateway {
    pub(super) fn revoke(&self, target: Target, issued_before: i64) {
        self.revocations.put(Revocation {
            app_id: AppId::new(APP_ID).unwrap(),
            target,
            issued_before: issued_before.into(),
            expire_at: (START + 1_000_000).into(),
            created_at: self.now(),
            created_by: "key".to_owned(),
            reason: None,
        });
    }

    pub(super) fn ban(&self, target: bans::Target, expire_at: Option<i64>) {
        self.bans.put(Ban {
            app_id: AppId::new(APP_ID).unwrap(),
            target,
            expire_at: expire_at.map(UnixSeconds::new),
            created_at: self.now(),
            created_by: "key".to_owned(),
            reason: None,
        });
    }
}

pub(super) fn user(user_id: &str) -> Target {
    Target::User(user_id.to_owned())
}

/// What a client hears until it is shown out, apart from what happens to others.
async fn shown_out(client: &mut TestClient) -> (Value, (u16, String)) {
    let kicked = loop {
        let message = client.hear().await;
        if message["type"] == "kicked" {
            break part(&message, &["room_id", "code", "number", "may_reconnect"]);
        }
        assert!(["room_users", "room_streams"].contains(&message["type"].as_str().unwrap()), "{message}");
    };
    (kicked, client.hear_close().await)
}

// proves T55
#[tokio::test]
async fn each_revocation_shows_out_whom_it_hits_and_keeps_their_token_out() {
    let test = TestGateway::start(settings()).await;
    let token = test.token("alice", 600);
    for (target, hits_bob) in [
        (Target::Token(TokenId::of(&token)), false),
        (user("alice"), false),
        (Target::UserInRoom { user_id: "alice".to_owned(), room_id: "r1".to_owned() }, false),
        (Target::Room("r1".to_owned()), true),
        (Target::App, true),
    ] {
        let test = TestGateway::start(settings()).await;
        let mut alice = test.connect().await;
        assert_eq!(alice.login("alice", "r1", json!({ "token": token })).await["type"], "logged_in");
        let mut bob = test.enter("bob", 600).await;
        test.revoke(target.clone(), START);
        let heard = shown_out(&mut alice).await;
        let kicked = json!(["r1", "token_revoked", 1002033, false]);
        assert_eq!(heard, (kicked, (4001, "token_revoked".to_owned())), "{target:?}");
        if hits_bob {
            assert_eq!(shown_out(&mut bob).await, heard);
        } else {
            assert_eq!(part(&bob.hear().await, &["type", "change"]), json!(["room_users", "delete"]));
        }
        let again = test.connect().await.login("alice", "r1", json!({ "token": token })).await;
        assert_eq!(part(&again, &["type", "code"]), json!(["error", "token_revoked"]));
        // A token issued afterwards is good.
        test.advance(1);
        test.enter("alice", 600).await;
    }
}

// proves T54 (revoked)
#[tokio::test]
async fn a_session_goes_by_its_present_token() {
    let test = TestGateway::start(settings()).await;
    let (mut alice, old) = (test.connect().await, test.token("alice", 600));
    alice.login("alice", "r1", json!({ "token": old })).await;
    test.advance(1);
    assert_eq!(alice.renew(&test.token("alice", 600)).await["type"], "token_renewed");
    // The old one ends; the session has a newer one.
    test.revoke(user("alice"), START);
    assert_eq!(alice.publish("s1").await["type"], "ok");
    assert_eq!(alice.hear().await["type"], "room_streams");
    // Back to the old one it cannot go, and a revoked new one changes nothing.
    assert_eq!(alice.renew(&old).await["code"], "token_revoked");
    let revoked = test.token_with("alice", "r1", &[Privilege::Login], 600);
    test.revoke(Target::Token(TokenId::of(&revoked)), i64::MAX);
    assert_eq!(alice.renew(&revoked).await["code"], "token_revoked");
    test.revoke(user("alice"), START + 1);
    assert_eq!(shown_out(&mut alice).await.0[1], "token_revoked");
}

#[tokio::test]
async fn an_identity_token_is_ended_in_the_room_that_is_revoked_only() {
    let test = TestGateway::start(settings()).await;
    let identity = test.identity_token("alice", 600);
    let (mut here, mut there) = (test.connect().await, test.connect().await);
    assert_eq!(here.login("alice", "r1", json!({ "token": identity })).await["type"], "logged_in");
    test.revoke(Target::Room("r1".to_owned()), START);
    assert_eq!(shown_out(&mut here).await.0[1], "token_revoked");
    assert_eq!(there.login("alice", "r2", json!({ "token": identity })).await["type"], "logged_in");
    assert_eq!(there.renew(&identity).await["type"], "token_renewed");
}

#[tokio::test]
async fn a_ban_shows_out_and_keeps_out_by_any_credential_until_it_ends() {
    for target in [
        bans::Target::User("alice".to_owned()),
        bans::Target::Room("r1".to_owned()),
        bans::Target::UserInRoom { user_id: "alice".to_owned(), room_id: "r1".to_owned() },
        bans::Target::IpRange("127.0.0.0/8".parse().unwrap()),
    ] {
        let test = TestGateway::start(AppSettings { mode: AuthMode::TokenPreferred, ..settings() }).await;
        let mut alice = test.enter("alice", 600).await;
        test.ban(target.clone(), Some(START + 10));
        assert_eq!(shown_out(&mut alice).await.0, json!(["r1", "banned", 1002066, false]), "{target:?}");
        let mut again = test.connect().await;
        let answer = again.login("alice", "r1", json!({ "token": test.token("alice", 600) })).await;
        assert_eq!(part(&answer, &["type", "code"]), json!(["error", "banned"]));
        let mut by_app_sign = test.connect().await;
        let proof = by_app_sign.proof("alice", "r1");
        let answer = by_app_sign.login("alice", "r1", json!({ "app_sign_proof": proof })).await;
        assert_eq!(answer["code"], "banned");
        test.advance(10);
        test.enter("alice", 600).await;
    }
}

#[tokio::test]
async fn a_ban_reaches_app_sign_sessions() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.connect().await;
    let proof = alice.proof("alice", "r1");
    assert_eq!(alice.login("alice", "r1", json!({ "app_sign_proof": proof })).await["auth"], "app_sign");
    test.ban(bans::Target::User("alice".to_owned()), None);
    assert_eq!(shown_out(&mut alice).await.0[1], "banned");
}

// proves T55 (races)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_logins_racing_a_revocation_none_stays() {
    const RACERS: usize = 20;
    let test = Arc::new(TestGateway::start(settings()).await);
    let mut entered = 0;
    for round in 0..50 {
        let users: Vec<String> = (0..RACERS).map(|number| format!("u{round}-{number}")).collect();
        let start = Arc::new(Barrier::new(RACERS + 1));
        let mut racers = Vec::new();
        for user_id in users.clone() {
            let (start, mut client) = (Arc::clone(&start), test.connect().await);
            let token = test.token_with(&user_id, "r1", &Privilege::ALL, 600);
            racers.push(tokio::spawn(async move {
                start.wait().await;
                let answer = client.login(&user_id, "r1", json!({ "token": token })).await;
                if answer["type"] == "logged_in" {
                    assert_eq!(shown_out(&mut client).await.0[1], "token_revoked");
                    return true;
                }
                assert_eq!(answer["code"], "token_revoked");
                false
            }));
        }
        start.wait().await;
        // From round to round, the revocations begin later among the logins.
        for user_id in &users {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            test.revoke(user(user_id), START);
        }
        for racer in racers {
            entered += usize::from(racer.await.unwrap());
        }
    }
    println!("{entered} of 1000 were in before their revocation, and none stayed");
}

#[tokio::test]
async fn whoever_misses_news_is_held_against_the_lists() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    // More news at once than anybody keeps, the first of it about alice.
    test.revoke(user("alice"), START);
    for number in 0..5000 {
        test.revoke(user(&format!("other{number}")), START);
    }
    assert_eq!(shown_out(&mut alice).await.0[1], "token_revoked");
}

const NEXT_SECRET: &str = "abcdefghijklmnopqrstuvwxyz012345";

/// The answer to what was asked, past what happens to others.
pub(super) async fn answer(client: &mut TestClient, mut heard: Value) -> Value {
    while ["room_users", "room_streams"].contains(&heard["type"].as_str().unwrap()) {
        heard = client.hear().await;
    }
    heard
}

#[tokio::test]
async fn a_rotation_leaves_sessions_alone_and_a_retired_secret_ends_its_own() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    let mut bob = test.enter("bob", 600).await;
    test.rotate(NEXT_SECRET, true);
    let heard = alice.renew(&test.token_of(NEXT_SECRET, "alice")).await;
    assert_eq!(answer(&mut alice, heard).await["type"], "token_renewed", "with a token of the new secret");
    let heard = bob.publish("s1").await;
    assert_eq!(answer(&mut bob, heard).await["type"], "ok");

    test.rotate(NEXT_SECRET, false);
    assert_eq!(shown_out(&mut bob).await.1, (4001, "token_revoked".to_owned()));
    let heard = alice.publish("s2").await;
    assert_eq!(answer(&mut alice, heard).await["type"], "ok", "her token's secret is left");
}

#[tokio::test]
async fn an_app_that_is_switched_off_has_nobody_in_it() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    test.configure(AppSettings { enabled: false, ..settings() });
    assert_eq!(shown_out(&mut alice).await.1, (4100, "kicked_internal".to_owned()));
}

// proves T55
#[tokio::test]
async fn a_revocation_reaches_those_who_come_by_app_sign() {
    let in_room = || Target::UserInRoom { user_id: "alice".to_owned(), room_id: "r1".to_owned() };
    for (target, keeps_out, hits_bob) in [
        (user("alice"), true, false),
        (in_room(), true, false),
        (Target::Room("r1".to_owned()), false, true),
        (Target::App, false, true),
    ] {
        let test = TestGateway::start(AppSettings { mode: AuthMode::TokenPreferred, ..settings() }).await;
        let by_app_sign = async |user_id: &str| {
            let mut client = test.connect().await;
            let proof = client.proof(user_id, "r1");
            let answer = client.login(user_id, "r1", json!({ "app_sign_proof": proof })).await;
            (client, answer)
        };
        let (mut alice, entered) = by_app_sign("alice").await;
        assert_eq!(entered["auth"], "app_sign", "{entered}");
        let (mut bob, _) = by_app_sign("bob").await;
        test.revoke(target.clone(), START);
        assert_eq!(shown_out(&mut alice).await.0[1], "token_revoked", "{target:?}");
        if hits_bob {
            assert_eq!(shown_out(&mut bob).await.0[1], "token_revoked", "{target:?}");
        }
        test.advance(1);
        let (_alice, again) = by_app_sign("alice").await;
        let expected = if keeps_out { "token_revoked" } else { "" };
        assert_eq!(again["code"].as_str().unwrap_or_default(), expected, "{target:?}: {again}");
        if keeps_out {
            // By a token issued afterwards it is another matter.
            test.enter("alice", 600).await;
        }
    }
}

// proves F1 (logins)
#[tokio::test]
async fn without_news_of_revocations_nobody_comes_in_and_whoever_is_in_stays() {
    let test = TestGateway::start(AppSettings { mode: AuthMode::TokenPreferred, ..settings() }).await;
    test.revocations.complete(test.now());
    let mut alice = test.enter("alice", 600).await;
    test.advance(60);
    test.enter("bob", 600).await.close().await;
    for change in ["add", "delete"] {
        assert_eq!(part(&alice.hear().await, &["type", "change"]), json!(["room_users", change]));
    }
    test.advance(1);
    let token = test.token("carol", 600);
    let mut carol = test.connect().await;
    let by_token = carol.login("carol", "r1", json!({ "token": token })).await;
    let mut dave = test.connect().await;
    let proof = dave.proof("dave", "r1");
    let by_app_sign = dave.login("dave", "r1", json!({ "app_sign_proof": proof })).await;
    let mut both = test.connect().await;
    let proof = both.proof("carol", "r1");
    let by_both = both.login("carol", "r1", json!({ "token": token, "app_sign_proof": proof })).await;
    for refused in [by_token, by_app_sign, by_both] {
        assert_eq!(part(&refused, &["type", "code"]), json!(["error", "unavailable"]), "{refused}");
    }
    // A socket that is open goes on, and what it asks with a new token waits.
    assert_eq!(alice.renew(&test.token("alice", 1_200)).await["code"], "unavailable");
    test.revocations.complete(test.now());
    assert_eq!(alice.renew(&test.token("alice", 1_200)).await["type"], "token_renewed");
    test.enter("carol", 600).await;
}
