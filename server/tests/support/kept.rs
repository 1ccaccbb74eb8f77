//! What a test run leaves for `log_scan` of the end-to-end tests, which looks for the secrets in the logs: only with
//! `ROOMPASS_TEST_LOGS` naming a folder, as `make test` does.

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The folder, if this run keeps anything.
#[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
fn folder() -> Option<PathBuf> {
    env::var_os("ROOMPASS_TEST_LOGS").map(PathBuf::from)
}

/// A new file for log lines, if this run keeps any.
pub(crate) fn log() -> Option<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}.log", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    folder().map(|folder| File::create(folder.join(name)).expect("the folder can be written"))
}

/// Notes a secret that no log line may hold.
pub(crate) fn note_secret(secret: &str) {
    let Some(folder) = folder() else { return };
    let path = folder.join(format!("{}-of-server.secrets", process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the folder can be written");
    file.write_all(format!("{secret}\n").as_bytes()).expect("the folder can be written");
}
