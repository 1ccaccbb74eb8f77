//! What an operator has ordered: streams to stop, privileges to do without.

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, PrivilegesChanged, ServerMessage, SessionPrivilege},
    http::WithheldPrivilege,
};
use token_gen::{StreamId, UnixSeconds};

use super::{Effect, Refused, Session, rights, send, time::stopped};
use crate::{apps::AppSettings, gateway::operate::Order};

impl Session {
    /// Does what an operator has ordered.
    pub(in crate::gateway) fn obey(&mut self, settings: &AppSettings, order: Order, now: UnixSeconds) -> Vec<Effect> {
        match order {
            _ if self.ended => Vec::new(),
            Order::StopStream(stream_id) => match self.publishing.remove(&stream_id) {
                Some(_) => stop(stream_id).into(),
                None => Vec::new(),
            },
            Order::Withhold(privileges) => self.withhold(settings, privileges, now),
        }
    }

    fn withhold(
        &mut self,
        settings: &AppSettings,
        privileges: Vec<WithheldPrivilege>,
        now: UnixSeconds,
    ) -> Vec<Effect> {
        self.withheld = privileges;
        let mut effects = vec![send(ServerMessage::PrivilegesChanged(PrivilegesChanged {
            room_id: self.room_id.as_str().to_owned(),
            privileges: self.privileges(now),
            rights: self.session_rights(settings),
            server_time: now.get(),
        }))];
        if self.withheld.contains(&WithheldPrivilege::Publish) {
            effects.extend(std::mem::take(&mut self.publishing).into_keys().flat_map(stop));
        }
        if self.withheld.contains(&WithheldPrivilege::Play) {
            effects.extend(self.stop_playing(ErrorCode::PlayDenied));
        }
        effects
    }

    /// What the session may do at `now`.
    pub(in crate::gateway) fn privileges(&self, now: UnixSeconds) -> Vec<SessionPrivilege> {
        let mut privileges = rights::privileges(self.grant.rights(), now);
        let is_withheld = |name: SessionPrivilege| {
            self.withheld.iter().any(|withheld| match withheld {
                WithheldPrivilege::Publish => name == SessionPrivilege::Publish,
                WithheldPrivilege::Play => name == SessionPrivilege::Play,
            })
        };
        privileges.retain(|&name| !is_withheld(name));
        privileges
    }

    pub(super) fn is_not_withheld(&self, privilege: WithheldPrivilege, code: ErrorCode) -> Result<(), Refused> {
        if self.withheld.contains(&privilege) { Err((code, Some("withheld"))) } else { Ok(()) }
    }
}

/// Tells the publisher, then everybody.
fn stop(stream_id: StreamId) -> [Effect; 2] {
    let told = ServerMessage::PublishStopped(stopped(&stream_id, ErrorCode::PublishDenied));
    [send(told), Effect::StopStream(stream_id, GoneReason::Removed)]
}
