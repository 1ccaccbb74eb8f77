//! Somebody who comes, publishes, stops and goes, again and again and under another name each time: what everybody else
//! hears of that is held against what was answered.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use roompass_sdk::{Client, LocalUser};

use crate::{cluster::pause, listener::Heard};

const NAME: &str = "guest";
/// Between one thing and the next.
const REST: Duration = Duration::from_millis(250);

/// Whether a user or a stream is one of these.
pub(crate) fn is_guest(id: &str) -> bool {
    id.starts_with(NAME)
}

/// One visit. User and stream have the same id.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) id: String,
    /// What was answered.
    acknowledged: Vec<&'static str>,
    /// A node was killed meanwhile. It may have let the user in without saying so; and of who came just before, the others
    /// may hear that the user goes and comes again.
    was_shaken: bool,
}

/// What all visits have to do with.
#[derive(Default)]
pub(crate) struct House {
    /// No more visits.
    pub(crate) is_closed: AtomicBool,
    /// A node has been killed.
    pub(crate) is_shaken: AtomicBool,
    /// How many visits are over.
    pub(crate) visits: AtomicUsize,
}

/// Visits room `r{room}` until the house is closed.
pub(crate) async fn visit(client: &Client, room: usize, house: &House) -> Vec<Guest> {
    let mut guests = Vec::new();
    while !house.is_closed.load(Ordering::Acquire) {
        let id = format!("{NAME}{room}-{}", guests.len());
        let mut guest = Guest { id, acknowledged: Vec::new(), was_shaken: false };
        let user = LocalUser::new(&guest.id).expect("a good id");
        let comes_later = house.is_shaken.load(Ordering::Acquire);
        let entered = client.login_room(&format!("r{room}"), user).await;
        if let Ok(stay) = entered {
            guest.acknowledged.push("came");
            pause(REST).await;
            if stay.start_publishing_stream(&guest.id).await.is_ok() {
                guest.acknowledged.push("started");
            }
            pause(REST).await;
            if stay.stop_publishing_stream(&guest.id).await.is_ok() {
                guest.acknowledged.push("stopped");
            }
            pause(REST).await;
            stay.logout_room().await;
        }
        guest.was_shaken = !comes_later && house.is_shaken.load(Ordering::Acquire);
        guests.push(guest);
        house.visits.fetch_add(1, Ordering::Release);
    }
    guests
}

impl Guest {
    /// Whether this is what there was to hear: everything in its order, and in the end nobody is there. Who `stayed`
    /// connected has heard of everybody who came, and once. Who came back may have found it over already; or may have seen
    /// somebody go on the node that died, and found the guest again, until the lease lapsed, on one that was not told any more.
    pub(crate) fn check(&self, heard: &Heard, stayed: bool) -> Result<(), String> {
        let history = heard.history(&self.id);
        let fault = |what: &str| Err(format!("{what}: {history:?} of {self:?}"));
        let (mut is_there, mut is_running) = (false, false);
        for what in &history {
            let (is, should_be) = match *what {
                "came" => (&mut is_there, false),
                "went" if is_running => return fault("the stream goes first"),
                "went" => (&mut is_there, true),
                "started" if !is_there => return fault("a stream of nobody"),
                "started" => (&mut is_running, false),
                _ => (&mut is_running, true),
            };
            if *is != should_be {
                return fault("out of order");
            }
            *is = !*is;
        }
        let times = |what: &str| history.iter().filter(|other| **other == what).count();
        if is_there || is_running {
            return fault("still there");
        }
        let most = 1 + usize::from(self.was_shaken);
        if stayed && (times("came") > most || times("started") > most) {
            return fault("doubled");
        }
        // Nodes tell each other how a stay is, so of a stream that has stopped again by then the others hear nothing.
        if stayed && self.acknowledged.contains(&"came") && times("came") == 0 {
            return fault("not heard");
        }
        Ok(())
    }
}
