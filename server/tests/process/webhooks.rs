//! Webhooks from the command line to a receiver, across a process that is killed; and the page about them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use roompass_wire::webhook::EventName;
use serde_json::{Value, json};

use crate::harness::{Installation, Server, eventually};

const PAGE: &str = include_str!("../../docs/webhooks.md");

/// A delivery as it came.
#[derive(Debug, Clone)]
struct Got {
    id: String,
    signature: String,
    body: String,
}

/// A backend that takes webhooks, once it is told to.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    takes: Arc<Mutex<bool>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, takes) = (Arc::default(), Arc::new(Mutex::new(false)));
        let receiver = Self { address, got: Arc::clone(&got), takes: Arc::clone(&takes) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever is killed in the middle has said nothing.
                let _ = take(&stream.unwrap(), &got, &takes);
            }
        });
        receiver
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn take(stream: &TcpStream, got: &Mutex<Vec<Got>>, takes: &Mutex<bool>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut id, mut signature, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("roompass-delivery", value)) => value.clone_into(&mut id),
            Some(("roompass-signature", value)) => value.clone_into(&mut signature),
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    got.lock().unwrap().push(Got { id, signature, body: String::from_utf8(body).unwrap() });
    let status = if *takes.lock().unwrap() { "200 OK" } else { "503 Service Unavailable" };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

#[test]
fn what_was_queued_outlives_the_process_and_verifies_as_the_page_says() {
    let (installation, _) = Installation::new().with_app();
    let mut config = fs::read_to_string(installation.config()).unwrap();
    config.push_str("[webhooks]\nprivate_networks = [\"127.0.0.0/8\"]\n");
    fs::write(installation.config(), config).unwrap();
    let receiver = Receiver::start();
    let url = format!("http://{}/hooks", receiver.address);
    let add = ["webhook", "add", "77", &url, "--private-network", "--event", "secret_rotated"];
    let added = installation.operate(&add);
    let (endpoint, key) = (added["endpoint_id"].as_str().unwrap(), added["signing_key"].as_str().unwrap());
    let listed = installation.operate(&["webhook", "list", "77"]);
    assert_eq!((&listed[0]["url"], listed.to_string().contains("rpwh_")), (&json!(url), false));
    // Queued by a process that delivers nothing.
    let rotated = installation.operate(&["secret", "rotate", "77"]);

    let server = Server::serve(&installation.config());
    let first = eventually(|| receiver.got().first().cloned());
    let log = || installation.operate(&["webhook", "deliveries", "77", endpoint]);
    eventually(|| (log()[0]["attempts"].as_array().unwrap().len() == 1).then_some(()));
    assert_eq!((&log()[0]["state"], &log()[0]["attempts"][0]["status"]), (&json!("pending"), &json!(503)));
    server.signal("KILL");
    *receiver.takes.lock().unwrap() = true;
    let before = receiver.got().len();
    let _again = Server::serve(&installation.config());
    let got = eventually(|| receiver.got().get(before).cloned());
    assert_eq!((&got.id, &got.body), (&first.id, &first.body));
    let body: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!((&body["event"], &body["data"]["secret_id"]), (&json!("secret_rotated"), &rotated["secret_id"]));
    assert!(!got.body.contains(rotated["server_secret"].as_str().unwrap()));
    eventually(|| (log()[0]["state"] == "delivered").then_some(()));

    for (language, verdict) in recipes(&installation, key, &got) {
        assert_eq!(verdict, "good", "{language}");
    }
    let other = format!("{}x", &key[..key.len() - 1]);
    let changed = Got { body: got.body.replace("secret_rotated", "secret_retired"), ..got.clone() };
    for (language, verdict) in
        recipes(&installation, &other, &got).into_iter().chain(recipes(&installation, key, &changed))
    {
        assert_eq!(verdict, "bad", "{language}");
    }

    let done = receiver.got().len();
    installation.operate(&["webhook", "redeliver", "77", endpoint, &got.id]);
    assert_eq!(eventually(|| receiver.got().get(done).cloned()).id, got.id);
    let updated = installation.operate(&["webhook", "update", "77", endpoint, "--enabled", "false"]);
    assert_eq!((&updated["enabled"], &updated["events"]), (&json!(false), &json!(["secret_rotated"])));
    let new_key = installation.operate(&["webhook", "rotate-key", "77", endpoint]);
    assert_ne!(new_key["signing_key"], added["signing_key"]);
    assert_eq!(installation.operate(&["webhook", "remove", "77", endpoint])["removed"], json!(true));
}

/// What each recipe of the page says of a delivery.
fn recipes(installation: &Installation, key: &str, got: &Got) -> Vec<(&'static str, String)> {
    fs::write(installation.path("body"), &got.body).unwrap();
    let code = |language: &str| PAGE.split_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0;
    let python = format!(
        "{}\nimport os\ngood = verify(os.environ['SIGNING_KEY'], os.environ['SIGNATURE'], open(os.environ['BODY'], 'rb').read())\n\
         print('good' if good else 'bad')",
        code("python")
    );
    let node = format!(
        "{}\nconst {{ SIGNING_KEY, SIGNATURE, BODY }} = process.env;\n\
         console.log(verify(SIGNING_KEY, SIGNATURE, require('node:fs').readFileSync(BODY)) ? 'good' : 'bad');",
        code("js")
    );
    let programs = [("python3", "-c", &*python), ("sh", "-c", code("sh")), ("node", "-e", &node)];
    let verdict = |(program, option, code): (&'static str, &str, &str)| {
        let mut command = Command::new(program);
        command.args([option, code]).env("SIGNING_KEY", key).env("SIGNATURE", &got.signature);
        let ran = command.env("BODY", installation.path("body")).output();
        // Not every machine has every language.
        let output = ran.ok()?;
        let said = String::from_utf8(output.stdout).unwrap();
        Some((program, said.trim().to_owned()))
    };
    let verdicts: Vec<_> = programs.into_iter().filter_map(verdict).collect();
    assert!(verdicts.len() >= 2);
    verdicts
}

#[test]
fn the_page_shows_what_each_event_says() {
    for name in EventName::ALL {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../sdk/wire/notices/{name}.json"));
        let sample = fs::read_to_string(sample).unwrap();
        assert!(PAGE.contains(&format!("### `{name}`\n")) && PAGE.contains(&format!("```json\n{sample}```")), "{name}");
    }
}
