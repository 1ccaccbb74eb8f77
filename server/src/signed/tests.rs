//! Signed requests: any change is refused, and each request counts once.

use std::sync::Arc;

use futures_util::future::join_all;
use rand::{TryRng, rngs::SysRng};
use token_gen::AppId;

use super::*;
use crate::{
    keys::{BackendKey, Proof, Scope},
    store::{Location, SqliteStore, Store},
};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);
const BODY: [u8; 32] = [0xab; 32];

struct Bench {
    key: KeyText,
    keyring: Keyring,
    store: SqliteStore,
}

impl Bench {
    async fn new() -> Self {
        Self::on(SqliteStore::open(&Location::Memory).unwrap()).await
    }

    async fn on(store: SqliteStore) -> Self {
        store.migrate().await.unwrap();
        let key = KeyText::generate(&mut SysRng).unwrap();
        let keyring = Keyring::default();
        let caller =
            Caller { key_id: key.key_id().to_owned(), app_id: AppId::new(7).unwrap(), scope: Scope::everything() };
        keyring.put(BackendKey::new(caller, Proof::Signed(Box::new(SigningKey::new(&key))), None));
        Self { key, keyring, store }
    }

    fn header(&self, request: Received<'_>, timestamp: i64) -> SignatureHeader {
        let mut nonce = [0; 16];
        SysRng.try_fill_bytes(&mut nonce).unwrap();
        let parts = SignedParts {
            method: request.method,
            host: request.host,
            path: request.path,
            query: request.query,
            content_type: request.content_type,
            body_sha256: request.body_sha256,
            key_id: self.key.key_id(),
            timestamp,
            nonce: &nonce,
        };
        let mut mac = SigningKey::new(&self.key).0;
        mac.update(parts.text().unwrap().as_bytes());
        let signature = mac.finalize().into_bytes().into();
        SignatureHeader { key_id: self.key.key_id().to_owned(), timestamp, nonce, signature }
    }

    async fn authenticate(&self, request: Received<'_>, header: &SignatureHeader) -> Result<Arc<Caller>, Error> {
        authenticate(request, header, &self.keyring, &self.store, NOW).await
    }
}

fn request() -> Received<'static> {
    Received {
        method: "POST",
        host: "rooms.example.com",
        path: "/v1/apps/7/tokens",
        query: Some("limit=1"),
        content_type: Some("application/json"),
        body_sha256: &BODY,
    }
}

// proves T22
#[tokio::test]
async fn a_change_of_any_part_is_refused_and_spends_nothing() {
    let bench = Bench::new().await;
    let header = bench.header(request(), NOW.get());
    let mut other_body = BODY;
    other_body[31] ^= 1;
    let changed_requests = [
        Received { method: "PUT", ..request() },
        Received { host: "rooms.example.org", ..request() },
        Received { host: "rooms.example.com:443", ..request() },
        Received { path: "/v1/apps/8/tokens", ..request() },
        Received { path: "/v1/apps/7/tokens/", ..request() },
        Received { query: None, ..request() },
        Received { query: Some("limit=2"), ..request() },
        Received { content_type: None, ..request() },
        Received { content_type: Some("text/plain"), ..request() },
        Received { body_sha256: &other_body, ..request() },
    ];
    for changed in changed_requests {
        assert!(matches!(bench.authenticate(changed, &header).await, Err(Error::Unauthorized)), "{changed:?}");
    }
    let mut changed_headers = vec![
        SignatureHeader { key_id: "abcdefghijkl".to_owned(), ..header.clone() },
        SignatureHeader { timestamp: header.timestamp + 1, ..header.clone() },
    ];
    for bit in 0..128 {
        let mut changed = header.clone();
        changed.nonce[bit / 8] ^= 1 << (bit % 8);
        changed_headers.push(changed);
    }
    for bit in 0..256 {
        let mut changed = header.clone();
        changed.signature[bit / 8] ^= 1 << (bit % 8);
        changed_headers.push(changed);
    }
    for changed in changed_headers {
        assert!(matches!(bench.authenticate(request(), &changed).await, Err(Error::Unauthorized)), "{changed:?}");
    }
    assert_eq!(bench.store.forget_nonces(UnixSeconds::new(i64::MAX), 1_000).await.unwrap(), 0, "nothing was spent");
    bench.authenticate(request(), &header).await.unwrap();
}

// proves T23
#[tokio::test]
async fn of_many_copies_exactly_one_counts_also_after_a_restart_and_on_another_node() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("roompass.db");
    let bench = Bench::on(SqliteStore::open(&Location::File(path.clone())).unwrap()).await;
    let other_node = SqliteStore::open(&Location::File(path.clone())).unwrap();
    let header = bench.header(request(), NOW.get());
    let copies = join_all((0..100).map(|copy| {
        let store = if copy % 2 == 0 { &bench.store } else { &other_node };
        authenticate(request(), &header, &bench.keyring, store, NOW)
    }))
    .await;
    assert_eq!(copies.iter().filter(|copy| copy.is_ok()).count(), 1);
    assert!(copies.iter().all(|copy| matches!(copy, Ok(_) | Err(Error::Unauthorized))));
    let Bench { keyring, store, .. } = bench;
    drop((store, other_node));
    let restarted = SqliteStore::open(&Location::ExistingFile(path)).unwrap();
    let replayed = authenticate(request(), &header, &keyring, &restarted, NOW).await;
    assert!(matches!(replayed, Err(Error::Unauthorized)));
    assert_eq!(restarted.forget_nonces(UnixSeconds::new(i64::MAX), 1_000).await.unwrap(), 1, "the store counts one");
}

// proves T24
#[tokio::test]
async fn a_timestamp_outside_the_window_is_refused_with_the_same_words() {
    let bench = Bench::new().await;
    let now = NOW.get();
    for good in [now - 60, now - 59, now, now + 59, now + 60] {
        bench.authenticate(request(), &bench.header(request(), good)).await.unwrap();
    }
    for bad in [now - 61, now + 61, 0, -now, now * 1000, now / 1000, i64::MIN, i64::MAX] {
        let refused = bench.authenticate(request(), &bench.header(request(), bad)).await.unwrap_err();
        assert_eq!(refused.to_string(), Error::Unauthorized.to_string(), "{bad}");
    }
}

#[tokio::test]
async fn a_nonce_is_kept_for_as_long_as_its_request_could_come_again() {
    let bench = Bench::new().await;
    let header = bench.header(request(), NOW.get() + 60);
    bench.authenticate(request(), &header).await.unwrap();
    let last_moment = UnixSeconds::new(NOW.get() + 120);
    bench.store.forget_nonces(last_moment, 1_000).await.unwrap();
    let late = authenticate(request(), &header, &bench.keyring, &bench.store, last_moment).await;
    assert!(matches!(late, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn an_ambiguous_request_is_refused_before_anything_else() {
    let bench = Bench::new().await;
    let header = bench.header(request(), NOW.get());
    for path in ["/v1//apps/7/tokens", "/v1/apps/7%2Ftokens", "/v1/apps/7/x/../tokens"] {
        let ambiguous = Received { path, ..request() };
        assert!(matches!(bench.authenticate(ambiguous, &header).await, Err(Error::BadRequest(_))));
    }
}

#[tokio::test]
async fn without_the_store_nothing_is_allowed() {
    struct Down;
    #[async_trait::async_trait]
    impl NonceStore for Down {
        async fn spend_nonce(&self, _: &str, _: [u8; 16], _: UnixSeconds) -> Result<(), StoreError> {
            Err(StoreError::Unavailable(Arc::new(std::io::Error::other("down"))))
        }

        async fn forget_nonces(&self, _: UnixSeconds, _: u32) -> Result<usize, StoreError> {
            Err(StoreError::Unavailable(Arc::new(std::io::Error::other("down"))))
        }
    }
    let bench = Bench::new().await;
    let header = bench.header(request(), NOW.get());
    let refused = authenticate(request(), &header, &bench.keyring, &Down, NOW).await.unwrap_err();
    assert_eq!(refused.code(), roompass_wire::ErrorCode::Unavailable);
}

#[tokio::test]
async fn a_key_that_signs_cannot_be_shown_and_one_that_is_shown_cannot_sign() {
    let bench = Bench::new().await;
    assert!(bench.keyring.authenticate(bench.key.expose(), NOW).is_none());
    let caller =
        Caller { key_id: bench.key.key_id().to_owned(), app_id: AppId::new(7).unwrap(), scope: Scope::default() };
    bench.keyring.put(BackendKey::new(caller, Proof::Bearer(bench.key.hash()), None));
    assert!(bench.keyring.authenticate(bench.key.expose(), NOW).is_some());
    let header = bench.header(request(), NOW.get());
    assert!(matches!(bench.authenticate(request(), &header).await, Err(Error::Unauthorized)));
}
