//! STUN and TURN servers for clients, and credentials for the latter in the form of the TURN REST API that coturn and
//! others check: the user name says until when it is good, the password is its HMAC. Pure: `now` and secrets are arguments.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

/// A secret shared with the TURN servers.
#[derive(Clone)]
pub struct TurnSecret(Zeroizing<String>);

impl TurnSecret {
    /// `secret`, as it stands in the TURN server's configuration.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl std::fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnSecret(…)")
    }
}

/// The servers to tell clients of.
#[derive(Debug, Clone, Default)]
pub struct IceServers {
    /// `stun:` URLs.
    pub stun: Vec<String>,
    /// `turn:` and `turns:` URLs.
    pub turn: Vec<String>,
    /// The secrets of the TURN servers. Credentials are minted with the first. To rotate, let the TURN servers know old and
    /// new, put the new one first here, and take the old one away from both once its last credential has expired.
    pub secrets: Vec<TurnSecret>,
    /// How long a credential is good, in seconds.
    pub ttl_secs: u64,
}

/// One entry of a client's `iceServers`.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// The URLs.
    pub urls: Vec<String>,
    /// The user name and the password, for TURN.
    pub credential: Option<TurnCredential>,
}

/// A credential for TURN servers.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredential {
    /// The Unix second at which it expires, a colon, and the user.
    pub username: String,
    /// The HMAC-SHA1 of it, in standard base64 with padding.
    pub password: String,
}

impl IceServers {
    /// What to tell the client of `user` at Unix second `now`. The TURN servers only judge when an allocation is made:
    /// what keeps a client from media is this crate, not the end of its credential.
    pub fn for_user(&self, user: &str, now: u64) -> Vec<IceServer> {
        let stun = IceServer { urls: self.stun.clone(), credential: None };
        let credential = self.secrets.first().map(|secret| TurnCredential::mint(secret, user, now + self.ttl_secs));
        let turn = IceServer { urls: self.turn.clone(), credential };
        [stun, turn].into_iter().filter(|server| !server.urls.is_empty()).collect()
    }
}

impl TurnCredential {
    /// A credential of `user` that is good until the Unix second `expire_at`.
    pub fn mint(secret: &TurnSecret, user: &str, expire_at: u64) -> Self {
        let username = format!("{expire_at}:{user}");
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.0.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(username.as_bytes());
        let password = STANDARD.encode(mac.finalize().into_bytes());
        Self { username, password }
    }
}

impl std::fmt::Debug for TurnCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnCredential").field("username", &self.username).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).field("credential", &self.credential).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> IceServers {
        IceServers {
            stun: vec!["stun:stun.example.org".into()],
            turn: vec!["turn:turn.example.org?transport=udp".into()],
            secrets: vec![TurnSecret::new("new".into()), TurnSecret::new("old".into())],
            ttl_secs: 600,
        }
    }

    #[test]
    fn a_credential_is_the_hmac_of_its_user_name() {
        // printf 1000000600:alice | openssl dgst -sha1 -hmac new -binary | base64
        let minted = TurnCredential::mint(&TurnSecret::new("new".into()), "alice", 1_000_000_600);
        assert_eq!(minted.username, "1000000600:alice");
        assert_eq!(minted.password, "amIyiMOyvIRI6E6M68yw4AEezXk=");
    }

    #[test]
    fn the_first_secret_mints_and_its_life_starts_now() {
        let told = servers().for_user("alice", 1_000_000_000);
        assert_eq!(told[0], IceServer { urls: vec!["stun:stun.example.org".into()], credential: None });
        let expected = TurnCredential::mint(&TurnSecret::new("new".into()), "alice", 1_000_000_600);
        assert_eq!(told[1].credential, Some(expected));
    }

    #[test]
    fn servers_that_are_not_there_are_not_told() {
        assert_eq!(IceServers::default().for_user("alice", 0), []);
    }

    #[test]
    fn neither_secrets_nor_passwords_are_shown() {
        let shown = format!("{:?} {:?}", servers(), servers().for_user("alice", 0));
        let password = TurnCredential::mint(&TurnSecret::new("new".into()), "alice", 600).password;
        assert!(!shown.contains("\"new\"") && !shown.contains(&password), "{shown}");
    }
}
