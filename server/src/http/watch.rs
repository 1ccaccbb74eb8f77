//! `/v1/refusals`, `…/feed`, `/v1/statistics` and `/v1/nodes`: what operators watch

use std::{sync::Arc, time::Duration};

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{
    FeedQuery, FeedResponse, Node, NodesResponse, Present, RefusalsQuery, RefusalsResponse, StatisticsQuery,
    StatisticsResponse,
};
use token_gen::UnixSeconds;
use tokio::time::timeout;

use super::{audit::app_of, auth::AppCaller, extract::Query};
use crate::{app::Service, audit, error::Error, feed::Told};

/// The longest that anybody waits for something to happen; shorter than any request may take.
const MAX_WAIT_SECS: u32 = 8;
/// A store that takes longer than this is not up.
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// Counts what was refused, whatever app it was in.
pub(super) async fn refusals(
    State(service): State<Arc<Service>>,
    Query(query): Query<RefusalsQuery>,
) -> Result<Answer<RefusalsResponse>, Error> {
    let (store, searches) = (Arc::clone(&service.store), service.limits.operator_searches());
    audit::count_refusals(store, searches, &query, None, service.clock.now()).await.map(Answer)
}

/// Counts what was refused in an app.
pub(super) async fn refusals_of_app(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<RefusalsQuery>,
) -> Result<Answer<RefusalsResponse>, Error> {
    let (store, searches) = (Arc::clone(&service.store), service.limits.searches());
    let of = Some(app_of(&caller)?);
    audit::count_refusals(store, searches, &query, of, service.clock.now()).await.map(Answer)
}

/// Tells what happens in the rooms of an app.
pub(super) async fn feed(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<FeedQuery>,
) -> Result<Answer<FeedResponse>, Error> {
    let wait_secs = query.wait_secs.unwrap_or_default();
    if wait_secs > MAX_WAIT_SECS {
        return Err(Error::BadRequest(format!("wait_secs must be at most {MAX_WAIT_SECS}")));
    }
    let (prefix, wait) = (&caller.scope.room_prefix, Duration::from_secs(wait_secs.into()));
    let told = service.feed.after(caller.app_id, prefix, query.after, wait, service.clock.now()).await;
    let Told { events, missed, last } = told;
    let is_whole = service.nodes.bus().is_alone();
    Ok(Answer(FeedResponse { events, missed, is_whole, last, server_time: service.clock.now().get() }))
}

/// Says what this node has done, and how long that took.
pub(super) async fn statistics(
    State(service): State<Arc<Service>>,
    Query(query): Query<StatisticsQuery>,
) -> Answer<StatisticsResponse> {
    let now = service.clock.now();
    let store_up = timeout(STORE_LIMIT, service.store.ping()).await.is_ok_and(|answer| answer.is_ok());
    Answer(StatisticsResponse {
        node: service.card(now),
        totals: service.metrics.totals(),
        present: Present {
            apps: service.directory.len() as u64,
            backend_keys: service.keyring.len() as u64,
            revocations: service.revocations.len() as u64,
            bans: service.bans.len() as u64,
            store_up,
            bus_up: service.nodes.bus().is_up(),
            audit_up: service.audit.ready().is_ok(),
        },
        samples: service.metrics.samples(query.since.map(UnixSeconds::new)),
        server_time: now.get(),
    })
}

/// Lists the nodes that live, as far as this one is in touch with them.
pub(super) async fn nodes(State(service): State<Arc<Service>>) -> Answer<NodesResponse> {
    let (now, bus) = (service.clock.now(), service.nodes.bus());
    let ours = service.card(now);
    // Without the bus, this one is the only one that is known of.
    let told = bus.cards().await.unwrap_or_default();
    let others = told.into_iter().filter(|(node, _)| node.as_str() != ours.node_id);
    let mut nodes: Vec<Node> = others
        .map(|(node, card)| {
            // A node of another version may say other things of itself.
            let card = serde_json::from_str(&card).unwrap_or_default();
            Node { node_id: node.to_string(), ..card }
        })
        .collect();
    let answered_by = ours.node_id.clone();
    nodes.push(ours);
    nodes.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    Answer(NodesResponse { answered_by, is_alone: bus.is_alone(), nodes, server_time: now.get() })
}
