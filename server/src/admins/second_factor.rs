//! The second factor: codes of an authenticator app (RFC 6238).

use rand::{TryRng, rngs::SysRng};
use token_gen::UnixSeconds;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::error::Error;

pub(super) const SECRET_LEN: usize = 20;
const STEP_SECS: u64 = 30;

/// The secret that an authenticator app and we share.
#[derive(Clone)]
pub(super) struct SecondFactor(Zeroizing<[u8; SECRET_LEN]>);

impl SecondFactor {
    pub(super) fn generate() -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        SysRng.try_fill_bytes(&mut *secret).map_err(|_| Error::Randomness)?;
        Ok(Self(secret))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    /// The secret as people type it.
    pub(super) fn base32(&self) -> String {
        Secret::from(*self.0).to_base32()
    }

    /// The secret as authenticator apps scan it. `name` is one that admins can have: it needs no encoding but for
    /// the at sign.
    pub(super) fn uri(&self, name: &str) -> String {
        format!("otpauth://totp/Roompass:{}?secret={}&issuer=Roompass", name.replace('@', "%40"), self.base32())
    }

    /// The step that `code` is of, if it is of this one or a neighbour.
    pub(super) fn step_of(&self, code: &str, now: UnixSeconds) -> Option<i64> {
        let step = self.totp().check(code, u64::try_from(now.get()).ok()?)?;
        i64::try_from(step).ok()
    }

    fn totp(&self) -> Totp {
        // SHA-1 is what every authenticator app can do; within HMAC it is not broken.
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(1);
        builder.with_step_duration(STEP_SECS).with_secret(*self.0).build_noncompliant()
    }

    /// The code that an authenticator app shows at `now`.
    #[cfg(test)]
    pub(super) fn code(&self, now: i64) -> String {
        self.totp().generate(now.unsigned_abs()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let factor = SecondFactor::from_bytes(b"12345678901234567890").unwrap();
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(factor.code(now), code);
            assert_eq!(factor.step_of(code, UnixSeconds::new(now)), Some(now / 30));
        }
        assert_eq!(factor.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_good_for_its_step_and_the_neighbours() {
        let factor = SecondFactor::generate().unwrap();
        let code = factor.code(3_000);
        let step_at = |now| factor.step_of(&code, UnixSeconds::new(now));
        assert_eq!([step_at(2_970), step_at(3_000), step_at(3_059)], [Some(100); 3]);
        assert_eq!([step_at(2_969), step_at(3_060), step_at(-1)], [None; 3]);
        for bad in ["", "1", &code[1..], &format!("{code}0"), &format!("+{}", &code[1..]), "abcdef"] {
            assert_eq!(factor.step_of(bad, UnixSeconds::new(3_000)), None);
        }
    }
}
