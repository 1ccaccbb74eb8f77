//! What `mint` can set beyond the field's two privileges.

use std::time::Duration;

use clap::{Args, ValueEnum};
use token_gen::{MediaKind, OnExpiry, RightsBuilder, RoomId, StreamId, Terms, UserName};

use super::{Failure, clock, mint::ttl};

/// Terms that other readers than Roompass ignore.
#[derive(Args)]
#[command(next_help_heading = "Terms (only Roompass enforces them; they need --room-id or --any-room)")]
pub(super) struct TermsArgs {
    /// A further room the token is for; repeat for more
    #[arg(long, value_name = "R", requires = "room_id")]
    also_room: Vec<RoomId>,
    /// Deny playing
    #[arg(long, conflicts_with = "play_stream_id")]
    no_play: bool,
    /// A stream that may be played; repeat for more; without any, every stream may
    #[arg(long, value_name = "S")]
    play_stream_id: Vec<StreamId>,
    /// What published streams may carry: audio, video, screen, data; repeat for more [default: anything]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    media: Vec<MediaKind>,
    /// End the right to log in so long after now, before the token ends
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    login_ttl: Option<Duration>,
    /// End the right to publish so long after now
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    publish_ttl: Option<Duration>,
    /// End the right to play so long after now
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    play_ttl: Option<Duration>,
    /// The longest stay in a room, counted from the login
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    max_stay: Option<Duration>,
    /// What happens to a session at the token's expiry [default: what the app says]
    #[arg(long, value_enum)]
    on_expiry: Option<OnExpiryArg>,
    /// Remove the session so long after the token's expiry
    #[arg(long, value_name = "TIME", value_parser = ttl, conflicts_with = "on_expiry")]
    grace: Option<Duration>,
    /// Let the user in once
    #[arg(long)]
    single_use: bool,
    /// The name that others see, whatever the client says
    #[arg(long, value_name = "NAME")]
    user_name: Option<UserName>,
    /// Text about the user that the client and the others see, at most 1024 bytes
    #[arg(long, value_name = "TEXT")]
    metadata: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum OnExpiryArg {
    Keep,
    StopPublish,
    Kick,
}

impl TermsArgs {
    /// Whether any is set.
    pub(super) fn are_set(&self) -> bool {
        let Self {
            also_room,
            no_play,
            play_stream_id,
            media,
            login_ttl,
            publish_ttl,
            play_ttl,
            max_stay,
            on_expiry,
            grace,
            single_use,
            user_name,
            metadata,
        } = self;
        let spans = [login_ttl, publish_ttl, play_ttl, max_stay, grace];
        *no_play
            || *single_use
            || spans.into_iter().any(Option::is_some)
            || on_expiry.is_some()
            || user_name.is_some()
            || metadata.is_some()
            || !(also_room.is_empty() && play_stream_id.is_empty() && media.is_empty())
    }

    /// Adds them to `rights`.
    pub(super) fn add_to(&self, rights: RightsBuilder) -> Result<RightsBuilder, Failure> {
        let mut rights = self.also_room.iter().fold(rights, RightsBuilder::also_room);
        rights = self.play_stream_id.iter().fold(rights, RightsBuilder::play_stream);
        if self.no_play {
            rights = rights.deny_play();
        }
        if !self.media.is_empty() {
            rights = rights.media(self.media.iter().copied().collect());
        }
        let until = |ttl: Duration| clock::now().saturating_add(ttl);
        for (ttl, set) in [
            (self.login_ttl, RightsBuilder::login_until as fn(_, _) -> _),
            (self.publish_ttl, RightsBuilder::publish_until),
            (self.play_ttl, RightsBuilder::play_until),
        ] {
            if let Some(ttl) = ttl {
                rights = set(rights, until(ttl));
            }
        }
        if let Some(max_stay) = self.max_stay {
            rights = rights.max_stay(within("--max-stay", max_stay, Terms::MAX_STAY)?);
        }
        let on_expiry = match (self.on_expiry, self.grace) {
            (None, None) => None,
            (_, Some(grace)) => Some(OnExpiry::Grace(within("--grace", grace, OnExpiry::MAX_GRACE)?)),
            (Some(OnExpiryArg::Keep), None) => Some(OnExpiry::Keep),
            (Some(OnExpiryArg::StopPublish), None) => Some(OnExpiry::StopPublish),
            (Some(OnExpiryArg::Kick), None) => Some(OnExpiry::Kick),
        };
        if let Some(on_expiry) = on_expiry {
            rights = rights.on_expiry(on_expiry);
        }
        if self.single_use {
            rights = rights.single_use();
        }
        if let Some(user_name) = &self.user_name {
            rights = rights.user_name(user_name);
        }
        match &self.metadata {
            Some(metadata) => Ok(rights.metadata(metadata)?),
            None => Ok(rights),
        }
    }
}

/// At least a second, at most `max`.
fn within(option: &str, span: Duration, max: Duration) -> Result<Duration, Failure> {
    if span.is_zero() || span > max {
        return Err(Failure::usage(
            format!("{option} must be from 1 s to {} s", max.as_secs()),
            "Give it in seconds (600) or with units (1h10m).",
        ));
    }
    Ok(span)
}
