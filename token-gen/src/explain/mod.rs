//! Why a token is refused, exactly, and how to put it right. Pure: the secrets, the attempted login and `now` come in,
//! findings go out.
//!
//! For diagnosis this reads more leniently than the verifier, and says so; what it calls valid is what
//! [`Rules::check`] admits, and nothing else.

mod claims;
mod differ;
mod opening;
mod reading;
mod rights;
mod times;
mod verdict;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Serialize;

use self::opening::Opening;
pub use self::{
    claims::OpenedClaims,
    verdict::{Admitted, Attempt, KitPolicy, KnownSecret, Rejection, Rules},
};
use crate::{
    envelope::{Format, Version},
    error::TokenError,
    finding::Finding,
    inspect::{Inspection, inspect},
    time::UnixSeconds,
};

/// What is known about a token and why it is admitted or not. Serialises to the JSON that tools and services show.
///
/// # Security
/// For whoever holds the secret. Shown to the one who presents tokens, it would tell a forger how near they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether it is admitted, by the strict rules.
    pub valid: bool,
    /// The class of the refusal, or `denied`. In JSON: `code`, as `verify` has it.
    #[serde(rename = "code", skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// The exact code of the refusal. In JSON: `detail`.
    #[serde(rename = "detail", skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The refusal in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything that is wrong, not only the first fault; empty exactly when the token is valid.
    pub findings: Vec<Finding>,
    /// Where the text had to be put right to be read: whether the text put right would be admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_after_repair: Option<bool>,
    /// The id of the text as given.
    pub token_id: String,
    /// `token04` or `token03`.
    pub format: Option<&'static str>,
    /// `gcm` or `cbc`.
    pub cipher: Option<&'static str>,
    /// What it says, as far as it opens.
    pub claims: Option<OpenedClaims>,
}

/// Explains how `rules` and the login attempted with `token` at `now` go together.
///
/// ```
/// use token_gen::{AppId, Attempt, KnownSecret, Rules, ServerSecret, UnixSeconds, explain};
///
/// let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271")?;
/// let secrets = [KnownSecret { name: "current", secret: &secret, accepted: true }];
/// let rules = Rules::new(AppId::new(1)?, &secrets);
/// let token = "04AAAAAGsETAAADEcIZ4GpUR9iotekbAB0kT2WJg/tfH2Qu2Y1l3TmuDR91jAHVp/sFFSIVCDuIRGtUljOjGkoFPzbvG5y7QlpGMf9XhVs9\
///              bcKfIOeWYDea5PUv99EOKPGnuFhtEasamJb/LDhI2GSVl0mv6WR8plKSZhXn0MI5T+Heq4qoNkleEnfuxwB";
///
/// let attempt = Attempt { user_id: Some("User1"), ..Attempt::default() };
/// let explanation = explain(token, &rules, attempt, UnixSeconds::new(1_795_440_112));
/// assert!(!explanation.valid);
/// assert_eq!(explanation.findings[0].code, "user_differs_by_case");
/// # Ok::<(), token_gen::TokenError>(())
/// ```
pub fn explain(token: &str, rules: &Rules<'_>, attempt: Attempt<'_>, now: UnixSeconds) -> Explanation {
    let verdict = rules.check(token, attempt, now);
    let inspection = inspect(token);
    let mut findings = Vec::new();
    policy(token, rules, &inspection, &mut findings);
    findings.extend(inspection.findings.iter().cloned());

    let mut claims = None;
    match opening::open(&inspection.repaired_token, rules.secrets) {
        Opening::Unreadable => {}
        Opening::Sealed(format) => findings.push(opening::wrong_key(format, rules)),
        Opening::Opened(opened) => {
            findings.extend(opening::other_secret(&opened, rules));
            claims = claims::judge(&opened, rules, attempt, now, &mut findings);
            if let (Some(claims), Some(kit)) = (&claims, &inspection.kit) {
                claims::judge_kit(claims, kit, &mut findings);
            }
        }
    }
    match &verdict {
        Ok(_) => findings.clear(),
        Err(rejection) if findings.is_empty() => findings.push(match rejection {
            Rejection::Refused(refused) => Finding::of_error(refused.reason()),
            Rejection::Denied(denied) => {
                Finding::new(denied.code(), denied.to_string(), "Mint a token that grants it.")
            }
        }),
        Err(_) => {}
    }
    let rejection = verdict.as_ref().err();
    let repaired = (rejection.is_some() && inspection.is_repaired(token)).then(|| inspection.repaired());
    Explanation {
        valid: verdict.is_ok(),
        class: rejection.map(Rejection::class),
        code: rejection.map(Rejection::code),
        reason: rejection.map(ToString::to_string),
        findings,
        valid_after_repair: repaired.map(|repaired| rules.check(&repaired, attempt, now).is_ok()),
        token_id: inspection.token_id.to_string(),
        format: inspection.version.map(|version| match version {
            Version::Token04 => "token04",
            Version::Token03 => "token03",
        }),
        cipher: inspection.format.map(|format| format.cipher().as_str()),
        claims,
    }
}

/// Size, version, cipher and Kit form: what these rules take at all.
fn policy(token: &str, rules: &Rules<'_>, inspection: &Inspection, findings: &mut Vec<Finding>) {
    let max_bytes = rules.limits.max_token_bytes;
    if inspection.repaired_token.len() > max_bytes {
        findings.push(Finding::of_error(&TokenError::TooLong { max_bytes }));
    }
    match (rules.kit, token.contains('#')) {
        (KitPolicy::Refused, true) => findings.push(Finding::new(
            "kit_token_given",
            "This is a Kit Token (it has a '#'), where a plain token is wanted.",
            "Pass only the part before the '#'. Whole Kit Tokens are for the UI kits.",
        )),
        (KitPolicy::Required, false) => findings.push(Finding::new(
            "kit_token_wanted",
            "This is a plain token (it has no '#'), where a Kit Token is wanted.",
            "Compose a Kit Token from it: the token, '#', and base64 of {\"userID\",\"roomID\",\"userName\",\"appID\"}.",
        )),
        _ => {}
    }
    let Some(format) = inspection.format.filter(|&format| !rules.accept.contains(format)) else { return };
    findings.push(match format {
        Format::Token03 => Finding::new(
            "version_not_accepted",
            "This is a token03, and token03 is not accepted here.",
            "Mint a token04 with AES-256-GCM: token03 is older, and not authenticated.",
        ),
        Format::Token04Cbc => Finding::new(
            "cipher_not_accepted",
            format!("This is a token04 sealed with {}, which is not accepted here.", format.cipher()),
            "Update the generator to its AES-GCM version, or mint here: CBC tokens can be altered without the secret.",
        ),
        Format::Token04Gcm => Finding::new(
            "cipher_not_accepted",
            "This is a token04 sealed with AES-256-GCM, which is not accepted here.",
            "Accept gcm as well: it is the safest of the formats.",
        ),
    });
}

#[cfg(test)]
mod tests;
