//! What operations share: path parameters by name, problem answers by status, headers, and ways to prove who calls.

use std::collections::BTreeMap;

use roompass_wire::{ErrorCode, Problem, http::Role};
use serde_json::{Map, Value, json};
use token_gen::{RoomId, StreamId};

/// The headers of every answer.
pub(super) const EVERYWHERE: &[&str] = &["X-Request-Id", "Roompass-Server-Time"];

/// What every `{name}` in a path stands for.
const PATH_PARAMETERS: &[(&str, &str)] = &[
    ("app_id", "The app's number. The key must be one of this app."),
    ("room_id", "The room."),
    ("stream_id", "The stream, whose id must be free in the app to publish it."),
    ("media_id", "What was made, as the `Location` of the answer names it. A secret of its maker."),
    ("ban_id", "A ban, as it was named when it was made."),
    ("secret_id", "A server secret, as it is named in the ring."),
    ("key_id", "A backend key, as it was named when it was made."),
    ("session_id", "A session, as it is named in the list of sessions."),
    ("endpoint_id", "A webhook endpoint, as it was named when it was made."),
    ("delivery_id", "A delivery, as it is named in the log and in `Roompass-Delivery`."),
    ("name", "The name that the admin signs in with."),
    ("code", "An error code, as in the `code` of a problem document."),
];

/// The parameters in `path`.
pub(super) fn path_parameters(path: &str) -> Result<Vec<Value>, String> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameter = |name: &str| {
        let (_, about) = PATH_PARAMETERS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("{path}: nothing is said of the path parameter `{name}`"))?;
        let schema = match name {
            "app_id" => json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
            "code" => {
                json!({ "type": "string", "enum": ErrorCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>() })
            }
            "room_id" => json!({ "type": "string", "minLength": 1, "maxLength": RoomId::MAX_BYTES }),
            "stream_id" => json!({ "type": "string", "minLength": 1, "maxLength": StreamId::MAX_BYTES }),
            _ => json!({ "type": "string", "minLength": 1, "maxLength": 64 }),
        };
        Ok(json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema }))
    };
    names.map(parameter).collect()
}

/// The header of routes that change something.
pub(super) fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Names the request for 24 h, so that sending it again is not doing it again.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" },
    })
}

/// The word for a role.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// The answers with these codes, by status.
pub(super) fn problem_responses(mut codes: Vec<ErrorCode>) -> Map<String, Value> {
    codes.sort_by_key(|code| (code.row().status, code.as_str()));
    codes.dedup();
    let mut by_status = BTreeMap::<u16, Vec<ErrorCode>>::new();
    for code in codes {
        by_status.entry(code.row().status).or_default().push(code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), problem_response(status, &codes))).collect()
}

fn problem_response(status: u16, codes: &[ErrorCode]) -> Value {
    let lines: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}.", code.row().title)).collect();
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let examples: Map<String, Value> = codes.iter().map(|&code| (code.to_string(), example(code))).collect();
    let schema = json!({ "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "type": "object", "properties": { "status": { "const": status }, "code": { "enum": names } } },
    ] });
    let mut headers = Map::new();
    let carried = match status {
        401 => &["WWW-Authenticate"][..],
        409 | 429 | 503 => &["Retry-After"],
        _ => &[],
    };
    for &name in EVERYWHERE.iter().chain(carried) {
        headers.insert(name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    }
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": { Problem::MEDIA_TYPE: { "schema": schema, "examples": examples } },
    })
}

fn example(code: ErrorCode) -> Value {
    json!({ "summary": code.row().title, "value": example_problem(code) })
}

/// What a problem document with this code looks like.
pub(in crate::http) fn example_problem(code: ErrorCode) -> Problem {
    let field = match code {
        ErrorCode::FieldInvalid => Some("ttl_secs"),
        ErrorCode::UserIdInvalid => Some("user_id"),
        ErrorCode::RoomIdInvalid => Some("room_id"),
        ErrorCode::StreamIdInvalid => Some("stream_ids"),
        ErrorCode::UserNameInvalid => Some("user_name"),
        _ => None,
    };
    let mut problem = Problem::new(code);
    problem.detail = match code {
        ErrorCode::FieldInvalid => Some("must be 1 to 86400".to_owned()),
        _ => None,
    };
    problem.field = field.map(str::to_owned);
    problem.request_id = Some("5f1c2a9b-1d".to_owned());
    problem
}

pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "Names this request in the operator's log.",
            "required": true,
            "schema": { "type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]+$" },
        },
        "WWW-Authenticate": {
            "description": "How to prove who calls.",
            "required": true,
            "schema": { "type": "string" },
        },
        "Retry-After": {
            "description": "How long to wait, in seconds.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "Location": {
            "description": "Where what was made is ended, and addresses are added to it. Whoever knows it may do so.",
            "required": true,
            "schema": { "type": "string" },
        },
        "ETag": {
            "description": "Names the ICE session, for `If-Match`.",
            "required": true,
            "schema": { "type": "string" },
        },
        "Link": {
            "description": "A STUN or TURN server with its credential, `rel=\"ice-server\"`; one header a URL.",
            "schema": { "type": "string" },
        },
        "Accept-Patch": {
            "description": "What `PATCH` takes at the `Location`.",
            "required": true,
            "schema": { "type": "string", "const": "application/trickle-ice-sdpfrag" },
        },
        "Roompass-Server-Time": {
            "description": "The server's clock, in Unix seconds.",
            "required": true,
            "schema": { "type": "integer" },
        },
    })
}

pub(super) fn security_schemes() -> Value {
    json!({
        "backend_key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "rp_…",
            "description": "A backend key of the app: `Authorization: Bearer rp_…`. It has rights, may be bound to rooms, \
                            privileges and lifetimes, and may expire. Keep it on your servers.",
        },
        "signed_request": {
            "type": "http",
            "scheme": roompass_wire::signed::SCHEME,
            "description": "The same key, never sent: an HMAC-SHA256 over method, target, host, body, time and nonce. Each \
                            request counts once, within 60 s of its time.",
        },
        "room_token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "04…",
            "description": "The room token of the user who publishes or plays: `Authorization: Bearer 04…`.",
        },
        "admin_session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-roompass",
            "description": "An admin of the console, signed in with password and second factor, whose role in the app has \
                            the right. Over plain HTTP on loopback the cookie is called `roompass`.",
        },
    })
}
