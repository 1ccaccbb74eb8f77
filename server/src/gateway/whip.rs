//! WHIP and WHEP: encoders publish and players play with one HTTP request and a room token, without a socket.
//!
//! Each is a stay like any other: it is in the room, the others see its stream, and whatever ends a stay ends it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use roompass_media::Event;
use roompass_wire::{
    ErrorCode,
    gateway::{
        GoneReason, Login, MEDIA_PATH, MediaKind, MediaOffer, MediaTrack, Publish, ServerMessage, WHEP_PATH, WHIP_PATH,
    },
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
use crate::{
    limits::ClientAddress,
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

/// What clients have made and not deleted.
#[derive(Debug, Default)]
pub(super) struct Resources(Mutex<HashMap<String, Resource>>);

#[derive(Debug)]
struct Resource {
    asked: mpsc::Sender<Asked>,
    /// The ICE user name of the offer.
    ufrag: String,
}

/// What a client wants of its resource.
#[derive(Debug)]
enum Asked {
    Candidates(Vec<String>),
    End,
}

/// Which way the stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Publish,
    Play,
}

type Refused = (ErrorCode, &'static str);

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route(WHIP_PATH, post(publish))
        .route(WHEP_PATH, post(play))
        .route(MEDIA_PATH, delete(end).patch(add_candidates))
        .layer(DefaultBodyLimit::max(MAX_SDP_BYTES))
}

async fn publish(
    State(gateway): State<Arc<Gateway>>,
    Path(names): Path<(u32, String, String)>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(start(gateway, Way::Publish, names, client, &headers, &body).await)
}

async fn play(
    State(gateway): State<Arc<Gateway>>,
    Path(names): Path<(u32, String, String)>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(start(gateway, Way::Play, names, client, &headers, &body).await)
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
    (app_id, room_id, stream_id): (u32, String, String),
    client: Option<Extension<ClientAddress>>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refused> {
    // Subscribed first, so that a drain either is seen here or reaches the stay.
    let draining = gateway.draining.subscribe();
    if draining.borrow().is_some() {
        return Err((ErrorCode::Unavailable, "the server is stopping"));
    }
    if headers.get(CONTENT_TYPE) != Some(&SDP) {
        return Err((ErrorCode::UnsupportedMediaType, "the body must be `application/sdp`"));
    }
    let sdp = std::str::from_utf8(body).map_err(|_| (ErrorCode::MediaInvalid, "the body is not UTF-8"))?.to_owned();
    let token = bearer(headers).ok_or((ErrorCode::TokenMissing, "send the room token as bearer"))?;
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ClientAddress(address))| address);
    let now = gateway.clock.now();
    let user_id = user_of(&gateway, app_id, &room_id, token, address, now)?;
    let login = Login {
        id: 1,
        app_id,
        user_id,
        user_name: None,
        room_id,
        token: Some(token.to_owned()),
        app_sign_proof: None,
        sdk: Some(if way == Way::Publish { "whip" } else { "whep" }.to_owned()),
    };
    // A page needs the token as well, and may be of any origin: no cookie speaks for it.
    let visitor = Visitor { address, comer: Comer::Anybody };
    let edge = Edge {
        visitor: &visitor,
        challenge: &[0; CHALLENGE_LEN],
        session_id: SessionId::new(random()?),
        room_session_id: (u64::from_be_bytes(random()?) >> 11).max(1),
        resume_key: ResumeKey::new(random()?),
    };
    let media_id = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let (stay, _) = entry::enter(&gateway, &login, edge, now).await.map_err(|refusal| (refusal.code, "not let in"))?;
    let mut stay = Box::new(stay);
    let ufrag = line(&sdp, "a=ice-ufrag:").unwrap_or_default().to_owned();
    match begin(&gateway, &mut stay, way, stream_id, sdp).await {
        Ok(answer) => {
            let (asked, asks) = mpsc::channel(WAITING);
            gateway.whip.lock().insert(media_id.clone(), Resource { asked, ufrag });
            let location = MEDIA_PATH.replace("{media_id}", &media_id);
            tokio::spawn(hold(gateway, stay, asks, media_id, draining));
            let headers = [(CONTENT_TYPE, SDP), (ACCEPT_PATCH, SDP_FRAGMENT)];
            // Only characters of base64url were put in.
            let location = HeaderValue::try_from(location).map_err(|_| (ErrorCode::Internal, ""))?;
            Ok((StatusCode::CREATED, headers, [(LOCATION, location)], answer).into_response())
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

async fn end(State(gateway): State<Arc<Gateway>>, Path(media_id): Path<String>) -> Response {
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

async fn add_candidates(
    State(gateway): State<Arc<Gateway>>,
    Path(media_id): Path<String>,
    headers: HeaderMap,
    fragment: String,
) -> Response {
    if headers.get(CONTENT_TYPE) != Some(&SDP_FRAGMENT) {
        return refusal(ErrorCode::UnsupportedMediaType, "the body must be `application/trickle-ice-sdpfrag`");
    }
    let asked = {
        let resources = gateway.whip.lock();
        let Some(resource) = resources.get(&media_id) else {
            return refusal(ErrorCode::NotFound, "it is over, or never was");
        };
        if line(&fragment, "a=ice-ufrag:").is_some_and(|ufrag| ufrag != resource.ufrag) {
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
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Resource>> {
        // No change in here can stop half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the token is for. What it is good for is judged at the door, like that of any login.
fn user_of(
    gateway: &Gateway,
    app_id: u32,
    room_id: &str,
    token: &str,
    address: IpAddr,
    now: UnixSeconds,
) -> Result<String, Refused> {
    let app = AppId::new(app_id).ok().and_then(|app_id| gateway.directory.app(app_id));
    // An app that is not there refuses like a token that is wrong.
    let app = app.ok_or((ErrorCode::TokenInvalid, "the token was refused"))?;
    let source = source_of(address);
    let attempt = Attempt { user_id: None, room_id: Some(room_id), source: Some(&source) };
    let checked = gateway.tokens.check(&app, token, attempt, now);
    let checked = checked.map_err(|refusal| (refusal.code(), "the token was refused"))?;
    Ok(checked.claims.user_id.as_str().to_owned())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

/// What stands after `name` where it first starts a line.
fn line<'s>(sdp: &'s str, name: &str) -> Option<&'s str> {
    sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The media lines that carry sound or pictures: their mids and what they carry.
fn media_lines(sdp: &str) -> Vec<(String, MediaKind)> {
    let sections = sdp.split("m=").skip(1).filter_map(|section| {
        let kind = match section.split(' ').next() {
            Some("audio") => MediaKind::Audio,
            Some("video") => MediaKind::Video,
            _ => return None,
        };
        Some((line(section, "a=mid:")?.to_owned(), kind))
    });
    sections.collect()
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
    fn media_lines_are_found_with_what_they_carry() {
        let sdp = "v=0\r\na=ice-ufrag:abcd\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                   m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\nm=video 9 x 96\r\na=mid:v2\r\n";
        let expected = [("0".to_owned(), MediaKind::Audio), ("v2".to_owned(), MediaKind::Video)];
        assert_eq!(media_lines(sdp), expected);
        assert_eq!(line(sdp, "a=ice-ufrag:"), Some("abcd"));
    }

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
