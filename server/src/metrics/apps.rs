//! Which apps have numbers of their own: the first that are heard of, as many as the operator allows. The others share.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use token_gen::AppId;

/// The value of the label `app_id` for all apps beyond those that have one of their own, and for those there are not.
pub(super) const OTHER: &str = "other";

/// The one label that is an id.
pub(super) type AppLabel = [(&'static str, String); 1];

/// Those apps. Clones are the same ones.
#[derive(Debug, Clone)]
pub(super) struct Apps(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    named: ArcSwap<BTreeSet<AppId>>,
    /// Held while an app is taken in.
    adding: Mutex<()>,
    max: usize,
}

impl Apps {
    /// None so far, `max` at most.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Inner { named: ArcSwap::default(), adding: Mutex::default(), max }))
    }

    /// Whether `app_id` has numbers of its own, from now on if not before.
    pub(super) fn take_in(&self, app_id: AppId) -> bool {
        let Inner { named, adding, max } = &*self.0;
        if named.load().contains(&app_id) {
            return true;
        }
        if named.load().len() >= *max {
            return false;
        }
        let _adding = adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut apps = BTreeSet::clone(&named.load());
        let is_in = apps.contains(&app_id) || apps.len() < *max && apps.insert(app_id);
        named.store(Arc::new(apps));
        is_in
    }

    /// The label of what is counted of `app_id`. Of an app that there is not, nobody may take up a place: ids that
    /// strangers make up are none.
    pub(super) fn label(&self, app_id: Option<AppId>) -> AppLabel {
        let own = app_id.filter(|&app_id| self.take_in(app_id));
        [("app_id", own.map_or_else(|| OTHER.to_owned(), |app_id| app_id.to_string()))]
    }

    /// Those that have numbers of their own.
    pub(super) fn named(&self) -> Arc<BTreeSet<AppId>> {
        self.0.named.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_apps_have_a_label_of_their_own_and_the_rest_share_one() {
        let apps = Apps::new(2);
        let label = |number| apps.label(AppId::new(number).ok())[0].1.clone();
        assert_eq!([1, 2, 3, 0, 1, 3].map(label), ["1", "2", OTHER, OTHER, "1", OTHER]);
        assert_eq!(apps.named().iter().map(|app_id| app_id.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(Apps::new(0).label(AppId::new(1).ok())[0].1, OTHER);
    }
}
