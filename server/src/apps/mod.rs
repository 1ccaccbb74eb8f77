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
    minter: Minter,
    active: RingVerifier,
    previous: Vec<RingVerifier>,
    cbc: Option<CbcRing>,
}

/// The secrets for CBC tokens: they seal and open nothing else.
struct CbcRing {
    /// One for each format.
    minters: Vec<Minter>,
    verifiers: Vec<RingVerifier>,
}

struct RingVerifier {
    secret_id: String,
    secret: ServerSecret,
    valid_until: Option<UnixSeconds>,
    verifier: Verifier,
    uses: Arc<SecretUse>,
}

impl RingVerifier {
    fn new(entry: &RingSecret, settings: &AppSettings, is_accepted: fn(Format) -> bool) -> Self {
        let formats = settings.formats.iter().map(|&format| Format::from(format)).filter(|&format| is_accepted(format));
        let verifier = Verifier::builder(settings.app_id, &entry.secret)
            .accept(formats.fold(Accept::NONE, Accept::with))
            .max_lifetime(settings.max_ttl())
            .build();
        let uses = SecretUses::default().of(settings.app_id, &entry.secret_id, None);
        Self {
            secret_id: entry.secret_id.clone(),
            secret: entry.secret.clone(),
            valid_until: entry.valid_until,
            verifier,
            uses,
        }
    }

    fn is_valid(&self, now: UnixSeconds) -> bool {
        self.valid_until.is_none_or(|until| now < until)
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
    /// Prepares the keys. `active` mints; `previous` ones only verify, until their date. Takes no CBC tokens: see
    /// [`App::with_cbc`].
    pub fn new(settings: AppSettings, app_sign: AppSign, active: &RingSecret, previous: &[RingSecret]) -> Self {
        let minter = Minter::new(settings.app_id, &active.secret).with_max_ttl(settings.max_ttl());
        let previous = previous.iter().map(|entry| RingVerifier::new(entry, &settings, is_gcm)).collect();
        let active = RingVerifier::new(active, &settings, is_gcm);
        let app_sign = CountedAppSign::new(settings.app_id, app_sign, None);
        Self { active, previous, settings, app_sign, previous_app_sign: None, minter, cbc: None }
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
        if let Some(first) = secrets.first()
            && self.settings.cbc_policy != CbcPolicy::Off
        {
            let minter = Minter::new(self.app_id(), &first.secret).with_max_ttl(self.settings.max_ttl());
            let formats =
                self.settings.formats.iter().map(|&format| Format::from(format)).filter(|&format| is_cbc(format));
            let minters = formats.map(|format| minter.clone().with_format(format)).collect();
            let verifiers = secrets.iter().map(|entry| RingVerifier::new(entry, &self.settings, is_cbc)).collect();
            self.cbc = Some(CbcRing { minters, verifiers });
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
        let cbc = self.cbc.iter_mut().flat_map(|cbc| &mut cbc.verifiers);
        for entry in self.previous.iter_mut().chain([&mut self.active]).chain(cbc) {
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
        let cbc = self.cbc.iter().flat_map(|cbc| &cbc.verifiers);
        self.previous.iter().chain([&self.active]).chain(cbc).any(|entry| entry.secret_id == secret_id)
    }

    /// Whether the secret is one that mints, and not one before it.
    pub fn is_active(&self, secret_id: &str) -> bool {
        let cbc = self.cbc.iter().filter_map(|cbc| cbc.verifiers.first());
        std::iter::once(&self.active).chain(cbc).any(|entry| entry.secret_id == secret_id)
    }

    /// The secrets that verify until a date, and that date.
    pub fn previous_secrets(&self) -> impl Iterator<Item = (&str, UnixSeconds)> {
        let cbc = self.cbc.iter().flat_map(|cbc| &cbc.verifiers);
        let previous = self.previous.iter().chain(cbc);
        previous.filter_map(|entry| Some((&*entry.secret_id, entry.valid_until?)))
    }

    /// A minter with the active secret for `format`, or `None` where the app does not use that format.
    pub fn minter(&self, format: Format) -> Option<&Minter> {
        if is_cbc(format) {
            return self.cbc.as_ref()?.minters.iter().find(|minter| minter.format() == format);
        }
        let is_enabled = self.settings.formats.iter().any(|&enabled| Format::from(enabled) == format);
        is_enabled.then_some(&self.minter)
    }

    /// Counts a mint with the active secret. Ask before each.
    ///
    /// # Errors
    /// [`NoMint`]: the secret must not seal another token.
    pub fn count_mint(&self, format: Format) -> Result<(), NoMint> {
        // Of CBC there is nothing to wear out: each token has a fresh initialisation vector and no tag to lose.
        if is_cbc(format) { Ok(()) } else { self.active.uses.mint() }
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
        let mut valid = self.cbc.as_ref()?.verifiers.iter().filter(|entry| entry.is_valid(now));
        Some(verify_with(valid.next()?, valid, token, now))
    }

    /// Every secret of the ring with its id, the active one first, and whether it verifies at `now`: for explanations.
    pub fn ring(&self, now: UnixSeconds) -> impl Iterator<Item = KnownSecret<'_>> {
        let cbc = self.cbc.iter().flat_map(|cbc| &cbc.verifiers).map(move |entry| entry.known(now));
        self.gcm_ring(now).chain(cbc)
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
    first: &RingVerifier,
    others: impl Iterator<Item = &'a RingVerifier>,
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
