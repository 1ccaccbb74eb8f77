//! What was done after a backup was made, done once more on it: from an export of the audit trail that is kept
//! elsewhere. Only what takes away is in it, and what gives that back: secrets and keys are in no trail.

use std::{collections::BTreeSet, time::Duration};

use roompass_wire::{
    ErrorCode,
    http::{AuditAction as Action, AuditRecord, AuditResult, Roles},
};
use serde::Serialize;
use serde_json::{Map, Value};
use token_gen::{AppId, UnixSeconds};

use super::Failure;
use crate::{
    admin::{Rotation, SecretState, SecretView, SettingsChange},
    app::Service,
    audit,
    bans::Target,
    entry_id::EntryId,
    error::Error,
    keys::{Caller, Scope},
    store::Purpose,
};

/// How many records are read at a time.
const PAGE: u32 = 1000;

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
    let mut records = really_done(records);
    let known = known(service, &records).await?;
    records.retain(|record| !known.contains(&record.hash));
    let gone_again = ended_later(&records);
    let mut replay = Replay {
        service,
        now: service.clock.now(),
        ended: BTreeSet::new(),
        promised: BTreeSet::new(),
        done: Replayed::default(),
    };
    for record in &records {
        match replay.repeat(record).await {
            Ok(Outcome::Done) => replay.done.replayed += 1,
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Lost(_)) if record.target.as_ref().is_some_and(|target| gone_again.contains(target)) => {}
            Ok(Outcome::Lost(what_to_do)) => replay.miss(record, &what_to_do),
            // What is gone needs no ending.
            Err(Error::Missing(_) | Error::AppUnknown) => {}
            Err(error) => replay.miss(record, &error.to_string()),
        }
    }
    let Replay { promised, mut done, .. } = replay;
    let lost = |app_id| format!("app {app_id}: the AppSign that a reset made is gone: reset it again");
    done.not_replayed.extend(promised.into_iter().map(lost));
    Ok(done)
}

/// Those that were really done, each once.
fn really_done(records: Vec<AuditRecord>) -> Vec<AuditRecord> {
    let mut done: Vec<AuditRecord> = Vec::new();
    let mut seen = BTreeSet::new();
    for record in records.into_iter().filter(|record| seen.insert(record.hash.clone())) {
        match AuditResult::parse(&record.result) {
            Some(AuditResult::Done) => done.push(record),
            // What nobody knows to have failed is done again: that harms nobody.
            Some(AuditResult::Failed) if record.reason.as_deref() != Some(ErrorCode::OutcomeUnknown.as_str()) => {
                let chain = |record: &AuditRecord| record.record.split_once('-').map(|(chain, _)| chain.to_owned());
                let is_it = |one: &AuditRecord| {
                    let of = |record: &AuditRecord| (record.app_id, record.action.clone(), record.target.clone());
                    of(one) == of(&record) && one.request_id == record.request_id && chain(one) == chain(&record)
                };
                if let Some(void) = done.iter().rposition(is_it) {
                    done.remove(void);
                }
            }
            _ => {}
        }
    }
    done
}

/// The hashes of those that are in the store's own trail. A chain that was begun on the database after its restore has the
/// number of one that is lost, so numbers say nothing.
async fn known(service: &Service, records: &[AuditRecord]) -> Result<BTreeSet<String>, Failure> {
    let mut known = BTreeSet::new();
    let chains: BTreeSet<i64> = records.iter().filter_map(place).map(|(chain, _)| chain).collect();
    for chain in chains {
        let mut after = records.iter().filter_map(place).filter(|of| of.0 == chain).map(|(_, seq)| seq - 1).min();
        while let Some(seq) = after {
            let page = service.store.audit_chain(chain, seq, PAGE).await.map_err(Error::from)?;
            after = page.last().map(|last| last.seq).filter(|_| page.len() == PAGE as usize);
            known.extend(page.into_iter().map(|record| audit::shown(record).hash));
        }
    }
    Ok(known)
}

/// The number of a record's chain, and its number in that.
fn place(record: &AuditRecord) -> Option<(i64, i64)> {
    let (chain, seq) = record.record.split_once('-')?;
    Some((chain.parse().ok()?, seq.parse().ok()?))
}

/// Keys, admins and endpoints that were ended in the same trail: whoever made them need not make them again.
fn ended_later(records: &[AuditRecord]) -> BTreeSet<String> {
    let ends = [Action::RevokeKey, Action::RemoveAdmin, Action::RemoveWebhook].map(Action::as_str);
    let ended = records.iter().filter(|record| ends.contains(&&*record.action));
    ended.filter_map(|record| record.target.clone()).collect()
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
    /// The apps whose AppSign was reset with an overlap that is not over, by a reset that is lost.
    promised: BTreeSet<AppId>,
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
            (Action::RetireAppSign, Some(app_id)) => self.retire_app_sign(app_id).await,
            // Every token from before the restore is revoked, and rooms are empty; the rest changes nothing that is kept.
            (
                Action::Mint
                | Action::Login
                | Action::Renew
                | Action::Call
                | Action::Revoke
                | Action::Kick
                | Action::CloseRoom
                | Action::StopStream
                | Action::Withhold
                | Action::Say
                | Action::ShowAppSign
                | Action::InviteAdmin
                | Action::SignIn
                | Action::ReAuthenticate
                | Action::EndSession
                | Action::RotateMasterKey
                | Action::Restore
                | Action::Reload
                | Action::LeaveOut,
                _,
            ) => Ok(Outcome::Nothing),
            // Of no app, though each of these is of one.
            (
                Action::Ban
                | Action::LiftBan
                | Action::RetireSecret
                | Action::RotateSecret
                | Action::ResetAppSign
                | Action::RetireAppSign
                | Action::UpdateApp
                | Action::RemoveWebhook,
                None,
            ) => Ok(Outcome::Nothing),
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
        let is_newer = |secret: &SecretView| secret.state == SecretState::Active && secret.created_at.get() > record.at;
        if ring.iter().any(|secret| secret.purpose == purpose && is_newer(secret)) {
            // It was replaced since, by whoever restored before us.
            return Ok(Outcome::Nothing);
        }
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
            self.promised.insert(app_id);
            return Ok(Outcome::Nothing);
        }
        self.replace_app_sign(app_id).await
    }

    /// What was the one before then is the present one here, if the reset that made it so is lost.
    async fn retire_app_sign(&mut self, app_id: AppId) -> Result<Outcome, Error> {
        if self.promised.remove(&app_id) {
            return self.replace_app_sign(app_id).await;
        }
        self.service.admin.retire_app_sign(app_id).await?;
        Ok(Outcome::Done)
    }

    /// By one that is made here.
    async fn replace_app_sign(&mut self, app_id: AppId) -> Result<Outcome, Error> {
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
    fn what_failed_is_left_out_and_nothing_beside_it() {
        let about = |target: &str, record| AuditRecord { target: Some(target.to_owned()), ..record };
        let unknown = |record| AuditRecord { reason: Some("outcome_unknown".to_owned()), ..record };
        let cli = |record| AuditRecord { request_id: None, ..record };
        let records = vec![
            record("1-1", Action::Ban, AuditResult::Done, "a"),
            record("1-1", Action::Ban, AuditResult::Done, "a"),
            // One of two in one request.
            about("x", record("1-2", Action::Ban, AuditResult::Done, "b")),
            about("y", record("1-3", Action::Ban, AuditResult::Done, "b")),
            about("x", record("1-4", Action::Ban, AuditResult::Failed, "b")),
            // Of which nobody knows.
            about("z", record("1-5", Action::Ban, AuditResult::Done, "c")),
            unknown(about("z", record("1-6", Action::Ban, AuditResult::Failed, "c"))),
            record("1-7", Action::Ban, AuditResult::Refused, "d"),
            // On the command line, each with a chain of its own.
            cli(record("2-1", Action::UpdateApp, AuditResult::Done, "")),
            cli(record("3-1", Action::UpdateApp, AuditResult::Done, "")),
            cli(record("3-2", Action::UpdateApp, AuditResult::Failed, "")),
        ];
        let left: Vec<_> = really_done(records).into_iter().map(|record| record.record).collect();
        assert_eq!(left, ["1-1", "1-3", "1-5", "2-1"]);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let line = serde_json::to_string(&record("1-1", Action::Ban, AuditResult::Done, "a")).unwrap();
        assert_eq!(read(&format!("{line}\n\n{line}\n")).unwrap().len(), 2);
        assert!(read(&format!("{line}\n{{}}\n")).unwrap_err().starts_with("line 2: "));
    }
}
