//! Which web pages may open a socket. Browsers say where a page comes from; native clients say nothing.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::apps::AppSettings;

/// Where the one who opens a socket comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comer {
    /// From no page, or from one whose origin may use every app.
    Anybody,
    /// From a page of this origin, which some app takes: the login must be to such an app.
    Page(String),
}

/// Who opens a socket; `None` for a page that may not.
///
/// That a page has the same host as the request proves nothing: its name may have been made to point here.
pub(super) fn comer<'a>(
    headers: &HeaderMap,
    mut allowed: impl Iterator<Item = &'a String>,
    is_of_some_app: impl Fn(&str) -> bool,
) -> Option<Comer> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next().map(HeaderValue::to_str), origins.next()) {
        (None, _) => Some(Comer::Anybody),
        (Some(Ok(origin)), None) if allowed.any(|allowed| allowed == origin) => Some(Comer::Anybody),
        (Some(Ok(origin)), None) if is_of_some_app(origin) => Some(Comer::Page(origin.to_owned())),
        _ => None,
    }
}

impl Comer {
    /// Whether it may log in to an app with these settings.
    pub(super) fn may_enter(&self, settings: &AppSettings) -> bool {
        match self {
            Self::Anybody => true,
            Self::Page(origin) => settings.allowed_origins.contains(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves T49
    #[test]
    fn foreign_null_and_look_alike_origins_are_refused() {
        let allowed = ["https://rtc.example.com:8443", "https://app.example.com", "http://localhost:3000"];
        let allowed = allowed.map(str::to_owned);
        for (origins, expected) in [
            (&[][..], true),
            (&["https://rtc.example.com:8443"], true),
            (&["http://rtc.example.com:8443"], false),
            (&["https://RTC.example.com:8443"], false),
            (&["http://rebound.example:8443"], false),
            (&["https://app.example.com"], true),
            (&["http://localhost:3000"], true),
            (&["null"], false),
            (&[""], false),
            (&["https://"], false),
            (&["rtc.example.com:8443"], false),
            (&["https://rtc.example.com"], false),
            (&["https://rtc.example.com:8444"], false),
            (&["https://rtc.example.com:8443/"], false),
            (&["https://rtc.example.com:8443.evil.example"], false),
            (&["https://evil.example/rtc.example.com:8443"], false),
            (&["https://rtc.example.com:8443@evil.example"], false),
            (&["ftp://rtc.example.com:8443"], false),
            (&["http://app.example.com"], false),
            (&["https://app.example.com.evil.example"], false),
            (&["https://notapp.example.com"], false),
            (&["https://app.example.com:443"], false),
            (&["http://localhost:3001"], false),
            (&["https://app.example.com https://evil.example"], false),
            (&["https://app.example.com", "https://evil.example"], false),
            (&["https://evil.example", "https://evil.example"], false),
            (&["https://evil.example"], false),
        ] {
            let mut headers = HeaderMap::new();
            // What a page sees whose own name was made to point here: no reason to trust it.
            headers.insert(header::HOST, HeaderValue::from_static("rebound.example:8443"));
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            let comer = |is_of_some_app: fn(&str) -> bool| comer(&headers, allowed.iter(), is_of_some_app);
            assert_eq!(comer(|_| false).is_some(), expected, "{origins:?}");
            // What an app takes is compared whole, too, and two origins are none.
            let of_app = comer(|origin| origin == "https://evil.example");
            assert_eq!(of_app.is_some(), expected || origins == ["https://evil.example"], "{origins:?}");
        }
    }
}
