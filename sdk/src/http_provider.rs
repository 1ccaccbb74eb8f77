//! A token provider that asks the app's own backend over HTTP. The shape of both messages is documented here.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    error::Error,
    http,
    provider::{TokenAnswer, TokenProvider, TokenRequest},
    server_url::check_plain,
    tls,
};

/// How often in a row the address may not be there. With the SDK's waits that is some minutes.
const MOST_MISSING: u32 = 10;
/// Shorter than the 10 s that the SDK gives any provider.
const TIME_LIMIT: Duration = Duration::from_secs(9);

/// Asks one address of the app's backend for tokens.
///
/// `POST` sends `{"app_id":1,"user_id":"alice","room_id":"lobby","cause":"first_login"}`, `GET` the same members as
/// query parameters; `cause` is `first_login`, `renewal`, `switch` or `relogin`. The backend decides who is asking by its own
/// means (a cookie or a header given with [`HttpTokenProvider::header`] or [`HttpTokenProvider::header_with`]), never by
/// `user_id`.
///
/// The answers it understands, up to 64 KiB and without redirects:
///
/// | Answer | Means |
/// |---|---|
/// | 200 and `{"token":"04…"}` | the token, or a Kit Token |
/// | 200 and `{"denied":"reason"}` | denied for good |
/// | 401, 403, 410 | denied for good |
/// | 404 | asked again later, as while the backend is being replaced; the tenth in a row is denied for good |
/// | anything else | asked again later |
pub struct HttpTokenProvider {
    http: reqwest::Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    made_headers: Vec<(HeaderName, HeaderMaker)>,
    /// How often in a row the address was not there.
    missing: AtomicU32,
}

/// What makes the value of a header for each call.
type HeaderMaker = Arc<dyn Fn() -> String + Send + Sync>;

impl HttpTokenProvider {
    /// Asks with `POST`. Unencrypted addresses are for this machine only.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when the address or the system's certificates cannot be used.
    pub fn post(url: &str) -> Result<Self, Error> {
        Self::new(Method::POST, url, &[])
    }

    /// Asks with `GET`.
    ///
    /// # Errors
    /// As [`HttpTokenProvider::post`].
    pub fn get(url: &str) -> Result<Self, Error> {
        Self::new(Method::GET, url, &[])
    }

    /// Also trusts the certificates of a PEM file.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when there is no certificate in it.
    pub fn tls_root_pem(self, pem: &[u8]) -> Result<Self, Error> {
        let roots = tls::roots_from_pem(pem)?;
        let trusting = Self::new(self.method, self.url.as_str(), &roots)?;
        Ok(Self { headers: self.headers, made_headers: self.made_headers, ..trusting })
    }

    /// Sends this header with every call, such as the app's own session.
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when HTTP does not allow the name or the value.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = (header_name(name)?, header_value(value)?);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends this header with every call, with the value that `value` gives just before: for a session of the app that
    /// changes while its user is in a room. Whatever takes time, such as fetching a new session, belongs elsewhere; when
    /// the value is not one that HTTP allows, the call counts as failed.
    ///
    /// ```
    /// # fn main() -> Result<(), roompass_sdk::Error> {
    /// use std::sync::{Arc, RwLock};
    ///
    /// // The app puts the new one in whenever it has signed in again.
    /// let session = Arc::new(RwLock::new("first".to_owned()));
    /// let latest = Arc::clone(&session);
    /// let provider = roompass_sdk::HttpTokenProvider::post("https://app.example.com/room-token")?
    ///     .header_with("Authorization", move || format!("Bearer {}", latest.read().expect("nobody panics")))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A [`crate::ErrorKind::Usage`] error when HTTP does not allow the name.
    pub fn header_with(
        mut self,
        name: &str,
        value: impl Fn() -> String + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        self.made_headers.push((header_name(name)?, Arc::new(value)));
        Ok(self)
    }

    fn new(method: Method, url: &str, extra_roots: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let url = Url::parse(url).map_err(|error| Error::config("token provider URL", error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::config("token provider URL", "must begin with http or https"));
        }
        check_plain(&url, false, "token provider URL")?;
        let http = http::client(url.scheme() == "https", extra_roots, TIME_LIMIT)?;
        let (headers, made_headers, missing) = (HeaderMap::new(), Vec::new(), AtomicU32::new(0));
        Ok(Self { http, method, url, headers, made_headers, missing })
    }

    /// The headers of the next call.
    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = self.headers.clone();
        for (name, value) in &self.made_headers {
            headers.insert(name.clone(), header_value(&Zeroizing::new(value()))?);
        }
        Ok(headers)
    }

    async fn ask(&self, request: &TokenRequest) -> Result<TokenAnswer, Error> {
        let mut url = self.url.clone();
        let call = if self.method == Method::GET {
            let cause = serde_json::to_value(request.cause).unwrap_or_default();
            url.query_pairs_mut()
                .append_pair("app_id", &request.app_id.to_string())
                .append_pair("user_id", &request.user_id)
                .append_pair("room_id", &request.room_id)
                .append_pair("cause", cause.as_str().unwrap_or_default());
            self.http.get(url)
        } else {
            self.http.request(self.method.clone(), url).json(request)
        };
        let response = call.headers(self.headers()?).send().await.map_err(|error| Error::http(error, TIME_LIMIT))?;
        let status = response.status();
        let missing = match status {
            StatusCode::NOT_FOUND => self.missing.fetch_add(1, Ordering::Relaxed) + 1,
            _ => {
                self.missing.store(0, Ordering::Relaxed);
                0
            }
        };
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if missing < MOST_MISSING => {
                return Err(Error::Status { status: status.as_u16(), retry_after: None });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Ok(TokenAnswer::Denied(format!("the app's backend answered {}", status.as_u16())));
            }
            status => return Err(Error::Status { status: status.as_u16(), retry_after: None }),
        }
        let body = Zeroizing::new(http::body(response, TIME_LIMIT).await?);
        match serde_json::from_slice(&body) {
            Ok(Answer { denied: Some(reason), .. }) => Ok(TokenAnswer::Denied(reason)),
            Ok(Answer { token: Some(token), .. }) => Ok(TokenAnswer::Token(token)),
            _ => Err(Error::Protocol { what: "the app's backend answers without a token" }),
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::try_from(name).map_err(|error| Error::config("header", error))
}

fn header_value(value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(value).map_err(|error| Error::config("header", error))?;
    value.set_sensitive(true);
    Ok(value)
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    denied: Option<String>,
}

impl TokenProvider for HttpTokenProvider {
    async fn token(&self, request: TokenRequest) -> TokenAnswer {
        self.ask(&request).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the app's backend gave no token");
            TokenAnswer::Retry
        })
    }
}

impl fmt::Debug for HttpTokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry the app's own session.
        f.debug_struct("HttpTokenProvider").field("method", &self.method).finish_non_exhaustive()
    }
}
