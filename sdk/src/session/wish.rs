//! What the app wants done in a room, and how the server is told.

use roompass_wire::gateway::{
    ClientMessage, Logout, RenewToken, SendMessage, SendSignal, SetRoomExtra, SetUserExtra, StreamRequest, SwitchRoom,
};
use token_gen::{RoomId, StreamId, UserId};
use tokio::sync::oneshot;

use crate::{
    credentials::{Asked, RoomToken, Shown},
    error::Error,
    publication::Publication,
};

/// What the app wants done.
#[derive(Debug)]
pub(crate) enum Wish {
    Publish(Publication),
    StopPublish(StreamId),
    Play(StreamId),
    StopPlay(StreamId),
    Renew(RoomToken),
    Switch(Box<Switch>),
    SendMessage(String),
    SendSignal {
        user_ids: Vec<UserId>,
        text: String,
    },
    SetRoomExtra {
        key: String,
        value: String,
    },
    SetUserExtra(String),
    /// Whether the connection is good.
    Check,
    Logout,
}

/// The way to another room. With what is shown there, it is complete and can be sent.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) asked: Asked,
    pub(crate) token: Option<RoomToken>,
    pub(crate) shown: Option<Shown>,
}

/// Where the answer to a wish goes.
pub(crate) type Reply = oneshot::Sender<Result<(), Error>>;

/// A wish; without a reply it is the session's own.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wish: Wish,
    pub(crate) reply: Option<Reply>,
}

impl Request {
    /// The session's own.
    pub(crate) fn own(wish: Wish) -> Self {
        Self { wish, reply: None }
    }

    pub(super) fn answer(self, result: Result<(), Error>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(result);
        }
    }
}

impl Wish {
    /// The message that asks for it, from within `room_id`; none for what needs no answer.
    pub(super) fn message(&self, id: u64, room_id: &RoomId) -> Option<ClientMessage> {
        let stream = |stream_id: &StreamId| StreamRequest { id, stream_id: stream_id.as_str().to_owned() };
        Some(match self {
            Self::Check => return None,
            Self::Publish(publication) => ClientMessage::Publish(publication.message(id)),
            Self::StopPublish(stream_id) => ClientMessage::StopPublish(stream(stream_id)),
            Self::Play(stream_id) => ClientMessage::Play(stream(stream_id)),
            Self::StopPlay(stream_id) => ClientMessage::StopPlay(stream(stream_id)),
            Self::Renew(token) => ClientMessage::RenewToken(RenewToken { id, token: token.expose().to_owned() }),
            Self::Switch(switch) => {
                let Shown { token, app_sign_proof } = switch.shown.clone().unwrap_or_default();
                ClientMessage::SwitchRoom(SwitchRoom {
                    id,
                    from_room_id: room_id.as_str().to_owned(),
                    room_id: switch.asked.room_id.as_str().to_owned(),
                    token,
                    app_sign_proof,
                })
            }
            Self::SendMessage(text) => ClientMessage::SendMessage(SendMessage { id, text: text.clone() }),
            Self::SendSignal { user_ids, text } => ClientMessage::SendSignal(SendSignal {
                id,
                user_ids: user_ids.iter().map(|user_id| user_id.as_str().to_owned()).collect(),
                text: text.clone(),
            }),
            Self::SetRoomExtra { key, value } => {
                ClientMessage::SetRoomExtra(SetRoomExtra { id, key: key.clone(), value: value.clone() })
            }
            Self::SetUserExtra(extra) => ClientMessage::SetUserExtra(SetUserExtra { id, extra: extra.clone() }),
            Self::Logout => ClientMessage::Logout(Logout { id }),
        })
    }
}
