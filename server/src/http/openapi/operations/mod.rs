//! What is said of every operation: one file per area.

mod admins;
mod apps;
mod audit;
mod documentation;
mod health;
mod judging;
mod lifecycle;
mod media;
mod rooms;
mod tokens;
mod watch;
mod webhooks;

use super::operation::Operation;

/// Every operation.
pub(super) fn all() -> Vec<Operation> {
    [
        tokens::operations(),
        judging::operations(),
        lifecycle::operations(),
        apps::operations(),
        rooms::operations(),
        media::operations(),
        webhooks::operations(),
        admins::operations(),
        audit::operations(),
        watch::operations(),
        health::operations(),
        documentation::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
