//! Batches, and requests that name themselves.

use super::*;

#[tokio::test]
async fn a_batch_answers_each_item_in_its_place() {
    let server = Server::new().await;
    let mut items = vec![json!({"user_id":"u"}); 1000];
    items[1] = json!({"user_id":"a b"});
    items[2] = json!({"user_id":"u","ttl_secs":999_999});
    items[999] = json!({"user_id":"last"});
    let answer = server.post("tokens/batch", json!({ "items": items })).await.ok();
    let answers = answer["items"].as_array().unwrap();
    assert_eq!((answers.len(), &answer["server_time"]), (1000, &json!(NOW)));
    assert_eq!(
        (&answers[1]["problem"]["code"], &answers[1]["problem"]["field"]),
        (&json!("user_id_invalid"), &json!("user_id"))
    );
    assert_eq!(answers[2]["problem"]["field"], "ttl_secs");
    assert_eq!(answers.iter().filter(|item| item["token"].is_string()).count(), 998);
    let last = server.post("tokens/introspect", json!({ "token": answers[999]["token"] })).await.ok();
    assert_eq!(last["user_id"], "last");
}

// proves S5
#[tokio::test]
async fn a_request_with_a_key_is_done_once_and_answered_the_same() {
    let server = Server::new().await;
    let bearer = format!("Bearer {}", server.keys[&7]);
    let send = async |path: &str, key: &str, body: &str| {
        let headers = [("authorization", &*bearer), ("idempotency-key", key)];
        server.send("POST", &format!("/v1/apps/7/{path}"), &headers, body).await
    };
    let first = send("tokens", "k1", r#"{"user_id":"u"}"#).await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    let again = send("tokens", "k1", r#"{"user_id":"u"}"#).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!((&*again.headers["idempotency-replayed"], &*again.headers["cache-control"]), ("true", "no-store"));
    for (path, body) in [("tokens", r#"{"user_id":"v"}"#), ("tokens/batch", r#"{"user_id":"u"}"#)] {
        assert_eq!(send(path, "k1", body).await.problem(), (422, "idempotency_key_reused".to_owned(), None));
    }
    server.clock.advance(Duration::from_secs(1));
    assert_ne!(send("tokens", "k1", r#"{"user_id":"u"}"#).await.ok()["token"], first.json()["token"]);

    // A refusal is not remembered: put right, the request goes through.
    assert_eq!(send("tokens", "k2", r#"{"user_id":"a b"}"#).await.status, 422);
    send("tokens", "k2", r#"{"user_id":"u"}"#).await.ok();
    for bad in ["", "a b", &"k".repeat(129)] {
        assert_eq!(send("tokens", bad, r#"{"user_id":"u"}"#).await.problem().0, 400, "{bad}");
    }
    let twice = [("authorization", &*bearer), ("idempotency-key", "a"), ("idempotency-key", "a")];
    assert_eq!(server.send("POST", "/v1/apps/7/tokens", &twice, r#"{"user_id":"u"}"#).await.problem().0, 400);

    // Another caller's key of the same name is another key.
    let other = format!("Bearer {}", server.key(Scope::default()).await);
    let headers = [("authorization", &*other), ("idempotency-key", "k2")];
    let reply = server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await;
    assert!(!reply.headers.contains_key("idempotency-replayed"));
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn of_many_requests_with_one_key_one_is_done() {
    let server = Server::new().await;
    let bearer = format!("Bearer {}", server.keys[&7]);
    let headers = [("authorization", &*bearer), ("idempotency-key", "race")];
    let send = || server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"u"}"#);
    let replies = join_all((0..20).map(|_| send())).await;
    let settled = send().await;
    let mut fresh = 0;
    for reply in &replies {
        match reply.status {
            200 => assert_eq!(reply.body, settled.body),
            _ => assert_eq!(reply.problem(), (409, "idempotency_key_busy".to_owned(), None)),
        }
        fresh += usize::from(reply.status == 200 && !reply.headers.contains_key("idempotency-replayed"));
    }
    assert_eq!(fresh, 1);
}
