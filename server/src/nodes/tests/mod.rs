//! Rooms on two and three nodes, as their members hear them: on the bus within a process and on Redis.

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod in_process {
            $(#[tokio::test] async fn $name() { super::$name(&super::LocalHub::default()).await; })*
        }
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                super::$name(&super::RedisServer::start()).await;
            })*
        }
    };
}

mod talk;

use std::time::Duration;

use rand::rngs::SysRng;
use roompass_wire::gateway::ServerMessage;
use token_gen::{UnixSeconds, UserId, UserName};
use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::{
    bus::{
        LocalHub,
        contract::{self, Meeting, RedisServer},
    },
    clock::ManualClock,
    rooms::{Delivery, NewStream, Outbox, OutboxLimits},
    sealing::MasterKey,
};

const DEADLINE: Duration = Duration::from_secs(20);
/// How long a stay may be lost.
const GRACE: Duration = Duration::from_secs(90);

/// A node with its tasks.
struct Node {
    nodes: Arc<Nodes>,
    tasks: Vec<JoinHandle<()>>,
    clock: Arc<ManualClock>,
}

/// Somebody in a room.
struct Guest {
    place: Place,
    session_id: SessionId,
    outbox: Arc<Outbox>,
    /// The number of the latest change heard.
    seq: u64,
    /// The latest mark heard.
    mark: Option<u64>,
    /// Whether more was said meanwhile than is known.
    missed_some: bool,
    /// Users and streams as `alice` and `s1@alice`.
    room: Vec<String>,
}

impl Node {
    async fn join(meeting: &impl Meeting) -> Self {
        Self::join_with(meeting, sealer()).await
    }

    async fn join_with(meeting: &impl Meeting, sealer: Sealer) -> Self {
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let nodes = Arc::new(Nodes::new(Arc::new(meeting.join().await), sealer, clock.clone(), Arc::new(|_, _| ())));
        let (listener, speaker) = (Arc::clone(&nodes), Arc::clone(&nodes));
        let listening = tokio::spawn(async move { listener.listen().await });
        let speaking = tokio::spawn(async move { speaker.speak().await });
        Self { nodes, tasks: vec![listening, speaking], clock }
    }

    async fn try_enter(&self, settings: &AppSettings, who: &str, room: &str) -> Result<Guest, ErrorCode> {
        let outbox = Arc::new(Outbox::new(OutboxLimits::default()));
        let session_id = SessionId::new(contract::random());
        let newcomer = Newcomer {
            session_id,
            room_id: RoomId::new(room).unwrap(),
            user_id: UserId::new(who).unwrap(),
            user_name: UserName::new(who).unwrap(),
            room_session_id: 7,
            metadata: None,
            auth: AuthKind::Token,
            kept: format!("kept for {who}").into(),
            outbox: Arc::clone(&outbox),
        };
        let (place, snapshot) = self.nodes.enter(settings, newcomer, self.clock.now()).await?;
        Ok(Guest::new(place, snapshot, session_id, outbox))
    }

    async fn enter(&self, who: &str) -> Guest {
        self.try_enter(&settings(), who, "r").await.unwrap()
    }

    async fn publish(&self, guest: &Guest, stream_id: &str) -> Result<(), ErrorCode> {
        let stream_id = StreamId::new(stream_id).unwrap();
        let judge = self.nodes.claim_stream(&guest.place, &stream_id).await?;
        guest.place.start_stream(NewStream { stream_id, media: Vec::new(), extra: None }, judge)
    }

    async fn say(&self, guest: &Guest, text: &str) {
        self.nodes.say(&guest.place, None, text.to_owned(), self.clock.now()).await.unwrap();
    }

    async fn signal(&self, guest: &Guest, to: &str, text: &str) -> Result<(), ErrorCode> {
        self.nodes.say(&guest.place, Some(vec![to.to_owned()]), text.to_owned(), self.clock.now()).await
    }

    /// Goes on with the stay of `guest`, as its client would after losing the connection.
    async fn resume(&self, guest: &Guest) -> Option<Guest> {
        let lost = self.nodes.lost(settings().app_id, guest.session_id, GRACE).await?;
        let outbox = Arc::new(Outbox::new(OutboxLimits::default()));
        let adopted = self.nodes.adopt(lost, guest.mark, "kept again".into(), Arc::clone(&outbox)).await;
        let (place, returned) = adopted?;
        let snapshot = Snapshot { mark: guest.mark, ..returned.state? };
        Some(Guest { missed_some: returned.messages_missed, ..Guest::new(place, snapshot, guest.session_id, outbox) })
    }

    /// Dies without a word.
    async fn die(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.nodes.bus.close().await;
    }
}

impl Guest {
    fn new(place: Place, snapshot: Snapshot, session_id: SessionId, outbox: Arc<Outbox>) -> Self {
        let Snapshot { seq, mark, users, streams, .. } = snapshot;
        let users = users.into_iter().map(|user| user.user_id);
        let streams = streams.into_iter().map(|stream| format!("{}@{}", stream.stream_id, stream.user_id));
        Self { place, session_id, outbox, seq, mark, missed_some: false, room: users.chain(streams).collect() }
    }

    /// The next change, as `+alice`, `-s1@alice`, or how the stay ended. No number may be left out.
    async fn hear(&mut self) -> String {
        let text = match timeout(DEADLINE, self.outbox.next()).await.expect("something is heard") {
            Delivery::Text(text) => text,
            // As on a connection: the end is the last that is heard.
            Delivery::Ended(code) => match self.outbox.take_text() {
                Some(text) => text,
                None => return code.to_string(),
            },
            Delivery::Called => return "called".to_owned(),
            other => panic!("{other:?}"),
        };
        let (seq, change, names) = match serde_json::from_str(&text).unwrap() {
            ServerMessage::RoomUsers(users) => {
                (users.seq, users.change, users.users.into_iter().map(|user| user.user_id).collect::<Vec<_>>())
            }
            ServerMessage::RoomStreams(streams) => {
                let names =
                    streams.streams.into_iter().map(|stream| format!("{}@{}", stream.stream_id, stream.user_id));
                (streams.seq, streams.change, names.collect())
            }
            ServerMessage::RoomMessage(message) => {
                self.seq += u64::from(!message.missed);
                assert_eq!(message.seq, self.seq, "{text}");
                assert!(message.mark > self.mark, "{text} after {:?}", self.mark);
                self.mark = message.mark;
                return format!("{}: {}", message.user_id, message.text);
            }
            ServerMessage::Signal(signal) => {
                assert!(signal.mark > self.mark, "{text} after {:?}", self.mark);
                self.mark = signal.mark;
                return format!("{} signals {}", signal.user_id, signal.text);
            }
            ServerMessage::UserExtra(extra) => {
                self.seq += 1;
                assert_eq!(extra.seq, self.seq, "{text}");
                return format!("{} has {}", extra.user_id, extra.extra);
            }
            ServerMessage::RoomExtra(extra) => {
                self.seq += 1;
                assert_eq!(extra.seq, self.seq, "{text}");
                return format!("{}={}", extra.key, extra.value);
            }
            other => panic!("{other:?}"),
        };
        self.seq += 1;
        assert_eq!(seq, self.seq, "{text}");
        let is_add = change == roompass_wire::gateway::Change::Add;
        for name in &names {
            assert_eq!(self.room.contains(name), !is_add, "{name} came or went twice");
            self.room.retain(|known| known != name);
            if is_add {
                self.room.push(name.clone());
            }
        }
        format!("{}{}", if is_add { '+' } else { '-' }, names.join(" "))
    }

    async fn hears(&mut self, expected: &[&str]) {
        for &expected in expected {
            assert_eq!(self.hear().await, expected);
        }
    }
}

fn sealer() -> Sealer {
    let key = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";
    Sealer::new(&MasterKey::parse(key).unwrap())
}

fn settings() -> AppSettings {
    AppSettings::new(AppId::new(1).unwrap(), "demo")
}

async fn eventually(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, wait).await.expect("the state comes");
}

on_both!(
    a_room_is_one_room_on_all_nodes,
    a_user_id_is_had_once_on_all_nodes,
    a_room_is_full_on_all_nodes,
    a_stream_id_is_had_once_on_all_nodes,
    a_dead_node_leaves_no_ghosts,
    a_stay_goes_on_on_another_node_and_nobody_notices,
    a_stay_of_a_dead_node_goes_on_within_its_time,
    nobody_else_goes_on_with_a_stay,
    apps_do_not_meet,
    a_room_that_is_left_is_forgotten_and_found_again,
    what_is_asked_is_answered_by_all_who_can_read_it,
);

async fn a_room_is_one_room_on_all_nodes(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut alice = here.enter("alice").await;
    here.publish(&alice, "s1").await.unwrap();
    alice.hears(&["+s1@alice"]).await;
    let mut bob = there.enter("bob").await;
    alice.hears(&["+bob"]).await;
    if !bob.room.contains(&"s1@alice".to_owned()) {
        bob.hears(&["+s1@alice"]).await;
    }
    let mut room = bob.room.clone();
    room.sort();
    assert_eq!(room, ["alice", "bob", "s1@alice"]);
    there.publish(&bob, "s2").await.unwrap();
    bob.hears(&["+s2@bob"]).await;
    alice.hears(&["+s2@bob"]).await;
    bob.place.stop_stream(&StreamId::new("s2").unwrap(), GoneReason::Stopped);
    alice.hears(&["-s2@bob"]).await;
    bob.hears(&["-s2@bob"]).await;
    drop(alice.place);
    bob.hears(&["-s1@alice", "-alice"]).await;
}

async fn a_user_id_is_had_once_on_all_nodes(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut carol = here.enter("carol").await;
    let mut alice = here.enter("alice").await;
    carol.hears(&["+alice"]).await;
    let refusing = AppSettings { duplicate_login: DuplicateLogin::RefuseNewcomer, ..settings() };
    let refused = there.try_enter(&refusing, "alice", "r").await.map(drop);
    assert_eq!(refused, Err(ErrorCode::LoggedInElsewhere));
    let mut again = there.enter("alice").await;
    alice.hears(&["kicked_by_other_login"]).await;
    carol.hears(&["-alice", "+alice"]).await;
    // Also into another room.
    let _third = here.try_enter(&settings(), "alice", "q").await.unwrap();
    again.hears(&["kicked_by_other_login"]).await;
    carol.hears(&["-alice"]).await;
}

async fn a_room_is_full_on_all_nodes(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let two = AppSettings { max_room_users: 2, ..settings() };
    let _a = here.try_enter(&two, "a", "r").await.unwrap();
    let b = there.try_enter(&two, "b", "r").await.unwrap();
    for node in [&here, &there] {
        assert_eq!(node.try_enter(&two, "c", "r").await.map(drop), Err(ErrorCode::RoomFull));
    }
    let b_again = here.try_enter(&two, "b", "r").await.unwrap();
    drop((b, b_again));
    let start = std::time::Instant::now();
    while there.try_enter(&two, "c", "r").await.is_err() {
        assert!(start.elapsed() < DEADLINE);
        tokio::task::yield_now().await;
    }
}

async fn a_stream_id_is_had_once_on_all_nodes(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let alice = here.enter("alice").await;
    let bob = there.try_enter(&settings(), "bob", "another-room").await.unwrap();
    here.publish(&alice, "s1").await.unwrap();
    assert_eq!(there.publish(&bob, "s1").await, Err(ErrorCode::StreamIdTaken));
    drop(alice.place);
    let start = std::time::Instant::now();
    while there.publish(&bob, "s1").await.is_err() {
        assert!(start.elapsed() < DEADLINE);
        tokio::task::yield_now().await;
    }
}

async fn a_dead_node_leaves_no_ghosts(meeting: &impl Meeting) {
    let (here, there, third) = (Node::join(meeting).await, Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let alice = here.enter("alice").await;
    here.publish(&alice, "s1").await.unwrap();
    bob.hears(&["+alice", "+s1@alice"]).await;
    here.die().await;
    bob.hears(&["-s1@alice", "-alice"]).await;
    let carol = third.enter("carol").await;
    assert_eq!(carol.room, ["bob", "carol"]);
    third.publish(&carol, "s1").await.unwrap();
    bob.hears(&["+carol", "+s1@carol"]).await;
    let refusing = AppSettings { duplicate_login: DuplicateLogin::RefuseNewcomer, ..settings() };
    third.try_enter(&refusing, "alice", "r").await.unwrap();
    bob.hears(&["+alice"]).await;
}

// proves W10 (rooms across nodes)
async fn apps_do_not_meet(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let other = AppSettings::new(AppId::new(2).unwrap(), "other");
    let alice = here.enter("alice").await;
    here.publish(&alice, "s1").await.unwrap();
    let namesake = there.try_enter(&other, "alice", "r").await.unwrap();
    assert_eq!(namesake.room, ["alice"]);
    there.publish(&namesake, "s1").await.unwrap();
    let mut bob = here.enter("bob").await;
    there.enter("carol").await;
    bob.hears(&["+carol"]).await;
}

async fn a_room_that_is_left_is_forgotten_and_found_again(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut alice = here.enter("alice").await;
    for _ in 0..3 {
        let bob = there.enter("bob").await;
        assert_eq!(bob.room, ["alice", "bob"]);
        alice.hears(&["+bob"]).await;
        drop(bob.place);
        alice.hears(&["-bob"]).await;
        eventually(|| there.nodes.topics().is_empty()).await;
        assert!(there.nodes.rooms.here(settings().app_id, alice.session_id).is_none());
    }
}

async fn a_stay_goes_on_on_another_node_and_nobody_notices(meeting: &impl Meeting) {
    let (here, there, third) = (Node::join(meeting).await, Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = third.enter("bob").await;
    let mut carol = here.enter("carol").await;
    let mut alice = here.enter("alice").await;
    bob.hears(&["+carol", "+alice"]).await;
    here.publish(&alice, "s1").await.unwrap();
    bob.hears(&["+s1@alice"]).await;
    carol.hears(&["+alice", "+s1@alice"]).await;
    alice.hears(&["+s1@alice"]).await;

    let mut moved = there.resume(&alice).await.unwrap();
    // The old connection is of no use any more, and its end is nobody else's.
    alice.hears(&["called"]).await;
    drop(alice.place);
    there.publish(&moved, "s2").await.unwrap();
    moved.hears(&["+s2@alice"]).await;
    bob.hears(&["+s2@alice"]).await;
    carol.hears(&["+s2@alice"]).await;
    let bob_place = bob.place;
    assert_eq!(third.publish(&carol, "s1").await, Err(ErrorCode::StreamIdTaken));
    drop(bob_place);
    carol.hears(&["-bob"]).await;
    drop(moved.place);
    carol.hears(&["-s1@alice s2@alice", "-alice"]).await;
}

async fn a_stay_of_a_dead_node_goes_on_within_its_time(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let alice = here.enter("alice").await;
    here.publish(&alice, "s1").await.unwrap();
    bob.hears(&["+alice", "+s1@alice"]).await;
    here.die().await;
    bob.hears(&["-s1@alice", "-alice"]).await;
    let moved = there.resume(&alice).await.unwrap();
    assert_eq!(moved.room, ["bob", "alice", "s1@alice"]);
    bob.hears(&["+alice", "+s1@alice"]).await;
}

async fn nobody_else_goes_on_with_a_stay(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let alice = here.enter("alice").await;
    let other = AppId::new(2).unwrap();
    assert!(there.nodes.lost(other, alice.session_id, GRACE).await.is_none());
    assert!(there.nodes.lost(settings().app_id, SessionId::new([7; 16]), GRACE).await.is_none());
    let lost = there.nodes.lost(settings().app_id, alice.session_id, GRACE).await.unwrap();
    assert_eq!(lost.kept(), "kept for alice");
    // What others see of it may change meanwhile.
    here.publish(&alice, "s1").await.unwrap();
    let mut observer = there.enter("observer").await;
    if !observer.room.contains(&"s1@alice".to_owned()) {
        observer.hears(&["+s1@alice"]).await;
    }
    // Somebody was faster.
    let first = there.nodes.lost(settings().app_id, alice.session_id, GRACE).await.unwrap();
    let outbox = || Arc::new(Outbox::new(OutboxLimits::default()));
    let moved = there.nodes.adopt(first, None, "kept again".into(), outbox()).await.unwrap();
    assert!(here.nodes.adopt(lost, None, "kept twice".into(), outbox()).await.is_none());
    drop(moved);
    let start = std::time::Instant::now();
    while here.nodes.lost(settings().app_id, alice.session_id, GRACE).await.is_some() {
        assert!(start.elapsed() < DEADLINE, "whoever has left cannot be gone on with");
        tokio::task::yield_now().await;
    }
}

async fn what_is_asked_is_answered_by_all_who_can_read_it(meeting: &impl Meeting) {
    let here = Node::join(meeting).await;
    let app_id = settings().app_id;
    let ask = async |from: &Node, unreached: &mut Unreached| -> Vec<(crate::bus::NodeId, String)> {
        from.nodes.ask(app_id, &"who is there", unreached).await
    };
    let mut unreached = Unreached::default();
    assert_eq!(ask(&here, &mut unreached).await, []);
    assert!(unreached.is_nobody());

    let there = Node::join(meeting).await;
    let answering = Arc::clone(&there.nodes);
    let answering = tokio::spawn(async move {
        let answer = |app_id: AppId, asked: String| async move { format!("{asked} in {app_id}? I am") };
        answering.answer(answer).await;
    });
    let said = vec![(there.nodes.bus.node().clone(), "who is there in 1? I am".to_owned())];
    assert_eq!(ask(&here, &mut unreached).await, said);
    assert!(unreached.is_nobody());

    // One with another master key, and one that says nothing: both are named, and then not waited for.
    let stranger = Node::join_with(meeting, Sealer::new(&MasterKey::generate(&mut SysRng).unwrap())).await;
    let answering_too = Arc::clone(&stranger.nodes);
    let answering_too = tokio::spawn(async move { answering_too.answer(|_, asked: String| async { asked }).await });
    let silent = [stranger.nodes.bus.node().clone()];
    for _ in 0..2 {
        assert_eq!(ask(&here, &mut unreached).await, said);
        assert_eq!(unreached, Unreached { silent: silent.clone().into(), bus_away: false });
    }

    // What was asked too long ago is not answered.
    here.clock.advance(Duration::from_secs(61));
    assert_eq!(ask(&here, &mut unreached).await, []);
    assert_eq!(unreached.silent.len(), 2);
    answering.abort();
    answering_too.abort();
}
