//! What is measured of sessions whose media another node forwards: their own node does not see the packets.

use roompass_wire::http::LiveSession;

use super::{Answer, Question, everywhere::Everywhere};

impl Everywhere<'_> {
    /// The same sessions, with what any node measures of their media.
    pub(super) async fn measured(&mut self, mut sessions: Vec<LiveSession>) -> Vec<LiveSession> {
        let mut unmeasured: Vec<&mut LiveSession> =
            sessions.iter_mut().filter(|session| session.media.is_none()).collect();
        if unmeasured.is_empty() || !self.shares_media() {
            return sessions;
        }
        let users = unmeasured.iter().map(|session| (session.room_id.clone(), session.user_id.clone())).collect();
        for (_, answer) in self.ask(&Question::Measures { users }).await {
            let Answer::Measures(measures) = answer else { continue };
            for (session, media) in unmeasured.iter_mut().zip(measures) {
                session.media = session.media.take().or(media);
            }
        }
        sessions
    }
}
