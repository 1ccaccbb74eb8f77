//! Every app, in memory, for lookups that never wait. Whoever changes the store puts the new app here.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use token_gen::AppId;

use super::App;

/// All apps by number. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Directory(ArcSwap<HashMap<AppId, Arc<App>>>);

impl Directory {
    /// The app, if there is one.
    pub fn app(&self, app_id: AppId) -> Option<Arc<App>> {
        self.0.load().get(&app_id).cloned()
    }

    /// Replaces everything: at start, and when the whole store was read again.
    pub fn replace_all(&self, apps: impl IntoIterator<Item = App>) {
        self.0.store(Arc::new(apps.into_iter().map(|app| (app.app_id(), Arc::new(app))).collect()));
    }

    /// Adds or replaces one app. Requests under way keep the app they began with.
    pub fn put(&self, app: App) {
        let app = Arc::new(app);
        self.0.rcu(|apps| {
            let mut apps = HashMap::clone(apps);
            apps.insert(app.app_id(), Arc::clone(&app));
            apps
        });
    }
}
