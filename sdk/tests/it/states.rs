//! Every change of state that can be seen is one of the table of the field.

use std::{collections::BTreeSet, time::Duration};

use roompass_sdk::{ErrorCode, Event, FixedToken, Room, RoomState};
use roompass_wire::gateway::{Kicked, ServerMessage};

use crate::peer::*;

/// The table, as the field's numbers of the reasons: what a state may follow. Before the first there is none.
const TABLE: &[(Option<u32>, u32)] = &[
    (None, 0),
    (Some(0), 1),
    (Some(0), 2),
    (Some(1), 3),
    (Some(1), 6),
    (Some(1), 7),
    (Some(3), 4),
    (Some(3), 5),
    (Some(3), 7),
    (Some(4), 3),
    (Some(4), 6),
    (Some(4), 7),
    (Some(7), 0),
];

/// The changes that the first listener heard of, once the stay is over.
async fn changes(room: Room) -> Vec<(Option<u32>, u32)> {
    let mut events = room.events();
    let mut heard: Vec<RoomState> = Vec::new();
    while let Some(event) = soon(events.next()).await {
        if let Event::StateChanged { state, .. } = event {
            heard.push(state);
        }
    }
    assert!(heard.last().unwrap().is_over() && room.state().is_over());
    let before = std::iter::once(None).chain(heard.iter().map(|state| Some(state.reason())));
    before.zip(heard.iter().map(RoomState::reason)).collect()
}

async fn admitted(peer: &Peer) -> (Room, Talk) {
    let client = peer.client().reconnect_limit(Duration::from_secs(60));
    let client = client.token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    peer.admit(&client, 3600).await
}

async fn back(room: &Room, peer: &Peer, talk: Talk) -> Talk {
    drop(talk);
    let_it_try(room, peer).await;
    let (mut talk, login) = peer.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(room, |state| matches!(state, RoomState::Reconnected)).await;
    talk
}

async fn kick(talk: &mut Talk) {
    let code = ErrorCode::Kicked;
    let (room_id, message) = ("lobby".to_owned(), String::new());
    talk.send(&ServerMessage::Kicked(Kicked { room_id, code, number: 1, message, may_reconnect: false, reason: None }))
        .await;
}

#[tokio::test]
async fn all_changes_of_state_are_in_the_table_and_all_of_the_table_happen() {
    let mut seen = BTreeSet::new();

    // Kicked at once, and after a return.
    let peer = Peer::start().await;
    let (room, mut talk) = admitted(&peer).await;
    kick(&mut talk).await;
    seen.extend(changes(room).await);
    let (room, talk) = admitted(&peer).await;
    kick(&mut back(&room, &peer, talk).await).await;
    seen.extend(changes(room).await);

    // Left: from within, after a return, and on the way back.
    let (room, talk) = admitted(&peer).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    soon(room.logout_room()).await;
    seen.extend(changes(room).await);
    for returns in [false, true] {
        let peer = Peer::start().await;
        let (room, mut talk) = admitted(&peer).await;
        if returns {
            talk = back(&room, &peer, talk).await;
        }
        let ((), ()) = tokio::join!(room.logout_room(), async {
            let id = talk.receive().await.unwrap().id();
            talk.ok(id).await;
        });
        seen.extend(changes(room).await);
    }

    // Given up after two losses; and put out while away, which a return reveals.
    let peer = Peer::start().await;
    let (room, talk) = admitted(&peer).await;
    drop(back(&room, &peer, talk).await);
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
    peer.environment.advance(Duration::from_secs(60));
    seen.extend(changes(room).await);
    let peer = Peer::start().await;
    let (room, talk) = admitted(&peer).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    let (mut talk, _) = peer.greet().await;
    kick(&mut talk).await;
    let last = state(&room, RoomState::is_over).await;
    assert!(matches!(&last, RoomState::ReconnectFailed(error) if error.code() == Some(ErrorCode::Kicked)), "{last:?}");
    seen.extend(changes(room).await);

    // To another room, from which no way leads on.
    let (room, mut talk) = admitted(&peer).await;
    for (room_id, refusal) in [("attic", None), ("cellar", Some(ErrorCode::LoginDenied))] {
        let (switched, ()) = tokio::join!(room.switch_room(room_id), async {
            let id = talk.expect_switch().await.id;
            match refusal {
                None => talk.admit(id, None).await,
                Some(code) => talk.refuse(Some(id), code).await,
            }
        });
        assert_eq!(switched.is_err(), refusal.is_some());
    }
    seen.extend(changes(room).await);

    assert_eq!(seen, BTreeSet::from_iter(TABLE.iter().copied()));
}
