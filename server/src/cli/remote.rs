//! Commands that ask a running server: what is in its memory alone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{
        Request, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    },
};
use clap::Args;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use token_gen::AppId;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Failure, print_json, say};
use crate::{private_file, trust};

/// Longer than the server takes for any request.
const LIMIT: Duration = Duration::from_secs(15);
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Which server, and who asks.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The server's origin
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Uri,
    /// A file with a backend key, closed to other users, that has the right `operate`, or `read` to look; `-` reads it
    /// from standard input
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The certificates that may vouch for the server, in PEM; those the system trusts if left out
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The app's number
    #[arg(long, value_name = "N")]
    app_id: AppId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Remote {
    /// Asks for what is below the app. `body` makes it a `POST`.
    pub(super) async fn call(&self, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        match timeout(LIMIT, self.exchange(path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure(format!("{}: no answer in time", self.url))),
        }
    }

    /// Prints `answer` as JSON, or as `text` for people.
    pub(super) fn print(&self, answer: &Value, text: impl FnOnce() -> String) {
        if self.json { print_json(answer) } else { say(text().trim_end()) }
    }

    async fn exchange(&self, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let fault = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", self.url));
        let authority = self.url.authority().ok_or_else(|| fault(&"must be an origin, https://…"))?;
        let tls = match self.url.scheme_str() {
            Some("https") => true,
            // The key would be read on the way.
            Some("http") if ["127.0.0.1", "localhost", "[::1]"].contains(&authority.host()) => false,
            _ => return Err(fault(&"must be https; http is for this machine alone")),
        };
        let key = private_file::read_or_stdin(&self.key_file)?;
        let request = Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(format!("/v1/apps/{}{path}", self.app_id))
            .header(HOST, authority.as_str())
            .header(AUTHORIZATION, format!("Bearer {}", key.trim()))
            .header(CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .map_err(|error| fault(&error))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = TcpStream::connect((&*host, port)).await.map_err(|error| fault(&error))?;
        let (status, answer) = if tls {
            let trusted = self.ca_file.as_ref().map(std::fs::read).transpose().map_err(|error| fault(&error))?;
            let config = trust::client_config(trusted.as_deref()).map_err(|error| fault(&error))?;
            let name = ServerName::try_from(host).map_err(|error| fault(&error))?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            send(stream.map_err(|error| fault(&error))?, request).await
        } else {
            send(stream, request).await
        }
        .map_err(|error| fault(&error))?;
        match status {
            200 => Ok(answer),
            _ => Err(Failure(refusal(status, &answer))),
        }
    }
}

/// What a problem document says, in one line.
fn refusal(status: u16, problem: &Value) -> String {
    let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
    match (text("field"), text("detail"), text("code")) {
        (field, detail, _) if !field.is_empty() => format!("{field}: {detail}"),
        (_, detail, code) => format!("{status} {code}: {detail}"),
    }
}

async fn send<S>(stream: S, request: Request<Body>) -> Result<(u16, Value), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER_BYTES).await.map_err(|error| error.to_string())?;
    driving.abort();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
