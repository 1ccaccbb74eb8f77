//! What a client has made, under the address that only it knows: it adds its addresses to it, and ends it. The address names
//! the node that has it, and each node passes on what is asked of another's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::IF_MATCH},
    response::{IntoResponse, Response},
};
use roompass_wire::ErrorCode;
use serde::{Deserialize, Serialize};
use token_gen::AppId;
use tokio::sync::mpsc;

use super::{Refused, SDP_FRAGMENT, is_of_type, sdp::line, whole};
use crate::{
    bus::NodeId,
    gateway::{Gateway, refusal},
    limits::{Buckets, Quota, Verdict},
    nodes::{Nodes, Unreached},
    operator::{Answer, Question},
};

/// Of a request to restart ICE: whatever session there is.
const ANY: &str = "*";
/// How many addresses are taken from one request; who forwards takes in no more of a client.
const MOST_CANDIDATES: usize = 64;
/// The longest of them: there is none so long.
const LONGEST_CANDIDATE: usize = 512;
/// How much is passed on to another node for one resource.
const PASSED_ON: Quota = Quota::per_minute(60);
/// How many resources of other nodes are told apart at a time.
const MOST_ELSEWHERE: usize = 20_000;

/// What clients have made on this node and not deleted.
#[derive(Debug)]
pub(in crate::gateway) struct Resources {
    here: Mutex<HashMap<String, Resource>>,
    /// What is asked of those on other nodes.
    elsewhere: Buckets<String>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { here: Mutex::default(), elsewhere: Buckets::new(PASSED_ON, MOST_ELSEWHERE) }
    }
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) asked: mpsc::Sender<Asked>,
    /// The ICE user name of the offer.
    pub(super) ufrag: String,
    /// Names its ICE session, as its `ETag`.
    pub(super) tag: String,
}

/// What whoever holds a resource has to do.
#[derive(Debug)]
pub(super) enum Asked {
    Candidates(Vec<String>),
    End,
}

/// What a client wants of its resource, wherever that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// Add these addresses of the client.
    Add {
        /// The state that the client has seen, if it says so.
        if_match: Option<String>,
        /// The ICE user name, if it says so.
        ufrag: Option<String>,
        /// The addresses.
        candidates: Vec<String>,
    },
    /// End it.
    End,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done, or about to be.
    Done,
    /// There is no such resource.
    Missing,
    /// The client has seen another state.
    OtherState,
    /// ICE would have to be restarted.
    Restart,
}

/// The address of something that `secret` names and that is on this node.
pub(super) fn media_id(secret: &str, app_id: AppId, nodes: &Nodes) -> String {
    let place = format!("{secret}.{app_id}.{}", nodes.bus().node());
    let mark = nodes.mark(app_id, &place);
    format!("{place}.{mark}")
}

/// The app and the node that an address names, if a node of ours has made it: whatever a stranger makes up is asked of
/// nobody.
fn home_of(media_id: &str, nodes: &Nodes) -> Option<(AppId, NodeId)> {
    let (place, mark) = media_id.rsplit_once('.')?;
    let mut parts = place.splitn(3, '.').skip(1);
    let app_id = AppId::new(parts.next()?.parse().ok()?).ok()?;
    let node = NodeId::from(parts.next()?);
    nodes.is_marked(app_id, place, mark).then_some((app_id, node))
}

pub(super) async fn end(State(gateway): State<Arc<Gateway>>, Path(media_id): Path<String>) -> Response {
    answered(gateway.wish(media_id, Wish::End).await, StatusCode::OK)
}

pub(super) async fn add_candidates(
    State(gateway): State<Arc<Gateway>>,
    Path(media_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match read(&headers, body) {
        Ok(wish) => answered(gateway.wish(media_id, wish).await, StatusCode::NO_CONTENT),
        Err((code, detail)) => refusal(code, detail),
    }
}

fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Wish, Refused> {
    if !is_of_type(headers, &SDP_FRAGMENT) {
        return Err((ErrorCode::UnsupportedMediaType, "the body must be `application/trickle-ice-sdpfrag`"));
    }
    let body = whole(body)?;
    let fragment = std::str::from_utf8(&body).map_err(|_| (ErrorCode::MediaInvalid, "the body is not UTF-8"))?;
    let candidates = fragment.lines().filter_map(|line| line.trim_end().strip_prefix("a=candidate:"));
    if candidates.clone().any(|candidate| candidate.len() > LONGEST_CANDIDATE) {
        return Err((ErrorCode::MediaInvalid, "a candidate is longer than 512 bytes"));
    }
    Ok(Wish::Add {
        // One that is no text is that of no state.
        if_match: headers.get(IF_MATCH).map(|tag| tag.to_str().unwrap_or_default().to_owned()),
        ufrag: line(fragment, "a=ice-ufrag:").map(str::to_owned),
        candidates: candidates.take(MOST_CANDIDATES).map(|candidate| format!("candidate:{candidate}")).collect(),
    })
}

fn answered(outcome: Option<Outcome>, done: StatusCode) -> Response {
    match outcome {
        Some(Outcome::Done) => done.into_response(),
        Some(Outcome::Missing) => refusal(ErrorCode::NotFound, "it is over, or never was"),
        Some(Outcome::OtherState) => {
            refusal(ErrorCode::PreconditionFailed, "this is not the ICE session of the `ETag`")
        }
        Some(Outcome::Restart) => refusal(ErrorCode::MediaInvalid, "ICE is not restarted here: make a new offer"),
        None => refusal(ErrorCode::Unavailable, "the node that has it does not answer"),
    }
}

impl Gateway {
    /// Does what a client wants of its resource, on the node that has it; none, if that one does not answer.
    async fn wish(&self, media_id: String, wish: Wish) -> Option<Outcome> {
        match home_of(&media_id, &self.nodes) {
            Some((app_id, node)) if node != *self.nodes.bus().node() => {
                if !matches!(self.whip.elsewhere.take(&media_id, self.clock.now()), Verdict::Allowed { .. }) {
                    return None;
                }
                let question = Question::Resource { media_id, wish };
                let mut unreached = Unreached::default();
                let answers: Vec<(NodeId, Answer)> = self.nodes.ask(app_id, &question, &mut unreached).await;
                let is_lost = unreached.bus_away || unreached.silent.contains(&node);
                let outcome = answers.into_iter().find(|(from, _)| *from == node).map(|(_, answer)| answer);
                match outcome {
                    Some(Answer::Resource(outcome)) => Some(outcome),
                    // A node that has gone has taken it along.
                    _ => (!is_lost).then_some(Outcome::Missing),
                }
            }
            _ => Some(self.grant(&media_id, wish).await),
        }
    }

    /// Does it to a resource of this node.
    pub async fn grant(&self, media_id: &str, wish: Wish) -> Outcome {
        let (asked, what) = {
            let resources = self.whip.lock();
            let Some(resource) = resources.get(media_id) else { return Outcome::Missing };
            let what = match wish {
                Wish::End => Asked::End,
                Wish::Add { if_match, ufrag, candidates } => {
                    let if_match = if_match.as_deref();
                    // Encoders that do not name the state they saw are taken at their word.
                    if if_match.is_some_and(|tag| tag != resource.tag && tag != ANY) {
                        return Outcome::OtherState;
                    }
                    if if_match == Some(ANY) || ufrag.is_some_and(|ufrag| ufrag != resource.ufrag) {
                        return Outcome::Restart;
                    }
                    Asked::Candidates(candidates)
                }
            };
            (resource.asked.clone(), what)
        };
        // Whoever holds it is about to end it if it does not listen any more.
        let _ = asked.send(what).await;
        Outcome::Done
    }
}

impl Resources {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Resource>> {
        // No change in here can stop half-way.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
