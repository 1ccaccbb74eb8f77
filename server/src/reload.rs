//! Takes up what may change while the server runs, at SIGHUP or when an operator asks: limits, what is logged, how long
//! to drain, the TLS certificate, apps and keys. A configuration that is not sound changes nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;

use crate::{
    app::Service,
    audit::{Action, Event, Origin},
    config::{Config, ConfigError, Field, Source, Values},
    error::Error,
    telemetry,
    tls::Tls,
};

/// What is read again, and what it was.
pub struct Reloader {
    source: Option<Source>,
    /// Held while reading, so that two readings do not mix.
    values: Mutex<Values>,
    drain_secs: AtomicU64,
    tls: OnceLock<Arc<Tls>>,
}

/// What came of reading again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The fields whose new values count.
    pub taken_up: Vec<String>,
    /// The fields whose new values count after a restart.
    pub need_restart: Vec<String>,
    /// Whether there is another TLS certificate.
    pub new_certificate: bool,
}

impl Reloader {
    /// For a server that was started with `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            source: config.source.clone(),
            values: Mutex::new(config.values.clone()),
            drain_secs: AtomicU64::new(config.drain.as_secs()),
            tls: OnceLock::new(),
        }
    }

    /// Reads the certificate of `tls` again, too.
    pub(crate) fn include(&self, tls: Arc<Tls>) {
        // Once, at start.
        let _ = self.tls.set(tls);
    }

    /// How long a stopping server waits, as last configured.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs.load(Ordering::Relaxed))
    }

    /// Reads everything again that may change. What fails stays as it is; the rest is taken up all the same. Says in the
    /// log, and in the audit trail as `origin`'s doing, what came of it.
    ///
    /// # Errors
    /// The first failure: [`Error::Field`] for a configuration or a certificate that is not sound, [`Error::Store`].
    pub async fn reload(&self, service: &Service, origin: Origin) -> Result<Reloaded, Error> {
        let reloaded = self.take_up(service).await;
        let event = Event::new(Action::Reload);
        let event = match &reloaded {
            Ok(reloaded) => event.saying(reloaded.taken_up.join(", ")),
            Err(error @ Error::Field { field, .. }) => {
                event.refused(error.code().as_str()).saying(format!("{field}: {error}"))
            }
            Err(error) => event.refused(error.code().as_str()),
        };
        service.audit.note_anyway(origin, event);
        reloaded
    }

    async fn take_up(&self, service: &Service) -> Result<Reloaded, Error> {
        let mut values = self.values.lock().await;
        let configured = self.reread(service, &mut values);
        service.metrics.reloaded(configured.is_ok());
        if let Err(error) = &configured {
            tracing::error!(%error, "the configuration in use stays");
        }
        let loaded = service.admin.load().await;
        match &loaded {
            Ok(()) => tracing::info!("apps and keys read again"),
            Err(error) => tracing::error!(error = error as &dyn std::error::Error, "cannot read apps and keys"),
        }
        let new_certificate = self.tls.get().map(|tls| tls.reload_and_log()).transpose();
        let mut reloaded = configured.map_err(unsound)?;
        loaded?;
        reloaded.new_certificate = new_certificate.map_err(unsound)?.unwrap_or_default();
        Ok(reloaded)
    }

    fn reread(&self, service: &Service, values: &mut Values) -> Result<Reloaded, ConfigError> {
        let Some(source) = &self.source else { return Ok(Reloaded::default()) };
        let (config, log) = source.read()?;
        telemetry::set_filter(&log);
        service.limits.change(&config.limits);
        service.gateway.allow_waiting(config.gateway.max_waiting, config.gateway.max_waiting_per_source);
        self.drain_secs.store(config.drain.as_secs(), Ordering::Relaxed);
        let (taken_up, need_restart): (Vec<&Field>, Vec<&Field>) =
            config.values.differing(values).partition(|field| field.is_reread());
        *values = values.with(&config.values, &taken_up);
        let names = |fields: Vec<&Field>| fields.into_iter().map(Field::path).collect::<Vec<_>>();
        let reloaded =
            Reloaded { taken_up: names(taken_up), need_restart: names(need_restart), new_certificate: false };
        if !reloaded.taken_up.is_empty() {
            tracing::info!("taken up: {}", reloaded.taken_up.join(", "));
        }
        if !reloaded.need_restart.is_empty() {
            tracing::warn!("changed, and counts after a restart: {}", reloaded.need_restart.join(", "));
        }
        Ok(reloaded)
    }
}

fn unsound(error: ConfigError) -> Error {
    Error::field(error.field, error.reason)
}
