//! For the app's backend: verifies what webhooks bring, and reads it. Works with any HTTP server.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
pub use roompass_wire::webhook::{
    AppChanged, AppDisabled, AppSignReset, Banned, DELIVERY_HEADER, EVENT_HEADER, Event, EventName, InRoom, Minted,
    Notice, Refused, RefusedOperation, Revoked, RoomClosed, RoomOpened, SIGNATURE_HEADER, SecretExpiring,
    SecretRetired, SecretRotated, StreamStarted, StreamStopped, Test, UserEntered, UserLeft,
};
use roompass_wire::webhook::{MAX_AGE_SECS, Signatures, signed_prefix};
use sha2::Sha256;
use token_gen::UnixSeconds;

/// Verifies deliveries of one endpoint. Comparing takes as long whether a signature is right or wrong.
///
/// ```
/// use roompass_sdk::{UnixSeconds, webhook::{Event, WebhookFault, WebhookVerifier}};
///
/// # fn run(signature: &str, body: &[u8], now: UnixSeconds) -> Result<(), WebhookFault> {
/// let verifier = WebhookVerifier::new("rpwh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
/// // The header `Roompass-Signature`, and the body as it came.
/// let notice = verifier.read(signature, body, now)?;
/// if let Event::Revoked(revoked) = notice.event {
///     println!("{:?} of {:?} by {}", revoked.kind, revoked.user_id, revoked.by);
/// }
/// # Ok(()) }
/// # assert!(run("t=1,v1=", b"{}", UnixSeconds::new(1)).is_err());
/// ```
#[derive(Clone)]
pub struct WebhookVerifier(Vec<Hmac<Sha256>>);

/// Why a delivery is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookFault {
    /// The header is missing a part, or has another shape.
    #[error("the signature header cannot be read")]
    Header,
    /// It was signed too long ago, or in the future: it may have been recorded and sent again.
    #[error("the signature is not of the last five minutes")]
    Age,
    /// It was signed with another key, or the body is not what was signed.
    #[error("the signature is wrong")]
    Signature,
    /// It is genuine, and tells of something that this version does not know.
    #[error("the body cannot be read")]
    Body,
}

impl WebhookVerifier {
    /// Takes the signing key of the endpoint, `rpwh_…`.
    pub fn new(signing_key: &str) -> Self {
        Self(vec![mac(signing_key)])
    }

    /// The same, which also takes what was signed with `signing_key`: for the time of a rotation.
    #[must_use]
    pub fn or(mut self, signing_key: &str) -> Self {
        self.0.push(mac(signing_key));
        self
    }

    /// Whether a delivery is genuine. `signature` is the header `Roompass-Signature`, `body` what came, untouched.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(&self, signature: &str, body: &[u8], now: UnixSeconds) -> Result<(), WebhookFault> {
        let signatures: Signatures = signature.parse().map_err(|_| WebhookFault::Header)?;
        if now.get().abs_diff(signatures.timestamp) > MAX_AGE_SECS.unsigned_abs() {
            return Err(WebhookFault::Age);
        }
        let prefix = signed_prefix(signatures.timestamp);
        let is_signed = |mac: &Hmac<Sha256>| {
            let mac = mac.clone().chain_update(&prefix).chain_update(body);
            signatures.v1.iter().any(|signature| mac.clone().verify(signature.into()).is_ok())
        };
        if self.0.iter().any(is_signed) { Ok(()) } else { Err(WebhookFault::Signature) }
    }

    /// Verifies a delivery and reads it.
    ///
    /// # Errors
    /// Why it is not genuine; [`WebhookFault::Body`] for one that is, of an event that this version does not know.
    pub fn read(&self, signature: &str, body: &[u8], now: UnixSeconds) -> Result<Notice, WebhookFault> {
        self.verify(signature, body, now)?;
        serde_json::from_slice(body).map_err(|_| WebhookFault::Body)
    }
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookVerifier(..)")
    }
}

fn mac(signing_key: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(signing_key.as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "rpwh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const BODY: &[u8] = include_bytes!("../wire/notices/test.json");
    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);
    /// `printf 1800000000. | cat - test.json | openssl dgst -sha256 -hmac $KEY`
    const SIGNATURE: &str = "2bc277a20bd7d25fbb88cae1450ca4fa828bbe1bee7bd3e627508f2a4c373adc";

    fn header() -> String {
        format!("t=1800000000,v1={SIGNATURE}")
    }

    #[test]
    fn what_openssl_signs_is_taken_and_nothing_else() {
        let verifier = WebhookVerifier::new(KEY);
        let notice = verifier.read(&header(), BODY, NOW).unwrap();
        assert_eq!((notice.app_id, notice.event.name()), (1_234_567_890, EventName::Test));
        let other = WebhookVerifier::new("rpwh_BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(other.verify(&header(), BODY, NOW), Err(WebhookFault::Signature));
        assert_eq!(other.or(KEY).verify(&header(), BODY, NOW), Ok(()));
        for index in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[index] ^= 1;
            assert_eq!(verifier.verify(&header(), &body, NOW), Err(WebhookFault::Signature));
        }
        let moved = header().replace("t=1800000000", "t=1800000001");
        assert_eq!(verifier.verify(&moved, BODY, NOW), Err(WebhookFault::Signature));
        assert_eq!(verifier.verify("v1=00", BODY, NOW), Err(WebhookFault::Header));
        let rotated = format!("t=1800000000,v1={},v1={SIGNATURE}", "0".repeat(64));
        assert_eq!(verifier.verify(&rotated, BODY, NOW), Ok(()));
    }

    #[test]
    fn what_is_old_or_of_the_future_is_refused() {
        let verifier = WebhookVerifier::new(KEY);
        for (offset, good) in [(300, true), (301, false), (-300, true), (-301, false)] {
            let now = UnixSeconds::new(NOW.get() + offset);
            assert_eq!(verifier.verify(&header(), BODY, now).is_ok(), good, "{offset}");
        }
        assert_eq!(format!("{verifier:?}"), "WebhookVerifier(..)");
    }
}
