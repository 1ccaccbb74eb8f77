//! What every store promises about the counts of secrets, and about sealed values as a whole.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use token_gen::UnixSeconds;

use super::app;
use crate::{
    sealing::{Place, SealError},
    store::{AppRecord, SecretUseRecord, Store, StoreError},
};

pub(super) async fn counts_add_up_and_stay_out_of_the_feed(store: &impl Store) {
    let app_id = app(1).app_id;
    assert!(matches!(store.reserve_mints(app_id, "a", 7).await, Err(StoreError::Missing)));
    let used = |secret_id: &str, used_count, at| SecretUseRecord {
        app_id,
        secret_id: secret_id.to_owned(),
        used_count,
        last_used_at: Some(UnixSeconds::new(at)),
        mints_reserved: 0,
    };
    store.add_secret_uses(vec![used("a", 1, 1)]).await.unwrap();
    assert_eq!(store.secret_uses().await.unwrap(), [], "of no app");

    store.insert_app(app(1)).await.unwrap();
    let seq = store.latest_change().await.unwrap();
    store.add_secret_uses(vec![used("a", 2, 50), used("b", 1, 60)]).await.unwrap();
    store.add_secret_uses(vec![used("a", 3, 40)]).await.unwrap();
    let reserved = join_all((0..10).map(|_| store.reserve_mints(app_id, "a", 65_536))).await;
    assert_eq!(reserved.into_iter().map(Result::unwrap).max(), Some(655_360));
    let counted = [SecretUseRecord { mints_reserved: 655_360, ..used("a", 5, 50) }, used("b", 1, 60)];
    assert_eq!(store.secret_uses().await.unwrap(), counted);
    assert_eq!(store.secret_uses_of(app_id).await.unwrap(), counted);
    assert_eq!(store.latest_change().await.unwrap(), seq);

    let mut without_b = app(1);
    without_b.secrets.retain(|secret| secret.secret_id != "b");
    store.update_app(without_b).await.unwrap();
    assert_eq!(store.secret_uses().await.unwrap(), counted[..1], "what left the ring is counted no more");
}

pub(super) async fn what_an_app_sign_was_used_for_goes_with_it(store: &impl Store) {
    let mut app = app(1);
    let app_id = app.app_id;
    let used = |ids: &[String]| {
        let used = |secret_id: &String| SecretUseRecord {
            app_id,
            secret_id: secret_id.clone(),
            used_count: 1,
            last_used_at: Some(UnixSeconds::new(50)),
            mints_reserved: 0,
        };
        ids.iter().map(used).collect::<Vec<_>>()
    };
    let counted = async || {
        let counted = store.secret_uses_of(app_id).await.unwrap();
        counted.into_iter().map(|counted| counted.secret_id).collect::<Vec<_>>()
    };
    store.insert_app(app.clone()).await.unwrap();
    let [present, previous] = &app.app_sign_ids()[..] else { panic!("{:?}", app.app_sign_ids()) };
    assert_eq!([&**present, previous], ["app_sign:3", "app_sign:2"]);
    store.add_secret_uses(used(&app.app_sign_ids())).await.unwrap();
    store.update_app(app.clone()).await.unwrap();
    assert_eq!(counted().await, ["app_sign:2", "app_sign:3"], "another change leaves both");

    let change = |app: &mut AppRecord, resets, has_previous: bool| {
        app.version += 1;
        app.app_sign_resets = resets;
        app.previous_app_sign = has_previous.then(|| (vec![8; 93], UnixSeconds::new(99)));
    };
    change(&mut app, 4, true);
    store.update_app(app.clone()).await.unwrap();
    assert_eq!(counted().await, ["app_sign:3"], "what was counted for the present one is of the one before now");
    store.add_secret_uses(used(&app.app_sign_ids())).await.unwrap();
    assert_eq!(store.app(app.app_id).await.unwrap().unwrap().app_sign_resets, 4);

    change(&mut app, 4, false);
    store.update_app(app.clone()).await.unwrap();
    assert_eq!(counted().await, ["app_sign:4"], "the one before was ended");
    change(&mut app, 5, false);
    store.update_app(app.clone()).await.unwrap();
    assert_eq!(counted().await, [""; 0], "a reset without an overlap");
}

pub(super) async fn everything_sealed_is_replaced_at_once_or_not_at_all(store: &impl Store) {
    store.insert_meta("sealed_with", b"m").await.unwrap();
    store.insert_app(app(1)).await.unwrap();
    store.insert_app(app(2)).await.unwrap();
    let before = sealed(store).await;
    let places = |sealed: &[(String, Vec<u8>)]| sealed.iter().map(|(place, _)| place.clone()).collect::<Vec<_>>();
    assert_eq!(places(&before).len(), 11);
    assert!(places(&before).contains(&"server_secrets 2 c".to_owned()));

    let mut left = 8;
    let half_way = store.reseal(Box::new(move |_, _| {
        left -= 1;
        if left == 0 { Err(SealError::DoesNotOpen) } else { Ok(vec![]) }
    }));
    assert!(matches!(half_way.await, Err(StoreError::Unreadable(_))));
    assert_eq!(sealed(store).await, before);

    let seq = store.latest_change().await.unwrap();
    let resealed = store.reseal(Box::new(|place: Place<'_>, sealed| Ok([place.record_id.as_bytes(), sealed].concat())));
    assert_eq!(resealed.await.unwrap(), 11);
    let after = sealed(store).await;
    assert_eq!(places(&after), places(&before));
    assert!(after.iter().zip(&before).all(|(after, before)| after.1.ends_with(&before.1) && after.1 != before.1));
    assert!(matches!(store.update_app(app(1)).await, Err(StoreError::Conflict)), "read before, so out of date");
    let changes = store.changes_since(seq, 100).await.unwrap().unwrap();
    assert!(changes.iter().any(|change| change.kind == crate::store::ChangeKind::MasterKey));
    assert_eq!(store.faults().await.unwrap(), Vec::<String>::new());
}

async fn sealed(store: &impl Store) -> Vec<(String, Vec<u8>)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let visit = move |Place { table, app_id, record_id }: Place<'_>, sealed: &[u8]| {
        into.lock().unwrap().push((format!("{table} {app_id} {record_id}"), sealed.to_vec()));
    };
    store.visit_sealed(Box::new(visit)).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}
