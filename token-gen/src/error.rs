//! Everything that can be wrong with a token, an id or a secret: one enum, stable codes.
//!
//! [`TokenError`] is the exact reason and is for whoever holds the secret. [`Refused`] wraps it for everybody
//! else: printing it tells nothing.

use core::{fmt, time::Duration};

use crate::{
    envelope::{Cipher, Version},
    human::Span,
    id::AppId,
    time::UnixSeconds,
};

/// What is wrong with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdFault {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It has more bytes than allowed.
    #[error("is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit, in bytes of UTF-8.
        max_bytes: usize,
    },
    /// It holds a character that is not allowed; the first such one.
    #[error("may not hold the character {0:?}")]
    Character(char),
}

/// Why something was refused, exactly. For logs, tools and the holder of the secret; strangers get [`Refused`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    // What a caller hands in wrongly.
    /// The app id is not 1 … 2³²−1.
    #[error("the app id must be a number from 1 to 4294967295")]
    AppIdInvalid,
    /// The user id breaks the rules of [`crate::UserId`].
    #[error("the user id {0}")]
    UserIdInvalid(IdFault),
    /// The room id breaks the rules of [`crate::RoomId`].
    #[error("the room id {0}")]
    RoomIdInvalid(IdFault),
    /// The stream id breaks the rules of [`crate::StreamId`].
    #[error("the stream id {0}")]
    StreamIdInvalid(IdFault),
    /// The user name breaks the rules of [`crate::UserName`].
    #[error("the user name {0}")]
    UserNameInvalid(IdFault),
    /// Metadata that cannot be carried.
    #[error("metadata is 1 to 1024 bytes without control characters")]
    MetadataInvalid,
    /// The server secret is not exactly 32 bytes.
    #[error("the server secret must be exactly 32 bytes, not {found}")]
    SecretLength {
        /// How many bytes were given.
        found: usize,
    },
    /// The AppSign is not 64 hexadecimal characters.
    #[error("the AppSign must be 64 hexadecimal characters")]
    AppSignInvalid,
    /// The lifetime asked for is shorter than a second, or longer than allowed.
    #[error("the lifetime must be from 1 s to {} s ({})", max.as_secs(), Span(*max))]
    TtlInvalid {
        /// The longest allowed here.
        max: Duration,
    },
    /// The payload does not fit the limit, or the token would not fit the format.
    #[error("the payload is longer than {max_bytes} bytes")]
    PayloadTooLong {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// A token03 carries rights for one room and nothing else: no free payload, no streams, no empty room.
    #[error("a token03 needs a room id and privileges and cannot carry a payload or streams")]
    Token03Content,
    /// The random source failed. Nothing was minted.
    #[error("the random source failed")]
    Randomness,

    // The text of a token.
    /// Longer than the reader's limit; not looked at further.
    #[error("the token is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// Fewer than two characters.
    #[error("the token is empty or a single character")]
    Empty,
    /// Begins with neither `03` nor `04`.
    #[error("the token begins with neither 03 nor 04")]
    VersionUnknown,
    /// A version that this verifier does not accept.
    #[error("{0} is not accepted here")]
    VersionNotAccepted(Version),
    /// A cipher that this verifier does not accept.
    #[error("token04 with {0} is not accepted here")]
    CipherNotAccepted(Cipher),
    /// Not canonical standard base64 with padding.
    #[error("the text after the version is not canonical padded base64")]
    Base64,
    /// The body ends inside a field.
    #[error("the body ends before its {field} is complete")]
    Truncated {
        /// The field that is cut.
        field: &'static str,
    },
    /// The IV is not as long as the cipher needs.
    #[error("the IV has {found} bytes")]
    IvLength {
        /// The length the token states.
        found: usize,
    },
    /// The ciphertext cannot be one of this cipher.
    #[error("a ciphertext of {found} bytes is impossible for this cipher")]
    CiphertextLength {
        /// The length the token states.
        found: usize,
    },
    /// A mode byte other than 1, or one under version 03.
    #[error("the mode byte is {0}")]
    ModeByte(u8),
    /// Bytes after the last field.
    #[error("{0} bytes follow the last field")]
    TrailingBytes(usize),

    // Its inside.
    /// It does not open with this secret to one JSON text. Deliberately one answer for key, tag, padding, UTF-8
    /// and JSON: telling them apart would be a padding oracle.
    #[error("the token does not open with this secret")]
    Undecryptable,
    /// The plaintext is JSON but not an object.
    #[error("the claims are not an object")]
    ClaimsNotAnObject,
    /// A member name occurs twice, at some depth.
    #[error("a member of the claims occurs twice")]
    DuplicateMember,
    /// A required claim is not there.
    #[error("the claim {0} is missing")]
    ClaimMissing(&'static str),
    /// A claim has the wrong JSON type.
    #[error("the claim {0} has the wrong type")]
    ClaimType(&'static str),
    /// A claim is outside its range.
    #[error("the claim {0} is out of range")]
    ClaimRange(&'static str),
    /// The token is of another app.
    #[error("the token is of app {found}, not {expected}")]
    AppMismatch {
        /// The verifier's app.
        expected: AppId,
        /// The token's.
        found: AppId,
    },
    /// The expiry in clear differs from the sealed one: somebody edited it.
    #[error("the expiry in clear is {outer}, the sealed one {inner}")]
    OuterExpiryDiffers {
        /// What stands in clear.
        outer: UnixSeconds,
        /// What was sealed.
        inner: UnixSeconds,
    },
    /// It was issued at or before 1970, or expires no later than it was issued.
    #[error("issued at {issued_at}, expiring at {expire_at}: impossible")]
    TimesInvalid {
        /// The issue time claimed.
        issued_at: UnixSeconds,
        /// The expiry claimed.
        expire_at: UnixSeconds,
    },
    /// Issued later than now plus the allowed skew.
    #[error("issued at {issued_at}, which is in the future")]
    IssuedInFuture {
        /// The issue time claimed.
        issued_at: UnixSeconds,
    },
    /// It lives longer than the verifier allows.
    #[error("lives {} s, more than the {} s allowed", lifetime.as_secs(), max.as_secs())]
    LifetimeTooLong {
        /// The token's lifetime.
        lifetime: Duration,
        /// The verifier's limit.
        max: Duration,
    },
    /// Past its `expire_at`. Fetch a new token and renew.
    #[error("expired at {expire_at}")]
    Expired {
        /// When.
        expire_at: UnixSeconds,
    },
    /// The token is of another user.
    #[error("the token is of another user")]
    UserMismatch,

    // Its payload.
    /// The payload is there but is not one JSON object without doubled members.
    #[error("the payload is not one JSON object without doubled members")]
    PayloadNotAnObject,
    /// A member of the privilege payload is missing or has the wrong type or value.
    #[error("the payload member {0} is missing, of the wrong type or out of range")]
    PayloadMember(&'static str),

    // A Kit Token's second half.
    /// Not exactly one `#` with text on both sides.
    #[error("a Kit Token is a token, one '#' and its info part")]
    KitSeparator,
    /// The info part is not base64 of the expected JSON.
    #[error("the info part of the Kit Token is unreadable at its {0}")]
    KitInfo(&'static str),
    /// The info part names another app than the sealed claims.
    #[error("the info part of the Kit Token names another app than its token")]
    KitAppMismatch,
    /// The info part names another user than the sealed claims.
    #[error("the info part of the Kit Token names another user than its token")]
    KitUserMismatch,
}

/// The classes of refusal that every implementation of the format shares (token-formats specification, section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    /// Unknown or not accepted version or cipher.
    WrongVersion,
    /// The text or its layout is broken.
    Malformed,
    /// It does not open.
    BadCiphertext,
    /// It opens, but what it says is not acceptable.
    ClaimsInvalid,
    /// It is of another app.
    AppMismatch,
    /// It was good once.
    Expired,
}

impl RefusalClass {
    /// The stable name: `wrong_version`, `malformed`, `bad_ciphertext`, `claims_invalid`, `app_mismatch`, `expired`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongVersion => "wrong_version",
            Self::Malformed => "malformed",
            Self::BadCiphertext => "bad_ciphertext",
            Self::ClaimsInvalid => "claims_invalid",
            Self::AppMismatch => "app_mismatch",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for RefusalClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TokenError {
    /// The stable code of the exact reason.
    pub const fn code(&self) -> &'static str {
        self.row().0
    }

    /// The shared class of a refused token; `None` where the fault is the caller's own input, not a token's.
    pub const fn class(&self) -> Option<RefusalClass> {
        self.row().1
    }

    /// The number the public generators return for this fault of the caller's input (0 is success there);
    /// `None` where they have none.
    pub const fn generator_code(&self) -> Option<i32> {
        self.row().2
    }

    /// The catalogue: code, class, and the public generators' number, one row an error.
    const fn row(&self) -> (&'static str, Option<RefusalClass>, Option<i32>) {
        use RefusalClass::{AppMismatch, BadCiphertext, ClaimsInvalid, Expired, Malformed, WrongVersion};
        match self {
            Self::AppIdInvalid => ("app_id_invalid", None, Some(1)),
            Self::RoomIdInvalid(_) => ("room_id_invalid", None, Some(2)),
            Self::UserIdInvalid(_) => ("user_id_invalid", None, Some(3)),
            Self::Token03Content => ("token03_content", None, Some(4)),
            Self::SecretLength { .. } => ("secret_length", None, Some(5)),
            Self::TtlInvalid { .. } => ("ttl_invalid", None, Some(6)),
            Self::Randomness => ("randomness", None, Some(-1)),
            Self::StreamIdInvalid(_) => ("stream_id_invalid", None, None),
            Self::UserNameInvalid(_) => ("user_name_invalid", None, None),
            Self::MetadataInvalid => ("metadata_invalid", None, None),
            Self::AppSignInvalid => ("app_sign_invalid", None, None),
            Self::PayloadTooLong { .. } => ("payload_too_long", None, None),
            Self::TooLong { .. } => ("too_long", Some(Malformed), None),
            Self::Empty => ("empty", Some(Malformed), None),
            Self::VersionUnknown => ("version_unknown", Some(WrongVersion), None),
            Self::VersionNotAccepted(_) => ("version_not_accepted", Some(WrongVersion), None),
            Self::CipherNotAccepted(_) => ("cipher_not_accepted", Some(WrongVersion), None),
            Self::Base64 => ("base64", Some(Malformed), None),
            Self::Truncated { .. } => ("truncated", Some(Malformed), None),
            Self::IvLength { .. } => ("iv_length", Some(Malformed), None),
            Self::CiphertextLength { .. } => ("ciphertext_length", Some(Malformed), None),
            Self::ModeByte(_) => ("mode_byte", Some(Malformed), None),
            Self::TrailingBytes(_) => ("trailing_bytes", Some(Malformed), None),
            Self::Undecryptable => ("undecryptable", Some(BadCiphertext), None),
            Self::ClaimsNotAnObject => ("claims_not_an_object", Some(ClaimsInvalid), None),
            Self::DuplicateMember => ("duplicate_member", Some(ClaimsInvalid), None),
            Self::ClaimMissing(_) => ("claim_missing", Some(ClaimsInvalid), None),
            Self::ClaimType(_) => ("claim_type", Some(ClaimsInvalid), None),
            Self::ClaimRange(_) => ("claim_range", Some(ClaimsInvalid), None),
            Self::AppMismatch { .. } => ("app_mismatch", Some(AppMismatch), None),
            Self::OuterExpiryDiffers { .. } => ("outer_expiry_differs", Some(ClaimsInvalid), None),
            Self::TimesInvalid { .. } => ("times_invalid", Some(ClaimsInvalid), None),
            Self::IssuedInFuture { .. } => ("issued_in_future", Some(ClaimsInvalid), None),
            Self::LifetimeTooLong { .. } => ("lifetime_too_long", Some(ClaimsInvalid), None),
            Self::Expired { .. } => ("expired", Some(Expired), None),
            Self::UserMismatch => ("user_mismatch", Some(ClaimsInvalid), None),
            Self::PayloadNotAnObject => ("payload_not_an_object", Some(ClaimsInvalid), None),
            Self::PayloadMember(_) => ("payload_member", Some(ClaimsInvalid), None),
            Self::KitSeparator => ("kit_separator", Some(Malformed), None),
            Self::KitInfo(_) => ("kit_info", Some(Malformed), None),
            Self::KitAppMismatch => ("kit_app_mismatch", Some(AppMismatch), None),
            Self::KitUserMismatch => ("kit_user_mismatch", Some(ClaimsInvalid), None),
        }
    }
}

/// A token was refused. Printing it says just that; [`Refused::reason`] tells the holder of the secret why.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    reason: TokenError,
    authentic: bool,
}

/// What a stranger may be told about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicRefusal {
    /// The one answer for everything about a token's inside.
    Invalid,
    /// Its version, which anybody can read, is unknown or not accepted.
    Version,
    /// It is genuine but past its time. Said only of tokens proven genuine by their GCM tag.
    Expired,
}

impl Refused {
    /// `authentic`: the token was proven genuine, by its tag, before it was refused.
    pub(crate) const fn new(reason: TokenError, authentic: bool) -> Self {
        Self { reason, authentic }
    }

    /// The exact reason. For logs, `explain` and tools; never for the one who presented the token.
    pub const fn reason(&self) -> &TokenError {
        &self.reason
    }

    /// The class of the exact reason, as sensitive as the reason itself.
    pub const fn class(&self) -> RefusalClass {
        match self.reason.class() {
            Some(class) => class,
            None => RefusalClass::ClaimsInvalid,
        }
    }

    /// Whether the token was proven to come from a holder of the secret before it was refused.
    pub const fn is_authentic(&self) -> bool {
        self.authentic
    }

    /// What may be answered to a stranger.
    pub const fn public(&self) -> PublicRefusal {
        match self.reason {
            TokenError::VersionUnknown => PublicRefusal::Version,
            TokenError::Expired { .. } if self.authentic => PublicRefusal::Expired,
            _ => PublicRefusal::Invalid,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token was refused")
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused(..)")
    }
}

impl core::error::Error for Refused {}
