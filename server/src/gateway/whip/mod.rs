//! WHIP and WHEP: encoders publish and players play with one HTTP request and a room token, without a socket.
//!
//! Each is a stay like any other: it is in the room, the others see its stream, and whatever ends a stay ends it.

mod links;
mod pages;
mod resource;
mod sdp;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, ETAG, LINK, LOCATION, WWW_AUTHENTICATE},
    },
    middleware::from_fn_with_state,
    response::{AppendHeaders, IntoResponse, Response},
    routing::{delete, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use roompass_media::Event;
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, Login, MEDIA_PATH, MediaOffer, MediaTrack, Publish, ServerMessage, WHEP_PATH, WHIP_PATH},
};
use token_gen::{AppId, CHALLENGE_LEN, UnixSeconds};
use tokio::sync::{mpsc, watch};

use super::{
    Gateway, Visitor,
    entry::{self, Edge},
    origin::Comer,
    refusal,
    seats::ResumeKey,
    session::Request,
    source_of,
    stay::{self, Stay},
};
pub(super) use resource::Resources;
use resource::{Asked, Resource, media_id};
pub use resource::{Outcome, Wish};
use sdp::{line, media_lines};

use crate::{
    limits::ClientAddress,
    login::{Refusal, SessionToken},
    rooms::{Delivery, SessionId},
    tokens::Attempt,
};

const SDP: HeaderValue = HeaderValue::from_static("application/sdp");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const SDP_FRAGMENT: HeaderValue = HeaderValue::from_static("application/trickle-ice-sdpfrag");
const MAX_SDP_BYTES: usize = 64 * 1024;
/// How long a client may take to connect, and how long it may be gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that may wait for one resource.
const WAITING: usize = 16;

/// Which way the stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Publish,
    Play,
}

type Refused = (ErrorCode, &'static str);

/// App, room and stream, as the address has them.
type Names = (u32, String, String);

/// The routes, which pages may use as far as they may open sockets.
pub(super) fn routes(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    Router::new()
        .route(WHIP_PATH, post(publish))
        .route(WHEP_PATH, post(play))
        .route(MEDIA_PATH, delete(resource::end).patch(resource::add_candidates))
        .route_layer(from_fn_with_state(Arc::clone(gateway), pages::serve))
        .layer(DefaultBodyLimit::max(MAX_SDP_BYTES))
}

async fn publish(
    State(gateway): State<Arc<Gateway>>,
    names: Result<Path<Names>, PathRejection>,
    client: Option<Extension<ClientAddress>>,
    Extension(comer): Extension<Comer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let visitor = visitor(client, comer);
    answered(async { start(gateway, Way::Publish, names_of(names)?, visitor, &headers, &whole(body)?).await }.await)
}

async fn play(
    State(gateway): State<Arc<Gateway>>,
    names: Result<Path<Names>, PathRejection>,
    client: Option<Extension<ClientAddress>>,
    Extension(comer): Extension<Comer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let visitor = visitor(client, comer);
    answered(async { start(gateway, Way::Play, names_of(names)?, visitor, &headers, &whole(body)?).await }.await)
}

fn names_of(names: Result<Path<Names>, PathRejection>) -> Result<Names, Refused> {
    names
        .map(|Path(names)| names)
        .map_err(|_| (ErrorCode::BadRequest, "the address does not name an app, a room and a stream"))
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refused> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::TooLarge, "an offer has at most 64 KiB"),
        _ => (ErrorCode::BadRequest, "the body could not be read"),
    })
}

fn visitor(client: Option<Extension<ClientAddress>>, comer: Comer) -> Visitor {
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ClientAddress(address))| address);
    Visitor { address, comer }
}

fn answered(started: Result<Response, Refused>) -> Response {
    started.unwrap_or_else(|(code, detail)| {
        let mut response = refusal(code, detail);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"roompass\""));
        }
        response
    })
}

async fn start(
    gateway: Arc<Gateway>,
    way: Way,
    (app_id, room_id, stream_id): Names,
    visitor: Visitor,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refused> {
    // Subscribed first, so that a drain either is seen here or reaches the stay.
    let draining = gateway.draining.subscribe();
    if draining.borrow().is_some() {
        return Err((ErrorCode::Unavailable, "the server is stopping"));
    }
    let token = bearer(headers).ok_or((ErrorCode::TokenMissing, "send the room token as bearer"))?;
    if !is_of_type(headers, &SDP) {
        return Err((ErrorCode::UnsupportedMediaType, "the body must be `application/sdp`"));
    }
    let sdp = std::str::from_utf8(body).map_err(|_| (ErrorCode::MediaInvalid, "the body is not UTF-8"))?.to_owned();
    let now = gateway.clock.now();
    let mut login = Login {
        id: 1,
        app_id,
        // Its token says who.
        user_id: String::new(),
        user_name: None,
        room_id,
        token: Some(token.to_owned()),
        app_sign_proof: None,
        sdk: Some(if way == Way::Publish { "whip" } else { "whep" }.to_owned()),
    };
    let opened;
    (login.user_id, opened) = user_of(&gateway, &login, token, &visitor, now)?;
    let edge = Edge {
        visitor: &visitor,
        challenge: &[0; CHALLENGE_LEN],
        session_id: SessionId::new(random()?),
        room_session_id: (u64::from_be_bytes(random()?) >> 11).max(1),
        resume_key: ResumeKey::new(random()?),
        opened: Some(opened),
    };
    let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(random::<9>()?));
    let (stay, _) = entry::enter(&gateway, &login, edge, now).await.map_err(|refusal| (refusal.code, "not let in"))?;
    let mut stay = Box::new(stay);
    let ufrag = line(&sdp, "a=ice-ufrag:").unwrap_or_default().to_owned();
    match begin(&gateway, &mut stay, way, stream_id, sdp).await {
        Ok(answer) => {
            let (asked, asks) = mpsc::channel(WAITING);
            // Only characters of base64url, digits and dots are put in.
            let value = |text: String| HeaderValue::try_from(text).map_err(|_| (ErrorCode::Internal, ""));
            let media_id = media_id(&secret, stay.app.settings().app_id, &gateway.nodes);
            let (location, etag) = (value(MEDIA_PATH.replace("{media_id}", &media_id))?, value(tag.clone())?);
            let links = links::of(&gateway.media, &stay.user_id, gateway.clock.now());
            gateway.whip.lock().insert(media_id.clone(), Resource { asked, ufrag, tag });
            tokio::spawn(hold(gateway, stay, asks, media_id, draining));
            let headers = [(CONTENT_TYPE, SDP), (ACCEPT_PATCH, SDP_FRAGMENT), (LOCATION, location), (ETAG, etag)];
            let links = AppendHeaders(links.into_iter().map(|link| (LINK, link)));
            Ok((StatusCode::CREATED, headers, links, answer).into_response())
        }
        Err(refused) => {
            stay.leave(GoneReason::Stopped, gateway.clock.now());
            stay.log_leave(refused.0.as_str());
            Err(refused)
        }
    }
}

/// Publishes or plays, and answers the offer.
async fn begin(
    gateway: &Gateway,
    stay: &mut Stay,
    way: Way,
    stream_id: String,
    sdp: String,
) -> Result<String, Refused> {
    let (lines, now) = (media_lines(&sdp), gateway.clock.now());
    if lines.is_empty() {
        return Err((ErrorCode::MediaInvalid, "the offer has neither audio nor video"));
    }
    let kinds = lines.iter().map(|(_, kind)| *kind).collect();
    let request = match way {
        Way::Publish => {
            Request::Publish(Publish { id: 1, stream_id: stream_id.clone(), media: Some(kinds), extra: None })
        }
        Way::Play => Request::Play(stream_id.clone()),
    };
    let effects = stay.session.request(stay.app.settings(), 1, request, now);
    let (messages, _) = stay.claim_and_perform(gateway, effects).await;
    for message in messages {
        if let ServerMessage::Error(error) = message {
            return Err((error.code, "the token does not let its user do that, or the room does not"));
        }
    }
    let track =
        |(mid, kind)| MediaTrack { mid, stream_id: stream_id.clone(), publish: (way == Way::Publish).then_some(kind) };
    let tracks = lines.into_iter().map(track).collect();
    let answer = stay.media.offer(MediaOffer { id: 1, sdp, tracks }).await;
    answer.map(|answer| answer.sdp).map_err(|code| (code, "the offer was not answered"))
}

/// Keeps a stay until its client ends it or is gone, or it is over.
async fn hold(
    gateway: Arc<Gateway>,
    mut stay: Box<Stay>,
    mut asks: mpsc::Receiver<Asked>,
    media_id: String,
    mut draining: watch::Receiver<Option<UnixSeconds>>,
) {
    stay.outbox.go_away();
    let mut gone_at = Some(gateway.clock.now().saturating_add(PATIENCE));
    let (reason, word) = loop {
        let now = gateway.clock.now();
        if gone_at.is_some_and(|at| at <= now) {
            break (GoneReason::Timeout, "no_media_connection");
        }
        if let Some(code) = stay::keep_time(&gateway, &mut stay, now) {
            break (GoneReason::Removed, code.as_str());
        }
        let (publishing, playing) = stay.session.streams();
        if publishing.is_empty() && playing.is_empty() {
            break (GoneReason::Removed, "stream_stopped");
        }
        let due = stay.session.deadline(stay.app.settings()).into_iter().chain(gone_at).min();
        let Stay { outbox, media, .. } = &mut *stay;
        tokio::select! {
            // Cannot fail: the gateway holds the sender.
            _ = draining.wait_for(Option::is_some) => break (GoneReason::Removed, ErrorCode::KickedInternal.as_str()),
            order = outbox.next_order() => {
                // Nobody has the key to call for it, so it is over.
                let effects = match order {
                    Delivery::Ended(code) => stay.end(code),
                    Delivery::Ordered => stay.obey(now).unwrap_or_default(),
                    _ => break (GoneReason::Disconnected, "called"),
                };
                stay.perform(effects, gateway.clock.now());
                if let Delivery::Ended(code) = order {
                    break (GoneReason::Removed, code.as_str());
                }
            }
            event = media.heard() => match event {
                Event::Connected => gone_at = None,
                Event::Disconnected => gone_at = Some(gateway.clock.now().saturating_add(PATIENCE)),
                Event::Ended { .. } => break (GoneReason::Removed, "media_ended"),
                _ => {}
            },
            asked = asks.recv() => match asked {
                Some(Asked::Candidates(candidates)) => {
                    // One that is of no use does no harm.
                    for candidate in candidates {
                        let _ = media.candidate(&candidate);
                    }
                }
                Some(Asked::End) | None => break (GoneReason::Stopped, "deleted"),
            },
            () = async { match due { Some(at) => gateway.wheel.wait(at).await, None => std::future::pending().await } } => {}
        }
    };
    gateway.whip.lock().remove(&media_id);
    stay.leave(reason, gateway.clock.now());
    stay.log_leave(word);
}

/// Whom the token is for, and the token, opened. What it is good for is judged at the door, like that of any login.
fn user_of(
    gateway: &Gateway,
    login: &Login,
    token: &str,
    visitor: &Visitor,
    now: UnixSeconds,
) -> Result<(String, SessionToken), Refused> {
    let begun = Instant::now();
    let app = AppId::new(login.app_id).ok().and_then(|app_id| gateway.directory.app(app_id));
    let checked = match app {
        // Before any credential is looked at: a page cannot try them out from elsewhere.
        Some(app) if !visitor.comer.may_enter(app.settings()) => {
            Err(Refusal { exact: "origin", ..Refusal::of(ErrorCode::Forbidden) })
        }
        // An app that is not there refuses like a token that is wrong.
        None => Err(Refusal { exact: ErrorCode::AppUnknown.as_str(), ..Refusal::of(ErrorCode::TokenInvalid) }),
        Some(app) => {
            let source = source_of(visitor.address);
            let attempt = Attempt { user_id: None, room_id: Some(&login.room_id), source: Some(&source) };
            gateway.tokens.check(&app, token, attempt, now).map_err(Refusal::from)
        }
    };
    let checked = checked.map_err(|refusal| {
        entry::refused(gateway, login, visitor.address, &refusal, begun, now);
        (refusal.code, "not let in")
    });
    let checked = checked?;
    Ok((checked.claims.user_id.as_str().to_owned(), checked.into()))
}

/// Whether the body is said to be of this type, with whatever parameters.
fn is_of_type(headers: &HeaderMap, media_type: &HeaderValue) -> bool {
    let essence =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type.to_str().unwrap_or_default()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

/// Bytes from the operating system. Without them nothing is safe.
fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| (ErrorCode::Internal, "no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_one_word_after_the_scheme() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(text))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer 04abc"), Some("04abc".into()));
        assert_eq!(of("bearer  04abc "), Some("04abc".into()));
        for none in ["Bearer", "Bearer ", "Basic x", "04abc"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
