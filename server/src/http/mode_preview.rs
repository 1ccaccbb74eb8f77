//! `/v1/apps/{app_id}/mode-preview`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{self as wire, AppMode, AuditAction, AuditResult, ModePreviewQuery, ModePreviewResponse};
use token_gen::UnixSeconds;

use super::{audit::app_of, auth::AppCaller, extract::Query};
use crate::{
    app::Service,
    apps::AuthMode,
    audit,
    error::Error,
    login::preview::{Preview, ShutOut},
    store::{AuditFilter, AuditWalk},
};

const DEFAULT_DAYS: u32 = 7;
const MAX_DAYS: u32 = 30;
/// How many logins are looked at, a page at a time.
const MAX_LOGINS: usize = 20_000;
const PAGE: u32 = 1_000;

/// Tells who would be refused in another mode.
pub(super) async fn preview(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(ModePreviewQuery { mode, days }): Query<ModePreviewQuery>,
) -> Result<Answer<ModePreviewResponse>, Error> {
    let app_id = app_of(&caller)?;
    let days = days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Error::BadRequest(format!("days must be 1 to {MAX_DAYS}")));
    }
    let now = service.clock.now();
    let mut since = UnixSeconds::new(now.get().saturating_sub(i64::from(days) * 24 * 3600));
    let settings = service.admin.app(app_id).await?.ok_or(Error::AppUnknown)?.settings;
    let filter = AuditFilter {
        app_id: Some(app_id),
        since: Some(since),
        action: Some(AuditAction::Login.as_str().to_owned()),
        result: Some(AuditResult::Done.as_str().to_owned()),
        ..AuditFilter::default()
    };
    // What has just happened belongs to the answer.
    service.audit.flush().await?;
    let mut preview = Preview::of(mode_of(mode), &settings);
    let (mut before, mut seen) = (None, 0);
    let complete = loop {
        let (store, walk) = (Arc::clone(&service.store), AuditWalk::Back(before));
        let page = audit::find(store, service.limits.searches(), filter.clone(), walk, PAGE).await?;
        page.iter().for_each(|(_, record)| preview.take(record));
        seen += page.len();
        let Some((place, last)) = page.last().filter(|_| page.len() == PAGE as usize) else { break true };
        before = Some(*place);
        if seen >= MAX_LOGINS {
            since = last.at;
            break false;
        }
    };
    Ok(Answer(ModePreviewResponse {
        mode,
        since: since.get(),
        complete,
        logins: preview.logins,
        users: preview.users(),
        refused: preview.refused.values().sum(),
        users_refused: preview.users_refused(),
        unsure: preview.unsure,
        reasons: preview.refused,
        shut_out: preview.shut_out.into_iter().map(shut_out).collect(),
        server_time: now.get(),
    }))
}

fn shut_out(user: ShutOut) -> wire::ShutOut {
    wire::ShutOut { at: user.at.get(), user_id: user.user_id, room_id: user.room_id, reason: user.reason }
}

fn mode_of(mode: AppMode) -> AuthMode {
    match mode {
        AppMode::AppSign => AuthMode::AppSign,
        AppMode::TokenPreferred => AuthMode::TokenPreferred,
        AppMode::TokenOnly => AuthMode::TokenOnly,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, StatusCode, header::AUTHORIZATION};
    use roompass_wire::{ErrorCode, Problem};
    use token_gen::AppId;

    use super::{
        super::tests::{NOW, Server, json},
        *,
    };
    use crate::{
        audit::{Action, Event, Origin},
        clock::Clock,
        keys::{Right, Scope},
    };

    async fn ask<T: serde::de::DeserializeOwned>(server: &Server, key: &str, query: &str) -> (StatusCode, T) {
        let request = Request::get(format!("/v1/apps/7/mode-preview?{query}"));
        let response = server.send(request.header(AUTHORIZATION, format!("Bearer {key}")), "").await;
        (response.status(), json(response).await)
    }

    #[tokio::test]
    async fn the_trail_tells_who_would_be_refused() {
        let server = Server::start().await;
        let key = server.new_key(Scope { rights: vec![Right::Read], ..Scope::default() }, None).await;
        let login = |app, user: &str, details: &'static str| Event {
            user_id: Some(user.to_owned()),
            room_id: Some("r".to_owned()),
            ..Event::of(Action::Login, AppId::new(app).unwrap()).saying(details)
        };
        let audit = &server.service.audit;
        audit.note(server.clock.now(), Origin::SERVER, login(7, "old", "app_sign")).unwrap();
        audit.flush().await.unwrap();
        server.clock.advance(std::time::Duration::from_secs(2 * 24 * 3600));
        for (app, user, details) in
            [(7, "ann", "token"), (7, "bob", "app_sign"), (7, "bob", "app_sign"), (8, "eve", "app_sign")]
        {
            audit.note(server.clock.now(), Origin::SERVER, login(app, user, details)).unwrap();
        }
        // Who was not let in anyway is no matter of the mode.
        audit.note(server.clock.now(), Origin::SERVER, login(7, "carl", "banned").refused("banned")).unwrap();

        let (status, preview) = ask::<ModePreviewResponse>(&server, &key, "mode=token_only&days=1").await;
        let now = NOW + 2 * 24 * 3600;
        let bob = wire::ShutOut {
            at: now,
            user_id: "bob".to_owned(),
            room_id: "r".to_owned(),
            reason: "app_sign_refused".to_owned(),
        };
        let expected = ModePreviewResponse {
            mode: AppMode::TokenOnly,
            since: now - 24 * 3600,
            complete: true,
            logins: 3,
            users: 2,
            refused: 2,
            users_refused: 1,
            unsure: 0,
            reasons: [("app_sign_refused".to_owned(), 2)].into(),
            shut_out: vec![bob],
            server_time: now,
        };
        assert_eq!((status, preview), (StatusCode::OK, expected));
        let (_, week) = ask::<ModePreviewResponse>(&server, &key, "mode=token_only").await;
        assert_eq!((week.logins, week.users_refused), (4, 2));
        let (_, present) = ask::<ModePreviewResponse>(&server, &key, "mode=token_preferred").await;
        assert_eq!((present.logins, present.refused), (4, 0));

        for query in ["mode=token_only&days=0", "mode=token_only&days=31", "mode=none", ""] {
            let (_, problem) = ask::<Problem>(&server, &key, query).await;
            assert_eq!(problem.code, ErrorCode::BadRequest, "{query}");
        }
        let bound = Scope { rights: vec![Right::Read], room_prefix: "x-".to_owned(), ..Scope::default() };
        let bound = server.new_key(bound, None).await;
        assert_eq!(ask::<Problem>(&server, &bound, "mode=token_only").await.1.code, ErrorCode::Forbidden);
    }
}
