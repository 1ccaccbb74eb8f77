//! The media of one stay: follows what its session publishes and plays, wherever its packets are forwarded.

use std::collections::{BTreeMap, BTreeSet};

use roompass_media::{Event, Reason, check_candidate};
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, MediaAnswer, MediaOffer},
};
use token_gen::{AppId, MediaKinds, RoomId, StreamId};
use tokio::sync::mpsc;

use super::{
    MediaPlane,
    across::Far,
    local::{Doing, Local, Unanswered, Who, code_of},
};

/// How many nodes are tried for a first offer: the one that was to answer it may have died at that moment.
const TRIES: usize = 3;

/// The media of one stay. Costs nothing until the client offers, and ends when dropped.
#[derive(Debug)]
pub struct StayMedia {
    plane: MediaPlane,
    app_id: AppId,
    who: Who,
    publishing: BTreeMap<StreamId, MediaKinds>,
    playing: BTreeSet<StreamId>,
    line: Option<Line>,
    events: Option<mpsc::Receiver<Event>>,
    /// Whether the client does not know yet that what it had is gone.
    is_lost: bool,
}

/// Where the packets go.
#[derive(Debug)]
enum Line {
    /// Through this node.
    Here(Local),
    /// Through the node that forwards the room.
    There(Far),
}

impl StayMedia {
    /// For a user in a room.
    pub fn new(plane: &MediaPlane, app_id: AppId, room_id: &RoomId, user_id: &str) -> Self {
        Self {
            plane: plane.clone(),
            app_id,
            who: Who::new(app_id, room_id.as_str(), user_id),
            publishing: BTreeMap::new(),
            playing: BTreeSet::new(),
            line: None,
            events: None,
            is_lost: false,
        }
    }

    /// The same, for a stay that began on another node: whatever connection its client has is not known here.
    #[must_use]
    pub fn elsewhere_before(self) -> Self {
        Self { is_lost: self.plane.media.is_some(), ..self }
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
        (self.publishing, self.playing) = (publishing.clone(), playing.clone());
        let doing = self.doing();
        match &mut self.line {
            Some(Line::Here(local)) => local.follow(doing, reason),
            Some(Line::There(far)) => far.follow(doing, reason),
            None => {}
        }
    }

    /// Answers the client's offer.
    ///
    /// # Errors
    /// [`ErrorCode::MediaUnavailable`], [`ErrorCode::MediaFull`], [`ErrorCode::MediaInvalid`]; [`ErrorCode::Unavailable`]
    /// if the node that forwards the room has gone.
    pub async fn offer(&mut self, offer: MediaOffer) -> Result<MediaAnswer, ErrorCode> {
        for _ in 0..TRIES {
            let is_first = self.line.is_none();
            if is_first {
                self.open().await?;
            }
            let doing = self.doing();
            let answered = match &mut self.line {
                Some(Line::Here(local)) => local.offer(offer.clone()).await,
                Some(Line::There(far)) => far.offer(offer.clone(), doing).await,
                None => Err(Unanswered::Gone),
            };
            match answered {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Refused(code)) => return Err(code),
                Err(Unanswered::Gone) => self.close(),
            }
            if !is_first {
                // It was a change of a connection that is gone: the client has to make another.
                self.is_lost = true;
                break;
            }
        }
        Err(ErrorCode::Unavailable)
    }

    /// Takes in an address of the client.
    ///
    /// # Errors
    /// [`ErrorCode::MediaInvalid`], also before the first offer.
    pub fn candidate(&mut self, candidate: &str) -> Result<(), ErrorCode> {
        match &mut self.line {
            Some(Line::Here(local)) => local.candidate(candidate),
            Some(Line::There(far)) => {
                check_candidate(candidate).map_err(|error| code_of(&error))?;
                far.candidate(candidate);
                Ok(())
            }
            None => Err(ErrorCode::MediaInvalid),
        }
    }

    /// What happens next to its packets. The rules of a stay do not depend on it. For ever nothing, before the first
    /// offer. [`Event::Ended`] says that the connection is gone, and that the client may make another.
    pub async fn heard(&mut self) -> Event {
        if std::mem::take(&mut self.is_lost) {
            return Event::Ended { reason: Reason::Moved };
        }
        let Some(events) = &mut self.events else { return std::future::pending().await };
        let event = events.recv().await.unwrap_or(Event::Ended { reason: Reason::Disconnected });
        if matches!(event, Event::Ended { .. }) {
            self.close();
        }
        event
    }

    /// The stay is over: nothing goes through any more, and the client's connection is closed.
    pub fn end(&mut self, reason: GoneReason) {
        self.events = None;
        match self.line.take() {
            Some(Line::Here(local)) => local.end(reason),
            Some(Line::There(far)) => far.end(reason),
            None => {}
        }
    }

    fn close(&mut self) {
        (self.line, self.events) = (None, None);
    }

    /// Opens the way through the node that forwards the room.
    async fn open(&mut self) -> Result<(), ErrorCode> {
        if self.plane.media.is_none() {
            return Err(ErrorCode::MediaUnavailable);
        }
        let far = match &self.plane.across {
            Some(across) => across.far(&self.plane.homes, self.app_id, &self.who).await?,
            None => None,
        };
        let (line, events) = match far {
            Some((far, events)) => (Line::There(far), events),
            None => {
                let (local, events) = Local::open(&self.plane, &self.who, self.doing())?;
                (Line::Here(local), events)
            }
        };
        (self.line, self.events) = (Some(line), Some(events));
        Ok(())
    }

    fn doing(&self) -> Doing {
        Doing::new(&self.publishing, &self.playing)
    }
}
