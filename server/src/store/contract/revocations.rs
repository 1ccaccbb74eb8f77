//! What every store promises about revocations, bans and the latest time.

use futures_util::future::join_all;
use token_gen::{AppId, TokenId, UnixSeconds};

use super::app;
use crate::{
    bans::{self, Ban},
    revocations::{self, Revocation},
    store::{Store, StoreError},
};

pub(super) async fn a_revocation_comes_back_as_it_was(store: &impl Store) {
    use revocations::Target;
    let app_id = AppId::new(1).unwrap();
    assert!(matches!(store.put_revocation(revocation(Target::App, 5)).await, Err(StoreError::Missing)));
    store.insert_app(app(1)).await.unwrap();
    store.insert_app(app(2)).await.unwrap();
    let mut all: Vec<Revocation> = [
        Target::Token(TokenId::of("04t")),
        Target::User("it's; DROP TABLE revocations --".to_owned()),
        Target::User("用户".to_owned()),
        Target::Room("r".to_owned()),
        Target::UserInRoom { user_id: "u".to_owned(), room_id: "r".to_owned() },
        Target::App,
    ]
    .map(|target| revocation(target, i64::MAX))
    .into();
    all[1].reason = Some("stolen".to_owned());
    for revocation in &all {
        assert_eq!(&store.put_revocation(revocation.clone()).await.unwrap(), revocation);
        let id = revocation.target.entry_id();
        assert_eq!(store.revocation(app_id, id).await.unwrap().as_ref(), Some(revocation));
        assert_eq!(store.revocation(AppId::new(2).unwrap(), id).await.unwrap(), None, "another app's");
    }
    all.sort_by_key(|revocation| revocation.target.entry_id().to_string());
    let mut listed = Vec::new();
    while let Some(page) = page(store.revocations(app_id, last_of(&listed), "", 4).await.unwrap()) {
        assert!(page.len() <= 4);
        listed.extend(page);
    }
    assert_eq!(listed, all);
    let found = async |search: &str| store.revocations(app_id, None, search, 10).await.unwrap().len();
    let token_id = TokenId::of("04t").to_string();
    for (search, expected) in [("DROP TABLE", 1), ("户", 1), ("drop", 0), ("%", 0), (&token_id[1..], 1)] {
        assert_eq!(found(search).await, expected, "{search}");
    }
    assert_eq!(store.revocations(AppId::new(2).unwrap(), None, "", 10).await.unwrap(), []);

    let of_another = Revocation { app_id: AppId::new(2).unwrap(), ..revocation(Target::App, i64::MAX) };
    store.put_revocation(of_another.clone()).await.unwrap();
    all.push(of_another);
    let mut listed: Vec<Revocation> = Vec::new();
    let place = |last: &Revocation| (last.app_id, last.target.entry_id());
    while let Some(page) = page(store.all_revocations(listed.last().map(place), 4).await.unwrap()) {
        assert!(page.len() <= 4);
        listed.extend(page);
    }
    assert_eq!(listed, all);
}

fn page<T>(page: Vec<T>) -> Option<Vec<T>> {
    (!page.is_empty()).then_some(page)
}

fn last_of(listed: &[Revocation]) -> Option<crate::entry_id::EntryId> {
    listed.last().map(|revocation| revocation.target.entry_id())
}

// proves T55
pub(super) async fn a_revocation_only_gets_stronger_also_in_a_race(store: &impl Store) {
    use revocations::Target;
    store.insert_app(app(1)).await.unwrap();
    let racers = (0..50).map(|number| {
        let (issued_before, expire_at) = (number * 7 % 50, UnixSeconds::new(1000 + number * 11 % 50));
        store.put_revocation(Revocation { expire_at, ..revocation(Target::User("u".to_owned()), issued_before) })
    });
    for kept in join_all(racers).await {
        kept.unwrap();
    }
    let kept = store.revocations(AppId::new(1).unwrap(), None, "", 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].issued_before.get(), kept[0].expire_at.get()), (49, 1049));
    let weaker = store.put_revocation(revocation(Target::User("u".to_owned()), 3)).await.unwrap();
    assert_eq!(weaker, kept[0]);
}

// proves S9
pub(super) async fn what_has_ended_is_deleted_in_batches(store: &impl Store) {
    let app_id = AppId::new(1).unwrap();
    store.insert_app(app(1)).await.unwrap();
    for number in 0..10 {
        let expire_at = UnixSeconds::new(if number < 7 { 100 } else { 101 });
        let user = number.to_string();
        let target = revocations::Target::User(user.clone());
        store.put_revocation(Revocation { expire_at, ..revocation(target, 1) }).await.unwrap();
        let ends = (number != 0).then_some(expire_at);
        store.put_ban(Ban { expire_at: ends, ..ban(bans::Target::User(user)) }).await.unwrap();
    }
    let (before, at) = (UnixSeconds::new(99), UnixSeconds::new(100));
    assert_eq!(store.delete_ended_revocations(before, 5).await.unwrap(), 0);
    assert_eq!(store.delete_ended_bans(before, 5).await.unwrap(), 0);
    for (revocations, bans) in [(5, 5), (2, 1), (0, 0)] {
        assert_eq!(store.delete_ended_revocations(at, 5).await.unwrap(), revocations);
        assert_eq!(store.delete_ended_bans(at, 5).await.unwrap(), bans);
    }
    assert_eq!(store.revocations(app_id, None, "", 100).await.unwrap().len(), 3);
    assert_eq!(store.bans(app_id, None, "", 100).await.unwrap().len(), 4);
}

pub(super) async fn a_ban_is_replaced_and_lifted(store: &impl Store) {
    use bans::Target;
    let (app_id, other) = (AppId::new(1).unwrap(), AppId::new(2).unwrap());
    assert!(matches!(store.put_ban(ban(Target::Room("r".to_owned()))).await, Err(StoreError::Missing)));
    store.insert_app(app(1)).await.unwrap();
    store.insert_app(app(2)).await.unwrap();
    let mut all = [
        Target::User("u".to_owned()),
        Target::Room("r".to_owned()),
        Target::UserInRoom { user_id: "u".to_owned(), room_id: "r".to_owned() },
        Target::IpRange("203.0.113.0/24".parse().unwrap()),
        Target::IpRange("2001:db8::/32".parse().unwrap()),
    ]
    .map(ban);
    for ban in &mut all {
        store.put_ban(ban.clone()).await.unwrap();
        ban.expire_at = Some(UnixSeconds::new(77));
        ban.reason = Some("again".to_owned());
        store.put_ban(ban.clone()).await.unwrap();
        assert_eq!(store.ban(app_id, ban.target.entry_id()).await.unwrap().as_ref(), Some(&*ban));
    }
    all.sort_by_key(|ban| ban.target.entry_id().to_string());
    assert_eq!(store.bans(app_id, None, "", 2).await.unwrap(), all[..2]);
    for (search, expected) in [("u", 2), ("r", 2), ("113.0", 1), ("db8", 1), ("_", 0)] {
        assert_eq!(store.bans(app_id, None, search, 9).await.unwrap().len(), expected, "{search}");
    }
    assert_eq!(store.bans(app_id, Some(all[1].target.entry_id()), "", 100).await.unwrap(), all[2..]);
    let of_another = Ban { app_id: other, ..ban(Target::Room("r".to_owned())) };
    store.put_ban(of_another.clone()).await.unwrap();
    let place = Some((app_id, all[3].target.entry_id()));
    assert_eq!(store.all_bans(place, 9).await.unwrap(), [all[4].clone(), of_another]);
    assert_eq!(store.all_bans(None, 3).await.unwrap(), all[..3]);
    let id = all[0].target.entry_id();
    assert!(!store.delete_ban(other, id).await.unwrap(), "another app's");
    assert!(store.delete_ban(app_id, id).await.unwrap());
    assert!(!store.delete_ban(app_id, id).await.unwrap());
    assert_eq!(store.ban(app_id, id).await.unwrap(), None);
}

// proves F4
pub(super) async fn the_latest_time_never_goes_back_by_itself(store: &impl Store) {
    assert_eq!(store.latest_time().await.unwrap(), None);
    for (noted, latest) in [(50, 50), (40, 50), (60, 60)] {
        store.note_time(noted.into()).await.unwrap();
        assert_eq!(store.latest_time().await.unwrap(), Some(latest.into()));
    }
    store.reset_time(10.into()).await.unwrap();
    assert_eq!(store.latest_time().await.unwrap(), Some(10.into()));
}

fn revocation(target: revocations::Target, issued_before: i64) -> Revocation {
    Revocation {
        app_id: AppId::new(1).unwrap(),
        target,
        issued_before: issued_before.into(),
        expire_at: 1000.into(),
        created_at: 10.into(),
        created_by: "key".to_owned(),
        reason: None,
    }
}

fn ban(target: bans::Target) -> Ban {
    Ban {
        app_id: AppId::new(1).unwrap(),
        target,
        expire_at: None,
        created_at: 10.into(),
        created_by: "key".to_owned(),
        reason: None,
    }
}
