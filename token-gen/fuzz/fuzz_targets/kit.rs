//! Any text given to the readers of Kit Tokens, and any readable half joined to a genuine token.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use token_gen::{Accept, AppId, KitToken, ServerSecret, UnixSeconds, Verifier};

const NOW: UnixSeconds = UnixSeconds::new(1_795_440_168);
/// Of app 1 and `user1`, from the specification's worked examples.
const TOKEN: &str = "04AAAAAGsEWkgAEDAxNjExOTY2MDkzOTg0NDgAYE+jKQa8vjvxRMVMeXCjTAHtzieq3mtfAiLpcHlt0FH16OshTNzeKdykxDqHF2nPd29sTzehRiBYhB3Ig8or4aHc/PlazjQRW6qUt709kh9OE9UQHmBgyfbxJGl5nxh4Yw==";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let secret = ServerSecret::new("fa94dd0f974cf2e293728a526b028271").expect("32 bytes");
    Verifier::builder(AppId::new(1).expect("not zero"), &secret).accept(Accept::ALL).build()
});

fuzz_target!(|text: &str| {
    for text in [text, &format!("{TOKEN}#{text}")] {
        let parsed = KitToken::parse_unverified(text);
        if let Ok((verified, info)) = VERIFIER.verify_kit(text, None, NOW) {
            assert_eq!(parsed.expect("it was verified").info, info);
            assert_eq!(info.user_id, verified.claims.user_id);
            assert_eq!(info.app_id, verified.claims.app_id);
        }
    }
});
