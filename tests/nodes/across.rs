//! One room on several nodes.

use roompass_sdk::{ErrorCode, LocalUser, RoomState};
use serde_json::json;

use crate::{
    cluster::{Cluster, eventually},
    observer::Observer,
};

#[tokio::test(flavor = "multi_thread")]
async fn users_streams_places_and_user_ids_are_those_of_all_nodes() {
    let cluster = Cluster::start(2, &["--set", "max_room_users=3"]);
    let observer = Observer::enter(&cluster, 1, "observer", "r").await;
    let alice = cluster.enter(0, "alice", "r").await;
    alice.start_publishing_stream("s1").await.expect("the id is free");
    eventually("alice is seen", || {
        let heard = observer.heard();
        if heard.users.contains("alice") && heard.streams.contains("s1") { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    let bob = cluster.enter(1, "bob", "r").await;
    let refused = bob.start_publishing_stream("s1").await.expect_err("alice has it");
    assert_eq!(refused.code(), Some(ErrorCode::StreamIdTaken), "{refused}");

    let token = cluster.token("carol", "r").await;
    for node in [0, 1] {
        let user = LocalUser::new("carol").expect("a good id");
        let refused = cluster.client(node, &token).login_room("r", user).await.expect_err("the room is full");
        assert_eq!(refused.code(), Some(ErrorCode::RoomFull), "{refused}");
    }

    let elsewhere = cluster.enter(1, "alice", "another").await;
    let state = alice.watch_state().wait_for(RoomState::is_over).await.expect("the state is told").clone();
    assert!(matches!(&state, RoomState::Kicked(kick) if kick.code == ErrorCode::KickedByOtherLogin), "{state:?}");
    eventually("alice has left", || {
        let heard = observer.heard();
        if heard.users.contains("alice") || !heard.streams.is_empty() { Err(format!("{heard:?}")) } else { Ok(()) }
    })
    .await;
    elsewhere.start_publishing_stream("s1").await.expect("the id is free again");
    assert_eq!(observer.heard().faults, Vec::<String>::new());
}

// proves T55 (several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_one_node_and_acts_on_all() {
    let mut cluster = Cluster::start(3, &[]);
    let observer = Observer::enter(&cluster, 0, "observer", "r").await;
    let token = cluster.token("alice", "r").await;
    let user = || LocalUser::new("alice").expect("a good id");
    let alice = cluster.client(1, &token).login_room("r", user()).await.expect("the token is good");
    alice.start_publishing_stream("s1").await.expect("the id is free");
    eventually("alice is seen", || {
        let heard = observer.heard();
        if heard.streams.contains("s1") { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    // The node that is asked has nobody.
    assert_eq!(cluster.room(2, &["list"]), json!([{ "room_id": "r", "user_count": 2, "stream_count": 1 }]));
    let sessions = cluster.room(2, &["sessions", "--user-id", "alice"]);
    assert_eq!((sessions[0]["user_id"].as_str(), sessions.as_array().map(Vec::len)), (Some("alice"), Some(1)));
    assert_eq!(sessions[0]["privileges"], json!(["login", "publish", "play"]), "with its rights: {sessions}");
    assert_eq!(sessions[0]["rights"], json!({ "on_expiry": "keep" }));
    assert_eq!(cluster.room(2, &["stop-stream", "s1"])["session_count"], 1);
    eventually("the stream is stopped", || {
        let heard = observer.heard();
        if heard.streams.is_empty() { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    assert_eq!(cluster.room(2, &["say", "r", "last call"])["session_count"], 2);

    let kicked = cluster.room(2, &["kick", "alice", "--reason", "spam"]);
    assert_eq!((kicked["session_ids"].as_array().map(Vec::len), &kicked["revoked_tokens"]), (Some(1), &json!(1)));
    assert_eq!(kicked.get("unreached"), None);
    // Already, on every node.
    for node in 0..3 {
        let refused = cluster.client(node, &token).login_room("r", user()).await.expect_err("the token is revoked");
        assert_eq!(refused.code(), Some(ErrorCode::TokenRevoked), "{refused}");
    }
    let state = alice.watch_state().wait_for(RoomState::is_over).await.expect("the state is told").clone();
    assert!(matches!(&state, RoomState::Kicked(kick) if kick.code == ErrorCode::Kicked), "{state:?}");

    // One that has died without a word is named until its lease has lapsed; the others are reached.
    let bob = cluster.enter(0, "bob", "q").await;
    cluster.nodes[1].kill();
    let closed = cluster.room(2, &["close", "q"]);
    assert_eq!(closed["session_ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(closed["unreached"]["silent_nodes"].as_array().map(Vec::len), Some(1), "{closed}");
    let state = bob.watch_state().wait_for(RoomState::is_over).await.expect("the state is told").clone();
    assert!(matches!(&state, RoomState::Kicked(kick) if kick.code == ErrorCode::Kicked), "{state:?}");
    assert_eq!(observer.heard().faults, Vec::<String>::new());
}
