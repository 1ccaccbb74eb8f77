//! Plain HTTP calls as the SDK makes them: no redirects, a limit on time and on size, nothing secret in an error.

use std::time::Duration;

use reqwest::{Response, redirect::Policy};
use rustls::pki_types::CertificateDer;

use crate::{error::Error, tls};

/// No answer to a client is longer.
const MAX_BODY_BYTES: usize = 65_536;

/// A client for one server.
pub(crate) fn client(
    secure: bool,
    extra_roots: &[CertificateDer<'static>],
    limit: Duration,
) -> Result<reqwest::Client, Error> {
    let tls = if secure { tls::trusting(extra_roots)? } else { tls::trusting_nobody()? };
    let client = reqwest::Client::builder();
    // The environment may name a proxy. Through TLS it learns nothing; a call in clear would hand it the key.
    let client = if secure { client } else { client.no_proxy() };
    client
        .tls_backend_preconfigured(tls)
        // A redirect would carry the key or the user's id to another server.
        .redirect(Policy::none())
        .referer(false)
        .timeout(limit)
        .user_agent(concat!("roompass-sdk/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::config("HTTP client", error.without_url()))
}

/// The whole body, unless it is longer than any honest one.
pub(crate) async fn body(response: Response, limit: Duration) -> Result<Vec<u8>, Error> {
    body_up_to(MAX_BODY_BYTES, response, limit).await
}

/// The same where an honest one may be of another length.
pub(crate) async fn body_up_to(max_bytes: usize, mut response: Response, limit: Duration) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::http(error, limit))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(Error::Protocol { what: "its answer is too long" });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
