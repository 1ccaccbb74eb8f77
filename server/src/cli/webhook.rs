//! `roompass webhook`: endpoints and their deliveries, straight on the store. A running server delivers.

use std::time::Duration;

use clap::{Args, Subcommand};
use roompass_wire::{
    http::{Delivery, Webhook},
    webhook::EventName,
};
use serde_json::json;
use token_gen::{AppId, UnixSeconds};

use super::{
    Failure, StoreArgs,
    key::{date, words},
    out::Out,
    secret::word,
};
use crate::{
    admin::EndpointChange,
    http,
    webhooks::{EndpointSettings, SigningKey},
};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Add an endpoint; its signing key is printed once
    Add(Add),
    /// List the endpoints of an app
    List {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Show an endpoint
    Show {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Change an endpoint
    Update(Update),
    /// Make a new signing key, printed once; deliveries are signed with both for a while
    RotateKey {
        #[command(flatten)]
        of: Of,
        /// How long deliveries are signed with the present key too, such as 24h; 0s ends it at once
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
        #[command(flatten)]
        out: Out,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove an endpoint, with what was not delivered yet
    Remove {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Queue a test event
    Test {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Show what became of deliveries, the latest first
    Deliveries {
        #[command(flatten)]
        of: Of,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Deliver again, under the same id
    Redeliver {
        #[command(flatten)]
        of: Of,
        /// The delivery's id; see `webhook deliveries`
        delivery_id: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Which endpoint.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The app's number
    app_id: AppId,
    /// The endpoint's id; see `webhook list`
    endpoint_id: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The app's number
    app_id: AppId,
    /// Where to deliver, https://…
    url: String,
    /// An event to deliver, such as revoked; repeat for more. All but minted and those of rooms if left out
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',')]
    events: Vec<EventName>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// It may be at an address that is not public, in one of webhooks.private_networks
    #[arg(long)]
    private_network: bool,
    /// Add it switched off
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    of: Of,
    /// Where to deliver
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An event to deliver; repeat for more. These replace the present ones
    #[arg(long = "event", value_name = "EVENT", value_delimiter = ',')]
    events: Vec<EventName>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Whether it may be at an address that is not public
    #[arg(long, value_name = "BOOL")]
    private_network: Option<bool>,
    /// Whether anything is delivered
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Only if this is still the endpoint's version
    #[arg(long)]
    version: Option<i64>,
    #[command(flatten)]
    store: StoreArgs,
}

impl WebhookCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run().await,
            Self::List { app_id, store } => {
                let found = store.open().await?.admin.webhooks_of(app_id).await?;
                let found: Vec<Webhook> = found.into_iter().map(http::webhooks::webhook).collect();
                store.print(&found, || match found.as_slice() {
                    [] => format!("no endpoints yet: roompass webhook add{} {app_id} https://…", store.as_option()),
                    found => found.iter().map(line).collect(),
                });
                Ok(())
            }
            Self::Show { of, store } => {
                let view = store.open().await?.admin.webhook(of.app_id, &of.endpoint_id).await?;
                show(&store, &http::webhooks::webhook(view));
                Ok(())
            }
            Self::Update(update) => update.run().await,
            Self::RotateKey { of, overlap, out, store } => {
                out.check()?;
                let admin = &store.open().await?.admin;
                let (key, until) = admin.rotate_webhook_key(of.app_id, &of.endpoint_id, Some(overlap)).await?;
                let until = until.map(UnixSeconds::get);
                let made = json!({ "signing_key": key.expose(), "previous_key_until": until });
                let before =
                    until.map(|until| format!(" Deliveries are signed with the one before too until {}.", at(until)));
                out.deliver(&store, &made, || shown_once(&key, &before.unwrap_or_default()))
            }
            Self::Remove { of, store } => {
                let removed = store.open().await?.admin.remove_webhook(of.app_id, &of.endpoint_id).await?;
                store.print(&json!({ "endpoint_id": of.endpoint_id, "removed": removed }), || match removed {
                    true => "removed".to_owned(),
                    false => format!("there is no endpoint {} of this app", of.endpoint_id),
                });
                Ok(())
            }
            Self::Test { of, store } => {
                let delivery_id = store.open().await?.admin.test_webhook(of.app_id, &of.endpoint_id).await?;
                queued(&store, &of, &delivery_id);
                Ok(())
            }
            Self::Deliveries { of, limit, store } => {
                let admin = &store.open().await?.admin;
                let found = admin.deliveries(of.app_id, &of.endpoint_id, None, limit).await?;
                let found = found.into_iter().map(http::webhooks::delivery).collect::<Result<Vec<_>, _>>()?;
                store.print(&found, || match found.as_slice() {
                    [] => "nothing was delivered yet".to_owned(),
                    found => found.iter().map(delivery_line).collect(),
                });
                Ok(())
            }
            Self::Redeliver { of, delivery_id, store } => {
                store.open().await?.admin.redeliver(of.app_id, &of.endpoint_id, &delivery_id).await?;
                queued(&store, &of, &delivery_id);
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        self.out.check()?;
        let service = self.store.open().await?;
        let events = if self.events.is_empty() { EndpointSettings::default_events() } else { self.events };
        let settings = EndpointSettings {
            url: self.url,
            events,
            description: self.description,
            private_network: self.private_network,
        };
        let (view, key) = service.admin.create_webhook(self.app_id, settings, !self.disabled).await?;
        let made = json!({ "endpoint_id": view.endpoint_id, "signing_key": key.expose() });
        self.out.deliver(&self.store, &made, || {
            let next = format!(
                " Next:\n  roompass webhook test{} {} {}",
                self.store.as_option(),
                self.app_id,
                view.endpoint_id
            );
            format!("endpoint     {}\nsigning key  {}", view.endpoint_id, shown_once(&key, &next))
        })
    }
}

impl Update {
    async fn run(self) -> Result<(), Failure> {
        let change = EndpointChange {
            version: self.version,
            url: self.url,
            events: (!self.events.is_empty()).then_some(self.events),
            description: self.description,
            private_network: self.private_network,
            enabled: self.enabled,
        };
        let admin = &self.store.open().await?.admin;
        let view = admin.update_webhook(self.of.app_id, &self.of.endpoint_id, change).await?;
        show(&self.store, &http::webhooks::webhook(view));
        Ok(())
    }
}

fn show(store: &StoreArgs, webhook: &Webhook) {
    // Names, words and texts into memory: serde_json has no way to fail here.
    store.print(webhook, || serde_json::to_string_pretty(webhook).unwrap_or_default());
}

fn shown_once(key: &SigningKey, more: &str) -> String {
    format!("{}\n\nKeep the key now: it is not shown again.{more}", key.expose())
}

fn queued(store: &StoreArgs, of: &Of, delivery_id: &str) {
    store.print(&json!({ "delivery_id": delivery_id }), || {
        format!(
            "in the queue as {delivery_id}; a running server delivers it within two seconds. Then:\n  \
             roompass webhook deliveries{} {} {}",
            store.as_option(),
            of.app_id,
            of.endpoint_id
        )
    });
}

/// An endpoint, for people.
fn line(webhook: &Webhook) -> String {
    let off = if webhook.enabled { "" } else { "  OFF" };
    let dropped = match webhook.dropped {
        0 => String::new(),
        dropped => format!("; {dropped} events had no room in its queue"),
    };
    format!(
        "{}  {}{off}  {}  {}{dropped}\n",
        webhook.endpoint_id,
        webhook.url,
        webhook.description,
        words(&webhook.events)
    )
}

/// A delivery, for people.
fn delivery_line(delivery: &Delivery) -> String {
    let last = match delivery.attempts.last() {
        None => "not tried yet".to_owned(),
        Some(attempt) => {
            let answer = attempt.status.map_or_else(|| word(attempt.fault), |status| status.to_string());
            format!(
                "{} attempts, the last at {}: {answer} in {} ms",
                delivery.attempts.len(),
                at(attempt.at),
                attempt.latency_ms
            )
        }
    };
    let next = delivery.next_attempt_at.map(|next| format!("; next at {}", at(next))).unwrap_or_default();
    format!(
        "{}  {}  {}  {}  {last}{next}\n",
        delivery.delivery_id,
        at(delivery.created_at),
        delivery.event,
        word(delivery.state)
    )
}

fn at(seconds: i64) -> String {
    date(UnixSeconds::new(seconds))
}
