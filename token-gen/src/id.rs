//! The names of the field, checked once, on construction: an id in hand is a good one.
//!
//! The rules bind minting and the service. Reading a token does not use them, because the public generators
//! write user ids outside these rules and such tokens must open.

use alloc::string::String;
use core::{fmt, str::FromStr};

use crate::error::{IdFault, TokenError};

/// Punctuation that room and user ids may hold beside ASCII letters and digits
/// (room-behaviour specification, section 4.3).
const PUNCTUATION: &str = "~!@#$%^&*()_+=-`;',.<>\\";

/// The number that names an app: 1 … 2³²−1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(u32);

impl AppId {
    /// Checks `value` and wraps it.
    ///
    /// # Errors
    /// [`TokenError::AppIdInvalid`] for 0.
    pub const fn new(value: u32) -> Result<Self, TokenError> {
        match value {
            0 => Err(TokenError::AppIdInvalid),
            value => Ok(Self(value)),
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AppId {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u32::from_str` takes a leading `+`; an app id is digits and nothing else.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError::AppIdInvalid);
        }
        text.parse().map_or(Err(TokenError::AppIdInvalid), Self::new)
    }
}

impl TryFrom<u32> for AppId {
    type Error = TokenError;

    fn try_from(value: u32) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

/// Declares a checked string id: its length limit in bytes, its alphabet, and the error a bad one gives.
macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, max $max:literal, $allowed:expr, $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The longest allowed, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// Checks `text` and keeps it.
            ///
            /// # Errors
            #[doc = concat!("[`TokenError::", stringify!($error), "`] when empty, too long, or holding a character that is not allowed.")]
            pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
                let text = text.into();
                match fault(&text, Self::MAX_BYTES, $allowed) {
                    Some(fault) => Err(TokenError::$error(fault)),
                    None => Ok(Self(text)),
                }
            }

            /// The text, byte for byte as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes the text out.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TokenError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }
    };
}

string_id! {
    /// The user a token is for: 1–64 bytes of ASCII letters, digits and ``~!@#$%^&*()_+=-`;',.<>\``.
    UserId, max 64, is_id_character, UserIdInvalid
}
string_id! {
    /// A room: 1–128 bytes of the same characters as a [`UserId`].
    RoomId, max 128, is_id_character, RoomIdInvalid
}
string_id! {
    /// A stream: 1–256 bytes of ASCII letters, digits, `-` and `_`.
    StreamId, max 256, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_', StreamIdInvalid
}
string_id! {
    /// A display name: 1–255 bytes of UTF-8 without control characters.
    UserName, max 255, |c| !c.is_control(), UserNameInvalid
}

fn is_id_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || PUNCTUATION.contains(c)
}

fn fault(text: &str, max_bytes: usize, allowed: impl Fn(char) -> bool) -> Option<IdFault> {
    if text.is_empty() {
        return Some(IdFault::Empty);
    }
    if text.len() > max_bytes {
        return Some(IdFault::TooLong { max_bytes });
    }
    text.chars().find(|&c| !allowed(c)).map(IdFault::Character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_ids_are_the_u32s_but_zero() {
        assert_eq!(AppId::from_str("4294967295").map(AppId::get), Ok(u32::MAX));
        for bad in ["", "0", "-1", "+1", "4294967296", "1.0", " 1", "1e3", "٣"] {
            assert_eq!(AppId::from_str(bad), Err(TokenError::AppIdInvalid), "{bad:?}");
        }
    }

    #[test]
    fn ids_end_at_their_limit_and_name_the_offending_character() {
        assert!(UserId::new("u".repeat(64)).is_ok());
        assert_eq!(UserId::new("u".repeat(65)), Err(TokenError::UserIdInvalid(IdFault::TooLong { max_bytes: 64 })));
        assert!(RoomId::new("r".repeat(128)).is_ok());
        assert!(RoomId::new("r".repeat(129)).is_err());
        assert!(StreamId::new("s".repeat(256)).is_ok());
        assert_eq!(StreamId::new("a b"), Err(TokenError::StreamIdInvalid(IdFault::Character(' '))));
        assert_eq!(RoomId::new(""), Err(TokenError::RoomIdInvalid(IdFault::Empty)));
        assert!(UserId::new("~!@#$%^&*()_+=-`;',.<>\\").is_ok());
        for bad in ["用户", "a/b", "a\u{2019}b", "a\0b", "a\nb", "a\u{202e}b", "a\"b"] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        assert!(UserName::new("Älice 漢字 😀").is_ok());
        assert!(UserName::new("a\u{7f}").is_err());
    }
}
