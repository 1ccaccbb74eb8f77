//! TLS to other machines' services with rustls: the certificate must be trusted and bear the name that was asked for.
//! Knows no protocol.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Whose certificates are believed.
#[derive(Clone)]
pub(crate) struct Trust(TlsConnector);

impl Trust {
    /// Trusts the certificates of `trusted`, in PEM, or without it those of the operating system.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new(trusted: Option<&[u8]>) -> Result<Self, String> {
        client_config(trusted).map(|config| Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands over `stream` with the machine named `host`.
    ///
    /// # Errors
    /// Of the name, of the stream, and of the certificate.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// Trusts the certificates of `trusted`, in PEM, or without it those of the operating system.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn client_config(trusted: Option<&[u8]>) -> Result<ClientConfig, String> {
    let fault = |error: &dyn std::error::Error| format!("TLS: {error}");
    // Named, because a process may hold several and must then not be asked for "the" one.
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?;
    let config = match trusted {
        Some(pem) => config.with_root_certificates(roots(pem)?),
        None => {
            let verifier = Verifier::new(provider).map_err(|error| fault(&error))?;
            config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    Ok(config.with_no_client_auth())
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or("the file of trusted certificates is not PEM")?;
    }
    if roots.is_empty() {
        return Err("the file of trusted certificates holds none".to_owned());
    }
    Ok(roots)
}
