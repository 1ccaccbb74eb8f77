//! `/v1/apps` and `/v1/apps/{app_id}`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{
    self as wire, AppResponse, AppsResponse, CreateAppRequest, CreateAppResponse, ImportCredentials, SearchQuery,
    UpdateAppRequest,
};
use token_gen::{AppId, AppSign, ServerSecret, UnixSeconds};

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
};
use crate::{
    admin::{Admin, AppSignView, AppView, Import, SettingsChange},
    app::Service,
    apps::AppSettings,
    error::Error,
};

/// Makes an app, or takes one over from elsewhere.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Asking(origin): Asking,
    Json(request): Json<CreateAppRequest>,
) -> Result<Answer<CreateAppResponse>, Error> {
    let app_id = match (request.app_id, &request.import) {
        (Some(number), _) => AppId::new(number).map_err(|error| Error::of_field("app_id", &error))?,
        (None, None) => service.admin.free_app_id()?,
        (None, Some(_)) => return Err(Error::field("app_id", "is needed with `import`: tokens name the app")),
    };
    let settings = changed(&AppSettings::new(app_id, ""), &request.settings)?;
    if settings.uses_cbc() {
        crate::admin::require_acknowledged(request.acknowledge_cbc)?;
    }
    let mut warnings = Vec::new();
    let made = match request.import {
        None => service.admin.by(origin).create_app(settings).await?,
        Some(credentials) => {
            let import = import(credentials)?;
            warnings = Admin::warnings_about(&import.server_secret);
            service.admin.by(origin).import_app(settings, import).await?
        }
    };
    let mut view = service.admin.app(app_id).await?.ok_or(Error::AppUnknown)?;
    view.warnings.extend(warnings);
    Ok(Answer(CreateAppResponse {
        app: app(view)?,
        app_sign: made.app_sign.expose().to_owned(),
        server_secret: made.server_secret.expose().to_owned(),
        cbc_secret: made.cbc_secret.map(|secret| secret.expose().to_owned()),
        server_time: service.clock.now().get(),
    }))
}

fn import(credentials: ImportCredentials) -> Result<Import, Error> {
    let ImportCredentials { server_secret, app_sign, cbc_secret } = credentials;
    let secret = |field, text: String| ServerSecret::try_from(text).map_err(|error| Error::of_field(field, &error));
    let app_sign = app_sign.map(AppSign::try_from).transpose();
    Ok(Import {
        server_secret: secret("import.server_secret", server_secret)?,
        app_sign: app_sign.map_err(|error| Error::of_field("import.app_sign", &error))?,
        cbc_secret: cbc_secret.map(|text| secret("import.cbc_secret", text)).transpose()?,
    })
}

/// Lists apps.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<AppsResponse>, Error> {
    let (query, search) = query.split();
    let (page, search) = (Page::of(&query, |cursor| cursor.parse::<AppId>().ok())?, searched(search)?);
    let mut found = match &*search {
        "" => service.admin.apps(page.after, page.limit + 1).await?,
        search => service.admin.find_apps(search, page.after, page.limit + 1).await?,
    };
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.settings.app_id.to_string());
    let apps = found.into_iter().map(app).collect::<Result<_, _>>()?;
    Ok(Answer(AppsResponse { apps, cursor, server_time: service.clock.now().get() }))
}

/// Shows an app.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
) -> Result<Answer<AppResponse>, Error> {
    let view = service.admin.app(caller.app_id).await?.ok_or(Error::AppUnknown)?;
    Ok(Answer(AppResponse { app: app(view)?, server_time: service.clock.now().get() }))
}

/// Changes an app.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<UpdateAppRequest>,
) -> Result<Answer<AppResponse>, Error> {
    let UpdateAppRequest { version, settings, acknowledge_cbc } = request;
    let before = service.admin.app(caller.app_id).await?.ok_or(Error::AppUnknown)?;
    let settings = changed(&before.settings, &settings)?;
    let view = service.admin.by(origin).update_app(SettingsChange { version, settings, acknowledge_cbc }).await?;
    Ok(Answer(AppResponse { app: app(view)?, server_time: service.clock.now().get() }))
}

fn changed(before: &AppSettings, changes: &wire::AppSettings) -> Result<AppSettings, Error> {
    let changes = match serde_json::to_value(changes) {
        Ok(serde_json::Value::Object(changes)) => changes,
        _ => return Err(Error::Internal("settings are an object")),
    };
    before.with(changes).map_err(|(field, reason)| Error::field(format!("settings.{field}"), reason))
}

/// An app as it is shown, here and on the command line.
pub(crate) fn app(view: AppView) -> Result<wire::App, Error> {
    let mut settings = serde_json::to_value(&view.settings).map_err(|_| Error::Internal("settings are JSON"))?;
    if let Some(settings) = settings.as_object_mut() {
        settings.remove("app_id");
    }
    Ok(wire::App {
        app_id: view.settings.app_id.get(),
        version: view.version,
        settings: serde_json::from_value(settings).map_err(|_| Error::Internal("the API knows every setting"))?,
        created_at: view.created_at.get(),
        updated_at: view.updated_at.get(),
        previous_app_sign_until: view.previous_app_sign_until.map(UnixSeconds::get),
        app_signs: view.app_signs.into_iter().map(app_sign).collect(),
        warnings: view.warnings.into_iter().map(str::to_owned).collect(),
    })
}

/// How an AppSign is used, as it is shown, here and on the command line.
pub(crate) fn app_sign(view: AppSignView) -> wire::AppSignUse {
    wire::AppSignUse {
        valid_until: view.valid_until.map(UnixSeconds::get),
        last_used_at: view.last_used_at.map(UnixSeconds::get),
        used_count: view.used_count,
        used_in_5_min: view.used_lately.in_5_min,
        used_in_1_h: view.used_lately.in_1_h,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, StatusCode};
    use roompass_wire::{ErrorCode, http::Role};

    use super::{
        super::{
            callers_tests::{admin, everywhere, from_console},
            tests::{Server, json},
        },
        *,
    };

    #[tokio::test]
    async fn apps_are_found_in_pages() {
        let server = Server::at("http://127.0.0.1:7").await;
        for (number, name) in [(70, "Blue"), (71, "blues"), (90, "red")] {
            let settings = AppSettings::new(AppId::new(number).unwrap(), name);
            server.service.admin.create_app(settings).await.unwrap();
        }
        let viewer = admin(&server, "viewer", &everywhere(Role::Viewer)).await;
        let ask = async |query: &str| {
            let request = from_console(Request::get(format!("/v1/apps?{query}")), &viewer);
            let response = server.send(request, "").await;
            assert_eq!(response.status(), StatusCode::OK, "{query}");
            let AppsResponse { apps, cursor, .. } = json(response).await;
            (apps.iter().map(|app| app.app_id).collect::<Vec<_>>(), cursor)
        };
        assert_eq!(ask("search=").await, (vec![7, 8, 70, 71, 90], None));
        assert_eq!(ask("search=BLU").await, (vec![70, 71], None));
        assert_eq!(ask("search=7&limit=2").await, (vec![7, 70], Some("70".to_owned())));
        assert_eq!(ask("search=7&limit=2&cursor=70").await, (vec![71], None));
        assert_eq!(ask("search=green").await, (vec![], None));
        for query in [format!("search={}", "x".repeat(256)), "search=%00".to_owned()] {
            let request = from_console(Request::get(format!("/v1/apps?{query}")), &viewer);
            assert_eq!(server.problem(request, "").await.code, ErrorCode::BadRequest);
        }
    }
}
