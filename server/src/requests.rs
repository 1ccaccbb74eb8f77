//! Requests that name themselves with an Idempotency-Key: done once, and answered the same whenever they are sent
//! again. Answers hold tokens, so they are sealed. Knows no HTTP beyond a status and a body.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use token_gen::UnixSeconds;

use crate::{
    error::Error,
    sealing::{Place, Sealer},
    store::{Claim, Claimed, RequestName, Store, StoreError},
};

/// How long a key stands for its request.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// A request that took longer than this was given up: its process is gone, because none may take so long.
const GIVEN_UP_AFTER_SECS: i64 = 60;
/// What one app may have remembered.
const MAX_REQUESTS: u32 = 100_000;
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const MAX_KEY_LEN: usize = 128;

/// Remembers requests and their answers.
pub struct Requests {
    store: Arc<dyn Store>,
    sealer: Sealer,
}

/// A request that names itself.
#[derive(Debug)]
pub struct NamedRequest<'a> {
    /// The app it is about; 0 if none.
    pub app_id: u32,
    /// Who sends it. Keys of different callers are different keys.
    pub caller: &'a str,
    /// The key.
    pub key: &'a str,
    /// What it asks for: method, path, body.
    pub asks: [&'a [u8]; 3],
}

/// An answer, as remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, which is JSON.
    pub body: Vec<u8>,
}

/// What to do with a named request.
#[derive(Debug)]
pub enum Turn {
    /// Do it, then call [`Requests::answered`] or [`Requests::given_back`].
    Do(Ticket),
    /// It was done; this was the answer.
    Replay(Answer),
}

/// The right to do a named request.
#[derive(Debug)]
pub struct Ticket {
    name: RequestName,
    attempt: i64,
}

impl Requests {
    /// Remembers in `store`.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer) -> Self {
        Self { store, sealer }
    }

    /// Whether the request is to be done now.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no key, [`Error::IdempotencyKeyReused`], [`Error::IdempotencyKeyBusy`],
    /// [`Error::Full`], [`Error::Store`]: it was not done.
    pub async fn turn(&self, request: &NamedRequest<'_>, now: UnixSeconds) -> Result<Turn, Error> {
        if request.key.is_empty()
            || request.key.len() > MAX_KEY_LEN
            || !request.key.bytes().all(|c| c.is_ascii_graphic())
        {
            let reason = format!("an Idempotency-Key has 1 to {MAX_KEY_LEN} visible ASCII characters");
            return Err(Error::BadRequest(reason));
        }
        let request_id = URL_SAFE_NO_PAD.encode(digest(&[request.caller.as_bytes(), request.key.as_bytes()]));
        let name = RequestName { app_id: request.app_id, request_id };
        let claim = Claim {
            name: name.clone(),
            fingerprint: digest(&request.asks),
            now,
            given_up_before: UnixSeconds::new(now.get().saturating_sub(GIVEN_UP_AFTER_SECS)),
            expire_at: now.saturating_add(REMEMBERED_FOR),
            max_requests: MAX_REQUESTS,
            max_bytes: MAX_BYTES,
        };
        match self.store.claim_request(claim).await? {
            Claimed::Mine(attempt) => Ok(Turn::Do(Ticket { name, attempt })),
            Claimed::Done(sealed) => self.open(&name, &sealed).map(Turn::Replay),
            Claimed::Differs => Err(Error::IdempotencyKeyReused),
            Claimed::Busy => Err(Error::IdempotencyKeyBusy),
            Claimed::Full => Err(Error::Full("Idempotency-Key")),
        }
    }

    /// Remembers the answer.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`]: the request was done, but sent again it may be done again.
    pub async fn answered(&self, ticket: Ticket, answer: &Answer) -> Result<(), Error> {
        let plain = [&answer.status.to_be_bytes()[..], &answer.body].concat();
        let sealed = self.sealer.seal(place(&ticket.name), &plain, &mut SysRng)?;
        self.store
            .answer_request(ticket.name, ticket.attempt, sealed)
            .await
            .map(drop)
            .map_err(|error| Error::OutcomeUnknown(Some(error)))
    }

    /// Forgets the request: it was refused, and sent again it is looked at anew.
    ///
    /// # Errors
    /// [`Error::Store`]; then it is forgotten after a minute.
    pub async fn given_back(&self, ticket: Ticket) -> Result<(), Error> {
        Ok(self.store.release_request(ticket.name, ticket.attempt).await?)
    }

    fn open(&self, name: &RequestName, sealed: &[u8]) -> Result<Answer, Error> {
        let plain = self.sealer.open(place(name), sealed)?;
        let Some((status, body)) = plain.split_first_chunk() else {
            return Err(StoreError::Unreadable("an answer without a status".to_owned()).into());
        };
        Ok(Answer { status: u16::from_be_bytes(*status), body: body.to_vec() })
    }
}

fn place(name: &RequestName) -> Place<'_> {
    Place { table: "idempotent_requests", app_id: name.app_id, record_id: &name.request_id }
}

/// Every part with its length, so that no two lists of parts are the same.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
