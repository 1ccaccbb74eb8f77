use proptest::prelude::*;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;

const T: i64 = 1_800_000_000;

fn app_id(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn revocation(target: Target, issued_before: i64) -> Revocation {
    Revocation {
        app_id: app_id(7),
        target,
        issued_before: issued_before.into(),
        expire_at: (T + 1000).into(),
        created_at: T.into(),
        created_by: "key".to_owned(),
        reason: None,
    }
}

fn subject<'a>(token: &str, user_id: &'a str, room_id: Option<&'a str>, issued_at: i64) -> Subject<'a> {
    Subject { token_id: TokenId::of(token), user_id, room_id, issued_at: issued_at.into() }
}

fn every_target() -> [Target; 5] {
    [
        Target::Token(TokenId::of("04t")),
        Target::User("u".to_owned()),
        Target::Room("r".to_owned()),
        Target::UserInRoom { user_id: "u".to_owned(), room_id: "r".to_owned() },
        Target::App,
    ]
}

// proves A12
#[test]
fn each_target_ends_at_its_own_second_of_issue_whatever_the_time_is() {
    for target in every_target() {
        let revocations = Revocations::default();
        revocations.put(revocation(target.clone(), T));
        for (issued_at, is_hit) in [(i64::MIN, true), (T - 1, true), (T, true), (T + 1, false), (i64::MAX, false)] {
            let found = revocations.find(app_id(7), &subject("04t", "u", Some("r"), issued_at));
            assert_eq!(found, is_hit.then(|| target.entry_id()), "{target:?} {issued_at}");
        }
    }
}

// proves T12
#[test]
fn each_target_hits_its_own_tokens_and_no_others() {
    let [token, user, room, user_in_room, app] = every_target();
    for (target, expected) in [
        (token, [true, true, true, true, false]),
        (user, [true, true, true, false, true]),
        (room, [true, false, false, true, true]),
        (user_in_room, [true, false, false, false, true]),
        (app, [true; 5]),
    ] {
        let revocations = Revocations::default();
        revocations.put(revocation(target.clone(), T));
        let subjects = [
            subject("04t", "u", Some("r"), T),
            subject("04t", "u", None, T),
            subject("04t", "u", Some("R"), T),
            subject("04t", "U", Some("r"), T),
            subject("04T", "u", Some("r"), T),
        ];
        assert_eq!(subjects.map(|subject| revocations.find(app_id(7), &subject).is_some()), expected, "{target:?}");
        assert!(subjects.iter().all(|subject| revocations.find(app_id(8), subject).is_none()), "another app");
    }
}

#[test]
fn doing_it_twice_is_doing_it_once_and_never_weakens() {
    let revocations = Revocations::default();
    let target = Target::User("u".to_owned());
    for issued_before in [T, T - 50, T] {
        revocations.put(revocation(target.clone(), issued_before));
        assert_eq!(revocations.len(), 1);
        assert!(revocations.find(app_id(7), &subject("04t", "u", None, T)).is_some());
    }
    revocations.put(Revocation { expire_at: (T + 10).into(), ..revocation(target, T) });
    assert!(!revocations.sweep((T + 999).into(), 10));
    assert_eq!(revocations.len(), 1);
}

// proves S9
#[test]
fn what_has_ended_is_forgotten_in_batches_and_not_before() {
    let revocations = Revocations::default();
    revocations.load((0..10).map(|number| revocation(Target::User(number.to_string()), T)));
    assert!(!revocations.sweep((T + 999).into(), 100));
    assert_eq!(revocations.len(), 10);
    assert!(revocations.sweep((T + 1000).into(), 4));
    assert_eq!(revocations.len(), 6);
    assert!(!revocations.sweep((T + 1000).into(), 100));
    assert!(revocations.is_empty());
}

#[test]
fn an_entry_outlives_every_token_it_hits() {
    for (issued_before, now) in [(T, T), (T - 1_000_000, T), (T + 30, T)] {
        let latest_end = UnixSeconds::new(issued_before).saturating_add(MAX_LIFETIME);
        assert!(forget_at(issued_before.into(), now.into()) > latest_end);
    }
    // A revocation without a last second of issue ends all the same.
    assert_eq!(forget_at(i64::MAX.into(), T.into()).get(), T + 24 * 86_400 + 60);
}

// proves T64
#[test]
fn past_the_limit_the_new_one_is_refused_and_the_old_ones_stay() {
    let revocations = Revocations::new(Limits { per_app: 3, total: 4 });
    let user = |number: u32| Target::User(number.to_string());
    for number in 0..3 {
        assert_eq!(revocations.has_room(app_id(7), &user(number)), Ok(()));
        revocations.put(revocation(user(number), T));
    }
    assert_eq!(revocations.has_room(app_id(7), &user(3)), Err(Full));
    assert_eq!(revocations.has_room(app_id(7), &user(0)), Ok(()), "known already");
    assert_eq!(revocations.has_room(app_id(8), &user(3)), Ok(()), "another app's share");
    revocations.put(Revocation { app_id: app_id(8), ..revocation(user(3), T) });
    assert_eq!(revocations.has_room(app_id(9), &user(3)), Err(Full));
    assert!((0..3).all(|n| revocations.find(app_id(7), &subject("04t", &n.to_string(), None, T)).is_some()));
}

#[test]
fn listeners_hear_what_is_new_and_nothing_of_what_was_loaded() {
    let revocations = Revocations::default();
    let mut news = revocations.subscribe();
    revocations.load([revocation(Target::App, T)]);
    assert_eq!(news.try_recv(), Err(TryRecvError::Empty));
    revocations.put(revocation(Target::App, T));
    assert_eq!(news.try_recv(), Ok(revocation(Target::App, T)));
}

// proves F1 (a view that hears nothing)
#[test]
fn a_view_that_hears_nothing_for_a_minute_is_stale() {
    let revocations = Revocations::default();
    assert!(!revocations.is_stale(i64::MAX.into()), "nobody else writes");
    revocations.complete(T.into());
    assert!(!revocations.is_stale((T + 60).into()));
    assert!(revocations.is_stale((T + 61).into()));
    revocations.complete((T + 61).into());
    assert!(!revocations.is_stale((T + 61).into()));
}

fn any_target() -> impl Strategy<Value = Target> {
    let user = prop_oneof![Just("a"), Just("b"), Just("c")];
    let room = prop_oneof![Just("a"), Just("x"), Just("")];
    let token = prop_oneof![Just("04a"), Just("04b")];
    prop_oneof![
        token.prop_map(|token| Target::Token(TokenId::of(token))),
        user.clone().prop_map(|user| Target::User(user.to_owned())),
        room.clone().prop_map(|room| Target::Room(room.to_owned())),
        (user, room).prop_map(|(user, room)| Target::UserInRoom { user_id: user.to_owned(), room_id: room.to_owned() }),
        Just(Target::App),
    ]
}

proptest! {
    #[test]
    fn the_view_finds_what_a_list_finds(
        revoked in proptest::collection::vec((1..3_u32, any_target(), 0..6_i64), 0..30),
        token in prop_oneof![Just("04a"), Just("04b"), Just("04c")],
        user in prop_oneof![Just("a"), Just("b"), Just("d")],
        room in prop_oneof![Just(None), Just(Some("a")), Just(Some("x")), Just(Some(""))],
        issued_at in 0..7_i64,
        app in 1..3_u32,
    ) {
        let list: Vec<Revocation> = revoked
            .into_iter()
            .map(|(app, target, issued_before)| Revocation { app_id: app_id(app), ..revocation(target, issued_before) })
            .collect();
        let revocations = Revocations::default();
        list.iter().cloned().for_each(|entry| revocations.put(entry));
        let subject = subject(token, user, room, issued_at);
        let hit = list.iter().any(|entry| entry.app_id == app_id(app) && entry.hits(&subject));
        prop_assert_eq!(revocations.find(app_id(app), &subject).is_some(), hit);
    }
}
