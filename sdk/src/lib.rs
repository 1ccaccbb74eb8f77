#![doc = include_str!("../README.md")]

mod backend;
mod backoff;
mod client;
mod connection;
mod credentials;
mod environment;
mod error;
mod event;
mod http;
mod http_provider;
mod options;
mod provider;
mod renewal;
mod room;
mod roster;
mod server_url;
mod session;
pub mod signed;
mod tls;

pub use backend::{BackendClient, BackendKey};
pub use client::Client;
pub use credentials::LocalUser;
pub use environment::{Environment, ManualEnvironment, Sleep, SystemEnvironment};
pub use error::{Error, ErrorKind, Refusal};
pub use event::{Admission, Event, Events, Kick, RoomState};
pub use http_provider::HttpTokenProvider;
pub use options::{AuthMode, ClientBuilder};
pub use provider::{Cause, FixedToken, TokenAnswer, TokenProvider, TokenRequest};
pub use room::Room;
pub use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, SessionPrivilege, Stream, User},
    http::{CipherName, FormatName, MintRequest, MintResponse, PrivilegeName},
};
pub use token_gen::{AppId, AppSign, RoomId, StreamId, UnixSeconds, UserId, UserName};
