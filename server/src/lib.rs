//! The Roompass service: mints room tokens for backends over HTTP, and is the gateway that clients log in to.
//!
//! A mint request takes four hops: the route table in `http` (policy, layers) → the handler (`http/tokens.rs`:
//! caller and body are proven before it runs) → [`tokens::Tokens::mint`] (every rule) → `token_gen` (bytes).
//! A login takes four as well: [`gateway`] (upgrade, limits) → its socket (frame ⇄ message) → its session (rules) →
//! [`rooms`] (who is where).
//!
//! | Module | What lives there | What it must not know |
//! |---|---|---|
//! | [`config`] | every knob; the only reader of environment and files | |
//! | [`app`] | the composition root: builds everything once, runs it | |
//! | `http` | routes with their policies, extractors, problem documents | rules, SQL |
//! | `docs` | the pages under `/docs` as HTML | HTTP, the store |
//! | [`tokens`] | the rules of minting and of shown tokens | HTTP, sockets, SQL |
//! | [`gateway`] | the WebSocket edge and the rules of one stay | the store, SQL |
//! | [`single_use`] | tokens that let their user in once | sockets, rooms |
//! | [`login`] | which credential lets a user in, and with what rights | sockets, the store |
//! | [`media`] | which packets of a stay go through | tokens, packets |
//! | [`rooms`] | who is in which room of this node | sockets, tokens, the store |
//! | [`operator`] | the operator's hand in live rooms | HTTP, sockets |
//! | [`rooms`] | who is in which room, as this node knows it | sockets, tokens, the store |
//! | [`nodes`] | rooms across nodes | sockets, tokens, the store |
//! | [`apps`] | apps as the hot path needs them | the store, HTTP |
//! | [`keys`] | backend keys and who holds them | the store, HTTP |
//! | [`revocations`], [`bans`] | what ends tokens and keeps users out, in memory | the store, HTTP |
//! | [`issued`] | which CBC tokens were minted here, in memory | the store, HTTP |
//! | [`lifecycle`] | what callers do to those, store first | HTTP |
//! | [`admin`] | what operators do | HTTP |
//! | [`audit`] | what happened, who did it, and the proof that nobody rewrote it | HTTP, SQL |
//! | [`follower`] | how changes made elsewhere come into memory | SQL, HTTP |
//! | [`reload`] | what may change while the server runs | |
//! | [`webhooks`] | telling apps' backends what happens | HTTP routes, sockets |
//! | [`sealing`] | secrets at rest | the store |
//! | [`store`] | durable records | rules, rooms, HTTP |
//! | [`bus`] | what nodes tell each other | what it means |
//! | [`tls`] | certificates and the handshake | HTTP |
//! | [`metrics`] | what operators see in numbers | HTTP |
//! | [`clock`] | the one clock | |
//! | [`cli`] | the command `roompass` | |

pub mod admin;
pub mod admins;
pub mod app;
pub mod apps;
pub mod audit;
pub mod bans;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
mod docs;
pub mod entry_id;
pub mod error;
pub mod feed;
pub mod follower;
pub mod gateway;
mod http;
pub mod issued;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod login;
pub mod media;
pub mod metrics;
pub mod nodes;
pub mod operator;
mod private_file;
pub mod reload;
pub mod requests;
pub mod revocations;
pub mod rooms;
pub mod sealing;
pub mod signed;
pub mod single_use;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod tokens;
mod trust;
pub mod webhooks;

pub use app::{Credentials, Running, StartError, start};
pub use config::Config;

#[cfg(test)]
#[path = "../tests/support/kept.rs"]
mod kept;
#[cfg(test)]
#[path = "../tests/support/trace.rs"]
mod trace;
