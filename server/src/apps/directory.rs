//! Every app, in memory, for lookups that never wait. Whoever changes the store puts the new app here.
//!
//! An app that nobody asks for is here as it is stored, sealed; asked for, it is opened and made ready. Of those that
//! are ready, the ones that nobody has asked for lately give way to others, and their secrets are zeroed.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use token_gen::AppId;
use tokio::sync::broadcast;

use super::App;

/// How many changes a listener may be behind before it has to look at everything again.
const BACKLOG: usize = 1024;
/// How many apps are ready at a time, of some four kilobytes each.
const MAX_READY: usize = 4096;

/// Opens an app and makes it ready: some tens of microseconds. `None`, and a line in the log, where that fails.
pub type Prepare = Box<dyn Fn() -> Option<App> + Send + Sync>;

/// All apps by number. Reading an app that is ready takes no lock.
pub struct Directory {
    apps: ArcSwap<Apps>,
    /// Those that are ready, in the order in which they are to give way.
    ready: Mutex<VecDeque<Weak<Entry>>>,
    max_ready: usize,
    news: broadcast::Sender<AppId>,
}

#[derive(Clone, Default)]
struct Apps {
    by_id: HashMap<AppId, Arc<Entry>>,
    /// The origins whose pages may log in to some app.
    origins: HashSet<String>,
}

impl Apps {
    fn of(by_id: HashMap<AppId, Arc<Entry>>) -> Self {
        let origins = by_id.values().flat_map(|entry| &entry.app.origins).cloned().collect();
        Self { by_id, origins }
    }
}

/// An app as it is kept until somebody asks for it.
pub struct ClosedApp {
    /// The origins whose pages may log in to it; none while it is switched off.
    pub origins: Vec<String>,
    /// Opens it.
    pub prepare: Prepare,
}

struct Entry {
    app: ClosedApp,
    ready: ArcSwapOption<App>,
    /// Whether somebody has asked for it since it was last spared.
    asked_for: AtomicBool,
    /// Whether it was opened since unused ones were last closed.
    is_fresh: AtomicBool,
}

impl Entry {
    fn new(app: ClosedApp) -> Arc<Self> {
        Arc::new(Self {
            app,
            ready: ArcSwapOption::empty(),
            asked_for: AtomicBool::new(false),
            is_fresh: AtomicBool::new(false),
        })
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::with_room_for(MAX_READY)
    }
}

impl Directory {
    fn with_room_for(max_ready: usize) -> Self {
        Self { apps: ArcSwap::default(), ready: Mutex::default(), max_ready, news: broadcast::Sender::new(BACKLOG) }
    }

    /// The app, if there is one.
    pub fn app(&self, app_id: AppId) -> Option<Arc<App>> {
        let apps = self.apps.load();
        let entry = apps.by_id.get(&app_id)?;
        let Some(app) = &*entry.ready.load() else { return self.make_ready(app_id, entry) };
        // Most are asked for again and again: then there is nothing to write, and no cache line to fight for.
        if !entry.asked_for.load(Ordering::Relaxed) {
            entry.asked_for.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(app))
    }

    /// Whether there is such an app. Opens nothing.
    pub fn holds(&self, app_id: AppId) -> bool {
        self.apps.load().by_id.contains_key(&app_id)
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
    pub fn replace_all(&self, apps: impl IntoIterator<Item = (AppId, ClosedApp)>) {
        let apps = apps.into_iter().map(|(app_id, app)| (app_id, Entry::new(app))).collect();
        let before = self.apps.swap(Arc::new(Apps::of(apps)));
        before.by_id.keys().for_each(|&app_id| self.tell(app_id));
    }

    /// Adds or replaces one app. Requests under way keep the app they began with.
    pub fn put(&self, app_id: AppId, app: ClosedApp) {
        let entry = Entry::new(app);
        self.apps.rcu(|apps| {
            let mut apps = apps.by_id.clone();
            apps.insert(app_id, Arc::clone(&entry));
            Apps::of(apps)
        });
        self.tell(app_id);
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

    /// Closes the apps that nobody has asked for since this was last called: their secrets are zeroed.
    pub fn close_unused(&self) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain(|entry| {
            let Some(entry) = entry.upgrade() else { return false };
            let (fresh, asked_for) =
                (entry.is_fresh.swap(false, Ordering::Relaxed), entry.asked_for.swap(false, Ordering::Relaxed));
            if fresh || asked_for {
                return true;
            }
            entry.ready.store(None);
            false
        });
    }

    fn make_ready(&self, app_id: AppId, entry: &Arc<Entry>) -> Option<Arc<App>> {
        // One at a time, so that many who ask at once do the work once.
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(app) = entry.ready.load_full() {
            return Some(app);
        }
        let Some(app) = (entry.app.prepare)().map(Arc::new) else {
            drop(ready);
            self.remove(app_id);
            return None;
        };
        entry.is_fresh.store(true, Ordering::Relaxed);
        entry.ready.store(Some(Arc::clone(&app)));
        ready.push_back(Arc::downgrade(entry));
        while ready.len() > self.max_ready {
            // It cannot be empty. Those whose entry is gone were replaced.
            let Some(oldest) = ready.pop_front().and_then(|oldest| oldest.upgrade()) else { continue };
            if oldest.asked_for.swap(false, Ordering::Relaxed) {
                ready.push_back(Arc::downgrade(&oldest));
            } else {
                oldest.ready.store(None);
            }
        }
        Some(app)
    }

    fn tell(&self, app_id: AppId) {
        // Fails when nobody listens.
        let _ = self.news.send(app_id);
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("apps", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use token_gen::{AppSign, ServerSecret};

    use super::*;
    use crate::apps::{AppSettings, RingSecret};

    fn app_id(number: u32) -> AppId {
        AppId::new(number).unwrap()
    }

    /// Counts how often an app is opened.
    fn prepare(number: u32, opened: &Arc<AtomicUsize>) -> (AppId, ClosedApp) {
        let opened = Arc::clone(opened);
        let open = move || {
            opened.fetch_add(1, Ordering::Relaxed);
            let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").unwrap();
            let active = RingSecret { secret_id: "s".to_owned(), secret, valid_until: None, mints_from: 0.into() };
            let app_sign = AppSign::new(&"0a".repeat(32)).unwrap();
            Some(App::new(AppSettings::new(app_id(number), "app"), app_sign, &active, &[]))
        };
        (app_id(number), ClosedApp { origins: Vec::new(), prepare: Box::new(open) })
    }

    #[test]
    fn an_app_is_opened_when_it_is_asked_for_and_gives_way_to_those_asked_for_since() {
        let opened = Arc::new(AtomicUsize::new(0));
        let directory = Directory::with_room_for(2);
        directory.replace_all((1..=4).map(|number| prepare(number, &opened)));
        let ask = |number| {
            assert_eq!(directory.app(app_id(number)).unwrap().app_id(), app_id(number));
            opened.load(Ordering::Relaxed)
        };
        assert_eq!(opened.load(Ordering::Relaxed), 0);
        assert_eq!([ask(1), ask(1), ask(2), ask(1)], [1, 1, 2, 2]);
        // The first was asked for again, the second was not.
        assert_eq!([ask(3), ask(1), ask(2)], [3, 3, 4]);
        let held = directory.ready.lock().unwrap().iter().filter_map(Weak::upgrade).count();
        assert_eq!(held, 2);
        assert!(directory.app(app_id(5)).is_none());
    }

    #[test]
    fn an_app_that_nobody_asks_for_is_closed() {
        let opened = Arc::new(AtomicUsize::new(0));
        let directory = Directory::default();
        directory.replace_all((1..=3).map(|number| prepare(number, &opened)));
        let held = |number| Arc::downgrade(&directory.app(app_id(number)).unwrap());
        let apps = [held(1), held(2)];
        let is_open = || apps.each_ref().map(|app| app.strong_count() > 0);
        directory.close_unused();
        assert_eq!(is_open(), [true, true], "they were opened just now");
        held(1);
        directory.close_unused();
        assert_eq!(is_open(), [true, false]);
        held(2);
        assert_eq!(opened.load(Ordering::Relaxed), 3, "it is opened again when it is asked for");
        directory.close_unused();
        directory.close_unused();
        assert_eq!(is_open(), [false, false]);
    }

    #[test]
    fn an_app_that_does_not_open_is_tried_once() {
        let directory = Directory::default();
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let prepare = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            None
        };
        directory.put(app_id(1), ClosedApp { origins: Vec::new(), prepare: Box::new(prepare) });
        assert!(directory.app(app_id(1)).is_none() && directory.app(app_id(1)).is_none());
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }
}
