//! What the audit trail keeps of logins and renewals: who came in with which credential, and exactly why others did not.

use std::net::IpAddr;

use roompass_wire::gateway::Login;
use token_gen::{AppId, RoomId, TokenId};

use crate::{
    audit::{Action, Actor, Audit, Event, Origin},
    limits::Source,
    login::{
        Grant, Refusal, SessionToken,
        preview::{GOOD, OTHER_CREDENTIAL},
    },
    rooms::SessionId,
};

/// A user is in the room.
pub(super) fn logged_in(
    audit: &Audit,
    login: &Login,
    address: IpAddr,
    session_id: SessionId,
    grant: &Grant,
    other_credential: Option<&'static str>,
) {
    let auth = grant.auth().as_str();
    // A good token is what a session goes by, also where the AppSign proof beside it was good.
    let both_are_good = other_credential.is_none() && grant.token().is_some() && login.app_sign_proof.is_some();
    let details = match if both_are_good { Some(GOOD) } else { other_credential } {
        None => auth.into(),
        Some(other) => format!("{auth}{OTHER_CREDENTIAL}{other}").into(),
    };
    let event = Event {
        privileges: Some(grant.rights().privileges()),
        expire_at: grant.token().map(|token| token.expire_at),
        session_id: Some(session_id.to_string()),
        details: Some(details),
        ..login_of(login)
    };
    audit.note_anyway(client(address), event);
}

/// A login was refused. What the client was told stands in the details.
pub(super) fn refused(audit: &Audit, login: &Login, address: IpAddr, refusal: &Refusal) {
    let Refusal { exact, code, .. } = refusal;
    audit.note_stranger(client(address), login_of(login).refused(*exact).saying(code.as_str()));
}

/// Somebody in a room has shown another token.
pub(super) fn renewed(
    audit: &Audit,
    address: IpAddr,
    (app_id, room_id, user_id, session_id): (AppId, &RoomId, &str, &str),
    token: &str,
    opened: &Result<SessionToken, Refusal>,
) {
    let event = Event {
        user_id: Some(user_id.to_owned()),
        room_id: Some(room_id.as_str().to_owned()),
        token_id: Some(TokenId::of(token)),
        session_id: Some(session_id.to_owned()),
        ..Event::of(Action::Renew, app_id)
    };
    match opened {
        Ok(opened) => {
            let (privileges, expire_at) = (Some(opened.rights.privileges()), Some(opened.expire_at));
            audit.note_anyway(client(address), Event { privileges, expire_at, ..event });
        }
        Err(refusal) => audit.note_stranger(client(address), event.refused(refusal.exact)),
    }
}

fn client(address: IpAddr) -> Origin {
    Origin { actor: Actor::Client, source: Some(Source::of(address)), request_id: None }
}

fn login_of(login: &Login) -> Event {
    Event {
        app_id: AppId::new(login.app_id).ok(),
        // Not known of whoever shows nothing but a bad token.
        user_id: Some(login.user_id.clone()).filter(|user_id| !user_id.is_empty()),
        room_id: Some(login.room_id.clone()),
        token_id: login.token.as_deref().map(TokenId::of),
        ..Event::new(Action::Login)
    }
}
