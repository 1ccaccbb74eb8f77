//! Any text given to every reader of tokens: none panics, and what one accepts encodes to the identical text.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use token_gen::{
    Accept, AppId, Limits, ServerSecret, TokenId, UnixSeconds, Verifier, expire_at_unverified, version_unverified,
};

const NOW: UnixSeconds = UnixSeconds::new(1_795_440_112);

static VERIFIERS: LazyLock<[Verifier; 2]> = LazyLock::new(|| {
    [Limits::STRICT, Limits::FORMAT].map(|limits| {
        let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").expect("32 bytes");
        Verifier::builder(AppId::new(1).expect("not zero"), &secret).accept(Accept::ALL).limits(limits).build()
    })
});

fuzz_target!(|text: &str| {
    let _ = version_unverified(text);
    assert_eq!(TokenId::parse(TokenId::of(text).as_str()), Some(TokenId::of(text)));
    let outer_expire_at = expire_at_unverified(text);
    for verifier in &*VERIFIERS {
        match verifier.verify(text, NOW) {
            Ok(verified) => {
                assert_eq!(outer_expire_at, Ok(verified.claims.expire_at));
                let body = STANDARD.decode(&text[2..]).expect("it was accepted");
                assert_eq!(STANDARD.encode(body), text[2..]);
                assert!(verifier.verify_user(text, &verified.claims.user_id, NOW).is_ok());
            }
            Err(refused) => assert!(refused.reason().class().is_some(), "{}", refused.reason()),
        }
    }
});
