//! The handle on one user's media in one room. Everything but an offer takes effect without an answer, before the next
//! packet that the worker handles.

use std::sync::Arc;

use str0m::Candidate;
use tokio::sync::oneshot;

use crate::{Answer, Kinds, MediaError, Offer, Reason, Rights, command::Command, media::Place, net::Arrivals};

/// One user's media in one room. Ends when dropped.
#[derive(Debug)]
pub struct Session {
    session: u64,
    arrivals: Arc<Arrivals>,
    worker: usize,
    _place: Place,
}

impl Session {
    pub(crate) fn new(session: u64, arrivals: Arc<Arrivals>, worker: usize, place: Place) -> Self {
        Self { session, arrivals, worker, _place: place }
    }

    fn command(&self, command: Command) {
        self.arrivals.inboxes[self.worker].command(command);
    }

    /// Its name in a [`Snapshot`](crate::Snapshot).
    pub fn id(&self) -> u64 {
        self.session
    }

    /// Answers the client's offer. It is taken in with this call; what is returned only waits for the answer.
    ///
    /// # Errors
    /// [`MediaError::Offer`] for an offer that cannot be used, [`MediaError::Ended`] when the session is over.
    pub fn offer(&self, offer: Offer) -> impl Future<Output = Result<Answer, MediaError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Offer { session: self.session, offer, reply });
        async { answer.await.map_err(|_| MediaError::Ended)? }
    }

    /// Takes in a candidate of the client, in the form of an SDP attribute (`candidate:…`). With ICE lite it is the
    /// client that finds the way here, so this only ever helps.
    ///
    /// # Errors
    /// [`MediaError::Candidate`].
    pub fn candidate(&self, candidate: &str) -> Result<(), MediaError> {
        if let Some(candidate) = read_candidate(candidate)? {
            self.command(Command::Candidate { session: self.session, candidate });
        }
        Ok(())
    }

    /// Replaces what the session may do. Streams that it may no longer publish or play end, with
    /// [`Reason::RightLost`], and stay ended until [`Self::publish`] or [`Self::play`] starts them again.
    pub fn set_rights(&self, rights: Rights) {
        self.command(Command::SetRights { session: self.session, rights });
    }

    /// The session publishes these kinds of a stream from now on, as far as it may.
    pub fn publish(&self, stream_id: impl Into<Arc<str>>, kinds: Kinds) {
        self.command(Command::Publish { session: self.session, stream_id: stream_id.into(), kinds });
    }

    /// The session no longer publishes the stream: it ends at every receiver.
    pub fn stop_publish(&self, stream_id: impl Into<Arc<str>>, reason: Reason) {
        self.command(Command::StopPublish { session: self.session, stream_id: stream_id.into(), reason });
    }

    /// The session plays a stream from now on, or as soon as somebody publishes it.
    pub fn play(&self, stream_id: impl Into<Arc<str>>) {
        self.command(Command::Play { session: self.session, stream_id: stream_id.into() });
    }

    /// The session no longer plays the stream.
    pub fn stop_play(&self, stream_id: impl Into<Arc<str>>, reason: Reason) {
        self.command(Command::StopPlay { session: self.session, stream_id: stream_id.into(), reason });
    }

    /// Ends the session and its streams, and tells why.
    pub fn end(self, reason: Reason) {
        self.command(Command::End { session: self.session, reason });
    }
}

/// Whether `candidate` is one that [`Session::candidate`] takes in.
///
/// # Errors
/// [`MediaError::Candidate`].
pub fn check_candidate(candidate: &str) -> Result<(), MediaError> {
    read_candidate(candidate).map(drop)
}

fn read_candidate(candidate: &str) -> Result<Option<Candidate>, MediaError> {
    // The end of candidates, and names that only the client's own network knows, tell nothing.
    if candidate.is_empty() || candidate.split(' ').nth(4).is_some_and(|host| host.ends_with(".local")) {
        return Ok(None);
    }
    Candidate::from_sdp_string(candidate).map(Some).map_err(|_| MediaError::Candidate)
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that was ended before is not there any more.
        self.command(Command::End { session: self.session, reason: Reason::Stopped });
    }
}
