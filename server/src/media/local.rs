//! One session's media where it is forwarded: here. The session itself may be another node's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use roompass_media::{
    Answer, Event, Idle, Kind, Kinds, MediaError, Offer, Opening, Reason, Rights, Role, Session, Streams, Track,
};
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, IdleTrack, MediaAnswer, MediaKind as WireKind, MediaOffer},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, MediaKind, MediaKinds, StreamId};
use tokio::sync::mpsc;

use super::{MediaPlane, homes::Homed, room_name};

/// Whose media it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    app_id: u32,
    pub(super) room_id: String,
    user_id: String,
}

/// What a session publishes and plays: just what goes through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doing {
    publishing: BTreeMap<String, Vec<WireKind>>,
    playing: BTreeSet<String>,
}

/// Why an offer was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It was refused.
    Refused(ErrorCode),
    /// What it was made to is not there any more.
    Gone,
}

/// The session's part of the media plane. Ends when dropped.
#[derive(Debug)]
pub(super) struct Local {
    session: Session,
    doing: Doing,
    max_publish_bps: Option<u64>,
    _homed: Homed,
}

impl Who {
    pub(super) fn new(app_id: AppId, room_id: &str, user_id: &str) -> Self {
        Self { app_id: app_id.get(), room_id: room_id.into(), user_id: user_id.into() }
    }

    /// The app; none, if no node that means well has written this.
    pub(super) fn app_id(&self) -> Option<AppId> {
        AppId::new(self.app_id).ok()
    }
}

impl Doing {
    pub(super) fn new(publishing: &BTreeMap<StreamId, MediaKinds>, playing: &BTreeSet<StreamId>) -> Self {
        let kinds = |kinds: &MediaKinds| kinds.iter().map(wire_kind).collect();
        Self {
            publishing: publishing.iter().map(|(id, carried)| (id.as_str().to_owned(), kinds(carried))).collect(),
            playing: playing.iter().map(|id| id.as_str().to_owned()).collect(),
        }
    }

    /// Nothing more than this is let through.
    fn rights(&self, max_publish_bps: Option<u64>) -> Rights {
        let ids =
            |ids: &mut dyn Iterator<Item = &String>| Streams::Only(ids.map(|id| Arc::from(id.as_str())).collect());
        Rights {
            publish: self.publishing.values().flat_map(|kinds| kinds_of(kinds).iter()).collect(),
            publish_streams: ids(&mut self.publishing.keys()),
            play_streams: ids(&mut self.playing.iter()),
            max_publish_bps,
        }
    }
}

impl Local {
    /// Opens it in the media plane of this node.
    ///
    /// # Errors
    /// [`ErrorCode::MediaUnavailable`], [`ErrorCode::MediaFull`]; [`ErrorCode::Unavailable`] if the node stops.
    pub(super) fn open(
        plane: &MediaPlane,
        who: &Who,
        doing: Doing,
    ) -> Result<(Self, mpsc::Receiver<Event>), ErrorCode> {
        let media = plane.media.as_ref().ok_or(ErrorCode::MediaUnavailable)?;
        let app_id = who.app_id().ok_or(ErrorCode::Internal)?;
        let max_publish_bps = plane.max_publish_bps;
        let room = room_name(app_id, &who.room_id).into();
        let opening = Opening { room, user_id: who.user_id.as_str().into(), rights: doing.rights(max_publish_bps) };
        let homed = plane.homes.enter(app_id, &who.room_id).ok_or(ErrorCode::Unavailable)?;
        let (session, events) = media.open(opening).map_err(|error| code_of(&error))?;
        for (stream_id, kinds) in &doing.publishing {
            session.publish(stream_id.as_str(), kinds_of(kinds));
        }
        for stream_id in &doing.playing {
            session.play(stream_id.as_str());
        }
        Ok((Self { session, doing, max_publish_bps, _homed: homed }, events))
    }

    /// From now on exactly this goes through; what ends by it ends for `reason`.
    pub(super) fn follow(&mut self, doing: Doing, reason: GoneReason) {
        let (session, before) = (&self.session, std::mem::replace(&mut self.doing, doing));
        let (now, reason) = (&self.doing, reason_of(reason));
        for gone in before.publishing.keys().filter(|id| !now.publishing.contains_key(*id)) {
            session.stop_publish(gone.as_str(), reason);
        }
        for gone in before.playing.difference(&now.playing) {
            session.stop_play(gone.as_str(), reason);
        }
        session.set_rights(now.rights(self.max_publish_bps));
        for (id, kinds) in now.publishing.iter().filter(|(id, kinds)| before.publishing.get(*id) != Some(kinds)) {
            session.publish(id.as_str(), kinds_of(kinds));
        }
        for new in now.playing.difference(&before.playing) {
            session.play(new.as_str());
        }
    }

    /// Takes in an offer. What is returned waits for the answer.
    ///
    /// # Errors
    /// [`ErrorCode::MediaInvalid`].
    pub(super) fn offer(
        &self,
        offer: MediaOffer,
    ) -> impl Future<Output = Result<MediaAnswer, Unanswered>> + Send + use<> {
        let id = offer.id;
        let answer = read_offer(offer).map(|offer| self.session.offer(offer));
        async move {
            match answer.map_err(Unanswered::Refused)?.await {
                Ok(answer) => Ok(written(id, answer)),
                Err(MediaError::Ended) => Err(Unanswered::Gone),
                Err(error) => Err(Unanswered::Refused(code_of(&error))),
            }
        }
    }

    /// Takes in an address of the client.
    ///
    /// # Errors
    /// [`ErrorCode::MediaInvalid`].
    pub(super) fn candidate(&self, candidate: &str) -> Result<(), ErrorCode> {
        self.session.candidate(candidate).map_err(|error| code_of(&error))
    }

    /// Nothing goes through any more, and the client's connection is closed.
    pub(super) fn end(self, reason: GoneReason) {
        self.session.end(reason_of(reason));
    }
}

fn read_offer(offer: MediaOffer) -> Result<Offer, ErrorCode> {
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
    Ok(Offer { sdp: offer.sdp, tracks: tracks.collect::<Result<_, _>>()? })
}

fn written(id: u64, answer: Answer) -> MediaAnswer {
    let idle = answer.idle.into_iter().map(|track| IdleTrack { mid: track.mid, why: why(track.why).to_owned() });
    MediaAnswer { id, sdp: answer.sdp, idle: idle.collect() }
}

const fn wire_kind(kind: MediaKind) -> WireKind {
    match kind {
        MediaKind::Audio => WireKind::Audio,
        MediaKind::Video => WireKind::Video,
        MediaKind::Screen => WireKind::Screen,
        MediaKind::Data => WireKind::Data,
    }
}

fn kinds_of(kinds: &[WireKind]) -> Kinds {
    let kind = |kind: &WireKind| match kind {
        WireKind::Audio => Some(Kind::Audio),
        WireKind::Video => Some(Kind::Video),
        WireKind::Screen => Some(Kind::Screen),
        WireKind::Data => Some(Kind::Data),
        WireKind::Unknown => None,
    };
    kinds.iter().filter_map(kind).collect()
}

fn reason_of(reason: GoneReason) -> Reason {
    match reason {
        GoneReason::Stopped => Reason::Stopped,
        GoneReason::Timeout | GoneReason::Disconnected => Reason::Disconnected,
        GoneReason::OtherLogin | GoneReason::Kicked => Reason::Kicked,
        GoneReason::Removed | GoneReason::Unknown => Reason::Removed,
    }
}

pub(super) fn code_of(error: &MediaError) -> ErrorCode {
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
