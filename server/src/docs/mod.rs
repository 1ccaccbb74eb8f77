//! The pages under `/docs`: HTML without scripts, and with nothing that is not in the page itself, so that they can be
//! read offline. The API reference is drawn from the same document that machines read.

mod page;
mod problems;
mod reference;

use serde_json::Value;

use crate::config;
pub(crate) use page::style_hash;
pub(crate) use problems::{problem, problems};

/// The reference of the API that `document` describes.
pub(crate) fn reference(document: &Value) -> String {
    page::page("API reference", "/docs", Some(&reference::contents(document)), &reference::body(document))
}

/// Every field of the configuration.
pub(crate) fn config() -> String {
    let text = format!(
        "# Configuration\n\nFrom `roompass.toml`, the environment and flags, in rising order. `roompass config check` \
         judges a configuration without starting anything, `roompass config default` prints the file with every \
         field.\n\n{}",
        config::docs_markdown()
    );
    page::page("Configuration", "/docs/config", None, &page::markdown(&text))
}

/// Webhooks: what they say, and how a receiver verifies them.
pub(crate) fn webhooks() -> String {
    page::page("Webhooks", "/docs/webhooks", None, &page::markdown(include_str!("../../docs/webhooks.md")))
}

/// Keys, algorithms, rules, and which tests prove what.
pub(crate) fn security() -> String {
    let text = [include_str!("../../docs/security.md"), include_str!("../../docs/proofs.md")].join("\n");
    page::page("Security", "/docs/security", None, &page::markdown(&text))
}
