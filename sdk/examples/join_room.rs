//! Enters a room, publishes a stream, tells what happens, and leaves on Ctrl-C.
//!
//! `cargo run -p roompass-sdk --example join_room -- alice room1`; run it twice, with two users.

#[path = "demo/ctrl_c.rs"]
mod ctrl_c;
mod demo;

use std::{error::Error, process::ExitCode};

use roompass_sdk::{BackendClient, Client, Event, LocalUser, MintRequest, TokenAnswer, TokenRequest};

#[tokio::main]
async fn main() -> ExitCode {
    demo::report(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let user_id = arguments.next().unwrap_or_else(|| "alice".to_owned());
    let room_id = arguments.next().unwrap_or_else(|| "room1".to_owned());

    let mut ctrl_c = std::pin::pin!(ctrl_c::ctrl_c()?);
    let demo = demo::Demo::find()?;
    let backend = demo.backend()?;
    // A real client asks its app's backend here, for instance with `HttpTokenProvider`.
    let client = Client::builder(demo.app_id, &demo.url)
        .token_provider(move |request| mint(backend.clone(), request))
        .build()?;

    let room = client.login_room(&room_id, LocalUser::new(&user_id)?).await?;
    println!("in {room_id} as {user_id}; Ctrl-C leaves");
    let mut events = room.events();
    let stream_id = format!("{user_id}-camera");
    match room.start_publishing_stream(&stream_id).await {
        Ok(()) => println!("publishing {stream_id}"),
        Err(error) => println!("not publishing {stream_id}: {error}"),
    }

    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => tell(event),
                None => break,
            },
            _ = &mut ctrl_c => {
                room.logout_room().await;
                println!("left");
                break;
            }
        }
    }
    Ok(())
}

fn tell(event: Event) {
    match event {
        Event::UsersJoined(users) => users.iter().for_each(|user| println!("+ user {}", user.user_id)),
        Event::UsersLeft { users, .. } => users.iter().for_each(|user| println!("- user {}", user.user_id)),
        Event::StreamsStarted(streams) => {
            streams.iter().for_each(|stream| println!("+ stream {} of {}", stream.stream_id, stream.user_id));
        }
        Event::StreamsStopped { streams, .. } => {
            streams.iter().for_each(|stream| println!("- stream {}", stream.stream_id))
        }
        Event::StateChanged { state, .. } => println!("state: {state:?}"),
        Event::LoggedIn(admission) => println!("let in by {:?}, may {:?}", admission.auth, admission.privileges),
        Event::TokenRenewed { expire_at, .. } => println!("token renewed until {expire_at}"),
        other => println!("{other:?}"),
    }
}

async fn mint(backend: BackendClient, request: TokenRequest) -> TokenAnswer {
    let wanted = MintRequest { user_id: request.user_id, room_id: Some(request.room_id), ..MintRequest::default() };
    match backend.mint(&wanted).await {
        Ok(minted) => TokenAnswer::Token(minted.token),
        Err(error) if error.is_retryable() => {
            println!("no token yet: {error}");
            TokenAnswer::Retry
        }
        Err(error) => TokenAnswer::Denied(error.to_string()),
    }
}
