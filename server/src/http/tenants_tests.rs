//! Apps are walls: for every route of the table, another app and what is in it answer like what is not there.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::to_bytes,
    http::{
        Request, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
        request::Builder,
    },
};
use roompass_wire::http::Roles;
use serde_json::{Value, json};
use token_gen::AppId;

use super::{
    callers_tests::{admin, from_console, session},
    tests::Server,
    *,
};
use crate::{
    admin::{KeyKind, NewKey},
    admins::SignedIn,
    keys::Scope,
};

/// The ids of things that an app has, by the names that paths give them.
type Things = BTreeMap<&'static str, String>;

/// Everything the caller learns of an answer, but for what names this request and its time.
#[derive(Debug, PartialEq)]
struct Learnt {
    status: StatusCode,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Who asks.
enum Asker<'a> {
    Key(&'a str),
    Admin(&'a SignedIn),
}

impl Asker<'_> {
    fn signed(&self, request: Builder) -> Builder {
        match self {
            Asker::Key(key) => {
                request.header(AUTHORIZATION, format!("Bearer {key}")).header(CONTENT_TYPE, "application/json")
            }
            Asker::Admin(signed_in) => from_console(request, signed_in),
        }
    }
}

async fn learn(server: &Server, asker: &Asker<'_>, route: &Route, app_id: u32, things: &Things) -> Learnt {
    // So that limits are full again.
    server.clock.advance(Duration::from_secs(10));
    let path = things.iter().fold(route.path.replace("{app_id}", &app_id.to_string()), |path, (name, id)| {
        path.replace(&format!("{{{name}}}"), id)
    });
    assert!(!path.contains('{'), "{path} names a thing that the test does not make");
    let request = asker.signed(Request::builder().method(route.method.clone()).uri(path));
    let response = server.send(request, body_of(route).to_string()).await;
    let status = response.status();
    let mut headers: BTreeMap<String, String> =
        response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.remove("roompass-server-time").expect("every answer says the time");
    let request_id = headers.remove("x-request-id").expect("every answer has an id");
    // Which is not always of the same length.
    headers.remove("content-length");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap().replace(&request_id, "");
    Learnt { status, headers, body }
}

/// What the route would do something with, if it let the caller.
fn body_of(route: &Route) -> Value {
    match (route.method.as_str(), route.path) {
        ("GET" | "DELETE", _) => Value::Null,
        ("PATCH", APP_PATH) => json!({ "version": 1, "settings": { "name": "mine" } }),
        ("PATCH", _) => json!({ "version": 1, "description": "mine" }),
        (_, TOKENS_PATH) => json!({ "user_id": "u" }),
        (_, TOKENS_BATCH_PATH) => json!({ "items": [{ "user_id": "u" }] }),
        (_, INTROSPECT_PATH | EXPLAIN_PATH) => json!({ "token": "04" }),
        (_, REVOKE_PATH) => json!({ "whole_app": true }),
        (_, BANS_PATH | KICK_PATH) => json!({ "user_id": "u" }),
        (_, WITHHOLD_PATH) => json!({ "session_id": "s", "withhold": [] }),
        (_, STOP_STREAM_PATH) => json!({ "stream_id": "s" }),
        (_, CLOSE_ROOM_PATH) => json!({ "room_id": "r" }),
        (_, ROOM_MESSAGE_PATH) => json!({ "room_id": "r", "text": "x" }),
        (_, APP_SIGN_RESET_PATH | ROTATE_PATH | WEBHOOK_KEY_PATH) => json!({ "overlap_secs": 60 }),
        (_, KEYS_PATH) => json!({ "name": "k", "rights": ["mint"] }),
        (_, WEBHOOKS_PATH) => json!({ "url": "https://hooks.example.com/x" }),
        _ => json!({}),
    }
}

async fn key_of(server: &Server, app_id: u32) -> String {
    let new = NewKey {
        app_id: AppId::new(app_id).ok(),
        name: "key".to_owned(),
        scope: Scope::everything(),
        expire_at: None,
        kind: KeyKind::Bearer,
    };
    server.service.admin.create_key(new).await.unwrap().expose().to_owned()
}

/// Makes one of everything in an app that has an id of its own in a path.
async fn things_of(server: &Server, key: &str, app_id: u32) -> Things {
    let call = async |method: &str, path: &str, body: Value| -> Value {
        let request = Request::builder().method(method).uri(format!("/v1/apps/{app_id}/{path}"));
        let response = server.send(Asker::Key(key).signed(request), body.to_string()).await;
        assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
        super::tests::json(response).await
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // A ban is named after whom it keeps out: the same user would have the same id in both.
    let ban = call("POST", "bans", json!({ "user_id": format!("u{app_id}") })).await;
    call("POST", "keys", json!({ "name": "k", "rights": ["mint"] })).await;
    let keys = call("GET", "keys", Value::Null).await;
    let webhook = call("POST", "webhooks", json!({ "url": "https://hooks.example.com/x" })).await;
    let endpoint_id = text(&webhook["webhook"]["endpoint_id"]);
    let delivery = call("POST", &format!("webhooks/{endpoint_id}/test"), json!({})).await;
    call("POST", "secrets/rotate", json!({ "overlap_secs": 86_400 })).await;
    let ring = call("GET", "secrets", Value::Null).await;
    let previous = ring["secrets"].as_array().unwrap().iter().find(|secret| secret["state"] == "previous").unwrap();
    Things::from([
        ("ban_id", text(&ban["ban"]["ban_id"])),
        ("key_id", text(&keys["keys"][0]["key_id"])),
        ("endpoint_id", endpoint_id),
        ("delivery_id", text(&delivery["delivery_id"])),
        ("secret_id", text(&previous["secret_id"])),
    ])
}

fn app_routes() -> Vec<Route> {
    routes().into_iter().filter(|route| matches!(route.policy, Policy::AppKey(_))).collect()
}

// proves T20
#[tokio::test]
async fn every_operation_answers_about_another_app_as_about_a_missing_one() {
    let server = Server::at("http://127.0.0.1:7").await;
    let keys = [key_of(&server, 7).await, key_of(&server, 8).await];
    let things = [things_of(&server, &keys[0], 7).await, things_of(&server, &keys[1], 8).await];
    let owner = Roles { everywhere: None, apps: [(7, Role::Owner)].into() };
    admin(&server, "owner@7", &owner).await;
    let mut seen = 0;
    for route in app_routes() {
        let owner = session(&server, "owner@7").await;
        for (asker, other, things) in [
            (Asker::Key(&keys[0]), 8, &things[1]),
            (Asker::Key(&keys[1]), 7, &things[0]),
            (Asker::Admin(&owner), 8, &things[1]),
        ] {
            let foreign = learn(&server, &asker, &route, other, things).await;
            let missing = learn(&server, &asker, &route, 9, things).await;
            assert_eq!(foreign, missing, "{} {}", route.method, route.path);
            assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{} {}", route.method, route.path);
            assert!(foreign.body.contains("\"app_unknown\""), "{foreign:?}");
            seen += 1;
        }
    }
    // Every path that names an app is behind such a policy: nothing was left out above.
    assert_eq!(seen, 3 * routes().iter().filter(|route| route.path.contains("{app_id}")).count());
    assert!(seen >= 3 * 40, "{seen}");
}

// proves T20 (objects)
#[tokio::test]
async fn the_things_of_another_app_are_not_there_in_ones_own() {
    let server = Server::at("http://127.0.0.1:7").await;
    let keys = [key_of(&server, 7).await, key_of(&server, 8).await];
    let own = things_of(&server, &keys[0], 7).await;
    let others = things_of(&server, &keys[1], 8).await;
    let nobodys: Things = others.iter().map(|(&name, id)| (name, changed(id))).collect();
    let asker = Asker::Key(&keys[0]);
    let before = kept(&server, &keys[1], &others).await;
    let mut asked = Vec::new();
    for route in app_routes() {
        let named: Vec<&str> =
            others.keys().copied().filter(|name| route.path.contains(&format!("{{{name}}}"))).collect();
        // Where a path names two things, the second may be another's as well: an own endpoint, another's delivery.
        for name in &named {
            let with = |things: &Things| {
                let mut mixed = own.clone();
                mixed.insert(name, things[name].clone());
                mixed
            };
            let foreign = learn(&server, &asker, &route, 7, &with(&others)).await;
            let missing = learn(&server, &asker, &route, 7, &with(&nobodys)).await;
            assert_eq!(foreign, missing, "{} {} with another's {name}", route.method, route.path);
            assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{} {}", route.method, route.path);
            asked.push(*name);
        }
    }
    assert!(others.keys().all(|name| asked.contains(name)), "{asked:?}");
    assert_eq!(kept(&server, &keys[1], &others).await, before, "nothing of the other app was touched");
}

/// An id of the same shape that nobody has.
fn changed(id: &str) -> String {
    let last = if id.ends_with('a') { 'b' } else { 'a' };
    format!("{}{last}", &id[..id.len() - 1])
}

/// What app 8 has.
async fn kept(server: &Server, key: &str, things: &Things) -> Vec<String> {
    let mut answers = Vec::new();
    for route in app_routes().iter().filter(|route| {
        matches!(route.path, APP_PATH | SECRETS_PATH | KEYS_PATH | WEBHOOKS_PATH | WEBHOOK_PATH | BANS_PATH)
            && route.method == Method::GET
    }) {
        let Learnt { status, body, .. } = learn(server, &Asker::Key(key), route, 8, things).await;
        assert_eq!(status, StatusCode::OK, "{}", route.path);
        let mut body: Value = serde_json::from_str(&body).unwrap();
        body["server_time"].take();
        for key in body["keys"].as_array_mut().into_iter().flatten() {
            key["last_used_at"].take();
        }
        answers.push(body.to_string());
    }
    assert_eq!(answers.len(), 6);
    answers
}
