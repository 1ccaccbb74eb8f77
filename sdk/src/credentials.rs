//! What is shown at a login: whose it is, the token, the proof of the AppSign. Pure; decides nothing about when.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use roompass_wire::gateway::{AppSignProof, Hello, Login};
use token_gen::{
    AppId, AppSign, CHALLENGE_LEN, KitToken, LoginProof, RoomId, UnixSeconds, UserId, UserName, expire_at_unverified,
};
use zeroize::Zeroizing;

use crate::{error::Error, options::AuthMode, renewal};

/// The user of this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalUser {
    pub(crate) user_id: UserId,
    pub(crate) user_name: Option<UserName>,
}

impl LocalUser {
    /// A user who is shown to others by the id.
    ///
    /// # Errors
    /// [`Error::Argument`] for an id that the service does not take.
    pub fn new(user_id: &str) -> Result<Self, Error> {
        Ok(Self { user_id: UserId::new(user_id)?, user_name: None })
    }

    /// Is shown to others as `user_name`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that the service does not take.
    pub fn named(self, user_name: &str) -> Result<Self, Error> {
        Ok(Self { user_name: Some(UserName::new(user_name)?), ..self })
    }
}

/// Who wants to enter where.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) app_id: AppId,
    pub(crate) room_id: RoomId,
    pub(crate) user: LocalUser,
}

/// The server's time, as of the latest message that told it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerTime {
    told: i64,
    told_at: Duration,
}

impl ServerTime {
    /// The server said `told` when [`crate::Environment::now`] was `told_at`.
    pub(crate) fn new(told: i64, told_at: Duration) -> Self {
        Self { told, told_at }
    }

    /// The server's clock now, in Unix seconds.
    pub(crate) fn at(self, now: Duration) -> UnixSeconds {
        UnixSeconds::new(self.told).saturating_add(now.saturating_sub(self.told_at))
    }

    /// How long until `instant`; zero once it is past.
    pub(crate) fn left_until(self, instant: UnixSeconds, now: Duration) -> Duration {
        instant.duration_since(self.at(now))
    }
}

/// A token whose shape is right; nothing in it is proven.
#[derive(Clone)]
pub(crate) struct RoomToken {
    text: Zeroizing<String>,
    expire_at: UnixSeconds,
    /// How long it had to go when first seen; decides when it counts as old.
    life: Option<Duration>,
}

impl RoomToken {
    /// Takes a token, or a Kit Token that agrees with what is asked.
    pub(crate) fn parse(text: &str, asked: &Asked) -> Result<Self, Error> {
        if !text.contains('#') {
            return Ok(Self {
                expire_at: expire_at_unverified(text)?,
                text: Zeroizing::new(text.to_owned()),
                life: None,
            });
        }
        let kit = KitToken::parse_unverified(text)?;
        let mismatch = |part| Err(Error::KitTokenMismatch { part });
        if kit.info.app_id != asked.app_id {
            return mismatch("app");
        }
        if kit.info.user_id != asked.user.user_id.as_str() {
            return mismatch("user");
        }
        if kit.info.room_id.is_some_and(|room_id| room_id != asked.room_id.as_str()) {
            return mismatch("room");
        }
        Ok(Self { expire_at: expire_at_unverified(&kit.token)?, text: Zeroizing::new(kit.token), life: None })
    }

    /// The token itself, for the wire.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        *self.text == *other.text
    }

    pub(crate) fn expire_at(&self) -> UnixSeconds {
        self.expire_at
    }

    /// Notes how much of its life is left, the first time the server's clock is known.
    pub(crate) fn seen(&mut self, left: Duration) {
        self.life.get_or_insert(left);
    }

    /// How much of its life was left then.
    pub(crate) fn life(&self) -> Option<Duration> {
        self.life
    }

    /// Whether, with `left` to go, it should be replaced before another login.
    pub(crate) fn is_old(&self, left: Duration) -> bool {
        left.is_zero() || self.life.is_some_and(|life| left <= renewal::lead(life) && left < life)
    }
}

impl fmt::Debug for RoomToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomToken").field("expire_at", &self.expire_at.get()).finish_non_exhaustive()
    }
}

/// What a login or a switch shows.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    pub(crate) token: Option<String>,
    pub(crate) app_sign_proof: Option<AppSignProof>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

/// Exactly what `mode` says, or an error; never less.
pub(crate) fn show(mode: AuthMode, token: Option<&RoomToken>, proof: Option<AppSignProof>) -> Result<Shown, Error> {
    let token = || token.map(|token| token.expose().to_owned()).ok_or(Error::TokenRequired);
    let proof = || proof.ok_or_else(|| Error::config("auth mode", "needs an AppSign"));
    let (token, app_sign_proof) = match mode {
        AuthMode::AppSign => (None, Some(proof()?)),
        AuthMode::TokenPreferred => (Some(token()?), Some(proof()?)),
        AuthMode::TokenOnly => (Some(token()?), None),
    };
    Ok(Shown { token, app_sign_proof })
}

/// The login message.
pub(crate) fn login(id: u64, asked: &Asked, shown: Shown) -> Login {
    Login {
        id,
        app_id: asked.app_id.get(),
        user_id: asked.user.user_id.as_str().to_owned(),
        user_name: asked.user.user_name.as_ref().map(|name| name.as_str().to_owned()),
        room_id: asked.room_id.as_str().to_owned(),
        token: shown.token,
        app_sign_proof: shown.app_sign_proof,
        sdk: Some(concat!("roompass-sdk/", env!("CARGO_PKG_VERSION")).to_owned()),
    }
}

/// Shows that this client has the AppSign: good for this server, app, user, room, connection and moment only.
pub(crate) fn prove(
    app_sign: &AppSign,
    asked: &Asked,
    server_origin: &str,
    hello: &Hello,
    timestamp: UnixSeconds,
) -> Result<AppSignProof, Error> {
    let challenge: Option<[u8; CHALLENGE_LEN]> =
        STANDARD.decode(&hello.challenge).ok().and_then(|bytes| bytes.try_into().ok());
    let challenge = &challenge.ok_or(Error::Protocol { what: "its challenge is not 32 bytes of base64" })?;
    let proof = LoginProof {
        server_origin,
        app_id: asked.app_id,
        user_id: asked.user.user_id.as_str(),
        room_id: asked.room_id.as_str(),
        challenge,
        timestamp,
    };
    Ok(AppSignProof { timestamp: timestamp.get(), proof: STANDARD.encode(proof.compute(app_sign)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token's clear part: the version and eight bytes of expiry; the sealed part does not matter here.
    fn token_text(expire_at: i64) -> String {
        let mut bytes = expire_at.to_be_bytes().to_vec();
        bytes.extend([7; 24]);
        format!("04{}", STANDARD.encode(bytes))
    }

    fn asked() -> Asked {
        Asked {
            app_id: AppId::new(7).unwrap(),
            room_id: RoomId::new("lobby").unwrap(),
            user: LocalUser::new("alice").unwrap(),
        }
    }

    #[test]
    fn a_kit_token_must_agree_with_what_is_asked() {
        let kit = |app_id, user_id, room_id| {
            KitToken::compose(
                &token_text(1000),
                AppId::new(app_id).unwrap(),
                &UserId::new(user_id).unwrap(),
                &RoomId::new(room_id).unwrap(),
                None,
            )
        };
        let token = RoomToken::parse(&kit(7, "alice", "lobby"), &asked()).unwrap();
        assert_eq!(token.expose(), token_text(1000));
        assert_eq!(token.expire_at(), UnixSeconds::new(1000));
        for (text, part) in
            [(kit(8, "alice", "lobby"), "app"), (kit(7, "bob", "lobby"), "user"), (kit(7, "alice", "attic"), "room")]
        {
            let error = RoomToken::parse(&text, &asked()).unwrap_err();
            assert!(matches!(error, Error::KitTokenMismatch { part: found } if found == part), "{error}");
        }
        for text in ["", "04", "nonsense", "04#e30=", "#"] {
            assert!(RoomToken::parse(text, &asked()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mode_shows_exactly_its_credentials_or_fails() {
        let token = RoomToken::parse(&token_text(1000), &asked()).unwrap();
        let proof = AppSignProof { timestamp: 1, proof: String::new() };
        for (mode, needs_token, needs_proof) in [
            (AuthMode::AppSign, false, true),
            (AuthMode::TokenPreferred, true, true),
            (AuthMode::TokenOnly, true, false),
        ] {
            for (has_token, has_proof) in [(false, false), (false, true), (true, false), (true, true)] {
                let made = show(mode, has_token.then_some(&token), has_proof.then(|| proof.clone()));
                let complete = (has_token || !needs_token) && (has_proof || !needs_proof);
                assert_eq!(made.is_ok(), complete, "{mode:?} {has_token} {has_proof}");
                if let Ok(shown) = made {
                    let made = login(1, &asked(), shown);
                    assert_eq!((made.token.is_some(), made.app_sign_proof.is_some()), (needs_token, needs_proof));
                }
            }
        }
    }

    #[test]
    fn a_token_grows_old_within_its_lead_but_a_new_one_is_never_old() {
        let mut token = RoomToken::parse(&token_text(1000), &asked()).unwrap();
        assert!(!token.is_old(Duration::from_secs(20)));
        token.seen(Duration::from_secs(100));
        for (left, old) in [(100, false), (31, false), (30, true), (0, true)] {
            assert_eq!(token.is_old(Duration::from_secs(left)), old, "{left}");
        }
        let mut short = RoomToken::parse(&token_text(1000), &asked()).unwrap();
        short.seen(Duration::from_secs(2));
        assert!(!short.is_old(Duration::from_secs(2)));
    }

    #[test]
    fn time_is_the_servers() {
        let time = ServerTime::new(1_000, Duration::from_secs(50));
        assert_eq!(time.at(Duration::from_secs(60)), UnixSeconds::new(1_010));
        assert_eq!(time.left_until(UnixSeconds::new(1_030), Duration::from_secs(60)), Duration::from_secs(20));
        assert_eq!(time.left_until(UnixSeconds::new(900), Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn a_challenge_of_the_wrong_size_is_not_proven_to() {
        let app_sign = AppSign::new(&"ab".repeat(32)).unwrap();
        for challenge in ["", "AAAA", "not base64"] {
            let hello = Hello {
                protocol: String::new(),
                challenge: challenge.to_owned(),
                server_time: 0,
                login_timeout_secs: 10,
            };
            let made = prove(&app_sign, &asked(), "https://rtc.example.com", &hello, UnixSeconds::new(0));
            assert!(matches!(made, Err(Error::Protocol { .. })));
        }
    }
}
