//! The one base64 of tokens: standard alphabet, exact padding, zero spare bits. What it takes, it encodes to the same
//! text.

pub(crate) use engine::STANDARD;

/// With `std`, the processor is asked once for its vector instructions: they take a fifth off a mint or a verify.
#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod engine {
    use std::sync::LazyLock;

    use base64::engine::{Simd, general_purpose::PAD};

    pub(crate) static STANDARD: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
}

#[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod engine {
    pub(crate) use base64::engine::general_purpose::STANDARD;
}
