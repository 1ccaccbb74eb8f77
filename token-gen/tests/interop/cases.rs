//! Tokens of our own for other implementations to open: every format, every kind of payload, the edges of every limit.
//! Shared by the test and by the example that wrote `tests/vectors/minted-tokens.json`.

use std::time::Duration;

use rand::rngs::SysRng;
use serde_json::{Value, json};
use token_gen::{
    AppId, Format, KitToken, MAX_LIFETIME, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, StreamId,
    TokenRequest, UnixSeconds, UserId, UserName,
};

const SECRETS: [&str; 3] = [
    "fa94dd0f974cf2e293728a526b028271",
    "k3Jx0QzvR8mYt5LwPa7NsE1hUbG6dCfT",
    // 32 bytes, but not 32 characters.
    "geheim-für-größere-räume-011",
];

struct Case {
    name: String,
    format: Format,
    app_id: u32,
    user_id: String,
    ttl: u64,
    now: i64,
    payload: Payload,
    /// Room and display name, where a Kit Token is to be made of it.
    kit: Option<(String, Option<String>)>,
}

/// Mints every case with the system's randomness.
pub(crate) fn mint_all() -> Vec<Value> {
    cases().into_iter().enumerate().map(|(index, case)| mint(index, case)).collect()
}

fn mint(index: usize, case: Case) -> Value {
    let secret = SECRETS[index % SECRETS.len()];
    let app_id = AppId::new(case.app_id).expect("the case's app id is one");
    let user_id = UserId::new(case.user_id.as_str()).expect("the case's user id is one");
    let minter = Minter::new(app_id, &ServerSecret::new(secret).expect("32 bytes"))
        .with_format(case.format)
        .with_max_payload_bytes(usize::MAX);
    let request =
        TokenRequest { user_id: user_id.clone(), ttl: Duration::from_secs(case.ttl), payload: case.payload.clone() };
    let minted = minter.mint(&request, UnixSeconds::new(case.now), &mut SysRng).expect("the case fits the format");

    let mut vector = json!({
        "id": format!("{index:03}-{}", case.name),
        "version": case.format.version().tag(),
        "cipher": case.format.cipher().as_str(),
        "secret": secret,
        "app_id": case.app_id,
        "user_id": case.user_id,
        "issued_at": case.now,
        "expire_at": case.now + case.ttl.cast_signed(),
        "token": minted.token,
        "token_id": minted.token_id().as_str(),
    });
    match (&case.payload, case.format) {
        (Payload::Rights(rights), Format::Token03) => {
            let granted = |privilege| u8::from(rights.privileges().contains(privilege));
            vector["room_id"] = match rights.room() {
                token_gen::RoomScope::Only(room_id) => json!(room_id),
                token_gen::RoomScope::Any | token_gen::RoomScope::Several(_) => Value::Null,
            };
            vector["privilege"] = json!({"1": granted(Privilege::Login), "2": granted(Privilege::Publish)});
        }
        (Payload::Rights(rights), _) => vector["payload"] = json!(rights.to_payload()),
        (Payload::Text(text), _) => vector["payload"] = json!(text),
        _ => vector["payload"] = json!(""),
    }
    if let Some((room_id, user_name)) = case.kit {
        let room = RoomId::new(room_id.as_str()).expect("the case's room id is one");
        let name = user_name.as_deref().map(|name| UserName::new(name).expect("the case's name is one"));
        vector["kit_token"] = json!(KitToken::compose(&minted.token, app_id, &user_id, &room, name.as_ref()));
        vector["kit"] = json!({"room_id": room_id, "user_name": user_name.unwrap_or_default()});
    }
    vector
}

fn cases() -> Vec<Case> {
    const NOW: i64 = 1_795_440_112;
    let day_24 = MAX_LIFETIME.as_secs();
    let token04 = [Format::Token04Gcm, Format::Token04Cbc];
    let mut cases = Vec::new();
    let mut add = |name: &str, format, app_id, user_id: &str, ttl, now, payload| {
        let (name, user_id) = (name.to_owned(), user_id.to_owned());
        cases.push(Case { name, format, app_id, user_id, ttl, now, payload, kit: None });
    };

    for format in token04 {
        add("identity", format, 1_234_567_890, "alice", 3600, NOW, Payload::Identity);
        add("lowest-app", format, 1, "u", 1, 1, Payload::Identity);
        add("highest-app-longest-life", format, u32::MAX, &"u".repeat(64), day_24, NOW, Payload::Identity);
        add("after-2038-and-2106", format, 7, "later", 3600, 4_294_967_296, Payload::Identity);
        add("all-punctuation", format, 7, "~!@#$%^&*()_+=-`;',.<>\\", 60, NOW, Payload::Identity);
        for (name, payload) in texts() {
            add(&format!("text-{name}"), format, 1_234_567_890, "alice", 3600, NOW, Payload::Text(payload));
        }
        for (name, rights) in rights(true) {
            add(&format!("rights-{name}"), format, 1_234_567_890, "alice", 3600, NOW, Payload::Rights(rights));
        }
        // Every length of padding, and whole blocks too.
        for extra in 0..16 {
            let payload = Payload::Text("p".repeat(extra));
            add(&format!("padding-{extra}"), format, 99, "user_7", 600, NOW, payload);
        }
    }
    for (name, rights) in rights(false) {
        add(&format!("03-{name}"), Format::Token03, 1_234_567_890, "alice", 3600, NOW, Payload::Rights(rights));
    }
    for (app_id, user_id, ttl) in [(1, "u".to_owned(), 1), (u32::MAX, "\\'`".repeat(20), day_24)] {
        let rights = Rights::builder(&RoomId::new("r".repeat(128)).expect("the longest room id")).build();
        add("03-edge", Format::Token03, app_id, &user_id, ttl, NOW, Payload::Rights(rights));
    }
    for (format, room_id, user_name) in [
        (token04[0], "room1", Some("Alice")),
        (token04[0], "room-without-name", None),
        (token04[1], "r\\oo'm", Some("Ünïcödé 漢字 😀 100% ~*'()! #?&=/+")),
        (token04[0], "room_name_long", Some(&*"長".repeat(85))),
    ] {
        cases.push(Case {
            name: "kit".to_owned(),
            format,
            app_id: 1_234_567_890,
            user_id: "alice".to_owned(),
            ttl: 7200,
            now: NOW,
            payload: Payload::Identity,
            kit: Some((room_id.to_owned(), user_name.map(str::to_owned))),
        });
    }
    cases
}

fn texts() -> Vec<(&'static str, String)> {
    let controls: String =
        ('\0'..' ').chain(['\u{7f}', '\u{80}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{feff}']).collect();
    vec![
        ("escapes", "\"\\/\u{8}\u{c}\n\r\t<>&'".to_owned()),
        ("controls", controls),
        ("cjk-emoji", "房间 部屋 방 😀👩‍👩‍👧 🇦🇨 é e\u{301} \u{10ffff}".to_owned()),
        ("right-to-left", "\u{202e}غرفة\u{202c}".to_owned()),
        ("json-in-json", r#"{"a":"{\"b\":\"\\\\\"}"}"#.to_owned()),
        ("4096", "x".repeat(4096)),
        ("30000", "\"y".repeat(15_000)),
    ]
}

fn rights(with_streams: bool) -> Vec<(String, Rights)> {
    let room = RoomId::new("room_4217").expect("a room id");
    let mut all = Vec::new();
    for (name, privileges) in [
        ("none", vec![]),
        ("login", vec![Privilege::Login]),
        ("publish", vec![Privilege::Publish]),
        ("both", vec![Privilege::Login, Privilege::Publish]),
    ] {
        let builder = Rights::builder(&room).allow_all(privileges.iter().copied().collect());
        all.push((name.to_owned(), builder.clone().build()));
        if with_streams {
            let streams = ["s1".to_owned(), "-_".to_owned(), "S".repeat(256)];
            let builder = streams
                .iter()
                .fold(builder, |builder, stream| builder.stream(&StreamId::new(stream.as_str()).expect("a stream id")));
            all.push((format!("{name}-streams"), builder.build()));
        }
    }
    if with_streams {
        all.push(("any-room".to_owned(), Rights::builder_any_room().allow(Privilege::Login).build()));
    }
    all
}
