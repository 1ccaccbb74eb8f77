//! The strict answer for a whole login: the verifier, then the rights of the token. This alone decides what is valid.

use alloc::string::String;
use core::{fmt, time::Duration};

use crate::{
    envelope::Cipher,
    error::{RefusalClass, Refused, TokenError},
    id::AppId,
    kit::KitInfo,
    rights::{Denied, RoomScope},
    secret::ServerSecret,
    time::{MAX_LIFETIME, UnixSeconds},
    verify::{Accept, DEFAULT_SKEW, Limits, Verified, Verifier},
};

/// A server secret and what people call it.
#[derive(Debug, Clone, Copy)]
pub struct KnownSecret<'a> {
    /// Such as `current` or a file's name; appears in findings.
    pub name: &'a str,
    /// The secret.
    pub secret: &'a ServerSecret,
    /// Whether tokens sealed with it are good. Others are only tried to name them.
    pub accepted: bool,
}

/// Whether Kit Tokens are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KitPolicy {
    /// Plain tokens only.
    #[default]
    Refused,
    /// Plain tokens and Kit Tokens.
    Accepted,
    /// Kit Tokens only.
    Required,
}

/// What is taken, and against which secrets it is checked.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    /// The app.
    pub app_id: AppId,
    /// Its secrets, and others worth naming.
    pub secrets: &'a [KnownSecret<'a>],
    /// The formats taken.
    pub accept: Accept,
    /// Whether Kit Tokens are taken.
    pub kit: KitPolicy,
    /// How much is read.
    pub limits: Limits,
    /// The longest lifetime taken; [`MAX_LIFETIME`] stays the ceiling.
    pub max_lifetime: Duration,
    /// How far ahead of `now` a token may be issued.
    pub skew: Duration,
}

/// What the login would be: whatever is given here must be allowed by the token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempt<'a> {
    /// The user logging in.
    pub user_id: Option<&'a str>,
    /// The room logged in to.
    pub room_id: Option<&'a str>,
    /// The stream to be published, in that room or, without one, in the token's own.
    pub stream_id: Option<&'a str>,
}

/// A token that passed, with the info part of a Kit Token, which is only a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admitted {
    /// What was verified.
    pub verified: Verified,
    /// The readable half of a Kit Token.
    pub kit: Option<KitInfo>,
}

/// Why a login would fail. Its texts are for whoever holds the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The token is not valid.
    Refused(Refused),
    /// The token is valid but does not allow this.
    Denied(Denied),
}

impl Rejection {
    /// The class of the refusal. A token that is good for something else has claims that are not those asked for.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.class().as_str(),
            Self::Denied(_) => RefusalClass::ClaimsInvalid.as_str(),
        }
    }

    /// The exact code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.reason().code(),
            Self::Denied(denied) => denied.code(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.reason().fmt(f),
            Self::Denied(denied) => denied.fmt(f),
        }
    }
}

impl<'a> Rules<'a> {
    /// The safe rules: token04-GCM only, no Kit Tokens, [`Limits::STRICT`], [`MAX_LIFETIME`], 30 s of skew.
    pub fn new(app_id: AppId, secrets: &'a [KnownSecret<'a>]) -> Self {
        Self {
            app_id,
            secrets,
            accept: Accept::GCM,
            kit: KitPolicy::Refused,
            limits: Limits::STRICT,
            max_lifetime: MAX_LIFETIME,
            skew: DEFAULT_SKEW,
        }
    }

    /// Whether `token` is good at `now` and allows `attempt`.
    ///
    /// # Errors
    /// The first failure: of the token, in the verifier's order, then of its rights.
    pub fn check(&self, token: &str, attempt: Attempt<'_>, now: UnixSeconds) -> Result<Admitted, Rejection> {
        let admitted = self.verify(token, attempt.user_id, now).map_err(Rejection::Refused)?;
        let claims = &admitted.verified.claims;
        let malformed =
            |reason| Rejection::Refused(Refused::new(reason, admitted.verified.format.cipher() == Cipher::Gcm));
        if let Some(room_id) = attempt.room_id {
            claims.permit_login(room_id).map_err(malformed)?.map_err(Rejection::Denied)?;
            if let Some(rights) = claims.rights().map_err(malformed)? {
                rights.login_in_time(now).map_err(Rejection::Denied)?;
            }
        }
        if let Some(stream_id) = attempt.stream_id {
            let rights = claims.rights().map_err(malformed)?;
            let own_room = match rights.as_ref().map(|rights| rights.room()) {
                Some(RoomScope::Only(room_id)) => room_id,
                Some(RoomScope::Several(several)) => several.first().map_or("", String::as_str),
                _ => "",
            };
            let room_id = attempt.room_id.unwrap_or(own_room);
            claims.permit_publish(room_id, stream_id).map_err(malformed)?.map_err(Rejection::Denied)?;
            if let Some(rights) = rights {
                rights.publish_in_time(now).map_err(Rejection::Denied)?;
            }
        }
        Ok(admitted)
    }

    fn verify(&self, token: &str, user_id: Option<&str>, now: UnixSeconds) -> Result<Admitted, Refused> {
        let mut last = Refused::new(TokenError::Undecryptable, false);
        for known in self.secrets.iter().filter(|known| known.accepted) {
            let verifier = Verifier::builder(self.app_id, known.secret)
                .accept(self.accept)
                .limits(self.limits)
                .max_lifetime(self.max_lifetime)
                .skew(self.skew)
                .build();
            let is_kit = match self.kit {
                KitPolicy::Refused => false,
                KitPolicy::Accepted => token.contains('#'),
                KitPolicy::Required => true,
            };
            let outcome = if is_kit {
                let passed = verifier.verify_kit(token, user_id, now);
                passed.map(|(verified, info)| Admitted { verified, kit: Some(info) })
            } else {
                let passed = match user_id {
                    Some(user_id) => verifier.verify_user(token, user_id, now),
                    None => verifier.verify(token, now),
                };
                passed.map(|verified| Admitted { verified, kit: None })
            };
            match outcome {
                // Sealed with another secret, perhaps the next one.
                Err(refused) if *refused.reason() == TokenError::Undecryptable => last = refused,
                outcome => return outcome,
            }
        }
        Err(last)
    }
}
