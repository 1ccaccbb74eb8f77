//! `roompass admin`: how to become an admin of the console, straight on the store.

use clap::Subcommand;
use roompass_wire::http::{SETUP_BEGIN_PATH, SETUP_PATH};

use super::{Failure, StoreArgs};
use crate::{
    admins::SetupCode,
    app::Service,
    config::{Config, ConfigError},
};

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Print a code that makes an owner, and how to use it: it works once, for 15 minutes, and voids the one before
    SetupLink {
        #[command(flatten)]
        store: StoreArgs,
    },
}

impl AdminCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self::SetupLink { store } = self;
        let Config { public_url, listen, .. } = store.read()?;
        if public_url.is_none() && listen.port() == 0 {
            let reason = "must be set to print a link: server.listen takes any free port, which only the server knows";
            return Err(ConfigError::new("server.public_url", reason).into());
        }
        let service = store.open_or_make().await?;
        let (code, expire_at) = service.admins.owner_setup_code().await?;
        let link = service.setup_link(&code);
        let printed =
            serde_json::json!({ "setup_link": link, "setup_code": code.expose(), "expire_at": expire_at.get() });
        store.print(&printed, || lines(&service, &code));
        Ok(())
    }
}

/// For `serve`. Printed, never logged.
pub(super) async fn print_setup_link(service: &Service) -> Result<(), Failure> {
    let (code, _) = service.admins.owner_setup_code().await?;
    super::say(&lines(service, &code));
    Ok(())
}

/// What makes an owner: a link for the browser, or two requests that need nothing but a terminal and an authenticator
/// app. There the code goes in by standard input, so that it is in no list of processes.
fn lines(service: &Service, code: &SetupCode) -> String {
    let (origin, link, code) = (&service.origin, service.setup_link(code), code.expose());
    let post = |path: &str, body: serde_json::Value| {
        format!(
            "curl -sS '{origin}{path}' -H 'Origin: {origin}' -H 'Content-Type: application/json' -d @- <<'END'\n{body}\nEND"
        )
    };
    let begin = post(SETUP_BEGIN_PATH, serde_json::json!({ "code": code }));
    let finish = serde_json::json!({
        "code": code, "name": "NAME", "password": "PASSWORD", "enrolment": "ENROLMENT", "totp": "CODE",
    });
    let finish = post(SETUP_PATH, finish);
    format!(
        "Open this to become an owner; it works once, within 15 minutes:\n\n  {link}\n\n\
         Without a browser, the set-up code is {code}\n\n\
         1. Get a second factor, and put its totp_uri or totp_secret into an authenticator app:\n\n{begin}\n\n\
         2. Send a name, a password of 12 characters or more, the enrolment of step 1, and the code that the app \
         shows:\n\n{finish}\n"
    )
}
