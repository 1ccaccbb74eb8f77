//! What users and the operator say to one another, and values that everybody sees.

use roompass_sdk::{ErrorCode, ErrorKind, Event, FixedToken, MediaKind, Publication, SessionPrivilege};
use roompass_wire::gateway::{
    ClientMessage, OperatorMessage, PrivilegesChanged, RoomExtraChange, RoomMessage, ServerMessage, SessionRights,
    Signal, UserExtra,
};

use crate::peer::*;

async fn admitted() -> (roompass_sdk::Room, Talk, Peer) {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, talk) = peer.admit_as(&client, resumable()).await;
    (room, talk, peer)
}

#[tokio::test]
async fn what_the_app_says_is_sent_as_it_is_and_refusals_come_back() {
    let (room, mut talk, _peer) = admitted().await;
    let publication = Publication::new("s1").unwrap().media([MediaKind::Screen]).extra("slides");
    let serve = async {
        let mut heard = Vec::new();
        for _ in 0..5 {
            let message = talk.receive().await.unwrap();
            match &message {
                ClientMessage::SendMessage(_) => talk.refuse(Some(message.id()), ErrorCode::RateLimited).await,
                _ => talk.ok(message.id()).await,
            }
            heard.push(message);
        }
        heard
    };
    let (said, signalled, set, own, published, heard) = tokio::join!(
        room.send_message("hello"),
        room.send_signal(&["bob", "carol"], "offer"),
        room.set_room_extra("topic", "release"),
        room.set_user_extra("hand"),
        room.start_publishing(publication),
        serve,
    );
    let error = said.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Some(ErrorCode::RateLimited), true));
    assert!(signalled.is_ok() && set.is_ok() && own.is_ok() && published.is_ok());
    assert!(
        matches!(&heard[..], [
            ClientMessage::SendMessage(message),
            ClientMessage::SendSignal(signal),
            ClientMessage::SetRoomExtra(room_extra),
            ClientMessage::SetUserExtra(user_extra),
            ClientMessage::Publish(publish),
        ] if message.text == "hello" && signal.user_ids == ["bob", "carol"] && signal.text == "offer"
            && (&*room_extra.key, &*room_extra.value) == ("topic", "release") && user_extra.extra == "hand"
            && publish.media == Some(vec![MediaKind::Screen]) && publish.extra.as_deref() == Some("slides")),
        "{heard:?}"
    );
    assert_eq!(room.send_signal(&["no spaces"], "x").await.unwrap_err().kind(), ErrorKind::Usage);
    assert!(room.state().is_connected(), "too much of something ends nothing");
}

#[tokio::test]
async fn what_others_say_is_heard_in_order_and_values_are_kept() {
    let (room, mut talk, _peer) = admitted().await;
    let mut events = room.events();
    let (room_id, user_id) = ("lobby".to_owned(), "bob".to_owned());
    let text = |text: &str| text.to_owned();
    for message in [
        ServerMessage::RoomMessage(RoomMessage {
            room_id: room_id.clone(),
            seq: 2,
            user_id: user_id.clone(),
            text: text("hello"),
            sent_at: SERVER_TIME,
            mark: None,
            missed: false,
        }),
        ServerMessage::Signal(Signal {
            room_id: room_id.clone(),
            user_id: user_id.clone(),
            text: text("offer"),
            sent_at: SERVER_TIME,
            mark: None,
        }),
        ServerMessage::ServerMessage(OperatorMessage {
            room_id: room_id.clone(),
            text: text("closing"),
            sent_at: SERVER_TIME,
        }),
        ServerMessage::RoomExtra(RoomExtraChange {
            room_id: room_id.clone(),
            seq: 3,
            key: text("topic"),
            value: text("release"),
            user_id: user_id.clone(),
            updated_at: SERVER_TIME,
        }),
        ServerMessage::UserExtra(UserExtra {
            room_id: room_id.clone(),
            seq: 4,
            user_id: text("alice"),
            extra: text("hand"),
        }),
        ServerMessage::PrivilegesChanged(PrivilegesChanged {
            room_id,
            privileges: vec![SessionPrivilege::Login, SessionPrivilege::Play],
            rights: SessionRights { play_stream_ids: Some(vec![text("b1")]), ..SessionRights::default() },
            server_time: SERVER_TIME,
        }),
    ] {
        talk.send(&message).await;
    }
    let mut heard = Vec::new();
    while heard.len() < 6 {
        match soon(events.next()).await.unwrap() {
            Event::StateChanged { .. } | Event::LoggedIn(_) | Event::UsersJoined(_) => {}
            event => heard.push(event),
        }
    }
    assert!(
        matches!(&heard[..], [
            Event::RoomMessage(message),
            Event::Signal(signal),
            Event::ServerMessage(operator),
            Event::RoomExtraChanged(extra),
            Event::UserExtraChanged { user_id, .. },
            Event::PrivilegesChanged { privileges, .. },
        ] if (message.seq, &*message.text) == (2, "hello") && signal.text == "offer" && operator.text == "closing"
            && extra.value == "release" && user_id == "alice" && privileges.len() == 2),
        "{heard:?}"
    );
    assert_eq!(room.room_extra()[0].value, "release");
    assert_eq!(room.users()[0].extra.as_deref(), Some("hand"));
    let admission = room.admission();
    assert_eq!(admission.privileges, [SessionPrivilege::Login, SessionPrivilege::Play]);
    assert_eq!(admission.rights.play_stream_ids, Some(vec![text("b1")]));
}
