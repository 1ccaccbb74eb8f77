//! What every store promises of webhook endpoints and their queues.

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

use super::app;
use crate::store::{
    ClaimedDelivery, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryState, EndpointRecord, FinishedAttempt,
    NewDelivery, Store, StoreError,
};

const NOW: i64 = 1_000;
const PLENTY: u32 = 1_000;

pub(super) async fn an_endpoint_comes_back_as_it_was(store: &impl Store) {
    assert!(matches!(store.insert_endpoint(endpoint(1, "a")).await, Err(StoreError::Missing)));
    for app_id in [1, 2] {
        store.insert_app(app(app_id)).await.unwrap();
    }
    let mut plain = endpoint(1, "b");
    plain.previous_key = None;
    for endpoint in [&plain, &endpoint(1, "a"), &endpoint(2, "a")] {
        store.insert_endpoint(endpoint.clone()).await.unwrap();
        assert!(matches!(store.insert_endpoint(endpoint.clone()).await, Err(StoreError::Conflict)));
    }
    assert_eq!(store.endpoints(AppId::new(1).ok()).await.unwrap(), [endpoint(1, "a"), plain.clone()]);
    assert_eq!(store.endpoints(None).await.unwrap().len(), 3);

    let changed = EndpointRecord { enabled: false, settings: "[]".to_owned(), ..plain.clone() };
    let racers = join_all((0..10).map(|_| store.update_endpoint(changed.clone()))).await;
    assert_eq!(racers.iter().filter(|racer| racer.is_ok()).count(), 1);
    assert!(racers.iter().all(|racer| matches!(racer, Ok(()) | Err(StoreError::Conflict))));
    let now = store.endpoints(AppId::new(1).ok()).await.unwrap().pop().unwrap();
    assert_eq!(now, EndpointRecord { version: 2, ..changed });

    assert!(!store.delete_endpoint(app_id(2), "b").await.unwrap(), "of another app");
    assert!(store.delete_endpoint(app_id(1), "b").await.unwrap());
    assert!(!store.delete_endpoint(app_id(1), "b").await.unwrap());
    let changes = store.changes_since(0, 100).await.unwrap().unwrap();
    assert_eq!(changes.iter().filter(|change| change.id == crate::store::ChangeKind::WEBHOOKS).count(), 5);
}

pub(super) async fn a_delivery_is_queued_once_and_a_full_queue_takes_no_more(store: &impl Store) {
    with_endpoints(store).await;
    let queue = async |ids: &[&str]| {
        let new = ids.iter().map(|id| delivery("a", id)).chain([delivery("gone", "x"), delivery("b", "y")]).collect();
        store.queue_deliveries(new, 3).await.unwrap()
    };
    assert_eq!(queue(&["1", "2"]).await, 0);
    assert_eq!(queue(&["2"]).await, 0, "queued already");
    assert_eq!(queue(&["3", "4", "5"]).await, 2);
    let ids = async |endpoint_id: &str| -> Vec<String> {
        let found = store.deliveries(app_id(1), endpoint_id, None, 9).await.unwrap();
        found.into_iter().map(|delivery| delivery.delivery_id).collect()
    };
    assert_eq!((ids("a").await, ids("b").await), (vec!["3".into(), "2".into(), "1".into()], vec!["y".into()]));
    assert_eq!(store.deliveries(app_id(1), "a", Some("3"), 1).await.unwrap(), [queued("a", "2")]);
    let dropped: Vec<u64> = store.endpoints(None).await.unwrap().iter().map(|endpoint| endpoint.dropped).collect();
    assert_eq!(dropped, [2, 0]);
    store.delete_endpoint(app_id(1), "a").await.unwrap();
    assert_eq!(ids("a").await, Vec::<String>::new());
}

pub(super) async fn deliveries_are_found_by_what_they_say_and_what_became_of_them(store: &impl Store) {
    with_endpoints(store).await;
    let about = |id: &str, event: &str, user: &str| NewDelivery {
        event: event.to_owned(),
        body: format!("{{\"user_id\":\"{user}\"}}"),
        ..delivery("a", id)
    };
    let new =
        [about("1", "banned", "ann"), about("2", "minted", "bob%"), about("3", "banned", "Bob"), delivery("b", "4")];
    store.queue_deliveries(new.into(), PLENTY).await.unwrap();
    let claimed = store.claim_deliveries(claim("x", NOW, 9)).await.unwrap();
    let taken = claimed.into_iter().map(|claimed| claimed.delivery).find(|delivery| delivery.delivery_id == "2");
    let delivery = DeliveryRecord { state: DeliveryState::Delivered, ..taken.unwrap() };
    store.finish_attempt(FinishedAttempt { claim_id: "x".to_owned(), delivery }).await.unwrap();
    let find = async |state, search: &str, before, limit| {
        let filter = DeliveryFilter { state, search: search.to_owned() };
        let found = store.find_deliveries(app_id(1), "a", &filter, before, limit).await.unwrap();
        found.into_iter().map(|delivery| delivery.delivery_id).collect::<Vec<_>>()
    };
    assert_eq!(find(None, "", None, 9).await, ["3", "2", "1"]);
    assert_eq!(find(None, "banned", None, 9).await, ["3", "1"]);
    assert_eq!(find(None, "banned", None, 1).await, ["3"]);
    assert_eq!(find(None, "banned", Some("3"), 9).await, ["1"]);
    assert_eq!(find(None, "b%", None, 9).await, ["2"], "a text, and no pattern");
    assert_eq!(find(None, "2", None, 9).await, ["2"], "by its id");
    assert_eq!(find(Some(DeliveryState::Delivered), "", None, 9).await, ["2"]);
    assert_eq!(find(Some(DeliveryState::Failed), "", None, 9).await, [""; 0]);
    assert_eq!(find(Some(DeliveryState::Pending), "", None, 9).await.len(), 2);
    assert_eq!(find(Some(DeliveryState::Pending), "nobody", None, 9).await, [""; 0]);
}

pub(super) async fn of_many_who_claim_one_gets_each_delivery(store: &impl Store) {
    with_endpoints(store).await;
    let ids: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    store.queue_deliveries(ids.iter().map(|id| delivery("a", id)).collect(), PLENTY).await.unwrap();
    let claims = (0..8).map(|number| store.claim_deliveries(claim(&number.to_string(), NOW, 5)));
    let mut claimed: Vec<String> =
        join_all(claims).await.into_iter().flat_map(|claimed| names(&claimed.unwrap())).collect();
    // Whoever lost a race may have gone away with less.
    let mut number = 8;
    while claimed.len() < ids.len() {
        let more = names(&store.claim_deliveries(claim(&number.to_string(), NOW, 5)).await.unwrap());
        assert!(!more.is_empty(), "{claimed:?}");
        claimed.extend(more);
        number += 1;
    }
    let count = claimed.len();
    claimed.sort();
    claimed.dedup();
    assert_eq!((count, claimed.len()), (40, 40));
}

pub(super) async fn a_claim_is_kept_until_it_ends(store: &impl Store) {
    with_endpoints(store).await;
    store.queue_deliveries(vec![delivery("a", "1"), delivery("b", "2")], PLENTY).await.unwrap();
    assert_eq!(store.claim_deliveries(claim("x", NOW - 1, 9)).await.unwrap(), [], "not due yet");
    let busy = DeliveryClaim { except: vec![(app_id(1), "b".to_owned())], ..claim("x", NOW, 9) };
    let mine = store.claim_deliveries(busy).await.unwrap();
    assert_eq!(mine, [ClaimedDelivery { delivery: queued("a", "1"), endpoint: endpoint(1, "a") }]);
    assert_eq!(names(&store.claim_deliveries(claim("y", NOW, 9)).await.unwrap()), ["b 2"]);
    assert_eq!(store.claim_deliveries(claim("z", NOW + 59, 9)).await.unwrap(), []);
    // Whoever claimed it is gone.
    assert_eq!(names(&store.claim_deliveries(claim("z", NOW + 60, 9)).await.unwrap()), ["a 1", "b 2"]);
    let mut done = mine[0].delivery.clone();
    done.state = DeliveryState::Delivered;
    let finished = |claim_id: &str| FinishedAttempt { claim_id: claim_id.to_owned(), delivery: done.clone() };
    assert!(!store.finish_attempt(finished("x")).await.unwrap(), "the claim has ended");
    assert!(store.finish_attempt(finished("z")).await.unwrap());
    assert!(!store.finish_attempt(finished("z")).await.unwrap());
    assert_eq!(names(&store.claim_deliveries(claim("w", NOW + 600, 9)).await.unwrap()), ["b 2"]);

    assert!(store.requeue_delivery(app_id(1), "a", "1", UnixSeconds::new(NOW + 700)).await.unwrap());
    assert!(!store.requeue_delivery(app_id(1), "b", "1", UnixSeconds::new(NOW)).await.unwrap());
    let again = store.claim_deliveries(claim("v", NOW + 700, 9)).await.unwrap();
    assert_eq!(names(&again), ["a 1", "b 2"]);
}

pub(super) async fn claims_are_shared_out_and_pass_over_who_is_off(store: &impl Store) {
    with_endpoints(store).await;
    let ids = ["1", "2", "3"];
    let both = ids.iter().flat_map(|id| [delivery("a", id), delivery("b", id)]).collect();
    store.queue_deliveries(both, PLENTY).await.unwrap();
    let few = DeliveryClaim { per_endpoint: 2, ..claim("x", NOW, 9) };
    let claimed = store.claim_deliveries(few).await.unwrap();
    assert_eq!(names(&claimed), ["a 1", "b 1", "a 2", "b 2"]);
    for ClaimedDelivery { delivery, .. } in claimed {
        let delivery = DeliveryRecord { tries: 1, ..delivery };
        store.finish_attempt(FinishedAttempt { claim_id: "x".to_owned(), delivery }).await.unwrap();
    }
    let least_tried = DeliveryClaim { limit: 2, ..claim("y", NOW, 9) };
    assert_eq!(names(&store.claim_deliveries(least_tried).await.unwrap()), ["a 3", "b 3"]);
    store.update_endpoint(EndpointRecord { enabled: false, ..endpoint(1, "a") }).await.unwrap();
    assert_eq!(names(&store.claim_deliveries(claim("z", NOW, 9)).await.unwrap()), ["b 1", "b 2"]);
}

pub(super) async fn old_and_too_many_deliveries_are_forgotten(store: &impl Store) {
    with_endpoints(store).await;
    let aged = |id: &str, at: i64| NewDelivery { now: UnixSeconds::new(at), ..delivery("a", id) };
    let new = vec![aged("1", 10), aged("2", 20), aged("3", 30), aged("4", 30), aged("5", 30)];
    store.queue_deliveries(new, PLENTY).await.unwrap();
    for ClaimedDelivery { mut delivery, .. } in store.claim_deliveries(claim("x", NOW, 9)).await.unwrap() {
        if delivery.delivery_id != "5" {
            delivery.state = DeliveryState::Failed;
        }
        store.finish_attempt(FinishedAttempt { claim_id: "x".to_owned(), delivery }).await.unwrap();
    }
    let forget = async |before, limit| store.forget_deliveries(UnixSeconds::new(before), 2, limit).await.unwrap();
    assert_eq!(forget(21, 1).await, 1);
    assert_eq!(forget(21, 9).await, 1);
    let left = store.deliveries(app_id(1), "a", None, 9).await.unwrap();
    assert_eq!(left.iter().map(|delivery| &*delivery.delivery_id).collect::<Vec<_>>(), ["5", "4", "3"]);
    assert_eq!(store.forget_deliveries(UnixSeconds::new(0), 1, 9).await.unwrap(), 1);
    let left = store.deliveries(app_id(1), "a", None, 9).await.unwrap();
    assert_eq!(left.iter().map(|delivery| &*delivery.delivery_id).collect::<Vec<_>>(), ["5", "4"]);
    assert_eq!(store.forget_deliveries(UnixSeconds::new(0), 0, 9).await.unwrap(), 1, "never what still waits");
}

async fn with_endpoints(store: &impl Store) {
    store.insert_app(app(1)).await.unwrap();
    for endpoint_id in ["a", "b"] {
        store.insert_endpoint(endpoint(1, endpoint_id)).await.unwrap();
    }
}

fn app_id(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn endpoint(number: u32, endpoint_id: &str) -> EndpointRecord {
    EndpointRecord {
        app_id: app_id(number),
        endpoint_id: endpoint_id.to_owned(),
        version: 1,
        settings: "{}".to_owned(),
        enabled: true,
        signing_key: vec![1, 2, 255],
        previous_key: Some((vec![3], UnixSeconds::new(9))),
        dropped: 0,
        created_at: UnixSeconds::new(5),
        updated_at: UnixSeconds::new(6),
    }
}

fn delivery(endpoint_id: &str, delivery_id: &str) -> NewDelivery {
    NewDelivery {
        app_id: app_id(1),
        endpoint_id: endpoint_id.to_owned(),
        delivery_id: delivery_id.to_owned(),
        event: "test".to_owned(),
        body: "{\"é\":1}".to_owned(),
        now: UnixSeconds::new(NOW),
    }
}

fn queued(endpoint_id: &str, delivery_id: &str) -> DeliveryRecord {
    let NewDelivery { app_id, endpoint_id, delivery_id, event, body, now } = delivery(endpoint_id, delivery_id);
    let (state, attempts) = (DeliveryState::Pending, "[]".to_owned());
    let (next_attempt_at, created_at) = (now, now);
    DeliveryRecord {
        app_id,
        endpoint_id,
        delivery_id,
        event,
        body,
        state,
        tries: 0,
        next_attempt_at,
        attempts,
        created_at,
    }
}

fn claim(claim_id: &str, now: i64, limit: u32) -> DeliveryClaim {
    DeliveryClaim {
        claim_id: claim_id.to_owned(),
        now: UnixSeconds::new(now),
        until: UnixSeconds::new(now + 60),
        except: Vec::new(),
        per_endpoint: 100,
        limit,
    }
}

fn names(claimed: &[ClaimedDelivery]) -> Vec<String> {
    let name = |claimed: &ClaimedDelivery| format!("{} {}", claimed.delivery.endpoint_id, claimed.delivery.delivery_id);
    claimed.iter().map(name).collect()
}
