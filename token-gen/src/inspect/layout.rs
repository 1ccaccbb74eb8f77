//! The fields of a token's body, read one by one until they end or break off.

use alloc::{format, string::String, vec::Vec};

use super::Field;
use crate::{
    envelope::{CBC_IV_LEN, Format, GCM_NONCE_LEN, TAG_LEN, Version},
    human::Instant,
    time::UnixSeconds,
};

/// A body taken apart.
pub(crate) struct Layout {
    pub(crate) fields: Vec<Field>,
    pub(crate) format: Option<Format>,
    pub(crate) cut: Option<Cut>,
}

/// Where a body breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The field it breaks off in, or before.
    pub(crate) field: &'static str,
    /// The bytes the whole body should have, once its lengths have been read.
    pub(crate) whole_len: Option<usize>,
}

/// Reads `body` as far as it goes.
pub(crate) fn read(version: Version, body: &[u8]) -> Layout {
    let mut walk = Walk { body, at: 0, fields: Vec::new() };
    let mut format = None;
    let cut = walk.all(version, &mut format).err();
    Layout { fields: walk.fields, format, cut }
}

struct Walk<'a> {
    body: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl<'a> Walk<'a> {
    fn all(&mut self, version: Version, format: &mut Option<Format>) -> Result<(), Cut> {
        let expiry = self.array::<8>("expire")?;
        self.push("expire", 8, |_| {
            format!("expiry in clear: {}", Instant(UnixSeconds::new(i64::from_be_bytes(expiry))))
        });
        let iv_len = usize::from(u16::from_be_bytes(self.array("iv_len")?));
        let guess = match (iv_len, version) {
            (GCM_NONCE_LEN, Version::Token04) => Some(Format::Token04Gcm),
            (CBC_IV_LEN, Version::Token04) => Some(Format::Token04Cbc),
            (CBC_IV_LEN, Version::Token03) => Some(Format::Token03),
            _ => None,
        };
        let iv_meaning = match guess {
            Some(format) => format!("{iv_len}, as {} needs", format.cipher()),
            None => format!("{iv_len}, which is impossible: GCM needs 12, CBC 16"),
        };
        *format = guess;
        self.push("iv_len", 2, |_| format!("length of the IV: {iv_meaning}"));
        self.need("iv", iv_len, None)?;
        self.push("iv", iv_len, iv_text);
        let ciphertext_len = usize::from(u16::from_be_bytes(self.array("ct_len")?));
        self.push("ct_len", 2, |_| format!("length of ciphertext{}: {ciphertext_len}", tag_words(guess)));

        let has_mode = guess == Some(Format::Token04Gcm);
        let whole_len = self.at + ciphertext_len + usize::from(has_mode);
        self.need("ciphertext", ciphertext_len, Some(whole_len))?;
        match ciphertext_len.checked_sub(TAG_LEN) {
            Some(content_len) if has_mode => {
                self.push("ciphertext", content_len, |_| format!("{content_len} bytes of claims, sealed"));
                self.push("tag", TAG_LEN, |_| "authentication tag".into());
            }
            _ => self.push("ciphertext", ciphertext_len, |_| format!("{ciphertext_len} bytes, padded claims, sealed")),
        }
        match &self.body[self.at..] {
            [] if has_mode => return Err(Cut { field: "mode", whole_len: Some(whole_len) }),
            [] => {}
            &[mode] => {
                let meaning = match (mode, version) {
                    (1, Version::Token04) => "mode 1: GCM".into(),
                    (1, Version::Token03) => "mode 1: impossible in a token03".into(),
                    (mode, _) => format!("mode {mode}: unknown"),
                };
                self.push("mode", 1, |_| meaning);
            }
            rest => {
                let len = rest.len();
                self.push("trailing", len, |_| format!("{len} bytes that belong to no field"));
            }
        }
        Ok(())
    }

    /// The next `N` bytes, left in place.
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Cut> {
        self.need(field, N, None)?;
        self.body[self.at..].first_chunk().copied().ok_or(Cut { field, whole_len: None })
    }

    /// Checks that `len` bytes follow; if not, notes those that do and where it broke off.
    fn need(&mut self, field: &'static str, len: usize, whole_len: Option<usize>) -> Result<(), Cut> {
        let left = self.body.len() - self.at;
        if left >= len {
            return Ok(());
        }
        if left > 0 {
            self.push(field, left, |_| format!("breaks off here: {left} of {len} bytes"));
        }
        Err(Cut { field, whole_len })
    }

    fn push(&mut self, name: &'static str, len: usize, meaning: impl FnOnce(&[u8]) -> String) {
        let range = self.at..self.at + len;
        let bytes = &self.body[range.clone()];
        self.fields.push(Field { name, meaning: meaning(bytes), bytes: bytes.to_vec(), range });
        self.at += len;
    }
}

fn tag_words(guess: Option<Format>) -> &'static str {
    if guess == Some(Format::Token04Gcm) { " and tag" } else { "" }
}

/// An IV of letters and digits comes from a generator that draws it from an alphabet: worth seeing.
fn iv_text(iv: &[u8]) -> String {
    match core::str::from_utf8(iv) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            format!("IV, drawn from text: {text:?}")
        }
        _ => "IV".into(),
    }
}
