//! `/v1/apps/{app_id}/keys`

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{RawPathParams, State},
};
use roompass_wire::http::{
    self as wire, CreateKeyRequest, CreateKeyResponse, KeyRight, KeysResponse, RevokeKeyResponse, SearchQuery,
};
use token_gen::{Privileges, UnixSeconds};

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
    revocations::listed,
};
use crate::{
    admin::{KeyKind, NewKey},
    app::Service,
    apps::names::privileges,
    error::Error,
    keys::{Caller, Holder, KeyText, Keyring, Right, Scope},
    store::{KeyRecord, StoreError},
};

/// Makes a key.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<CreateKeyRequest>,
) -> Result<Answer<CreateKeyResponse>, Error> {
    let privileges = request.privileges.map(|names| names.into_iter().map(privileges::privilege).collect());
    let scope = Scope {
        rights: request.rights.into_iter().map(right).collect(),
        room_prefix: request.room_prefix.unwrap_or_default(),
        privileges: privileges.unwrap_or(Privileges::ALL),
        max_ttl_secs: request.max_ttl_secs,
        max_per_second: request.max_per_second,
    };
    let expire_at = request.expire_at.map(UnixSeconds::new);
    refuse_more(&service.keyring, &caller, &scope, expire_at)?;
    let kind = if request.signed { KeyKind::Signed } else { KeyKind::Bearer };
    let new = NewKey { app_id: Some(caller.app_id), name: request.name, scope, expire_at, kind };
    let key = service.admin.by(origin).create_key(new).await?;
    Ok(Answer(CreateKeyResponse {
        key_id: key.key_id().to_owned(),
        backend_key: key.expose().to_owned(),
        server_time: service.clock.now().get(),
    }))
}

/// A backend key makes none that may more, or lives longer, than itself. An operator and an admin of the console are no
/// keys of the app: they hand out what they do not hold themselves, because somebody has to make the first key.
fn refuse_more(keyring: &Keyring, caller: &Caller, scope: &Scope, expire_at: Option<UnixSeconds>) -> Result<(), Error> {
    if !KeyText::is_key_id(&caller.key_id) {
        return Ok(());
    }
    let own_end = match keyring.named(&caller.key_id) {
        Some((Holder::App(_), own_end)) => own_end,
        Some((Holder::Operator { .. }, _)) => return Ok(()),
        // Ended since it was proven.
        None => return Err(Error::Unauthorized),
    };
    let own = &caller.scope;
    if !scope.rights.iter().all(|right| own.rights.contains(right)) {
        return Err(Error::field("rights", "must not go beyond those of your own key"));
    }
    if own_end.is_some_and(|own| expire_at.is_none_or(|asked| asked > own)) {
        return Err(Error::field("expire_at", "must not be after that of your own key"));
    }
    if own.max_per_second.is_some_and(|own| scope.max_per_second.is_none_or(|asked| asked > own)) {
        return Err(Error::field("max_per_second", "must not go beyond that of your own key"));
    }
    Ok(())
}

/// Lists keys.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<KeysResponse>, Error> {
    let (query, search) = query.split();
    let search = searched(search)?;
    let page = Page::of(&query, |cursor| KeyText::is_key_id(cursor).then(|| cursor.to_owned()))?;
    let (asked, limit, is_search) = (Arc::clone(&service), page.limit + 1, !search.is_empty());
    let after = page.after.clone().unwrap_or_default();
    let list = async move {
        match &*search {
            "" => asked.admin.keys_after(Some(caller.app_id), &after, limit).await,
            search => asked.admin.find_keys(Some(caller.app_id), search, &after, limit).await,
        }
    };
    let mut found = listed(&service, is_search, list).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.key_id.clone());
    let keys = found.iter().map(key).collect::<Result<_, _>>()?;
    Ok(Answer(KeysResponse { keys, cursor, server_time: service.clock.now().get() }))
}

/// Ends a key.
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
) -> Result<Answer<RevokeKeyResponse>, Error> {
    let key_id =
        path.iter().find_map(|(name, value)| (name == "key_id").then_some(value)).ok_or(Error::Missing("key"))?;
    if !service.admin.by(origin).revoke_key(Some(caller.app_id), key_id).await? {
        return Err(Error::Missing("key"));
    }
    Ok(Answer(RevokeKeyResponse { key_id: key_id.to_owned(), server_time: service.clock.now().get() }))
}

/// A key as it is shown, here and on the command line.
pub(crate) fn key(record: &KeyRecord) -> Result<wire::BackendKey, Error> {
    let scope: Scope = serde_json::from_str(&record.scope)
        .map_err(|error| StoreError::Unreadable(format!("scope of key {}: {error}", record.key_id)))?;
    Ok(wire::BackendKey {
        key_id: record.key_id.clone(),
        name: record.name.clone(),
        rights: scope.rights.into_iter().map(name_of).collect(),
        room_prefix: scope.room_prefix,
        privileges: scope.privileges.iter().map(privileges::name).collect(),
        max_ttl_secs: scope.max_ttl_secs,
        max_per_second: scope.max_per_second,
        signed: record.sealed.is_some(),
        expire_at: record.expire_at.map(UnixSeconds::get),
        last_used_at: record.last_used_at.map(UnixSeconds::get),
        created_at: record.created_at.get(),
    })
}

fn right(name: KeyRight) -> Right {
    match name {
        KeyRight::Mint => Right::Mint,
        KeyRight::Introspect => Right::Introspect,
        KeyRight::Explain => Right::Explain,
        KeyRight::Revoke => Right::Revoke,
        KeyRight::Read => Right::Read,
        KeyRight::Admin => Right::Admin,
        KeyRight::Operate => Right::Operate,
    }
}

fn name_of(right: Right) -> KeyRight {
    match right {
        Right::Mint => KeyRight::Mint,
        Right::Introspect => KeyRight::Introspect,
        Right::Explain => KeyRight::Explain,
        Right::Revoke => KeyRight::Revoke,
        Right::Read => KeyRight::Read,
        Right::Admin => KeyRight::Admin,
        Right::Operate => KeyRight::Operate,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, StatusCode};
    use roompass_wire::{ErrorCode, http::Role};
    use token_gen::AppId;

    use super::{
        super::{
            callers_tests::{admin, everywhere, from_console},
            tests::{Server, json},
        },
        *,
    };

    #[tokio::test]
    async fn keys_are_found_in_pages() {
        let server = Server::at("http://127.0.0.1:7").await;
        let app_id = AppId::new(70).unwrap();
        server.service.admin.create_app(crate::apps::AppSettings::new(app_id, "app")).await.unwrap();
        for name in ["Chat, eu", "Chat, us", "billing"] {
            let kind = KeyKind::Bearer;
            let new =
                NewKey { app_id: Some(app_id), name: name.to_owned(), scope: Scope::default(), expire_at: None, kind };
            server.service.admin.create_key(new).await.unwrap();
        }
        let viewer = admin(&server, "viewer", &everywhere(Role::Viewer)).await;
        let ask = async |query: &str| {
            let request = from_console(Request::get(format!("/v1/apps/70/keys?{query}")), &viewer);
            let response = server.send(request, "").await;
            assert_eq!(response.status(), StatusCode::OK, "{query}");
            let KeysResponse { keys, cursor, .. } = json(response).await;
            (keys.into_iter().map(|key| (key.key_id, key.name)).collect::<Vec<_>>(), cursor)
        };
        let (all, none) = ask("search=").await;
        assert_eq!((all.len(), none), (3, None));
        assert_eq!(ask("search=CHAT").await.0.len(), 2);
        let (first, cursor) = ask("search=chat&limit=1").await;
        let (second, end) = ask(&format!("search=chat&limit=1&cursor={}", cursor.unwrap())).await;
        assert_eq!((first.len(), second.len(), end), (1, 1, None));
        assert_ne!(first, second);
        let (key_id, _) = &all[0];
        assert_eq!(ask(&format!("search={key_id}")).await.0, all[..1]);
        for query in ["search=%00", "cursor=nonsense", "limit=0"] {
            let request = from_console(Request::get(format!("/v1/apps/70/keys?{query}")), &viewer);
            assert_eq!(server.problem(request, "").await.code, ErrorCode::BadRequest, "{query}");
        }
    }
}
