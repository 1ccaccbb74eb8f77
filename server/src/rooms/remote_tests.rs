//! Rooms as others than their members know them: clients that come back, other nodes, the sink.

use std::sync::Mutex;

use roompass_wire::gateway::{Stream, User};

use super::{tests::*, *};

const NODE: NodeId = NodeId(2);

fn user(user_id: &str) -> User {
    User { user_id: user_id.to_owned(), user_name: user_id.to_owned(), ..User::default() }
}

fn theirs(stream_id: &str, user_id: &str) -> Stream {
    Stream { stream_id: stream_id.to_owned(), user_id: user_id.to_owned(), ..Stream::default() }
}

fn apply(rooms: &Rooms, change: RemoteChange) {
    rooms.apply_remote(settings().app_id, NODE, (&RoomId::new("r1").unwrap(), 9), change, NOW);
}

fn left(user_id: &str) -> RemoteChange {
    RemoteChange::UserLeft { user_id: user_id.to_owned(), reason: GoneReason::Stopped }
}

#[test]
fn who_comes_back_hears_what_was_missed_once_and_in_order() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    let bob = enter(&rooms, "bob", "r1");
    assert_eq!(alice.heard(), ["2 +bob"]);
    bob.place.start_stream(stream("s1")).unwrap();
    // What was written and perhaps lost is not known here: the client says what it has heard.
    assert_eq!(alice.heard(), ["3 +s1@bob"]);
    alice.place.go_away();
    bob.place.say("hello", NOW).unwrap();
    bob.place.signal(&["alice".to_owned()], "offer", NOW).unwrap();
    bob.place.set_user_extra("hand".to_owned()).unwrap();
    let returned = alice.place.come_back(2).unwrap();
    assert_eq!(returned, Returned { room_session_id: 7, seq: 5, state: None });
    bob.place.set_room_extra("topic".to_owned(), "x".to_owned(), NOW).unwrap();
    assert_eq!(alice.heard(), ["3 +s1@bob", "4 bob: hello", "5 bob*hand", "bob> offer", "6 topic=x"]);
    assert_eq!(bob.heard().len(), 4);
}

#[test]
fn who_missed_more_than_is_remembered_gets_the_room_as_it_is() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    let bob = enter(&rooms, "bob", "r1");
    alice.place.go_away();
    bob.place.set_room_extra("topic".to_owned(), "x".to_owned(), NOW).unwrap();
    for _ in 0..128 {
        bob.place.say("again", NOW).unwrap();
        bob.heard();
    }
    let Returned { seq, state: Some(state), .. } = alice.place.come_back(2).unwrap() else { panic!("no state") };
    assert_eq!((seq, state.seq, state.users.len(), state.extra.len()), (131, 131, 2, 1));
    assert_eq!(alice.heard(), [] as [&str; 0]);
    // A number that the room has not reached, or from before the stay, is no number of this stay.
    for seq in [132, u64::MAX, 0] {
        assert!(alice.place.come_back(seq).unwrap().state.is_some(), "{seq}");
    }
    assert!(alice.place.come_back(131).unwrap().state.is_none());
}

#[test]
fn a_stay_without_a_connection_keeps_nobody_out_and_is_ended_like_any_other() {
    let rooms = rooms();
    let settings = AppSettings { duplicate_login: crate::apps::DuplicateLogin::RefuseNewcomer, ..settings() };
    let enter = |auth| enter_as(&rooms, &settings, "alice", "r1", auth);
    let first = enter(AuthKind::Token).unwrap();
    assert_eq!(enter(AuthKind::Token).err(), Some(ErrorCode::LoggedInElsewhere));
    first.place.go_away();
    assert_eq!(enter(AuthKind::AppSign).err(), Some(ErrorCode::LoggedInElsewhere));
    let _second = enter(AuthKind::Token).unwrap();
    assert_eq!(first.ended(), Some(Delivery::Ended(ErrorCode::KickedByOtherLogin)));
    assert_eq!(first.place.come_back(1), None);
}

#[test]
fn a_room_takes_so_many_logins_a_second() {
    let rooms = rooms();
    let settings = AppSettings { room_logins_per_sec: 3, ..settings() };
    let enter = |who: &str, room| enter_as(&rooms, &settings, who, room, AuthKind::Token).map(|guest| guest.place);
    // The login that makes the room is its first, and no flood.
    let places: Vec<_> = ["a", "b", "c", "d"].map(|who| enter(who, "r1").unwrap()).into();
    assert_eq!(enter("e", "r1").err(), Some(ErrorCode::RoomBusy));
    assert!(enter("e", "r2").is_ok());
    drop(places);
}

#[test]
fn values_belong_to_the_room_and_are_limited() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    let set = |key: &str, value: &str| alice.place.set_room_extra(key.to_owned(), value.to_owned(), NOW);
    (0..16).for_each(|number| set(&format!("k{number}"), "v").unwrap());
    assert_eq!(set("k16", "v"), Err(ErrorCode::ExtraLimit));
    set("k3", "w").unwrap();
    set("k4", "").unwrap();
    set("k16", "v").unwrap();
    alice.place.set_user_extra("hand".to_owned()).unwrap();
    let bob = enter(&rooms, "bob", "r1");
    let extra: Vec<_> = bob.snapshot.extra.iter().map(|extra| format!("{}={}", extra.key, extra.value)).collect();
    assert_eq!((extra.len(), &*extra[3], &*extra[4]), (16, "k3=w", "k5=v"));
    assert_eq!(bob.snapshot.users[0].extra.as_deref(), Some("hand"));
}

#[test]
fn a_signal_reaches_all_or_none() {
    let rooms = rooms();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|who| enter(&rooms, who, "r1"));
    let eve = enter(&rooms, "eve", "r2");
    let ids = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(alice.place.signal(&ids(&["bob", "eve"]), "x", NOW), Err(ErrorCode::UserNotInRoom));
    alice.place.signal(&ids(&["bob", "alice"]), "offer", NOW).unwrap();
    assert_eq!(alice.heard().last().map(String::as_str), Some("alice> offer"));
    assert_eq!(bob.heard(), ["3 +carol", "alice> offer"]);
    assert_eq!((carol.heard(), eve.heard()), (vec![], vec![]));
}

#[test]
fn an_empty_room_lives_on_for_as_long_as_the_app_says() {
    let rooms = rooms();
    let settings = AppSettings { empty_room_ttl_secs: 60, ..settings() };
    let at = |second: i64| UnixSeconds::new(NOW.get() + second);
    enter_as(&rooms, &settings, "alice", "r1", AuthKind::Token).unwrap().place.leave(GoneReason::Stopped, at(5));
    rooms.sweep(at(64));
    assert_eq!(enter_as(&rooms, &settings, "bob", "r1", AuthKind::Token).unwrap().snapshot.seq, 3);
    rooms.sweep(at(1000));
    assert_eq!(enter_as(&rooms, &settings, "carol", "r1", AuthKind::Token).unwrap().snapshot.seq, 1);
}

#[test]
fn what_happens_on_another_node_is_numbered_here_and_heard_by_ours() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    apply(&rooms, RemoteChange::UserEntered(user("zoe")));
    apply(&rooms, RemoteChange::StreamStarted(theirs("s1", "zoe")));
    apply(&rooms, RemoteChange::Message { user_id: "zoe".to_owned(), text: "hi".to_owned(), sent_at: 5 });
    let signal = |to: &str| RemoteChange::Signal {
        from: "zoe".to_owned(),
        to: to.to_owned(),
        text: "offer".to_owned(),
        sent_at: 5,
    };
    apply(&rooms, signal("alice"));
    apply(&rooms, signal("nobody"));
    assert_eq!(alice.heard(), ["2 +zoe", "3 +s1@zoe", "4 zoe: hi", "zoe> offer"]);
    assert_eq!(alice.place.start_stream(stream("s1")), Err(ErrorCode::StreamIdTaken));
    let bob = enter(&rooms, "bob", "r1");
    assert_eq!((bob.snapshot.users.len(), bob.snapshot.streams.len()), (3, 1));
    // Somebody who is connected here is no other node's to remove, nor is a stream.
    apply(&rooms, left("alice"));
    apply(&rooms, RemoteChange::UserEntered(user("alice")));
    alice.place.start_stream(stream("s2")).unwrap();
    apply(&rooms, RemoteChange::StreamStopped { stream_id: "s2".to_owned(), reason: GoneReason::Stopped });
    assert_eq!(bob.heard(), ["6 +s2@alice"]);
    apply(&rooms, left("zoe"));
    assert_eq!(bob.heard(), ["7 -s1@zoe", "8 -zoe"]);
}

#[test]
fn a_node_that_is_gone_leaves_nobody_behind() {
    let rooms = rooms();
    apply(&rooms, left("zoe"));
    apply(&rooms, RemoteChange::UserEntered(user("zoe")));
    apply(&rooms, RemoteChange::StreamStarted(theirs("s1", "zoe")));
    apply(&rooms, RemoteChange::UserEntered(user("yan")));
    let alice = enter(&rooms, "alice", "r1");
    assert_eq!((alice.snapshot.room_session_id, alice.snapshot.users.len()), (9, 3));
    rooms.forget_node(NodeId(3), NOW);
    assert_eq!(alice.heard(), [] as [&str; 0]);
    rooms.forget_node(NODE, NOW);
    assert_eq!(alice.heard(), ["5 -s1@zoe", "6 -zoe", "7 -yan"]);
    alice.place.start_stream(stream("s1")).unwrap();
    drop(alice);
    let world = rooms.world(settings().app_id);
    assert!(lock(&world).rooms.is_empty());
}

#[test]
fn the_sink_hears_everything_that_began_here_in_order_and_nothing_else() {
    let heard: Arc<Mutex<Vec<(u64, String)>>> = Arc::default();
    let notes = Arc::clone(&heard);
    let rooms = Rooms::new(Arc::new(move |_, event: &RoomEvent| {
        let what = match &event.what {
            Happening::Opened => "opened".to_owned(),
            Happening::Closed { reason } => format!("closed {}", reason.as_str()),
            Happening::UserEntered { user, again, .. } => format!("+{} {again}", user.user_id),
            Happening::UserLeft { user, reason, .. } => format!("-{} {}", user.user_id, reason.as_str()),
            Happening::StreamStarted { stream, .. } => format!("+{}", stream.stream_id),
            Happening::StreamsStopped { streams, reason, .. } => {
                format!("-{} {}", streams[0].stream_id, reason.as_str())
            }
            Happening::RoomExtra(extra) => format!("{}={}", extra.key, extra.value),
            Happening::UserExtra { user_id, extra } => format!("{user_id}*{extra}"),
            Happening::Message { user_id, text, .. } => format!("{user_id}: {text}"),
            Happening::Signal { from, to, text, .. } => format!("{from}> {to:?} {text}"),
        };
        notes.lock().unwrap().push((event.seq, what));
    }));
    let alice = enter(&rooms, "alice", "r1");
    alice.place.start_stream(stream("s1")).unwrap();
    alice.place.set_room_extra("k".to_owned(), "v".to_owned(), NOW).unwrap();
    alice.place.set_user_extra("x".to_owned()).unwrap();
    alice.place.say("hi", NOW).unwrap();
    apply(&rooms, RemoteChange::UserEntered(user("zoe")));
    alice.place.signal(&["zoe".to_owned()], "offer", NOW).unwrap();
    apply(&rooms, left("zoe"));
    let again = enter(&rooms, "alice", "r1");
    again.place.leave(GoneReason::Stopped, NOW);
    let told = std::mem::take(&mut *heard.lock().unwrap());
    let expected = [
        (0, "opened"),
        (1, "+alice false"),
        (2, "+s1"),
        (3, "k=v"),
        (4, "alice*x"),
        (5, "alice: hi"),
        (0, "alice> [(NodeId(2), \"zoe\")] offer"),
        (8, "-s1 other_login"),
        (9, "-alice other_login"),
        (0, "closed other_login"),
        (0, "opened"),
        (1, "+alice true"),
        (2, "-alice stopped"),
        (0, "closed stopped"),
    ];
    assert_eq!(told, expected.map(|(seq, what)| (seq, what.to_owned())));
}
