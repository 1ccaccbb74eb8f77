//! What the media plane counts: totals of the node, cheap to read at any time, and a snapshot of every track.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::Kind;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals since the node started, as they are kept.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)* }

        /// Totals since the node started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Totals { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            pub(crate) fn totals(&self) -> Totals {
                Totals { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Totals {
            /// Every total with its name, for metrics.
            pub fn named(self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Packets that publishers sent and were let through.
    received_packets,
    /// Bytes in them.
    received_bytes,
    /// Packets sent on to receivers.
    forwarded_packets,
    /// Bytes in them.
    forwarded_bytes,
    /// Packets not let through because their session may not publish them.
    refused_packets,
    /// Packets dropped because their session sent more than it may.
    capped_packets,
    /// Packets dropped for a receiver that did not keep up.
    slow_receiver_drops,
    /// Packets that the kernel or a connection did not take.
    send_drops,
    /// Packets dropped because a worker did not keep up.
    overload_drops,
    /// Packets that belonged to no session.
    stray_packets,
    /// Keyframes asked of publishers.
    keyframe_requests,
    /// Times that a picture stood still at a receiver: from its request for a keyframe until one was sent to it.
    freezes,
    /// How long in all, in milliseconds.
    frozen_millis,
    /// Messages sent on over data channels.
    forwarded_messages,
    /// Sessions ended because handling their packets failed.
    failed_sessions,
}

/// What is measured of a track in one direction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackStats {
    /// Packets.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bits a second over the last second.
    pub bitrate_bps: u64,
    /// The share of packets lost on the way, as of the last report.
    pub loss: Option<f32>,
    /// The time to the client and back, as of the last report.
    pub rtt: Option<Duration>,
    /// Requests for lost packets: sent to a publisher, got from a receiver.
    pub nacks: u64,
    /// Requests for a keyframe: sent to a publisher, got from a receiver.
    pub plis: u64,
    /// Packets not forwarded: over the cap of a publisher, beyond what a receiver could take.
    pub dropped: u64,
    /// Packets of a publisher that may not publish them.
    pub refused: u64,
    /// How often the picture stood still: from a receiver's request for a keyframe until one was sent to it.
    pub freezes: u64,
    /// How long in all.
    pub frozen: Duration,
}

/// A track of a session that publishes it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedTrack {
    /// The stream.
    pub stream_id: Arc<str>,
    /// What the track carries.
    pub kind: Kind,
    /// Whether its packets go through.
    pub is_live: bool,
    /// How many layers of it arrive.
    pub layers: usize,
    /// To how many tracks of receivers it is forwarded.
    pub receivers: usize,
    /// What was measured.
    pub stats: TrackStats,
}

/// A track of a session that plays it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedTrack {
    /// The stream.
    pub stream_id: Arc<str>,
    /// Whether it is sound.
    pub is_audio: bool,
    /// The layer that is forwarded, if the publisher sends several.
    pub layer: Option<String>,
    /// What was measured.
    pub stats: TrackStats,
}

/// A session and its tracks.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionStats {
    /// The session, as [`Session::id`](crate::Session::id) gives it.
    pub session: u64,
    /// The room.
    pub room: Arc<str>,
    /// The user.
    pub user_id: Arc<str>,
    /// Whether packets can flow.
    pub is_connected: bool,
    /// Packets that it sent and may not publish.
    pub refused: u64,
    /// What the receiver can take, as far as is known.
    pub estimate_bps: Option<u64>,
    /// What it publishes.
    pub published: Vec<PublishedTrack>,
    /// What it plays.
    pub played: Vec<PlayedTrack>,
}

/// Every session of the node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The totals.
    pub totals: Totals,
    /// The sessions.
    pub sessions: Vec<SessionStats>,
}

/// The sessions of one worker.
#[derive(Debug)]
pub(crate) struct WorkerSnapshot(pub(crate) Vec<SessionStats>);
