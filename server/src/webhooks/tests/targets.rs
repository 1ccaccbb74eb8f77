//! Where deliveries go, and where they never do.

use std::{sync::Arc, time::Duration};

use roompass_wire::{
    http::{DeliveryFault, DeliveryState},
    webhook::EventName,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::harness::*;
use crate::{
    config::Config,
    webhooks::{EndpointSettings, PrivateNetworks},
};

/// What came of the first attempt to deliver to `url`.
async fn attempt(config: &Config, url: &str, private_network: bool) -> (Option<u16>, Option<DeliveryFault>) {
    let world = World::with(config).await;
    let events = vec![EventName::AppChanged];
    let settings = EndpointSettings { url: url.to_owned(), events, description: String::new(), private_network };
    let (endpoint, _) = world.service.admin.create_webhook(app_id(), settings, true).await.unwrap();
    world.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    let logged = world.wait_for(&endpoint.endpoint_id, |delivery| delivery.attempts.len() == 1).await;
    world.stop().await;
    let attempt = &logged.attempts[0];
    assert_eq!(logged.state == DeliveryState::Delivered, attempt.fault.is_none());
    (attempt.status, attempt.fault)
}

// proves T31 (webhooks)
#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The name is no address, so only what it leads to can be refused.
    let refused = (None, Some(DeliveryFault::AddressRefused));
    assert_eq!(attempt(&config(), &format!("https://localhost:{port}/"), false).await, refused);
    let mut elsewhere = config();
    elsewhere.webhooks.networks = "10.0.0.0/8".parse().unwrap();
    assert_eq!(attempt(&elsewhere, &format!("https://localhost:{port}/"), true).await, refused);
    let mut accept = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(&mut accept).is_pending(), "nobody came");
}

#[tokio::test]
async fn urls_that_may_not_be_dialled_are_not_taken() {
    let mut config = config();
    config.webhooks.networks = PrivateNetworks::default();
    let world = World::with(&config).await;
    let settings = |url: &str, private_network| EndpointSettings {
        url: url.to_owned(),
        events: vec![EventName::Revoked],
        description: String::new(),
        private_network,
    };
    for (url, private_network) in [
        ("http://hooks.example.com/", false),
        ("https://127.0.0.1/", false),
        ("https://169.254.169.254/", false),
        ("https://hooks.example.com/", true),
    ] {
        let outcome = world.service.admin.create_webhook(app_id(), settings(url, private_network), true).await;
        assert!(outcome.is_err(), "{url}");
    }
    let nothing = EndpointSettings { events: Vec::new(), ..settings("https://hooks.example.com/", false) };
    assert!(world.service.admin.create_webhook(app_id(), nothing, true).await.is_err());
    for _ in 0..20 {
        world
            .service
            .admin
            .create_webhook(app_id(), settings("https://hooks.example.com/", false), true)
            .await
            .unwrap();
    }
    let beyond =
        world.service.admin.create_webhook(app_id(), settings("https://hooks.example.com/", false), true).await;
    assert!(matches!(beyond, Err(crate::error::Error::Full(_))));
    world.stop().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (receiver, mut config) = (Receiver::start().await, config());
    config.webhooks.attempt_limit = DEADLINE;
    for status in [301, 302, 303, 307, 308] {
        receiver.will_answer([status]);
        assert_eq!(attempt(&config, &receiver.url(), true).await, (Some(status), Some(DeliveryFault::Status)));
    }
    assert_eq!(receiver.got().len(), 5);
}

#[tokio::test]
async fn receivers_that_answer_badly_or_not_at_all_are_left() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    assert_eq!(attempt(&config(), &url, true).await, (None, Some(DeliveryFault::Unreachable)));
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(64 * 1024));
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{}", "a".repeat(1024 * 1024));
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", (None, Some(DeliveryFault::Protocol))),
        ("", (None, Some(DeliveryFault::Unreachable))),
        (&long, (None, Some(DeliveryFault::Protocol))),
        (&endless, (Some(200), None)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let answering = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 16 * 1024];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            // Whoever asked may have gone away before all was said.
            let _ = socket.write_all(answer.as_bytes()).await;
        });
        assert_eq!(attempt(&config(), &url, true).await, expected);
        answering.await.unwrap();
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.webhooks.attempt_limit = Duration::from_millis(100);
    let url = format!("http://{}/", silent.local_addr().unwrap());
    assert_eq!(attempt(&config, &url, true).await, (None, Some(DeliveryFault::TimedOut)));
}

#[tokio::test]
async fn over_tls_the_certificate_must_be_trusted_and_bear_the_name() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(server)));
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = [0; 16 * 1024];
            // A client that does not trust us says nothing more.
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        }
    });
    let mut trusting = config();
    trusting.webhooks.trusted = Some(made.cert.pem().into_bytes());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut trusting_another = config();
    trusting_another.webhooks.trusted = Some(other.cert.pem().into_bytes());
    let refused = (None, Some(DeliveryFault::Tls));
    assert_eq!(attempt(&trusting, &format!("https://localhost:{port}/"), true).await, (Some(204), None));
    assert_eq!(attempt(&trusting, &format!("https://127.0.0.1:{port}/"), true).await, refused);
    assert_eq!(attempt(&trusting_another, &format!("https://localhost:{port}/"), true).await, refused);
}
