//! What holds for all inputs: round trips, and that no bytes make a reader panic.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};
use rand::rngs::SysRng;
use token_gen::{
    Claims, Format, KitToken, Limits, MAX_LIFETIME, Minter, Payload, Privilege, Privileges, Rights, RoomId, StreamId,
    StreamScope, TokenError, TokenId, TokenRequest, UnixSeconds, UserId, UserName, Version, expire_at_unverified,
    version_unverified,
};

use crate::forge::{FORMATS, app, lenient, secret};

fn id(max: usize) -> impl Strategy<Value = String> {
    let characters: Vec<char> =
        (' '..='~').filter(|c| c.is_ascii_alphanumeric() || "~!@#$%^&*()_+=-`;',.<>\\".contains(*c)).collect();
    vec(select(characters), 1..=max).prop_map(String::from_iter)
}

fn rights() -> impl Strategy<Value = Rights> {
    let streams = vec("[A-Za-z0-9_-]{1,256}", 0..4);
    (prop::option::of(id(128)), any::<[bool; 2]>(), streams).prop_map(|(room, granted, streams)| {
        let builder = match room {
            Some(room) => Rights::builder(&RoomId::new(room).unwrap()),
            None => Rights::builder_any_room(),
        };
        let granted: Privileges =
            Privilege::ALL.into_iter().zip(granted).filter_map(|(privilege, yes)| yes.then_some(privilege)).collect();
        let builder = builder.allow_all(granted);
        streams.iter().fold(builder, |builder, stream| builder.stream(&StreamId::new(stream).unwrap())).build()
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Identity),
        rights().prop_map(Payload::Rights),
        vec(any::<char>(), 0..200).prop_map(|text| Payload::Text(String::from_iter(text))),
    ]
}

/// Bytes that are nearly a token's text: the alphabet, and what does not belong.
fn nearly_a_token() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "0[34][A-Za-z0-9+/]{0,200}={0,3}",
        "0[34]AAAAAGsETAAAE[A-Za-z0-9+/]{0,100}=?(#[A-Za-z0-9+/]{0,80}={0,2})?",
    ]
}

proptest! {
    #[test]
    fn what_is_minted_verifies_to_what_was_asked(
        format in select(&FORMATS),
        user in id(64),
        ttl in 1..=MAX_LIFETIME.as_secs(),
        now in 1..=i64::from(u32::MAX),
        payload in payload(),
    ) {
        let request = TokenRequest {
            user_id: UserId::new(user).unwrap(),
            ttl: Duration::from_secs(ttl),
            payload,
        };
        let now = UnixSeconds::new(now);
        let minter = Minter::new(app(), &secret()).with_format(format);
        let minted = match (minter.mint(&request, now, &mut SysRng), &request.payload) {
            (Ok(minted), _) => minted,
            // token03 has no way to say these.
            (Err(TokenError::Token03Content), Payload::Identity | Payload::Text(_)) if format == Format::Token03 => return Ok(()),
            (Err(TokenError::Token03Content), Payload::Rights(rights))
                if format == Format::Token03 && (*rights.streams() != StreamScope::Any || rights.covers_room("another")) => return Ok(()),
            (Err(error), _) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(expire_at_unverified(&minted.token).unwrap(), minted.expire_at);
        prop_assert_eq!(version_unverified(&minted.token).unwrap(), format.version());
        let verified = lenient().verify_user(&minted.token, request.user_id.as_str(), now).unwrap();
        prop_assert_eq!(verified.format, format);
        let claims = verified.claims;
        prop_assert_eq!(claims.app_id, app());
        prop_assert_eq!(claims.issued_at, now);
        prop_assert_eq!(claims.expire_at, minted.expire_at);
        prop_assert_eq!(claims.expire_at.get() - now.get(), ttl.cast_signed());
        match &request.payload {
            Payload::Rights(rights) => prop_assert_eq!(claims.rights(), Ok(Some(rights.clone()))),
            Payload::Text(text) => prop_assert_eq!(claims.payload(), Some(text.as_str())),
            _ => prop_assert_eq!(claims.payload(), Some("")),
        }
    }

    #[test]
    fn a_composed_kit_token_verifies_to_what_went_in(
        user in id(64),
        room in id(128),
        name in prop::option::of("\\PC{1,60}"),
    ) {
        let user = UserId::new(user).unwrap();
        let room = RoomId::new(room).unwrap();
        let name = name.and_then(|name| UserName::new(name).ok());
        let request = TokenRequest { user_id: user.clone(), ttl: Duration::from_secs(60), payload: Payload::Identity };
        let now = UnixSeconds::new(1_795_440_112);
        let token = Minter::new(app(), &secret()).mint(&request, now, &mut SysRng).unwrap().token;
        let kit = KitToken::compose(&token, app(), &user, &room, name.as_ref());
        let (verified, info) = lenient().verify_kit(&kit, Some(user.as_str()), now).unwrap();
        prop_assert_eq!(verified.claims.user_id, user.as_str());
        prop_assert_eq!(info.room_id.as_deref(), Some(room.as_str()));
        prop_assert_eq!(info.user_name, name.as_ref().map_or("", UserName::as_str));
        prop_assert_eq!(TokenId::of(&kit), TokenId::of(&token));
    }

    #[test]
    fn rights_survive_their_payload(rights in rights()) {
        prop_assert_eq!(Rights::from_payload(&rights.to_payload(), 8).unwrap(), rights);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_a_reader_panic(text in nearly_a_token(), now in any::<i64>()) {
        let _ = lenient().verify(&text, now.into());
        let _ = lenient().verify_kit(&text, Some("alice"), now.into());
        let _ = expire_at_unverified(&text);
        let _ = KitToken::parse_unverified(&text);
        let _ = Rights::from_payload(&text, Limits::STRICT.max_depth);
        let _ = TokenId::of(&text);
    }

    #[test]
    fn no_plaintext_makes_the_claims_reader_panic(bytes in vec(any::<u8>(), 0..200), depth in 0usize..12) {
        let _ = Claims::from_plaintext(Version::Token04, &bytes, depth);
        let _ = Claims::from_plaintext(Version::Token03, &bytes, depth);
    }
}
