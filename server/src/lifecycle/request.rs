//! What callers may ask for: targets, times and reasons, each fault with its field.

use roompass_wire::http::{BanRequest, RevokeRequest};
use token_gen::{RoomScope, TokenId, UnixSeconds};

use crate::{
    bans::{self, IpRangeFault},
    error::Error,
    keys::Scope,
    revocations::{ISSUE_SKEW, Target},
    tokens::Checked,
};

/// Ids sealed elsewhere may be longer than ours and of any script, but not longer than this.
const MAX_ID_BYTES: usize = 512;
const MAX_REASON_BYTES: usize = 255;
/// A hundred years.
const MAX_BAN_SECS: u64 = 3_153_600_000;

/// Which tokens `request` ends. `shown` says what its `token` turned out to be, if it is good.
///
/// # Errors
/// [`Error::Field`].
pub fn revocation_target(scope: &Scope, request: &RevokeRequest, shown: Option<&Checked>) -> Result<Target, Error> {
    let RevokeRequest { token, token_id, user_id, room_id, whole_app, .. } = request;
    let given = [
        ("token", token.is_some()),
        ("token_id", token_id.is_some()),
        ("user_id", user_id.is_some()),
        ("whole_app", whole_app.is_some()),
    ];
    let given: Vec<&str> = given.into_iter().filter_map(|(field, is_given)| is_given.then_some(field)).collect();
    let target = match (given[..].first().copied(), room_id) {
        (None, None) => {
            let reason = "is needed, or token_id, user_id, room_id, user_id with room_id, or whole_app";
            return Err(Error::field("token", reason));
        }
        _ if given.len() > 1 => {
            return Err(Error::field(given[1], format!("cannot go together with `{}`: name one target", given[0])));
        }
        (Some(field), Some(_)) if field != "user_id" => {
            return Err(Error::field("room_id", format!("cannot go together with `{field}`: name one target")));
        }
        (_, room_id) => match (token, token_id, user_id, room_id) {
            (Some(token), ..) => Target::Token(shown_token_id(token)?),
            (_, Some(token_id), ..) => {
                let reason = "must be the 22 characters of a token_id";
                Target::Token(TokenId::parse(token_id).ok_or_else(|| Error::field("token_id", reason))?)
            }
            (.., Some(user_id), None) => Target::User(id("user_id", user_id)?),
            (.., Some(user_id), Some(room_id)) => {
                Target::UserInRoom { user_id: id("user_id", user_id)?, room_id: id("room_id", room_id)? }
            }
            (.., None, Some(room_id)) => Target::Room(id("room_id", room_id)?),
            _ if *whole_app == Some(true) => Target::App,
            _ => return Err(Error::field("whole_app", "must be true, or left out")),
        },
    };
    reaches_tokens(scope, &target, shown)?;
    Ok(target)
}

/// Any text is ended that could be a token: whether it is one makes no difference to the answer.
fn shown_token_id(token: &str) -> Result<TokenId, Error> {
    let bare = token.split_once('#').map_or(token, |(token, _)| token);
    if bare.len() > token_gen::Limits::STRICT.max_token_bytes || token_gen::version_unverified(bare).is_err() {
        return Err(Error::field("token", "must be a token: it begins with 04 or 03 and has at most 8 KiB"));
    }
    Ok(TokenId::of(bare))
}

/// A key bound to rooms ends only what is of those rooms.
fn reaches_tokens(scope: &Scope, target: &Target, shown: Option<&Checked>) -> Result<(), Error> {
    let is_reached = match target {
        _ if scope.room_prefix.is_empty() => true,
        Target::Room(room_id) | Target::UserInRoom { room_id, .. } => room_id.starts_with(&scope.room_prefix),
        Target::Token(_) => shown.is_some_and(|checked| is_of_rooms(scope, checked)),
        Target::User(_) | Target::App => false,
    };
    if is_reached { Ok(()) } else { Err(bound_to_rooms(scope)) }
}

/// Whether a token names a room that a key bound to rooms reaches.
pub(crate) fn is_of_rooms(scope: &Scope, checked: &Checked) -> bool {
    match checked.rights.room() {
        RoomScope::Only(room_id) => room_id.starts_with(&scope.room_prefix),
        RoomScope::Several(several) => several.iter().all(|room_id| room_id.starts_with(&scope.room_prefix)),
        RoomScope::Any => scope.room_prefix.is_empty(),
    }
}

fn bound_to_rooms(scope: &Scope) -> Error {
    Error::field(
        "room_id",
        format!("must begin with `{}` for this key, which reaches no other tokens", scope.room_prefix),
    )
}

/// The last second of issue that is ended: one token at any time, others up to now unless the request says otherwise.
///
/// # Errors
/// [`Error::Field`] for a second beyond what any minting machine's clock may show: a revocation is no ban.
pub fn issued_before(target: &Target, asked: Option<i64>, now: UnixSeconds) -> Result<UnixSeconds, Error> {
    let latest = now.saturating_add(ISSUE_SKEW);
    match asked.map(UnixSeconds::new) {
        Some(asked) if asked > latest => {
            let reason = format!("must not be later than {latest}; to keep somebody out from now on, ban them");
            Err(Error::field("issued_before", reason))
        }
        Some(asked) if asked.get() < 0 => Err(Error::field("issued_before", "must be Unix seconds from 0 on")),
        Some(asked) => Ok(asked),
        None if matches!(target, Target::Token(_)) => Ok(UnixSeconds::new(i64::MAX)),
        None => Ok(now),
    }
}

/// Whom `request` keeps out.
///
/// # Errors
/// [`Error::Field`].
pub fn ban_target(scope: &Scope, request: &BanRequest) -> Result<bans::Target, Error> {
    let target = match (&request.user_id, &request.room_id, &request.ip_range) {
        (None, None, None) => {
            return Err(Error::field("user_id", "is needed, or room_id, user_id with room_id, or ip_range"));
        }
        (None, None, Some(range)) => {
            let range = range.parse().map_err(|fault: IpRangeFault| Error::field("ip_range", fault.to_string()))?;
            bans::Target::IpRange(range)
        }
        (_, _, Some(_)) => return Err(Error::field("ip_range", "cannot go together with another target")),
        (Some(user_id), None, None) => bans::Target::User(id("user_id", user_id)?),
        (None, Some(room_id), None) => bans::Target::Room(id("room_id", room_id)?),
        (Some(user_id), Some(room_id), None) => {
            bans::Target::UserInRoom { user_id: id("user_id", user_id)?, room_id: id("room_id", room_id)? }
        }
    };
    reaches_ban(scope, &target)?;
    Ok(target)
}

/// A key bound to rooms bans from those rooms only.
pub(super) fn reaches_ban(scope: &Scope, target: &bans::Target) -> Result<(), Error> {
    let is_reached = match target {
        _ if scope.room_prefix.is_empty() => true,
        bans::Target::Room(room_id) | bans::Target::UserInRoom { room_id, .. } => {
            room_id.starts_with(&scope.room_prefix)
        }
        bans::Target::User(_) | bans::Target::IpRange(_) => false,
    };
    if is_reached { Ok(()) } else { Err(bound_to_rooms(scope)) }
}

/// When a ban made at `now` ends.
///
/// # Errors
/// [`Error::Field`].
pub fn duration(asked: Option<u64>, now: UnixSeconds) -> Result<Option<UnixSeconds>, Error> {
    match asked {
        None => Ok(None),
        Some(secs @ 1..=MAX_BAN_SECS) => Ok(Some(now.saturating_add(std::time::Duration::from_secs(secs)))),
        Some(_) => Err(Error::field("duration_secs", format!("must be 1 to {MAX_BAN_SECS}"))),
    }
}

/// A reason fit for lists and logs.
///
/// # Errors
/// [`Error::Field`].
pub fn reason(asked: Option<&str>) -> Result<Option<String>, Error> {
    match asked {
        Some(reason) if reason.is_empty() || reason.len() > MAX_REASON_BYTES || reason.chars().any(is_unprintable) => {
            Err(Error::field("reason", format!("must be 1 to {MAX_REASON_BYTES} bytes without control characters")))
        }
        reason => Ok(reason.map(str::to_owned)),
    }
}

/// An id as tokens from elsewhere may carry it: any script, compared byte for byte.
fn id(field: &'static str, text: &str) -> Result<String, Error> {
    if text.is_empty() || text.len() > MAX_ID_BYTES || text.chars().any(is_unprintable) {
        return Err(Error::field(field, format!("must be 1 to {MAX_ID_BYTES} bytes without control characters")));
    }
    Ok(text.to_owned())
}

/// Control characters, and those that turn the direction of what stands around them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
