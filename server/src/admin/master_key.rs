//! The master key: whether the data was sealed with ours, and sealing everything again with another.

use rand::rngs::SysRng;

use super::Admin;
use crate::{
    audit::{Action, Event},
    error::Error,
    sealing::{Place, Sealer},
};

const SEALED_WITH: Place<'static> = Place { table: "meta", app_id: 0, record_id: "sealed_with" };
const SEALED_WITH_TEXT: &[u8] = b"roompass";

impl Admin {
    /// Whether the data was sealed with our master key; `None` while nothing was sealed at all. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn is_sealed_with_our_key(&self) -> Result<Option<bool>, Error> {
        let sealed = self.store().meta(SEALED_WITH.record_id).await?;
        Ok(sealed.map(|sealed| self.sealer.open(SEALED_WITH, &sealed).is_ok()))
    }

    /// Notes which master key the data is sealed with from now on.
    ///
    /// # Errors
    /// [`Error::Store`]; a conflict if it is noted already.
    pub async fn note_master_key(&self) -> Result<(), Error> {
        let sealed = self.sealer.seal(SEALED_WITH, SEALED_WITH_TEXT, &mut SysRng)?;
        Ok(self.store().insert_meta(SEALED_WITH.record_id, &sealed).await?)
    }

    /// Makes sure that the data is still sealed with our key. From a rotation elsewhere on, this process serves what
    /// it has in memory, and neither reads nor writes secrets: what it wrote, nobody else could open.
    ///
    /// # Errors
    /// [`Error::MasterKeyRotated`].
    pub async fn require_our_key(&self) -> Result<(), Error> {
        let ours = self.is_sealed_with_our_key().await? != Some(false);
        let before = self.has_our_key.swap(ours, std::sync::atomic::Ordering::Relaxed);
        if before && !ours {
            tracing::error!("the master key was rotated: give this server the new one and restart it");
        }
        if ours { Ok(()) } else { Err(Error::MasterKeyRotated) }
    }

    /// Seals everything again with `new`, in one transaction: if it fails or is cut off, nothing has changed, and it
    /// can be done again. Says how many values; 0 if they are sealed with `new` already.
    ///
    /// # Errors
    /// [`Error::Store`] naming the value that does not open with our key.
    pub async fn reseal(&self, new: Sealer) -> Result<u64, Error> {
        let noted = self.store().meta(SEALED_WITH.record_id).await?;
        if noted.is_some_and(|sealed| new.open(SEALED_WITH, &sealed).is_ok()) {
            return Ok(0);
        }
        let old = self.sealer.clone();
        let reseal = move |place: Place<'_>, sealed: &[u8]| new.seal(place, &old.open(place, sealed)?, &mut SysRng);
        let resealing = self.store().reseal(Box::new(reseal));
        let count = self.recorder.change(Event::new(Action::RotateMasterKey), resealing).await?;
        tracing::info!(count, "sealed again with the new master key");
        Ok(count)
    }
}
