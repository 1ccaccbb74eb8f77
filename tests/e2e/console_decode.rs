//! The console takes tokens apart in the browser as `token_gen::inspect` does: the same fields, the same findings.

use std::{fs, path::Path, process::Stdio};

use serde_json::{Value, json};
use token_gen::{Inspection, inspect};
use tokio::{io::AsyncWriteExt, process::Command};

/// The worked example of the format's description.
const GCM: &str = "04AAAAAGsETAAADEcIZ4GpUR9iotekbAB0kT2WJg/tfH2Qu2Y1l3TmuDR91jAHVp/sFFSIVCDuIRGtUljOjGkoFPzbvG5y7QlpGMf9XhVs9\
                   bcKfIOeWYDea5PUv99EOKPGnuFhtEasamJb/LDhI2GSVl0mv6WR8plKSZhXn0MI5T+Heq4qoNkleEnfuxwB";

#[tokio::test]
async fn the_console_reads_tokens_as_token_gen_does() {
    let texts = texts();
    assert!(texts.len() > 800, "{}", texts.len());
    let mut decoder = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("console/decode.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node can be run; `make test` installs it");
    let mut stdin = decoder.stdin.take().expect("it is piped");
    let asked: String = texts.iter().map(|text| format!("{}\n", json!(text))).collect();
    let asking = tokio::spawn(async move { stdin.write_all(asked.as_bytes()).await });
    let ended = decoder.wait_with_output().await.expect("it ends");
    asking.await.expect("no panic").expect("it reads everything");
    let told = String::from_utf8(ended.stdout).expect("lines of JSON");
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), texts.len());
    for (text, told) in texts.iter().zip(told) {
        let inspection = inspect(text);
        let start: String = text.chars().take(80).collect();
        assert_eq!(told["codes"], codes(&inspection), "{start}");
        assert_eq!(told["fields"], fields(&inspection), "{start}");
        let kit = inspection.kit.map(|kit| json!([kit.app_id.get(), kit.user_id, kit.room_id, kit.user_name]));
        assert_eq!(told["kit"], kit.unwrap_or(Value::Null), "{start}");
    }
}

/// Every token of the vectors; what becomes of one on its way; and one broken off at each place.
fn texts() -> Vec<String> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../token-gen/tests/vectors");
    let mut texts = Vec::new();
    for name in ["reference-tokens", "invalid-tokens", "minted-tokens"] {
        let file = fs::read_to_string(vectors.join(format!("{name}.json"))).expect("the vectors are there");
        let all: Vec<Value> = serde_json::from_str(&file).expect("JSON");
        texts.extend(all.iter().map(|vector| vector["token"].as_str().expect("a token").to_owned()));
    }
    texts.extend((0..GCM.len()).map(|len| GCM[..len].to_owned()));
    texts.extend([
        format!(" {GCM}\n"),
        format!("\"{GCM}\""),
        format!("'{GCM} '"),
        format!("Bearer {GCM}"),
        GCM.replace('+', " "),
        GCM.replace('+', "-").replace('/', "_"),
        GCM.replace('/', "%2f"),
        format!("{}\r\n{}", &GCM[..78], &GCM[78..]),
        format!("{GCM}="),
        format!("{GCM}#"),
        format!("#{GCM}"),
        format!("{GCM}#a#b"),
        "fa94dd0f974cf2e293728a526b028271".to_owned(),
        "04".repeat(32),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln".to_owned(),
        GCM[2..].to_owned(),
        "\u{feff}".to_owned(),
        "04\0".to_owned(),
        "04é".to_owned(),
        "é".to_owned(),
        "04#".to_owned(),
    ]);
    texts
}

fn codes(inspection: &Inspection) -> Value {
    inspection.findings.iter().map(|finding| finding.code).collect()
}

fn fields(inspection: &Inspection) -> Value {
    inspection.fields.iter().map(|field| json!([field.name, field.range.start, field.range.end])).collect()
}
