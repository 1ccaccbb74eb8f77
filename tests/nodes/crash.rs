//! A node dies in the middle of everything.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use roompass_sdk::Room;

use crate::{
    cluster::{Cluster, eventually, pause},
    observer::Observer,
};

const ROOMS: usize = 30;
const IN_ROOM: usize = 10;
/// How long the others know a dead node's users, at the most: its lease, and the beats that notice its end.
const LEASE_SECS: u64 = 12;

/// Client `number` of room `room`.
fn user(room: usize, number: usize) -> String {
    format!("u{room}-{number}")
}

/// What a room looks like to everybody in it: ten users, ten streams, and the observer.
fn expected(room: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    let users = (0..IN_ROOM).map(|number| user(room, number));
    let streams = (0..IN_ROOM).map(|number| format!("s{room}-{number}")).collect();
    (users.chain([format!("observer{room}")]).collect(), streams)
}

/// Whether a client is in its room and sees it whole.
fn is_whole(room: &Room, number: usize) -> Result<(), String> {
    let users: BTreeSet<String> = room.users().into_iter().map(|user| user.user_id).collect();
    let streams: BTreeSet<String> = room.streams().into_iter().map(|stream| stream.stream_id).collect();
    let state = room.state();
    if state.is_connected() && (users.clone(), streams.clone()) == expected(number) {
        return Ok(());
    }
    Err(format!("room {number}: {state:?}, {} users, {} streams", users.len(), streams.len()))
}

fn all_whole(rooms: &[Room]) -> Result<(), String> {
    let broken: Vec<String> =
        rooms.iter().enumerate().filter_map(|(at, room)| is_whole(room, at / IN_ROOM).err()).collect();
    if broken.is_empty() { Ok(()) } else { Err(format!("{} of {}: {}", broken.len(), rooms.len(), broken[0])) }
}

// proves F13
#[tokio::test(flavor = "multi_thread")]
async fn of_three_nodes_one_is_killed_and_every_client_is_back_within_ten_seconds() {
    let mut cluster = Cluster::start(3, &[]);
    // Observers stay on the nodes that live, so each hears everything.
    let observers = join_all((0..ROOMS).map(|room| {
        let cluster = &cluster;
        async move { Observer::enter(cluster, 1 + room % 2, &format!("observer{room}"), &format!("r{room}")).await }
    }));
    let observers = observers.await;
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let cluster = &cluster;
        let enter = (0..IN_ROOM).map(|number| async move {
            let room_id = format!("r{room}");
            let entered = cluster.enter(number % 3, &user(room, number), &room_id).await;
            entered.start_publishing_stream(&format!("s{room}-{number}")).await.expect("the id is free");
            entered
        });
        rooms.extend(join_all(enter).await);
    }
    let took = eventually("everybody sees everybody", || all_whole(&rooms)).await;
    println!("{} clients in {ROOMS} rooms see each other {took:?} after the last came", rooms.len());

    // One in each room talks on all the while, from the one living node; the observer listens on the other.
    let stop = AtomicBool::new(false);
    let speaking = (0..ROOMS).map(|room| speak(&rooms[room * IN_ROOM + 2 - room % 2], &stop));
    let crash = crash(&mut cluster, &rooms, &stop);
    let (said, ()) = tokio::join!(join_all(speaking), crash);
    for (room, observer) in observers.iter().enumerate() {
        eventually("all is heard", || {
            let heard = observer.heard().said.len();
            if heard >= said[room] { Ok(()) } else { Err(format!("{heard} of {}", said[room])) }
        })
        .await;
        let heard = observer.heard().clone();
        assert_eq!(heard.faults, Vec::<String>::new(), "room {room}");
        assert_eq!((heard.users, heard.streams), expected(room), "room {room}");
        assert_eq!(heard.left, Vec::<String>::new(), "room {room}: nobody was seen to go");
        let numbers: Vec<String> = (0..said[room]).map(|number| number.to_string()).collect();
        assert_eq!(heard.said, numbers, "room {room}");
    }
    println!("{} messages were heard once each, in order", said.iter().sum::<usize>());
}

/// Talks until it is told to stop. Returns how much was said.
async fn speak(room: &Room, stop: &AtomicBool) -> usize {
    let mut said = 0;
    while !stop.load(Ordering::Acquire) {
        room.send_message(said.to_string()).await.expect("its node lives");
        said += 1;
        pause(Duration::from_millis(250)).await;
    }
    said
}

/// Kills the first node, and sees that all is as it was.
async fn crash(cluster: &mut Cluster, rooms: &[Room], stop: &AtomicBool) {
    let on_first = rooms.iter().enumerate().filter(|(at, _)| (at % IN_ROOM).is_multiple_of(3)).count();
    let start = Instant::now();
    cluster.nodes[0].kill();
    eventually("the loss is noticed", || {
        if rooms.iter().any(|room| !room.state().is_connected()) { Ok(()) } else { Err("nobody".to_owned()) }
    })
    .await;
    eventually("everybody is back", || all_whole(rooms)).await;
    let took = start.elapsed();
    println!("{on_first} clients of a killed node are back in their rooms with their streams after {took:?}");
    assert!(took.as_secs() < 10, "{took:?}");

    // Until the lease of the dead node has surely lapsed: nobody goes with it, and nobody is there twice.
    eventually("the lease lapses", || {
        all_whole(rooms)?;
        if start.elapsed().as_secs() > LEASE_SECS { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    stop.store(true, Ordering::Release);
}
