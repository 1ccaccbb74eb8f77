//! What a client in a room asks for.

use roompass_wire::{gateway::ClientMessage, webhook::RefusedOperation};

use super::{Socket, media};
use crate::{
    gateway::{
        announce::About,
        session::{Effect, Operation, Request},
        source_of,
        stay::Stay,
        trail,
    },
    login::{Refusal, SessionToken},
    single_use::Claim,
    tokens::Attempt,
};

impl Socket {
    pub(super) async fn request(&mut self, stay: &mut Stay, message: ClientMessage) -> Vec<Effect> {
        let id = message.id();
        let request = match message {
            ClientMessage::Login(_) | ClientMessage::Resume(_) | ClientMessage::SwitchRoom(_) => Request::LoginAgain,
            ClientMessage::Publish(publish) => Request::Publish(publish),
            ClientMessage::StopPublish(stop) => Request::StopPublish(stop.stream_id),
            ClientMessage::Play(play) => Request::Play(play.stream_id),
            ClientMessage::StopPlay(stop) => Request::StopPlay(stop.stream_id),
            ClientMessage::RenewToken(renew) => {
                let opened = self.open(stay, &renew.token).await;
                self.gateway.metrics.gateway.renewed(opened.is_ok());
                log_renewal(stay, &renew.token, &opened);
                self.tell_of_renewal(stay, &renew.token, &opened);
                Request::Renew(opened)
            }
            ClientMessage::SendMessage(message) => Request::Talk(Operation::Say(message.text)),
            ClientMessage::SendSignal(signal) => {
                Request::Talk(Operation::Signal { user_ids: signal.user_ids, text: signal.text })
            }
            ClientMessage::SetRoomExtra(set) => {
                Request::Talk(Operation::SetRoomExtra { key: set.key, value: set.value })
            }
            ClientMessage::SetUserExtra(set) => Request::Talk(Operation::SetUserExtra(set.extra)),
            ClientMessage::Logout(_) => Request::Logout,
            // Said to the media plane, not to the rules.
            ClientMessage::GetMediaServers(_) => {
                return vec![Effect::Send(Box::new(media::servers(&self.gateway, stay, id)))];
            }
            ClientMessage::MediaOffer(offer) => return vec![Effect::Send(Box::new(media::answer(stay, offer).await))],
            ClientMessage::MediaCandidate(candidate) => {
                return vec![Effect::Send(Box::new(media::candidate(stay, &candidate)))];
            }
        };
        let now = self.gateway.clock.now();
        let mut effects = stay.session.request(stay.app.settings(), id, request, now);
        if let Some(token) = stay.session.grant().token()
            && stay.line.set_token(token, stay.session.stay_until())
            && let Some(code) = stay.shut_out(&self.gateway)
        {
            effects.extend(stay.session.end(code));
        }
        effects
    }

    fn tell_of_renewal(&self, stay: &Stay, token: &str, opened: &Result<SessionToken, Refusal>) {
        let (app_id, room_id) = (stay.app.app_id(), stay.session.room_id());
        let session_id = stay.session_id.to_string();
        let who = (app_id, room_id, &*stay.user_id, &*session_id);
        trail::renewed(&self.gateway.audit, self.visitor.address, who, token, opened);
        let about = About { user_id: Some(&*stay.user_id), room_id: Some(room_id.as_str()), token: Some(token) };
        let now = self.gateway.clock.now();
        match opened {
            Ok(_) => self.gateway.announce_renewed(app_id, about, now),
            Err(refusal) => {
                self.gateway.announce_refused(app_id.get(), RefusedOperation::Renew, refusal, about, now);
            }
        }
    }

    /// Opens a token to renew with. One for a single login is used up by this session.
    async fn open(&mut self, stay: &Stay, token: &str) -> Result<SessionToken, Refusal> {
        let now = self.gateway.clock.now();
        let (room_id, source) = (stay.session.room_id().as_str(), source_of(self.visitor.address));
        let attempt = Attempt { user_id: Some(&stay.user_id), room_id: Some(room_id), source: Some(&source) };
        let token = SessionToken::open(&self.gateway.tokens, &stay.app, token, attempt, now)?;
        // A token that is good, but not here, is refused like any other, for whoever looks on as well.
        stay.session.may_renew(&token).map_err(|(code, reason)| Refusal {
            code,
            reason,
            exact: reason.unwrap_or("older"),
        })?;
        if token.rights.terms().single_use {
            let claim = Claim { app_id: stay.app.app_id(), token_id: token.token_id, session_id: stay.session_id };
            self.gateway.single_use.claim(claim, token.expire_at).await.map_err(Refusal::of)?;
        }
        Ok(token)
    }
}

fn log_renewal(stay: &Stay, token: &str, opened: &Result<SessionToken, Refusal>) {
    let reason = opened.as_ref().err().map(|refusal| refusal.exact);
    tracing::info!(
        app_id = %stay.app.app_id(), session_id = %stay.session_id, token_id = %token_gen::TokenId::of(token), reason,
        "renewal"
    );
}
