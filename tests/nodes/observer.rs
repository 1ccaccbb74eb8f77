//! Somebody in a room on the bare protocol, who counts: no change may be missing, come twice, or make no sense.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::cluster::{APP, Cluster};

/// What was heard.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    seq: u64,
    pub(crate) users: BTreeSet<String>,
    pub(crate) streams: BTreeSet<String>,
    /// Everybody who went, and every stream, in order, with the reason.
    pub(crate) left: Vec<String>,
    /// Everything said, in order.
    pub(crate) said: Vec<String>,
    /// What makes no sense.
    pub(crate) faults: Vec<String>,
}

/// Listens until it is dropped.
pub(crate) struct Observer {
    heard: Arc<Mutex<Heard>>,
    task: tokio::task::JoinHandle<()>,
}

impl Observer {
    /// Enters a room at a node.
    pub(crate) async fn enter(cluster: &Cluster, node: usize, user_id: &str, room_id: &str) -> Self {
        let url = cluster.nodes[node].url.replace("http://", "ws://") + "/v1/gateway";
        let mut request = url.into_client_request().expect("a good address");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("roompass.v1"));
        let (mut socket, _) = connect_async(request).await.expect("the node listens");
        let token = cluster.token(user_id, room_id).await;
        let login = json!({
            "type": "login", "id": 1, "app_id": APP, "user_id": user_id, "room_id": room_id, "token": token
        });
        socket.send(Message::Text(login.to_string().into())).await.expect("it goes out");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let answered = loop {
            let message = socket.next().await.expect("an answer").expect("a message");
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == 1 {
                break message;
            }
        };
        assert_eq!(answered["type"], "logged_in", "{answered}");
        heard.lock().expect("nobody panics").begin(&answered);
        let listener = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    let message = serde_json::from_str(&text).expect("JSON");
                    listener.lock().expect("nobody panics").hear(&message);
                }
            }
            listener.lock().expect("nobody panics").faults.push("the connection ended".to_owned());
        });
        Self { heard, task }
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("nobody panics")
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heard {
    fn begin(&mut self, logged_in: &Value) {
        self.seq = logged_in["seq"].as_u64().expect("a number");
        self.users.extend(names(&logged_in["users"], "user_id"));
        self.streams.extend(names(&logged_in["streams"], "stream_id"));
    }

    fn hear(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64() else { return };
        self.seq += 1;
        if seq != self.seq {
            self.faults.push(format!("number {seq} came as {}: {message}", self.seq));
        }
        let is_add = message["change"] == "add";
        let (known, names) = match message["type"].as_str() {
            Some("room_users") => (&mut self.users, names(&message["users"], "user_id")),
            Some("room_streams") => (&mut self.streams, names(&message["streams"], "stream_id")),
            Some("room_message") => {
                return self.said.extend(message["text"].as_str().map(str::to_owned));
            }
            _ => return,
        };
        for name in names {
            let is_new = if is_add { known.insert(name.clone()) } else { known.remove(&name) };
            if !is_new {
                self.faults.push(format!("{name} came or went twice: {message}"));
            }
            if !is_add {
                self.left.push(format!("{name}: {}", message["reason"]));
            }
        }
    }
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    entries.filter_map(|entry| entry[key].as_str().map(str::to_owned)).collect()
}
