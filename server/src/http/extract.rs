//! Reads bodies and queries. What cannot be read is a Problem that names the field or the place, and never repeats the value.

use std::{error::Error as StdError, iter::successors};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use roompass_wire::http::{ListQuery, SearchQuery};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::MAX_BODY_BYTES;
use crate::error::Error;

/// A field that we do not know may have a name of any length.
const MAX_FIELD_CHARS: usize = 64;

/// A JSON body of at most `MAX` bytes.
#[derive(Debug)]
pub(super) struct Json<T, const MAX: usize = MAX_BODY_BYTES>(pub(super) T);

impl<T: DeserializeOwned, S: Sync, const MAX: usize> FromRequest<S> for Json<T, MAX> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Error::UnsupportedMediaType);
        }
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes > MAX as u64) {
            return Err(Error::TooLarge { max_bytes: MAX });
        }
        read(&whole_body(request.into_body(), MAX).await?).map(Self)
    }
}

/// A query string. What is not known in it is refused.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let reason = "the query string has a parameter that is not known, occurs twice, or has no such value";
        query.map(|query| Self(query.0)).map_err(|_| Error::BadRequest(reason.to_owned()))
    }
}

/// Which page of a list, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page<A> {
    pub(super) limit: u32,
    pub(super) after: Option<A>,
}

impl<A> Page<A> {
    /// Reads limit and cursor.
    pub(super) fn of(query: &ListQuery, parse: impl FnOnce(&str) -> Option<A>) -> Result<Self, Error> {
        let limit = query.limit.unwrap_or(ListQuery::DEFAULT_LIMIT);
        if !(1..=ListQuery::MAX_LIMIT).contains(&limit) {
            return Err(Error::BadRequest(format!("limit must be 1 to {}", ListQuery::MAX_LIMIT)));
        }
        let after = match query.cursor.as_deref().map(parse) {
            Some(None) => return Err(Error::BadRequest("the cursor is none that this list gave out".to_owned())),
            Some(after) => after,
            None => None,
        };
        Ok(Self { limit, after })
    }

    /// Cuts what was read one entry too far, which shows whether there is more.
    pub(super) fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        let limit = self.limit as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        more
    }
}

/// Which text is searched for, judged.
pub(super) fn searched(search: String) -> Result<String, Error> {
    if search.len() > SearchQuery::MAX_SEARCH_BYTES || search.chars().any(char::is_control) {
        return Err(Error::BadRequest("search is too long or has control characters".to_owned()));
    }
    Ok(search)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // Keeping track of the path is not free, so only what fails is read with it.
    serde_json::from_slice(body).or_else(|_| read_with_path(body))
}

fn read_with_path<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, &error.into_inner())
    })?;
    reader.end().map_err(|error| refusal(".", &error))?;
    Ok(value)
}

fn refusal(path: &str, error: &serde_json::Error) -> Error {
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let (field, reason) = what_is_wrong(path, &text);
            Error::field(field.chars().take(MAX_FIELD_CHARS).collect::<String>(), reason)
        }
        _ => Error::BadRequest(format!(
            "the body is not JSON that we take: reading stopped at line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

/// Field and reason from serde's words, of which only names we know and expectations are passed on.
fn what_is_wrong(path: &str, text: &str) -> (String, String) {
    let quoted = || text.split('`').nth(1).unwrap_or_default().to_owned();
    let field = if path == "." { "(body)".to_owned() } else { path.to_owned() };
    if text.starts_with("missing field") {
        return (quoted(), "is needed".to_owned());
    }
    if text.starts_with("duplicate field") {
        return (quoted(), "occurs twice".to_owned());
    }
    let expected = text.rsplit_once("expected ").map(|(_, expected)| expected);
    let expected = expected.and_then(|expected| expected.split(" at line ").next()).unwrap_or("something else");
    if text.starts_with("unknown field") {
        return (field, format!("is not known; expected {expected}"));
    }
    (field, format!("expected {expected}"))
}

/// The whole body, unless it is longer than it may be or breaks off.
pub(super) async fn whole_body(body: Body, max_bytes: usize) -> Result<Bytes, Error> {
    to_bytes(body, max_bytes).await.map_err(|error| {
        let mut causes = successors(Some(&error as &(dyn StdError + 'static)), |&error| error.source());
        match causes.any(|cause| cause.is::<hyper::Error>()) {
            true => Error::BadRequest("the body breaks off, or its chunks are none".to_owned()),
            false => Error::TooLarge { max_bytes },
        }
    })
}

#[cfg(test)]
mod tests {
    use roompass_wire::http::MintRequest;

    use super::*;

    // proves T56 (bodies), T21 (unknown fields)
    #[test]
    fn a_bad_body_names_the_field_or_the_place() {
        let deep = format!("{{\"user_id\":{}", "[".repeat(10_000));
        let deep_unknown = format!("{{\"x\":{}", "[".repeat(10_000));
        let many: String = (0..5_000).map(|number| format!("\"k{number}\":1,")).collect();
        let many = format!("{{{many}\"user_id\":\"a\"}}");
        for (body, expected) in [
            ("", "bad_request"),
            ("{", "bad_request"),
            ("nul", "bad_request"),
            ("{} {}", "user_id"),
            (r#"{"user_id":"a"}x"#, "bad_request"),
            (r#"{"user_id":"\ud800"}"#, "bad_request"),
            (r#"{"user_id":"a","ttl_secs":1e999}"#, "bad_request"),
            ("{\"user_id\":\"a\nb\"}", "bad_request"),
            ("[]", "(body)"),
            ("7", "(body)"),
            ("{}", "user_id"),
            (r#"{"user_id":7}"#, "user_id"),
            (r#"{"user_id":null}"#, "user_id"),
            (r#"{"user_id":"a","user_id":"b"}"#, "user_id"),
            (r#"{"user_id":"a","role":"admin"}"#, "role"),
            (r#"{"user_id":"a","app_id":7}"#, "app_id"),
            (r#"{"user_id":"a","ttl_secs":-1}"#, "ttl_secs"),
            (r#"{"user_id":"a","ttl_secs":1.5}"#, "ttl_secs"),
            (r#"{"user_id":"a","ttl_secs":"60"}"#, "ttl_secs"),
            (r#"{"user_id":"a","privileges":["play"]}"#, "privileges[0]"),
            (r#"{"user_id":"a","privileges":"login"}"#, "privileges"),
            (r#"{"user_id":"a","stream_ids":["s",7]}"#, "stream_ids[1]"),
            (r#"{"user_id":"a","format":"05"}"#, "format"),
            (r#"{"user_id":"a","kit":1}"#, "kit"),
            (&deep, "user_id"),
            (&deep_unknown, "x"),
            (&many, "k0"),
        ] {
            let found = match read::<MintRequest>(body.as_bytes()) {
                Err(Error::Field { field, .. }) => field.into_owned(),
                Err(error) => error.code().to_string(),
                Ok(read) => panic!("{body}: {read:?}"),
            };
            assert_eq!(found, expected, "{}", &body[..body.len().min(60)]);
        }
        assert!(read::<MintRequest>(b"{\"user_id\":\"\xff\"}").is_err());
    }

    // proves T16 (refusals)
    #[test]
    fn refusals_do_not_repeat_values() {
        for body in [
            r#"{"user_id":"a","ttl_secs":"canary"}"#,
            r#"{"user_id":"a","format":"canary"}"#,
            r#"{"user_id":"a","privileges":["canary"]}"#,
            r#"{"user_id":"a","privileges":"canary, expected canary"}"#,
        ] {
            let error = read::<MintRequest>(body.as_bytes()).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
