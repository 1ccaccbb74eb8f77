//! The threads that own the node's rooms. The first one reads the UDP socket too: what is for its own rooms is handled on
//! the spot, what is for another's is handed over.

use std::{
    io,
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Instant,
};

use str0m::net::Protocol;

use crate::{
    Reason,
    command::Command,
    inbox::BATCH,
    net::{Arrivals, MAX_PACKET, Udp},
    sfu::{Sfu, Shared},
};

/// Runs the rooms of worker number `worker`, and reads `udp` if it is given, until it is told to shut down.
pub(crate) fn run(
    worker: usize,
    shared: Shared,
    arrivals: Arc<Arrivals>,
    udp: Option<Arc<Udp>>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("media-{worker}")).spawn(move || {
        let inbox = &arrivals.inboxes[worker];
        let mut sfu = Sfu::new(worker, shared, Instant::now());
        let mut waiting = vec![];
        let mut buffer = [0; MAX_PACKET];
        loop {
            let is_readable = inbox.wait(sfu.deadline(), udp.as_deref().map(AsFd::as_fd));
            for command in inbox.take(&mut waiting) {
                if matches!(command, Command::Shutdown) {
                    contained(&mut sfu, |sfu| sfu.end_all(Reason::ShuttingDown, Instant::now()));
                    inbox.close();
                    return;
                }
                contained(&mut sfu, |sfu| sfu.command(command, Instant::now()));
            }
            for datagram in waiting.drain(..) {
                contained(&mut sfu, |sfu| sfu.datagram(&datagram.borrowed()));
            }
            if let Some(udp) = udp.as_deref().filter(|_| is_readable) {
                for _ in 0..BATCH {
                    let Some((packet, source)) = udp.receive(&mut buffer) else { break };
                    if let Some(ours) = arrivals.deliver_at(worker, Protocol::Udp, source, packet) {
                        contained(&mut sfu, |sfu| sfu.datagram(&ours));
                    }
                }
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
