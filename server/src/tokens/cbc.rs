//! The gate before CBC tokens. Opening one answers a question about its bytes, so whoever asks too often with bytes
//! that fail is not answered for a while: then forging a token takes days instead of minutes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use token_gen::{AppId, Cipher, RefusalClass, Refused, TokenError, UnixSeconds, Version};

use crate::{
    apps::{App, CbcPolicy, VerifiedBy},
    issued::IssuedTokens,
};

/// How many failures a source has in a window before its CBC tokens are refused unread.
const BUDGET: u32 = 5;
/// How long failures are counted together, and how long a source is shut out.
const WINDOW: Duration = Duration::from_secs(60);
/// How many failures of an app in a window are an alarm. They block nobody: a block would be an easy way to harm.
const ALARM: u32 = 60;
/// How many sources are remembered. Beyond that, new ones are refused unread.
const MAX_SOURCES: usize = 100_000;

/// Counts failures by app and source.
#[derive(Debug, Default)]
pub(super) struct CbcGate(Mutex<HashMap<(AppId, Option<String>), Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: UnixSeconds,
    count: u32,
}

/// What became of a CBC token at the gate.
#[derive(Debug)]
pub(super) enum Gate {
    /// The app takes none.
    Closed,
    /// The app takes only those minted here, and this one was not, or not in this form.
    Unknown,
    /// The source has used up its budget.
    Shut,
    /// It was read.
    Open(Result<VerifiedBy, Refused>),
}

/// Whether a refusal of the authenticated verifier means that the token is of another kind.
pub(super) fn may_be_cbc(refused: &Refused) -> bool {
    matches!(
        refused.reason(),
        TokenError::CipherNotAccepted(Cipher::Cbc) | TokenError::VersionNotAccepted(Version::Token03)
    )
}

impl CbcGate {
    /// Opens `token` for `source` if the app takes CBC tokens, this one among them, and the source has budget left.
    pub(super) fn open(&self, app: &App, issued: &IssuedTokens, token: &str, source: &str, now: UnixSeconds) -> Gate {
        if !app.settings().allows_cbc(now) {
            return Gate::Closed;
        }
        let app_id = app.app_id();
        // Unread, so that its bytes answer no question: nothing is to be counted.
        if app.settings().cbc_policy == CbcPolicy::IssuedOnly && !issued.holds(app_id, token) {
            return Gate::Unknown;
        }
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |failures: &Failures| now >= failures.since.saturating_add(WINDOW);
        if failures.len() >= MAX_SOURCES {
            failures.retain(|_, failures| !is_over(failures));
        }
        let of_source = (app_id, Some(source.to_owned()));
        match failures.get(&of_source) {
            Some(counted) if !is_over(counted) && counted.count >= BUDGET => return Gate::Shut,
            None if failures.len() >= MAX_SOURCES => return Gate::Shut,
            _ => {}
        }
        // Under the lock: otherwise many at once would all be read before the first failure counts.
        let Some(opened) = app.open_cbc(token, now) else { return Gate::Closed };
        // An expired one opened well: an honest client comes back with it.
        if opened.as_ref().is_err_and(|refused| refused.class() != RefusalClass::Expired) {
            let mut count = |key| {
                let counted = failures.entry(key).or_insert(Failures { since: now, count: 0 });
                if is_over(counted) {
                    *counted = Failures { since: now, count: 0 };
                }
                counted.count += 1;
                // A source that is shut out stays so for a whole window from its last failure on.
                if counted.count == BUDGET {
                    counted.since = now;
                }
                counted.count
            };
            count(of_source);
            if count((app_id, None)) == ALARM {
                tracing::warn!(%app_id, "many CBC tokens fail: somebody may be trying to forge one");
            }
        }
        Gate::Open(opened)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;
    use token_gen::{AppSign, Format, Minter, Payload, ServerSecret, TokenRequest, UserId};

    use super::*;
    use crate::apps::{AppSettings, FormatName, RingSecret};

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);
    const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";
    const CBC_SECRET: &str = "abcdefghijklmnopqrstuvwxyz012345";

    fn app() -> App {
        let ring = |secret_id: &str, secret: &str| RingSecret {
            secret_id: secret_id.to_owned(),
            secret: ServerSecret::new(secret).unwrap(),
            valid_until: None,
            mints_from: 0.into(),
        };
        let settings = AppSettings {
            formats: vec![FormatName::Token04Gcm, FormatName::Token04Cbc],
            cbc_policy: CbcPolicy::Offline,
            cbc_until: Some(NOW.get() + 86_400),
            ..AppSettings::new(AppId::new(7).unwrap(), "app")
        };
        App::new(settings, AppSign::new(&"0a".repeat(32)).unwrap(), &ring("g", SECRET), &[])
            .with_cbc(&[ring("c", CBC_SECRET)])
    }

    fn token(secret: &str) -> String {
        let request = TokenRequest {
            user_id: UserId::new("alice").unwrap(),
            ttl: Duration::from_secs(600),
            payload: Payload::Identity,
        };
        let minter = Minter::new(AppId::new(7).unwrap(), &ServerSecret::new(secret).unwrap());
        minter.with_format(Format::Token04Cbc).mint(&request, NOW, &mut SysRng).unwrap().token
    }

    fn outcome(gate: &CbcGate, token: &str, source: &str, seconds: i64) -> &'static str {
        match gate.open(&app(), &IssuedTokens::default(), token, source, UnixSeconds::new(NOW.get() + seconds)) {
            Gate::Closed => "closed",
            Gate::Unknown => "unknown",
            Gate::Shut => "shut",
            Gate::Open(Ok(_)) => "open",
            Gate::Open(Err(_)) => "refused",
        }
    }

    // proves T03 (budget)
    #[test]
    fn a_source_whose_tokens_fail_is_not_answered_for_a_minute() {
        let gate = CbcGate::default();
        let (good, bad) = (token(CBC_SECRET), token(SECRET));
        for _ in 0..BUDGET {
            assert_eq!(outcome(&gate, &bad, "a", 0), "refused", "the secret for GCM opens no CBC");
            assert_eq!(outcome(&gate, &good, "b", 0), "open");
        }
        assert_eq!(outcome(&gate, &good, "a", 0), "shut");
        assert_eq!(outcome(&gate, &good, "b", 0), "open", "another source");
        assert_eq!(outcome(&gate, &good, "a", 59), "shut");
        assert_eq!(outcome(&gate, &good, "a", 60), "open");
        assert_eq!(outcome(&gate, &good, "b", 86_400), "closed", "past the app's date");
    }

    #[test]
    fn an_expired_token_costs_nothing() {
        let gate = CbcGate::default();
        for _ in 0..2 * BUDGET {
            assert_eq!(outcome(&gate, &token(CBC_SECRET), "a", 600), "refused");
        }
    }
}
