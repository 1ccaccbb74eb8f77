//! Publishing and playing.

use std::collections::{BTreeMap, BTreeSet};

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, Publish, ServerMessage, Stream},
    http::WithheldPrivilege,
};
use token_gen::{Denied, MediaKind, MediaKinds, Privilege, StreamId, UnixSeconds};

use super::{Effect, Refused, Session, error, ok, rights, send};
use crate::{apps::AppSettings, login, rooms::NewStream};

/// What a stream carries whose publisher does not say: what a stream has always been.
const USUAL: MediaKinds = MediaKinds::NONE.with(MediaKind::Audio).with(MediaKind::Video);

impl Session {
    /// The streams that this session publishes, with what each carries, and those that it plays.
    pub(in crate::gateway) fn streams(&self) -> (&BTreeMap<StreamId, MediaKinds>, &BTreeSet<StreamId>) {
        (&self.publishing, &self.playing)
    }

    /// The streams this session publishes.
    pub(in crate::gateway) fn publishing(&self) -> Vec<String> {
        self.publishing.keys().map(|stream_id| stream_id.as_str().to_owned()).collect()
    }

    /// The streams it plays.
    pub(in crate::gateway) fn playing(&self) -> Vec<String> {
        self.playing.iter().map(|stream_id| stream_id.as_str().to_owned()).collect()
    }

    /// Goes on with what was published and played on another node, from when the stay began until it is to end.
    pub(in crate::gateway) fn restore(
        &mut self,
        (entered_at, stay_until): (UnixSeconds, Option<UnixSeconds>),
        streams: &[Stream],
        playing: &[String],
        withheld: Vec<WithheldPrivilege>,
    ) {
        self.withheld = withheld;
        let max_stay = self.grant.rights().terms().max_stay;
        self.entered_at = entered_at;
        let of_token = max_stay.map(|max_stay| entered_at.saturating_add(max_stay));
        self.stay_until = stay_until.into_iter().chain(of_token).min();
        let ids = streams.iter().filter_map(|stream| Some((StreamId::new(&*stream.stream_id).ok()?, stream)));
        self.publishing = ids
            .map(|(stream_id, stream)| {
                let carried: MediaKinds = stream.media.iter().copied().filter_map(rights::media_kind).collect();
                (stream_id, if carried.is_empty() { USUAL } else { carried })
            })
            .collect();
        self.playing = playing.iter().filter_map(|stream_id| StreamId::new(&**stream_id).ok()).collect();
    }

    /// What an operator takes from it.
    pub(in crate::gateway) fn withheld(&self) -> &[WithheldPrivilege] {
        &self.withheld
    }

    /// When the stay began.
    pub(in crate::gateway) fn entered_at(&self) -> UnixSeconds {
        self.entered_at
    }

    /// When the stay is to end, whatever the token says later.
    pub(in crate::gateway) fn stay_until(&self) -> Option<UnixSeconds> {
        self.stay_until
    }

    /// Answers the publish request `id`, now that the rooms have.
    pub(in crate::gateway) fn stream_started(
        &mut self,
        id: u64,
        stream_id: StreamId,
        media: MediaKinds,
        started: Result<(), ErrorCode>,
    ) -> ServerMessage {
        match started {
            Ok(()) => {
                self.publishing.insert(stream_id, media);
                ok(id)
            }
            Err(code) => error(id, (code, None)),
        }
    }

    pub(super) fn publish(
        &self,
        settings: &AppSettings,
        publish: Publish,
        now: UnixSeconds,
    ) -> Result<Vec<Effect>, Refused> {
        let Publish { id, stream_id, media, extra } = publish;
        let stream_id = checked(stream_id)?;
        let carried = match &media {
            None => USUAL,
            Some(kinds) => {
                kinds.iter().copied().map(rights::media_kind).collect::<Option<MediaKinds>>().unwrap_or_default()
            }
        };
        if carried.is_empty() {
            return Err((ErrorCode::FieldInvalid, Some("media")));
        }
        let extra = extra.filter(|extra| !extra.is_empty());
        if extra.as_ref().is_some_and(|extra| extra.len() > self.texts.max_value_bytes) {
            return Err((ErrorCode::TextTooLong, Some("extra")));
        }
        self.publish_in_time(now)?;
        self.is_not_withheld(WithheldPrivilege::Publish, ErrorCode::PublishDenied)?;
        self.permit_publish(settings, &stream_id, carried)
            .map_err(|denied| (ErrorCode::PublishDenied, Some(denied.code())))?;
        if self.publishing.contains_key(&stream_id) {
            return Err((ErrorCode::AlreadyPublishing, None));
        }
        if self.publishing.len() >= self.limits.max_publishing {
            return Err((ErrorCode::PublishLimit, None));
        }
        let stream = NewStream { stream_id, media: media.unwrap_or_default(), extra };
        Ok(vec![Effect::StartStream { id, stream, media: carried }])
    }

    /// Stopping needs no right and no time: it is allowed as long as the stay lasts.
    pub(super) fn stop_publish(&mut self, id: u64, stream_id: &str) -> Result<Vec<Effect>, Refused> {
        let stream_id = checked(stream_id)?;
        if self.publishing.remove(&stream_id).is_none() {
            return Err((ErrorCode::NotPublishing, None));
        }
        Ok(vec![Effect::StopStream(stream_id, GoneReason::Stopped), send(ok(id))])
    }

    /// Whether the stream exists does not matter: one that does not is waited for, and playing twice is once.
    pub(super) fn play(&mut self, id: u64, stream_id: String, now: UnixSeconds) -> Result<Vec<Effect>, Refused> {
        let stream_id = checked(stream_id)?;
        if self.is_expired(now) {
            return Err((ErrorCode::PlayTokenExpired, None));
        }
        self.is_not_withheld(WithheldPrivilege::Play, ErrorCode::PlayDenied)?;
        self.permit_play(&stream_id).map_err(|denied| (ErrorCode::PlayDenied, Some(denied.code())))?;
        let in_time = self.grant.rights().play_in_time(now);
        in_time.map_err(|denied| (ErrorCode::PlayTokenExpired, Some(denied.code())))?;
        if self.playing.len() >= self.limits.max_playing && !self.playing.contains(&stream_id) {
            return Err((ErrorCode::PlayLimit, None));
        }
        self.playing.insert(stream_id);
        Ok(vec![send(ok(id))])
    }

    pub(super) fn stop_play(&mut self, id: u64, stream_id: &str) -> Result<Vec<Effect>, Refused> {
        if !self.playing.remove(&checked(stream_id)?) {
            return Err((ErrorCode::NotPlaying, None));
        }
        Ok(vec![send(ok(id))])
    }

    /// Whether the present token, or its right to publish, has not ended.
    pub(super) fn publish_in_time(&self, now: UnixSeconds) -> Result<(), Refused> {
        if self.is_expired(now) {
            return Err((ErrorCode::PublishTokenExpired, None));
        }
        let in_time = self.grant.rights().publish_in_time(now);
        in_time.map_err(|denied| (ErrorCode::PublishTokenExpired, Some(denied.code())))
    }

    /// Whether the present credential lets the user speak to the room at all.
    pub(super) fn permit_speech(&self) -> Result<(), Refused> {
        let is_granted = self.grant.rights().privileges().contains(Privilege::Publish);
        if is_granted { Ok(()) } else { Err((ErrorCode::PublishDenied, Some("publish"))) }
    }

    pub(super) fn permit_publish(
        &self,
        settings: &AppSettings,
        stream_id: &StreamId,
        media: MediaKinds,
    ) -> Result<(), Denied> {
        let rights = self.grant.rights();
        login::permit_publish(settings, rights, self.room_id.as_str(), stream_id.as_str())?;
        rights.permit_media(media)
    }

    pub(super) fn permit_play(&self, stream_id: &StreamId) -> Result<(), Denied> {
        self.grant.rights().permit_play(stream_id.as_str())
    }
}

fn checked(stream_id: impl Into<String>) -> Result<StreamId, Refused> {
    StreamId::new(stream_id).map_err(|_| (ErrorCode::StreamIdInvalid, None))
}
