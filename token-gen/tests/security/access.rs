//! Who may do what where: apps, users, rooms, privileges, streams.

use token_gen::{AppId, Denied, Format, Privilege, ServerSecret, Verifier};

use crate::forge::{APP, FORMATS, NOW, SECRET, TTL, good_claims, lenient, now, object, seal};

// proves T12
#[test]
fn a_token_opens_only_its_own_app() {
    const OTHER_SECRET: &str = "0123456789abcdef0123456789abcdef";
    for format in FORMATS {
        for minted_for in [APP, 7] {
            let mut claims = good_claims(format);
            claims[0].1 = minted_for.to_string();
            let token = seal(format, NOW + TTL, [3; 16], object(&claims).as_bytes());
            for asked in [APP, 7] {
                for secret in [SECRET, OTHER_SECRET] {
                    let verifier = Verifier::builder(AppId::new(asked).unwrap(), &ServerSecret::new(secret).unwrap())
                        .accept(lenient().accept())
                        .build();
                    let refusal = verifier.verify(&token, now()).err().map(|refused| refused.reason().code());
                    let expected = match (secret == SECRET, asked == minted_for) {
                        (true, true) => None,
                        (true, false) => Some("app_mismatch"),
                        (false, _) => Some("undecryptable"),
                    };
                    assert_eq!(refusal, expected, "{format}: of {minted_for} at {asked}");
                }
            }
        }
    }
}

// proves T13
#[test]
fn a_token_is_good_for_its_user_only_byte_for_byte() {
    let users = ["alice", "Alice", "alice ", "alic", "alicee", "älice", "a\u{308}lice", "alice\0", "用户"];
    for sealed in users {
        let mut claims = good_claims(Format::Token04Gcm);
        claims[1].1 = serde_json::to_string(sealed).unwrap();
        let token = seal(Format::Token04Gcm, NOW + TTL, [3; 16], object(&claims).as_bytes());
        for asked in users {
            assert_eq!(lenient().verify_user(&token, asked, now()).is_ok(), sealed == asked, "{sealed:?} {asked:?}");
        }
        assert!(lenient().verify_user(&token, "", now()).is_err());
    }
}

/// What a token says, in the words of the payload; `None` is an absent member.
#[derive(Clone, Copy, Debug)]
struct Said {
    room: &'static str,
    login: Option<u8>,
    publish: Option<u8>,
    streams: Option<&'static str>,
}

impl Said {
    fn payload(self) -> String {
        let value = |key, value: Option<u8>| value.map(|value| format!("\"{key}\":{value}"));
        let privilege: Vec<String> = [value(1, self.login), value(2, self.publish)].into_iter().flatten().collect();
        let streams = self.streams.map_or(String::new(), |list| format!(",\"stream_id_list\":{list}"));
        format!("{{\"room_id\":\"{}\",\"privilege\":{{{}}}{streams}}}", self.room, privilege.join(","))
    }

    /// The rules once more, as plainly as they can be put.
    fn allows(self, privilege: Privilege, room: &str, stream: &str) -> Result<(), Denied> {
        if !self.room.is_empty() && self.room != room {
            return Err(Denied::Room);
        }
        let granted = if privilege == Privilege::Login { self.login } else { self.publish };
        if granted != Some(1) {
            return Err(Denied::Privilege(privilege));
        }
        if privilege == Privilege::Publish {
            let listed = match self.streams {
                None | Some("null") => true,
                Some("[]") => false,
                Some(r#"["s1"]"#) => stream == "s1",
                Some(r#"["s1","s2"]"#) => stream == "s1" || stream == "s2",
                Some(other) => panic!("no rule for {other}"),
            };
            if !listed {
                return Err(Denied::Stream);
            }
        }
        Ok(())
    }
}

// proves T13
#[test]
fn rights_hold_over_the_whole_cross_product() {
    let mut cases = 0;
    let mut allowed = 0;
    for room in ["", "r1", "r2"] {
        for login in [None, Some(0), Some(1)] {
            for publish in [None, Some(0), Some(1)] {
                for streams in [None, Some("null"), Some("[]"), Some(r#"["s1"]"#), Some(r#"["s1","s2"]"#)] {
                    let said = Said { room, login, publish, streams };
                    let mut claims = good_claims(Format::Token04Gcm);
                    claims[5].1 = serde_json::to_string(&said.payload()).unwrap();
                    let token = seal(Format::Token04Gcm, NOW + TTL, [3; 16], object(&claims).as_bytes());
                    let claims = lenient().verify(&token, now()).unwrap().claims;
                    for room in ["r1", "r2", "R1", "r1 "] {
                        let login = claims.permit_login(room).unwrap();
                        assert_eq!(login, said.allows(Privilege::Login, room, ""), "{said:?} {room}");
                        for stream in ["s1", "s2", "s3", ""] {
                            let publish = claims.permit_publish(room, stream).unwrap();
                            assert_eq!(
                                publish,
                                said.allows(Privilege::Publish, room, stream),
                                "{said:?} {room} {stream}"
                            );
                            allowed += usize::from(publish.is_ok());
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    println!("rights: {cases} cases, {allowed} of them allowed");
    assert!(cases >= 300 && allowed > 0 && allowed < cases);
}

// proves T13
#[test]
fn a_token03_is_for_its_room_and_its_privileges() {
    for (login, publish) in [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")] {
        let mut claims = good_claims(Format::Token03);
        claims[6].1 = format!(r#"{{"1":{login},"2":{publish},"3":1}}"#);
        let token = seal(Format::Token03, NOW + TTL, [3; 16], object(&claims).as_bytes());
        let claims = lenient().verify(&token, now()).unwrap().claims;
        assert_eq!(claims.permit_login("room1").unwrap().is_ok(), login == "1");
        assert_eq!(claims.permit_publish("room1", "any").unwrap().is_ok(), publish == "1");
        assert_eq!(claims.permit_login("room2").unwrap(), Err(Denied::Room));
    }
}

#[test]
fn an_identity_token_carries_no_rule_and_a_payload_of_another_shape_opens_no_room() {
    let with_payload = |payload: &str| {
        let mut claims = good_claims(Format::Token04Gcm);
        claims[5].1 = serde_json::to_string(payload).unwrap();
        let token = seal(Format::Token04Gcm, NOW + TTL, [3; 16], object(&claims).as_bytes());
        lenient().verify(&token, now()).unwrap().claims
    };
    assert_eq!(with_payload("").permit_login("anywhere"), Ok(Ok(())));
    for payload in [
        " ",
        "x",
        "[]",
        "null",
        "{}",
        r#"{"demoPayload":""}"#,
        r#"{"room_id":1,"privilege":{}}"#,
        r#"{1:1}"#,
        r#"{"room_id":"r"}"#,
        r#"{"room_id":"r","privilege":[]}"#,
        r#"{"room_id":"r","privilege":{"1":true}}"#,
        r#"{"room_id":"r","privilege":{"1":1,"1":1}}"#,
        r#"{"room_id":"r","room_id":"r","privilege":{"1":1}}"#,
        r#"{"room_id":"r","privilege":{"1":1},"stream_id_list":"s"}"#,
        r#"{"room_id":"r","privilege":{"1":1},"stream_id_list":[1]}"#,
        r#"{"room_id":"r","privilege":{"1":1}} "x""#,
    ] {
        assert!(with_payload(payload).permit_login("r").is_err(), "{payload}");
    }
}
