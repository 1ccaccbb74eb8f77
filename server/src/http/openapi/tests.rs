use axum::http::Method;
use roompass_wire::http::HEALTH_PATH;
use utoipa::PartialSchema;

use super::{operation::HEALTH, *};
use crate::http::{health, routes};

#[test]
fn everything_served_is_described_and_nothing_else() {
    let document = describe(&served(&routes()), operations::all()).unwrap();
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, routes().len() + OF_GATEWAY.len());

    let mut more = routes();
    more.push(Route::get("/hidden", Policy::Public, health::live));
    let error = describe(&served(&more), operations::all()).unwrap_err().to_string();
    assert_eq!(error, "GET /hidden is served, but not described");
    let mut more = operations::all();
    more.push(Operation::new("gone", Method::PUT, HEALTH_PATH, HEALTH, "Gone"));
    let error = describe(&served(&routes()), more).unwrap_err().to_string();
    assert_eq!(error, "PUT /healthz is described, but not served");
}

#[test]
fn every_path_parameter_has_a_meaning() {
    let route = Route::get("/v1/{mystery}", Policy::Public, health::live);
    let operation = Operation::new("mystery", Method::GET, "/v1/{mystery}", HEALTH, "Mystery");
    let error = describe(&served(&[route])[..1], vec![operation]).unwrap_err().to_string();
    assert_eq!(error, "/v1/{mystery}: nothing is said of the path parameter `mystery`");
}

/// Every `$ref` below `value`.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = document().unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let mut ids = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap());
            assert!(TAGS.iter().any(|(tag, _)| operation["tags"][0] == *tag), "{path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{path}");
        }
    }
    let operations = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), operations);
}

/// Wherever a schema says of which type something is.
fn types<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            // A property may be called so, too; then it has a schema.
            found.extend(members.get("type").filter(|kind| !kind.is_object()));
            members.values().for_each(|member| types(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| types(item, found)),
        _ => {}
    }
}

#[test]
fn every_schema_that_names_a_type_names_one_that_there_is() {
    let document = document().unwrap();
    let mut found = Vec::new();
    types(&document["components"]["schemas"], &mut found);
    for operation in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        types(&operation["parameters"], &mut found);
    }
    assert!(found.len() > 100);
    let known = ["null", "boolean", "integer", "number", "string", "array", "object"];
    for kind in found {
        let one = |kind: &Value| kind.as_str().is_some_and(|kind| known.contains(&kind));
        assert!(one(kind) || kind.as_array().is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(one)), "{kind}");
    }
}

#[test]
fn a_client_made_from_the_document_can_hold_every_number_of_an_app() {
    let document = document().unwrap();
    assert!(!document.to_string().contains("int32"));
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["App"]["properties"]["app_id"]["maximum"], u32::MAX);
    assert_eq!(schemas["Roles"]["properties"]["apps"]["propertyNames"]["type"], "string");
}

#[test]
fn bodies_are_closed_and_names_have_the_shape_that_is_checked() {
    let document = document().unwrap();
    let schemas = &document["components"]["schemas"];
    for (name, schema) in schemas.as_object().unwrap() {
        if name.ends_with("Request") {
            assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        }
    }
    let user_id = serde_json::to_value(roompass_wire::schema::UserId::schema()).unwrap();
    assert_eq!(user_id["maxLength"], token_gen::UserId::MAX_BYTES);
    assert_eq!(schemas["RoomId"]["maxLength"], token_gen::RoomId::MAX_BYTES);
    assert_eq!(schemas["StreamId"]["maxLength"], token_gen::StreamId::MAX_BYTES);
    assert_eq!(schemas["UserName"]["maxLength"], token_gen::UserName::MAX_BYTES);
    // The class of characters, spelt out: each is taken, and each other character of ASCII is not.
    let class = user_id["pattern"].as_str().unwrap();
    let punctuation = r"~!@#$%^&*()_+=-`;',.<>\";
    for byte in 0..128u8 {
        let character = char::from(byte);
        let taken = token_gen::UserId::new(character.to_string()).is_ok();
        assert_eq!(taken, character.is_ascii_alphanumeric() || punctuation.contains(character), "{character:?}");
        if taken && !character.is_ascii_alphanumeric() {
            assert!(class.contains(character), "{character}");
        }
    }
}
