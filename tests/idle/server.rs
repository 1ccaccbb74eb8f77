//! A server whose clock stands still until it is told, on standard input, how many seconds to go on. A program of its own,
//! so that its memory, its processor time and its files are the server's alone. It says first where it is, and ends with
//! its input.

use std::{io::BufRead, sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_server::{Config, apps::AppSettings, clock::ManualClock, sealing::MasterKey};
use serde_json::json;
use token_gen::{AppId, UnixSeconds};
use tokio::runtime::Builder;

/// When it begins.
const START: UnixSeconds = UnixSeconds::new(1_795_440_000);

fn main() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be made");
    let clock = Arc::new(ManualClock::new(START));
    let running = runtime.block_on(async {
        let master_key = MasterKey::generate(&mut SysRng).expect("the system gives random bytes");
        // Not 127.0.0.1, from where the clients come: they need all its ports.
        let config = Config::ephemeral(([127, 0, 0, 2], 0).into(), master_key);
        let running = roompass_server::start(config, clock.clone()).await.expect("it starts");
        let app = running.create_app(AppSettings::new(AppId::new(1).expect("not 0"), "idle")).await.expect("it is new");
        println!("{}", json!({ "url": running.url(), "secret": app.app.server_secret.expose(), "start": START.get() }));
        running
    });
    for line in std::io::stdin().lock().lines() {
        let secs = line.expect("it is text").parse().expect("a number of seconds");
        clock.advance(Duration::from_secs(secs));
    }
    drop(running);
    runtime.shutdown_background();
}
