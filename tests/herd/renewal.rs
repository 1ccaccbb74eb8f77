//! Tokens that end in the same second are not renewed in the same second.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::rngs::SysRng;
use roompass_sdk::{Cause, Client, Environment, ManualEnvironment, TokenAnswer, TokenRequest};
use roompass_server::{
    Config,
    apps::AppSettings,
    clock::{Clock, ManualClock},
    sealing::MasterKey,
};
use token_gen::{AppId, UnixSeconds};

use crate::crowd::{self, Backend};

const CLIENTS: usize = 5_000;
const START: UnixSeconds = UnixSeconds::new(1_795_440_000);
/// The life of the first tokens, which all begin at the start. A fifth of it is the lead, to which chance adds up to a quarter.
const LIFE: Duration = Duration::from_secs(300);
/// When the first of them may be renewed.
const FIRST_RENEWAL: u64 = 225;

/// Lets every task of this thread do all it can do now: some 60 tasks take their turn at each yield.
async fn turn_round() {
    for _ in 0..CLIENTS / 5 {
        tokio::task::yield_now().await;
    }
}

// proves F10 (renewals of tokens that end together)
#[tokio::test]
async fn five_thousand_tokens_that_end_together_are_renewed_over_many_seconds() {
    let _turn = crowd::turn().await;
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key);
    // Time jumps here: a connection must not count as dead because a minute passed in no time.
    config.gateway.ping_interval = Duration::from_secs(30 * 24 * 3600);
    let clock = Arc::new(ManualClock::new(START));
    let server = roompass_server::start(config, clock.clone()).await.unwrap();
    let app = server.create_app(AppSettings::new(AppId::new(1).unwrap(), "herd")).await.unwrap().app;

    let environment = Arc::new(ManualEnvironment::seeded(20_261_125));
    let renewals: Arc<Mutex<BTreeMap<u64, usize>>> = Arc::default();
    let provider = {
        let backend = Backend::new(1, app.server_secret.expose());
        let (environment, renewals, clock) = (environment.clone(), renewals.clone(), clock.clone());
        move |request: TokenRequest| {
            let now = clock.now();
            if request.cause == Cause::Renewal {
                *renewals.lock().unwrap().entry(environment.now().as_secs()).or_default() += 1;
            }
            let token = backend.token(&request.user_id, LIFE, now);
            async { TokenAnswer::Token(token) }
        }
    };
    let client = Client::builder(1, &server.url())
        .environment(environment.clone())
        .keep_alive(Duration::from_secs(30 * 24 * 3600))
        .token_provider(provider)
        .build()
        .unwrap();
    let rooms = crowd::log_in(&client, CLIENTS).await;
    let first_end = START.saturating_add(LIFE);
    assert!(rooms.iter().all(|room| room.token_expire_at() == Some(first_end)));

    let called = || renewals.lock().unwrap().values().sum::<usize>();
    let answered = || rooms.iter().filter(|room| room.token_expire_at() > Some(first_end)).count();
    let mut now = Duration::ZERO;
    for second in FIRST_RENEWAL.. {
        let step = Duration::from_secs(second) - now;
        now += step;
        clock.advance(step);
        environment.advance(step);
        turn_round().await;
        while answered() < called() {
            turn_round().await;
        }
        if called() >= CLIENTS {
            break;
        }
        assert!(now < LIFE, "{} of {CLIENTS} renewed in time", called());
    }
    assert!(rooms.iter().all(|room| room.state().is_connected()));
    let renewals = renewals.lock().unwrap();
    let seconds = renewals.last_key_value().unwrap().0 - renewals.first_key_value().unwrap().0 + 1;
    let (mean, most) = (CLIENTS as f64 / seconds as f64, *renewals.values().max().unwrap());
    println!("{CLIENTS} renewals over {seconds} s: {mean:.0} a second on average, {most} at most");
    assert_eq!(renewals.values().sum::<usize>(), CLIENTS);
    assert!(seconds >= 15 && most as f64 <= 2.0 * mean, "{renewals:?}");
}
