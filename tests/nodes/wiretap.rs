//! Somebody who reads everything that one node writes to another on Redis, and can write it again.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::redis::Server as Redis;

/// Listens until it is dropped.
pub(crate) struct Wiretap {
    socket: PathBuf,
    child: Child,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Wiretap {
    /// On what goes to single nodes.
    pub(crate) fn on(redis: &Redis) -> Self {
        let socket = redis.socket();
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(&socket).args(["PSUBSCRIBE", "roompass:notice:*"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        // It is there once the answer has come: three lines.
        assert_eq!(lines.by_ref().take(3).count(), 3);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        std::thread::spawn(move || {
            // Each is four: what it is, the pattern, the channel, the text.
            while let Some([_, _, channel, text]) = lines.by_ref().take(4).collect::<Vec<_>>().first_chunk::<4>() {
                noted.lock().expect("nobody panics").push((channel.clone(), text.clone()));
            }
        });
        Self { socket, child, heard }
    }

    /// How many letters were heard.
    pub(crate) fn letters(&self) -> Vec<(String, String)> {
        let heard = self.heard.lock().expect("nobody panics");
        heard.iter().filter(|(_, text)| text.starts_with("> ")).cloned().collect()
    }

    /// Writes a text to a node.
    pub(crate) fn write(&self, channel: &str, text: &str) {
        let mut command = Command::new("redis-cli");
        let output = command.arg("-s").arg(&self.socket).args(["PUBLISH", channel, text]).output().expect("it starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2", "the node and this one hear it");
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
