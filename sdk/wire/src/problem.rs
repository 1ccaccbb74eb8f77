//! The error catalogue: every code with its HTTP status, the field's number, its title and what to do about it.

use serde::{Deserialize, Serialize};

/// Declares the codes once: name, HTTP status, the vendor SDKs' number (0 where they have none), whether trying
/// again later can help, title, remedy.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $number:literal, $retry:literal, $title:literal, $remedy:literal;)*) => {
        /// A stable error code. Match on it, never on texts; a code you do not know reads as [`ErrorCode::Unknown`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[doc = $title] #[serde(rename = $code)] $name,)*
            /// A code that this version does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The row of the catalogue.
            pub const fn row(self) -> CodeRow {
                match self {
                    $(Self::$name => CodeRow { code: $code, status: $status, number: $number, retryable: $retry, title: $title, remedy: $remedy },)*
                    Self::Unknown => CodeRow { code: "unknown", status: 500, number: 0, retryable: false, title: "An error this version does not know", remedy: "Update the SDK." },
                }
            }
        }
    };
}

/// What the catalogue says of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// The code as written on the wire.
    pub code: &'static str,
    /// The HTTP status it travels with.
    pub status: u16,
    /// The number that the vendor's SDKs use for it; 0 where they have none.
    pub number: u32,
    /// Whether the same request may succeed later without any change.
    pub retryable: bool,
    /// What it means.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

catalogue! {
    // Requests to the API.
    BadRequest = "bad_request", 400, 1000017, false, "The request is malformed", "Compare it with the API reference; `detail` says where reading stopped.";
    FieldInvalid = "field_invalid", 422, 1000017, false, "A field of the request is not acceptable", "Correct the field named in `field`.";
    Unauthorized = "unauthorized", 401, 0, false, "The caller is not known", "Send `Authorization: Bearer <backend key>` with a key of this app.";
    Forbidden = "forbidden", 403, 0, false, "The caller may not do this", "Use a key with the right that `detail` names.";
    StaleSignIn = "stale_sign_in", 403, 0, false, "The sign-in is too long ago for this", "Give password and second factor again, then repeat the request.";
    NotFound = "not_found", 404, 0, false, "There is no such thing", "Check the path and the id.";
    MethodNotAllowed = "method_not_allowed", 405, 0, false, "This path does not take that method", "See the `Allow` header.";
    Conflict = "conflict", 409, 0, false, "It exists already, or changed meanwhile", "Read it again, then decide.";
    PreconditionFailed = "precondition_failed", 412, 0, false, "The thing is not in the state that the request names", "Read its `ETag` again; for WHIP and WHEP, make a new offer.";
    TooLarge = "too_large", 413, 0, false, "The request is too large", "Send less at once.";
    UnsupportedMediaType = "unsupported_media_type", 415, 0, false, "The body is of a type that is not taken here", "Send `Content-Type: application/json`; WHIP and WHEP take `application/sdp`.";
    RateLimited = "rate_limited", 429, 1002071, true, "Too many requests", "Wait for as long as `Retry-After` says.";
    OutcomeUnknown = "outcome_unknown", 503, 0, true, "Whether it was done is not known", "Send the same request again, with the same Idempotency-Key if it had one: doing it twice is fine.";
    IdempotencyKeyReused = "idempotency_key_reused", 422, 0, false, "The Idempotency-Key stands for another request", "Use a new key for a new request.";
    IdempotencyKeyBusy = "idempotency_key_busy", 409, 0, true, "A request with this Idempotency-Key is being done", "Wait as `Retry-After` says, then send it again to get its answer.";
    StoreFull = "store_full", 507, 0, false, "There is no room for another entry", "Wait for old entries to end, end broader targets instead of single ones, or have the limit raised.";
    DiskFull = "disk_full", 507, 1002074, true, "The server's disk is full or cannot be written", "Try again later; the operator has to make room. Tokens are still judged.";
    AuditUnavailable = "audit_unavailable", 503, 1002074, true, "The audit trail cannot be written", "Try again after a short, random wait: nothing was done, because there would be no record of it.";
    ClockBehind = "clock_behind", 503, 1002074, false, "The server's clock is behind the time its data has seen", "Set the server's clock, or start it once with --accept-clock if the clock is right.";
    Internal = "internal", 500, 1002074, true, "The server failed", "Try again; if it stays, give the operator the `request_id`.";
    Unavailable = "unavailable", 503, 1002074, true, "The server cannot do this right now", "Try again after a short, random wait.";

    // Apps and their modes.
    AppUnknown = "app_unknown", 404, 1001004, false, "There is no such app", "Check the app id.";
    AppDisabled = "app_disabled", 403, 1000037, false, "The app is switched off", "Ask the operator to enable it.";
    SecretWornOut = "secret_worn_out", 409, 0, false, "The app's server secret has sealed as many tokens as is safe", "Rotate the server secret of the app.";
    AppSignMissing = "app_sign_missing", 401, 1001003, false, "This app's mode needs an AppSign proof", "Give the SDK the AppSign, or have the app's mode changed.";
    AppSignWrong = "app_sign_wrong", 401, 1001005, false, "The AppSign proof is wrong", "Check the AppSign, the app id and the server address in the client.";
    AppSignRefused = "app_sign_refused", 403, 1002067, false, "This app takes no AppSign proof", "Log in with a token from your backend.";

    // Tokens.
    TokenMissing = "token_missing", 401, 1002067, false, "This login needs a token", "Fetch a token from your backend and log in with it.";
    TokenInvalid = "token_invalid", 401, 1002033, false, "The token was refused", "Fetch a new token; the holder of the server secret finds the reason with `explain`.";
    TokenVersion = "token_version", 401, 1002079, false, "The token's version is not known or not accepted", "Mint a token04.";
    TokenExpired = "token_expired", 401, 1002078, false, "The token has expired", "Fetch a new token; inside a room, renew with it.";
    TokenRevoked = "token_revoked", 401, 1002033, false, "The token has been revoked", "Fetch a new token; if that is refused too, the user was shut out on purpose.";
    TokenUserMismatch = "token_user_mismatch", 403, 1002077, false, "The token is of another user", "Mint the token for exactly the user id that logs in.";
    LoginDenied = "login_denied", 403, 1002033, false, "The token does not let this user log in to this room", "Mint a token for this room with the login privilege.";
    RenewedWithoutPublish = "renewed_without_publish", 200, 1002082, false, "The new token lacks the publish right", "Running streams go on; mint with the publish privilege to start another.";
    TokenUsed = "token_used", 403, 1002033, false, "The token lets its user in once, and has done so", "Mint a new token for each login.";
    AppSignSession = "app_sign_session", 403, 1002033, false, "An AppSign session cannot be renewed with a token", "Log out and log in with the token.";

    // Names.
    UserIdInvalid = "user_id_invalid", 422, 1002006, false, "The user id is not acceptable", "1 to 64 bytes of letters, digits and ``~!@#$%^&*()_+=-`;',.<>\\``.";
    UserNameInvalid = "user_name_invalid", 422, 1002009, false, "The user name is not acceptable", "1 to 255 bytes of UTF-8 without control characters.";
    RoomIdInvalid = "room_id_invalid", 422, 1002012, false, "The room id is not acceptable", "1 to 128 bytes of letters, digits and ``~!@#$%^&*()_+=-`;',.<>\\``.";
    StreamIdInvalid = "stream_id_invalid", 422, 1000016, false, "The stream id is not acceptable", "1 to 256 letters, digits, `-` and `_`.";

    // Rooms.
    NotInRoom = "not_in_room", 409, 1000002, false, "Log in to a room first", "Send `login` before anything else.";
    NotInThatRoom = "not_in_that_room", 409, 1002002, false, "This session is not in the room named", "Name the room that `logged_in` named.";
    AlreadyInRoom = "already_in_room", 409, 1002001, false, "This connection is in a room already", "Log out first, or open another connection.";
    RoomFull = "room_full", 409, 1002034, true, "The room is full", "Try again when somebody has left.";
    RoomBusy = "room_busy", 429, 1002072, true, "Too many logins to this room at once", "Try again after a short, random wait.";
    Banned = "banned", 403, 1002066, false, "The user is banned", "Ask the operator.";
    TooManySessions = "too_many_sessions", 503, 0, true, "There is no room for another session", "Try again later; operators raise `limits.sessions` or add nodes.";
    LoggedInElsewhere = "logged_in_elsewhere", 409, 1002086, false, "The user is logged in elsewhere", "Log out there first.";
    ResumeRefused = "resume_refused", 409, 0, false, "There is no such session to go on with", "Log in anew.";
    UserNotInRoom = "user_not_in_room", 404, 0, false, "A user named is not in the room", "Take the user ids from `logged_in` and `room_users`.";
    TextTooLong = "text_too_long", 413, 0, false, "The text is longer than it may be", "See the limits in the wire reference.";
    ExtraLimit = "extra_limit", 409, 0, false, "The room has as many values as it may", "Remove one first.";

    // Streams.
    PublishDenied = "publish_denied", 403, 1003025, false, "The token does not let this user publish this stream", "Renew with a token that grants publish and lists the stream.";
    StreamIdTaken = "stream_id_taken", 409, 1003028, false, "The stream id is in use", "Stream ids are unique in the app: choose another.";
    AlreadyPublishing = "already_publishing", 409, 1003023, false, "This stream is being published already", "Stop it first.";
    PublishLimit = "publish_limit", 409, 0, false, "You are publishing as many streams as you may", "Stop one first.";
    PublishTokenExpired = "publish_token_expired", 401, 1003072, false, "Publishing needs a token that has not expired", "Renew the token, then publish again.";
    PlayTokenExpired = "play_token_expired", 401, 1004003, false, "Playing needs a token that has not expired", "Renew the token, then play again.";
    PlayLimit = "play_limit", 409, 1004010, false, "You are playing as many streams as you may", "Stop one first.";
    PlayDenied = "play_denied", 403, 1004025, false, "The token does not let this user play this stream", "Renew with a token that grants play and lists the stream.";
    StreamForbidden = "stream_forbidden", 403, 1003025, false, "The operator stopped this stream", "Do not publish it again without being asked.";
    NotPublishing = "not_publishing", 409, 1000015, false, "This stream is not being published by you", "Publish it first.";
    NotPlaying = "not_playing", 409, 1004011, false, "This stream is not being played", "Play it first.";

    // Media.
    MediaUnavailable = "media_unavailable", 503, 0, false, "This server forwards no media", "Have the operator configure `media.listen`, or exchange media elsewhere.";
    MediaInvalid = "media_invalid", 422, 0, false, "The offer or candidate cannot be used", "Send what `RTCPeerConnection` gives, and say what its media lines are for.";
    MediaFull = "media_full", 503, 0, true, "The node forwards as much media as it may", "Try again after a short, random wait.";

    // Ends of a stay.
    Kicked = "kicked", 403, 1002055, false, "Removed from the room by the operator", "Do not come back without being asked.";
    KickedByOtherLogin = "kicked_by_other_login", 409, 1002050, false, "The same user logged in elsewhere", "Only one stay a user: close the other one to come back.";
    KickedTokenExpired = "kicked_token_expired", 401, 1002056, false, "Removed because the token expired", "Fetch a new token and log in again.";
    KickedStayOver = "kicked_stay_over", 403, 0, false, "Removed because the longest stay that the token allows is over", "Fetch a new token and log in again.";
    RoomClosed = "room_closed", 403, 1002055, false, "The operator closed the room", "Do not come back without being asked.";
    KickedInternal = "kicked_internal", 503, 1002057, true, "Removed because the server is stopping or failed", "Log in again after a short, random wait.";

    // The connection.
    LoginTimeout = "login_timeout", 408, 1002031, true, "No login arrived in time", "Send `login` right after `hello`.";
    MessageInvalid = "message_invalid", 400, 1000017, false, "The message cannot be read", "Compare it with the wire reference.";
    TooSlow = "too_slow", 503, 1002052, true, "The client does not read what it is sent", "Read from the connection without pause; log in again.";
}

impl ErrorCode {
    /// The code as written on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every HTTP error: a problem document (RFC 9457) with our code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Where the code is documented, relative to the server.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What the code means; the same for every occurrence.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What happened this time, if it may be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The field of the request that is at fault, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Names this request in the operator's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// The media type of a problem document.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The document for `code`, without particulars.
    pub fn new(code: ErrorCode) -> Self {
        let row = code.row();
        Self {
            type_uri: format!("/docs/problems/{}", row.code),
            title: row.title.to_owned(),
            status: row.status,
            code,
            detail: None,
            field: None,
            request_id: None,
        }
    }
}
