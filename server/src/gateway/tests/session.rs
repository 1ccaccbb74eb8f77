//! Scripts of one stay: what goes in at which second, against what comes out.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_wire::{
    ErrorCode,
    gateway::{Publish, ServerMessage},
    http::WithheldPrivilege,
};
use token_gen::{
    AppId, AppSign, Minter, Payload, Privilege, Privileges, Rights, RightsBuilder, RoomId, ServerSecret, StreamId,
    TokenRequest, UnixSeconds, UserId,
};

use crate::{
    apps::{App, AppSettings, ExpiryPolicy, RingSecret},
    gateway::{
        operate::Order,
        session::{Departure, Effect, Request, Session, StreamLimits, TextLimits},
    },
    login::{Grant, SessionToken},
    tokens::{Attempt, Tokens},
};

/// The token of every script is issued here and expires at E = 100, unless it says otherwise.
const ISSUED: i64 = 0;
const START: i64 = 1_800_000_000;

/// One stay of alice in room r1, driven by hand.
pub(super) struct Script {
    settings: AppSettings,
    pub(super) session: Session,
    taken: &'static str,
}

/// A token for alice: issued at, living for, room, privileges, streams.
struct Token(i64, u64, &'static str, &'static [Privilege], &'static [&'static str]);

const BOTH: &[Privilege] = &Privilege::ALL;

pub(super) fn at(second: i64) -> UnixSeconds {
    UnixSeconds::new(START + second)
}

pub(super) fn settings() -> AppSettings {
    AppSettings::new(AppId::new(7).unwrap(), "demo")
}

fn strict() -> AppSettings {
    AppSettings { on_expiry: ExpiryPolicy::Strict, ..settings() }
}

fn secret() -> ServerSecret {
    ServerSecret::new("fa94dd0f974cf2e293728a526b028271").unwrap()
}

/// A token that is good for all of this, in another app whose secret is this one.
fn of_app_8(secret: &ServerSecret) -> String {
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: Duration::from_secs(100),
        payload: Payload::Rights(Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL).build()),
    };
    Minter::new(AppId::new(8).unwrap(), secret).mint(&request, at(20), &mut SysRng).unwrap().token
}

impl Token {
    fn mint(&self, user_id: &str) -> String {
        let Self(issued_at, ttl, room_id, privileges, streams) = self;
        let builder = Rights::builder(&RoomId::new(*room_id).unwrap()).allow_all(privileges.iter().copied().collect());
        let rights =
            streams.iter().fold(builder, |rights, &stream_id| rights.stream(&StreamId::new(stream_id).unwrap()));
        let request = TokenRequest {
            user_id: UserId::new(user_id).unwrap(),
            ttl: Duration::from_secs(*ttl),
            payload: Payload::Rights(rights.build()),
        };
        let minter = Minter::new(AppId::new(7).unwrap(), &secret());
        minter.mint(&request, at(*issued_at), &mut SysRng).unwrap().token
    }
}

fn open(token: &str, now: i64) -> Result<SessionToken, crate::login::Refusal> {
    let active = RingSecret { secret_id: "one".into(), secret: secret(), valid_until: None, mints_from: 0.into() };
    let app = App::new(settings(), AppSign::generate(&mut SysRng).unwrap(), &active, &[]);
    let tokens = Tokens::new(Arc::default(), Arc::default(), Arc::default(), Arc::default(), at(0));
    SessionToken::open(
        &tokens,
        &app,
        token,
        Attempt { user_id: Some("alice"), room_id: Some("r1"), source: None },
        at(now),
    )
}

/// A token for alice with everything in r1, and these terms.
pub(super) fn token(issued_at: i64, ttl: u64, terms: impl FnOnce(RightsBuilder) -> RightsBuilder) -> String {
    let rights = Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL);
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: Duration::from_secs(ttl),
        payload: Payload::Rights(terms(rights).build()),
    };
    let minter = Minter::new(AppId::new(7).unwrap(), &secret());
    minter.mint(&request, at(issued_at), &mut SysRng).unwrap().token
}

impl Script {
    /// A stay by `token`, from the second `now` on.
    pub(super) fn of_token(settings: AppSettings, token: &str, now: i64) -> Self {
        Self::with_grant(settings, Grant::Token(open(token, now).unwrap()))
    }

    /// Publishes what carries `media`.
    pub(super) fn publish_media(&mut self, second: i64, stream_id: &str, media: &[&str]) -> String {
        let media = media.iter().map(|kind| serde_json::from_value(serde_json::json!(kind)).unwrap()).collect();
        let id = u64::try_from(second).unwrap();
        let publish = Publish { id, stream_id: stream_id.to_owned(), media: Some(media), extra: None };
        self.request(second, Request::Publish(publish))
    }

    fn new(settings: AppSettings, token: Token) -> Self {
        let grant = Grant::Token(open(&token.mint("alice"), token.0).unwrap());
        Self::with_grant(settings, grant)
    }

    fn with_grant(settings: AppSettings, grant: Grant) -> Self {
        let limits = StreamLimits { max_publishing: 3, max_playing: 2 };
        let session = Session::new(RoomId::new("r1").unwrap(), grant, limits, TextLimits::default(), at(0));
        Self { settings, session, taken: "taken" }
    }

    /// A request at `second`; its id is that second.
    pub(super) fn request(&mut self, second: i64, request: Request) -> String {
        let id = u64::try_from(second).unwrap();
        let effects = self.session.request(&self.settings, id, request, at(second));
        self.show(effects)
    }

    pub(super) fn publish(&mut self, second: i64, stream_id: &str) -> String {
        let id = u64::try_from(second).unwrap();
        let stream_id = stream_id.to_owned();
        self.request(second, Request::Publish(Publish { id, stream_id, media: None, extra: None }))
    }

    pub(super) fn play(&mut self, second: i64, stream_id: &str) -> String {
        self.request(second, Request::Play(stream_id.to_owned()))
    }

    fn renew(&mut self, second: i64, token: Token) -> String {
        self.renew_with(second, &token.mint("alice"))
    }

    pub(super) fn renew_with(&mut self, second: i64, token: &str) -> String {
        self.request(second, Request::Renew(open(token, second)))
    }

    pub(super) fn withhold(&mut self, second: i64, privileges: &[WithheldPrivilege]) -> String {
        let order = Order::Withhold(privileges.to_vec());
        let effects = self.session.obey(&self.settings, order, at(second));
        self.show(effects)
    }

    pub(super) fn pass(&mut self, second: i64) -> String {
        let effects = self.session.pass_time(&self.settings, at(second));
        self.show(effects)
    }

    pub(super) fn deadline(&self) -> Option<i64> {
        self.session.deadline(&self.settings).map(|deadline| deadline.get() - START)
    }

    /// The effects in short, the rooms granting every stream but the taken one.
    fn show(&mut self, effects: Vec<Effect>) -> String {
        let mut shown = Vec::new();
        for effect in effects {
            shown.push(match effect {
                Effect::Send(message) => short(&message),
                Effect::StartStream { id, stream, media } => {
                    let stream_id = stream.stream_id;
                    let started = if stream_id.as_str() == self.taken { Err(ErrorCode::StreamIdTaken) } else { Ok(()) };
                    short(&self.session.stream_started(id, stream_id, media, started))
                }
                Effect::Ask { id, operation } => format!("ask {id} {operation:?}"),
                Effect::StopStream(stream_id, _) => format!("give back {stream_id}"),
                Effect::Leave(Departure::LoggedOut) => "leave".to_owned(),
                Effect::Leave(Departure::Kicked(code)) => format!("leave: {code}"),
            });
        }
        shown.join(", ")
    }
}

fn short(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Ok(ok) => format!("ok {}", ok.id),
        ServerMessage::Error(error) => {
            let reason = error.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("error {} {}{reason}", error.id.unwrap(), error.code)
        }
        ServerMessage::TokenRenewed(renewed) => {
            let notice = renewed.notice.map(|notice| format!(" but {notice}")).unwrap_or_default();
            format!("renewed {} until {}{notice}", renewed.id, renewed.expire_at - START)
        }
        ServerMessage::PrivilegesChanged(changed) => {
            let names: Vec<_> = changed.privileges.iter().map(|privilege| privilege.as_str()).collect();
            format!("may {}", names.join(" "))
        }
        ServerMessage::TokenWillExpire(warning) => format!("will expire in {}", warning.remain_secs),
        ServerMessage::TokenExpired(expired) => format!("expired at {}", expired.expire_at - START),
        ServerMessage::PublishStopped(stopped) => format!("publish of {} stopped: {}", stopped.stream_id, stopped.code),
        ServerMessage::PlayStopped(stopped) => format!("play of {} stopped: {}", stopped.stream_id, stopped.code),
        ServerMessage::Kicked(kicked) => {
            format!("kicked: {}{}", kicked.code, if kicked.may_reconnect { ", may come back" } else { "" })
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn soft_expiry_lets_streams_go_on_and_refuses_new_ones() {
    // proves T14, W7
    let mut s = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(s.publish(1, "s1"), "ok 1");
    assert_eq!(s.play(2, "other"), "ok 2");
    assert_eq!(s.deadline(), Some(70));
    assert_eq!(s.pass(69), "");
    assert_eq!(s.pass(70), "will expire in 30");
    assert_eq!(s.deadline(), Some(100));
    assert_eq!(s.pass(71), "");
    assert_eq!(s.publish(99, "s2"), "ok 99");
    assert_eq!(s.pass(100), "expired at 100");
    assert_eq!(s.deadline(), None);
    assert_eq!(s.publish(100, "s3"), "error 100 publish_token_expired");
    assert_eq!(s.play(101, "third"), "error 101 play_token_expired");
    assert_eq!(s.pass(160), "");
    assert_eq!(s.request(161, Request::StopPublish("s1".into())), "give back s1, ok 161");
    assert_eq!(s.publish(162, "s1"), "error 162 publish_token_expired");
    assert_eq!(s.request(163, Request::StopPlay("other".into())), "ok 163");
    assert_eq!(s.renew(164, Token(164, 100, "r1", BOTH, &[])), "renewed 164 until 264");
    assert_eq!(s.deadline(), Some(234));
    assert_eq!(s.publish(165, "s1"), "ok 165");
    assert_eq!(s.request(166, Request::Logout), "ok 166, leave");
    assert_eq!(s.deadline(), None);
    assert_eq!(s.pass(1000), "");
}

#[test]
fn strict_expiry_stops_publishing_then_playing_then_the_stay() {
    let mut s = Script::new(strict(), Token(ISSUED, 100, "r1", BOTH, &[]));
    s.publish(1, "s2");
    s.publish(1, "s1");
    s.play(2, "other");
    assert_eq!(s.pass(70), "will expire in 30");
    assert_eq!(
        s.pass(100),
        "publish of s1 stopped: publish_token_expired, give back s1, \
         publish of s2 stopped: publish_token_expired, give back s2, \
         play of other stopped: play_token_expired, \
         kicked: kicked_token_expired, leave: kicked_token_expired"
    );
    assert_eq!(s.pass(101), "");
    assert_eq!(s.publish(101, "s3"), "");
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_request_that_comes_with_expiry_is_judged_after_it() {
    let mut soft = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(soft.publish(100, "s1"), "expired at 100, error 100 publish_token_expired");
    let mut strict = Script::new(strict(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(strict.publish(100, "s1"), "kicked: kicked_token_expired, leave: kicked_token_expired");
}

#[test]
fn an_app_that_turns_strict_ends_sessions_already_expired() {
    let mut s = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(s.pass(100), "expired at 100");
    s.settings = strict();
    assert_eq!(s.pass(150), "kicked: kicked_token_expired, leave: kicked_token_expired");
}

#[test]
fn the_warning_comes_once_a_token_at_once_if_late_and_never_after_the_end() {
    let mut late = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(late.pass(90), "will expire in 10");
    assert_eq!(late.pass(95), "");
    let mut late = Script::new(settings(), Token(ISSUED, 10, "r1", BOTH, &[]));
    assert_eq!(late.deadline(), Some(5));
    assert_eq!(late.pass(6), "will expire in 4");
    // A short one is warned of in the middle of its life.
    assert_eq!(late.renew(9, Token(9, 30, "r1", BOTH, &[])), "renewed 9 until 39");
    assert_eq!((late.pass(23), late.pass(24)), (String::new(), "will expire in 15".to_owned()));
    assert_eq!(late.renew(25, Token(25, 61, "r1", BOTH, &[])), "renewed 25 until 86");
    assert_eq!((late.pass(55), late.pass(56)), (String::new(), "will expire in 30".to_owned()));

    let mut slept = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!(slept.pass(100), "expired at 100");

    let lead = AppSettings { will_expire_lead_secs: 5, ..settings() };
    let mut s = Script::new(lead, Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!((s.pass(94), s.pass(95)), (String::new(), "will expire in 5".to_owned()));
}

#[test]
fn an_app_sign_session_has_no_end_and_does_not_renew() {
    let rights = Rights::builder_any_room().allow_all(Privileges::NONE.with(Privilege::Login)).build();
    let mut s = Script::with_grant(strict(), Grant::AppSign(rights));
    assert_eq!(s.deadline(), None);
    assert_eq!(s.pass(1_000_000), "");
    assert_eq!(s.publish(5, "s1"), "error 5 publish_denied (publish)");
    assert_eq!(s.play(6, "s1"), "ok 6");
    let refused = s.renew(7, Token(7, 100, "r1", BOTH, &[]));
    assert_eq!(refused, "error 7 app_sign_session (app_sign_session)");
    assert_eq!(s.publish(8, "s1"), "error 8 publish_denied (publish)");
}

#[test]
fn publishing_follows_the_rights_of_the_present_token() {
    // proves T13, W6
    let mut s = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &["s1", "taken"]));
    assert_eq!(s.publish(1, "s1"), "ok 1");
    assert_eq!(s.publish(2, "s1"), "error 2 already_publishing");
    assert_eq!(s.publish(3, "s2"), "error 3 publish_denied (stream)");
    assert_eq!(s.publish(4, "S1"), "error 4 publish_denied (stream)");
    assert_eq!(s.publish(5, ""), "error 5 stream_id_invalid");
    assert_eq!(s.publish(6, "a b"), "error 6 stream_id_invalid");
    assert_eq!(s.publish(7, "taken"), "error 7 stream_id_taken");
    assert_eq!(s.request(8, Request::StopPublish("taken".into())), "error 8 not_publishing");
    assert_eq!(s.request(9, Request::StopPublish("s2".into())), "error 9 not_publishing");
    // A smaller token: what runs goes on, what is new is refused; a larger one: allowed again.
    let smaller = Token(10, 90, "r1", &[Privilege::Login], &[]);
    assert_eq!(s.renew(10, smaller), "renewed 10 until 100 but renewed_without_publish");
    assert_eq!(s.request(11, Request::StopPublish("s1".into())), "give back s1, ok 11");
    assert_eq!(s.publish(12, "s1"), "error 12 publish_denied (publish)");
    assert_eq!(s.renew(13, Token(13, 187, "r1", BOTH, &["s2"])), "renewed 13 until 200");
    assert_eq!(s.publish(14, "s2"), "ok 14");
    assert_eq!(s.publish(15, "s1"), "error 15 publish_denied (stream)");
}

#[test]
fn playing_needs_no_right_and_no_stream_but_time() {
    let mut s = Script::new(settings(), Token(ISSUED, 100, "r1", &[Privilege::Login], &[]));
    assert_eq!(s.play(1, "not-there-yet"), "ok 1");
    assert_eq!(s.play(2, "not-there-yet"), "ok 2");
    assert_eq!(s.play(3, "a/b"), "error 3 stream_id_invalid");
    assert_eq!(s.request(4, Request::StopPlay("not-there-yet".into())), "ok 4");
    assert_eq!(s.request(5, Request::StopPlay("not-there-yet".into())), "error 5 not_playing");
    assert_eq!(s.request(6, Request::StopPlay("a/b".into())), "error 6 stream_id_invalid");
}

#[test]
fn one_session_has_only_so_many_streams() {
    let mut s = Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    assert_eq!([s.publish(1, "a"), s.publish(2, "b"), s.publish(3, "c")].join(", "), "ok 1, ok 2, ok 3");
    assert_eq!(s.publish(4, "d"), "error 4 publish_limit");
    assert_eq!([s.play(5, "a"), s.play(6, "b")].join(", "), "ok 5, ok 6");
    assert_eq!(s.play(7, "c"), "error 7 play_limit");
    assert_eq!(s.play(8, "a"), "ok 8");
}

#[test]
fn every_row_of_the_renewal_table_holds_and_a_refusal_harms_nothing() {
    // proves T54, W8, T12 (renewal)
    let first = Token(10, 100, "r1", BOTH, &[]).mint("alice");
    let rows: [(&str, String, &str); 15] = [
        ("same rights", Token(20, 100, "r1", BOTH, &[]).mint("alice"), "renewed 20 until 120"),
        (
            "login only",
            Token(20, 100, "r1", &[Privilege::Login], &[]).mint("alice"),
            "renewed 20 until 120 but renewed_without_publish",
        ),
        (
            "stream not listed",
            Token(20, 100, "r1", BOTH, &["s2"]).mint("alice"),
            "renewed 20 until 120 but renewed_without_publish",
        ),
        ("publish only", Token(20, 100, "r1", &[Privilege::Publish], &[]).mint("alice"), "renewed 20 until 120"),
        (
            "nothing granted",
            Token(20, 100, "r1", &[], &[]).mint("alice"),
            "renewed 20 until 120 but renewed_without_publish",
        ),
        ("earlier end", Token(20, 5, "r1", BOTH, &[]).mint("alice"), "renewed 20 until 25"),
        ("same second", Token(10, 200, "r1", BOTH, &[]).mint("alice"), "renewed 20 until 210"),
        ("same token", first.clone(), "renewed 20 until 110"),
        ("other room", Token(20, 100, "r2", BOTH, &[]).mint("alice"), "error 20 login_denied (room)"),
        ("other user", Token(20, 100, "r1", BOTH, &[]).mint("bob"), "error 20 token_user_mismatch"),
        ("another app's", of_app_8(&ServerSecret::generate(&mut SysRng).unwrap()), "error 20 token_invalid"),
        ("another app's that shares the secret", of_app_8(&secret()), "error 20 token_invalid"),
        ("expired", Token(10, 10, "r1", BOTH, &[]).mint("alice"), "error 20 token_expired"),
        ("older", Token(9, 500, "r1", BOTH, &[]).mint("alice"), "error 20 token_invalid"),
        ("empty", String::new(), "error 20 token_missing"),
    ];
    for (name, token, expected) in rows {
        let grant = Grant::Token(open(&first, 10).unwrap());
        let mut s = Script::with_grant(settings(), grant);
        s.publish(11, "s1");
        assert_eq!(s.renew_with(20, &token), expected, "{name}");
        if expected.starts_with("error") {
            assert_eq!(s.publish(21, "s9"), "ok 21", "after {name} the old token still publishes");
            assert_eq!(s.deadline(), Some(80), "after {name} the old token's warning stands");
        }
    }
}

#[test]
fn the_same_token_again_does_not_warn_again_and_the_last_of_two_counts() {
    let first = Token(ISSUED, 100, "r1", BOTH, &[]).mint("alice");
    let mut s = Script::with_grant(settings(), Grant::Token(open(&first, 0).unwrap()));
    assert_eq!(s.pass(75), "will expire in 25");
    assert_eq!(s.renew_with(80, &first), "renewed 80 until 100");
    let (one, two) = (Token(81, 300, "r1", BOTH, &[]).mint("alice"), Token(81, 200, "r1", BOTH, &[]).mint("alice"));
    assert_eq!(s.renew_with(82, &one), "renewed 82 until 381");
    assert_eq!(s.renew_with(82, &two), "renewed 82 until 281");
    assert_eq!(s.deadline(), Some(251));
}

#[test]
fn a_stay_is_ended_once_and_says_whether_to_come_back() {
    let stay = || Script::new(settings(), Token(ISSUED, 100, "r1", BOTH, &[]));
    for (code, expected) in [
        (ErrorCode::Kicked, "kicked: kicked, leave: kicked"),
        (ErrorCode::KickedByOtherLogin, "kicked: kicked_by_other_login, leave: kicked_by_other_login"),
        (ErrorCode::KickedInternal, "kicked: kicked_internal, may come back, leave: kicked_internal"),
    ] {
        let mut s = stay();
        let effects = s.session.end(code);
        assert_eq!(s.show(effects), expected);
        assert_eq!(s.session.end(ErrorCode::Kicked), []);
        assert_eq!(s.publish(5, "s1"), "");
    }
    let mut s = stay();
    assert_eq!(s.request(3, Request::LoginAgain), "error 3 already_in_room");
    assert_eq!(s.publish(4, "s1"), "ok 4");
}
