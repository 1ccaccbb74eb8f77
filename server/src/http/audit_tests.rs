//! The audit trail as callers leave it and as they read it.

use axum::{
    http::{Method, Request, StatusCode, header::AUTHORIZATION},
    response::Response,
};
use roompass_wire::{
    ErrorCode,
    http::{AuditRecord, AuditResponse, MintResponse, Role},
};
use serde_json::{Value, json};

use super::{
    callers_tests::{admin, everywhere, from_console},
    tests::{Server, json, problem_in},
    *,
};
use crate::{
    admin::{KeyKind, NewKey},
    keys::Scope,
};

/// A server with a key of app 7 that may do everything, and an operator's key.
struct World {
    server: Server,
    key: String,
    operator: String,
}

impl World {
    async fn new() -> Self {
        let server = Server::at("http://127.0.0.1:7").await;
        let key = server.new_key(Scope::everything(), None).await;
        let new = NewKey {
            app_id: None,
            name: "operator".to_owned(),
            scope: Scope { rights: vec![Right::Admin], ..Scope::default() },
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        let operator = server.service.admin.create_key(new).await.unwrap().expose().to_owned();
        Self { server, key, operator }
    }

    async fn call(&self, key: &str, method: Method, path: &str, body: &Value) -> Response {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.server.send(request.header(AUTHORIZATION, format!("Bearer {key}")), body.to_string()).await
    }

    /// What the operator finds, the latest first.
    async fn find(&self, query: &str) -> Vec<AuditRecord> {
        self.server.service.audit.flush().await.unwrap();
        let response = self.call(&self.operator, Method::GET, &format!("/v1/audit?{query}"), &Value::Null).await;
        assert_eq!(response.status(), StatusCode::OK);
        json::<AuditResponse>(response).await.records
    }

    async fn of_request(&self, response: &Response) -> Vec<AuditRecord> {
        self.find(&format!("request_id={}", response.headers()["x-request-id"].to_str().unwrap())).await
    }
}

/// A request that each route takes; those that only look are left out.
fn requests(key_id: &str, ban_id: &str) -> Vec<(Method, &'static str, String, Value, &'static str)> {
    let settings = json!({"max_room_users": 9});
    let row = |method: Method, route, path: String, body, action| (method, route, path, body, action);
    let post =
        |route: &'static str, body, action| row(Method::POST, route, route.replace("{app_id}", "7"), body, action);
    vec![
        post(TOKENS_PATH, json!({"user_id": "alice", "room_id": "r"}), "mint"),
        post(TOKENS_BATCH_PATH, json!({"items": [{"user_id": "alice"}]}), "mint"),
        post(REVOKE_PATH, json!({"user_id": "alice"}), "revoke"),
        post(BANS_PATH, json!({"user_id": "bob"}), "ban"),
        row(Method::DELETE, BAN_PATH, format!("/v1/apps/7/bans/{ban_id}"), json!({}), "lift_ban"),
        row(
            Method::PATCH,
            APP_PATH,
            "/v1/apps/7".to_owned(),
            json!({"version": 1, "settings": settings}),
            "update_app",
        ),
        post(ROTATE_PATH, json!({}), "rotate_secret"),
        post(APP_SIGN_SHOW_PATH, json!({}), "show_app_sign"),
        post(APP_SIGN_RESET_PATH, json!({"overlap_secs": 60}), "reset_app_sign"),
        post(APP_SIGN_RETIRE_PATH, json!({}), "retire_app_sign"),
        post(KEYS_PATH, json!({"name": "k", "rights": ["mint"]}), "create_key"),
        row(Method::DELETE, KEY_PATH, format!("/v1/apps/7/keys/{key_id}"), json!({}), "revoke_key"),
    ]
}

#[tokio::test]
async fn whatever_changes_something_names_its_caller() {
    let world = World::new().await;
    let ban = world.call(&world.key, Method::POST, "/v1/apps/7/bans", &json!({"user_id": "carol"})).await;
    let ban: Value = json(ban).await;
    let requests = requests(world.server.key.split('_').nth(1).unwrap(), ban["ban"]["ban_id"].as_str().unwrap());
    let actor = format!("key:{}", world.key.split('_').nth(1).unwrap());
    for (method, _, path, body, action) in &requests {
        let response = world.call(&world.key, method.clone(), path, body).await;
        assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
        let [record] = &world.of_request(&response).await[..] else { panic!("{method} {path} leaves one record") };
        assert_eq!((&*record.action, &*record.result, record.app_id), (*action, "done", Some(7)), "{path}");
        assert_eq!((&record.actor, record.source.as_deref()), (&actor, Some("127.0.0.1")), "{path}");
    }
    // A secret that may be retired has a name only now.
    let ring: Value = json(world.call(&world.key, Method::GET, "/v1/apps/7/secrets", &json!({})).await).await;
    let previous = ring["secrets"].as_array().unwrap().iter().find(|secret| secret["state"] == "previous").unwrap();
    let path = format!("/v1/apps/7/secrets/{}/retire", previous["secret_id"].as_str().unwrap());
    let retired = world.call(&world.key, Method::POST, &path, &json!({})).await;
    assert_eq!(world.of_request(&retired).await[0].action, "retire_secret");
    let names = async |method: Method, path: &str, body: Value, action| {
        let response = world.call(&world.key, method, path, &body).await;
        let records = world.of_request(&response).await;
        let record = records.first().unwrap_or_else(|| panic!("{path} leaves a record"));
        assert_eq!((&*record.action, &record.actor, record.app_id), (action, &actor, Some(7)), "{path}");
        json::<Value>(response).await
    };
    // An endpoint has a name only once it is there.
    let url = json!({"url": "https://hooks.example.com/r"});
    let made = names(Method::POST, "/v1/apps/7/webhooks", url, "create_webhook").await;
    let endpoint = format!("/v1/apps/7/webhooks/{}", made["webhook"]["endpoint_id"].as_str().unwrap());
    let change = json!({"version": made["webhook"]["version"], "description": "d"});
    names(Method::PATCH, &endpoint, change, "update_webhook").await;
    names(Method::POST, &format!("{endpoint}/key/rotate"), json!({}), "rotate_webhook_key").await;
    names(Method::DELETE, &endpoint, json!({}), "remove_webhook").await;
    // Whoever is there: what was wanted is told first.
    names(Method::POST, "/v1/apps/7/sessions/kick", json!({"user_id": "alice"}), "kick").await;
    names(Method::POST, "/v1/apps/7/rooms/close", json!({"room_id": "r"}), "close_room").await;
    names(Method::POST, "/v1/apps/7/rooms/message", json!({"room_id": "r", "text": "t"}), "say").await;

    let body = json!({"app_id": 9, "settings": {"name": "ninth"}});
    let made = world.call(&world.operator, Method::POST, "/v1/apps", &body).await;
    let record = &world.of_request(&made).await[0];
    let operator = format!("key:{}", world.operator.split('_').nth(1).unwrap());
    assert_eq!((&*record.action, record.app_id, &record.actor), ("create_app", Some(9), &operator));

    let reloaded = world.call(&world.operator, Method::POST, RELOAD_PATH, &json!({})).await;
    let record = &world.of_request(&reloaded).await[0];
    assert_eq!((&*record.action, &record.actor), ("reload", &operator));

    // Nothing that changes something is forgotten here.
    let asks = [INTROSPECT_PATH, EXPLAIN_PATH];
    // Sends again what was sent; or needs somebody in a room, as the tests of the operator's hand have.
    let elsewhere = [WEBHOOK_TEST_PATH, REDELIVER_PATH, WITHHOLD_PATH, STOP_STREAM_PATH];
    let named = [
        WEBHOOKS_PATH,
        WEBHOOK_PATH,
        WEBHOOK_KEY_PATH,
        KICK_PATH,
        CLOSE_ROOM_PATH,
        ROOM_MESSAGE_PATH,
        RETIRE_PATH,
        APPS_PATH,
        RELOAD_PATH,
    ];
    let covered = |route: &Route| {
        requests.iter().any(|(method, path, ..)| (method, *path) == (&route.method, route.path))
            || [&named[..], &asks, &elsewhere].concat().contains(&route.path)
    };
    let changing =
        |route: &&Route| !route.method.is_safe() && matches!(route.policy, Policy::AppKey(_) | Policy::Operator(_));
    for route in routes().iter().filter(changing) {
        assert!(covered(route), "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn a_mint_is_told_with_rights_and_end_and_without_the_token() {
    let world = World::new().await;
    let body = json!({"user_id": "alice", "room_id": "r", "privileges": ["publish"], "stream_ids": ["s1", "s2"]});
    let response = world.call(&world.key, Method::POST, "/v1/apps/7/tokens", &body).await;
    let record = world.of_request(&response).await.remove(0);
    let minted: MintResponse = json(response).await;
    let told = (record.user_id.as_deref(), record.room_id.as_deref(), record.rights.as_deref());
    assert_eq!(told, (Some("alice"), Some("r"), Some("publish of s1,s2")));
    assert_eq!((record.token_id.as_ref(), record.expire_at), (Some(&minted.token_id), Some(minted.expire_at)));
    let found = world.find(&format!("token_id={}", minted.token_id)).await;
    assert_eq!((found.len(), &found[0]), (1, &record));
    let path = format!("/v1/audit?token_id={}", minted.token);
    let leak = world.call(&world.operator, Method::GET, &path, &Value::Null).await;
    assert_eq!(problem_in(leak).await.code, ErrorCode::BadRequest, "a token has no place in a query");
    let everything = world.server.service.store.audit_chain(1, 0, 1000).await.unwrap();
    assert!(!format!("{everything:?}").contains(&minted.token));
    for (body, reason, details) in [
        (json!({"user_id": "no good id"}), "user_id_invalid", "user_id: "),
        (json!({"user_id": "a", "ttl_secs": 99_999_999}), "field_invalid", "ttl_secs: "),
    ] {
        let refused = world.call(&world.key, Method::POST, "/v1/apps/7/tokens", &body).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let record = world.of_request(&refused).await.remove(0);
        assert_eq!((&*record.action, &*record.result, record.reason.as_deref()), ("mint", "refused", Some(reason)));
        assert!(record.details.unwrap().starts_with(details));
    }
    let stranger = world.call("rp_nobody", Method::POST, "/v1/apps/7/tokens", &json!({"user_id": "a"})).await;
    let record = world.of_request(&stranger).await.remove(0);
    assert_eq!((&*record.action, &*record.actor, record.reason.as_deref()), ("call", "stranger", Some("unauthorized")));
    let forbidden = world.call(&world.server.key, Method::GET, "/v1/apps/7/bans", &Value::Null).await;
    assert_eq!(world.of_request(&forbidden).await[0].reason.as_deref(), Some("forbidden"));
}

#[tokio::test]
async fn the_trail_is_read_in_pages_and_within_walls() {
    let world = World::new().await;
    for number in 0..5 {
        let body = json!({"user_id": format!("user{number}")});
        world.call(&world.key, Method::POST, "/v1/apps/7/tokens", &body).await;
    }
    world.server.service.audit.flush().await.unwrap();
    let (mut users, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/apps/7/audit?action=mint&limit=2{cursor}");
        let page: AuditResponse = json(world.call(&world.key, Method::GET, &path, &Value::Null).await).await;
        users.extend(page.records.into_iter().map(|record| record.user_id.unwrap()));
        let Some(next) = page.cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(users, ["user4", "user3", "user2", "user1", "user0"]);
    assert_eq!(world.find("app_id=8").await.len(), 1, "the making of it");
    let eight = world.call(&world.key, Method::GET, "/v1/apps/8/audit", &Value::Null).await;
    assert_eq!(problem_in(eight).await.code, ErrorCode::AppUnknown);

    let lines = world.call(&world.key, Method::GET, "/v1/apps/7/audit/export?result=done", &Value::Null).await;
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    let lines = axum::body::to_bytes(lines.into_body(), usize::MAX).await.unwrap();
    let lines: Vec<AuditRecord> =
        lines.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!((&*lines[0].action, lines.last().unwrap().user_id.as_deref()), ("create_app", Some("user4")));
    assert!(lines.iter().all(|record| record.app_id == Some(7)));

    for bad in ["limit=0", "cursor=x", "cursor=-1", "action=nothing", "result=x", "user_id=%00", "app_id=7", "who=me"] {
        let refused = world.call(&world.key, Method::GET, &format!("/v1/apps/7/audit?{bad}"), &Value::Null).await;
        assert_eq!(problem_in(refused).await.code, ErrorCode::BadRequest, "{bad}");
    }
    let whole = world.call(&world.key, Method::GET, "/v1/apps/7/audit/export?limit=1", &Value::Null).await;
    assert_eq!(problem_in(whole).await.code, ErrorCode::BadRequest);
    let bound = Scope { room_prefix: "r".to_owned(), rights: vec![Right::Read], ..Scope::default() };
    let bound = world.server.new_key(bound, None).await;
    for path in ["/v1/apps/7/audit", "/v1/apps/7/audit/export"] {
        let refused = world.call(&bound, Method::GET, path, &Value::Null).await;
        assert_eq!(problem_in(refused).await.code, ErrorCode::Forbidden, "{path}");
    }
    let mints_only = world.call(&world.server.key, Method::GET, "/v1/audit", &Value::Null).await;
    assert_eq!(problem_in(mints_only).await.code, ErrorCode::Forbidden);
}

#[tokio::test]
async fn what_an_admin_does_carries_the_name() {
    let world = World::new().await;
    let owner = admin(&world.server, "olivia", &everywhere(Role::Owner)).await;
    let rotate = Request::post("/v1/apps/7/secrets/rotate");
    let rotated = world.server.send(from_console(rotate, &owner), "{}").await;
    assert_eq!(rotated.status(), StatusCode::OK);
    let record = world.of_request(&rotated).await.remove(0);
    assert_eq!((&*record.action, &*record.actor), ("rotate_secret", "admin:olivia"));
    let invite = json!({"name": "ada", "roles": {"everywhere": "viewer"}}).to_string();
    let invited = world.server.send(from_console(Request::post("/v1/admin/admins"), &owner), invite).await;
    assert_eq!(invited.status(), StatusCode::CREATED);
    let record = world.of_request(&invited).await.remove(0);
    assert_eq!(
        (&*record.action, &*record.actor, record.target.as_deref()),
        ("invite_admin", "admin:olivia", Some("ada"))
    );
    let signed_in = world.find("action=sign_in").await;
    assert_eq!((&*signed_in[0].actor, &*signed_in[0].result), ("admin:olivia", "done"));
}

// proves T64 (audit)
#[tokio::test]
async fn two_searches_at_a_time_and_neither_minting_nor_operators_wait_for_them() {
    let world = World::new().await;
    let searches = world.server.service.limits.searches();
    let under_way = [searches.try_take().unwrap(), searches.try_take().unwrap()];
    let search = async || world.call(&world.key, Method::GET, "/v1/apps/7/audit", &Value::Null).await;
    assert_eq!(problem_in(search().await).await.code, ErrorCode::Unavailable);
    let minted = world.call(&world.key, Method::POST, "/v1/apps/7/tokens", &json!({"user_id": "alice"})).await;
    assert_eq!(minted.status(), StatusCode::OK);
    for path in ["/v1/audit", "/v1/refusals"] {
        let searched = world.call(&world.operator, Method::GET, path, &Value::Null).await;
        assert_eq!(searched.status(), StatusCode::OK, "{path}");
    }
    drop(under_way);
    assert_eq!(search().await.status(), StatusCode::OK);
    assert_eq!(searches.taken(), 0);
}

// proves T23 (apps)
#[tokio::test]
async fn an_app_is_made_once_for_one_idempotency_key() {
    let world = World::new().await;
    let make = async |key: &str, name: &str| {
        let request = Request::post("/v1/apps")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header(AUTHORIZATION, format!("Bearer {}", world.operator));
        world.server.send(request, json!({"settings": {"name": name}}).to_string()).await
    };
    let first = make("a", "new").await;
    assert_eq!(first.status(), StatusCode::OK);
    let first: Value = json(first).await;
    let again = make("a", "new").await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(json::<Value>(again).await, first);
    assert_eq!(problem_in(make("a", "other").await).await.code, ErrorCode::IdempotencyKeyReused);
    let second: Value = json(make("b", "new").await).await;
    assert_ne!(second["app"]["app_id"], first["app"]["app_id"]);
}
