//! What an app's backend does: has a token minted for a user it knows, and hands it to that user's client.
//!
//! `cargo run -p roompass-sdk --example mint -- alice room1`

mod demo;

use std::{error::Error, process::ExitCode};

use roompass_sdk::{MintRequest, PrivilegeName};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    demo::report(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let user_id = arguments.next().unwrap_or_else(|| "alice".to_owned());
    let room_id = arguments.next().unwrap_or_else(|| "room1".to_owned());

    let request = MintRequest {
        user_id,
        room_id: Some(room_id),
        privileges: Some(vec![PrivilegeName::Login, PrivilegeName::Publish]),
        ttl_secs: Some(600),
        ..MintRequest::default()
    };
    let minted = demo::Demo::find()?.backend()?.mint(&request).await?;
    eprintln!("token {} is good for {} s", minted.token_id, minted.expire_at - minted.issued_at);
    println!("{}", minted.token);
    Ok(())
}
