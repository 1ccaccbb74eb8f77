//! STUN and TURN servers as `Link` headers, as RFC 9725 spells them.

use axum::http::HeaderValue;
use token_gen::UnixSeconds;

use crate::media::MediaPlane;

/// The servers for `user_id`, one header a URL.
pub(super) fn of(media: &MediaPlane, user_id: &str, now: UnixSeconds) -> Vec<HeaderValue> {
    let servers = media.ice_servers(user_id, now).map(|(servers, _)| servers).unwrap_or_default();
    let links = servers.iter().flat_map(|server| {
        let credential = server.username.as_deref().zip(server.credential.as_deref());
        server.urls.iter().map(move |url| link(url, credential))
    });
    // What cannot stand in a header is of no use to anybody.
    links.filter_map(|link| HeaderValue::try_from(link).ok()).collect()
}

fn link(url: &str, credential: Option<(&str, &str)>) -> String {
    let mut link = format!("<{url}>; rel=\"ice-server\"");
    if let Some((username, credential)) = credential {
        let (username, credential) = (quoted(username), quoted(credential));
        link.push_str(&format!("; username={username}; credential={credential}; credential-type=\"password\""));
    }
    link
}

/// As a quoted string of RFC 9110.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_spelt_with_its_credential() {
        assert_eq!(link("stun:stun.example.com", None), r#"<stun:stun.example.com>; rel="ice-server""#);
        assert_eq!(
            link("turn:turn.example.com?transport=udp", Some((r#"1800000000:a\b"c"#, "p+/="))),
            r#"<turn:turn.example.com?transport=udp>; rel="ice-server"; username="1800000000:a\\b\"c"; credential="p+/="; credential-type="password""#
        );
    }
}
