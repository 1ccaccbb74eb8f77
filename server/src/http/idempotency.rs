//! For routes that change something: a request with an Idempotency-Key is done once.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use roompass_wire::http::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};
use tracing::Instrument;

use super::{MAX_BATCH_BODY_BYTES, extract::whole_body, route::Gate};
use crate::{
    error::Error,
    requests::{Answer, NamedRequest, Ticket, Turn},
};

/// Larger answers than any we give.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Does the request that `key` names, once. `app_id` is 0 where it is about no app.
pub(super) async fn once(
    gate: &Gate,
    (app_id, caller): (u32, &str),
    key: String,
    request: Request,
) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let body = whole_body(body, MAX_BATCH_BODY_BYTES).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let named =
        NamedRequest { app_id, caller, key: &key, asks: [parts.method.as_str().as_bytes(), path.as_bytes(), &body] };
    let ticket = match gate.service.requests.turn(&named, gate.service.clock.now()).await? {
        Turn::Replay(answer) => return Ok(replay(answer)),
        Turn::Do(ticket) => ticket,
    };
    let request = Request::from_parts(parts, Body::from(body));
    // On a task of its own: a caller that goes away leaves no request half-named.
    let doing = tokio::spawn(answer(gate.clone(), ticket, request).in_current_span());
    doing.await.map_err(|_| Error::Internal("a handler panicked"))?
}

/// The one key of the request, if it has any.
pub(super) fn key(request: &Request) -> Result<Option<String>, Error> {
    let mut all = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match key.to_str() {
            Ok(key) => Ok(Some(key.to_owned())),
            Err(_) => Err(Error::BadRequest("the Idempotency-Key is not ASCII".to_owned())),
        },
        _ => Err(Error::BadRequest("there is more than one Idempotency-Key".to_owned())),
    }
}

async fn answer(gate: Gate, ticket: Ticket, request: Request) -> Result<Response, Error> {
    let response = gate.run(request).await;
    let requests = &gate.service.requests;
    if !response.status().is_success() {
        if let Err(error) = requests.given_back(ticket).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an Idempotency-Key stays busy for a minute");
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.map_err(|_| Error::Internal("an answer is too long"))?;
    let kept = Answer { status: parts.status.as_u16(), body: body.to_vec() };
    requests.answered(ticket, &kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let json = HeaderValue::from_static("application/json");
    let replayed = (HeaderName::from_static(IDEMPOTENCY_REPLAYED), HeaderValue::from_static("true"));
    (status, [(CONTENT_TYPE, json), replayed], answer.body).into_response()
}
