//! The wire reference is true: its samples are what the types read and write, its tables are the catalogue, and its
//! worked example comes out as printed.

use std::{collections::BTreeSet, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use roompass_wire::{
    ErrorCode, Problem,
    gateway::{ClientMessage, CloseCode, ServerMessage},
    http::{
        BanRequest, BanResponse, BansResponse, ExplainRequest, ExplainResponse, HealthResponse, IntrospectRequest,
        IntrospectResponse, LiftBanResponse, MintBatchRequest, MintBatchResponse, MintRequest, MintResponse,
        RevocationsResponse, RevokeRequest, RevokeResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use token_gen::{AppId, AppSign, CHALLENGE_LEN, LoginProof};

const README: &str = include_str!("../README.md");

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// Reads the sample as a `T`, writes it again, and compares byte for byte.
fn round_trip<T: DeserializeOwned + Serialize>(name: &str) {
    let text =
        fs::read_to_string(samples().join(format!("{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_string_pretty(&value).expect("plain values") + "\n", text, "{name}");
}

/// The names of all variants, from what serde says of a name that is none.
fn variants<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>(r#"{"type":"no such message"}"#) else { panic!("it was read") };
    error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_message_and_body_has_a_sample_that_is_read_and_written_byte_for_byte() {
    let (client, server) = (variants::<ClientMessage>(), variants::<ServerMessage>());
    assert!(client.len() >= 13 && server.len() >= 20, "{client:?} {server:?}");
    client.iter().for_each(|name| round_trip::<ClientMessage>(name));
    server.iter().for_each(|name| round_trip::<ServerMessage>(name));
    round_trip::<MintRequest>("mint_request");
    round_trip::<MintResponse>("mint_response");
    round_trip::<HealthResponse>("health_response");
    round_trip::<Problem>("problem");
    round_trip::<MintBatchRequest>("mint_batch_request");
    round_trip::<MintBatchResponse>("mint_batch_response");
    round_trip::<IntrospectRequest>("introspect_request");
    round_trip::<IntrospectResponse>("introspect_response");
    round_trip::<IntrospectResponse>("introspect_response_revoked");
    round_trip::<IntrospectResponse>("introspect_response_inactive");
    round_trip::<ExplainRequest>("explain_request");
    round_trip::<ExplainResponse>("explain_response");
    round_trip::<RevokeRequest>("revoke_request");
    round_trip::<RevokeResponse>("revoke_response");
    round_trip::<RevocationsResponse>("revocations_response");
    round_trip::<BanRequest>("ban_request");
    round_trip::<BanResponse>("ban_response");
    round_trip::<BansResponse>("bans_response");
    round_trip::<LiftBanResponse>("lift_ban_response");

    let bodies = [
        "mint_request",
        "mint_response",
        "health_response",
        "problem",
        "mint_batch_request",
        "mint_batch_response",
        "introspect_request",
        "introspect_response",
        "introspect_response_revoked",
        "introspect_response_inactive",
        "explain_request",
        "explain_response",
        "revoke_request",
        "revoke_response",
        "revocations_response",
        "ban_request",
        "ban_response",
        "bans_response",
        "lift_ban_response",
    ]
    .map(str::to_owned);
    let expected: BTreeSet<String> = client.into_iter().chain(server).chain(bodies).collect();
    let found: BTreeSet<String> = fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    assert_eq!(found, expected, "one sample a type, and no other files");
}

#[test]
fn the_reference_shows_every_sample() {
    for name in variants::<ClientMessage>().into_iter().chain(variants::<ServerMessage>()) {
        let text = fs::read_to_string(samples().join(format!("{name}.json"))).unwrap();
        let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(README.contains(&format!("### `{name}`")), "{name} has no section");
        let shown = json_blocks().any(|block| block == sample);
        assert!(shown, "the sample of {name} is not shown");
    }
}

/// Every JSON block of the reference.
fn json_blocks() -> impl Iterator<Item = serde_json::Value> {
    README.split("```json\n").skip(1).map(|rest| {
        let block = rest.split("```").next().expect("split gives at least one part");
        serde_json::from_str(block).unwrap_or_else(|error| panic!("{error} in {block}"))
    })
}

#[test]
fn the_table_of_errors_is_the_catalogue() {
    let header = "| Code | Number | HTTP | Retry | Meaning | What to do |\n|---|---|---|---|---|---|\n";
    let rows: String = ErrorCode::ALL
        .iter()
        .map(|code| {
            let row = code.row();
            let number = if row.number == 0 { "–".to_owned() } else { row.number.to_string() };
            let retry = if row.retryable { "yes" } else { "no" };
            format!("| `{}` | {number} | {} | {retry} | {} | {} |\n", row.code, row.status, row.title, row.remedy)
        })
        .collect();
    let table = README.split(header).nth(1).expect("the table is there").split("\n\n").next().unwrap();
    assert_eq!(format!("{table}\n"), rows);
}

#[test]
fn the_table_of_close_codes_is_complete() {
    let rows: Vec<&str> = README
        .split("| Close code | Come back? | Why |\n|---|---|---|\n")
        .nth(1)
        .expect("the table is there")
        .split("\n\n")
        .next()
        .unwrap()
        .lines()
        .collect();
    assert_eq!(rows.len(), CloseCode::ALL.len());
    for (row, code) in rows.into_iter().zip(CloseCode::ALL) {
        let back = if code.may_reconnect() { "yes" } else { "no" };
        assert!(row.starts_with(&format!("| {} | {back} | ", code.number())), "{row}");
    }
}

#[test]
fn codes_and_numbers_of_the_samples_are_those_of_the_catalogue() {
    for entry in fs::read_dir(samples()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
        let Some(code) = sample.get("code") else { continue };
        let row = serde_json::from_value::<ErrorCode>(code.clone()).unwrap().row();
        let is_absent_or = |member: &str, expected: u32| {
            sample.get(member).is_none_or(|value| value.as_u64() == Some(expected.into()))
        };
        assert!(is_absent_or("number", row.number) && is_absent_or("status", row.status.into()), "{sample}");
        if let Some(message) = sample.get("message") {
            assert_eq!(message, &format!("{}. {}", row.title, row.remedy));
        }
    }
}

#[test]
fn the_worked_proof_comes_out_as_printed() {
    let app_sign = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let challenge: [u8; CHALLENGE_LEN] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let (user_id, room_id, timestamp) = ("alice", "room1", 1_795_440_114);
    let proof = LoginProof {
        server_origin: "https://rtc.example.com",
        app_id: AppId::new(1_234_567_890).unwrap(),
        user_id,
        room_id,
        challenge: &challenge,
        timestamp: i64::from(timestamp).into(),
    };
    let proof = proof.compute(&AppSign::new(app_sign).unwrap());
    let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(README.contains(&format!("proof, hex     {hex}\n")), "{hex}");
    let base64 = STANDARD.encode(proof);
    assert!(README.contains(&format!("proof, base64  {base64}\n")), "{base64}");

    let mut message = b"appsign-login-v1".to_vec();
    for field in [&b"https://rtc.example.com"[..], b"1234567890", b"alice", b"room1", &challenge, b"1795440114"] {
        message.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
        message.extend(field);
    }
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let printed: String = README.split_whitespace().collect();
    assert!(printed.contains(&hex), "{hex}");
}
