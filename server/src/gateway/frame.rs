//! The text of a frame → a client message, strictly. Knows nothing of what messages mean.

use roompass_wire::gateway::ClientMessage;
use serde::Deserialize;

/// A text that is no client message, with the request id if that much could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) id: Option<u64>,
}

/// Reads one message: known type, no unknown, missing or doubled members, exact types, nested at most `max_depth`.
pub(super) fn read(text: &str, max_depth: usize) -> Result<ClientMessage, Unreadable> {
    if depth(text) > max_depth {
        return Err(Unreadable { id: None });
    }
    serde_json::from_str(text).map_err(|_| Unreadable { id: id_of(text) })
}

/// The request id of a JSON object that is no message: the sender wants to know which request was not understood.
fn id_of(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Request {
        id: u64,
    }
    serde_json::from_str(text).map(|Request { id }| id).ok()
}

/// How deep objects and arrays nest. Counts brackets outside strings, so it needs neither valid JSON nor a stack.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use roompass_wire::gateway::{Logout, Publish};

    use super::*;

    #[test]
    fn a_message_is_read_whatever_the_order_of_its_members() {
        let publish = ClientMessage::Publish(Publish { id: 7, stream_id: "s".into(), media: None, extra: None });
        assert_eq!(read(r#"{"type":"publish","id":7,"stream_id":"s"}"#, 16), Ok(publish.clone()));
        assert_eq!(read(r#" {"stream_id":"s", "id":7,"type":"publish"} "#, 16), Ok(publish));
        assert_eq!(
            read(r#"{"type":"logout","id":18446744073709551615}"#, 16),
            Ok(ClientMessage::Logout(Logout { id: u64::MAX }))
        );
    }

    #[test]
    fn what_is_not_exactly_a_message_is_refused_with_its_id_if_that_is_there() {
        for (text, id) in [
            ("", None),
            ("null", None),
            ("7", None),
            ("\"login\"", None),
            ("{}", None),
            ("[]", None),
            ("{\"type\":\"logout\"}", None),
            ("{\"type\":\"logout\",\"id\":1", None),
            ("{\"type\":\"logout\",\"id\":1}}", None),
            ("{\"type\":\"logout\",\"id\":1}{}", None),
            ("{'type':'logout','id':1}", None),
            (r#"{"type":"logout","id":-1}"#, None),
            (r#"{"type":"logout","id":1.0}"#, None),
            (r#"{"type":"logout","id":"1"}"#, None),
            (r#"{"type":"logout","id":1e999}"#, None),
            (r#"{"type":"logout","id":18446744073709551616}"#, None),
            (r#"{"type":"logout","id":1,"id":1}"#, None),
            (r#"{"type":"logout","type":"logout","id":1}"#, Some(1)),
            (r#"{"type":"logout","id":1,"extra":null}"#, Some(1)),
            (r#"{"type":"Logout","id":1}"#, Some(1)),
            (r#"{"type":"ok","id":1}"#, Some(1)),
            (r#"{"type":1,"id":1}"#, Some(1)),
            (r#"{"id":1}"#, Some(1)),
            (r#"{"type":"publish","id":1}"#, Some(1)),
            (r#"{"type":"publish","id":1,"stream_id":null}"#, Some(1)),
            (r#"{"type":"publish","id":1,"stream_id":["s"]}"#, Some(1)),
            (r#"{"type":"publish","id":1,"stream_id":"s","stream_id":"s"}"#, Some(1)),
            (r#"{"type":"publish","id":1,"stream_id":"s","user_id":"bob"}"#, Some(1)),
            (r#"{"type":"publish","id":1,"stream_id":"\ud800"}"#, Some(1)),
            (r#"{"type":"login","id":1,"app_id":-7,"user_id":"u","room_id":"r"}"#, Some(1)),
            (r#"{"type":"login","id":1,"app_id":4294967296,"user_id":"u","room_id":"r"}"#, Some(1)),
        ] {
            assert_eq!(read(text, 16), Err(Unreadable { id }), "{text}");
        }
    }

    #[test]
    fn nesting_is_counted_outside_strings_and_without_a_stack() {
        for (text, expected) in
            [("", 0), ("{}", 1), ("[[]]", 2), (r#"{"a":"[[[\"[["}"#, 1), ("}}}{", 1), (r#"["\\",[]]"#, 2)]
        {
            assert_eq!(depth(text), expected, "{text}");
        }
        let deep = format!("{{\"id\":1,\"type\":\"logout\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep, 16), Err(Unreadable { id: None }));
    }
}
