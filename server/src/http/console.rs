//! `/console`: the web face of the API, whose files are in the binary. They are the same for everybody and hold nothing
//! about anybody; what the pages show, they ask the API for.

use std::{
    fmt::Write as _,
    io::Write as _,
    sync::{LazyLock, OnceLock},
};

use axum::{
    extract::Path,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
            IF_NONE_MATCH, VARY,
        },
    },
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
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
/// A file by its plain name: a browser asks each time whether it is still the same.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// A file below the name of all files together: it is what it is for ever, so nobody asks twice.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the console.
struct File {
    name: &'static str,
    text: &'static str,
}

/// What lies below `server/console/`.
macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../console/", $name))
    };
}

/// Files in the binary, by their place below `server/console/`; and those that are sent as one, by the name of that.
macro_rules! files {
    ($($name:literal)*; $($whole:literal = $($part:literal)+),*) => {
        &[
            $(File { name: $name, text: text!($name) },)*
            $(File { name: $whole, text: concat!($(text!($part)),+) },)*
        ]
    };
}

/// There is nothing to install.
const FILES: &[File] = files! {
    "api.js"
    "frame.js"
    "icon.svg"
    "lib/act.js"
    "lib/awake.js"
    "lib/decode.js"
    "lib/decode/kit.js"
    "lib/decode/layout.js"
    "lib/decode/text.js"
    "lib/every.js"
    "lib/feed.js"
    "lib/store.js"
    "lib/time.js"
    "lib/view.js"
    "lib/words.js"
    "main.js"
    "nav.js"
    "pages/account.js"
    "pages/app-sign.js"
    "pages/apps.js"
    "pages/audit.js"
    "pages/audit/actions.js"
    "pages/bans.js"
    "pages/bans/forms.js"
    "pages/keys.js"
    "pages/live.js"
    "pages/live/activity.js"
    "pages/live/acts.js"
    "pages/live/media.js"
    "pages/live/receivers.js"
    "pages/live/room.js"
    "pages/live/sessions.js"
    "pages/live/streams.js"
    "pages/new-app.js"
    "pages/overview.js"
    "pages/people.js"
    "pages/policies.js"
    "pages/refusals.js"
    "pages/refusals/records.js"
    "pages/secrets.js"
    "pages/setup.js"
    "pages/sign-in.js"
    "pages/statistics.js"
    "pages/statistics/nodes.js"
    "pages/webhook.js"
    "pages/webhooks.js"
    "pages/workbench.js"
    "pages/workbench/bytes.js"
    "pages/workbench/explain.js"
    "pages/workbench/mint.js"
    "pages/workbench/shown.js"
    "pages/workbench/time-line.js"
    "prove.js"
    "router.js"
    "routes.js"
    "session.js"
    "theme.js"
    "ui/button.js"
    "ui/chart.js"
    "ui/dialog.js"
    "ui/endpoint.js"
    "ui/enrol.js"
    "ui/form.js"
    "ui/fresh.js"
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
    "vendor/uplot.js"
    "vendor/uqr.LICENSE"
    "vendor/uqr.js";

    // Nothing is painted before the last style is there, so there is one to wait for.
    "style.css" = "style/base.css" "style/kit.css" "style/frame.css" "style/pages.css" "vendor/uplot.css"
};
const INDEX: &str = text!("index.html");
const ASSETS: &str = "/console/assets/";

/// Names all files together: another console has another name.
static EDITION: LazyLock<String> =
    LazyLock::new(|| digest(&FILES.iter().map(|file| digest(file.text) + file.name).collect::<String>()));

/// The page that loads the others, from below the name of this edition. What they import, they name from where they are.
static SHELL: LazyLock<String> = LazyLock::new(|| INDEX.replace(ASSETS, &format!("{ASSETS}{}/", *EDITION)));

/// Each file as it is sent, in the order of [`FILES`].
static SENT: LazyLock<Vec<Sent>> = LazyLock::new(|| FILES.iter().map(Sent::of).collect());

/// A file with the tags of both its forms.
struct Sent {
    tag: HeaderValue,
    packed_tag: HeaderValue,
    /// Made when somebody first asks for it.
    packed: OnceLock<Vec<u8>>,
}

impl Sent {
    fn of(file: &File) -> Self {
        let digest = digest(file.text);
        let tag = |ending: &str| {
            HeaderValue::try_from(format!("\"{digest}{ending}\"")).expect("digits and letters in quotes are a header")
        };
        Self { tag: tag(""), packed_tag: tag("-gzip"), packed: OnceLock::new() }
    }
}

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
    (policies(), headers, SHELL.as_str()).into_response()
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let (caching, name) = edition_and_name(&path);
    let at = FILES.iter().position(|file| file.name == name).ok_or(Error::NotFound)?;
    let (file, sent) = (&FILES[at], &SENT[at]);
    let takes_gzip = takes_gzip(&headers);
    let tag = if takes_gzip { &sent.packed_tag } else { &sent.tag };
    let caching = [(ETAG, tag.clone()), (CACHE_CONTROL, caching), (VARY, HeaderValue::from_static("accept-encoding"))];
    if headers.get(IF_NONE_MATCH) == Some(tag) {
        return Ok((StatusCode::NOT_MODIFIED, policies(), caching).into_response());
    }
    let media_type = [(CONTENT_TYPE, HeaderValue::from_static(media_type(file.name)))];
    if !takes_gzip {
        return Ok((policies(), caching, media_type, file.text).into_response());
    }
    let encoding = [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
    let packed: &'static [u8] = sent.packed.get_or_init(|| pack(file.text));
    Ok((policies(), caching, media_type, encoding, packed).into_response())
}

/// How long a file may be kept by whoever asks for it so, and which it is. A page of another edition, which a node before
/// or after its upgrade has handed out, gets what there is and keeps it not.
fn edition_and_name(path: &str) -> (HeaderValue, &str) {
    match path.split_once('/') {
        Some((edition, name)) if edition == *EDITION => (KEEP, name),
        Some((edition, name)) if is_digest(edition) => (ASK_AGAIN, name),
        _ => (ASK_AGAIN, path),
    }
}

/// Whether the browser names gzip among what it takes; with `q=0` it would name it to refuse it, which none does.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(',').any(|one| one.trim() == "gzip")
}

fn pack(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 3), Compression::best());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    packed.expect("writing into memory cannot fail")
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

/// 128 bits in hexadecimal digits.
fn digest(text: &str) -> String {
    Sha256::digest(text)[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Into memory: it cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn is_digest(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use axum::{body::to_bytes, http::Request};

    use super::{super::tests::Server, *};

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
        let mut served: BTreeSet<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert!(served.remove("style.css"));
        let (styles, others): (BTreeSet<_>, BTreeSet<_>) =
            on_disk().into_iter().partition(|name| name.ends_with(".css"));
        assert_eq!(served, others);
        let whole = FILES.iter().find(|file| file.name == "style.css").unwrap().text;
        let read =
            |name| fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("console").join(name)).unwrap();
        assert!(styles.iter().all(|name| whole.contains(&read(name))), "{styles:?}");
        assert_eq!(whole.len(), styles.iter().map(|name| read(name).len()).sum::<usize>());
    }

    /// What a module imports before it does anything, and what those import.
    fn needed_by(name: &str, found: &mut BTreeSet<String>) {
        let text = FILES.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no file {name}")).text;
        let imports = text.lines().filter(|line| line.starts_with("import ") || line.starts_with("export "));
        let place_of = |line: &'static str| line.strip_suffix("\";")?.rsplit_once("\".").map(|(_, place)| place);
        for place in imports.filter_map(place_of) {
            let mut folders: Vec<&str> = name.split('/').rev().skip(1).collect();
            folders.reverse();
            for part in place.split('/') {
                match part {
                    "" => {}
                    "." => drop(folders.pop()),
                    part => folders.push(part),
                }
            }
            let imported = folders.join("/");
            if found.insert(imported.clone()) {
                needed_by(&imported, found);
            }
        }
    }

    #[test]
    fn what_every_page_needs_is_asked_for_at_once() {
        let mut needed = BTreeSet::new();
        needed_by("main.js", &mut needed);
        let link = |line: &'static str| {
            line.strip_prefix("<link rel=\"modulepreload\" href=\"/console/assets/")?.strip_suffix("\">")
        };
        let asked: BTreeSet<_> = INDEX.lines().filter_map(link).map(str::to_owned).collect();
        assert_eq!(asked, needed, "the links of index.html are not what main.js imports");
    }

    #[tokio::test]
    async fn what_is_named_with_its_edition_is_kept_for_ever() {
        let server = Server::start().await;
        let response = server.send(Request::get("/console"), "").await;
        let shell = String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().into()).unwrap();
        let main = format!("{ASSETS}{}/main.js", *EDITION);
        assert!(shell.contains(&format!("src=\"{main}\"")), "{shell}");
        assert_eq!(shell.matches(ASSETS).count(), shell.matches(&format!("{ASSETS}{}/", *EDITION)).count());
        for (path, caching) in [
            (main.as_str(), "public, max-age=31536000, immutable"),
            ("/console/assets/main.js", "no-cache"),
            ("/console/assets/0123456789abcdef0123456789abcdef/main.js", "no-cache"),
        ] {
            let response = server.send(Request::get(path), "").await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], caching, "{path}");
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body, text!("main.js").as_bytes(), "{path}");
        }
        for path in [format!("{ASSETS}{}/none.js", *EDITION), format!("{ASSETS}{}/", *EDITION)] {
            assert_eq!(server.send(Request::get(&path), "").await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_sent_packed_to_whoever_takes_that_and_once() {
        use axum::http::{HeaderMap, Request};
        let server = crate::http::tests::Server::start().await;
        let asked = |encodings: Option<&str>, known: Option<&HeaderValue>| {
            let mut headers = HeaderMap::new();
            headers.extend(encodings.map(|text| (ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap())));
            headers.extend(known.map(|tag| (IF_NONE_MATCH, tag.clone())));
            let mut request = Request::get("/console/assets/main.js");
            request.headers_mut().unwrap().extend(headers);
            request
        };
        let mut tags = Vec::new();
        for (encodings, packed) in [(None, false), (Some("br"), false), (Some("gzip, deflate, br, zstd"), true)] {
            let response = server.send(asked(encodings, None), "").await;
            let headers = response.headers().clone();
            assert_eq!((response.status(), headers.get(CONTENT_ENCODING).is_some()), (StatusCode::OK, packed));
            assert_eq!(headers[VARY], "accept-encoding");
            assert_eq!(headers[CACHE_CONTROL], "no-cache");
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let text = if packed {
                std::io::read_to_string(flate2::read::GzDecoder::new(&body[..])).unwrap()
            } else {
                String::from_utf8(body.into()).unwrap()
            };
            assert_eq!(text, include_str!("../../console/main.js"));
            let tag = headers[ETAG].clone();
            let again = server.send(asked(encodings, Some(&tag)), "").await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            tags.push(tag);
        }
        assert_eq!(tags[0], tags[1]);
        let other_form = server.send(asked(Some("gzip"), Some(&tags[0])), "").await;
        assert_eq!(other_form.status(), StatusCode::OK, "each form has a tag of its own");
    }

    #[test]
    fn the_console_is_small() {
        let loaded = FILES.iter().filter(|file| !file.name.ends_with(".LICENSE"));
        let all = SHELL.len() + loaded.map(|file| pack(file.text).len()).sum::<usize>();
        assert!(all <= 200 * 1024, "every page together is {} KiB on its way", all / 1024);
    }

    #[test]
    fn no_file_asks_for_what_the_policy_forbids() {
        for (name, text) in FILES.iter().map(|file| (file.name, file.text)).chain([("index.html", INDEX)]) {
            let is_ours = !name.starts_with("vendor/");
            for forbidden in
                ["innerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write", "javascript:"]
            {
                assert!(!is_ours || !text.contains(forbidden), "{name} has {forbidden}");
            }
        }
        assert!(
            !INDEX.contains("style=") && !INDEX.contains("<style") && !INDEX.contains(" on"),
            "inline in the shell"
        );
    }

    // proves T57 (clickjacking, cached pages)
    #[tokio::test]
    async fn every_page_keeps_to_its_policy_and_is_kept_by_nobody() {
        let server = Server::at("https://rooms.test").await;
        for path in [
            "/console",
            "/console/",
            "/console/setup",
            "/console/apps/7/keys",
            "/console/../x",
            "/console/%3Cscript%3E",
        ] {
            let response = server.send(Request::get(path), "").await;
            let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(
                (response.status(), header("content-type").as_str()),
                (StatusCode::OK, "text/html; charset=utf-8")
            );
            let policy = header("content-security-policy");
            for rule in [
                "default-src 'none'",
                "script-src 'self'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
                "form-action 'none'",
            ] {
                assert!(policy.split("; ").any(|one| one == rule), "{rule} in {policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
            assert_eq!(header("cache-control"), "no-store");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(header("strict-transport-security"), "max-age=63072000");
        }
    }

    #[tokio::test]
    async fn files_are_asked_for_again_and_sent_when_they_changed() {
        let server = Server::start().await;
        let main = "/console/assets/main.js";
        let response = server.send(Request::get(main), "").await;
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let tag = response.headers()["etag"].clone();
        let known = server.send(Request::get(main).header(IF_NONE_MATCH, &tag), "").await;
        assert_eq!((known.status(), &known.headers()["etag"]), (StatusCode::NOT_MODIFIED, &tag));
        assert!(to_bytes(known.into_body(), 1).await.unwrap().is_empty());
        let other = server.send(Request::get(main).header(IF_NONE_MATCH, "\"other\""), "").await;
        assert_eq!(other.status(), StatusCode::OK);
        for path in [
            "",
            "none.js",
            "index.html",
            "vendor",
            "../index.html",
            "%2e%2e/index.html",
            "vendor/README.md",
            "/etc/passwd",
        ] {
            let missing = server.send(Request::get(format!("/console/assets/{path}")), "").await;
            let is_shell = missing.headers()["content-type"] == "text/html; charset=utf-8";
            assert!(missing.status() == StatusCode::NOT_FOUND || is_shell, "{path}");
        }
    }
}
