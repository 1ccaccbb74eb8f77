//! What every store promises about the change feed.

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

use super::{app, key};
use crate::{
    bans::{self, Ban},
    revocations::{self, Revocation},
    store::{AppRecord, Change, ChangeKind, KeyRecord, Store, StoreError},
};

pub(super) async fn every_change_is_in_the_feed_once_and_in_order(store: &impl Store) {
    let mut follower = Follower { store, seq: 0 };
    assert_eq!((store.latest_change().await.unwrap(), follower.read().await), (0, vec![]));

    store.insert_app(app(1)).await.unwrap();
    store.update_app(app(1)).await.unwrap();
    assert_eq!(follower.read().await, ["app 1 ", "app 1 "]);

    store.insert_key(key("k1", 1)).await.unwrap();
    store.insert_key(KeyRecord { app_id: None, ..key("k2", 1) }).await.unwrap();
    store.touch_keys(vec![("k1".to_owned(), UnixSeconds::new(9))]).await.unwrap();
    store.delete_key(AppId::new(1).ok(), "k1").await.unwrap();
    assert!(!store.delete_key(AppId::new(1).ok(), "k1").await.unwrap());
    assert_eq!(follower.read().await, ["key 1 k1", "key 0 k2", "key 1 k1"]);

    let (revocation, ban) = (revocation(), ban());
    let (revoked, banned) = (revocation.target.entry_id(), ban.target.entry_id());
    for _ in 0..2 {
        store.put_revocation(revocation.clone()).await.unwrap();
        store.put_ban(ban.clone()).await.unwrap();
    }
    store.delete_ban(app(1).app_id, banned).await.unwrap();
    let (revoked, banned) = (format!("revocation 1 {revoked}"), format!("ban 1 {banned}"));
    assert_eq!(follower.read().await, [&revoked, &banned, &revoked, &banned, &banned].map(String::as_str));
    assert_eq!(store.latest_change().await.unwrap(), follower.seq);
}

pub(super) async fn a_write_that_fails_leaves_no_change(store: &impl Store) {
    let mut follower = Follower { store, seq: 0 };
    store.insert_app(app(1)).await.unwrap();
    follower.read().await;
    let mut two_active = app(1);
    two_active.secrets.iter_mut().for_each(|secret| secret.valid_until = None);
    assert!(matches!(store.update_app(two_active).await, Err(StoreError::Conflict)));
    assert!(matches!(store.insert_app(app(1)).await, Err(StoreError::Conflict)));
    assert!(matches!(store.insert_key(key("k1", 2)).await, Err(StoreError::Missing)));
    assert_eq!(follower.read().await, Vec::<String>::new());

    let racers = (0..20).map(|_| store.update_app(AppRecord { version: 1, ..app(1) }));
    assert_eq!(join_all(racers).await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(follower.read().await, ["app 1 "]);
}

pub(super) async fn who_is_too_far_behind_is_told_so(store: &impl Store) {
    store.insert_app(app(1)).await.unwrap();
    let first = store.latest_change().await.unwrap();
    for version in 1..=9 {
        store.update_app(AppRecord { version, ..app(1) }).await.unwrap();
    }
    let last = store.latest_change().await.unwrap();
    assert_eq!(store.changes_since(first, 4).await.unwrap().map(|changes| changes.len()), Some(4));
    store.forget_changes(3).await.unwrap();
    assert_eq!(store.changes_since(first, 100).await.unwrap(), None);
    assert_eq!(store.changes_since(0, 100).await.unwrap(), None);
    assert_eq!(store.changes_since(last - 2, 100).await.unwrap().map(|changes| changes.len()), Some(2));
    store.forget_changes(0).await.unwrap();
    assert_eq!(store.latest_change().await.unwrap(), last, "the latest is never forgotten");
    assert_eq!(store.changes_since(last, 100).await.unwrap(), Some(vec![]));
    store.update_app(AppRecord { version: 10, ..app(1) }).await.unwrap();
    let changes = store.changes_since(last, 100).await.unwrap().unwrap();
    assert!(changes.len() == 1 && changes[0].seq > last && changes[0].kind == ChangeKind::App);
}

struct Follower<'a, S> {
    store: &'a S,
    seq: i64,
}

impl<S: Store> Follower<'_, S> {
    async fn read(&mut self) -> Vec<String> {
        let changes = self.store.changes_since(self.seq, 100).await.unwrap().unwrap();
        assert!(changes.is_sorted_by_key(|change| change.seq));
        self.seq = changes.last().map_or(self.seq, |change| change.seq);
        let text = |Change { kind, app_id, id, .. }: &Change| {
            format!("{} {} {id}", kind.as_str(), app_id.map_or(0, AppId::get))
        };
        changes.iter().map(text).collect()
    }
}

fn revocation() -> Revocation {
    Revocation {
        app_id: app(1).app_id,
        target: revocations::Target::App,
        issued_before: UnixSeconds::new(5),
        expire_at: UnixSeconds::new(1000),
        created_at: UnixSeconds::new(5),
        created_by: "k".to_owned(),
        reason: None,
    }
}

fn ban() -> Ban {
    Ban {
        app_id: app(1).app_id,
        target: bans::Target::User("u".to_owned()),
        expire_at: None,
        created_at: UnixSeconds::new(5),
        created_by: "k".to_owned(),
        reason: None,
    }
}
