//! Which web pages may open a socket. Browsers say where a page comes from; native clients say nothing.

use axum::http::{HeaderMap, HeaderValue, header};

/// Whether the request comes from no page, or from a page of one of the `allowed` origins.
///
/// That a page has the same host as the request proves nothing: its name may have been made to point here.
pub(super) fn is_allowed<'a>(headers: &HeaderMap, mut allowed: impl Iterator<Item = &'a String>) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next().map(HeaderValue::to_str), origins.next()) {
        (None, _) => true,
        (Some(Ok(origin)), None) => allowed.any(|allowed| allowed == origin),
        _ => false,
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
        ] {
            let mut headers = HeaderMap::new();
            // What a page sees whose own name was made to point here: no reason to trust it.
            headers.insert(header::HOST, HeaderValue::from_static("rebound.example:8443"));
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_allowed(&headers, allowed.iter()), expected, "{origins:?}");
        }
    }
}
