//! What PostgreSQL alone must be tried for: hanging, restarting, racing, refusing. Runs the real server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use futures_util::future::join_all;

use super::{server::Server, *};
use crate::{
    audit::{Action, Audit, Event, Origin},
    clock::SystemClock,
    error::with_causes,
    store::{AuditRetention, AuditStore, ChangeStore, Store, contract},
};

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&PostgresUrl::parse(url).unwrap()).await.unwrap()
}

async fn refusal(url: &str) -> String {
    match PostgresStore::open(&PostgresUrl::parse(url).unwrap()).await.unwrap_err() {
        StoreError::Unusable(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// Waits until `done` says so.
async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < Duration::from_secs(20), "the state never came");
        tokio::task::yield_now().await;
    }
}

// proves S4
#[tokio::test(flavor = "multi_thread")]
async fn passes_the_contract() {
    contract::run(async || open(&Server::shared().database()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_start_at_once_one_migrates() {
    let url = Server::shared().database();
    let stores = join_all((0..8).map(|_| open(&url))).await;
    for migrated in join_all(stores.iter().map(Store::migrate)).await {
        migrated.unwrap();
    }
    assert_eq!(stores[0].apps().await.unwrap(), []);
}

// proves S6
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_and_an_edited_step_are_refused() {
    let server = Server::shared();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    open(&url).await.migrate().await.unwrap();
    server.sql(database, "INSERT INTO migrations VALUES (1000, '')");
    assert!(refusal(&url).await.contains("use a newer binary"));
    server.sql(database, "DELETE FROM migrations WHERE version = 1000; UPDATE migrations SET checksum = ''");
    assert!(refusal(&url).await.contains("is not the one this binary knows"));
}

// proves S3
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_would_lose_commits_is_refused() {
    let server = Server::start("-c fsync=off -c synchronous_commit=off");
    assert!(refusal(&server.database()).await.contains("fsync off"));
    let server = Server::start("-c synchronous_commit=off");
    let store = open(&server.database()).await;
    let setting = "SELECT current_setting('synchronous_commit')";
    let setting = store.pool.run(async |client| row(&client, setting, &[], |row| Ok(row.try_get(0)?)).await).await;
    assert_eq!(setting.unwrap(), Some("on".to_owned()), "sessions ask for durability themselves");
}

// proves S3
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_on_the_schema_can_run_a_node() {
    let server = Server::shared();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    open(&url).await.migrate().await.unwrap();
    server.sql(
        database,
        "CREATE ROLE node LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO node;
         REVOKE INSERT, UPDATE, DELETE ON migrations FROM node; REVOKE UPDATE, DELETE ON audit FROM node",
    );
    let store = open(&server.url("node", database)).await;
    store.migrate().await.unwrap();
    store.insert_app(contract::app(1)).await.unwrap();
    let audit = Audit::start(Arc::new(open(&server.url("node", database)).await), Arc::new(SystemClock::new()));
    for _ in 0..2 {
        audit.note(1.into(), Origin::SERVER, Event::new(Action::SignIn)).unwrap();
        audit.flush().await.unwrap();
    }
    let all = AuditRetention { before: UnixSeconds::new(i64::MAX), keep: 0 };
    assert_eq!(store.forget_audit(all, 10).await.unwrap(), 0, "that is for the owner");
    assert_eq!(store.audit_chain(1, 0, 10).await.unwrap().len(), 2);
    assert_eq!(open(&url).await.forget_audit(all, 10).await.unwrap(), 2);
    for forbidden in [
        "UPDATE audit SET actor = ''",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DROP TABLE apps",
        "UPDATE migrations SET checksum = ''",
    ] {
        let outcome = store.pool.run(async |client| Ok(client.batch_execute(forbidden).await?)).await;
        assert!(with_causes(&outcome.unwrap_err()).contains("(42501)"), "{forbidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_appear_in_the_order_of_their_numbers() {
    let url = Server::shared().database();
    let nodes = [open(&url).await, open(&url).await];
    nodes[0].migrate().await.unwrap();
    let writes = (1..=200).map(|number| nodes[number as usize % 2].insert_app(contract::app(number)));
    let mut seen = Vec::new();
    let follower = async {
        while seen.len() < 200 {
            let since = seen.last().copied().unwrap_or_default();
            seen.extend(nodes[0].changes_since(since, 50).await.unwrap().unwrap().iter().map(|change| change.seq));
        }
    };
    let (written, ()) = tokio::join!(join_all(writes), follower);
    written.into_iter().for_each(Result::unwrap);
    // A change that appeared below one already read would have been passed by, and the follower would still wait.
    assert_eq!(seen.len(), 200);
    assert_eq!(nodes[1].latest_change().await.unwrap(), *seen.last().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_announced_to_other_nodes_also_after_a_restart() {
    let server = Server::start("");
    let url = server.database();
    let (here, there) = (open(&url).await, open(&url).await);
    here.migrate().await.unwrap();
    for number in 1..=2 {
        // The connection is news by itself.
        there.change_announced().await;
        here.insert_app(contract::app(number)).await.unwrap();
        there.change_announced().await;
        assert_eq!(there.apps().await.unwrap().len(), number as usize);
        server.restart();
        eventually(async || here.ping().await.is_ok() && there.ping().await.is_ok()).await;
    }
}

/// A certificate for `localhost` with its key, in `directory`.
fn certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let [certificate, key] = ["crt", "key"].map(|ending| directory.join(format!("{name}.{ending}")));
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
                     -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split_whitespace()).arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    assert!(openssl.output().unwrap().status.success());
    (certificate, key)
}

// proves S3
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_certificate_must_be_trusted_and_bear_the_name() {
    let directory = tempfile::tempdir().unwrap().keep();
    let (ours, key) = certificate(&directory, "ours");
    let (other, _) = certificate(&directory, "other");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (certificate, private_key) = (ours.display(), key.display());
    let options = format!(
        "-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on -c ssl_cert_file={certificate} \
         -c ssl_key_file={private_key}"
    );
    let _server = Server::start_in(directory, &options, port);
    let open = async |host: &str, trusted: &Path| {
        let url = PostgresUrl::parse(&format!("postgres://roompass@{host}:{port}/postgres?sslmode=require")).unwrap();
        PostgresStore::open(&url.trusting(fs::read(trusted).unwrap())).await
    };
    let store = open("localhost", &ours).await.unwrap();
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted = store.pool.run(async |client| row(&client, query, &[], |row| Ok(row.try_get(0)?)).await).await;
    assert_eq!(encrypted.unwrap(), Some(true));
    for (host, trusted, fault) in [("127.0.0.1", &ours, "not valid for name"), ("localhost", &other, "certificate")] {
        let refused = with_causes(&open(host, trusted).await.unwrap_err());
        assert!(refused.contains(fault), "{refused}");
    }
    assert!(matches!(open("localhost", &key).await, Err(StoreError::Unusable(_))), "a file without certificates");
}

// proves F1 (the store)
#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_given_up_and_comes_back_by_itself() {
    let server = Server::start("");
    let store = open(&server.database()).await;
    store.migrate().await.unwrap();
    server.signal("STOP");
    let started = Instant::now();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(3), "a probe is answered at once");
    // More than there are connections: nobody waits behind those that hang.
    let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let writes = join_all(names.iter().map(|name| store.insert_meta(name, b""))).await;
    assert!(writes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    server.signal("CONT");
    let continued = Instant::now();
    eventually(async || store.insert_meta("after", b"").await.is_ok()).await;
    assert!(continued.elapsed() < Duration::from_secs(5), "{:?}", continued.elapsed());
}
