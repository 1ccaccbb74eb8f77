//! A server that is abused over and over, by the list that the gateway's own tests go through once.

use serde_json::json;
use tokio::runtime::Builder;

use crate::{
    frames::abuses,
    harness::{Installation, Server},
    idle::{enter, resident_kib},
};

const CASES: usize = 60;
/// How often everything is done.
const ROUNDS: usize = 40;
/// What the server may have grown by, after a round that has warmed it up.
const MOST_KIB: u64 = 32 * 1024;

// proves T52 (memory)
#[test]
fn a_server_that_is_abused_stays_small_and_goes_on_serving() {
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let abuses = abuses();
    assert!(abuses.len() >= CASES, "{}", abuses.len());
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let round = async || {
            for abuse in &abuses {
                assert_eq!(abuse.commit(server.address).await, abuse.expected, "{}", abuse.name);
            }
        };
        round().await;
        let before = resident_kib(&server);
        for _ in 0..ROUNDS {
            round().await;
        }
        let grown = resident_kib(&server).saturating_sub(before);
        println!("{grown} KiB after {} connections", ROUNDS * abuses.len());
        assert!(grown < MOST_KIB, "{grown} KiB");
        let minted = server.mint_with(&key, "77", &json!({ "user_id": "user-0" }));
        enter(server.address, 0, minted.body["token"].as_str().unwrap()).await;
    });
}
