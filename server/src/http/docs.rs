//! `/openapi.json` and the pages under `/docs`. They are the same for everybody and need nothing from elsewhere.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    body::Bytes,
    extract::Path,
    http::{
        HeaderValue,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Response},
};
use roompass_wire::ErrorCode;

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

/// What is made of the description of the API, which takes a hundred times the memory of a request: made when it is
/// first asked for, and kept as texts.
struct Texts {
    document: Bytes,
    reference: Bytes,
    problems: HashMap<&'static str, Bytes>,
}

static TEXTS: LazyLock<Option<Texts>> = LazyLock::new(|| {
    let document = openapi::document().ok()?;
    let problem = |&code: &ErrorCode| {
        let page = docs::problem(code, &openapi::example_problem(code), &document);
        (code.as_str(), page.into())
    };
    Some(Texts {
        document: serde_json::to_vec(&document).ok()?.into(),
        reference: docs::reference(&document).into(),
        problems: ErrorCode::ALL.iter().map(problem).collect(),
    })
});

fn texts() -> Result<&'static Texts, Error> {
    TEXTS.as_ref().ok_or(Error::Internal("routes and their descriptions do not fit together"))
}

/// A page with its policy.
pub(super) struct Page(Bytes);

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
pub(super) async fn openapi() -> Result<impl IntoResponse, Error> {
    Ok(([(CONTENT_TYPE, "application/json")], texts()?.document.clone()))
}

/// The document, for people.
pub(super) async fn reference() -> Result<Page, Error> {
    Ok(Page(texts()?.reference.clone()))
}

/// Every error code.
pub(super) async fn problems() -> Page {
    Page(docs::problems().into())
}

/// One error code.
pub(super) async fn problem(Path(code): Path<String>) -> Result<Page, Error> {
    texts()?.problems.get(code.as_str()).cloned().map(Page).ok_or(Error::NotFound)
}

/// Every field of the configuration.
pub(super) async fn config() -> Page {
    Page(docs::config().into())
}

/// What webhooks say, and how to verify them.
pub(super) async fn webhooks() -> Page {
    Page(docs::webhooks().into())
}

/// Keys, algorithms, and what is proven.
pub(super) async fn security() -> Page {
    Page(docs::security().into())
}
