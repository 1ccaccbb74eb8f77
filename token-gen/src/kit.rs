//! Kit Tokens: a token, `#`, and a readable half with room, user and display name.
//!
//! The readable half is not sealed. Anybody can change it, so nothing here is ever a permission.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt::Write as _;

use base64::Engine;

use crate::{
    base64::STANDARD,
    error::TokenError,
    id::{AppId, RoomId, UserId, UserName},
    json::{self, Node, write},
    verify::Limits,
};

/// The longest encoded info part that is read, in bytes.
const MAX_INFO_BYTES: usize = 16_384;

/// A Kit Token taken apart; nothing in it is proven.
#[derive(Clone, PartialEq, Eq)]
pub struct KitToken {
    /// The token before the `#`.
    pub token: String,
    /// The readable half.
    pub info: KitInfo,
}

/// The readable half of a Kit Token: hints, never a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitInfo {
    /// The app.
    pub app_id: AppId,
    /// The user.
    pub user_id: String,
    /// The room, if it names one.
    pub room_id: Option<String>,
    /// The display name; may be empty.
    pub user_name: String,
}

impl KitToken {
    /// Joins `token` and the readable half, byte for byte as the public kit does.
    pub fn compose(
        token: &str,
        app_id: AppId,
        user_id: &UserId,
        room_id: &RoomId,
        user_name: Option<&UserName>,
    ) -> String {
        // The ids are ASCII and the name is percent-encoded, so this text is the same bytes in the kit's Latin-1.
        let mut info = Vec::with_capacity(128);
        info.extend_from_slice(b"{\"userID\":");
        write::string(&mut info, user_id.as_str());
        info.extend_from_slice(b",\"roomID\":");
        write::string(&mut info, room_id.as_str());
        info.extend_from_slice(b",\"userName\":");
        write::string(&mut info, &percent_encode(user_name.map_or("", UserName::as_str)));
        info.extend_from_slice(b",\"appID\":");
        write::integer(&mut info, app_id.get());
        info.push(b'}');
        let mut text = String::with_capacity(token.len() + 1 + info.len().div_ceil(3) * 4);
        text.push_str(token);
        text.push('#');
        STANDARD.encode_string(info, &mut text);
        text
    }

    /// Takes a Kit Token apart. To prove its token as well, use [`crate::Verifier::verify_kit`].
    ///
    /// # Errors
    /// [`TokenError::KitSeparator`], [`TokenError::KitInfo`] naming the part, [`TokenError::TooLong`].
    pub fn parse_unverified(text: &str) -> Result<Self, TokenError> {
        let (token, encoded_info) = split(text, Limits::FORMAT)?;
        Ok(Self { token: token.to_owned(), info: Self::read_info(encoded_info)? })
    }

    pub(crate) fn read_info(encoded: &str) -> Result<KitInfo, TokenError> {
        let bytes = STANDARD.decode(encoded).map_err(|_| TokenError::KitInfo("base64"))?;
        // The kit encodes with a browser's `btoa`: one byte is one code point, not UTF-8.
        let text: String = bytes.into_iter().map(char::from).collect();
        let Ok(Node::Object(mut object)) = json::parse(&text, Limits::STRICT.max_depth) else {
            return Err(TokenError::KitInfo("JSON"));
        };
        let app_id = match object.take("appID") {
            Some(Node::Int(app_id)) => u32::try_from(app_id).ok().and_then(|app_id| AppId::new(app_id).ok()),
            _ => None,
        };
        let Some(Node::String(user_id)) = object.take("userID") else {
            return Err(TokenError::KitInfo("userID"));
        };
        let Some(Node::String(user_name)) = object.take("userName") else {
            return Err(TokenError::KitInfo("userName"));
        };
        let room_id = match object.take("roomID") {
            None | Some(Node::Null) => None,
            Some(Node::String(room_id)) => Some(room_id.into_owned()),
            Some(_) => return Err(TokenError::KitInfo("roomID")),
        };
        Ok(KitInfo {
            app_id: app_id.ok_or(TokenError::KitInfo("appID"))?,
            user_id: user_id.into_owned(),
            room_id,
            user_name: percent_decode(&user_name).ok_or(TokenError::KitInfo("userName"))?,
        })
    }
}

impl core::fmt::Debug for KitToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KitToken").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The two halves of `text`, neither empty.
pub(crate) fn split(text: &str, limits: Limits) -> Result<(&str, &str), TokenError> {
    let max_bytes = limits.max_token_bytes + 1 + MAX_INFO_BYTES;
    if text.len() > max_bytes {
        return Err(TokenError::TooLong { max_bytes });
    }
    let (token, info) = text.split_once('#').ok_or(TokenError::KitSeparator)?;
    if token.is_empty() || info.is_empty() || info.contains('#') {
        return Err(TokenError::KitSeparator);
    }
    if token.len() > limits.max_token_bytes || info.len() > MAX_INFO_BYTES {
        return Err(TokenError::TooLong { max_bytes });
    }
    Ok((token, info))
}

/// As JavaScript's `encodeURIComponent`.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// As JavaScript's `decodeURIComponent`; `None` for a broken escape or what does not decode to UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_what_the_specification_shows() {
        let kit = KitToken::compose(
            "04x",
            AppId::new(1234567890).unwrap(),
            &UserId::new("u1").unwrap(),
            &RoomId::new("r1").unwrap(),
            Some(&UserName::new("Ann B").unwrap()),
        );
        assert_eq!(
            kit,
            "04x#eyJ1c2VySUQiOiJ1MSIsInJvb21JRCI6InIxIiwidXNlck5hbWUiOiJBbm4lMjBCIiwiYXBwSUQiOjEyMzQ1Njc4OTB9"
        );
        let info = KitToken::parse_unverified(&kit).unwrap().info;
        assert_eq!(info.user_name, "Ann B");
        assert_eq!(info.room_id.as_deref(), Some("r1"));
    }

    #[test]
    fn names_survive_the_percent_encoding() {
        for name in ["", "Älice 漢字 😀", "100% +/?#&=", "a%41", "~*'()!"] {
            assert_eq!(percent_decode(&percent_encode(name)).as_deref(), Some(name));
        }
        for broken in ["%", "%4", "%zz", "%ff", "a%"] {
            assert_eq!(percent_decode(broken), None, "{broken}");
        }
    }
}
