//! The thread that owns some of the node's rooms.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Instant,
};

use crate::{
    Reason,
    command::Command,
    inbox::Inbox,
    sfu::{Sfu, Shared},
};

/// Runs the rooms of worker number `worker` until it is told to shut down.
pub(crate) fn run(worker: usize, shared: Shared, inbox: Arc<Inbox>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("media-{worker}")).spawn(move || {
        let mut sfu = Sfu::new(worker, shared, Instant::now());
        let mut datagrams = vec![];
        loop {
            for command in inbox.take(sfu.deadline(), &mut datagrams) {
                if matches!(command, Command::Shutdown) {
                    contained(&mut sfu, |sfu| sfu.end_all(Reason::ShuttingDown, Instant::now()));
                    inbox.close();
                    return;
                }
                contained(&mut sfu, |sfu| sfu.command(command, Instant::now()));
            }
            for datagram in datagrams.drain(..) {
                contained(&mut sfu, |sfu| sfu.datagram(&datagram));
            }
            contained(&mut sfu, |sfu| sfu.advance(Instant::now()));
        }
    })
}

/// A fault in what one client sent ends that client's session, not the rooms of everybody else.
fn contained(sfu: &mut Sfu, work: impl FnOnce(&mut Sfu)) {
    if catch_unwind(AssertUnwindSafe(|| work(sfu))).is_err() {
        tracing::error!("handling media of a session failed; the session is ended");
        if catch_unwind(AssertUnwindSafe(|| sfu.abandon(Instant::now()))).is_err() {
            tracing::error!("ending a session that had failed, failed too");
        }
    }
}
