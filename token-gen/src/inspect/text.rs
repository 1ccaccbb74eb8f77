//! What happens to the text of a token on its way: quotes, line ends, other alphabets, lost padding. Each is
//! named, and undone where that is certain.

use alloc::{
    borrow::{Cow, ToOwned},
    format,
    string::String,
    vec::Vec,
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::layout::Cut;
use crate::{envelope::Version, finding::Finding, unverified::version_unverified};

/// Takes any padding, none, and spare bits: for looking, never for verifying.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Undoes what transport does to a token, noting each kind of change once. Text that is no token comes back as it is.
pub(crate) fn repair<'a>(original: &'a str, findings: &mut Vec<Finding>) -> Cow<'a, str> {
    let mut found = Vec::new();
    let text = unwrap(original, &mut found);
    if !text.starts_with("03") && !text.starts_with("04") {
        // Still worth knowing for what is no token: it may be why a version was not seen.
        findings.extend(found);
        return Cow::Borrowed(text);
    }
    let mut text = Cow::Borrowed(text);
    let percent = [("%2B", "+"), ("%2F", "/"), ("%3D", "="), ("%23", "#")];
    if text.contains('%') {
        let undone = percent.iter().fold(text.clone().into_owned(), |text, (escape, plain)| {
            text.replace(escape, plain).replace(&escape.to_lowercase(), plain)
        });
        if undone != *text {
            found.push(Finding::new(
                "percent_encoded",
                "The token is still percent-encoded (%2B, %2F, %3D), as in a URL.",
                "Decode the URL parameter once before use; better, send tokens in a request body.",
            ));
            text = Cow::Owned(undone);
        }
    }
    if text.contains(['\r', '\n', '\t']) {
        found.push(Finding::new(
            "line_breaks",
            "There are line breaks or tabs inside the token.",
            "Use a base64 encoder that does not wrap lines (PEM or MIME encoders wrap at 64 or 76), and copy the token as \
             one line.",
        ));
        text = Cow::Owned(text.replace(['\r', '\n', '\t'], ""));
    }
    if text.contains(' ') {
        found.push(Finding::new(
            "plus_became_space",
            "There are spaces inside the token where '+' was.",
            "A query string or form field turned '+' into a space: percent-encode the token (%2B) when putting it there; \
             better, send tokens in a request body.",
        ));
        text = Cow::Owned(text.replace(' ', "+"));
    }
    if text.contains(['-', '_']) {
        found.push(Finding::new(
            "url_safe_alphabet",
            "The token is in the URL-safe base64 alphabet ('-' and '_').",
            "Encode it with the standard alphabet ('+' and '/') and padding; do not convert it for a URL.",
        ));
        text = Cow::Owned(text.replace('-', "+").replace('_', "/"));
    }
    findings.extend(found);
    text
}

/// Takes off what stands around a token.
fn unwrap<'a>(original: &'a str, found: &mut Vec<Finding>) -> &'a str {
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}');
    let mut text = original.trim_matches(is_space);
    let mut spaces = text.len() != original.len();
    let unquoted = text.trim_matches(is_quote);
    if unquoted.len() != text.len() {
        found.push(Finding::new(
            "quoted",
            "There are quotation marks around the token.",
            "Pass the string's value, not its JSON or source form: parse the JSON that carries it.",
        ));
        text = unquoted.trim_matches(is_space);
        spaces |= text.len() != unquoted.len();
    }
    if let Some((scheme, rest)) = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        found.push(Finding::new(
            "scheme_prefix",
            format!("The word {scheme:?} stands in front of the token."),
            "A room token is passed alone; the authorization scheme is no part of it.",
        ));
        text = rest.trim_start();
    }
    if spaces {
        found.push(Finding::new(
            "surrounding_white_space",
            "There is white space or a line end around the token.",
            "Trim it where it is read: files and command output end with a newline.",
        ));
    }
    text
}

/// The version, or what the text seems to be instead.
pub(crate) fn version(text: &str, findings: &mut Vec<Finding>) -> Option<Version> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let starts_as_body = text.starts_with("AAAA");
    let finding = match text.len() {
        0 | 1 => Finding::new(
            "empty",
            "There is no token.",
            "Ask your backend for a token before logging in, and check that its answer was read from the right member.",
        ),
        // No token can have these forms: a token's base64 has a length that is a multiple of four.
        64 if is_hex => Finding::new(
            "app_sign_given",
            "This is an AppSign (64 hexadecimal characters), not a token.",
            "Mint a token on your backend with the server secret and pass that. The AppSign belongs in the client's \
             configuration.",
        ),
        // A token cut to 32 characters would look the same, but for its expiry, which begins with zeros.
        32 if !text.get(2..).is_some_and(|body| body.starts_with("AAAA"))
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Finding::new(
                "secret_given",
                "This looks like a server secret (32 characters), not a token.",
                "Mint a token with the secret on your backend and pass the token. If this secret ever reached a client or a log, \
             replace it.",
            )
        }
        _ if text.starts_with("eyJ") && text.matches('.').count() >= 2 => Finding::new(
            "jwt_given",
            "This is a JSON Web Token, not a room token.",
            "Exchange it at your backend: that verifies the JWT and mints a room token (which begins with 04).",
        ),
        _ if starts_as_body => Finding::new(
            "version_missing",
            "The token lacks its first two characters.",
            "The version 04 in front of the base64 is part of the token: pass both.",
        ),
        _ => match version_unverified(text) {
            Ok(version) => return Some(version),
            Err(_) => {
                let tag: String = text.chars().take(2).collect();
                Finding::new(
                    "version_unknown",
                    format!("The token begins with {tag:?}; the known versions are 04 and 03."),
                    "Mint a token04. If this came from your backend, check that it returned a token and not an error text.",
                )
            }
        },
    };
    findings.push(finding);
    None
}

/// Decodes up to the first character that is not base64; returns that character and where it stands.
pub(crate) fn decode_leniently(encoded: &str) -> (Vec<u8>, Option<(usize, char)>) {
    let content = encoded.trim_end_matches('=');
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let foreign = content.char_indices().find(|&(_, c)| !is_base64(c));
    let sound = &content[..foreign.map_or(content.len(), |(at, _)| at)];
    // A single character over a multiple of four holds no whole byte.
    let whole = if sound.len() % 4 == 1 { &sound[..sound.len() - 1] } else { sound };
    (LENIENT.decode(whole).unwrap_or_default(), foreign)
}

/// The token breaks off.
pub(crate) fn truncated(token: &str, cut: Cut) -> Finding {
    let len = token.trim_end_matches('=').len();
    let problem = match cut.whole_len.map(|whole| 2 + whole.div_ceil(3) * 4) {
        Some(whole) => format!(
            "The token breaks off in its {}: it has {len} characters of {whole}, so {} are missing at the end.",
            cut.field,
            whole.saturating_sub(len)
        ),
        None => {
            format!("The token breaks off in its {}, after {len} characters; the shortest token has 58.", cut.field)
        }
    };
    Finding::new(
        "truncated",
        problem,
        "Something cut it: look for a database column, log line, URL or buffer with a length limit between mint and here, and \
         give it room for 8192 characters.",
    )
}

/// The body is whole, but its text is not the one that encoding it gives.
pub(crate) fn not_canonical(token: &str, canonical: &str) -> Option<Finding> {
    if token == canonical {
        return None;
    }
    let (content, canonical_content) = (token.trim_end_matches('='), canonical.trim_end_matches('='));
    let padding = |text: &str, content: &str| text.len() - content.len();
    let (found, wanted) = (padding(token, content), padding(canonical, canonical_content));
    Some(if content == canonical_content && found < wanted {
        Finding::new(
            "padding_missing",
            format!("The token ends with {found} of {wanted} '=' of base64 padding."),
            "Encode with padding, and do not strip '=' from a token.",
        )
    } else if content == canonical_content {
        Finding::new(
            "padding_surplus",
            format!("The token ends with {found} '=' where {wanted} belong."),
            "Pass the token as it was minted, with nothing added at its end.",
        )
    } else {
        Finding::new(
            "base64",
            "The last character of the base64 holds bits that belong to no byte.".to_owned(),
            "The end of the token was changed: copy it again from where it was minted.",
        )
    })
}
