//! What somebody sends who has listened in, or who mixes up rooms: frames sent again, numbers and ids of others. Each is
//! one transcript; none changes what the server holds.

use serde_json::{Value, json};
use token_gen::Privilege;

use super::{
    forged::state,
    harness::{APP_ID, TestClient, TestGateway, part, settings},
    resume::Ticket,
};
use crate::gateway::GatewayConfig;

const TTL: u64 = 3_600;

/// Alice and bob in r1, carol in r2; each publishes a stream.
struct Scene {
    test: TestGateway,
    alice: TestClient,
    ticket: Ticket,
    _others: [TestClient; 2],
    transcripts: usize,
}

async fn enter(test: &TestGateway, user_id: &str, room_id: &str) -> (TestClient, Ticket) {
    let mut client = test.connect().await;
    let token = test.token_with(user_id, room_id, &Privilege::ALL, TTL);
    let answer = client.login(user_id, room_id, json!({ "token": token })).await;
    assert_eq!(answer["type"], "logged_in", "{answer}");
    let stream_id = format!("{user_id}s");
    assert_eq!(asked(&mut client, json!({ "type": "publish", "id": 50, "stream_id": stream_id })).await["type"], "ok");
    (client, Ticket::of(&answer))
}

/// The answer to a whole message, past what others cause.
async fn asked(client: &mut TestClient, message: Value) -> Value {
    let id = message["id"].clone();
    client.say(message).await;
    loop {
        let heard = client.hear().await;
        if heard["id"] == id {
            return heard;
        }
    }
}

impl Scene {
    async fn set() -> Self {
        // Nobody is put out for not answering pings.
        let ping_interval = std::time::Duration::from_secs(TTL);
        let config = GatewayConfig { ping_interval, ..GatewayConfig::default() };
        let test = TestGateway::start_with(settings(), config).await;
        let (carol, _) = enter(&test, "carol", "r2").await;
        let (bob, _) = enter(&test, "bob", "r1").await;
        let (alice, ticket) = enter(&test, "alice", "r1").await;
        Self { test, alice, ticket, _others: [bob, carol], transcripts: 0 }
    }

    /// Alice says this; it is refused with `code`, and nothing has changed.
    async fn refused(&mut self, message: Value, code: &str) {
        self.test.advance(1);
        let before = state(&self.test);
        let answer = asked(&mut self.alice, message.clone()).await;
        assert_eq!(answer["code"], code, "{message}: {answer}");
        assert_eq!(state(&self.test), before, "{message}");
        self.transcripts += 1;
    }

    /// A stranger says this on a connection of its own.
    async fn refused_to_stranger(&mut self, message: Value, code: &str) {
        let before = state(&self.test);
        let mut stranger = self.test.connect().await;
        let answer = asked(&mut stranger, message.clone()).await;
        assert_eq!(answer["code"], code, "{message}: {answer}");
        assert_eq!(state(&self.test), before, "{message}");
        self.transcripts += 1;
    }

    fn resume(&self, changes: Value) -> Value {
        let Ticket { session_id, resume_key } = &self.ticket;
        let mut message = json!({
            "type": "resume", "id": 9, "app_id": APP_ID, "session_id": session_id, "resume_key": resume_key, "seq": 1
        });
        message.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        message
    }
}

// proves T53 (frames sent again, ids of others)
#[tokio::test]
async fn nothing_that_is_sent_again_or_to_the_wrong_room_is_done() {
    let mut scene = Scene::set().await;
    let token =
        |scene: &Scene, user_id: &str, room_id: &str| scene.test.token_with(user_id, room_id, &Privilege::ALL, TTL);
    let login = |user_id: &str, room_id: &str, token: String| json!({ "type": "login", "id": 1, "app_id": APP_ID, "user_id": user_id, "room_id": room_id, "token": token });

    // A login frame again: the same, of the same user elsewhere, of another user.
    for (user_id, room_id) in [("alice", "r1"), ("alice", "r2"), ("bob", "r1"), ("carol", "r2")] {
        let token = token(&scene, user_id, room_id);
        let frame = login(user_id, room_id, token);
        scene.refused(frame.clone(), "already_in_room").await;
        scene.refused(frame, "already_in_room").await;
    }
    // A proof that was good on this connection, on another one.
    let proof = scene.alice.proof("alice", "r1");
    let frame = json!({
        "type": "login", "id": 1, "app_id": APP_ID, "user_id": "alice", "room_id": "r1", "app_sign_proof": proof
    });
    scene.refused_to_stranger(frame.clone(), "app_sign_wrong").await;
    scene.refused(frame, "already_in_room").await;
    // Tokens that somebody else has shown.
    for (user_id, room_id, shown_as, shown_in, code) in [
        ("bob", "r1", "alice", "r1", "token_user_mismatch"),
        ("bob", "r1", "mallory", "r1", "token_user_mismatch"),
        ("carol", "r2", "carol", "r1", "login_denied"),
        ("alice", "r1", "alice", "r2", "login_denied"),
    ] {
        let token = token(&scene, user_id, room_id);
        scene.refused_to_stranger(login(shown_as, shown_in, token), code).await;
    }

    // A resume in the middle of a session, and with what is not its.
    let frame = scene.resume(json!({}));
    scene.refused(frame.clone(), "already_in_room").await;
    scene.refused(frame, "already_in_room").await;
    let (dave, daves) = enter(&scene.test, "dave", "r1").await;
    for (changes, code) in [
        (json!({ "resume_key": daves.resume_key }), "resume_refused"),
        (json!({ "session_id": daves.session_id }), "resume_refused"),
        (json!({ "app_id": APP_ID + 1 }), "resume_refused"),
        (json!({ "app_id": 0 }), "resume_refused"),
        (json!({ "session_id": "" }), "resume_refused"),
        (json!({ "resume_key": "" }), "resume_refused"),
        (json!({ "resume_key": "A".repeat(43) }), "resume_refused"),
        (json!({ "seq": -1 }), "message_invalid"),
        (json!({ "seq": "1" }), "message_invalid"),
        (json!({ "seq": 1.5 }), "message_invalid"),
        (json!({ "room_id": "r2" }), "message_invalid"),
        (json!({ "user_id": "bob" }), "message_invalid"),
    ] {
        let frame = scene.resume(changes);
        scene.refused_to_stranger(frame, code).await;
    }
    drop(dave);

    // Request ids that were used before: each request is judged for itself, and done once.
    for (message, code) in [
        (json!({ "type": "publish", "id": 50, "stream_id": "alices" }), "already_publishing"),
        (json!({ "type": "publish", "id": 1, "stream_id": "alices" }), "already_publishing"),
        (json!({ "type": "publish", "id": 0, "stream_id": "alices" }), "already_publishing"),
        (json!({ "type": "publish", "id": u64::MAX, "stream_id": "alices" }), "already_publishing"),
        (json!({ "type": "stop_play", "id": 50, "stream_id": "bobs" }), "not_playing"),
    ] {
        for _ in 0..2 {
            scene.refused(message.clone(), code).await;
        }
    }
    // What belongs to others, here and in another room.
    let alices = token(&scene, "alice", "r2");
    let bobs = token(&scene, "bob", "r1");
    let carols = token(&scene, "carol", "r2");
    for (message, code) in [
        (json!({ "type": "publish", "id": 60, "stream_id": "bobs" }), "stream_id_taken"),
        (json!({ "type": "publish", "id": 61, "stream_id": "carols" }), "stream_id_taken"),
        (json!({ "type": "stop_publish", "id": 62, "stream_id": "bobs" }), "not_publishing"),
        (json!({ "type": "stop_publish", "id": 63, "stream_id": "carols" }), "not_publishing"),
        (json!({ "type": "send_signal", "id": 64, "user_ids": ["carol"], "text": "x" }), "user_not_in_room"),
        (json!({ "type": "send_signal", "id": 65, "user_ids": ["bob", "carol"], "text": "x" }), "user_not_in_room"),
        (json!({ "type": "switch_room", "id": 66, "from_room_id": "r2", "room_id": "r1" }), "not_in_that_room"),
        (json!({ "type": "switch_room", "id": 67, "from_room_id": "r2", "room_id": "r3" }), "not_in_that_room"),
        (json!({ "type": "switch_room", "id": 68, "from_room_id": "r1", "room_id": "r1" }), "already_in_room"),
        (json!({ "type": "renew_token", "id": 69, "token": alices }), "login_denied"),
        (json!({ "type": "renew_token", "id": 70, "token": bobs }), "token_user_mismatch"),
        (json!({ "type": "renew_token", "id": 71, "token": carols }), "token_user_mismatch"),
    ] {
        scene.refused(message, code).await;
    }
    println!("{} transcripts", scene.transcripts);
    assert!(scene.transcripts >= 50, "{}", scene.transcripts);
}

// proves T53 (a resume again)
#[tokio::test]
async fn a_resume_that_was_answered_is_good_for_nothing_more() {
    let mut scene = Scene::set().await;
    // From however far ahead: what the room has not said yet, nobody has heard.
    for seq in [0_u64, 1, 5, 1_000_000, u64::MAX] {
        let frame = scene.resume(json!({ "seq": seq }));
        let mut back = scene.test.connect().await;
        let resumed = asked(&mut back, frame.clone()).await;
        assert_eq!(part(&resumed, &["type", "publishing"]), json!(["resumed", ["alices"]]), "from {seq}: {resumed}");
        assert!(resumed["seq"].as_u64().unwrap() < 100, "{resumed}");
        // Its key is spent: whoever has seen the frame has nothing.
        scene.refused_to_stranger(frame, "resume_refused").await;
        scene.ticket =
            Ticket { session_id: scene.ticket.session_id.clone(), resume_key: resumed["resume_key"].clone() };
        scene.alice = back;
    }
    // After a goodbye the newest one is, too.
    let bye = asked(&mut scene.alice, json!({ "type": "logout", "id": 99 })).await;
    assert_eq!(bye["type"], "ok");
    let frame = scene.resume(json!({}));
    scene.refused_to_stranger(frame, "resume_refused").await;
}
