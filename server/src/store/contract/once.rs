//! What every store promises about requests that are done once.

use futures_util::future::join_all;

use crate::store::{Claim, Claimed, RequestName, Store};

pub(super) async fn one_of_many_claims_gets_the_request(store: &impl Store) {
    let outcomes = join_all((0..20).map(|_| store.claim_request(claim("a", 100)))).await;
    let outcomes: Vec<Claimed> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Claimed::Mine(1)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Claimed::Busy).count(), 19);
}

pub(super) async fn the_answer_is_kept_for_the_same_request_only(store: &impl Store) {
    assert_eq!(store.claim_request(claim("a", 100)).await.unwrap(), Claimed::Mine(1));
    assert!(store.answer_request(name("a"), 1, b"answer".to_vec()).await.unwrap());
    assert!(!store.answer_request(name("a"), 1, b"other".to_vec()).await.unwrap(), "answered already");
    assert_eq!(store.claim_request(claim("a", 199)).await.unwrap(), Claimed::Done(b"answer".to_vec()));
    let other = Claim { fingerprint: [2; 32], ..claim("a", 199) };
    assert_eq!(store.claim_request(other).await.unwrap(), Claimed::Differs);
    let mut elsewhere = claim("a", 199);
    elsewhere.name.app_id = 0;
    assert_eq!(store.claim_request(elsewhere).await.unwrap(), Claimed::Mine(1), "names are of one app");
    // From its end on, the name is free.
    assert_eq!(store.claim_request(claim("a", 200)).await.unwrap(), Claimed::Mine(2));
}

pub(super) async fn what_was_given_up_or_given_back_can_be_claimed_again(store: &impl Store) {
    assert_eq!(store.claim_request(claim("a", 100)).await.unwrap(), Claimed::Mine(1));
    assert_eq!(store.claim_request(claim("a", 110)).await.unwrap(), Claimed::Busy);
    assert_eq!(store.claim_request(claim("a", 111)).await.unwrap(), Claimed::Mine(2));
    // Whoever was given up answers too late, and gives nothing back.
    assert!(!store.answer_request(name("a"), 1, b"late".to_vec()).await.unwrap());
    store.release_request(name("a"), 1).await.unwrap();
    assert_eq!(store.claim_request(claim("a", 112)).await.unwrap(), Claimed::Busy);
    store.release_request(name("a"), 2).await.unwrap();
    assert_eq!(store.claim_request(claim("a", 112)).await.unwrap(), Claimed::Mine(1));
}

// proves T64
pub(super) async fn a_full_memory_refuses_the_new_request(store: &impl Store) {
    for request_id in ["a", "b"] {
        assert_eq!(store.claim_request(claim(request_id, 100)).await.unwrap(), Claimed::Mine(1));
        assert!(store.answer_request(name(request_id), 1, vec![7; 400]).await.unwrap());
    }
    assert_eq!(store.claim_request(Claim { max_requests: 2, ..claim("c", 100) }).await.unwrap(), Claimed::Full);
    assert_eq!(store.claim_request(Claim { max_bytes: 800, ..claim("c", 100) }).await.unwrap(), Claimed::Full);
    let known = Claim { max_requests: 0, ..claim("a", 100) };
    assert_eq!(store.claim_request(known).await.unwrap(), Claimed::Done(vec![7; 400]));
    assert_eq!(store.delete_ended_requests(199.into(), 10).await.unwrap(), 0);
    assert_eq!(store.delete_ended_requests(200.into(), 1).await.unwrap(), 1);
    assert_eq!(store.claim_request(Claim { max_bytes: 800, ..claim("c", 100) }).await.unwrap(), Claimed::Mine(1));
}

fn name(request_id: &str) -> RequestName {
    RequestName { app_id: 7, request_id: request_id.to_owned() }
}

fn claim(request_id: &str, now: i64) -> Claim {
    Claim {
        name: name(request_id),
        fingerprint: [1; 32],
        now: now.into(),
        given_up_before: (now - 10).into(),
        expire_at: (now + 100).into(),
        max_requests: 10,
        max_bytes: 10_000,
    }
}
