//! Every knob of the client and its default.

use std::{fmt, sync::Arc, time::Duration};

use rustls::ClientConfig;
use token_gen::{AppId, AppSign};

use crate::{
    client::Client,
    environment::{Environment, SystemEnvironment},
    error::Error,
    provider::{Provider, TokenProvider},
    server_url::ServerUrl,
    tls,
};

/// What a login shows to the server. Never changes by itself during a stay: a refused token is not replaced by an
/// AppSign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMode {
    /// A proof of the AppSign and nothing else. The app is proven, the user is not.
    AppSign,
    /// The token, and beside it a proof of the AppSign. What both together mean is the app's setting at the server.
    TokenPreferred,
    /// The token and nothing else.
    TokenOnly,
}

/// What a [`Client`] needs to know; made by [`Client::builder`].
pub struct ClientBuilder {
    app_id: u32,
    server_urls: Vec<String>,
    plain_allowed: bool,
    app_sign: Option<AppSign>,
    provider: Option<Arc<dyn Provider>>,
    mode: Option<AuthMode>,
    root_pems: Vec<Vec<u8>>,
    limits: Limits,
    environment: Arc<dyn Environment>,
}

impl ClientBuilder {
    pub(crate) fn new(app_id: u32, server_url: &str) -> Self {
        Self {
            app_id,
            server_urls: vec![server_url.to_owned()],
            plain_allowed: false,
            app_sign: None,
            provider: None,
            mode: None,
            root_pems: Vec::new(),
            limits: Limits::DEFAULT,
            environment: Arc::new(SystemEnvironment::new()),
        }
    }

    /// Another server of the same service, for when those named before it do not answer. May be called several times;
    /// a server that has let the user in is kept until it fails.
    pub fn fallback_url(mut self, server_url: &str) -> Self {
        self.server_urls.push(server_url.to_owned());
        self
    }

    /// The AppSign of this build. It never leaves the client: logins carry a proof that it is there.
    pub fn app_sign(mut self, app_sign: AppSign) -> Self {
        self.app_sign = Some(app_sign);
        self
    }

    /// Whom to ask for tokens. Without a provider, the app passes the token to [`Client::login_room_with_token`] and
    /// renews it itself.
    pub fn token_provider(mut self, provider: impl TokenProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// What logins show. By default it follows from what there is: the AppSign alone, the token alone, or, with an
    /// AppSign and also a provider or a passed token, both.
    pub fn auth_mode(mut self, mode: AuthMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Also trusts the certificates of a PEM file.
    pub fn tls_root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_pems.push(pem.into());
        self
    }

    /// Allows `http` and `ws` to other machines than this one. Tokens can then be read on the way.
    pub fn allow_plain_text(mut self) -> Self {
        self.plain_allowed = true;
        self
    }

    /// How long a connection may take until the server greets. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect = timeout;
        self
    }

    /// How long the server may take to answer a request. Default 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.limits.request = timeout;
        self
    }

    /// How long the first login may take, calls of the token provider included. Default 30 s. Within it a server that is
    /// too busy and says when to come again is asked again then.
    pub fn login_timeout(mut self, timeout: Duration) -> Self {
        self.limits.login = timeout;
        self
    }

    /// How long the SDK tries to come back before it gives a room up. Default 20 min.
    pub fn reconnect_limit(mut self, limit: Duration) -> Self {
        self.limits.reconnect = limit;
        self
    }

    /// After how much silence the SDK asks whether the server is still there. Default 25 s, at least 1 s.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.limits.keep_alive = silence;
        self
    }

    /// How many events wait for a slow listener before it misses the oldest. Default 256.
    pub fn event_buffer(mut self, events: usize) -> Self {
        self.limits.event_buffer = events;
        self
    }

    /// Where time and chance come from. For tests.
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Checks everything and makes the client. Opens no connection.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error naming the option at fault.
    pub fn build(self) -> Result<Client, Error> {
        let servers = self.server_urls.iter().map(|url| ServerUrl::parse(url, self.plain_allowed));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        if matches!(self.mode, Some(AuthMode::AppSign | AuthMode::TokenPreferred)) && self.app_sign.is_none() {
            return Err(Error::config("auth mode", "needs an AppSign"));
        }
        // More would be refused by the channel, and nobody reads that far back.
        if !(1..=65_536).contains(&self.limits.event_buffer) {
            return Err(Error::config("event buffer", "must be from 1 to 65536"));
        }
        if self.limits.keep_alive < LEAST_KEEP_ALIVE {
            return Err(Error::config("keep alive", "must be at least 1 s"));
        }
        let mut roots = Vec::new();
        for pem in &self.root_pems {
            roots.extend(tls::roots_from_pem(pem)?);
        }
        let tls = if servers.iter().any(ServerUrl::is_secure) { Some(Arc::new(tls::trusting(&roots)?)) } else { None };
        Ok(Client::new(Options {
            app_id: AppId::new(self.app_id)?,
            servers,
            tls,
            app_sign: self.app_sign,
            provider: self.provider,
            mode: self.mode,
            limits: self.limits.bounded(),
            environment: self.environment,
        }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("app_id", &self.app_id).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// A checked [`ClientBuilder`].
pub(crate) struct Options {
    pub(crate) app_id: AppId,
    /// At least one, in the order of preference.
    pub(crate) servers: Vec<ServerUrl>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) app_sign: Option<AppSign>,
    pub(crate) provider: Option<Arc<dyn Provider>>,
    pub(crate) mode: Option<AuthMode>,
    pub(crate) limits: Limits,
    pub(crate) environment: Arc<dyn Environment>,
}

impl Options {
    /// What a stay that begins with or without a passed token will show, for all of its life.
    pub(crate) fn mode(&self, has_token: bool) -> AuthMode {
        match (self.mode, &self.app_sign) {
            (Some(mode), _) => mode,
            (None, None) => AuthMode::TokenOnly,
            (None, Some(_)) if has_token || self.provider.is_some() => AuthMode::TokenPreferred,
            (None, Some(_)) => AuthMode::AppSign,
        }
    }
}

/// With less, the SDK would do little else than ask, and the server cut it off.
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
    pub(crate) login: Duration,
    pub(crate) reconnect: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) event_buffer: usize,
}

impl Limits {
    const DEFAULT: Self = Self {
        connect: Duration::from_secs(10),
        request: Duration::from_secs(10),
        login: Duration::from_secs(30),
        reconnect: Duration::from_secs(20 * 60),
        keep_alive: Duration::from_secs(25),
        event_buffer: 256,
    };

    /// The same, but never so long that there is no such moment: "for ever" is written as [`Duration::MAX`].
    fn bounded(self) -> Self {
        let bounded = |limit: Duration| limit.min(Duration::from_secs(u32::MAX.into()));
        Self {
            connect: bounded(self.connect),
            request: bounded(self.request),
            login: bounded(self.login),
            reconnect: bounded(self.reconnect),
            keep_alive: bounded(self.keep_alive),
            event_buffer: self.event_buffer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FixedToken, TokenAnswer, TokenRequest};

    fn app_sign() -> AppSign {
        AppSign::new(&"ab".repeat(32)).unwrap()
    }

    #[test]
    fn the_mode_follows_from_what_there_is_unless_it_is_said() {
        let base = || ClientBuilder::new(1, "http://127.0.0.1:1");
        let mode = |builder: ClientBuilder, has_token| builder.build().unwrap().options().mode(has_token);
        assert_eq!(mode(base().app_sign(app_sign()), false), AuthMode::AppSign);
        assert_eq!(mode(base().app_sign(app_sign()), true), AuthMode::TokenPreferred);
        assert_eq!(
            mode(base().app_sign(app_sign()).token_provider(FixedToken::new("t")), false),
            AuthMode::TokenPreferred
        );
        assert_eq!(mode(base(), true), AuthMode::TokenOnly);
        assert_eq!(mode(base().app_sign(app_sign()).auth_mode(AuthMode::TokenOnly), true), AuthMode::TokenOnly);
        assert_eq!(mode(base().app_sign(app_sign()).auth_mode(AuthMode::AppSign), true), AuthMode::AppSign);
    }

    #[test]
    fn what_cannot_work_is_refused_when_the_client_is_made() {
        let base = || ClientBuilder::new(1, "http://127.0.0.1:1");
        for builder in [
            ClientBuilder::new(0, "http://127.0.0.1:1"),
            ClientBuilder::new(1, "http://rtc.example.com"),
            base().fallback_url("http://rtc.example.com"),
            base().auth_mode(AuthMode::AppSign),
            base().auth_mode(AuthMode::TokenPreferred),
            base().event_buffer(0),
            base().keep_alive(Duration::from_millis(999)),
            base().tls_root_pem("nonsense"),
        ] {
            assert!(builder.build().is_err());
        }
        assert!(ClientBuilder::new(1, "http://rtc.example.com").allow_plain_text().build().is_ok());
    }

    #[test]
    fn a_limit_that_never_comes_can_be_waited_for() {
        let builder = ClientBuilder::new(1, "http://127.0.0.1:1").connect_timeout(Duration::MAX);
        let builder = builder.request_timeout(Duration::MAX).login_timeout(Duration::MAX);
        let client = builder.reconnect_limit(Duration::MAX).keep_alive(Duration::MAX).build().unwrap();
        let Limits { connect, request, login, reconnect, keep_alive, .. } = client.options().limits;
        let age_of_the_process = Duration::from_secs(1 << 32);
        for limit in [connect, request, login, reconnect, keep_alive] {
            assert!(age_of_the_process.checked_add(limit).is_some());
        }
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let builder = ClientBuilder::new(1, "http://127.0.0.1:1")
            .app_sign(app_sign())
            .token_provider(|_: TokenRequest| async { TokenAnswer::Retry });
        assert!(!format!("{builder:?}").contains("abab"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("abab"));
    }
}
