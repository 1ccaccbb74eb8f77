//! The media of one stay: follows what its session publishes and plays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use roompass_media::{
    Event, Idle, Kind, Kinds, MediaError, Offer, Opening, Reason, Rights, Role, Session, Streams, Track,
};
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, IdleTrack, MediaAnswer, MediaKind as WireKind, MediaOffer},
};
use token_gen::{AppId, MediaKind, MediaKinds, RoomId, StreamId};
use tokio::sync::mpsc;

use super::{MediaPlane, room_name};

/// The media of one stay. Costs nothing until the client offers, and ends when dropped.
#[derive(Debug)]
pub struct StayMedia {
    plane: MediaPlane,
    room: Arc<str>,
    user_id: Arc<str>,
    publishing: BTreeMap<StreamId, MediaKinds>,
    playing: BTreeSet<StreamId>,
    session: Option<Session>,
    events: Option<mpsc::Receiver<Event>>,
}

impl StayMedia {
    /// For a user in a room.
    pub fn new(plane: &MediaPlane, app_id: AppId, room_id: &RoomId, user_id: &str) -> Self {
        Self {
            plane: plane.clone(),
            room: room_name(app_id, room_id.as_str()).into(),
            user_id: user_id.into(),
            publishing: BTreeMap::new(),
            playing: BTreeSet::new(),
            session: None,
            events: None,
        }
    }

    /// From now on the session publishes and plays exactly this; what ends by it ends for `reason`. The media plane lets
    /// nothing else through, so this is where a right that is lost, or has expired, silences a client.
    pub fn follow(
        &mut self,
        publishing: &BTreeMap<StreamId, MediaKinds>,
        playing: &BTreeSet<StreamId>,
        reason: GoneReason,
    ) {
        if (&self.publishing, &self.playing) == (publishing, playing) {
            return;
        }
        let (before, played) = (
            std::mem::replace(&mut self.publishing, publishing.clone()),
            std::mem::replace(&mut self.playing, playing.clone()),
        );
        let Some(session) = &self.session else { return };
        let reason = reason_of(reason);
        for gone in before.keys().filter(|stream_id| !publishing.contains_key(*stream_id)) {
            session.stop_publish(gone.as_str(), reason);
        }
        for gone in played.difference(playing) {
            session.stop_play(gone.as_str(), reason);
        }
        session.set_rights(self.rights());
        for (stream_id, kinds) in publishing.iter().filter(|(stream_id, kinds)| before.get(stream_id) != Some(kinds)) {
            session.publish(stream_id.as_str(), kinds_of(*kinds));
        }
        for new in playing.difference(&played) {
            session.play(new.as_str());
        }
    }

    /// Answers the client's offer.
    ///
    /// # Errors
    /// [`ErrorCode::MediaUnavailable`], [`ErrorCode::MediaFull`], [`ErrorCode::MediaInvalid`].
    pub async fn offer(&mut self, offer: MediaOffer) -> Result<MediaAnswer, ErrorCode> {
        let tracks = offer.tracks.into_iter().map(|track| {
            let role = match track.publish {
                None => Role::Play,
                Some(WireKind::Audio) => Role::Publish(Kind::Audio),
                Some(WireKind::Video) => Role::Publish(Kind::Video),
                Some(WireKind::Screen) => Role::Publish(Kind::Screen),
                Some(WireKind::Data | WireKind::Unknown) => return Err(ErrorCode::MediaInvalid),
            };
            Ok(Track { mid: track.mid, stream_id: track.stream_id.into(), role })
        });
        let offered = Offer { sdp: offer.sdp, tracks: tracks.collect::<Result<_, _>>()? };
        let answer = self.session()?.offer(offered).await.map_err(|error| code_of(&error))?;
        let idle = answer.idle.into_iter().map(|track| IdleTrack { mid: track.mid, why: why(track.why).to_owned() });
        Ok(MediaAnswer { id: offer.id, sdp: answer.sdp, idle: idle.collect() })
    }

    /// Takes in an address of the client.
    ///
    /// # Errors
    /// [`ErrorCode::MediaInvalid`], also before the first offer.
    pub fn candidate(&self, candidate: &str) -> Result<(), ErrorCode> {
        let session = self.session.as_ref().ok_or(ErrorCode::MediaInvalid)?;
        session.candidate(candidate).map_err(|error| code_of(&error))
    }

    /// What happens next to its packets. The rules of a stay do not depend on it. For ever nothing, before the first offer.
    pub async fn heard(&mut self) -> Event {
        if let Some(events) = &mut self.events
            && let Some(event) = events.recv().await
        {
            return event;
        }
        self.events = None;
        std::future::pending().await
    }

    /// The stay is over: nothing goes through any more, and the client's connection is closed.
    pub fn end(&mut self, reason: GoneReason) {
        if let Some(session) = self.session.take() {
            session.end(reason_of(reason));
        }
    }

    /// The media plane's session, opened when it is first needed.
    fn session(&mut self) -> Result<&Session, ErrorCode> {
        if self.session.is_none() {
            let media = self.plane.media.as_ref().ok_or(ErrorCode::MediaUnavailable)?;
            let opening =
                Opening { room: Arc::clone(&self.room), user_id: Arc::clone(&self.user_id), rights: self.rights() };
            let (session, events) = media.open(opening).map_err(|error| code_of(&error))?;
            for (stream_id, kinds) in &self.publishing {
                session.publish(stream_id.as_str(), kinds_of(*kinds));
            }
            for stream_id in &self.playing {
                session.play(stream_id.as_str());
            }
            (self.session, self.events) = (Some(session), Some(events));
        }
        self.session.as_ref().ok_or(ErrorCode::Internal)
    }

    /// Just what the session does now.
    fn rights(&self) -> Rights {
        let ids =
            |ids: &mut dyn Iterator<Item = &StreamId>| Streams::Only(ids.map(|id| Arc::from(id.as_str())).collect());
        Rights {
            publish: self.publishing.values().flat_map(|kinds| kinds_of(*kinds).iter()).collect(),
            publish_streams: ids(&mut self.publishing.keys()),
            play_streams: ids(&mut self.playing.iter()),
            max_publish_bps: self.plane.max_publish_bps,
        }
    }
}

fn kinds_of(kinds: MediaKinds) -> Kinds {
    let kind = |kind| match kind {
        MediaKind::Audio => Kind::Audio,
        MediaKind::Video => Kind::Video,
        MediaKind::Screen => Kind::Screen,
        MediaKind::Data => Kind::Data,
    };
    kinds.iter().map(kind).collect()
}

fn reason_of(reason: GoneReason) -> Reason {
    match reason {
        GoneReason::Stopped => Reason::Stopped,
        GoneReason::Timeout | GoneReason::Disconnected => Reason::Disconnected,
        GoneReason::OtherLogin | GoneReason::Kicked => Reason::Kicked,
        GoneReason::Removed | GoneReason::Unknown => Reason::Removed,
    }
}

fn code_of(error: &MediaError) -> ErrorCode {
    match error {
        MediaError::Full => ErrorCode::MediaFull,
        MediaError::Offer(_) | MediaError::Candidate => ErrorCode::MediaInvalid,
        MediaError::Ended => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    }
}

const fn why(why: Idle) -> &'static str {
    match why {
        Idle::Unfit => "unfit",
        Idle::Repeated => "repeated",
        Idle::NotStarted => "not_started",
        Idle::NotAllowed => "not_allowed",
    }
}
