//! `/v1/apps/{app_id}/secrets` and `…/app-sign`

use std::{sync::Arc, time::Duration};

use axum::{
    Json as Answer,
    extract::{RawPathParams, State},
};
use roompass_wire::http::{
    self as wire, ResetAppSignRequest, ResetAppSignResponse, RetireAppSignResponse, RetireResponse, RotateRequest,
    RotateResponse, SecretPurpose, SecretsResponse, ShowAppSignResponse,
};
use token_gen::UnixSeconds;

use super::{auth::AppCaller, extract::Json, origin::Asking};
use crate::{
    admin::{Rotation, SecretState, SecretView},
    app::Service,
    error::Error,
    store::Purpose,
};

/// Shows the ring.
pub(super) async fn ring(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
) -> Result<Answer<SecretsResponse>, Error> {
    let secrets = service.admin.ring(caller.app_id).await?.into_iter().map(secret).collect();
    Ok(Answer(SecretsResponse { secrets, server_time: service.clock.now().get() }))
}

/// Makes a new active secret.
pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<RotateRequest>,
) -> Result<Answer<RotateResponse>, Error> {
    let purpose = match request.purpose {
        None | Some(SecretPurpose::Gcm) => Purpose::Gcm,
        Some(SecretPurpose::Cbc) => Purpose::Cbc,
    };
    let rotation = Rotation { purpose, overlap: request.overlap_secs.map(Duration::from_secs) };
    let rotated = service.admin.by(origin).rotate(caller.app_id, rotation).await?;
    Ok(Answer(RotateResponse {
        secret_id: rotated.secret_id,
        server_secret: rotated.secret.expose().to_owned(),
        previous_valid_until: rotated.previous_valid_until.map(UnixSeconds::get),
        server_time: service.clock.now().get(),
    }))
}

/// Ends a previous secret at once.
pub(super) async fn retire(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
) -> Result<Answer<RetireResponse>, Error> {
    let secret_id = path.iter().find_map(|(name, value)| (name == "secret_id").then_some(value));
    let secret_id = secret_id.ok_or(Error::Missing("secret"))?;
    service.admin.by(origin).retire(caller.app_id, secret_id).await?;
    Ok(Answer(RetireResponse { secret_id: secret_id.to_owned(), server_time: service.clock.now().get() }))
}

/// Shows the AppSign.
pub(super) async fn show_app_sign(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
) -> Result<Answer<ShowAppSignResponse>, Error> {
    let (app_sign, previous_valid_until) = service.admin.by(origin).show_app_sign(caller.app_id).await?;
    Ok(Answer(ShowAppSignResponse {
        app_sign: app_sign.expose().to_owned(),
        previous_valid_until: previous_valid_until.map(UnixSeconds::get),
        server_time: service.clock.now().get(),
    }))
}

/// Makes a new AppSign.
pub(super) async fn reset_app_sign(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<ResetAppSignRequest>,
) -> Result<Answer<ResetAppSignResponse>, Error> {
    let reset =
        service.admin.by(origin).reset_app_sign(caller.app_id, Duration::from_secs(request.overlap_secs)).await?;
    Ok(Answer(ResetAppSignResponse {
        app_sign: reset.app_sign.expose().to_owned(),
        previous_valid_until: reset.previous_valid_until.get(),
        server_time: service.clock.now().get(),
    }))
}

/// Ends the AppSign before the present one.
pub(super) async fn retire_app_sign(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
) -> Result<Answer<RetireAppSignResponse>, Error> {
    service.admin.by(origin).retire_app_sign(caller.app_id).await?;
    Ok(Answer(RetireAppSignResponse { server_time: service.clock.now().get() }))
}

/// A secret as it is shown, here and on the command line.
pub(crate) fn secret(view: SecretView) -> wire::Secret {
    wire::Secret {
        secret_id: view.secret_id,
        purpose: match view.purpose {
            Purpose::Gcm => SecretPurpose::Gcm,
            Purpose::Cbc => SecretPurpose::Cbc,
        },
        state: match view.state {
            SecretState::Active => wire::SecretState::Active,
            SecretState::Previous => wire::SecretState::Previous,
            SecretState::Ended => wire::SecretState::Ended,
        },
        fingerprint: view.fingerprint,
        created_at: view.created_at.get(),
        valid_until: view.valid_until.map(UnixSeconds::get),
        retired_at: view.retired_at.map(UnixSeconds::get),
        last_used_at: view.last_used_at.map(UnixSeconds::get),
        used_count: view.used_count,
        opened_in_5_min: view.opened_lately.in_5_min,
        opened_in_1_h: view.opened_lately.in_1_h,
        mints_reserved: view.mints_reserved,
    }
}
