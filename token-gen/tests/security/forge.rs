//! A second writer of tokens, with no scruples: any plaintext, any framing.

use std::time::Duration;

use aes_gcm::{
    AeadInOut, Aes256Gcm, KeyInit,
    aes::{
        Aes256,
        cipher::{BlockModeEncrypt, KeyIvInit, array::Array},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use token_gen::{
    Accept, AppId, Format, Limits, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, StreamId, TokenRequest,
    UnixSeconds, UserId, Verifier,
};

pub(crate) const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";
pub(crate) const APP: u32 = 1_234_567_890;
pub(crate) const NOW: i64 = 1_795_440_112;
pub(crate) const TTL: i64 = 3600;
pub(crate) const FORMATS: [Format; 3] = [Format::Token04Gcm, Format::Token04Cbc, Format::Token03];

pub(crate) fn now() -> UnixSeconds {
    UnixSeconds::new(NOW)
}

pub(crate) fn secret() -> ServerSecret {
    ServerSecret::new(SECRET).unwrap()
}

pub(crate) fn app() -> AppId {
    AppId::new(APP).unwrap()
}

/// The most lenient verifier there is: what it refuses, nobody takes.
pub(crate) fn lenient() -> Verifier {
    Verifier::builder(app(), &secret()).accept(Accept::ALL).build()
}

/// As [`lenient`], without limits on size.
pub(crate) fn unlimited() -> Verifier {
    Verifier::builder(app(), &secret()).accept(Accept::ALL).limits(Limits::FORMAT).build()
}

/// A token as our own minter makes it: one room, both privileges, one stream where the format has streams.
pub(crate) fn mint(format: Format, user: &str) -> String {
    let mut rights =
        Rights::builder(&RoomId::new("room_4217").unwrap()).allow(Privilege::Login).allow(Privilege::Publish);
    if format != Format::Token03 {
        rights = rights.stream(&StreamId::new("stream_4217_1").unwrap());
    }
    let request = TokenRequest {
        user_id: UserId::new(user).unwrap(),
        ttl: Duration::from_secs(TTL as u64),
        payload: Payload::Rights(rights.build()),
    };
    Minter::new(app(), &secret()).with_format(format).mint(&request, now(), &mut rand::rngs::SysRng).unwrap().token
}

/// Seals `plaintext` as `format` wants it, with an expiry in clear of `expire`.
pub(crate) fn seal(format: Format, expire: i64, iv: [u8; 16], plaintext: &[u8]) -> String {
    let mut content = plaintext.to_vec();
    let key = SECRET.as_bytes();
    if format == Format::Token04Gcm {
        let iv: [u8; 12] = iv[..12].try_into().unwrap();
        let tag = Aes256Gcm::new(key.try_into().unwrap())
            .encrypt_inout_detached(&iv.into(), &[], content.as_mut_slice().into())
            .unwrap();
        content.extend_from_slice(&tag);
        text("04", &body(expire, &iv, &content, Some(1)))
    } else {
        let count = 16 - content.len() % 16;
        content.extend(std::iter::repeat_n(count as u8, count));
        let mut cbc = cbc::Encryptor::<Aes256>::new_from_slices(key, &iv).unwrap();
        cbc.encrypt_blocks(Array::slice_as_chunks_mut(&mut content).0);
        text(format.version().tag(), &body(expire, &iv, &content, None))
    }
}

/// The claims that [`lenient`] takes, as `(name, JSON)`.
pub(crate) fn good_claims(format: Format) -> Vec<(&'static str, String)> {
    let (issued, expires) =
        if format == Format::Token03 { ("create_time", "expire_time") } else { ("ctime", "expire") };
    let mut claims = vec![
        ("app_id", APP.to_string()),
        ("user_id", "\"alice\"".to_owned()),
        ("nonce", "-77".to_owned()),
        (issued, NOW.to_string()),
        (expires, (NOW + TTL).to_string()),
    ];
    if format == Format::Token03 {
        claims.push(("room_id", "\"room1\"".to_owned()));
        claims.push(("privilege", r#"{"1":1,"2":0}"#.to_owned()));
    } else {
        claims.push(("payload", "\"\"".to_owned()));
    }
    claims
}

pub(crate) fn object(claims: &[(&str, String)]) -> String {
    let members: Vec<String> = claims.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Frames the parts of a body.
pub(crate) fn body(expire: i64, iv: &[u8], content: &[u8], mode: Option<u8>) -> Vec<u8> {
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&expire.to_be_bytes()[..], &len(iv), iv, &len(content), content, mode.as_slice()].concat()
}

pub(crate) fn text(tag: &str, body: &[u8]) -> String {
    format!("{tag}{}", STANDARD.encode(body))
}

pub(crate) fn body_of(token: &str) -> Vec<u8> {
    STANDARD.decode(&token[2..]).unwrap()
}
