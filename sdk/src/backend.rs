//! For the app's backend: asks the server to mint, judge and end tokens, with a backend key that is shown or that signs.
//! Never part of a client build.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{
    Method, Request, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use roompass_wire::http::{
    BAN_PATH, BANS_PATH, BanRequest, BanResponse, EXPLAIN_PATH, ExplainRequest, ExplainResponse, INTROSPECT_PATH,
    IntrospectRequest, IntrospectResponse, LiftBanResponse, MintBatchRequest, MintBatchResponse, MintRequest,
    MintResponse, REVOKE_PATH, RevokeRequest, RevokeResponse, TOKENS_BATCH_PATH, TOKENS_PATH,
};
use serde::{Serialize, de::DeserializeOwned};
use token_gen::{AppId, UnixSeconds};
use zeroize::Zeroizing;

use crate::{
    environment,
    error::Error,
    http,
    server_url::ServerUrl,
    signed::{RequestSigner, Unsigned},
    tls,
};

const TIME_LIMIT: Duration = Duration::from_secs(10);
/// A thousand tokens with everything that a token may carry.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
const JSON: &str = "application/json";

/// The key that an app's backend shows to the server. It can mint tokens for every user of the app.
#[derive(Clone)]
pub struct BackendKey(Zeroizing<String>);

impl BackendKey {
    /// Takes the key's text.
    pub fn new(key: impl Into<String>) -> Self {
        Self(Zeroizing::new(key.into()))
    }
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendKey(..)")
    }
}

/// The server's HTTP API, as an app's backend uses it. What a key may do is decided when it is made; see `roompass key`.
///
/// ```no_run
/// use roompass_sdk::{BackendClient, BackendKey, MintRequest};
///
/// # async fn run() -> Result<(), roompass_sdk::Error> {
/// let backend = BackendClient::new("https://rtc.example.com", 1234567890, BackendKey::new("key"))?;
/// let request = MintRequest { user_id: "alice".into(), room_id: Some("lobby".into()), ..Default::default() };
/// let minted = backend.mint(&request).await?;
/// println!("{} is good until {}", minted.token_id, minted.expire_at);
/// # Ok(()) }
/// ```
///
/// With a key that was made with `--signed`, the key never leaves the backend, and no request can be changed on the way
/// or sent twice:
///
/// ```no_run
/// use roompass_sdk::{BackendClient, BackendKey, IntrospectResponse, RevokeRequest};
///
/// # async fn run(token: &str) -> Result<(), roompass_sdk::Error> {
/// let backend = BackendClient::signed("https://rtc.example.com", 1234567890, BackendKey::new("rp_id_key"))?;
/// if let IntrospectResponse::Active(active) = backend.introspect(token).await? {
///     // Every token that this user has by now, and no later one.
///     let of_user = RevokeRequest { user_id: Some(active.user_id), ..Default::default() };
///     backend.revoke(&of_user).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BackendClient {
    http: reqwest::Client,
    server: ServerUrl,
    app_id: AppId,
    proof: Proof,
}

/// How the backend proves who it is.
#[derive(Clone)]
enum Proof {
    /// It shows its key.
    Shown(HeaderValue),
    /// It signs each request.
    Signed { signer: RequestSigner, now: Date },
}

type Date = Arc<dyn Fn() -> UnixSeconds + Send + Sync>;

impl BackendClient {
    /// For the server at `server_url`, which must be encrypted unless it is this machine.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when the address, the app id or the key cannot be used.
    pub fn new(server_url: &str, app_id: u32, key: BackendKey) -> Result<Self, Error> {
        Self::over(ServerUrl::parse(server_url, false)?, app_id, shown(&key)?)
    }

    /// As [`BackendClient::new`], with a key that was made with `--signed`: each request carries a signature that is
    /// good once, within a minute, and the key itself stays here.
    ///
    /// # Errors
    /// As [`BackendClient::new`]; also for a key of another shape.
    pub fn signed(server_url: &str, app_id: u32, key: BackendKey) -> Result<Self, Error> {
        let proof = Proof::Signed { signer: RequestSigner::new(&key.0)?, now: Arc::new(environment::date) };
        Self::over(ServerUrl::parse(server_url, false)?, app_id, proof)
    }

    /// Where the date in signatures comes from; the machine's clock, unless it is said here. Without signatures, nobody
    /// asks for it.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> UnixSeconds + Send + Sync + 'static) -> Self {
        if let Proof::Signed { now: date, .. } = &mut self.proof {
            *date = Arc::new(now);
        }
        self
    }

    /// As [`BackendClient::new`], but goes unencrypted to any machine: the key can be read on the way.
    ///
    /// # Errors
    /// As [`BackendClient::new`].
    pub fn new_allowing_plain_text(server_url: &str, app_id: u32, key: BackendKey) -> Result<Self, Error> {
        Self::over(ServerUrl::parse(server_url, true)?, app_id, shown(&key)?)
    }

    /// Also trusts the certificates of a PEM file.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when there is no certificate in it.
    pub fn tls_root_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.http = http::client(self.server.is_secure(), &tls::roots_from_pem(pem)?, TIME_LIMIT)?;
        Ok(self)
    }

    fn over(server: ServerUrl, app_id: u32, proof: Proof) -> Result<Self, Error> {
        let http = http::client(server.is_secure(), &[], TIME_LIMIT)?;
        Ok(Self { http, server, app_id: AppId::new(app_id)?, proof })
    }

    /// Has a token minted.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code, and the field at fault, when the server says no.
    pub async fn mint(&self, request: &MintRequest) -> Result<MintResponse, Error> {
        self.post(TOKENS_PATH, request).await
    }

    /// Has up to [`MintBatchRequest::MAX_ITEMS`] tokens minted; each is minted or refused on its own.
    ///
    /// # Errors
    /// As [`BackendClient::mint`], when the request as a whole is refused.
    pub async fn mint_batch(&self, request: &MintBatchRequest) -> Result<MintBatchResponse, Error> {
        self.post(TOKENS_BATCH_PATH, request).await
    }

    /// Asks whether a token is good now, and for what. Nothing is said of one that is of another app, expired or
    /// damaged, but that it is not.
    ///
    /// # Errors
    /// As [`BackendClient::mint`].
    pub async fn introspect(&self, token: &str) -> Result<IntrospectResponse, Error> {
        self.post(INTROSPECT_PATH, &IntrospectRequest { token: token.to_owned() }).await
    }

    /// Asks what would become of a login with a token, exactly why, and what to do about it.
    ///
    /// # Errors
    /// As [`BackendClient::mint`].
    pub async fn explain(&self, request: &ExplainRequest) -> Result<ExplainResponse, Error> {
        self.post(EXPLAIN_PATH, request).await
    }

    /// Ends tokens before their time, and the stays of those who came in by them. Doing it twice is fine.
    ///
    /// # Errors
    /// As [`BackendClient::mint`].
    pub async fn revoke(&self, request: &RevokeRequest) -> Result<RevokeResponse, Error> {
        self.post(REVOKE_PATH, request).await
    }

    /// Keeps somebody out, whatever tokens they get.
    ///
    /// # Errors
    /// As [`BackendClient::mint`].
    pub async fn ban(&self, request: &BanRequest) -> Result<BanResponse, Error> {
        self.post(BANS_PATH, request).await
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// As [`BackendClient::mint`]: [`crate::ErrorCode::NotFound`] when there is none by that id. A
    /// [`crate::ErrorKind::Usage`] error for what is no id.
    pub async fn lift_ban(&self, ban_id: &str) -> Result<LiftBanResponse, Error> {
        if ban_id.is_empty() || !ban_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(Error::config("ban id", "must be one that a ban was named by"));
        }
        self.send(Method::DELETE, &BAN_PATH.replace("{ban_id}", ban_id), None).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, request: &impl Serialize) -> Result<T, Error> {
        // Names, numbers and texts into memory: serde_json has no way to fail here.
        let body = Zeroizing::new(serde_json::to_vec(request).unwrap_or_default());
        self.send(Method::POST, path, Some(&body)).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&[u8]>) -> Result<T, Error> {
        let path = path.replace("{app_id}", &self.app_id.to_string());
        let mut request = Request::new(method, self.server.join(&path));
        let authorization = match &self.proof {
            Proof::Shown(key) => key.clone(),
            Proof::Signed { signer, now } => sign(signer, now(), &request, body)?,
        };
        request.headers_mut().insert(AUTHORIZATION, authorization);
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            *request.body_mut() = Some(body.to_vec().into());
        }
        let response = self.http.execute(request).await.map_err(|error| Error::http(error, TIME_LIMIT))?;
        answer(response).await
    }
}

/// The header of a backend that shows its key.
fn shown(key: &BackendKey) -> Result<Proof, Error> {
    let text = Zeroizing::new(format!("Bearer {}", *key.0));
    let mut authorization = HeaderValue::try_from(text.as_str())
        .map_err(|_| Error::config("backend key", "holds a character that HTTP does not allow"))?;
    authorization.set_sensitive(true);
    Ok(Proof::Shown(authorization))
}

/// The header of a backend that signs, for a request that is sent as it is here.
fn sign(
    signer: &RequestSigner,
    now: UnixSeconds,
    request: &Request,
    body: Option<&[u8]>,
) -> Result<HeaderValue, Error> {
    let url = request.url();
    let unsigned = Unsigned {
        method: request.method().as_str(),
        host: &host(url),
        path: url.path(),
        query: url.query(),
        content_type: body.map(|_| JSON),
        body: body.unwrap_or_default(),
    };
    let signature = signer.sign(&unsigned, now)?;
    let mut authorization = HeaderValue::try_from(signature)
        .map_err(|_| Error::config("backend key", "holds a character that HTTP does not allow"))?;
    authorization.set_sensitive(true);
    Ok(authorization)
}

/// What the HTTP client puts into `Host`: the port only if it is not the usual one.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The body of a success, or the problem document as an error.
async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).cloned();
    let body = Zeroizing::new(http::body_up_to(MAX_ANSWER_BYTES, response, TIME_LIMIT).await?);
    if status.is_success() {
        // The reader's own message could quote the body.
        return serde_json::from_slice(&body).map_err(|_| Error::Protocol { what: "its answer cannot be read" });
    }
    Err(Error::answered(status.as_u16(), retry_after.as_ref().map(HeaderValue::as_bytes), &body))
}

impl fmt::Debug for BackendClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendClient")
            .field("server", &self.server.origin())
            .field("app_id", &self.app_id.get())
            .finish()
    }
}
