//! Several server processes on one PostgreSQL and one Redis, with real SDK clients: what rooms promise when nodes die,
//! are replaced, or cannot reach each other.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod across;
#[expect(dead_code, reason = "the tests of the media plane use all of it")]
#[path = "../../server/media/tests/it/client.rs"]
mod client;
mod cluster;
mod crash;
mod drain;
mod guests;
mod listener;
mod media;
mod observer;
mod outage;
mod peer;
#[expect(dead_code, reason = "the tests of the server do more with it")]
#[path = "../../server/tests/support/postgres.rs"]
mod postgres;
#[expect(dead_code, reason = "the tests of the server do more with it")]
#[path = "../../server/tests/support/redis.rs"]
mod redis;
mod rolling;
mod shut_out;
mod talk;
mod wiretap;
