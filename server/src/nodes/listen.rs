//! What other nodes say, taken into the rooms here.

use std::{collections::HashSet, sync::atomic::Ordering};

use roompass_wire::ErrorCode;
use token_gen::{AppId, RoomId};

use super::{Nodes, Notice, room_id};
use crate::{
    bus::{Board, BoardChange, BoardNews, News},
    rooms::{Outgoing, Presence, SessionId},
};

impl Nodes {
    /// Listens for ever.
    pub async fn listen(&self) {
        loop {
            match self.bus.next().await {
                News::Board(news) => self.hear(news).await,
                News::Noticed(text) => self.heed(&text),
                News::Ousted { app_id, key } => {
                    if let Some(session_id) = SessionId::parse(&key) {
                        self.rooms.end(app_id, session_id, ErrorCode::KickedByOtherLogin);
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
        // What was on the board when it was read has been taken in.
        if !heard.follows || news.rev <= heard.rev {
            return;
        }
        if news.rev != heard.rev + 1 {
            return self.read_board(&news.topic, &mut heard).await;
        }
        heard.rev = news.rev;
        let Some(room_id) = room_id(&news.topic) else { return };
        self.take_in(&room_id, news);
    }

    fn take_in(&self, room_id: &RoomId, BoardNews { topic, node, change, .. }: BoardNews) {
        let app_id = topic.app_id;
        let is_ours = node == *self.bus.node();
        match change {
            BoardChange::Gone(key) => match SessionId::parse(&key) {
                // Taken for dead while we could not be reached: it comes again, unless it was ousted.
                Some(session_id) if is_ours => self.outlet.say(Outgoing::Changed(app_id, session_id)),
                Some(session_id) => self.rooms.remove_elsewhere(app_id, session_id, &node),
                None => {}
            },
            BoardChange::Put { key, text } if !is_ours => {
                if let (Some(session_id), Some(presence)) = (SessionId::parse(&key), read_presence(app_id, &text)) {
                    self.rooms.put_elsewhere(app_id, room_id, session_id, &node, presence);
                }
            }
            BoardChange::Put { .. } | BoardChange::Set { .. } | BoardChange::Told(_) => {}
        }
    }

    pub(super) fn take_in_board(&self, app_id: AppId, room_id: &RoomId, board: &Board) {
        let mut known = HashSet::new();
        for posted in board.entries.iter().filter(|posted| posted.node != *self.bus.node()) {
            if let (Some(session_id), Some(presence)) =
                (SessionId::parse(&posted.key), read_presence(app_id, &posted.text))
            {
                known.insert(session_id);
                self.rooms.put_elsewhere(app_id, room_id, session_id, &posted.node, presence);
            }
        }
        // Whoever is missing may not have been told again yet.
        if !self.is_healing.load(Ordering::Acquire) {
            self.rooms.keep_elsewhere(app_id, room_id, &known);
        }
    }

    fn heed(&self, text: &str) {
        match serde_json::from_str(text) {
            Ok(Notice::End { app_id, session_id, code }) => {
                if let (Ok(app_id), Some(session_id)) = (AppId::new(app_id), SessionId::parse(&session_id)) {
                    self.rooms.end(app_id, session_id, code);
                }
            }
            // From a newer node.
            Err(error) => tracing::warn!(%error, "a notice of another node makes no sense"),
        }
    }
}

fn read_presence(app_id: AppId, text: &str) -> Option<Presence> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::warn!(%app_id, %error, "what another node says of a stay makes no sense"))
        .ok()
}
