//! Redis goes away and comes back.

use roompass_sdk::{ErrorCode, LocalUser, RoomState};

use crate::{
    cluster::{Cluster, eventually},
    observer::Observer,
};

// proves F2
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_node_goes_on_and_with_it_all_are_one_again() {
    let mut cluster = Cluster::start(2, &[]);
    let (here, there) =
        (Observer::enter(&cluster, 0, "here", "r").await, Observer::enter(&cluster, 1, "there", "r").await);
    let alice = cluster.enter(0, "alice", "r").await;
    alice.start_publishing_stream("s1").await.expect("the id is free");
    let sees = |observer: &Observer, users: &[&str], streams: &[&str]| {
        let heard = observer.heard();
        let is_same = heard.users.iter().eq(users) && heard.streams.iter().eq(streams);
        if is_same { Ok(()) } else { Err(format!("{heard:?}")) }
    };
    eventually("alice is seen", || sees(&there, &["alice", "here", "there"], &["s1"])).await;

    cluster.redis.stop();
    for node in &cluster.nodes {
        eventually("the outage is noticed", || {
            if node.log().contains("the bus is away") { Ok(()) } else { Err(node.log()) }
        })
        .await;
    }
    // Each node for itself: both let dave in, and bob comes to one of them.
    let early = cluster.enter(0, "dave", "r").await;
    eventually("dave is here", || sees(&here, &["alice", "dave", "here", "there"], &["s1"])).await;
    eventually("the second has passed", next_second()).await;
    let late = cluster.enter(1, "dave", "r").await;
    let bob = cluster.enter(1, "bob", "r").await;
    bob.start_publishing_stream("s2").await.expect("the id is free");
    alice.stop_publishing_stream("s1").await.expect("it runs");
    alice.logout_room().await;
    eventually("bob is there", || sees(&there, &["alice", "bob", "dave", "here", "there"], &["s1", "s2"])).await;
    assert!(early.state().is_connected() && late.state().is_connected());

    cluster.redis.start_again();
    let state = early.watch_state().wait_for(RoomState::is_over).await.expect("the state is told").clone();
    assert!(matches!(&state, RoomState::Kicked(kick) if kick.code == ErrorCode::KickedByOtherLogin), "{state:?}");
    for observer in [&here, &there] {
        let took = eventually("both see the same", || sees(observer, &["bob", "dave", "here", "there"], &["s2"])).await;
        println!("healed {took:?} after Redis was back");
    }
    assert!(late.state().is_connected());
    let user = LocalUser::new("erin").expect("a good id");
    let token = cluster.token("erin", "r").await;
    let erin = cluster.client(0, &token).login_room("r", user).await.expect("the token is good");
    let taken = erin.start_publishing_stream("s2").await.expect_err("bob has it");
    assert_eq!(taken.code(), Some(ErrorCode::StreamIdTaken), "{taken}");
    for observer in [&here, &there] {
        assert_eq!(observer.heard().faults, Vec::<String>::new());
    }
}

/// Says when another second has begun.
fn next_second() -> impl FnMut() -> Result<(), String> {
    let start = std::time::Instant::now();
    move || if start.elapsed().as_millis() > 1100 { Ok(()) } else { Err("not yet".to_owned()) }
}
