//! `roompass admin`: how to become an admin of the console, straight on the store.

use clap::Subcommand;
use token_gen::UnixSeconds;

use super::{Failure, StoreArgs};
use crate::app::Service;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Print a link that makes an owner: it works once, for 15 minutes, and voids the one before
    SetupLink {
        #[command(flatten)]
        store: StoreArgs,
    },
}

impl AdminCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self::SetupLink { store } = self;
        let service = store.open_or_make().await?;
        let (link, expire_at) = setup_link(&service).await?;
        let printed = serde_json::json!({ "setup_link": link, "expire_at": expire_at.get() });
        store.print(&printed, || lines(&link));
        Ok(())
    }
}

/// For `serve --setup`. Printed, never logged.
pub(super) async fn print_setup_link(service: &Service) -> Result<(), Failure> {
    let (link, _) = setup_link(service).await?;
    super::say(&lines(&link));
    Ok(())
}

async fn setup_link(service: &Service) -> Result<(String, UnixSeconds), Failure> {
    let (code, expire_at) = service.admins.owner_setup_code().await?;
    Ok((service.setup_link(&code), expire_at))
}

fn lines(link: &str) -> String {
    format!("{link}\n\nOpen it within 15 minutes to become an owner of the console. It works once.")
}
