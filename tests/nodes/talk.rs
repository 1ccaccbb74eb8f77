//! Somebody who talks on while nodes come and go, and knows what was answered.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use roompass_sdk::Room;

use crate::cluster::pause;

/// What somebody has said: `who number`.
pub(crate) struct Spoken {
    who: usize,
    /// What was answered.
    pub(crate) acknowledged: Vec<usize>,
}

impl Spoken {
    pub(crate) fn last(&self) -> Option<String> {
        self.acknowledged.last().map(|number| format!("{} {number}", self.who))
    }

    /// What was answered was heard, once and in its order. What was not, because the node died, was heard once or never.
    pub(crate) fn check(&self, heard: &[String]) {
        let prefix = format!("{} ", self.who);
        let heard = heard.iter().filter_map(|said| said.strip_prefix(&prefix)?.parse::<usize>().ok());
        let heard: Vec<usize> = heard.collect();
        assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
        let unheard: Vec<_> = self.acknowledged.iter().filter(|number| !heard.contains(number)).collect();
        assert_eq!(unheard, Vec::<&usize>::new(), "of {heard:?}");
    }
}

/// Talks until it is told to stop.
pub(crate) async fn speak(room: &Room, who: usize, stop: &AtomicBool) -> Spoken {
    let mut spoken = Spoken { who, acknowledged: Vec::new() };
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        if room.send_message(format!("{who} {number}")).await.is_ok() {
            spoken.acknowledged.push(number);
        }
        pause(Duration::from_millis(250)).await;
    }
    spoken
}
