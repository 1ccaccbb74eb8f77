//! Secrets at rest: AES-256-GCM under the master key, each bound to the place it is stored at.
//!
//! Knows no store: it seals bytes for a [`Place`] and opens them there, nowhere else.

use std::{fmt, sync::Arc};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::{TryCryptoRng, rngs::SysRng};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// The layout of sealed bytes: this byte, 12 bytes of nonce, ciphertext with tag.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
/// So few distinct bytes in 32 random ones is a chance of less than 2⁻⁶⁰: the key was typed or is a sample.
const FEWEST_DISTINCT_BYTES: usize = 16;

/// The key that seals everything secret in the store.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why a text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyFault {
    /// Not 64 hexadecimal characters.
    #[error("must be 64 hexadecimal characters; make one with `openssl rand -hex 32`")]
    Shape,
    /// A pattern.
    #[error("is a pattern, not random; make one with `openssl rand -hex 32`")]
    Predictable,
}

impl MasterKey {
    /// Reads 64 hexadecimal characters; white space around them is fine.
    ///
    /// # Errors
    /// [`MasterKeyFault`] for another shape, and for keys that are no random ones.
    pub fn parse(text: &str) -> Result<Self, MasterKeyFault> {
        let digits = text.trim().as_bytes();
        if digits.len() != 64 {
            return Err(MasterKeyFault::Shape);
        }
        let mut key = Zeroizing::new([0; 32]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? * 16 + hex_digit(pair[1])?;
        }
        let mut distinct = Zeroizing::new(*key);
        distinct.sort_unstable();
        if distinct.chunk_by(u8::eq).count() < FEWEST_DISTINCT_BYTES {
            return Err(MasterKeyFault::Predictable);
        }
        Ok(Self(key))
    }

    /// A new key.
    ///
    /// # Errors
    /// What the random source says.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut key = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *key)?;
        Ok(Self(key))
    }

    /// The 64 hexadecimal characters that [`MasterKey::parse`] reads. Dangerous: they open every secret.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.0.iter() {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        }
        text
    }
}

fn hex_digit(byte: u8) -> Result<u8, MasterKeyFault> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(MasterKeyFault::Shape)
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Where a sealed value is stored. It opens there only: a value moved to another row, table or app does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The app, or 0 for what is of no app.
    pub app_id: u32,
    /// The record within the table and app.
    pub record_id: &'a str,
}

impl Place<'_> {
    /// Every part with its length, so that no two places read the same.
    fn associated_data(&self) -> Vec<u8> {
        let app_id = self.app_id.to_be_bytes();
        let parts = [&[VERSION][..], self.table.as_bytes(), &app_id, self.record_id.as_bytes()];
        parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
            .collect()
    }
}

/// Why sealing or opening failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The random source failed.
    #[error("the random source failed")]
    Randomness,
    /// Sealed with another key, for another place, or damaged.
    #[error("does not open: sealed with another master key, moved, or damaged")]
    DoesNotOpen,
}

/// Seals and opens with one master key.
#[derive(Clone)]
pub struct Sealer(Arc<Aes256Gcm>);

impl Sealer {
    /// Prepares the key.
    pub fn new(key: &MasterKey) -> Self {
        Self(Arc::new(Aes256Gcm::new((&*key.0).into())))
    }

    /// Seals `plaintext` for `place`.
    ///
    /// # Errors
    /// [`SealError::Randomness`].
    pub fn seal<R: TryCryptoRng>(&self, place: Place<'_>, plaintext: &[u8], rng: &mut R) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rng.try_fill_bytes(&mut nonce).map_err(|_| SealError::Randomness)?;
        let aad = place.associated_data();
        // Fails beyond 64 GiB only.
        let sealed = self.0.encrypt(&nonce.into(), Payload { msg: plaintext, aad: &aad }).unwrap_or_default();
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(SealError::DoesNotOpen);
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::DoesNotOpen)?;
        let aad = place.associated_data();
        let plaintext = self.0.decrypt(nonce.into(), Payload { msg: ciphertext, aad: &aad });
        plaintext.map(Zeroizing::new).map_err(|_| SealError::DoesNotOpen)
    }
}

impl Sealer {
    /// Words for another node, as text. Without randomness they are nothing, and make no sense to anybody.
    pub fn seal_words(&self, place: Place<'_>, words: &impl Serialize) -> String {
        let text = serde_json::to_vec(words).unwrap_or_default();
        self.seal(place, &text, &mut SysRng).map(|sealed| STANDARD_NO_PAD.encode(sealed)).unwrap_or_default()
    }

    /// What [`Sealer::seal_words`] made for `place`, if it was made there.
    pub fn open_words<T: DeserializeOwned>(&self, place: Place<'_>, sealed: &str) -> Option<T> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        serde_json::from_slice(&self.open(place, &sealed).ok()?).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;

    use super::*;

    const PLACE: Place<'static> = Place { table: "apps", app_id: 7, record_id: "app_sign" };

    #[test]
    fn opens_in_its_place_only() {
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let sealed = sealer.seal(PLACE, b"secret", &mut SysRng).unwrap();
        assert_eq!(&**sealer.open(PLACE, &sealed).unwrap(), b"secret");
        for elsewhere in [
            Place { table: "app", ..PLACE },
            Place { app_id: 8, ..PLACE },
            Place { record_id: "app_sign2", ..PLACE },
            Place { table: "appsa", record_id: "pp_sign", ..PLACE },
        ] {
            assert_eq!(sealer.open(elsewhere, &sealed), Err(SealError::DoesNotOpen));
        }
        let other = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        assert_eq!(other.open(PLACE, &sealed), Err(SealError::DoesNotOpen));
    }

    #[test]
    fn any_changed_or_missing_byte_is_refused() {
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let sealed = sealer.seal(PLACE, b"secret", &mut SysRng).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(sealer.open(PLACE, &changed), Err(SealError::DoesNotOpen));
            assert_eq!(sealer.open(PLACE, &sealed[..index]), Err(SealError::DoesNotOpen));
        }
    }

    #[test]
    fn a_master_key_is_64_random_hexadecimal_characters() {
        let key = MasterKey::generate(&mut SysRng).unwrap();
        let text = key.expose();
        assert_eq!(*MasterKey::parse(&format!(" {}\n", *text)).unwrap().0, *key.0);
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
        for (bad, fault) in [
            ("", MasterKeyFault::Shape),
            (&text[1..], MasterKeyFault::Shape),
            (&"g".repeat(64), MasterKeyFault::Shape),
            (&"é".repeat(32), MasterKeyFault::Shape),
            (&"0".repeat(64), MasterKeyFault::Predictable),
            (&"0123456789abcdef".repeat(4), MasterKeyFault::Predictable),
        ] {
            assert_eq!(MasterKey::parse(bad).map(|_| ()), Err(fault));
        }
    }
}
