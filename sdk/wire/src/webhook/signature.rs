//! The signature header: written by the sender, read by receivers.

use std::{error::Error, fmt, str::FromStr};

use crate::signed::{Hex, parse_hex};

/// More than a sender ever writes: one for each key that is valid at a time.
const MAX_SIGNATURES: usize = 8;

/// What the header [`SIGNATURE_HEADER`](super::SIGNATURE_HEADER) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// When it was signed, in Unix seconds.
    pub timestamp: i64,
    /// One for each key that is valid: any of them will do.
    pub v1: Vec<[u8; 32]>,
}

/// What is signed before the body's bytes.
pub fn signed_prefix(timestamp: i64) -> String {
    format!("{timestamp}.")
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={}", self.timestamp)?;
        self.v1.iter().try_for_each(|signature| write!(f, ",v1={}", Hex(signature)))
    }
}

/// A header of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureFault;

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must read `t=<Unix seconds>,v1=<64 hexadecimal digits>`")
    }
}

impl Error for SignatureFault {}

impl FromStr for Signatures {
    type Err = SignatureFault;

    /// Reads what [`fmt::Display`] writes, and passes over signatures of versions it does not know.
    fn from_str(text: &str) -> Result<Self, SignatureFault> {
        let mut parts = text.split(',');
        let digits = parts.next().and_then(|first| first.strip_prefix("t=")).ok_or(SignatureFault)?;
        let timestamp: i64 = digits.parse().map_err(|_| SignatureFault)?;
        if timestamp.to_string() != digits {
            return Err(SignatureFault);
        }
        let mut v1 = Vec::new();
        for part in parts {
            let (version, value) = part.split_once('=').ok_or(SignatureFault)?;
            if version == "v1" {
                v1.push(parse_hex(value, false).ok_or(SignatureFault)?);
            }
        }
        if v1.is_empty() || v1.len() > MAX_SIGNATURES {
            return Err(SignatureFault);
        }
        Ok(Self { timestamp, v1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let header = Signatures { timestamp: 1_800_000_000, v1: vec![[0xab; 32], [0; 32]] };
        let text = header.to_string();
        assert!(text.starts_with("t=1800000000,v1=abab"), "{text}");
        assert_eq!(text.parse(), Ok(header.clone()));
        let (one, many) =
            (text.rsplit_once(',').unwrap().0, format!("t=1{}", &text[text.find(',').unwrap()..].repeat(5)));
        assert_eq!(format!("{one},v2=x").parse::<Signatures>().unwrap().v1, [[0xab; 32]]);
        for bad in [
            "",
            "t=1800000000",
            &one.replace("t=", "t=+"),
            &one.replace("t=", "t=0"),
            &one.replace("t=1", " t=1"),
            &one.to_uppercase(),
            &one.replace("v1=ab", "v1=AB"),
            &one[..one.len() - 1],
            &format!("{one}0"),
            &format!("{one},"),
            &many,
            &one.replace("t=1800000000,", ""),
        ] {
            assert_eq!(bad.parse::<Signatures>(), Err(SignatureFault), "{bad}");
        }
    }
}
