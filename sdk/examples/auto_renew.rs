//! Stays in a room on tokens of 20 seconds, which the SDK renews by itself. Ctrl-C leaves.
//!
//! `cargo run -p roompass-sdk --example auto_renew`

#[path = "demo/ctrl_c.rs"]
mod ctrl_c;
mod demo;

use std::{error::Error, process::ExitCode};

use roompass_sdk::{Client, Event, LocalUser, MintRequest, TokenAnswer, TokenRequest};

const LIFE_SECS: u64 = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    demo::report(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut ctrl_c = std::pin::pin!(ctrl_c::ctrl_c()?);
    let demo = demo::Demo::find()?;
    let backend = demo.backend()?;
    let client = Client::builder(demo.app_id, &demo.url)
        .token_provider(move |request: TokenRequest| {
            let backend = backend.clone();
            async move {
                println!("the SDK asks for a token: {:?}", request.cause);
                let wanted = MintRequest {
                    user_id: request.user_id,
                    room_id: Some(request.room_id),
                    ttl_secs: Some(LIFE_SECS),
                    ..MintRequest::default()
                };
                match backend.mint(&wanted).await {
                    Ok(minted) => TokenAnswer::Token(minted.token),
                    Err(error) => {
                        println!("no token: {error}");
                        TokenAnswer::Retry
                    }
                }
            }
        })
        .build()?;

    let room = client.login_room("room1", LocalUser::new("renewing-robin")?).await?;
    println!("in room1 with a token of {LIFE_SECS} s; Ctrl-C leaves");
    let mut events = room.events();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::TokenRenewed { expire_at, .. }) => println!("renewed: good until {expire_at}"),
                Some(Event::RenewalFailed { error, retry_in }) => println!("not renewed: {error}; again in {retry_in:?}"),
                Some(Event::StateChanged { state, .. }) => println!("state: {state:?}"),
                Some(_) => {}
                None => break,
            },
            _ = &mut ctrl_c => {
                room.logout_room().await;
                break;
            }
        }
    }
    Ok(())
}
