//! Who asks, as the audit trail names them.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};

use super::{auth::AppCaller, limits, session::Admin};
use crate::{
    audit::{Actor, Origin},
    error::Error,
};

/// An operator's key that the route's policy has proven.
#[derive(Debug, Clone)]
pub(super) struct OperatorKey(pub(super) Arc<str>);

/// Who asks, where from, and with which request.
#[derive(Debug, Clone)]
pub(super) struct Asking(pub(super) Origin);

impl Asking {
    /// What the layers and the policy before this have found out.
    pub(super) fn of(extensions: &Extensions) -> Origin {
        let actor = if let Some(AppCaller(caller)) = extensions.get() {
            Actor::Caller(Arc::clone(caller))
        } else if let Some(Admin(signed_in)) = extensions.get() {
            Actor::Admin(signed_in.name.as_str().into())
        } else if let Some(OperatorKey(key_id)) = extensions.get() {
            Actor::Operator(Arc::clone(key_id))
        } else {
            Actor::Stranger
        };
        Origin { actor, source: limits::source_of(extensions).ok(), request_id: extensions.get().copied() }
    }
}

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self(Self::of(&parts.extensions)))
    }
}
