//! What is said in rooms that span nodes: heard by all once and in one order, and by whoever comes back.

use super::*;
use crate::nodes::{speak, talk as words};

on_both!(
    what_is_said_and_set_is_heard_on_all_nodes_once,
    who_goes_on_elsewhere_is_told_what_was_said_meanwhile,
    signals_and_messages_missed_come_in_one_order,
    whatever_mark_is_shown_nothing_from_before_the_login_is_heard,
    who_comes_back_having_heard_more_takes_nothing_from_the_others,
    nobody_is_too_slow_for_what_their_node_hears_late,
    what_came_before_its_answer_was_lost_is_heard_once,
    everybody_hears_everything_in_one_order,
);

async fn what_is_said_and_set_is_heard_on_all_nodes_once(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let now = here.clock.now();
    let mut alice = here.enter("alice").await;
    let mut bob = there.enter("bob").await;
    alice.hears(&["+bob"]).await;
    for number in ["one", "two", "three"] {
        here.say(&alice, number).await;
    }
    here.signal(&alice, "bob", "offer").await.unwrap();
    assert_eq!(here.signal(&alice, "carol", "offer").await, Err(ErrorCode::UserNotInRoom));
    alice.place.set_room_extra("title".to_owned(), "talk".to_owned(), now).unwrap();
    alice.place.set_user_extra("hand".to_owned()).unwrap();
    let said = ["alice: one", "alice: two", "alice: three"];
    alice.hears(&said).await;
    alice.hears(&["title=talk", "alice has hand"]).await;
    bob.hears(&said).await;
    bob.hears(&["alice signals offer", "title=talk", "alice has hand"]).await;

    let (place, snapshot) = {
        let third = Node::join(meeting).await;
        let outbox = Arc::new(Outbox::new(OutboxLimits::default()));
        let newcomer = Newcomer {
            session_id: SessionId::new([9; 16]),
            room_id: RoomId::new("r").unwrap(),
            user_id: UserId::new("carol").unwrap(),
            user_name: UserName::new("carol").unwrap(),
            room_session_id: 8,
            metadata: Some("seat 7".to_owned()),
            auth: AuthKind::Token,
            kept: "".into(),
            outbox,
        };
        third.nodes.enter(&settings(), newcomer, now).await.unwrap()
    };
    assert_eq!(snapshot.room_session_id, 7, "a room has one life on all nodes");
    assert_eq!(snapshot.extra[0].value, "talk");
    let alice_here = snapshot.users.iter().find(|user| user.user_id == "alice").unwrap();
    assert_eq!(alice_here.extra.as_deref(), Some("hand"));
    alice.hears(&["+carol"]).await;
    drop(place);
}

async fn who_goes_on_elsewhere_is_told_what_was_said_meanwhile(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    there.say(&bob, "before she came").await;
    let mut alice = here.enter("alice").await;
    bob.hears(&["bob: before she came", "+alice"]).await;
    there.say(&bob, "heard").await;
    alice.hears(&["bob: heard"]).await;
    // What comes now her client does not hear: its connection is broken, and then its node.
    there.say(&bob, "one").await;
    here.say(&alice, "two").await;
    there.signal(&bob, "alice", "offer").await.unwrap();
    there.signal(&bob, "bob", "a note").await.unwrap();
    here.die().await;
    there.say(&bob, "three").await;
    let mut moved = there.resume(&alice).await.unwrap();
    there.say(&bob, "four").await;
    moved.hears(&["bob: one", "alice: two", "bob signals offer", "bob: three", "bob: four"]).await;
    assert!(!moved.missed_some);
    let mut all = Vec::new();
    while !all.contains(&"bob: four".to_owned()) {
        let heard = bob.hear().await;
        all.extend((!heard.starts_with(['+', '-'])).then_some(heard));
    }
    assert_eq!(all, ["bob: heard", "bob: one", "alice: two", "bob signals a note", "bob: three", "bob: four"]);

    // Whose client is lost before it has heard that is told again, on the same node too.
    moved.place.go_away();
    let returned = there.nodes.come_back(&moved.place, moved.seq, alice.mark).await.unwrap();
    assert_eq!((returned.messages_missed, returned.state), (false, None));
    moved.mark = alice.mark;
    moved.hears(&["bob: one", "alice: two", "bob signals offer", "bob: three", "bob: four"]).await;

    // More than anybody remembers.
    for number in 0..=crate::bus::MAX_TOLD {
        there.say(&bob, &number.to_string()).await;
    }
    let third = Node::join(meeting).await;
    let late = third.resume(&moved).await.unwrap();
    assert!(late.missed_some);
}

async fn signals_and_messages_missed_come_in_one_order(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let mut alice = here.enter("alice").await;
    bob.hears(&["+alice"]).await;
    there.say(&bob, "heard").await;
    alice.hears(&["bob: heard"]).await;
    // This one is written to a connection that is lost with it; the others wait.
    there.signal(&bob, "alice", "one").await.unwrap();
    assert!(matches!(timeout(DEADLINE, alice.outbox.next()).await, Ok(Delivery::Text(_))));
    alice.place.go_away();
    there.say(&bob, "two").await;
    there.signal(&bob, "alice", "three").await.unwrap();
    there.say(&bob, "four").await;
    bob.hears(&["bob: heard", "bob: two", "bob: four"]).await;
    here.nodes.come_back(&alice.place, alice.seq, alice.mark).await.unwrap();
    alice.hears(&["bob signals one", "bob: two", "bob signals three", "bob: four"]).await;

    // Whoever says nothing of what it has heard may have missed some.
    alice.place.go_away();
    let returned = here.nodes.come_back(&alice.place, alice.seq, None).await.unwrap();
    assert_eq!((returned.messages_missed, returned.state), (true, None));
}

async fn whatever_mark_is_shown_nothing_from_before_the_login_is_heard(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let mut first = here.enter("alice").await;
    bob.hears(&["+alice"]).await;
    there.say(&bob, "for those who are here").await;
    there.signal(&bob, "alice", "for her alone").await.unwrap();
    first.hears(&["bob: for those who are here", "bob signals for her alone"]).await;
    drop(first.place);
    bob.hears(&["bob: for those who are here", "-alice"]).await;

    // Whoever takes the name next.
    let mut second = here.enter("alice").await;
    bob.hears(&["+alice"]).await;
    there.say(&bob, "later").await;
    bob.hears(&["bob: later"]).await;
    second.mark = Some(0);
    second.hears(&["bob: later"]).await;
    second.place.go_away();
    here.nodes.come_back(&second.place, second.seq, Some(0)).await.unwrap();
    second.mark = Some(0);
    second.hears(&["bob: later"]).await;
    for node in [&there, &here] {
        second.mark = Some(0);
        second = node.resume(&second).await.unwrap();
        second.hears(&["bob: later"]).await;
        assert!(!second.missed_some);
    }
}

async fn who_comes_back_having_heard_more_takes_nothing_from_the_others(meeting: &impl Meeting) {
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let mut alice = here.enter("alice").await;
    bob.hears(&["+alice"]).await;
    // From here on the news comes late.
    there.tasks[0].abort();
    for number in ["one", "two"] {
        here.say(&alice, number).await;
    }
    alice.hears(&["alice: one", "alice: two"]).await;
    here.say(&alice, "three").await;
    let mut moved = there.resume(&alice).await.unwrap();
    moved.hears(&["alice: three"]).await;
    bob.hears(&["alice: one", "alice: two", "alice: three"]).await;
}

async fn nobody_is_too_slow_for_what_their_node_hears_late(meeting: &impl Meeting) {
    const EACH: usize = 160;
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let mut bob = there.enter("bob").await;
    let alice = here.enter("alice").await;
    bob.hears(&["+alice"]).await;
    there.tasks[0].abort();
    // More than may wait for a connection, but only half of it while bob could have read it.
    for number in 0..EACH {
        there.say(&bob, &number.to_string()).await;
    }
    for number in 0..EACH {
        here.say(&alice, &number.to_string()).await;
    }
    there.resume(&alice).await.unwrap();
    for who in ["bob", "alice"] {
        for number in 0..EACH {
            assert_eq!(bob.hear().await, format!("{who}: {number}"));
        }
    }
}

async fn what_came_before_its_answer_was_lost_is_heard_once(meeting: &impl Meeting) {
    let here = Node::join(meeting).await;
    let mut alice = here.enter("alice").await;
    let (room_id, saying) = alice.place.saying(None, "one".to_owned(), here.clock.now()).unwrap();
    let topic = topic(settings().app_id, &room_id);
    let letter = words::Letter { number: here.nodes.letters.next(), saying };
    here.nodes.bus.tell(&topic, &speak::written(&letter)).await.unwrap();
    alice.hears(&["alice: one"]).await;
    here.nodes.take_answer(&topic, &letter, Err(BusError::Away("no answer".to_owned()))).await;
    here.say(&alice, "two").await;
    alice.hears(&["alice: two"]).await;
}

async fn everybody_hears_everything_in_one_order(meeting: &impl Meeting) {
    const EACH: usize = 20;
    let (here, there) = (Node::join(meeting).await, Node::join(meeting).await);
    let (mut alice, mut bob) = (here.enter("alice").await, there.enter("bob").await);
    alice.hears(&["+bob"]).await;
    let talk = async |node: &Node, guest: &Guest| {
        for number in 0..EACH {
            node.say(guest, &number.to_string()).await;
        }
    };
    tokio::join!(talk(&here, &alice), talk(&there, &bob));
    let (mut with_alice, mut with_bob) = (Vec::new(), Vec::new());
    for _ in 0..2 * EACH {
        with_alice.push(alice.hear().await);
        with_bob.push(bob.hear().await);
    }
    assert_eq!(with_alice, with_bob);
    for who in ["alice", "bob"] {
        let said: Vec<String> = with_alice.iter().filter(|said| said.starts_with(who)).cloned().collect();
        assert_eq!(said, (0..EACH).map(|number| format!("{who}: {number}")).collect::<Vec<_>>());
    }
}
