//! One attempt: looks the name up, dials an address that is permitted, and posts. No redirects, no proxies, no
//! connection kept; what the receiver says beyond its status is read a little and thrown away.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{
        HeaderValue, Request,
        header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
    },
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use roompass_wire::{
    http::DeliveryFault,
    webhook::{DELIVERY_HEADER, EVENT_HEADER, SIGNATURE_HEADER},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{address::PrivateNetworks, settings::WebhookSettings, url::EndpointUrl};
use crate::trust;

const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// A receiver that is cut off while it answers may take that for a failure of ours, so its answer is read this far.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
const AGENT: HeaderValue = HeaderValue::from_static(concat!("Roompass-Webhooks/", env!("CARGO_PKG_VERSION")));

/// Posts deliveries.
pub(super) struct Sender {
    trusted: Option<Vec<u8>>,
    /// Made when it is first needed: the certificates of a system are many. `None` if they cannot be read.
    tls: OnceLock<Option<TlsConnector>>,
    networks: PrivateNetworks,
    limit: Duration,
}

/// What is posted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posted<'a> {
    pub(super) delivery_id: &'a str,
    pub(super) event: &'a str,
    pub(super) signature: &'a str,
    pub(super) body: &'a str,
}

impl Sender {
    /// Posts to addresses that `settings` permit.
    pub(super) fn new(settings: &WebhookSettings) -> Self {
        let WebhookSettings { networks, trusted, attempt_limit, .. } = settings.clone();
        Self { trusted, tls: OnceLock::new(), networks, limit: attempt_limit }
    }

    fn tls(&self) -> Result<&TlsConnector, DeliveryFault> {
        let made = self.tls.get_or_init(|| match trust::client_config(self.trusted.as_deref()) {
            Ok(mut config) => {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Some(TlsConnector::from(Arc::new(config)))
            }
            Err(error) => {
                tracing::error!(error, "no webhook can be delivered: set webhooks.ca_file");
                None
            }
        });
        made.as_ref().ok_or(DeliveryFault::Tls)
    }

    /// Posts once. Returns the status of the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn post(
        &self,
        url: &EndpointUrl,
        private: bool,
        posted: Posted<'_>,
    ) -> Result<u16, DeliveryFault> {
        match timeout(self.limit, self.attempt(url, private, posted)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(DeliveryFault::TimedOut),
        }
    }

    async fn attempt(&self, url: &EndpointUrl, private: bool, posted: Posted<'_>) -> Result<u16, DeliveryFault> {
        let stream = self.dial(url, private).await?;
        let request = request(url, posted).map_err(|_| DeliveryFault::Protocol)?;
        if !url.tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(|_| DeliveryFault::Tls)?;
        let stream = self.tls()?.connect(name, stream).await.map_err(|_| DeliveryFault::Tls)?;
        exchange(stream, request).await
    }

    /// Connects to the first address that is permitted and answers. What is checked is what is dialled.
    async fn dial(&self, url: &EndpointUrl, private: bool) -> Result<TcpStream, DeliveryFault> {
        let found = lookup_host((&*url.host, url.port)).await.map_err(|_| DeliveryFault::NameUnknown)?;
        let is_permitted = |address: &SocketAddr| {
            let address = address.ip();
            // Plain text goes nowhere but to this machine.
            if url.tls {
                self.networks.permit(address, private)
            } else {
                private && self.networks.permit_loopback(address)
            }
        };
        let mut fault = DeliveryFault::AddressRefused;
        for address in found.filter(is_permitted) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Requests are small and whole: waiting to fill a packet only delays them.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(_) => fault = DeliveryFault::Unreachable,
            }
        }
        Err(fault)
    }
}

fn request(url: &EndpointUrl, posted: Posted<'_>) -> Result<Request<Body>, axum::http::Error> {
    Request::post(&*url.target)
        .header(HOST, &*url.authority)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header(SIGNATURE_HEADER, posted.signature)
        .header(DELIVERY_HEADER, posted.delivery_id)
        .header(EVENT_HEADER, posted.event)
        .body(Body::from(posted.body.to_owned()))
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<u16, DeliveryFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = http1::Builder::new();
    client.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(|error| fault_of(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| fault_of(&error))?;
        let status = answer.status().as_u16();
        let _ = timeout(ANSWER_LIMIT, to_bytes(Body::new(answer.into_body()), MAX_ANSWER_BYTES)).await;
        Ok(status)
    };
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    let mut ended = false;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = &mut connection, if !ended => ended = true,
        }
    }
}

fn fault_of(error: &hyper::Error) -> DeliveryFault {
    let broke = std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>());
    if broke || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        DeliveryFault::Unreachable
    } else {
        DeliveryFault::Protocol
    }
}
