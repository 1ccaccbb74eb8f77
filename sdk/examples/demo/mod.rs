//! Where the examples find the server: in the environment that `make run` prints, or in the JSON that
//! `roompass dev --json` prints. And how they end.

use std::{env, error::Error, fs, process::ExitCode};

use roompass_sdk::{BackendClient, BackendKey};
use serde::Deserialize;

const HELP: &str = "Start the server with `make run`, then `source .roompass/demo.env` here. Or save the line that \
                    `roompass dev --json` prints in a file and set ROOMPASS_DEV_JSON to its path.";

/// The demo app of a development server.
#[derive(Deserialize)]
pub(crate) struct Demo {
    pub(crate) url: String,
    pub(crate) app_id: u32,
    backend_key: String,
}

impl Demo {
    /// Reads it, or says how to get it.
    pub(crate) fn find() -> Result<Self, String> {
        if let Some(path) = variable("ROOMPASS_DEV_JSON") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}. {HELP}"))?;
            return serde_json::from_str(&text).map_err(|_| format!("{path} is not what was expected. {HELP}"));
        }
        let needed = |name: &str| variable(name).ok_or_else(|| format!("{name} is not set. {HELP}"));
        Ok(Self {
            url: needed("ROOMPASS_URL")?,
            app_id: needed("ROOMPASS_APP_ID")?.parse().map_err(|_| "ROOMPASS_APP_ID is not a number")?,
            backend_key: needed("ROOMPASS_BACKEND_KEY")?,
        })
    }

    /// What the app's own backend would use. A real client has no backend key.
    pub(crate) fn backend(&self) -> Result<BackendClient, String> {
        let key = BackendKey::new(self.backend_key.as_str());
        BackendClient::new(&self.url, self.app_id, key).map_err(|error| error.to_string())
    }
}

/// Ends an example: says what went wrong, with its causes.
pub(crate) fn report(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}

#[expect(clippy::disallowed_methods, reason = "this is where the examples read the environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
