//! What becomes of a shown token, and what its holder is told.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use token_gen::{AppId, AppSign, Minter, Privilege, Privileges, RoomId, ServerSecret, UserId};

use super::{
    check::{Attempt, Refusal},
    *,
};
use crate::{
    apps::{AppSettings, FormatName, RingSecret},
    revocations::{Revocation, Target},
};

pub(super) const NOW: i64 = 1_800_000_000;

pub(super) struct World {
    pub(super) tokens: Tokens,
    revocations: Arc<Revocations>,
    settings: AppSettings,
}

impl World {
    pub(super) fn new() -> Self {
        let mut settings = AppSettings::new(AppId::new(7).unwrap(), "app");
        settings.formats = vec![FormatName::Token04Gcm, FormatName::Token04Cbc, FormatName::Token03];
        (settings.cbc_policy, settings.cbc_until) = (crate::apps::CbcPolicy::Offline, Some(NOW + 3600));
        let revocations = Arc::new(Revocations::default());
        let tokens = Tokens::new(Arc::default(), revocations.clone(), Arc::default(), Arc::default(), NOW.into());
        Self { tokens, revocations, settings }
    }

    fn secret() -> ServerSecret {
        ServerSecret::new("fa94dd0f974cf2e293728a526b028271").unwrap()
    }

    pub(super) fn cbc_secret() -> ServerSecret {
        ServerSecret::new("abcdefghijklmnopqrstuvwxyz012345").unwrap()
    }

    fn mint(&self, payload: Payload, format: Format) -> String {
        let request = TokenRequest { user_id: UserId::new("u").unwrap(), ttl: Duration::from_secs(60), payload };
        let secret = if format == Format::Token04Gcm { Self::secret() } else { Self::cbc_secret() };
        let minter = Minter::new(self.settings.app_id, &secret).with_format(format);
        minter.mint(&request, NOW.into(), &mut SysRng).unwrap().token
    }

    pub(super) fn app(&self) -> App {
        let active =
            RingSecret { secret_id: "one".to_owned(), secret: Self::secret(), valid_until: None, mints_from: 0.into() };
        let cbc = RingSecret {
            secret_id: "cbc".to_owned(),
            secret: Self::cbc_secret(),
            valid_until: None,
            mints_from: 0.into(),
        };
        let app_sign = AppSign::new(&"0a".repeat(32)).unwrap();
        App::new(self.settings.clone(), app_sign, &active, &[]).with_cbc(&[cbc])
    }

    fn check(&self, token: &str, user_id: &str, room_id: &str, now: i64) -> Result<Checked, Refusal> {
        let attempt = Attempt { user_id: Some(user_id), room_id: Some(room_id), source: Some("192.0.2.1") };
        let checked = self.tokens.check(&self.app(), token, attempt, now.into())?;
        checked.permit_login(room_id, now.into())?;
        Ok(checked)
    }

    /// `ok`, or what the holder is told, and what is written down.
    pub(super) fn outcome(&self, token: &str, user_id: &str, room_id: &str, now: i64) -> String {
        match self.check(token, user_id, room_id, now) {
            Ok(_) => "ok".to_owned(),
            Err(refusal) => format!("{} {}", refusal.code(), refusal.exact()),
        }
    }

    fn revoke(&self, target: Target) {
        self.revocations.put(Revocation {
            app_id: self.settings.app_id,
            target,
            issued_before: NOW.into(),
            expire_at: (NOW + 1000).into(),
            created_at: NOW.into(),
            created_by: "key".to_owned(),
            reason: None,
        });
    }
}

fn rights(room_id: &str) -> Payload {
    Payload::Rights(Rights::builder(&RoomId::new(room_id).unwrap()).allow_all(Privileges::ALL).build())
}

// proves T14
#[test]
fn the_first_fault_in_order_answers_and_only_genuine_tokens_tell_it() {
    let steps: [(&str, &str, i64, &str, &str); 5] = [
        ("u", "r", NOW, "ok", "ok"),
        ("u", "r", NOW + 59, "ok", "ok"),
        ("u", "s", NOW, "login_denied room", "token_invalid room"),
        ("v", "s", NOW, "token_user_mismatch user_mismatch", "token_invalid user_mismatch"),
        ("v", "s", NOW + 60, "token_expired expired", "token_invalid expired"),
    ];
    for format in [Format::Token04Gcm, Format::Token04Cbc, Format::Token03] {
        let world = World::new();
        let token = world.mint(rights("r"), format);
        let is_genuine = format == Format::Token04Gcm;
        for (user_id, room_id, now, told, told_of_cbc) in steps {
            let expected = if is_genuine { told } else { told_of_cbc };
            assert_eq!(world.outcome(&token, user_id, room_id, now), expected, "{format:?}");
        }
        // Revocation comes before user and room, and after time.
        world.revoke(Target::User("u".to_owned()));
        let revoked = if is_genuine { "token_revoked revoked" } else { "token_invalid revoked" };
        assert_eq!(world.outcome(&token, "v", "s", NOW), revoked);
        assert_eq!(world.outcome(&token, "u", "r", NOW + 60).split(' ').nth(1), Some("expired"));
    }
}

#[test]
fn a_room_is_revoked_for_its_own_tokens_everywhere_and_for_identity_tokens_there() {
    let world = World::new();
    let (bound, identity) =
        (world.mint(rights("r"), Format::Token04Gcm), world.mint(Payload::Identity, Format::Token04Gcm));
    world.revoke(Target::Room("r".to_owned()));
    assert_eq!(world.outcome(&bound, "u", "r", NOW), "token_revoked revoked");
    assert_eq!(world.outcome(&bound, "u", "s", NOW), "token_revoked revoked");
    assert_eq!(world.outcome(&identity, "u", "r", NOW), "token_revoked revoked");
    assert_eq!(world.outcome(&identity, "u", "s", NOW), "ok");
}

#[test]
fn what_is_wrong_with_us_comes_before_the_token() {
    let mut world = World::new();
    let token = world.mint(Payload::Identity, Format::Token04Gcm);
    assert_eq!(world.outcome("", "u", "r", NOW), "token_missing token_missing");
    assert_eq!(world.outcome(&token, "u", "r", NOW - 1), "clock_behind clock_behind");
    world.revocations.complete((NOW - 61).into());
    assert_eq!(world.outcome(&token, "u", "r", NOW), "unavailable revocations_stale");
    world.revocations.complete((NOW - 60).into());
    assert_eq!(world.outcome(&token, "u", "r", NOW), "ok");
    world.settings.require_privilege_token = true;
    assert_eq!(world.outcome(&token, "u", "r", NOW), "login_denied privilege_token_required");
    world.settings.enabled = false;
    assert_eq!(world.outcome(&token, "u", "r", NOW), "app_disabled app_disabled");
}

// proves C11 (a node that is behind)
#[test]
fn a_node_that_may_not_have_heard_of_a_secret_refuses_no_token_for_good() {
    let mut world = World::new();
    let other = ServerSecret::new("00112233445566778899aabbccddeeff").unwrap();
    let request =
        TokenRequest { user_id: UserId::new("u").unwrap(), ttl: Duration::from_secs(60), payload: Payload::Identity };
    let minter = Minter::new(world.settings.app_id, &other);
    let unknown = minter.mint(&request, NOW.into(), &mut SysRng).unwrap().token;
    let known = world.mint(Payload::Identity, Format::Token04Gcm);
    let invalid = world.outcome(&unknown, "u", "r", NOW);
    assert!(invalid.starts_with("token_invalid "), "{invalid}");
    world.revocations.complete((NOW - 10).into());
    assert_eq!(world.outcome(&unknown, "u", "r", NOW), invalid, "it is alone");
    world.tokens = world.tokens.among_others(Duration::from_secs(5));
    assert_eq!(world.outcome(&unknown, "u", "r", NOW), "unavailable secrets_stale");
    assert_eq!(world.outcome(&known, "u", "r", NOW), "ok");
    assert!(world.outcome("04garbage", "u", "r", NOW).starts_with("token_invalid "), "no secret opens that");
    world.revocations.complete((NOW - 3).into());
    assert_eq!(world.outcome(&unknown, "u", "r", NOW), "unavailable secrets_stale");
    world.revocations.complete((NOW - 2).into());
    assert_eq!(world.outcome(&unknown, "u", "r", NOW), invalid);
}

#[test]
fn an_identity_token_has_the_rights_the_app_gives() {
    let mut world = World::new();
    world.settings.identity_privileges = Privileges::NONE.with(Privilege::Login);
    let token = world.mint(Payload::Identity, Format::Token04Gcm);
    let checked = world.check(&token, "u", "r", NOW).unwrap();
    assert_eq!(checked.rights.privileges(), Privileges::NONE.with(Privilege::Login));
    let free = world.mint(Payload::Text("free".to_owned()), Format::Token04Gcm);
    assert_eq!(world.outcome(&free, "u", "r", NOW), "token_invalid payload_not_an_object");
}
