//! Terms survive the way through a payload, and nothing else is read as terms.

use std::{format, string::ToString, time::Duration};

use super::*;
use crate::{
    error::TokenError,
    id::{RoomId, UserName},
    privilege::Privileges,
    rights::{Denied, Rights, RoomScope},
};

fn rights() -> crate::rights::RightsBuilder {
    Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL)
}

fn read_payload(terms: &str) -> Result<Rights, TokenError> {
    let payload = format!(r#"{{"room_id":"r1","privilege":{{"1":1,"2":1}},"stream_id_list":null,"roompass":{terms}}}"#);
    Rights::from_payload(&payload, 16)
}

#[test]
fn every_term_survives_and_stands_in_a_fixed_order() {
    let full = rights()
        .also_room(&RoomId::new("r2").unwrap())
        .also_room(&RoomId::new("r1").unwrap())
        .play_stream(&StreamId::new("s1").unwrap())
        .media([MediaKind::Screen, MediaKind::Audio].into_iter().collect())
        .login_until(100.into())
        .publish_until(200.into())
        .play_until(300.into())
        .max_stay(Duration::from_secs(600))
        .on_expiry(OnExpiry::Grace(Duration::from_secs(60)))
        .single_use()
        .user_name(&UserName::new("Ann \"B\"").unwrap())
        .metadata("seat 7")
        .unwrap()
        .build();
    let payload = full.to_payload();
    assert_eq!(
        payload,
        concat!(
            r#"{"room_id":"r1","privilege":{"1":1,"2":1},"stream_id_list":null,"roompass":{"play_stream_ids":["s1"],"#,
            r#""media":["audio","screen"],"login_until":100,"publish_until":200,"play_until":300,"max_stay_secs":600,"#,
            r#""on_expiry":"grace","grace_secs":60,"single_use":1,"room_ids":["r2"],"user_name":"Ann \"B\"","#,
            r#""metadata":"seat 7"}}"#
        )
    );
    assert_eq!(Rights::from_payload(&payload, 16).unwrap(), full);
    assert_eq!(*full.room(), RoomScope::Several(["r1", "r2"].map(String::from).to_vec()));

    let quiet = rights().deny_play().on_expiry(OnExpiry::Keep).build();
    assert!(quiet.to_payload().ends_with(r#""roompass":{"play":0,"on_expiry":"keep"}}"#));
    assert_eq!(Rights::from_payload(&quiet.to_payload(), 16).unwrap(), quiet);
}

#[test]
fn rights_without_terms_are_written_as_ever() {
    let plain = rights().build();
    assert_eq!(plain.to_payload(), r#"{"room_id":"r1","privilege":{"1":1,"2":1},"stream_id_list":null}"#);
    assert_eq!(read_payload("{}").unwrap(), plain);
    assert!(plain.terms().is_none());
    assert_eq!(plain.permit_play("any"), Ok(()));
}

#[test]
fn what_is_not_known_or_not_well_formed_refuses_the_token() {
    for terms in [
        "null",
        "1",
        "[]",
        r#"{"extra":1}"#,
        r#"{"play":2}"#,
        r#"{"play":true}"#,
        r#"{"play":null}"#,
        r#"{"play_stream_ids":null}"#,
        r#"{"play_stream_ids":[1]}"#,
        r#"{"media":["smell"]}"#,
        r#"{"media":"audio"}"#,
        r#"{"login_until":"1"}"#,
        r#"{"login_until":1.5}"#,
        r#"{"max_stay_secs":0}"#,
        r#"{"max_stay_secs":-1}"#,
        r#"{"max_stay_secs":2073601}"#,
        r#"{"on_expiry":"grace"}"#,
        r#"{"on_expiry":"kick","grace_secs":5}"#,
        r#"{"grace_secs":5}"#,
        r#"{"on_expiry":"grace","grace_secs":86401}"#,
        r#"{"on_expiry":"Kick"}"#,
        r#"{"single_use":"1"}"#,
        r#"{"room_ids":"r2"}"#,
        r#"{"user_name":""}"#,
        r#"{"user_name":"a\nb"}"#,
        r#"{"metadata":""}"#,
        r#"{"metadata":"a\u0000b"}"#,
    ] {
        assert_eq!(read_payload(terms), Err(TokenError::PayloadMember("roompass")), "{terms}");
    }
    let long = format!(r#"{{"metadata":"{}"}}"#, "m".repeat(1025));
    assert!(read_payload(&long).is_err());
    assert_eq!(read_payload(r#"{"single_use":1,"single_use":0}"#), Err(TokenError::PayloadNotAnObject));
    // Every room and certain rooms contradict one another.
    let any = r#"{"room_id":"","privilege":{},"roompass":{"room_ids":["r2"]}}"#;
    assert_eq!(Rights::from_payload(any, 16), Err(TokenError::PayloadMember("roompass")));
    assert!(rights().metadata("").is_err() && rights().metadata("a\tb").is_err());
}

#[test]
fn terms_narrow_playing_media_and_rooms() {
    let denied = rights().deny_play().build();
    assert_eq!(denied.permit_play("s1"), Err(Denied::Play));
    let listed = rights().play_stream(&StreamId::new("s1").unwrap()).build();
    assert_eq!([listed.permit_play("s1"), listed.permit_play("S1")], [Ok(()), Err(Denied::Stream)]);
    let none = read_payload(r#"{"play_stream_ids":[]}"#).unwrap();
    assert_eq!(none.permit_play("s1"), Err(Denied::Stream));

    let audio: MediaKinds = [MediaKind::Audio].into_iter().collect();
    let both = audio.with(MediaKind::Video);
    let quiet = rights().media(audio).build();
    assert_eq!([quiet.permit_media(audio), quiet.permit_media(both)], [Ok(()), Err(Denied::Media)]);
    assert_eq!(rights().build().permit_media(both), Ok(()));

    let several = rights().also_room(&RoomId::new("r2").unwrap()).build();
    let login = |room_id| several.permit_login(room_id);
    assert_eq!([login("r1"), login("r2"), login("r3")], [Ok(()), Ok(()), Err(Denied::Room)]);
}

#[test]
fn a_right_ends_at_its_second() {
    let ending = rights().login_until(100.into()).publish_until(200.into()).play_until(300.into()).build();
    let at = |now: i64| {
        let now = now.into();
        [ending.login_in_time(now), ending.publish_in_time(now), ending.play_in_time(now)].map(|right| right.is_ok())
    };
    assert_eq!(at(99), [true; 3]);
    assert_eq!(at(100), [false, true, true]);
    assert_eq!(at(200), [false, false, true]);
    assert_eq!(at(300), [false; 3]);
    assert_eq!(Denied::Until.to_string(), "the right has ended before its token");
}
