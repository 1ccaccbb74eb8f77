//! What has happened, in lines to read.

use std::collections::VecDeque;

use roompass_sdk::{Event, RoomState};

/// More than any terminal shows.
const KEPT_LINES: usize = 500;

/// The latest lines.
#[derive(Debug, Default)]
pub(crate) struct Journal(VecDeque<String>);

impl Journal {
    pub(crate) fn extend(&mut self, lines: impl IntoIterator<Item = String>) {
        self.0.extend(lines);
        while self.0.len() > KEPT_LINES {
            self.0.pop_front();
        }
    }

    /// The last `count` lines, oldest first.
    pub(crate) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        self.0.iter().skip(self.0.len().saturating_sub(count)).map(String::as_str)
    }
}

/// An event in words. What the panels show needs none.
pub(crate) fn lines(event: Event) -> Vec<String> {
    match event {
        Event::RoomMessage(message) => vec![format!("<{}> {}", message.user_id, message.text)],
        Event::MessagesMissed => vec!["something was said meanwhile that is not heard any more".to_owned()],
        Event::Signal(signal) => vec![format!("<{}> to you: {}", signal.user_id, signal.text)],
        Event::ServerMessage(message) => vec![format!("* the operator: {}", message.text)],
        Event::UsersJoined(users) => users.iter().map(|user| format!("+ {}", user.user_id)).collect(),
        Event::UsersLeft { users, reason } => {
            let why = reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
            users.iter().map(|user| format!("- {}{why}", user.user_id)).collect()
        }
        Event::StreamsStarted(streams) => {
            streams.iter().map(|stream| format!("+ stream {}", stream.stream_id)).collect()
        }
        Event::StreamsStopped { streams, .. } => {
            streams.iter().map(|stream| format!("- stream {}", stream.stream_id)).collect()
        }
        Event::StateChanged { room_id, state: present } => vec![format!("* {room_id}: {}", state(&present))],
        Event::LoggedIn(admission) => vec![format!("* let in by {}", admission.auth.as_str())],
        Event::TokenNotCounted { code } => vec![format!("! the token did not count ({code:?}), the AppSign did")],
        Event::TokenRenewed { .. } => vec!["* the token is renewed".to_owned()],
        Event::RenewalFailed { error, retry_in } => vec![format!("! no new token: {error}; again in {retry_in:?}")],
        Event::TokenExpired { .. } => vec!["! the token has expired: nothing new can be started".to_owned()],
        Event::PublishStopped { stream_id, code } | Event::PlayStopped { stream_id, code } => {
            vec![format!("! {stream_id} was stopped: {code}")]
        }
        Event::PrivilegesChanged { .. } => vec!["* your rights have changed".to_owned()],
        Event::RoomExtraChanged(extra) => vec![format!("* {} = {:?} ({})", extra.key, extra.value, extra.user_id)],
        Event::UserExtraChanged { user_id, extra } => vec![format!("* {user_id} shows {extra:?}")],
        _ => Vec::new(),
    }
}

/// A state in words.
pub(crate) fn state(state: &RoomState) -> String {
    match state {
        RoomState::Connecting => "connecting".to_owned(),
        RoomState::Connected => "connected".to_owned(),
        RoomState::Reconnecting => "reconnecting".to_owned(),
        RoomState::Reconnected => "connected again".to_owned(),
        RoomState::Disconnected => "left".to_owned(),
        RoomState::LoginFailed(error) => format!("not let in: {error}"),
        RoomState::ReconnectFailed(error) => format!("given up: {error}"),
        RoomState::Kicked(kick) => format!("put out: {} {}", kick.code, kick.reason.as_deref().unwrap_or_default()),
        other => format!("{other:?}"),
    }
}
