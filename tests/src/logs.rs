//! Trace logs of a test run, and the list of the secrets that must not be in them.
//!
//! With `ROOMPASS_TEST_LOGS` naming a folder, every test process writes its log lines of every level there, and every
//! secret it makes is noted beside them. `log_scan` then looks for the one in the other.

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
    process,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use roompass_server::telemetry;
use tracing_subscriber::{Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The folder for logs, if this run keeps them.
#[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
pub fn folder() -> Option<PathBuf> {
    env::var_os("ROOMPASS_TEST_LOGS").map(PathBuf::from)
}

/// A new file for the log lines of a process that is started, if this run keeps any.
///
/// # Panics
/// If the folder cannot be written.
pub fn file() -> Option<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}.log", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    folder().map(|folder| File::create(folder.join(name)).expect("the folder can be written"))
}

/// Sends everything that is logged in this process, at every level, to the folder. The first call decides.
pub fn keep() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        let Some(folder) = folder() else { return };
        let file = File::create(folder.join(format!("{}.log", process::id()))).expect("the folder can be written");
        let filter = telemetry::filter("trace").expect("a level is a filter");
        let lines = fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter);
        tracing_subscriber::registry().with(lines).init();
    });
}

/// Notes a secret that no log line may hold.
pub fn note_secret(secret: &str) {
    let Some(folder) = folder() else { return };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(format!("{}.secrets", process::id())))
        .expect("the folder can be written");
    writeln!(file, "{secret}").expect("the folder can be written");
}
