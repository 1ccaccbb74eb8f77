//! CBC tokens over real sockets: only what was minted is taken, and whatever is done to one, the answer is the same.

use std::{collections::HashSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::SysRng;
use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::{Value, json};
use token_gen::{AppId, Format, Minter, Payload, TokenRequest, UnixSeconds, UserId};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    Config, Running,
    admin::{KeyKind, NewKey, Rotation, SettingsChange},
    app,
    apps::{AppSettings, CbcPolicy, FormatName},
    clock::ManualClock,
    keys::{Right, Scope},
    limits::Quota,
    sealing::MasterKey,
    store::Purpose,
};

const NOW: i64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;
/// How many failures a source has, and after how long it has them again.
const BUDGET: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

struct World {
    running: Running,
    clock: Arc<ManualClock>,
    key: String,
    /// A generator elsewhere that has the secret for CBC.
    elsewhere: Minter,
    http: BufReader<TcpStream>,
}

impl World {
    /// App 7 takes token04 with CBC under `policy`.
    async fn new(cbc_policy: CbcPolicy) -> Self {
        let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), MasterKey::generate(&mut SysRng).unwrap());
        (config.limits.key, config.limits.source) = (Quota::per_second(1_000_000), Quota::per_second(1_000_000));
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
        let running = app::start(config, clock.clone()).await.unwrap();
        let settings = AppSettings::new(AppId::new(7).unwrap(), "app");
        let key = running.create_app(settings.clone()).await.unwrap().backend_key.expose().to_owned();
        let admin = &running.service().admin;
        let rotation = Rotation { purpose: Purpose::Cbc, overlap: None };
        let secret = admin.rotate(settings.app_id, rotation).await.unwrap().secret;
        let settings = AppSettings {
            formats: vec![FormatName::Token04Gcm, FormatName::Token04Cbc],
            cbc_policy,
            cbc_until: (cbc_policy == CbcPolicy::Offline).then_some(NOW + 90 * 86_400),
            ..settings
        };
        let change = SettingsChange { version: 2, settings, acknowledge_cbc: true };
        assert_eq!(admin.update_app(change).await.unwrap().warnings.len(), 1);
        let elsewhere = Minter::new(AppId::new(7).unwrap(), &secret).with_format(Format::Token04Cbc);
        let stream = TcpStream::connect(running.url().trim_start_matches("http://")).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { running, clock, key, elsewhere, http: BufReader::new(stream) }
    }

    fn mint_elsewhere(&self) -> String {
        let user_id = UserId::new("dave").unwrap();
        let request = TokenRequest { user_id, ttl: Duration::from_secs(DAY), payload: Payload::Identity };
        self.elsewhere.mint(&request, UnixSeconds::new(NOW), &mut SysRng).unwrap().token
    }

    /// Status, headers and body of an answer, without what differs between any two answers.
    async fn post(&mut self, path: &str, body: &Value) -> (String, Value) {
        let (key, body) = (&self.key, body.to_string());
        let head = format!(
            "POST /v1/apps/7/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.http.get_mut().write_all((head + &body).as_bytes()).await.unwrap();
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.http.read_line(&mut line).await.unwrap();
            let name = line.split(':').next().unwrap();
            match name {
                "\r\n" => break,
                "content-length" => length = line.split(": ").nth(1).unwrap().trim().parse().unwrap(),
                _ => {}
            }
            if !["date", "x-request-id", "ratelimit", "roompass-server-time"].contains(&name) {
                head.push_str(&line);
            }
        }
        let mut body = vec![0; length];
        self.http.read_exact(&mut body).await.unwrap();
        (head, serde_json::from_slice(&body).unwrap())
    }

    async fn introspect(&mut self, token: &str) -> (String, Value) {
        self.post("tokens/introspect", &json!({ "token": token })).await
    }

    async fn is_active(&mut self, token: &str) -> bool {
        self.introspect(token).await.1["active"] == true
    }

    /// The answers to logins with these tokens, on as few connections as the gateway likes.
    async fn log_in(&self, tokens: &[String]) -> Vec<Value> {
        let (mut answers, mut open) = (Vec::new(), None);
        for token in tokens {
            let login = json!({
                "type": "login", "id": 1, "app_id": 7, "user_id": "dave", "room_id": "r", "token": token
            });
            loop {
                let mut socket = match open.take() {
                    Some(socket) => socket,
                    None => self.connect().await,
                };
                socket.send(Message::text(login.to_string())).await.unwrap();
                if let Some(answer) = answer(&mut socket).await {
                    answers.push(answer);
                    open = Some(socket);
                    break;
                }
            }
        }
        answers
    }

    async fn connect(&self) -> Socket {
        let mut request = self.running.gateway_url().into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let (mut socket, _) = connect_async(request).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The answer to a login; `None` if instead the gateway ended the connection because of those before it.
async fn answer(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(answer) => return Some(serde_json::from_str(&answer).unwrap()),
            // The clock jumps, so it is asked in between whether it is still there.
            Message::Ping(_) => {}
            Message::Close(Some(frame)) => {
                assert_eq!((u16::from(frame.code), &*frame.reason), (4000, "token_invalid"));
                return None;
            }
            other => panic!("instead of an answer: {other:?}"),
        }
    }
}

/// The token with these bits of this byte of its body flipped.
fn flipped(token: &str, at: usize, bits: u8) -> String {
    let mut body = STANDARD.decode(&token[2..]).unwrap();
    body[at] ^= bits;
    format!("04{}", STANDARD.encode(body))
}

// proves T01, T02 (where only minted tokens are taken)
#[tokio::test]
async fn where_only_minted_cbc_tokens_are_taken_no_changed_one_is() {
    let mut world = World::new(CbcPolicy::IssuedOnly).await;
    let mut tokens = Vec::new();
    for number in 0..10 {
        let body = json!({ "user_id": format!("dave{number}"), "cipher": "cbc" });
        tokens.push(world.post("tokens", &body).await.1["token"].as_str().unwrap().to_owned());
    }
    let items: Vec<Value> = (10..20).map(|n| json!({ "user_id": format!("dave{n}"), "cipher": "cbc" })).collect();
    let batch = world.post("tokens/batch", &json!({ "items": items })).await.1;
    tokens.extend(batch["items"].as_array().unwrap().iter().map(|item| item["token"].as_str().unwrap().to_owned()));
    assert_eq!(tokens.len(), 20);

    for token in &tokens {
        assert!(world.is_active(token).await);
        for bit in 0..128 {
            assert!(!world.is_active(&flipped(token, 10 + bit / 8, 1 << (bit % 8))).await, "bit {bit}");
        }
    }
    let len = STANDARD.decode(&tokens[0][2..]).unwrap().len();
    for at in 0..len {
        assert!(!world.is_active(&flipped(&tokens[0], at, 1)).await, "byte {at}");
    }
    let elsewhere = world.mint_elsewhere();
    assert!(!world.is_active(&elsewhere).await, "the right secret is not enough");
    assert_eq!(world.log_in(std::slice::from_ref(&elsewhere)).await[0]["code"], "token_invalid");
    let explained = world.post("tokens/explain", &json!({ "token": elsewhere, "user_id": "dave" })).await.1;
    assert!(explained["findings"].to_string().contains("not_issued"), "{explained}");
    assert_eq!(explained["claims"], Value::Null, "it was not even read");
    assert!(world.is_active(&tokens[0]).await, "refusals cost nothing");

    // After its end its holder may hear so; once forgotten, it is one that we do not know.
    let body = json!({ "user_id": "dave", "cipher": "cbc", "ttl_secs": 60 });
    let token = world.post("tokens", &body).await.1["token"].as_str().unwrap().to_owned();
    assert_eq!(world.log_in(std::slice::from_ref(&token)).await[0]["type"], "logged_in");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.log_in(std::slice::from_ref(&token)).await[0]["code"], "token_expired");
    world.clock.advance(Duration::from_secs(60));
    let service = world.running.service();
    service.lifecycle.sweep(UnixSeconds::new(NOW + 120)).await.unwrap();
    assert_eq!(service.store.issued_after(0, 100).await.unwrap().len(), 20);
    assert_eq!(world.log_in(&[token]).await[0]["code"], "token_invalid");
}

// proves T03
#[tokio::test]
async fn the_bytes_of_a_cbc_token_answer_no_question() {
    for policy in [CbcPolicy::IssuedOnly, CbcPolicy::Offline] {
        let mut world = World::new(policy).await;
        let token = world.mint_elsewhere();
        assert_eq!(world.is_active(&token).await, policy == CbcPolicy::Offline);
        // The block before the last decides on the padding of the last.
        let len = STANDARD.decode(&token[2..]).unwrap().len();
        let sweep: Vec<String> = (0..16)
            .flat_map(|at| (1..=255).map(move |bits| (at, bits)))
            .map(|(at, bits)| flipped(&token, len - 32 + at, bits))
            .collect();
        let (mut over_http, mut over_sockets) = (HashSet::new(), HashSet::new());
        for tokens in sweep.chunks(BUDGET) {
            for token in tokens {
                let (head, body) = world.introspect(token).await;
                over_http.insert(format!("{head}{body}"));
            }
            over_sockets.extend(world.log_in(tokens).await.iter().map(Value::to_string));
            // So that each of them is read, where any is.
            world.clock.advance(WINDOW);
        }
        assert_eq!((over_http.len(), over_sockets.len()), (1, 1), "{over_http:?} {over_sockets:?}");

        // Without waiting: those that are not read any more are answered no differently.
        for token in &sweep[..4 * BUDGET] {
            let (head, body) = world.introspect(token).await;
            over_http.insert(format!("{head}{body}"));
        }
        over_sockets.extend(world.log_in(&sweep[..4 * BUDGET]).await.iter().map(Value::to_string));
        assert_eq!((over_http.len(), over_sockets.len()), (1, 1), "{over_http:?} {over_sockets:?}");
        assert!(!world.is_active(&token).await, "{policy:?}: its source is shut out, or it was never ours");
    }
}

// proves T03
#[tokio::test]
async fn an_explanation_tells_a_key_without_admin_nothing_about_a_cbc_token_that_is_refused() {
    let mut world = World::new(CbcPolicy::Offline).await;
    let owner = world.key.clone();
    let new = NewKey {
        app_id: AppId::new(7).ok(),
        name: "explainer".to_owned(),
        scope: Scope { rights: vec![Right::Explain], ..Scope::default() },
        expire_at: None,
        kind: KeyKind::Bearer,
    };
    world.key = world.running.service().admin.create_key(new).await.unwrap().expose().to_owned();
    let token = world.mint_elsewhere();
    let explain = |token: &str| ("tokens/explain", json!({ "token": token, "user_id": "dave", "room_id": "r" }));
    let (path, body) = explain(&token);
    assert_eq!(world.post(path, &body).await.1["claims"]["user_id"], "dave", "a good one is no secret");

    // Bad padding, good padding with a broken inside, and a sound inside of another user.
    let len = STANDARD.decode(&token[2..]).unwrap().len();
    let mut refused: Vec<String> = (1..=255).map(|bits| flipped(&token, len - 17, bits)).collect();
    refused.extend((0..16).flat_map(|at| [1, 64].map(|bits| flipped(&token, 10 + at, bits))));
    let (mut answers, mut last) = (HashSet::new(), Value::Null);
    let (path, mut of_another) = explain(&token);
    of_another["user_id"] = json!("eve");
    let asked = refused.iter().map(|token| explain(token).1).chain([of_another.clone()]).collect::<Vec<_>>();
    for bodies in asked.chunks(BUDGET) {
        for body in bodies {
            let (head, mut answer) = world.post(path, body).await;
            for differs in ["token_id", "server_time"] {
                answer.as_object_mut().unwrap().remove(differs);
            }
            answers.insert(format!("{head}{answer}"));
            last = answer;
        }
        world.clock.advance(WINDOW);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(last["findings"][0]["code"], "unproven");
    assert_eq!(last["claims"], Value::Null);

    // Failures cost here as they do elsewhere.
    for token in &refused[..BUDGET] {
        let (path, body) = explain(token);
        world.post(path, &body).await;
    }
    let (path, body) = explain(&token);
    assert_eq!(world.post(path, &body).await.1["admitted"], false, "its source is shut out");
    world.key = owner;
    assert_eq!(world.post(path, &of_another).await.1["claims"]["user_id"], "dave", "an owner is told");
}
