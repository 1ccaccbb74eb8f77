//! Sockets, logins and stays at the gateway.

use std::time::Instant;

use prometheus_client::metrics::{counter::Counter, family::Family};
use roompass_wire::{ErrorCode, gateway::AuthKind};
use token_gen::AppId;

use super::{
    apps::{AppLabel, Apps},
    latency::{Latency, Spread},
    register::{By, Label, Register},
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

/// Which credential, and what came of it.
type Login = [(&'static str, &'static str); 2];

/// The counts of the gateway.
#[derive(Debug)]
pub struct GatewayMetrics {
    apps: Apps,
    logins: Family<(AppLabel, Login), Counter>,
    logins_refused: Family<(AppLabel, Label), Counter>,
    login_seconds: Latency,
    proven_present: Counter,
    proven_previous: Counter,
    upgrades_refused: By,
    renewals: By,
    expiry_warnings: Counter,
    expiries: Counter,
    kicks: By,
    closes: By,
}

impl GatewayMetrics {
    pub(super) fn register(all: &mut Register, apps: &Apps) -> Self {
        let logins = "Logins; the credential is the one that let the user in, or what a refused login showed";
        let proven = all.by(
            "gateway_app_signs_proven",
            "Logins that proved an AppSign, by whether it is the present one",
            &["app_sign"],
            ["present", "previous"],
        );
        let closes = "Sockets closed; `too_slow` are those that do not read";
        let this = Self {
            apps: apps.clone(),
            logins: all.metric("gateway_logins", logins, &["app_id", "credential", "result"], Family::default()),
            logins_refused: all.metric(
                "gateway_logins_refused",
                "Logins refused, by what was really wrong",
                &["app_id", "reason"],
                Family::default(),
            ),
            login_seconds: all.metric(
                "gateway_login_duration_seconds",
                "How long it took to judge a login and enter the room",
                &[],
                Latency::default(),
            ),
            proven_present: proven.counter("present"),
            proven_previous: proven.counter("previous"),
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
            this.logins.get_or_create_owned(&(apps.label(None), of(credential.as_str(), "ok")));
        }
        this
    }

    /// Somebody was let in to `app_id` on the word of `credential`; the login began at `begun`.
    pub fn logged_in(&self, app_id: AppId, credential: AuthKind, begun: Instant) {
        self.login(Some(app_id), credential.as_str(), "ok");
        self.login_seconds.since(begun);
    }

    /// A login to `app_id`, if there is such an app, that showed these credentials (a token, an AppSign proof) was refused
    /// for `reason`; it began at `begun`.
    pub fn login_refused(&self, app_id: Option<AppId>, shown: (bool, bool), reason: &'static str, begun: Instant) {
        let credential = match shown {
            (true, true) => "both",
            (true, false) => AuthKind::Token.as_str(),
            (false, true) => AuthKind::AppSign.as_str(),
            (false, false) => "none",
        };
        self.login(app_id, credential, "refused");
        self.logins_refused.get_or_create(&(self.apps.label(app_id), [("reason", reason)])).inc();
        self.login_seconds.since(begun);
    }

    /// A login has proven the present AppSign of its app, or the one before.
    pub fn app_sign_proven(&self, is_present: bool) {
        if is_present { &self.proven_present } else { &self.proven_previous }.inc();
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

    /// How many logins have proven the present AppSign of their app, and how many the one before.
    #[cfg(test)]
    pub(crate) fn app_signs_proven(&self) -> [u64; 2] {
        [&self.proven_present, &self.proven_previous].map(Counter::get)
    }

    /// How many sockets were closed for `reason`.
    #[cfg(test)]
    pub(crate) fn closed_for(&self, reason: &'static str) -> u64 {
        self.closes.sum([reason])
    }

    /// How many logins were let in and how many refused so far, and how long they took.
    pub(super) fn logins(&self) -> ([u64; 2], Spread) {
        let credentials = [AuthKind::Token.as_str(), AuthKind::AppSign.as_str(), "both", "none"];
        let named = self.apps.named();
        let labels: Vec<_> = named.iter().map(|&app_id| Some(app_id)).chain([None]).collect();
        let count = |result| {
            let of = |(app_id, credential)| {
                let counter = self.logins.get(&(self.apps.label(app_id), of(credential, result)));
                counter.map_or(0, |counter| counter.get())
            };
            labels.iter().flat_map(|&app_id| credentials.map(|credential| (app_id, credential))).map(of).sum()
        };
        (["ok", "refused"].map(count), self.login_seconds.spread())
    }

    fn login(&self, app_id: Option<AppId>, credential: &'static str, result: &'static str) {
        self.logins.get_or_create(&(self.apps.label(app_id), of(credential, result))).inc();
    }
}

fn of(credential: &'static str, result: &'static str) -> Login {
    [("credential", credential), ("result", result)]
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves W10 (metrics)
    #[test]
    fn logins_are_counted_by_app_and_nobody_makes_apps_up() {
        let counts = GatewayMetrics::register(&mut Register::default(), &Apps::new(1));
        let [one, two] = [1, 2].map(|number| AppId::new(number).ok());
        counts.logged_in(one.unwrap(), AuthKind::Token, Instant::now());
        counts.logged_in(two.unwrap(), AuthKind::AppSign, Instant::now());
        counts.login_refused(one, (true, true), "expired", Instant::now());
        // Of apps that there are not.
        for _ in 0..3 {
            counts.login_refused(None, (true, false), "app_unknown", Instant::now());
        }
        let app = |app_id: &str| [("app_id", app_id.to_owned())];
        let logins = |app_id, credential, result| {
            counts.logins.get(&(app(app_id), of(credential, result))).map(|counter| counter.get())
        };
        assert_eq!([logins("1", "token", "ok"), logins("1", "both", "refused")], [Some(1), Some(1)]);
        assert_eq!([logins("other", "app_sign", "ok"), logins("other", "token", "refused")], [Some(1), Some(3)]);
        assert_eq!(logins("2", "app_sign", "ok"), None, "there was no place for it");
        let refused = |app_id, reason| {
            counts.logins_refused.get(&(app(app_id), [("reason", reason)])).map(|counter| counter.get())
        };
        assert_eq!([refused("1", "expired"), refused("other", "app_unknown")], [Some(1), Some(3)]);
        assert_eq!(counts.logins().0, [2, 4]);
    }
}
