//! `/demo` of a development server: a call to try, and the backend that an app would have. Nothing but `roompass dev`
//! serves it, on loopback.

use std::sync::{Arc, LazyLock};

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use roompass_wire::http::{MintRequest, MintResponse};
use token_gen::AppId;

use super::{
    auth::AppCaller,
    extract::Json,
    origin::Asking,
    route::{Policy, Route},
    tokens,
};
use crate::{
    app::Service,
    error::Error,
    keys::{Caller, Scope},
};

/// The number of the demo app, which examples and documentation use too.
pub(crate) const APP_ID: u32 = 1_234_567_890;
pub(crate) const DEMO_PATH: &str = "/demo";
const FILE_PATH: &str = "/demo/{file}";
const TOKEN_PATH: &str = "/demo/token";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The files of the page, in the binary: there is nothing to install.
const FILES: &[(&str, &str, &str)] = &[
    ("backend.js", JS, include_str!("../../demo/backend.js")),
    ("demo.css", CSS, include_str!("../../demo/demo.css")),
    ("demo.js", JS, include_str!("../../demo/demo.js")),
    ("devices.js", JS, include_str!("../../demo/devices.js")),
    ("heard.js", JS, include_str!("../../demo/heard.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../demo/icon.svg")),
    ("log.js", JS, include_str!("../../demo/log.js")),
    ("roompass.min.js", JS, include_str!("../../demo/roompass.min.js")),
    ("tiles.js", JS, include_str!("../../demo/tiles.js")),
    ("token.js", JS, include_str!("../../demo/token.js")),
    ("words.js", JS, include_str!("../../demo/words.js")),
];
const PAGE: &str = include_str!("../../demo/index.html");

/// Scripts, styles and connections of our own, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What the page knows of the server.
static CONFIG: LazyLock<String> = LazyLock::new(|| format!("export const config = {{ appId: {APP_ID} }};\n"));

/// The caller in whose name the page's users get tokens: whoever reaches a development server may have everything.
static CALLER: LazyLock<Option<Arc<Caller>>> = LazyLock::new(|| {
    let app_id = AppId::new(APP_ID).ok()?;
    Some(Arc::new(Caller { key_id: "demo-page".to_owned(), app_id, scope: Scope::everything() }))
});

/// The routes that only a development server has. They are no part of the API, and not described with it.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(DEMO_PATH, Policy::Public, page),
        Route::get(FILE_PATH, Policy::Public, file),
        Route::post(TOKEN_PATH, Policy::Visitor, token),
    ]
}

async fn page() -> Response {
    answer(HTML, PAGE.to_owned())
}

async fn file(Path(name): Path<String>) -> Result<Response, Error> {
    if name == "config.js" {
        return Ok(answer(JS, CONFIG.clone()));
    }
    let found = FILES.iter().find(|(file, ..)| *file == name);
    found.map(|(_, media_type, text)| answer(media_type, (*text).to_owned())).ok_or(Error::NotFound)
}

/// What the backend of an app would do, once it knows who asks: mint, with no more than it wants to grant.
async fn token(
    state: State<Arc<Service>>,
    asking: Asking,
    body: Json<MintRequest>,
) -> Result<Answer<MintResponse>, Error> {
    let caller = CALLER.clone().ok_or(Error::Internal("the demo app has no number"))?;
    tokens::mint(state, AppCaller(caller), asking, body).await
}

fn answer(media_type: &'static str, text: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    (headers, text).into_response()
}
