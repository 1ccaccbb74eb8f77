//! The API as tests of other modules call it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{
        Request,
        header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    },
};
use serde_json::{Value, json};
use token_gen::AppId;
use tower::ServiceExt;

use crate::{
    admin::{KeyKind, NewKey},
    app::Service,
    keys::Scope,
};

/// The API of app 7, called with a key that may do everything.
pub(crate) struct Api {
    router: Router,
    key: String,
}

/// The API of `service`.
pub(crate) async fn over(service: &Arc<Service>) -> Api {
    let (app_id, name, scope) = (AppId::new(7).ok(), "key".to_owned(), Scope::everything());
    let key = service.admin.create_key(NewKey { app_id, name, scope, expire_at: None, kind: KeyKind::Bearer });
    let key = key.await.unwrap().expose().to_owned();
    crate::trace::keep(crate::telemetry::filter("trace").unwrap());
    crate::kept::note_secret(&key);
    Api { router: super::router(Arc::clone(service)), key }
}

impl Api {
    /// The same with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { router: self.router.clone(), key: key.to_owned() }
    }

    /// Sends a request below `/v1/apps/7`; returns status and body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/apps/7{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json")
            .header(HOST, "rooms.test")
            .body(body)
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// What must succeed.
    #[track_caller]
    pub(crate) fn ok((status, body): (u16, Value)) -> Value {
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) async fn mint_status(&self, user_id: &str) -> u16 {
        self.call("POST", "/tokens", &json!({ "user_id": user_id })).await.0
    }

    pub(crate) async fn mint(&self, user_id: &str) -> String {
        let minted = Self::ok(self.call("POST", "/tokens", &json!({ "user_id": user_id })).await);
        minted["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let answer = Self::ok(self.call("POST", "/tokens/introspect", &json!({ "token": token })).await);
        answer["active"].as_bool().unwrap()
    }
}
