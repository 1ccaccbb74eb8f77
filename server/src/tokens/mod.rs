//! Every rule about tokens: what a caller may have minted, what the app allows, whether a token is good. Knows no HTTP,
//! no sockets, no store.

mod cbc;
mod check;
mod explain;
mod terms;

use std::{sync::Arc, time::Duration};

use rand::TryCryptoRng;
use roompass_wire::http::{CipherName, FormatName, MintRequest, PrivilegeName};
use token_gen::{
    Cipher, Format, KitToken, Minted, Payload, Privileges, Rights, RoomId, StreamId, TokenError, TokenRequest,
    UnixSeconds, UserId, UserName,
};

use crate::{
    apps::{App, CbcPolicy, Directory, names::privileges},
    bans::Bans,
    error::Error,
    issued::{Issued, IssuedTokens},
    keys::{Caller, Scope},
    metrics::Metrics,
    revocations::Revocations,
    telemetry::traces::TARGET,
};
use tracing::field::Empty;

pub use check::{Attempt, Checked, Fault, Refusal, permit_publish};
pub use explain::{Attempted, Explained};

/// Mints room tokens for callers, and judges those that are shown.
#[derive(Debug)]
pub struct Tokens {
    directory: Arc<Directory>,
    revocations: Arc<Revocations>,
    bans: Arc<Bans>,
    issued: Arc<IssuedTokens>,
    /// Below this, the clock cannot be right.
    clock_floor: UnixSeconds,
    cbc: cbc::CbcGate,
    /// How long after it was made a secret mints, so that every node knows it by then; zero where there is one node.
    spread: Duration,
    metrics: Arc<Metrics>,
}

/// A new token, and its Kit Token if one was asked for.
#[derive(Debug)]
pub struct MintedToken {
    /// The token.
    pub minted: Minted,
    /// The same token with its readable half.
    pub kit_token: Option<KitText>,
    /// What must be noted before anybody gets it, where only noted tokens are taken.
    pub to_note: Option<Issued>,
}

/// The text of a Kit Token.
pub struct KitText(pub String);

impl std::fmt::Debug for KitText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KitText(..)")
    }
}

impl Tokens {
    /// Mints for the apps of `directory`, and holds tokens against `revocations`, `bans` and `issued`. While the clock is below
    /// `clock_floor`, it does neither: what has expired might seem to live.
    pub fn new(
        directory: Arc<Directory>,
        revocations: Arc<Revocations>,
        bans: Arc<Bans>,
        issued: Arc<IssuedTokens>,
        clock_floor: UnixSeconds,
    ) -> Self {
        let cbc = cbc::CbcGate::default();
        let (spread, metrics) = (Duration::ZERO, Arc::default());
        Self { directory, revocations, bans, issued, clock_floor, cbc, spread, metrics }
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn counting_in(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// For one of several nodes on a store, where a secret mints only `spread` after it was made, when all know it.
    #[must_use]
    pub fn among_others(self, spread: Duration) -> Self {
        Self { spread, ..self }
    }

    /// Whether another node may mint with a secret that we have not heard of. That takes a node that has not looked at the
    /// store for long: of the spread, a part is for the store to take the secret, and for clocks that differ.
    fn may_miss_secrets(&self, now: UnixSeconds) -> bool {
        !self.spread.is_zero() && self.revocations.behind(now) > self.spread / 2
    }

    /// What ends tokens early.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Who is kept out.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Whether the clock can be right.
    pub fn trusts(&self, now: UnixSeconds) -> bool {
        now >= self.clock_floor
    }

    /// Mints what `request` asks for, in the caller's own app.
    ///
    /// # Errors
    /// [`Error::Field`] with the field that is at fault, [`Error::AppUnknown`], [`Error::AppDisabled`],
    /// [`Error::Randomness`], [`Error::ClockBehind`].
    pub fn mint<R: TryCryptoRng>(
        &self,
        caller: &Caller,
        request: &MintRequest,
        now: UnixSeconds,
        rng: &mut R,
    ) -> Result<MintedToken, Error> {
        let span = tracing::info_span!(target: TARGET, "mint", app_id = %caller.app_id, code = Empty).entered();
        let minted = self.try_mint(caller, request, now, rng);
        match &minted {
            Ok(_) => self.metrics.tokens.minted(caller.app_id),
            Err(error) => {
                span.record("code", error.code().as_str());
                self.metrics.tokens.mint_refused(error.code());
            }
        }
        minted
    }

    fn try_mint<R: TryCryptoRng>(
        &self,
        caller: &Caller,
        request: &MintRequest,
        now: UnixSeconds,
        rng: &mut R,
    ) -> Result<MintedToken, Error> {
        if !self.trusts(now) {
            return Err(Error::ClockBehind);
        }
        let app = self.directory.app(caller.app_id).ok_or(Error::AppUnknown)?;
        if !app.settings().enabled {
            return Err(Error::AppDisabled);
        }
        let user_id = UserId::new(&*request.user_id).map_err(|error| Error::of_field("user_id", &error))?;
        let room_id =
            request.room_id.as_deref().map(|room_id| room_in_reach(&caller.scope, "room_id", room_id)).transpose()?;
        let ttl = ttl(&app, &caller.scope, request.ttl_secs)?;
        let payload = payload(&app, &caller.scope, request, room_id.as_ref(), (ttl, now))?;
        let (format, format_field) = format(request)?;
        let minting = app
            .minting(format, now)
            .ok_or_else(|| Error::field(format_field, format!("this app does not use {}", name_of(format))))?;
        let kit_of = kit(request, room_id.as_ref())?;

        let minter = minting.count()?;
        let what = TokenRequest { user_id, ttl, payload };
        let minted = minter.mint(&what, now, rng).map_err(|error| {
            let field = match error {
                TokenError::PayloadTooLong { .. } if request.stream_ids.is_some() => "stream_ids",
                TokenError::PayloadTooLong { .. } => "payload",
                TokenError::Token03Content if request.terms.is_some() => "terms",
                TokenError::Token03Content => "format",
                _ => "ttl_secs",
            };
            Error::of_field(field, &error)
        })?;
        let kit_token = kit_of.map(|(room_id, user_name)| {
            KitText(KitToken::compose(&minted.token, app.app_id(), &what.user_id, room_id, user_name.as_ref()))
        });
        let must_be_noted = app.settings().cbc_policy == CbcPolicy::IssuedOnly && format.cipher() == Cipher::Cbc;
        let to_note = must_be_noted.then(|| Issued::new(&minted.token, minted.expire_at));
        Ok(MintedToken { minted, kit_token, to_note })
    }
}

fn room_in_reach(scope: &Scope, field: &'static str, room_id: &str) -> Result<RoomId, Error> {
    let room_id = RoomId::new(room_id).map_err(|error| Error::of_field(field, &error))?;
    if !room_id.as_str().starts_with(&scope.room_prefix) {
        return Err(Error::field(field, format!("must begin with `{}` for this key", scope.room_prefix)));
    }
    Ok(room_id)
}

fn payload(
    app: &App,
    scope: &Scope,
    request: &MintRequest,
    room_id: Option<&RoomId>,
    life: (Duration, UnixSeconds),
) -> Result<Payload, Error> {
    let rights_field = [
        ("privileges", request.privileges.is_some()),
        ("stream_ids", request.stream_ids.is_some()),
        ("terms", request.terms.is_some()),
    ]
    .into_iter()
    .find_map(|(field, present)| present.then_some(field));
    match (room_id, &request.payload) {
        (None, None) => match rights_field {
            Some(field) => Err(Error::field("room_id", format!("is needed with `{field}`: rights are for one room"))),
            None => identity(app, scope),
        },
        (None, Some(text)) => match rights_field {
            Some(field) => Err(Error::field("payload", format!("cannot go together with `{field}`"))),
            None => free_payload(scope, text),
        },
        (Some(_), Some(_)) => Err(Error::field("payload", "cannot go together with `room_id`")),
        (Some(room_id), None) => rights(scope, request, room_id, life).map(Payload::Rights),
    }
}

/// An identity token opens every room with the app's `identity_privileges`, so a narrower key may not mint it.
fn identity(app: &App, scope: &Scope) -> Result<Payload, Error> {
    if app.settings().require_privilege_token {
        return Err(Error::field("room_id", "is needed: this app refuses identity tokens"));
    }
    if !scope.room_prefix.is_empty() || !app.settings().identity_privileges.is_subset(scope.privileges) {
        return Err(Error::field("room_id", "is needed: this key is bound to rooms or privileges"));
    }
    Ok(Payload::Identity)
}

/// A free payload can say anything, rights included, so only an unbounded key may mint it.
fn free_payload(scope: &Scope, text: &str) -> Result<Payload, Error> {
    if !scope.is_unbounded() {
        return Err(Error::field("payload", "is not for this key: it is bound to rooms or privileges"));
    }
    if text.is_empty() {
        return Err(Error::field("payload", "is empty: leave it out for an identity token"));
    }
    Ok(Payload::Text(text.to_owned()))
}

fn rights(
    scope: &Scope,
    request: &MintRequest,
    room_id: &RoomId,
    (ttl, now): (Duration, UnixSeconds),
) -> Result<Rights, Error> {
    let asked: Privileges = match &request.privileges {
        Some(names) if names.is_empty() => {
            return Err(Error::field("privileges", "is empty: name at least one, or leave it out for both"));
        }
        Some(names) => names.iter().copied().map(privileges::privilege).collect(),
        None => Privileges::ALL,
    };
    if let Some(beyond) = asked.iter().find(|&privilege| !scope.privileges.contains(privilege)) {
        return Err(Error::field("privileges", format!("this key may not grant `{beyond}`")));
    }
    let mut rights = Rights::builder(room_id).allow_all(asked);
    if let Some(stream_ids) = &request.stream_ids {
        if stream_ids.is_empty() {
            return Err(Error::field("stream_ids", "is empty: name the streams, or leave it out for any stream"));
        }
        if !asked.iter().any(|privilege| privileges::name(privilege) == PrivilegeName::Publish) {
            return Err(Error::field("stream_ids", "needs the privilege `publish`"));
        }
        for stream_id in stream_ids {
            rights =
                rights.stream(&StreamId::new(&**stream_id).map_err(|error| Error::of_field("stream_ids", &error))?);
        }
    }
    if let Some(terms) = &request.terms {
        rights = terms::add(rights, terms, scope, ttl, now)?;
    }
    if let (Some(user_name), None | Some(FormatName::Token04)) = (&request.user_name, request.format) {
        rights = rights.user_name(&UserName::new(&**user_name).map_err(|error| Error::of_field("user_name", &error))?);
    }
    Ok(rights.build())
}

/// The format asked for, and the field to blame if the app does not use it.
fn format(request: &MintRequest) -> Result<(Format, &'static str), Error> {
    match (request.format, request.cipher) {
        (None | Some(FormatName::Token04), None | Some(CipherName::Gcm)) => {
            Ok((Format::Token04Gcm, if request.format.is_some() { "format" } else { "cipher" }))
        }
        (None | Some(FormatName::Token04), Some(CipherName::Cbc)) => Ok((Format::Token04Cbc, "cipher")),
        (Some(FormatName::Token03), None | Some(CipherName::Cbc)) => Ok((Format::Token03, "format")),
        (Some(FormatName::Token03), Some(CipherName::Gcm)) => Err(Error::field("cipher", "a token03 has only `cbc`")),
    }
}

fn name_of(format: Format) -> &'static str {
    match format {
        Format::Token04Gcm => "token04 with gcm",
        Format::Token04Cbc => "token04 with cbc",
        Format::Token03 => "token03",
    }
}

fn ttl(app: &App, scope: &Scope, asked: Option<u64>) -> Result<Duration, Error> {
    let max = scope.max_ttl().map_or(app.settings().max_ttl(), |max| max.min(app.settings().max_ttl()));
    let Some(asked) = asked else { return Ok(app.default_ttl().min(max)) };
    if asked == 0 || Duration::from_secs(asked) > max {
        return Err(Error::field("ttl_secs", format!("must be 1 to {}", max.as_secs())));
    }
    Ok(Duration::from_secs(asked))
}

/// What the readable half of a Kit Token says, if one was asked for.
fn kit<'a>(
    request: &MintRequest,
    room_id: Option<&'a RoomId>,
) -> Result<Option<(&'a RoomId, Option<UserName>)>, Error> {
    let user_name = request.user_name.as_deref().map(UserName::new).transpose();
    let user_name = user_name.map_err(|error| Error::of_field("user_name", &error))?;
    if request.kit != Some(true) {
        return Ok(None);
    }
    let room_id = room_id.ok_or_else(|| Error::field("room_id", "is needed for a Kit Token"))?;
    Ok(Some((room_id, user_name)))
}

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod forging_tests;
#[cfg(test)]
mod tests;
