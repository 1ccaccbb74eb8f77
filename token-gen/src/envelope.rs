//! The outer form of a token: version, base64, length-prefixed fields. No secret, no claims.

use alloc::{string::String, vec, vec::Vec};
use core::fmt;

use base64::Engine;

use crate::{base64::STANDARD, error::TokenError, time::UnixSeconds};

/// The bytes of IV that AES-CBC needs.
pub(crate) const CBC_IV_LEN: usize = 16;
/// The bytes of nonce that AES-GCM needs.
pub(crate) const GCM_NONCE_LEN: usize = 12;
/// The bytes of a GCM tag.
pub(crate) const TAG_LEN: usize = 16;
/// The most that a `u16` length lets a ciphertext be.
pub(crate) const MAX_CIPHERTEXT_LEN: usize = u16::MAX as usize;
/// The bytes before the IV: expiry and the IV's length.
pub(crate) const HEAD_LEN: usize = 10;
/// The mode byte that says GCM. CBC has none.
const MODE_GCM: u8 = 1;

/// The two characters a token begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `03`: room and privileges inside the claims, AES-CBC only.
    Token03,
    /// `04`: room and privileges inside the payload.
    Token04,
}

impl Version {
    /// The tag itself, `03` or `04`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Token03 => "03",
            Self::Token04 => "04",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token{}", self.tag())
    }
}

/// How the claims are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-256-GCM: sealed and authenticated.
    Gcm,
    /// AES-256-CBC: sealed but **not** authenticated. For old tokens only.
    Cbc,
}

impl Cipher {
    /// The short name, `gcm` or `cbc`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gcm => "gcm",
            Self::Cbc => "cbc",
        }
    }

    /// The bytes of its IV or nonce: nothing else is written or taken.
    pub(crate) const fn iv_len(self) -> usize {
        match self {
            Self::Gcm => GCM_NONCE_LEN,
            Self::Cbc => CBC_IV_LEN,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcm => "AES-256-GCM",
            Self::Cbc => "AES-256-CBC",
        })
    }
}

/// The three forms of a token: version and cipher together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// token04 with AES-256-GCM: the one to use.
    #[default]
    Token04Gcm,
    /// token04 with AES-256-CBC: for readers that know nothing newer.
    Token04Cbc,
    /// token03, always AES-256-CBC: older still.
    Token03,
}

impl Format {
    /// Its version.
    pub const fn version(self) -> Version {
        match self {
            Self::Token04Gcm | Self::Token04Cbc => Version::Token04,
            Self::Token03 => Version::Token03,
        }
    }

    /// Its cipher.
    pub const fn cipher(self) -> Cipher {
        match self {
            Self::Token04Gcm => Cipher::Gcm,
            Self::Token04Cbc | Self::Token03 => Cipher::Cbc,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version(), self.cipher())
    }
}

/// A token taken apart: sound in form, nothing proven.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) format: Format,
    /// The expiry in clear. Anybody can edit it.
    pub(crate) outer_expire_at: UnixSeconds,
    body: Vec<u8>,
    iv_end: usize,
    ciphertext_end: usize,
}

impl Envelope {
    /// Takes `text`, already known to begin with the tag of `version`, apart.
    ///
    /// # Errors
    /// What is wrong with its form. The caller has bounded its length.
    pub(crate) fn parse(version: Version, text: &str) -> Result<Self, TokenError> {
        let encoded = text.get(version.tag().len()..).ok_or(TokenError::Base64)?;
        // This engine wants exact padding and zero spare bits: what it takes, it encodes to the same text.
        let body = STANDARD.decode(encoded).map_err(|_| TokenError::Base64)?;

        let mut reader = Reader { body: &body, at: 0 };
        let outer_expire_at = UnixSeconds::new(i64::from_be_bytes(reader.array("expiry")?));
        let iv_len = usize::from(u16::from_be_bytes(reader.array("IV length")?));
        reader.skip(iv_len, "IV")?;
        let iv_end = reader.at;
        let ciphertext_len = usize::from(u16::from_be_bytes(reader.array("ciphertext length")?));
        reader.skip(ciphertext_len, "ciphertext")?;
        let ciphertext_end = reader.at;

        let format = match (&body[ciphertext_end..], version) {
            ([], Version::Token03) => Format::Token03,
            ([], Version::Token04) => Format::Token04Cbc,
            (&[MODE_GCM], Version::Token04) => Format::Token04Gcm,
            (&[mode], _) => return Err(TokenError::ModeByte(mode)),
            (rest, _) => return Err(TokenError::TrailingBytes(rest.len())),
        };
        let possible = match format.cipher() {
            Cipher::Gcm => ciphertext_len > TAG_LEN,
            Cipher::Cbc => ciphertext_len > 0 && ciphertext_len.is_multiple_of(CBC_IV_LEN),
        };
        if iv_len != format.cipher().iv_len() {
            return Err(TokenError::IvLength { found: iv_len });
        }
        if !possible {
            return Err(TokenError::CiphertextLength { found: ciphertext_len });
        }
        Ok(Self { format, outer_expire_at, body, iv_end, ciphertext_end })
    }

    /// The IV or nonce, and the ciphertext to be opened in place.
    pub(crate) fn parts_mut(&mut self) -> (&[u8], &mut [u8]) {
        let (head, rest) = self.body.split_at_mut(self.iv_end);
        (&head[HEAD_LEN..], &mut rest[2..self.ciphertext_end - self.iv_end])
    }

    /// The first `len` bytes of what was the ciphertext.
    pub(crate) fn opened(&self, len: usize) -> &[u8] {
        &self.body[self.iv_end + 2..][..len]
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], TokenError> {
        let bytes = self.body[self.at..].first_chunk::<N>().ok_or(TokenError::Truncated { field })?;
        self.at += N;
        Ok(*bytes)
    }

    fn skip(&mut self, len: usize, field: &'static str) -> Result<(), TokenError> {
        if self.body.len() - self.at < len {
            return Err(TokenError::Truncated { field });
        }
        self.at += len;
        Ok(())
    }
}

/// Writes a token's body in one buffer: head first, then the plaintext, which is sealed where it lies.
pub(crate) struct Writer {
    format: Format,
    body: Vec<u8>,
    ciphertext_at: usize,
}

impl Writer {
    /// Begins a body with the IV or nonce, and makes room for about `plaintext_len` bytes.
    pub(crate) fn new(format: Format, expire_at: UnixSeconds, iv: &[u8], plaintext_len: usize) -> Self {
        let mut body = Vec::with_capacity(HEAD_LEN + iv.len() + 2 + plaintext_len + TAG_LEN + 1);
        body.extend_from_slice(&expire_at.get().to_be_bytes());
        body.extend_from_slice(&(iv.len() as u16).to_be_bytes());
        body.extend_from_slice(iv);
        body.extend_from_slice(&[0; 2]);
        let ciphertext_at = body.len();
        Self { format, body, ciphertext_at }
    }

    /// Where the plaintext is to be appended.
    pub(crate) fn plaintext(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    /// What has been appended so far, to be sealed in place.
    pub(crate) fn content_mut(&mut self) -> &mut [u8] {
        &mut self.body[self.ciphertext_at..]
    }

    /// Lengthens the content: a tag, or padding before sealing.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    /// Fills in the length, adds the mode byte, and encodes.
    ///
    /// # Errors
    /// `None` when the ciphertext does not fit its 16-bit length.
    pub(crate) fn finish(mut self) -> Option<String> {
        let len = u16::try_from(self.body.len() - self.ciphertext_at).ok()?;
        self.body[self.ciphertext_at - 2..self.ciphertext_at].copy_from_slice(&len.to_be_bytes());
        if self.format.cipher() == Cipher::Gcm {
            self.body.push(MODE_GCM);
        }
        let tag = self.format.version().tag();
        let mut text = vec![0; tag.len() + self.body.len().div_ceil(3) * 4];
        let (head, encoded) = text.split_at_mut(tag.len());
        head.copy_from_slice(tag.as_bytes());
        STANDARD.encode_slice(&self.body, encoded).ok()?;
        String::from_utf8(text).ok()
    }
}
