//! Requests that are far too large, or far too deep: refused at once, and the process is no larger afterwards.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{Installation, Server, http};

const TIMES: usize = 50;
/// What a megabyte of token may take to refuse, at best: the machine is busy with other tests.
const AT_ONCE: Duration = Duration::from_millis(5);
/// A few buffers of what was being read. All of it, kept, would be six times as much.
const MOST_KIB: u64 = 8 * 1024;

// proves T15 (over HTTP), T56 (bodies over HTTP)
#[test]
fn bombs_are_refused_at_once_and_leave_nothing_in_memory() {
    let (installation, _) = Installation::new().with_app();
    let rights = ["mint", "introspect", "explain", "revoke"].map(|right| ["--right", right]).concat();
    let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
    let server = Server::serve(&installation.config());
    let headers =
        format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", key["backend_key"].as_str().unwrap());
    let post = |path: &str, body: &str| {
        let start = Instant::now();
        let answer = http(server.address, "POST", &format!("/v1/apps/77/{path}"), &headers, body);
        (answer, start.elapsed())
    };
    let megabyte = "A".repeat(1024 * 1024);
    let token = json!({ "token": format!("04{megabyte}") }).to_string();
    let login = json!({ "token": format!("04{megabyte}"), "user_id": "u", "room_id": "r" }).to_string();
    let keys: String = (0..100_000).map(|number| format!("\"k{number}\":1,")).collect();
    let within_limits: String = (0..5_000).map(|number| format!("\"k{number}\":1,")).collect();
    // 100,000 of them fit into the megabyte that a batch may have.
    let short_keys: String = (0..100_000).map(|number| format!("\"{number:x}\":1,")).collect();
    let items = format!("\"items\":[{}]", [r#"{"user_id":"u"}"#; 10].join(","));
    let deep = |levels: usize| "[".repeat(levels);
    let bombs = [
        ("tokens/introspect", token.clone(), 413),
        ("tokens/revoke", token, 413),
        ("tokens/explain", login, 413),
        ("tokens", format!("{{{keys}\"user_id\":\"u\"}}"), 413),
        ("tokens", format!("{{{within_limits}\"user_id\":\"u\"}}"), 422),
        ("tokens/batch", format!("{{{short_keys}{items}}}"), 422),
        ("tokens/batch", format!("{{{items},{}}}", short_keys.trim_end_matches(',')), 422),
        ("tokens/batch", format!("{{\"items\":[{{\"user_id\":\"u\",\"payload\":{}", deep(10_000)), 422),
        ("tokens/batch", deep(1_000_000), 422),
        ("tokens", format!("{{\"user_id\":{}", deep(10_000)), 422),
        ("tokens", r#"{"user_id":"u","ttl_secs":1e999}"#.to_owned(), 400),
        ("tokens", r#"{"user_id":"\ud800"}"#.to_owned(), 400),
        ("tokens", "{\"user_id\":\"a\0b\"}".to_owned(), 400),
    ];
    for (path, body, status) in bombs {
        // What the first one costs for good, such as a thread's memory, is not its own.
        post(path, &body);
        let before = memory_kib(&server);
        let mut fastest = Duration::MAX;
        for _ in 0..TIMES {
            let (answer, took) = post(path, &body);
            let begin = &body[..body.len().min(40)];
            assert_eq!(answer.status, status, "{path} {begin}: {answer:?}");
            assert!(answer.head.contains("application/problem+json"), "{path} {begin}: {answer:?}");
            fastest = fastest.min(took);
        }
        let grown = memory_kib(&server).saturating_sub(before);
        println!("{path}, {} bytes: {status} after {fastest:?} at best, {grown} KiB more", body.len());
        assert!(grown < MOST_KIB, "{path}: {grown} KiB");
        assert!(status != 413 || fastest < AT_ONCE, "{path}: {fastest:?}");
    }
    assert_eq!(post("tokens", r#"{"user_id":"u"}"#).0.status, 200);
}

fn memory_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
