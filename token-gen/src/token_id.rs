//! The name of a token that may be written down.

use alloc::string::String;
use core::{fmt, str};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const LEN: usize = 22;

/// Names one token without revealing it: the first 22 characters of base64url(SHA-256(token)), 132 bits.
///
/// Works for any token, also one minted elsewhere. Of a Kit Token it names the token before the `#`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; LEN]);

impl TokenId {
    /// The id of `token`. Anything from the first `#` on is left out, as it is not part of the token.
    pub fn of(token: &str) -> Self {
        let token = token.split_once('#').map_or(token, |(token, _)| token);
        let mut encoded = [0; 43];
        // 32 bytes are 43 characters without padding, so the buffer always fits.
        let _ = URL_SAFE_NO_PAD.encode_slice(Sha256::digest(token.as_bytes()), &mut encoded);
        encoded.first_chunk().map_or(Self([0; LEN]), |id| Self(*id))
    }

    /// Takes the text of an id.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LEN] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).then_some(Self(bytes))
    }

    /// Its 22 characters.
    pub fn as_str(&self) -> &str {
        // Both constructors keep to ASCII, so this never falls back.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_id_is_cut_from_the_base64url_of_sha_256() {
        // printf '04abc' | sha256sum, then base64url
        let id = TokenId::of("04abc");
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(TokenId::of("04abc#info"), id);
        assert_eq!(TokenId::parse(id.as_str()), Some(id));
        assert_eq!(TokenId::of("").as_str(), "47DEQpj8HBSa-_TImW-5JC");
        assert_eq!(TokenId::parse("47DEQpj8HBSa+_TImW-5JC"), None);
    }
}
