//! An app as the hot path needs it: its settings, its AppSign, and its ring of server secrets with prepared keys.
//!
//! Built from a store record, replaced whole when the record changes. Knows neither store nor HTTP.

mod directory;
pub(crate) mod names;
mod settings;

use std::{fmt, time::Duration};

use token_gen::{
    Accept, AppId, AppSign, Format, KnownSecret, Minter, RefusalClass, Refused, ServerSecret, UnixSeconds, Verified,
    Verifier,
};

pub use directory::Directory;
pub use settings::{AppSettings, AuthMode, BothCredentials, DuplicateLogin, EmptyStreamList, ExpiryPolicy, FormatName};

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

/// One app, ready to mint and verify.
pub struct App {
    settings: AppSettings,
    app_sign: AppSign,
    minter: Minter,
    active: RingVerifier,
    previous: Vec<RingVerifier>,
}

struct RingVerifier {
    secret_id: String,
    secret: ServerSecret,
    valid_until: Option<UnixSeconds>,
    verifier: Verifier,
}

impl RingVerifier {
    fn new(entry: &RingSecret, settings: &AppSettings) -> Self {
        let accept = settings.formats.iter().fold(Accept::NONE, |accept, &format| accept.with(format.into()));
        let verifier =
            Verifier::builder(settings.app_id, &entry.secret).accept(accept).max_lifetime(settings.max_ttl()).build();
        Self {
            secret_id: entry.secret_id.clone(),
            secret: entry.secret.clone(),
            valid_until: entry.valid_until,
            verifier,
        }
    }

    fn verify(&self, token: &str, now: UnixSeconds) -> Result<VerifiedBy, Refused> {
        let verified = self.verifier.verify(token, now)?;
        Ok(VerifiedBy { verified, secret_id: self.secret_id.clone() })
    }
}

impl App {
    /// Prepares the keys. `active` mints; `previous` ones only verify, until their date.
    pub fn new(settings: AppSettings, app_sign: AppSign, active: &RingSecret, previous: &[RingSecret]) -> Self {
        let minter = Minter::new(settings.app_id, &active.secret).with_max_ttl(settings.max_ttl());
        let previous = previous.iter().map(|entry| RingVerifier::new(entry, &settings)).collect();
        Self { active: RingVerifier::new(active, &settings), previous, settings, app_sign, minter }
    }

    /// What the operator set.
    pub fn settings(&self) -> &AppSettings {
        &self.settings
    }

    /// The app's number.
    pub fn app_id(&self) -> AppId {
        self.settings.app_id
    }

    /// The AppSign, to check login proofs with.
    pub fn app_sign(&self) -> &AppSign {
        &self.app_sign
    }

    /// A minter with the active secret for `format`, or `None` where the app does not use that format.
    pub fn minter(&self, format: Format) -> Option<Minter> {
        let enabled = self.settings.formats.iter().any(|&enabled| Format::from(enabled) == format);
        enabled.then(|| self.minter.clone().with_format(format))
    }

    /// Verifies `token` with each secret of the ring that is valid at `now`, the active one first.
    ///
    /// # Errors
    /// The refusal of the secret that opened the token, or the active one's if none did.
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<VerifiedBy, Refused> {
        let refused = match self.active.verify(token, now) {
            Err(refused) if refused.class() == RefusalClass::BadCiphertext => refused,
            decided => return decided,
        };
        for entry in self.previous.iter().filter(|entry| entry.valid_until.is_none_or(|until| now < until)) {
            match entry.verify(token, now) {
                Err(refused) if refused.class() == RefusalClass::BadCiphertext => {}
                decided => return decided,
            }
        }
        Err(refused)
    }

    /// Every secret of the ring with its id, the active one first, and whether it verifies at `now`: for explanations.
    pub fn ring(&self, now: UnixSeconds) -> impl Iterator<Item = KnownSecret<'_>> {
        std::iter::once(&self.active).chain(&self.previous).map(move |entry| KnownSecret {
            name: &entry.secret_id,
            secret: &entry.secret,
            accepted: entry.valid_until.is_none_or(|until| now < until),
        })
    }

    /// The lifetime a mint gets when it asks for none.
    pub fn default_ttl(&self) -> Duration {
        Duration::from_secs(self.settings.default_ttl_secs)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}
