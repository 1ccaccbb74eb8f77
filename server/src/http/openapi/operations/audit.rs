//! What happened.

use axum::http::Method;
use roompass_wire::http::{
    APP_AUDIT_EXPORT_PATH, APP_AUDIT_PATH, AUDIT_EXPORT_PATH, AUDIT_PATH, AuditQuery, AuditRecord, AuditResponse,
};

use super::super::operation::{AUDIT, Operation};

const LINES: &str = "A record a line, the oldest first.";

pub(super) fn operations() -> Vec<Operation> {
    let page = AuditResponse { records: vec![record()], cursor: None, server_time: 1_800_000_010 };
    vec![
        Operation::new("list_audit", Method::GET, AUDIT_PATH, AUDIT, "List what happened")
            .about("In every app and outside of apps, the latest first.")
            .query::<AuditQuery>()
            .answer(200, "A page of records.", &page),
        Operation::new("export_audit", Method::GET, AUDIT_EXPORT_PATH, AUDIT, "Export what happened")
            .query::<AuditQuery>()
            .answer_other(200, LINES, "application/x-ndjson"),
        Operation::new("list_app_audit", Method::GET, APP_AUDIT_PATH, AUDIT, "List what happened in an app")
            .about("The latest first. With `result=refused` and a user it says why that user was refused.")
            .query::<AuditQuery>()
            .answer(200, "A page of records.", &page),
        Operation::new("export_app_audit", Method::GET, APP_AUDIT_EXPORT_PATH, AUDIT, "Export what happened in an app")
            .query::<AuditQuery>()
            .answer_other(200, LINES, "application/x-ndjson"),
    ]
}

fn record() -> AuditRecord {
    AuditRecord {
        record: "3-17".to_owned(),
        at: 1_800_000_000,
        action: "login".to_owned(),
        result: "refused".to_owned(),
        reason: Some("undecryptable".to_owned()),
        app_id: Some(1_234_567_890),
        actor: "client".to_owned(),
        source: Some("203.0.113.7".to_owned()),
        user_id: Some("alice".to_owned()),
        room_id: Some("room1".to_owned()),
        token_id: Some("N0oCpzNZoAEvpmwMIwv8AA".to_owned()),
        details: Some("token_invalid".to_owned()),
        hash: "5a".repeat(32),
        ..AuditRecord::default()
    }
}
