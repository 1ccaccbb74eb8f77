//! Which sessions can be resumed, by which key: kept as hashes, good once.
//!
//! Whoever holds a session, a connection or its absence, hands it to the connection that shows the key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use roompass_wire::ErrorCode;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use token_gen::AppId;
use tokio::sync::oneshot;

use super::stay::Stay;
use crate::rooms::{Outbox, SessionId};

/// Every session that can be resumed.
#[derive(Default)]
pub(super) struct Seats(Mutex<HashMap<SessionId, Entry>>);

struct Entry {
    app_id: AppId,
    /// SHA-256 of the key; none once it was shown.
    key: Option<[u8; 32]>,
    outbox: Arc<Outbox>,
    /// How the session ended while nobody was there to be told.
    over: Option<ErrorCode>,
    /// The connection that shows the key waits here.
    caller: Option<oneshot::Sender<Box<Stay>>>,
}

/// One session's seat. Dropping it gives the seat up.
pub(super) struct Seat {
    seats: Arc<Seats>,
    session_id: SessionId,
}

/// A key as its client holds it: 32 random bytes.
pub(super) struct ResumeKey([u8; 32]);

impl ResumeKey {
    pub(super) const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The key as the client gets it: 43 characters of base64url.
    pub(super) fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`ResumeKey::expose`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Whether `hash` is of this key.
    pub(super) fn opens(&self, hash: &[u8; 32]) -> bool {
        hash.ct_eq(&self.hash()).into()
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl Seats {
    /// Adds a seat that `key` opens.
    pub(super) fn take(
        self: &Arc<Self>,
        app_id: AppId,
        session_id: SessionId,
        key: &ResumeKey,
        outbox: Arc<Outbox>,
    ) -> Seat {
        let entry = Entry { app_id, key: Some(key.hash()), outbox, over: None, caller: None };
        self.lock().insert(session_id, entry);
        Seat { seats: Arc::clone(self), session_id }
    }

    /// Calls for the session that `key` opens: the holder hands it over. The key is spent.
    ///
    /// # Errors
    /// [`ErrorCode::ResumeRefused`], or how the session ended.
    pub(super) fn call(
        &self,
        app_id: u32,
        session_id: &str,
        key: &str,
    ) -> Result<oneshot::Receiver<Box<Stay>>, ErrorCode> {
        let (Some(session_id), Some(key)) = (SessionId::parse(session_id), ResumeKey::parse(key)) else {
            return Err(ErrorCode::ResumeRefused);
        };
        let mut seats = self.lock();
        let Some(entry) = seats.get_mut(&session_id).filter(|entry| entry.app_id.get() == app_id) else {
            return Err(ErrorCode::ResumeRefused);
        };
        if !entry.key.is_some_and(|known| key.opens(&known)) {
            return Err(ErrorCode::ResumeRefused);
        }
        entry.key = None;
        if let Some(code) = entry.over {
            return Err(code);
        }
        let (caller, called) = oneshot::channel();
        entry.caller = Some(caller);
        entry.outbox.call();
        Ok(called)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        // No change in here can stop half-way, so poisoned seats are still good ones.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Lets `key` open the seat from now on.
    pub(super) fn set_key(&self, key: &ResumeKey) {
        if let Some(entry) = self.seats.lock().get_mut(&self.session_id) {
            entry.key = Some(key.hash());
        }
    }

    /// The hash of the key that opens it.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        self.seats.lock().get(&self.session_id)?.key
    }

    /// Where the connection waits that has called.
    pub(super) fn caller(&self) -> Option<oneshot::Sender<Box<Stay>>> {
        self.seats.lock().get_mut(&self.session_id)?.caller.take()
    }

    /// Refuses whoever waits for the session, and whoever comes: it is over, if not yet done with.
    pub(super) fn close(&self) {
        if let Some(entry) = self.seats.lock().get_mut(&self.session_id) {
            entry.over = Some(ErrorCode::ResumeRefused);
            entry.caller = None;
        }
    }

    /// Notes how the session ended, for a client that comes back.
    pub(super) fn note_end(&self, code: ErrorCode) {
        if let Some(entry) = self.seats.lock().get_mut(&self.session_id) {
            // To who was not there, the other login is simply elsewhere.
            let is_other_login = code == ErrorCode::KickedByOtherLogin;
            entry.over = Some(if is_other_login { ErrorCode::LoggedInElsewhere } else { code });
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.session_id);
    }
}
