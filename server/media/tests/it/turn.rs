//! Credentials judged by a real TURN server: coturn.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use roompass_media::turn::{IceServers, TurnCredential, TurnSecret};

use crate::coturn::Coturn;

/// Whether an allocation is made, and a packet relayed through it.
fn relays(coturn: &Coturn, credential: &TurnCredential) -> bool {
    let client = Command::new("turnutils_uclient")
        .args("-y -c -n 1 -m 1".split(' '))
        .args(["-u", &credential.username, "-w", &credential.password, "-p", &coturn.port.to_string(), "127.0.0.1"])
        .output()
        .expect("coturn's tools are installed: run `.ci/setup test`");
    let said = String::from_utf8_lossy(&client.stdout);
    client.status.success() && said.contains("Total lost packets 0")
}

#[expect(clippy::disallowed_methods, reason = "coturn goes by the machine's clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn mint(secret: &str, life_secs: i64) -> TurnCredential {
    TurnCredential::mint(&TurnSecret::new(secret.into()), "alice@room", now().saturating_add_signed(life_secs))
}

#[test]
fn coturn_relays_for_a_credential_that_is_good_and_for_no_other() {
    let coturn = Coturn::start(&["new-secret", "old-secret"]);
    let servers = IceServers {
        stun: vec![],
        turn: vec![format!("turn:127.0.0.1:{}", coturn.port)],
        secrets: vec![TurnSecret::new("new-secret".into()), TurnSecret::new("old-secret".into())],
        ttl_secs: 600,
    };
    let told = servers.for_user("alice", now()).remove(0).credential.unwrap();
    assert!(relays(&coturn, &told), "as a client is told");
    assert!(relays(&coturn, &mint("old-secret", 600)), "while secrets rotate");
    assert!(!relays(&coturn, &mint("new-secret", -1)), "expired");
    assert!(!relays(&coturn, &mint("another-secret", 600)), "of another secret");
    let longer = TurnCredential { username: mint("new-secret", 6000).username, ..mint("new-secret", -1) };
    assert!(!relays(&coturn, &longer), "with a life that was not signed");
}
