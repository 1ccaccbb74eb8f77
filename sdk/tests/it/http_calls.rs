//! The HTTP calls: minting as a backend, and asking an app's backend for tokens.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use roompass_sdk::{
    BackendClient, BackendKey, Cause, ErrorCode, ErrorKind, HttpTokenProvider, MintRequest, TokenAnswer, TokenProvider,
    TokenRequest,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::peer::*;

/// Answers one request with `status` and `body`, and returns what was asked.
async fn answer_once(listener: &TcpListener, status: &str, headers: &str, body: &str) -> String {
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = soon(stream.read(&mut chunk)).await.unwrap();
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, sent)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.map_or(0, |length| length.parse().unwrap()) <= sent.len() {
            break;
        }
    }
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len());
    // A client that has read enough may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    String::from_utf8(request).unwrap()
}

async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn mint_request() -> MintRequest {
    MintRequest { user_id: "alice".into(), ttl_secs: Some(60), ..MintRequest::default() }
}

#[tokio::test]
async fn minting_shows_the_key_and_returns_the_token() {
    let (listener, url) = server().await;
    let backend = BackendClient::new(&url, 7, BackendKey::new("rk_secret")).unwrap();
    let body = r#"{"token":"04abc","token_id":"id","issued_at":1,"expire_at":61,"server_time":1,"new_member":true}"#;
    let request = mint_request();
    let (minted, asked) = tokio::join!(backend.mint(&request), answer_once(&listener, "200 OK", "", body));
    assert_eq!(minted.unwrap().token, "04abc");
    assert!(asked.starts_with("POST /v1/apps/7/tokens HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer rk_secret\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"user_id":"alice","ttl_secs":60}"#), "{asked}");
    assert!(!format!("{backend:?} {:?}", BackendKey::new("rk_secret")).contains("secret"));
}

/// The environment of a process cannot be changed safely from within, so this runs the test above in another.
#[tokio::test]
async fn a_key_that_goes_in_clear_to_this_machine_never_goes_through_a_proxy() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "http_calls::minting_shows_the_key_and_returns_the_token"]);
    child.env("http_proxy", format!("http://{nobody}")).env_remove("no_proxy").env_remove("NO_PROXY");
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn refusals_to_mint_keep_code_and_field_and_redirects_are_not_followed() {
    let (listener, url) = server().await;
    let backend = BackendClient::new(&url, 7, BackendKey::new("rk_secret")).unwrap();
    let request = mint_request();
    let problem =
        r#"{"type":"/docs/problems/field_invalid","title":"T","status":422,"code":"field_invalid","field":"ttl_secs"}"#;
    let newer = r#"{"type":"x","title":"T","status":503,"code":"made_up_later"}"#;
    let redirect = format!("location: {url}/elsewhere\r\n");
    let long = "x".repeat(70_000);
    for (status, headers, body, kind, code, retryable) in [
        ("422 X", "", problem, ErrorKind::Refused, Some(ErrorCode::FieldInvalid), false),
        ("503 X", "", newer, ErrorKind::Refused, Some(ErrorCode::Unknown), true),
        ("502 X", "", "<html>", ErrorKind::Network, None, true),
        ("307 X", &*redirect, "", ErrorKind::Network, None, false),
        ("200 OK", "", "{}", ErrorKind::Protocol, None, false),
        ("200 OK", "", &*long, ErrorKind::Protocol, None, false),
    ] {
        let (minted, _) = tokio::join!(backend.mint(&request), answer_once(&listener, status, headers, body));
        let error = minted.unwrap_err();
        assert_eq!((error.kind(), error.code(), error.is_retryable()), (kind, code, retryable), "{status} {error}");
        assert!(!format!("{error:?}").contains("rk_secret"));
    }
    let refused = tokio::join!(backend.mint(&request), answer_once(&listener, "422 X", "", problem)).0.unwrap_err();
    assert_eq!(refused.refusal().unwrap().field.as_deref(), Some("ttl_secs"));
    drop(listener);
    assert_eq!(backend.mint(&request).await.unwrap_err().kind(), ErrorKind::Network);
    assert!(BackendClient::new("http://rtc.example.com", 7, BackendKey::new("k")).is_err());
}

/// What the SDK would ask, taken from the SDK itself.
async fn asked_of(listener: &TcpListener, provider: HttpTokenProvider, answer: (&str, &str)) -> (String, TokenAnswer) {
    let request: TokenRequest = captured_request().await;
    let (given, asked) = tokio::join!(provider.token(request), answer_once(listener, answer.0, "", answer.1));
    (asked, given)
}

async fn captured_request() -> TokenRequest {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let peer = Peer::start().await;
    let provider = move |request: TokenRequest| {
        let sender = sender.lock().unwrap().take().unwrap();
        sender.send(request).unwrap();
        async { TokenAnswer::Denied(String::new()) }
    };
    let client = peer.client().token_provider(provider).build().unwrap();
    assert!(client.login_room("lobby", alice()).await.is_err());
    receiver.await.unwrap()
}

#[tokio::test]
async fn an_apps_backend_is_asked_in_the_documented_shape() {
    let (listener, url) = server().await;
    let post = HttpTokenProvider::post(&format!("{url}/token")).unwrap().header("Cookie", "session=1").unwrap();
    let (asked, given) = asked_of(&listener, post, ("200 OK", r#"{"token":"04abc"}"#)).await;
    assert_eq!(given, TokenAnswer::Token("04abc".into()));
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n") && asked.contains("cookie: session=1\r\n"), "{asked}");
    assert!(
        asked.ends_with(r#"{"app_id":1234567890,"user_id":"alice","room_id":"lobby","cause":"first_login"}"#),
        "{asked}"
    );
    let get = HttpTokenProvider::get(&format!("{url}/token?v=2")).unwrap();
    let (asked, _) = asked_of(&listener, get, ("200 OK", r#"{"token":"04abc"}"#)).await;
    let line = "GET /token?v=2&app_id=1234567890&user_id=alice&room_id=lobby&cause=first_login HTTP/1.1\r\n";
    assert!(asked.starts_with(line), "{asked}");
    assert_eq!(captured_request().await.cause, Cause::FirstLogin);
}

#[tokio::test]
async fn an_apps_backend_can_give_deny_and_fail() {
    let (listener, url) = server().await;
    for (status, body, expected) in [
        ("200 OK", r#"{"denied":"signed out"}"#, TokenAnswer::Denied("signed out".into())),
        ("403 X", "", TokenAnswer::Denied("the app's backend answered 403".into())),
        ("500 X", "", TokenAnswer::Retry),
        ("302 X", "", TokenAnswer::Retry),
        ("200 OK", "{}", TokenAnswer::Retry),
        ("200 OK", "hello", TokenAnswer::Retry),
    ] {
        let provider = HttpTokenProvider::post(&url).unwrap();
        let (_, given) = asked_of(&listener, provider, (status, body)).await;
        assert_eq!(given, expected, "{status} {body}");
    }
    for url in ["ftp://127.0.0.1/", "http://rtc.example.com/", "token"] {
        assert!(HttpTokenProvider::post(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_header_that_changes_is_asked_for_before_each_call() {
    let (listener, url) = server().await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let provider = HttpTokenProvider::post(&url).unwrap().header_with("Authorization", move || {
        match counted.fetch_add(1, Ordering::Relaxed) {
            2 => "no\nheader".to_owned(),
            number => format!("Bearer session-{number}"),
        }
    });
    let provider = provider.unwrap();
    let request = captured_request().await;
    for session in ["session-0", "session-1"] {
        let answer = answer_once(&listener, "200 OK", "", r#"{"token":"04abc"}"#);
        let (given, asked) = tokio::join!(provider.token(request.clone()), answer);
        assert_eq!(given, TokenAnswer::Token("04abc".into()));
        assert!(asked.contains(&format!("authorization: Bearer {session}\r\n")), "{asked}");
    }
    assert_eq!(soon(provider.token(request)).await, TokenAnswer::Retry, "what is no header is not sent");
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert!(!format!("{provider:?}").contains("session"), "{provider:?}");
    assert!(HttpTokenProvider::post(&url).unwrap().header_with("no header", String::new).is_err());
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_waited_for_but_not_for_ever() {
    let (listener, url) = server().await;
    let provider = HttpTokenProvider::post(&url).unwrap();
    let request = captured_request().await;
    let ask = async |status: &str| {
        let answer = answer_once(&listener, status, "", r#"{"token":"04abc"}"#);
        tokio::join!(provider.token(request.clone()), answer).0
    };
    for _ in 0..9 {
        assert_eq!(ask("404 X").await, TokenAnswer::Retry);
    }
    assert_eq!(ask("200 OK").await, TokenAnswer::Token("04abc".into()), "and then it counts from the beginning");
    for _ in 0..9 {
        assert_eq!(ask("404 X").await, TokenAnswer::Retry);
    }
    assert_eq!(ask("404 X").await, TokenAnswer::Denied("the app's backend answered 404".into()));
}
