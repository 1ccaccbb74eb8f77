//! What every store promises of admins, sessions and set-up codes.

use futures_util::future::join_all;
use token_gen::UnixSeconds;

use crate::store::{AdminRecord, SessionRecord, SetupCodeRecord, Store, StoreError};

const NOW: UnixSeconds = UnixSeconds::new(1_000);
const LATER: UnixSeconds = UnixSeconds::new(2_000);

pub(super) async fn a_setup_code_makes_one_admin(store: &impl Store) {
    assert!(matches!(store.insert_admin(admin("a", true), [1; 32], NOW).await, Err(StoreError::Missing)));
    store.insert_setup_code(code(1, None)).await.unwrap();
    assert_eq!(store.setup_code([1; 32]).await.unwrap(), Some(code(1, None)));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let racers = join_all(names.map(|name| store.insert_admin(admin(name, true), [1; 32], NOW))).await;
    assert_eq!(racers.iter().filter(|racer| racer.is_ok()).count(), 1);
    assert_eq!(store.admins().await.unwrap().len(), 1);
    assert_eq!(store.setup_code([1; 32]).await.unwrap(), None);
}

pub(super) async fn a_setup_code_outlives_a_taken_name_but_not_its_end(store: &impl Store) {
    add(store, admin("a", true)).await;
    store.insert_setup_code(code(1, None)).await.unwrap();
    assert!(matches!(store.insert_admin(admin("a", true), [1; 32], NOW).await, Err(StoreError::Conflict)));
    assert!(matches!(store.insert_admin(admin("b", true), [1; 32], LATER).await, Err(StoreError::Missing)));
    store.insert_admin(admin("b", true), [1; 32], NOW).await.unwrap();
    assert_eq!(store.admins().await.unwrap(), [admin("a", true), admin("b", true)]);
    assert_eq!(store.admin_named("b").await.unwrap(), Some(admin("b", true)));
    assert_eq!(store.admin_named("B").await.unwrap(), None);
}

pub(super) async fn a_new_setup_code_replaces_the_one_for_the_same_name(store: &impl Store) {
    for (number, name) in [(1, None), (2, Some("a")), (3, Some("b")), (4, None), (5, Some("a"))] {
        store.insert_setup_code(code(number, name)).await.unwrap();
    }
    let mut left = Vec::new();
    for number in 1..=5 {
        left.extend(store.setup_code([number; 32]).await.unwrap().map(|_| number));
    }
    assert_eq!(left, [3, 4, 5]);
    store.forget_sessions(UnixSeconds::new(2_001), NOW).await.unwrap();
    assert_eq!(store.setup_code([3; 32]).await.unwrap(), None);
}

pub(super) async fn a_change_ends_sessions_and_needs_the_version_it_read(store: &impl Store) {
    add(store, admin("a", true)).await;
    add(store, admin("b", false)).await;
    store.insert_session(session(1, "a", NOW)).await.unwrap();
    store.insert_session(session(2, "b", NOW)).await.unwrap();
    let changed = AdminRecord { password_hash: "new".to_owned(), ..admin("a", true) };
    let racers = join_all((0..10).map(|_| store.update_admin(changed.clone()))).await;
    assert_eq!(racers.iter().filter(|racer| racer.is_ok()).count(), 1);
    assert_eq!(store.admin_named("a").await.unwrap(), Some(AdminRecord { version: 2, ..changed }));
    assert_eq!(store.session([1; 32]).await.unwrap(), None);
    assert_eq!(store.session([2; 32]).await.unwrap(), Some((session(2, "b", NOW), admin("b", false))));
}

pub(super) async fn one_owner_always_stays(store: &impl Store) {
    for name in ["a", "b", "c"] {
        add(store, admin(name, name != "c")).await;
    }
    let demoted = |name: &str| AdminRecord { owner: false, ..admin(name, true) };
    let racers = join_all(["a", "b"].map(|name| store.update_admin(demoted(name)))).await;
    assert_eq!(racers.iter().filter(|racer| racer.is_ok()).count(), 1);
    let owners = store.admins().await.unwrap().into_iter().filter(|admin| admin.owner).collect::<Vec<_>>();
    let [owner] = &owners[..] else { panic!("{owners:?}") };
    assert!(matches!(store.delete_admin(&owner.admin_id).await, Err(StoreError::Conflict)));
    assert!(store.delete_admin("id-c").await.unwrap());
    assert!(!store.delete_admin("id-c").await.unwrap());
    assert_eq!(store.admins().await.unwrap().len(), 2);
}

pub(super) async fn a_step_of_the_second_factor_is_spent_once(store: &impl Store) {
    add(store, admin("a", true)).await;
    let racers = join_all((0..20).map(|_| store.spend_totp_step("id-a", 100))).await;
    assert_eq!(racers.iter().filter(|racer| matches!(racer, Ok(true))).count(), 1);
    assert!(!store.spend_totp_step("id-a", 99).await.unwrap());
    assert!(store.spend_totp_step("id-a", 101).await.unwrap());
    assert!(!store.spend_totp_step("id-b", 101).await.unwrap());
    // A change made from what was read before does not give steps back.
    store.update_admin(admin("a", true)).await.unwrap();
    assert!(!store.spend_totp_step("id-a", 101).await.unwrap());
}

pub(super) async fn sessions_are_listed_touched_and_ended(store: &impl Store) {
    assert!(matches!(store.insert_session(session(1, "a", NOW)).await, Err(StoreError::Missing)));
    add(store, admin("a", true)).await;
    add(store, admin("b", true)).await;
    for number in 1..=3 {
        store.insert_session(session(number, "a", UnixSeconds::new(i64::from(number)))).await.unwrap();
    }
    store.touch_session([1; 32], LATER, LATER).await.unwrap();
    store.touch_session([1; 32], NOW, NOW).await.unwrap();
    let touched = SessionRecord { seen_at: LATER, sudo_until: LATER, ..session(1, "a", UnixSeconds::new(1)) };
    let ids = |sessions: Vec<SessionRecord>| sessions.into_iter().map(|session| session.session_id).collect::<Vec<_>>();
    assert_eq!(store.session([1; 32]).await.unwrap().unwrap().0, touched);
    assert_eq!(ids(store.sessions_of("id-a").await.unwrap()), ["s3", "s2", "s1"]);
    assert!(!store.delete_session("id-b", "s3").await.unwrap(), "a session of somebody else");
    assert!(store.delete_session("id-a", "s3").await.unwrap());
    store.forget_sessions(NOW, UnixSeconds::new(3)).await.unwrap();
    assert_eq!(ids(store.sessions_of("id-a").await.unwrap()), ["s1"]);
    store.forget_sessions(UnixSeconds::new(5_001), UnixSeconds::new(3)).await.unwrap();
    assert_eq!(ids(store.sessions_of("id-a").await.unwrap()), [""; 0]);
    store.insert_session(session(4, "b", NOW)).await.unwrap();
    store.delete_admin("id-b").await.unwrap();
    assert_eq!(store.session([4; 32]).await.unwrap(), None);
}

async fn add(store: &impl Store, admin: AdminRecord) {
    store.insert_setup_code(code(99, None)).await.unwrap();
    store.insert_admin(admin, [99; 32], NOW).await.unwrap();
}

fn admin(name: &str, owner: bool) -> AdminRecord {
    AdminRecord {
        admin_id: format!("id-{name}"),
        version: 1,
        name: name.to_owned(),
        password_hash: "$argon2id$".to_owned(),
        totp_secret: vec![0, 255],
        totp_step: 7,
        roles: "{}".to_owned(),
        owner,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn session(number: u8, name: &str, at: UnixSeconds) -> SessionRecord {
    SessionRecord {
        hash: [number; 32],
        session_id: format!("s{number}"),
        admin_id: format!("id-{name}"),
        source: "192.0.2.1".to_owned(),
        created_at: at,
        seen_at: at,
        expire_at: UnixSeconds::new(5_000),
        sudo_until: at,
    }
}

fn code(number: u8, name: Option<&str>) -> SetupCodeRecord {
    SetupCodeRecord {
        hash: [number; 32],
        name: name.map(str::to_owned),
        roles: "{}".to_owned(),
        expire_at: LATER,
        created_at: NOW,
    }
}
