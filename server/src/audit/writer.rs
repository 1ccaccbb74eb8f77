//! Writes the trail down: batch after batch, in the order of what happened, into the chain of this process.

use std::{pin::pin, sync::Arc, time::Duration};

use roompass_wire::http::TokenTerms;
use tokio::time::{Instant, sleep};

use super::{
    chain,
    event::{Event, Outcome},
    queue::{Batch, Entry, Queue, State},
};
use crate::{
    clock::Clock,
    error::{Error, with_causes},
    store::{AuditChain, AuditRecord, Store, StoreError},
};

/// How long events are gathered before they are written together, unless there is enough of them before.
const GATHER: Duration = Duration::from_millis(100);
/// How long writing may take before minting stops, less what was not made durable meanwhile. With the time above, it
/// bounds what a crash may lose to a second.
const PATIENCE: Duration = Duration::from_millis(900);
/// After how long at the latest a batch that others follow is made durable, and they with it: waiting for the disk each
/// time would cost a busy server more than writing.
const SETTLE: Duration = Duration::from_millis(200);
/// How long after a failure the same is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How many records are written in one transaction: nobody waits long behind it, nor for the processor meanwhile.
const AT_ONCE: usize = 125;
/// In at most so many transactions a batch is written: on a disk that is slow to make things durable, a long one is
/// caught up with in larger steps.
const STEPS: usize = 8;
/// The longest text of a record. Ids are shorter; what is longer was refused for it.
const MAX_TEXT_CHARS: usize = 512;
/// The longest details: the settings of an app, for one.
const MAX_DETAILS_CHARS: usize = 4_096;

/// Writes what comes through `queue` until that is closed.
pub(super) async fn run(queue: Arc<Queue>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    let mut pen = Pen { store, clock, chain: None, unsettled: None };
    while let Some(batch) = queue.next(gather).await {
        pen.write(&queue, batch).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "how much comes meanwhile is what is waited for")]
async fn gather() {
    sleep(GATHER).await;
}

#[expect(clippy::disallowed_methods, reason = "a store that is away tells nobody when it is back")]
async fn wait(time: Duration) {
    sleep(time).await;
}

/// Where this process goes on writing.
struct Pen {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// None before the first record.
    chain: Option<AuditChain>,
    /// Since when what was written may not be durable.
    unsettled: Option<Instant>,
}

impl Pen {
    /// Writes the batch, however long that takes. Who waits for it is told of the first failure.
    async fn write(&mut self, queue: &Queue, batch: Batch) {
        let Batch { entries, mut waiters, is_followed } = batch;
        let since = *self.unsettled.get_or_insert_with(Instant::now);
        let settles = !is_followed || since.elapsed() >= SETTLE;
        let at_once = entries.len().div_ceil(STEPS).max(AT_ONCE);
        let mut entries = entries.into_iter();
        while entries.len() > 0 {
            let mut records: Arc<[AuditRecord]> = entries.by_ref().take(at_once).map(record).collect();
            let lasts = settles && entries.len() == 0;
            while let Err(error) = self.append_in_time(queue, &mut records, lasts, since).await {
                let state = match error {
                    StoreError::CannotWrite(_) => State::CannotWrite,
                    _ => State::Away,
                };
                if queue.set_state(state) == State::Up {
                    let error = with_causes(&error);
                    tracing::error!(error, "the audit trail cannot be written: no secret is made and no token minted");
                }
                for waiter in waiters.drain(..) {
                    // Whoever has gone away wants no answer.
                    let _ = waiter.send(Err(refusal(state)));
                }
                if queue.is_closed() {
                    let lost = records.len() + entries.len();
                    tracing::error!(lost, "audit records are lost: the store does not take them");
                    return;
                }
                wait(AGAIN).await;
            }
            if queue.set_state(State::Up) != State::Up {
                tracing::warn!("the audit trail is written again");
            }
        }
        if settles {
            self.unsettled = None;
        }
        for waiter in waiters {
            let _ = waiter.send(Ok(()));
        }
    }

    /// Appends, durably if it `lasts`.
    async fn append_in_time(
        &mut self,
        queue: &Queue,
        records: &mut Arc<[AuditRecord]>,
        lasts: bool,
        since: Instant,
    ) -> Result<(), StoreError> {
        let patience = PATIENCE - since.elapsed().min(SETTLE);
        let mut appending = pin!(self.append(records, lasts));
        tokio::select! {
            done = &mut appending => done,
            () = wait(patience) => {
                if queue.set_state(State::Away) == State::Up {
                    tracing::error!("the store is too slow for the audit trail: no secret is made and no token minted");
                }
                appending.await
            }
        }
    }

    /// Appends to our chain. Trying again after a failure appends the same once: places and hashes come out alike.
    async fn append(&mut self, records: &mut Arc<[AuditRecord]>, lasts: bool) -> Result<(), StoreError> {
        if let Some(chain) = self.chain.take() {
            match self.append_to(chain, records, lasts).await {
                // It was forgotten, every record of it being old.
                Err(StoreError::Missing) => {}
                appended => return appended,
            }
        }
        let begun = self.store.begin_audit_chain(self.clock.now(), chain::start).await?;
        self.append_to(begun, records, lasts).await
    }

    async fn append_to(
        &mut self,
        after: AuditChain,
        records: &mut Arc<[AuditRecord]>,
        lasts: bool,
    ) -> Result<(), StoreError> {
        let mut end = after.clone();
        for record in Arc::make_mut(records) {
            (record.chain, record.seq) = (end.chain, end.last_seq + 1);
            record.hash = chain::hash(record, &end.last_hash);
            (end.last_seq, end.last_hash) = (record.seq, record.hash);
        }
        let (follows, written) = (after.clone(), Arc::clone(records));
        let appended = match lasts {
            true => self.store.append_audit(follows, written).await,
            false => self.store.append_audit_loosely(follows, written).await,
        };
        self.chain = match &appended {
            Ok(()) => Some(end),
            Err(StoreError::Missing) => None,
            Err(StoreError::Conflict) => {
                tracing::error!(
                    chain = after.chain,
                    "somebody else has written to our audit chain: run `roompass doctor`"
                );
                None
            }
            Err(_) => Some(after),
        };
        appended
    }
}

/// What those who depend on the trail are told.
pub(super) fn refusal(state: State) -> Error {
    Error::AuditUnavailable { disk: state == State::CannotWrite }
}

/// The record of an entry, not in its place yet.
fn record(Entry { at, origin, event }: Entry) -> AuditRecord {
    let rights = rights(&event);
    let result = event.outcome.result().as_str().into();
    let reason = match event.outcome {
        Outcome::Done => None,
        Outcome::Refused(reason) => Some(reason),
        Outcome::Failed(code) => Some(code.as_str().into()),
    };
    AuditRecord {
        chain: 0,
        seq: 0,
        at,
        action: event.action.as_str().into(),
        result,
        reason,
        app_id: event.app_id,
        actor: plain(origin.actor.to_string()),
        source: origin.source.map(|source| source.to_string()),
        user_id: event.user_id.map(plain),
        room_id: event.room_id.map(plain),
        token_id: event.token_id.map(|token_id| token_id.to_string()),
        target: event.target.map(plain),
        rights,
        expire_at: event.expire_at,
        request_id: origin.request_id.map(|request_id| request_id.to_string()),
        session_id: event.session_id,
        details: event.details.map(|details| shortened(details.into_owned(), MAX_DETAILS_CHARS)),
        hash: [0; 32],
    }
}

fn rights(event: &Event) -> Option<String> {
    let mut rights = String::new();
    for privilege in event.privileges?.iter() {
        let comma = if rights.is_empty() { "" } else { "," };
        rights.extend([comma, privilege.as_str()]);
    }
    if let Some(terms) = &event.terms {
        let limits = TokenTerms { metadata: None, ..TokenTerms::clone(terms) };
        // Names and numbers into memory: serde_json has no way to fail here.
        rights += &format!(" with {}", serde_json::to_string(&limits).unwrap_or_default());
    }
    if let Some(stream_ids) = &event.stream_ids {
        rights += &format!(" of {}", stream_ids.join(","));
    }
    Some(shortened(rights, MAX_DETAILS_CHARS))
}

/// `text` without what could deceive a reader or a store, and not longer than it may be.
fn plain(text: String) -> String {
    shortened(text, MAX_TEXT_CHARS)
}

fn shortened(text: String, max_chars: usize) -> String {
    if text.len() <= max_chars && !text.chars().any(char::is_control) {
        return text;
    }
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(max_chars).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Action, Origin};

    #[test]
    fn the_rights_of_a_mint_are_recorded_with_their_terms() {
        let terms = TokenTerms {
            room_ids: Some(vec!["r2".to_owned()]),
            play: Some(false),
            max_stay_secs: Some(60),
            single_use: Some(true),
            metadata: Some("about the user".to_owned()),
            ..TokenTerms::default()
        };
        let event = Event {
            privileges: Some(token_gen::Privileges::ALL),
            stream_ids: Some(vec!["s1".to_owned()]),
            terms: Some(Box::new(terms)),
            ..Event::new(Action::Mint)
        };
        let limits = r#"{"room_ids":["r2"],"play":false,"max_stay_secs":60,"single_use":true}"#;
        assert_eq!(rights(&event), Some(format!("login,publish with {limits} of s1")));
    }

    #[test]
    fn a_text_cannot_deceive_its_reader_nor_fill_the_store() {
        let event = Event { user_id: Some("a\0\r\nb".to_owned()), ..Event::new(Action::Mint).about("x".repeat(5000)) };
        let record = record(Entry { at: 1.into(), origin: Origin::SERVER, event });
        assert_eq!(record.user_id.as_deref(), Some("a\u{fffd}\u{fffd}\u{fffd}b"));
        assert_eq!(record.target.map(|target| target.len()), Some(MAX_TEXT_CHARS));
    }
}
