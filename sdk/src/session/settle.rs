//! Taking over what the server says when the user is in: the room, the rights, the token's end, what is still to do.

use roompass_wire::gateway::{self, AuthKind, LoggedIn, Resumed};
use std::time::Duration;
use token_gen::UnixSeconds;
use zeroize::Zeroizing;

use super::{Place, Request, Session, Welcome, Wish};
use crate::{
    credentials::RoomToken,
    event::{Admission, Event},
    options::AuthMode,
    state::RoomState,
};

impl Session {
    /// Takes over what `welcome` says, announces `state`, and returns what has to be asked for so that everything runs
    /// that should.
    pub(super) fn settle(&mut self, welcome: Welcome, state: RoomState) -> Vec<Request> {
        match welcome {
            Welcome::LoggedIn(logged_in) => self.settle_anew(*logged_in, state),
            Welcome::Resumed(resumed) => self.settle_back(*resumed, state),
        }
    }

    fn settle_anew(&mut self, logged_in: LoggedIn, state: RoomState) -> Vec<Request> {
        let admission = Admission::of(&logged_in);
        self.correct_time(logged_in.server_time);
        self.plan_renewal(admission.expire_at);
        self.place = logged_in.resume_key.map(|key| Place {
            session_id: logged_in.session_id,
            resume_key: Zeroizing::new(key),
            kept_for: Duration::from_secs(logged_in.resume_within_secs),
            kept_until: None,
        });
        tracing::info!(session_id = admission.session_id, auth = ?admission.auth, "logged in");
        let token_ends = self.local_end(admission.expire_at);
        let LoggedIn { seq, mark, users, streams, room_extra, .. } = logged_in;
        let messages_missed = matches!(state, RoomState::Reconnected);
        let roster_events = {
            let mut picture = self.picture();
            picture.roster.begin_talk(mark);
            picture.admission = admission.clone();
            picture.token_ends = token_ends;
            picture.roster.replace(seq, gateway::RoomState { users, streams, room_extra })
        };
        self.enter_state(state);
        let not_counted = (self.mode == AuthMode::TokenPreferred && admission.auth == AuthKind::AppSign)
            .then_some(Event::TokenNotCounted { code: admission.other_credential });
        self.tell(Event::LoggedIn(admission));
        not_counted.into_iter().for_each(|event| self.tell(event));
        roster_events.into_iter().for_each(|event| self.tell(event));
        if messages_missed {
            self.tell(Event::MessagesMissed);
        }

        let extra = self.user_extra.iter().cloned().map(Wish::SetUserExtra);
        let published = self.publishing.iter().cloned().map(Wish::Publish);
        let played = self.playing.iter().cloned().map(Wish::Play);
        extra.chain(published).chain(played).map(Request::own).collect()
    }

    fn settle_back(&mut self, resumed: Resumed, state: RoomState) -> Vec<Request> {
        self.correct_time(resumed.server_time);
        let expire_at = resumed.expire_at.map(UnixSeconds::new);
        self.plan_renewal(expire_at);
        if self.wants_another_token() {
            self.renewal.overdue(self.now(), self.chance());
        }
        tracing::info!(session_id = resumed.session_id, "back in the same place");
        self.place = Some(Place {
            session_id: resumed.session_id,
            resume_key: Zeroizing::new(resumed.resume_key),
            kept_for: Duration::from_secs(resumed.resume_within_secs),
            kept_until: None,
        });
        let token_ends = self.local_end(expire_at);
        let (roster_events, rights_changed) = {
            let mut picture = self.picture();
            let admission = &mut picture.admission;
            let changed = admission.privileges != resumed.privileges || admission.rights != resumed.rights;
            admission.privileges.clone_from(&resumed.privileges);
            admission.rights = resumed.rights.clone();
            admission.expire_at = expire_at;
            admission.room_session_id = resumed.room_session_id;
            picture.token_ends = token_ends;
            // Without the whole state, the changes that were missed follow.
            let events = resumed.state.map(|present| picture.roster.replace(resumed.seq, present));
            (events.unwrap_or_default(), changed)
        };
        self.enter_state(state);
        if rights_changed {
            self.tell(Event::PrivilegesChanged { privileges: resumed.privileges, rights: resumed.rights });
        }
        roster_events.into_iter().for_each(|event| self.tell(event));
        if resumed.messages_missed {
            self.tell(Event::MessagesMissed);
        }

        // What was asked for last before the loss may or may not have reached the server.
        let runs = |live: &[String], id: &str| live.iter().any(|live| live == id);
        let published = self.publishing.iter().filter(|wanted| !runs(&resumed.publishing, wanted.stream_id.as_str()));
        let played = self.playing.iter().filter(|wanted| !runs(&resumed.playing, wanted.as_str()));
        let start = published.cloned().map(Wish::Publish).chain(played.cloned().map(Wish::Play));
        let unwanted = |id: &&String| self.publishing.iter().all(|wanted| wanted.stream_id.as_str() != **id);
        let stop_published =
            resumed.publishing.iter().filter(unwanted).filter_map(|id| Some(Wish::StopPublish(id.parse().ok()?)));
        let unplayed = |id: &&String| self.playing.iter().all(|wanted| wanted.as_str() != **id);
        let stop_played =
            resumed.playing.iter().filter(unplayed).filter_map(|id| Some(Wish::StopPlay(id.parse().ok()?)));
        stop_published.chain(stop_played).chain(start).map(Request::own).collect()
    }

    /// Plans for a token of which the server says when it ends; without one there is nothing to renew.
    pub(super) fn plan_renewal(&mut self, expire_at: Option<UnixSeconds>) {
        match expire_at {
            Some(expire_at) if self.renews_by_itself() => {
                let left = self.left_until(expire_at);
                let life = self.token.as_ref().and_then(RoomToken::life).unwrap_or(left);
                self.renewal.accepted(self.now(), left, life, self.chance());
            }
            _ => self.renewal.stop(),
        }
    }

    /// When that is by the clock of this client.
    pub(super) fn local_end(&self, expire_at: Option<UnixSeconds>) -> Option<Duration> {
        expire_at.map(|expire_at| self.now() + self.left_until(expire_at))
    }
}
