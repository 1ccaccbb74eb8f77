use rand::rngs::SysRng;
use roompass_wire::ErrorCode;
use token_gen::{AppId, AppSign, Privilege, ServerSecret};

use super::*;
use crate::apps::{AppSettings, CbcPolicy, ClosedApp, FormatName as AppFormat, RingSecret};

const CBC_SECRET: &str = "0123456789abcdef0123456789abcdeF";
const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

#[derive(Clone)]
struct Set {
    settings: AppSettings,
    scope: Scope,
}

fn set() -> Set {
    Set { settings: AppSettings::new(AppId::new(7).unwrap(), "app"), scope: Scope::default() }
}

impl Set {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn app(&self) -> App {
        let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").unwrap();
        let active = RingSecret { secret_id: "s1".to_owned(), secret, valid_until: None, mints_from: 0.into() };
        let secret = ServerSecret::new(CBC_SECRET).unwrap();
        let cbc = RingSecret { secret_id: "c1".to_owned(), secret, valid_until: None, mints_from: 0.into() };
        App::new(self.settings.clone(), AppSign::new(&"0a".repeat(32)).unwrap(), &active, &[]).with_cbc(&[cbc])
    }

    fn mint(&self, request: &str) -> Result<MintedToken, Error> {
        let directory = Directory::default();
        let set = self.clone();
        let prepare = Box::new(move || Some(set.app()));
        directory.put(self.settings.app_id, ClosedApp { origins: Vec::new(), prepare });
        let caller = Caller { key_id: "k".to_owned(), app_id: AppId::new(7).unwrap(), scope: self.scope.clone() };
        let request = serde_json::from_str(request).unwrap();
        let tokens = Tokens::new(Arc::new(directory), Arc::default(), Arc::default(), Arc::default(), NOW);
        tokens.mint(&caller, &request, NOW, &mut SysRng)
    }

    /// The field that is refused, with its code.
    fn refused(&self, request: &str) -> (String, ErrorCode) {
        match self.mint(request) {
            Err(Error::Field { field, code, .. }) => (field.into_owned(), code),
            other => panic!("{request}: {other:?}"),
        }
    }
}

#[test]
fn what_is_minted_verifies_and_says_what_was_asked() {
    let set = set();
    let minted = set.mint(r#"{"user_id":"alice"}"#).unwrap().minted;
    assert_eq!((minted.issued_at, minted.expire_at.get() - NOW.get()), (NOW, 3600));
    let verified = set.app().verify(&minted.token, NOW).unwrap().verified;
    assert_eq!(verified.claims.user_id, "alice");

    let minted = set.mint(r#"{"user_id":"a","room_id":"r","privileges":["login"],"ttl_secs":60}"#).unwrap().minted;
    let claims = set.app().verify(&minted.token, NOW).unwrap().verified.claims;
    assert_eq!(claims.payload(), Some(r#"{"room_id":"r","privilege":{"1":1,"2":0},"stream_id_list":null}"#));
    assert_eq!(claims.expire_at.get(), NOW.get() + 60);

    let minted = set.mint(r#"{"user_id":"a","payload":" {\"own\" : 1}"}"#).unwrap().minted;
    let claims = set.app().verify(&minted.token, NOW).unwrap().verified.claims;
    assert_eq!(claims.payload(), Some(r#" {"own" : 1}"#));
}

#[test]
fn each_fault_names_its_field() {
    for (request, field, code) in [
        (r#"{"user_id":""}"#, "user_id", ErrorCode::UserIdInvalid),
        (r#"{"user_id":"a b"}"#, "user_id", ErrorCode::UserIdInvalid),
        (r#"{"user_id":"a\u0000"}"#, "user_id", ErrorCode::UserIdInvalid),
        (r#"{"user_id":"a\u202e"}"#, "user_id", ErrorCode::UserIdInvalid),
        (r#"{"user_id":"a","room_id":""}"#, "room_id", ErrorCode::RoomIdInvalid),
        (r#"{"user_id":"a","room_id":"r/"}"#, "room_id", ErrorCode::RoomIdInvalid),
        (r#"{"user_id":"a","privileges":["login"]}"#, "room_id", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","stream_ids":["s"]}"#, "room_id", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","kit":true}"#, "room_id", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","room_id":"r","privileges":[]}"#, "privileges", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","room_id":"r","stream_ids":[]}"#, "stream_ids", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","room_id":"r","stream_ids":["a b"]}"#, "stream_ids", ErrorCode::StreamIdInvalid),
        (
            r#"{"user_id":"a","room_id":"r","stream_ids":["s"],"privileges":["login"]}"#,
            "stream_ids",
            ErrorCode::FieldInvalid,
        ),
        (r#"{"user_id":"a","room_id":"r","payload":"x"}"#, "payload", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","privileges":["login"],"payload":"x"}"#, "payload", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","payload":""}"#, "payload", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","ttl_secs":0}"#, "ttl_secs", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","ttl_secs":86401}"#, "ttl_secs", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","ttl_secs":18446744073709551615}"#, "ttl_secs", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","format":"03","cipher":"gcm"}"#, "cipher", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","format":"03"}"#, "format", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","cipher":"cbc"}"#, "cipher", ErrorCode::FieldInvalid),
        (r#"{"user_id":"a","user_name":""}"#, "user_name", ErrorCode::UserNameInvalid),
    ] {
        assert_eq!(set().refused(request), (field.to_owned(), code), "{request}");
    }
    let long = format!(r#"{{"user_id":"a","payload":"{}"}}"#, "x".repeat(4097));
    assert_eq!(set().refused(&long).0, "payload");
    let streams: Vec<String> = (0..500).map(|number| format!("stream-{number}")).collect();
    let streams = serde_json::to_string(&streams).unwrap();
    assert_eq!(set().refused(&format!(r#"{{"user_id":"a","room_id":"r","stream_ids":{streams}}}"#)).0, "stream_ids");
}

#[test]
fn a_key_mints_within_its_scope_only() {
    let rooms = set().with(|set| set.scope.room_prefix = "class-".to_owned());
    assert!(rooms.mint(r#"{"user_id":"a","room_id":"class-1"}"#).is_ok());
    assert_eq!(rooms.refused(r#"{"user_id":"a","room_id":"lobby"}"#).0, "room_id");
    assert_eq!(rooms.refused(r#"{"user_id":"a"}"#).0, "room_id");
    assert_eq!(rooms.refused(r#"{"user_id":"a","payload":"{\"room_id\":\"lobby\"}"}"#).0, "payload");

    let viewers = set().with(|set| set.scope.privileges = Privileges::NONE.with(Privilege::Login));
    assert!(viewers.mint(r#"{"user_id":"a","room_id":"r","privileges":["login"]}"#).is_ok());
    assert_eq!(viewers.refused(r#"{"user_id":"a","room_id":"r"}"#).0, "privileges");
    assert_eq!(viewers.refused(r#"{"user_id":"a"}"#).0, "room_id");
    assert_eq!(viewers.refused(r#"{"user_id":"a","payload":"x"}"#).0, "payload");

    let brief = set().with(|set| set.scope.max_ttl_secs = Some(60));
    let minted = brief.mint(r#"{"user_id":"a"}"#).unwrap().minted;
    assert_eq!(minted.expire_at.get() - NOW.get(), 60);
    assert_eq!(brief.refused(r#"{"user_id":"a","ttl_secs":61}"#).0, "ttl_secs");
}

#[test]
fn an_app_mints_within_its_settings_only() {
    let old = set().with(|set| {
        set.settings.formats = vec![AppFormat::Token04Cbc, AppFormat::Token03];
        set.settings.cbc_policy = CbcPolicy::Offline;
        set.settings.cbc_until = Some(NOW.get() + 60);
    });
    assert_eq!(old.refused(r#"{"user_id":"a"}"#).0, "cipher");
    assert!(old.mint(r#"{"user_id":"a","cipher":"cbc"}"#).is_ok());
    assert!(old.mint(r#"{"user_id":"a","format":"03","room_id":"r"}"#).unwrap().minted.token.starts_with("03"));
    assert_eq!(old.refused(r#"{"user_id":"a","format":"03"}"#).0, "format");

    let strict = set().with(|set| set.settings.require_privilege_token = true);
    assert_eq!(strict.refused(r#"{"user_id":"a"}"#).0, "room_id");

    let off = set().with(|set| set.settings.enabled = false);
    assert!(matches!(off.mint(r#"{"user_id":"a"}"#), Err(Error::AppDisabled)));
}

#[test]
fn a_kit_token_wraps_the_same_token() {
    let minted = set().mint(r#"{"user_id":"a","room_id":"r","kit":true,"user_name":"Ann"}"#).unwrap();
    let kit = KitToken::parse_unverified(&minted.kit_token.unwrap().0).unwrap();
    assert_eq!(kit.token, minted.minted.token);
    assert_eq!((kit.info.user_id.as_str(), kit.info.user_name.as_str()), ("a", "Ann"));
}

#[test]
fn terms_are_minted_as_asked_and_each_fault_names_its_own() {
    let set = set().with(|set| set.scope.room_prefix = "r".to_owned());
    let asked = r#"{"user_id":"a","room_id":"r1","user_name":"Ann","terms":{"room_ids":["r2"],"play":false,
        "media":["audio"],"publish_ttl_secs":60,"max_stay_secs":600,"on_expiry":"grace","grace_secs":30,
        "single_use":true,"metadata":"seat 7"}}"#;
    let minted = set.mint(asked).unwrap().minted;
    let claims = set.app().verify(&minted.token, NOW).unwrap().verified.claims;
    let until = NOW.get() + 60;
    assert_eq!(
        claims.payload().unwrap(),
        format!(
            r#"{{"room_id":"r1","privilege":{{"1":1,"2":1}},"stream_id_list":null,"roompass":{{"play":0,"media":["audio"],"publish_until":{until},"max_stay_secs":600,"on_expiry":"grace","grace_secs":30,"single_use":1,"room_ids":["r2"],"user_name":"Ann","metadata":"seat 7"}}}}"#
        )
    );
    for (terms, field) in [
        (r#"{"room_ids":[]}"#, "terms.room_ids"),
        (r#"{"room_ids":["x"]}"#, "terms.room_ids"),
        (r#"{"play":false,"play_stream_ids":["s"]}"#, "terms.play"),
        (r#"{"play_stream_ids":[]}"#, "terms.play_stream_ids"),
        (r#"{"play_stream_ids":["a b"]}"#, "terms.play_stream_ids"),
        (r#"{"media":[]}"#, "terms.media"),
        (r#"{"login_ttl_secs":3601}"#, "terms.login_ttl_secs"),
        (r#"{"publish_ttl_secs":0}"#, "terms.publish_ttl_secs"),
        (r#"{"max_stay_secs":2073601}"#, "terms.max_stay_secs"),
        (r#"{"grace_secs":5}"#, "terms.grace_secs"),
        (r#"{"on_expiry":"grace"}"#, "terms.grace_secs"),
        (r#"{"on_expiry":"kick","grace_secs":5}"#, "terms.grace_secs"),
        (r#"{"metadata":""}"#, "terms.metadata"),
    ] {
        let request = format!(r#"{{"user_id":"a","room_id":"r1","terms":{terms}}}"#);
        assert_eq!(set.refused(&request).0, field, "{terms}");
    }
    let set = Set { scope: Scope::default(), ..set };
    assert_eq!(set.refused(r#"{"user_id":"a","terms":{"single_use":true}}"#).0, "room_id");
    assert_eq!(set.refused(r#"{"user_id":"a","payload":"x","terms":{}}"#).0, "payload");
}
