//! The two secrets of an app. Neither prints, serialises or compares with `==`; both are zeroed when dropped.

use alloc::{boxed::Box, string::String};
use core::fmt;

use rand_core::TryCryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::TokenError;

/// The 62 symbols of a generated server secret: 32 of them carry 190 bits.
const SYMBOLS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key that seals an app's room tokens: exactly 32 bytes of text, used as they are (never hex-decoded).
///
/// Held by the app's backend and by the service, never by a client.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServerSecret(Box<[u8; 32]>);

impl ServerSecret {
    /// Takes the secret's text.
    ///
    /// # Errors
    /// [`TokenError::SecretLength`] unless it is exactly 32 bytes of UTF-8.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let bytes: &[u8; 32] =
            text.as_bytes().try_into().map_err(|_| TokenError::SecretLength { found: text.len() })?;
        Ok(Self(Box::new(*bytes)))
    }

    /// A new secret of 32 ASCII letters and digits (190 bits), so that every public generator can use it.
    ///
    /// # Errors
    /// [`TokenError::Randomness`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, TokenError> {
        let mut secret = Self(Box::new([0; 32]));
        let mut filled = 0;
        while filled < 32 {
            let mut draw = Zeroizing::new([0u8; 48]);
            rng.try_fill_bytes(&mut *draw).map_err(|_| TokenError::Randomness)?;
            // 248 is the largest multiple of 62 in a byte: above it, symbols would not be equally likely.
            for byte in draw.iter().filter(|&&byte| byte < 248).take(32 - filled) {
                secret.0[filled] = SYMBOLS[usize::from(byte % 62)];
                filled += 1;
            }
        }
        Ok(secret)
    }

    /// The secret itself. Dangerous: whoever reads it can mint any token.
    pub fn expose(&self) -> &str {
        // Construction took a `&str` or wrote ASCII, so this never falls back.
        core::str::from_utf8(&*self.0).unwrap_or_default()
    }

    /// The 32 bytes of key.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether every public generator can use this secret: several count characters, not bytes.
    pub fn is_portable(&self) -> bool {
        self.0.is_ascii()
    }

    /// Whether the secret is drawn from hexadecimal digits only, which leaves at most 128 bits.
    pub fn is_hex_only(&self) -> bool {
        self.0.iter().all(u8::is_ascii_hexdigit)
    }
}

impl ConstantTimeEq for ServerSecret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&*other.0)
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(..)")
    }
}

/// The fixed value inside a client build: 64 hexadecimal characters.
///
/// It names the app, sits in every copy of the app and never expires, so it proves little. It is never sent:
/// a client shows that it has it with a [`crate::LoginProof`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AppSign(Box<[u8; 64]>);

impl AppSign {
    /// Takes the 64 hexadecimal characters, in either case, and keeps them as given.
    ///
    /// # Errors
    /// [`TokenError::AppSignInvalid`] for anything else.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let bytes: &[u8; 64] = text.as_bytes().try_into().map_err(|_| TokenError::AppSignInvalid)?;
        if !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Err(TokenError::AppSignInvalid);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// A new AppSign from 32 random bytes.
    ///
    /// # Errors
    /// [`TokenError::Randomness`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, TokenError> {
        let mut draw = Zeroizing::new([0u8; 32]);
        rng.try_fill_bytes(&mut *draw).map_err(|_| TokenError::Randomness)?;
        let mut app_sign = Self(Box::new([0; 64]));
        for (pair, byte) in app_sign.0.chunks_exact_mut(2).zip(draw.iter()) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Ok(app_sign)
    }

    /// The AppSign itself.
    pub fn expose(&self) -> &str {
        core::str::from_utf8(&*self.0).unwrap_or_default()
    }
}

impl ConstantTimeEq for AppSign {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&*other.0)
    }
}

impl fmt::Debug for AppSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppSign(..)")
    }
}

impl TryFrom<String> for ServerSecret {
    type Error = TokenError;

    /// Takes the text and zeroes it.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&Zeroizing::new(text))
    }
}

impl TryFrom<String> for AppSign {
    type Error = TokenError;

    /// Takes the text and zeroes it.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString};

    use super::*;

    #[test]
    fn a_secret_is_32_bytes_of_text() {
        assert!(ServerSecret::new("fa94dd0f974cf2e293728a526b028271").is_ok());
        assert!(ServerSecret::new(&"é".repeat(16)).is_ok_and(|secret| !secret.is_portable()));
        for bad in ["", "short", &"x".repeat(31), &"x".repeat(33), &"é".repeat(32)] {
            assert_eq!(ServerSecret::new(bad).map(|_| ()), Err(TokenError::SecretLength { found: bad.len() }));
        }
    }

    #[test]
    fn generated_secrets_have_the_right_shape_and_differ() {
        let mut rng = rand::rngs::SysRng;
        let first = ServerSecret::generate(&mut rng).unwrap();
        let second = ServerSecret::generate(&mut rng).unwrap();
        assert!(first.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(!bool::from(first.ct_eq(&second)));
        let sign = AppSign::generate(&mut rng).unwrap();
        assert!(AppSign::new(sign.expose()).is_ok());
        assert!(AppSign::new(&sign.expose().replace(['a', '0', '1', '2', '3'], "g")).is_err());
    }

    #[test]
    fn debug_output_hides_both() {
        let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").unwrap();
        let sign = AppSign::new(&"0a".repeat(32)).unwrap();
        assert_eq!(format!("{secret:?} {sign:?}").to_string(), "ServerSecret(..) AppSign(..)");
    }
}
