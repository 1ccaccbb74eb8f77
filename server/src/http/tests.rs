use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{
        HeaderValue, Request, StatusCode,
        header::{AUTHORIZATION, HOST},
        request::Builder,
    },
    response::Response,
};
use rand::rngs::SysRng;
use roompass_wire::{
    ErrorCode, Problem,
    http::{HealthResponse, MintResponse},
};
use token_gen::{AppId, UnixSeconds};
use tower::ServiceExt;

use super::*;
use crate::{
    admin::{KeyKind, NewKey},
    apps::AppSettings,
    clock::ManualClock,
    config::Config,
    keys::Scope,
    sealing::MasterKey,
};

pub(super) const NOW: i64 = 1_800_000_000;

pub(super) struct Server {
    pub(super) service: Arc<Service>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) router: Router,
    pub(super) key: String,
}

impl Server {
    /// Apps 7 and 8, and a key of app 7 that may mint.
    pub(super) async fn start() -> Self {
        Self::at("http://rooms.test").await
    }

    /// The same, configured otherwise.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::configured("http://rooms.test", change).await
    }

    /// The same, addressed as `origin`.
    pub(super) async fn at(origin: &str) -> Self {
        Self::configured(origin, |_| ()).await
    }

    async fn configured(origin: &str, change: impl FnOnce(&mut Config)) -> Self {
        crate::trace::keep(crate::telemetry::filter("trace").unwrap());
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key);
        change(&mut config);
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
        let service = Service::open(&config, origin.to_owned(), clock.clone()).await.unwrap();
        for app_id in [7, 8] {
            service.admin.create_app(AppSettings::new(AppId::new(app_id).unwrap(), "app")).await.unwrap();
        }
        let service = Arc::new(service);
        let mut server = Self { router: router(Arc::clone(&service)), service, clock, key: String::new() };
        server.key = server.new_key(Scope::default(), None).await;
        server
    }

    pub(super) async fn new_key(&self, scope: Scope, expire_at: Option<i64>) -> String {
        let expire_at = expire_at.map(UnixSeconds::new);
        let new =
            NewKey { app_id: AppId::new(7).ok(), name: "key".to_owned(), scope, expire_at, kind: KeyKind::Bearer };
        let key = self.service.admin.create_key(new).await.unwrap();
        crate::kept::note_secret(key.expose());
        key.expose().to_owned()
    }

    /// A good mint request, to be spoilt.
    pub(super) fn mint(&self) -> Builder {
        let key = format!("Bearer {}", self.key);
        Request::post("/v1/apps/7/tokens").header("content-type", "application/json").header(AUTHORIZATION, key)
    }

    pub(super) async fn send(&self, request: Builder, body: impl Into<Body>) -> Response {
        self.send_from([127, 0, 0, 1], request, body).await
    }

    /// The same from another address.
    pub(super) async fn send_from(&self, source: [u8; 4], request: Builder, body: impl Into<Body>) -> Response {
        let mut request = request.body(body.into()).unwrap();
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("rooms.test"));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((source, 9))));
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn problem(&self, request: Builder, body: impl Into<Body>) -> Problem {
        problem_in(self.send(request, body).await).await
    }
}

pub(super) const ALICE: &str = r#"{"user_id":"alice"}"#;

pub(super) async fn json<T: serde::de::DeserializeOwned>(response: Response) -> T {
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

/// The problem document, after a look at everything that each one must have.
pub(super) async fn problem_in(response: Response) -> Problem {
    let (status, headers) = (response.status(), response.headers().clone());
    let problem: Problem = json(response).await;
    assert_eq!(headers["content-type"], Problem::MEDIA_TYPE);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(problem.status, status.as_u16());
    assert_eq!(problem.request_id.as_deref().unwrap(), headers["x-request-id"]);
    assert_eq!(headers.contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    assert_eq!(headers.contains_key("retry-after"), status == StatusCode::SERVICE_UNAVAILABLE);
    problem
}

#[tokio::test]
async fn a_minted_token_verifies_and_is_not_to_be_stored() {
    let server = Server::start().await;
    let response = server.send(server.mint(), ALICE).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let minted: MintResponse = json(response).await;
    assert_eq!((minted.issued_at, minted.expire_at, minted.server_time), (NOW, NOW + 3600, NOW));
    let app = server.service.directory.app(AppId::new(7).unwrap()).unwrap();
    assert_eq!(app.verify(&minted.token, UnixSeconds::new(NOW)).unwrap().verified.claims.user_id, "alice");
}

// proves T19
#[tokio::test]
async fn every_bad_credential_gets_the_same_refusal() {
    let server = Server::start().await;
    let expired = server.new_key(Scope::default(), Some(NOW + 10)).await;
    server.clock.advance(Duration::from_secs(10));
    let token = json::<MintResponse>(server.send(server.mint(), ALICE).await).await.token;
    let key = &server.key;
    let mut seen = Vec::new();
    for credentials in [
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec!["Bearer ".to_owned()],
        vec![key.clone()],
        vec![format!("Basic {key}")],
        vec![format!("Bearer  {key}")],
        vec![format!("Bearer {key}x")],
        vec![format!("Bearer {}", key.to_uppercase())],
        vec![format!("Bearer {expired}")],
        vec![format!("Bearer {token}")],
        vec![format!("Bearer {key}"), format!("Bearer {key}")],
    ] {
        for path in ["/v1/apps/7/tokens", "/v1/apps/9/tokens", "/v1/apps/x/tokens"] {
            let request = credentials
                .iter()
                .fold(Request::post(path), |request, credential| request.header(AUTHORIZATION, credential));
            // So that guessing is not what is refused.
            server.clock.advance(Duration::from_secs(60));
            let mut problem = server.problem(request, "not even JSON").await;
            assert_eq!(problem.code, ErrorCode::Unauthorized, "{credentials:?}");
            problem.request_id = None;
            seen.push(problem);
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    let lower_case = Request::post("/v1/apps/7/tokens")
        .header("content-type", "application/json; charset=utf-8")
        .header(AUTHORIZATION, format!("bearer {key}"));
    assert_eq!(server.send(lower_case, ALICE).await.status(), StatusCode::OK);
}

// proves T20
#[tokio::test]
async fn another_app_answers_like_a_missing_one() {
    let server = Server::start().await;
    let mut seen = Vec::new();
    for app_id in ["8", "9", "0", "4294967303", "-7", "+7", "x", "7%20", "%ff"] {
        let request = Request::post(format!("/v1/apps/{app_id}/tokens"))
            .header("content-type", "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", server.key));
        let mut problem = server.problem(request, ALICE).await;
        assert_eq!(problem.code, ErrorCode::AppUnknown, "{app_id}");
        problem.request_id = None;
        seen.push(problem);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn a_key_without_the_right_is_told_which() {
    let mut server = Server::start().await;
    server.key = server.new_key(Scope { rights: vec![Right::Read], ..Scope::default() }, None).await;
    let problem = server.problem(server.mint(), ALICE).await;
    assert_eq!(problem.code, ErrorCode::Forbidden);
    assert_eq!(problem.detail.as_deref(), Some("the key lacks the right `mint`"));
}

#[tokio::test]
async fn a_bad_request_names_what_is_wrong() {
    let server = Server::start().await;
    let plain = || Request::post("/v1/apps/7/tokens").header(AUTHORIZATION, format!("Bearer {}", server.key));
    let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(MAX_BODY_BYTES));
    let check = |problem: Problem, code, field: Option<&str>| {
        assert_eq!((problem.code, problem.field.as_deref()), (code, field), "{problem:?}");
    };
    check(server.problem(server.mint(), r#"{"user_id":"a b"}"#).await, ErrorCode::UserIdInvalid, Some("user_id"));
    check(server.problem(server.mint(), "{}").await, ErrorCode::FieldInvalid, Some("user_id"));
    check(server.problem(server.mint(), r#"{"user_id":"a","x":1}"#).await, ErrorCode::FieldInvalid, Some("x"));
    check(server.problem(server.mint(), "{").await, ErrorCode::BadRequest, None);
    check(server.problem(plain(), ALICE).await, ErrorCode::UnsupportedMediaType, None);
    let text = plain().header("content-type", "text/plain");
    check(server.problem(text, ALICE).await, ErrorCode::UnsupportedMediaType, None);
    check(server.problem(server.mint(), long).await, ErrorCode::TooLarge, None);
    let announced = server.mint().header("content-length", "65537");
    check(server.problem(announced, ALICE).await, ErrorCode::TooLarge, None);
    let place = server.problem(server.mint(), "{\n  \"user_id\": x").await.detail.unwrap();
    assert!(place.ends_with("line 2, column 14"), "{place}");
}

#[tokio::test]
async fn a_credential_in_the_query_is_refused_even_if_good() {
    let server = Server::start().await;
    for query in ["access_token=x", "KEY=x", "a=1&app_sign=x", &format!("x={}", server.key)] {
        for path in ["/v1/apps/7/tokens", "/healthz", "/nowhere"] {
            let key = format!("Bearer {}", server.key);
            let request = Request::post(format!("{path}?{query}")).header(AUTHORIZATION, key);
            assert_eq!(server.problem(request, ALICE).await.code, ErrorCode::BadRequest, "{query}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let server = Server::start().await;
    assert_eq!(server.problem(Request::get("/v1"), "").await.code, ErrorCode::NotFound);
    let response = server.send(Request::get("/v1/apps/7/tokens"), "").await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(problem_in(response).await.code, ErrorCode::MethodNotAllowed);
}

#[tokio::test]
async fn health_says_whether_it_is_a_development_server() {
    let server = Server::start().await;
    for path in [HEALTH_PATH, READY_PATH] {
        let health: HealthResponse = json(server.send(Request::get(path), "").await).await;
        assert_eq!(health, HealthResponse { status: "ok".to_owned(), dev: false, server_time: NOW });
    }
}

/// What browsers may ask of the gateway is another matter, see there.
#[tokio::test]
async fn no_answer_is_for_pages_of_other_origins() {
    let server = Server::start().await;
    let settings = AppSettings {
        allowed_origins: vec!["https://app.example.com".to_owned()],
        ..AppSettings::new(AppId::new(9).unwrap(), "pages")
    };
    server.service.admin.create_app(settings).await.unwrap();
    for route in routes() {
        for method in [Method::OPTIONS, route.method] {
            let request = Request::builder()
                .method(method)
                .uri(route.path.replace("{app_id}", "9").replace(['{', '}'], ""))
                .header("origin", "https://app.example.com")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization");
            let response = server.send(request, "").await;
            let told = response.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(told, None, "{}", route.path);
        }
    }
}

async fn panics() -> &'static str {
    panic!("planted")
}

// proves F12
#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let server = Server::start().await;
    let routes =
        vec![Route::get("/panics", Policy::Public, panics), Route::get(HEALTH_PATH, Policy::Public, health::live)];
    let server = Server { router: served(routes, &server.service), ..server };
    let problem = server.problem(Request::get("/panics"), "").await;
    assert_eq!((problem.code, problem.detail), (ErrorCode::Internal, None));
    assert_eq!(server.send(Request::get(HEALTH_PATH), "").await.status(), StatusCode::OK);
    let numbers = server.service.metrics.text(&server.service).await;
    assert!(numbers.contains("\nroompass_panics_total 1\n"), "{numbers}");
}

// proves T19 (a handler cannot get a caller that its policy does not prove)
#[tokio::test]
async fn a_handler_that_needs_a_caller_fails_closed_behind_a_public_policy() {
    let server = Server::start().await;
    let routes = vec![Route::post(TOKENS_PATH, Policy::Public, tokens::mint)];
    let server = Server { router: served(routes, &server.service), ..server };
    assert_eq!(server.problem(server.mint(), ALICE).await.code, ErrorCode::Internal);
}

#[tokio::test]
async fn a_body_that_never_ends_times_out() {
    let server = Server::start().await;
    tokio::time::pause();
    let endless = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    assert_eq!(server.problem(server.mint(), endless).await.code, ErrorCode::Unavailable);
}

#[tokio::test]
async fn whatever_a_browser_may_show_as_a_page_may_load_nothing() {
    let server = Server::start().await;
    for (credential, may_be_page) in [
        (None, true),
        (Some("Basic eDp5"), true),
        (Some("basic eDp5"), true),
        (Some("Bearer rp_x"), false),
        (Some("bearer rp_x"), false),
        (Some("Roompass-HMAC-SHA256 x"), false),
    ] {
        for path in ["/healthz", "/v1/apps/7/keys", "/nothing"] {
            let mut request = Request::get(path);
            if let Some(credential) = credential {
                request = request.header(AUTHORIZATION, credential);
            }
            let headers = server.send(request, "").await.headers().clone();
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path} {credential:?}");
            assert_eq!(headers["cache-control"], "no-store", "{path} {credential:?}");
            for name in ["content-security-policy", "referrer-policy"] {
                assert_eq!(headers.contains_key(name), may_be_page, "{name} of {path} for {credential:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_those_there_are_and_a_head_is_answered() {
    let server = Server::start().await;
    let refused = server.send(Request::delete("/healthz"), "").await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET,HEAD");
    let head = server.send(Request::head("/healthz"), "").await;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.headers().contains_key("content-length"));
    assert!(to_bytes(head.into_body(), 9).await.unwrap().is_empty());
}
