//! Who would be refused in another mode: what the audit trail says of logins, judged as that mode would.
//!
//! Pure. A record tells which credentials a login showed and what became of them; whether it would come in is the mode
//! table of [`decide`](super::decide), read from the other side.

use std::collections::{BTreeMap, HashSet};

use roompass_wire::ErrorCode;

use super::REVOKED;
use crate::{
    apps::{AppSettings, AuthMode, BothCredentials},
    store::AuditRecord,
};

/// Begins what the trail says of the credential that a login did not rest on.
pub(crate) const OTHER_CREDENTIAL: &str = "; the other credential: ";
/// What the trail says of one that would have done as well.
pub(crate) const GOOD: &str = "good";
/// How many users are named.
const MAX_NAMED: usize = 50;

/// What became of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential<'a> {
    Good,
    Bad(&'a str),
    /// Shown, and not looked at.
    Unjudged,
    Missing,
}

/// What a login showed, by its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown<'a> {
    token: Credential<'a>,
    app_sign: Credential<'a>,
}

impl<'a> Shown<'a> {
    /// Reads the `details` of a login that was let in; `None` for words that no login leaves.
    fn told_by(details: &'a str) -> Option<Self> {
        let (auth, other) = match details.split_once(OTHER_CREDENTIAL) {
            Some((auth, other)) => (auth, Some(other)),
            None => (details, None),
        };
        let other = match other {
            None => Credential::Missing,
            Some(GOOD) => Credential::Good,
            Some(reason) if reason == ErrorCode::AppSignRefused.as_str() => Credential::Unjudged,
            Some(reason) => Credential::Bad(reason),
        };
        match auth {
            "token" => Some(Self { token: Credential::Good, app_sign: other }),
            "app_sign" => Some(Self { token: other, app_sign: Credential::Good }),
            _ => None,
        }
    }

    /// What `mode` would make of it.
    fn in_mode(self, mode: AuthMode, both: BothCredentials) -> Verdict<'a> {
        use Credential::{Bad, Good, Missing, Unjudged};
        match (mode, self.token, self.app_sign) {
            (AuthMode::TokenOnly | AuthMode::TokenPreferred, Good, _) => Verdict::Stays,
            (AuthMode::TokenOnly, Missing, _) => Verdict::Refused(ErrorCode::AppSignRefused.as_str()),
            (AuthMode::TokenOnly, Bad(reason), _) => Verdict::Refused(reason),
            (AuthMode::AppSign, _, Missing) => Verdict::Refused(ErrorCode::AppSignMissing.as_str()),
            (AuthMode::AppSign, _, Bad(reason)) => Verdict::Refused(reason),
            (AuthMode::AppSign, _, Unjudged) => Verdict::Unsure,
            (AuthMode::AppSign | AuthMode::TokenPreferred, Missing, Good) => Verdict::Stays,
            (AuthMode::AppSign, Bad(reason), Good) => Verdict::Refused(reason),
            (AuthMode::AppSign, Good, Good) => Verdict::Stays,
            (AuthMode::TokenPreferred, Bad(reason), _)
                if both == BothCredentials::TokenDecides || reason == REVOKED =>
            {
                Verdict::Refused(reason)
            }
            (AuthMode::TokenPreferred, Bad(_), Good) => Verdict::Stays,
            // A token that was not looked at: no mode leaves such a record.
            _ => Verdict::Unsure,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict<'a> {
    Stays,
    Refused(&'a str),
    Unsure,
}

/// A user whose latest login would be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// When that login was.
    pub at: token_gen::UnixSeconds,
    /// Who.
    pub user_id: String,
    /// Into which room.
    pub room_id: String,
    /// Why it would be refused.
    pub reason: String,
}

/// What a mode would have made of logins that were let in. Taken in one after the other, the latest first.
#[derive(Debug)]
pub struct Preview {
    mode: AuthMode,
    both_credentials: BothCredentials,
    users: HashSet<String>,
    users_refused: HashSet<String>,
    /// How many logins there were.
    pub logins: u64,
    /// How many of them would be refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Of how many the trail does not say enough.
    pub unsure: u64,
    /// Some of those who would be refused, the latest first.
    pub shut_out: Vec<ShutOut>,
}

impl Preview {
    /// Nothing taken in yet.
    pub fn of(mode: AuthMode, settings: &AppSettings) -> Self {
        Self {
            mode,
            both_credentials: settings.both_credentials,
            users: HashSet::new(),
            users_refused: HashSet::new(),
            logins: 0,
            refused: BTreeMap::new(),
            unsure: 0,
            shut_out: Vec::new(),
        }
    }

    /// Takes in the record of a login that was let in.
    pub fn take(&mut self, record: &AuditRecord) {
        self.logins += 1;
        let user_id = record.user_id.as_deref().unwrap_or_default();
        // The latest login of a user comes first, and says how that user comes in nowadays.
        let is_their_latest = self.users.insert(user_id.to_owned());
        let shown = record.details.as_deref().and_then(Shown::told_by);
        let verdict = shown.map_or(Verdict::Unsure, |shown| shown.in_mode(self.mode, self.both_credentials));
        match verdict {
            Verdict::Stays => {}
            Verdict::Unsure => self.unsure += 1,
            Verdict::Refused(reason) => {
                *self.refused.entry(reason.to_owned()).or_default() += 1;
                if is_their_latest {
                    self.users_refused.insert(user_id.to_owned());
                    if self.shut_out.len() < MAX_NAMED {
                        self.shut_out.push(ShutOut {
                            at: record.at,
                            user_id: user_id.to_owned(),
                            room_id: record.room_id.clone().unwrap_or_default(),
                            reason: reason.to_owned(),
                        });
                    }
                }
            }
        }
    }

    /// How many users there were.
    pub fn users(&self) -> u64 {
        self.users.len() as u64
    }

    /// Of how many the latest login would be refused.
    pub fn users_refused(&self) -> u64 {
        self.users_refused.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use token_gen::{AppId, UnixSeconds};

    use super::*;

    fn verdict(details: &str, mode: AuthMode, both: BothCredentials) -> Verdict<'_> {
        Shown::told_by(details).unwrap().in_mode(mode, both)
    }

    #[test]
    fn each_mode_judges_what_was_shown() {
        use AuthMode::{AppSign, TokenOnly, TokenPreferred};
        use Verdict::{Refused, Stays, Unsure};
        for (details, [app_sign, preferred, only]) in [
            ("token", [Refused("app_sign_missing"), Stays, Stays]),
            ("token; the other credential: good", [Stays, Stays, Stays]),
            ("token; the other credential: proof", [Refused("proof"), Stays, Stays]),
            ("token; the other credential: app_sign_refused", [Unsure, Stays, Stays]),
            ("app_sign", [Stays, Stays, Refused("app_sign_refused")]),
            ("app_sign; the other credential: expired", [Refused("expired"), Stays, Refused("expired")]),
            ("app_sign; the other credential: revoked", [Refused("revoked"), Refused("revoked"), Refused("revoked")]),
        ] {
            let found =
                [AppSign, TokenPreferred, TokenOnly].map(|mode| verdict(details, mode, BothCredentials::Either));
            assert_eq!(found, [app_sign, preferred, only], "{details}");
        }
        let decides = verdict("app_sign; the other credential: expired", TokenPreferred, BothCredentials::TokenDecides);
        assert_eq!(decides, Refused("expired"));
        assert_eq!(Shown::told_by("banned"), None);
    }

    #[test]
    fn a_user_is_shut_out_by_the_latest_login() {
        let settings = AppSettings::new(AppId::new(7).unwrap(), "app");
        let mut preview = Preview::of(AuthMode::TokenOnly, &settings);
        let record = |at, user: &str, details: &str| AuditRecord {
            chain: 1,
            seq: at,
            at: UnixSeconds::new(at),
            action: "login".into(),
            result: "done".into(),
            reason: None,
            app_id: AppId::new(7).ok(),
            actor: "client".to_owned(),
            source: None,
            user_id: Some(user.to_owned()),
            room_id: Some("r".to_owned()),
            token_id: None,
            target: None,
            rights: None,
            expire_at: None,
            request_id: None,
            session_id: None,
            details: Some(details.to_owned()),
            hash: [0; 32],
        };
        for (at, user, details) in
            [(5, "ann", "token"), (4, "bob", "app_sign"), (3, "ann", "app_sign"), (2, "bob", "token")]
        {
            preview.take(&record(at, user, details));
        }
        assert_eq!((preview.logins, preview.users(), preview.users_refused()), (4, 2, 1));
        assert_eq!(preview.refused, [("app_sign_refused".to_owned(), 2)].into());
        let [bob] = &preview.shut_out[..] else { panic!("{:?}", preview.shut_out) };
        assert_eq!((bob.at.get(), &*bob.user_id, &*bob.room_id, &*bob.reason), (4, "bob", "r", "app_sign_refused"));
    }
}
