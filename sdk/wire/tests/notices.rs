//! Every event has a sample that the types read and write.

use std::{collections::BTreeSet, fs, path::PathBuf};

use roompass_wire::webhook::{EventName, Notice};

fn notices() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("notices")
}

#[test]
fn every_event_has_a_sample_that_is_read_and_written_byte_for_byte() {
    for name in EventName::ALL {
        let text = fs::read_to_string(notices().join(format!("{name}.json"))).unwrap_or_else(|_| panic!("{name}"));
        let notice: Notice = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(notice.event.name(), *name);
        assert_eq!(serde_json::to_string_pretty(&notice).expect("plain values") + "\n", text, "{name}");
        assert_eq!(name.as_str().parse(), Ok(*name));
    }
    let expected: BTreeSet<String> = EventName::ALL.iter().map(ToString::to_string).collect();
    let found: BTreeSet<String> = fs::read_dir(notices())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    assert_eq!(found, expected, "one sample an event, and no other files");
}

#[test]
fn members_that_are_not_known_are_passed_over() {
    let text = fs::read_to_string(notices().join("test.json")).unwrap();
    let more = text.replace("\"version\"", "\"new\": 1,\n  \"version\"");
    assert_eq!(serde_json::from_str::<Notice>(&more).unwrap(), serde_json::from_str::<Notice>(&text).unwrap());
}
