//! The name of an entry in a list of targets: a fingerprint of what it targets, so that the same target has the
//! same name on every node and listing it twice is listing it once.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Names a revocation or a ban: 128 bits, written as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    /// The name of whatever `kind` and `parts` target. Parts are told apart by their lengths.
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in [kind].iter().chain(parts) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self(digest.first_chunk().map_or([0; 16], |id| *id))
    }

    /// Reads the 22 characters back. `None` for anything that no id is written as.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let ids = [
            EntryId::of("user", &["ab"]),
            EntryId::of("user", &["a", "b"]),
            EntryId::of("user", &["", "ab"]),
            EntryId::of("use", &["rab"]),
            EntryId::of("room", &["ab"]),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
            assert_eq!(EntryId::parse(&id.to_string()), Some(*id));
        }
        assert_eq!(EntryId::of("user", &["ab"]), ids[0]);
    }

    #[test]
    fn only_what_is_written_is_read() {
        let id = EntryId::of("user", &["a"]).to_string();
        for bad in
            ["", &id[1..], &format!("{id}A"), &format!("{id}=="), "../../etc/passwd_12345", "++++++++++++++++++++++"]
        {
            assert_eq!(EntryId::parse(bad), None, "{bad}");
        }
    }
}
