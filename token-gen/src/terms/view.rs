//! The terms as tools and services show them.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use serde::Serialize;

use super::{MediaKind, OnExpiry};
use crate::{
    rights::{Rights, RoomScope, StreamScope},
    time::UnixSeconds,
};

/// What a token sets beyond the field's two privileges, by the names it has on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[non_exhaustive]
pub struct TermsView {
    /// The rooms it is for, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_ids: Option<Vec<String>>,
    /// `false` where playing is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play: Option<bool>,
    /// The streams it may play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play_stream_ids: Option<Vec<String>>,
    /// What its streams may carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<&'static str>>,
    /// When the right to log in ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_until: Option<i64>,
    /// When the right to publish ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_until: Option<i64>,
    /// When the right to play ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play_until: Option<i64>,
    /// The longest stay, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stay_secs: Option<u64>,
    /// `keep`, `stop_publish`, `kick` or `grace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<&'static str>,
    /// The grace time, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_secs: Option<u64>,
    /// `true` where it lets its user in once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// The name that others see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// What the minter says about the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

impl TermsView {
    /// The terms of `rights`, or `None` if there are none.
    pub fn of(rights: &Rights) -> Option<Self> {
        let room_ids = match rights.room() {
            RoomScope::Several(several) => Some(several.clone()),
            RoomScope::Any | RoomScope::Only(_) => None,
        };
        let terms = rights.terms();
        if terms.is_none() && room_ids.is_none() {
            return None;
        }
        Some(Self {
            room_ids,
            play: terms.denies_play.then_some(false),
            play_stream_ids: match &terms.play_streams {
                StreamScope::Any => None,
                StreamScope::Only(list) => Some(list.to_owned()),
            },
            media: terms.media.map(|media| media.iter().map(MediaKind::as_str).collect()),
            login_until: terms.login_until.map(UnixSeconds::get),
            publish_until: terms.publish_until.map(UnixSeconds::get),
            play_until: terms.play_until.map(UnixSeconds::get),
            max_stay_secs: terms.max_stay.map(|max_stay| max_stay.as_secs()),
            on_expiry: terms.on_expiry.map(OnExpiry::as_str),
            grace_secs: match terms.on_expiry {
                Some(OnExpiry::Grace(grace)) => Some(grace.as_secs()),
                _ => None,
            },
            single_use: terms.single_use.then_some(true),
            user_name: terms.user_name.clone(),
            metadata: terms.metadata.clone(),
        })
    }
}
