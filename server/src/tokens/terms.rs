//! The further terms a mint asks for: checked, and put into the rights.

use std::time::Duration;

use roompass_wire::http::{MediaName, TokenExpiryRule, TokenTerms};
use token_gen::{MediaKind, OnExpiry, RightsBuilder, StreamId, Terms, UnixSeconds};

use super::room_in_reach;
use crate::{error::Error, keys::Scope};

/// The most rooms beside the first.
const MAX_FURTHER_ROOMS: usize = 32;

/// Adds `terms` to `rights` of a token that lives from `now` for `ttl`.
///
/// # Errors
/// [`Error::Field`] with the term at fault.
pub(super) fn add(
    mut rights: RightsBuilder,
    terms: &TokenTerms,
    scope: &Scope,
    ttl: Duration,
    now: UnixSeconds,
) -> Result<RightsBuilder, Error> {
    for room_id in filled("terms.room_ids", terms.room_ids.as_deref(), MAX_FURTHER_ROOMS)? {
        rights = rights.also_room(&room_in_reach(scope, "terms.room_ids", room_id)?);
    }
    if terms.play == Some(false) {
        if terms.play_stream_ids.is_some() || terms.play_ttl_secs.is_some() {
            return Err(Error::field("terms.play", "denies playing, so there are no streams and no time for it"));
        }
        rights = rights.deny_play();
    }
    for stream_id in filled("terms.play_stream_ids", terms.play_stream_ids.as_deref(), usize::MAX)? {
        let stream_id =
            StreamId::new(&**stream_id).map_err(|error| Error::of_field("terms.play_stream_ids", &error))?;
        rights = rights.play_stream(&stream_id);
    }
    let media = filled("terms.media", terms.media.as_deref(), usize::MAX)?;
    if !media.is_empty() {
        rights = rights.media(media.iter().copied().map(media_kind).collect());
    }
    for (field, secs, set) in [
        ("terms.login_ttl_secs", terms.login_ttl_secs, RightsBuilder::login_until as fn(_, _) -> _),
        ("terms.publish_ttl_secs", terms.publish_ttl_secs, RightsBuilder::publish_until),
        ("terms.play_ttl_secs", terms.play_ttl_secs, RightsBuilder::play_until),
    ] {
        if let Some(span) = within(field, secs, ttl)? {
            rights = set(rights, now.saturating_add(span));
        }
    }
    if let Some(max_stay) = within("terms.max_stay_secs", terms.max_stay_secs, Terms::MAX_STAY)? {
        rights = rights.max_stay(max_stay);
    }
    let grace = within("terms.grace_secs", terms.grace_secs, OnExpiry::MAX_GRACE)?;
    let on_expiry = match (terms.on_expiry, grace) {
        (None, None) => None,
        (Some(TokenExpiryRule::Keep), None) => Some(OnExpiry::Keep),
        (Some(TokenExpiryRule::StopPublish), None) => Some(OnExpiry::StopPublish),
        (Some(TokenExpiryRule::Kick), None) => Some(OnExpiry::Kick),
        (Some(TokenExpiryRule::Grace), Some(grace)) => Some(OnExpiry::Grace(grace)),
        _ => return Err(Error::field("terms.grace_secs", "goes with on_expiry `grace`, and only with it")),
    };
    if let Some(on_expiry) = on_expiry {
        rights = rights.on_expiry(on_expiry);
    }
    if terms.single_use == Some(true) {
        rights = rights.single_use();
    }
    match &terms.metadata {
        Some(metadata) => rights.metadata(metadata).map_err(|error| Error::of_field("terms.metadata", &error)),
        None => Ok(rights),
    }
}

/// The items of a list that was left out or is not empty: an empty one could mean all or nothing.
fn filled<'a, T>(field: &'static str, list: Option<&'a [T]>, max: usize) -> Result<&'a [T], Error> {
    match list {
        None => Ok(&[]),
        Some([]) => Err(Error::field(field, "is empty: name at least one, or leave it out")),
        Some(list) if list.len() > max => Err(Error::field(field, format!("must be at most {max}"))),
        Some(list) => Ok(list),
    }
}

fn within(field: &'static str, secs: Option<u64>, max: Duration) -> Result<Option<Duration>, Error> {
    match secs.map(Duration::from_secs) {
        Some(span) if span.is_zero() || span > max => {
            Err(Error::field(field, format!("must be 1 to {}", max.as_secs())))
        }
        span => Ok(span),
    }
}

fn media_kind(name: MediaName) -> MediaKind {
    match name {
        MediaName::Audio => MediaKind::Audio,
        MediaName::Video => MediaKind::Video,
        MediaName::Screen => MediaKind::Screen,
        MediaName::Data => MediaKind::Data,
    }
}
