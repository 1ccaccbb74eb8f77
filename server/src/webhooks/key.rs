//! The signing key of an endpoint, and signatures with it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryCryptoRng;
use roompass_wire::webhook::{Signatures, signed_prefix};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Tells these keys from others.
const PREFIX: &str = "rpwh_";

/// What proves to a receiver that a delivery is ours: shown once, when it is made.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<String>);

impl SigningKey {
    /// A new key of 256 bits.
    ///
    /// # Errors
    /// What the random source says.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *bytes)?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Ok(Self(Zeroizing::new([PREFIX, &text].concat())))
    }

    /// The key of a stored text.
    pub(super) fn stored(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text: a credential.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn sign(&self, timestamp: i64, body: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.chain_update(signed_prefix(timestamp)).chain_update(body).finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The signature header of `body`, one signature for each key.
pub(super) fn sign(keys: &[SigningKey], timestamp: i64, body: &str) -> Signatures {
    Signatures { timestamp, v1: keys.iter().map(|key| key.sign(timestamp, body)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_openssl_computes() {
        let key = SigningKey::stored(Zeroizing::new("rpwh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()));
        // printf '1800000000.{}' | openssl dgst -sha256 -hmac rpwh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
        let expected = "t=1800000000,v1=998299e9af5d0233f3339aef8100b3daea4fc491b1f2323a339466b34818d382";
        assert_eq!(sign(std::slice::from_ref(&key), 1_800_000_000, "{}").to_string(), expected);
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
