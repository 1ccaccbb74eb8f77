//! Writing JSON: strings and integers, straight into the buffer they are sealed in.
//!
//! Escapes are those of the public Node.js and Python generators: the short forms where JSON has them, `\u00xx` for
//! the other control characters, everything else as it is.

use alloc::vec::Vec;

use super::special;

/// Appends `text` with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = special(rest) {
        let (plain, [byte, after @ ..]) = rest.split_at(at) else { break };
        out.extend_from_slice(plain);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends `texts` as an array.
pub(crate) fn strings<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, text);
    }
    out.push(b']');
}

/// Appends `number` in decimal.
pub(crate) fn integer(out: &mut Vec<u8>, number: impl Into<i64>) {
    out.extend_from_slice(itoa::Buffer::new().format(number.into()).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_is_escaped_as_serde_json_does() {
        for c in '\0'..=char::MAX {
            let text = format!("{c}a{c}{c}");
            assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
        assert_eq!(written(""), "\"\"");
    }

    #[test]
    fn integers_are_exact_to_the_limits() {
        for number in [0, -1, 7, i64::MIN, i64::MAX, 1_795_440_112] {
            let mut out = Vec::new();
            integer(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{number}"));
        }
    }
}
