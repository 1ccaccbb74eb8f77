//! What a session may do, as the wire says it.

use roompass_wire::gateway::{MediaKind as WireMedia, OnExpiry, SessionPrivilege, SessionRights};
use token_gen::{MediaKind, Privilege, Rights, StreamScope, UnixSeconds};

use super::{Session, time::AtExpiry};
use crate::apps::{AppSettings, EmptyStreamList};

impl Session {
    /// The limits within which the session has its privileges.
    pub(in crate::gateway) fn session_rights(&self, settings: &AppSettings) -> SessionRights {
        limits(self.grant.rights(), self.grant.token().is_some(), self.stay_until, settings)
    }
}

/// The limits within which `rights` hold in a stay until `stay_until`. Without a token nothing expires.
pub(in crate::gateway) fn limits(
    rights: &Rights,
    is_by_token: bool,
    stay_until: Option<UnixSeconds>,
    settings: &AppSettings,
) -> SessionRights {
    let terms = rights.terms();
    let until = |until: Option<UnixSeconds>| until.map(UnixSeconds::get);
    let listed = |scope: &StreamScope| match scope {
        StreamScope::Any => None,
        StreamScope::Only(list) => Some(list.clone()),
    };
    let publish_stream_ids =
        listed(rights.streams()).filter(|list| !list.is_empty() || settings.empty_stream_list == EmptyStreamList::None);
    let (on_expiry, grace) = match is_by_token.then(|| AtExpiry::of(rights, settings)) {
        None => (None, 0),
        Some(AtExpiry::Keep) => (Some(OnExpiry::Keep), 0),
        Some(AtExpiry::StopPublish) => (Some(OnExpiry::StopPublish), 0),
        Some(AtExpiry::Kick { after }) => (Some(OnExpiry::Kick), after.as_secs()),
    };
    SessionRights {
        publish_stream_ids,
        play_stream_ids: listed(&terms.play_streams),
        media: terms.media.map(|media| media.iter().map(wire_media).collect()),
        login_until: until(terms.login_until),
        publish_until: until(terms.publish_until),
        play_until: until(terms.play_until),
        stay_until: until(stay_until),
        on_expiry,
        expiry_grace_secs: (grace > 0).then_some(grace),
    }
}

/// What `rights` allow at `now`.
pub(in crate::gateway) fn privileges(rights: &Rights, now: UnixSeconds) -> Vec<SessionPrivilege> {
    let grants = |privilege| rights.privileges().contains(privilege);
    [
        (SessionPrivilege::Login, grants(Privilege::Login) && rights.login_in_time(now).is_ok()),
        (SessionPrivilege::Publish, grants(Privilege::Publish) && rights.publish_in_time(now).is_ok()),
        (SessionPrivilege::Play, !rights.terms().denies_play && rights.play_in_time(now).is_ok()),
    ]
    .into_iter()
    .filter_map(|(privilege, is_granted)| is_granted.then_some(privilege))
    .collect()
}

fn wire_media(kind: MediaKind) -> WireMedia {
    match kind {
        MediaKind::Audio => WireMedia::Audio,
        MediaKind::Video => WireMedia::Video,
        MediaKind::Screen => WireMedia::Screen,
        MediaKind::Data => WireMedia::Data,
    }
}

/// `None` for a word that this version does not know.
pub(super) fn media_kind(kind: WireMedia) -> Option<MediaKind> {
    match kind {
        WireMedia::Audio => Some(MediaKind::Audio),
        WireMedia::Video => Some(MediaKind::Video),
        WireMedia::Screen => Some(MediaKind::Screen),
        WireMedia::Data => Some(MediaKind::Data),
        WireMedia::Unknown => None,
    }
}
