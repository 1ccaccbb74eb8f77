//! Rooms as their members hear them.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use serde_json::Value;

use super::*;
use crate::apps::DuplicateLogin;

pub(super) const NOW: UnixSeconds = UnixSeconds::new(1_000);

/// Rooms that nobody but their members hears of.
pub(super) fn rooms() -> Rooms {
    Rooms::new(Arc::new(|_, _| {}))
}

pub(super) fn settings() -> AppSettings {
    app(1)
}

fn app(app_id: u32) -> AppSettings {
    AppSettings::new(AppId::new(app_id).unwrap(), "demo")
}

/// Somebody in a room, or who was.
pub(super) struct Guest {
    pub(super) place: Place,
    pub(super) snapshot: Snapshot,
    pub(super) outbox: Arc<Outbox>,
}

impl Guest {
    /// What has arrived since the last time, shortened: `5 +alice`, `6 -s1@alice`, or how the stay ended.
    pub(super) fn heard(&self) -> Vec<String> {
        std::iter::from_fn(|| self.outbox.take_text()).map(|text| short(&text)).collect()
    }

    pub(super) fn ended(&self) -> Option<Delivery> {
        self.outbox.next().now_or_never()
    }
}

fn short(text: &str) -> String {
    let message: Value = serde_json::from_str(text).unwrap();
    let sign = if message["change"] == "add" { '+' } else { '-' };
    let names = |key: &str, name: &dyn Fn(&Value) -> String| -> Vec<String> {
        message[key].as_array().into_iter().flatten().map(|entry| format!("{sign}{}", name(entry))).collect()
    };
    let text_of = |value: &Value| value.as_str().unwrap().to_owned();
    match message["type"].as_str().unwrap() {
        "room_message" => {
            return format!("{} {}: {}", message["seq"], text_of(&message["user_id"]), text_of(&message["text"]));
        }
        "room_extra" => {
            return format!("{} {}={}", message["seq"], text_of(&message["key"]), text_of(&message["value"]));
        }
        "user_extra" => {
            return format!("{} {}*{}", message["seq"], text_of(&message["user_id"]), text_of(&message["extra"]));
        }
        "signal" => return format!("{}> {}", text_of(&message["user_id"]), text_of(&message["text"])),
        _ => {}
    }
    let mut all = names("users", &|user| text_of(&user["user_id"]));
    all.extend(names("streams", &|stream| {
        format!("{}@{}", text_of(&stream["stream_id"]), text_of(&stream["user_id"]))
    }));
    format!("{} {}", message["seq"], all.join(" "))
}

fn next_session_id() -> SessionId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    SessionId::new(bytes)
}

pub(super) fn enter_as(
    rooms: &Rooms,
    settings: &AppSettings,
    who: &str,
    room: &str,
    auth: AuthKind,
) -> Result<Guest, ErrorCode> {
    let outbox = Arc::new(Outbox::new(OutboxLimits::default()));
    let newcomer = Newcomer {
        session_id: next_session_id(),
        room_id: RoomId::new(room).unwrap(),
        user_id: UserId::new(who).unwrap(),
        room_session_id: 7,
        user_name: UserName::new(format!("Name of {who}")).unwrap(),
        metadata: None,
        auth,
        kept: "".into(),
        outbox: Arc::clone(&outbox),
    };
    rooms.enter(settings, newcomer, Judge::Rooms, NOW).map(|(place, snapshot)| Guest { place, snapshot, outbox })
}

pub(super) fn enter(rooms: &Rooms, who: &str, room: &str) -> Guest {
    enter_as(rooms, &settings(), who, room, AuthKind::Token).unwrap()
}

pub(super) fn stream(stream_id: &str) -> NewStream {
    NewStream { stream_id: StreamId::new(stream_id).unwrap(), media: Vec::new(), extra: None }
}

fn stop(guest: &Guest, stream_id: &str) {
    guest.place.stop_stream(&StreamId::new(stream_id).unwrap(), GoneReason::Stopped);
}

#[test]
fn members_hear_every_change_once_and_numbered_without_gaps() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    assert_eq!(alice.snapshot.seq, 1);
    let bob = enter(&rooms, "bob", "r1");
    let elsewhere = enter(&rooms, "eve", "r2");
    alice.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    alice.place.start_stream(stream("s2"), Judge::Rooms).unwrap();
    let carol = enter(&rooms, "carol", "r1");
    stop(&alice, "s1");
    bob.place.start_stream(stream("s3"), Judge::Rooms).unwrap();
    bob.place.start_stream(stream("s4"), Judge::Rooms).unwrap();
    assert_eq!(
        alice.heard(),
        ["2 +bob", "3 +s1@alice", "4 +s2@alice", "5 +carol", "6 -s1@alice", "7 +s3@bob", "8 +s4@bob"]
    );
    drop(bob.place);
    drop(alice.place);
    assert_eq!(carol.snapshot.seq, 5);
    assert_eq!(
        carol.heard(),
        ["6 -s1@alice", "7 +s3@bob", "8 +s4@bob", "9 -s3@bob -s4@bob", "10 -bob", "11 -s2@alice", "12 -alice"]
    );
    assert_eq!(elsewhere.heard(), [] as [&str; 0]);
}

#[test]
fn a_newcomer_finds_users_in_joining_and_streams_in_starting_order() {
    let rooms = rooms();
    let zoe = enter(&rooms, "zoe", "r1");
    let abe = enter(&rooms, "abe", "r1");
    abe.place.start_stream(stream("s9"), Judge::Rooms).unwrap();
    zoe.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    let mia = enter(&rooms, "mia", "r1");
    let users: Vec<_> = mia.snapshot.users.iter().map(|user| (&*user.user_id, &*user.user_name)).collect();
    assert_eq!(users, [("zoe", "Name of zoe"), ("abe", "Name of abe"), ("mia", "Name of mia")]);
    let streams: Vec<_> = mia.snapshot.streams.iter().map(|stream| (&*stream.stream_id, &*stream.user_id)).collect();
    assert_eq!(streams, [("s9", "abe"), ("s1", "zoe")]);
}

#[test]
fn a_room_lives_from_its_first_to_its_last_user() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    let bob = enter(&rooms, "bob", "r1");
    drop((alice, bob));
    assert_eq!(enter(&rooms, "carol", "r1").snapshot.seq, 1);
    let world = rooms.world(settings().app_id);
    let world = lock(&world);
    assert!(world.rooms.is_empty() && world.stays.is_empty() && world.users.is_empty() && world.streams.is_empty());
}

#[test]
fn a_stream_id_is_taken_in_the_whole_app_and_free_again_when_its_publisher_goes() {
    let rooms = rooms();
    let alice = enter(&rooms, "alice", "r1");
    let bob = enter(&rooms, "bob", "r2");
    alice.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    assert_eq!(bob.place.start_stream(stream("s1"), Judge::Rooms), Err(ErrorCode::StreamIdTaken));
    assert_eq!(alice.place.start_stream(stream("s1"), Judge::Rooms), Err(ErrorCode::StreamIdTaken));
    assert_eq!(bob.place.start_stream(stream("S1"), Judge::Rooms), Ok(()));
    stop(&bob, "s1");
    assert_eq!(bob.place.start_stream(stream("s1"), Judge::Rooms), Err(ErrorCode::StreamIdTaken));
    drop(alice);
    assert_eq!(bob.place.start_stream(stream("s1"), Judge::Rooms), Ok(()));
}

#[test]
fn apps_share_nothing() {
    // proves W10
    let rooms = rooms();
    let [one, two] = [1, 2].map(|app_id| enter_as(&rooms, &app(app_id), "alice", "r1", AuthKind::Token).unwrap());
    assert_eq!((one.snapshot.seq, two.snapshot.seq), (1, 1));
    one.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    two.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    assert_eq!(one.heard(), ["2 +s1@alice"]);
    assert_eq!(one.ended(), None);
}

#[test]
fn the_newest_login_wins_and_the_others_hear_both() {
    let rooms = rooms();
    let first = enter(&rooms, "alice", "r1");
    let bob = enter(&rooms, "bob", "r1");
    first.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
    let second = enter(&rooms, "alice", "r1");
    assert_eq!(first.heard(), ["2 +bob", "3 +s1@alice"]);
    assert_eq!(first.ended(), Some(Delivery::Ended(ErrorCode::KickedByOtherLogin)));
    assert_eq!(first.place.start_stream(stream("s2"), Judge::Rooms), Err(ErrorCode::NotInRoom));
    drop(first);
    assert_eq!(bob.heard(), ["3 +s1@alice", "4 -s1@alice", "5 -alice", "6 +alice"]);
    // In another room too.
    let third = enter(&rooms, "alice", "r2");
    assert_eq!(second.ended(), Some(Delivery::Ended(ErrorCode::KickedByOtherLogin)));
    assert_eq!((bob.heard(), third.ended()), (vec!["7 -alice".to_owned()], None));
}

#[test]
fn an_unproven_user_id_never_displaces_or_blocks_a_proven_one() {
    use AuthKind::{AppSign, Token};
    use DuplicateLogin::{NewestWins, RefuseNewcomer};
    for (duplicate_login, earlier, later, wins) in [
        (NewestWins, Token, Token, true),
        (NewestWins, AppSign, AppSign, true),
        (NewestWins, AppSign, Token, true),
        (NewestWins, Token, AppSign, false),
        (RefuseNewcomer, Token, Token, false),
        (RefuseNewcomer, AppSign, AppSign, false),
        (RefuseNewcomer, AppSign, Token, true),
        (RefuseNewcomer, Token, AppSign, false),
    ] {
        let rooms = rooms();
        let settings = AppSettings { duplicate_login, ..settings() };
        let first = enter_as(&rooms, &settings, "alice", "r1", earlier).unwrap();
        let second = enter_as(&rooms, &settings, "alice", "r2", later);
        let case = format!("{duplicate_login:?} {earlier:?} {later:?}");
        assert_eq!(second.map(|_| ()), if wins { Ok(()) } else { Err(ErrorCode::LoggedInElsewhere) }, "{case}");
        assert_eq!(first.ended(), wins.then_some(Delivery::Ended(ErrorCode::KickedByOtherLogin)), "{case}");
    }
}

#[test]
fn a_full_room_takes_nobody_but_those_who_replace_themselves() {
    let rooms = rooms();
    let settings = AppSettings { max_room_users: 2, ..settings() };
    let enter = |who, room| enter_as(&rooms, &settings, who, room, AuthKind::Token);
    let alice = enter("alice", "r1").unwrap();
    let _bob = enter("bob", "r1").unwrap();
    let carol = enter("carol", "r2").unwrap();
    assert_eq!(enter("carol", "r1").err(), Some(ErrorCode::RoomFull));
    assert_eq!(carol.ended(), None, "a refused login moves nobody");
    let alice_again = enter("alice", "r1").unwrap();
    assert!(alice.ended().is_some());
    drop(alice_again);
    assert!(enter("carol", "r1").is_ok());
}

#[test]
fn one_member_who_does_not_read_slows_nobody() {
    // proves W4
    let rooms = rooms();
    let stuck = enter(&rooms, "stuck", "r1");
    let busy = enter(&rooms, "busy", "r1");
    for _ in 0..200 {
        busy.place.start_stream(stream("s1"), Judge::Rooms).unwrap();
        stop(&busy, "s1");
        assert_eq!(busy.heard().len(), 2);
    }
    assert_eq!(stuck.ended(), Some(Delivery::Overflow));
}

#[test]
fn many_threads_racing_for_one_user_and_one_stream_leave_one_of_each() {
    // the loser of every race has been told
    let rooms = rooms();
    let guests: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .map(|_| {
                            let guest = enter(&rooms, "alice", "r1");
                            let started = guest.place.start_stream(stream("s1"), Judge::Rooms);
                            assert!(matches!(started, Ok(()) | Err(ErrorCode::NotInRoom)));
                            guest
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let alive = guests.iter().filter(|guest| !matches!(last(guest), Some(Delivery::Ended(_)))).count();
    assert_eq!(alive, 1);
    drop(guests);
    assert!(lock(&rooms.world(settings().app_id)).stays.is_empty());
}

fn last(guest: &Guest) -> Option<Delivery> {
    guest.heard();
    guest.ended()
}

// proves T64 (rooms)
#[test]
fn one_app_has_so_many_rooms_and_no_more() {
    let (rooms, settings) = (rooms(), settings());
    let enter = |number: usize, room: &str| enter_as(&rooms, &settings, &format!("u{number}"), room, AuthKind::Token);
    let guests: Vec<Guest> = (0..50_000).map(|number| enter(number, &format!("r{number}")).unwrap()).collect();
    assert_eq!(enter(50_000, "another").err(), Some(ErrorCode::RoomBusy));
    assert!(enter(50_000, "r1").is_ok(), "rooms that are there take more");
    let other = enter_as(&rooms, &app(2), "u", "another", AuthKind::Token);
    assert!(other.is_ok(), "another app has rooms of its own");
    drop(guests);
    assert!(enter(50_001, "another").is_ok());
}
