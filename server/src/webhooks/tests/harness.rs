//! A receiver that writes down what it gets and answers as it is told, and a service that delivers to it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use rand::rngs::SysRng;
use serde_json::Value;
use token_gen::{AppId, UnixSeconds};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use crate::{
    admin::EndpointView,
    app::Service,
    apps::AppSettings,
    clock::{Clock, ManualClock},
    config::Config,
    http,
    sealing::MasterKey,
    store::StoreUrl,
    webhooks::{Deliverer, EndpointSettings, PrivateNetworks, SigningKey},
};
use roompass_wire::{http::Delivery, webhook::EventName};

pub(super) const NOW: i64 = 1_800_000_000;
/// Far beyond what anything here takes; a test that needs it has failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// What a receiver got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A backend that takes webhooks.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    got: watch::Sender<Vec<Got>>,
    /// What it answers next; 200 when there is nothing.
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, got: watch::Sender::new(Vec::new()), answers: Arc::default() };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks?from=roompass", self.address)
    }

    pub(super) fn will_answer(&self, statuses: impl IntoIterator<Item = u16>) {
        self.answers.lock().unwrap().extend(statuses);
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.borrow().clone()
    }

    /// Waits until it has got so many; returns all.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Got> {
        let mut got = self.got.subscribe();
        let got = timeout(DEADLINE, got.wait_for(|got| got.len() >= count)).await;
        got.unwrap_or_else(|_| panic!("{count} never came, only {:?}", self.got())).unwrap().clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    receiver.got.send_modify(|got| got.push(Got { headers, body }));
    let status = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
    (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/elsewhere")]).into_response()
}

/// A service with apps 7 and 8 that delivers.
pub(super) struct World {
    pub(super) service: Arc<Service>,
    pub(super) clock: Arc<ManualClock>,
    stop: watch::Sender<bool>,
    delivering: JoinHandle<()>,
}

pub(super) fn app_id() -> AppId {
    AppId::new(7).unwrap()
}

/// Endpoints may be on this machine, and nowhere is anything slow.
pub(super) fn config() -> Config {
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key);
    config.webhooks.networks = PrivateNetworks::loopback();
    config
}

pub(super) fn config_on(store: StoreUrl) -> Config {
    Config { store, ..config() }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(&config()).await
    }

    /// Apps are made if they are not there.
    pub(super) async fn with(config: &Config) -> Self {
        Self::at(config, Arc::new(ManualClock::new(UnixSeconds::new(NOW)))).await
    }

    pub(super) async fn at(config: &Config, clock: Arc<ManualClock>) -> Self {
        let service = Arc::new(Service::open(config, "http://rooms.test".to_owned(), clock.clone()).await.unwrap());
        for app_id in [7, 8].map(|number| AppId::new(number).unwrap()) {
            if service.directory.app(app_id).is_none() {
                service.admin.create_app(AppSettings::new(app_id, "app")).await.unwrap();
            }
        }
        let (stop, stopped) = watch::channel(false);
        let deliverer = Deliverer::new(Arc::clone(&service.webhooks), Arc::clone(&service.directory));
        Self { service, clock, stop, delivering: tokio::spawn(deliverer.run(stopped)) }
    }

    /// Writes down what was announced, waits for what is under way, and ends.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.delivering.await.unwrap();
    }

    /// Ends in the middle of whatever it does.
    pub(super) async fn kill(self) {
        self.delivering.abort();
        assert!(self.delivering.await.unwrap_err().is_cancelled());
    }

    pub(super) async fn endpoint(&self, url: &str, events: &[EventName]) -> (EndpointView, SigningKey) {
        let settings = EndpointSettings {
            url: url.to_owned(),
            events: events.to_vec(),
            description: String::new(),
            private_network: true,
        };
        self.service.admin.create_webhook(app_id(), settings, true).await.unwrap()
    }

    pub(super) fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().get()
    }

    /// The log of an endpoint, the latest first.
    pub(super) async fn log(&self, endpoint_id: &str) -> Vec<Delivery> {
        let records = self.service.admin.deliveries(app_id(), endpoint_id, None, 1000).await.unwrap();
        records.into_iter().map(|record| http::webhooks::delivery(record).unwrap()).collect()
    }

    /// Waits until the log says so of its only delivery; returns it.
    pub(super) async fn wait_for(&self, endpoint_id: &str, is: impl Fn(&Delivery) -> bool) -> Delivery {
        let wait = async {
            loop {
                match self.log(endpoint_id).await.as_slice() {
                    [only] if is(only) => return only.clone(),
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        let Ok(found) = timeout(DEADLINE, wait).await else { panic!("{:?}", self.log(endpoint_id).await) };
        found
    }
}
