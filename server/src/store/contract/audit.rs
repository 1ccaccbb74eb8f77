//! What every store promises about the audit trail.

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

use crate::store::{
    AuditChain, AuditFilter, AuditRecord, AuditRetention, AuditWalk, RefusalCount, RefusalCounts, RefusalSpans, Store,
    StoreError,
};

pub(super) fn start(chain: &AuditChain) -> [u8; 32] {
    [u8::try_from(chain.chain).unwrap(); 32]
}

pub(super) async fn a_chain_begins_where_the_one_before_was(store: &impl Store) {
    let first = store.begin_audit_chain(5.into(), start).await.unwrap();
    assert_eq!((first.chain, first.previous_seq, first.last_seq), (1, 0, 0));
    assert_eq!((first.anchor_hash, first.last_hash), ([1; 32], [1; 32]));
    store.append_audit(first, [record(1, 1), record(1, 2)].into()).await.unwrap();
    let second = store.begin_audit_chain(6.into(), start).await.unwrap();
    assert_eq!((second.chain, second.previous_seq, second.previous_hash), (2, 2, [2; 32]));
    let more = join_all((0..10).map(|_| store.begin_audit_chain(7.into(), start))).await;
    let mut numbers: Vec<i64> = more.into_iter().map(|begun| begun.unwrap().chain).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (3..13).collect::<Vec<_>>(), "of many at once, each has its own number");
    let chains = store.audit_chains().await.unwrap();
    assert_eq!(chains.iter().map(|chain| chain.chain).collect::<Vec<_>>(), (1..13).collect::<Vec<_>>());
    assert_eq!((chains[0].last_seq, chains[0].last_hash, &chains[1]), (2, [2; 32], &second));
}

pub(super) async fn records_are_appended_once_and_in_one_place_only(store: &impl Store) {
    let begun = store.begin_audit_chain(5.into(), start).await.unwrap();
    let records = vec![record(1, 1), bare(1, 2)];
    for _ in 0..2 {
        // Whoever has heard no answer does it again.
        store.append_audit(begun.clone(), records.clone().into()).await.unwrap();
    }
    assert_eq!(store.audit_chain(1, 0, 10).await.unwrap(), records);
    let elsewhere = store.append_audit(begun, [record(1, 1)].into()).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict)));
    let end = store.audit_chains().await.unwrap().pop().unwrap();
    assert_eq!((end.last_seq, end.last_hash), (2, [2; 32]));
    store.append_audit(end.clone(), [record(1, 3)].into()).await.unwrap();
    assert_eq!(store.audit_chain(1, 1, 1).await.unwrap(), [bare(1, 2)]);
    assert_eq!(store.audit_chain(1, 2, 9).await.unwrap(), [record(1, 3)]);
    let nowhere = store.append_audit(AuditChain { chain: 9, ..end }, [record(9, 1)].into()).await;
    assert!(matches!(nowhere, Err(StoreError::Missing)));
    assert_eq!(store.stray_audit_records().await.unwrap(), 0);

    let end = store.audit_chains().await.unwrap().into_iter().find(|chain| chain.chain == 1).unwrap();
    let many = (4..=40).map(|seq| if seq % 3 == 0 { bare(1, seq) } else { record(1, seq) });
    let many: Vec<AuditRecord> = many.collect();
    store.append_audit(end, many.clone().into()).await.unwrap();
    assert_eq!(store.audit_chain(1, 3, 99).await.unwrap(), many, "each column of each stays its own");

    let end = async || store.audit_chains().await.unwrap().into_iter().find(|chain| chain.chain == 1).unwrap();
    let before = end().await;
    for _ in 0..2 {
        store.append_audit_loosely(before.clone(), [record(1, 41), record(1, 42)].into()).await.unwrap();
    }
    let elsewhere = store.append_audit_loosely(before, [record(1, 41)].into()).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict)));
    store.append_audit(end().await, [record(1, 43)].into()).await.unwrap();
    let seqs = store.audit_chain(1, 40, 9).await.unwrap().into_iter().map(|record| record.seq);
    assert_eq!(seqs.collect::<Vec<_>>(), [41, 42, 43], "what is appended loosely is there for the next at once");
}

pub(super) async fn records_are_found_by_what_they_say(store: &impl Store) {
    let begun = store.begin_audit_chain(5.into(), start).await.unwrap();
    let records: Vec<AuditRecord> = (1..=6).map(|seq| record(1, seq)).collect();
    store.append_audit(begun, records.clone().into()).await.unwrap();
    let end = store.audit_chains().await.unwrap().pop().unwrap();
    store.append_audit(end, [bare(1, 7)].into()).await.unwrap();
    let find = async |filter: AuditFilter, walk| {
        let found = store.audit_records(filter, walk, 3).await.unwrap();
        found.into_iter().map(|(place, record)| (place, record.seq)).collect::<Vec<_>>()
    };
    let seqs = |found: &[(i64, i64)]| found.iter().map(|(_, seq)| *seq).collect::<Vec<_>>();

    let latest = find(AuditFilter::default(), AuditWalk::Back(None)).await;
    assert_eq!(seqs(&latest), [7, 6, 5]);
    let before = find(AuditFilter::default(), AuditWalk::Back(Some(latest[2].0))).await;
    assert_eq!(seqs(&before), [4, 3, 2]);
    let oldest = find(AuditFilter::default(), AuditWalk::Forth(0)).await;
    assert_eq!(seqs(&oldest), [1, 2, 3]);
    assert_eq!(seqs(&find(AuditFilter::default(), AuditWalk::Forth(oldest[2].0)).await), [4, 5, 6]);

    let text = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default();
    for (filter, expected) in [
        (AuditFilter { app_id: AppId::new(7).ok(), ..none.clone() }, vec![6, 5, 4]),
        (AuditFilter { app_id: AppId::new(8).ok(), ..none.clone() }, vec![]),
        (AuditFilter { since: Some(103.into()), until: Some(105.into()), ..none.clone() }, vec![4, 3]),
        (AuditFilter { user_id: text("user3"), ..none.clone() }, vec![3]),
        (AuditFilter { room_id: text("room4"), app_id: AppId::new(7).ok(), ..none.clone() }, vec![4]),
        (AuditFilter { token_id: text("token5"), ..none.clone() }, vec![5]),
        (AuditFilter { request_id: text("request6"), ..none.clone() }, vec![6]),
        (AuditFilter { actor: text("server"), ..none.clone() }, vec![7]),
        (
            AuditFilter { action: text("login"), result: text("refused"), reason: text("revoked"), ..none.clone() },
            vec![6, 5, 4],
        ),
        (AuditFilter { action: text("mint"), ..none.clone() }, vec![7]),
        (AuditFilter { reason: text("' OR 1=1 --"), ..none.clone() }, vec![]),
    ] {
        assert_eq!(seqs(&find(filter.clone(), AuditWalk::Back(None)).await), expected, "{filter:?}");
    }
}

pub(super) async fn refusals_are_counted_by_time_and_reason(store: &impl Store) {
    let begun = store.begin_audit_chain(5.into(), start).await.unwrap();
    let refused = |seq: i64, app_id: u32, action: &'static str, reason: Option<&'static str>| AuditRecord {
        app_id: AppId::new(app_id).ok(),
        action: action.into(),
        reason: reason.map(Into::into),
        ..record(1, seq)
    };
    // From second 101 on, one in each.
    let records = vec![
        refused(1, 7, "login", Some("revoked")),
        refused(2, 7, "login", Some("expired")),
        refused(3, 8, "login", Some("revoked")),
        refused(4, 7, "login", Some("revoked")),
        refused(5, 0, "call", None),
        refused(6, 7, "renew", Some("revoked")),
        bare(1, 7),
        AuditRecord { action: "leave_out".into(), ..bare(1, 8) },
        refused(9, 7, "login", Some("revoked")),
    ];
    store.append_audit(begun, records.into()).await.unwrap();
    let count = async |app_id: u32, since: i64, until: i64, action: Option<&str>| {
        let (since, until, action) = (UnixSeconds::new(since), UnixSeconds::new(until), action.map(str::to_owned));
        let which = RefusalSpans { app_id: AppId::new(app_id).ok(), since, until, span_secs: 2, action };
        let RefusalCounts { counts, some_left_out } = store.count_refusals(which).await.unwrap();
        let row = |RefusalCount { span, action, reason, count }| (span, action, reason, count);
        (counts.into_iter().map(row).collect::<Vec<_>>(), some_left_out)
    };
    let row = |span, action: &str, reason: &str, count| (span, action.to_owned(), reason.to_owned(), count);
    let all = vec![
        row(0, "login", "expired", 1),
        row(0, "login", "revoked", 1),
        row(1, "login", "revoked", 2),
        row(2, "call", "", 1),
        row(2, "renew", "revoked", 1),
        row(4, "login", "revoked", 1),
    ];
    assert_eq!(count(0, 101, 110, None).await, (all, true));
    let of_app = vec![row(0, "login", "expired", 1), row(0, "login", "revoked", 1), row(1, "login", "revoked", 1)];
    assert_eq!(count(7, 101, 105, Some("login")).await, (of_app, false), "what was left out was later");
    assert_eq!(count(8, 103, 104, None).await, (vec![row(0, "login", "revoked", 1)], false));
    assert_eq!(count(8, 104, 200, None).await, (vec![], true));
}

// proves S9 (audit)
pub(super) async fn old_records_are_forgotten_from_the_old_end(store: &impl Store) {
    let first = store.begin_audit_chain(1.into(), start).await.unwrap();
    store.append_audit(first, (1..=4).map(|seq| record(1, seq)).collect()).await.unwrap();
    let second = store.begin_audit_chain(2.into(), start).await.unwrap();
    store.append_audit(second, (1..=4).map(|seq| record(2, seq)).collect()).await.unwrap();
    let retention = |before: i64, keep| AuditRetention { before: UnixSeconds::new(before), keep };
    let left = async |chain| {
        let left = store.audit_chain(chain, 0, 10).await.unwrap();
        left.into_iter().map(|record| record.seq).collect::<Vec<_>>()
    };

    assert_eq!(store.forget_audit(retention(100, 8), 10).await.unwrap(), 0);
    assert_eq!(store.forget_audit(retention(103, 8), 1).await.unwrap(), 1, "a batch at a time");
    assert_eq!(store.forget_audit(retention(103, 8), 10).await.unwrap(), 1);
    assert_eq!(left(1).await, [3, 4]);
    let anchor = &store.audit_chains().await.unwrap()[0];
    assert_eq!((anchor.anchor_seq, anchor.anchor_hash, anchor.last_seq), (2, [2; 32], 4));
    // Those of the second chain are as old, but what is not the oldest stays until it is.
    assert_eq!(left(2).await, [1, 2, 3, 4]);

    assert_eq!(store.forget_audit(retention(0, 5), 10).await.unwrap(), 1, "beyond what is kept");
    assert_eq!(left(1).await, [4]);
    assert_eq!(store.forget_audit(retention(1000, 8), 10).await.unwrap(), 5);
    assert_eq!(store.forget_audit(retention(1000, 8), 10).await.unwrap(), 0);
    let chains = store.audit_chains().await.unwrap();
    assert_eq!(chains.len(), 1, "the latest stays, so that numbers go on");
    assert_eq!((chains[0].chain, chains[0].anchor_seq, chains[0].anchor_hash), (2, 4, [4; 32]));
    store.append_audit(chains[0].clone(), [record(2, 5)].into()).await.unwrap();
    assert_eq!(store.begin_audit_chain(9.into(), start).await.unwrap().chain, 3);
}

pub(super) fn record(chain: i64, seq: i64) -> AuditRecord {
    let text = |what: &str| Some(format!("{what}{seq}"));
    AuditRecord {
        action: "login".into(),
        result: "refused".into(),
        reason: Some("revoked".into()),
        app_id: AppId::new(7).ok(),
        actor: "client".to_owned(),
        source: text("source"),
        user_id: text("user"),
        room_id: text("room"),
        token_id: text("token"),
        target: text("target"),
        rights: text("rights"),
        expire_at: Some(UnixSeconds::new(seq)),
        request_id: text("request"),
        session_id: text("session"),
        details: text("details"),
        ..bare(chain, seq)
    }
}

/// One that says as little as one can.
pub(crate) fn bare(chain: i64, seq: i64) -> AuditRecord {
    AuditRecord {
        chain,
        seq,
        at: UnixSeconds::new(100 + seq),
        action: "mint".into(),
        result: "done".into(),
        reason: None,
        app_id: None,
        actor: "server".to_owned(),
        source: None,
        user_id: None,
        room_id: None,
        token_id: None,
        target: None,
        rights: None,
        expire_at: None,
        request_id: None,
        session_id: None,
        details: None,
        hash: [u8::try_from(seq % 251).unwrap(); 32],
    }
}
