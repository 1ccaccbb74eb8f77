//! `roompass serve` with a certificate of its own.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::json;

use crate::harness::{Installation, Server, eventually, refusal};

/// An installation with a certificate and an app.
fn installation() -> Installation {
    let (installation, _) = Installation::new().with_app();
    install_certificate(&installation);
    let mut config = fs::read_to_string(installation.config()).unwrap();
    for field in ["cert", "key"] {
        let path = installation.path(&format!("tls-{field}.pem"));
        let head = if field == "cert" { "[tls]\n" } else { "" };
        config.push_str(&format!("{head}{field}_file = \"{}\"\n", path.display()));
    }
    fs::write(installation.config(), config).unwrap();
    installation
}

/// Makes a new certificate for this machine and puts it in place, the key first.
fn install_certificate(installation: &Installation) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = installation.path("tls-key.pem");
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(installation.path("tls-cert.pem"), made.cert.pem()).unwrap();
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// Connects, trusting the installation's present certificate and nothing else.
fn connect(
    installation: &Installation,
    server: &Server,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(installation.path("tls-cert.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address).unwrap());
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Asks on an open connection; the head of the answer, in small letters.
fn ask(connection: &mut Connection) -> String {
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"}") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

#[test]
fn it_speaks_tls_12_and_13_and_both_versions_of_http() {
    let installation = installation();
    let server = Server::serve(&installation.config());
    assert_eq!(server.ready["origin"], json!(format!("https://{}", server.address)));
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut connection = connect(&installation, &server, version).unwrap();
        assert_eq!(connection.conn.protocol_version(), Some(expected));
        assert_eq!(connection.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = ask(&mut connection);
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        assert!(answer.contains("strict-transport-security: max-age=63072000"), "{answer}");
    }
    let curl = Command::new("curl")
        .args(["--silent", "--http2", "--write-out", " %{http_version}", "--cacert"])
        .arg(installation.path("tls-cert.pem"))
        .arg(format!("https://127.0.0.1:{}/healthz", server.address.port()))
        .output()
        .unwrap();
    let answer = String::from_utf8(curl.stdout).unwrap();
    assert!(answer.starts_with("{\"status\":\"ok\"") && answer.ends_with(" 2"), "{answer}");
}

#[test]
fn a_new_certificate_is_taken_up_and_open_connections_go_on() {
    let installation = installation();
    let server = Server::serve(&installation.config());
    let mut open = connect(&installation, &server, &TLS13).unwrap();
    ask(&mut open);

    install_certificate(&installation);
    assert!(connect(&installation, &server, &TLS13).is_err());
    server.signal("HUP");
    eventually(|| connect(&installation, &server, &TLS13).ok());

    // What is not sound changes nothing.
    let sound = fs::read(installation.path("tls-cert.pem")).unwrap();
    fs::write(installation.path("tls-cert.pem"), "not a certificate").unwrap();
    let log = server.log_of(|| server.signal("HUP"), "the TLS certificate in use stays");
    assert!(log.contains("tls.cert_file"), "{log}");
    fs::write(installation.path("tls-cert.pem"), sound).unwrap();
    connect(&installation, &server, &TLS13).unwrap();
    assert!(ask(&mut open).starts_with("http/1.1 200"));
}

// proves T62 (TLS key), F14 (TLS)
#[test]
fn files_that_cannot_serve_are_named() {
    let installation = installation();
    let (cert, key) = (installation.path("tls-cert.pem"), installation.path("tls-key.pem"));
    let chmod = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    chmod(0o640);
    let line = refusal(&mut installation.serve());
    assert!(line.starts_with("tls.key_file: ") && line.ends_with("chmod 600"), "{line}");
    chmod(0o600);
    let first = fs::read(&cert).unwrap();
    install_certificate(&installation);
    fs::write(&cert, first).unwrap();
    let line = refusal(&mut installation.serve());
    assert!(line.starts_with("tls.key_file: ") && line.contains("does not go with the certificate"), "{line}");
    fs::write(&cert, "").unwrap();
    let line = refusal(&mut installation.serve());
    assert!(line.starts_with("tls.cert_file: ") && line.contains("holds no certificate"), "{line}");
    fs::remove_file(&cert).unwrap();
    assert!(refusal(&mut installation.serve()).starts_with("tls.cert_file: "));
}
