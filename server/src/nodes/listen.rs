//! What other nodes say, taken into the rooms here.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, RoomExtra},
};
use serde::de::DeserializeOwned;
use token_gen::{AppId, RoomId};

use super::{Nodes, outlet::Outgoing, room_id};
use crate::{
    bus::{Board, BoardChange, BoardNews, News, NodeId, Told},
    rooms::{Presence, SessionId},
};

impl Nodes {
    /// Listens for ever.
    pub async fn listen(&self) {
        loop {
            match self.bus.next().await {
                News::Board(news) => self.hear(news).await,
                News::Ousted { app_id, key } => {
                    if let Some(session_id) = SessionId::parse(&key) {
                        self.rooms.end(app_id, session_id, ErrorCode::KickedByOtherLogin, self.clock.now());
                    }
                }
                News::NodeGone(node) => {
                    tracing::warn!(%node, "a node has gone, and everybody on it");
                    self.rooms.drop_node(&node);
                }
                News::Missed => {
                    self.is_healing.store(true, Ordering::Release);
                    self.missed.notify_one();
                }
            }
        }
    }

    async fn hear(&self, news: BoardNews) {
        let Some(following) = self.topics().get(&news.topic).cloned() else { return };
        let mut heard = following.heard.lock().await;
        // Read in vain before.
        if !heard.follows {
            // Or forgotten while we waited for it.
            if self.topics().get(&news.topic).is_some_and(|known| Arc::ptr_eq(known, &following)) {
                self.read_board(&news.topic, &mut heard).await;
            }
            return;
        }
        // What was on the board when it was read has been taken in.
        if news.rev <= heard.rev {
            return;
        }
        if news.rev != heard.rev + 1 {
            return self.read_board(&news.topic, &mut heard).await;
        }
        heard.rev = news.rev;
        if self.is_old(&news) {
            return self.read_board(&news.topic, &mut heard).await;
        }
        let Some(room_id) = room_id(&news.topic) else { return };
        let BoardNews { topic, rev, node, change } = news;
        match change {
            BoardChange::Told { text, before } => {
                self.hear_told(&topic, &mut heard, &Told { rev, before, node, text }, false);
            }
            change => self.take_in(topic.app_id, &room_id, &node, change),
        }
    }

    /// Whether this may be from before a stay was taken over by this node: the board knows whose it is.
    fn is_old(&self, BoardNews { topic, node, change, .. }: &BoardNews) -> bool {
        let BoardChange::Put { key, .. } = change else { return false };
        let session_id = SessionId::parse(key).filter(|_| node != self.bus.node());
        session_id.is_some_and(|session_id| self.rooms.here(topic.app_id, session_id).is_some())
    }

    fn take_in(&self, app_id: AppId, room_id: &RoomId, node: &NodeId, change: BoardChange) {
        let is_ours = node == self.bus.node();
        match change {
            BoardChange::Gone { key, word } => match SessionId::parse(&key) {
                // Taken for dead while we could not be reached: it comes again, unless it was ousted. If it has left, older
                // news may have shown it elsewhere since.
                Some(session_id) if is_ours => {
                    self.rooms.forget_elsewhere(app_id, session_id);
                    self.outlet.say(Outgoing::Changed(app_id, session_id));
                }
                Some(session_id) => {
                    let reason = serde_json::from_value(word.into()).unwrap_or(GoneReason::OtherLogin);
                    self.rooms.remove_elsewhere(app_id, session_id, node, reason);
                }
                None => {}
            },
            // Everything else of ours happened here first.
            _ if is_ours => {}
            BoardChange::Put { key, text } => {
                if let (Some(session_id), Some(presence)) = (SessionId::parse(&key), read(app_id, &text)) {
                    self.rooms.put_elsewhere(app_id, room_id, session_id, node, presence);
                }
            }
            BoardChange::Set { text, .. } => {
                if let Some(extra) = read(app_id, &text) {
                    self.rooms.set_extra_elsewhere(app_id, room_id, extra);
                }
            }
            // Heard before.
            BoardChange::Told { .. } => {}
        }
    }

    pub(super) fn take_in_board(&self, app_id: AppId, room_id: &RoomId, board: &Board) {
        let mut known = HashSet::new();
        for posted in board.entries.iter().filter(|posted| posted.node != *self.bus.node()) {
            if let (Some(session_id), Some(presence)) =
                (SessionId::parse(&posted.key), read::<Presence>(app_id, &posted.text))
            {
                known.insert(session_id);
                self.rooms.put_elsewhere(app_id, room_id, session_id, &posted.node, presence);
            }
        }
        for (_, text) in &board.values {
            if let Some(extra) = read::<RoomExtra>(app_id, text) {
                self.rooms.set_extra_elsewhere(app_id, room_id, extra);
            }
        }
        // Whoever is missing may not have been told again yet.
        if !self.is_healing.load(Ordering::Acquire) {
            self.rooms.keep_elsewhere(app_id, room_id, &known);
        }
    }
}

fn read<T: DeserializeOwned>(app_id: AppId, text: &str) -> Option<T> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::warn!(%app_id, %error, "what another node says makes no sense"))
        .ok()
}
