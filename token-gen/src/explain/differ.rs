//! How two ids that should be equal differ, as people mistype and systems rewrite them.

use alloc::{format, string::String};

use unicode_normalization::UnicodeNormalization;

/// The way in which two different texts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// White space around one of them.
    WhiteSpace,
    /// Capital and small letters.
    Case,
    /// The same characters to the eye, in other code points.
    Normalisation,
    /// They are simply not the same.
    Other,
}

impl Difference {
    /// How `sealed` differs from `attempted`; they do.
    pub(crate) fn between(sealed: &str, attempted: &str) -> Self {
        let normal = |text: &str| text.nfkc().collect::<String>();
        let (normal_sealed, normal_attempted) = (normal(sealed), normal(attempted));
        if sealed.trim() == attempted.trim() {
            Self::WhiteSpace
        } else if sealed.to_lowercase() == attempted.to_lowercase() {
            Self::Case
        } else if normal_sealed.to_lowercase().trim() == normal_attempted.to_lowercase().trim() {
            Self::Normalisation
        } else {
            Self::Other
        }
    }
}

impl Difference {
    /// `text` in quotes, so that this difference can be seen.
    pub(crate) fn show(self, text: &str) -> String {
        match self {
            Self::Normalisation => code_points(text),
            _ => format!("{text:?}"),
        }
    }
}

/// Text in quotes with everything but plain ASCII as code points, so that look-alikes look different.
fn code_points(text: &str) -> String {
    let mut shown = String::from("\"");
    for c in text.chars() {
        match c {
            ' '..='~' => shown.push(c),
            c => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_apart() {
        for (sealed, attempted, expected) in [
            ("alice", "alice ", Difference::WhiteSpace),
            ("alice", "Alice", Difference::Case),
            ("jos\u{e9}", "jose\u{301}", Difference::Normalisation),
            ("\u{ff41}lice", "alice", Difference::Normalisation),
            ("alice", "bob", Difference::Other),
        ] {
            assert_eq!(Difference::between(sealed, attempted), expected, "{sealed:?} {attempted:?}");
        }
        assert_eq!(code_points("jos\u{e9}"), "\"jos<U+00E9>\"");
    }
}
