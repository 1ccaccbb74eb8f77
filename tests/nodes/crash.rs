//! A node dies in the middle of everything.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use roompass_sdk::{Client, Event, FixedToken, LocalUser, Room};
use serde_json::json;

use crate::{
    cluster::{APP, Cluster, eventually, pause},
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

    // Two in each room talk on all the while, one of them from the node that will die. Everybody listens.
    let listeners: Vec<Listener> = rooms.iter().map(Listener::new).collect();
    let stop = AtomicBool::new(false);
    let speaking = (0..ROOMS).flat_map(|room| [2 - room % 2, 0].map(|number| (room, number)));
    let speaking = speaking.map(|(room, number)| speak(&rooms[room * IN_ROOM + number], number, &stop));
    let crash = crash(&mut cluster, &rooms, &stop);
    let (spoken, ()) = tokio::join!(join_all(speaking), crash);
    for (room, observer) in observers.iter().enumerate() {
        let [steady, moved] = [&spoken[2 * room], &spoken[2 * room + 1]];
        let last_words = [steady, moved].map(|said| said.last().expect("it has spoken"));
        eventually("all is heard", || {
            let heard = observer.heard();
            if last_words.iter().all(|last| heard.said.contains(last)) {
                Ok(())
            } else {
                Err(format!("{last_words:?}"))
            }
        })
        .await;
        let heard = observer.heard().clone();
        assert_eq!(heard.faults, Vec::<String>::new(), "room {room}");
        assert_eq!((heard.users, heard.streams), expected(room), "room {room}");
        assert_eq!(heard.left, Vec::<String>::new(), "room {room}: nobody was seen to go");
        for said in [steady, moved] {
            said.check(&heard.said);
        }
        // Everybody hears the same: those who stayed, and those who lost their node in the middle of it.
        for listener in &listeners[room * IN_ROOM..][..IN_ROOM] {
            eventually("everybody hears it", || {
                let heard_here = listener.heard();
                if heard_here.len() >= heard.said.len() { Ok(()) } else { Err(format!("{heard_here:?}")) }
            })
            .await;
            assert_eq!(listener.heard(), heard.said, "room {room}");
        }
    }
    let said: usize = spoken.iter().map(|spoken| spoken.acknowledged.len()).sum();
    println!("{said} messages were heard once by everybody in their rooms, and in one order");
}

/// What somebody has said: `who number`.
struct Spoken {
    who: usize,
    /// What was answered.
    acknowledged: Vec<usize>,
}

impl Spoken {
    fn last(&self) -> Option<String> {
        self.acknowledged.last().map(|number| format!("{} {number}", self.who))
    }

    /// What was answered was heard, once and in its order. What was not, because the node died, was heard once or never.
    fn check(&self, heard: &[String]) {
        let prefix = format!("{} ", self.who);
        let heard = heard.iter().filter_map(|said| said.strip_prefix(&prefix)?.parse::<usize>().ok());
        let heard: Vec<usize> = heard.collect();
        assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
        let unheard: Vec<_> = self.acknowledged.iter().filter(|number| !heard.contains(number)).collect();
        assert_eq!(unheard, Vec::<&usize>::new(), "of {heard:?}");
    }
}

/// Talks until it is told to stop.
async fn speak(room: &Room, who: usize, stop: &AtomicBool) -> Spoken {
    let mut spoken = Spoken { who, acknowledged: Vec::new() };
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        if room.send_message(format!("{who} {number}")).await.is_ok() {
            spoken.acknowledged.push(number);
        }
        pause(Duration::from_millis(250)).await;
    }
    spoken
}

/// What a client hears, until it is dropped.
struct Listener {
    heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    fn new(room: &Room) -> Self {
        let (heard, mut events) = (Arc::<Mutex<Vec<String>>>::default(), room.events());
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let said = match event {
                    Event::RoomMessage(message) => message.text,
                    Event::MessagesMissed | Event::Lagged { .. } => format!("{event:?}"),
                    _ => continue,
                };
                hears.lock().expect("nobody panics").push(said);
            }
        });
        Self { heard, task }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics").clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
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

// proves F13 (ghosts)
#[tokio::test(flavor = "multi_thread")]
async fn of_a_killed_node_nobody_is_left_after_its_lease() {
    let settings = ["--set", "max_room_users=3", "--set", "duplicate_login=refuse_newcomer"];
    let mut cluster = Cluster::start(2, &settings);
    let observer = Observer::enter(&cluster, 1, "observer", "r").await;
    let token = cluster.token("ghost", "r").await;
    // Knows no other node, so it never comes back.
    let lonely = Client::builder(APP, &cluster.nodes[0].url).token_provider(FixedToken::new(&token));
    let lonely = lonely.build().expect("the options are good");
    let user = || LocalUser::new("ghost").expect("a good id");
    let ghost = lonely.login_room("r", user()).await.expect("the token is good");
    ghost.start_publishing_stream("s1").await.expect("the id is free");
    let _other = Observer::enter(&cluster, 0, "other", "r").await;
    eventually("they are seen", || {
        let heard = observer.heard();
        if heard.users.len() == 3 && heard.streams.contains("s1") { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;

    let start = Instant::now();
    cluster.nodes[0].kill();
    let took = eventually("they are seen to go", || {
        let heard = observer.heard();
        let is_alone = heard.users.iter().eq(["observer"]) && heard.streams.is_empty();
        if is_alone { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    println!("nobody of a killed node is seen {took:?} after its end");
    assert!(start.elapsed().as_secs() <= LEASE_SECS, "{took:?}");
    assert_eq!(observer.heard().left.len(), 3, "each once: {:?}", observer.heard().left);
    let rooms = cluster.room(1, &["list"]);
    assert_eq!((&rooms[0]["user_count"], &rooms[0]["stream_count"]), (&json!(1), &json!(0)), "{rooms}");
    let sessions = cluster.room(1, &["sessions"]);
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");

    // Their places, the user id and the stream id are free, though an app like this refuses a second login.
    let living = Client::builder(APP, &cluster.nodes[1].url).token_provider(FixedToken::new(&token));
    let living = living.build().expect("the options are good");
    let again = living.login_room("r", user()).await.expect("nobody holds the user id");
    again.start_publishing_stream("s1").await.expect("nobody holds the stream id");
    let _third = Observer::enter(&cluster, 1, "third", "r").await;
    // And the board has forgotten them.
    let board = cluster.redis.command("HKEYS roompass:77:board:r");
    assert_eq!(board.lines().filter(|key| *key != "#").count(), 3, "{board}");
    assert_eq!(observer.heard().faults, Vec::<String>::new());
}
