//! The strict verifier: every step of the token-formats specification, section 10, in its order.

use core::{fmt, time::Duration};

use subtle::Choice;

use crate::{
    cipher::SealingKey,
    claims::Claims,
    envelope::{CBC_IV_LEN, Cipher, Envelope, Format, GCM_NONCE_LEN, TAG_LEN, Version},
    error::{Refused, TokenError},
    id::AppId,
    kit::{self, KitToken},
    secret::ServerSecret,
    time::{MAX_LIFETIME, UnixSeconds},
    unverified::version_unverified,
};

/// How far ahead of `now` a token may claim to be issued, unless set otherwise.
pub(crate) const DEFAULT_SKEW: Duration = Duration::from_secs(30);

/// The formats a verifier takes. The token never chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accept {
    gcm: bool,
    cbc: bool,
    token03: bool,
}

impl Accept {
    /// token04-GCM only: the default.
    pub const GCM: Self = Self { gcm: true, cbc: false, token03: false };
    /// All three formats. CBC tokens are not authenticated: see the security notes in the README.
    pub const ALL: Self = Self { gcm: true, cbc: true, token03: true };
    /// No format. A start for [`Accept::with`].
    pub const NONE: Self = Self { gcm: false, cbc: false, token03: false };

    /// This set and `format`.
    #[must_use]
    pub const fn with(self, format: Format) -> Self {
        match format {
            Format::Token04Gcm => Self { gcm: true, ..self },
            Format::Token04Cbc => Self { cbc: true, ..self },
            Format::Token03 => Self { token03: true, ..self },
        }
    }

    /// Whether `format` is taken.
    pub const fn contains(self, format: Format) -> bool {
        match format {
            Format::Token04Gcm => self.gcm,
            Format::Token04Cbc => self.cbc,
            Format::Token03 => self.token03,
        }
    }

    const fn contains_version(self, version: Version) -> bool {
        match version {
            Version::Token04 => self.gcm || self.cbc,
            Version::Token03 => self.token03,
        }
    }
}

impl Default for Accept {
    fn default() -> Self {
        Self::GCM
    }
}

/// How much a verifier is willing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest token text, in bytes. A longer one is refused unread.
    pub max_token_bytes: usize,
    /// The longest payload, in bytes.
    pub max_payload_bytes: usize,
    /// How deep the claims may nest.
    pub max_depth: usize,
}

impl Limits {
    /// What a service should take: tokens up to 8 KiB, payloads up to 4 KiB, depth 8.
    pub const STRICT: Self = Self { max_token_bytes: 8 * 1024, max_payload_bytes: 4 * 1024, max_depth: 8 };
    /// All that the format can express: for tools that read any token once.
    pub const FORMAT: Self = Self { max_token_bytes: 87_418, max_payload_bytes: 65_519, max_depth: 8 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STRICT
    }
}

/// A token that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// The form it came in.
    pub format: Format,
}

/// Verifies the tokens of one app against one secret. Make it once: it holds the prepared key.
///
/// ```
/// # use std::time::Duration;
/// # use token_gen::{AppId, Minter, Payload, ServerSecret, TokenRequest, UserId};
/// use token_gen::{PublicRefusal, UnixSeconds, Verifier};
///
/// # let (app_id, secret) = (AppId::new(7)?, ServerSecret::new("fa94dd0f974cf2e293728a526b028271")?);
/// # let now = UnixSeconds::new(1_795_440_112);
/// # let request = TokenRequest {
/// #     user_id: UserId::new("alice")?, ttl: Duration::from_secs(60), payload: Payload::Identity,
/// # };
/// # let minted = Minter::new(app_id, &secret).mint(&request, now, &mut rand::rngs::SysRng)?;
/// let verifier = Verifier::new(app_id, &secret);
/// let verified = verifier.verify_user(&minted.token, "alice", now).expect("it is good now");
/// assert_eq!(verified.claims.user_id, "alice");
///
/// let later = UnixSeconds::new(now.get() + 60);
/// let refused = verifier.verify(&minted.token, later).expect_err("its time is over");
/// assert_eq!(refused.public(), PublicRefusal::Expired); // what a stranger may hear
/// assert_eq!(refused.reason().code(), "expired"); // what the holder of the secret may know
/// # Ok::<(), token_gen::TokenError>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    app_id: AppId,
    key: SealingKey,
    accept: Accept,
    limits: Limits,
    max_lifetime: Duration,
    skew: Duration,
}

impl Verifier {
    /// A verifier that takes token04-GCM within [`Limits::STRICT`], living up to [`MAX_LIFETIME`].
    pub fn new(app_id: AppId, secret: &ServerSecret) -> Self {
        Self::builder(app_id, secret).build()
    }

    /// Starts a verifier with other rules.
    pub fn builder(app_id: AppId, secret: &ServerSecret) -> VerifierBuilder {
        VerifierBuilder(Self {
            app_id,
            key: SealingKey::new(secret),
            accept: Accept::GCM,
            limits: Limits::STRICT,
            max_lifetime: MAX_LIFETIME,
            skew: DEFAULT_SKEW,
        })
    }

    /// The app whose tokens it takes.
    pub fn app_id(&self) -> AppId {
        self.app_id
    }

    /// The formats it takes.
    pub fn accept(&self) -> Accept {
        self.accept
    }

    /// Whether `token` is genuine, of this app, and good at `now`.
    ///
    /// # Errors
    /// [`Refused`], which tells strangers nothing; its reason is the first failure in the specification's order.
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<Verified, Refused> {
        self.check(token, None, now)
    }

    /// As [`Verifier::verify`], and its user is `user_id`, byte for byte.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; [`TokenError::UserMismatch`] comes last.
    pub fn verify_user(&self, token: &str, user_id: &str, now: UnixSeconds) -> Result<Verified, Refused> {
        self.check(token, Some(user_id), now)
    }

    /// Verifies a Kit Token: its token, its readable half, and that the two agree.
    ///
    /// The room and the display name in the readable half are hints from whoever composed it, never a permission.
    ///
    /// # Errors
    /// [`Refused`] as above.
    pub fn verify_kit(
        &self,
        kit_token: &str,
        user_id: Option<&str>,
        now: UnixSeconds,
    ) -> Result<(Verified, kit::KitInfo), Refused> {
        let (token, encoded_info) = kit::split(kit_token, self.limits).map_err(|reason| Refused::new(reason, false))?;
        self.known_version(token).map_err(|reason| Refused::new(reason, false))?;
        let info = KitToken::read_info(encoded_info).map_err(|reason| Refused::new(reason, false))?;
        let verified = self.check(token, None, now)?;
        let authentic = verified.format.cipher() == Cipher::Gcm;
        let refuse = |reason| Err(Refused::new(reason, authentic));
        if info.app_id != verified.claims.app_id {
            return refuse(TokenError::KitAppMismatch);
        }
        if info.user_id != verified.claims.user_id {
            return refuse(TokenError::KitUserMismatch);
        }
        if user_id.is_some_and(|user_id| user_id != verified.claims.user_id) {
            return refuse(TokenError::UserMismatch);
        }
        Ok((verified, info))
    }

    fn check(&self, token: &str, user_id: Option<&str>, now: UnixSeconds) -> Result<Verified, Refused> {
        let unread = |reason| Refused::new(reason, false);
        let version = self.known_version(token).map_err(unread)?;
        let mut envelope = Envelope::parse(version, token).map_err(unread)?;
        let format = envelope.format;
        if !self.accept.contains(format) {
            return Err(unread(TokenError::CipherNotAccepted(format.cipher())));
        }
        // From here on a GCM token is proven genuine; a CBC token never is.
        let claims = self.open(&mut envelope).map_err(unread)?;
        let outer_expire_at = envelope.outer_expire_at;
        self.judge(&claims, outer_expire_at, user_id, now)
            .map_err(|reason| Refused::new(reason, format.cipher() == Cipher::Gcm))?;
        Ok(Verified { claims, format })
    }

    /// Steps 1: size, then version.
    fn known_version(&self, token: &str) -> Result<Version, TokenError> {
        if token.len() > self.limits.max_token_bytes {
            return Err(TokenError::TooLong { max_bytes: self.limits.max_token_bytes });
        }
        let version = version_unverified(token)?;
        if !self.accept.contains_version(version) {
            return Err(TokenError::VersionNotAccepted(version));
        }
        Ok(version)
    }

    /// Steps 3 and 4: open, then read the claims.
    fn open(&self, envelope: &mut Envelope) -> Result<Claims, TokenError> {
        let format = envelope.format;
        let (iv, ciphertext) = envelope.parts_mut();
        let (len, sound) = match format.cipher() {
            Cipher::Gcm => {
                let nonce = iv.first_chunk::<GCM_NONCE_LEN>().ok_or(TokenError::Undecryptable)?;
                let (content, tag) = ciphertext.split_last_chunk_mut::<TAG_LEN>().ok_or(TokenError::Undecryptable)?;
                self.key.open_gcm(nonce, content, tag).ok_or(TokenError::Undecryptable)?;
                (content.len(), Choice::from(1))
            }
            Cipher::Cbc => {
                let iv = iv.first_chunk::<CBC_IV_LEN>().ok_or(TokenError::Undecryptable)?;
                self.key.open_cbc(iv, ciphertext)
            }
        };
        // Unsound padding is not answered before the claims have been read like any others.
        let claims = Claims::from_plaintext(format.version(), envelope.opened(len), self.limits.max_depth);
        if !bool::from(sound) {
            return Err(TokenError::Undecryptable);
        }
        claims
    }

    /// Steps 5 to 8: app, times, expiry, user.
    fn judge(
        &self,
        claims: &Claims,
        outer_expire_at: UnixSeconds,
        user_id: Option<&str>,
        now: UnixSeconds,
    ) -> Result<(), TokenError> {
        let &Claims { app_id, issued_at, expire_at, .. } = claims;
        if app_id != self.app_id {
            return Err(TokenError::AppMismatch { expected: self.app_id, found: app_id });
        }
        if outer_expire_at != expire_at {
            return Err(TokenError::OuterExpiryDiffers { outer: outer_expire_at, inner: expire_at });
        }
        if issued_at.get() <= 0 || expire_at <= issued_at {
            return Err(TokenError::TimesInvalid { issued_at, expire_at });
        }
        if issued_at > now.saturating_add(self.skew) {
            return Err(TokenError::IssuedInFuture { issued_at });
        }
        let lifetime = expire_at.duration_since(issued_at);
        if lifetime > self.max_lifetime {
            return Err(TokenError::LifetimeTooLong { lifetime, max: self.max_lifetime });
        }
        if claims.payload().is_some_and(|payload| payload.len() > self.limits.max_payload_bytes) {
            return Err(TokenError::PayloadTooLong { max_bytes: self.limits.max_payload_bytes });
        }
        if claims.is_expired(now) {
            return Err(TokenError::Expired { expire_at });
        }
        if user_id.is_some_and(|user_id| user_id != claims.user_id) {
            return Err(TokenError::UserMismatch);
        }
        Ok(())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("app_id", &self.app_id)
            .field("accept", &self.accept)
            .field("limits", &self.limits)
            .field("max_lifetime", &self.max_lifetime)
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Verifier`] with other than the default rules.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifierBuilder(Verifier);

impl VerifierBuilder {
    /// Takes these formats and no others.
    pub fn accept(mut self, accept: Accept) -> Self {
        self.0.accept = accept;
        self
    }

    /// Reads no more than this.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// Refuses tokens that live longer; [`MAX_LIFETIME`] stays the ceiling.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.0.max_lifetime = max_lifetime.min(MAX_LIFETIME);
        self
    }

    /// Tolerates an issue time this far ahead of `now`; 30 s unless set. Expiry has no tolerance.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.0.skew = skew;
        self
    }

    /// The verifier.
    pub fn build(self) -> Verifier {
        self.0
    }
}
