//! Writing the terms, members in a fixed order, those that were not set left out.

use alloc::vec::Vec;

use super::{MediaKind, OnExpiry, Terms};
use crate::{json::write, rights::StreamScope, time::UnixSeconds};

/// Appends the object that goes under [`super::MEMBER`].
pub(crate) fn write(out: &mut Vec<u8>, terms: &Terms, room_ids: &[alloc::string::String]) {
    let mut members = Members { out, any: false };
    if terms.denies_play {
        members.integer("play", 0);
    }
    if let StreamScope::Only(list) = &terms.play_streams {
        members.texts("play_stream_ids", list.iter().map(|stream_id| stream_id.as_str()));
    }
    if let Some(media) = terms.media {
        members.texts("media", media.iter().map(MediaKind::as_str));
    }
    for (name, until) in
        [("login_until", terms.login_until), ("publish_until", terms.publish_until), ("play_until", terms.play_until)]
    {
        if let Some(until) = until.map(UnixSeconds::get) {
            members.integer(name, until);
        }
    }
    if let Some(max_stay) = terms.max_stay {
        members.integer("max_stay_secs", seconds(max_stay));
    }
    if let Some(on_expiry) = terms.on_expiry {
        members.text("on_expiry", on_expiry.as_str());
        if let OnExpiry::Grace(grace) = on_expiry {
            members.integer("grace_secs", seconds(grace));
        }
    }
    if terms.single_use {
        members.integer("single_use", 1);
    }
    if !room_ids.is_empty() {
        members.texts("room_ids", room_ids.iter().map(|room_id| room_id.as_str()));
    }
    if let Some(user_name) = &terms.user_name {
        members.text("user_name", user_name);
    }
    if let Some(metadata) = &terms.metadata {
        members.text("metadata", metadata);
    }
    members.end();
}

fn seconds(span: core::time::Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// The members written so far.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl Members<'_> {
    fn name(&mut self, name: &str) {
        self.out.push(if self.any { b',' } else { b'{' });
        self.any = true;
        write::string(self.out, name);
        self.out.push(b':');
    }

    fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        write::integer(self.out, value);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write::string(self.out, text);
    }

    fn texts<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str>) {
        self.name(name);
        write::strings(self.out, texts);
    }

    fn end(self) {
        self.out.extend_from_slice(if self.any { b"}" } else { b"{}" });
    }
}
