//! Webhook endpoints through the API.

use std::sync::Arc;

use rand::rngs::SysRng;
use serde_json::{Value, json};
use token_gen::{AppId, UnixSeconds};

use super::testing::{self, Api};
use crate::{
    app::Service, apps::AppSettings, clock::ManualClock, config::Config, sealing::MasterKey, webhooks::PrivateNetworks,
};

const NOW: i64 = 1_800_000_000;

async fn api() -> (Arc<Service>, Api) {
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key);
    config.webhooks.networks = PrivateNetworks::loopback();
    let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
    let service = Arc::new(Service::open(&config, "http://rooms.test".to_owned(), clock).await.unwrap());
    for app_id in [7, 8] {
        service.admin.create_app(AppSettings::new(AppId::new(app_id).unwrap(), "app")).await.unwrap();
    }
    let api = testing::over(&service).await;
    (service, api)
}

#[tokio::test]
async fn an_endpoint_is_made_changed_tried_and_removed() {
    let (_service, api) = api().await;
    let request = json!({ "url": "https://hooks.example.com/x", "description": "alerts" });
    let made = Api::ok(api.call("POST", "/webhooks", &request).await);
    let key = made["signing_key"].as_str().unwrap();
    assert!(key.starts_with("rpwh_") && key.len() == 48);
    assert!(!made["webhook"]["events"].as_array().unwrap().contains(&json!("minted")));
    let path = format!("/webhooks/{}", made["webhook"]["endpoint_id"].as_str().unwrap());

    let shown = Api::ok(api.call("GET", &path, &Value::Null).await);
    assert_eq!(shown["webhook"], made["webhook"]);
    let listed = Api::ok(api.call("GET", "/webhooks", &Value::Null).await);
    assert_eq!(listed["webhooks"], json!([made["webhook"]]));
    assert!(!format!("{shown}{listed}").contains("rpwh_"), "the key is shown once");

    let change =
        json!({ "version": 1, "events": ["revoked", "minted", "revoked"], "url": "https://hooks.example.com/y" });
    let changed = Api::ok(api.call("PATCH", &path, &change).await);
    assert_eq!(changed["webhook"]["events"], json!(["minted", "revoked"]));
    assert_eq!((&changed["webhook"]["version"], &changed["webhook"]["description"]), (&json!(2), &json!("alerts")));
    assert_eq!(api.call("PATCH", &path, &change).await.0, 409);

    let rotated = Api::ok(api.call("POST", &format!("{path}/key/rotate"), &json!({ "overlap_secs": 60 })).await);
    assert_ne!(rotated["signing_key"], made["signing_key"]);
    assert_eq!(rotated["previous_key_until"], NOW + 60);

    let mut ids: Vec<String> = Vec::new();
    for _ in 0..3 {
        let queued = Api::ok(api.call("POST", &format!("{path}/test"), &json!({})).await);
        ids.push(queued["delivery_id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    let first = Api::ok(api.call("GET", &format!("{path}/deliveries?limit=2"), &Value::Null).await);
    let cursor = first["cursor"].as_str().unwrap();
    let second = Api::ok(api.call("GET", &format!("{path}/deliveries?cursor={cursor}"), &Value::Null).await);
    let all = first["deliveries"].as_array().unwrap().iter().chain(second["deliveries"].as_array().unwrap());
    let found: Vec<&str> = all.map(|delivery| delivery["delivery_id"].as_str().unwrap()).rev().collect();
    assert_eq!(found, ids);
    assert_eq!((&first["deliveries"][0]["state"], second.get("cursor")), (&json!("pending"), None));
    for (query, wanted) in [
        ("state=pending", 3),
        ("state=pending&limit=2", 2),
        ("state=failed", 0),
        ("search=test", 3),
        (&format!("search={}&state=pending", ids[1]), 1),
        ("search=nobody", 0),
    ] {
        let found = Api::ok(api.call("GET", &format!("{path}/deliveries?{query}"), &Value::Null).await);
        assert_eq!(found["deliveries"].as_array().unwrap().len(), wanted, "{query}");
    }
    for query in ["state=gone", "search=%00", "limit=0", "cursor=%2F"] {
        let refused = api.call("GET", &format!("{path}/deliveries?{query}"), &Value::Null).await;
        assert_eq!(refused.1["code"], "bad_request", "{query}");
    }
    Api::ok(api.call("POST", &format!("{path}/deliveries/{}/redeliver", ids[0]), &json!({})).await);

    Api::ok(api.call("DELETE", &path, &Value::Null).await);
    for (method, path) in [
        ("DELETE", path.clone()),
        ("GET", path.clone()),
        ("POST", format!("{path}/test")),
        ("GET", format!("{path}/deliveries")),
        ("POST", format!("{path}/deliveries/{}/redeliver", ids[0])),
    ] {
        assert_eq!(api.call(method, &path, &Value::Null).await.1["code"], "not_found", "{method} {path}");
    }
}

// proves T20 (webhooks), T60 (webhooks)
#[tokio::test]
async fn what_makes_no_sense_or_is_anothers_is_refused() {
    let (service, api) = api().await;
    let others = crate::webhooks::EndpointSettings {
        url: "https://hooks.example.com/".to_owned(),
        events: crate::webhooks::EndpointSettings::default_events(),
        description: String::new(),
        private_network: false,
    };
    let (others, _) = service.admin.create_webhook(AppId::new(8).unwrap(), others, true).await.unwrap();
    let (status, problem) = api.call("GET", &format!("/webhooks/{}", others.endpoint_id), &Value::Null).await;
    let (status_of_none, problem_of_none) = api.call("GET", "/webhooks/none", &Value::Null).await;
    assert_eq!((status, &problem["code"]), (status_of_none, &problem_of_none["code"]));

    for (body, field) in [
        (json!({}), "url"),
        (json!({ "url": "http://hooks.example.com/" }), "url"),
        (json!({ "url": "https://127.0.0.1/" }), "url"),
        (json!({ "url": "https://user:secret@hooks.example.com/" }), "url"),
        (json!({ "url": "https://hooks.example.com/", "events": [] }), "events"),
        (json!({ "url": "https://hooks.example.com/", "events": ["unknown"] }), "events[0]"),
        (json!({ "url": "https://hooks.example.com/", "description": "a\nb" }), "description"),
        (json!({ "url": "https://hooks.example.com/", "description": "a".repeat(256) }), "description"),
        (json!({ "url": "https://hooks.example.com/", "app_id": 8 }), "app_id"),
        (json!({ "url": "https://hooks.example.com/", "signing_key": "mine" }), "signing_key"),
    ] {
        let (status, problem) = api.call("POST", "/webhooks", &body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
        assert!(!problem.to_string().contains("secret@"));
    }
    let request = json!({ "url": "https://hooks.example.com/" });
    let made = Api::ok(api.call("POST", "/webhooks", &request).await);
    let path = format!("/webhooks/{}", made["webhook"]["endpoint_id"].as_str().unwrap());
    let too_long = json!({ "overlap_secs": 2_592_001 });
    assert_eq!(api.call("POST", &format!("{path}/key/rotate"), &too_long).await.1["field"], "overlap_secs");
    for cursor in ["%27", "..%2F", "a%00", &"a".repeat(65), ""] {
        let (status, _) = api.call("GET", &format!("{path}/deliveries?cursor={cursor}"), &Value::Null).await;
        assert_eq!(status, 400, "{cursor}");
    }
}
