//! How somebody becomes an admin, changes credentials, gets other roles, and stops being one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::rngs::SysRng;
use roompass_wire::http::{AdminItem, Role, Roles};
use token_gen::UnixSeconds;

use super::{
    Admins, SetupCode, SignedIn, factor_place, password, random_id, roles, roles_of, second_factor::SecondFactor,
};
use crate::{
    audit::{Action, Actor, Event},
    error::Error,
    limits::Source,
    sealing::Place,
    store::{AdminRecord, SetupCodeRecord, StoreError},
};

/// How long a set-up code, and a second factor to be confirmed, is good for.
pub(super) const SETUP: Duration = Duration::from_secs(15 * 60);

/// A new second factor, to be confirmed with a code from it.
pub struct Enrolment {
    /// The secret in base32.
    pub totp_secret: String,
    /// The same as an `otpauth:` address.
    pub totp_uri: String,
    /// Comes back with the code. Sealed for whoever asked.
    pub ticket: String,
}

impl Admins {
    /// A new code that makes an owner. Whatever code there was for one is void.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Randomness`].
    pub async fn owner_setup_code(&self) -> Result<(SetupCode, UnixSeconds), Error> {
        self.setup_code(None, &Roles { everywhere: Some(Role::Owner), ..Roles::default() }).await
    }

    /// A new code that makes an admin of that name.
    ///
    /// # Errors
    /// [`Error::Field`]; a conflict if there is an admin of that name.
    pub async fn invite(&self, name: &str, roles: &Roles) -> Result<(SetupCode, UnixSeconds), Error> {
        check_name(name)?;
        roles::check(roles)?;
        if self.store.admin_named(name).await?.is_some() {
            return Err(StoreError::Conflict.into());
        }
        self.setup_code(Some(name.to_owned()), roles).await
    }

    async fn setup_code(&self, name: Option<String>, roles: &Roles) -> Result<(SetupCode, UnixSeconds), Error> {
        let code = SetupCode::generate()?;
        let now = self.clock.now();
        let expire_at = now.saturating_add(SETUP);
        let roles = to_json(roles);
        let event = Event { target: name.clone(), expire_at: Some(expire_at), ..Event::new(Action::InviteAdmin) };
        let event = event.saying(roles.clone());
        let record = SetupCodeRecord { hash: code.hash(), name, roles, expire_at, created_at: now };
        self.recorder.change(event, self.store.insert_setup_code(record)).await?;
        Ok((code, expire_at))
    }

    /// A new second factor for whoever holds the set-up code.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for an unknown code, and one that was used or has ended.
    pub async fn begin_setup(&self, code: &SetupCode) -> Result<Enrolment, Error> {
        let record = self.open_code(code).await?;
        self.enrol(&code_subject(code), record.name.as_deref().unwrap_or("admin"))
    }

    /// Makes the admin, spends the code, and signs in.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for a code that is not good any more; [`Error::Field`] for what must be corrected,
    /// after which the code is still good; a conflict if the name is taken.
    pub async fn finish_setup(
        &self,
        code: &SetupCode,
        name: &str,
        password: &str,
        confirmed: Confirmed<'_>,
        source: Source,
    ) -> Result<SignedIn, Error> {
        let record = self.open_code(code).await?;
        check_name(name)?;
        if record.name.as_deref().is_some_and(|invited| invited != name) {
            return Err(Error::field("name", "must be the name that was invited"));
        }
        password::check(password, name)?;
        let now = self.clock.now();
        let (factor, step) = self.confirm(&code_subject(code), confirmed, now)?;
        let admin_id = random_id()?;
        let totp_secret = self.sealer.seal(factor_place(&admin_id), factor.bytes(), &mut SysRng)?;
        let roles: Roles = serde_json::from_str(&record.roles)
            .map_err(|error| StoreError::Unreadable(format!("roles of a set-up code: {error}")))?;
        let admin = AdminRecord {
            version: 1,
            name: name.to_owned(),
            password_hash: self.passwords.hash(password).await?,
            totp_secret,
            totp_step: step,
            owner: roles.everywhere == Some(Role::Owner),
            roles: record.roles,
            created_at: now,
            updated_at: now,
            admin_id,
        };
        let event = Event::new(Action::CreateAdmin).about(name).saying(admin.roles.clone());
        let recorder = self.recorder.as_actor(Actor::Admin(name.into()));
        match recorder.change(event, self.store.insert_admin(admin.clone(), code.hash(), now)).await {
            Err(Error::Store(StoreError::Missing)) => return Err(Error::Unauthorized),
            done => done?,
        }
        tracing::info!(admin = name, %source, "admin made");
        self.open_session(&admin, source, now).await
    }

    async fn open_code(&self, code: &SetupCode) -> Result<SetupCodeRecord, Error> {
        let record = self.store.setup_code(code.hash()).await?;
        let now = self.clock.now();
        record.filter(|record| now < record.expire_at).ok_or(Error::Unauthorized)
    }

    /// A new second factor for an admin, who must have signed in recently.
    ///
    /// # Errors
    /// [`Error::StaleSignIn`].
    pub fn begin_totp(&self, signed_in: &SignedIn) -> Result<Enrolment, Error> {
        signed_in.require_recent(self.clock.now())?;
        self.enrol(&signed_in.admin_id, &signed_in.name)
    }

    /// Takes the new second factor, and ends every session of the admin.
    ///
    /// # Errors
    /// [`Error::StaleSignIn`]; [`Error::Field`] for a wrong code.
    pub async fn replace_totp(&self, signed_in: &SignedIn, confirmed: Confirmed<'_>) -> Result<(), Error> {
        let now = self.clock.now();
        signed_in.require_recent(now)?;
        let (factor, step) = self.confirm(&signed_in.admin_id, confirmed, now)?;
        let admin = self.named(&signed_in.name).await?;
        let totp_secret = self.sealer.seal(factor_place(&admin.admin_id), factor.bytes(), &mut SysRng)?;
        let changing = self.store.update_admin(AdminRecord { totp_secret, updated_at: now, ..admin });
        self.recorder.change(Event::new(Action::SetTotp).about(&*signed_in.name), changing).await?;
        // Steps count time, so those of the old factor are those of the new one too.
        self.store.spend_totp_step(&signed_in.admin_id, step).await?;
        tracing::info!(admin = signed_in.name, "admin has a new second factor");
        Ok(())
    }

    /// Sets a new password, and ends every session of the admin.
    ///
    /// # Errors
    /// [`Error::StaleSignIn`]; [`Error::Field`] for a password that is not taken.
    pub async fn replace_password(&self, signed_in: &SignedIn, password: &str) -> Result<(), Error> {
        let now = self.clock.now();
        signed_in.require_recent(now)?;
        password::check(password, &signed_in.name)?;
        let password_hash = self.passwords.hash(password).await?;
        let admin = self.named(&signed_in.name).await?;
        let changing = self.store.update_admin(AdminRecord { password_hash, updated_at: now, ..admin });
        self.recorder.change(Event::new(Action::SetPassword).about(&*signed_in.name), changing).await?;
        tracing::info!(admin = signed_in.name, "admin has a new password");
        Ok(())
    }

    /// Up to `limit` admins by name, from the one after `after`, with `search` in their names.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, search: &str, after: &str, limit: u32) -> Result<Vec<AdminItem>, Error> {
        let item = |admin: &AdminRecord| {
            Ok(AdminItem { name: admin.name.clone(), roles: roles_of(admin)?, created_at: admin.created_at.get() })
        };
        let (search, limit) = (search.to_ascii_lowercase(), usize::try_from(limit).unwrap_or(usize::MAX));
        // People are few: the store gives all of them.
        let admins = self.store.admins().await?;
        let is_wanted = |admin: &&AdminRecord| admin.name.as_str() > after && admin.name.contains(&search);
        admins.iter().filter(is_wanted).take(limit).map(item).collect()
    }

    /// Changes what an admin may do, and ends every session of that admin.
    ///
    /// # Errors
    /// [`Error::Field`]; [`Error::Missing`]; a conflict if no owner would be left.
    pub async fn set_roles(&self, name: &str, roles: &Roles) -> Result<(), Error> {
        roles::check(roles)?;
        let admin = self.named(name).await?;
        let owner = roles.everywhere == Some(Role::Owner);
        let updated_at = self.clock.now();
        let event = Event::new(Action::SetRoles).about(name).saying(to_json(roles));
        let changing = self.store.update_admin(AdminRecord { roles: to_json(roles), owner, updated_at, ..admin });
        self.recorder.change(event, changing).await?;
        tracing::info!(admin = name, "admin has other roles");
        Ok(())
    }

    /// Removes an admin with all sessions.
    ///
    /// # Errors
    /// [`Error::Missing`]; a conflict if no owner would be left.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let admin = self.named(name).await?;
        let removing = self.store.delete_admin(&admin.admin_id);
        if !self.recorder.remove(Event::new(Action::RemoveAdmin).about(name), removing).await? {
            return Err(Error::Missing("admin"));
        }
        tracing::info!(admin = name, "admin removed");
        Ok(())
    }

    async fn named(&self, name: &str) -> Result<AdminRecord, Error> {
        self.store.admin_named(name).await?.ok_or(Error::Missing("admin"))
    }

    /// Nothing is stored: the ticket holds the new secret, sealed for `subject`, with its end.
    fn enrol(&self, subject: &str, name: &str) -> Result<Enrolment, Error> {
        let factor = SecondFactor::generate()?;
        let expire_at = self.clock.now().saturating_add(SETUP).get();
        let plaintext = zeroize::Zeroizing::new([&expire_at.to_be_bytes()[..], factor.bytes()].concat());
        let sealed = self.sealer.seal(ticket_place(subject), &plaintext, &mut SysRng)?;
        Ok(Enrolment {
            totp_secret: factor.base32(),
            totp_uri: factor.uri(name),
            ticket: URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// The second factor of the ticket and the step that its code was of.
    fn confirm(&self, subject: &str, confirmed: Confirmed<'_>, now: UnixSeconds) -> Result<(SecondFactor, i64), Error> {
        let stale = || Error::field("enrolment", "is not good, or not any more: begin again");
        let sealed = URL_SAFE_NO_PAD.decode(confirmed.ticket).map_err(|_| stale())?;
        let plaintext = self.sealer.open(ticket_place(subject), &sealed).map_err(|_| stale())?;
        let (expire_at, secret) = plaintext.split_first_chunk::<8>().ok_or_else(stale)?;
        let factor = SecondFactor::from_bytes(secret).ok_or_else(stale)?;
        if now.get() >= i64::from_be_bytes(*expire_at) {
            return Err(stale());
        }
        let step = factor.step_of(confirmed.totp, now);
        let step = step.ok_or_else(|| Error::field("totp", "is not the code that the new secret gives now"))?;
        Ok((factor, step))
    }
}

/// What comes back for an [`Enrolment`].
#[derive(Clone, Copy)]
pub struct Confirmed<'a> {
    /// [`Enrolment::ticket`].
    pub ticket: &'a str,
    /// The code from the new second factor.
    pub totp: &'a str,
}

fn ticket_place(subject: &str) -> Place<'_> {
    Place { table: "totp_enrolments", app_id: 0, record_id: subject }
}

/// A set-up code names itself by its hash.
fn code_subject(code: &SetupCode) -> String {
    URL_SAFE_NO_PAD.encode(code.hash())
}

fn check_name(name: &str) -> Result<(), Error> {
    if !is_name(name) {
        return Err(Error::field("name", "must be 1 to 64 of a-z, 0-9, '.', '_', '@' and '-'"));
    }
    Ok(())
}

/// Whether an admin may be called so.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._@-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Names and numbers into memory: serde_json has no way to fail here.
fn to_json(roles: &Roles) -> String {
    serde_json::to_string(roles).unwrap_or_default()
}
