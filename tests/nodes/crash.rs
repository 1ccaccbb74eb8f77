//! A node dies in the middle of everything.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use roompass_sdk::{Client, FixedToken, LocalUser, Room};
use serde_json::json;

use crate::{
    cluster::{APP, Cluster, Lateness, eventually},
    guests::{self, Guest, House, is_guest},
    listener::{Heard, Listener},
    observer::Observer,
    talk::speak,
};

const ROOMS: usize = 30;
const IN_ROOM: usize = 10;
/// How soon everybody is to be back.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// How long the others know a dead node's users, at the most: its lease, and the beats that notice its end.
const LEASE: Duration = Duration::from_secs(12);

/// How often the processor is waited for, where it is once here: by a client, its node, Redis and PostgreSQL.
const IN_A_CHAIN: u32 = 4;

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

/// Whether a client is in its room and sees it whole, whoever visits it.
fn is_whole(room: &Room, number: usize) -> Result<(), String> {
    let mut users: BTreeSet<String> = room.users().into_iter().map(|user| user.user_id).collect();
    let mut streams: BTreeSet<String> = room.streams().into_iter().map(|stream| stream.stream_id).collect();
    users.retain(|id| !is_guest(id));
    streams.retain(|id| !is_guest(id));
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

    // Two in each room talk on all the while, one of them from the node that will die. Everybody listens. And somebody
    // visits each room again and again, by way of each of the nodes.
    let listeners: Vec<Listener> = rooms.iter().map(Listener::new).collect();
    let house = House::default();
    let speaking = (0..ROOMS).flat_map(|room| [2 - room % 2, 0].map(|number| (room, number)));
    let speaking = speaking.map(|(room, number)| speak(&rooms[room * IN_ROOM + number], number, &house.is_closed));
    let visitors: Vec<Client> = (0..ROOMS).map(|room| cluster.minting_client(room % 3)).collect();
    let visiting = visitors.iter().enumerate().map(|(room, client)| guests::visit(client, room, &house));
    let crash = crash(&mut cluster, &rooms, &house);
    let (spoken, guests, in_time) = tokio::join!(join_all(speaking), join_all(visiting), crash);
    for (room, observer) in observers.iter().enumerate() {
        let [steady, moved] = [&spoken[2 * room], &spoken[2 * room + 1]];
        let last_words = [steady, moved].map(|said| said.last().expect("it has spoken"));
        eventually("all is heard", || {
            let heard = observer.heard();
            let is_empty = heard.users.iter().chain(&heard.streams).all(|id| !is_guest(id));
            if is_empty && last_words.iter().all(|last| heard.said.contains(last)) {
                Ok(())
            } else {
                Err(format!("{last_words:?}, {:?}", heard.users))
            }
        })
        .await;
        let heard = observer.heard().clone();
        assert_eq!(heard.faults, Vec::<String>::new(), "room {room}");
        assert_eq!((heard.users, heard.streams), expected(room), "room {room}");
        let left: Vec<&String> =
            heard.left.iter().filter(|left| !is_guest(left) && (in_time || !was_on_first(left))).collect();
        assert_eq!(left, Vec::<&String>::new(), "room {room}: nobody else was seen to go");
        for said in [steady, moved] {
            said.check(&heard.said);
        }
        // Everybody hears the same: those who stayed, and those who lost their node in the middle of it.
        for (number, listener) in listeners[room * IN_ROOM..][..IN_ROOM].iter().enumerate() {
            eventually("everybody hears it", || {
                let heard_here = listener.heard();
                check_guests(&guests[room], &heard_here, number)?;
                if heard_here.said.len() >= heard.said.len() { Ok(()) } else { Err(format!("{:?}", heard_here.said)) }
            })
            .await;
            let heard_here = listener.heard();
            assert_eq!(heard_here.said, heard.said, "room {room}");
            let (users, streams) = expected(room);
            let once = users.iter().map(|id| (id, "came")).chain(streams.iter().map(|id| (id, "started")));
            for (id, what) in once {
                let history = heard_here.history(id);
                let is_once = history == [what];
                let went_and_came = history.iter().step_by(2).all(|again| *again == what) && history.len() % 2 == 1;
                let is_right = if in_time || !was_on_first(id) { is_once } else { went_and_came };
                assert!(is_right, "{id}, as {} heard it: {history:?}", user(room, number));
            }
        }
    }
    let said: usize = spoken.iter().map(|spoken| spoken.acknowledged.len()).sum();
    println!("{said} messages were heard once by everybody in their rooms, and in one order");
    let visits: usize = guests.iter().map(Vec::len).sum();
    println!("{visits} visits were heard of once by everybody who stayed");
}

/// Whether what `id` names, a user or a stream, was on the node that died.
fn was_on_first(id: &str) -> bool {
    let number = id.split(':').next().and_then(|id| id.rsplit('-').next()?.parse::<usize>().ok());
    number.is_some_and(|number| number.is_multiple_of(3))
}

/// Holds what client `number` of a room heard of its guests against what was answered.
fn check_guests(guests: &[Guest], heard: &Heard, number: usize) -> Result<(), String> {
    // Every third was on the node that died.
    guests.iter().try_for_each(|guest| guest.check(heard, !number.is_multiple_of(3)))
}

/// Kills the first node, and sees that all is as it was. Says whether everybody was back before its lease lapsed, as it is
/// where there is a processor for everybody: then nobody is seen to go.
async fn crash(cluster: &mut Cluster, rooms: &[Room], house: &House) -> bool {
    eventually("every room has been visited", || match house.visits.load(Ordering::Acquire) {
        0..ROOMS => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    let on_first = rooms.iter().enumerate().filter(|(at, _)| (at % IN_ROOM).is_multiple_of(3)).count();
    let (start, lateness) = (Instant::now(), Lateness::start());
    cluster.nodes[0].kill();
    house.is_shaken.store(true, Ordering::Release);
    eventually("the loss is noticed", || {
        if rooms.iter().any(|room| !room.state().is_connected()) { Ok(()) } else { Err("nobody".to_owned()) }
    })
    .await;
    eventually("everybody is back", || all_whole(rooms)).await;
    let (took, late) = (start.elapsed(), lateness.so_far());
    let in_time = cluster.nodes.iter().all(|node| !node.log().contains("a node has gone"));
    println!(
        "{on_first} clients of a killed node are back in their rooms with their streams after {took:?}, before its lease lapsed: \
         {in_time}; all was {late:?} late"
    );
    assert!(took < BACK_WITHIN + late * IN_A_CHAIN, "{took:?}");

    // Until the lease of the dead node has surely lapsed: nobody goes with it, and nobody is there twice.
    eventually("the lease lapses", || {
        all_whole(rooms)?;
        if start.elapsed() > LEASE { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    house.is_closed.store(true, Ordering::Release);
    in_time
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

    let lateness = Lateness::start();
    cluster.nodes[0].kill();
    let took = eventually("they are seen to go", || {
        let heard = observer.heard();
        let is_alone = heard.users.iter().eq(["observer"]) && heard.streams.is_empty();
        if is_alone { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    println!("nobody of a killed node is seen {took:?} after its end");
    assert!(took <= LEASE + lateness.so_far() * IN_A_CHAIN, "{took:?}");
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
