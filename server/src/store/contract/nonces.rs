//! What every store promises of nonces.

use futures_util::future::join_all;
use token_gen::UnixSeconds;

use crate::store::{Store, StoreError};

const NOW: UnixSeconds = UnixSeconds::new(1_000);

pub(super) async fn a_nonce_is_spent_once(store: &impl Store) {
    let spend = |key_id: &'static str, nonce| store.spend_nonce(key_id, [nonce; 16], NOW);
    let racers = join_all((0..100).map(|_| spend("a", 1))).await;
    assert_eq!(racers.iter().filter(|racer| racer.is_ok()).count(), 1);
    assert!(racers.iter().all(|racer| matches!(racer, Ok(()) | Err(StoreError::Conflict))));
    spend("b", 1).await.unwrap();
    spend("a", 2).await.unwrap();
    assert!(matches!(spend("a", 2).await, Err(StoreError::Conflict)));
}

pub(super) async fn a_nonce_is_forgotten_after_its_time_only(store: &impl Store) {
    for nonce in 0..10 {
        store.spend_nonce("a", [nonce; 16], UnixSeconds::new(i64::from(nonce))).await.unwrap();
    }
    assert_eq!(store.forget_nonces(UnixSeconds::new(5), 3).await.unwrap(), 3);
    assert_eq!(store.forget_nonces(UnixSeconds::new(5), 100).await.unwrap(), 2);
    assert_eq!(store.forget_nonces(UnixSeconds::new(5), 100).await.unwrap(), 0);
    assert!(matches!(store.spend_nonce("a", [5; 16], NOW).await, Err(StoreError::Conflict)));
    store.spend_nonce("a", [4; 16], NOW).await.unwrap();
}
