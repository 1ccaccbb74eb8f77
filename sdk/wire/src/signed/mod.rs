//! Signed requests: the text that is signed, the header that carries the signature, and which requests are too
//! ambiguous to sign. Shared by whoever signs and whoever verifies; computes no hash and reads no clock.
//!
//! The text has ten lines, each ended by one line feed:
//!
//! ```text
//! roompass-request-v1
//! <method, as sent>
//! <host, as sent, in lower case>
//! <path, as sent>
//! <query, as sent, without the question mark; empty if there is none>
//! <content type, as sent; empty if there is none>
//! <SHA-256 of the body, 64 lower-case hexadecimal digits>
//! <key id>
//! <timestamp, Unix seconds>
//! <nonce, 32 lower-case hexadecimal digits: 16 random bytes>
//! ```
//!
//! No field can hold a line feed, so no two requests have the same text. The signature is HMAC-SHA256 of the text
//! under the whole key (`rp_…`), and travels as
//! `Authorization: Roompass-HMAC-SHA256 key_id=…,timestamp=…,nonce=…,signature=…`: in this order, without spaces.

use std::{error::Error, fmt, str::FromStr};

/// The scheme of the `Authorization` header.
pub const SCHEME: &str = "Roompass-HMAC-SHA256";
/// The first line of the signed text: no other use of a key begins with it.
pub const VERSION: &str = "roompass-request-v1";
/// How far the timestamp may be from the server's clock, in seconds, either way.
pub const WINDOW_SECS: i64 = 60;

/// The parts of a request that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedParts<'a> {
    /// The method.
    pub method: &'a str,
    /// The `Host` header, or the `:authority` of HTTP/2.
    pub host: &'a str,
    /// The path as it stands in the request line.
    pub path: &'a str,
    /// What follows the question mark, as it stands in the request line.
    pub query: Option<&'a str>,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// SHA-256 of the body; of nothing, if there is none.
    pub body_sha256: &'a [u8; 32],
    /// The key's id.
    pub key_id: &'a str,
    /// When it was signed, in Unix seconds.
    pub timestamp: i64,
    /// 16 random bytes, used once.
    pub nonce: &'a [u8; 16],
}

impl SignedParts<'_> {
    /// The text to sign.
    ///
    /// # Errors
    /// [`Ambiguous`] for a request that two readers could take for different ones.
    pub fn text(&self) -> Result<String, Ambiguous> {
        check_method(self.method)?;
        let host = canonical_host(self.host)?;
        check_path(self.path)?;
        check_query(self.query)?;
        let content_type = self.content_type.unwrap_or_default();
        if !content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(Ambiguous("the content type"));
        }
        if self.key_id.is_empty() || !self.key_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Ambiguous("the key id"));
        }
        Ok(format!(
            "{VERSION}\n{}\n{host}\n{}\n{}\n{content_type}\n{}\n{}\n{}\n{}\n",
            self.method,
            self.path,
            self.query.unwrap_or_default(),
            Hex(self.body_sha256),
            self.key_id,
            self.timestamp,
            Hex(self.nonce),
        ))
    }
}

/// A request that two readers could take for different ones; the text names the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of a signed request must have one reading only", self.0)
    }
}

impl Error for Ambiguous {}

fn check_method(method: &str) -> Result<(), Ambiguous> {
    let plain = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if plain { Ok(()) } else { Err(Ambiguous("the method")) }
}

/// A name or address with an optional port. Case carries no meaning in a host, so it carries none here.
fn canonical_host(host: &str) -> Result<String, Ambiguous> {
    let address = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(address) || host.starts_with(':') || host.ends_with([':', '.']) {
        return Err(Ambiguous("the host"));
    }
    Ok(host.to_ascii_lowercase())
}

/// Refuses what proxies and frameworks are known to rewrite: empty and dot segments, encoded separators, encodings
/// of characters that need none.
fn check_path(path: &str) -> Result<(), Ambiguous> {
    const FAULT: Ambiguous = Ambiguous("the path");
    let segments = path.strip_prefix('/').ok_or(FAULT)?;
    let last = segments.split('/').count() - 1;
    for (index, segment) in segments.split('/').enumerate() {
        let decoded = decode(segment, b"!$&'()*+,=:@").ok_or(FAULT)?;
        let empty = segment.is_empty() && index != last;
        if empty || decoded.iter().any(|byte| b"/\\%".contains(byte)) || segment == "." || segment == ".." {
            return Err(FAULT);
        }
    }
    Ok(())
}

/// Refuses repeated names, names without a value, and characters that some readers take for a separator or a space.
fn check_query(query: Option<&str>) -> Result<(), Ambiguous> {
    const FAULT: Ambiguous = Ambiguous("the query");
    let Some(query) = query else { return Ok(()) };
    let mut names = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(FAULT)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) || names.contains(&name) {
            return Err(FAULT);
        }
        decode(value, b"!$'()*,:@/?").ok_or(FAULT)?;
        names.push(name);
    }
    Ok(())
}

/// The bytes that `text` stands for, if it has one reading: unreserved characters and those of `also` stand for
/// themselves, every other byte but control characters is percent-encoded.
fn decode(text: &str, also: &[u8]) -> Option<Vec<u8>> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                let [byte] = parse_hex(str::from_utf8(&pair).ok()?, true)?;
                (!unreserved(byte) && !byte.is_ascii_control()).then_some(byte)?
            }
            byte => (unreserved(byte) || also.contains(&byte)).then_some(byte)?,
        };
        decoded.push(byte);
    }
    Some(decoded)
}

/// What the `Authorization` header of a signed request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeader {
    /// The key's id.
    pub key_id: String,
    /// When it was signed, in Unix seconds.
    pub timestamp: i64,
    /// 16 random bytes, used once.
    pub nonce: [u8; 16],
    /// HMAC-SHA256 of the signed text.
    pub signature: [u8; 32],
}

impl fmt::Display for SignatureHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, timestamp, nonce, signature } = self;
        let (nonce, signature) = (Hex(nonce), Hex(signature));
        write!(f, "{SCHEME} key_id={key_id},timestamp={timestamp},nonce={nonce},signature={signature}")
    }
}

/// A header of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderFault;

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must read `{SCHEME} key_id=…,timestamp=…,nonce=…,signature=…`")
    }
}

impl Error for HeaderFault {}

impl FromStr for SignatureHeader {
    type Err = HeaderFault;

    /// Reads exactly what [`fmt::Display`] writes: one spelling, or none.
    fn from_str(text: &str) -> Result<Self, HeaderFault> {
        let header = read_header(text).ok_or(HeaderFault)?;
        if header.to_string() == text { Ok(header) } else { Err(HeaderFault) }
    }
}

fn read_header(text: &str) -> Option<SignatureHeader> {
    let mut fields = text.strip_prefix(SCHEME)?.strip_prefix(' ')?.split(',');
    let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
    let key_id = field("key_id")?;
    let timestamp = field("timestamp")?.parse().ok()?;
    let nonce = parse_hex(field("nonce")?, false)?;
    let signature = parse_hex(field("signature")?, false)?;
    let plain = !key_id.is_empty() && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| SignatureHeader { key_id: key_id.to_owned(), timestamp, nonce, signature })
}

/// `N` bytes from exactly `2 N` digits; in a percent-encoding the digits are in upper case, elsewhere in lower.
pub(crate) fn parse_hex<const N: usize>(digits: &str, upper: bool) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' if upper => Some(digit - b'A' + 10),
        b'a'..=b'f' if !upper => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = value(pair[0])? * 16 + value(pair[1])?;
    }
    Some(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
