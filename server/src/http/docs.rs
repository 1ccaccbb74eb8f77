//! `/openapi.json` and the pages under `/docs`. They are the same for everybody and need nothing from elsewhere.

use std::sync::LazyLock;

use axum::{
    Json as Answer,
    extract::Path,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse, Response},
};
use roompass_wire::ErrorCode;
use serde_json::Value;

use super::openapi;
use crate::{docs, error::Error};

pub(super) const REFERENCE_PATH: &str = "/docs";
pub(super) const PROBLEMS_PATH: &str = "/docs/problems";
pub(super) const PROBLEM_PATH: &str = "/docs/problems/{code}";
pub(super) const CONFIG_PATH: &str = "/docs/config";
pub(super) const WEBHOOKS_PATH: &str = "/docs/webhooks";
pub(super) const SECURITY_PATH: &str = "/docs/security";

/// No script, nothing from elsewhere, and of styles only our own.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let style = docs::style_hash();
    let policy = format!(
        "default-src 'none'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

/// A page with its policy.
pub(super) struct Page(String);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Html(self.0).into_response();
        if let Some(policy) = &*POLICY {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}

/// The document, for machines.
pub(super) async fn openapi() -> Result<Answer<&'static Value>, Error> {
    Ok(Answer(document()?))
}

/// The document, for people.
pub(super) async fn reference() -> Result<Page, Error> {
    Ok(Page(docs::reference(document()?)))
}

/// Every error code.
pub(super) async fn problems() -> Page {
    Page(docs::problems())
}

/// One error code.
pub(super) async fn problem(Path(code): Path<String>) -> Result<Page, Error> {
    let code = ErrorCode::ALL.iter().find(|known| known.as_str() == code).ok_or(Error::NotFound)?;
    Ok(Page(docs::problem(*code, &openapi::example_problem(*code), document()?)))
}

/// Every field of the configuration.
pub(super) async fn config() -> Page {
    Page(docs::config())
}

/// What webhooks say, and how to verify them.
pub(super) async fn webhooks() -> Page {
    Page(docs::webhooks())
}

/// Keys, algorithms, and what is proven.
pub(super) async fn security() -> Page {
    Page(docs::security())
}

fn document() -> Result<&'static Value, Error> {
    openapi::document().map_err(|_| Error::Internal("routes and their descriptions do not fit together"))
}
