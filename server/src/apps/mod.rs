//! An app as the hot path needs it: its settings, its AppSign, and its ring of server secrets with prepared keys.
//!
//! Built from a store record, replaced whole when the record changes. Knows neither store nor HTTP.

mod directory;
pub(crate) mod names;
mod settings;
pub mod uses;

use std::{fmt, sync::Arc, time::Duration};

use token_gen::{
    Accept, AppId, AppSign, Cipher, Format, KnownSecret, Minter, RefusalClass, Refused, ServerSecret, UnixSeconds,
    Verified, Verifier,
};

pub use directory::{ClosedApp, Directory, Prepare};
pub use settings::{
    AppSettings, AuthMode, BothCredentials, CbcPolicy, DuplicateLogin, EmptyStreamList, ExpiryPolicy, FormatName,
    RenewalPolicy, SdkVersion,
};
use uses::{NoMint, SecretUse, SecretUses};

/// One secret of the ring, as read from the store.
#[derive(Clone)]
pub struct RingSecret {
    /// Names the secret in logs and answers.
    pub secret_id: String,
    /// The secret.
    pub secret: ServerSecret,
    /// Until when it still verifies; `None` for the active one.
    pub valid_until: Option<UnixSeconds>,
    /// From when on it mints: by then every node can verify what it seals. Until then the one before it does.
    pub mints_from: UnixSeconds,
}

/// A verified token and the secret that opened it.
#[derive(Debug, Clone)]
pub struct VerifiedBy {
    /// What the token says, and its format.
    pub verified: Verified,
    /// The secret of the ring that opened it.
    pub secret_id: String,
}

/// An AppSign of the app, whose use is counted.
pub struct CountedAppSign {
    app_sign: AppSign,
    valid_until: Option<UnixSeconds>,
    uses: Arc<SecretUse>,
}

impl CountedAppSign {
    fn new(app_id: AppId, app_sign: AppSign, valid_until: Option<UnixSeconds>) -> Self {
        Self { app_sign, valid_until, uses: SecretUses::default().of(app_id, "", None) }
    }

    /// The AppSign, to check login proofs with.
    pub fn app_sign(&self) -> &AppSign {
        &self.app_sign
    }

    /// Whether it is the present one, and not the one before.
    pub fn is_present(&self) -> bool {
        self.valid_until.is_none()
    }

    /// Counts a login that has proven it.
    pub fn proven(&self, now: UnixSeconds) {
        self.uses.used(now);
    }
}

/// One app, ready to mint and verify.
pub struct App {
    settings: AppSettings,
    app_sign: CountedAppSign,
    previous_app_sign: Option<CountedAppSign>,
    active: RingEntry,
    previous: Vec<RingEntry>,
    /// The secrets for CBC tokens, the active one first: they seal and open nothing else.
    cbc: Vec<RingEntry>,
}

/// A secret of the ring with its keys prepared.
struct RingEntry {
    secret_id: String,
    secret: ServerSecret,
    valid_until: Option<UnixSeconds>,
    mints_from: UnixSeconds,
    verifier: Verifier,
    /// One for each format.
    minters: Vec<Minter>,
    uses: Arc<SecretUse>,
}

/// The secret that mints, and the active one, which does if that one must not.
pub struct Minting<'a> {
    secrets: [(&'a Minter, &'a SecretUse); 2],
}

impl<'a> Minting<'a> {
    /// Counts one token, and says what to mint it with. Ask before each.
    ///
    /// # Errors
    /// [`NoMint`]: the active secret must not seal another token.
    pub fn count(self) -> Result<&'a Minter, NoMint> {
        let [(minter, uses), (active, active_uses)] = self.secrets;
        // Of CBC there is nothing to wear out: each token has a fresh initialisation vector and no tag to lose.
        if is_cbc(minter.format()) || uses.mint().is_ok() {
            return Ok(minter);
        }
        active_uses.mint().map(|()| active)
    }
}

impl RingEntry {
    fn new(entry: &RingSecret, settings: &AppSettings, is_accepted: fn(Format) -> bool) -> Self {
        let formats =
            || settings.formats.iter().map(|&format| Format::from(format)).filter(|&format| is_accepted(format));
        let verifier = Verifier::builder(settings.app_id, &entry.secret)
            .accept(formats().fold(Accept::NONE, Accept::with))
            .max_lifetime(settings.max_ttl())
            .build();
        let minter = Minter::new(settings.app_id, &entry.secret).with_max_ttl(settings.max_ttl());
        let uses = SecretUses::default().of(settings.app_id, &entry.secret_id, None);
        Self {
            secret_id: entry.secret_id.clone(),
            secret: entry.secret.clone(),
            valid_until: entry.valid_until,
            mints_from: entry.mints_from,
            verifier,
            minters: formats().map(|format| minter.clone().with_format(format)).collect(),
            uses,
        }
    }

    fn is_valid(&self, now: UnixSeconds) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }

    fn minter(&self, format: Format) -> Option<&Minter> {
        self.minters.iter().find(|minter| minter.format() == format)
    }

    fn known(&self, now: UnixSeconds) -> KnownSecret<'_> {
        KnownSecret { name: &self.secret_id, secret: &self.secret, accepted: self.is_valid(now) }
    }

    fn verify(&self, token: &str, now: UnixSeconds) -> Result<VerifiedBy, Refused> {
        let verified = self.verifier.verify(token, now)?;
        self.uses.used(now);
        Ok(VerifiedBy { verified, secret_id: self.secret_id.clone() })
    }
}

fn is_gcm(format: Format) -> bool {
    format.cipher() == Cipher::Gcm
}

fn is_cbc(format: Format) -> bool {
    format.cipher() == Cipher::Cbc
}

impl App {
    /// Prepares the keys. `active` mints once every node knows it, and until then the first of the `previous` ones, which
    /// verify until their date; the latest stands first. Takes no CBC tokens: see [`App::with_cbc`].
    pub fn new(settings: AppSettings, app_sign: AppSign, active: &RingSecret, previous: &[RingSecret]) -> Self {
        let previous = previous.iter().map(|entry| RingEntry::new(entry, &settings, is_gcm)).collect();
        let active = RingEntry::new(active, &settings, is_gcm);
        let app_sign = CountedAppSign::new(settings.app_id, app_sign, None);
        Self { active, previous, settings, app_sign, previous_app_sign: None, cbc: vec![] }
    }

    /// Takes proofs by this AppSign too, until its date.
    #[must_use]
    pub fn with_previous_app_sign(mut self, app_sign: AppSign, until: UnixSeconds) -> Self {
        self.previous_app_sign = Some(CountedAppSign::new(self.app_id(), app_sign, Some(until)));
        self
    }

    /// Mints and opens CBC formats with secrets of their own, the first of which mints. Without any, and where the
    /// settings allow no CBC, nothing changes.
    #[must_use]
    pub fn with_cbc(mut self, secrets: &[RingSecret]) -> Self {
        if self.settings.cbc_policy != CbcPolicy::Off {
            self.cbc = secrets.iter().map(|entry| RingEntry::new(entry, &self.settings, is_cbc)).collect();
        }
        self
    }

    /// Counts uses where all processes' counts come together: of secrets by their ids, of the AppSign and the one before
    /// it by `app_sign_ids`, in this order.
    #[must_use]
    pub fn with_uses(
        mut self,
        uses: &SecretUses,
        app_sign_ids: &[String],
        reserved: impl Fn(&str) -> Option<u64>,
    ) -> Self {
        let app_id = self.app_id();
        for (app_sign, id) in [&mut self.app_sign].into_iter().chain(&mut self.previous_app_sign).zip(app_sign_ids) {
            app_sign.uses = uses.of(app_id, id, None);
        }
        for entry in self.previous.iter_mut().chain([&mut self.active]).chain(&mut self.cbc) {
            entry.uses = uses.of(app_id, &entry.secret_id, reserved(&entry.secret_id));
        }
        self
    }

    /// What the operator set.
    pub fn settings(&self) -> &AppSettings {
        &self.settings
    }

    /// The app's number.
    pub fn app_id(&self) -> AppId {
        self.settings.app_id
    }

    /// Every AppSign that proves a login at `now`: after a reset, the one before it as well until its date.
    pub fn app_signs(&self, now: UnixSeconds) -> impl Iterator<Item = &CountedAppSign> {
        let is_valid = move |entry: &&CountedAppSign| entry.valid_until.is_none_or(|until| now < until);
        [&self.app_sign].into_iter().chain(&self.previous_app_sign).filter(is_valid)
    }

    /// Whether the secret is in the ring, valid or past its date. It is not once an operator has retired it: then a
    /// session that a token of it began must end.
    pub fn holds_secret(&self, secret_id: &str) -> bool {
        self.previous.iter().chain([&self.active]).chain(&self.cbc).any(|entry| entry.secret_id == secret_id)
    }

    /// Whether the secret is one that mints or is about to, and not one before it.
    pub fn is_active(&self, secret_id: &str) -> bool {
        std::iter::once(&self.active).chain(self.cbc.first()).any(|entry| entry.secret_id == secret_id)
    }

    /// The secrets that verify until a date, and that date.
    pub fn previous_secrets(&self) -> impl Iterator<Item = (&str, UnixSeconds)> {
        let previous = self.previous.iter().chain(&self.cbc);
        previous.filter_map(|entry| Some((&*entry.secret_id, entry.valid_until?)))
    }

    /// The secret that mints tokens of `format` at `now`, or `None` where the app does not use that format. It is the
    /// active one, unless that is too new; then the one before, if it is valid and known long enough; and so on.
    pub fn minting(&self, format: Format, now: UnixSeconds) -> Option<Minting<'_>> {
        let (active, previous) = match is_cbc(format) {
            true => self.cbc.split_first()?,
            false => (&self.active, &*self.previous),
        };
        let mut valid = std::iter::once(active).chain(previous.iter().take_while(|entry| entry.is_valid(now)));
        let known = valid.find(|entry| entry.mints_from <= now).unwrap_or(active);
        Some(Minting { secrets: [(known.minter(format)?, &known.uses), (active.minter(format)?, &active.uses)] })
    }

    /// Verifies an authenticated token with each secret of the ring that is valid at `now`, the active one first.
    ///
    /// # Errors
    /// The refusal of the secret that opened the token, or the active one's if none did.
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<VerifiedBy, Refused> {
        let previous = self.previous.iter().filter(|entry| entry.is_valid(now));
        verify_with(&self.active, previous, token, now)
    }

    /// Opens a CBC token, which proves nothing of what it says. Dangerous: an answer is an oracle, so only
    /// the gate in `tokens` may ask, which counts failures. `None` where the app takes no CBC token at `now`.
    pub(crate) fn open_cbc(&self, token: &str, now: UnixSeconds) -> Option<Result<VerifiedBy, Refused>> {
        if !self.settings.allows_cbc(now) {
            return None;
        }
        let mut valid = self.cbc.iter().filter(|entry| entry.is_valid(now));
        Some(verify_with(valid.next()?, valid, token, now))
    }

    /// Every secret of the ring with its id, the active one first, and whether it verifies at `now`: for explanations.
    pub fn ring(&self, now: UnixSeconds) -> impl Iterator<Item = KnownSecret<'_>> {
        self.gcm_ring(now).chain(self.cbc.iter().map(move |entry| entry.known(now)))
    }

    /// The same without the secrets for CBC formats.
    pub fn gcm_ring(&self, now: UnixSeconds) -> impl Iterator<Item = KnownSecret<'_>> {
        std::iter::once(&self.active).chain(&self.previous).map(move |entry| entry.known(now))
    }

    /// The lifetime a mint gets when it asks for none.
    pub fn default_ttl(&self) -> Duration {
        Duration::from_secs(self.settings.default_ttl_secs)
    }
}

fn verify_with<'a>(
    first: &RingEntry,
    others: impl Iterator<Item = &'a RingEntry>,
    token: &str,
    now: UnixSeconds,
) -> Result<VerifiedBy, Refused> {
    let refused = match first.verify(token, now) {
        Err(refused) if refused.class() == RefusalClass::BadCiphertext => refused,
        decided => return decided,
    };
    for entry in others {
        match entry.verify(token, now) {
            Err(refused) if refused.class() == RefusalClass::BadCiphertext => {}
            decided => return decided,
        }
    }
    Err(refused)
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;
    use token_gen::{Payload, TokenRequest, UserId};

    use super::*;

    fn secret(secret_id: &str, mints_from: i64, valid_until: Option<i64>) -> RingSecret {
        let secret = ServerSecret::generate(&mut SysRng).unwrap();
        let valid_until = valid_until.map(UnixSeconds::new);
        RingSecret { secret_id: secret_id.to_owned(), secret, valid_until, mints_from: mints_from.into() }
    }

    /// Whose secret seals a token at `now`.
    fn mints(app: &App, format: Format, now: i64) -> Option<String> {
        let now = UnixSeconds::new(now);
        let request = TokenRequest {
            user_id: UserId::new("u").unwrap(),
            ttl: Duration::from_secs(1),
            payload: Payload::Identity,
        };
        let token = app.minting(format, now)?.count().unwrap().mint(&request, now, &mut SysRng).unwrap().token;
        let verified = if is_cbc(format) { app.open_cbc(&token, now)? } else { app.verify(&token, now) };
        Some(verified.unwrap().secret_id)
    }

    // proves C11 (several nodes)
    #[test]
    fn the_latest_secret_mints_that_every_node_knows() {
        let mut settings = AppSettings::new(AppId::new(7).unwrap(), "app");
        settings.formats = vec![FormatName::Token04Gcm, FormatName::Token04Cbc];
        settings.cbc_policy = CbcPolicy::Offline;
        settings.cbc_until = Some(10_000);
        let sign = || AppSign::generate(&mut SysRng).unwrap();
        let ring = [secret("before", 90, Some(9_000)), secret("old", 10, Some(8_000)), secret("older", 5, Some(50))];
        let app = App::new(settings.clone(), sign(), &secret("new", 100, None), &ring)
            .with_cbc(&[secret("new_cbc", 100, None), secret("old_cbc", 10, Some(9_000))]);
        for (now, gcm, cbc) in [
            (4, "new", "new_cbc"),
            (9, "older", "new_cbc"),
            (10, "old", "old_cbc"),
            (89, "old", "old_cbc"),
            (90, "before", "old_cbc"),
            (99, "before", "old_cbc"),
            (100, "new", "new_cbc"),
            (9_500, "new", "new_cbc"),
        ] {
            assert_eq!(mints(&app, Format::Token04Gcm, now).as_deref(), Some(gcm), "{now}");
            assert_eq!(mints(&app, Format::Token04Cbc, now).as_deref(), Some(cbc), "{now}");
        }
        assert!(app.minting(Format::Token03, 100.into()).is_none(), "the app does not use it");

        // One before that was made by a clock that ran ahead, and one that has ended.
        for previous in [secret("ahead", 5_000, Some(9_000)), secret("ended", 5, Some(20))] {
            let app = App::new(settings.clone(), sign(), &secret("new", 50, None), &[previous]);
            assert_eq!(mints(&app, Format::Token04Gcm, 40).as_deref(), Some("new"));
            assert_eq!(mints(&app, Format::Token04Gcm, 6_000).as_deref(), Some("new"));
        }
    }

    #[test]
    fn where_the_one_before_is_worn_out_the_active_one_mints_at_once() {
        let settings = AppSettings::new(AppId::new(7).unwrap(), "app");
        let app = App::new(
            settings,
            AppSign::generate(&mut SysRng).unwrap(),
            &secret("new", 100, None),
            &[secret("old", 10, Some(9_000))],
        );
        let reserved = |secret_id: &str| (secret_id == "old").then_some(u64::MAX);
        let app = app.with_uses(&SecretUses::default(), &[], reserved);
        assert_eq!(mints(&app, Format::Token04Gcm, 50).as_deref(), Some("new"));
    }
}
