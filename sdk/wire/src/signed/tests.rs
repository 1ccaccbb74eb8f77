//! One request, one text; one signature, one spelling.

use super::*;

fn parts() -> SignedParts<'static> {
    SignedParts {
        method: "POST",
        host: "rooms.example.com:8443",
        path: "/v1/apps/7/tokens",
        query: Some("limit=10&cursor=a%3Db"),
        content_type: Some("application/json"),
        body_sha256: &[0xab; 32],
        key_id: "abcdefghijkl",
        timestamp: 1_700_000_000,
        nonce: &[0x0f; 16],
    }
}

#[test]
fn the_text_is_as_documented() {
    let expected = format!(
        "roompass-request-v1\nPOST\nrooms.example.com:8443\n/v1/apps/7/tokens\nlimit=10&cursor=a%3Db\n\
         application/json\n{}\nabcdefghijkl\n1700000000\n{}\n",
        "ab".repeat(32),
        "0f".repeat(16)
    );
    assert_eq!(parts().text().unwrap(), expected);
    assert_eq!(SignedParts { host: "ROOMS.example.COM:8443", ..parts() }.text().unwrap(), expected);
    let bare = SignedParts { query: None, content_type: None, ..parts() }.text().unwrap();
    assert!(bare.contains("/tokens\n\n\n"));
}

/// Requests that must be signed differently from each other, and requests that must not be signed at all.
const PATHS: &[&str] = &[
    "/",
    "/v1",
    "/v1/",
    "/V1",
    "/v1/apps",
    "/v1/apps/",
    "/v1/apps/7",
    "/v1/apps/07",
    "/v1/apps/7/",
    "/v1/apps/8",
    "/v1/a",
    "/v1/a%20",
    "/v1/a%3F",
    "/v1/a%23",
    "/v1/a@b",
    "/v1/a:b",
    "/v1/a,b",
    "/v1/a=b",
    "/v1/...",
    "/v1/a..b",
];
const BAD_PATHS: &[&str] = &[
    "",
    "v1",
    "//",
    "//v1",
    "/v1//apps",
    "/v1/.",
    "/v1/./apps",
    "/v1/..",
    "/v1/../apps",
    "/../v1",
    "/v1/%2e",
    "/v1/%2E%2E",
    "/v1/.%2E/",
    "/v1%2Fapps",
    "/v1%2fapps",
    "/v1%5Capps",
    "/v1\\apps",
    "/v1/%00",
    "/v1/%0A",
    "/v1/%0d",
    "/v1/%7F",
    "/v1/%",
    "/v1/%2",
    "/v1/%GG",
    "/v1/%c3%a9",
    "/v1/%41",
    "/v1/%7E",
    "/v1/a b",
    "/v1/a\tb",
    "/v1/a\nb",
    "/v1/é",
    "/v1/a?b",
    "/v1/a#b",
    "/v1/a;b",
    "/v1/a%2Fb",
    "/v1/%25",
    "/v1/%252F",
    "/v1/a\"b",
    "/v1/<",
    "/v1/|",
    "*",
    "/v1/{a}",
    "/v1/^",
    "/v1/`",
    "http://host/v1",
    "/v1/a\0",
    "/v1/[a]",
];
const QUERIES: &[Option<&str>] = &[
    None,
    Some("a=1"),
    Some("a=2"),
    Some("A=1"),
    Some("a=1&b=2"),
    Some("b=2&a=1"),
    Some("a="),
    Some("b="),
    Some("a=1%20"),
    Some("a=%2B"),
    Some("a=%2F"),
    Some("a=/"),
    Some("a=%3D"),
    Some("a=a:b"),
    Some("a=%C3%A9"),
    Some("a=%26b%3D2"),
    Some("a=1&a.b=1"),
    Some("a=1&a-b=1"),
    Some("a=1&a_b=1"),
];
const BAD_QUERIES: &[&str] = &[
    "",
    "&",
    "a",
    "a=1&",
    "&a=1",
    "a=1&&b=2",
    "a=1&b",
    "a=1&a=1",
    "a=1&a=2",
    "a=1&b=2&a=3",
    "=1",
    "a=1;b=2",
    "a+b=1",
    "a=1+2",
    "%61=1",
    "a=1&%61=2",
    "a[]=1",
    "a=%",
    "a=%4",
    "a=%zz",
    "a=%2f",
    "a=%41",
    "a=%00",
    "a=%0A",
    "a=1=2",
    "a==1",
    "a=1 2",
    "a=1\nb=2",
    "a=é",
    "a=#",
    "a=1#",
    "a=\"",
    "a=<",
    "a=[1]",
    "a=|",
    "a=\\",
    "a=%7e",
];
const HOSTS: &[&str] = &[
    "example.com",
    "example.com:80",
    "example.com:443",
    "example.com:8443",
    "www.example.com",
    "example.org",
    "127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:80",
    "localhost",
];
const BAD_HOSTS: &[&str] = &[
    "",
    ":80",
    "example.com:",
    "example.com.",
    "user@example.com",
    "a,b",
    "a b",
    "a/b",
    "a\nb",
    "é",
    "a%2E",
    "a_b?",
    "a#",
];
const CONTENT_TYPES: &[Option<&str>] = &[
    None,
    Some("application/json"),
    Some("Application/json"),
    Some("application/json; charset=utf-8"),
    Some("application/json;charset=utf-8"),
    Some("text/plain"),
];
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const BAD_METHODS: &[&str] = &["", "get", "Post", "GET ", "G-T", "GET\n"];

// proves T25
#[test]
fn different_requests_have_different_texts_and_ambiguous_ones_have_none() {
    let base = parts();
    let same_or_different: Vec<SignedParts<'_>> = PATHS
        .iter()
        .map(|path| SignedParts { path, ..base })
        .chain(QUERIES.iter().map(|&query| SignedParts { query, ..base }))
        .chain(HOSTS.iter().map(|host| SignedParts { host, ..base }))
        .chain(CONTENT_TYPES.iter().map(|&content_type| SignedParts { content_type, ..base }))
        .chain(METHODS.iter().map(|method| SignedParts { method, ..base }))
        .collect();
    let mut pairs = 0;
    for one in &same_or_different {
        for other in &same_or_different {
            assert_eq!(one.text().unwrap() == other.text().unwrap(), one == other, "{one:?} {other:?}");
            pairs += 1;
        }
    }
    let ambiguous = BAD_PATHS
        .iter()
        .map(|path| SignedParts { path, ..base })
        .chain(BAD_QUERIES.iter().map(|query| SignedParts { query: Some(query), ..base }))
        .chain(BAD_HOSTS.iter().map(|host| SignedParts { host, ..base }))
        .chain(BAD_METHODS.iter().map(|method| SignedParts { method, ..base }))
        .chain(["a\nb", "a\tb", "é", "a\0"].map(|text| SignedParts { content_type: Some(text), ..base }))
        .chain(["", "a b", "a\nb", "é"].map(|key_id| SignedParts { key_id, ..base }));
    for parts in ambiguous {
        assert!(parts.text().is_err(), "{parts:?}");
        pairs += 1;
    }
    assert!(pairs >= 200, "{pairs}");
}

#[test]
fn a_header_has_one_spelling() {
    let header = SignatureHeader { key_id: "abc".to_owned(), timestamp: -5, nonce: [0xa1; 16], signature: [0x0f; 32] };
    let text = header.to_string();
    assert_eq!(text.parse(), Ok(header));
    for other in [
        text.to_lowercase(),
        text.replace("a1", "A1"),
        text.replace(',', ", "),
        text.replace("-5", "+5"),
        text.replace("-5", "05"),
        text.replace("-5", "-05"),
        text.replace("-5", ""),
        text.replace("-5", "1e3"),
        text.replace("-5", "99999999999999999999"),
        text.replace("timestamp=-5,", ""),
        text.replace("key_id=abc", "key_id="),
        text.replace("key_id=abc", "key_id=\"abc\""),
        text.replace("key_id=abc,timestamp=-5", "timestamp=-5,key_id=abc"),
        text.replace("key_id=abc", "key_id=abc,key_id=abc"),
        text.replace("HMAC-SHA256 ", "HMAC-SHA256"),
        text.replace("HMAC-SHA256 ", "HMAC-SHA256  "),
        format!("{text},"),
        format!("{text} "),
        format!("{text},a=b"),
        format!("{text}00"),
        text[..text.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(other.parse::<SignatureHeader>(), Err(HeaderFault), "{other}");
    }
}
