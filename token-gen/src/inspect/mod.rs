//! All that a token shows without the secret, also a broken one, as far as it goes. Knows no secret and no clock.

mod layout;
mod text;

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    envelope::{Envelope, Format, Version},
    error::TokenError,
    finding::Finding,
    kit::{KitInfo, KitToken},
    time::UnixSeconds,
    token_id::TokenId,
    verify::Limits,
};

/// The longest text that is looked at: the longest token of the format, `#`, and an info part.
const MAX_TEXT_BYTES: usize = Limits::FORMAT.max_token_bytes + 1 + 16_384;

/// What a token's text shows by itself. Nothing in it is proven, and anybody could have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The id of the text as it was given.
    pub token_id: TokenId,
    /// The version its first two characters claim.
    pub version: Option<Version>,
    /// The format its layout shows; for a broken token, the likeliest one.
    pub format: Option<Format>,
    /// The expiry in clear. Anybody can edit it.
    pub expire_at: Option<UnixSeconds>,
    /// The fields of the body in their order, up to where it breaks off.
    pub fields: Vec<Field>,
    /// The readable half of a Kit Token.
    pub kit: Option<KitInfo>,
    /// What is wrong with the form; empty exactly when the strict reader takes it.
    pub findings: Vec<Finding>,
    /// The token (without a Kit Token's info part) with what is wrong with its text put right, where it can be.
    pub(crate) repaired_token: String,
    /// The encoded info part, put right likewise.
    pub(crate) repaired_info: Option<String>,
}

/// One field of a token's body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its stable name: `expire`, `iv_len`, `iv`, `ct_len`, `ciphertext`, `tag`, `mode` or `trailing`.
    pub name: &'static str,
    /// Where it lies in the body.
    pub range: Range<usize>,
    /// Its bytes; fewer than the field should have when the body breaks off inside it.
    pub bytes: Vec<u8>,
    /// What it says.
    pub meaning: String,
}

impl Inspection {
    /// Whether the text had to be put right before it could be read.
    pub(crate) fn is_repaired(&self, original: &str) -> bool {
        !self.repaired_token.is_empty() && self.repaired() != original
    }

    /// The whole text, put right.
    pub(crate) fn repaired(&self) -> String {
        match &self.repaired_info {
            None => self.repaired_token.clone(),
            Some(info) => format!("{}#{info}", self.repaired_token),
        }
    }
}

/// Reads all that `text` shows without the secret. Never fails: what is broken is read as far as it goes.
///
/// ```
/// let inspection = token_gen::inspect("04AAAAAGsETAAADEcIZ4GpUR9i");
/// assert_eq!(inspection.expire_at.map(|expire_at| expire_at.get()), Some(1_795_443_712));
/// assert_eq!(inspection.findings[0].code, "truncated");
/// ```
pub fn inspect(text: &str) -> Inspection {
    let mut inspection = Inspection {
        token_id: TokenId::of(text),
        version: None,
        format: None,
        expire_at: None,
        fields: Vec::new(),
        kit: None,
        findings: Vec::new(),
        repaired_token: String::new(),
        repaired_info: None,
    };
    if text.len() > MAX_TEXT_BYTES {
        inspection.findings.push(Finding::of_error(&TokenError::TooLong { max_bytes: MAX_TEXT_BYTES }));
        return inspection;
    }
    let repaired = text::repair(text, &mut inspection.findings);
    let (token, info) = match repaired.split_once('#') {
        Some((token, info)) => (token, Some(info)),
        None => (&*repaired, None),
    };
    inspection.repaired_token = token.to_owned();
    inspection.version = text::version(token, &mut inspection.findings);
    if let Some(version) = inspection.version {
        read_body(version, &mut inspection);
    }
    if let Some(info) = info {
        read_info(info, &mut inspection);
    }
    inspection
}

fn read_body(version: Version, inspection: &mut Inspection) {
    let token = inspection.repaired_token.clone();
    let (body, foreign) = text::decode_leniently(&token[version.tag().len()..]);
    let layout = layout::read(version, &body);
    inspection.format = layout.format;
    inspection.expire_at = body.first_chunk().map(|expiry| UnixSeconds::new(i64::from_be_bytes(*expiry)));
    inspection.fields = layout.fields;

    let finding = if let Some((at, character)) = foreign {
        Some(Finding::new(
            "base64",
            format!("Character {} of the token is {character:?}, which is not base64.", version.tag().len() + at + 1),
            "Copy the token again from where it was minted; nothing may be added to it or replaced in it.",
        ))
    } else if let Some(cut) = layout.cut {
        Some(text::truncated(&token, cut))
    } else {
        // All bytes are there, so writing them anew gives the one text this body has.
        let canonical = format!("{}{}", version.tag(), STANDARD.encode(&body));
        let finding = text::not_canonical(&token, &canonical);
        inspection.repaired_token = canonical;
        finding
    };
    inspection.findings.extend(finding);
    if let Err(error) = Envelope::parse(version, &inspection.repaired_token)
        && inspection.findings.is_empty()
    {
        inspection.findings.push(Finding::of_error(&error));
    }
}

fn read_info(info: &str, inspection: &mut Inspection) {
    if info.is_empty() || info.contains('#') || inspection.repaired_token.is_empty() {
        inspection.findings.push(Finding::of_error(&TokenError::KitSeparator));
    } else {
        match KitToken::read_info(info) {
            Ok(kit) => inspection.kit = Some(kit),
            Err(error) => inspection.findings.push(Finding::of_error(&error)),
        }
    }
    inspection.repaired_info = Some(info.to_owned());
}

#[cfg(test)]
mod tests;
