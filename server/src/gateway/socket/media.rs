//! What clients say to the media plane. It has no rules of its own: what goes through is what the session does.

use roompass_wire::{
    ErrorCode,
    gateway::{MediaCandidate, MediaOffer, MediaServers, ServerMessage},
};

use super::super::{
    Gateway,
    session::{self, error},
    stay::Stay,
};

/// The STUN and TURN servers for this user.
pub(super) fn servers(gateway: &Gateway, stay: &Stay, id: u64) -> ServerMessage {
    match gateway.media.ice_servers(&stay.user_id, gateway.clock.now()) {
        Ok((ice_servers, expire_at)) => ServerMessage::MediaServers(MediaServers { id, ice_servers, expire_at }),
        Err(code) => error(id, (code, None)),
    }
}

/// The answer to an offer.
pub(super) async fn answer(stay: &mut Stay, offer: MediaOffer) -> ServerMessage {
    let id = offer.id;
    let answered = tokio::select! {
        answered = stay.media.offer(offer) => answered,
        // The session is over, or goes on without this connection: it does not wait for another node.
        () = stay.outbox.interrupted() => Err(ErrorCode::Unavailable),
    };
    match answered {
        Ok(answer) => ServerMessage::MediaAnswer(answer),
        Err(code) => error(id, (code, None)),
    }
}

/// Takes in an address of the client.
pub(super) fn candidate(stay: &mut Stay, candidate: &MediaCandidate) -> ServerMessage {
    session::answer(candidate.id, stay.media.candidate(&candidate.candidate))
}
