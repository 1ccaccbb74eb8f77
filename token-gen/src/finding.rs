//! One thing that is wrong with a token, in words for whoever has to put it right.

use alloc::string::{String, ToString};

use serde::Serialize;

use crate::{envelope::TAG_LEN, error::TokenError};

/// A fault and its remedy. Holds ids and times, which its reader is entitled to; never a secret or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The stable code. Where the verifier has a code for exactly this, it is the same one.
    pub code: &'static str,
    /// What is wrong, with the values at hand.
    pub problem: String,
    /// What to do about it, and where.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(code: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, problem: problem.into(), remedy: remedy.into() }
    }

    /// The verifier's own reason, for faults that nothing more precise is known about.
    pub(crate) fn of_error(error: &TokenError) -> Self {
        let remedy = match error {
            TokenError::TooLong { .. } => {
                "Mint it with a smaller payload, or raise the reader's limit if tokens of this size are meant to pass."
            }
            TokenError::TrailingBytes(_) => {
                "Pass the token alone. If the generator wrote it so, its payload was longer than the format's 65,535 bytes \
                 and the length wrapped round: mint with a smaller payload."
            }
            TokenError::CiphertextLength { found: TAG_LEN } => {
                "Nothing is sealed inside: the generator failed to write the claims (PHP does so for a user id that is not UTF-8). \
                 Pass it ids in UTF-8."
            }
            TokenError::IvLength { .. }
            | TokenError::CiphertextLength { .. }
            | TokenError::ModeByte(_)
            | TokenError::Base64
            | TokenError::Truncated { .. } => {
                "The text was changed on its way, or its generator does not follow the format. Copy it again from where it \
                 was minted and compare its length there and here."
            }
            TokenError::PayloadTooLong { .. } => "Mint it with a smaller payload.",
            TokenError::KitSeparator => "A Kit Token is a token, one '#' and its info part: copy all of it, once.",
            TokenError::KitInfo(_) => {
                "Compose the info part again: base64 of {\"userID\",\"roomID\",\"userName\",\"appID\"}, with the name \
                 percent-encoded and appID a number."
            }
            TokenError::KitAppMismatch | TokenError::KitUserMismatch => {
                "Compose the Kit Token with the app and the user that its token was minted for."
            }
            _ => "Mint a new token.",
        };
        let text = error.to_string();
        let mut problem = String::with_capacity(text.len() + 1);
        let mut characters = text.chars();
        problem.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        problem.push_str(characters.as_str());
        problem.push('.');
        Self::new(error.code(), problem, remedy)
    }
}
