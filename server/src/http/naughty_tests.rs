//! Strings that break naive code, in every field and parameter of the description that takes a string.

use std::{collections::BTreeMap, fs, path::Path};

use axum::{
    body::to_bytes,
    http::{
        Request,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use roompass_wire::Problem;
use serde_json::{Map, Value, json};

use super::{openapi, tests::Server};
use crate::keys::Scope;

/// Where the published list lies beside a checkout.
const PUBLISHED: &str = "../../shared/data/naughty-strings.json";
/// How many strings of the published list each place gets: another part of it than the place before.
const OF_A_PLACE: usize = 8;
/// Tried in every place, list or no list.
const ALWAYS: [&str; 24] = [
    "",
    " ",
    "\u{0}",
    "a\r\nSet-Cookie: a=b",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{feff}",
    "\u{fffe}",
    "\u{10ffff}",
    "../../../../etc/passwd",
    "..%2f..%2f",
    "%00",
    "%ff",
    "'",
    "' OR 1=1 --",
    "\"; DROP TABLE apps; --",
    "<script>alert(1)</script>",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "-1",
    "0",
    "9223372036854775808",
    "1e999",
    "NaN",
];

/// The strings, in their order.
fn published() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PUBLISHED);
    let text = fs::read_to_string(path).unwrap_or_else(|_| "[]".to_owned());
    serde_json::from_str(&text).unwrap()
}

/// What a schema of `document` stands for.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.map_or(schema, |reference| document.pointer(reference).unwrap())
}

/// Whether a schema takes a string, whatever it asks of it.
fn takes_string(document: &Value, schema: &Value) -> bool {
    let schema = resolved(document, schema);
    let among = |list: &str| schema[list].as_array().into_iter().flatten().any(|one| takes_string(document, one));
    schema["type"] == "string"
        || schema["type"].as_array().is_some_and(|types| types.contains(&json!("string")))
        || among("oneOf")
        || among("anyOf")
}

/// A value that a schema takes, as far as that can be said in a few lines; what is refused for it is refused well.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(example) = schema["examples"].get(0).or_else(|| schema.get("example")) {
        return example.clone();
    }
    let first = |list: &str| schema[list].get(0).map(|one| example(document, one));
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0)?.as_str());
    match (first("oneOf").or_else(|| first("anyOf")).or_else(|| first("allOf")), kind) {
        (Some(example), _) => example,
        (None, Some("object")) => example_object(document, schema).into(),
        (None, Some("array")) => json!([example(document, &schema["items"])]),
        (None, Some("integer" | "number")) => json!(1),
        (None, Some("boolean")) => json!(true),
        (None, _) => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("a")),
    }
}

fn example_object(document: &Value, schema: &Value) -> Map<String, Value> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required.map(|name| (name.to_owned(), example(document, &schema["properties"][name]))).collect()
}

/// One request with a string in one place.
struct Try {
    method: String,
    path: String,
    body: Option<Value>,
    place: String,
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Everything that `string` may be put into, of one operation.
fn tries(
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
    string: &mut dyn FnMut() -> Vec<String>,
) -> Vec<Try> {
    let mut tries = Vec::new();
    let plain = |path: &str| path.replace("{app_id}", "7").replace(['{', '}'], "");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = (!schema.is_null()).then(|| example(document, schema));
    let mut push = |path: String, body: &Option<Value>, place: String| {
        tries.push(Try { method: method.to_uppercase(), path, body: body.clone(), place });
    };
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let name = parameter["name"].as_str().unwrap();
        for string in string() {
            match parameter["in"].as_str() {
                Some("path") => {
                    let path = path.replace(&format!("{{{name}}}"), &encoded(&string));
                    push(plain(&path), &body, format!("path {name}"));
                }
                Some("query") => {
                    push(format!("{}?{name}={}", plain(path), encoded(&string)), &body, format!("query {name}"));
                }
                _ => {}
            }
        }
    }
    let Some(Value::Object(good)) = &body else { return tries };
    let properties = resolved(document, schema)["properties"].as_object().cloned().unwrap_or_default();
    for (name, of_name) in &properties {
        let items = &resolved(document, of_name)["items"];
        let is_list = takes_string(document, items);
        if !takes_string(document, of_name) && !is_list {
            continue;
        }
        for string in string() {
            let mut body = good.clone();
            body.insert(name.clone(), if is_list { json!([string]) } else { json!(string) });
            push(plain(path), &Some(body.into()), format!("body {name}"));
        }
    }
    tries
}

// proves T60 (every string of the description)
#[tokio::test]
async fn no_string_in_any_place_fails_us() {
    let server = Server::with(|config| {
        let much = crate::limits::Quota::per_second(1_000_000);
        (config.limits.key, config.limits.source, config.limits.guesses) = (much, much, much);
    })
    .await;
    let published = published();
    println!("{} published strings", published.len());
    let document = openapi::document().unwrap();
    let mut next = 0;
    let mut strings = || {
        let of_list =
            (0..OF_A_PLACE.min(published.len())).map(|step| published[(next + step) % published.len()].clone());
        let strings = of_list.chain(ALWAYS.map(str::to_owned)).collect();
        next += OF_A_PLACE;
        strings
    };
    let (mut places, mut count) = (BTreeMap::new(), 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // A key of its own, since an operation may end the key that asks.
            let key = server.new_key(Scope::everything(), None).await;
            for attempt in tries(&document, path, method, operation, &mut strings) {
                let body = attempt.body.as_ref().map(Value::to_string).unwrap_or_default();
                let request = Request::builder().method(&*attempt.method).uri(&attempt.path);
                let request = request.header(AUTHORIZATION, format!("Bearer {key}"));
                let response = server.send(request.header(CONTENT_TYPE, "application/json"), body.clone()).await;
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let said = to_bytes(response.into_body(), usize::MAX).await.unwrap();
                let what = || format!("{method} {path}, {}: {body}: {status} {said:?}", attempt.place);
                assert!(status < 500, "{}", what());
                if status >= 400 {
                    assert_eq!(headers["content-type"], Problem::MEDIA_TYPE, "{}", what());
                    assert!(serde_json::from_slice::<Problem>(&said).is_ok(), "{}", what());
                }
                count += 1;
                *places.entry((path.clone(), method.clone(), attempt.place.clone())).or_insert(0) += 1;
            }
        }
    }
    println!("{count} requests, {} places", places.len());
    assert!(places.len() >= 50 && places.values().all(|&tries| tries >= ALWAYS.len()));
}
