//! The audit trail: what was done, by whom, to whom, and how it ended.
//!
//! Whoever does something tells a [`Recorder`]. Changes are durable in the trail before they are made, so that none
//! goes without a record; mints and logins are written within a second after. While the trail cannot be written,
//! nothing is changed and nothing minted; tokens are judged and sockets live on.
//!
//! Records are in chains: each has a hash over itself and the one before it. Every process has a chain of its own, so
//! that nodes on one database never wait for each other; a new chain names the end of the one begun before it, so that
//! none can be taken out whole. [`walk`] finds what somebody has edited.

mod chain;
mod event;
mod queue;
mod reasons;
mod search;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use token_gen::UnixSeconds;
use tokio::{task::JoinHandle, time::timeout};

pub use event::{Action, Actor, Event, Origin, Outcome, RequestId};
pub use reasons::{Meaning, meaning};
pub use search::{count_refusals, export, filter, find, shown, to_the_end};
pub use verify::{End, Walked, walk};

use crate::{clock::Clock, error::Error, store::Store};
use queue::{Entry, Queue, State};

/// How long a change waits for its record; shorter than any request may take.
const KEEP_LIMIT: Duration = Duration::from_secs(5);

/// The audit trail of this process. When it is dropped, what waits is still written.
pub struct Audit {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    /// `None` once it was waited for.
    writing: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Writes to `store`, which must be migrated before anything is recorded. Needs a runtime, on which the writing is
    /// done.
    pub fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let queue = Arc::new(Queue::new(clock.now()));
        let writing = tokio::spawn(writer::run(Arc::clone(&queue), store, Arc::clone(&clock)));
        Arc::new(Self { queue, clock, writing: Mutex::new(Some(writing)) })
    }

    /// Whether the trail is being written: without it no secret is made and no token minted.
    ///
    /// # Errors
    /// [`Error::AuditUnavailable`].
    pub fn ready(&self) -> Result<(), Error> {
        match self.queue.state() {
            State::Up => Ok(()),
            state => Err(writer::refusal(state)),
        }
    }

    /// Records within the next second what happened `at` that time, just now.
    ///
    /// # Errors
    /// [`Error::AuditUnavailable`] if it will not be recorded: then it must not have happened.
    pub fn note(&self, at: UnixSeconds, origin: Origin, event: Event) -> Result<(), Error> {
        self.ready()?;
        if self.queue.push(Entry { at, origin, event }) { Ok(()) } else { Err(writer::refusal(State::Away)) }
    }

    /// Records what has happened whether it can be recorded or not. If there is no room, it is counted.
    pub fn note_anyway(&self, origin: Origin, event: Event) {
        self.queue.push_or_count(self.entry(origin, event));
    }

    /// Records a refusal that anybody can bring about. Of too many, only the number is kept.
    pub fn note_stranger(&self, origin: Origin, event: Event) {
        self.queue.push_of_stranger(self.entry(origin, event));
    }

    /// Waits until everything noted so far is durable.
    ///
    /// # Errors
    /// [`Error::AuditUnavailable`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.wait_for(None).await
    }

    /// Writes what waits, takes no more, and lets go of the store.
    pub async fn close(&self) {
        self.queue.close();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing
            && let Err(error) = writing.await
        {
            tracing::error!(%error, "the writing of the audit trail failed");
        }
    }

    async fn keep(&self, origin: Origin, event: Event) -> Result<(), Error> {
        self.ready()?;
        self.wait_for(Some(self.entry(origin, event))).await
    }

    async fn wait_for(&self, entry: Option<Entry>) -> Result<(), Error> {
        let written = self.queue.push_urgent(entry).ok_or_else(|| writer::refusal(State::Away))?;
        match timeout(KEEP_LIMIT, written).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) | Err(_) => Err(writer::refusal(State::Away)),
        }
    }

    fn entry(&self, origin: Origin, event: Event) -> Entry {
        Entry { at: self.clock.now(), origin, event }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("state", &self.queue.state()).finish_non_exhaustive()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The audit trail in the name of somebody.
#[derive(Debug, Clone)]
pub struct Recorder {
    audit: Arc<Audit>,
    origin: Origin,
}

impl Recorder {
    /// Records what the server itself does, until told otherwise.
    pub fn new(audit: Arc<Audit>) -> Self {
        Self { audit, origin: Origin::SERVER }
    }

    /// The same in the name of somebody else.
    #[must_use]
    pub fn by(&self, origin: Origin) -> Self {
        Self { origin, ..self.clone() }
    }

    /// The same with another actor.
    #[must_use]
    pub fn as_actor(&self, actor: Actor) -> Self {
        self.by(Origin { actor, ..self.origin.clone() })
    }

    /// Makes a change, once its record is durable. If the change fails, a record of that follows.
    ///
    /// # Errors
    /// What the change fails with; [`Error::AuditUnavailable`] if it could not be recorded, and was not made.
    pub async fn change<T, E: Into<Error>>(
        &self,
        event: Event,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        let failed = event.clone();
        let done = match self.audit.keep(self.origin.clone(), event).await {
            Ok(()) => change.await.map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = &done {
            let failed = Event { outcome: Outcome::Failed(error.code()), ..failed };
            self.audit.note_anyway(self.origin.clone(), failed);
            if self.audit.ready().is_ok() {
                // The change has failed in any case; whether its record is durable changes nothing.
                let _ = self.audit.flush().await;
            }
        }
        done
    }

    /// Waits until everything noted so far is durable.
    ///
    /// # Errors
    /// [`Error::AuditUnavailable`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.audit.flush().await
    }

    /// The same for a removal, which says whether there was something to remove.
    ///
    /// # Errors
    /// As [`Recorder::change`].
    pub async fn remove<E: Into<Error>>(
        &self,
        event: Event,
        removal: impl Future<Output = Result<bool, E>>,
    ) -> Result<bool, Error> {
        let removal = async {
            let removed = removal.await.map_err(Into::into)?;
            if removed { Ok(()) } else { Err(Error::NotFound) }
        };
        match self.change(event, removal).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Records what has happened whether it can be recorded or not.
    pub fn note_anyway(&self, event: Event) {
        self.audit.note_anyway(self.origin.clone(), event);
    }

    /// Records a refusal that anybody can bring about.
    pub fn note_stranger(&self, event: Event) {
        self.audit.note_stranger(self.origin.clone(), event);
    }
}
