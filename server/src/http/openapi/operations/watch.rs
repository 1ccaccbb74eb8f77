//! What operators watch.

use axum::http::Method;
use roompass_wire::http::{
    APP_REFUSALS_PATH, FEED_PATH, FeedEvent, FeedKind, FeedQuery, FeedResponse, NODES_PATH, Node, NodesResponse,
    Present, REFUSALS_PATH, RefusalReason, RefusalsQuery, RefusalsResponse, STATISTICS_PATH, Samples, StatisticsQuery,
    StatisticsResponse, Totals,
};

use super::super::operation::{AUDIT, HEALTH, Operation, ROOMS};

const NOW: i64 = 1_800_000_000;

pub(super) fn operations() -> Vec<Operation> {
    let refusals = refusals();
    vec![
        Operation::new("count_refusals", Method::GET, REFUSALS_PATH, AUDIT, "Count what was refused")
            .about("In every app and outside of apps, by time and reason, with what each reason means.")
            .query::<RefusalsQuery>()
            .answer(200, "Counts over time.", &refusals),
        Operation::new("count_app_refusals", Method::GET, APP_REFUSALS_PATH, AUDIT, "Count what was refused in an app")
            .about("By time and reason. The records themselves are in the audit trail, with `result=refused`.")
            .query::<RefusalsQuery>()
            .answer(200, "Counts over time.", &refusals),
        Operation::new("follow_rooms", Method::GET, FEED_PATH, ROOMS, "Follow what happens in rooms")
            .about(
                "What happens on the node that answers: people and streams that come and go, logins that are refused. \
                 Ask without `after` first, then with the `last` of the answer before and `wait_secs`, again and again. \
                 Events are kept for as long as somebody asks at least once in a minute.",
            )
            .query::<FeedQuery>()
            .answer(200, "What happened.", &feed()),
        Operation::new("show_statistics", Method::GET, STATISTICS_PATH, HEALTH, "Show rates and times of a node")
            .about("Of the node that answers, for the last two hours. Prometheus has more, and of all nodes.")
            .query::<StatisticsQuery>()
            .answer(200, "Its counts and samples.", &statistics()),
        Operation::new("list_nodes", Method::GET, NODES_PATH, HEALTH, "List nodes")
            .about("Those that live and share a bus with the one that answers. Each says anew how it is every ten seconds.")
            .answer(
                200,
                "The nodes.",
                &NodesResponse {
                    answered_by: node().node_id,
                    is_alone: true,
                    nodes: vec![node()],
                    server_time: NOW,
                },
            ),
    ]
}

fn refusals() -> RefusalsResponse {
    let reason = RefusalReason {
        action: "login".to_owned(),
        reason: "expired".to_owned(),
        title: "The token has expired".to_owned(),
        remedy: "Fetch a new token before each login, and let the SDK renew in the room.".to_owned(),
        count: 3,
        counts: vec![1, 0, 2],
    };
    RefusalsResponse {
        since: NOW - 90,
        until: NOW,
        span_secs: 30,
        reasons: vec![reason],
        is_complete: true,
        server_time: NOW,
    }
}

fn feed() -> FeedResponse {
    let event = FeedEvent {
        number: 1_887_436_800_000_001,
        at: NOW,
        kind: FeedKind::UserEntered,
        room_id: Some("room1".to_owned()),
        user_id: Some("alice".to_owned()),
        session_id: Some("q83vEjRWeJq83vEjRWeJqw".to_owned()),
        stream_id: None,
        reason: None,
        code: None,
    };
    FeedResponse { last: event.number, events: vec![event], missed: false, is_whole: true, server_time: NOW }
}

fn statistics() -> StatisticsResponse {
    let totals = Totals { minted: 1_200, verified: 1_100, refused: 3, logins: 1_080, ..Totals::default() };
    let present =
        Present { apps: 2, backend_keys: 3, store_up: true, bus_up: true, audit_up: true, ..Present::default() };
    let samples = Samples {
        at: vec![NOW - 5],
        secs: vec![10],
        minted: vec![12],
        mints_refused: vec![0],
        verified: vec![11],
        refused: vec![1],
        logins: vec![10],
        logins_refused: vec![1],
        revocations: vec![0],
        opened_by_previous: vec![0],
        mint_p50_us: vec![Some(180)],
        mint_p99_us: vec![Some(420)],
        login_p50_us: vec![Some(200)],
        login_p99_us: vec![Some(900)],
        introspect_p50_us: vec![None],
        introspect_p99_us: vec![None],
        sessions: vec![41],
        rooms: vec![6],
        streams: vec![17],
    };
    StatisticsResponse { node: node(), totals, present, samples, server_time: NOW }
}

fn node() -> Node {
    Node {
        node_id: "8f0c2b7e51d4a936".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: NOW - 86_400,
        seen_at: NOW,
        connections: 60,
        sessions: 41,
        rooms: 6,
        streams: 17,
    }
}
