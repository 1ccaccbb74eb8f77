//! A room in the terminal: who is there, what runs, how long the token lasts; talk, publish, renew, leave.
//!
//! `cargo run -p roompass-sdk --example room_chat -- alice room1`; run it twice, with two users. `/help` lists what can
//! be typed. With a third argument, tokens live that many seconds, so that the SDK can be watched renewing them.

#[cfg(unix)]
mod command;
#[path = "../demo/mod.rs"]
mod demo;
#[cfg(unix)]
mod journal;
#[cfg(unix)]
mod keyboard;
#[cfg(unix)]
mod screen;
#[cfg(unix)]
mod terminal;

use std::process::ExitCode;

#[cfg(not(unix))]
fn main() -> ExitCode {
    demo::report(Err("this example needs a Unix terminal".into()))
}

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    demo::report(chat::run().await)
}

#[cfg(unix)]
mod chat {
    use std::{error::Error, time::Duration};

    use roompass_sdk::{BackendClient, Client, LocalUser, MintRequest, Room, TokenAnswer, TokenRequest};

    use crate::{
        command::{Command, HELP},
        demo::Demo,
        journal::{self, Journal},
        keyboard::{Key, Keyboard},
        screen::{self, View},
        terminal::Terminal,
    };

    const DEFAULT_LIFE_SECS: u64 = 3600;

    pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let user_id = arguments.next().unwrap_or_else(|| "alice".to_owned());
        let room_id = arguments.next().unwrap_or_else(|| "room1".to_owned());
        let life_secs = arguments.next().map_or(Ok(DEFAULT_LIFE_SECS), |text| text.parse())?;

        let demo = Demo::find()?;
        // A real client asks its app's backend here, for instance with `HttpTokenProvider`.
        let mint = Mint { backend: demo.backend()?, life_secs };
        let provider = mint.clone();
        let client = Client::builder(demo.app_id, &demo.url)
            .token_provider(move |request: TokenRequest| {
                let mint = provider.clone();
                async move { mint.answer(&request.user_id, &request.room_id).await }
            })
            .build()?;
        let room = client.login_room(&room_id, LocalUser::new(&user_id)?).await?;
        converse(&room, &mint, &user_id).await
    }

    /// Tokens of this example's users.
    #[derive(Clone)]
    struct Mint {
        backend: BackendClient,
        life_secs: u64,
    }

    impl Mint {
        async fn token(&self, user_id: &str, room_id: &str) -> Result<String, roompass_sdk::Error> {
            let wanted = MintRequest {
                user_id: user_id.to_owned(),
                room_id: Some(room_id.to_owned()),
                ttl_secs: Some(self.life_secs),
                ..MintRequest::default()
            };
            Ok(self.backend.mint(&wanted).await?.token)
        }

        async fn answer(&self, user_id: &str, room_id: &str) -> TokenAnswer {
            match self.token(user_id, room_id).await {
                Ok(token) => TokenAnswer::Token(token),
                Err(error) if error.is_retryable() => TokenAnswer::Retry,
                Err(error) => TokenAnswer::Denied(error.to_string()),
            }
        }
    }

    async fn converse(room: &Room, mint: &Mint, user_id: &str) -> Result<(), Box<dyn Error>> {
        let terminal = Terminal::raw()?;
        let mut keyboard = Keyboard::open();
        let mut events = room.events();
        let mut journal = Journal::default();
        let mut typed = String::new();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let ending = loop {
            let view = View { room, user_id, journal: &journal, typed: &typed };
            terminal.show(&screen::draw(&view, terminal.size()?))?;
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => journal.extend(journal::lines(event)),
                    None => break format!("out of the room: {}", journal::state(&room.state())),
                },
                key = keyboard.next() => match key {
                    None | Some(Key::Leave) => {
                        room.logout_room().await;
                        break "left".to_owned();
                    }
                    Some(Key::Letter(letter)) => typed.push(letter),
                    Some(Key::Erase) => drop(typed.pop()),
                    Some(Key::Enter) => match Command::parse(&std::mem::take(&mut typed)) {
                        Ok(None) => {}
                        Ok(Some(Command::Leave)) => {
                            room.logout_room().await;
                            break "left".to_owned();
                        }
                        Ok(Some(Command::Help)) => journal.extend(HELP.iter().map(|line| (*line).to_owned())),
                        Ok(Some(command)) => journal.extend(act(room, mint, user_id, command).await),
                        Err(fault) => journal.extend([fault]),
                    },
                },
                _ = second.tick() => {}
            }
        };
        drop(terminal);
        println!("{ending}");
        Ok(())
    }

    /// Does what was typed, and says what came of it if nothing else will.
    async fn act(room: &Room, mint: &Mint, user_id: &str, command: Command) -> Option<String> {
        let own = |stream: Option<String>| stream.unwrap_or_else(|| format!("{user_id}-camera"));
        let outcome = match command {
            Command::Say(text) => room.send_message(text).await,
            Command::Whisper { to, text } => room.send_signal(&[&to], text).await,
            Command::Publish(stream) => room.start_publishing_stream(&own(stream)).await,
            Command::Unpublish(stream) => room.stop_publishing_stream(&own(stream)).await,
            Command::Play(stream) => room.start_playing_stream(&stream).await,
            Command::Unplay(stream) => room.stop_playing_stream(&stream).await,
            Command::Set { key, value } => room.set_room_extra(key, value).await,
            Command::Show(extra) => room.set_user_extra(extra).await,
            Command::Switch(room_id) => room.switch_room(&room_id).await,
            Command::Renew => match mint.token(user_id, room.room_id().as_str()).await {
                Ok(token) => room.renew_token(&token).await,
                Err(error) => Err(error),
            },
            Command::Help | Command::Leave => Ok(()),
        };
        outcome.err().map(|error| format!("! {error}"))
    }
}
