//! Why a login with a token is refused: what `token_gen` finds in the token, and what only the server knows.

use std::{net::IpAddr, sync::Arc};

use roompass_wire::{ErrorCode, http::Finding};
use token_gen::{
    Accept, Attempt, Denied, Explanation, KnownSecret, OpenedClaims, Privilege, Rules, TokenId, UnixSeconds, explain,
};

use super::{
    Tokens,
    check::{self, Checked, Fault},
};
use crate::{
    apps::{App, AuthMode, CbcPolicy},
    bans::{Ban, Visitor},
    entry_id::EntryId,
    revocations::Subject,
};

/// What was attempted with a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempted<'a> {
    /// The user who logs in.
    pub user_id: Option<&'a str>,
    /// The room logged in to.
    pub room_id: Option<&'a str>,
    /// The stream to be published there.
    pub stream_id: Option<&'a str>,
    /// Where the client comes from.
    pub address: Option<IpAddr>,
    /// Whether a session has used the token up, which is one for a single login.
    pub is_used: bool,
    /// Who asks.
    pub source: Option<&'a str>,
    /// Whether who asks may learn what is inside a token that nothing proves genuine: whoever administers the app.
    pub reads_unproven: bool,
}

/// Whether it would succeed, and everything that stands in its way.
#[derive(Debug)]
pub struct Explained {
    /// What the client would be told; `None` if it would succeed.
    pub code: Option<ErrorCode>,
    /// Everything that is wrong, the decisive fault first.
    pub findings: Vec<Finding>,
    /// The secret of the ring that opens the token.
    pub secret_id: Option<String>,
    /// What the token says, as far as it opens.
    pub explanation: Explanation,
    /// The revocation that ends it.
    pub revoked_by: Option<EntryId>,
    /// The ban that keeps the user out.
    pub banned_by: Option<Arc<Ban>>,
}

impl Tokens {
    /// Explains how a login with `token`, and nothing else, would go at `now`.
    ///
    /// # Security
    /// For whoever holds the app's secret. It would tell a forger how near they are.
    pub fn explain(&self, app: &App, token: &str, attempted: Attempted<'_>, now: UnixSeconds) -> Explained {
        let shown = check::Attempt { user_id: attempted.user_id, room_id: attempted.room_id, source: attempted.source };
        // Before anything is opened: the gate counts what fails, and says whether there may be an answer.
        let checked = self.check(app, token, shown, now);
        let attempt =
            Attempt { user_id: attempted.user_id, room_id: attempted.room_id, stream_id: attempted.stream_id };
        let is_cbc = explain(token, &rules(app, &[]), attempt, now).cipher == Some("cbc");
        let is_unread = is_cbc && !self.may_open_cbc(app, token, attempted, &checked);
        let ring: Vec<KnownSecret<'_>> = if is_unread { Vec::new() } else { app.ring(now).collect() };
        let mut explanation = explain(token, &rules(app, &ring), attempt, now);
        if is_unread {
            // It was not tried.
            explanation.findings.retain(|found| found.code != "undecryptable");
        }
        let claims = explanation.claims.as_ref();
        let revoked_by = claims.and_then(|claims| self.revocation_of(app, token, claims, attempted));
        let visitor = Visitor {
            user_id: attempted.user_id.or_else(|| claims.and_then(|claims| claims.user_id.as_deref())),
            room_id: attempted.room_id,
            address: attempted.address,
        };
        let banned_by = self.bans.find(app.app_id(), &visitor, now);

        let verdict = checked.map_err(|refusal| refusal.code()).and_then(|good| permit(app, &good, attempted, now));
        let code = match &verdict {
            _ if app.settings().enabled && app.settings().mode == AuthMode::AppSign => Some(ErrorCode::AppSignMissing),
            Err(code) => Some(*code),
            Ok(()) if banned_by.is_some() => Some(ErrorCode::Banned),
            Ok(()) => attempted.is_used.then_some(ErrorCode::TokenUsed),
        };
        let mut findings = Vec::new();
        if let Some(code) = code {
            findings.extend(of_the_service(app, code));
            findings.extend(revoked_by.map(|_| finding_revoked()));
            findings.extend(is_unread.then(|| finding_unread(app, now)).flatten());
            findings
                .extend(explanation.findings.iter().map(|found| finding(found.code, &*found.problem, &*found.remedy)));
            findings.extend(banned_by.as_ref().map(|_| finding_banned()));
            findings.extend(attempted.is_used.then(finding_used));
            if findings.is_empty() {
                findings.push(of_the_app(app, code));
            }
        }
        let secret_id = ring
            .iter()
            .find(|known| explain(token, &rules(app, &[**known]), attempt, now).claims.is_some())
            .map(|known| known.name.to_owned());
        Explained { code, findings, secret_id, explanation, revoked_by, banned_by }
    }

    /// Whether the inside of a CBC token may be shown: of one that was minted here as it is, of one that would log in,
    /// and of any other only to whoever administers the app. Everybody else would get an oracle.
    fn may_open_cbc(
        &self,
        app: &App,
        token: &str,
        attempted: Attempted<'_>,
        checked: &Result<Checked, check::Refusal>,
    ) -> bool {
        if app.settings().cbc_policy == CbcPolicy::IssuedOnly {
            return self.issued.holds(app.app_id(), token);
        }
        match checked {
            Ok(_) => true,
            Err(refusal) => attempted.reads_unproven && refusal.fault != Fault::CbcBudget,
        }
    }

    fn revocation_of(
        &self,
        app: &App,
        token: &str,
        claims: &OpenedClaims,
        attempted: Attempted<'_>,
    ) -> Option<EntryId> {
        let subject = Subject {
            token_id: TokenId::of(token),
            user_id: claims.user_id.as_deref()?,
            room_id: claims.room_id.as_deref().filter(|room_id| !room_id.is_empty()).or(attempted.room_id),
            issued_at: claims.issued_at?.into(),
        };
        self.revocations.find(app.app_id(), &subject)
    }
}

/// What the gateway would do with a good token, up to bans.
fn permit(app: &App, good: &Checked, attempted: Attempted<'_>, now: UnixSeconds) -> Result<(), ErrorCode> {
    if let Some(room_id) = attempted.room_id {
        good.permit_login(room_id, now).map_err(|refusal| refusal.code())?;
    }
    if let Some(stream_id) = attempted.stream_id {
        let own_room = match good.rights.room() {
            token_gen::RoomScope::Only(room_id) => room_id,
            token_gen::RoomScope::Several(several) => several.first().map_or("", String::as_str),
            token_gen::RoomScope::Any => "",
        };
        let room_id = attempted.room_id.unwrap_or(own_room);
        check::permit_publish(app.settings(), &good.rights, room_id, stream_id)
            .map_err(|_| ErrorCode::PublishDenied)?;
        good.rights.publish_in_time(now).map_err(|_| ErrorCode::PublishTokenExpired)?;
    }
    Ok(())
}

fn rules<'a>(app: &App, ring: &'a [KnownSecret<'a>]) -> Rules<'a> {
    let settings = app.settings();
    let mut rules = Rules::new(app.app_id(), ring);
    rules.accept = settings.formats.iter().fold(Accept::NONE, |accept, &format| accept.with(format.into()));
    rules.max_lifetime = settings.max_ttl();
    rules
}

/// Faults that are not the token's.
fn of_the_service(app: &App, code: ErrorCode) -> Option<Finding> {
    let row = code.row();
    match code {
        ErrorCode::AppDisabled | ErrorCode::ClockBehind | ErrorCode::Unavailable => {
            Some(finding(row.code, format!("{}.", row.title), row.remedy))
        }
        ErrorCode::AppSignMissing => Some(finding(
            row.code,
            format!("App {} has the mode app_sign: a token alone does not open a room.", app.app_id()),
            "Give the SDK the AppSign as well, or set the app's mode to token_preferred or token_only.",
        )),
        _ => None,
    }
}

/// What the app's settings deny to a token that is in order.
fn of_the_app(app: &App, code: ErrorCode) -> Finding {
    let settings = app.settings();
    if settings.require_privilege_token {
        return finding(
            "privilege_token_required",
            format!("It is an identity token, and app {} takes privilege tokens only.", app.app_id()),
            "Mint it with a room_id, or switch off the app's setting require_privilege_token.",
        );
    }
    let granted: Vec<&str> = settings.identity_privileges.iter().map(Privilege::as_str).collect();
    let granted = if granted.is_empty() { "nothing".to_owned() } else { format!("only {}", granted.join(" and ")) };
    let denied = if code == ErrorCode::PublishDenied { Privilege::Publish } else { Privilege::Login };
    finding(
        Denied::Privilege(denied).code(),
        format!("It is an identity token, and app {} lets those do {granted}.", app.app_id()),
        format!("Mint it with a room_id and the privilege {denied}, or change the app's identity_privileges."),
    )
}

fn finding_revoked() -> Finding {
    finding(
        "revoked",
        "It was revoked; `revoked_by` says by whom, when and why.",
        "Mint a new token: those issued after the revocation's issued_before are good.",
    )
}

/// Why a CBC token was left closed, where the app takes any.
fn finding_unread(app: &App, now: UnixSeconds) -> Option<Finding> {
    let settings = app.settings();
    match settings.cbc_policy {
        CbcPolicy::Off => None,
        CbcPolicy::IssuedOnly => Some(finding(
            "not_issued",
            "It is in a CBC format, of which this app takes only tokens minted here, each as it was minted.",
            "Mint it here with cipher cbc, pass it on unchanged, or mint a token04 with gcm.",
        )),
        CbcPolicy::Offline => settings.allows_cbc(now).then(|| {
            finding(
                "unproven",
                "It is refused, and it is in a CBC format, which proves nothing: what is inside is not told.",
                "Ask with a key that has the right admin, or on your own machine with token-gen explain.",
            )
        }),
    }
}

fn finding_banned() -> Finding {
    finding(
        "banned",
        "A ban keeps this login out, whatever the token; `banned_by` says which, until when and why.",
        "Wait until it ends, or lift it: DELETE …/bans/{ban_id}.",
    )
}

fn finding_used() -> Finding {
    finding(
        "used",
        "It lets its user in once, and has done so; `used_by` says to which session.",
        "Mint a new token for each login. That session itself may come back with it while it is kept.",
    )
}

fn finding(code: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { code: code.to_owned(), problem: problem.into(), remedy: remedy.into() }
}
