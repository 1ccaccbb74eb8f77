//! The published vectors: every reference token opens to exactly its fields, every invalid one is refused with its
//! class. Sources and members: `token-formats.md`, section 14.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use token_gen::{
    Accept, AppId, Cipher, Format, Limits, RefusalClass, RoomScope, ServerSecret, UnixSeconds, Verifier, Version,
};

#[derive(Deserialize)]
struct Reference {
    id: String,
    format: String,
    cipher: String,
    app_id: u32,
    user_id: String,
    secret: String,
    payload: Option<String>,
    room_id: Option<String>,
    privilege: Option<BTreeMap<String, i64>>,
    token: String,
    verify_at: i64,
    expect: Expected,
}

#[derive(Deserialize)]
struct Expected {
    ctime: i64,
    expire: i64,
    nonce: i64,
    kit: Option<ExpectedKit>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedKit {
    #[serde(rename = "appID")]
    app_id: u32,
    #[serde(rename = "userID")]
    user_id: String,
    #[serde(rename = "roomID")]
    room_id: Option<String>,
    user_name: String,
}

#[derive(Deserialize)]
struct Invalid {
    id: String,
    format: String,
    token: String,
    secret: String,
    app_id: u32,
    user_id: String,
    now: i64,
    stage: String,
    expect: String,
    room_id: Option<String>,
    stream_id: Option<String>,
}

fn load<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors are in the repository")).expect("they parse")
}

fn verifier(app_id: u32, secret: &str, limits: Limits) -> Verifier {
    Verifier::builder(AppId::new(app_id).unwrap(), &ServerSecret::new(secret).unwrap())
        .accept(Accept::ALL)
        .limits(limits)
        .build()
}

fn check_reference(vector: &Reference, limits: Limits) {
    let id = &vector.id;
    let verifier = verifier(vector.app_id, &vector.secret, limits);
    let now = UnixSeconds::new(vector.verify_at);
    let verified = match &vector.expect.kit {
        None => verifier.verify_user(&vector.token, &vector.user_id, now),
        Some(expected) => verifier.verify_kit(&vector.token, Some(&vector.user_id), now).map(|(verified, info)| {
            assert_eq!(info.app_id.get(), expected.app_id, "{id}");
            assert_eq!(info.user_id, expected.user_id, "{id}");
            assert_eq!(info.room_id, expected.room_id, "{id}");
            assert_eq!(info.user_name, expected.user_name, "{id}");
            verified
        }),
    };
    let verified = verified.unwrap_or_else(|refused| panic!("{id}: {}", refused.reason()));

    let claims = &verified.claims;
    assert_eq!(claims.app_id.get(), vector.app_id, "{id}");
    assert_eq!(claims.user_id, vector.user_id, "{id}");
    assert_eq!(claims.issued_at.get(), vector.expect.ctime, "{id}");
    assert_eq!(claims.expire_at.get(), vector.expect.expire, "{id}");
    assert_eq!(claims.nonce, vector.expect.nonce, "{id}");
    assert_eq!(verified.format.cipher().as_str(), vector.cipher, "{id}");
    if vector.format == "token03" {
        assert_eq!(verified.format, Format::Token03, "{id}");
        assert_eq!(claims.payload(), None, "{id}");
        let rights = claims.rights().unwrap().expect("a token03 carries rights");
        assert_eq!(Some(rights.room()), vector.room_id.clone().map(RoomScope::Only).as_ref(), "{id}");
        let wire = |key: &str| vector.privilege.as_ref().and_then(|map| map.get(key)).copied().unwrap_or(0);
        let granted = rights.privileges().iter().map(|privilege| privilege.as_str()).collect::<Vec<_>>();
        let expected = [("1", "login"), ("2", "publish")].into_iter().filter(|(key, _)| wire(key) == 1);
        assert_eq!(granted, expected.map(|(_, name)| name).collect::<Vec<_>>(), "{id}");
    } else {
        assert_eq!(verified.format.version(), Version::Token04, "{id}");
        assert_eq!(claims.payload(), Some(vector.payload.as_deref().unwrap_or("")), "{id}");
    }
}

#[test]
fn every_reference_token_opens_to_exactly_its_fields() {
    let vectors: Vec<Reference> = load("reference-tokens.json");
    for vector in &vectors {
        check_reference(vector, Limits::STRICT);
    }
    println!("reference tokens: {} accepted with exact fields", vectors.len());
    assert_eq!(vectors.len(), 319);
}

#[test]
fn oversize_tokens_open_only_with_the_limits_lifted() {
    for vector in load::<Reference>("oversize-tokens.json") {
        check_reference(&vector, Limits::FORMAT);
        let refused = verifier(vector.app_id, &vector.secret, Limits::STRICT)
            .verify(&vector.token, UnixSeconds::new(vector.verify_at))
            .expect_err("it is larger than a service takes");
        assert_eq!(refused.reason().code(), "too_long");
    }
}

#[test]
fn every_invalid_token_is_refused_with_its_class() {
    let vectors: Vec<Invalid> = load("invalid-tokens.json");
    let mut by_class = BTreeMap::new();
    for vector in &vectors {
        let class = refusal(vector);
        assert_eq!(class.map(RefusalClass::as_str), Some(vector.expect.as_str()), "{}", vector.id);
        *by_class.entry(vector.expect.as_str()).or_insert(0) += 1;
    }
    println!("invalid tokens: {} refused, each with its class: {by_class:?}", vectors.len());
    assert_eq!(vectors.len(), 203);
}

fn refusal(vector: &Invalid) -> Option<RefusalClass> {
    let verifier = verifier(vector.app_id, &vector.secret, Limits::STRICT);
    let now = UnixSeconds::new(vector.now);
    let verified = if vector.format == "kit" {
        verifier.verify_kit(&vector.token, Some(&vector.user_id), now).map(|(verified, _)| verified)
    } else {
        verifier.verify_user(&vector.token, &vector.user_id, now)
    };
    match (verified, vector.stage.as_str()) {
        (Err(refused), "verify") => Some(refused.class()),
        (Ok(verified), "authorize") => {
            let room_id = vector.room_id.as_deref().unwrap();
            let stream_id = vector.stream_id.as_deref().unwrap();
            let login = verified.claims.permit_login(room_id).err();
            let publish = verified.claims.permit_publish(room_id, stream_id).err();
            assert_eq!(login, publish, "{}", vector.id);
            login.and_then(|error| error.class())
        }
        _ => None,
    }
}

#[test]
fn cbc_and_token03_are_refused_unless_asked_for() {
    for vector in load::<Reference>("reference-tokens.json") {
        if vector.format == "kit" {
            continue;
        }
        let verified = Verifier::new(AppId::new(vector.app_id).unwrap(), &ServerSecret::new(&vector.secret).unwrap())
            .verify(&vector.token, UnixSeconds::new(vector.verify_at));
        match verified {
            Ok(verified) => assert_eq!(verified.format.cipher(), Cipher::Gcm, "{}", vector.id),
            Err(refused) => {
                assert_eq!(vector.cipher, "cbc", "{}", vector.id);
                assert_eq!(refused.class(), RefusalClass::WrongVersion, "{}", vector.id);
            }
        }
    }
}

#[test]
fn the_vector_files_are_whole() {
    for (name, count) in [("reference-tokens.json", 319), ("invalid-tokens.json", 203), ("oversize-tokens.json", 2)] {
        let ids: std::collections::BTreeSet<String> =
            load::<Value>(name).iter().map(|vector| vector["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), count, "{name}");
    }
}
