//! The trail over real stores: what is recorded when, what a tamperer leaves behind, what a store that hangs costs.

use std::{path::PathBuf, time::Instant};

use token_gen::{AppId, UnixSeconds};

use super::*;
use crate::{
    clock::ManualClock,
    limits::Source,
    store::{
        AuditFilter, AuditRecord, AuditWalk, Location, PostgresStore, PostgresUrl, SqliteStore, StoreError,
        postgres_server::Server,
    },
};

const NOW: i64 = 1_800_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UnixSeconds::new(NOW)))
}

fn mint(user_id: &str) -> Event {
    Event { user_id: Some(user_id.to_owned()), ..Event::of(Action::Mint, AppId::new(7).unwrap()) }
}

async fn records(store: &dyn Store) -> Vec<AuditRecord> {
    let found = store.audit_records(AuditFilter::default(), AuditWalk::Forth(0), 10_000).await.unwrap();
    found.into_iter().map(|(_, record)| record).collect()
}

async fn in_memory() -> Arc<dyn Store> {
    let store = SqliteStore::open(&Location::Memory).unwrap();
    store.migrate().await.unwrap();
    Arc::new(store)
}

async fn eventually(state: impl Fn() -> bool) {
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < Duration::from_secs(20), "the state never came");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_is_in_the_trail_before_it_is_made_and_void_if_it_fails() {
    let store = in_memory().await;
    let recorder = Recorder::new(Audit::start(Arc::clone(&store), clock())).by(Origin::cli());
    let change = recorder.change(Event::new(Action::CreateApp), async {
        let before = records(&*store).await;
        assert_eq!((before.len(), &*before[0].action, &*before[0].result), (1, "create_app", "done"));
        Ok::<_, Error>(())
    });
    change.await.unwrap();
    let failing = recorder.change(Event::new(Action::CreateKey), async { Err::<(), _>(StoreError::Conflict) });
    assert!(matches!(failing.await, Err(Error::Store(StoreError::Conflict))));
    assert!(!recorder.remove(Event::new(Action::RevokeKey), async { Ok::<_, Error>(false) }).await.unwrap());
    let told: Vec<_> = records(&*store)
        .await
        .into_iter()
        .map(|record| (record.action.into_owned(), record.result.into_owned(), record.reason.map(String::from)))
        .collect();
    let row = |action: &str, result: &str, reason: Option<&str>| {
        (action.to_owned(), result.to_owned(), reason.map(str::to_owned))
    };
    assert_eq!(
        told,
        [
            row("create_app", "done", None),
            row("create_key", "done", None),
            row("create_key", "failed", Some("conflict")),
            row("revoke_key", "done", None),
            row("revoke_key", "failed", Some("not_found")),
        ]
    );
    assert!(records(&*store).await.iter().all(|record| record.actor.starts_with("cli:")));
}

#[tokio::test]
async fn what_waits_is_written_when_the_trail_is_closed() {
    let store = in_memory().await;
    let audit = Audit::start(Arc::clone(&store), clock());
    for number in 0..2_500 {
        audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint(&number.to_string())).unwrap();
    }
    drop(audit);
    let start = Instant::now();
    while records(&*store).await.len() < 2_500 {
        assert!(start.elapsed() < Duration::from_secs(20), "records are missing");
    }
    let users: Vec<String> = records(&*store).await.into_iter().filter_map(|record| record.user_id).collect();
    assert_eq!(users, (0..2_500).map(|number| number.to_string()).collect::<Vec<_>>(), "in their order");
}

// proves T64 (audit)
#[tokio::test]
async fn a_flood_of_strangers_leaves_a_number_not_a_flood() {
    let (store, clock) = (in_memory().await, clock());
    let audit = Audit::start(Arc::clone(&store), clock.clone());
    let from =
        |number: u32| Origin { source: Some(Source::of(std::net::Ipv4Addr::from(number).into())), ..Origin::SERVER };
    let flood = |sources: std::ops::Range<u32>| {
        (0..5_000).zip(sources.cycle()).for_each(|(_, source)| {
            audit.note_stranger(from(source << 8), Event::new(Action::Call).refused("no"));
        });
    };
    flood(0..5_000);
    audit.flush().await.unwrap();
    let kept = records(&*store).await;
    assert_eq!((kept.len(), kept[1_000].details.as_deref()), (1_001, Some("4000 records")));
    clock.advance(Duration::from_secs(3));
    flood(0..5_000);
    // Nor does it hide who tries to sign in.
    audit.note_stranger(from(1), Event::new(Action::SignIn).refused("password"));
    audit.flush().await.unwrap();
    let kept = records(&*store).await;
    assert_eq!((kept.len(), kept[1_032].details.as_deref()), (1_001 + 32, Some("4970 records")));
    assert_eq!(kept[1_031].action, "sign_in");
}

// proves T64 (audit)
#[tokio::test]
async fn one_who_floods_hides_nobody_else() {
    let (store, clock) = (in_memory().await, clock());
    let audit = Audit::start(Arc::clone(&store), clock.clone());
    let from = |last| Origin { source: Some(Source::of([203, 0, 113, last].into())), ..Origin::SERVER };
    (0..5_000).for_each(|_| audit.note_stranger(from(1), Event::new(Action::Call).refused("flood")));
    audit.note_stranger(from(2), Event::new(Action::Call).refused("other"));
    let app_id = AppId::new(7).ok();
    audit.note_stranger(from(1), Event { app_id, ..Event::new(Action::Call) }.refused("elsewhere"));
    audit.flush().await.unwrap();
    let kept = records(&*store).await;
    let count = |reason: &str| kept.iter().filter(|record| record.reason.as_deref() == Some(reason)).count();
    assert_eq!((count("flood"), count("other"), count("elsewhere")), (60, 1, 1));
}

/// A trail of two writers, so many records each, on a store of its own; and the statements of somebody with the database
/// in hand.
async fn tampered(store: Arc<dyn Store>, count: i64, sql: &dyn Fn(&str), statements: &str) -> Vec<String> {
    store.migrate().await.unwrap();
    for _ in 0..2 {
        let audit = Audit::start(Arc::clone(&store), clock());
        for number in 1..=count {
            audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint(&format!("user{number}"))).unwrap();
        }
        audit.flush().await.unwrap();
    }
    let sound = walk(&*store).await.unwrap();
    assert_eq!((sound.records, sound.ends.len(), sound.faults.len()), (2 * count.unsigned_abs(), 2, 0));
    assert_eq!(sound.ends[1].record, format!("2-{count}"));
    sql(statements);
    walk(&*store).await.unwrap().faults
}

/// What is done, and what must be found.
const TAMPERING: &[(&str, &str)] = &[
    ("UPDATE audit SET user_id = 'mallory' WHERE chain = 1 AND seq = 3", "1-3 does not fit its hash"),
    ("UPDATE audit SET room_id = '' WHERE chain = 1 AND seq = 3", "1-3 does not fit its hash"),
    ("UPDATE audit SET at = at - 1 WHERE chain = 2 AND seq = 5", "2-5 does not fit its hash"),
    ("DELETE FROM audit WHERE chain = 1 AND seq = 3", "audit record 1-3 is missing"),
    ("DELETE FROM audit WHERE chain = 1 AND seq <= 2", "audit records 1-1 to 1-2 are missing"),
    ("DELETE FROM audit WHERE chain = 2 AND seq >= 4", "audit records 2-4 to 2-5 are missing"),
    (
        "UPDATE audit SET seq = 99 WHERE chain = 1 AND seq = 3; UPDATE audit SET seq = 3 WHERE chain = 1 AND seq = 4;
         UPDATE audit SET seq = 4 WHERE chain = 1 AND seq = 99",
        "1-3 does not fit its hash: it was changed or moved; audit record 1-4 does not fit",
    ),
    (
        "DELETE FROM audit WHERE chain = 1 AND seq = 5;
         UPDATE audit_chains SET last_seq = 4, last_hash = (SELECT hash FROM audit WHERE chain = 1 AND seq = 4)
             WHERE chain = 1",
        "audit record 1-5 is not the one that chain 2 was begun after",
    ),
    ("UPDATE audit_chains SET opened_at = 0 WHERE chain = 2", "the start of audit chain 2 was changed"),
    ("UPDATE audit_chains SET chain = 3 WHERE chain = 2", "audit chains 2 to 2 are missing"),
    ("DELETE FROM audit_chains WHERE chain = 2", "5 audit records are in chains that do not exist"),
];

/// The same where a writer's twenty records are packed.
const TAMPERING_WITH_PACKS: &[(&str, &str)] = &[
    (
        "UPDATE audit_pack_bodies SET body = unhex(replace(hex(body), hex('user13'), hex('user31'))) WHERE last_id = 20",
        "1-13 does not fit its hash",
    ),
    ("UPDATE audit_pack_bodies SET body = substr(body, 1, 100) WHERE last_id = 20", "1-1 to 1-20 are missing"),
    ("UPDATE audit_pack_bodies SET body = X'' WHERE last_id = 40", "2-1 to 2-20 are missing"),
    ("DELETE FROM audit_pack_bodies WHERE last_id = 20", "1-1 to 1-20 are missing"),
    ("DELETE FROM audit_packs WHERE chain = 2", "2-1 to 2-20 are missing"),
    (
        "UPDATE audit_pack_bodies SET body = (SELECT body FROM audit_pack_bodies WHERE last_id = 40) WHERE last_id = 20",
        "1-1 does not fit its hash",
    ),
    ("UPDATE audit_packs SET last_seq = 21 WHERE chain = 1", "1-1 is missing"),
    ("UPDATE audit_packs SET count = 19 WHERE chain = 1", "1-1 to 1-20 are missing"),
    // What would only hide records from a search.
    ("UPDATE audit_packs SET names = zeroblob(length(names)) WHERE chain = 1", "audit record 1-20 is missing"),
    ("UPDATE audit_packs SET last_at = last_at - 1 WHERE chain = 1", "audit record 1-20 is missing"),
    ("UPDATE audit_packs SET last_hash = zeroblob(32) WHERE chain = 1", "audit record 1-20 is missing"),
    (
        "PRAGMA foreign_keys = OFF; UPDATE audit_packs SET last_id = -last_id WHERE chain = 1;
         UPDATE audit_pack_bodies SET last_id = -last_id WHERE last_id = 20",
        "audit record 1-20 is missing",
    ),
    (
        "INSERT INTO audit (chain, seq, at, action, result, actor, hash) VALUES (1, 7, 1, 'mint', 'done', 'x', zeroblob(32))",
        "audit record 1-7 is missing",
    ),
    ("UPDATE audit_packs SET last_seq = 9223372036854775807 WHERE chain = 1", "1-1 to 1-20 are missing"),
    ("UPDATE audit_packs SET chain = 3 WHERE chain = 2", "20 audit records are in chains that do not exist"),
];

// proves T63
#[tokio::test]
async fn an_edited_trail_is_found_and_the_record_named() {
    let directory = tempfile::tempdir().unwrap();
    let rows = TAMPERING.iter().map(|case| (5, case));
    for (number, (count, (statements, expected))) in
        rows.chain(TAMPERING_WITH_PACKS.iter().map(|case| (20, case))).enumerate()
    {
        let path = directory.path().join(format!("{number}.db"));
        let store = Arc::new(SqliteStore::open(&Location::File(path.clone())).unwrap());
        let sql = |statements: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(statements).unwrap();
        let found = tampered(store, count, &sql, statements).await.join("; ");
        assert!(found.contains(expected), "{statements}: {found}");
    }
}

// proves T63
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_trail_is_found_on_postgres_too() {
    let server = Server::shared();
    for (statements, expected) in TAMPERING {
        let url = server.database();
        let store = Arc::new(PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap());
        let database = url.rsplit('/').next().unwrap();
        let sql = |statements: &str| drop(server.sql(database, statements));
        let found = tampered(store, 5, &sql, statements).await.join("; ");
        assert!(found.contains(expected), "{statements}: {found}");
    }
}

// proves T63, S1
#[tokio::test]
async fn while_the_store_is_held_nothing_is_minted_and_then_everything_is_there_once() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("roompass.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&Location::File(path.clone())).unwrap());
    store.migrate().await.unwrap();
    let audit = Audit::start(Arc::clone(&store), clock());
    let recorder = Recorder::new(Arc::clone(&audit));
    audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint("before")).unwrap();
    audit.flush().await.unwrap();

    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint("at risk")).unwrap();
    let held = Instant::now();
    eventually(|| audit.ready().is_err()).await;
    assert!(held.elapsed() < Duration::from_secs(3), "a crash must not lose more: {:?}", held.elapsed());
    assert!(matches!(
        audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint("refused")),
        Err(Error::AuditUnavailable { .. })
    ));
    let change =
        recorder.change(Event::new(Action::RotateSecret), async { Err::<(), _>(Error::Internal("it was made")) });
    assert!(matches!(change.await, Err(Error::AuditUnavailable { .. })));
    audit.note_anyway(Origin::SERVER, mint("came in"));
    other.execute_batch("COMMIT").unwrap();

    let back = Instant::now();
    eventually(|| audit.ready().is_ok()).await;
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    audit.flush().await.unwrap();
    let told: Vec<String> = records(&*store)
        .await
        .into_iter()
        .map(|record| record.user_id.unwrap_or(format!("{} {}", record.action, record.result)))
        .collect();
    assert_eq!(told, ["before", "at risk", "rotate_secret failed", "came in"]);
    assert_eq!(walk(&*store).await.unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_chain_that_was_forgotten_goes_on_as_a_new_one() {
    let store = in_memory().await;
    let (first, second) = (Audit::start(Arc::clone(&store), clock()), Audit::start(Arc::clone(&store), clock()));
    for audit in [&first, &second] {
        audit.note(UnixSeconds::new(NOW), Origin::SERVER, mint("old")).unwrap();
        audit.flush().await.unwrap();
    }
    let all = crate::store::AuditRetention { before: UnixSeconds::new(NOW + 1), keep: 0 };
    store.forget_audit(all, 10).await.unwrap();
    first.note(UnixSeconds::new(NOW), Origin::SERVER, mint("new")).unwrap();
    first.flush().await.unwrap();
    let left = records(&*store).await;
    assert_eq!((left.len(), left[0].chain, left[0].seq), (1, 3, 1));
    assert_eq!(walk(&*store).await.unwrap().faults, Vec::<String>::new());
}
