//! Apps, their secrets, and backend keys.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        APP_PATH, APP_SIGN_RESET_PATH, APP_SIGN_RETIRE_PATH, APP_SIGN_SHOW_PATH, APPS_PATH, App, AppMode, AppResponse,
        AppSettings, AppSignUse, AppsResponse, BackendKey, CreateAppRequest, CreateAppResponse, CreateKeyRequest,
        CreateKeyResponse, KEY_PATH, KEYS_PATH, KeyRight, KeysResponse, MODE_PREVIEW_PATH, ModePreviewQuery,
        ModePreviewResponse, PrivilegeName, RETIRE_PATH, ROTATE_PATH, ResetAppSignRequest, ResetAppSignResponse,
        RetireAppSignResponse, RetireResponse, RevokeKeyResponse, RotateRequest, RotateResponse, SECRETS_PATH,
        SearchQuery, Secret, SecretPurpose, SecretState, SecretsResponse, ShowAppSignResponse, ShutOut,
        UpdateAppRequest,
    },
};

use super::super::operation::{APPS, Operation};

const NOW: i64 = 1_800_000_000;
const KEY_ID: &str = "uaiXsS6eQDCl";
const SECRET_ID: &str = "s2";

pub(super) fn operations() -> Vec<Operation> {
    [apps(), secrets(), keys()].into_iter().flatten().collect()
}

fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, method, path, APPS, summary)
}

fn apps() -> Vec<Operation> {
    let create = CreateAppRequest { app_id: None, settings: settings(), import: None, acknowledge_cbc: false };
    let created = CreateAppResponse {
        app: App { previous_app_sign_until: None, ..app() },
        app_sign: "8f3a1c5e7b9d2046…".to_owned(),
        server_secret: "fa94dd0f974cf2e2…".to_owned(),
        cbc_secret: None,
        server_time: NOW,
    };
    let update = UpdateAppRequest { version: 1, settings: settings(), acknowledge_cbc: false };
    let shown = AppResponse { app: App { app_signs: app_signs(), ..app() }, server_time: NOW };
    vec![
        new("create_app", Method::POST, APPS_PATH, "Make or import an app")
            .about("With `import`, an app keeps the credentials it has elsewhere, so tokens are good on both sides.")
            .body(&create)
            .answer(200, "The app with its secrets, which are in no later answer.", &created)
            .refuses(&[ErrorCode::Conflict]),
        new("list_apps", Method::GET, APPS_PATH, "List apps")
            .about(
                "`search` finds apps with that in their name, whatever the case of `a` to `z`, and those whose number \
                 begins with it.",
            )
            .query::<SearchQuery>()
            .answer(
                200,
                "A page of them, by number.",
                &AppsResponse { apps: vec![app()], cursor: None, server_time: NOW },
            ),
        new("show_app", Method::GET, APP_PATH, "Show an app")
            .about(
                "`app_signs` says how often each AppSign was used, and when last: after a reset, whether anybody still \
                 comes with the one before.",
            )
            .answer(200, "The app, without its secrets.", &shown),
        new("update_app", Method::PATCH, APP_PATH, "Change an app")
            .about("What is left out stays. Names the version that was read; another one by now is a conflict.")
            .body(&update)
            .answer(200, "The app as it is now.", &shown)
            .refuses(&[ErrorCode::Conflict]),
        new("preview_mode", Method::GET, MODE_PREVIEW_PATH, "See who would be refused in another mode")
            .about(
                "Judges the logins that were let in lately, as the audit trail has them, by the rules of that mode. \
                 Not for a key that is bound to rooms.",
            )
            .query::<ModePreviewQuery>()
            .answer(200, "How many logins and users, why, and who.", &preview()),
    ]
}

fn preview() -> ModePreviewResponse {
    let shut_out = ShutOut {
        at: NOW - 60,
        user_id: "alice".to_owned(),
        room_id: "room1".to_owned(),
        reason: "app_sign_refused".to_owned(),
    };
    ModePreviewResponse {
        mode: AppMode::TokenOnly,
        since: NOW - 604_800,
        complete: true,
        logins: 1_200,
        users: 310,
        refused: 24,
        users_refused: 3,
        unsure: 0,
        reasons: [("app_sign_refused".to_owned(), 24)].into(),
        shut_out: vec![shut_out],
        server_time: NOW,
    }
}

fn secrets() -> Vec<Operation> {
    let secret = Secret {
        secret_id: SECRET_ID.to_owned(),
        purpose: SecretPurpose::Gcm,
        state: SecretState::Active,
        fingerprint: "5f1c2a9b".to_owned(),
        created_at: NOW,
        valid_until: None,
        retired_at: None,
        last_used_at: Some(NOW),
        used_count: 12_345,
        opened_in_5_min: 12,
        opened_in_1_h: 345,
        mints_reserved: 65_536,
    };
    let rotated = RotateResponse {
        secret_id: SECRET_ID.to_owned(),
        server_secret: "fa94dd0f974cf2e2…".to_owned(),
        previous_valid_until: Some(NOW + 86_400),
        server_time: NOW,
    };
    let reset = ResetAppSignResponse {
        app_sign: "8f3a1c5e7b9d2046…".to_owned(),
        previous_valid_until: NOW + 2_592_000,
        server_time: NOW,
    };
    let shown = ShowAppSignResponse { app_sign: reset.app_sign.clone(), previous_valid_until: None, server_time: NOW };
    vec![
        new("list_secrets", Method::GET, SECRETS_PATH, "Show the ring of server secrets")
            .about("Without the secrets themselves: what each is for, what it still does, and how it was used.")
            .answer(200, "The ring.", &SecretsResponse { secrets: vec![secret], server_time: NOW }),
        new("rotate_secret", Method::POST, ROTATE_PATH, "Rotate the server secret")
            .about("A new secret seals from now on; the one before goes on opening tokens until a date.")
            .body(&RotateRequest { overlap_secs: Some(86_400), purpose: None })
            .answer(200, "The new secret, which is in no later answer.", &rotated)
            .refuses(&[ErrorCode::Conflict]),
        new("retire_secret", Method::POST, RETIRE_PATH, "End a previous secret at once")
            .answer(200, "It has ended.", &RetireResponse { secret_id: SECRET_ID.to_owned(), server_time: NOW })
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict, ErrorCode::FieldInvalid]),
        new("show_app_sign", Method::POST, APP_SIGN_SHOW_PATH, "Show the AppSign")
            .about("It is in every client build anyway. Each time it is shown, the audit trail says to whom.")
            .answer(200, "The AppSign.", &shown),
        new("reset_app_sign", Method::POST, APP_SIGN_RESET_PATH, "Make a new AppSign")
            .body(&ResetAppSignRequest { overlap_secs: 2_592_000 })
            .answer(200, "The AppSign, which is in no later answer.", &reset)
            .refuses(&[ErrorCode::Conflict]),
        new("retire_app_sign", Method::POST, APP_SIGN_RETIRE_PATH, "End the AppSign before the present one at once")
            .about(
                "Nobody logs in with it any more. Who is in a room stays there. The app says when it was last used, and how \
                 often.",
            )
            .answer(200, "It has ended.", &RetireAppSignResponse { server_time: NOW })
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict]),
    ]
}

fn keys() -> Vec<Operation> {
    let create = CreateKeyRequest {
        name: "backend".to_owned(),
        rights: vec![KeyRight::Mint],
        room_prefix: Some("class-".to_owned()),
        privileges: None,
        max_ttl_secs: Some(3600),
        max_per_second: None,
        signed: false,
        expire_at: None,
    };
    let created =
        CreateKeyResponse { key_id: KEY_ID.to_owned(), backend_key: format!("rp_{KEY_ID}_…"), server_time: NOW };
    let key = BackendKey {
        key_id: KEY_ID.to_owned(),
        name: "backend".to_owned(),
        rights: vec![KeyRight::Mint],
        room_prefix: "class-".to_owned(),
        privileges: vec![PrivilegeName::Login, PrivilegeName::Publish],
        max_ttl_secs: Some(3600),
        max_per_second: None,
        signed: false,
        expire_at: None,
        last_used_at: Some(NOW),
        created_at: NOW,
    };
    vec![
        new("create_key", Method::POST, KEYS_PATH, "Make a backend key")
            .about("A key never reaches further than the one that makes it.")
            .body(&create)
            .answer(200, "The key, which is in no later answer.", &created),
        new("list_keys", Method::GET, KEYS_PATH, "List backend keys")
            .about(
                "`search` finds keys with that in their name, whatever the case of `a` to `z`, and those whose id begins \
                 with it.",
            )
            .query::<SearchQuery>()
            .answer(200, "A page of them.", &KeysResponse { keys: vec![key], cursor: None, server_time: NOW }),
        new("revoke_key", Method::DELETE, KEY_PATH, "End a backend key")
            .answer(200, "It has ended.", &RevokeKeyResponse { key_id: KEY_ID.to_owned(), server_time: NOW })
            .refuses(&[ErrorCode::NotFound]),
    ]
}

fn settings() -> AppSettings {
    AppSettings { name: Some("My app".to_owned()), mode: Some(AppMode::TokenOnly), ..AppSettings::default() }
}

fn app() -> App {
    App {
        app_id: 1_234_567_890,
        version: 1,
        settings: settings(),
        created_at: NOW,
        updated_at: NOW,
        previous_app_sign_until: Some(NOW + 2_592_000),
        app_signs: Vec::new(),
        warnings: Vec::new(),
    }
}

fn app_signs() -> Vec<AppSignUse> {
    let present = AppSignUse {
        valid_until: None,
        last_used_at: Some(NOW),
        used_count: 12_345,
        used_in_5_min: 12,
        used_in_1_h: 345,
    };
    let previous = AppSignUse {
        valid_until: Some(NOW + 2_592_000),
        last_used_at: Some(NOW - 86_400),
        used_count: 67_890,
        used_in_5_min: 0,
        used_in_1_h: 0,
    };
    vec![present, previous]
}
