//! What waits to be said to the node that forwards a room.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use roompass_wire::gateway::{GoneReason, MediaOffer};
use token_gen::{StreamId, UnixSeconds};
use tokio::task::unconstrained;

use super::*;
use crate::{
    bus::{Letter, LocalBus, LocalHub},
    clock::ManualClock,
    sealing::MasterKey,
};
use words::{Envelope, address, place};

const KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";

/// A node with a session whose room another one forwards.
struct Node {
    across: Arc<Across>,
    wanted: mpsc::UnboundedReceiver<Want>,
    home: LocalBus,
}

impl Node {
    async fn start() -> (Self, Far) {
        let hub = LocalHub::default();
        let [bus, home] = ["here", "home"].map(|node| hub.join(NodeId::from(node)));
        let app_id = AppId::new(1).unwrap();
        let homes = Homes::default();
        homes.of(&home, app_id, "r").await;
        let across = Arc::new(Across::new(Arc::new(bus), sealer(), Arc::new(ManualClock::new(UnixSeconds::new(1)))));
        let wanted = across.wanted.lock().unwrap().take().unwrap();
        let far = across.far(&homes, app_id, &Who::new(app_id, "r", "alice")).await.unwrap();
        (Self { across, wanted, home }, far.expect("another node forwards it").0)
    }

    /// What the other node hears, once `post` has said all that waits.
    async fn heard(&mut self, post: &mut Post<'_>) -> Vec<Order> {
        let mut heard = vec![];
        while let Ok(want) = self.wanted.try_recv() {
            post.perform(want).await;
            // Not put off because the test has done much already.
            while let Some(Letter { from, text }) = unconstrained(self.home.letter()).now_or_never() {
                let at = address("orders", &from, self.home.node());
                heard.push(sealer().open_words::<Envelope<Order>>(place(&at), &text).expect("an order").words);
            }
        }
        heard
    }
}

fn sealer() -> Sealer {
    Sealer::new(&MasterKey::parse(KEY).unwrap())
}

fn playing(streams: &[&str]) -> Doing {
    let streams: BTreeSet<_> = streams.iter().map(|id| StreamId::new(*id).unwrap()).collect();
    Doing::new(&BTreeMap::new(), &streams)
}

/// If what is to be said takes too long, the other node must notice, and forward nothing more.
#[tokio::test]
async fn a_beat_does_not_overtake_what_waits() {
    let (mut node, far) = Node::start().await;
    let (across, plane) = (Arc::clone(&node.across), MediaPlane::default());
    let mut post = Post::new(&across, &plane);
    node.heard(&mut post).await;
    far.follow(playing(&["a"]), GoneReason::Stopped);
    post.look_for_silence();
    post.look_for_silence();
    assert!(node.home.letter().now_or_never().is_none());
    let follow = Order::Follow { line: 1, doing: playing(&["a"]), reason: GoneReason::Stopped };
    assert_eq!(node.heard(&mut post).await, [follow, Order::Beat]);
    post.look_for_silence();
    assert_eq!(node.heard(&mut post).await, [Order::Beat]);
}

#[tokio::test]
async fn however_fast_a_client_asks_little_waits_to_be_said() {
    let (mut node, mut far) = Node::start().await;
    let (across, plane) = (Arc::clone(&node.across), MediaPlane::default());
    let mut post = Post::new(&across, &plane);
    node.heard(&mut post).await;
    for _ in 0..500 {
        far.candidate("candidate:1 1 udp 1 192.0.2.1 5000 typ host");
        far.follow(playing(&["a"]), GoneReason::Stopped);
        far.follow(playing(&[]), GoneReason::Removed);
    }
    let heard = node.heard(&mut post).await;
    let latest = |order: &&Order| matches!(order, Order::Follow { .. });
    let expected = Order::Follow { line: 1, doing: playing(&[]), reason: GoneReason::Removed };
    assert_eq!(heard.iter().filter(latest).collect::<Vec<_>>(), [&expected]);
    assert_eq!(heard.len(), MOST_CANDIDATES + 1);
    far.follow(playing(&["b"]), GoneReason::Stopped);
    assert_eq!(node.heard(&mut post).await.len(), 1, "what is said once is said again when it changes");
}

/// An offer says what is done at its moment, and so would bring back what was taken away after it.
#[tokio::test]
async fn what_changes_after_an_offer_is_said_after_it() {
    let (mut node, mut far) = Node::start().await;
    let (across, plane) = (Arc::clone(&node.across), MediaPlane::default());
    let mut post = Post::new(&across, &plane);
    node.heard(&mut post).await;
    far.follow(playing(&["a"]), GoneReason::Stopped);
    let offer = MediaOffer { id: 1, sdp: String::new(), tracks: vec![] };
    // Given up before it is answered.
    assert!(far.offer(offer.clone(), playing(&["a"])).now_or_never().is_none());
    far.follow(playing(&[]), GoneReason::Removed);
    let heard = node.heard(&mut post).await;
    let follow = |streams, reason| Order::Follow { line: 1, doing: playing(streams), reason };
    assert_eq!(heard.first(), Some(&follow(&["a"], GoneReason::Stopped)));
    assert!(matches!(heard[1], Order::Offer { .. }), "{heard:?}");
    assert_eq!(heard.get(2), Some(&follow(&[], GoneReason::Removed)));
}
