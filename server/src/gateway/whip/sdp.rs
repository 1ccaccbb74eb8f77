//! The little that has to be read of an offer. Pure.

use roompass_wire::gateway::MediaKind;

/// What stands after `name` where it first starts a line.
pub(super) fn line<'s>(sdp: &'s str, name: &str) -> Option<&'s str> {
    sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The media lines that carry sound or pictures: their mids and what they carry.
pub(super) fn media_lines(sdp: &str) -> Vec<(String, MediaKind)> {
    let sections = sdp.split("m=").skip(1).filter_map(|section| {
        let kind = match section.split(' ').next() {
            Some("audio") => MediaKind::Audio,
            Some("video") => MediaKind::Video,
            _ => return None,
        };
        Some((line(section, "a=mid:")?.to_owned(), kind))
    });
    sections.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_lines_are_found_with_what_they_carry() {
        let sdp = "v=0\r\na=ice-ufrag:abcd\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                   m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\nm=video 9 x 96\r\na=mid:v2\r\n";
        let expected = [("0".to_owned(), MediaKind::Audio), ("v2".to_owned(), MediaKind::Video)];
        assert_eq!(media_lines(sdp), expected);
        assert_eq!(line(sdp, "a=ice-ufrag:"), Some("abcd"));
    }
}
