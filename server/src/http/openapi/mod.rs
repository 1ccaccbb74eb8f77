//! The description of the HTTP API (OpenAPI 3.1), put together from the route table and what [`operations`] says of
//! each route. A route without a description, or a description without a route, fails a test.
//!
//! To describe a new route: derive `ToSchema` for its bodies in `roompass-wire`, and add an [`Operation`] to the file
//! of its area. What follows from the policy, the path and the body is added here, so nobody writes it twice.

mod operation;
mod operations;
mod parts;

use std::collections::BTreeMap;

use axum::http::Method;
use roompass_wire::{ErrorCode, Problem};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    ByMedia, OF_GATEWAY,
    route::{Policy, Route},
};
use operation::{Operation, TAGS};
pub(super) use parts::example_problem;

/// `GET`: the document.
pub(super) const OPENAPI_PATH: &str = "/openapi.json";

/// Routes and descriptions do not fit together.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undescribed(String);

/// The description of this server: megabytes in this form, so it is for making texts of.
pub(super) fn document() -> Result<Value, Undescribed> {
    describe(&served(&super::routes()), operations::all())
}

/// An operation that is served, and by whom it may be called.
struct Served {
    path: &'static str,
    method: Method,
    access: Access,
    takes_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Policy(Policy),
    Media(ByMedia),
}

/// The routes, and what the gateway serves over HTTP.
fn served(routes: &[Route]) -> Vec<Served> {
    let of_table = routes.iter().map(|Route { path, method, policy, takes_key, .. }| Served {
        path,
        method: method.clone(),
        access: Access::Policy(*policy),
        takes_key: *takes_key,
    });
    let of_gateway = OF_GATEWAY.iter().map(|(path, method, by)| Served {
        path,
        method: method.clone(),
        access: Access::Media(*by),
        takes_key: false,
    });
    of_table.chain(of_gateway).collect()
}

fn describe(routes: &[Served], mut operations: Vec<Operation>) -> Result<Value, Undescribed> {
    let mut paths = BTreeMap::<&str, Map<String, Value>>::new();
    let mut schemas = BTreeMap::<String, Value>::new();
    collect::<Problem>(&mut schemas);
    for route in routes {
        let is_its = |operation: &Operation| operation.path == route.path && operation.method == route.method;
        let Some(at) = operations.iter().position(is_its) else {
            return Err(Undescribed(format!("{} {} is served, but not described", route.method, route.path)));
        };
        let mut operation = operations.swap_remove(at);
        schemas.append(&mut operation.schemas);
        let described = operation_object(route, operation)?;
        paths.entry(route.path).or_default().insert(route.method.as_str().to_lowercase(), described);
    }
    if let Some(left) = operations.first() {
        return Err(Undescribed(format!("{} {} is described, but not served", left.method, left.path)));
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Roompass",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Room tokens, self-hosted",
            "description": INTRODUCTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.iter().map(|(name, about)| json!({ "name": name, "description": about })).collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas, "headers": parts::headers(), "securitySchemes": parts::security_schemes() },
    });
    correct_numbers(&mut document);
    Ok(document)
}

/// Numbers as they are: ours of 32 bits have no sign, which `int32` says they have, and the numbers that name members
/// are texts. A client made from the document could not hold an app's number otherwise.
fn correct_numbers(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("format").is_some_and(|format| format == "int32") {
                members.insert("format".to_owned(), json!("int64"));
                members.entry("maximum").or_insert(json!(u32::MAX));
            }
            if members.get("propertyNames").is_some_and(|names| names["type"] == "integer") {
                members.insert("propertyNames".to_owned(), json!({ "type": "string", "pattern": "^[1-9][0-9]{0,9}$" }));
            }
            members.values_mut().for_each(correct_numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(correct_numbers),
        _ => {}
    }
}

const INTRODUCTION: &str = "\
Bodies are JSON in UTF-8; a member that is not known is refused, and so is a query parameter. Moments are Unix \
seconds, lengths of time are seconds. Every failure is a problem document (RFC 9457): match on its `code`, never on \
its texts; each code has a page under [/docs/problems](/docs/problems). Another app's number answers exactly like one \
that does not exist.";

/// One operation: what was said of it, and what follows from its route.
fn operation_object(route: &Served, operation: Operation) -> Result<Value, Undescribed> {
    let mut parameters = parts::path_parameters(route.path).map_err(Undescribed)?;
    parameters.extend(operation.parameters);
    let mut codes = vec![ErrorCode::BadRequest, ErrorCode::RateLimited, ErrorCode::Internal, ErrorCode::Unavailable];
    if route.takes_key {
        parameters.push(parts::idempotency_key());
        codes.extend([ErrorCode::IdempotencyKeyReused, ErrorCode::IdempotencyKeyBusy, ErrorCode::OutcomeUnknown]);
        codes.push(ErrorCode::StoreFull);
    }
    if operation.body.is_some() {
        codes.extend([ErrorCode::FieldInvalid, ErrorCode::TooLarge, ErrorCode::UnsupportedMediaType]);
    }
    let mut about = operation.about.to_owned();
    let policy = match route.access {
        Access::Policy(policy) => policy,
        Access::Media(_) => Policy::Public,
    };
    let security = match policy {
        Policy::Public if route.access == Access::Media(ByMedia::RoomToken) => json!([{ "room_token": [] }]),
        Policy::Public => json!([]),
        Policy::AppKey(right) => {
            codes.extend([ErrorCode::Unauthorized, ErrorCode::Forbidden, ErrorCode::AppUnknown]);
            about.push_str(&format!(" Needs a key of the app with the right `{right}`."));
            let right = [right.as_str()];
            json!([{ "backend_key": right }, { "signed_request": right }, { "admin_session": right }])
        }
        Policy::Visitor => json!([]),
        Policy::SignedIn => {
            codes.extend([ErrorCode::Unauthorized, ErrorCode::Forbidden]);
            json!([{ "admin_session": [] }])
        }
        Policy::Operator(role) => {
            codes.extend([ErrorCode::Unauthorized, ErrorCode::Forbidden]);
            about.push_str(&format!(" Needs an operator's key, or the role `{}` over all apps.", parts::role(role)));
            let role = [parts::role(role)];
            json!([{ "backend_key": role }, { "signed_request": role }, { "admin_session": role }])
        }
        Policy::Admin(role) => {
            codes.extend([ErrorCode::Unauthorized, ErrorCode::Forbidden]);
            about.push_str(&format!(" Needs the role `{}` over all apps.", parts::role(role)));
            json!([{ "admin_session": [parts::role(role)] }])
        }
    };
    if policy != Policy::Public && !route.method.is_safe() {
        codes.extend([ErrorCode::AuditUnavailable, ErrorCode::DiskFull]);
        // What a browser sends must come from our own pages, as JSON even where there is no body; what changes admins
        // or apps, from a recent sign-in.
        codes.extend([ErrorCode::Forbidden, ErrorCode::UnsupportedMediaType, ErrorCode::StaleSignIn]);
    }
    codes.extend(operation.codes);
    let mut responses = operation.answers;
    responses.extend(parts::problem_responses(codes));
    let mut object = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": about.trim(),
        "security": security,
        "responses": responses,
    });
    if !parameters.is_empty() {
        object["parameters"] = parameters.into();
    }
    if let Some(body) = operation.body {
        object["requestBody"] = body;
    }
    Ok(object)
}

/// Adds the schema of `T` and of everything within it.
fn collect<T: ToSchema>(schemas: &mut BTreeMap<String, Value>) {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    // Schemas are plain data: serde_json has no way to fail here.
    schemas.extend(found.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())));
}

#[cfg(test)]
mod tests;
