//! TLS: the certificate from its files, changed while connections go on, and the handshake. Knows no HTTP.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};
use zeroize::Zeroizing;

use crate::{clock::Clock, config::ConfigError, private_file};

/// How often the files are looked at. Whoever renews certificates need not tell us.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where certificate and key are, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those between it and the root.
    pub cert: PathBuf,
    /// Its private key, in a file that is closed to other users.
    pub key: PathBuf,
}

/// The certificate in use, and how it is used.
pub(crate) struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// The certificate that the next handshake shows.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(..)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the files. TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
    ///
    /// # Errors
    /// The field whose file cannot be used.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, ConfigError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(read(&files, &provider)?)));
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new("tls", error.to_string()))?;
        let resolver: Arc<dyn ResolvesServerCert> = current.clone();
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, provider, current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads the files again; whether there is another certificate now. Connections that are open stay as they are.
    ///
    /// # Errors
    /// As [`Tls::open`]; then the certificate in use stays.
    pub(crate) fn reload(&self) -> Result<bool, ConfigError> {
        let read = read(&self.files, &self.provider)?;
        if read.cert == self.current.0.load().cert {
            return Ok(false);
        }
        self.current.0.store(Arc::new(read));
        Ok(true)
    }

    /// Takes up what the files say whenever they change, until `stopped`.
    pub(crate) async fn follow(self: Arc<Self>, clock: Arc<dyn Clock>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = clock.sleep_until(clock.now().saturating_add(LOOK_EVERY)) => drop(self.reload_and_log()),
                _ = stopped.wait_for(|&stopped| stopped) => return,
            }
        }
    }

    /// Reads the files again and says in the log what came of it.
    ///
    /// # Errors
    /// As [`Tls::reload`].
    pub(crate) fn reload_and_log(&self) -> Result<bool, ConfigError> {
        let reloaded = self.reload();
        match &reloaded {
            Ok(true) => tracing::info!("the TLS certificate was read again: another one is in use"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the TLS certificate in use stays"),
        }
        reloaded
    }

    /// The connection, whose handshake takes place with its first read.
    pub(crate) fn accept(&self, stream: TcpStream) -> Stream {
        Stream::Handshake(Box::new(self.acceptor.accept(stream)))
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, ConfigError> {
    let of_cert = |reason: String| ConfigError::new("tls.cert_file", reason);
    let of_key = |reason: String| ConfigError::new("tls.key_file", reason);
    let named = |path: &Path, reason: String| format!("{} {reason}", path.display());
    let certificates: Result<Vec<_>, _> = match CertificateDer::pem_file_iter(&files.cert) {
        Ok(certificates) => certificates.collect(),
        Err(error) => return Err(of_cert(named(&files.cert, format!("cannot be read: {error}")))),
    };
    let certificates = certificates.map_err(|error| of_cert(named(&files.cert, format!("is not PEM: {error}"))))?;
    if certificates.is_empty() {
        return Err(of_cert(named(&files.cert, "holds no certificate".to_owned())));
    }
    let key = Zeroizing::new(private_file::read(&files.key).map_err(of_key)?);
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| of_key(named(&files.key, "holds no private key in PEM".to_owned())))?;
    CertifiedKey::from_der(certificates, key, provider)
        .map_err(|error| of_key(named(&files.key, format!("does not go with the certificate: {error}"))))
}

/// A connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Goes on with the handshake, if there is one and it is not done.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(handshake) = self {
            let done = ready!(Pin::new(&mut **handshake).poll(context))?;
            *self = Self::Tls(Box::new(done));
        }
        Poll::Ready(Ok(()))
    }
}

/// Hands a call on to the stream within, after the handshake.
macro_rules! once_ready {
    ($this:ident, $context:ident, $call:ident($($argument:expr),*)) => {{
        let this = $this.get_mut();
        ready!(this.poll_ready($context))?;
        match this {
            Self::Plain(stream) => Pin::new(stream).$call($context, $($argument),*),
            Self::Tls(stream) => Pin::new(&mut **stream).$call($context, $($argument),*),
            Self::Handshake(_) => Poll::Pending,
        }
    }};
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        once_ready!(self, context, poll_read(buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        once_ready!(self, context, poll_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        once_ready!(self, context, poll_flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Without a handshake there is nobody to say goodbye to.
        if matches!(*self, Self::Handshake(_)) {
            return Poll::Ready(Ok(()));
        }
        once_ready!(self, context, poll_shutdown())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        once_ready!(self, context, poll_write_vectored(slices))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use token_gen::UnixSeconds;

    use super::*;
    use crate::clock::ManualClock;

    fn install_certificate(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        private_file::write(&files.key, &made.signing_key.serialize_pem()).unwrap();
        fs::write(&files.cert, made.cert.pem()).unwrap();
    }

    #[tokio::test]
    async fn new_files_are_taken_up_by_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        install_certificate(&files);
        let tls = Arc::new(Tls::open(files.clone()).unwrap());
        let first = tls.current.0.load_full();
        assert!(!tls.reload().unwrap());

        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let (stop, stopped) = watch::channel(false);
        let following = tokio::spawn(Arc::clone(&tls).follow(clock.clone(), stopped));
        install_certificate(&files);
        let changed = async {
            while tls.current.0.load().cert == first.cert {
                clock.advance(LOOK_EVERY);
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap();

        // Half a renewal is none.
        let second = tls.current.0.load_full();
        fs::write(&files.cert, "-----BEGIN").unwrap();
        assert!(tls.reload().unwrap_err().to_string().starts_with("tls.cert_file: "));
        assert_eq!(tls.current.0.load().cert, second.cert);
        stop.send(true).unwrap();
        following.await.unwrap();
    }
}
