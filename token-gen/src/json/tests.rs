//! The reader against its rules, and against serde_json.

use std::{
    format,
    string::{String, ToString},
    vec,
};

use super::*;

#[test]
fn integers_are_integers_only() {
    for (text, expected) in [
        ("0", Node::Int(0)),
        ("-9223372036854775808", Node::Int(i64::MIN)),
        ("9223372036854775807", Node::Int(i64::MAX)),
        ("9223372036854775808", Node::Number),
        ("-9223372036854775809", Node::Number),
        ("1.0", Node::Number),
        ("1e3", Node::Number),
        ("-0", Node::Number),
    ] {
        assert_eq!(parse(text, 8), Ok(expected), "{text}");
    }
}

#[test]
fn numbers_of_every_length_and_every_byte_within_are_read_as_serde_json_reads_them() {
    let expected = |text: &str| match serde_json::from_str::<serde_json::Value>(text) {
        // It reads minus zero as a float, and what it calls an integer may not fit.
        Ok(value) => Ok(value.as_i64().map_or(Node::Number, Node::Int)),
        Err(_) => Err(Fault::Syntax),
    };
    for len in 1..=24 {
        for first in ['1', '9'] {
            let digits: String = [first].into_iter().chain("8070605040302010908070605".chars()).take(len).collect();
            for text in [digits.clone(), format!("-{digits}"), format!("{digits}.5"), format!("{digits}e1")] {
                assert_eq!(parse(&text, 8), expected(&text), "{text}");
            }
            for at in 0..len {
                // An exponent can be beyond a float, which is as far as serde_json reads.
                for byte in (0..=0x7f).map(char::from).filter(|byte| !matches!(byte, 'e' | 'E')) {
                    let mut text = digits.clone();
                    text.replace_range(at..=at, byte.encode_utf8(&mut [0; 4]));
                    assert_eq!(parse(&text, 8), expected(&text), "{text}");
                }
            }
        }
    }
}

#[test]
fn doubles_are_found_at_every_depth_and_after_escapes() {
    let many = |last: &str| {
        let members: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
        format!("{{{members}\"{last}\":0}}")
    };
    for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#, &many("k7")] {
        assert_eq!(parse(text, 8), Err(Fault::DuplicateMember), "{text}");
    }
    assert!(parse(&many("k40"), 8).is_ok());
}

#[test]
fn a_syntax_fault_wins_over_a_double_before_it() {
    assert_eq!(parse(r#"{"a":1,"a":2}x"#, 8), Err(Fault::Syntax));
}

#[test]
fn special_bytes_are_found_at_every_place_beside_every_byte() {
    for len in 1..24 {
        for at in 0..len {
            for byte in 0..=u8::MAX {
                let mut bytes = vec![0xa2; len];
                bytes[at] = byte;
                let expected = (byte < b' ' || byte == b'"' || byte == b'\\').then_some(at);
                assert_eq!(special(&bytes), expected, "{byte} at {at} of {len}");
            }
        }
    }
}

#[test]
fn depth_is_bounded() {
    assert!(parse("[[[]]]", 3).is_ok());
    assert_eq!(parse("[[[[]]]]", 3), Err(Fault::Syntax));
    assert_eq!(parse(&"[".repeat(100_000), 8), Err(Fault::Syntax));
}

/// What serde_json makes of the same text, in our terms.
fn by_serde_json(text: &str) -> Result<Node<'static>, serde_json::Error> {
    fn node(value: serde_json::Value) -> Node<'static> {
        match value {
            serde_json::Value::Null => Node::Null,
            serde_json::Value::Bool(_) => Node::Bool,
            serde_json::Value::Number(number) => number.as_i64().map_or(Node::Number, Node::Int),
            serde_json::Value::String(text) => Node::String(Cow::Owned(text)),
            serde_json::Value::Array(items) => Node::Array(items.into_iter().map(node).collect()),
            serde_json::Value::Object(members) => {
                Node::Object(Object(members.into_iter().map(|(key, value)| (key.into(), node(value))).collect()))
            }
        }
    }
    serde_json::from_str(text).map(node)
}

/// Members in the order of their names, as serde_json keeps them.
fn sorted(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Array(items) => Node::Array(items.into_iter().map(sorted).collect()),
        Node::Object(Object(members)) => {
            let mut members: Vec<_> = members.into_iter().map(|(key, node)| (key, sorted(node))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Node::Object(Object(members))
        }
        scalar => scalar,
    }
}

fn check_against_serde_json(text: &str) {
    let ours = parse(text, 100);
    match by_serde_json(text) {
        // The one difference: 1e400 is good JSON, and we never turn it into a double.
        Err(error) if error.to_string().starts_with("number out of range") => {}
        Err(_) => assert_eq!(ours, Err(Fault::Syntax), "{text:?}"),
        // It keeps the last of equal members; whether there were any, `doubles_are_found…` tests.
        Ok(_) if ours == Err(Fault::DuplicateMember) => {}
        Ok(theirs) => assert_eq!(ours.map(sorted), Ok(theirs), "{text:?}"),
    }
}

/// Pieces of JSON, whole and broken: strung together at random they are nearly right far oftener than noise is.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\"a\"",
    "\"b\":",
    "\"a\":1",
    "null",
    "true",
    "false",
    "nul",
    "0",
    "-0",
    "-",
    "1",
    "01",
    "12.5",
    "1.",
    ".5",
    "1e5",
    "1E+2",
    "1e",
    "-7e-1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    " ",
    "\n",
    "\t",
    "\u{b}",
    "\0",
    "\\n",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\ude00",
    "\\u12",
    "\\x",
    "\\/",
    "é",
    "漢",
    "😀",
    "\u{feff}",
    "\"\\\"\"",
    "\"\\\\\"",
    "\u{7f}",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_text_is_judged_as_serde_json_does(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12),
    ) {
        check_against_serde_json(&pieces.concat());
    }
}

proptest::proptest! {
    #[test]
    fn every_string_is_read_as_serde_json_does(inner in "([ -~]|\\\\[\"\\\\/bfnrtu]|\\\\u[0-9a-fA-F]{4}|é|😀){0,200}") {
        check_against_serde_json(&format!("\"{inner}\""));
        check_against_serde_json(&format!("[\"{inner}\\\"\", {{\"{inner}\": -12}}]"));
    }
}

#[test]
fn strings_with_escapes_are_read_at_every_length() {
    // Around the length of a run, so that every kind of escape falls on its end once.
    for escape in ["\\\"", "\\\\", "\\/", "\\n", "\\u00e9", "\\ud83d\\ude00", "é", "\\x", "\u{1}"] {
        for before in 100..140 {
            let filler = "x".repeat(before);
            check_against_serde_json(&format!("\"\\\\{filler}{escape}{filler}\""));
            check_against_serde_json(&format!("\"\\\\{filler}{escape}"));
        }
    }
}

#[test]
fn members_by_name_are_those_of_the_whole_object_in_any_order() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    for text in [
        "{}",
        "7",
        "[1]",
        r#"{"a":1,"b":"x","c":[]}"#,
        r#" { "c" : {"a":1} , "x" : {"a":2} , "\u0061" : null } "#,
        r#"{"a":1,"x":0,"y":{"x":1},"b":-0}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"x":1,"x":2}"#,
        r#"{"x":{"y":1,"y":2}}"#,
        r#"{"a":[[[[]]]]}"#,
        r#"{"x":[[[[]]]]}"#,
        r#"{"a":1,}"#,
        r#"{"a":1} 1"#,
        r#"{"a":1,"a":2}x"#,
        r#"{"a" 1}"#,
        r#"{"a":1"#,
        "",
        " ",
    ] {
        let mut found = [const { None }; 3];
        let named = parse_named(text, &NAMES, &mut found, 4);
        match parse(text, 4) {
            Err(fault) => assert_eq!(named, Err(fault), "{text}"),
            Ok(Node::Object(mut object)) => {
                assert_eq!(named, Ok(true), "{text}");
                assert_eq!(found, NAMES.map(|name| object.take(name)), "{text}");
            }
            Ok(_) => assert_eq!(named, Ok(false), "{text}"),
        }
    }
}
