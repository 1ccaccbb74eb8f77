//! What every store promises of tokens that let their user in once.

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

use crate::store::{Store, StoreError};

fn app(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

pub(super) async fn a_token_is_used_by_one_session(store: &impl Store) {
    let end = UnixSeconds::new(1_000);
    let sessions: Vec<String> = (0..50).map(|number| format!("session {number}")).collect();
    let racers = join_all(sessions.iter().map(|session| store.use_token(app(1), "t", session, end))).await;
    let winners: Vec<usize> = racers.iter().enumerate().filter(|(_, racer)| racer.is_ok()).map(|(at, _)| at).collect();
    assert_eq!(winners.len(), 1);
    assert!(racers.iter().all(|racer| matches!(racer, Ok(()) | Err(StoreError::Conflict))));
    // The same session again is the same use; another app's token of that id is another token.
    store.use_token(app(1), "t", &sessions[winners[0]], end).await.unwrap();
    store.use_token(app(2), "t", "another", end).await.unwrap();

    assert_eq!(store.user_of_token(app(1), "t").await.unwrap().as_ref(), Some(&sessions[winners[0]]));
    assert_eq!(store.user_of_token(app(1), "another").await.unwrap(), None);

    store.release_token(app(1), "t", "nobody").await.unwrap();
    assert!(matches!(store.use_token(app(1), "t", "late", end).await, Err(StoreError::Conflict)));
    store.release_token(app(1), "t", &sessions[winners[0]]).await.unwrap();
    store.use_token(app(1), "t", "late", end).await.unwrap();
}

pub(super) async fn a_used_token_is_forgotten_after_its_end_only(store: &impl Store) {
    for end in 0..10 {
        store.use_token(app(1), &format!("t{end}"), "s", UnixSeconds::new(end)).await.unwrap();
    }
    assert_eq!(store.forget_used_tokens(UnixSeconds::new(5), 3).await.unwrap(), 3);
    assert_eq!(store.forget_used_tokens(UnixSeconds::new(5), 100).await.unwrap(), 2);
    assert!(matches!(store.use_token(app(1), "t5", "other", UnixSeconds::new(5)).await, Err(StoreError::Conflict)));
    store.use_token(app(1), "t4", "other", UnixSeconds::new(4)).await.unwrap();
}
