//! Whether the server lives and can serve.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{HEALTH_PATH, HealthResponse, READY_PATH, RELOAD_PATH, ReloadResponse},
};

use super::super::operation::{HEALTH, Operation};

pub(super) fn operations() -> Vec<Operation> {
    let healthy = HealthResponse { status: "ok".to_owned(), dev: false, server_time: 1_800_000_000 };
    let reloaded = ReloadResponse {
        taken_up: vec!["limits.key_per_second".to_owned()],
        need_restart: Vec::new(),
        new_certificate: false,
        server_time: 1_800_000_000,
    };
    vec![
        Operation::new("health", Method::GET, HEALTH_PATH, HEALTH, "Does the process live?")
            .about("Answers as long as the process does, whatever state the store is in.")
            .answer(200, "It lives.", &healthy),
        Operation::new("ready", Method::GET, READY_PATH, HEALTH, "Can it serve?")
            .about("Asks the store and the audit trail. Send requests elsewhere while this does not answer 200.")
            .answer(200, "It can.", &healthy)
            .refuses(&[ErrorCode::AuditUnavailable, ErrorCode::DiskFull]),
        Operation::new("reload", Method::POST, RELOAD_PATH, HEALTH, "Read the configuration again")
            .about(
                "Takes up what may change while this node runs, as SIGHUP does: limits, the log filter, the TLS \
                 certificate, apps and keys; [/docs/config](/docs/config) says which fields. A configuration that is not \
                 sound changes nothing.",
            )
            .answer(200, "What is new.", &reloaded)
            .refuses(&[ErrorCode::FieldInvalid]),
    ]
}
