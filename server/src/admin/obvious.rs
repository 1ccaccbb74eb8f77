//! Secrets that anybody would try first. One made here is random; one that comes from elsewhere may be a placeholder.

/// Printed in public: the vendor's samples and documents carry the first one, the second is the digest of nothing.
const PUBLISHED: [&str; 2] = ["fa94dd0f974cf2e293728a526b028271", "d41d8cd98f00b204e9800998ecf8427e"];
/// A random secret of hexadecimal digits has fewer once in 10^12.
const FEWEST_CHARACTERS: usize = 6;

/// What makes `secret` easy to guess, if something does. Never repeats it.
pub(super) fn fault(secret: &str) -> Option<&'static str> {
    let bytes = secret.as_bytes();
    let repeats = |period: usize| bytes.iter().zip(&bytes[period..]).all(|(one, next)| one == next);
    let mut characters = bytes.to_vec();
    characters.sort_unstable();
    characters.dedup();
    if PUBLISHED.iter().any(|published| published.eq_ignore_ascii_case(secret)) {
        Some("is printed in public samples, so everybody has it: take the one of your own app")
    } else if (1..=bytes.len() / 2).any(repeats) {
        Some("repeats a shorter text: anybody would try it")
    } else if characters.len() < FEWEST_CHARACTERS {
        Some("is made of too few different characters: anybody would try it")
    } else if counts(bytes, u8::wrapping_add) || counts(bytes, u8::wrapping_sub) {
        Some("only counts through the alphabet or the digits: anybody would try it")
    } else {
        None
    }
}

/// Whether nearly every character follows from the one before by `step`. A break is where an alphabet ends.
fn counts(bytes: &[u8], step: fn(u8, u8) -> u8) -> bool {
    let steps = bytes.windows(2).filter(|pair| pair[1] == step(pair[0], 1)).count();
    steps * 4 >= bytes.len() * 3
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;
    use token_gen::{AppSign, ServerSecret};

    use super::*;

    // proves T62 (secrets that anybody would try)
    #[test]
    fn what_anybody_would_try_is_named() {
        for (secret, words) in [
            ("fa94dd0f974cf2e293728a526b028271", "public samples"),
            ("FA94DD0F974CF2E293728A526B028271", "public samples"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats"),
            ("00000000000000000000000000000000", "repeats"),
            ("abababababababababababababababab", "repeats"),
            ("abcabcabcabcabcabcabcabcabcabcab", "repeats"),
            ("secrsecrsecrsecrsecrsecrsecrsecr", "repeats"),
            ("0123456789abcdef0123456789abcdef", "repeats"),
            ("passwordpasswordpasswordpassword", "repeats"),
            ("12112221112122121211222111221212", "too few"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "too few"),
            ("abcdefghijklmnopqrstuvwxyz012345", "counts"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456", "counts"),
            ("zyxwvutsrqponmlkjihgfedcba987654", "counts"),
        ] {
            let fault = fault(secret).unwrap_or_else(|| panic!("{secret} would be taken"));
            assert!(fault.contains(words), "{secret}: {fault}");
        }
    }

    #[test]
    fn what_is_random_is_taken() {
        for _ in 0..10_000 {
            let secret = ServerSecret::generate(&mut SysRng).unwrap();
            assert_eq!(fault(secret.expose()), None);
            let app_sign = AppSign::generate(&mut SysRng).unwrap();
            assert_eq!(fault(app_sign.expose()), None);
            // As the vendor makes secrets: half an AppSign.
            assert_eq!(fault(&app_sign.expose()[..32]), None);
        }
    }
}
