//! What there is to say about one operation that does not follow from its route.

use std::collections::BTreeMap;

use axum::http::Method;
use roompass_wire::ErrorCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{collect, parts::EVERYWHERE};

/// The chapters of the reference, in its order.
pub(super) const TAGS: &[(&str, &str)] = &[
    (TOKENS, "Made for users, and judged when somebody asks."),
    (
        ENDINGS,
        "A revocation ends tokens before their time; a ban keeps somebody out whatever token they show. Both hold \
               on every node within two seconds.",
    ),
    (APPS, "An app is one customer project, with secrets and keys of its own."),
    (
        ROOMS,
        "Rooms as they are now on this server, and what an operator can do in them: remove users, stop streams, withhold \
         privileges, speak.",
    ),
    (
        MEDIA,
        "Encoders publish and players play with an offer and a room token (WHIP, RFC 9725, and WHEP), as members of the \
         room like any other.",
    ),
    (WEBHOOKS, "An endpoint of the app's backend is told what happens, signed, and again until it has taken it."),
    (
        ADMINS,
        "People who look after apps, at the console. Sessions are cookies; whatever changes something needs the \
              session's token in `X-Roompass-Csrf` and comes from the server's own pages.",
    ),
    (
        AUDIT,
        "What was done, by whom, to whom and how it ended: mints and logins within a second, changes before they are \
              made. Records are in chains of hashes, so that one that was edited is found.",
    ),
    (HEALTH, "For load balancers, people, and operators."),
    (DOCUMENTATION, "What you are reading."),
];
pub(super) const TOKENS: &str = "Tokens";
pub(super) const ENDINGS: &str = "Revocations and bans";
pub(super) const APPS: &str = "Apps and keys";
pub(super) const ROOMS: &str = "Rooms";
pub(super) const MEDIA: &str = "Media";
pub(super) const WEBHOOKS: &str = "Webhooks";
pub(super) const ADMINS: &str = "Admins";
pub(super) const AUDIT: &str = "Audit trail";
pub(super) const HEALTH: &str = "Health";
pub(super) const DOCUMENTATION: &str = "Documentation";

/// One operation. Examples are values of the types they are examples of, so they cannot be wrong in shape.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: Map<String, Value>,
    pub(super) codes: Vec<ErrorCode>,
    pub(super) schemas: BTreeMap<String, Value>,
}

impl Operation {
    /// `summary` is a heading; the rest is added by the methods below.
    pub(super) fn new(
        id: &'static str,
        method: Method,
        path: &'static str,
        tag: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            id,
            method,
            path,
            tag,
            summary,
            about: "",
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
            codes: Vec::new(),
            schemas: BTreeMap::new(),
        }
    }

    /// A paragraph below the heading.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The JSON body it takes.
    pub(super) fn body<T: Serialize + ToSchema>(mut self, example: &T) -> Self {
        let content = self.json(example);
        self.body = Some(json!({ "required": true, "content": { "application/json": content } }));
        self
    }

    /// The body of no type of ours that it takes.
    pub(super) fn body_other(mut self, media_type: &str, example: &str) -> Self {
        let content = json!({ "schema": { "type": "string" }, "example": example });
        self.body = Some(json!({ "required": true, "content": { media_type: content } }));
        self
    }

    /// A header that it takes.
    pub(super) fn header(mut self, name: &str, about: &str) -> Self {
        let schema = json!({ "type": "string" });
        let header = json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema });
        self.parameters.push(header);
        self
    }

    /// The headers of its answer `status` beside those of every answer.
    pub(super) fn with_headers(mut self, status: u16, names: &[&str]) -> Self {
        for name in names {
            self.answers[&status.to_string()]["headers"][name] =
                json!({ "$ref": format!("#/components/headers/{name}") });
        }
        self
    }

    /// An answer without a body.
    pub(super) fn answer_empty(self, status: u16, about: &'static str) -> Self {
        let mut this = self.answer_other(status, about, "text/plain");
        if let Some(answer) = this.answers.get_mut(&status.to_string()).and_then(Value::as_object_mut) {
            answer.remove("content");
        }
        this
    }

    /// The query parameters it takes: the members of `T`.
    pub(super) fn query<T: ToSchema>(mut self) -> Self {
        // Plain data: serde_json has no way to fail here.
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        let needed = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            self.parameters.push(json!({
                "name": name,
                "in": "query",
                "required": needed(name),
                "description": member["description"],
                "schema": without_null(member.clone()),
            }));
        }
        self
    }

    /// A JSON answer.
    pub(super) fn answer<T: Serialize + ToSchema>(self, status: u16, about: &'static str, example: &T) -> Self {
        let mut this = self;
        let content = this.json(example);
        this.answer_of(status, about, "application/json", content)
    }

    /// An answer of no type of ours.
    pub(super) fn answer_other(self, status: u16, about: &'static str, media_type: &str) -> Self {
        let kind = if media_type == "application/json" { "object" } else { "string" };
        self.answer_of(status, about, media_type, json!({ "schema": { "type": kind } }))
    }

    /// The codes of its own refusals; those that follow from policy and body are known already.
    pub(super) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        self.codes.extend(codes);
        self
    }

    fn answer_of(mut self, status: u16, about: &'static str, media_type: &str, content: Value) -> Self {
        let header = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
        let headers: Map<String, Value> = EVERYWHERE.iter().map(header).collect();
        let answer = json!({ "description": about, "headers": headers, "content": { media_type: content } });
        self.answers.insert(status.to_string(), answer);
        self
    }

    fn json<T: Serialize + ToSchema>(&mut self, example: &T) -> Value {
        collect::<T>(&mut self.schemas);
        let schema = json!({ "$ref": format!("#/components/schemas/{}", T::name()) });
        json!({ "schema": schema, "example": serde_json::to_value(example).unwrap_or_default() })
    }
}

/// A query parameter is there or not; it is never null.
fn without_null(mut member: Value) -> Value {
    if let Some(kinds) = member.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            member["type"] = only.clone();
        }
    }
    if let Some(members) = member.as_object_mut() {
        members.remove("description");
        // A number of 64 bits without a sign, which `int64` says it has.
        let is_unsigned = members.contains_key("minimum") && !members.contains_key("maximum");
        if is_unsigned && members.get("format").is_some_and(|format| format == "int64") {
            members.remove("format");
            members.insert("maximum".to_owned(), u64::MAX.into());
        }
    }
    member
}
