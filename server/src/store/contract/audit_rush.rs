//! What every store promises about the records of much minting, which a store may keep together: that nobody notices.

use token_gen::{AppId, UnixSeconds};

use super::audit::{bare, record, start};
use crate::store::{AuditFilter, AuditRecord, AuditRetention, AuditWalk, Store};

/// What a busy server writes at once: two rushes of mints with a few refusals between, and one mint after them.
fn rush() -> Vec<AuditRecord> {
    let written = |seq: i64| {
        let hash = [u8::try_from(seq % 251).unwrap(); 32];
        let at = UnixSeconds::new(1_000 + seq / 10);
        match seq {
            41..=43 | 344 => AuditRecord { seq, hash, at, ..record(1, 7) },
            _ if seq % 5 == 0 => AuditRecord { seq, hash, at, ..bare(1, 7) },
            _ => AuditRecord { hash, at, ..minted(seq) },
        }
    };
    (1..=345).map(written).collect()
}

/// One that says as much as one can.
fn minted(seq: i64) -> AuditRecord {
    let text = |what: &str| Some(format!("{what}{seq}"));
    AuditRecord {
        seq,
        app_id: AppId::new(u32::try_from(seq % 3 + 7).unwrap()).ok(),
        actor: format!("key:{}", seq % 2),
        source: text("192.0.2."),
        user_id: Some(format!("user{}", seq % 50)),
        room_id: Some(format!("Ünïc\u{1f600}{}", seq % 4)),
        token_id: text("token"),
        target: text("target"),
        rights: Some("login,publish".to_owned()),
        expire_at: Some(UnixSeconds::new(-seq)),
        request_id: text("request"),
        session_id: text("session"),
        details: Some(String::new()),
        ..bare(1, 7)
    }
}

async fn with_rush(store: &impl Store) -> Vec<AuditRecord> {
    let begun = store.begin_audit_chain(5.into(), start).await.unwrap();
    for _ in 0..2 {
        store.append_audit_loosely(begun.clone(), rush().into()).await.unwrap();
    }
    rush()
}

pub(super) async fn a_rush_is_read_like_anything_else(store: &impl Store) {
    let written = with_rush(store).await;
    for limit in [1, 7, 128, 1000] {
        let mut read = vec![];
        while read.len() < written.len() {
            let next = store.audit_chain(1, i64::try_from(read.len()).unwrap(), limit).await.unwrap();
            assert!((1..=limit as usize).contains(&next.len()));
            read.extend(next);
        }
        assert_eq!(read, written, "{limit} at a time");
    }
    assert_eq!(store.stray_audit_records().await.unwrap(), 0);
    // What is written after it stands after it.
    let end = store.audit_chains().await.unwrap().pop().unwrap();
    store.append_audit(end, [AuditRecord { seq: 346, ..bare(1, 7) }].into()).await.unwrap();
    let latest = store.audit_records(AuditFilter::default(), AuditWalk::Back(None), 2).await.unwrap();
    assert_eq!(latest.iter().map(|(_, record)| record.seq).collect::<Vec<_>>(), [346, 345]);
}

pub(super) async fn in_a_rush_everything_is_found_by_what_it_says(store: &impl Store) {
    let written = with_rush(store).await;
    let (text, none) = (|text: &str| Some(text.to_owned()), AuditFilter::default());
    let app = |number| AppId::new(number).ok();
    for filter in [
        none.clone(),
        AuditFilter { app_id: app(7), ..none.clone() },
        AuditFilter { app_id: app(8), user_id: text("user1"), ..none.clone() },
        AuditFilter { app_id: app(10), ..none.clone() },
        AuditFilter { user_id: text("user49"), ..none.clone() },
        AuditFilter { user_id: text("user50"), ..none.clone() },
        AuditFilter { user_id: text("user7"), result: text("refused"), ..none.clone() },
        AuditFilter { room_id: text("Ünïc\u{1f600}2"), action: text("mint"), ..none.clone() },
        AuditFilter { token_id: text("token344"), ..none.clone() },
        AuditFilter { token_id: text("token171"), ..none.clone() },
        AuditFilter { token_id: text("user49"), ..none.clone() },
        AuditFilter { request_id: text("request1"), result: text("done"), ..none.clone() },
        AuditFilter { actor: text("key:1"), since: Some(1_003.into()), until: Some(1_030.into()), ..none.clone() },
        AuditFilter { actor: text("server"), ..none.clone() },
        AuditFilter { since: Some(1_034.into()), ..none.clone() },
        AuditFilter { until: Some(1_001.into()), ..none.clone() },
        AuditFilter { reason: text("revoked"), ..none.clone() },
        AuditFilter { reason: text(""), ..none.clone() },
        AuditFilter { action: text("login"), ..none.clone() },
    ] {
        let mut expected: Vec<AuditRecord> = written.iter().filter(|record| filter.takes(record)).cloned().collect();
        for forth in [true, false] {
            for limit in [1_000, 100, 20] {
                let mut found = vec![];
                let mut walk = if forth { AuditWalk::Forth(0) } else { AuditWalk::Back(None) };
                loop {
                    let page = store.audit_records(filter.clone(), walk, limit).await.unwrap();
                    assert!(page.len() <= limit as usize);
                    let Some((place, _)) = page.last() else { break };
                    walk = if forth { AuditWalk::Forth(*place) } else { AuditWalk::Back(Some(*place)) };
                    found.extend(page.into_iter().map(|(_, record)| record));
                }
                assert_eq!(found, expected, "{filter:?} {walk:?} {limit}");
            }
            expected.reverse();
        }
    }
}

// proves S9 (audit)
pub(super) async fn a_rush_is_forgotten_from_the_old_end(store: &impl Store) {
    let written = with_rush(store).await;
    let left = async || store.audit_chain(1, 0, 1_000).await.unwrap();
    // In steps, until nothing is left to forget: what may go has gone, but for a few that are kept in one piece with
    // others that may not.
    for (before, keep) in [(1_000, 1_000), (1_002, 1_000), (1_020, 1_000), (0, 100)] {
        let what = AuditRetention { before: UnixSeconds::new(before), keep };
        while store.forget_audit(what, 30).await.unwrap() > 0 {}
        let left = left().await;
        assert_eq!(left, written[written.len() - left.len()..], "the latest are left, without a gap");
        let may_go =
            |record: &&AuditRecord| record.at < what.before || record.seq <= 345 - i64::try_from(keep).unwrap();
        let kept_longer = left.iter().filter(may_go).count();
        assert!(kept_longer < 128 && left.iter().any(|record| !may_go(&record)), "{before} {keep}: {kept_longer}");
        let anchor = &store.audit_chains().await.unwrap()[0];
        let forgotten = written.len() - left.len();
        let hash = forgotten.checked_sub(1).map_or([1; 32], |last| written[last].hash);
        assert_eq!((anchor.anchor_seq, anchor.anchor_hash), (i64::try_from(forgotten).unwrap(), hash));
    }
    assert!(left().await.len() < 345);
    let all = AuditRetention { before: UnixSeconds::new(9_000), keep: 1_000 };
    while store.forget_audit(all, 1_000).await.unwrap() > 0 {}
    assert_eq!(left().await, []);
    let end = store.audit_chains().await.unwrap().pop().unwrap();
    let again: Vec<AuditRecord> = (346..=400).map(|seq| AuditRecord { hash: [9; 32], ..minted(seq) }).collect();
    store.append_audit(end, again.clone().into()).await.unwrap();
    assert_eq!(left().await, again);
    let found = store.audit_records(AuditFilter::default(), AuditWalk::Back(None), 1).await.unwrap();
    assert_eq!(found[0].1.seq, 400);
}

pub(super) async fn what_is_written_while_somebody_searches_is_found_without_a_gap(store: &impl Store) {
    const NOISE: i64 = 10_000;
    const STEPS: i64 = 300;
    let mut end = store.begin_audit_chain(5.into(), start).await.unwrap();
    let mut append = async |records: Vec<AuditRecord>| {
        let last = records.last().map(|last| (last.seq, last.hash)).unwrap();
        store.append_audit_loosely(end.clone(), records.into()).await.unwrap();
        (end.last_seq, end.last_hash) = last;
    };
    let hash = |seq: i64| [u8::try_from(seq % 251).unwrap(); 32];
    // So that a search takes its time.
    append((1..=NOISE).map(|seq| AuditRecord { seq, hash: hash(seq), ..record(1, 7) }).collect()).await;
    // Single ones and rushes by turns.
    let batch = |step: i64| {
        let first = NOISE + step / 2 * 17 + step % 2 + 1;
        (first..first + if step % 2 == 0 { 1 } else { 16 }).map(move |seq| {
            let said = if step % 2 == 0 { record(1, 7) } else { minted(seq) };
            AuditRecord { seq, hash: hash(seq), request_id: Some("meanwhile".to_owned()), ..said }
        })
    };
    let last = batch(STEPS - 1).next_back().unwrap().seq;
    let writing = async {
        for step in 0..STEPS {
            append(batch(step).collect()).await;
        }
    };
    let searching = async {
        let filter = AuditFilter { request_id: Some("meanwhile".to_owned()), ..AuditFilter::default() };
        loop {
            let found = store.audit_records(filter.clone(), AuditWalk::Forth(0), 5_000).await.unwrap();
            let seqs: Vec<i64> = found.into_iter().map(|(_, record)| record.seq).collect();
            assert_eq!(seqs, (NOISE + 1..).take(seqs.len()).collect::<Vec<_>>());
            if seqs.last() == Some(&last) {
                break;
            }
        }
    };
    futures_util::future::join(writing, searching).await;
}
