//! Tokens that are minted, shown, refused and ended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use prometheus_client::metrics::{counter::Counter, family::Family};
use roompass_wire::{ErrorCode, http::Totals};
use token_gen::AppId;

use super::{
    apps::{AppLabel, Apps, OTHER},
    register::{By, Register},
};

type AppResultLabels = (AppLabel, [(&'static str, &'static str); 1]);

/// What revocations end, as they are counted.
const TARGETS: [&str; 5] = ["token", "user", "room", "user_in_room", "app"];

/// The counts of tokens.
#[derive(Debug)]
pub struct TokenMetrics {
    minted: Family<AppLabel, Counter>,
    verified: Family<AppResultLabels, Counter>,
    by_app: ArcSwap<HashMap<AppId, Arc<OfApp>>>,
    /// Held while an app gets counts of its own.
    adding: Mutex<()>,
    apps: Apps,
    others: OfApp,
    mints_refused: By,
    refused: By,
    opened_by_active: Counter,
    opened_by_previous: Counter,
    revoked: By,
    banned: By,
    bans_lifted: Counter,
}

/// The counts of one app.
#[derive(Debug)]
struct OfApp {
    minted: Counter,
    good: Counter,
    refused: Counter,
}

impl TokenMetrics {
    pub(super) fn register(all: &mut Register, apps: &Apps) -> Self {
        let minted = all.metric("tokens_minted", "Tokens minted", &["app_id"], Family::default());
        let labels = &["app_id", "result"];
        let verified = all.metric("tokens_verified", "Tokens shown and judged", labels, Family::default());
        let opened = all.by(
            "tokens_opened",
            "Good tokens, by the state of the secret that opened them",
            &["secret"],
            ["active", "previous"],
        );
        Self {
            others: OfApp::new(&minted, &verified, OTHER),
            minted,
            verified,
            by_app: ArcSwap::default(),
            adding: Mutex::default(),
            apps: apps.clone(),
            mints_refused: all.by("mints_refused", "Mints refused", &["code"], []),
            refused: all.by("tokens_refused", "Shown tokens refused, by what was really wrong", &["reason"], []),
            opened_by_active: opened.counter("active"),
            opened_by_previous: opened.counter("previous"),
            revoked: all.by(
                "revocations_made",
                "Revocations made on this node, by what they end",
                &["target"],
                TARGETS,
            ),
            banned: all.by(
                "bans_made",
                "Bans made on this node, by whom they keep out",
                &["target"],
                ["user", "user_in_room", "room", "ip_range"],
            ),
            bans_lifted: all.counter("bans_lifted", "Bans lifted on this node"),
        }
    }

    /// A token was minted for `app_id`.
    pub fn minted(&self, app_id: AppId) {
        self.of(app_id, |app| app.minted.inc());
    }

    /// A mint was refused.
    pub fn mint_refused(&self, code: ErrorCode) {
        self.mints_refused.count(code.as_str());
    }

    /// A token of `app_id` was shown and is good. It was opened by the secret that mints, or by another.
    pub fn verified(&self, app_id: AppId, by_active: bool) {
        self.of(app_id, |app| app.good.inc());
        if by_active { &self.opened_by_active } else { &self.opened_by_previous }.inc();
    }

    /// A token was shown to `app_id` and is not good.
    pub fn refused(&self, app_id: AppId, reason: &'static str) {
        self.of(app_id, |app| app.refused.inc());
        self.refused.count(reason);
    }

    /// Tokens were revoked.
    pub fn revoked(&self, target: &'static str) {
        self.revoked.count(target);
    }

    /// Somebody was banned.
    pub fn banned(&self, target: &'static str) {
        self.banned.count(target);
    }

    /// A ban was lifted.
    pub fn ban_lifted(&self) {
        self.bans_lifted.inc();
    }

    /// Everything so far, over all apps.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        let by_app = self.by_app.load();
        for app in by_app.values().map(|app| &**app).chain([&self.others]) {
            totals.minted += app.minted.get();
            totals.verified += app.good.get();
            totals.refused += app.refused.get();
        }
        totals.mints_refused = self.mints_refused.sum(ErrorCode::ALL.iter().map(|code| code.as_str()));
        totals.revocations = self.revoked.sum(TARGETS);
        totals.opened_by_active = self.opened_by_active.get();
        totals.opened_by_previous = self.opened_by_previous.get();
    }

    fn of(&self, app_id: AppId, count: impl FnOnce(&OfApp) -> u64) {
        if let Some(app) = self.by_app.load().get(&app_id) {
            count(app);
            return;
        }
        count(self.add(app_id).as_deref().unwrap_or(&self.others));
    }

    /// Gives an app counts of its own, if there is room.
    fn add(&self, app_id: AppId) -> Option<Arc<OfApp>> {
        if !self.apps.take_in(app_id) {
            return None;
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut apps = HashMap::clone(&self.by_app.load());
        let new = || Arc::new(OfApp::new(&self.minted, &self.verified, &app_id.to_string()));
        let app = Arc::clone(apps.entry(app_id).or_insert_with(new));
        self.by_app.store(Arc::new(apps));
        Some(app)
    }
}

impl OfApp {
    fn new(minted: &Family<AppLabel, Counter>, verified: &Family<AppResultLabels, Counter>, app_id: &str) -> Self {
        let app = [("app_id", app_id.to_owned())];
        let result = |result| verified.get_or_create_owned(&(app.clone(), [("result", result)]));
        Self { good: result("good"), refused: result("refused"), minted: minted.get_or_create_owned(&app) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_apps_have_counts_of_their_own_and_the_rest_share_one() {
        let tokens = TokenMetrics::register(&mut Register::default(), &Apps::new(2));
        for number in [1, 2, 3, 4, 1] {
            tokens.minted(AppId::new(number).unwrap());
        }
        let minted = |app_id: &str| tokens.minted.get(&[("app_id", app_id.to_owned())]).map(|counter| counter.get());
        assert_eq!([minted("1"), minted("2"), minted("3"), minted(OTHER)], [Some(2), Some(1), None, Some(2)]);
    }
}
