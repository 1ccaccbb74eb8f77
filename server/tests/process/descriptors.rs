//! A server that has no file descriptor left.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use crate::harness::{Installation, Server, eventually, http, read_answer, text};

/// More than any of these servers accepts.
const CROWD: usize = 60;
/// How long a connection goes without an answer while there is no place for it.
const WINDOW: Duration = Duration::from_secs(1);
/// In how many of them the processor time is looked at.
const WINDOWS: usize = 3;

/// `roompass serve`, which may have so many descriptors.
fn serve(installation: &Installation, descriptors: u32) -> Server {
    let mut command = Command::new("/bin/sh");
    command.env_clear().args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_roompass")).args(["serve", "--listen", "127.0.0.1:0", "--config"]);
    command.arg(installation.config()).env("ROOMPASS_METRICS_LISTEN", "127.0.0.1:0");
    Server::started(command)
}

/// Fills the server up to `is_full`; says how little it does then, and that it goes on afterwards.
fn fill(server: &Server, is_full: impl FnOnce()) {
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    is_full();
    let mut late = TcpStream::connect(server.address).unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    late.set_read_timeout(Some(WINDOW)).unwrap();
    // The first windows may still see the crowd come in. One that spins is never quiet.
    let shares: Vec<f64> = (0..WINDOWS)
        .map(|_| {
            let (began, ticks) = (Instant::now(), server.cpu_ticks());
            let waits = late.read(&mut [0]).unwrap_err();
            assert!(matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{waits}");
            // A hundred ticks are a second.
            (server.cpu_ticks() - ticks) as f64 / 100.0 / began.elapsed().as_secs_f64()
        })
        .collect();
    assert!(shares.iter().any(|&share| share < 0.5), "{shares:?}");
    drop(crowd);
    late.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(read_answer(late).status, 200);
}

// proves F11 (a place is kept for whoever asks how the server is)
#[test]
fn connections_leave_descriptors_for_health() {
    let (installation, _) = Installation::new().with_app();
    let server = serve(&installation, 64);
    server.log_line("there are file descriptors for 32 connections, not 20000");
    let watcher = server.watcher();
    fill(&server, || {
        eventually(|| text(watcher, "/metrics").contains("\nroompass_connections_open 32\n").then_some(()));
        for path in ["/healthz", "/readyz"] {
            assert_eq!(http(watcher, "GET", path, "", "").status, 200);
        }
    });
    assert!(text(watcher, "/metrics").contains("\nroompass_accept_failures_total 0\n"));
}

// proves F11 (no spin, and recovery)
#[test]
fn without_any_descriptor_accepting_waits_and_goes_on() {
    let (installation, _) = Installation::new().with_app();
    let server = serve(&installation, 30);
    fill(&server, || drop(server.log_line("cannot accept connections")));
    let numbers = text(server.watcher(), "/metrics");
    assert!(!numbers.contains("\nroompass_accept_failures_total 0\n"), "{numbers}");
}
