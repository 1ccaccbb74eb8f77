//! What is seen of a running server: its numbers, its traces, and what it reads again.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures_util::{SinkExt, StreamExt};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::any_value::Value as Any,
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::harness::{Answer, Installation, Server, eventually, http, refusal};

/// An installation with app 77, whose server has `more` in its configuration.
fn installation(more: &str) -> (Installation, String) {
    let (installation, key) = Installation::new().with_app();
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), format!("{config}{more}")).unwrap();
    (installation, key)
}

const WATCHED: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

fn numbers(address: SocketAddr) -> String {
    crate::harness::text(address, "/metrics")
}

/// The value of a series, as it is written.
fn number(numbers: &str, series: &str) -> Option<f64> {
    numbers.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn post(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    http(server.address, "POST", path, &headers, &body.to_string())
}

/// Logs in at the gateway and out again; the type of the answer.
async fn log_in(address: SocketAddr, token: &str) -> String {
    let mut request = format!("ws://{address}/v1/gateway").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "roompass.v1".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let login = json!({ "type": "login", "id": 1, "app_id": 77, "user_id": "alice", "room_id": "r1", "token": token });
    socket.send(Message::text(login.to_string())).await.unwrap();
    let answer: Value = serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    // Refused ones are closed by the server.
    let _ = socket.close(None).await;
    answer["type"].as_str().unwrap().to_owned()
}

/// Something of everything.
fn traffic(server: &Server, key: &str, everything: &str) {
    let minted = server.mint_with(key, "77", &json!({ "user_id": "alice", "room_id": "r1" }));
    let token = minted.body["token"].as_str().unwrap();
    assert_eq!(server.mint_with(key, "77", &json!({ "user_id": "a b" })).status, 422);
    assert_eq!(server.get("/nowhere").status, 404);
    for body in [json!({ "token": token }), json!({ "token": "04nonsense" })] {
        assert_eq!(post(server, everything, "/v1/apps/77/tokens/introspect", &body).status, 200);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(log_in(server.address, token)), "logged_in");
    assert_eq!(runtime.block_on(log_in(server.address, "04nonsense")), "error");
    // Whose token it is and what it is good for is one question.
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/sdp\r\n");
    let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n";
    let encoder = http(server.address, "POST", "/v1/apps/77/rooms/r1/whip/s1", &headers, offer);
    assert_eq!(encoder.body["code"], "media_unavailable", "{encoder:?}");
    let revoked = post(server, everything, "/v1/apps/77/tokens/revoke", &json!({ "user_id": "mallory" }));
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(post(server, everything, "/v1/apps/77/bans", &json!({ "user_id": "mallory" })).status, 200);
}

/// A key of app 77 with every right that the traffic needs.
fn key_for_everything(installation: &Installation) -> String {
    let key = installation.operate(&["key", "create", "--app-id", "77", "--right", "mint,introspect,revoke,read"]);
    key["backend_key"].as_str().unwrap().to_owned()
}

#[test]
fn the_numbers_say_what_happened() {
    let (installation, key) = installation(WATCHED);
    let everything = key_for_everything(&installation);
    let server = Server::serve(&installation.config());
    let watcher = server.watcher();
    traffic(&server, &key, &everything);
    // Closing is what a socket does last.
    let text = eventually(|| {
        let text = numbers(watcher);
        (number(&text, "roompass_connections_open")? == 0.0).then_some(text)
    });
    for (series, expected) in [
        ("roompass_tokens_minted_total{app_id=\"77\"}", 1.0),
        ("roompass_mints_refused_total{code=\"user_id_invalid\"}", 1.0),
        ("roompass_tokens_verified_total{app_id=\"77\",result=\"good\"}", 3.0),
        ("roompass_tokens_verified_total{app_id=\"77\",result=\"refused\"}", 2.0),
        ("roompass_tokens_opened_total{secret=\"active\"}", 3.0),
        ("roompass_gateway_logins_total{app_id=\"77\",credential=\"token\",result=\"ok\"}", 2.0),
        ("roompass_gateway_logins_total{app_id=\"77\",credential=\"token\",result=\"refused\"}", 1.0),
        ("roompass_gateway_login_duration_seconds_count", 3.0),
        ("roompass_gateway_sessions{app_id=\"77\"}", 0.0),
        ("roompass_gateway_sessions{app_id=\"other\"}", 0.0),
        ("roompass_revocations_made_total{target=\"user\"}", 1.0),
        ("roompass_revocations", 1.0),
        ("roompass_bans", 1.0),
        ("roompass_apps", 1.0),
        ("roompass_backend_keys", 2.0),
        ("roompass_store_up", 1.0),
        ("roompass_clock_trusted", 1.0),
        ("roompass_http_requests_total{route=\"/v1/apps/{app_id}/tokens\",method=\"POST\",status=\"200\"}", 1.0),
        ("roompass_http_requests_total{route=\"/v1/apps/{app_id}/tokens\",method=\"POST\",status=\"422\"}", 1.0),
        ("roompass_http_requests_total{route=\"-\",method=\"other\",status=\"404\"}", 1.0),
        ("roompass_http_request_duration_seconds_count{route=\"/v1/apps/{app_id}/tokens\",method=\"POST\"}", 2.0),
    ] {
        assert_eq!(number(&text, series), Some(expected), "{series} in\n{text}");
    }
    // What no label may hold: users, rooms, tokens, keys.
    for id in ["alice", "mallory", "r1\"", key.split('_').nth(1).unwrap(), "04nonsense"] {
        assert!(!text.contains(id), "{id}");
    }
}

#[test]
fn whoever_watches_has_a_listener_of_their_own() {
    let (installation, _) = installation(WATCHED);
    let server = Server::serve(&installation.config());
    let watcher = server.watcher();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http(watcher, "GET", path, "", "").body["status"], "ok");
    }
    assert_eq!(http(watcher, "GET", "/v1/apps", "", "").body["code"], "not_found");
    assert_eq!(http(watcher, "POST", "/metrics", "", "").body["code"], "method_not_allowed");
    assert_eq!(server.get("/metrics").status, 404);

    let taken = format!("[metrics]\nlisten = \"{watcher}\"\n");
    let (second, _) = self::installation(&taken);
    assert!(refusal(&mut second.serve()).starts_with("metrics.listen: "));
}

fn deployed(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "deploy", name].iter().collect();
    fs::read_to_string(path).unwrap()
}

/// The names of metrics in an expression.
fn names_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("roompass_") || word.starts_with("process_"))
}

fn expressions<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("expr").and_then(Value::as_str));
            members.values().for_each(|member| expressions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn every_number_of_the_dashboard_and_the_alerts_is_served() {
    let (installation, key) = installation(WATCHED);
    let everything = key_for_everything(&installation);
    let server = Server::serve(&installation.config());
    let watcher = server.watcher();
    traffic(&server, &key, &everything);
    let text = numbers(watcher);
    let described: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let samples: BTreeSet<&str> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();

    let dashboard: Value = serde_json::from_str(&deployed("grafana/roompass.json")).unwrap();
    let mut used = Vec::new();
    expressions(&dashboard, &mut used);
    assert!(used.len() > 20);
    let alerts = deployed("prometheus/alerts.yml");
    let rules = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let rules: Vec<&str> = rules.collect();
    assert!(rules.len() >= 8);
    // A counter of what has not happened yet has no samples, and is known all the same.
    let is_known = |name: &str| samples.contains(name) || page.contains(&format!("| `{name}` |"));
    for expression in used.iter().chain(&rules) {
        assert!(names_in(expression).next().is_some(), "{expression}");
        for name in names_in(expression) {
            assert!(is_known(name), "{name}, of {expression}, is not served");
        }
    }
    // Whatever is served is described.
    for name in described {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/metrics.md");
    }
}

/// A request to the collector: its head in lower case, and its body.
type Received = (String, Vec<u8>);

/// A collector of traces: takes what is sent by OTLP over HTTP.
struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let keeper = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    stream.read_line(&mut head).unwrap();
                }
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                keeper.lock().unwrap().push((head, body));
                let answer = ExportTraceServiceResponse::default().encode_to_vec();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    answer.len()
                );
                stream.get_mut().write_all(&[head.as_bytes(), &answer].concat()).unwrap();
            }
        });
        Self { address, received }
    }

    /// Every span so far, with the name of its service.
    fn spans(&self) -> Vec<(String, Span)> {
        let received = self.received.lock().unwrap();
        let requests = received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(&**body).unwrap());
        let spans = requests.flat_map(|request| request.resource_spans).flat_map(|of_resource| {
            let service = of_resource.resource.unwrap().attributes.into_iter().find(|one| one.key == "service.name");
            let Some(Any::StringValue(service)) = service.unwrap().value.unwrap().value else { panic!("no name") };
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| (service.clone(), span)).collect::<Vec<_>>()
        });
        spans.collect()
    }
}

fn attribute(span: &Span, name: &str) -> Option<Any> {
    span.attributes.iter().find(|one| one.key == name)?.value.clone()?.value
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_request_continues_the_trace_of_its_caller_and_tells_no_secret() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";
    let collector = Collector::start();
    let headers = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(headers.path(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(headers.path(), "Authorization: Bearer collector-canary\n").unwrap();
    let (installation, key) = installation(&format!(
        "{WATCHED}[telemetry]\notlp_endpoint = \"http://{}/v1/traces\"\notlp_headers_file = \"{}\"\n\
         service_name = \"rooms\"\nsample_ratio = 1\n[log]\nfilter = \"roompass_server=debug\"\n",
        collector.address,
        headers.path().display()
    ));
    let mut server = Server::serve_by_its_filter(&installation.config());
    let mint = |traceparent: &str, user_id: &str| {
        let headers =
            format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\ntraceparent: {traceparent}\r\n");
        let body = json!({ "user_id": user_id }).to_string();
        http(server.address, "POST", "/v1/apps/77/tokens", &headers, &body)
    };
    let kept = mint(&format!("00-{TRACE}-{PARENT}-01"), "alice-canary");
    let line = server.log_line("token minted");
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{line}");
    // Whoever began it does not keep it; and what is no traceparent begins a trace of its own.
    assert_eq!(mint(&format!("00-{}-{PARENT}-00", TRACE.replace('0', "1")), "bob").status, 200);
    assert_eq!(mint("00-nonsense", "bob").status, 200);
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));

    let spans = collector.spans();
    let of_trace: Vec<&Span> =
        spans.iter().filter(|(_, span)| span.trace_id == bytes(TRACE)).map(|(_, span)| span).collect();
    let request = of_trace.iter().find(|span| span.parent_span_id == bytes(PARENT)).unwrap();
    assert_eq!(request.name, "POST /v1/apps/{app_id}/tokens");
    assert_eq!(attribute(request, "http.response.status_code"), Some(Any::IntValue(200)));
    let minting = of_trace.iter().find(|span| span.name == "mint").unwrap();
    assert_eq!(minting.parent_span_id, request.span_id);
    assert!(spans.iter().all(|(service, _)| service == "rooms"));
    let roots = |name: &str| spans.iter().filter(|(_, span)| span.name == name).count();
    assert_eq!(roots("mint"), 2);
    assert!(spans.iter().any(|(_, span)| span.name == "store"));

    let received = collector.received.lock().unwrap();
    assert!(received.iter().all(|(head, _)| head.contains("authorization: bearer collector-canary\r\n")));
    let token = kept.body["token"].as_str().unwrap();
    for secret in [token, &key, "alice-canary", "collector-canary"] {
        let holds = |body: &[u8]| body.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!received.iter().any(|(_, body)| holds(body)), "{secret:.6} is in a span");
    }
}

#[test]
fn a_collector_that_is_away_changes_nothing_but_a_number() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (installation, key) =
        installation(&format!("[telemetry]\notlp_endpoint = \"http://{gone}/v1/traces\"\nsample_ratio = 1.0\n"));
    let mut server = Server::serve(&installation.config());
    assert_eq!(server.mint_with(&key, "77", &json!({ "user_id": "a" })).status, 200);
    server.signal("TERM");
    server.log_line("the collector of traces does not take spans");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn limits_are_read_again_and_an_unsound_configuration_names_its_field() {
    let (installation, key) = installation(WATCHED);
    let operator = installation.operate(&["key", "create", "--operator"]);
    let operator = operator["backend_key"].as_str().unwrap();
    let server = Server::serve(&installation.config());
    let watcher = server.watcher();
    let sound = fs::read_to_string(installation.config()).unwrap();
    let configure = |more: &str| fs::write(installation.config(), format!("{sound}{more}")).unwrap();
    let reload = |key: &str| post(&server, key, "/v1/reload", &json!({}));
    let mints = || (0..4).map(|_| server.mint_with(&key, "77", &json!({ "user_id": "a" })).status).collect::<Vec<_>>();
    assert_eq!(mints(), [200; 4]);
    assert_eq!(reload(&key).status, 403);
    assert_eq!(http(server.address, "POST", "/v1/reload", "", "").status, 401);

    configure("[limits]\nkey_per_second = 0\n[log]\nfilter = \"debug\"\n");
    let refused = reload(operator);
    assert_eq!((refused.status, &refused.body["field"]), (422, &json!("limits.key_per_second")), "{refused:?}");
    let line = server.log_line("the configuration in use stays");
    assert!(line.contains("limits.key_per_second: must be 1 to"), "{line}");
    assert_eq!(mints(), [200; 4]);

    configure(
        "[limits]\nkey_per_second = 1\nconcurrent_requests = 7\nwaiting_per_source = 9\n[server]\ndrain_secs = 3\npublic_url = \"https://a.example\"\n",
    );
    let taken = reload(operator);
    assert_eq!(taken.status, 200, "{taken:?}");
    let limits = ["limits.key_per_second", "limits.concurrent_requests", "limits.waiting_per_source"];
    assert_eq!(taken.body["taken_up"], json!([&["server.drain_secs"][..], &limits].concat()));
    assert_eq!(taken.body["need_restart"], json!(["server.public_url"]));
    server.log_line("changed, and counts after a restart: server.public_url");
    let limited = mints();
    assert!(limited.ends_with(&[429]), "{limited:?}");
    // Once taken up it is nothing new; what needs a restart still does.
    let again = reload(operator);
    assert_eq!((&again.body["taken_up"], &again.body["need_restart"]), (&json!([]), &json!(["server.public_url"])));

    // The signal does the same.
    configure("[limits]\nkey_per_second = 1000\n");
    server.log_of(|| server.signal("HUP"), "taken up: server.drain_secs, limits.key_per_second");
    eventually(|| (mints() == [200; 4]).then_some(()));
    let text = numbers(watcher);
    assert_eq!(number(&text, "roompass_reloads_total{result=\"ok\"}"), Some(3.0));
    assert_eq!(number(&text, "roompass_reloads_total{result=\"refused\"}"), Some(1.0));
    assert!(number(&text, "roompass_rate_limited_total{limit=\"key\"}").unwrap() >= 1.0);
}
