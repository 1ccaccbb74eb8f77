use std::{
    io::{Read, Seek},
    sync::Arc,
    time::Duration,
};

use rand::rngs::SysRng;
use roompass_wire::ErrorCode;
use token_gen::{AppId, AppSign, Format, Payload, PublicRefusal, ServerSecret, TokenRequest, UnixSeconds, UserId};

use super::*;
use crate::{
    apps::{
        App, AppSettings, CbcPolicy, FormatName,
        uses::{ERROR_AT, NOTICE_AT, REFUSE_AT},
    },
    audit::Audit,
    clock::ManualClock,
    keys::{Right, Scope},
    sealing::MasterKey,
    store::{AppRecord, Location, Purpose, SqliteStore},
    webhooks::WebhookSettings,
};

const NOW: i64 = 1_800_000_000;

struct Office {
    admin: Admin,
    directory: Arc<Directory>,
    keyring: Arc<Keyring>,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    master_key: MasterKey,
}

impl Office {
    /// With app 7.
    async fn new() -> Self {
        let store = SqliteStore::open(&Location::Memory).unwrap();
        store.migrate().await.unwrap();
        let office = Self::on(Arc::new(store), MasterKey::generate(&mut SysRng).unwrap());
        office.admin.note_master_key().await.unwrap();
        office.admin.create_app(settings(7)).await.unwrap();
        office
    }

    /// Another process on the same store.
    fn on(store: Arc<dyn Store>, master_key: MasterKey) -> Self {
        let (directory, keyring) = (Arc::<Directory>::default(), Arc::<Keyring>::default());
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
        let sealer = Sealer::new(&master_key);
        let webhooks = Webhooks::new(store.clone(), sealer.clone(), clock.clone(), WebhookSettings::default());
        let recorder = Recorder::new(Audit::start(store.clone(), clock.clone()));
        let admin = Admin::new(
            store.clone(),
            sealer,
            clock.clone(),
            directory.clone(),
            keyring.clone(),
            Arc::new(webhooks),
            recorder,
        );
        Self { admin, directory, keyring, clock, store, master_key }
    }

    fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    fn mint(&self, format: Format) -> String {
        minted(&self.directory.app(app_id(7)).unwrap(), format, self.now())
    }

    fn opens(&self, token: &str) -> bool {
        self.directory.app(app_id(7)).unwrap().verify(token, self.now()).is_ok()
    }

    async fn rotate(&self, overlap: Option<u64>) -> Rotated {
        let overlap = overlap.map(Duration::from_secs);
        self.admin.rotate(app_id(7), Rotation { purpose: Purpose::Gcm, overlap }).await.unwrap()
    }

    async fn states(&self) -> Vec<(SecretState, u64)> {
        let ring = self.admin.ring(app_id(7)).await.unwrap();
        ring.iter().map(|secret| (secret.state, secret.used_count)).collect()
    }
}

fn minted(app: &App, format: Format, now: UnixSeconds) -> String {
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: app.settings().max_ttl(),
        payload: Payload::Identity,
    };
    let minter = app.minting(format, now).unwrap().count().unwrap();
    minter.mint(&request, now, &mut SysRng).unwrap().token
}

fn app_id(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn settings(number: u32) -> AppSettings {
    AppSettings::new(app_id(number), "app")
}

/// The field that is refused.
fn refused<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Field { field, .. }) => field.into_owned(),
        Err(error) => error.code().to_string(),
        Ok(_) => "nothing".to_owned(),
    }
}

#[tokio::test]
async fn a_rotation_refuses_nobody_before_its_date_and_everybody_after() {
    let office = Office::new().await;
    let old = office.mint(Format::Token04Gcm);
    let rotated = office.rotate(None).await;
    assert_eq!(rotated.previous_valid_until, Some(UnixSeconds::new(NOW + 86_400)));
    let new = office.mint(Format::Token04Gcm);
    office.clock.advance(Duration::from_secs(3600));
    assert!(office.opens(&old) && office.opens(&new) && office.opens(&new));
    assert_eq!(office.states().await, [(SecretState::Active, 2), (SecretState::Previous, 1)]);

    office.rotate(Some(60)).await;
    assert!(office.opens(&new) && office.opens(&old), "of three, two are previous");
    office.clock.advance(Duration::from_secs(60));
    assert!(office.opens(&old) && !office.opens(&new));
    let ring = office.admin.ring(app_id(7)).await.unwrap();
    assert_eq!(ring.iter().filter(|secret| secret.state == SecretState::Ended).count(), 1);
    assert_eq!(refused(office.admin.retire(app_id(7), &ring[0].secret_id).await), "secret_id", "the active one");
    assert_eq!(refused(office.admin.retire(app_id(7), "unknown").await), "not_found");
    let beyond = Rotation { purpose: Purpose::Gcm, overlap: Some(Duration::from_secs(24 * 86_400 + 1)) };
    assert_eq!(refused(office.admin.rotate(app_id(7), beyond).await), "overlap_secs");
    assert_eq!(
        refused(office.admin.rotate(app_id(8), Rotation { purpose: Purpose::Gcm, overlap: None }).await),
        "app_unknown"
    );
}

// proves C11 (several nodes)
#[tokio::test]
async fn on_several_nodes_a_new_secret_mints_a_little_later_unless_the_one_before_was_ended_early() {
    let office = Office::new().await;
    let first = office.admin.ring(app_id(7)).await.unwrap()[0].secret_id.clone();
    // Whose turn it is so many seconds from now, where five pass until each node knows of a change.
    let mints = async |secs: u64| {
        let record = office.store.app(app_id(7)).await.unwrap().unwrap();
        let app =
            closed::StoredApp::of(record, &[]).unwrap().open(&office.admin.sealer, Duration::from_secs(5)).unwrap();
        let at = office.now().saturating_add(Duration::from_secs(secs));
        app.verify(&minted(&app, Format::Token04Gcm, at), at).unwrap().secret_id
    };
    let rotate = async |overlap| {
        office.clock.advance(Duration::from_secs(10));
        office.rotate(Some(overlap)).await.secret_id
    };
    assert_eq!(mints(0).await, first, "it is the only one");
    let second = rotate(60).await;
    assert_eq!([mints(0).await, mints(4).await, mints(5).await], [&*first, &*first, &*second]);
    let third = rotate(0).await;
    assert_eq!(mints(0).await, third, "though the first still verifies");
    let fourth = rotate(60).await;
    assert_eq!([mints(0).await, mints(4).await, mints(5).await], [&*third, &*third, &*fourth]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotations_under_load_refuse_nobody() {
    let office = Arc::new(Office::new().await);
    let stopping = Arc::new(AtomicBool::new(false));
    let users = (0..4).map(|_| {
        let (office, stopping) = (Arc::clone(&office), Arc::clone(&stopping));
        tokio::spawn(async move {
            let mut tokens = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                tokens.push(office.mint(Format::Token04Gcm));
                // Of rotations long ago and of the one that is just being made.
                assert!([0, tokens.len() / 2, tokens.len() - 1].into_iter().all(|index| office.opens(&tokens[index])));
                tokio::task::yield_now().await;
            }
            tokens
        })
    });
    let users: Vec<_> = users.collect();
    for _ in 0..7 {
        office.rotate(None).await;
        let minted = office.mint(Format::Token04Gcm);
        for _ in 0..50 {
            assert!(office.opens(&minted));
            tokio::task::yield_now().await;
        }
    }
    stopping.store(true, Ordering::Relaxed);
    let mut tokens = Vec::new();
    for user in users {
        tokens.extend(user.await.unwrap());
    }
    // One more mints from now on; when all before it are past their date, none of their tokens opens.
    for secret in office.admin.ring(app_id(7)).await.unwrap().iter().filter(|secret| secret.valid_until.is_some()) {
        office.admin.retire(app_id(7), &secret.secret_id).await.unwrap();
    }
    office.rotate(Some(0)).await;
    assert!(tokens.iter().all(|token| !office.opens(token)));
    assert!(office.opens(&office.mint(Format::Token04Gcm)));
}

#[tokio::test]
async fn a_retired_secret_ends_at_once_and_whoever_keeps_sessions_hears_of_it() {
    let office = Office::new().await;
    let mut news = office.directory.subscribe();
    let old = office.mint(Format::Token04Gcm);
    let first = office.admin.ring(app_id(7)).await.unwrap()[0].secret_id.clone();
    office.rotate(None).await;
    assert!(office.directory.app(app_id(7)).unwrap().holds_secret(&first));
    office.admin.retire(app_id(7), &first).await.unwrap();
    office.admin.retire(app_id(7), &first).await.unwrap();
    assert!(!office.opens(&old));
    assert_eq!(news.recv().await.unwrap(), app_id(7));
    assert!(!office.directory.app(app_id(7)).unwrap().holds_secret(&first));

    let second = office.mint(Format::Token04Gcm);
    office.rotate(Some(0)).await;
    assert!(!office.opens(&second), "no overlap retires");
    assert_eq!(office.admin.ring(app_id(7)).await.unwrap().len(), 3, "what ended is still listed");
    office.clock.advance(Duration::from_secs(25 * 86_400));
    office.rotate(None).await;
    assert_eq!(office.admin.ring(app_id(7)).await.unwrap().len(), 2, "until none of its tokens can live");
}

#[tokio::test]
async fn a_ring_has_a_bounded_number_of_live_secrets() {
    let office = Office::new().await;
    for _ in 1..8 {
        office.rotate(None).await;
    }
    let again = Rotation { purpose: Purpose::Gcm, overlap: None };
    assert_eq!(refused(office.admin.rotate(app_id(7), again).await), "overlap_secs");
    office.rotate(Some(0)).await;
}

// proves T09
#[tokio::test]
async fn a_secret_seals_no_more_than_is_safe_also_after_a_restart() {
    let office = Office::new().await;
    let secret_id = office.admin.ring(app_id(7)).await.unwrap()[0].secret_id.clone();
    office.mint(Format::Token04Gcm);
    office.admin.reserve_mints().await.unwrap();
    assert_eq!(office.admin.ring(app_id(7)).await.unwrap()[0].mints_reserved, 65_536);
    office.store.reserve_mints(app_id(7), &secret_id, REFUSE_AT - 65_536).await.unwrap();

    let restarted = Office::on(office.store.clone(), office.master_key.clone());
    restarted.admin.load().await.unwrap();
    let app = restarted.directory.app(app_id(7)).unwrap();
    let minting = app.minting(Format::Token04Gcm, restarted.now()).unwrap();
    assert_eq!(refused(minting.count().map_err(Error::from)), "secret_worn_out");
    restarted.rotate(None).await;
    restarted.mint(Format::Token04Gcm);
}

// proves T09 (the operator hears of it in time, once)
#[tokio::test]
async fn the_log_says_when_a_secret_has_sealed_very_many_tokens() {
    let log = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(Arc::clone(&log)).finish();
    // Asked anew each time whether a line is wanted, whatever other tests do; see the log of the gateway.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _guard = tracing::subscriber::set_default(subscriber);
    let said = || {
        let (mut file, mut text) = (&*log, String::new());
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let about = |line: &&str| line.contains("the secret ");
        text.lines().filter(about).map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };

    let office = Office::new().await;
    let secret_id = office.admin.ring(app_id(7)).await.unwrap()[0].secret_id.clone();
    let reserve_more = async || {
        let restarted = Office::on(office.store.clone(), office.master_key.clone());
        restarted.admin.load().await.unwrap();
        // Whoever mints nothing reserves nothing; a secret that is worn out mints no more.
        let app = restarted.directory.app(app_id(7)).unwrap();
        let _ = app.minting(Format::Token04Gcm, restarted.now()).unwrap().count();
        restarted.admin.reserve_mints().await.unwrap();
    };
    let mut lines = 0;
    for (mark, level, words) in [
        (NOTICE_AT, "WARN", "the secret has sealed 2^28 tokens: rotate it soon"),
        (ERROR_AT, "ERROR", "the secret has sealed 2^31 tokens: rotate it today"),
        (REFUSE_AT, "ERROR", "the secret seals no more tokens: rotate it now"),
    ] {
        let reserved = office.admin.ring(app_id(7)).await.unwrap()[0].mints_reserved;
        office.store.reserve_mints(app_id(7), &secret_id, mark - 1 - reserved).await.unwrap();
        assert_eq!(said().len(), lines, "not before its time");
        reserve_more().await;
        reserve_more().await;
        lines += 1;
        let said = said();
        assert_eq!(said.len(), lines, "{said:?}");
        assert_eq!((&said[lines - 1]["level"], &said[lines - 1]["message"]), (&level.into(), &words.into()));
        assert_eq!((&said[lines - 1]["app_id"], &said[lines - 1]["secret_id"]), (&"7".into(), &(*secret_id).into()));
        assert!(said[lines - 1]["reserved"].as_u64().unwrap() >= mark);
    }
}

// proves T12
#[tokio::test]
async fn credentials_from_elsewhere_work_here_and_belong_to_one_app() {
    let office = Office::new().await;
    let secret = |text: &str| ServerSecret::new(text).unwrap();
    let import = |server_secret: &str, cbc_secret: Option<&str>| Import {
        app_sign: None,
        server_secret: secret(server_secret),
        cbc_secret: cbc_secret.map(secret),
    };
    let vendor = "9b07e5d13c6a4f82b1e0d7395ac8624f";
    office.admin.import_app(settings(8), import(vendor, None)).await.unwrap();
    let minter = token_gen::Minter::new(app_id(8), &secret(vendor));
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: Duration::from_secs(60),
        payload: Payload::Identity,
    };
    let token = minter.mint(&request, office.now(), &mut SysRng).unwrap().token;
    assert!(office.directory.app(app_id(8)).unwrap().verify(&token, office.now()).is_ok());
    assert!(!office.opens(&token));

    assert_eq!(refused(office.admin.import_app(settings(9), import(vendor, None)).await), "server_secret");
    let other = "Kq7ZrT2mXv9LbN4cWs8YhJ6dPf3GtA1e";
    assert_eq!(refused(office.admin.import_app(settings(9), import(other, Some(vendor))).await), "cbc_secret");
    assert_eq!(refused(office.admin.import_app(settings(9), import(other, Some(other))).await), "cbc_secret");
    assert_eq!(refused(office.admin.import_app(settings(8), import(other, None)).await), "conflict");
    let placeholder = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let public = "fa94dd0f974cf2e293728a526b028271";
    assert_eq!(refused(office.admin.import_app(settings(9), import(placeholder, None)).await), "server_secret");
    assert_eq!(refused(office.admin.import_app(settings(9), import(public, None)).await), "server_secret");
    assert_eq!(refused(office.admin.import_app(settings(9), import(other, Some(placeholder))).await), "cbc_secret");
    let mut with_app_sign = import(other, None);
    with_app_sign.app_sign = AppSign::new(&"0".repeat(64)).ok();
    assert_eq!(refused(office.admin.import_app(settings(9), with_app_sign).await), "app_sign");
    assert_eq!(Admin::warnings_about(&secret(vendor)).len(), 1, "hexadecimal only");
    assert_eq!(Admin::warnings_about(&secret(other)).len(), 0);
}

#[tokio::test]
async fn a_change_names_the_version_it_read() {
    let office = Office::new().await;
    let change = |version, change: fn(&mut AppSettings)| {
        let mut settings = settings(7);
        change(&mut settings);
        office.admin.update_app(SettingsChange { version, settings, acknowledge_cbc: false })
    };
    let changed = change(1, |settings| settings.enabled = false).await.unwrap();
    assert_eq!((changed.version, changed.settings.enabled), (2, false));
    assert!(!office.directory.app(app_id(7)).unwrap().settings().enabled);
    assert_eq!(refused(change(1, |settings| settings.enabled = true).await), "conflict");
    assert_eq!(refused(change(2, |settings| settings.max_ttl_secs = 0).await), "max_ttl_secs");
    assert_eq!(refused(change(2, |settings| settings.app_id = app_id(9)).await), "app_unknown");
    assert!(change(2, |settings| settings.enabled = true).await.unwrap().settings.enabled);
}

#[tokio::test]
async fn cbc_needs_a_word_a_secret_of_its_own_and_an_end() {
    let office = Office::new().await;
    let cbc = |acknowledge_cbc, days: i64| {
        let settings = AppSettings {
            formats: vec![FormatName::Token04Gcm, FormatName::Token04Cbc],
            cbc_policy: CbcPolicy::Offline,
            cbc_until: Some(office.now().get() + days * 86_400),
            ..settings(7)
        };
        let admin = &office.admin;
        async move {
            let version = admin.app(app_id(7)).await.unwrap().unwrap().version;
            admin.update_app(SettingsChange { version, settings, acknowledge_cbc }).await
        }
    };
    assert_eq!(refused(cbc(false, 90).await), "acknowledge_cbc");
    assert_eq!(refused(cbc(true, 91).await), "cbc_until");
    assert_eq!(refused(cbc(true, 0).await), "cbc_until");
    assert_eq!(refused(cbc(true, 90).await), "cbc_policy", "without a secret");
    office.admin.rotate(app_id(7), Rotation { purpose: Purpose::Cbc, overlap: None }).await.unwrap();
    assert_eq!(cbc(true, 90).await.unwrap().warnings.len(), 1);

    let token = office.mint(Format::Token04Cbc);
    assert!(!office.opens(&token), "not by the authenticated road");
    let app = office.directory.app(app_id(7)).unwrap();
    let at = |days: i64| UnixSeconds::new(NOW + days * 86_400);
    assert!(app.open_cbc(&token, at(0)).unwrap().is_ok());
    assert!(app.open_cbc(&token, at(90)).is_none());
    assert!(app.open_cbc(&office.mint(Format::Token04Gcm), at(0)).unwrap().is_err());
}

#[tokio::test]
async fn a_reset_app_sign_leaves_the_one_before_until_its_date() {
    let office = Office::new().await;
    let before = office.admin.credentials_of(app_id(7)).await.unwrap().unwrap().app_sign;
    let reset = office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    let app = office.directory.app(app_id(7)).unwrap();
    let signs = |seconds| {
        let at = UnixSeconds::new(NOW + seconds);
        app.app_signs(at).map(|entry| entry.app_sign().expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(signs(59), [reset.app_sign.expose(), before.expose()]);
    assert_eq!(signs(60), [reset.app_sign.expose()]);
    office.admin.reset_app_sign(app_id(7), Duration::ZERO).await.unwrap();
    assert_eq!(office.directory.app(app_id(7)).unwrap().app_signs(office.now()).count(), 1);
    let none = office.admin.retire_app_sign(app_id(7)).await.unwrap_err();
    assert!(matches!(none, Error::Missing(_)), "{none}");
}

#[tokio::test]
async fn an_app_sign_that_was_promised_until_its_date_is_not_lost_to_another_reset() {
    let office = Office::new().await;
    let signs = || office.directory.app(app_id(7)).unwrap().app_signs(office.now()).count();
    office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    let again = office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(&again, Error::Field { field, .. } if field == "overlap_secs"), "{again}");
    assert_eq!(signs(), 2);
    office.admin.retire_app_sign(app_id(7)).await.unwrap();
    assert_eq!(signs(), 1);
    office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    assert_eq!(signs(), 2);
}

#[tokio::test]
async fn each_app_sign_is_counted_for_itself_whoever_has_heard_of_the_reset() {
    let office = Office::new().await;
    let elsewhere = Office::on(office.store.clone(), office.master_key.clone());
    elsewhere.admin.load().await.unwrap();
    let prove = |office: &Office, which: usize| {
        let app = office.directory.app(app_id(7)).unwrap();
        app.app_signs(office.now()).nth(which).unwrap().proven(office.now());
    };
    let counted = async |office: &Office| {
        let view = office.admin.app(app_id(7)).await.unwrap().unwrap();
        let of = |app_sign: &AppSignView| (app_sign.valid_until, app_sign.used_count, app_sign.last_used_at);
        view.app_signs.iter().map(of).collect::<Vec<_>>()
    };
    let at = |seconds| Some(UnixSeconds::new(NOW + seconds));
    assert_eq!(counted(&office).await, [(None, 0, None)]);
    prove(&office, 0);
    office.clock.advance(Duration::from_secs(5));
    prove(&office, 0);
    assert_eq!(counted(&office).await, [(None, 2, at(5))], "written down or not");
    office.admin.note_last_used().await.unwrap();
    assert_eq!(counted(&office).await, [(None, 2, at(5))]);
    prove(&office, 0);

    office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    assert_eq!(counted(&office).await, [(None, 0, None), (at(65), 3, at(5))], "also what was not written down yet");
    // It has not heard of the reset: the AppSign that it takes for the present one is the one before.
    prove(&elsewhere, 0);
    prove(&office, 0);
    elsewhere.admin.note_last_used().await.unwrap();
    assert_eq!(counted(&office).await, [(None, 1, at(5)), (at(65), 4, at(5))]);
    elsewhere.admin.reload_app(app_id(7)).await.unwrap();
    prove(&elsewhere, 0);
    prove(&elsewhere, 1);
    assert_eq!(counted(&elsewhere).await, [(None, 1, at(0)), (at(65), 4, at(5))], "what it knows of");
    elsewhere.admin.note_last_used().await.unwrap();
    office.admin.note_last_used().await.unwrap();
    let together = [(None, 2, at(5)), (at(65), 5, at(5))];
    assert_eq!([counted(&office).await, counted(&elsewhere).await], [together, together]);
    let listed = office.admin.apps(None, 9).await.unwrap();
    assert_eq!(listed[0].app_signs, [], "no list counts");

    // What is gone is gone, and what its users do elsewhere is nobody else's.
    prove(&elsewhere, 1);
    office.admin.retire_app_sign(app_id(7)).await.unwrap();
    assert_eq!(counted(&office).await, [(None, 2, at(5))]);
    office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    elsewhere.admin.note_last_used().await.unwrap();
    assert_eq!(counted(&office).await, [(None, 0, None), (at(65), 2, at(5))]);
    office.admin.reset_app_sign(app_id(7), Duration::ZERO).await.unwrap();
    assert_eq!(counted(&office).await, [(None, 0, None)]);
    let restarted = Office::on(office.store.clone(), office.master_key.clone());
    restarted.admin.load().await.unwrap();
    prove(&restarted, 0);
    assert_eq!(counted(&restarted).await, [(None, 1, at(0))]);
}

#[tokio::test]
async fn keys_are_of_one_app_or_an_operators() {
    let office = Office::new().await;
    let key = |number: Option<u32>, rights: &[Right]| NewKey {
        app_id: number.map(app_id),
        name: "key".to_owned(),
        scope: Scope { rights: rights.to_vec(), ..Scope::default() },
        expire_at: None,
        kind: KeyKind::Bearer,
    };
    let signed = NewKey { kind: KeyKind::Signed, ..key(None, &[Right::Admin]) };
    assert_eq!(refused(office.admin.create_key(signed).await), "kind");
    assert_eq!(refused(office.admin.create_key(key(Some(8), &[Right::Mint])).await), "app_unknown");
    assert_eq!(refused(office.admin.create_key(key(Some(7), &[])).await), "rights");
    assert_eq!(refused(office.admin.create_key(key(None, &[Right::Mint])).await), "rights");
    let past = NewKey { expire_at: Some(office.now()), ..key(Some(7), &[Right::Mint]) };
    assert_eq!(refused(office.admin.create_key(past).await), "expire_at");

    let operator = office.admin.create_key(key(None, &[Right::Admin])).await.unwrap();
    assert!(office.keyring.authenticate(operator.expose(), office.now()).is_none(), "no backend");
    assert!(office.keyring.holder(operator.expose(), office.now()).is_some());
    assert_eq!(office.admin.keys_after(None, "", 9).await.unwrap()[0].last_used_at, Some(office.now()));
    assert!(!office.admin.revoke_key(Some(app_id(7)), operator.key_id()).await.unwrap());
    assert!(office.admin.revoke_key(None, operator.key_id()).await.unwrap());
    assert!(office.keyring.holder(operator.expose(), office.now()).is_none());
}

#[tokio::test]
async fn a_damaged_secret_stops_its_app_and_no_other() {
    let office = Office::new().await;
    office.admin.create_app(settings(8)).await.unwrap();
    assert_eq!(office.admin.check().await.unwrap().faults, []);
    let mut record = office.store.app(app_id(7)).await.unwrap().unwrap();
    *record.secrets[0].sealed.last_mut().unwrap() ^= 1;
    let version = record.version;
    office.store.update_app(record).await.unwrap();

    office.admin.reload_app(app_id(7)).await.unwrap();
    assert!(office.directory.app(app_id(7)).is_none() && office.directory.app(app_id(8)).is_some());
    let restarted = Office::on(office.store.clone(), office.master_key.clone());
    restarted.admin.load().await.unwrap();
    assert!(restarted.directory.app(app_id(7)).is_none() && restarted.directory.app(app_id(8)).is_some());
    let faults = restarted.admin.check().await.unwrap().faults;
    assert_eq!(faults.iter().map(|fault| fault.app_id).collect::<Vec<_>>(), [7]);

    let swapped = office.store.app(app_id(8)).await.unwrap().unwrap();
    let record = AppRecord { app_id: app_id(7), version: version + 1, ..swapped };
    office.store.update_app(record).await.unwrap();
    office.admin.reload_app(app_id(7)).await.unwrap();
    assert!(office.directory.app(app_id(7)).is_none(), "the secrets of another app do not open here");
}

#[tokio::test]
async fn a_new_master_key_opens_everything_and_who_has_the_old_one_serves_on() {
    let office = Office::new().await;
    office.rotate(None).await;
    office.admin.reset_app_sign(app_id(7), Duration::from_secs(60)).await.unwrap();
    let token = office.mint(Format::Token04Gcm);
    let elsewhere = Office::on(office.store.clone(), office.master_key.clone());
    elsewhere.admin.load().await.unwrap();

    let new_key = MasterKey::generate(&mut SysRng).unwrap();
    assert_eq!(office.admin.reseal(Sealer::new(&new_key)).await.unwrap(), 5);
    assert_eq!(office.admin.reseal(Sealer::new(&new_key)).await.unwrap(), 0, "it is done");

    elsewhere.admin.reload_app(app_id(7)).await.unwrap_err();
    assert!(elsewhere.opens(&token) && !elsewhere.admin.has_our_key());
    assert_eq!(refused(elsewhere.admin.create_app(settings(9)).await), ErrorCode::Unavailable.as_str());
    assert_eq!(
        refused(elsewhere.admin.rotate(app_id(7), Rotation { purpose: Purpose::Gcm, overlap: None }).await),
        "unavailable"
    );
    assert_eq!(refused(elsewhere.admin.load().await), "unavailable");
    assert!(elsewhere.opens(&token));

    let restarted = Office::on(office.store.clone(), new_key);
    restarted.admin.load().await.unwrap();
    assert!(restarted.opens(&token));
    assert_eq!(restarted.admin.check().await.unwrap().faults, []);
    let refused = restarted.directory.app(app_id(7)).unwrap().verify(&token, UnixSeconds::new(NOW + 86_400));
    assert_eq!(refused.unwrap_err().public(), PublicRefusal::Expired);
}
