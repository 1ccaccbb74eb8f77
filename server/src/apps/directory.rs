//! Every app, in memory, for lookups that never wait. Whoever changes the store puts the new app here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use token_gen::AppId;
use tokio::sync::broadcast;

use super::App;

/// How many changes a listener may be behind before it has to look at everything again.
const BACKLOG: usize = 1024;

/// All apps by number. Reading takes no lock.
#[derive(Debug)]
pub struct Directory {
    apps: ArcSwap<Apps>,
    news: broadcast::Sender<AppId>,
}

#[derive(Debug, Clone, Default)]
struct Apps {
    by_id: HashMap<AppId, Arc<App>>,
    /// The origins whose pages may log in to some app.
    origins: HashSet<String>,
}

impl Apps {
    fn of(by_id: HashMap<AppId, Arc<App>>) -> Self {
        let enabled = by_id.values().map(|app| app.settings()).filter(|settings| settings.enabled);
        let origins = enabled.flat_map(|settings| &settings.allowed_origins).cloned().collect();
        Self { by_id, origins }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self { apps: ArcSwap::default(), news: broadcast::Sender::new(BACKLOG) }
    }
}

impl Directory {
    /// The app, if there is one.
    pub fn app(&self, app_id: AppId) -> Option<Arc<App>> {
        self.apps.load().by_id.get(&app_id).cloned()
    }

    /// Whether some app lets pages of `origin` log in. Which one, the login shows.
    pub fn takes_pages_of(&self, origin: &str) -> bool {
        self.apps.load().origins.contains(origin)
    }

    /// How many apps there are.
    pub fn len(&self) -> usize {
        self.apps.load().by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces everything: at start, and when the whole store was read again.
    pub fn replace_all(&self, apps: impl IntoIterator<Item = App>) {
        let apps = apps.into_iter().map(|app| (app.app_id(), Arc::new(app))).collect();
        let before = self.apps.swap(Arc::new(Apps::of(apps)));
        before.by_id.keys().for_each(|&app_id| self.tell(app_id));
    }

    /// Adds or replaces one app. Requests under way keep the app they began with.
    pub fn put(&self, app: App) {
        let app = Arc::new(app);
        self.apps.rcu(|apps| {
            let mut apps = apps.by_id.clone();
            apps.insert(app.app_id(), Arc::clone(&app));
            Apps::of(apps)
        });
        self.tell(app.app_id());
    }

    /// Takes an app out: it serves no more.
    pub fn remove(&self, app_id: AppId) {
        self.apps.rcu(|apps| {
            let mut apps = apps.by_id.clone();
            apps.remove(&app_id);
            Apps::of(apps)
        });
        self.tell(app_id);
    }

    /// Which apps change from now on. Whoever keeps sessions looks the app up again: it may be gone or switched off,
    /// and it may no longer hold the secret that a session's token was sealed with
    /// ([`App::holds_secret`](super::App::holds_secret)). A listener that lags looks at every app.
    pub fn subscribe(&self) -> broadcast::Receiver<AppId> {
        self.news.subscribe()
    }

    fn tell(&self, app_id: AppId) {
        // Fails when nobody listens.
        let _ = self.news.send(app_id);
    }
}
