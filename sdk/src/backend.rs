//! For the app's backend: asks the server to mint tokens, with a backend key. Never part of a client build.

use std::{fmt, time::Duration};

use reqwest::{
    Method, Response,
    header::{HeaderValue, RETRY_AFTER},
};
use roompass_wire::http::{MintRequest, MintResponse, TOKENS_PATH};
use serde::de::DeserializeOwned;
use token_gen::AppId;
use zeroize::Zeroizing;

use crate::{error::Error, http, server_url::ServerUrl, tls};

const TIME_LIMIT: Duration = Duration::from_secs(10);

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

/// The server's HTTP API, as an app's backend uses it.
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
#[derive(Clone)]
pub struct BackendClient {
    http: reqwest::Client,
    server: ServerUrl,
    app_id: AppId,
    authorization: HeaderValue,
}

impl BackendClient {
    /// For the server at `server_url`, which must be encrypted unless it is this machine.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when the address, the app id or the key cannot be used.
    pub fn new(server_url: &str, app_id: u32, key: BackendKey) -> Result<Self, Error> {
        Self::over(ServerUrl::parse(server_url, false)?, app_id, &key)
    }

    /// As [`BackendClient::new`], but goes unencrypted to any machine: the key can be read on the way.
    ///
    /// # Errors
    /// As [`BackendClient::new`].
    pub fn new_allowing_plain_text(server_url: &str, app_id: u32, key: BackendKey) -> Result<Self, Error> {
        Self::over(ServerUrl::parse(server_url, true)?, app_id, &key)
    }

    /// Also trusts the certificates of a PEM file.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when there is no certificate in it.
    pub fn tls_root_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.http = http::client(self.server.is_secure(), &tls::roots_from_pem(pem)?, TIME_LIMIT)?;
        Ok(self)
    }

    fn over(server: ServerUrl, app_id: u32, key: &BackendKey) -> Result<Self, Error> {
        let text = Zeroizing::new(format!("Bearer {}", *key.0));
        let mut authorization = HeaderValue::try_from(text.as_str())
            .map_err(|_| Error::config("backend key", "holds a character that HTTP does not allow"))?;
        authorization.set_sensitive(true);
        let http = http::client(server.is_secure(), &[], TIME_LIMIT)?;
        Ok(Self { http, server, app_id: AppId::new(app_id)?, authorization })
    }

    /// Has a token minted.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code, and the field at fault, when the server says no.
    pub async fn mint(&self, request: &MintRequest) -> Result<MintResponse, Error> {
        let path = TOKENS_PATH.replace("{app_id}", &self.app_id.to_string());
        let call = self.http.request(Method::POST, self.server.join(&path));
        let response = call
            .header(reqwest::header::AUTHORIZATION, self.authorization.clone())
            .json(request)
            .send()
            .await
            .map_err(|error| Error::http(error, TIME_LIMIT))?;
        answer(response).await
    }
}

/// The body of a success, or the problem document as an error.
async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).cloned();
    let body = Zeroizing::new(http::body(response, TIME_LIMIT).await?);
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
