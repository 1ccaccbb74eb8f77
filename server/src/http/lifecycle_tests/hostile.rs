//! Values that mean harm.

use super::*;

// proves T60
#[tokio::test]
async fn hostile_values_are_refused_with_their_field_and_never_fail_us() {
    let server = Server::new().await;
    let long = "x".repeat(600);
    let hostile = [
        "",
        "a\u{0}b",
        "a\r\nb",
        "\u{7f}",
        "a\tb",
        "\u{1b}[31m",
        "a\u{202e}b",
        "\u{2066}a",
        "\u{200f}",
        "\u{2028}",
        "\u{85}",
        &long,
    ];
    let mut tried = 0;
    let mut check = |reply: Reply, what: &str| {
        assert!([400, 404, 422].contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}");
        tried += 1;
    };
    let fields = [
        (
            "tokens",
            json!({"user_id":"u","room_id":"r","kit":true,"user_name":"n","stream_ids":["s"]}),
            vec!["user_id", "room_id"],
        ),
        ("tokens", json!({"user_id":"u","payload":"p"}), vec!["user_id"]),
        ("tokens/revoke", json!({"user_id":"u","room_id":"r","reason":"x"}), vec!["user_id", "room_id", "reason"]),
        ("tokens/revoke", json!({"token_id":"x"}), vec!["token_id"]),
        ("tokens/revoke", json!({"token":"04x"}), vec!["token"]),
        ("bans", json!({"user_id":"u","room_id":"r","reason":"x"}), vec!["user_id", "room_id", "reason"]),
        ("bans", json!({"ip_range":"x"}), vec!["ip_range"]),
        ("tokens/explain", json!({"token":"04x","ip_address":"x"}), vec!["ip_address"]),
    ];
    for (path, good, names) in &fields {
        for name in names {
            for value in hostile.iter().filter(|value| *name != "token" || !value.starts_with('x')) {
                let mut body = good.clone();
                body[*name] = json!(value);
                check(server.post(path, body).await, &format!("{path} {name} {value:?}"));
            }
            for value in [json!(1), json!(null), json!([]), json!({}), json!(true), json!(1e300)] {
                if value.is_null() && *name != "user_id" {
                    continue;
                }
                let mut body = good.clone();
                body[*name] = value.clone();
                body["unknown"] = json!(1);
                check(server.post(path, body).await, &format!("{path} {name} {value}"));
            }
        }
    }
    for value in [
        "'; DROP TABLE bans; --",
        "../../etc/passwd",
        "%00",
        "a b",
        "-1",
        "9223372036854775808",
        "%2e%2e",
        "\"",
        "AAAA",
    ] {
        let value = value.replace(' ', "%20").replace('"', "%22");
        for query in [
            format!("limit={value}"),
            format!("cursor={value}"),
            format!("sort={value}"),
            format!("limit=1&limit={value}"),
        ] {
            for list in ["revocations", "bans"] {
                check(server.get(&format!("{list}?{query}")).await, &query);
            }
        }
        let path = format!("/v1/apps/7/bans/{}", value.replace('/', "%2f"));
        check(server.as_caller(&server.keys[&7], "DELETE", &path, Value::Null).await, &path);
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=9223372036854775808",
        "limit=",
        "cursor=",
        "limit=1&limit=2",
        "page_size=1",
    ] {
        check(server.get(&format!("bans?{query}")).await, query);
    }
    for (path, body) in [
        ("tokens/revoke", json!({})),
        ("tokens/revoke", json!({"whole_app":false})),
        ("tokens/revoke", json!({"whole_app":true,"user_id":"u"})),
        ("tokens/revoke", json!({"token":"04x","token_id":"47DEQpj8HBSa-_TImW-5JC"})),
        ("tokens/revoke", json!({"token":"04x","room_id":"r"})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":NOW + 31})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":-1})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":1.5})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":i64::MAX})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":u64::MAX})),
        ("bans", json!({})),
        ("bans", json!({"user_id":"u","ip_range":"10.0.0.0/8"})),
        ("bans", json!({"ip_range":"10.0.0.1/8"})),
        ("bans", json!({"user_id":"u","duration_secs":0})),
        ("bans", json!({"user_id":"u","duration_secs":-1})),
        ("bans", json!({"user_id":"u","duration_secs":u64::MAX})),
        ("tokens/batch", json!({})),
        ("tokens/batch", json!({"items":[]})),
        ("tokens/batch", json!({"items":vec![json!({"user_id":"u"}); 1001]})),
        ("tokens/batch", json!({"items":[{"user_id":"u","x":1}]})),
    ] {
        check(server.post(path, body.clone()).await, &format!("{path} {body}"));
    }
    println!("{tried} hostile requests refused");
    assert!(tried >= 300, "{tried}");
    assert_eq!(server.get("revocations").await.ok()["revocations"], json!([]));
    assert_eq!(server.get("bans").await.ok()["bans"], json!([]));
}
