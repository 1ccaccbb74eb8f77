//! What can be read from a token without the secret. It proves nothing: use it for timers, never for access.

use base64::Engine;

use crate::{base64::STANDARD, envelope::Version, error::TokenError, time::UnixSeconds};

/// The version a token claims by its first two characters.
///
/// # Errors
/// [`TokenError::Empty`] and [`TokenError::VersionUnknown`].
pub fn version_unverified(token: &str) -> Result<Version, TokenError> {
    match token.as_bytes() {
        [] | [_] => Err(TokenError::Empty),
        [b'0', b'4', ..] => Ok(Version::Token04),
        [b'0', b'3', ..] => Ok(Version::Token03),
        _ => Err(TokenError::VersionUnknown),
    }
}

/// The `expire_at` that stands in clear in a token, or in the token of a Kit Token.
///
/// # Security
/// Anybody can edit it. Schedule a renewal by it; never decide by it.
///
/// # Errors
/// What keeps it from being read: version, base64, too short.
pub fn expire_at_unverified(token: &str) -> Result<UnixSeconds, TokenError> {
    let version = version_unverified(token)?;
    // Eight bytes of expiry stand in the first twelve characters of base64.
    let head = token.get(version.tag().len()..).and_then(|encoded| encoded.get(..12)).ok_or(TokenError::Base64)?;
    let head = STANDARD.decode(head).map_err(|_| TokenError::Base64)?;
    let expiry = head.first_chunk().ok_or(TokenError::Truncated { field: "expiry" })?;
    Ok(UnixSeconds::new(i64::from_be_bytes(*expiry)))
}
