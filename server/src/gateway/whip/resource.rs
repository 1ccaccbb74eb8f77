//! What a client has made, under the address that only it knows: it adds its addresses to it, and ends it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header::IF_MATCH},
    response::{IntoResponse, Response},
};
use roompass_wire::ErrorCode;
use tokio::sync::mpsc;

use super::{SDP_FRAGMENT, is_of_type, sdp::line, whole};
use crate::gateway::{Gateway, refusal};

/// Of a request to restart ICE: whatever session there is.
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What clients have made and not deleted.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Resources(Mutex<HashMap<String, Resource>>);

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) asked: mpsc::Sender<Asked>,
    /// The ICE user name of the offer.
    pub(super) ufrag: String,
    /// Names its ICE session, as its `ETag`.
    pub(super) tag: HeaderValue,
}

/// What a client wants of its resource.
#[derive(Debug)]
pub(super) enum Asked {
    Candidates(Vec<String>),
    End,
}

pub(super) async fn end(State(gateway): State<Arc<Gateway>>, Path(media_id): Path<String>) -> Response {
    let asked = gateway.whip.lock().get(&media_id).map(|resource| resource.asked.clone());
    match asked {
        // Whoever holds it is about to end it if it does not listen any more.
        Some(asked) => {
            let _ = asked.send(Asked::End).await;
            StatusCode::OK.into_response()
        }
        None => refusal(ErrorCode::NotFound, "it is over, or never was"),
    }
}

pub(super) async fn add_candidates(
    State(gateway): State<Arc<Gateway>>,
    Path(media_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_of_type(&headers, &SDP_FRAGMENT) {
        return refusal(ErrorCode::UnsupportedMediaType, "the body must be `application/trickle-ice-sdpfrag`");
    }
    let body = match whole(body) {
        Ok(body) => body,
        Err((code, detail)) => return refusal(code, detail),
    };
    let Ok(fragment) = std::str::from_utf8(&body) else {
        return refusal(ErrorCode::MediaInvalid, "the body is not UTF-8");
    };
    let asked = {
        let resources = gateway.whip.lock();
        let Some(resource) = resources.get(&media_id) else {
            return refusal(ErrorCode::NotFound, "it is over, or never was");
        };
        // Encoders that do not name the state they saw are taken at their word.
        if headers.get(IF_MATCH).is_some_and(|tag| *tag != resource.tag && *tag != ANY) {
            return refusal(ErrorCode::PreconditionFailed, "this is not the ICE session of the `ETag`");
        }
        if headers.get(IF_MATCH) == Some(&ANY)
            || line(fragment, "a=ice-ufrag:").is_some_and(|ufrag| ufrag != resource.ufrag)
        {
            return refusal(ErrorCode::MediaInvalid, "ICE is not restarted here: make a new offer");
        }
        resource.asked.clone()
    };
    let candidates = fragment.lines().filter_map(|line| line.trim_end().strip_prefix("a=candidate:"));
    let candidates = candidates.map(|candidate| format!("candidate:{candidate}")).collect();
    // As with the end of it.
    let _ = asked.send(Asked::Candidates(candidates)).await;
    StatusCode::NO_CONTENT.into_response()
}

impl Resources {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Resource>> {
        // No change in here can stop half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
