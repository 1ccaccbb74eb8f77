//! Where an operator's command reaches the sessions of this node.
//!
//! A command goes to the lines of the roll it means. What only the rules of a session can do becomes an [`Order`], which
//! the session takes before it looks at anything else; its outbox wakes it.

use std::net::IpAddr;

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, OperatorMessage, ServerMessage},
    http::WithheldPrivilege,
};
use token_gen::{AppId, Privileges, StreamId, TokenId, UnixSeconds};

use super::{Gateway, roll::Entry};
use crate::{
    operator::{self, Act, Command, Who},
    rooms::{Rooms, SessionId},
};

/// What a session has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Do without these privileges and no others.
    Withhold(Vec<WithheldPrivilege>),
    /// Stop a stream of its own.
    StopStream(StreamId),
}

/// What an operator has decided about a session.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// It is to be kicked, perhaps with a word to its user.
    pub(super) condemned: Option<Option<String>>,
    withheld: Vec<WithheldPrivilege>,
    orders: Vec<Order>,
}

impl Standing {
    /// Of a session that comes from another node, and does without these already.
    pub(super) fn withholding(withheld: Vec<WithheldPrivilege>) -> Self {
        Self { withheld, ..Self::default() }
    }

    /// What the session has to do and has not heard yet.
    pub(super) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }
}

impl Entry {
    /// Leaves an order for the session, and wakes it.
    fn give(&mut self, order: Order) {
        self.standing.orders.push(order);
        self.outbox.order();
    }
}

/// A live session as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Names it.
    pub session_id: String,
    /// The user.
    pub user_id: String,
    /// The room.
    pub room_id: String,
    /// How well the user id is proven.
    pub auth: AuthKind,
    /// When it logged in.
    pub since: UnixSeconds,
    /// Where it comes from.
    pub address: IpAddr,
    /// What its present credential allows.
    pub privileges: Privileges,
    /// What is withheld of it.
    pub withheld: Vec<WithheldPrivilege>,
    /// Its present token; none in an AppSign session.
    pub token: Option<TokenView>,
}

/// A token as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenView {
    /// Its name.
    pub token_id: TokenId,
    /// When it expires.
    pub expire_at: UnixSeconds,
}

impl Gateway {
    /// The rooms of this node.
    pub fn rooms(&self) -> &Rooms {
        self.nodes.rooms()
    }

    /// The sessions of this node that `who` means, in no order.
    pub fn sessions(&self, app_id: AppId, who: &Who) -> Vec<SessionView> {
        let mut found = Vec::new();
        self.roll.with(app_id, who, |session_id, entry| found.push(view(session_id, entry)));
        found
    }

    /// Does what an operator wants to the sessions of this node; says how many it reached.
    pub fn obey(&self, command: &Command, now: UnixSeconds) -> usize {
        let Some(app_id) = operator::app_of(command) else { return 0 };
        let mut reached = 0;
        let who = match &command.act {
            Act::Condemn { who, .. } | Act::Pardon { who } | Act::Kick { who } => who,
            Act::Withhold { who, .. } | Act::StopStream { who, .. } | Act::Say { who, .. } => who,
        };
        self.roll.with(app_id, who, |_, entry| reached += usize::from(obey(entry, &command.act, now)));
        reached
    }
}

/// Whether it concerned the session.
fn obey(entry: &mut Entry, act: &Act, now: UnixSeconds) -> bool {
    let room_id = entry.room_id.clone();
    let message = match act {
        Act::Condemn { reason, .. } => {
            entry.standing.condemned = Some(reason.clone());
            return true;
        }
        Act::Pardon { .. } => {
            entry.standing.condemned = None;
            return true;
        }
        Act::Kick { .. } => {
            entry.standing.condemned.get_or_insert(None);
            entry.outbox.end(ErrorCode::Kicked);
            return true;
        }
        Act::Withhold { privileges, .. } => {
            entry.standing.withheld.clone_from(privileges);
            entry.give(Order::Withhold(privileges.clone()));
            return true;
        }
        Act::StopStream { stream_id, .. } => {
            let Ok(stream_id) = StreamId::new(&**stream_id) else { return false };
            entry.give(Order::StopStream(stream_id));
            return true;
        }
        Act::Say { text, .. } => {
            ServerMessage::ServerMessage(OperatorMessage { room_id, text: text.clone(), sent_at: now.get() })
        }
    };
    // Strings and numbers into memory: serde_json has no way to fail here.
    entry.outbox.push_direct(serde_json::to_string(&message).unwrap_or_default().into());
    true
}

fn view(session_id: SessionId, entry: &Entry) -> SessionView {
    SessionView {
        session_id: session_id.to_string(),
        user_id: entry.user_id.clone(),
        room_id: entry.room_id.clone(),
        auth: entry.auth,
        since: entry.since,
        address: entry.address,
        privileges: entry.privileges(),
        withheld: entry.standing.withheld.clone(),
        token: entry.token.as_ref().map(|token| token.view()),
    }
}
