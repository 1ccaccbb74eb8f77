//! Which web pages may open a socket. Browsers say where a page comes from; native clients say nothing.

use axum::http::{HeaderMap, HeaderValue, header};

/// Whether the request comes from no page, a page of this host, or one of the `allowed` origins.
pub(super) fn is_allowed<'a>(headers: &HeaderMap, mut allowed: impl Iterator<Item = &'a String>) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, more) = (origins.next(), origins.next());
    match (origin.map(HeaderValue::to_str), more) {
        (None, _) => true,
        (Some(Ok(origin)), None) => is_same_host(origin, headers) || allowed.any(|allowed| allowed == origin),
        _ => false,
    }
}

fn is_same_host(origin: &str, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(HeaderValue::to_str), hosts.next()) else { return false };
    // A browser leaves out the default port in both headers.
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some_and(|authority| !authority.is_empty() && authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_null_and_look_alike_origins_are_refused() {
        // proves T49
        let allowed = ["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
        for (origins, expected) in [
            (&[][..], true),
            (&["https://rtc.example.com:8443"], true),
            (&["http://rtc.example.com:8443"], true),
            (&["https://RTC.example.com:8443"], true),
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
            headers.insert(header::HOST, HeaderValue::from_static("rtc.example.com:8443"));
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_allowed(&headers, allowed.iter()), expected, "{origins:?}");
        }
    }
}
