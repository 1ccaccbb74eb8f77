//! Pages: whose origins may open sockets, and which app they may log in to.

use serde_json::json;

use super::harness::{TestGateway, settings};
use crate::apps::AppSettings;

const PAGE: &str = "https://app.example.com";

fn taking(origins: &[&str]) -> AppSettings {
    AppSettings { allowed_origins: origins.iter().map(|&origin| origin.to_owned()).collect(), ..settings() }
}

// proves T49 (per app)
#[tokio::test]
async fn a_page_logs_in_to_the_apps_that_take_its_origin_and_no_others() {
    let test = TestGateway::start(taking(&[PAGE])).await;
    let token = json!({ "token": test.token("alice", 600) });
    let mut page = test.connect_with(&[("origin", PAGE)]).await.unwrap();
    assert_eq!(page.login("alice", "r1", token.clone()).await["type"], "logged_in");
    assert_eq!(test.connect_with(&[("origin", "https://evil.example")]).await.err(), Some(403));
    assert_eq!(test.connect_with(&[("origin", "https://app.example.com:8443")]).await.err(), Some(403));

    // Another app takes the origin, so that the socket opens; this one no longer does.
    let mut late = test.connect_with(&[("origin", PAGE)]).await.unwrap();
    test.configure(taking(&["https://other.example.com"]));
    let refused = late.login("alice", "r1", token.clone()).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("forbidden")), "{refused}");
    // The same for a wrong credential: it is not looked at.
    let mut other = test.connect_with(&[("origin", "https://other.example.com")]).await.unwrap();
    test.configure(taking(&[PAGE]));
    assert_eq!(other.login("alice", "r1", json!({ "token": "x" })).await["code"], "forbidden");

    // Native clients, and pages of the server's own origins, may log in to every app.
    assert_eq!(
        test.connect().await.login("bob", "r1", json!({ "token": test.token("bob", 600) })).await["type"],
        "logged_in"
    );
    let mut own = test.connect_with(&[("origin", super::harness::ORIGIN)]).await.unwrap();
    assert_eq!(own.login("eve", "r1", json!({ "token": test.token("eve", 600) })).await["type"], "logged_in");
}

// proves T49 (resuming)
#[tokio::test]
async fn a_page_of_elsewhere_does_not_go_on_with_a_session_and_does_not_spend_its_key() {
    let test = TestGateway::start(taking(&[PAGE])).await;
    let mut page = test.connect_with(&[("origin", PAGE)]).await.unwrap();
    let ticket = page.login("alice", "r1", json!({ "token": test.token("alice", 600) })).await;
    drop(page);
    let resume = json!({
        "app_id": super::harness::APP_ID, "session_id": ticket["session_id"], "resume_key": ticket["resume_key"],
        "seq": ticket["seq"]
    });
    // It opened while the app took its origin.
    let mut late = test.connect_with(&[("origin", PAGE)]).await.unwrap();
    test.configure(taking(&["https://other.example.com"]));
    assert_eq!(late.ask("resume", resume.clone()).await["code"], "forbidden");
    let mut other = test.connect_with(&[("origin", "https://other.example.com")]).await.unwrap();
    assert_eq!(other.ask("resume", resume).await["type"], "resumed");
}

#[tokio::test]
async fn an_app_that_is_off_opens_no_socket_to_its_pages() {
    let test = TestGateway::start(taking(&[PAGE])).await;
    assert!(test.connect_with(&[("origin", PAGE)]).await.is_ok());
    test.configure(AppSettings { enabled: false, ..taking(&[PAGE]) });
    assert_eq!(test.connect_with(&[("origin", PAGE)]).await.err(), Some(403));
}
