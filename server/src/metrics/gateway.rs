//! Sockets, logins and stays at the gateway.

use std::time::Instant;

use prometheus_client::metrics::{counter::Counter, family::Family};
use roompass_wire::{ErrorCode, gateway::AuthKind};

use super::{
    latency::{Latency, Spread},
    register::{By, Register},
};

/// What ends a stay, and is counted from the start.
const KICKS: [ErrorCode; 6] = [
    ErrorCode::Banned,
    ErrorCode::Kicked,
    ErrorCode::KickedByOtherLogin,
    ErrorCode::KickedInternal,
    ErrorCode::KickedTokenExpired,
    ErrorCode::TokenRevoked,
];

/// The counts of the gateway.
#[derive(Debug)]
pub struct GatewayMetrics {
    logins: Family<[(&'static str, &'static str); 2], Counter>,
    logins_refused: By,
    login_seconds: Latency,
    upgrades_refused: By,
    renewals: By,
    expiry_warnings: Counter,
    expiries: Counter,
    kicks: By,
    closes: By,
}

impl GatewayMetrics {
    pub(super) fn register(all: &mut Register) -> Self {
        let logins = "Logins; the credential is the one that let the user in, or what a refused login showed";
        let closes = "Sockets closed; `too_slow` are those that do not read";
        let this = Self {
            logins: all.metric("gateway_logins", logins, &["credential", "result"], Family::default()),
            logins_refused: all.by(
                "gateway_logins_refused",
                "Logins refused, by what was really wrong",
                &["reason"],
                [],
            ),
            login_seconds: all.metric(
                "gateway_login_duration_seconds",
                "How long it took to judge a login and enter the room",
                &[],
                Latency::default(),
            ),
            upgrades_refused: all.by(
                "gateway_upgrades_refused",
                "Sockets refused before they opened",
                &["code"],
                [ErrorCode::Forbidden, ErrorCode::RateLimited, ErrorCode::Unavailable].map(ErrorCode::as_str),
            ),
            renewals: all.by("gateway_renewals", "Renewals in rooms", &["result"], ["ok", "refused"]),
            expiry_warnings: all.counter("gateway_expiry_warnings", "Users told that their token will expire"),
            expiries: all.counter("gateway_expiries", "Users told that their token has expired"),
            kicks: all.by("gateway_kicks", "Stays ended by the server", &["code"], KICKS.map(ErrorCode::as_str)),
            closes: all.by(
                "gateway_closes",
                closes,
                &["reason"],
                ["connection_closed", "logged_out", "no_pong", ErrorCode::TooSlow.as_str()],
            ),
        };
        for credential in [AuthKind::Token, AuthKind::AppSign] {
            this.logins.get_or_create_owned(&[("credential", credential.as_str()), ("result", "ok")]);
        }
        this
    }

    /// Somebody was let in on the word of `credential`; the login began at `begun`.
    pub fn logged_in(&self, credential: AuthKind, begun: Instant) {
        self.login(credential.as_str(), "ok");
        self.login_seconds.since(begun);
    }

    /// A login that showed these credentials was refused for `reason`; it began at `begun`.
    pub fn login_refused(&self, token: bool, app_sign: bool, reason: &'static str, begun: Instant) {
        let credential = match (token, app_sign) {
            (true, true) => "both",
            (true, false) => AuthKind::Token.as_str(),
            (false, true) => AuthKind::AppSign.as_str(),
            (false, false) => "none",
        };
        self.login(credential, "refused");
        self.logins_refused.count(reason);
        self.login_seconds.since(begun);
    }

    /// A socket was refused before it opened.
    pub fn upgrade_refused(&self, code: ErrorCode) {
        self.upgrades_refused.count(code.as_str());
    }

    /// A renewal was asked for in a room.
    pub fn renewed(&self, is_good: bool) {
        self.renewals.count(if is_good { "ok" } else { "refused" });
    }

    /// A user was told that the token will expire.
    pub fn warned(&self) {
        self.expiry_warnings.inc();
    }

    /// A user was told that the token has expired.
    pub fn expired(&self) {
        self.expiries.inc();
    }

    /// The server ended a stay.
    pub fn kicked(&self, code: ErrorCode) {
        self.kicks.count(code.as_str());
    }

    /// A socket is closed.
    pub fn closed(&self, reason: &'static str) {
        self.closes.count(reason);
    }

    /// How many logins were let in and how many refused so far, and how long they took.
    pub(super) fn logins(&self) -> ([u64; 2], Spread) {
        let credentials = [AuthKind::Token.as_str(), AuthKind::AppSign.as_str(), "both", "none"];
        let count = |result| {
            let of = |credential| {
                let counter = self.logins.get(&[("credential", credential), ("result", result)]);
                counter.map_or(0, |counter| counter.get())
            };
            credentials.into_iter().map(of).sum()
        };
        (["ok", "refused"].map(count), self.login_seconds.spread())
    }

    fn login(&self, credential: &'static str, result: &'static str) {
        self.logins.get_or_create(&[("credential", credential), ("result", result)]).inc();
    }
}
