//! WHIP and WHEP, with real WebRTC clients that know nothing but HTTP.

use std::time::Instant;

use roompass_media::Kind;
use serde_json::json;
use token_gen::Privilege;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    harness::{START, TestGateway, part, settings},
    media::{
        AT_ONCE, BOTH,
        client::{Client, Line},
        eventually,
    },
};
use crate::{
    apps::AppSettings,
    media::{IceServers, TurnSecret},
    store::{AuditFilter, AuditRecord, AuditStore, AuditWalk},
};

/// Status, head and body of what is answered.
async fn http(test: &TestGateway, request: String) -> (u16, String, String) {
    let mut stream = TcpStream::connect(test.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn post(test: &TestGateway, path: &str, token: &str, sdp: &str) -> (u16, String, String) {
    post_from(test, "", path, token, sdp).await
}

/// With further headers.
async fn post_from(test: &TestGateway, more: &str, path: &str, token: &str, sdp: &str) -> (u16, String, String) {
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = sdp.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}{more}Content-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{sdp}"
    );
    http(test, request).await
}

fn path(way: &str, stream_id: &str) -> String {
    format!("/v1/apps/{}/rooms/r1/{way}/{stream_id}", super::harness::APP_ID)
}

#[tokio::test]
async fn whip_publishes_and_whep_plays_with_a_room_token() {
    let test = TestGateway::start_with_media(settings()).await;
    let mut bob = test.enter("bob", 600).await;
    let (camera, screen) = (Client::udp(), Client::udp());
    let (offered, _) = camera.offer(&BOTH.map(|kind| Line::publish("studio", kind)));
    let (status, head, answer) = post(&test, &path("whip", "studio"), &test.token("studio", 600), &offered).await;
    assert_eq!(status, 201, "{answer}");
    camera.accept(&answer);
    let location = header(&head, "location").unwrap().to_owned();
    assert_eq!(part(&bob.hear().await, &["type", "change"]), json!(["room_users", "add"]));
    let added = bob.hear().await;
    assert_eq!(part(&added["streams"][0], &["stream_id", "user_id"]), json!(["studio", "studio"]));

    let (sdp, _) = screen.offer(&BOTH.map(|kind| Line::play("studio", kind)));
    let (status, _, answer) = post(&test, &path("whep", "studio"), &test.token("viewer", 600), &sdp).await;
    assert_eq!(status, 201, "{answer}");
    screen.accept(&answer);
    for kind in BOTH {
        eventually(|| screen.received("studio", kind) > 20).await;
    }

    let fragment = "a=ice-ufrag:another\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    let tag = header(&head, "etag").unwrap();
    let patch = |ufrag: &str, more: &str| {
        let fragment = fragment.replace("another", ufrag);
        let length = fragment.len();
        format!(
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}Content-Type: \
             application/trickle-ice-sdpfrag\r\nContent-Length: {length}\r\n\r\n{fragment}"
        )
    };
    let ufrag = ufrag_of(&offered);
    for (ufrag, more, status, what) in [
        ("another", "", 422, "ICE is not restarted"),
        (ufrag, "If-Match: *\r\n", 422, "nor is it asked for in this way"),
        (ufrag, "If-Match: \"another\"\r\n", 412, "the state of another session"),
        (ufrag, &*format!("If-Match: {tag}\r\n"), 204, "an address for the session that is meant"),
        (ufrag, "", 204, "an address from one that does not say what it has seen"),
    ] {
        assert_eq!(http(&test, patch(ufrag, more)).await.0, status, "{what}");
    }

    let remove = format!("DELETE {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let change = Instant::now();
    assert_eq!(http(&test, remove.clone()).await.0, 200);
    eventually(|| camera.is_closed()).await;
    for kind in BOTH {
        let after = screen.last_received("studio", kind).unwrap().saturating_duration_since(change);
        assert!(after < AT_ONCE, "{after:?}");
    }
    loop {
        let heard = bob.hear().await;
        if heard["type"] == "room_streams" {
            assert_eq!(part(&heard, &["change", "reason"]), json!(["delete", "stopped"]));
            break;
        }
    }
    assert_eq!(http(&test, remove).await.0, 404);
}

/// The ICE user name in an offer.
fn ufrag_of(offer: &str) -> &str {
    offer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

#[tokio::test]
async fn whip_and_whep_refuse_what_a_login_would_refuse() {
    let test = TestGateway::start_with_media(settings()).await;
    let expired = test.token("alice", 60);
    test.advance(61);
    let (sdp, _) = Client::udp().offer(&[Line::publish("s", Kind::Audio)]);
    let good = test.token("alice", 600);
    let cases = [
        ("whip", String::new(), 401, "token_missing"),
        ("whip", "04rubbish".to_owned(), 401, "token_"),
        ("whip", format!("{}A{}", &good[..40], &good[41..]), 401, "token_invalid"),
        ("whip", expired.clone(), 401, "token_expired"),
        ("whep", expired, 401, "token_expired"),
        ("whip", test.token_with("alice", "r2", &Privilege::ALL, 600), 403, "login_denied"),
        ("whip", test.token_with("alice", "r1", &[Privilege::Login], 600), 403, "publish_denied"),
    ];
    for (way, token, status, code) in cases {
        let (answered, head, body) = post(&test, &path(way, "s"), &token, &sdp).await;
        assert_eq!(answered, status, "{code}: {body}");
        assert!(body.contains(&format!("\"code\":\"{code}")), "{code}: {body}");
        assert_eq!(head.contains("www-authenticate: Bearer"), status == 401, "{head}");
    }
    let (status, _, body) = post(&test, &path("whip", "s"), &good, "v=0").await;
    assert_eq!((status, body.contains("media_invalid")), (422, true), "{body}");
    assert_eq!(test.gateway.media.totals().unwrap().received_packets, 0);
}

const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn pages_use_it_as_far_as_they_may_open_sockets() {
    let settings = AppSettings { allowed_origins: vec![PAGE.to_owned()], ..settings() };
    let test = TestGateway::start_with_media(settings).await;
    let (sdp, _) = Client::udp().offer(&BOTH.map(|kind| Line::publish("studio", kind)));
    let preflight = |origin: &str| {
        let path = path("whip", "studio");
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n\r\n"
        )
    };
    let (status, head, _) = http(&test, preflight(PAGE)).await;
    assert_eq!(status, 204);
    assert_eq!(header(&head, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(header(&head, "access-control-allow-headers"), Some("authorization, content-type, if-match"));
    assert!(header(&head, "access-control-allow-methods").unwrap().contains("POST"));
    assert_eq!(header(&head, "access-control-allow-credentials"), None);
    let (status, head, _) = http(&test, preflight("https://evil.example")).await;
    assert_eq!((status, header(&head, "access-control-allow-origin")), (403, None));

    let token = test.token("studio", 600);
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    let (status, ..) = post_from(&test, &origin("https://evil.example"), &path("whip", "studio"), &token, &sdp).await;
    assert_eq!(status, 403);
    let (status, head, body) = post_from(&test, &origin(PAGE), &path("whip", "studio"), &token, &sdp).await;
    assert_eq!((status, header(&head, "access-control-allow-origin")), (201, Some(PAGE)), "{body}");
    assert!(header(&head, "access-control-expose-headers").unwrap().contains("location"));
    let (status, head, _) = post_from(&test, &origin(PAGE), &path("whip", "studio"), "04rubbish", &sdp).await;
    assert_eq!((status, header(&head, "access-control-allow-origin")), (401, Some(PAGE)), "a page may read why");

    // This app no longer takes the page, another does: no credential is looked at.
    test.configure(AppSettings { allowed_origins: vec!["https://other.example.com".to_owned()], ..self::settings() });
    let elsewhere = origin("https://other.example.com");
    test.configure(AppSettings { allowed_origins: vec![PAGE.to_owned()], ..self::settings() });
    assert_eq!(post_from(&test, &elsewhere, &path("whip", "studio"), "x", &sdp).await.0, 403);
}

#[tokio::test]
async fn turn_servers_are_named_in_links() {
    let ice = IceServers {
        stun: vec!["stun:stun.example.com".to_owned()],
        turn: vec!["turn:turn.example.com?transport=udp".to_owned()],
        secrets: vec![TurnSecret::new("secret".to_owned())],
        ttl_secs: 60,
    };
    let test = TestGateway::start_with_ice(settings(), ice).await;
    let (sdp, _) = Client::udp().offer(&[Line::publish("s", Kind::Audio)]);
    let (status, head, _) = post(&test, &path("whip", "s"), &test.token("alice", 600), &sdp).await;
    let links: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("link: ")).collect();
    assert_eq!((status, links.len()), (201, 2), "{head}");
    assert_eq!(links[0], r#"<stun:stun.example.com>; rel="ice-server""#);
    let turn = format!(r#"<turn:turn.example.com?transport=udp>; rel="ice-server"; username="{}:alice"; "#, START + 60);
    assert!(links[1].starts_with(&turn), "{}", links[1]);
    assert!(links[1].ends_with(r#"credential-type="password""#), "{}", links[1]);
}

#[tokio::test]
async fn a_refusal_leaves_the_records_of_a_refused_login() {
    let test = TestGateway::start_with_media(settings()).await;
    let (sdp, _) = Client::udp().offer(&[Line::publish("s", Kind::Audio)]);
    for token in
        ["04rubbish".to_owned(), test.token_with("alice", "r2", &Privilege::ALL, 600), test.token("alice", 600)]
    {
        post(&test, &path("whip", "s"), &token, &sdp).await;
    }
    test.audit.flush().await.unwrap();
    let found = test.store.audit_records(AuditFilter::default(), AuditWalk::Forth(0), 100).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|(_, record)| {
            let AuditRecord { action, result, reason, user_id, room_id, .. } = record;
            json!([action, result, reason, user_id, room_id])
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["login", "refused", "base64", null, "r1"],
            ["login", "refused", "room", "alice", "r1"],
            ["login", "done", null, "alice", "r1"],
        ])
    );
}
