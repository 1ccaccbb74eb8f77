//! The options that `verify`, `explain` and `kit verify` share: the app, the login attempted, and what is accepted.

use clap::Args;
use token_gen::{AppId, Attempt, KitPolicy, KnownSecret, Limits, Rules, UnixSeconds};

use super::{accept::AcceptList, clock, secret::SecretArgs};

#[derive(Args)]
pub(super) struct LoginArgs {
    /// The app the token must be of
    #[arg(long, value_name = "N")]
    app_id: AppId,
    #[command(flatten)]
    pub(super) secret: SecretArgs,
    /// The user logging in; the token must be theirs, byte for byte
    #[arg(long, value_name = "U")]
    user_id: Option<String>,
    /// The room logged in to; the token must allow it
    #[arg(long, value_name = "R")]
    room_id: Option<String>,
    /// The stream to be published there; the token must allow it
    #[arg(long, value_name = "S")]
    stream_id: Option<String>,
    /// Formats to take, separated by commas: gcm, cbc, 03, kit (kit alone means gcm,kit)
    #[arg(long, value_name = "LIST", default_value = "gcm")]
    accept: AcceptList,
    /// Check as if it were this time, in Unix seconds [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", allow_negative_numbers = true)]
    at: Option<i64>,
    /// The longest token to take, in bytes
    #[arg(long, value_name = "N", default_value_t = Limits::STRICT.max_token_bytes)]
    max_bytes: usize,
    /// Print one line of JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl LoginArgs {
    pub(super) fn rules<'a>(&self, secrets: &'a [KnownSecret<'a>]) -> Rules<'a> {
        let mut rules = Rules::new(self.app_id, secrets);
        rules.accept = self.accept.formats;
        rules.kit = if self.accept.kit { KitPolicy::Accepted } else { KitPolicy::Refused };
        rules.limits.max_token_bytes = self.max_bytes.min(Limits::FORMAT.max_token_bytes);
        if self.max_bytes > Limits::STRICT.max_token_bytes {
            // Whoever asks for longer tokens asks for the payloads that make them long.
            rules.limits.max_payload_bytes = Limits::FORMAT.max_payload_bytes;
        }
        rules
    }

    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            user_id: self.user_id.as_deref(),
            room_id: self.room_id.as_deref(),
            stream_id: self.stream_id.as_deref(),
        }
    }

    pub(super) fn now(&self) -> UnixSeconds {
        self.at.map_or_else(clock::now, UnixSeconds::new)
    }
}
