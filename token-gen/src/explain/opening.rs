//! Opening a token for diagnosis: with every secret at hand, whatever formats are accepted.

use alloc::{format, string::String, vec::Vec};

use super::verdict::{KnownSecret, Rules};
use crate::{
    cipher::SealingKey,
    envelope::{CBC_IV_LEN, Cipher, Envelope, Format, GCM_NONCE_LEN, TAG_LEN},
    finding::Finding,
    time::UnixSeconds,
    unverified::version_unverified,
};

/// What came of it.
pub(crate) enum Opening<'a> {
    /// Its form is broken: there is nothing to open.
    Unreadable,
    /// No secret opens it.
    Sealed(Format),
    /// One does.
    Opened(Opened<'a>),
}

/// The inside of a token.
pub(crate) struct Opened<'a> {
    pub(crate) plaintext: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) outer_expire_at: UnixSeconds,
    /// The generator left the CBC padding away, so no reader of the format can take it.
    pub(crate) is_unpadded: bool,
    known: &'a KnownSecret<'a>,
}

/// Tries every secret, the accepted ones first.
pub(crate) fn open<'a>(token: &str, secrets: &'a [KnownSecret<'a>]) -> Opening<'a> {
    let parse = || version_unverified(token).and_then(|version| Envelope::parse(version, token)).ok();
    let Some(format) = parse().map(|envelope| envelope.format) else { return Opening::Unreadable };
    let (accepted, others): (Vec<_>, Vec<_>) = secrets.iter().partition(|known| known.accepted);
    for known in accepted.into_iter().chain(others) {
        let Some(mut envelope) = parse() else { return Opening::Unreadable };
        if let Some((len, is_unpadded)) = open_with(known, &mut envelope) {
            return Opening::Opened(Opened {
                plaintext: envelope.opened(len).to_vec(),
                format,
                outer_expire_at: envelope.outer_expire_at,
                is_unpadded,
                known,
            });
        }
    }
    Opening::Sealed(format)
}

/// Opens in place; returns the length of the plaintext, and whether its padding is absent.
fn open_with(known: &KnownSecret<'_>, envelope: &mut Envelope) -> Option<(usize, bool)> {
    let key = SealingKey::new(known.secret);
    let format = envelope.format;
    let (iv, ciphertext) = envelope.parts_mut();
    match format.cipher() {
        Cipher::Gcm => {
            let nonce = iv.first_chunk::<GCM_NONCE_LEN>()?;
            let (content, tag) = ciphertext.split_last_chunk_mut::<TAG_LEN>()?;
            key.open_gcm(nonce, content, tag)?;
            Some((content.len(), false))
        }
        Cipher::Cbc => {
            let iv = iv.first_chunk::<CBC_IV_LEN>()?;
            let (len, sound) = key.open_cbc(iv, ciphertext);
            if bool::from(sound) {
                // One wrong key in 256 leaves sound padding; text tells the right one.
                return (len == 0 || core::str::from_utf8(&ciphertext[..len]).is_ok()).then_some((len, false));
            }
            serde_json::from_slice::<serde::de::IgnoredAny>(ciphertext).is_ok().then_some((len, true))
        }
    }
}

/// It was sealed with a secret that is known but not accepted.
pub(crate) fn other_secret(opened: &Opened<'_>, rules: &Rules<'_>) -> Option<Finding> {
    let known = opened.known;
    (!known.accepted).then(|| {
        Finding::new(
            "sealed_with_other_secret",
            format!("It was sealed with the secret {:?}, which is not accepted for app {}.", known.name, rules.app_id),
            "Give the minting side the current secret of this app.",
        )
    })
}

/// None of the secrets opens it.
pub(crate) fn wrong_key(format: Format, rules: &Rules<'_>) -> Finding {
    let mut remedy = format!(
        "Compare the server secret of the minting side with that of app {} (by its first and last characters). It is the \
         32-character server secret; the 64-character AppSign is something else.",
        rules.app_id
    );
    if rules.secrets.iter().any(|known| known.secret.is_hex_only()) {
        remedy.push_str(
            " It looks like hexadecimal but is used as its 32 characters: the minting side must not hex-decode it to 16 bytes.",
        );
    }
    let mut problem = String::from(match rules.secrets {
        [_] => "It does not open with the secret given: it was sealed with another one",
        _ => "It does not open with any of the secrets given: it was sealed with another one",
    });
    problem.push_str(match format.cipher() {
        Cipher::Gcm => ", or its sealed part was changed afterwards.",
        Cipher::Cbc => ", or it was changed, or its generator padded it wrongly.",
    });
    Finding::new("undecryptable", problem, remedy)
}
