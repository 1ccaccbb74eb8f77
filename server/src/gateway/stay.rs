//! A session with its place in a room: what a connection holds once it has logged in, and what outlives it.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, ServerMessage},
};
use token_gen::{StreamId, UnixSeconds};
use tokio::sync::watch;

use super::{
    Gateway,
    roll::Line,
    seats::Seat,
    session::{self, Departure, Effect, Operation, Session},
};
use crate::{
    apps::App,
    media::StayMedia,
    rooms::{Delivery, Judge, NewStream, Outbox, Place, SessionId, gone_by},
};

/// What all nodes together say of what a session wants.
#[derive(Default)]
struct Judged {
    /// Of streams that are to start.
    streams: HashMap<StreamId, Result<Judge, ErrorCode>>,
    /// Of what was said, by the id of the request.
    said: HashMap<u64, Result<(), ErrorCode>>,
}

/// A session and everything by which it is known.
pub(super) struct Stay {
    pub(super) app: Arc<App>,
    pub(super) user_id: String,
    pub(super) user_name: Option<String>,
    /// What the client calls itself.
    pub(super) sdk: Option<String>,
    pub(super) session_id: SessionId,
    pub(super) session: Session,
    /// What it sends and receives, as far as the session says.
    pub(super) media: StayMedia,
    /// Given up when the session ends, before its end is told: the room never waits for a socket.
    pub(super) place: Option<Place>,
    pub(super) outbox: Arc<Outbox>,
    /// By which the user is found when the token is revoked.
    pub(super) line: Line,
    /// By which another connection can go on with it.
    pub(super) seat: Seat,
}

impl Stay {
    /// Does in the rooms what the session decided. What is left is to be told to the client, and perhaps the end.
    pub(super) fn perform(
        &mut self,
        effects: Vec<Effect>,
        now: UnixSeconds,
    ) -> (Vec<ServerMessage>, Option<Departure>) {
        self.perform_judged(effects, &mut Judged::default(), now)
    }

    /// The same, with what all nodes together say.
    fn perform_judged(
        &mut self,
        effects: Vec<Effect>,
        judged: &mut Judged,
        now: UnixSeconds,
    ) -> (Vec<ServerMessage>, Option<Departure>) {
        let mut messages = Vec::with_capacity(effects.len());
        let mut departure = None;
        let mut gone_by_what = GoneReason::Stopped;
        for effect in effects {
            match effect {
                Effect::Send(message) => messages.push(*message),
                Effect::StartStream { id, stream, media } => {
                    let stream_id = stream.stream_id.clone();
                    let judge = judged.streams.remove(&stream_id).unwrap_or(Ok(Judge::Rooms));
                    let started = match &self.place {
                        Some(place) => judge.and_then(|judge| place.start_stream(stream, judge)),
                        None => Err(ErrorCode::NotInRoom),
                    };
                    messages.push(self.session.stream_started(id, stream_id, media, started));
                }
                Effect::Ask { id, operation } => {
                    let asked = judged.said.remove(&id).unwrap_or_else(|| self.set(operation, now));
                    messages.push(session::answer(id, asked));
                }
                Effect::StopStream(stream_id, reason) => {
                    gone_by_what = reason;
                    if let Some(place) = &self.place {
                        place.stop_stream(&stream_id, reason);
                    }
                }
                Effect::Leave(why) => {
                    let reason = match why {
                        Departure::LoggedOut => GoneReason::Stopped,
                        Departure::Kicked(code) => gone_by(code),
                    };
                    self.leave(reason, now);
                    departure = Some(why);
                }
            }
        }
        // Whatever was decided, only what the session does now goes through.
        let (publishing, playing) = self.session.streams();
        self.media.follow(publishing, playing, gone_by_what);
        (messages, departure)
    }

    /// The same as [`Stay::perform`], once all nodes together have judged the streams that are to start, and have heard
    /// what is said.
    pub(super) async fn claim_and_perform(
        &mut self,
        gateway: &Gateway,
        effects: Vec<Effect>,
    ) -> (Vec<ServerMessage>, Option<Departure>) {
        let mut judged = Judged::default();
        for effect in &effects {
            let Some(place) = &self.place else { break };
            match effect {
                Effect::StartStream { stream: NewStream { stream_id, .. }, .. } => {
                    judged.streams.insert(stream_id.clone(), gateway.nodes.claim_stream(place, stream_id).await);
                }
                Effect::Ask { id, operation } => {
                    let (to, text) = match operation {
                        Operation::Say(text) => (None, text),
                        Operation::Signal { user_ids, text } => (Some(user_ids.clone()), text),
                        Operation::SetRoomExtra { .. } | Operation::SetUserExtra(_) => continue,
                    };
                    let said = gateway.nodes.say(place, to, text.clone(), gateway.clock.now()).await;
                    judged.said.insert(*id, said);
                }
                Effect::Send(_) | Effect::StopStream(..) | Effect::Leave(_) => {}
            }
        }
        let claimed = judged.streams.iter().filter(|(_, judge)| judge.is_ok());
        let claimed: Vec<StreamId> = claimed.map(|(id, _)| id.clone()).collect();
        let performed = self.perform_judged(effects, &mut judged, gateway.clock.now());
        if let Some(place) = &self.place {
            let publishing = self.session.publishing();
            for stream_id in claimed.iter().filter(|id| !publishing.iter().any(|started| started == id.as_str())) {
                gateway.nodes.release_stream(place, stream_id);
            }
        }
        self.keep(gateway);
        performed
    }

    fn set(&self, operation: Operation, now: UnixSeconds) -> Result<(), ErrorCode> {
        let place = self.place.as_ref().ok_or(ErrorCode::NotInRoom)?;
        match operation {
            Operation::SetRoomExtra { key, value } => place.set_room_extra(key, value, now),
            Operation::SetUserExtra(extra) => place.set_user_extra(extra),
            // Said before, or there is no place to say it.
            Operation::Say(_) | Operation::Signal { .. } => Err(ErrorCode::NotInRoom),
        }
    }

    /// Leaves the room, if it has not been left.
    pub(super) fn leave(&mut self, reason: GoneReason, now: UnixSeconds) {
        self.media.end(reason);
        if let Some(place) = self.place.take() {
            place.leave(reason, now);
        }
    }

    /// Does what an operator has ordered and the session has not heard yet, if anything.
    pub(super) fn obey(&mut self, now: UnixSeconds) -> Option<Vec<Effect>> {
        let orders = self.line.take_orders();
        let is_ordered = !orders.is_empty();
        let obeyed = orders.into_iter().flat_map(|order| self.session.obey(self.app.settings(), order, now));
        is_ordered.then(|| obeyed.collect())
    }

    /// Ends the stay from outside; where an operator does, with the operator's word.
    pub(super) fn end(&mut self, code: ErrorCode) -> Vec<Effect> {
        let reason = self.line.reason();
        self.session.end_saying(code, reason)
    }

    /// Why the user has to go, if so.
    pub(super) fn shut_out(&self, gateway: &Gateway) -> Option<ErrorCode> {
        self.line.shut_out(gateway.lists(), gateway.clock.now())
    }

    /// Notes where the user comes from now.
    pub(super) fn comes_from(&self, address: IpAddr) {
        self.line.set_address(address);
    }

    /// Gives the session to the connection that has called for it.
    pub(super) fn hand_over(self: Box<Self>) {
        if let Some(place) = &self.place {
            place.go_away();
        }
        if let Some(caller) = self.seat.caller() {
            // If the caller has gone meanwhile, the stay ends with this message.
            let _ = caller.send(self);
        }
    }

    /// Says in the log that the stay is over, and why.
    pub(super) fn log_leave(&self, reason: &str) {
        let token_id = self.session.grant().token().map(|token| tracing::field::display(token.token_id));
        tracing::info!(
            app_id = %self.app.app_id(), user_id = self.user_id, session_id = %self.session_id, token_id, reason,
            "left"
        );
    }
}

/// Holds a session without a connection until it is called for, or over: at the latest at `until`.
pub(super) async fn wait_for_client(
    gateway: Arc<Gateway>,
    mut stay: Box<Stay>,
    until: UnixSeconds,
    mut draining: watch::Receiver<Option<UnixSeconds>>,
) {
    if let Some(place) = &stay.place {
        place.go_away();
    }
    tracing::info!(app_id = %stay.app.app_id(), session_id = %stay.session_id, "connection lost");
    let code = loop {
        let now = gateway.clock.now();
        if now >= until {
            stay.leave(GoneReason::Timeout, now);
            return stay.log_leave("heartbeat_timeout");
        }
        if let Some(code) = keep_time(&gateway, &mut stay, now) {
            break code;
        }
        let due = stay.session.deadline(stay.app.settings()).map_or(until, |deadline| deadline.min(until));
        tokio::select! {
            () = drained(&gateway, &mut draining) => {
                stay.leave(GoneReason::Removed, gateway.clock.now());
                return stay.log_leave(ErrorCode::KickedInternal.as_str());
            }
            order = stay.outbox.next_order() => match order {
                Delivery::Called => return stay.hand_over(),
                Delivery::Ended(code) => {
                    let effects = stay.end(code);
                    stay.perform(effects, gateway.clock.now());
                    break code;
                }
                Delivery::Ordered => {
                    let effects = stay.obey(now).unwrap_or_default();
                    let (messages, _) = stay.perform(effects, now);
                    messages.iter().for_each(|message| keep(&stay.outbox, message));
                    // Another node that goes on with it goes on with that, too.
                    stay.keep(&gateway);
                }
                Delivery::Text(_) | Delivery::Overflow => {}
            },
            () = gateway.wheel.wait(due) => {}
        }
    };
    stay.log_leave(code.as_str());
    let Stay { seat, .. } = *stay;
    remember_end(gateway, seat, code, until, draining).await;
}

/// Keeps the seat of a session that is over, so that a client that comes back, because it has not heard of it, hears why.
pub(super) async fn remember_end(
    gateway: Arc<Gateway>,
    seat: Seat,
    code: ErrorCode,
    until: UnixSeconds,
    mut draining: watch::Receiver<Option<UnixSeconds>>,
) {
    seat.note_end(code);
    tokio::select! {
        _ = draining.wait_for(Option::is_some) => {}
        () = gateway.wheel.wait(until) => {}
    }
}

/// Returns when a session without a connection can wait no longer because the server stops: at once, if no other node can
/// go on with it, and otherwise when the time for leaving is over.
async fn drained(gateway: &Gateway, draining: &mut watch::Receiver<Option<UnixSeconds>>) {
    // Cannot fail: the gateway holds the sender.
    let until = draining.wait_for(Option::is_some).await.ok().and_then(|until| *until);
    if let Some(until) = until.filter(|_| !gateway.nodes.bus().is_alone()) {
        gateway.wheel.wait(until).await;
    }
}

/// Does what has come due. What the client has to hear of it waits for it. Returns how the stay ended, if it did.
pub(super) fn keep_time(gateway: &Gateway, stay: &mut Stay, now: UnixSeconds) -> Option<ErrorCode> {
    let effects = match gateway.directory.app(stay.app.app_id()).filter(|app| app.settings().enabled) {
        None => stay.session.end(ErrorCode::KickedInternal),
        Some(app) => {
            stay.app = app;
            stay.session.pass_time(stay.app.settings(), now)
        }
    };
    let (messages, departure) = stay.perform(effects, now);
    for message in messages {
        // These come anew when the client is back, with numbers of that time.
        if !matches!(message, ServerMessage::TokenWillExpire(_) | ServerMessage::TokenExpired(_)) {
            keep(&stay.outbox, &message);
        }
    }
    departure.map(|departure| match departure {
        Departure::Kicked(code) => code,
        Departure::LoggedOut => ErrorCode::ResumeRefused,
    })
}

/// Keeps a message for a client that has no connection just now.
fn keep(outbox: &Outbox, message: &ServerMessage) {
    // Strings and numbers into memory: serde_json has no way to fail here.
    outbox.push_direct(serde_json::to_string(message).unwrap_or_default().into());
}
