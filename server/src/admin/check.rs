//! Looking for damage: the store itself, every sealed value in it, and the audit trail.

use std::sync::{Arc, Mutex, PoisonError};

use super::Admin;
use crate::{audit, error::Error, sealing::Place};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The app it is about; 0 if it is about none.
    pub app_id: u32,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    /// How many sealed values were opened.
    pub sealed_values: u64,
    /// How many audit records were held against their hashes.
    pub audit_records: u64,
    /// What is wrong; empty when all is sound.
    pub faults: Vec<Fault>,
}

const RESTORE: &str = "restore a backup, or ask whoever keeps the machine's disks";
const ASK: &str = "somebody had the database in hand: compare with an export, and ask who";
const REPLACE: &str = "the app serves nobody: restore a backup, or rotate its secrets and reset its AppSign";

impl Admin {
    /// Checks the store, opens every sealed value, and walks the audit trail. Slow; changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read at all.
    pub async fn check(&self) -> Result<CheckReport, Error> {
        let faults = self.store().faults().await?;
        let faults = faults.into_iter().map(|what| Fault { app_id: 0, what, remedy: RESTORE }).collect();
        let report = Arc::new(Mutex::new(CheckReport { faults, ..CheckReport::default() }));
        let (into, sealer) = (Arc::clone(&report), self.sealer.clone());
        let visit = move |place: Place<'_>, sealed: &[u8]| {
            let mut report = into.lock().unwrap_or_else(PoisonError::into_inner);
            report.sealed_values += 1;
            if let Err(error) = sealer.open(place, sealed) {
                let what = format!("{} in {} {error}", place.record_id, place.table);
                report.faults.push(Fault { app_id: place.app_id, what, remedy: REPLACE });
            }
        };
        self.store().visit_sealed(Box::new(visit)).await?;
        let walked = audit::walk(self.store()).await?;
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report.audit_records = walked.records;
        report.faults.extend(walked.faults.into_iter().map(|what| Fault { app_id: 0, what, remedy: ASK }));
        Ok(report)
    }
}
