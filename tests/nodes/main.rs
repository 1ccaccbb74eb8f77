//! Several server processes on one PostgreSQL and one Redis, with real SDK clients: what rooms promise when nodes die,
//! are replaced, or cannot reach each other.

mod across;
mod cluster;
mod crash;
mod drain;
mod observer;
mod outage;
#[path = "../../server/tests/support/postgres.rs"]
mod postgres;
#[path = "../../server/tests/support/redis.rs"]
mod redis;
