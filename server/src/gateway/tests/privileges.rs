//! What a token's payload lets its user do, row by row: logins to two rooms, streams of three ids, the right user and
//! another one.

use serde_json::{Value, json};
use token_gen::{Payload, Privilege, Privileges};

use super::harness::{TestClient, TestGateway, part, settings};
use crate::apps::{AppSettings, EmptyStreamList};

const ROOMS: [&str; 2] = ["r1", "r2"];
const STREAMS: [&str; 3] = ["s1", "s2", "S1"];

/// A payload, and what comes of it.
struct Row {
    /// None proves the user and no more.
    payload: Option<String>,
    settings: AppSettings,
    /// What a login to each room is answered with: `in`, or code and reason.
    logins: [&'static str; 2],
    /// What publishing each stream is answered with, wherever the user is in.
    publishes: [&'static str; 3],
}

const IN: &str = "in";
const OK: &str = "ok";
const OTHER_ROOM: &str = "login_denied room";
const NO_LOGIN: &str = "login_denied login";
const BAD: &str = "token_invalid";
const NO_PUBLISH: &str = "publish_denied publish";
const UNLISTED: &str = "publish_denied stream";

/// Everybody is refused: nothing can be published.
const NOTHING: [&str; 3] = [""; 3];

fn rights(room_id: &str, privilege: &str, rest: &str) -> String {
    format!(r#"{{"room_id":{room_id},"privilege":{privilege}{rest}}}"#)
}

fn row(payload: impl Into<String>, logins: [&'static str; 2], publishes: [&'static str; 3]) -> Row {
    Row { payload: Some(payload.into()), settings: settings(), logins, publishes }
}

fn identity(settings: AppSettings, login: &'static str, publish: &'static str) -> Row {
    Row { payload: None, settings, logins: [login; 2], publishes: [publish; 3] }
}

/// What privileges do, in r1 and with any stream.
fn with(privilege: &str, logins: [&'static str; 2], publishes: [&'static str; 3]) -> Row {
    row(rights(r#""r1""#, privilege, ""), logins, publishes)
}

/// What lists of streams do, with both privileges in r1.
fn listing(rest: &str, publishes: [&'static str; 3]) -> Row {
    row(rights(r#""r1""#, r#"{"1":1,"2":1}"#, rest), [IN, OTHER_ROOM], publishes)
}

/// A payload that is no such thing as the documentation says.
fn bad(payload: impl Into<String>) -> Row {
    row(payload, [BAD; 2], NOTHING)
}

fn rows() -> Vec<Row> {
    let r1 = r#""r1""#;
    let both = r#"{"1":1,"2":1}"#;
    let empty_is_any = || AppSettings { empty_stream_list: EmptyStreamList::Any, ..settings() };
    let identities = |privileges: &[Privilege]| {
        let identity_privileges: Privileges = privileges.iter().copied().collect();
        AppSettings { identity_privileges, ..settings() }
    };
    let required = || AppSettings { require_privilege_token: true, ..settings() };
    let only_here = [IN, OTHER_ROOM];
    let no_login = [NO_LOGIN, OTHER_ROOM];
    let mut rows = vec![
        // Lists of streams.
        listing("", [OK; 3]),
        listing(r#","stream_id_list":null"#, [OK; 3]),
        listing(r#","stream_id_list":["s1"]"#, [OK, UNLISTED, UNLISTED]),
        listing(r#","stream_id_list":["s1","s2"]"#, [OK, OK, UNLISTED]),
        listing(r#","stream_id_list":["S1"]"#, [UNLISTED, UNLISTED, OK]),
        listing(r#","stream_id_list":["s1 ","s","s1x"]"#, [UNLISTED; 3]),
        listing(r#","stream_id_list":[]"#, [UNLISTED; 3]),
        Row { settings: empty_is_any(), ..listing(r#","stream_id_list":[]"#, [OK; 3]) },
        Row { settings: empty_is_any(), ..listing(r#","stream_id_list":["s2"]"#, [UNLISTED, OK, UNLISTED]) },
        Row {
            settings: empty_is_any(),
            ..row(rights(r1, r#"{"1":1,"2":0}"#, r#","stream_id_list":[]"#), only_here, [NO_PUBLISH; 3])
        },
        bad(rights(r1, both, r#","stream_id_list":"s1""#)),
        bad(rights(r1, both, r#","stream_id_list":["s1",7]"#)),
        bad(rights(r1, both, r#","stream_id_list":{}"#)),
        // Privileges: 1 grants, 0 and absent deny.
        with(r#"{"1":1,"2":0}"#, only_here, [NO_PUBLISH; 3]),
        with(r#"{"1":1}"#, only_here, [NO_PUBLISH; 3]),
        with(r#"{"1":0,"2":0}"#, no_login, NOTHING),
        with(r#"{"1":0,"2":1}"#, no_login, NOTHING),
        with(r#"{"2":1}"#, no_login, NOTHING),
        with("{}", no_login, NOTHING),
        // Keys that nobody knows are none.
        with(r#"{"1":1,"2":1,"7":1}"#, only_here, [OK; 3]),
        with(r#"{"1":1,"2":1,"7":"x","x":[]}"#, only_here, [OK; 3]),
        with(r#"{"1":1,"02":1}"#, only_here, [NO_PUBLISH; 3]),
        with(r#"{"01":1,"2":1}"#, no_login, NOTHING),
        row(rights(r1, both, r#","extra":{"1":1}"#), only_here, [OK; 3]),
        // Rooms.
        row(rights(r#""""#, both, ""), [IN; 2], [OK; 3]),
        row(rights(r#""""#, r#"{"1":1,"2":0}"#, ""), [IN; 2], [NO_PUBLISH; 3]),
        row(rights(r#""""#, both, r#","stream_id_list":["s2"]"#), [IN; 2], [UNLISTED, OK, UNLISTED]),
        row(rights(r#""R1""#, both, ""), [OTHER_ROOM; 2], NOTHING),
        row(rights(r#""r""#, both, ""), [OTHER_ROOM; 2], NOTHING),
        bad(rights("null", both, "")),
        bad(rights("7", both, "")),
        bad(rights(r#"["r1"]"#, both, "")),
        bad(format!(r#"{{"privilege":{both}}}"#)),
        bad(format!(r#"{{"room_id":"r2","room_id":"r1","privilege":{both}}}"#)),
        bad(r#"{"room_id":"r1"}"#),
        bad(rights(r1, "null", "")),
        bad(rights(r1, "[1,1]", "")),
        // No such payload at all.
        bad("{}"),
        bad("null"),
        bad("[]"),
        bad("hello"),
        bad(r#"{"room_id":"r1","privilege":{"1":1,"2":1}"#),
        // Tokens that prove their user and no more.
        identity(settings(), IN, OK),
        identity(identities(&[Privilege::Login]), IN, NO_PUBLISH),
        identity(identities(&[Privilege::Publish]), NO_LOGIN, ""),
        identity(identities(&[]), NO_LOGIN, ""),
        identity(required(), "login_denied", ""),
        Row { settings: required(), ..listing("", [OK; 3]) },
        // What the app grants to those does nothing to tokens with rights of their own.
        Row { settings: identities(&[]), ..listing("", [OK; 3]) },
        Row { settings: identities(&Privilege::ALL), ..with(r#"{"1":1}"#, only_here, [NO_PUBLISH; 3]) },
    ];
    // Only the numbers 0 and 1 are well-formed.
    for value in ["2", "-1", "true", "false", r#""1""#, "1.0", "1e0", "null", "[1]", "{}"] {
        rows.push(bad(rights(r1, &format!(r#"{{"1":{value},"2":1}}"#), "")));
        rows.push(bad(rights(r1, &format!(r#"{{"1":1,"2":{value}}}"#), "")));
    }
    rows.push(bad(rights(r1, r#"{"1":0,"1":1,"2":1}"#, "")));
    rows
}

/// Code and reason of a refusal.
fn said(answer: &Value) -> String {
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    format!("{} {}", text("code"), text("reason")).trim_end().to_owned()
}

async fn publish(client: &mut TestClient, stream_id: &str) -> String {
    let answer = client.publish(stream_id).await;
    if answer["type"] != "ok" {
        return said(&answer);
    }
    let told = part(&client.hear().await, &["type", "change"]);
    assert_eq!(told, json!(["room_streams", "add"]));
    OK.to_owned()
}

// proves T13 (over sockets)
#[tokio::test]
async fn every_payload_grants_what_it_says_and_nothing_else() {
    let test = TestGateway::start(settings()).await;
    let rows = rows();
    assert!(rows.len() >= 65, "{}", rows.len());
    for Row { payload, settings, logins, publishes } in rows {
        let case = format!("{payload:?} {:?} {:?}", settings.empty_stream_list, settings.identity_privileges);
        test.configure(settings);
        let payload = payload.map_or(Payload::Identity, Payload::Text);
        let token = test.mint("alice", payload, 600);
        for (room_id, expected) in ROOMS.into_iter().zip(logins) {
            let mut alice = test.connect().await;
            let answer = alice.login("alice", room_id, json!({ "token": token })).await;
            if expected != IN {
                assert_eq!(said(&answer), expected, "login to {room_id} by {case}");
                assert_eq!(alice.hear_close().await.0, 4000, "login to {room_id} by {case}");
                continue;
            }
            assert_eq!(answer["type"], "logged_in", "login to {room_id} by {case}: {answer}");
            for (stream_id, expected) in STREAMS.into_iter().zip(publishes) {
                assert_eq!(publish(&mut alice, stream_id).await, expected, "{stream_id} in {room_id} by {case}");
            }
            // There is no privilege to play: whoever is in may.
            assert_eq!(alice.ask("play", json!({ "stream_id": "s9" })).await["type"], "ok", "{case}");
            assert_eq!(alice.ask("logout", json!({})).await["type"], "ok", "{case}");
        }
        // Whatever it says, it says of alice.
        for room_id in ROOMS {
            let mut mallory = test.connect().await;
            let answer = mallory.login("mallory", room_id, json!({ "token": token })).await;
            assert_eq!(said(&answer), "token_user_mismatch", "mallory in {room_id} by {case}");
            assert_eq!(mallory.hear_close().await.0, 4000);
        }
    }
}
