//! `/v1/apps/{app_id}/tokens/introspect` and `…/explain`

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{Json as Answer, extract::State};
use roompass_wire::{
    http::{
        ActiveToken, CipherName, ExplainRequest, ExplainResponse, ExplainedClaims, FormatName, IntrospectRequest,
        IntrospectResponse, ShownTerms,
    },
    webhook::{Refused, RefusedOperation},
};
use token_gen::{Cipher, OpenedClaims, RoomScope, StreamScope, TermsView, TokenId, UnixSeconds, Version};
use tokio::time::timeout;

use super::{auth::AppCaller, extract::Json, revocations};
use crate::{
    app::Service,
    apps::names::privileges,
    error::Error,
    keys::{Caller, Right},
    lifecycle,
    store::StoreError,
    tokens::{Attempt, Attempted, Checked, Fault, Refusal},
    webhooks::millis,
};

/// How long an explanation waits for what only the store knows.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// Says whether a token is active.
pub(super) async fn introspect(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Json(request): Json<IntrospectRequest>,
) -> Result<Answer<IntrospectResponse>, Error> {
    let now = service.clock.now();
    let app = service.directory.app(caller.app_id).ok_or(Error::AppUnknown)?;
    let token = request.token.split_once('#').map_or(&*request.token, |(token, _)| token);
    let answer =
        match service.tokens.check(&app, token, Attempt { source: Some(&caller.key_id), ..Attempt::default() }, now) {
            // A key bound to rooms learns of the tokens for those rooms only.
            Ok(checked) if lifecycle::is_of_rooms(&caller.scope, &checked) => {
                IntrospectResponse::Active(Box::new(told(&caller, checked, now)))
            }
            Err(refusal) if refusal.fault == Fault::ClockBehind => return Err(Error::ClockBehind),
            Err(refusal) if matches!(refusal.fault, Fault::Stale | Fault::SecretsStale) => return Err(Error::Stale),
            Err(refusal) => {
                announce_refused(&service, &caller, token, &refusal, now);
                let of_revoked = matches!(refusal.fault, Fault::Revoked(_));
                let opened = of_revoked.then(|| service.tokens.open_revoked(&app, token, now)).flatten();
                // To the app its own token is no secret; clients are told what the gateway tells them.
                match opened.filter(|checked| lifecycle::is_of_rooms(&caller.scope, checked)) {
                    Some(checked) => {
                        let told = told(&caller, checked, now);
                        IntrospectResponse::Revoked(Box::new(ActiveToken { active: false, revoked: true, ..told }))
                    }
                    None => IntrospectResponse::Inactive,
                }
            }
            Ok(_) => IntrospectResponse::Inactive,
        };
    Ok(Answer(answer))
}

fn announce_refused(service: &Service, caller: &Caller, token: &str, refusal: &Refusal, now: UnixSeconds) {
    service.webhooks.announce_refused(
        caller.app_id,
        Refused {
            operation: RefusedOperation::Introspect,
            code: refusal.code(),
            reason: refusal.exact().to_owned(),
            user_id: None,
            room_id: None,
            token_id: Some(TokenId::of(token).into()),
            count: 1,
            first_at_ms: millis(now),
        },
    );
}

fn told(caller: &Caller, checked: Checked, now: UnixSeconds) -> ActiveToken {
    let Checked { token_id, secret_id, format, claims, rights, .. } = checked;
    ActiveToken {
        active: true,
        token_id: token_id.into(),
        app_id: caller.app_id.get(),
        room_id: match rights.room() {
            RoomScope::Several(several) => several.first().cloned(),
            RoomScope::Any => None,
            RoomScope::Only(room_id) => Some(room_id.clone()),
        },
        privileges: rights.privileges().iter().map(privileges::name).collect(),
        stream_ids: match rights.streams() {
            StreamScope::Any => None,
            StreamScope::Only(stream_ids) => Some(stream_ids.clone()),
        },
        terms: TermsView::of(&rights).map(shown_terms),
        payload: claims.payload().filter(|payload| !payload.is_empty()).map(str::to_owned),
        format: match format.version() {
            Version::Token03 => FormatName::Token03,
            Version::Token04 => FormatName::Token04,
        },
        cipher: match format.cipher() {
            Cipher::Gcm => CipherName::Gcm,
            Cipher::Cbc => CipherName::Cbc,
        },
        secret_id,
        issued_at: claims.issued_at.get(),
        expire_at: claims.expire_at.get(),
        user_id: claims.user_id,
        revoked: false,
        server_time: now.get(),
    }
}

/// Says why a login is refused.
pub(super) async fn explain(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Json(request): Json<ExplainRequest>,
) -> Result<Answer<ExplainResponse>, Error> {
    let now = service.clock.now();
    if !caller.scope.room_prefix.is_empty() {
        return Err(Error::field("token", "is not for this key: it is bound to rooms, and explanations tell all"));
    }
    let app = service.directory.app(caller.app_id).ok_or(Error::AppUnknown)?;
    let reason = "must be an address such as 203.0.113.7 or 2001:db8::7";
    let address: Option<IpAddr> =
        request.ip_address.as_deref().map(str::parse).transpose().map_err(|_| Error::field("ip_address", reason))?;
    let (token, _) = request.token.split_once('#').unwrap_or((&request.token, ""));
    // Most tokens can be explained by what is in memory, most of all while the store is away.
    let known = timeout(STORE_PATIENCE, service.lifecycle.user_of_token(caller.app_id, TokenId::of(token))).await;
    let known = known.unwrap_or_else(|elapsed| Err(StoreError::Unavailable(Arc::new(elapsed)).into()));
    let used_by = known.as_ref().ok().cloned().flatten();
    let attempted = Attempted {
        user_id: request.user_id.as_deref(),
        room_id: request.room_id.as_deref(),
        stream_id: request.stream_id.as_deref(),
        address,
        is_used: used_by.is_some(),
        source: Some(&caller.key_id),
        reads_unproven: caller.require(Right::Admin).is_ok(),
    };
    let explained = service.tokens.explain(&app, &request.token, attempted, now);
    let explanation = explained.explanation;
    let terms = explanation.claims.as_ref().and_then(|claims| claims.terms.as_ref());
    if terms.is_some_and(|terms| terms.single_use == Some(true)) {
        // Whether it was used decides.
        known?;
    }
    let revoked_by = match explained.revoked_by {
        Some(id) => {
            let asked = timeout(STORE_PATIENCE, service.lifecycle.revocation(caller.app_id, id)).await;
            asked.ok().and_then(Result::ok).flatten().map(revocations::revocation)
        }
        None => None,
    };
    Ok(Answer(ExplainResponse {
        admitted: explained.code.is_none(),
        code: explained.code,
        findings: explained.findings,
        token_id: explanation.token_id,
        secret_id: explained.secret_id,
        format: explanation
            .format
            .map(|format| if format == "token03" { FormatName::Token03 } else { FormatName::Token04 }),
        cipher: explanation.cipher.map(|cipher| if cipher == "cbc" { CipherName::Cbc } else { CipherName::Gcm }),
        claims: explanation.claims.map(claims),
        revoked_by,
        banned_by: explained.banned_by.map(|ban| revocations::ban(&ban)),
        used_by,
        server_time: now.get(),
    }))
}

fn claims(opened: OpenedClaims) -> ExplainedClaims {
    ExplainedClaims {
        app_id: opened.app_id,
        user_id: opened.user_id,
        issued_at: opened.issued_at,
        expire_at: opened.expire_at,
        payload: opened.payload,
        room_id: opened.room_id,
        privileges: opened.privileges.map(|names| names.into_iter().map(str::to_owned).collect()),
        stream_ids: opened.stream_ids,
        terms: opened.terms.map(shown_terms),
    }
}

fn shown_terms(terms: TermsView) -> ShownTerms {
    ShownTerms {
        room_ids: terms.room_ids,
        play: terms.play,
        play_stream_ids: terms.play_stream_ids,
        media: terms.media.map(|media| media.into_iter().map(str::to_owned).collect()),
        login_until: terms.login_until,
        publish_until: terms.publish_until,
        play_until: terms.play_until,
        max_stay_secs: terms.max_stay_secs,
        on_expiry: terms.on_expiry.map(str::to_owned),
        grace_secs: terms.grace_secs,
        single_use: terms.single_use,
        user_name: terms.user_name,
        metadata: terms.metadata,
    }
}
