//! The command `roompass dev --json`, as scripts use it: a process of its own, the machine's own clock.

use roompass_sdk::{BackendClient, BackendKey, Client, LocalUser, MintRequest};
use roompass_tests::{logs, start_dev};

#[tokio::test]
async fn the_printed_line_is_all_that_a_script_needs() {
    let (mut dev, ready) = start_dev("dev-command.log").await;
    let members: Vec<&str> = ready.as_object().expect("an object").keys().map(String::as_str).collect();
    let asked_for = ["setup_link"];
    let always = ["app_id", "app_sign", "backend_key", "gateway_url", "server_secret", "url"];
    assert!(members.iter().all(|member| always.contains(member) || asked_for.contains(member)), "{members:?}");
    assert_eq!(members.len(), 7);
    let url = ready["url"].as_str().expect("a string");
    let app_id = u32::try_from(ready["app_id"].as_u64().expect("a number")).expect("an app id");
    let key = BackendKey::new(ready["backend_key"].as_str().expect("a string"));
    let request = MintRequest { user_id: "alice".into(), room_id: Some("r1".into()), ..MintRequest::default() };
    let minted = BackendClient::new(url, app_id, key).unwrap().mint(&request).await.unwrap();
    logs::note_secret(&minted.token);

    let secret = token_gen::ServerSecret::new(ready["server_secret"].as_str().expect("a string")).unwrap();
    let verifier = token_gen::Verifier::new(token_gen::AppId::new(app_id).unwrap(), &secret);
    let verified = verifier.verify_user(&minted.token, "alice", minted.issued_at.into()).expect("it opens elsewhere");
    assert_eq!(verified.claims.expire_at.get(), minted.expire_at);

    let client = Client::builder(app_id, url).build().unwrap();
    let user = LocalUser::new("alice").unwrap();
    let room = client.login_room_with_token("r1", user, &minted.token).await.unwrap();
    room.logout_room().await;
    dev.start_kill().expect("it runs");
    dev.wait().await.expect("it ends");
}
