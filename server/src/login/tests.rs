//! The mode table cell by cell, and what each kind of bad credential is answered with.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use token_gen::{AppId, AppSign, Format, Minter, Payload, Privileges, RoomId, ServerSecret, TokenRequest, UserId};

use super::*;
use crate::apps::{EmptyStreamList, FormatName, RingSecret};

const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);
const APP_SIGN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";

fn settings() -> AppSettings {
    AppSettings {
        formats: vec![FormatName::Token04Gcm, FormatName::Token04Cbc],
        ..AppSettings::new(AppId::new(7).unwrap(), "demo")
    }
}

fn app(settings: AppSettings) -> App {
    let secret = ServerSecret::new(SECRET).unwrap();
    let active = RingSecret { secret_id: "one".into(), secret, valid_until: None, mints_from: 0.into() };
    App::new(settings, AppSign::new(APP_SIGN).unwrap(), &active, &[])
}

fn mint(user_id: &str, payload: Payload, format: Format, issued_at: UnixSeconds) -> String {
    let minter = Minter::new(AppId::new(7).unwrap(), &ServerSecret::new(SECRET).unwrap()).with_format(format);
    let request = TokenRequest { user_id: UserId::new(user_id).unwrap(), ttl: Duration::from_secs(600), payload };
    minter.mint(&request, issued_at, &mut SysRng).unwrap().token
}

fn rights(room_id: &str, privileges: &[Privilege]) -> Payload {
    let builder = Rights::builder(&RoomId::new(room_id).unwrap());
    Payload::Rights(builder.allow_all(privileges.iter().copied().collect()).build())
}

fn open_with(app: &App, token: &str, now: UnixSeconds) -> Result<SessionToken, Refusal> {
    let tokens = Tokens::new(Arc::default(), Arc::default(), Arc::default(), Arc::default(), UnixSeconds::new(0));
    SessionToken::open(&tokens, app, token, Attempt { user_id: Some("alice"), room_id: Some("r1"), source: None }, now)
}

fn good_token() -> SessionToken {
    let token = mint("alice", rights("r1", &Privilege::ALL), Format::Token04Gcm, NOW);
    open_with(&app(settings()), &token, NOW).unwrap()
}

// proves T12 (login)
#[test]
fn a_token_of_another_app_lets_nobody_in_even_if_the_apps_share_a_secret() {
    let shared = ServerSecret::new(SECRET).unwrap();
    for secret in [shared, ServerSecret::generate(&mut SysRng).unwrap()] {
        let request = TokenRequest {
            user_id: UserId::new("alice").unwrap(),
            ttl: Duration::from_secs(600),
            payload: rights("r1", &Privilege::ALL),
        };
        let token = Minter::new(AppId::new(8).unwrap(), &secret).mint(&request, NOW, &mut SysRng).unwrap().token;
        assert_eq!(open_with(&app(settings()), &token, NOW).unwrap_err().code, ErrorCode::TokenInvalid);
        // Only the app is wrong with it.
        let settings = AppSettings { app_id: AppId::new(8).unwrap(), ..settings() };
        let at_home = RingSecret { secret_id: "one".into(), secret, valid_until: None, mints_from: 0.into() };
        let at_home = App::new(settings, AppSign::new(APP_SIGN).unwrap(), &at_home, &[]);
        assert!(open_with(&at_home, &token, NOW).is_ok());
    }
}

/// `T`: in by the token, `A`: in by the AppSign, else the code; then why the other credential did not count.
fn cell(mode: AuthMode, both_credentials: BothCredentials, mix: &str) -> String {
    let presented = Presented {
        app_sign: match mix.as_bytes()[0] {
            b'-' => None,
            b'v' => Some(Ok(())),
            _ => Some(Err(Refusal::of(ErrorCode::AppSignWrong))),
        },
        token: match mix.as_bytes()[1] {
            b'-' => None,
            b'v' => Some(Ok(good_token())),
            _ => Some(Err(Refusal::of(ErrorCode::TokenExpired))),
        },
    };
    match decide(&AppSettings { mode, both_credentials, ..settings() }, presented) {
        Err(refusal) => refusal.code.to_string(),
        Ok(Admission { grant, other_credential }) => {
            let by = match grant.auth() {
                AuthKind::Token => "T",
                AuthKind::AppSign => "A",
                AuthKind::Unknown => "?",
            };
            other_credential.map_or(by.to_owned(), |refusal| format!("{by} {}", refusal.code))
        }
    }
}

#[test]
fn a_revoked_token_is_not_forgiven_for_a_good_app_sign_beside_it() {
    let revoked = Refusal::because(ErrorCode::TokenRevoked, REVOKED);
    let presented = Presented { app_sign: Some(Ok(())), token: Some(Err(revoked)) };
    let settings = AppSettings { mode: AuthMode::TokenPreferred, ..settings() };
    assert_eq!(decide(&settings, presented).map(|_| ()), Err(revoked));
}

#[test]
fn the_mode_table_holds_in_every_cell() {
    // proves T47
    // AppSign and token: - not sent, v valid, x refused.
    let table = [
        // mix, app_sign, token_preferred, token_preferred with token_decides, token_only
        ("--", "app_sign_missing", "token_missing", "token_missing", "token_missing"),
        ("v-", "A", "A", "A", "app_sign_refused"),
        ("x-", "app_sign_wrong", "app_sign_wrong", "app_sign_wrong", "app_sign_refused"),
        ("-v", "app_sign_missing", "T", "T", "T"),
        ("-x", "app_sign_missing", "token_expired", "token_expired", "token_expired"),
        ("vv", "T", "T", "T", "T app_sign_refused"),
        ("vx", "token_expired", "A token_expired", "token_expired", "token_expired"),
        ("xv", "app_sign_wrong", "T app_sign_wrong", "T app_sign_wrong", "T app_sign_refused"),
        ("xx", "app_sign_wrong", "token_expired", "token_expired", "token_expired"),
    ];
    use BothCredentials::{Either, TokenDecides};
    for (mix, app_sign, preferred, decides, only) in table {
        for both in [Either, TokenDecides] {
            assert_eq!(cell(AuthMode::AppSign, both, mix), app_sign, "app_sign {mix} {both:?}");
            assert_eq!(cell(AuthMode::TokenOnly, both, mix), only, "token_only {mix} {both:?}");
        }
        assert_eq!(cell(AuthMode::TokenPreferred, Either, mix), preferred, "token_preferred {mix}");
        assert_eq!(cell(AuthMode::TokenPreferred, TokenDecides, mix), decides, "token_decides {mix}");
    }
}

#[test]
fn an_app_sign_session_gets_what_the_app_grants_and_needs_login() {
    let presented = || Presented { token: None, app_sign: Some(Ok(())) };
    let only_login = Privileges::NONE.with(Privilege::Login);
    let admission = decide(&AppSettings { app_sign_privileges: only_login, ..settings() }, presented()).unwrap();
    assert_eq!(admission.grant.rights().privileges(), only_login);
    assert_eq!(admission.grant.token(), None);
    let refused = decide(&AppSettings { app_sign_privileges: Privileges::NONE, ..settings() }, presented());
    assert_eq!(refused.unwrap_err().code, ErrorCode::LoginDenied);
}

/// Opens `token` for alice in room r1: `ok`, or code, reason and exact reason.
fn open(settings: AppSettings, token: &str, now: UnixSeconds) -> String {
    let opened = open_with(&app(settings), token, now);
    match opened.and_then(|token| token.permit_login("r1", now)) {
        Ok(()) => "ok".to_owned(),
        Err(Refusal { code, reason, exact }) => format!("{code} {} {exact}", reason.unwrap_or("-")),
    }
}

#[test]
fn a_refused_token_tells_its_holder_only_what_it_proves() {
    let all = || rights("r1", &Privilege::ALL);
    let at = |seconds: i64| UnixSeconds::new(NOW.get() + seconds);
    let text = |payload: &str| Payload::Text(payload.to_owned());
    let foreign = {
        let secret = ServerSecret::new(&"x".repeat(32)).unwrap();
        let request =
            TokenRequest { user_id: UserId::new("alice").unwrap(), ttl: Duration::from_secs(60), payload: all() };
        Minter::new(AppId::new(7).unwrap(), &secret).mint(&request, NOW, &mut SysRng).unwrap().token
    };
    let gcm = |user_id: &str, payload| mint(user_id, payload, Format::Token04Gcm, NOW);
    let cbc = |user_id: &str, payload| mint(user_id, payload, Format::Token04Cbc, NOW);
    let mut damaged = gcm("alice", all()).into_bytes();
    damaged[40] = if damaged[40] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();

    for (token, now, expected) in [
        (gcm("alice", all()), NOW, "ok"),
        (cbc("alice", all()), NOW, "token_invalid - cipher_not_accepted"),
        (gcm("alice", Payload::Identity), at(599), "ok"),
        (gcm("alice", rights("r1", &[Privilege::Login])), NOW, "ok"),
        (String::new(), NOW, "token_missing - token_missing"),
        ("05abcd".to_owned(), NOW, "token_version - version_unknown"),
        ("04!".to_owned(), NOW, "token_invalid - base64"),
        ("x".repeat(9000), NOW, "token_invalid - too_long"),
        (damaged, NOW, "token_invalid - undecryptable"),
        (foreign, NOW, "token_invalid - undecryptable"),
        (gcm("alice", all()), at(600), "token_expired - expired"),
        (cbc("alice", all()), at(600), "token_invalid - cipher_not_accepted"),
        (gcm("Alice", all()), NOW, "token_user_mismatch - user_mismatch"),
        (cbc("Alice", all()), NOW, "token_invalid - cipher_not_accepted"),
        (gcm("Alice", all()), at(600), "token_expired - expired"),
        (gcm("alice", all()), at(-31), "token_invalid - issued_in_future"),
        (gcm("alice", all()), at(-30), "ok"),
        (gcm("alice", rights("r2", &Privilege::ALL)), NOW, "login_denied room room"),
        (gcm("alice", rights("R1", &Privilege::ALL)), NOW, "login_denied room room"),
        (cbc("alice", rights("r2", &Privilege::ALL)), NOW, "token_invalid - cipher_not_accepted"),
        (gcm("alice", rights("r1", &[Privilege::Publish])), NOW, "login_denied login login"),
        (gcm("alice", rights("r1", &[])), NOW, "login_denied login login"),
        (cbc("alice", rights("r1", &[])), NOW, "token_invalid - cipher_not_accepted"),
        (gcm("alice", text("hello")), NOW, "token_invalid - payload_not_an_object"),
        (gcm("alice", text("{}")), NOW, "token_invalid - payload_member"),
        (gcm("alice", text(r#"{"room_id":"r1","privilege":{"1":2}}"#)), NOW, "token_invalid - payload_member"),
    ] {
        assert_eq!(open(settings(), &token, now), expected);
    }
}

#[test]
fn apps_choose_what_identity_tokens_and_empty_lists_mean() {
    let identity = mint("alice", Payload::Identity, Format::Token04Gcm, NOW);
    let required = AppSettings { require_privilege_token: true, ..settings() };
    assert_eq!(open(required, &identity, NOW), "login_denied - privilege_token_required");
    let listening = AppSettings { identity_privileges: Privileges::NONE.with(Privilege::Login), ..settings() };
    let opened = open_with(&app(listening), &identity, NOW).unwrap();
    assert_eq!(permit_publish(&settings(), &opened.rights, "r1", "s1"), Err(Denied::Privilege(Privilege::Publish)));

    let empty = Payload::Text(r#"{"room_id":"r1","privilege":{"1":1,"2":1},"stream_id_list":[]}"#.to_owned());
    let token = mint("alice", empty, Format::Token04Gcm, NOW);
    let opened = open_with(&app(settings()), &token, NOW).unwrap();
    assert_eq!(permit_publish(&settings(), &opened.rights, "r1", "s1"), Err(Denied::Stream));
    let any = AppSettings { empty_stream_list: EmptyStreamList::Any, ..settings() };
    assert_eq!(permit_publish(&any, &opened.rights, "r1", "s1"), Ok(()));
    assert_eq!(permit_publish(&any, &opened.rights, "r2", "s1"), Err(Denied::Room));
}

#[test]
fn an_app_sign_proof_is_good_for_one_server_user_room_challenge_and_moment() {
    // proves T46
    let app = app(settings());
    let origins = ["https://a.example".to_owned(), "https://b.example".to_owned()];
    let challenge = [9; CHALLENGE_LEN];
    let good = LoginProof {
        server_origin: "https://b.example",
        app_id: app.app_id(),
        user_id: "alice",
        room_id: "r1",
        challenge: &challenge,
        timestamp: NOW,
    };
    let check = |proof: LoginProof<'_>, now: UnixSeconds| {
        let sent = AppSignProof {
            timestamp: proof.timestamp.get(),
            proof: STANDARD.encode(proof.compute(&AppSign::new(APP_SIGN).unwrap())),
        };
        let context =
            ProofContext { server_origins: &origins, challenge: &challenge, user_id: "alice", room_id: "r1", now };
        check_app_sign(&app, &sent, context).map(drop).map_err(|refusal| (refusal.code, refusal.exact))
    };
    let wrong = |exact| Err((ErrorCode::AppSignWrong, exact));
    let at = |seconds: i64| UnixSeconds::new(NOW.get() + seconds);
    assert_eq!(check(good, NOW), Ok(()));
    assert_eq!(check(good, at(30)), Ok(()));
    assert_eq!(check(good, at(-30)), Ok(()));
    assert_eq!(check(good, at(31)), wrong("proof_timestamp"));
    assert_eq!(check(good, at(-31)), wrong("proof_timestamp"));
    assert_eq!(check(LoginProof { timestamp: UnixSeconds::new(i64::MIN), ..good }, NOW), wrong("proof_timestamp"));
    assert_eq!(check(LoginProof { server_origin: "https://c.example", ..good }, NOW), wrong("proof"));
    assert_eq!(check(LoginProof { app_id: AppId::new(8).unwrap(), ..good }, NOW), wrong("proof"));
    assert_eq!(check(LoginProof { user_id: "bob", ..good }, NOW), wrong("proof"));
    assert_eq!(check(LoginProof { room_id: "r2", ..good }, NOW), wrong("proof"));
    assert_eq!(check(LoginProof { challenge: &[8; CHALLENGE_LEN], ..good }, NOW), wrong("proof"));

    for proof in ["", "%%%", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
        let sent = AppSignProof { timestamp: NOW.get(), proof: proof.to_owned() };
        let context =
            ProofContext { server_origins: &origins, challenge: &challenge, user_id: "alice", room_id: "r1", now: NOW };
        assert_eq!(check_app_sign(&app, &sent, context).err().unwrap().code, ErrorCode::AppSignWrong);
    }
}
