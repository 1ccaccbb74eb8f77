//! Who may call what: every route of the table, against every kind of caller.

use std::{net::SocketAddr, time::Duration};

use axum::{
    http::{
        Request, StatusCode,
        header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE},
        request::Builder,
    },
    response::Response,
};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::SysRng;
use roompass_wire::{
    ErrorCode,
    gateway::{GATEWAY_PATH, SUBPROTOCOL},
    http::{CSRF_HEADER, MintResponse, Roles, SessionResponse},
};
use serde_json::{Value, json};
use token_gen::{AppId, Privilege, Privileges, UnixSeconds};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{
    tests::{ALICE, NOW, Server, json, problem_in},
    *,
};
use crate::{
    admin::{KeyKind, NewKey},
    admins::{SignedIn, role_for},
    keys::{BackendKey, Caller, KeyText, Proof, Scope},
    limits::Source,
    store::{AdminRecord, SetupCodeRecord},
};

const OWN: &str = "http://127.0.0.1:7";

/// An admin with a session, as if signed in just now.
pub(super) async fn admin(server: &Server, name: &str, roles: &Roles) -> SignedIn {
    let now = server.service.clock.now();
    let roles = serde_json::to_string(roles).unwrap();
    let code = SetupCodeRecord {
        hash: [1; 32],
        name: None,
        roles: roles.clone(),
        expire_at: now.saturating_add(Duration::from_secs(1)),
        created_at: now,
    };
    let admin = AdminRecord {
        admin_id: format!("id-{name}"),
        version: 1,
        name: name.to_owned(),
        password_hash: String::new(),
        totp_secret: Vec::new(),
        totp_step: 0,
        roles,
        owner: true,
        created_at: now,
        updated_at: now,
    };
    server.service.store.insert_setup_code(code).await.unwrap();
    server.service.store.insert_admin(admin, [1; 32], now).await.unwrap();
    session(server, name).await
}

pub(super) async fn session(server: &Server, name: &str) -> SignedIn {
    let admin = server.service.store.admin_named(name).await.unwrap().unwrap();
    let source = Source::of([127, 0, 0, 1].into());
    server.service.admins.open_session(&admin, source, server.service.clock.now()).await.unwrap()
}

pub(super) fn everywhere(role: Role) -> Roles {
    Roles { everywhere: Some(role), ..Roles::default() }
}

/// What a browser on our own pages sends.
pub(super) fn from_console(request: Builder, signed_in: &SignedIn) -> Builder {
    request
        .header(COOKIE, format!("roompass={}", signed_in.token.expose()))
        .header(ORIGIN, OWN)
        .header("host", "127.0.0.1:7")
        .header("content-type", "application/json")
        .header(CSRF_HEADER, signed_in.token.csrf_token())
}

fn to(route: &Route) -> Builder {
    let path = route.path.replace("{app_id}", "7").replace(['{', '}'], "");
    Request::builder().method(route.method.clone()).uri(path)
}

async fn start() -> Server {
    Server::at(OWN).await
}

// proves T19
#[tokio::test]
async fn every_route_but_the_public_ones_refuses_every_bad_credential() {
    let server = start().await;
    let expired = server.new_key(Scope::everything(), Some(NOW + 1)).await;
    let minted: MintResponse = json(server.send(server.mint(), ALICE).await).await;
    let key = server.key.clone();
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    let signature = format!("Roompass-HMAC-SHA256 key_id=x,timestamp={NOW},nonce={:032},signature={:064}", 0, 0);
    let credentials: [(_, String); 12] = [
        (AUTHORIZATION, String::new()),
        (AUTHORIZATION, "Bearer ".to_owned()),
        (AUTHORIZATION, format!("Basic {key}")),
        (AUTHORIZATION, format!("Bearer {key}x")),
        (AUTHORIZATION, format!("Bearer {expired}")),
        (AUTHORIZATION, format!("Bearer {}", minted.token)),
        (AUTHORIZATION, format!("Bearer {}", owner.token.expose())),
        (AUTHORIZATION, signature),
        (COOKIE, "roompass=".to_owned()),
        (COOKIE, format!("roompass={}", owner.token.csrf_token())),
        (COOKIE, format!("roompass={key}")),
        (COOKIE, format!("__Host-roompass={}", owner.token.expose())),
    ];
    let mut requests = 0;
    for route in routes().iter().filter(|route| !matches!(route.policy, Policy::Public | Policy::Visitor)) {
        let bare = server.send(to(route), "{}").await;
        assert!(matches!(bare.status().as_u16(), 401 | 403 | 415), "{} {}", route.method, route.path);
        for (name, value) in &credentials {
            // So that guessing is not what is refused.
            server.clock.advance(Duration::from_secs(60));
            let request = to(route).header(name, value).header(ORIGIN, OWN).header("content-type", "application/json");
            let status = server.send(request, "{}").await.status();
            let refused = status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN;
            assert!(refused, "{} {} with {name}: {value} gave {status}", route.method, route.path);
            requests += 1;
        }
    }
    assert!(requests >= 13 * 8, "{requests}");
}

// proves T21
#[tokio::test]
async fn every_role_reaches_its_routes_and_no_others() {
    let server = start().await;
    let elsewhere = Roles { everywhere: None, apps: [(8, Role::Owner)].into() };
    let roles =
        [("viewer", everywhere(Role::Viewer)), ("admin", everywhere(Role::Admin)), ("owner", everywhere(Role::Owner))];
    for (name, roles) in roles.iter().chain([&("elsewhere", elsewhere)]) {
        admin(&server, name, roles).await;
        for route in routes() {
            let signed_in = session(&server, name).await;
            let response = server.send(from_console(to(&route), &signed_in), "{}").await;
            let expected = match route.policy {
                Policy::Public | Policy::Visitor | Policy::SignedIn => None,
                Policy::AppKey(_) if roles.everywhere.is_none() => Some(ErrorCode::AppUnknown),
                Policy::AppKey(right) if roles.everywhere < Some(role_for(right)) => Some(ErrorCode::Forbidden),
                Policy::Admin(role) | Policy::Operator(role) if roles.everywhere < Some(role) => {
                    Some(ErrorCode::Forbidden)
                }
                Policy::AppKey(_) | Policy::Admin(_) | Policy::Operator(_) => None,
            };
            let code = if response.status().is_success() { None } else { Some(problem_in(response).await.code) };
            let allowed = !matches!(code, Some(ErrorCode::Forbidden | ErrorCode::AppUnknown | ErrorCode::StaleSignIn));
            // What a set-up or sign-in without a good code or password gets is no matter of roles.
            assert!(allowed == expected.is_none(), "{name}: {} {} gave {code:?}", route.method, route.path);
            assert!(expected.is_none() || code == expected, "{name}: {} {}", route.method, route.path);
        }
    }
}

// proves T21 (each right of a backend key)
#[tokio::test]
async fn every_right_of_a_key_reaches_its_routes_and_no_others() {
    let server = start().await;
    for right in Right::ALL {
        for route in routes() {
            // Its own each time: what is reached may end the key that asks.
            let key = server.new_key(Scope { rights: vec![right], ..Scope::default() }, None).await;
            let request = to(&route).header(AUTHORIZATION, format!("Bearer {key}"));
            let response = server.send(request.header("content-type", "application/json"), "{}").await;
            let status = response.status();
            let code = if status.is_client_error() { Some(problem_in(response).await.code) } else { None };
            let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let case = format!("{right}: {} {} gave {status} {code:?}", route.method, route.path);
            match route.policy {
                // Whoever comes, with a key or without.
                Policy::Public => assert!(!is_refused, "{case}"),
                Policy::Visitor => assert!(status.as_u16() < 500, "{case}"),
                Policy::AppKey(wanted) if wanted == right => assert!(!is_refused && status.as_u16() < 500, "{case}"),
                Policy::AppKey(_) => assert_eq!(code, Some(ErrorCode::Forbidden), "{case}"),
                // No key of an app is an admin or an operator.
                Policy::SignedIn | Policy::Admin(_) | Policy::Operator(_) => {
                    assert!(is_refused, "{case}");
                }
            }
        }
    }
}

// proves T57
#[tokio::test]
async fn no_route_that_changes_something_obeys_another_site() {
    let server = start().await;
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    let cookie = format!("roompass={}", owner.token.expose());
    let foreign: [&[(&str, &str)]; 12] = [
        &[],
        &[("origin", "null")],
        &[("origin", "http://evil.example")],
        &[("origin", "https://127.0.0.1:7")],
        &[("origin", "http://127.0.0.1:70")],
        &[("origin", "http://127.0.0.1:7.evil.example")],
        &[("origin", "http://127.0.0.1:7"), ("sec-fetch-site", "cross-site")],
        &[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://127.0.0.1:7"), ("origin", "http://evil.example")],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
    ];
    for route in routes().iter().filter(|route| !route.method.is_safe()) {
        for headers in foreign {
            let request = to(route)
                .header(COOKIE, &cookie)
                .header("content-type", "application/json")
                .header(CSRF_HEADER, owner.token.csrf_token());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let status = server.send(request, "{}").await.status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{} {} {headers:?}", route.method, route.path);
        }
    }
}

// proves T57 (the token), T45 (CSRF token and session are no substitutes)
#[tokio::test]
async fn a_session_changes_nothing_without_its_own_csrf_token() {
    let server = start().await;
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    let other = admin(&server, "other", &everywhere(Role::Owner)).await;
    let base = || {
        let cookie = format!("roompass={}", owner.token.expose());
        Request::post(SIGN_OUT_PATH)
            .header(COOKIE, cookie)
            .header(ORIGIN, OWN)
            .header("content-type", "application/json")
    };
    for wrong in ["", owner.token.expose(), &other.token.csrf_token()] {
        let problem = server.problem(base().header(CSRF_HEADER, wrong), "{}").await;
        assert_eq!(problem.code, ErrorCode::Forbidden);
    }
    assert_eq!(server.problem(base(), "{}").await.code, ErrorCode::Forbidden);
    let form = Request::post(SIGN_OUT_PATH).header(COOKIE, format!("roompass={}", owner.token.expose()));
    let form = form.header(ORIGIN, OWN).header("content-type", "application/x-www-form-urlencoded");
    let form = form.header(CSRF_HEADER, owner.token.csrf_token());
    assert_eq!(server.problem(form, "").await.code, ErrorCode::UnsupportedMediaType);

    let response = server.send(base().header(CSRF_HEADER, owner.token.csrf_token()), "{}").await;
    assert_eq!(response.status(), StatusCode::OK);
    let ended = response.headers()[SET_COOKIE].to_str().unwrap();
    assert_eq!(ended, "roompass=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    let again = from_console(Request::get(SESSION_PATH), &owner);
    assert_eq!(server.problem(again, "").await.code, ErrorCode::Unauthorized);
}

// proves W1 (cookies)
#[tokio::test]
async fn an_admins_session_opens_no_room() {
    let server = start().await;
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    assert_eq!(server.send(from_console(Request::get(SESSION_PATH), &owner), "").await.status(), StatusCode::OK);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(Arc::clone(&server.service)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    // As a page of the console would open it.
    let mut request = format!("ws://{address}{GATEWAY_PATH}").into_client_request().unwrap();
    let cookie = format!("roompass={}", owner.token.expose());
    for (name, value) in [("cookie", &*cookie), ("origin", OWN), ("sec-websocket-protocol", SUBPROTOCOL)] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    let login = json!({ "type": "login", "id": 1, "app_id": 7, "user_id": "alice", "room_id": "r1" });
    socket.send(Message::text(login.to_string())).await.unwrap();
    let mut heard = Vec::new();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        heard.push(json!([message["type"], message["code"]]));
    }
    assert_eq!(heard, [json!(["hello", null]), json!(["error", "token_missing"])]);
}

// proves A10 (cookie, re-authentication)
#[tokio::test]
async fn behind_tls_the_cookie_is_kept_to_this_host_and_changes_need_a_recent_sign_in() {
    let server = Server::at("https://rooms.test").await;
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    let cookie = session::begin(&server.service, &owner.token).unwrap();
    assert!(cookie.is_sensitive());
    let expected =
        format!("__Host-roompass={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure", owner.token.expose());
    assert_eq!(cookie.to_str().unwrap(), expected);

    let request = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header(COOKIE, format!("__Host-roompass={}", owner.token.expose()))
            .header(ORIGIN, "https://rooms.test")
            .header("content-type", "application/json")
            .header(CSRF_HEADER, owner.token.csrf_token())
    };
    let invitation = r#"{"name":"somebody","roles":{"everywhere":"viewer"}}"#;
    let invited = server.send(request("POST", ADMINS_PATH), invitation).await;
    assert_eq!(invited.status(), StatusCode::CREATED);
    server.clock.advance(Duration::from_secs(300));
    assert_eq!(server.problem(request("POST", ADMINS_PATH), invitation).await.code, ErrorCode::StaleSignIn);
    let body: SessionResponse = json(server.send(request("GET", SESSION_PATH), "").await).await;
    assert_eq!((body.name.as_str(), body.sudo_until), ("owner", NOW + 300));
    assert_eq!(body.csrf_token, owner.token.csrf_token());
}

#[tokio::test]
async fn an_admin_mints_in_the_apps_of_the_role() {
    let server = start().await;
    let some = admin(&server, "some", &Roles { everywhere: None, apps: [(7, Role::Admin)].into() }).await;
    let minted = server.send(from_console(Request::post("/v1/apps/7/tokens"), &some), ALICE).await;
    assert_eq!(minted.status(), StatusCode::OK);
    let missing = server.problem(from_console(Request::post("/v1/apps/9/tokens"), &some), ALICE).await;
    let mut foreign = server.problem(from_console(Request::post("/v1/apps/8/tokens"), &some), ALICE).await;
    foreign.request_id.clone_from(&missing.request_id);
    assert_eq!(foreign, missing);
}

/// One answer for each request, which come one by one.
async fn statuses(server: &Server, count: usize, request: impl Fn() -> Builder) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(server.send(request(), ALICE).await.status().as_u16());
    }
    statuses
}

fn header(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_has_its_own_limit_and_is_told_of_it() {
    let mut server = start().await;
    let other_key = server.key.clone();
    server.key = server.new_key(Scope { max_per_second: Some(2), ..Scope::default() }, None).await;
    let first = server.send(server.mint(), ALICE).await;
    assert_eq!(header(&first, "ratelimit-policy"), "\"key\";q=4;w=2");
    assert_eq!(header(&first, "ratelimit"), "\"key\";r=3;t=2");
    assert_eq!(statuses(&server, 5, || server.mint()).await, [200, 200, 200, 429, 429]);
    let refused = server.send(server.mint(), ALICE).await;
    assert_eq!(header(&refused, "retry-after"), "1");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(statuses(&server, 3, || server.mint()).await, [200, 200, 429]);
    server.key = other_key;
    assert_eq!(statuses(&server, 1, || server.mint()).await, [200]);
}

// proves T28
#[tokio::test]
async fn a_forged_forwarding_header_does_not_change_who_is_counted() {
    let server = start().await;
    let guess = |number: usize| {
        Request::post("/v1/apps/7/tokens")
            .header(AUTHORIZATION, "Bearer wrong")
            .header("x-forwarded-for", format!("203.0.113.{number}"))
            .header("forwarded", format!("for=203.0.113.{number}"))
            .header("x-real-ip", format!("203.0.113.{number}"))
    };
    for number in 0..20 {
        assert_eq!(server.send(guess(number), ALICE).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = server.send(guess(99), ALICE).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "retry-after"), "3");
    server.clock.advance(Duration::from_secs(3));
    assert_eq!(server.send(server.mint(), ALICE).await.status(), StatusCode::OK);
}

// proves T60 (names of admins, sessions and codes)
#[tokio::test]
async fn strange_texts_are_refused_and_break_nothing() {
    let server = start().await;
    let owner = admin(&server, "owner", &everywhere(Role::Owner)).await;
    let long = "x".repeat(10_000);
    let strange = [
        "",
        " ",
        "'",
        "\"",
        "';DROP TABLE admins;--",
        "' OR 1=1 --",
        "%",
        "_",
        "\\",
        "../../etc/passwd",
        "\r\nSet-Cookie: a=b",
        "\0",
        "\u{202e}",
        "é",
        "😀",
        "{{7*7}}",
        "${jndi:x}",
        "<script>",
        "-1",
        "0",
        "9223372036854775808",
        "null",
        "[]",
        long.as_str(),
    ];
    let fields = ["code", "name", "password", "enrolment", "totp"];
    for text in strange {
        for field in fields {
            let mut body = serde_json::json!({
                "code": "c", "name": "owner", "password": "x", "enrolment": "e", "totp": "000000",
            });
            body[field] = text.into();
            server.clock.advance(Duration::from_secs(60));
            let request = from_console(Request::post(SETUP_PATH), &owner);
            let status = server.send(request, body.to_string()).await.status().as_u16();
            assert!(matches!(status, 401 | 422), "{field} {text:?} gave {status}");
        }
        for body in [
            serde_json::json!({ "name": text, "roles": { "everywhere": "viewer" } }),
            serde_json::json!({ "name": "somebody", "roles": { "everywhere": text } }),
            serde_json::json!({ "name": "somebody", "roles": { "apps": { text: "viewer" } } }),
            serde_json::json!({ "name": "somebody", "roles": { "everywhere": "viewer" }, text: 1 }),
        ] {
            let request = from_console(Request::post(ADMINS_PATH), &session(&server, "owner").await);
            let status = server.send(request, body.to_string()).await.status().as_u16();
            assert!(matches!(status, 201 | 400 | 422), "{body} gave {status}");
        }
    }
    assert_eq!(server.service.admins.list("", "", 9).await.unwrap().len(), 1);
    assert_eq!(server.service.clock.now(), UnixSeconds::new(NOW + 60 * 120));
}

// proves T21
#[tokio::test]
async fn a_key_bound_to_rooms_privileges_or_a_lifetime_does_not_administer() {
    let server = start().await;
    let app_id = AppId::new(7).unwrap();
    let all = Scope::everything();
    for scope in [
        Scope { room_prefix: "class-".to_owned(), ..all.clone() },
        Scope { privileges: Privileges::NONE.with(Privilege::Login), ..all.clone() },
        Scope { max_ttl_secs: Some(60), ..all.clone() },
    ] {
        let new = NewKey {
            app_id: Some(app_id),
            name: "key".to_owned(),
            scope: scope.clone(),
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        let refused = server.service.admin.create_key(new).await.unwrap_err();
        assert!(matches!(refused, Error::Field { ref field, .. } if field == "rights"), "{refused:?}");

        // As an older server made them.
        let text = KeyText::generate(&mut SysRng).unwrap();
        let caller = Caller { key_id: text.key_id().to_owned(), app_id, scope };
        server.service.keyring.put(BackendKey::new(caller, Proof::Bearer(text.hash()), None));
        for route in routes().iter().filter(|route| route.policy == Policy::AppKey(Right::Admin)) {
            let request = to(route)
                .header(AUTHORIZATION, format!("Bearer {}", text.expose()))
                .header("content-type", "application/json");
            let problem = server.problem(request, r#"{"name":"k","rights":["mint"],"overlap_secs":0}"#).await;
            assert_eq!(problem.code, ErrorCode::Forbidden, "{} {}", route.method, route.path);
        }
    }
}

// proves T21
#[tokio::test]
async fn a_key_makes_none_that_may_more_or_lives_longer() {
    let server = start().await;
    let scope = Scope { rights: vec![Right::Admin, Right::Read], max_per_second: Some(50), ..Scope::default() };
    let maker = server.new_key(scope, Some(NOW + 600)).await;
    let make = async |body: &str| {
        let request = Request::post("/v1/apps/7/keys")
            .header(AUTHORIZATION, format!("Bearer {maker}"))
            .header("content-type", "application/json");
        server.send(request, body.to_owned()).await
    };
    let end = NOW + 600;
    for (field, body) in [
        ("rights", format!(r#"{{"name":"k","rights":["mint"],"expire_at":{end},"max_per_second":50}}"#)),
        ("expire_at", r#"{"name":"k","rights":["read"],"max_per_second":50}"#.to_owned()),
        ("expire_at", format!(r#"{{"name":"k","rights":["read"],"expire_at":{},"max_per_second":50}}"#, end + 1)),
        ("max_per_second", format!(r#"{{"name":"k","rights":["read"],"expire_at":{end}}}"#)),
        ("max_per_second", format!(r#"{{"name":"k","rights":["read"],"expire_at":{end},"max_per_second":51}}"#)),
    ] {
        assert_eq!(problem_in(make(&body).await).await.field.as_deref(), Some(field), "{body}");
    }
    let made =
        make(&format!(r#"{{"name":"k","rights":["admin","read"],"expire_at":{end},"max_per_second":50}}"#)).await;
    assert_eq!(made.status(), StatusCode::OK);
}
