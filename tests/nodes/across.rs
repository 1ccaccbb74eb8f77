//! One room on several nodes.

use roompass_sdk::{ErrorCode, LocalUser, RoomState};

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
