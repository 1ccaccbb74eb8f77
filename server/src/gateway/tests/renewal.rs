//! The rules of renewal over real sockets, row by row: what is refused leaves the session as it was.

use rand::rngs::SysRng;
use serde_json::{Value, json};
use token_gen::{
    AppId, Minter, Payload, Privilege, Privileges, Rights, RoomId, ServerSecret, StreamId, TokenId, TokenRequest,
    UserId,
};

use super::{
    harness::{APP_ID, START, TestClient, TestGateway, part, settings},
    shut_out::{answer, user},
};
use crate::{
    apps::{AppSettings, RenewalPolicy},
    bans,
    revocations::Target,
};

const OTHER_SECRET: &str = "abcdefghijklmnopqrstuvwxyz012345";
/// When the first token is minted, when the renewal comes, and for how long tokens are good, in seconds.
const MINTED: u64 = 10;
const RENEWED: u64 = 20;
const TTL: u64 = 600;

/// A row of the table: what a client renews with, and what comes of it.
struct Row {
    name: &'static str,
    token: fn(&TestGateway) -> String,
    /// The answer: type, and notice or code, and reason.
    expected: Value,
    /// Which streams may be published afterwards: the running `s1` goes on in any case.
    publishes: &'static [&'static str],
}

fn sealed(test: &TestGateway, app_id: u32, secret: &str) -> String {
    let rights = Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL).build();
    let user_id = UserId::new("alice").unwrap();
    let request = TokenRequest { user_id, ttl: std::time::Duration::from_secs(TTL), payload: Payload::Rights(rights) };
    let minter = Minter::new(AppId::new(app_id).unwrap(), &ServerSecret::new(secret).unwrap());
    minter.mint(&request, test.now(), &mut SysRng).unwrap().token
}

fn listed(test: &TestGateway, stream_id: &str) -> String {
    let rights = Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL);
    test.mint("alice", Payload::Rights(rights.stream(&StreamId::new(stream_id).unwrap()).build()), TTL)
}

fn rows() -> Vec<Row> {
    let renewed = |notice: Value| json!(["token_renewed", notice, null, null]);
    let refused = |code: &str, reason: Value| json!(["error", null, code, reason]);
    let row = |name, token, expected, publishes| Row { name, token, expected, publishes };
    let [both, none]: [&[&str]; 2] = [&["s2", "s3"], &[]];
    vec![
        row("the same rights", |test| test.token("alice", TTL), renewed(Value::Null), both),
        row(
            "without the right to publish",
            |test| test.token_with("alice", "r1", &[Privilege::Login], TTL),
            renewed(json!("renewed_without_publish")),
            none,
        ),
        row(
            "for another stream than the one that runs",
            |test| listed(test, "s2"),
            renewed(json!("renewed_without_publish")),
            &["s2"],
        ),
        row(
            "without the right to log in",
            |test| test.token_with("alice", "r1", &[Privilege::Publish], TTL),
            renewed(Value::Null),
            both,
        ),
        row("that proves the user and no more", |test| test.identity_token("alice", TTL), renewed(Value::Null), both),
        row(
            "of another room",
            |test| test.token_with("alice", "r2", &Privilege::ALL, TTL),
            refused("login_denied", json!("room")),
            both,
        ),
        row("of another user", |test| test.token("bob", TTL), refused("token_user_mismatch", Value::Null), both),
        row(
            "of another app",
            |test| sealed(test, APP_ID + 1, OTHER_SECRET),
            refused("token_invalid", Value::Null),
            both,
        ),
        row(
            "of this app, sealed with another secret",
            |test| sealed(test, APP_ID, OTHER_SECRET),
            refused("token_invalid", Value::Null),
            both,
        ),
        row("that is nothing", |_| String::new(), refused("token_missing", Value::Null), both),
        row(
            "that is revoked",
            |test| {
                let token = test.token_with("alice", "r1", &[Privilege::Login], TTL);
                test.revoke(Target::Token(TokenId::of(&token)), i64::MAX);
                token
            },
            refused("token_revoked", Value::Null),
            both,
        ),
    ]
}

impl TestGateway {
    /// Alice in r1, who came at [`MINTED`] and publishes s1.
    async fn alice(&self) -> TestClient {
        self.advance(MINTED);
        let mut alice = self.enter("alice", TTL).await;
        assert_eq!(self.settled(&mut alice, "publish", json!({ "stream_id": "s1" })).await["type"], "ok");
        alice
    }

    /// Asks for something, and hears the answer past what happens in the room.
    async fn settled(&self, client: &mut TestClient, kind: &str, members: Value) -> Value {
        let heard = client.ask(kind, members).await;
        answer(client, heard).await
    }
}

fn gist(answer: &Value) -> Value {
    part(answer, &["type", "notice", "code", "reason"])
}

// proves T54 (over sockets), W8 (over sockets)
#[tokio::test]
async fn every_row_of_the_table_holds_and_a_refusal_harms_nothing() {
    for Row { name, token, expected, publishes } in rows() {
        let test = TestGateway::start(settings()).await;
        let mut alice = test.alice().await;
        let mut bob = test.enter("bob", TTL).await;
        test.advance(RENEWED - MINTED);
        let token = token(&test);
        let renewed = test.settled(&mut alice, "renew_token", json!({ "token": token })).await;
        assert_eq!(gist(&renewed), expected, "a token {name}");
        for stream_id in ["s2", "s3"] {
            let published = test.settled(&mut alice, "publish", json!({ "stream_id": stream_id })).await;
            assert_eq!(published["type"] == "ok", publishes.contains(&stream_id), "{stream_id} by a token {name}");
        }
        // What ran goes on, for all to see, until its publisher stops it.
        let stopped = test.settled(&mut alice, "stop_publish", json!({ "stream_id": "s1" })).await;
        assert_eq!(stopped["type"], "ok", "a token {name}");
        // The end that counts is that of the token that counts.
        let expire_at = START + i64::try_from(if expected[0] == "error" { MINTED } else { RENEWED } + TTL).unwrap();
        test.advance(TTL - RENEWED);
        let warned = loop {
            let heard = alice.hear().await;
            if heard["type"] == "token_will_expire" {
                break heard;
            }
        };
        assert_eq!(warned["expire_at"], expire_at, "a token {name}");
        // Nobody was seen to go or to come.
        while let Some(heard) = bob.heard_already().await {
            assert_ne!(heard["type"], "room_users", "a token {name}");
        }
    }
}

#[tokio::test]
async fn neither_an_older_nor_an_expired_token_renews() {
    let test = TestGateway::start(settings()).await;
    let (older, short) = (test.token("alice", TTL), {
        test.advance(MINTED);
        test.token("alice", 5)
    });
    let mut alice = test.enter("alice", TTL).await;
    assert_eq!(alice.renew(&older).await["code"], "token_invalid");
    test.advance(5);
    assert_eq!(alice.renew(&short).await["code"], "token_expired");
    assert_eq!(alice.publish("s1").await["type"], "ok");
}

#[tokio::test]
async fn whoever_is_banned_or_kicked_does_not_come_back_by_renewing() {
    for ban in [true, false] {
        let test = TestGateway::start(settings()).await;
        let (mut alice, fresh) = (test.alice().await, test.token("alice", TTL));
        let code = if ban {
            test.ban(bans::Target::User("alice".to_owned()), None);
            "banned"
        } else {
            test.revoke(user("alice"), test.now().get());
            "token_revoked"
        };
        // Whether the news or the renewal is first: it does not count.
        alice.say(json!({ "type": "renew_token", "id": 99, "token": fresh })).await;
        let kicked = loop {
            let heard = alice.hear().await;
            assert_ne!(heard["type"], "token_renewed");
            if heard["type"] == "kicked" {
                break heard;
            }
        };
        assert_eq!(kicked["code"], code);
        assert_eq!(alice.hear_close().await, (4001, code.to_owned()));
        // On another connection there is nothing to renew, and no way in by that token.
        let mut again = test.connect().await;
        let refused = again.renew(&fresh).await;
        assert_eq!(part(&refused, &["code", "number"]), json!(["not_in_that_room", 1002002]));
        assert_eq!(again.login("alice", "r1", json!({ "token": fresh })).await["code"], code);
    }
}

#[tokio::test]
async fn a_renewal_takes_no_place_and_gives_none() {
    let test = TestGateway::start(AppSettings { max_room_users: 1, ..settings() }).await;
    let mut alice = test.alice().await;
    for _ in 0..2 {
        test.advance(1);
        let token = test.token("alice", TTL);
        assert_eq!(test.settled(&mut alice, "renew_token", json!({ "token": token })).await["type"], "token_renewed");
        let mut bob = test.connect().await;
        let token = test.token("bob", TTL);
        assert_eq!(bob.login("bob", "r1", json!({ "token": token })).await["code"], "room_full");
    }
    alice.close().await;
    test.enter("bob", TTL).await;
}

#[tokio::test]
async fn of_many_renewals_at_once_each_is_answered_and_the_last_good_one_counts() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.alice().await;
    test.advance(1);
    let mut expected = Vec::new();
    for number in 0..30_u64 {
        let (token, kind) = match number % 3 {
            0 => (test.token("alice", TTL + number), "token_renewed"),
            1 => (test.token("bob", TTL), "error"),
            _ => (test.token_with("alice", "r2", &Privilege::ALL, TTL), "error"),
        };
        alice.say(json!({ "type": "renew_token", "id": 1000 + number, "token": token })).await;
        expected.push((1000 + number, kind));
    }
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let message = alice.hear().await;
        if let Some(id) = message["id"].as_u64() {
            heard.push((id, message["type"].as_str().unwrap().to_owned()));
        }
    }
    assert!(heard.iter().map(|(id, kind)| (*id, &**kind)).eq(expected), "{heard:?}");
    let left = 30;
    test.advance(TTL + 27 - left);
    let warned = alice.hear().await;
    assert_eq!(part(&warned, &["type", "remain_secs"]), json!(["token_will_expire", left]));
}

#[tokio::test]
async fn an_app_may_have_a_smaller_token_stop_at_once_what_it_does_not_allow() {
    let test = TestGateway::start(AppSettings { on_renew: RenewalPolicy::Enforce, ..settings() }).await;
    let mut alice = test.alice().await;
    let mut bob = test.enter("bob", TTL).await;
    let token = test.token_with("alice", "r1", &[Privilege::Login], TTL);
    let renewed = test.settled(&mut alice, "renew_token", json!({ "token": token })).await;
    assert_eq!(gist(&renewed), json!(["token_renewed", "renewed_without_publish", null, null]));
    let stopped = alice.hear().await;
    assert_eq!(part(&stopped, &["type", "stream_id", "code"]), json!(["publish_stopped", "s1", "publish_denied"]));
    let seen = bob.hear().await;
    assert_eq!(part(&seen, &["type", "change", "reason"]), json!(["room_streams", "delete", "removed"]));
    let refused = test.settled(&mut alice, "publish", json!({ "stream_id": "s1" })).await;
    assert_eq!(part(&refused, &["code", "reason"]), json!(["publish_denied", "publish"]));
}
