//! Everything that is announced, as it arrives.

use std::time::Duration;

use roompass_wire::{
    ErrorCode,
    http::SecretPurpose,
    webhook::{Event, EventName, Notice, RefusedOperation},
};
use token_gen::UnixSeconds;

use super::harness::*;
use crate::{
    admin::{Rotation, SettingsChange},
    apps::AppSettings,
    bans,
    keys::{Caller, Scope},
    lifecycle::Ending,
    revocations::Target,
    store::{Location, Purpose},
};

fn event(got: &Got) -> Event {
    let notice: Notice = serde_json::from_str(&got.body).unwrap();
    assert_eq!(got.header("roompass-event"), notice.event.name().as_str());
    notice.event
}

#[tokio::test]
async fn what_operators_and_backends_do_is_announced_before_they_hear_of_it() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, _) = world.endpoint(&receiver.url(), EventName::ALL).await;
    let service = &world.service;
    let caller = Caller { key_id: "backend".to_owned(), app_id: app_id(), scope: Scope::everything() };
    let now = UnixSeconds::new(NOW);
    let queued = async || world.log(&endpoint.endpoint_id).await.len();

    let target = Target::UserInRoom { user_id: "alice".to_owned(), room_id: "r".to_owned() };
    let ending = Ending { target, issued_before: now, expire_at: None, reason: Some("left".to_owned()) };
    service.lifecycle.revoke(&caller, ending, now).await.unwrap();
    assert_eq!(queued().await, 1);
    let target = bans::Target::User("bob".to_owned());
    let until = Some(now.saturating_add(Duration::from_secs(60)));
    let ban = service.lifecycle.ban(&caller, target, until, None, now).await.unwrap();
    service.lifecycle.lift(&caller, ban.target.entry_id()).await.unwrap();
    assert_eq!(queued().await, 3);
    let rotation = Rotation { purpose: Purpose::Gcm, overlap: Some(Duration::from_secs(60)) };
    let ring = service.admin.ring(app_id()).await.unwrap();
    service.admin.rotate(app_id(), rotation).await.unwrap();
    service.admin.retire(app_id(), &ring[0].secret_id).await.unwrap();
    service.admin.reset_app_sign(app_id(), Duration::from_secs(10)).await.unwrap();
    assert_eq!(queued().await, 6);
    let app = service.admin.app(app_id()).await.unwrap().unwrap();
    let settings = AppSettings { max_room_users: 5, name: "new".to_owned(), ..app.settings };
    let change = SettingsChange { version: app.version, settings: settings.clone(), acknowledge_cbc: false };
    let app = service.admin.update_app(change).await.unwrap();
    let settings = AppSettings { enabled: false, ..settings };
    let change = SettingsChange { version: app.version, settings, acknowledge_cbc: false };
    let app = service.admin.update_app(change).await.unwrap();
    assert_eq!(queued().await, 8);
    // What is done in another app is nobody's business here.
    let others = Caller { app_id: token_gen::AppId::new(8).unwrap(), ..caller };
    let ending = Ending { target: Target::App, issued_before: now, expire_at: None, reason: None };
    service.lifecycle.revoke(&others, ending, now).await.unwrap();

    let got = receiver.wait_for(8).await;
    let find = |name| got.iter().map(event).find(|event| event.name() == name).unwrap_or_else(|| panic!("no {name}"));
    let Event::Revoked(revoked) = find(EventName::Revoked) else { panic!() };
    assert_eq!((revoked.user_id.as_deref(), revoked.room_id.as_deref()), (Some("alice"), Some("r")));
    assert_eq!((revoked.issued_before_ms, &*revoked.by), (Some(NOW * 1000), "backend"));
    let Event::Banned(banned) = find(EventName::Banned) else { panic!() };
    assert_eq!((banned.user_id.as_deref(), banned.expire_at_ms), (Some("bob"), Some((NOW + 60) * 1000)));
    let Event::BanLifted(lifted) = find(EventName::BanLifted) else { panic!() };
    assert_eq!(lifted.ban_id, banned.ban_id);
    let Event::SecretRotated(rotated) = find(EventName::SecretRotated) else { panic!() };
    assert_eq!((rotated.purpose, rotated.previous_valid_until_ms), (SecretPurpose::Gcm, Some((NOW + 60) * 1000)));
    let Event::SecretRetired(retired) = find(EventName::SecretRetired) else { panic!() };
    assert_eq!(retired.secret_id, ring[0].secret_id);
    let Event::AppSignReset(reset) = find(EventName::AppSignReset) else { panic!() };
    assert_eq!(reset.previous_valid_until_ms, (NOW + 10) * 1000);
    let Event::AppChanged(changed) = find(EventName::AppChanged) else { panic!() };
    assert_eq!(changed.settings, ["max_room_users", "name"]);
    let Event::AppDisabled(disabled) = find(EventName::AppDisabled) else { panic!() };
    assert_eq!(disabled.version, app.version);
    world.stop().await;
    assert_eq!(receiver.got().len(), 8);
    let secrets = service_secrets(&got);
    assert!(secrets.is_empty(), "{secrets:?}");
}

/// Texts in notices that are as long as a secret is, beside names of ours.
fn service_secrets(got: &[Got]) -> Vec<String> {
    let words = got.iter().flat_map(|got| got.body.split('"').map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.len() >= 32 && word.chars().all(|c| c.is_ascii_alphanumeric())).collect()
}

// proves T16 (webhooks: a token is named, never shown)
#[tokio::test]
async fn mints_are_announced_to_who_asks_and_refusals_are_counted() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let everything = Receiver::start().await;
    let default = crate::webhooks::EndpointSettings::default_events();
    world.endpoint(&receiver.url(), &default).await;
    world.endpoint(&everything.url(), &[EventName::Minted]).await;
    let server = crate::http::testing::over(&world.service).await;
    let token = server.mint("alice").await;
    let got = everything.wait_for(1).await.remove(0);
    let Event::Minted(minted) = event(&got) else { panic!() };
    assert_eq!((&*minted.user_id, minted.expire_at_ms), ("alice", (NOW + 3600) * 1000));
    assert!(!got.body.contains(&token[2..42]) && token.len() > 100);

    // The same fault five times, another once; names that are none are not passed on.
    for _ in 0..5 {
        assert_eq!(server.mint_status("not a name").await, 422);
    }
    assert!(!server.is_active(&format!("{token}x")).await);
    let got = receiver.wait_for(2).await;
    let refused = |got: &Got| match event(got) {
        Event::Refused(refused) => refused,
        other => panic!("{other:?}"),
    };
    let mint = got.iter().map(refused).find(|refused| refused.operation == RefusedOperation::Mint).unwrap();
    assert_eq!((mint.code, mint.count, mint.user_id), (ErrorCode::UserIdInvalid, 1, None));
    let introspect = got.iter().map(refused).find(|refused| refused.operation == RefusedOperation::Introspect).unwrap();
    assert!(introspect.token_id.is_some() && introspect.count == 1);
    world.advance(10);
    let summary = refused(&receiver.wait_for(3).await[2]);
    assert_eq!((summary.operation, summary.count, summary.first_at_ms), (RefusedOperation::Mint, 4, NOW * 1000));
    world.stop().await;
    assert_eq!((receiver.got().len(), everything.got().len()), (3, 1));
}

#[tokio::test]
async fn a_secret_that_ends_within_a_day_is_announced_once() {
    let (directory, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let config = config_on(Location::File(directory.path().join("roompass.db")).into());
    let world = World::with(&config).await;
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::SecretExpiring]).await;
    let ending = world.service.admin.ring(app_id()).await.unwrap()[0].secret_id.clone();
    let rotation = Rotation { purpose: Purpose::Gcm, overlap: Some(Duration::from_secs(48 * 3600)) };
    world.service.admin.rotate(app_id(), rotation).await.unwrap();
    world.advance(24 * 3600 - 1);
    assert_eq!(world.log(&endpoint.endpoint_id).await, []);
    world.advance(61);
    let got = receiver.wait_for(1).await.remove(0);
    let Event::SecretExpiring(expiring) = event(&got) else { panic!() };
    assert_eq!((expiring.secret_id, expiring.valid_until_ms), (ending, (NOW + 48 * 3600) * 1000));
    let clock = world.clock.clone();
    world.stop().await;
    // Another process, and later: it is the same event.
    let again = World::at(&config, clock).await;
    for _ in 0..3 {
        again.advance(120);
        again.service.webhooks.stir();
        tokio::task::yield_now().await;
    }
    again.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    receiver.wait_for(2).await;
    again.stop().await;
    assert_eq!(receiver.got().len(), 2, "the test event, and nothing twice");
}
