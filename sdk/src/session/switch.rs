//! The way to another room on the same connection: a token for it, the request, and both ways in which it ends.

use roompass_wire::{ErrorCode, gateway::LoggedIn};

use super::{End, Request, Session, Welcome, Wish, stay::Visit, wish::Switch};
use crate::{
    credentials::{Asked, RoomToken},
    error::Error,
    options::AuthMode,
    provider::Cause,
    roster::Roster,
    state::RoomState,
};

impl Session {
    /// Sends the request, or asks the provider for the token that it lacks.
    pub(super) async fn begin_switch(
        &mut self,
        visit: &mut Visit,
        switch: Box<Switch>,
        request: Request,
    ) -> Result<(), Error> {
        if visit.switching.is_some() || visit.pending.iter().any(|pending| pending.is_switch()) {
            request.answer(Err(Error::config("room", "a switch to another is under way")));
            return Ok(());
        }
        if self.mode == AuthMode::AppSign || switch.token.is_some() {
            return self.send_switch(visit, switch, request).await;
        }
        match self.ask(switch.asked.clone(), Cause::Switch) {
            None => request.answer(Err(Error::TokenRequired)),
            Some(asking) => {
                // One call at a time: a renewal that is under way is given up for this one.
                self.renewal.begun();
                visit.asking = Some(asking);
                visit.switching = Some((switch, request));
            }
        }
        Ok(())
    }

    /// Goes on with what the provider says.
    pub(super) async fn go_on_switching(
        &mut self,
        visit: &mut Visit,
        mut switch: Box<Switch>,
        request: Request,
        answer: Result<RoomToken, Error>,
    ) -> Result<(), Error> {
        match answer {
            Ok(token) => {
                switch.token = Some(token);
                self.send_switch(visit, switch, request).await
            }
            Err(error) => {
                request.answer(Err(error));
                self.plan_again();
                Ok(())
            }
        }
    }

    async fn send_switch(&mut self, visit: &mut Visit, mut switch: Box<Switch>, request: Request) -> Result<(), Error> {
        match self.show(&visit.connection, &switch.asked, switch.token.as_ref()) {
            Ok(shown) => {
                switch.shown = Some(shown);
                let request = Request { wish: Wish::Switch(switch), ..request };
                self.send(visit, request).await
            }
            Err(error) => {
                request.answer(Err(error));
                Ok(())
            }
        }
    }

    /// The server has let the user in to the other room.
    pub(super) fn switched(&mut self, request: Request, logged_in: LoggedIn) {
        let Request { wish: Wish::Switch(switch), reply } = request else { return };
        let Switch { asked, token, .. } = *switch;
        self.leave_for(asked);
        self.token = token;
        self.token_refused = false;
        self.renewal.succeeded();
        // Nothing runs in the new room yet.
        let _ = self.settle(Welcome::LoggedIn(Box::new(logged_in)), RoomState::Connected);
        Request { wish: Wish::Logout, reply }.answer(Ok(()));
    }

    /// The server has refused: either at once, or after the old room was left.
    pub(super) fn not_switched(&mut self, request: Request, error: Error) -> Option<End> {
        let Request { wish: Wish::Switch(switch), reply } = request else { return None };
        if !leaves_the_room(&error) {
            Request { wish: Wish::Logout, reply }.answer(Err(error));
            self.plan_again();
            return None;
        }
        self.leave_for(switch.asked);
        Some(End::NotLetIn(error, reply))
    }

    /// Forgets the old room.
    fn leave_for(&mut self, asked: Asked) {
        // Who watches the state waits for the end of the whole stay, so only the events tell of this one.
        self.tell_state(RoomState::Disconnected);
        tracing::info!(room_id = %asked.room_id, "switching to another room");
        tracing::Span::current().record("room_id", asked.room_id.as_str());
        self.asked = asked.clone();
        self.publishing.clear();
        self.playing.clear();
        self.user_extra = None;
        self.place = None;
        {
            let mut picture = self.picture();
            picture.asked = asked;
            picture.roster = Roster::default();
        }
        self.enter_state(RoomState::Connecting);
    }

    /// Plans the renewal of the present token after a call of the provider was given up.
    fn plan_again(&mut self) {
        let expire_at = self.picture().admission.expire_at;
        self.plan_renewal(expire_at);
        if expire_at.is_some() && self.wants_another_token() {
            self.renewal.overdue(self.now(), self.chance());
        }
    }
}

/// Whether the refusal came after the old room was left.
fn leaves_the_room(error: &Error) -> bool {
    !matches!(
        error.code(),
        Some(
            ErrorCode::NotInRoom
                | ErrorCode::NotInThatRoom
                | ErrorCode::AlreadyInRoom
                | ErrorCode::TokenMissing
                | ErrorCode::RoomIdInvalid
                | ErrorCode::FieldInvalid
                | ErrorCode::MessageInvalid
                | ErrorCode::RateLimited
        )
    )
}
