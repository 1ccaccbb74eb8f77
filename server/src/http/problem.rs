//! The one place where an [`Error`] becomes a response.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use roompass_wire::{ErrorCode, Problem};

use crate::error::{Error, with_causes};

impl IntoResponse for Error {
    /// Only marks the response: the body is written by `render`, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Gives a failed response its problem document, and logs it if the fault is ours. Others pass as they are.
pub(super) fn render(mut response: Response, request_id: &str) -> Response {
    let Some(error) = response.extensions_mut().remove::<Arc<Error>>() else { return response };
    let code = error.code();
    let mut problem = document(&error);
    problem.request_id = Some(request_id.to_owned());
    if problem.status >= 500 {
        tracing::error!(request_id, %code, "{}", with_causes(&*error));
    }

    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Names, numbers and texts into memory: serde_json has no way to fail here.
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    match code {
        ErrorCode::Unauthorized => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"roompass\", Roompass-HMAC-SHA256 realm=\"roompass\""),
            );
        }
        ErrorCode::RateLimited => {
            if let Error::RateLimited { retry_after } = &*error {
                headers.insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
            }
        }
        ErrorCode::Unavailable
        | ErrorCode::AuditUnavailable
        | ErrorCode::OutcomeUnknown
        | ErrorCode::IdempotencyKeyBusy => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// What the caller is told of `error`.
pub(super) fn document(error: &Error) -> Problem {
    let row = error.code().row();
    let mut problem = Problem::new(error.code());
    if row.status < 500 {
        problem.detail = Some(match error {
            Error::Unauthorized | Error::AppUnknown => row.remedy.to_owned(),
            error => error.to_string(),
        });
    }
    if let Error::Field { field, .. } = error {
        problem.field = Some(field.to_string());
    }
    problem
}
