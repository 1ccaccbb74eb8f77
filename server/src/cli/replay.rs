//! What was done after a backup was made, done once more on it: from an export of the audit trail that is kept
//! elsewhere. Only what takes away is in it, and what gives that back: secrets and keys are in no trail.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use roompass_wire::http::{AuditAction as Action, AuditRecord, AuditResult, Roles};
use serde::Serialize;
use serde_json::{Map, Value};
use token_gen::{AppId, UnixSeconds};

use super::Failure;
use crate::{
    admin::{Rotation, SecretState, SettingsChange},
    app::Service,
    bans::Target,
    entry_id::EntryId,
    error::Error,
    keys::{Caller, Scope},
    store::Purpose,
};

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Replayed {
    /// How many changes were made again.
    pub(super) replayed: usize,
    /// Those that could not be, in words, with what to do.
    pub(super) not_replayed: Vec<String>,
}

/// The records of an export, or which line is none.
pub(super) fn read(text: &str) -> Result<Vec<AuditRecord>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| format!("line {}: is no record of `roompass audit export`: {error}", at + 1))
        })
        .collect()
}

/// Does once more what `records` say was done since the backup was made, in their order. Twice is once.
pub(super) async fn replay(service: &Service, records: Vec<AuditRecord>) -> Result<Replayed, Failure> {
    let chains = service.store.audit_chains().await.map_err(Error::from)?;
    let known = chains.iter().map(|chain| (chain.chain, chain.last_seq)).collect();
    let mut replay = Replay { service, now: service.clock.now(), ended: BTreeSet::new(), done: Replayed::default() };
    for record in since_then(records, &known) {
        match replay.repeat(&record).await {
            Ok(Outcome::Done) => replay.done.replayed += 1,
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Lost(what_to_do)) => replay.miss(&record, &what_to_do),
            // What is gone needs no ending.
            Err(Error::Missing(_) | Error::AppUnknown) => {}
            Err(error) => replay.miss(&record, &error.to_string()),
        }
    }
    Ok(replay.done)
}

/// Those that were really done, each once, and are not in the backup. `known` are the chains in its own trail, with the
/// last number in each.
fn since_then(records: Vec<AuditRecord>, known: &BTreeMap<i64, i64>) -> Vec<AuditRecord> {
    let is_known = |record: &AuditRecord| {
        let place =
            record.record.split_once('-').and_then(|(chain, seq)| Some((chain.parse().ok()?, seq.parse().ok()?)));
        place.is_some_and(|(chain, seq): (i64, i64)| known.get(&chain).is_some_and(|&last| seq <= last))
    };
    let is = |record: &AuditRecord, result: AuditResult| record.result == result.as_str();
    let failed: BTreeSet<(String, String)> = records
        .iter()
        .filter(|record| is(record, AuditResult::Failed))
        .filter_map(|record| Some((record.request_id.clone()?, record.action.clone())))
        .collect();
    let is_void = |record: &AuditRecord| {
        record.request_id.as_ref().is_some_and(|id| failed.contains(&(id.clone(), record.action.clone())))
    };
    let counts = |record: &AuditRecord| is(record, AuditResult::Done) && !is_void(record) && !is_known(record);
    let mut seen = BTreeSet::new();
    records.into_iter().filter(|record| counts(record) && seen.insert(record.hash.clone())).collect()
}

enum Outcome {
    Done,
    /// It is as it was, or nothing is lost by leaving it out.
    Nothing,
    /// It cannot be repeated; what to do instead.
    Lost(String),
}

struct Replay<'a> {
    service: &'a Service,
    now: UnixSeconds,
    /// The secrets and AppSigns that were replaced here already, each by one that nobody has.
    ended: BTreeSet<(AppId, &'static str)>,
    done: Replayed,
}

impl Replay<'_> {
    fn miss(&mut self, record: &AuditRecord, what_to_do: &str) {
        let app = record.app_id.map(|app_id| format!(" in app {app_id}")).unwrap_or_default();
        let about = record.target.as_deref().map(|target| format!(" of {target}")).unwrap_or_default();
        self.done.not_replayed.push(format!("{}{about}{app}: {what_to_do}", record.action));
    }

    async fn repeat(&mut self, record: &AuditRecord) -> Result<Outcome, Error> {
        let (Some(action), target) = (Action::parse(&record.action), record.target.as_deref().unwrap_or_default())
        else {
            return Ok(Outcome::Nothing);
        };
        let app_id = record.app_id.map(AppId::new).transpose().map_err(|error| Error::BadRequest(error.to_string()))?;
        let (admin, admins) = (&self.service.admin, &self.service.admins);
        match (action, app_id) {
            (Action::Ban, Some(app_id)) => self.ban(app_id, record).await,
            (Action::LiftBan, Some(app_id)) => {
                let Some(id) = EntryId::parse(target) else { return Ok(Outcome::Nothing) };
                self.service.lifecycle.lift(&caller(app_id, record), id).await?;
                Ok(Outcome::Done)
            }
            (Action::RevokeKey, app_id) => match admin.revoke_key(app_id, target).await? {
                true => Ok(Outcome::Done),
                false => Ok(Outcome::Nothing),
            },
            (Action::RetireSecret, Some(app_id)) => self.retire(app_id, target).await,
            (Action::RotateSecret, Some(app_id)) => self.rotate(app_id, record).await,
            (Action::ResetAppSign, Some(app_id)) => self.reset_app_sign(app_id, record).await,
            (Action::UpdateApp, Some(app_id)) => self.update(app_id, record).await,
            (Action::SetRoles, _) => {
                let roles: Roles = serde_json::from_str(record.details.as_deref().unwrap_or_default())
                    .map_err(|_| Error::BadRequest("the roles cannot be read: set them by hand".to_owned()))?;
                admins.set_roles(target, &roles).await?;
                Ok(Outcome::Done)
            }
            (Action::RemoveAdmin, _) => {
                admins.remove(target).await?;
                Ok(Outcome::Done)
            }
            (Action::SetPassword | Action::SetTotp, _) => Ok(Outcome::Lost(
                "the one from before is good again: change it once more, or remove the admin".to_owned(),
            )),
            (Action::RemoveWebhook, Some(app_id)) => match admin.remove_webhook(app_id, target).await? {
                true => Ok(Outcome::Done),
                false => Ok(Outcome::Nothing),
            },
            (Action::UpdateWebhook | Action::RotateWebhookKey, _) => {
                Ok(Outcome::Lost("do it again: the endpoint is as it was before".to_owned()))
            }
            (
                Action::CreateApp | Action::ImportApp | Action::CreateKey | Action::CreateWebhook | Action::CreateAdmin,
                _,
            ) => Ok(Outcome::Lost("what was made then is gone: make it again".to_owned())),
            // Every token from before the restore is revoked, and rooms are empty.
            _ => Ok(Outcome::Nothing),
        }
    }

    async fn ban(&self, app_id: AppId, record: &AuditRecord) -> Result<Outcome, Error> {
        let expire_at = record.expire_at.map(UnixSeconds::new);
        if expire_at.is_some_and(|end| end <= self.now) {
            return Ok(Outcome::Nothing);
        }
        let mut reason = record.details.clone();
        let target = match (record.user_id.clone(), record.room_id.clone()) {
            (Some(user_id), Some(room_id)) => Target::UserInRoom { user_id, room_id },
            (Some(user_id), None) => Target::User(user_id),
            (None, Some(room_id)) => Target::Room(room_id),
            (None, None) => {
                let range = reason.take().unwrap_or_default();
                Target::IpRange(
                    range.parse().map_err(|_| Error::BadRequest("its addresses cannot be read".to_owned()))?,
                )
            }
        };
        if self.service.admin.app(app_id).await?.is_none() {
            return Err(Error::AppUnknown);
        }
        self.service.lifecycle.ban(&caller(app_id, record), target, expire_at, reason, self.now).await?;
        Ok(Outcome::Done)
    }

    async fn retire(&mut self, app_id: AppId, secret_id: &str) -> Result<Outcome, Error> {
        let ring = self.service.admin.ring(app_id).await?;
        match ring.iter().find(|secret| secret.secret_id == secret_id) {
            Some(secret) if secret.state == SecretState::Active => self.end_active(app_id, secret.purpose).await,
            Some(secret) if secret.state == SecretState::Previous => {
                self.service.admin.retire(app_id, secret_id).await?;
                Ok(Outcome::Done)
            }
            _ => Ok(Outcome::Nothing),
        }
    }

    async fn rotate(&mut self, app_id: AppId, record: &AuditRecord) -> Result<Outcome, Error> {
        let ring = self.service.admin.ring(app_id).await?;
        if ring.iter().any(|secret| Some(&*secret.secret_id) == record.target.as_deref()) {
            return Ok(Outcome::Nothing);
        }
        let is_cbc = record.details.as_deref() == Some(Purpose::Cbc.as_str());
        let purpose = if is_cbc { Purpose::Cbc } else { Purpose::Gcm };
        if record.expire_at.is_some_and(|end| end <= self.now.get()) {
            return self.end_active(app_id, purpose).await;
        }
        Ok(Outcome::Lost("the secret made then is gone, and the one before mints again: rotate it".to_owned()))
    }

    /// By one that is made here.
    async fn end_active(&mut self, app_id: AppId, purpose: Purpose) -> Result<Outcome, Error> {
        if !self.ended.insert((app_id, purpose.as_str())) {
            return Ok(Outcome::Nothing);
        }
        let rotated = self.service.admin.rotate(app_id, Rotation { purpose, overlap: Some(Duration::ZERO) }).await?;
        let new = rotated.secret_id;
        self.done.not_replayed.push(format!(
            "app {app_id} mints with a new secret, {new}: backends that mint by themselves need it, so rotate it once more"
        ));
        Ok(Outcome::Done)
    }

    async fn reset_app_sign(&mut self, app_id: AppId, record: &AuditRecord) -> Result<Outcome, Error> {
        let has_ended = record.expire_at.is_some_and(|end| end <= self.now.get());
        if !has_ended {
            return Ok(Outcome::Lost("the AppSign made then is gone: reset it again".to_owned()));
        }
        if !self.ended.insert((app_id, "app_sign")) {
            return Ok(Outcome::Nothing);
        }
        self.service.admin.reset_app_sign(app_id, Duration::ZERO).await?;
        self.done
            .not_replayed
            .push(format!("app {app_id} has a new AppSign: client builds need it (`roompass app-sign reset`)"));
        Ok(Outcome::Done)
    }

    async fn update(&self, app_id: AppId, record: &AuditRecord) -> Result<Outcome, Error> {
        let unreadable = || Error::BadRequest("the change is too long for the trail: make it by hand".to_owned());
        let changes: Map<String, Value> =
            serde_json::from_str(record.details.as_deref().unwrap_or_default()).map_err(|_| unreadable())?;
        let view = self.service.admin.app(app_id).await?.ok_or(Error::AppUnknown)?;
        let settings = view.settings.with(changes).map_err(|(field, reason)| Error::field(field, reason))?;
        if settings == view.settings {
            return Ok(Outcome::Nothing);
        }
        // It was acknowledged when it was made.
        let change = SettingsChange { version: view.version, settings, acknowledge_cbc: true };
        self.service.admin.update_app(change).await?;
        Ok(Outcome::Done)
    }
}

/// Who did it, with all that takes.
fn caller(app_id: AppId, record: &AuditRecord) -> Caller {
    let key_id = record.actor.strip_prefix("key:").unwrap_or(&record.actor).to_owned();
    Caller { key_id, app_id, scope: Scope::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(place: &str, action: Action, result: AuditResult, request_id: &str) -> AuditRecord {
        AuditRecord {
            record: place.to_owned(),
            hash: place.to_owned(),
            action: action.as_str().to_owned(),
            result: result.as_str().to_owned(),
            request_id: Some(request_id.to_owned()),
            ..AuditRecord::default()
        }
    }

    #[test]
    fn what_is_in_the_backup_or_failed_is_left_out() {
        let records = vec![
            record("1-9", Action::Ban, AuditResult::Done, "early"),
            record("1-10", Action::Ban, AuditResult::Done, "a"),
            record("1-10", Action::Ban, AuditResult::Done, "a"),
            record("1-11", Action::RevokeKey, AuditResult::Done, "b"),
            record("1-12", Action::RevokeKey, AuditResult::Failed, "b"),
            record("1-13", Action::Ban, AuditResult::Refused, "c"),
            record("2-1", Action::Ban, AuditResult::Done, "d"),
        ];
        let left = since_then(records, &BTreeMap::from([(1, 9)])).into_iter().filter_map(|record| record.request_id);
        assert_eq!(left.collect::<Vec<_>>(), ["a", "d"]);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let line = serde_json::to_string(&record("1-1", Action::Ban, AuditResult::Done, "a")).unwrap();
        assert_eq!(read(&format!("{line}\n\n{line}\n")).unwrap().len(), 2);
        assert!(read(&format!("{line}\n{{}}\n")).unwrap_err().starts_with("line 2: "));
    }
}
