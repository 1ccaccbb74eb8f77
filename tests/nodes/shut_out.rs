//! What one node is asked to take away ends sockets at the others.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    cluster::{Cluster, DEADLINE, Lateness, eventually},
    peer::Peer,
};

/// What is asked: of which path, how, and with what code sockets end by it.
const ASKED: [(&str, Method, &str, &str); 3] = [
    ("revocation", Method::POST, "/tokens/revoke", "token_revoked"),
    ("ban", Method::POST, "/bans", "banned"),
    ("app switched off", Method::PATCH, "", "kicked_internal"),
];

// proves W8 (revocations, bans and apps switched off reach the sockets of other nodes), T41 (sockets of other nodes)
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_takes_away_ends_sockets_at_the_others_also_without_redis() {
    let mut cluster = Cluster::start(3, &[]);
    let next_version = shut_out_everybody(&cluster, "with Redis", Duration::from_secs(2), 1).await;
    cluster.redis.stop();
    for node in &cluster.nodes {
        eventually("the outage is noticed", || {
            if node.log().contains("the bus is away") { Ok(()) } else { Err(node.log()) }
        })
        .await;
    }
    shut_out_everybody(&cluster, "without Redis", Duration::from_secs(5), next_version).await;
}

/// Asks the first node for each, and sees sockets at the others end within `limit`. The settings of the app have
/// `version`; says which they have then.
async fn shut_out_everybody(cluster: &Cluster, when: &str, limit: Duration, version: u64) -> u64 {
    let lateness = Lateness::start();
    for (what, method, path, code) in ASKED {
        let room_id = format!("{what} {when}").replace(' ', "-");
        let enter = [1, 2].map(|node| {
            let room_id = &room_id;
            async move { Peer::enter(cluster, node, &format!("{room_id}-{node}"), room_id).await }
        });
        let peers = join_all(enter).await;
        let body = match path {
            "" => json!({ "version": version, "settings": { "enabled": false } }),
            _ => json!({ "room_id": room_id }),
        };
        let (asked, late) = (Instant::now(), lateness.so_far());
        cluster.ask(0, method, path, &body).await;
        let ends = peers.into_iter().map(|peer| async move {
            let last = peer.ends().await;
            (last, asked.elapsed())
        });
        for (last, took) in join_all(ends).await {
            println!("{when} a {what} ends a socket at another node after {took:?}");
            assert_eq!((&last["type"], &last["code"]), (&json!("kicked"), &json!(code)), "{last}");
            assert!(took <= limit + (lateness.so_far() - late), "{what} {when}: {took:?}");
        }
    }
    let on = json!({ "version": version + 1, "settings": { "enabled": true } });
    cluster.ask(0, Method::PATCH, "", &on).await;
    for node in [1, 2] {
        // Until then it refuses to mint.
        let mints = async {
            while cluster.try_to_ask(node, Method::POST, "/tokens", &json!({ "user_id": "a" })).await.0 != 200 {}
        };
        timeout(DEADLINE, mints).await.expect("it mints again");
    }
    version + 2
}
