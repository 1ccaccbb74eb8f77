//! Signed requests: proves that whoever holds a key signed this request, just now, once.
//!
//! What is signed, and how it travels, is in [`roompass_wire::signed`]. Knows no HTTP: a [`Received`] request comes
//! in, with its body already hashed, and time arrives as `now`.

use std::{fmt, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use roompass_wire::signed::{SignatureHeader, SignedParts, WINDOW_SECS};
use sha2::Sha256;
use token_gen::UnixSeconds;

use crate::{
    error::Error,
    keys::{Caller, KeyText, Keyring},
    store::{NonceStore, StoreError},
};

/// How much longer than its window a nonce is kept, so that clocks of nodes may differ by as much.
const SKEW: Duration = Duration::from_secs(60);

/// What a key signs with.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Prepares the key: the whole text, as its holder has it.
    pub fn new(text: &KeyText) -> Self {
        Self(Hmac::new_from_slice(text.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// Whether `signature` is that of `text`; takes as long either way.
    pub(crate) fn proves(&self, text: &str, signature: &[u8; 32]) -> bool {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac.verify(signature.into()).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// A request as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// What the client takes us for.
    pub host: &'a str,
    /// The path, untouched.
    pub path: &'a str,
    /// The query, untouched.
    pub query: Option<&'a str>,
    /// The type of the body.
    pub content_type: Option<&'a str>,
    /// SHA-256 of the body.
    pub body_sha256: &'a [u8; 32],
}

/// Who signed `request`; from here on nobody can send it again.
///
/// # Errors
/// [`Error::BadRequest`] for a request with more than one reading. [`Error::Unauthorized`] alike for an unknown key,
/// a wrong signature, a timestamp outside the window, and a nonce that was used. [`Error::Store`] when the store
/// cannot say whether it was: then nothing is allowed.
pub async fn authenticate(
    request: Received<'_>,
    header: &SignatureHeader,
    keyring: &Keyring,
    nonces: &(impl NonceStore + ?Sized),
    now: UnixSeconds,
) -> Result<std::sync::Arc<Caller>, Error> {
    let parts = SignedParts {
        method: request.method,
        host: request.host,
        path: request.path,
        query: request.query,
        content_type: request.content_type,
        body_sha256: request.body_sha256,
        key_id: &header.key_id,
        timestamp: header.timestamp,
        nonce: &header.nonce,
    };
    let text = parts.text().map_err(|ambiguous| Error::BadRequest(ambiguous.to_string()))?;
    let caller = keyring.authenticate_signed(&header.key_id, &text, &header.signature, now);
    let caller = caller.filter(|_| is_recent(header.timestamp, now)).ok_or(Error::Unauthorized)?;
    let window = Duration::from_secs(WINDOW_SECS.unsigned_abs());
    let expire_at = UnixSeconds::new(header.timestamp).saturating_add(window + SKEW);
    match nonces.spend_nonce(&header.key_id, header.nonce, expire_at).await {
        Ok(()) => Ok(caller),
        Err(StoreError::Conflict) => Err(Error::Unauthorized),
        Err(error) => Err(error.into()),
    }
}

fn is_recent(timestamp: i64, now: UnixSeconds) -> bool {
    timestamp.abs_diff(now.get()) <= WINDOW_SECS.unsigned_abs()
}

#[cfg(test)]
mod tests;
