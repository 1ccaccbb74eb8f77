//! Refusals come in floods; of each kind, one event in a while says how many there were.

use std::{collections::HashMap, time::Duration};

use roompass_wire::webhook::{Refused, RefusedOperation};
use token_gen::{AppId, UnixSeconds};

/// For how long repetitions are counted before they are told.
const WINDOW: Duration = Duration::from_secs(10);
/// Kinds at a time: far more than there are reasons, for many apps.
const MAX_KINDS: usize = 10_000;

/// What is counted together: an app's refusals of one operation for one reason.
type Kind = (AppId, RefusedOperation, String);

/// The refusals of the last moments.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<Kind, Window>);

#[derive(Debug)]
struct Window {
    ends_at: UnixSeconds,
    /// Those that were not told yet, as one.
    untold: Option<Refused>,
}

impl Refusals {
    /// Takes in a refusal. Returns it if it is to be told now: the first of its kind for a while.
    pub(super) fn take_in(&mut self, app_id: AppId, refused: Refused, now: UnixSeconds) -> Option<Refused> {
        let kind = (app_id, refused.operation, refused.reason.clone());
        if let Some(window) = self.0.get_mut(&kind) {
            let (count, first_at_ms) =
                window.untold.as_ref().map_or((0, refused.first_at_ms), |untold| (untold.count, untold.first_at_ms));
            window.untold = Some(Refused { count: count + refused.count, first_at_ms, ..refused });
            return None;
        }
        if self.0.len() < MAX_KINDS {
            self.0.insert(kind, Window { ends_at: now.saturating_add(WINDOW), untold: None });
        }
        Some(refused)
    }

    /// What has been counted for long enough, to be told now.
    pub(super) fn due(&mut self, now: UnixSeconds) -> Vec<(AppId, Refused)> {
        let mut due = Vec::new();
        self.0.retain(|(app_id, ..), window| {
            if now < window.ends_at {
                return true;
            }
            window.ends_at = now.saturating_add(WINDOW);
            let told = window.untold.take();
            let goes_on = told.is_some();
            due.extend(told.map(|refused| (*app_id, refused)));
            goes_on
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use roompass_wire::ErrorCode;

    use super::*;

    fn refused(user_id: &str, reason: &str, at: i64) -> Refused {
        Refused {
            operation: RefusedOperation::Login,
            code: ErrorCode::TokenInvalid,
            reason: reason.to_owned(),
            user_id: Some(user_id.to_owned()),
            room_id: None,
            token_id: None,
            count: 1,
            first_at_ms: at * 1000,
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_one() {
        let (mut refusals, app_id) = (Refusals::default(), AppId::new(7).unwrap());
        let at = UnixSeconds::new;
        assert!(refusals.take_in(app_id, refused("a", "tag", 0), at(0)).is_some());
        for second in 1..=4 {
            assert_eq!(refusals.take_in(app_id, refused(&format!("u{second}"), "tag", second), at(second)), None);
        }
        assert!(refusals.take_in(app_id, refused("a", "room", 4), at(4)).is_some(), "another reason");
        assert!(refusals.take_in(AppId::new(8).unwrap(), refused("a", "tag", 4), at(4)).is_some(), "another app");
        assert_eq!(refusals.due(at(9)), []);
        let summary = Refused { count: 4, first_at_ms: 1000, ..refused("u4", "tag", 4) };
        assert_eq!(refusals.due(at(10)), [(app_id, summary)]);
        assert_eq!(refusals.take_in(app_id, refused("b", "tag", 12), at(12)), None, "a flood goes on being one");
        assert_eq!(refusals.due(at(20)).len(), 1);
        assert_eq!(refusals.due(at(30)), []);
        assert!(refusals.take_in(app_id, refused("b", "tag", 31), at(31)).is_some(), "it has ended");
    }
}
