//! What every store promises, as one suite. `run` it with a way to make an empty store.

mod admins;
mod audit;
mod audit_rush;
mod changes;
mod issued;
mod nonces;
mod once;
mod revocations;
mod ring;
mod used_tokens;
mod webhooks;

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

pub(crate) use audit::bare as bare_record;

use super::{AppRecord, KeyRecord, Purpose, SecretRecord, Store, StoreError};

/// Every promise, each on a store of its own.
pub(crate) async fn run<S: Store>(mut empty: impl AsyncFnMut() -> S) {
    an_empty_store_has_nothing_even_before_migration(&empty().await).await;
    for promise in 0..53 {
        let store = empty().await;
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        match promise {
            0 => meta_is_written_once(&store).await,
            1 => an_app_comes_back_as_it_was(&store).await,
            2 => an_app_id_is_taken_once(&store).await,
            3 => an_update_needs_the_version_it_read(&store).await,
            4 => a_ring_has_one_active_secret(&store).await,
            5 => one_of_many_racing_updates_wins(&store).await,
            6 => keys_belong_to_apps(&store).await,
            7 => last_use_never_goes_back(&store).await,
            8 => revocations::a_revocation_comes_back_as_it_was(&store).await,
            9 => revocations::a_revocation_only_gets_stronger_also_in_a_race(&store).await,
            10 => revocations::what_has_ended_is_deleted_in_batches(&store).await,
            11 => revocations::a_ban_is_replaced_and_lifted(&store).await,
            12 => revocations::the_latest_time_never_goes_back_by_itself(&store).await,
            13 => once::one_of_many_claims_gets_the_request(&store).await,
            14 => once::the_answer_is_kept_for_the_same_request_only(&store).await,
            15 => once::what_was_given_up_or_given_back_can_be_claimed_again(&store).await,
            16 => once::a_full_memory_refuses_the_new_request(&store).await,
            17 => nonces::a_nonce_is_spent_once(&store).await,
            18 => nonces::a_nonce_is_forgotten_after_its_time_only(&store).await,
            19 => admins::a_setup_code_makes_one_admin(&store).await,
            20 => admins::a_setup_code_outlives_a_taken_name_but_not_its_end(&store).await,
            21 => admins::a_new_setup_code_replaces_the_one_for_the_same_name(&store).await,
            22 => admins::a_change_ends_sessions_and_needs_the_version_it_read(&store).await,
            23 => admins::one_owner_always_stays(&store).await,
            24 => admins::a_step_of_the_second_factor_is_spent_once(&store).await,
            25 => admins::sessions_are_listed_touched_and_ended(&store).await,
            26 => changes::every_change_is_in_the_feed_once_and_in_order(&store).await,
            27 => changes::a_write_that_fails_leaves_no_change(&store).await,
            28 => changes::who_is_too_far_behind_is_told_so(&store).await,
            29 => ring::counts_add_up_and_stay_out_of_the_feed(&store).await,
            30 => ring::everything_sealed_is_replaced_at_once_or_not_at_all(&store).await,
            31 => audit::a_chain_begins_where_the_one_before_was(&store).await,
            32 => audit::records_are_appended_once_and_in_one_place_only(&store).await,
            33 => audit::records_are_found_by_what_they_say(&store).await,
            34 => audit::old_records_are_forgotten_from_the_old_end(&store).await,
            35 => issued::issued_tokens_are_read_in_order_by_whoever_follows(&store).await,
            36 => issued::issued_tokens_are_forgotten_in_batches_once_expired(&store).await,
            37 => webhooks::an_endpoint_comes_back_as_it_was(&store).await,
            38 => webhooks::a_delivery_is_queued_once_and_a_full_queue_takes_no_more(&store).await,
            39 => webhooks::of_many_who_claim_one_gets_each_delivery(&store).await,
            40 => webhooks::a_claim_is_kept_until_it_ends(&store).await,
            41 => webhooks::claims_are_shared_out_and_pass_over_who_is_off(&store).await,
            42 => webhooks::old_and_too_many_deliveries_are_forgotten(&store).await,
            43 => used_tokens::a_token_is_used_by_one_session(&store).await,
            44 => apps_are_found_by_name_and_number(&store).await,
            45 => audit::refusals_are_counted_by_time_and_reason(&store).await,
            46 => webhooks::deliveries_are_found_by_what_they_say_and_what_became_of_them(&store).await,
            47 => ring::what_an_app_sign_was_used_for_goes_with_it(&store).await,
            48 => audit_rush::a_rush_is_read_like_anything_else(&store).await,
            49 => audit_rush::in_a_rush_everything_is_found_by_what_it_says(&store).await,
            50 => audit_rush::a_rush_is_forgotten_from_the_old_end(&store).await,
            51 => audit_rush::what_is_written_while_somebody_searches_is_found_without_a_gap(&store).await,
            _ => used_tokens::a_used_token_is_forgotten_after_its_end_only(&store).await,
        }
    }
}

async fn an_empty_store_has_nothing_even_before_migration(store: &impl Store) {
    store.ping().await.unwrap();
    assert_eq!(store.meta("anything").await.unwrap(), None);
}

async fn meta_is_written_once(store: &impl Store) {
    assert_eq!(store.meta("name").await.unwrap(), None);
    store.insert_meta("name", b"\0value").await.unwrap();
    assert!(matches!(store.insert_meta("name", b"other").await, Err(StoreError::Conflict)));
    assert_eq!(store.meta("name").await.unwrap().as_deref(), Some(&b"\0value"[..]));
}

async fn an_app_comes_back_as_it_was(store: &impl Store) {
    let apps = [app(1), app(70_000), app(u32::MAX)];
    for app in apps.iter().rev() {
        store.insert_app(app.clone()).await.unwrap();
    }
    assert_eq!(store.apps().await.unwrap(), apps);
    assert_eq!(store.apps_after(None, 2).await.unwrap(), apps[..2]);
    assert_eq!(store.apps_after(Some(apps[1].app_id), 2).await.unwrap(), apps[2..]);
    assert_eq!(store.app(apps[1].app_id).await.unwrap().as_ref(), Some(&apps[1]));
    assert_eq!(store.app(AppId::new(2).unwrap()).await.unwrap(), None);
}

async fn apps_are_found_by_name_and_number(store: &impl Store) {
    let names = [(3, "Blue Whale"), (31, "blau"), (310, "100 % WHALE_s"), (4, "Ünïc \"quoted\""), (400, "")];
    for (number, name) in names {
        let settings = serde_json::json!({ "name": name }).to_string();
        store.insert_app(AppRecord { settings, ..app(number) }).await.unwrap();
    }
    let find = async |search: &str, after, limit| {
        let found = store.find_apps(search, after, limit).await.unwrap();
        assert!(found.iter().all(|found| found.secrets == app(found.app_id.get()).secrets), "{search}");
        found.iter().map(|app| app.app_id.get()).collect::<Vec<_>>()
    };
    for (search, expected) in [
        ("whale", &[3, 310][..]),
        ("WHALE", &[3, 310]),
        ("bl", &[3, 31]),
        ("3", &[3, 31, 310]),
        ("31", &[31, 310]),
        ("10", &[310]),
        ("%", &[310]),
        ("_", &[310]),
        ("nïc", &[4]),
        ("\"", &[4]),
        ("'", &[]),
        ("40", &[400]),
    ] {
        assert_eq!(find(search, None, 10).await, expected, "{search}");
    }
    assert_eq!(find("3", None, 2).await, [3, 31]);
    assert_eq!(find("3", AppId::new(31).ok(), 2).await, [310]);
}

async fn an_app_id_is_taken_once(store: &impl Store) {
    let outcomes = join_all((0..20).map(|_| store.insert_app(app(1)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Conflict))));
}

async fn an_update_needs_the_version_it_read(store: &impl Store) {
    let mut changed = app(1);
    assert!(matches!(store.update_app(changed.clone()).await, Err(StoreError::Conflict)));
    store.insert_app(changed.clone()).await.unwrap();
    changed.settings = r#"{"name":"new"}"#.to_owned();
    changed.secrets.pop();
    changed.updated_at = UnixSeconds::new(99);
    changed.previous_app_sign = None;
    changed.app_sign_resets = 4;
    store.update_app(changed.clone()).await.unwrap();
    assert!(matches!(store.update_app(changed.clone()).await, Err(StoreError::Conflict)));
    changed.version = 2;
    assert_eq!(store.app(changed.app_id).await.unwrap(), Some(changed));
}

async fn a_ring_has_one_active_secret(store: &impl Store) {
    let mut two = app(1);
    for secret in &mut two.secrets {
        secret.valid_until = None;
    }
    assert!(matches!(store.insert_app(two).await, Err(StoreError::Conflict)));
    assert_eq!(store.apps().await.unwrap(), []);
}

async fn one_of_many_racing_updates_wins(store: &impl Store) {
    store.insert_app(app(1)).await.unwrap();
    for version in 1..=20 {
        let racers = (0..10).map(|_| store.update_app(AppRecord { version, ..app(1) }));
        assert_eq!(join_all(racers).await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }
    assert_eq!(store.app(app(1).app_id).await.unwrap().unwrap().version, 21);
}

async fn keys_belong_to_apps(store: &impl Store) {
    assert!(matches!(store.insert_key(key("k1", 1)).await, Err(StoreError::Missing)));
    store.insert_app(app(1)).await.unwrap();
    store.insert_app(app(2)).await.unwrap();
    let operator = KeyRecord { app_id: None, ..key("k3", 1) };
    for key in [key("k2", 2), key("k1", 1), operator.clone()] {
        store.insert_key(key.clone()).await.unwrap();
        assert!(matches!(store.insert_key(key).await, Err(StoreError::Conflict)));
    }
    assert_eq!(store.all_keys("", 9).await.unwrap(), [key("k1", 1), key("k2", 2), operator.clone()]);
    assert_eq!(store.all_keys("k1", 1).await.unwrap(), [key("k2", 2)]);
    assert_eq!(store.key("k2").await.unwrap(), Some(key("k2", 2)));
    let app_id = AppId::new(1).ok();
    assert_eq!(store.keys_after(app_id, "", 9).await.unwrap(), [key("k1", 1)]);
    assert_eq!(store.keys_after(app_id, "k1", 9).await.unwrap(), []);
    assert_eq!(store.keys_after(None, "", 9).await.unwrap(), [operator]);
    let named = |key_id: &str, name: &str| KeyRecord { name: name.to_owned(), ..key(key_id, 1) };
    for key in [named("k5", "Chat backend"), named("k6", "chat_ÄB")] {
        store.insert_key(key).await.unwrap();
    }
    let find = async |search: &str, after: &str, limit| {
        let found = store.find_keys(app_id, search, after, limit).await.unwrap();
        found.into_iter().map(|key| key.key_id).collect::<Vec<_>>()
    };
    assert_eq!(find("CHAT", "", 9).await, ["k5", "k6"]);
    assert_eq!(find("chat", "", 1).await, ["k5"]);
    assert_eq!(find("chat", "k5", 9).await, ["k6"]);
    assert_eq!(find("chat_", "", 9).await, ["k6"], "a text, and no pattern");
    assert_eq!(find("k1", "", 9).await, ["k1"], "an id that begins so, and of this app only");
    assert_eq!(find("k2", "", 9).await, [""; 0], "a key of another app");
    for found in ["k5", "k6"] {
        assert!(store.delete_key(app_id, found).await.unwrap());
    }
    for of_another in ["k2", "k3"] {
        assert!(!store.delete_key(app_id, of_another).await.unwrap(), "a key of another app, or of none");
    }
    assert!(store.delete_key(app_id, "k1").await.unwrap());
    assert!(!store.delete_key(app_id, "k1").await.unwrap());
    assert!(store.delete_key(None, "k3").await.unwrap());
    assert_eq!(store.all_keys("", 9).await.unwrap(), [key("k2", 2)]);
    assert_eq!(store.key("k1").await.unwrap(), None);
}

async fn last_use_never_goes_back(store: &impl Store) {
    store.insert_app(app(1)).await.unwrap();
    store.insert_key(key("k1", 1)).await.unwrap();
    for at in [50, 40] {
        let used = vec![("k1".to_owned(), UnixSeconds::new(at)), ("gone".to_owned(), UnixSeconds::new(at))];
        store.touch_keys(used).await.unwrap();
        assert_eq!(store.all_keys("", 9).await.unwrap()[0].last_used_at, Some(UnixSeconds::new(50)));
    }
}

pub(crate) fn app(app_id: u32) -> AppRecord {
    let secret = |secret_id: &str, purpose, valid_until: Option<i64>| SecretRecord {
        secret_id: secret_id.to_owned(),
        purpose,
        sealed: vec![0, 1, 255],
        valid_until: valid_until.map(UnixSeconds::new),
        retired_at: valid_until.map(UnixSeconds::new),
        created_at: UnixSeconds::new(-5),
    };
    AppRecord {
        app_id: AppId::new(app_id).unwrap(),
        version: 1,
        settings: r#"{"name":"name"}"#.to_owned(),
        app_sign: vec![7; 93],
        previous_app_sign: Some((vec![8; 93], UnixSeconds::new(77))),
        app_sign_resets: 3,
        secrets: vec![
            secret("a", Purpose::Gcm, None),
            secret("b", Purpose::Gcm, Some(1000)),
            secret("c", Purpose::Cbc, None),
        ],
        created_at: UnixSeconds::new(10),
        updated_at: UnixSeconds::new(11),
    }
}

fn key(key_id: &str, app_id: u32) -> KeyRecord {
    KeyRecord {
        key_id: key_id.to_owned(),
        app_id: AppId::new(app_id).ok(),
        hash: [9; 32],
        sealed: (app_id == 2).then(|| vec![3; 70]),
        name: "name".to_owned(),
        scope: "{}".to_owned(),
        expire_at: Some(UnixSeconds::new(i64::MAX)),
        last_used_at: None,
        created_at: UnixSeconds::new(12),
    }
}
