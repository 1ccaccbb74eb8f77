//! Random values that prove something: session cookies, set-up codes, CSRF tokens. Each kind is hashed in a way of its
//! own, so that a value of one kind is never good as another.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Error;

/// What a session's cookie holds: 256 random bits.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<String>);

/// What makes an admin, once: 128 random bits.
#[derive(Clone)]
pub struct SetupCode(Zeroizing<String>);

impl SessionToken {
    pub(super) fn generate() -> Result<Self, Error> {
        random::<32>().map(Self)
    }

    /// Takes the value of a cookie, whatever it is: an unknown one has an unknown hash.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The value of the cookie: a credential.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        digest("session", &self.0)
    }

    /// What requests that change something must carry beside the cookie. Other sites cannot read it.
    pub fn csrf_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest("csrf", &self.0))
    }

    /// Whether `text` is the CSRF token of this session.
    pub fn has_csrf_token(&self, text: &str) -> bool {
        self.csrf_token().as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl SetupCode {
    pub(super) fn generate() -> Result<Self, Error> {
        random::<16>().map(Self)
    }

    /// Takes what somebody typed, whatever it is: an unknown code has an unknown hash.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The code: a credential.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        digest("setup code", &self.0)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode(..)")
    }
}

fn random<const N: usize>() -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng.try_fill_bytes(&mut *bytes).map_err(|_| Error::Randomness)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn digest(kind: &str, text: &str) -> [u8; 32] {
    // No kind holds a zero byte, so kinds never run into texts.
    Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves T45 (values of the console)
    #[test]
    fn a_value_of_one_kind_is_never_good_as_another() {
        let session = SessionToken::generate().unwrap();
        let code = SetupCode::generate().unwrap();
        let texts = [session.expose().to_owned(), code.expose().to_owned(), session.csrf_token()];
        let mut hashes = Vec::new();
        for text in &texts {
            hashes.extend([SessionToken::new(text).hash(), SetupCode::new(text).hash()]);
            assert_eq!(session.has_csrf_token(text), *text == session.csrf_token());
        }
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[index + 1..].contains(hash));
        }
        assert_eq!((texts[0].len(), texts[1].len()), (43, 22));
        assert_eq!(format!("{session:?} {code:?}"), "SessionToken(..) SetupCode(..)");
    }
}
