//! The SDK on every flavour of runtime: a stay, a renewal, a cancelled login, and a room that is only dropped.

use roompass_sdk::{Event, LocalUser};
use roompass_tests::{Listener, World};

async fn stay() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let bob = app.enter("bob", "r1").await;
    let mut bobs = Listener::to(&bob);
    let client = app.client().token_provider(app.provider(100)).build().expect("the options are good");
    let user = || LocalUser::new("alice").expect("a good id");
    // Given up before it is polled to the end.
    drop(client.login_room("r1", user()));

    let alice = client.login_room("r1", user()).await.expect("the token is good");
    let mut alices = Listener::to(&alice);
    // A future that is dropped asks for nothing, or for what it says; the room goes on.
    drop(alice.start_publishing_stream("s0"));
    alice.start_publishing_stream("s1").await.expect("the token grants it");
    world.advance(78);
    alices.next(|event| matches!(event, Event::TokenRenewed { .. }).then_some(())).await;
    drop(alice);
    bobs.next(|event| match event {
        Event::UsersLeft { users, .. } => (users[0].user_id == "alice").then_some(()),
        _ => None,
    })
    .await;
    alices.rest().await;
    world.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn on_one_thread() {
    stay().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads() {
    stay().await;
}

#[tokio::test(flavor = "current_thread")]
async fn within_a_local_set() {
    tokio::task::LocalSet::new().run_until(stay()).await;
}
