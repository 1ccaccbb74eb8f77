//! What is kept of a session where all nodes can reach it, so that another one can go on with it when this one has died
//! or stops. Sealed on its way there; knows neither sockets nor the bus.

use std::{net::IpAddr, sync::Arc};

use roompass_wire::{ErrorCode, gateway::GoneReason, http::WithheldPrivilege};
use serde::{Deserialize, Serialize};
use token_gen::{Rights, TokenId, UnixSeconds};

use super::{
    Gateway,
    operate::Standing,
    roll::{Entry, PresentToken},
    seats::ResumeKey,
    session::Session,
    stay::Stay,
};
use crate::{
    login::{Grant, SessionToken},
    media::StayMedia,
    nodes::Lost,
    rooms::{Outbox, Returned, SessionId},
};

/// The deepest rights that are read back. We have written them.
const RIGHTS_DEPTH: usize = 16;

/// A session as another node needs it, beside what everybody sees of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The hash of the resume key.
    key: Option<[u8; 32]>,
    user_name: Option<String>,
    sdk: Option<String>,
    token: Option<KeptToken>,
    /// The rights, as a payload.
    rights: String,
    entered_at: i64,
    /// When the stay ends, which no later token puts off.
    #[serde(default)]
    stay_until: Option<i64>,
    playing: Vec<String>,
    /// Why the other credential that it showed did not count.
    #[serde(default)]
    other_credential: Option<ErrorCode>,
    /// What an operator takes from it, whatever it shows.
    #[serde(default)]
    withheld: Vec<WithheldPrivilege>,
}

#[derive(Serialize, Deserialize)]
struct KeptToken {
    token_id: String,
    secret_id: String,
    issued_at: i64,
    expire_at: i64,
    is_authentic: bool,
}

impl Kept {
    fn of(stay: &Stay, key: Option<[u8; 32]>) -> Self {
        let grant = stay.session.grant();
        let token = grant.token().map(|token| KeptToken {
            token_id: token.token_id.as_str().to_owned(),
            secret_id: token.secret_id.clone(),
            issued_at: token.issued_at.get(),
            expire_at: token.expire_at.get(),
            is_authentic: token.is_authentic(),
        });
        Self {
            key,
            user_name: stay.user_name.clone(),
            sdk: stay.sdk.clone(),
            token,
            rights: grant.rights().to_payload(),
            entered_at: stay.session.entered_at().get(),
            stay_until: stay.session.stay_until().map(UnixSeconds::get),
            playing: stay.session.playing(),
            other_credential: stay.line.other_credential(),
            withheld: stay.session.withheld().to_vec(),
        }
    }

    fn text(&self) -> String {
        // Strings and numbers into memory: serde_json has no way to fail here.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn grant(&self) -> Option<Grant> {
        let rights = Rights::from_payload(&self.rights, RIGHTS_DEPTH).ok()?;
        let Some(token) = &self.token else { return Some(Grant::AppSign(rights)) };
        Some(Grant::Token(SessionToken::restored(
            TokenId::parse(&token.token_id)?,
            token.secret_id.clone(),
            [UnixSeconds::new(token.issued_at), UnixSeconds::new(token.expire_at)],
            rights,
            token.is_authentic,
        )))
    }
}

impl Stay {
    /// Keeps the session as it is now where other nodes can go on with it.
    pub(super) fn keep(&self, gateway: &Gateway) {
        if let Some(place) = self.place.as_ref().filter(|_| !gateway.nodes.bus().is_alone()) {
            gateway.nodes.keep(place, &Kept::of(self, self.seat.key()).text());
        }
    }
}

/// Goes on here with a session that another node holds, or held until it died, whose client has heard what was said up to
/// `mark`. `key` opens it the next time.
///
/// # Errors
/// [`ErrorCode::ResumeRefused`], or why its user has to go.
pub(super) async fn adopt(
    gateway: &Gateway,
    (session_id, shown): (SessionId, &ResumeKey),
    (lost, mark): (Lost, Option<u64>),
    key: &ResumeKey,
    address: IpAddr,
) -> Result<(Box<Stay>, Returned), ErrorCode> {
    let refused = ErrorCode::ResumeRefused;
    let kept: Kept = serde_json::from_str(lost.kept()).map_err(|_| refused)?;
    if !kept.key.is_some_and(|known| shown.opens(&known)) {
        return Err(refused);
    }
    let app =
        gateway.directory.app(lost.app_id()).filter(|app| app.settings().enabled).ok_or(ErrorCode::AppDisabled)?;
    let grant = kept.grant().ok_or(refused)?;
    let now = gateway.clock.now();
    let outbox = Arc::new(Outbox::new(gateway.config.outbox));
    let user_id = lost.presence().user.user_id.clone();
    let line = gateway.roll.enter(
        app.app_id(),
        session_id,
        Entry {
            user_id: user_id.clone(),
            room_id: lost.room_id().as_str().to_owned(),
            address,
            token: grant.token().map(PresentToken::from),
            outbox: Arc::clone(&outbox),
            auth: grant.auth(),
            since: UnixSeconds::new(kept.entered_at),
            rights: grant.rights().clone(),
            stay_until: kept.stay_until.map(UnixSeconds::new),
            other_credential: kept.other_credential,
            standing: Standing::withholding(kept.withheld.clone()),
        },
    );
    if let Some(code) = line.shut_out(gateway.lists(), now) {
        return Err(code);
    }
    let config = &gateway.config;
    let entered_at = UnixSeconds::new(kept.entered_at);
    let mut session = Session::new(lost.room_id().clone(), grant, config.streams, config.texts, now);
    let times = (entered_at, kept.stay_until.map(UnixSeconds::new));
    session.restore(times, &lost.presence().streams, &kept.playing, kept.withheld.clone());
    let seat = gateway.seats.take(app.app_id(), session_id, key, Arc::clone(&outbox));
    let Kept { user_name, sdk, .. } = kept;
    // Its client offers anew, by way of this node.
    let mut media = StayMedia::new(&gateway.media, app.app_id(), session.room_id(), &user_id).elsewhere_before();
    let (publishing, playing) = session.streams();
    media.follow(publishing, playing, GoneReason::Stopped);
    let mut stay = Stay { app, user_id, user_name, sdk, session_id, session, media, place: None, outbox, line, seat };
    let kept = Kept::of(&stay, stay.seat.key()).text();
    let adopted = gateway.nodes.adopt(lost, mark, kept.into(), Arc::clone(&stay.outbox)).await;
    let (place, returned) = adopted.ok_or(refused)?;
    stay.place = Some(place);
    Ok((Box::new(stay), returned))
}
