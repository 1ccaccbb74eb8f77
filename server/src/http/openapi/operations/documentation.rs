//! The documentation itself.

use axum::http::Method;
use roompass_wire::ErrorCode;

use super::super::{
    OPENAPI_PATH,
    operation::{DOCUMENTATION, Operation},
};
use crate::http::docs::{CONFIG_PATH, PROBLEM_PATH, PROBLEMS_PATH, REFERENCE_PATH, SECURITY_PATH, WEBHOOKS_PATH};

pub(super) fn operations() -> Vec<Operation> {
    let page = |id, path, summary| {
        Operation::new(id, Method::GET, path, DOCUMENTATION, summary).answer_other(200, "A page.", "text/html")
    };
    vec![
        page("docs", REFERENCE_PATH, "The reference, for people"),
        page("docs_problems", PROBLEMS_PATH, "Every error code"),
        page("docs_problem", PROBLEM_PATH, "What one error code means").refuses(&[ErrorCode::NotFound]),
        page("docs_config", CONFIG_PATH, "Every field of the configuration"),
        page("docs_webhooks", WEBHOOKS_PATH, "Webhooks: what they say and how to verify them"),
        page("docs_security", SECURITY_PATH, "Keys, algorithms, and what is proven"),
        Operation::new("openapi", Method::GET, OPENAPI_PATH, DOCUMENTATION, "The reference, for machines")
            .about("This document: OpenAPI 3.1.")
            .answer_other(200, "The document.", "application/json"),
    ]
}
