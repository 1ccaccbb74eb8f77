//! How much one session may have and say.

/// The most streams one session may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Published at once. Default 16.
    pub max_publishing: usize,
    /// Played at once. Default 256.
    pub max_playing: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { max_publishing: 16, max_playing: 256 }
    }
}

/// How long texts may be, and how often they may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// The longest message to a room. Default 4 KiB.
    pub max_message_bytes: usize,
    /// The longest signal. Default 16 KiB.
    pub max_signal_bytes: usize,
    /// The most users one signal is for. Default 16.
    pub max_signal_users: usize,
    /// The longest value of a room, a user or a stream. Default 1 KiB.
    pub max_value_bytes: usize,
    /// The longest name of a value of a room. Default 64.
    pub max_key_bytes: usize,
    /// Messages a second, for one session. Default 10.
    pub messages_per_sec: u32,
    /// Messages at once after a silence. Default 20.
    pub message_burst: u32,
    /// Signals a second. Default 20.
    pub signals_per_sec: u32,
    /// Signals at once after a silence. Default 60.
    pub signal_burst: u32,
    /// Changes of values a second. Default 5.
    pub values_per_sec: u32,
    /// Changes of values at once after a silence. Default 10.
    pub value_burst: u32,
}

impl Default for TextLimits {
    fn default() -> Self {
        Self {
            max_message_bytes: 4096,
            max_signal_bytes: 16 * 1024,
            max_signal_users: 16,
            max_value_bytes: 1024,
            max_key_bytes: 64,
            messages_per_sec: 10,
            message_burst: 20,
            signals_per_sec: 20,
            signal_burst: 60,
            values_per_sec: 5,
            value_burst: 10,
        }
    }
}
