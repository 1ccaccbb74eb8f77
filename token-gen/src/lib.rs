#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod app_sign;
mod base64;
mod cipher;
mod claims;
mod envelope;
mod error;
mod explain;
mod finding;
mod human;
mod id;
mod inspect;
mod json;
mod kit;
mod mint;
mod privilege;
mod rights;
mod secret;
#[cfg(feature = "system-rng")]
mod system_rng;
mod terms;
#[cfg(test)]
mod test_data;
mod time;
mod token_id;
mod unverified;
mod verify;

pub use app_sign::{CHALLENGE_LEN, LoginProof, PROOF_LEN};
pub use claims::{Claims, Payload};
pub use envelope::{Cipher, Format, Version};
pub use error::{IdFault, PublicRefusal, RefusalClass, Refused, TokenError};
pub use explain::{Admitted, Attempt, Explanation, KitPolicy, KnownSecret, OpenedClaims, Rejection, Rules, explain};
pub use finding::Finding;
pub use id::{AppId, RoomId, StreamId, UserId, UserName};
pub use inspect::{Field, Inspection, inspect};
pub use kit::{KitInfo, KitToken};
pub use mint::{Minted, Minter, TokenRequest};
pub use privilege::{Privilege, Privileges, UnknownPrivilege};
pub use rights::{Denied, Rights, RightsBuilder, RoomScope, StreamScope};
pub use secret::{AppSign, ServerSecret};
#[cfg(feature = "system-rng")]
pub use system_rng::SystemRng;
pub use terms::{MediaKind, MediaKinds, OnExpiry, Terms, TermsView, UnknownMediaKind};
pub use time::{MAX_LIFETIME, UnixSeconds};
pub use token_id::TokenId;
pub use unverified::{expire_at_unverified, version_unverified};
pub use verify::{Accept, Limits, Verified, Verifier, VerifierBuilder};
