//! The strict reader of the terms. `None` is any fault: unknown members, wrong types, values out of range.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::time::Duration;

use super::{Found, MediaKind, MediaKinds, OnExpiry, Terms};
use crate::{
    id::UserName,
    json::{Node, Object},
    rights::StreamScope,
};

/// Reads the object under [`super::MEMBER`].
pub(crate) fn read(object: Object<'_>) -> Option<Found> {
    let mut found = Found { terms: Terms::NONE, room_ids: Vec::new() };
    let (mut on_expiry, mut grace) = (None, None);
    for (name, node) in object.into_members() {
        let terms = &mut found.terms;
        match &*name {
            "play" => terms.denies_play = !bit(&node)?,
            "play_stream_ids" => terms.play_streams = StreamScope::Only(texts(node)?),
            "media" => terms.media = Some(media(node)?),
            "login_until" => terms.login_until = Some(integer(&node)?.into()),
            "publish_until" => terms.publish_until = Some(integer(&node)?.into()),
            "play_until" => terms.play_until = Some(integer(&node)?.into()),
            "max_stay_secs" => terms.max_stay = Some(span(&node, Terms::MAX_STAY)?),
            "on_expiry" => on_expiry = Some(text(node)?),
            "grace_secs" => grace = Some(span(&node, OnExpiry::MAX_GRACE)?),
            "single_use" => terms.single_use = bit(&node)?,
            "room_ids" => found.room_ids = texts(node)?,
            "user_name" => terms.user_name = Some(UserName::new(text(node)?).ok()?.into_string()),
            "metadata" => terms.metadata = Some(metadata(text(node)?.into_owned())?),
            _ => return None,
        }
    }
    found.terms.on_expiry = match (on_expiry.as_deref(), grace) {
        (None, None) => None,
        (Some("keep"), None) => Some(OnExpiry::Keep),
        (Some("stop_publish"), None) => Some(OnExpiry::StopPublish),
        (Some("kick"), None) => Some(OnExpiry::Kick),
        (Some("grace"), Some(grace)) => Some(OnExpiry::Grace(grace)),
        _ => return None,
    };
    Some(found)
}

/// What a minter may say about a user.
pub(crate) fn metadata(text: String) -> Option<String> {
    let fits = (1..=Terms::MAX_METADATA_BYTES).contains(&text.len());
    (fits && !text.chars().any(char::is_control)).then_some(text)
}

fn bit(node: &Node<'_>) -> Option<bool> {
    match integer(node)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn integer(node: &Node<'_>) -> Option<i64> {
    match node {
        Node::Int(value) => Some(*value),
        _ => None,
    }
}

/// At least a second, at most `max`.
fn span(node: &Node<'_>, max: Duration) -> Option<Duration> {
    let span = Duration::from_secs(u64::try_from(integer(node)?).ok()?);
    (!span.is_zero() && span <= max).then_some(span)
}

fn text(node: Node<'_>) -> Option<Cow<'_, str>> {
    match node {
        Node::String(text) => Some(text),
        _ => None,
    }
}

fn texts(node: Node<'_>) -> Option<Vec<String>> {
    match node {
        Node::Array(items) => items.into_iter().map(|item| text(item).map(Cow::into_owned)).collect(),
        _ => None,
    }
}

fn media(node: Node<'_>) -> Option<MediaKinds> {
    match node {
        Node::Array(items) => items.into_iter().map(|item| text(item)?.parse::<MediaKind>().ok()).collect(),
        _ => None,
    }
}
