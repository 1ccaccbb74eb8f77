//! Admins over a real store, with a clock that the test moves.

use rand::rngs::SysRng;

use super::*;
use crate::{
    audit::Audit,
    clock::ManualClock,
    sealing::MasterKey,
    store::{AdminStore, AuditFilter, AuditStore, AuditWalk, Location, SqliteStore},
};

const PASSWORD: &str = "a long enough one";

struct Bench {
    admins: Admins,
    clock: Arc<ManualClock>,
    store: Arc<SqliteStore>,
}

impl Bench {
    async fn new() -> Self {
        let store = Arc::new(SqliteStore::open(&Location::Memory).unwrap());
        store.migrate().await.unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_700_000_000)));
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let recorder = Recorder::new(Audit::start(store.clone(), clock.clone()));
        Self { admins: Admins::new(store.clone(), sealer, clock.clone(), recorder), clock, store }
    }

    /// Makes an owner, signed in.
    async fn owner(&self) -> (SignedIn, SecondFactor) {
        let (code, _) = self.admins.owner_setup_code().await.unwrap();
        self.finish(&code, "owner").await.unwrap()
    }

    async fn finish(&self, code: &SetupCode, name: &str) -> Result<(SignedIn, SecondFactor), Error> {
        let enrolment = self.admins.begin_setup(code).await?;
        let factor = factor_of(&enrolment);
        let totp = factor.code(self.clock.now().get());
        let confirmed = Confirmed { ticket: &enrolment.ticket, totp: &totp };
        Ok((self.admins.finish_setup(code, name, PASSWORD, confirmed, source(1)).await?, factor))
    }

    async fn sign_in(&self, name: &str, password: &str, totp: &str) -> Result<SignedIn, Error> {
        self.admins.sign_in(name, password, totp, source(1)).await
    }

    /// Moves on to a step whose code was not used, and gives that.
    fn next_code(&self, factor: &SecondFactor) -> String {
        self.clock.advance(Duration::from_secs(60));
        factor.code(self.clock.now().get())
    }
}

fn source(last: u8) -> Source {
    Source::of([192, 0, 2, last].into())
}

fn factor_of(enrolment: &Enrolment) -> SecondFactor {
    let secret = totp_rs::Secret::try_from_base32(&enrolment.totp_secret).unwrap();
    SecondFactor::from_bytes(secret.as_ref()).unwrap()
}

#[tokio::test]
async fn the_trail_tells_which_proof_of_a_sign_in_was_wrong() {
    let bench = Bench::new().await;
    let (_, factor) = bench.owner().await;
    bench.clock.advance(Duration::from_secs(60));
    let now = bench.clock.now().get();
    let (good, wrong) = (factor.code(now), factor.code(now + 300));
    let admins = bench.admins.by(Origin { actor: Actor::Stranger, source: Some(source(1)), request_id: None });
    for (name, password, totp) in [
        ("my password", PASSWORD, &good),
        ("owner", "a wrong but long one", &good),
        ("owner", PASSWORD, &wrong),
        ("owner", PASSWORD, &good),
        ("owner", PASSWORD, &good),
    ] {
        // Whether it is refused is told by the trail.
        let _ = admins.sign_in(name, password, totp, source(1)).await;
    }
    admins.recorder.flush().await.unwrap();
    let filter = AuditFilter { action: Some("sign_in".to_owned()), ..AuditFilter::default() };
    let found = bench.store.audit_records(filter, AuditWalk::Forth(0), 100).await.unwrap();
    let told: Vec<_> =
        found.iter().map(|(_, record)| (&*record.actor, record.target.as_deref(), record.reason.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("admin:owner", Some("owner"), None),
            ("stranger", None, Some("unknown_name")),
            ("stranger", Some("owner"), Some("wrong_password")),
            ("stranger", Some("owner"), Some("wrong_code")),
            ("admin:owner", Some("owner"), None),
            ("stranger", Some("owner"), Some("used_code")),
        ]
    );
}

// proves T59 (set-up credential), A10
#[tokio::test]
async fn a_setup_code_makes_one_owner_within_fifteen_minutes() {
    let bench = Bench::new().await;
    assert!(!bench.admins.exist().await.unwrap());
    let (void, _) = bench.admins.owner_setup_code().await.unwrap();
    let (code, expire_at) = bench.admins.owner_setup_code().await.unwrap();
    assert_eq!(expire_at.get(), 1_700_000_900);
    for stranger in [&void, &SetupCode::new(""), &SetupCode::new(&code.expose()[1..])] {
        assert!(matches!(bench.finish(stranger, "owner").await, Err(Error::Unauthorized)));
    }
    for bad in ["", "Owner", "ow ner", "о", &"x".repeat(65)] {
        assert!(matches!(bench.finish(&code, bad).await, Err(Error::Field { .. })), "{bad}");
    }
    bench.clock.advance(Duration::from_secs(899));
    let (owner, _) = bench.finish(&code, "owner").await.unwrap();
    assert_eq!(owner.roles.everywhere, Some(Role::Owner));
    assert!(matches!(bench.finish(&code, "second").await, Err(Error::Unauthorized)), "used");
    let (late, _) = bench.admins.owner_setup_code().await.unwrap();
    bench.clock.advance(Duration::from_secs(900));
    assert!(matches!(bench.finish(&late, "second").await, Err(Error::Unauthorized)), "ended");
    assert_eq!(bench.admins.list("", "", 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn admins_are_found_by_name_in_pages() {
    let bench = Bench::new().await;
    for name in ["ann", "bob", "joanna", "zoe"] {
        let (code, _) = bench.admins.owner_setup_code().await.unwrap();
        bench.finish(&code, name).await.unwrap();
    }
    let find = async |search: &str, after: &str, limit| {
        let found = bench.admins.list(search, after, limit).await.unwrap();
        found.into_iter().map(|admin| admin.name).collect::<Vec<_>>()
    };
    assert_eq!(find("", "", 9).await, ["ann", "bob", "joanna", "zoe"]);
    assert_eq!(find("", "bob", 1).await, ["joanna"]);
    assert_eq!(find("ANN", "", 9).await, ["ann", "joanna"]);
    assert_eq!(find("ann", "", 1).await, ["ann"]);
    assert_eq!(find("ann", "ann", 9).await, ["joanna"]);
    assert_eq!(find("nobody", "", 9).await, [""; 0]);
}

#[tokio::test]
async fn a_second_factor_is_confirmed_by_whoever_it_was_made_for() {
    let bench = Bench::new().await;
    let (owner, _) = bench.owner().await;
    let (code, _) = bench.admins.owner_setup_code().await.unwrap();
    let others = bench.admins.begin_totp(&owner).unwrap();
    let own = bench.admins.begin_setup(&code).await.unwrap();
    let now = bench.clock.now().get();
    let totp = factor_of(&own).code(now);
    let wrong = factor_of(&own).code(now + 90);
    for confirmed in [
        Confirmed { ticket: &others.ticket, totp: &factor_of(&others).code(now) },
        Confirmed { ticket: &own.ticket, totp: &wrong },
        Confirmed { ticket: &own.ticket[2..], totp: &totp },
        Confirmed { ticket: "", totp: &totp },
    ] {
        let refused = bench.admins.finish_setup(&code, "other", PASSWORD, confirmed, source(1)).await;
        assert!(matches!(refused, Err(Error::Field { .. })));
    }
    let confirmed = Confirmed { ticket: &own.ticket, totp: &totp };
    bench.admins.finish_setup(&code, "other", PASSWORD, confirmed, source(1)).await.unwrap();
    assert!(own.totp_uri.starts_with("otpauth://totp/Roompass:admin?secret="));
}

// proves T59 (answers alike, codes once)
#[tokio::test]
async fn every_wrong_sign_in_is_refused_alike_and_a_code_works_once() {
    let bench = Bench::new().await;
    let (_, factor) = bench.owner().await;
    let used = factor.code(bench.clock.now().get());
    let refused = bench.sign_in("owner", PASSWORD, &used).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthorized), "the code of the set-up");
    let code = bench.next_code(&factor);
    for (name, password, totp) in [
        ("nobody", PASSWORD, code.as_str()),
        ("owner", "another password", &code),
        ("owner", PASSWORD, "000000x"),
        ("owner", "", ""),
    ] {
        let refused = bench.admins.sign_in(name, password, totp, source(2)).await.unwrap_err();
        assert!(matches!(refused, Error::Unauthorized), "{name}");
        assert_eq!(refused.to_string(), Error::Unauthorized.to_string());
    }
    let copies = (0..3).map(|_| bench.admins.sign_in("owner", PASSWORD, &code, source(3)));
    let copies = futures_util::future::join_all(copies).await;
    assert_eq!(copies.iter().filter(|copy| copy.is_ok()).count(), 1);
}

// proves T59 (no lock-out of others)
#[tokio::test]
async fn guessing_locks_the_guesser_and_nobody_else() {
    let bench = Bench::new().await;
    let (_, factor) = bench.owner().await;
    let code = bench.next_code(&factor);
    for _ in 0..3 {
        let refused = bench.admins.sign_in("owner", "a wrong password", "000000", source(9)).await;
        assert!(matches!(refused, Err(Error::Unauthorized)));
    }
    let refused = bench.admins.sign_in("owner", PASSWORD, &code, source(9)).await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "even with the right one");
    bench.admins.sign_in("owner", PASSWORD, &code, source(1)).await.unwrap();
}

#[tokio::test]
async fn five_wrong_codes_with_the_right_password_close_the_second_factor() {
    let bench = Bench::new().await;
    let (_, factor) = bench.owner().await;
    for guesser in 10..15 {
        let refused = bench.admins.sign_in("owner", PASSWORD, "abcdef", source(guesser)).await;
        assert!(matches!(refused, Err(Error::Unauthorized)));
    }
    let code = bench.next_code(&factor);
    let refused = bench.admins.sign_in("owner", PASSWORD, &code, source(1)).await;
    assert!(matches!(refused, Err(Error::Unauthorized)), "and does not say that the password was right");
    bench.clock.advance(Duration::from_secs(15 * 60));
    let code = bench.next_code(&factor);
    bench.sign_in("owner", PASSWORD, &code).await.unwrap();
}

// proves A10 (sessions)
#[tokio::test]
async fn a_session_ends_when_idle_and_after_twelve_hours() {
    let bench = Bench::new().await;
    let (owner, factor) = bench.owner().await;
    let again = || bench.admins.authenticate(owner.token.clone());
    for _ in 0..24 {
        bench.clock.advance(Duration::from_secs(1_795));
        again().await.unwrap();
    }
    bench.clock.advance(Duration::from_secs(12 * 3600 - 24 * 1_795 - 1));
    again().await.unwrap();
    bench.clock.advance(Duration::from_secs(1));
    assert!(matches!(again().await, Err(Error::Unauthorized)), "twelve hours");
    let code = bench.next_code(&factor);
    let next = bench.sign_in("owner", PASSWORD, &code).await.unwrap();
    assert_ne!(next.token.expose(), owner.token.expose());
    bench.clock.advance(Duration::from_secs(30 * 60));
    assert!(matches!(bench.admins.authenticate(next.token).await, Err(Error::Unauthorized)), "idle");
    bench.clock.advance(Duration::from_secs(1));
    bench.admins.forget_what_has_ended().await.unwrap();
    assert_eq!(bench.store.sessions_of(&owner.admin_id).await.unwrap(), []);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_admin() {
    let bench = Bench::new().await;
    let (first, factor) = bench.owner().await;
    let code = bench.next_code(&factor);
    let second = bench.sign_in("owner", PASSWORD, &code).await.unwrap();
    let listed = bench.admins.sessions(&second).await.unwrap();
    assert_eq!(
        listed.iter().map(|session| &session.session_id).collect::<Vec<_>>(),
        [&second.session.session_id, &first.session.session_id]
    );
    bench.admins.end_session(&second, &first.session.session_id).await.unwrap();
    assert!(matches!(bench.admins.end_session(&second, &first.session.session_id).await, Err(Error::Missing(_))));
    assert!(matches!(bench.admins.authenticate(first.token).await, Err(Error::Unauthorized)));
    bench.admins.authenticate(second.token).await.unwrap();
}

#[tokio::test]
async fn other_roles_and_credentials_end_every_session() {
    let bench = Bench::new().await;
    let (owner, factor) = bench.owner().await;
    let roles = Roles { everywhere: None, apps: [(7, Role::Viewer)].into() };
    let (code, _) = bench.admins.invite("viewer@7", &roles).await.unwrap();
    assert!(matches!(bench.finish(&code, "another").await, Err(Error::Field { .. })), "not the invited name");
    let (viewer, _) = bench.finish(&code, "viewer@7").await.unwrap();
    assert_eq!(viewer.roles, roles);
    assert!(bench.admins.invite("viewer@7", &roles).await.is_err());

    let more = Roles { everywhere: Some(Role::Admin), ..roles };
    bench.admins.set_roles("viewer@7", &more).await.unwrap();
    assert!(matches!(bench.admins.authenticate(viewer.token).await, Err(Error::Unauthorized)));
    for last in [bench.admins.set_roles("owner", &more).await, bench.admins.remove("owner").await] {
        assert!(matches!(last, Err(Error::Store(StoreError::Conflict))), "the last owner stays");
    }

    bench.admins.replace_password(&owner, "quite another one").await.unwrap();
    assert!(matches!(bench.admins.authenticate(owner.token.clone()).await, Err(Error::Unauthorized)));
    let code = bench.next_code(&factor);
    let owner = bench.sign_in("owner", "quite another one", &code).await.unwrap();

    let enrolment = bench.admins.begin_totp(&owner).unwrap();
    let new_factor = factor_of(&enrolment);
    let totp = bench.next_code(&new_factor);
    let confirmed = Confirmed { ticket: &enrolment.ticket, totp: &totp };
    bench.admins.replace_totp(&owner, confirmed).await.unwrap();
    let old = bench.next_code(&factor);
    assert!(bench.sign_in("owner", "quite another one", &old).await.is_err());
    let new = bench.next_code(&new_factor);
    bench.sign_in("owner", "quite another one", &new).await.unwrap();
    bench.admins.remove("viewer@7").await.unwrap();
    assert!(matches!(bench.admins.remove("viewer@7").await, Err(Error::Missing(_))));
}

// proves A10 (re-authentication)
#[tokio::test]
async fn a_sign_in_is_recent_for_five_minutes() {
    let bench = Bench::new().await;
    let (owner, factor) = bench.owner().await;
    let recent = async || {
        let signed_in = bench.admins.authenticate(owner.token.clone()).await.unwrap();
        signed_in.require_recent(bench.clock.now()).is_ok()
    };
    bench.clock.advance(Duration::from_secs(299));
    assert!(recent().await);
    bench.clock.advance(Duration::from_secs(1));
    assert!(!recent().await);
    let code = bench.next_code(&factor);
    assert!(bench.admins.re_authenticate(&owner, "a wrong password", &code, source(1)).await.is_err());
    assert!(!recent().await);
    bench.admins.re_authenticate(&owner, PASSWORD, &code, source(1)).await.unwrap();
    assert!(recent().await);
    let stale = bench.admins.authenticate(owner.token.clone()).await.unwrap();
    bench.clock.advance(SUDO);
    assert!(matches!(bench.admins.replace_password(&stale, "quite another one").await, Err(Error::StaleSignIn)));
    assert!(matches!(bench.admins.begin_totp(&stale), Err(Error::StaleSignIn)));
}
