//! Which certificates are trusted: the operating system's, and the roots that the app adds.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::error::Error;

/// Reads the certificates of a PEM file.
pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) => Err(Error::config("TLS root", "holds no certificate")),
        Err(_) => Err(Error::config("TLS root", "is not PEM")),
    }
}

/// The configuration for servers reached over TLS.
pub(crate) fn trusting(extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let verifier = Verifier::new_with_extra_roots(extra_roots.iter().cloned(), provider())
        .map_err(|error| Error::config("TLS root", error))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS", error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// The configuration for servers reached without TLS: nobody is trusted, and nothing is read from the system.
#[cfg(feature = "http")]
pub(crate) fn trusting_nobody() -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS", error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}

/// Named, because a process may hold several and must then not be asked for "the" one.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_is_refused() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(roots_from_pem(pem.as_bytes()).is_err(), "{pem:?}");
        }
    }
}
