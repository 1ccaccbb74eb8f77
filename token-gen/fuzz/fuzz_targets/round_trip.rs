//! A token minted from any request verifies to that request, and with any one byte changed does not verify.
#![no_main]

use std::{convert::Infallible, sync::LazyLock, time::Duration};

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rand_core::{TryCryptoRng, TryRng};
use token_gen::{
    Accept, AppId, Format, Limits, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, StreamId, TokenRequest,
    UserId, Verifier,
};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    format: u8,
    user: &'a str,
    room: Option<&'a str>,
    text: Option<&'a str>,
    privileges: [bool; 2],
    streams: Vec<&'a str>,
    ttl_secs: u32,
    now: u32,
    random: [u8; 24],
    changed_at: u16,
    change: u8,
}

/// The random bytes come from the input, so that a find can be run again.
struct Given([u8; 24]);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("a minter asks for bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("a minter asks for bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[..out.len()]);
        Ok(())
    }
}

impl TryCryptoRng for Given {}

static KEYS: LazyLock<(Minter, Verifier)> = LazyLock::new(|| {
    let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").expect("32 bytes");
    let app_id = AppId::new(1).expect("not zero");
    let verifier = Verifier::builder(app_id, &secret).accept(Accept::ALL).limits(Limits::FORMAT).build();
    (Minter::new(app_id, &secret).with_max_payload_bytes(usize::MAX), verifier)
});

fuzz_target!(|input: Input<'_>| {
    let Ok(user_id) = UserId::new(input.user) else { return };
    let payload = match (input.text, input.room.map(RoomId::new)) {
        (Some(text), _) => Payload::Text(text.to_owned()),
        (None, None) => Payload::Identity,
        (None, Some(Ok(room_id))) => {
            let mut rights = Rights::builder(&room_id);
            for (privilege, _) in Privilege::ALL.into_iter().zip(input.privileges).filter(|(_, granted)| *granted) {
                rights = rights.allow(privilege);
            }
            for stream_id in input.streams.iter().filter_map(|stream_id| StreamId::new(*stream_id).ok()) {
                rights = rights.stream(&stream_id);
            }
            Payload::Rights(rights.build())
        }
        (None, Some(Err(_))) => return,
    };
    let (minter, verifier) = &*KEYS;
    let format = [Format::Token04Gcm, Format::Token04Cbc, Format::Token03][usize::from(input.format) % 3];
    let request = TokenRequest { user_id, ttl: Duration::from_secs(input.ttl_secs.into()), payload };
    let now = i64::from(input.now).max(1).into();
    let Ok(minted) = minter.clone().with_format(format).mint(&request, now, &mut Given(input.random)) else { return };

    let verified = verifier.verify_user(&minted.token, request.user_id.as_str(), now).expect("it was just minted");
    assert_eq!(verified.format, format);
    assert_eq!(verified.claims.expire_at, minted.expire_at);
    match &request.payload {
        Payload::Rights(rights) => assert_eq!(verified.claims.rights(), Ok(Some(rights.clone()))),
        Payload::Text(text) => assert_eq!(verified.claims.payload(), Some(text.as_str())),
        _ => assert_eq!(verified.claims.payload(), Some("")),
    }

    let mut bytes = minted.token.clone().into_bytes();
    let at = usize::from(input.changed_at) % bytes.len();
    bytes[at] = input.change & 0x7f;
    let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
    if changed != minted.token && format == Format::Token04Gcm {
        assert!(verifier.verify(&changed, now).is_err(), "byte {at}");
    }
});
