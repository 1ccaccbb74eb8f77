//! How a client shows that it holds the AppSign without sending it (security specification, C12).

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{id::AppId, secret::AppSign, time::UnixSeconds};

/// Separates this use of the key from any other.
const CONTEXT: &[u8] = b"appsign-login-v1";

/// The bytes of a challenge.
pub const CHALLENGE_LEN: usize = 32;
/// The bytes of a proof.
pub const PROOF_LEN: usize = 32;

/// What one login proof binds together: it is good for this server, app, user, room, socket and moment only.
///
/// proof = HMAC-SHA256(key, `appsign-login-v1` ‖ fields), where the key is the 64 characters of the AppSign, and
/// each field is its length in bytes as a big-endian `u32`, then the bytes: server origin, app id in decimal, user
/// id, room id, challenge, timestamp in decimal seconds.
#[derive(Debug, Clone, Copy)]
pub struct LoginProof<'a> {
    /// The origin of the server as the client addressed it, such as `https://rtc.example.com`.
    pub server_origin: &'a str,
    /// The app.
    pub app_id: AppId,
    /// The user logging in.
    pub user_id: &'a str,
    /// The room logged in to.
    pub room_id: &'a str,
    /// What the server sent on this connection.
    pub challenge: &'a [u8; CHALLENGE_LEN],
    /// The moment of the login, by the server's clock.
    pub timestamp: UnixSeconds,
}

impl LoginProof<'_> {
    /// The proof: 32 bytes.
    pub fn compute(&self, app_sign: &AppSign) -> [u8; PROOF_LEN] {
        self.mac(app_sign).finalize().into_bytes().into()
    }

    /// Whether `proof` is right, compared in constant time.
    pub fn verify(&self, app_sign: &AppSign, proof: &[u8]) -> bool {
        self.mac(app_sign).verify_slice(proof).is_ok()
    }

    fn mac(&self, app_sign: &AppSign) -> Hmac<Sha256> {
        let mut mac = new_mac(app_sign.expose().as_bytes());
        mac.update(CONTEXT);
        field(&mut mac, self.server_origin.as_bytes());
        decimal_field(&mut mac, self.app_id);
        field(&mut mac, self.user_id.as_bytes());
        field(&mut mac, self.room_id.as_bytes());
        field(&mut mac, self.challenge);
        decimal_field(&mut mac, self.timestamp);
        mac
    }
}

fn new_mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn field(mac: &mut Hmac<Sha256>, bytes: &[u8]) {
    mac.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(bytes);
}

fn decimal_field(mac: &mut Hmac<Sha256>, number: impl fmt::Display) {
    field(mac, alloc::format!("{number}").as_bytes());
}

#[cfg(test)]
mod tests;
