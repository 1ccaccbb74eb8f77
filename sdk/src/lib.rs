#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
mod backend;
mod backoff;
mod client;
mod connection;
mod credentials;
mod environment;
mod error;
mod event;
pub mod guide;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_provider;
mod options;
mod pace;
mod provider;
mod publication;
mod renewal;
mod room;
mod roster;
mod server_url;
mod session;
pub mod signed;
mod state;
mod tls;
mod vigil;
pub mod webhook;

#[cfg(feature = "http")]
pub use backend::{BackendClient, BackendKey};
pub use client::Client;
pub use credentials::LocalUser;
pub use environment::{Environment, ManualEnvironment, Sleep, SystemEnvironment};
pub use error::{Error, ErrorKind, Refusal};
pub use event::{Admission, Event, Events};
#[cfg(feature = "http")]
pub use http_provider::HttpTokenProvider;
pub use options::{AuthMode, ClientBuilder};
pub use provider::{Cause, FixedToken, TokenAnswer, TokenProvider, TokenRequest};
pub use publication::Publication;
pub use room::Room;
pub use roompass_wire::{
    ErrorCode,
    gateway::{
        AuthKind, GoneReason, MediaKind, OnExpiry, OperatorMessage, RoomExtra, RoomMessage, SessionPrivilege,
        SessionRights, Signal, Stream, User,
    },
    http::{
        ActiveToken, Ban, BanKind, BanRequest, BanResponse, CipherName, ExplainRequest, ExplainResponse,
        ExplainedClaims, Finding, FormatName, IntrospectResponse, LiftBanResponse, MediaName, MintBatchItem,
        MintBatchRequest, MintBatchResponse, MintRequest, MintResponse, PrivilegeName, Revocation, RevocationKind,
        RevokeRequest, RevokeResponse, ShownTerms, TokenExpiryRule, TokenTerms,
    },
};
pub use state::{Kick, RoomState};
pub use token_gen::{AppId, AppSign, RoomId, StreamId, UnixSeconds, UserId, UserName};
