//! A WebRTC implementation that shares no code with this one: aiortc encodes, sends, receives and decodes.

use std::{env, ffi::OsString, path::Path, process::Stdio};

use roompass_media::{Answer, Kind, Kinds, Offer, Opening, Role, Session, Track};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
};

use crate::{
    harness::{everything, media, only_play},
    json,
};

/// The interpreter with the packages of `.ci/requirements.txt`; `make test` sees to one.
#[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
fn interpreter() -> OsString {
    env::var_os("ROOMPASS_PYTHON").unwrap_or_else(|| "python3".into())
}

#[tokio::test]
async fn aiortc_decodes_what_aiortc_publishes() {
    let media = media().await;
    let enter = |name: &str, rights| {
        let opening = Opening { room: "1/room".into(), user_id: name.into(), rights };
        media.open(opening).unwrap().0
    };
    let (publisher, player) = (enter("alice", everything()), enter("bob", only_play()));
    publisher.publish("alice-camera", Kinds::ALL);
    player.play("alice-camera");

    let mut peers = Command::new(interpreter())
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/peers.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the packages of .ci/requirements.txt are installed: run `.ci/setup test`");
    let mut answers = peers.stdin.take().unwrap();
    let mut offers = BufReader::new(peers.stdout.take().unwrap()).lines();
    negotiate(&publisher, &mut offers, &mut answers, Role::Publish).await;
    negotiate(&player, &mut offers, &mut answers, |_| Role::Play).await;
    let decoded = offers.next_line().await.unwrap().expect("it ran to its end");
    assert_eq!(decoded, r#"{"audio": 25, "video": 25}"#);
    assert!(peers.wait().await.unwrap().success());
    media.shutdown();
}

async fn negotiate(
    session: &Session,
    offers: &mut Lines<BufReader<ChildStdout>>,
    answers: &mut ChildStdin,
    role_of: impl Fn(Kind) -> Role,
) {
    let line = offers.next_line().await.unwrap().expect("an offer");
    let offer: json::Offer = serde_json::from_str(&line).unwrap();
    let tracks = offer.lines.into_iter().map(|line| {
        let kind = if line.kind == "audio" { Kind::Audio } else { Kind::Video };
        Track { mid: line.mid, stream_id: "alice-camera".into(), role: role_of(kind) }
    });
    let Answer { sdp, idle } = session.offer(Offer { sdp: offer.sdp, tracks: tracks.collect() }).await.unwrap();
    assert_eq!(idle, []);
    let answer = serde_json::to_string(&json::Answer { sdp }).unwrap();
    answers.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
}
