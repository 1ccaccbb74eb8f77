//! Why a connection ends.

/// Why the server closes a connection: the WebSocket close code. The close reason is the [`ErrorCode`](crate::ErrorCode) that led to it.
///
/// A client comes back by itself after codes that [may reconnect](CloseCode::may_reconnect), never after others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CloseCode {
    /// The client logged out.
    LoggedOut = 1000,
    /// The frames broke the WebSocket rules.
    Protocol = 1002,
    /// A binary frame: the protocol has none.
    Binary = 1003,
    /// A text frame that was not UTF-8.
    NotUtf8 = 1007,
    /// A message over the size limit.
    TooLarge = 1009,
    /// The login was refused; the `error` before says why, and whether the same login may succeed later.
    LoginRefused = 4000,
    /// The stay was ended; the `kicked` before says why.
    Kicked = 4001,
    /// The session goes on over another connection.
    Superseded = 4002,
    /// The server stops, or failed: log in again, here or on another node.
    GoingAway = 4100,
    /// No login arrived in time.
    LoginTimeout = 4101,
    /// The client did not read what it was sent.
    TooSlow = 4102,
    /// The client sent too many messages.
    RateLimited = 4103,
    /// The client did not answer a ping.
    NoPong = 4104,
}

impl CloseCode {
    /// Every code, in order.
    pub const ALL: &'static [Self] = &[
        Self::LoggedOut,
        Self::Protocol,
        Self::Binary,
        Self::NotUtf8,
        Self::TooLarge,
        Self::LoginRefused,
        Self::Kicked,
        Self::Superseded,
        Self::GoingAway,
        Self::LoginTimeout,
        Self::TooSlow,
        Self::RateLimited,
        Self::NoPong,
    ];

    /// The number in the close frame.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether a client may come back by itself, after a short random wait.
    pub const fn may_reconnect(self) -> bool {
        self.number() >= 4100
    }
}
