//! The upgrade: who may open a socket, and who is asked to come later.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use roompass_wire::{ErrorCode, Problem, gateway::SUBPROTOCOL};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig},
};

use super::{
    Gateway, Visitor, origin,
    socket::{self, Counted},
    waiting::Full,
};
use crate::{
    limits::{ClientAddress, ConnectionPlace, Work},
    metrics::Limit,
};

/// The read buffer of a socket. Allocated for as long as it lives, so it decides what an idle one costs; a longer
/// message grows it for the moment.
const READ_BUFFER_BYTES: usize = 1024;

/// The write buffer never holds more than one message beyond what the kernel takes. This only has to be larger than
/// the longest message, the `logged_in` of a very full room.
const MAX_WRITE_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// Over how many seconds clients are spread who come when there is no time for them.
const SPREAD_SECS: u64 = 30;

/// Opens a socket, or says why not.
pub(super) async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    client: Option<Extension<ClientAddress>>,
    place: Option<Extension<ConnectionPlace>>,
    uri: Uri,
    headers: HeaderMap,
    upgrading: Option<Extension<OnUpgrade>>,
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let config = &gateway.config;
    // Subscribed first, so that a drain either is seen here or reaches the socket.
    let draining = gateway.draining.subscribe();
    if draining.borrow().is_some() {
        return gateway.refuse(ErrorCode::Unavailable, "the server is stopping");
    }
    let allowed = config.server_origins.iter().chain(&config.allowed_origins);
    let Some(comer) = origin::comer(&headers, allowed, |origin| gateway.directory.takes_pages_of(origin)) else {
        return gateway.refuse(ErrorCode::Forbidden, "pages of this origin may not open sockets here");
    };
    if uri.query().is_some() {
        // A token in an address would end up in somebody's log: nobody shall get used to it.
        return gateway
            .refuse(ErrorCode::BadRequest, "the address takes no query; credentials go into the login message");
    }
    let (Ok(ws), Some(Extension(upgrading)), Some(key)) = (ws, upgrading, headers.get(header::SEC_WEBSOCKET_KEY))
    else {
        return gateway.refuse(ErrorCode::BadRequest, "this is a WebSocket endpoint");
    };
    let ws = ws.protocols([SUBPROTOCOL]);
    if ws.selected_protocol().is_none() {
        return gateway.refuse(ErrorCode::BadRequest, "offer the subprotocol roompass.v1");
    }
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ClientAddress(address))| address);
    if !gateway.pressure.has_time_for(Work::Login) {
        gateway.metrics.limited(Limit::Pressure);
        return gateway.put_off(ErrorCode::Unavailable, "too many clients come at once");
    }
    let waiting = match gateway.waiting.enter(address) {
        Ok(waiting) => waiting,
        Err(full) => {
            gateway.metrics.limited(Limit::Sockets);
            return match full {
                Full::Everybody => gateway.put_off(ErrorCode::Unavailable, "too many clients come at once"),
                Full::Source => gateway.put_off(ErrorCode::RateLimited, "too many connections that have not logged in"),
            };
        }
    };
    let frames = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(config.max_message_bytes))
        .max_frame_size(Some(config.max_message_bytes));
    let response = accepted(key);
    tokio::spawn(async move {
        let _place = place;
        // Who has hung up by now is nobody's concern.
        let Ok(stream) = upgrading.await else { return };
        let stream = Counted::new(TokioIo::new(stream));
        let ws = WebSocketStream::from_raw_socket(stream, Role::Server, Some(frames)).await;
        socket::run(gateway, ws, Visitor { address, comer }, draining, waiting).await;
    });
    response
}

/// Agrees to the upgrade that the client proposes with `key`.
fn accepted(key: &HeaderValue) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is visible ASCII");
    response.headers_mut().extend([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ]);
    response
}

impl Gateway {
    /// Says no before the upgrade.
    fn refuse(&self, code: ErrorCode, detail: &str) -> Response {
        self.metrics.gateway.upgrade_refused(code);
        refusal(code, detail)
    }

    /// Asks a client to come a little later, each at another moment: those who come in a herd do not come back as one.
    #[expect(clippy::disallowed_methods, reason = "spreads clients in time: nothing that must not repeat")]
    fn put_off(&self, code: ErrorCode, detail: &str) -> Response {
        let mut response = self.refuse(code, detail);
        let later = rand::random_range(1..=SPREAD_SECS);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(later));
        response
    }
}

pub(super) fn refusal(code: ErrorCode, detail: &str) -> Response {
    let problem = Problem { detail: Some(detail.to_owned()), ..Problem::new(code) };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    if code.row().retryable {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
