//! What a client costs that is logged in and silent.

use std::{fs, net::SocketAddr};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::harness::{Installation, Server, http};

const SOCKETS: usize = 2_000;
/// How many tokens are minted at once.
const BATCH: usize = 500;
/// What a socket may cost, of code without optimisation too. Of a release, `cargo bench --bench sockets` measures 15,000.
const MOST_KIB: f64 = 10.0;

// proves W5
#[test]
fn an_idle_socket_costs_little_memory() {
    open_enough_files();
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let mint = |numbers: &[usize]| {
        let items: Vec<Value> = numbers.iter().map(|number| json!({ "user_id": format!("user-{number}") })).collect();
        let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        let body = json!({ "items": items }).to_string();
        let minted = http(server.address, "POST", "/v1/apps/77/tokens/batch", &headers, &body);
        let items = minted.body["items"].as_array().unwrap().iter();
        items.map(|item| item["token"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    let numbers: Vec<usize> = (0..=SOCKETS).collect();
    let tokens: Vec<String> = numbers.chunks(BATCH).flat_map(mint).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut open, mut before) = (Vec::new(), 0);
        let (pong, mut pongs) = mpsc::unbounded_channel();
        for (number, token) in tokens.iter().enumerate() {
            let (writes, mut reads) = enter(server.address, number, token).await.split();
            open.push(writes);
            let pong = pong.clone();
            // Reading answers pings.
            tokio::spawn(async move {
                while let Some(Ok(message)) = reads.next().await {
                    if let Message::Pong(_) = message {
                        pong.send(()).unwrap();
                    }
                }
            });
            // What the first login costs for good is not a socket's.
            if number == 0 {
                before = resident_kib(&server);
            }
        }
        assert_eq!(open.len(), SOCKETS + 1);
        let each = || resident_kib(&server).saturating_sub(before) as f64 / SOCKETS as f64;
        let at_first = each();
        for socket in &mut open {
            socket.send(Message::Ping(Default::default())).await.unwrap();
        }
        for _ in &open {
            pongs.recv().await.unwrap();
        }
        let at_last = each();
        println!("{at_first:.2} KiB a socket, {at_last:.2} after a ping of each");
        assert!(at_first <= MOST_KIB && at_last <= MOST_KIB, "{at_first} {at_last}");
    });
}

/// Lets as many files be open as the system allows without asking anybody, as a server does for itself.
fn open_enough_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = SOCKETS as u64 + 1_000;
    assert!(limit.maximum.is_none_or(|most| most >= enough), "this needs {enough} open files: see `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the maximum it may be set");
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
