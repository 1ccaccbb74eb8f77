//! `/console`: the web face of the API, whose files are in the binary. They are the same for everybody and hold nothing
//! about anybody; what the pages show, they ask the API for.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::route::{Policy, Route};
use crate::error::Error;

pub(crate) const CONSOLE_PATH: &str = "/console";
const FOLDER_PATH: &str = "/console/";
/// Whichever page: the shell finds out by itself.
const PAGE_PATH: &str = "/console/{*page}";
const ASSET_PATH: &str = "/console/assets/{*file}";

/// Scripts, styles and connections of our own, and nothing else; and no text becomes markup or script on the way.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'",
);
/// A browser may keep the files, and asks each time whether they are still the same.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the console.
struct File {
    name: &'static str,
    text: &'static str,
}

/// Files in the binary, by their place below `server/console/`.
macro_rules! files {
    ($($name:literal)*) => { &[$(File { name: $name, text: include_str!(concat!("../../console/", $name)) }),*] };
}

/// There is nothing to install.
const FILES: &[File] = files! {
    "api.js"
    "frame.js"
    "icon.svg"
    "lib/store.js"
    "lib/time.js"
    "lib/view.js"
    "lib/words.js"
    "main.js"
    "nav.js"
    "pages/account.js"
    "pages/app-sign.js"
    "pages/apps.js"
    "pages/keys.js"
    "pages/new-app.js"
    "pages/overview.js"
    "pages/people.js"
    "pages/policies.js"
    "pages/secrets.js"
    "pages/setup.js"
    "pages/sign-in.js"
    "pages/webhook.js"
    "pages/webhooks.js"
    "prove.js"
    "router.js"
    "routes.js"
    "session.js"
    "style/base.css"
    "style/frame.css"
    "style/kit.css"
    "ui/button.js"
    "ui/dialog.js"
    "ui/endpoint.js"
    "ui/enrol.js"
    "ui/form.js"
    "ui/icons.js"
    "ui/kit.js"
    "ui/page.js"
    "ui/rotate.js"
    "ui/states.js"
    "ui/table.js"
    "ui/text.js"
    "ui/toast.js"
    "vendor/hooks.js"
    "vendor/htm.LICENSE"
    "vendor/htm.js"
    "vendor/preact.LICENSE"
    "vendor/preact.js"
    "vendor/uplot.LICENSE"
    "vendor/uplot.css"
    "vendor/uplot.js"
    "vendor/uqr.LICENSE"
    "vendor/uqr.js"
};
const SHELL: &str = include_str!("../../console/index.html");

/// Each file's tag, in the order of [`FILES`].
static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| FILES.iter().map(|file| tag(file.text)).collect());

/// The routes of the console. They are no part of the API, and not described with it.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(CONSOLE_PATH, Policy::Public, shell),
        Route::get(FOLDER_PATH, Policy::Public, shell),
        Route::get(PAGE_PATH, Policy::Public, shell),
        Route::get(ASSET_PATH, Policy::Public, asset),
    ]
}

async fn shell() -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    (policies(), headers, SHELL).into_response()
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let at = FILES.iter().position(|file| file.name == name).ok_or(Error::NotFound)?;
    let (file, tag) = (&FILES[at], &TAGS[at]);
    let caching = [(ETAG, tag.clone()), (CACHE_CONTROL, ASK_AGAIN)];
    if headers.get(IF_NONE_MATCH) == Some(tag) {
        return Ok((StatusCode::NOT_MODIFIED, policies(), caching).into_response());
    }
    let media_type = [(CONTENT_TYPE, HeaderValue::from_static(media_type(file.name)))];
    Ok((policies(), caching, media_type, file.text).into_response())
}

fn policies() -> [(HeaderName, HeaderValue); 3] {
    [(CONTENT_SECURITY_POLICY, POLICY), (OPENER_POLICY, SAME_ORIGIN), (RESOURCE_POLICY, SAME_ORIGIN)]
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn tag(text: &str) -> HeaderValue {
    let digest = Sha256::digest(text);
    let hex = digest[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Into memory: it cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    HeaderValue::try_from(format!("\"{hex}\"")).expect("digits and letters in quotes are a header")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use super::*;

    /// What lies below `server/console/` and is meant to be served.
    fn on_disk() -> BTreeSet<String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("console");
        let (mut folders, mut found) = (vec![root.clone()], BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                if name != "index.html" && !name.ends_with(".md") {
                    found.insert(name);
                }
            }
        }
        found
    }

    #[test]
    fn every_file_of_the_console_is_in_the_binary() {
        let served: BTreeSet<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(served, on_disk());
    }

    #[test]
    fn the_console_is_small() {
        let loaded = FILES.iter().filter(|file| !file.name.ends_with(".LICENSE"));
        let all = SHELL.len() + loaded.map(|file| file.text.len()).sum::<usize>();
        assert!(all <= 300 * 1024, "{} KiB", all / 1024);
    }

    #[test]
    fn no_file_asks_for_what_the_policy_forbids() {
        for (name, text) in FILES.iter().map(|file| (file.name, file.text)).chain([("index.html", SHELL)]) {
            let is_ours = !name.starts_with("vendor/");
            for forbidden in
                ["innerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write", "javascript:"]
            {
                assert!(!is_ours || !text.contains(forbidden), "{name} has {forbidden}");
            }
        }
        assert!(
            !SHELL.contains("style=") && !SHELL.contains("<style") && !SHELL.contains(" on"),
            "inline in the shell"
        );
    }
}
