//! Somebody in a room with a WebRTC connection, on the bare protocol: its client goes on sending whatever it is told.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use roompass_media::{Kind, Role, Track};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    client::{Client, Line},
    cluster::{APP, Cluster, DEADLINE, eventually},
};

pub(crate) const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];
/// How long after a change a receiver may still get packets.
const AT_ONCE: Duration = Duration::from_secs(1);

type Sink = SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>;

pub(crate) struct Peer {
    sink: Sink,
    heard: mpsc::UnboundedReceiver<Value>,
    pub(crate) rtc: Client,
    asked: u64,
    lines: Vec<Line>,
}

impl Peer {
    /// Enters a room at a node, with a token for everything in it.
    pub(crate) async fn enter(cluster: &Cluster, node: usize, user_id: &str, room_id: &str) -> Self {
        let token = cluster.token(user_id, room_id).await;
        Self::enter_by(cluster, node, (user_id, room_id), &token).await
    }

    pub(crate) async fn enter_by(
        cluster: &Cluster,
        node: usize,
        (user_id, room_id): (&str, &str),
        token: &str,
    ) -> Self {
        let url = cluster.nodes[node].url.replace("http://", "ws://") + "/v1/gateway";
        let mut request = url.into_client_request().expect("a good address");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("roompass.v1"));
        let (socket, _) = connect_async(request).await.expect("the node listens");
        let (sink, mut stream) = socket.split();
        let (hear, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message {
                    // The test may be over.
                    let _ = hear.send(serde_json::from_str(&text).expect("JSON"));
                }
            }
        });
        let mut peer = Self { sink, heard, rtc: Client::udp(), asked: 0, lines: vec![] };
        let login = json!({ "app_id": APP, "user_id": user_id, "room_id": room_id, "token": token });
        let answer = peer.ask("login", login).await;
        assert_eq!(answer["type"], "logged_in", "{answer}");
        peer
    }

    /// Asks, and hears the answer among everything else.
    pub(crate) async fn ask(&mut self, kind: &str, members: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut message = json!({ "type": kind, "id": id });
        message.as_object_mut().expect("it is one").extend(members.as_object().expect("it is one").clone());
        self.sink.send(Message::Text(message.to_string().into())).await.expect("it goes out");
        self.hears_one(kind, |heard| heard["id"] == id).await
    }

    pub(crate) async fn hears(&mut self, kind: &str) -> Value {
        self.hears_one(kind, |heard| heard["type"] == kind).await
    }

    async fn hears_one(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(DEADLINE, async {
            loop {
                let heard = self.heard.recv().await.expect("the connection is there");
                if is_it(&heard) {
                    return heard;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("nothing is heard of {what}"))
    }

    /// Waits for the end of the connection, and says what was heard last.
    pub(crate) async fn ends(mut self) -> Value {
        let mut last = Value::Null;
        let ends = timeout(DEADLINE, async {
            while let Some(heard) = self.heard.recv().await {
                last = heard;
            }
        });
        ends.await.expect("the connection ends");
        last
    }

    /// Whether it was told by now, since it last listened.
    pub(crate) fn was_told(&mut self, kind: &str) -> bool {
        let mut was_told = false;
        while let Ok(heard) = self.heard.try_recv() {
            was_told |= heard["type"] == kind;
        }
        was_told
    }

    /// Offers media lines, whatever was granted.
    pub(crate) async fn negotiate(&mut self, lines: &[Line]) -> Value {
        self.lines.extend_from_slice(lines);
        let (sdp, tracks) = self.rtc.offer(lines);
        let tracks: Vec<Value> = tracks.iter().map(spelt).collect();
        let answer = self.ask("media_offer", json!({ "sdp": sdp, "tracks": tracks })).await;
        if answer["type"] == "media_answer" {
            self.rtc.accept(answer["sdp"].as_str().expect("a string"));
        } else {
            self.rtc.withdraw();
        }
        answer
    }

    /// Makes a new connection with all that the one before had, until it is answered.
    pub(crate) async fn connect_anew(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let begun = Instant::now();
        loop {
            self.rtc = Client::udp();
            self.lines.clear();
            let answer = self.negotiate(&lines).await;
            if answer["type"] == "media_answer" {
                return;
            }
            assert!(answer["retryable"] == true && begun.elapsed() < DEADLINE, "{answer}");
        }
    }

    pub(crate) async fn publish(&mut self, stream_id: &str) {
        assert_eq!(self.ask("publish", json!({ "stream_id": stream_id })).await["type"], "ok");
        let answer = self.negotiate(&BOTH.map(|kind| Line::publish(stream_id, kind))).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("media_answer"), &Value::Null));
    }

    pub(crate) async fn play(&mut self, stream_id: &str) {
        assert_eq!(self.ask("play", json!({ "stream_id": stream_id })).await["type"], "ok");
        let answer = self.negotiate(&BOTH.map(|kind| Line::play(stream_id, kind))).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("media_answer"), &Value::Null));
    }

    /// Waits until packets of both kinds arrive.
    pub(crate) async fn sees(&self, stream_id: &str) {
        self.sees_more(stream_id, 10).await;
    }

    /// Waits until so many more packets of both kinds have arrived: one is sent every 10 ms.
    pub(crate) async fn sees_more(&self, stream_id: &str, packets: u64) {
        for kind in BOTH {
            let before = self.rtc.received(stream_id, kind);
            eventually("packets arrive", || {
                let received = self.rtc.received(stream_id, kind) - before;
                if received > packets { Ok(()) } else { Err(format!("{received} of {stream_id} {kind:?}")) }
            })
            .await;
        }
    }

    /// That nothing of `stream_id` has come later than a second after `change`, by now.
    #[track_caller]
    pub(crate) fn went_silent(&self, stream_id: &str, change: Instant) {
        for kind in BOTH {
            let last = self.rtc.last_received(stream_id, kind).expect("something had come before");
            let after = last.saturating_duration_since(change);
            assert!(after < AT_ONCE, "{kind:?} of {stream_id} came {after:?} after the change");
        }
    }
}

fn spelt(track: &Track) -> Value {
    match track.role {
        Role::Publish(kind) => json!({ "mid": track.mid, "stream_id": &*track.stream_id, "publish": kind.as_str() }),
        Role::Play => json!({ "mid": track.mid, "stream_id": &*track.stream_id }),
    }
}
