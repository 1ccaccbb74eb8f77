//! What a token says, once opened: plain data, and the strict reader of the plaintext.

use alloc::{string::String, vec::Vec};

use crate::{
    envelope::Version,
    error::TokenError,
    id::AppId,
    json::{self, Fault, Named, Node, write},
    privilege::Privileges,
    rights::{self, Denied, Rights},
    time::UnixSeconds,
};

/// What a token carries beside its user, as asked for at mint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// Nothing: the token proves who the user is, and no more.
    Identity,
    /// Rights for rooms and streams.
    Rights(Rights),
    /// Any text, carried byte for byte. The gateway takes only the privilege JSON; other readers may want more.
    Text(String),
}

/// What a verified token says.
///
/// The user id is whatever was sealed: readers take ids that [`crate::UserId`] would not, and compare them byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The app the token is for.
    pub app_id: AppId,
    /// The user it names; never empty.
    pub user_id: String,
    /// When it was minted, by the minting machine's clock.
    pub issued_at: UnixSeconds,
    /// The first second at which it is no longer good.
    pub expire_at: UnixSeconds,
    /// A random number that makes tokens differ; nothing follows from it.
    pub nonce: i64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Token04 { payload: String },
    Token03 { room_id: String, privileges: Privileges },
}

impl Claims {
    /// Reads the plaintext of a token, with objects and arrays nested at most `max_depth` deep.
    ///
    /// This is the stage after decryption: it checks types and ranges, not the app and not the time. Tools that
    /// have opened a token themselves may call it; everybody else wants [`crate::Verifier`].
    ///
    /// # Errors
    /// [`TokenError::Undecryptable`] for what is not one JSON text in UTF-8, and the claim errors.
    pub fn from_plaintext(version: Version, plaintext: &[u8], max_depth: usize) -> Result<Self, TokenError> {
        let text = core::str::from_utf8(plaintext).map_err(|_| TokenError::Undecryptable)?;
        match version {
            Version::Token04 => {
                const NAMES: [&str; 6] = ["app_id", "user_id", "nonce", "ctime", "expire", "payload"];
                let [app_id, user_id, nonce, issued_at, expire_at, payload] = members(text, &NAMES, max_depth)?;
                Ok(Self {
                    app_id: self::app_id(app_id)?,
                    user_id: name(user_id, "user_id")?,
                    issued_at: integer(issued_at, "ctime")?.into(),
                    expire_at: integer(expire_at, "expire")?.into(),
                    nonce: integer(nonce, "nonce")?,
                    content: Content::Token04 {
                        payload: match payload {
                            None | Some(Node::Null) => String::new(),
                            Some(Node::String(payload)) => payload.into_owned(),
                            Some(_) => return Err(TokenError::ClaimType("payload")),
                        },
                    },
                })
            }
            Version::Token03 => {
                const NAMES: [&str; 7] =
                    ["app_id", "room_id", "user_id", "privilege", "create_time", "expire_time", "nonce"];
                let [app_id, room_id, user_id, privilege, issued_at, expire_at, nonce] =
                    members(text, &NAMES, max_depth)?;
                Ok(Self {
                    app_id: self::app_id(app_id)?,
                    user_id: name(user_id, "user_id")?,
                    issued_at: integer(issued_at, "create_time")?.into(),
                    expire_at: integer(expire_at, "expire_time")?.into(),
                    nonce: integer(nonce, "nonce")?,
                    content: Content::Token03 {
                        room_id: name(room_id, "room_id")?,
                        privileges: match privilege {
                            None | Some(Node::Null) => return Err(TokenError::ClaimMissing("privilege")),
                            Some(Node::Object(privilege)) => {
                                rights::read_privileges(privilege).ok_or(TokenError::ClaimRange("privilege"))?
                            }
                            Some(_) => return Err(TokenError::ClaimType("privilege")),
                        },
                    },
                })
            }
        }
    }

    /// Whether the token is past its time at `now`. The second `expire_at` itself is past.
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        now >= self.expire_at
    }

    /// The payload of a token04, byte for byte; empty for an identity token. `None` for a token03, which has none.
    pub fn payload(&self) -> Option<&str> {
        match &self.content {
            Content::Token04 { payload } => Some(payload),
            Content::Token03 { .. } => None,
        }
    }

    /// The rights the token carries, or `None` for an identity token, which carries none of its own.
    ///
    /// # Errors
    /// [`TokenError::PayloadNotAnObject`] and [`TokenError::PayloadMember`]: the token is genuine, but its payload
    /// is not of the privilege form. Such a token opens no room.
    pub fn rights(&self) -> Result<Option<Rights>, TokenError> {
        match &self.content {
            Content::Token04 { payload } if payload.is_empty() => Ok(None),
            Content::Token04 { payload } => {
                Rights::from_payload(payload, crate::verify::Limits::STRICT.max_depth).map(Some)
            }
            Content::Token03 { room_id, privileges } => Ok(Some(Rights::of_token03(room_id, *privileges))),
        }
    }

    /// Whether the token lets its user log in to `room_id`. An identity token does.
    ///
    /// # Errors
    /// The outer error as in [`Claims::rights`]; the inner one is a [`Denied`] with the rule that says no.
    pub fn permit_login(&self, room_id: &str) -> Result<Result<(), Denied>, TokenError> {
        Ok(self.rights()?.map_or(Ok(()), |rights| rights.permit_login(room_id)))
    }

    /// Whether the token lets its user publish `stream_id` in `room_id`. An identity token does.
    ///
    /// # Errors
    /// As [`Claims::permit_login`].
    pub fn permit_publish(&self, room_id: &str, stream_id: &str) -> Result<Result<(), Denied>, TokenError> {
        Ok(self.rights()?.map_or(Ok(()), |rights| rights.permit_publish(room_id, stream_id)))
    }
}

/// The claims `names` of a plaintext, in that order, which is the one they are written in.
#[inline]
fn members<'a, const N: usize>(text: &'a str, names: &[&str; N], max_depth: usize) -> Result<Named<'a, N>, TokenError> {
    let mut found = [const { None }; N];
    match json::parse_named(text, names, &mut found, max_depth) {
        Ok(true) => Ok(found),
        Ok(false) => Err(TokenError::ClaimsNotAnObject),
        Err(Fault::Syntax) => Err(TokenError::Undecryptable),
        Err(Fault::DuplicateMember) => Err(TokenError::DuplicateMember),
    }
}

fn app_id(claim: Option<Node<'_>>) -> Result<AppId, TokenError> {
    let app_id = integer(claim, "app_id")?;
    u32::try_from(app_id).ok().and_then(|app_id| AppId::new(app_id).ok()).ok_or(TokenError::ClaimRange("app_id"))
}

fn integer(claim: Option<Node<'_>>, name: &'static str) -> Result<i64, TokenError> {
    match claim {
        None | Some(Node::Null) => Err(TokenError::ClaimMissing(name)),
        Some(Node::Int(value)) => Ok(value),
        Some(_) => Err(TokenError::ClaimType(name)),
    }
}

/// A string that is not empty.
fn name(claim: Option<Node<'_>>, name: &'static str) -> Result<String, TokenError> {
    match claim {
        None | Some(Node::Null) => Err(TokenError::ClaimMissing(name)),
        Some(Node::String(text)) if text.is_empty() => Err(TokenError::ClaimRange(name)),
        Some(Node::String(text)) => Ok(text.into_owned()),
        Some(_) => Err(TokenError::ClaimType(name)),
    }
}

/// The plaintext of a token04, members in the order of the public Node.js and Python generators.
pub(crate) struct Token04Claims<'a> {
    pub(crate) app_id: AppId,
    pub(crate) user_id: &'a str,
    pub(crate) nonce: i64,
    pub(crate) issued_at: UnixSeconds,
    pub(crate) expire_at: UnixSeconds,
    pub(crate) payload: &'a str,
}

impl Token04Claims<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"app_id\":");
        write::integer(out, self.app_id.get());
        out.extend_from_slice(b",\"user_id\":");
        write::string(out, self.user_id);
        out.extend_from_slice(b",\"nonce\":");
        write::integer(out, self.nonce);
        out.extend_from_slice(b",\"ctime\":");
        write::integer(out, self.issued_at.get());
        out.extend_from_slice(b",\"expire\":");
        write::integer(out, self.expire_at.get());
        out.extend_from_slice(b",\"payload\":");
        write::string(out, self.payload);
        out.push(b'}');
    }
}

/// The plaintext of a token03, members in the order of all public generators but Java's.
pub(crate) struct Token03Claims<'a> {
    pub(crate) app_id: AppId,
    pub(crate) room_id: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) privileges: Privileges,
    pub(crate) issued_at: UnixSeconds,
    pub(crate) expire_at: UnixSeconds,
    pub(crate) nonce: i64,
}

impl Token03Claims<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"app_id\":");
        write::integer(out, self.app_id.get());
        out.extend_from_slice(b",\"room_id\":");
        write::string(out, self.room_id);
        out.extend_from_slice(b",\"user_id\":");
        write::string(out, self.user_id);
        out.extend_from_slice(b",\"privilege\":");
        out.extend_from_slice(self.privileges.wire_object().as_bytes());
        out.extend_from_slice(b",\"create_time\":");
        write::integer(out, self.issued_at.get());
        out.extend_from_slice(b",\"expire_time\":");
        write::integer(out, self.expire_at.get());
        out.extend_from_slice(b",\"nonce\":");
        write::integer(out, self.nonce);
        out.push(b'}');
    }
}
