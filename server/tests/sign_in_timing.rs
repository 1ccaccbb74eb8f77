//! Whether the time that a refused sign-in takes tells if there is an admin of that name: names that are known and names
//! that are not, in random order, by Welch's t.
//!
//! A test binary of its own with a single test: nothing else of it runs meanwhile.
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/welch.rs"]
mod welch;

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use rand::{TryRng, rngs::SysRng};
use roompass_server::{
    admins::{Admins, Confirmed},
    audit::{Audit, Recorder},
    clock::{Clock, ManualClock},
    error::Error,
    limits::Source,
    sealing::{MasterKey, Sealer},
    store::{Location, SqliteStore, Store},
};
use token_gen::UnixSeconds;
use totp_rs::{Algorithm, Builder, Secret};
use welch::MAX_T;

/// Each takes as long as a password takes to hash. A release measures more: set `ROOMPASS_SIGN_IN_SAMPLES` to 10000.
const SAMPLES: usize = 160;
/// A machine that is busy with something else can look like a leak once; a leak looks like one every time.
const BATCHES: usize = 3;
const PASSWORD: &str = "a long enough one";

// proves T59
#[tokio::test]
async fn a_refused_sign_in_does_not_tell_by_its_time_whether_there_is_such_an_admin() {
    #[expect(clippy::disallowed_methods, reason = "how much to measure is for whoever runs the tests")]
    let samples = std::env::var("ROOMPASS_SIGN_IN_SAMPLES").map_or(SAMPLES, |samples| samples.parse().unwrap());
    let mut gate = Gate::new().await;

    // Whoever has tried too often is refused without a look at the password.
    let often = gate.source();
    while !matches!(gate.refuse("owner", often).await, Error::RateLimited { .. }) {}
    let mut careless = Vec::new();
    for class in [0, 1].repeat(20) {
        let source = if class == 0 { often } else { gate.source() };
        careless.push((class, gate.time("owner", source).await));
    }
    assert!(welch::t(careless).abs() >= MAX_T, "the method sees what it is there to see");

    let mut ts = Vec::new();
    for _ in 0..BATCHES {
        let mut coins = vec![0; samples];
        SysRng.try_fill_bytes(&mut coins).unwrap();
        let mut times = Vec::with_capacity(samples);
        for coin in coins {
            let class = usize::from(coin & 1);
            let source = gate.source();
            times.push((class, gate.time(["owner", "nobody"][class], source).await));
        }
        ts.push(welch::t(times));
        if ts.iter().any(|t| t.abs() < MAX_T) {
            break;
        }
    }
    println!("a known name and an unknown one: t = {ts:.2?}");
    assert!(ts.iter().any(|t| t.abs() < MAX_T), "{ts:?}");
}

/// The way in, with one admin behind it.
struct Gate {
    admins: Admins,
    /// Everybody tries from an address of their own: whoever tries again would have to wait.
    tried: u32,
}

impl Gate {
    async fn new() -> Self {
        let store = Arc::new(SqliteStore::open(&Location::Memory).unwrap());
        store.migrate().await.unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_700_000_000)));
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let recorder = Recorder::new(Audit::start(store.clone(), clock.clone()));
        let mut gate = Self { admins: Admins::new(store, sealer, clock.clone(), recorder), tried: 0 };
        let (code, _) = gate.admins.owner_setup_code().await.unwrap();
        let enrolment = gate.admins.begin_setup(&code).await.unwrap();
        let secret = Secret::try_from_base32(&enrolment.totp_secret).unwrap();
        let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        let totp = totp.with_secret(secret).build_noncompliant();
        let code_now = totp.generate(u64::try_from(clock.now().get()).unwrap()).to_string();
        let confirmed = Confirmed { ticket: &enrolment.ticket, totp: &code_now };
        let source = gate.source();
        gate.admins.finish_setup(&code, "owner", PASSWORD, confirmed, source).await.unwrap();
        gate
    }

    fn source(&mut self) -> Source {
        self.tried += 1;
        Source::of(Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 0]) + self.tried).into())
    }

    async fn refuse(&self, name: &str, source: Source) -> Error {
        self.admins.sign_in(name, "another that is long enough", "123456", source).await.err().unwrap()
    }

    /// How long a refusal takes, in nanoseconds.
    async fn time(&self, name: &str, source: Source) -> f64 {
        let start = Instant::now();
        self.refuse(name, source).await;
        start.elapsed().as_secs_f64() * 1e9
    }
}
