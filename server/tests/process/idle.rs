//! What a client costs that is logged in and silent.

use std::{fs, net::SocketAddr};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::harness::{Installation, Server, http};

/// Fewer than files may be open where nothing was raised.
const SOCKETS: usize = 500;
/// What a socket may cost; of a release, `cargo bench --bench sockets` measures 15,000 against 10 KiB.
const MOST_KIB: u64 = 60;

// proves W5
#[test]
fn an_idle_socket_costs_little_memory() {
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let items: Vec<Value> = (0..=SOCKETS).map(|number| json!({ "user_id": format!("user-{number}") })).collect();
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let body = json!({ "items": items }).to_string();
    let minted = http(server.address, "POST", "/v1/apps/77/tokens/batch", &headers, &body);
    let tokens = minted.body["items"].as_array().unwrap().iter().map(|item| item["token"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut open = Vec::new();
        let mut before = 0;
        for (number, token) in tokens.enumerate() {
            open.push(enter(server.address, number, token).await);
            // What the first login costs for good is not a socket's.
            if number == 0 {
                before = resident_kib(&server);
            }
        }
        assert_eq!(open.len(), SOCKETS + 1);
        let each = resident_kib(&server).saturating_sub(before) / SOCKETS as u64;
        println!("{each} KiB a socket");
        assert!(each <= MOST_KIB, "{each} KiB");
    });
}

/// A user who is logged in.
pub(crate) async fn enter(
    address: SocketAddr,
    number: usize,
    token: &str,
) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let mut request = format!("ws://{address}/v1/gateway").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "roompass.v1".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let (user_id, room_id) = (format!("user-{number}"), format!("room-{}", number / 10));
    let login =
        json!({ "type": "login", "id": 1, "app_id": 77, "user_id": user_id, "room_id": room_id, "token": token });
    socket.send(Message::text(login.to_string())).await.unwrap();
    let answer: Value = serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(answer["type"], "logged_in", "{answer}");
    socket
}

/// What of the server is in memory.
pub(crate) fn resident_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
