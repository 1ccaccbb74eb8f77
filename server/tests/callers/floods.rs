//! Floods of HTTP/2 frames that cost their sender little: the server ends them, and they cost it no memory.

use std::{
    fs, io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use roompass_server::clock::SystemClock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
    time::{timeout, timeout_at},
};

use crate::harness::Server;

/// How a flood ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The server ends it in its midst.
    AtOnce,
    /// Each piece is answered, and whoever reads the answers costs no memory; the connection ends for being idle.
    Idle,
}

/// The bytes that a flood sends as its nth piece.
type Flood = Box<dyn Fn(u32) -> Vec<u8>>;

const FLOOD: u32 = 50_000;
/// In seconds. A release has longer ones: set `ROOMPASS_FLOOD_SECS` to 60.
const FLOOD_LENGTH: u64 = 2;
const FLOOD_TIME: Duration = Duration::from_secs(60);
/// The memory that is measured is of the whole process: one at a time.
static MEASURED: Mutex<()> = Mutex::const_new(());
/// What every frame begins with.
const FRAME_HEAD: usize = 9;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /healthz` from the static table, without end of stream.
fn head() -> Vec<u8> {
    [&[0x82, 0x86, 0x44, 0x08][..], b"/healthz", &[0x41, 0x01, b'a']].concat()
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

/// Every kind of HTTP/2 flood.
fn floods() -> [(&'static str, End, Flood); 5] {
    let odd = |number: u32| 2 * number + 1;
    [
        (
            "rapid reset",
            End::AtOnce,
            Box::new(move |n| [frame(1, 0x05, odd(n), &head()), frame(3, 0, odd(n), &8_u32.to_be_bytes())].concat()),
        ),
        (
            "continuation",
            End::AtOnce,
            Box::new(|n| if n == 0 { frame(1, 0, 1, &head()) } else { frame(9, 0, 1, &[0; 1_000]) }),
        ),
        (
            "empty data",
            End::AtOnce,
            Box::new(|n| if n == 0 { frame(1, 0x04, 1, &head()) } else { frame(0, 0, 1, &[]) }),
        ),
        ("settings", End::Idle, Box::new(|_| frame(4, 0, 0, &[]))),
        ("streams", End::AtOnce, Box::new(move |n| frame(1, 0x04, odd(n), &head()))),
    ]
}

// proves T27 (HTTP/2 floods)
#[tokio::test]
async fn http2_floods_end_their_connection_and_cost_no_memory() {
    let _alone = MEASURED.lock().await;
    let server = Server::start(Arc::new(SystemClock::new())).await;
    for (name, end, flood) in floods() {
        forget_peak();
        let before = memory_kib("VmRSS:");
        let stream = server.connect_from([127, 0, 0, 1]).await;
        let (mut reader, mut writer) = stream.into_split();
        let write = async move {
            writer.write_all(&[PREFACE, &settings()].concat()).await?;
            for number in 0..FLOOD {
                writer.write_all(&flood(number)).await?;
            }
            // Not hung up: ending it is for the server to do.
            Ok::<_, io::Error>(writer)
        };
        let read = async {
            let mut said = Vec::new();
            // A reset connection is a closed one.
            let _ = reader.read_to_end(&mut said).await;
            said
        };
        let both = timeout(FLOOD_TIME, async { tokio::join!(write, read) }).await;
        let (written, said) = both.unwrap_or_else(|_| panic!("{name}: not ended"));
        // Closed while we were still writing, or told why.
        assert!(end == End::Idle || written.is_err() || goes_away(&said), "{name}: {} bytes", said.len());
        let grown = memory_kib("VmHWM:").saturating_sub(before);
        println!("{name}: ended, {grown} KiB more at the peak");
        assert!(grown < 32 * 1024, "{name}: {grown} KiB more");
        assert!(server.is_alive().await, "{name}");
    }
}

// proves T27 (floods of 2 s in every run; one of 60 s passed)
#[tokio::test]
async fn floods_of_every_kind_at_once_leave_others_their_answers() {
    let _alone = MEASURED.lock().await;
    #[expect(clippy::disallowed_methods, reason = "how long to go on is for whoever runs the tests")]
    let length = std::env::var("ROOMPASS_FLOOD_SECS").map_or(FLOOD_LENGTH, |secs| secs.parse().unwrap());
    let server = Server::start(Arc::new(SystemClock::new())).await;
    assert!(server.is_alive().await);
    forget_peak();
    let before = memory_kib("VmRSS:");
    let end = Instant::now() + Duration::from_secs(length);
    let flooded = floods().map(|(_, _, flood)| {
        let server = &server;
        async move {
            let mut connections = 0;
            while Instant::now() < end {
                connections += 1;
                let (mut reader, mut writer) = server.connect_from([127, 0, 0, 1]).await.into_split();
                let write = async {
                    writer.write_all(&[PREFACE, &settings()].concat()).await?;
                    for number in 0.. {
                        writer.write_all(&flood(number)).await?;
                    }
                    Ok::<_, io::Error>(())
                };
                let mut said = [0; 4096];
                let read = async { while reader.read(&mut said).await.is_ok_and(|bytes| bytes > 0) {} };
                // Whichever side the server ends first; then the next one.
                let _ = timeout_at(end.into(), async {
                    tokio::select! { _ = write => (), () = read => () }
                })
                .await;
            }
            connections
        }
    });
    let others = async {
        let mut answered = 0;
        while Instant::now() < end {
            assert!(server.is_alive().await, "after {answered} answers");
            answered += 1;
        }
        answered
    };
    let (connections, answered) = tokio::join!(join_all(flooded), others);
    let grown = memory_kib("VmHWM:").saturating_sub(before);
    println!("{length} s, {connections:?} connections: {answered} answers to others, {grown} KiB more at the peak");
    assert!(grown < 32 * 1024, "{grown} KiB more");
    assert!(answered > 0 && server.is_alive().await);
}

/// Whether one of the frames is GOAWAY.
fn goes_away(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_at_checked(FRAME_HEAD) {
        if head[3] == 7 {
            return true;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames = rest.get(length..).unwrap_or_default();
    }
    false
}

/// From now on the peak of this process's memory counts anew.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn memory_kib(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|all| all.strip_prefix(line)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
