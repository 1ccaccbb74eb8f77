//! The only file that names a crypto crate for sealing. Knows nothing of tokens.

use alloc::sync::Arc;

use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, array::Array},
};
use aes_gcm::{Aes256Gcm, aead::AeadInOut};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};

use crate::{envelope::TAG_LEN, secret::ServerSecret};

/// The bytes of an AES block.
pub(crate) const BLOCK_LEN: usize = 16;

/// A server secret with its key schedules done, for both ciphers.
///
/// A key schedule begins with the key itself, and whatever is moved leaves a copy behind that nobody zeroes. So it is
/// made in one place, stays there, and is shared rather than copied.
#[derive(Clone)]
pub(crate) struct SealingKey(Arc<Schedules>);

/// Zeroed when dropped, as both ciphers are.
struct Schedules {
    gcm: Aes256Gcm,
    block: Aes256,
}

impl SealingKey {
    pub(crate) fn new(secret: &ServerSecret) -> Self {
        Self::from_bytes(secret.key())
    }

    fn from_bytes(key: &[u8; 32]) -> Self {
        let key = Self(schedules(key));
        overwrite_stack();
        key
    }

    /// Seals `buffer` in place and returns the tag; `None` only beyond GCM's own limit of 64 GiB.
    pub(crate) fn seal_gcm(&self, nonce: &[u8; 12], buffer: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        self.0.gcm.encrypt_inout_detached(nonce.into(), &[], buffer.into()).ok().map(Into::into)
    }

    /// Opens `buffer` in place; `None`, leaving nothing readable, when the tag is wrong.
    pub(crate) fn open_gcm(&self, nonce: &[u8; 12], buffer: &mut [u8], tag: &[u8; TAG_LEN]) -> Option<()> {
        self.0.gcm.decrypt_inout_detached(nonce.into(), &[], buffer.into(), tag.into()).ok()
    }

    /// Seals `buffer`, already padded to whole blocks, in place.
    pub(crate) fn seal_cbc(&self, iv: &[u8; 16], buffer: &mut [u8]) {
        let mut mode = cbc::Encryptor::inner_iv_init(self.0.block.clone(), iv.into());
        let (blocks, _) = Array::slice_as_chunks_mut(buffer);
        mode.encrypt_blocks(blocks);
    }

    /// Opens whole blocks in place. Returns the length without padding, and whether the padding was sound.
    ///
    /// Unsound padding gives the whole length, and all sixteen bytes are looked at either way, so that the
    /// caller can go on with the same work in both cases.
    pub(crate) fn open_cbc(&self, iv: &[u8; 16], buffer: &mut [u8]) -> (usize, Choice) {
        let mut mode = cbc::Decryptor::inner_iv_init(self.0.block.clone(), iv.into());
        let (blocks, _) = Array::slice_as_chunks_mut(buffer);
        mode.decrypt_blocks(blocks);
        unpad(buffer)
    }
}

/// In a frame of its own, so that what it leaves on the stack lies below its caller.
#[inline(never)]
fn schedules(key: &[u8; 32]) -> Arc<Schedules> {
    let block = Aes256::new(key.into());
    Arc::new(Schedules { gcm: Aes256Gcm::from(block.clone()), block })
}

/// Overwrites what the calls before have left on the stack.
#[inline(never)]
fn overwrite_stack() {
    core::hint::black_box(&mut [0u8; 16 * 1024]);
}

/// PKCS#7 padding for `len` bytes: 1 … 16 bytes, each holding their number.
pub(crate) fn padding(len: usize) -> &'static [u8] {
    const ROWS: [[u8; BLOCK_LEN]; BLOCK_LEN] = {
        let mut rows = [[0; BLOCK_LEN]; BLOCK_LEN];
        let mut count = 0;
        while count < BLOCK_LEN {
            rows[count] = [count as u8 + 1; BLOCK_LEN];
            count += 1;
        }
        rows
    };
    let count = BLOCK_LEN - len % BLOCK_LEN;
    &ROWS[count - 1][..count]
}

fn unpad(buffer: &[u8]) -> (usize, Choice) {
    let Some(last) = buffer.last_chunk::<BLOCK_LEN>() else {
        return (buffer.len(), Choice::from(0));
    };
    let count = last[BLOCK_LEN - 1];
    let mut sound = !count.ct_eq(&0) & count.ct_lt(&(BLOCK_LEN as u8 + 1));
    for (from_end, byte) in (1u8..).zip(last.iter().rev()) {
        let is_padding = from_end.ct_lt(&count.wrapping_add(1));
        sound &= !is_padding | byte.ct_eq(&count);
    }
    let removed = u8::conditional_select(&0, &count, sound);
    (buffer.len() - usize::from(removed), sound)
}

#[cfg(test)]
mod tests;
