//! The three modes, each with every mix of credentials that the SDK can show.

use roompass_sdk::{AppSign, AuthKind, AuthMode, Error, ErrorCode, LocalUser, Room};
use roompass_server::apps;
use roompass_tests::{TestApp, World};

async fn enter(app: &TestApp, show: AuthMode, app_sign: Option<AppSign>, token: Option<&str>) -> Result<Room, Error> {
    let mut client = app.client().auth_mode(show);
    if let Some(app_sign) = app_sign {
        client = client.app_sign(app_sign);
    }
    let client = client.build().expect("the options are good");
    let user = LocalUser::new("alice").expect("a good id");
    match token {
        Some(token) => client.login_room_with_token("r1", user, token).await,
        None => client.login_room("r1", user).await,
    }
}

#[tokio::test]
async fn each_mode_admits_what_its_table_says() {
    use AuthKind::{AppSign as ByAppSign, Token as ByToken};
    use ErrorCode::{AppSignMissing, AppSignRefused, AppSignWrong, TokenInvalid};

    let world = World::start().await;
    let wrong_sign = AppSign::new(&"0".repeat(64)).unwrap();
    // AppSign shown and good or bad, token shown and good or bad; then what each mode makes of it.
    let rows = [
        (Some(true), None, [Ok(ByAppSign), Ok(ByAppSign), Err(AppSignRefused)]),
        (Some(false), None, [Err(AppSignWrong), Err(AppSignWrong), Err(AppSignRefused)]),
        (None, Some(true), [Err(AppSignMissing), Ok(ByToken), Ok(ByToken)]),
        (None, Some(false), [Err(AppSignMissing), Err(TokenInvalid), Err(TokenInvalid)]),
        (Some(true), Some(true), [Ok(ByToken), Ok(ByToken), Ok(ByToken)]),
        (Some(true), Some(false), [Err(TokenInvalid), Ok(ByAppSign), Err(TokenInvalid)]),
        (Some(false), Some(true), [Err(AppSignWrong), Ok(ByToken), Ok(ByToken)]),
        (Some(false), Some(false), [Err(AppSignWrong), Err(TokenInvalid), Err(TokenInvalid)]),
    ];
    let modes = [apps::AuthMode::AppSign, apps::AuthMode::TokenPreferred, apps::AuthMode::TokenOnly];
    for (app_id, (column, mode)) in (1..).zip(modes.into_iter().enumerate()) {
        let app = world.app(app_id, |settings| settings.mode = mode).await;
        let good = app.full_token("alice", "r1", 600).await;
        // Another letter than the one that is there, in the midst of what is sealed.
        let other = if &good[60..61] == "A" { "B" } else { "A" };
        let bad = format!("{}{other}{}", &good[..60], &good[61..]);
        for (app_sign, token, expected) in rows {
            let sign = app_sign.map(|is_good| if is_good { app.app_sign() } else { wrong_sign.clone() });
            let shown = token.map(|is_good| if is_good { &*good } else { &*bad });
            let show = match (&sign, shown) {
                (Some(_), None) => AuthMode::AppSign,
                (None, _) => AuthMode::TokenOnly,
                (Some(_), Some(_)) => AuthMode::TokenPreferred,
            };
            let entered = enter(&app, show, sign, shown).await;
            let got = entered.as_ref().map(|room| room.admission().auth).map_err(|error| error.code());
            assert_eq!(got, expected[column].map_err(Some), "{mode:?}: AppSign {app_sign:?}, token {token:?}");
            if let Ok(room) = entered {
                room.logout_room().await;
            }
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn an_app_may_let_the_token_decide_alone() {
    let world = World::start().await;
    let app = world.app(1, |settings| settings.both_credentials = apps::BothCredentials::TokenDecides).await;
    let expired = app.full_token("alice", "r1", 10).await;
    world.advance(10);
    let refused = enter(&app, AuthMode::TokenPreferred, Some(app.app_sign()), Some(&expired)).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::TokenExpired));
    world.stop().await;
}

#[tokio::test]
async fn an_app_sign_session_cannot_be_renewed_and_puts_no_token_session_out() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let by_sign = enter(&app, AuthMode::AppSign, Some(app.app_sign()), None).await.unwrap();
    by_sign.start_publishing_stream("s1").await.unwrap();
    let refused = by_sign.renew_token(&app.full_token("alice", "r1", 600).await).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::AppSignSession));
    by_sign.logout_room().await;

    let by_token = app.enter("alice", "r1").await;
    let refused = enter(&app, AuthMode::AppSign, Some(app.app_sign()), None).await.unwrap_err();
    assert_eq!((refused.code(), refused.number()), (Some(ErrorCode::LoggedInElsewhere), Some(1_002_086)));
    assert!(by_token.state().is_connected());
    world.stop().await;
}
