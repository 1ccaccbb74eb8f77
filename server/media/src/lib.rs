#![doc = include_str!("../README.md")]

mod command;
mod config;
mod error;
mod event;
mod inbox;
mod keyframe;
mod layers;
mod media;
mod meter;
mod net;
mod offer;
mod rewrite;
mod rights;
mod session;
mod sfu;
mod stats;
pub mod turn;
mod worker;

pub use config::{Limits, MediaConfig};
pub use error::MediaError;
pub use event::{Event, Reason};
pub use media::{Media, Opening};
pub use offer::{Answer, Idle, IdleTrack, Offer, Role, Track};
pub use rights::{Kind, Kinds, Rights, Streams};
pub use session::{Session, check_candidate};
pub use stats::{PlayedTrack, PublishedTrack, SessionStats, Snapshot, Totals, TrackStats};
