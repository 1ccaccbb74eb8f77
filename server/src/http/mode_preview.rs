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
