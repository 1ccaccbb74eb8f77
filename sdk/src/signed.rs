//! For the app's backend: signs requests with a key that is never sent, for any HTTP client. Sends nothing itself.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use roompass_wire::signed::{SignatureHeader, SignedParts};
use sha2::{Digest, Sha256};
use token_gen::UnixSeconds;

use crate::error::Error;

/// Signs requests with a backend key that was made with `--signed`.
///
/// ```
/// use roompass_sdk::{UnixSeconds, signed::{RequestSigner, Unsigned}};
///
/// # fn run(now: UnixSeconds) -> Result<(), roompass_sdk::Error> {
/// let signer = RequestSigner::new("rp_abcdefghijkl_0123456789012345678901234567890123456789012")?;
/// let request = Unsigned {
///     method: "POST",
///     host: "rtc.example.com",
///     path: "/v1/apps/1234567890/tokens",
///     query: None,
///     content_type: Some("application/json"),
///     body: br#"{"user_id":"alice"}"#,
/// };
/// // Goes into the `Authorization` header, within a minute, once.
/// let authorization = signer.sign(&request, now)?;
/// assert!(authorization.starts_with("Roompass-HMAC-SHA256 key_id=abcdefghijkl,timestamp="));
/// # Ok(()) }
/// # run(UnixSeconds::new(1_800_000_000)).unwrap();
/// ```
#[derive(Clone)]
pub struct RequestSigner {
    key_id: String,
    mac: Hmac<Sha256>,
}

/// A request to be signed, exactly as it will be sent.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The `Host` header, with the port if it is sent.
    pub host: &'a str,
    /// The path in the request line.
    pub path: &'a str,
    /// What follows the question mark, if there is one.
    pub query: Option<&'a str>,
    /// The `Content-Type` header, if it is sent.
    pub content_type: Option<&'a str>,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

impl RequestSigner {
    /// Takes the text of the key, `rp_<key id>_<secret>`.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error for a text of another shape.
    pub fn new(key: &str) -> Result<Self, Error> {
        let fault = || Error::config("backend key", "must read rp_<key id>_<secret>");
        let (key_id, secret) = key.strip_prefix("rp_").and_then(|rest| rest.split_once('_')).ok_or_else(fault)?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain(key_id) || !plain(secret) {
            return Err(fault());
        }
        let mac = Hmac::new_from_slice(key.as_bytes()).map_err(|_| fault())?;
        Ok(Self { key_id: key_id.to_owned(), mac })
    }

    /// The value of the `Authorization` header. Sign again for every attempt: the server takes each one once, and
    /// within a minute of `now`.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error for a request that could be read in two ways, which the server would
    /// refuse, or when the operating system gives no random numbers.
    pub fn sign(&self, request: &Unsigned<'_>, now: UnixSeconds) -> Result<String, Error> {
        let mut nonce = [0; 16];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| Error::config("randomness", "the operating system gives no random numbers"))?;
        self.sign_with_nonce(request, now, nonce)
    }

    fn sign_with_nonce(&self, request: &Unsigned<'_>, now: UnixSeconds, nonce: [u8; 16]) -> Result<String, Error> {
        let timestamp = now.get();
        let parts = SignedParts {
            method: request.method,
            host: request.host,
            path: request.path,
            query: request.query,
            content_type: request.content_type,
            body_sha256: &Sha256::digest(request.body).into(),
            key_id: &self.key_id,
            timestamp,
            nonce: &nonce,
        };
        let text = parts.text().map_err(|_| {
            Error::config("request", "cannot be signed: host, path, query or content type can be read in two ways")
        })?;
        let signature = self.mac.clone().chain_update(text).finalize().into_bytes().into();
        Ok(SignatureHeader { key_id: self.key_id.clone(), timestamp, nonce, signature }.to_string())
    }
}

impl fmt::Debug for RequestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "rp_abcdefghijkl_0123456789012345678901234567890123456789012";
    const REQUEST: Unsigned<'static> = Unsigned {
        method: "POST",
        host: "rtc.example.com",
        path: "/v1/apps/7/tokens",
        query: None,
        content_type: Some("application/json"),
        body: b"{}",
    };

    #[test]
    fn a_signature_is_the_one_that_openssl_computes() {
        let signer = RequestSigner::new(KEY).unwrap();
        let header = signer.sign_with_nonce(&REQUEST, UnixSeconds::new(1_800_000_000), [0xab; 16]).unwrap();
        let expected = "Roompass-HMAC-SHA256 key_id=abcdefghijkl,timestamp=1800000000,\
                        nonce=abababababababababababababababab,\
                        signature=f7ede330facc6be34d5e60e44b44a2203d40a4488d90af9289c7242ae2ee0688";
        assert_eq!(header, expected);
    }

    #[test]
    fn no_two_signatures_are_the_same() {
        let signer = RequestSigner::new(KEY).unwrap();
        let sign = || signer.sign(&REQUEST, UnixSeconds::new(1_800_000_000)).unwrap();
        assert_ne!(sign(), sign());
        assert_eq!(format!("{signer:?}"), "RequestSigner { key_id: \"abcdefghijkl\", .. }");
    }

    #[test]
    fn what_the_server_would_refuse_is_not_signed() {
        let signer = RequestSigner::new(KEY).unwrap();
        for request in [
            Unsigned { path: "/v1//apps", ..REQUEST },
            Unsigned { query: Some("a=1&a=2"), ..REQUEST },
            Unsigned { host: "", ..REQUEST },
        ] {
            assert!(signer.sign(&request, UnixSeconds::new(0)).is_err(), "{request:?}");
        }
        for key in ["", "rp_", "rp_a", "rp__b", "rp_a_", "xx_a_b", "rp_a_b c"] {
            assert!(RequestSigner::new(key).is_err(), "{key}");
        }
    }
}
