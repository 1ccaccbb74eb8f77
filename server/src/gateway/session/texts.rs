//! Messages, signals and values: who may send them, how long, how often.

use roompass_wire::{ErrorCode, http::WithheldPrivilege};
use token_gen::UnixSeconds;

use super::{Effect, Operation, Refused, Session};

impl Session {
    pub(super) fn talk(&mut self, id: u64, operation: Operation, now: UnixSeconds) -> Result<Vec<Effect>, Refused> {
        let limits = self.texts;
        let (pace, what) = match &operation {
            Operation::Say(text) => {
                within("text", text, 1, limits.max_message_bytes)?;
                (&mut self.messages, "messages")
            }
            Operation::Signal { user_ids, text } => {
                within("text", text, 1, limits.max_signal_bytes)?;
                if !(1..=limits.max_signal_users).contains(&user_ids.len()) {
                    return Err((ErrorCode::FieldInvalid, Some("user_ids")));
                }
                (&mut self.signals, "signals")
            }
            Operation::SetRoomExtra { key, value } => {
                if !(1..=limits.max_key_bytes).contains(&key.len()) || key.chars().any(char::is_control) {
                    return Err((ErrorCode::FieldInvalid, Some("key")));
                }
                within("value", value, 0, limits.max_value_bytes)?;
                self.is_not_withheld(WithheldPrivilege::Publish, ErrorCode::PublishDenied)?;
                self.permit_speech()?;
                self.publish_in_time(now)?;
                (&mut self.values, "values")
            }
            Operation::SetUserExtra(extra) => {
                within("extra", extra, 0, limits.max_value_bytes)?;
                (&mut self.values, "values")
            }
        };
        if !pace.admits(now) {
            return Err((ErrorCode::RateLimited, Some(what)));
        }
        Ok(vec![Effect::Ask { id, operation }])
    }
}

fn within(name: &'static str, text: &str, min: usize, max: usize) -> Result<(), Refused> {
    match text.len() {
        len if len < min => Err((ErrorCode::FieldInvalid, Some(name))),
        len if len > max => Err((ErrorCode::TextTooLong, Some(name))),
        _ => Ok(()),
    }
}
