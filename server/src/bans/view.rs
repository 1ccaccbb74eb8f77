//! Every ban, in memory, so that no login waits for the store.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use token_gen::{AppId, UnixSeconds};
use tokio::sync::broadcast;

use super::{Ban, IpRange, Target, Visitor, entries};
use crate::entry_id::EntryId;

/// How many changes a listener may be behind before it has to look at everything again.
const BACKLOG: usize = 1024;
/// The most bans in one app, unless set otherwise.
const MAX_PER_APP: usize = 100_000;

/// There is no room for another ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The bans of every app.
#[derive(Debug)]
pub struct Bans {
    apps: RwLock<HashMap<AppId, AppBans>>,
    max_per_app: usize,
    news: broadcast::Sender<Arc<Ban>>,
}

#[derive(Debug, Default)]
struct AppBans {
    by_id: HashMap<EntryId, Arc<Ban>>,
    /// How many ranges there are of each kind of address and length: only these lengths need to be tried.
    prefixes: BTreeMap<(bool, u8), usize>,
}

impl Default for Bans {
    fn default() -> Self {
        Self::new(MAX_PER_APP)
    }
}

impl Bans {
    /// None yet.
    pub fn new(max_per_app: usize) -> Self {
        Self { apps: RwLock::default(), max_per_app, news: broadcast::Sender::new(BACKLOG) }
    }

    /// The ban that keeps `visitor` out at `now`, if one does.
    pub fn find(&self, app_id: AppId, visitor: &Visitor<'_>, now: UnixSeconds) -> Option<Arc<Ban>> {
        let apps = self.read();
        let bans = apps.get(&app_id)?;
        let holding = |id: EntryId| bans.by_id.get(&id).filter(|ban| ban.holds(now)).cloned();
        let by_user = || holding(entries::user(visitor.user_id?));
        let by_room = || holding(entries::room(visitor.room_id?));
        let by_both = || holding(entries::user_in_room(visitor.user_id?, visitor.room_id?));
        let by_address = || bans.ranges_around(visitor.address?).find_map(holding);
        by_user().or_else(by_room).or_else(by_both).or_else(by_address)
    }

    /// Whether there is room for a ban of `target`. One that is there already always has room.
    ///
    /// # Errors
    /// [`Full`].
    pub fn has_room(&self, app_id: AppId, target: &Target) -> Result<(), Full> {
        let apps = self.read();
        let Some(bans) = apps.get(&app_id) else { return if self.max_per_app == 0 { Err(Full) } else { Ok(()) } };
        let known = bans.by_id.contains_key(&target.entry_id());
        if known || bans.by_id.len() < self.max_per_app { Ok(()) } else { Err(Full) }
    }

    /// Takes in what the store holds, in place of an earlier ban of the same target, and tells the listeners.
    pub fn put(&self, ban: Ban) {
        let ban = Arc::new(ban);
        self.insert(Arc::clone(&ban));
        // Nobody listens until the gateway runs.
        let _ = self.news.send(ban);
    }

    /// Takes in many at once without telling anybody: at start.
    pub fn load(&self, bans: impl IntoIterator<Item = Ban>) {
        bans.into_iter().for_each(|ban| self.insert(Arc::new(ban)));
    }

    /// Lifts a ban.
    pub fn remove(&self, app_id: AppId, id: EntryId) {
        let mut apps = self.write();
        if let Some(bans) = apps.get_mut(&app_id) {
            bans.remove(id);
            if bans.by_id.is_empty() {
                apps.remove(&app_id);
            }
        }
    }

    /// Forgets up to `batch` bans that have ended by `now`. `true` while there are more.
    pub fn sweep(&self, now: UnixSeconds, batch: usize) -> bool {
        let ended: Vec<(AppId, EntryId)> = {
            let apps = self.read();
            let all =
                apps.iter().flat_map(|(&app_id, bans)| bans.by_id.iter().map(move |(&id, ban)| (app_id, id, ban)));
            all.filter(|(.., ban)| !ban.holds(now)).map(|(app_id, id, _)| (app_id, id)).take(batch).collect()
        };
        ended.iter().for_each(|&(app_id, id)| self.remove_ended(app_id, id, now));
        ended.len() == batch
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().values().map(|bans| bans.by_id.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is banned from now on. A listener that lags asks [`Bans::find`] about everybody it knows.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Ban>> {
        self.news.subscribe()
    }

    /// It may have been made anew since it was found ended.
    fn remove_ended(&self, app_id: AppId, id: EntryId, now: UnixSeconds) {
        if let Some(bans) = self.write().get_mut(&app_id)
            && bans.by_id.get(&id).is_some_and(|ban| !ban.holds(now))
        {
            bans.remove(id);
        }
    }

    fn insert(&self, ban: Arc<Ban>) {
        let mut apps = self.write();
        let bans = apps.entry(ban.app_id).or_default();
        let id = ban.target.entry_id();
        bans.remove(id);
        if let Target::IpRange(range) = ban.target {
            *bans.prefixes.entry(prefix(range)).or_default() += 1;
        }
        bans.by_id.insert(id, ban);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AppId, AppBans>> {
        // No change in here can stop half-way, so a poisoned state is still a good one.
        self.apps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AppId, AppBans>> {
        self.apps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prefix(range: IpRange) -> (bool, u8) {
    (range.is_ipv4(), range.prefix_len())
}

impl AppBans {
    fn ranges_around(&self, address: IpAddr) -> impl Iterator<Item = EntryId> {
        let address = address.to_canonical();
        let lengths = self.prefixes.keys().filter(move |(is_ipv4, _)| *is_ipv4 == address.is_ipv4());
        lengths.filter_map(move |&(_, length)| IpRange::around(address, length)).map(entries::ip_range)
    }

    fn remove(&mut self, id: EntryId) {
        let Some(ban) = self.by_id.remove(&id) else { return };
        if let Target::IpRange(range) = ban.target
            && let Some(count) = self.prefixes.get_mut(&prefix(range))
        {
            *count -= 1;
            if *count == 0 {
                self.prefixes.remove(&prefix(range));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn app_id() -> AppId {
        AppId::new(7).unwrap()
    }

    fn ban(target: Target, expire_at: Option<i64>) -> Ban {
        Ban {
            app_id: app_id(),
            target,
            expire_at: expire_at.map(UnixSeconds::new),
            created_at: NOW.into(),
            created_by: "key".to_owned(),
            reason: None,
        }
    }

    fn visitor<'a>(user_id: &'a str, room_id: &'a str, address: &str) -> Visitor<'a> {
        Visitor { user_id: Some(user_id), room_id: Some(room_id), address: address.parse().ok() }
    }

    fn user(user_id: &str) -> Target {
        Target::User(user_id.to_owned())
    }

    fn range(text: &str) -> Target {
        Target::IpRange(text.parse().unwrap())
    }

    #[test]
    fn each_target_keeps_out_whom_it_names() {
        let user_in_room = Target::UserInRoom { user_id: "u".to_owned(), room_id: "r".to_owned() };
        let visitors = [
            visitor("u", "r", "203.0.113.7"),
            visitor("u", "R", "203.0.113.7"),
            visitor("U", "r", "203.0.114.7"),
            visitor("U", "R", "::ffff:203.0.113.8"),
            visitor("U", "R", "2001:db8::1"),
            Visitor::default(),
        ];
        for (target, expected) in [
            (user("u"), [true, true, false, false, false, false]),
            (user_in_room, [true, false, false, false, false, false]),
            (Target::Room("r".to_owned()), [true, false, true, false, false, false]),
            (range("203.0.113.0/24"), [true, true, false, true, false, false]),
            (range("203.0.113.8"), [false, false, false, true, false, false]),
            (range("2001:db8::/32"), [false, false, false, false, true, false]),
        ] {
            let bans = Bans::default();
            bans.put(ban(target.clone(), None));
            let found = visitors.map(|visitor| bans.find(app_id(), &visitor, NOW.into()).is_some());
            assert_eq!(found, expected, "{target:?}");
            assert_eq!(visitors.map(|visitor| target.covers(&visitor)), expected, "{target:?}");
            assert_eq!(bans.find(AppId::new(8).unwrap(), &visitors[0], NOW.into()), None);
            bans.remove(app_id(), target.entry_id());
            assert!(visitors.iter().all(|visitor| bans.find(app_id(), visitor, NOW.into()).is_none()));
        }
    }

    #[test]
    fn a_ban_ends_at_its_second_and_is_then_forgotten() {
        let bans = Bans::default();
        let found = |bans: &Bans, now: i64| bans.find(app_id(), &visitor("u", "r", ""), now.into()).is_some();
        bans.put(ban(user("u"), Some(NOW + 1)));
        assert!(found(&bans, NOW));
        assert!(!found(&bans, NOW + 1));
        // Made anew, it holds for the new time, also a shorter one.
        bans.put(ban(user("u"), Some(NOW + 100)));
        bans.put(ban(user("u"), Some(NOW + 50)));
        assert!(found(&bans, NOW + 49) && !found(&bans, NOW + 50));
        assert!(!bans.sweep((NOW + 49).into(), 10));
        assert!(found(&bans, NOW + 49));
        bans.put(ban(range("10.0.0.0/8"), Some(NOW + 50)));
        assert!(bans.sweep((NOW + 50).into(), 1));
        assert!(!bans.sweep((NOW + 50).into(), 10));
        assert!(!found(&bans, NOW + 49));
        assert!(bans.read().values().all(|bans| bans.by_id.is_empty() && bans.prefixes.is_empty()));
    }

    // proves T64
    #[test]
    fn past_the_limit_the_new_ban_is_refused() {
        let bans = Bans::new(2);
        for target in [user("a"), range("10.0.0.0/8")] {
            assert_eq!(bans.has_room(app_id(), &target), Ok(()));
            bans.put(ban(target, None));
        }
        assert_eq!(bans.has_room(app_id(), &user("b")), Err(Full));
        assert_eq!(bans.has_room(app_id(), &user("a")), Ok(()));
        assert_eq!(bans.has_room(AppId::new(8).unwrap(), &user("b")), Ok(()));
    }
}
