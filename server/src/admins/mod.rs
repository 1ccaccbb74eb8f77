//! People who sign in to the console: proving who they are, their sessions, and what they may do.
//!
//! Knows no HTTP: cookies and headers are the edge's business. Passwords and codes come in, sessions go out.

mod attempts;
mod one_time;
mod password;
mod people;
mod roles;
mod second_factor;

use std::{sync::Arc, time::Duration};

use rand::{TryRng, rngs::SysRng};
use roompass_wire::http::{Role, Roles};
use token_gen::{AppId, UnixSeconds};

pub use one_time::{SessionToken, SetupCode};
pub use people::{Confirmed, Enrolment, is_name};
pub use roles::{role_for, role_in};

use crate::{
    audit::{Action, Actor, Event, Origin, Recorder},
    clock::Clock,
    error::Error,
    limits::Source,
    sealing::{Place, SealError, Sealer},
    store::{AdminRecord, SessionRecord, Store, StoreError},
};
use attempts::Attempts;
use password::Passwords;
use second_factor::SecondFactor;

/// A session that nobody uses ends after this.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends after this, used or not.
pub const LONGEST_SESSION: Duration = Duration::from_secs(12 * 3600);
/// For how long a sign-in is recent enough for secrets, rotation and roles.
pub const SUDO: Duration = Duration::from_secs(5 * 60);
/// How exactly it is known when a session was last used.
const SEEN_GRAIN: Duration = Duration::from_secs(60);

/// Admins and their sessions, in the name of whoever asks.
#[derive(Clone)]
pub struct Admins {
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    passwords: Arc<Passwords>,
    attempts: Arc<Attempts>,
    recorder: Recorder,
}

/// An admin who was proven by a session.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Names the admin for ever.
    pub admin_id: String,
    /// What the admin signs in as.
    pub name: String,
    /// What the admin may do.
    pub roles: Roles,
    /// The session.
    pub session: SessionRecord,
    /// Its credential.
    pub token: SessionToken,
}

impl SignedIn {
    /// Refuses an admin without this role over all apps.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub fn require(&self, role: Role) -> Result<(), Error> {
        if self.roles.everywhere >= Some(role) {
            Ok(())
        } else {
            Err(Error::NotAllowed("your role does not allow this"))
        }
    }

    /// Refuses an admin without this role in the app; one without any role there is told of no such app.
    ///
    /// # Errors
    /// [`Error::AppUnknown`], [`Error::NotAllowed`].
    pub fn require_in(&self, app_id: AppId, role: Role) -> Result<(), Error> {
        match role_in(&self.roles, app_id) {
            None => Err(Error::AppUnknown),
            Some(has) if has >= role => Ok(()),
            Some(_) => Err(Error::NotAllowed("your role does not allow this")),
        }
    }

    /// Refuses a sign-in that is too long ago for secrets, rotation and roles.
    ///
    /// # Errors
    /// [`Error::StaleSignIn`].
    pub fn require_recent(&self, now: UnixSeconds) -> Result<(), Error> {
        if now < self.session.sudo_until { Ok(()) } else { Err(Error::StaleSignIn) }
    }
}

impl Admins {
    /// Works on `store`, which must be open and migrated.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, clock: Arc<dyn Clock>, recorder: Recorder) -> Self {
        Self { store, sealer, clock, passwords: Arc::new(Passwords::new()), attempts: Arc::default(), recorder }
    }

    /// The same in the name of whoever asks.
    #[must_use]
    pub fn by(&self, origin: Origin) -> Self {
        Self { recorder: self.recorder.by(origin), ..self.clone() }
    }

    /// Whether there is an admin.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn exist(&self) -> Result<bool, Error> {
        Ok(!self.store.admins().await?.is_empty())
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] alike for an unknown name, a wrong password, a wrong or used code;
    /// [`Error::RateLimited`] after too many tries of this source with this name.
    pub async fn sign_in(&self, name: &str, password: &str, totp: &str, source: Source) -> Result<SignedIn, Error> {
        let now = self.clock.now();
        if let Err(error) = self.attempts.begin_sign_in(name, source, now) {
            self.recorder.note_stranger(Event::new(Action::SignIn).refused(error.code().as_str()));
            return Err(error);
        }
        let admin = self.store.admin_named(name).await?;
        // Of an unknown name nothing is kept: people type passwords into the wrong field.
        let refused =
            admin.as_ref().map_or(Event::new(Action::SignIn), |admin| Event::new(Action::SignIn).about(&*admin.name));
        let admin = match self.prove(admin, password, totp, now).await? {
            Ok(admin) => admin,
            Err(reason) => {
                tracing::warn!(%source, reason, "a sign-in was refused");
                self.recorder.note_stranger(refused.refused(reason));
                return Err(Error::Unauthorized);
            }
        };
        self.attempts.end_sign_in(name, source);
        self.open_session(&admin, source, now).await
    }

    /// Proves an admin again, in the same session, for what needs a recent sign-in. Returns until when it does.
    ///
    /// # Errors
    /// As [`Admins::sign_in`].
    pub async fn re_authenticate(
        &self,
        signed_in: &SignedIn,
        password: &str,
        totp: &str,
        source: Source,
    ) -> Result<UnixSeconds, Error> {
        let now = self.clock.now();
        self.attempts.begin_sign_in(&signed_in.name, source, now)?;
        let admin = self.store.admin_named(&signed_in.name).await?;
        let admin = admin.filter(|admin| admin.admin_id == signed_in.admin_id);
        let event = Event::new(Action::ReAuthenticate).about(&*signed_in.name);
        if let Err(reason) = self.prove(admin, password, totp, now).await? {
            self.recorder.note_stranger(event.refused(reason));
            return Err(Error::Unauthorized);
        }
        self.attempts.end_sign_in(&signed_in.name, source);
        let sudo_until = now.saturating_add(SUDO);
        self.recorder.change(event, self.store.touch_session(signed_in.session.hash, now, sudo_until)).await?;
        Ok(sudo_until)
    }

    /// The admin, if password and code are good, or what is not. Takes as long whether there is one or not, and spends
    /// the code only with the right password.
    async fn prove(
        &self,
        admin: Option<AdminRecord>,
        password: &str,
        totp: &str,
        now: UnixSeconds,
    ) -> Result<Result<AdminRecord, &'static str>, Error> {
        let hash = admin.as_ref().map(|admin| admin.password_hash.as_str());
        let right = self.passwords.verify(password, hash).await?;
        let Some(admin) = admin else { return Ok(Err("unknown_name")) };
        if !right {
            return Ok(Err("wrong_password"));
        }
        if self.attempts.begin_second_factor(&admin.admin_id, now).is_err() {
            tracing::warn!(admin = admin.name, "the right password, but too many wrong codes");
            return Ok(Err("too_many_wrong_codes"));
        }
        let factor = self.open_factor(&admin)?;
        let Some(step) = factor.step_of(totp, now) else { return Ok(Err("wrong_code")) };
        if !self.store.spend_totp_step(&admin.admin_id, step).await? {
            return Ok(Err("used_code"));
        }
        self.attempts.end_second_factor(&admin.admin_id);
        Ok(Ok(admin))
    }

    pub(crate) async fn open_session(
        &self,
        admin: &AdminRecord,
        source: Source,
        now: UnixSeconds,
    ) -> Result<SignedIn, Error> {
        let token = SessionToken::generate()?;
        let session = SessionRecord {
            hash: token.hash(),
            session_id: random_id()?,
            admin_id: admin.admin_id.clone(),
            source: source.to_string(),
            created_at: now,
            seen_at: now,
            expire_at: now.saturating_add(LONGEST_SESSION),
            sudo_until: now.saturating_add(SUDO),
        };
        let recorder = self.recorder.as_actor(Actor::Admin(admin.name.as_str().into()));
        let event = Event { expire_at: Some(session.expire_at), ..Event::new(Action::SignIn).about(&*admin.name) };
        recorder.change(event, self.store.insert_session(session.clone())).await?;
        tracing::info!(admin = admin.name, %source, "admin signed in");
        signed_in(admin, session, token)
    }

    /// Who holds this session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for an unknown session and one that has ended.
    pub async fn authenticate(&self, token: SessionToken) -> Result<SignedIn, Error> {
        let now = self.clock.now();
        let found = self.store.session(token.hash()).await?;
        let (session, admin) = found.ok_or(Error::Unauthorized)?;
        if now >= session.expire_at || now >= session.seen_at.saturating_add(IDLE) {
            return Err(Error::Unauthorized);
        }
        if now >= session.seen_at.saturating_add(SEEN_GRAIN) {
            self.store.touch_session(session.hash, now, session.sudo_until).await?;
        }
        signed_in(&admin, session, token)
    }

    /// Where the admin is signed in.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sessions(&self, signed_in: &SignedIn) -> Result<Vec<SessionRecord>, Error> {
        let now = self.clock.now();
        let mut sessions = self.store.sessions_of(&signed_in.admin_id).await?;
        sessions.retain(|session| now < session.expire_at && now < session.seen_at.saturating_add(IDLE));
        Ok(sessions)
    }

    /// Ends one of the admin's sessions.
    ///
    /// # Errors
    /// [`Error::Missing`] if it is not one of them.
    pub async fn end_session(&self, signed_in: &SignedIn, session_id: &str) -> Result<(), Error> {
        let event = Event::new(Action::EndSession).about(session_id);
        let ended = self.recorder.remove(event, self.store.delete_session(&signed_in.admin_id, session_id)).await?;
        if ended { Ok(()) } else { Err(Error::Missing("session")) }
    }

    /// Forgets sessions, set-up codes and nonces whose time is over.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn forget_what_has_ended(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let seen_before = UnixSeconds::new(now.get().saturating_sub_unsigned(IDLE.as_secs()));
        Ok(self.store.forget_sessions(now, seen_before).await?)
    }

    fn open_factor(&self, admin: &AdminRecord) -> Result<SecondFactor, Error> {
        let secret = self.sealer.open(factor_place(&admin.admin_id), &admin.totp_secret)?;
        Ok(SecondFactor::from_bytes(&secret).ok_or(SealError::DoesNotOpen)?)
    }
}

fn factor_place(admin_id: &str) -> Place<'_> {
    Place { table: "admins", app_id: 0, record_id: admin_id }
}

fn signed_in(admin: &AdminRecord, session: SessionRecord, token: SessionToken) -> Result<SignedIn, Error> {
    let (admin_id, name) = (admin.admin_id.clone(), admin.name.clone());
    Ok(SignedIn { admin_id, name, roles: roles_of(admin)?, session, token })
}

fn roles_of(admin: &AdminRecord) -> Result<Roles, Error> {
    serde_json::from_str(&admin.roles)
        .map_err(|error| StoreError::Unreadable(format!("roles of admin {}: {error}", admin.name)).into())
}

/// 64 random bits that name something.
fn random_id() -> Result<String, Error> {
    Ok(format!("{:016x}", SysRng.try_next_u64().map_err(|_| Error::Randomness)?))
}

#[cfg(test)]
mod tests;
