//! Our tokens before other eyes: a Python and a Node.js reader, written apart from this library and from each other,
//! open the committed tokens and freshly minted ones, and our own verifier opens the committed ones.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use serde_json::Value;
use token_gen::{Accept, AppId, Limits, ServerSecret, TokenId, Verifier};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

fn committed() -> PathBuf {
    here("vectors/minted-tokens.json")
}

/// Runs a reader over the committed tokens and over new ones; its last line says how many it opened.
fn check_with(interpreter: &str, script: &str, install: &str) {
    let fresh = cases::mint_all();
    let path = env::temp_dir().join(format!("token-gen-{}-{script}.json", process::id()));
    fs::write(&path, serde_json::to_string(&fresh).unwrap()).unwrap();
    for tokens in [&committed(), &path] {
        let output = Command::new(interpreter)
            .arg(here("interop").join(script))
            .arg(tokens)
            .output()
            .unwrap_or_else(|error| panic!("{interpreter} does not start ({error}): {install}"));
        let (told, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {told}{complaint}\n(if a module is missing: {install})");
        print!("{script}: {told}");
        assert!(told.contains(&format!("{} tokens", fresh.len())), "{told}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn python_opens_every_token_and_seals_the_same_again() {
    #[expect(clippy::disallowed_methods, reason = "which interpreter to run is the environment's business")]
    let interpreter = env::var("ROOMPASS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    check_with(
        &interpreter,
        "check.py",
        "install Python 3 with the package `cryptography`, or name an interpreter that has it in ROOMPASS_PYTHON",
    );
}

#[test]
fn node_opens_every_token_and_seals_the_same_again() {
    check_with("node", "check.mjs", "install Node.js 18 or later; no package is needed");
}

#[test]
fn our_verifier_opens_the_committed_tokens() {
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(committed()).unwrap()).unwrap();
    for vector in &vectors {
        let id = &vector["id"];
        let text = |member: &str| vector[member].as_str();
        let app_id = AppId::new(vector["app_id"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let verifier = Verifier::builder(app_id, &ServerSecret::new(text("secret").unwrap()).unwrap())
            .accept(Accept::ALL)
            .limits(Limits::FORMAT)
            .build();
        let now = vector["issued_at"].as_i64().unwrap().into();
        let verified = verifier.verify_user(text("token").unwrap(), text("user_id").unwrap(), now);
        let claims = verified.unwrap_or_else(|refused| panic!("{id}: {}", refused.reason())).claims;
        assert_eq!(claims.payload(), text("payload"), "{id}");
        assert_eq!(claims.expire_at.get(), vector["expire_at"], "{id}");
        assert_eq!(TokenId::of(text("token").unwrap()).as_str(), text("token_id").unwrap(), "{id}");
        if let Some(kit_token) = text("kit_token") {
            let (_, info) = verifier.verify_kit(kit_token, None, now).unwrap();
            assert_eq!(info.user_name, vector["kit"]["user_name"], "{id}");
            assert_eq!(info.room_id.as_deref(), vector["kit"]["room_id"].as_str(), "{id}");
        }
    }
    println!("our own committed tokens: {} opened", vectors.len());
    assert!(vectors.len() >= 60);
}
