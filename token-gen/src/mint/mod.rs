//! Making tokens.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, time::Duration};

use rand_core::TryCryptoRng;

use crate::{
    cipher::{self, SealingKey},
    claims::{Payload, Token03Claims, Token04Claims},
    envelope::{CBC_IV_LEN, Cipher, Format, MAX_CIPHERTEXT_LEN, Writer},
    error::TokenError,
    id::{AppId, UserId},
    rights::{RoomScope, StreamScope},
    secret::ServerSecret,
    time::{MAX_LIFETIME, UnixSeconds},
    token_id::TokenId,
};

/// The bytes of randomness behind the nonce among the claims.
const CLAIM_NONCE_LEN: usize = 8;
/// The claims of a token04 without user id and payload: their names and numbers. Only a hint for the allocation.
const TYPICAL_CLAIMS_LEN: usize = 128;

/// What a token shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The user who will show it.
    pub user_id: UserId,
    /// How long it is good for, in whole seconds (a fraction is cut off): at least 1 s, at most the minter's limit.
    pub ttl: Duration,
    /// What it carries.
    pub payload: Payload,
}

/// A new token, and what its caller wants to know about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token's text. Whoever has it can use it: keep it out of logs and URLs.
    pub token: String,
    /// When it was issued.
    pub issued_at: UnixSeconds,
    /// The first second at which it is no longer good.
    pub expire_at: UnixSeconds,
}

impl Minted {
    /// The token's id, which may be logged.
    pub fn token_id(&self) -> TokenId {
        TokenId::of(&self.token)
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("token_id", &self.token_id())
            .field("issued_at", &self.issued_at)
            .field("expire_at", &self.expire_at)
            .finish_non_exhaustive()
    }
}

/// Mints tokens for one app with one secret. Make it once: it holds the prepared key.
///
/// ```
/// use std::time::Duration;
/// use token_gen::{AppId, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, TokenRequest, UserId};
///
/// let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271")?;
/// let minter = Minter::new(AppId::new(1234567890)?, &secret);
/// let rights = Rights::builder(&RoomId::new("room1")?).allow(Privilege::Login).allow(Privilege::Publish).build();
/// let request = TokenRequest {
///     user_id: UserId::new("alice")?,
///     ttl: Duration::from_secs(3600),
///     payload: Payload::Rights(rights),
/// };
/// # let now = 1_795_440_112.into();
/// let minted = minter.mint(&request, now, &mut rand::rngs::SysRng)?;
/// assert!(minted.token.starts_with("04"));
/// # Ok::<(), token_gen::TokenError>(())
/// ```
#[derive(Clone)]
pub struct Minter {
    app_id: AppId,
    key: SealingKey,
    format: Format,
    max_ttl: Duration,
    max_payload_bytes: usize,
}

impl Minter {
    /// A minter of token04-GCM, with lifetimes up to [`MAX_LIFETIME`] and payloads up to 4 KiB.
    pub fn new(app_id: AppId, secret: &ServerSecret) -> Self {
        Self {
            app_id,
            key: SealingKey::new(secret),
            format: Format::default(),
            max_ttl: MAX_LIFETIME,
            max_payload_bytes: crate::verify::Limits::STRICT.max_payload_bytes,
        }
    }

    /// The same minter for another format.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// The same minter with a smaller longest lifetime; [`MAX_LIFETIME`] stays the ceiling.
    #[must_use]
    pub fn with_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = max_ttl.min(MAX_LIFETIME);
        self
    }

    /// The same minter with another limit for payloads, in bytes. What does not fit the format is refused anyway.
    #[must_use]
    pub fn with_max_payload_bytes(mut self, max_payload_bytes: usize) -> Self {
        self.max_payload_bytes = max_payload_bytes;
        self
    }

    /// The app it mints for.
    pub fn app_id(&self) -> AppId {
        self.app_id
    }

    /// The format it writes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Mints one token, issued at `now`. `rng` is asked once, for IV and claim nonce together; pass the operating
    /// system's generator (`SystemRng` with the feature `system-rng`, or `rand::rngs::SysRng`), because a copied
    /// generator state would repeat a nonce.
    ///
    /// # Errors
    /// [`TokenError::TtlInvalid`], [`TokenError::PayloadTooLong`], [`TokenError::Token03Content`] and
    /// [`TokenError::Randomness`]. Nothing is cut to fit.
    pub fn mint<R: TryCryptoRng + ?Sized>(
        &self,
        request: &TokenRequest,
        now: UnixSeconds,
        rng: &mut R,
    ) -> Result<Minted, TokenError> {
        let mut random = [0u8; CBC_IV_LEN + CLAIM_NONCE_LEN];
        let random = &mut random[..self.random_len()];
        rng.try_fill_bytes(random).map_err(|_| TokenError::Randomness)?;
        self.mint_with(request, now, random)
    }

    /// Mints one token for each of `requests`, all issued at `now`: for many at once, where a system call
    /// for every token's randomness would cost a third of the time. `rng` is asked once for each
    /// [`Minter::BATCH`] tokens.
    ///
    /// # Security
    /// No randomness outlives the call, and what is drawn is used for requests that are already fixed. So a fork or a
    /// restored snapshot in the midst of it repeats the very same tokens and never a nonce under other claims, just as
    /// with [`Minter::mint`].
    ///
    /// # Errors
    /// As [`Minter::mint`], for the first request that cannot be met; no token is returned then.
    pub fn mint_all<R: TryCryptoRng + ?Sized>(
        &self,
        requests: &[TokenRequest],
        now: UnixSeconds,
        rng: &mut R,
    ) -> Result<Vec<Minted>, TokenError> {
        let mut random = [0u8; (CLAIM_NONCE_LEN + CBC_IV_LEN) * Self::BATCH];
        let mut minted = Vec::with_capacity(requests.len());
        for batch in requests.chunks(Self::BATCH) {
            let random = &mut random[..self.random_len() * batch.len()];
            rng.try_fill_bytes(random).map_err(|_| TokenError::Randomness)?;
            for (request, random) in batch.iter().zip(random.chunks_exact(self.random_len())) {
                minted.push(self.mint_with(request, now, random)?);
            }
        }
        Ok(minted)
    }

    /// How many tokens [`Minter::mint_all`] mints from one call to its random source.
    pub const BATCH: usize = 64;

    /// The bytes of randomness that one token takes.
    fn random_len(&self) -> usize {
        CLAIM_NONCE_LEN + self.format.cipher().iv_len()
    }

    /// Mints one token from fresh `random` bytes: the claim nonce, then the IV.
    fn mint_with(&self, request: &TokenRequest, now: UnixSeconds, random: &[u8]) -> Result<Minted, TokenError> {
        if request.ttl.as_secs() == 0 || request.ttl > self.max_ttl {
            return Err(TokenError::TtlInvalid { max: self.max_ttl });
        }
        let expire_at = now.saturating_add(request.ttl);
        let (nonce, iv) = random.split_first_chunk().ok_or(TokenError::Randomness)?;
        let nonce = i64::from_be_bytes(*nonce);

        let mut writer;
        match self.format {
            Format::Token04Gcm | Format::Token04Cbc => {
                let payload = match &request.payload {
                    Payload::Identity => Cow::Borrowed(""),
                    Payload::Rights(rights) => Cow::Owned(rights.to_payload()),
                    Payload::Text(text) => Cow::Borrowed(text.as_str()),
                };
                if payload.len() > self.max_payload_bytes {
                    return Err(TokenError::PayloadTooLong { max_bytes: self.max_payload_bytes });
                }
                // Every fourth byte of a payload of JSON may be a quote to escape; more only costs a second allocation.
                let plaintext_len = TYPICAL_CLAIMS_LEN + request.user_id.as_str().len() + payload.len() * 5 / 4;
                writer = Writer::new(self.format, expire_at, iv, plaintext_len);
                let claims = Token04Claims {
                    app_id: self.app_id,
                    user_id: request.user_id.as_str(),
                    nonce,
                    issued_at: now,
                    expire_at,
                    payload: &payload,
                };
                claims.write(writer.plaintext());
            }
            Format::Token03 => {
                let Payload::Rights(rights) = &request.payload else {
                    return Err(TokenError::Token03Content);
                };
                let (RoomScope::Only(room_id), StreamScope::Any, true) =
                    (rights.room(), rights.streams(), rights.terms().is_none())
                else {
                    return Err(TokenError::Token03Content);
                };
                writer = Writer::new(self.format, expire_at, iv, TYPICAL_CLAIMS_LEN + room_id.len());
                let claims = Token03Claims {
                    app_id: self.app_id,
                    room_id,
                    user_id: request.user_id.as_str(),
                    privileges: rights.privileges(),
                    issued_at: now,
                    expire_at,
                    nonce,
                };
                claims.write(writer.plaintext());
            }
        }

        let token = self.seal(writer, iv).ok_or(TokenError::PayloadTooLong { max_bytes: MAX_CIPHERTEXT_LEN })?;
        Ok(Minted { token, issued_at: now, expire_at })
    }

    /// Seals any plaintext with as many bytes of `iv` as the cipher wants, for tests that need claims no minter writes.
    #[cfg(test)]
    pub(crate) fn seal_plaintext(&self, plaintext: &[u8], expire_at: UnixSeconds, iv: &[u8]) -> Option<String> {
        let iv = iv.get(..self.format.cipher().iv_len())?;
        let mut writer = Writer::new(self.format, expire_at, iv, plaintext.len());
        writer.push(plaintext);
        self.seal(writer, iv)
    }

    /// Seals what `writer` holds, begun with the same `iv`. `None` when it does not fit the format.
    fn seal(&self, mut writer: Writer, iv: &[u8]) -> Option<String> {
        match self.format.cipher() {
            Cipher::Gcm => {
                let tag = self.key.seal_gcm(iv.try_into().ok()?, writer.content_mut())?;
                writer.push(&tag);
            }
            Cipher::Cbc => {
                let plaintext_len = writer.content_mut().len();
                writer.push(cipher::padding(plaintext_len));
                self.key.seal_cbc(iv.try_into().ok()?, writer.content_mut());
            }
        }
        writer.finish()
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter")
            .field("app_id", &self.app_id)
            .field("format", &self.format)
            .field("max_ttl", &self.max_ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
