//! `--accept`: which formats are taken.

use std::str::FromStr;

use token_gen::{Accept, Format};

/// The formats taken, and whether Kit Tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AcceptList {
    pub(super) formats: Accept,
    pub(super) kit: bool,
}

impl FromStr for AcceptList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut list = Self { formats: Accept::NONE, kit: false };
        for name in text.split(',').map(str::trim) {
            match name {
                "gcm" => list.formats = list.formats.with(Format::Token04Gcm),
                "cbc" => list.formats = list.formats.with(Format::Token04Cbc),
                "03" | "token03" => list.formats = list.formats.with(Format::Token03),
                "kit" => list.kit = true,
                name => return Err(format!("{name:?} is none of gcm, cbc, 03, kit")),
            }
        }
        if list.formats == Accept::NONE {
            // `kit` alone: a Kit Token around the default format.
            list.formats = Accept::GCM;
        }
        Ok(list)
    }
}
