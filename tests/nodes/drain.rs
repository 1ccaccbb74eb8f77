//! A node stops as it should, and the others go on with its rooms.

use std::time::Instant;

use futures_util::future::join_all;

use crate::{
    cluster::{Cluster, eventually},
    observer::Observer,
};

const USERS: usize = 20;

// proves W9, F7 (several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_hands_its_users_over_and_nobody_notices() {
    let mut cluster = Cluster::start(2, &[]);
    let observer = Observer::enter(&cluster, 1, "observer", "r").await;
    let enter = (0..USERS).map(|number| {
        let cluster = &cluster;
        async move {
            let room = cluster.enter(0, &format!("u{number}"), "r").await;
            room.start_publishing_stream(&format!("s{number}")).await.expect("the id is free");
            room
        }
    });
    let rooms = join_all(enter).await;
    let all_there = || {
        let heard = observer.heard();
        let is_whole = heard.users.len() == USERS + 1 && heard.streams.len() == USERS;
        if is_whole { Ok(()) } else { Err(format!("{heard:?}")) }
    };
    eventually("everybody is seen", all_there).await;
    let sessions: Vec<String> = rooms.iter().map(|room| room.admission().session_id).collect();

    let start = Instant::now();
    cluster.nodes[0].terminate();
    assert_eq!(cluster.nodes[0].exit_code(), Some(0));
    println!("a node with {USERS} users stopped after {:?}", start.elapsed());
    eventually("everybody is on the other node", || {
        let away = rooms.iter().filter(|room| !room.state().is_connected() || room.streams().len() != USERS).count();
        if away == 0 { Ok(()) } else { Err(format!("{away} are not")) }
    })
    .await;
    eventually("everybody is seen", all_there).await;
    let heard = observer.heard().clone();
    let refused: Vec<String> =
        cluster.nodes[1].log().lines().filter(|line| line.contains("resume refused")).map(str::to_owned).collect();
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!((heard.faults, heard.left), (Vec::<String>::new(), Vec::<String>::new()));
    let after: Vec<String> = rooms.iter().map(|room| room.admission().session_id).collect();
    assert_eq!(after, sessions, "every session went on");
    // And from there they play on.
    rooms[0].stop_publishing_stream("s0").await.expect("it runs");
    eventually("the stream ends", || {
        if observer.heard().streams.contains("s0") { Err("not yet".to_owned()) } else { Ok(()) }
    })
    .await;
}
