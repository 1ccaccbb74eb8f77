//! One node after the other is stopped and started again, as for a new version, while everybody goes on.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use roompass_sdk::Room;

use crate::{
    cluster::{Cluster, eventually},
    listener::Listener,
    talk::{Spoken, speak},
};

const NODES: usize = 3;
const ROOMS: usize = 6;
const IN_ROOM: usize = 6;
/// How far apart the first and the last to leave a node are at least: a node that stops gives them some nine seconds,
/// and there are a dozen or more.
const SPREAD: Duration = Duration::from_secs(2);

fn ids(prefix: &str, room: usize) -> BTreeSet<String> {
    (0..IN_ROOM).map(|number| format!("{prefix}{room}-{number}")).collect()
}

/// Whether everybody is in the room and sees everybody with their streams.
fn is_whole(room: &Room, number: usize) -> bool {
    let users: BTreeSet<String> = room.users().into_iter().map(|user| user.user_id).collect();
    let streams: BTreeSet<String> = room.streams().into_iter().map(|stream| stream.stream_id).collect();
    room.state().is_connected() && users == ids("u", number) && streams == ids("s", number)
}

async fn all_whole(rooms: &[Room]) {
    eventually("everybody sees everybody", || {
        let broken = rooms.iter().enumerate().filter(|(at, room)| !is_whole(room, at / IN_ROOM)).count();
        if broken == 0 { Ok(()) } else { Err(format!("{broken} do not")) }
    })
    .await;
}

fn sessions(rooms: &[Room]) -> Vec<String> {
    rooms.iter().map(|room| room.admission().session_id).collect()
}

// proves W9 (a rolling restart), F7 (a rolling restart)
#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_are_replaced_one_by_one_and_nobody_leaves_or_misses_a_word() {
    let mut cluster = Cluster::start(0, &[]);
    // Not 127.0.0.1, from where clients come: while a node is away, one of them could be given its port.
    (0..NODES).for_each(|_| cluster.add_node_at("127.0.0.2:0"));
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let cluster = &cluster;
        let enter = (0..IN_ROOM).map(|number| async move {
            let entered = cluster.enter(number % NODES, &format!("u{room}-{number}"), &format!("r{room}")).await;
            entered.start_publishing_stream(&format!("s{room}-{number}")).await.expect("the id is free");
            entered
        });
        rooms.extend(join_all(enter).await);
    }
    all_whole(&rooms).await;
    let (listeners, sessions_before) = (rooms.iter().map(Listener::new).collect::<Vec<_>>(), sessions(&rooms));

    let stop = AtomicBool::new(false);
    let speaking = rooms.iter().enumerate().map(|(at, room)| speak(room, at % IN_ROOM, &stop));
    let restarts = async {
        for node in 0..NODES {
            restart(&mut cluster, node, &listeners).await;
            all_whole(&rooms).await;
        }
        stop.store(true, Ordering::Release);
    };
    let (spoken, ()) = tokio::join!(join_all(speaking), restarts);

    assert_eq!(sessions(&rooms), sessions_before, "every session went on");
    for room in 0..ROOMS {
        check(room, &listeners[room * IN_ROOM..][..IN_ROOM], &spoken[room * IN_ROOM..][..IN_ROOM]).await;
    }
    let said: usize = spoken.iter().map(|spoken| spoken.acknowledged.len()).sum();
    let moves: usize = listeners.iter().map(|listener| listener.heard().losses.len()).sum();
    println!("{said} messages were heard once by everybody in their rooms, over {moves} moves");
}

/// Stops a node, sees its users leave it one after the other, and starts it again.
async fn restart(cluster: &mut Cluster, node: usize, listeners: &[Listener]) {
    let begun = Instant::now();
    cluster.nodes[node].terminate();
    eventually("it stops", || cluster.nodes[node].ended().map(|code| assert_eq!(code, Some(0)))).await;
    let losses = listeners.iter().flat_map(|listener| listener.heard().losses).filter(|&at| at > begun);
    let mut left: Vec<Duration> = losses.map(|at| at - begun).collect();
    left.sort_unstable();
    let (first, last) = (left[0], left[left.len() - 1]);
    println!("{} left node {node} from {first:.1?} to {last:.1?} after it was told to stop", left.len());
    assert!(last - first >= SPREAD, "they left together: {left:?}");
    cluster.start_again(node);
}

/// That everybody in a room heard everything of it, once and in one order, and saw nobody go.
async fn check(room: usize, listeners: &[Listener], spoken: &[Spoken]) {
    let last_words: Vec<String> = spoken.iter().map(|said| said.last().expect("it has spoken")).collect();
    for listener in listeners {
        eventually("all is heard", || {
            let said = listener.heard().said;
            let unheard = last_words.iter().filter(|last| !said.contains(last)).count();
            if unheard == 0 { Ok(()) } else { Err(format!("{unheard} of {last_words:?} in {said:?}")) }
        })
        .await;
        let heard = listener.heard();
        spoken.iter().for_each(|spoken| spoken.check(&heard.said));
        assert_eq!(heard.said, listeners[0].heard().said, "room {room}");
        let (users, streams) = (ids("u", room), ids("s", room));
        for (id, what) in users.iter().map(|id| (id, "came")).chain(streams.iter().map(|id| (id, "started"))) {
            assert_eq!(heard.history(id), [what], "{id}");
        }
    }
}
