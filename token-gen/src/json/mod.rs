//! Strict JSON: one text, bounded depth, exact integers, no member twice.
//!
//! Written out rather than taken from serde_json because tokens need what that leaves open (doubled members, integers
//! told from other numbers, a depth of the caller's choosing) and half its time. The tests and the fuzz targets hold
//! every answer against serde_json's.

mod read;
pub(crate) mod write;

use alloc::{borrow::Cow, vec::Vec};

use read::Reader;

/// Above this many members, doubles are looked for by sorting instead of pair by pair.
const SORT_ABOVE: usize = 16;

/// A parsed JSON value, borrowing unescaped strings from its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool,
    /// A number written as an integer that fits an `i64`.
    Int(i64),
    /// Any other number: fraction, exponent, minus zero, too large.
    Number,
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Object<'a>),
}

/// The members of an object, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Object<'a> {
    /// Takes the member `name` out, if it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, node)| core::mem::replace(node, Node::Null))
    }

    /// The members, in their order.
    pub(crate) fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Node<'a>)> {
        self.0.into_iter()
    }

    fn has_double(&self) -> bool {
        let members = &self.0;
        if members.len() > SORT_ABOVE {
            let mut keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
            keys.sort_unstable();
            return keys.windows(2).any(|pair| pair[0] == pair[1]);
        }
        members.iter().enumerate().any(|(i, (key, _))| members[..i].iter().any(|(earlier, _)| earlier == key))
    }
}

/// Why a text was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not exactly one JSON text within the depth limit.
    Syntax,
    /// It is, but some object in it has a member twice.
    DuplicateMember,
}

/// Reads the one JSON text that `text` is, nested at most `max_depth` deep (a scalar has depth 0).
///
/// # Errors
/// [`Fault::Syntax`] before [`Fault::DuplicateMember`], wherever in the text the two occur.
pub(crate) fn parse(text: &str, max_depth: usize) -> Result<Node<'_>, Fault> {
    let mut reader = Reader::new(text);
    let node = reader.text(max_depth).ok_or(Fault::Syntax)?;
    if reader.found_double { Err(Fault::DuplicateMember) } else { Ok(node) }
}

/// The members of an object that were asked for, each in its place.
pub(crate) type Named<'a, const N: usize> = [Option<Node<'a>>; N];

/// As [`parse`], of which only the members `names` are kept, in `found`; `false` when the text is no object.
///
/// # Errors
/// As [`parse`]: what is not asked for is read as strictly.
pub(crate) fn parse_named<'a, const N: usize>(
    text: &'a str,
    names: &[&str; N],
    found: &mut Named<'a, N>,
    max_depth: usize,
) -> Result<bool, Fault> {
    let mut reader = Reader::new(text);
    let is_object = reader.named(names, found, max_depth).ok_or(Fault::Syntax)?;
    if reader.found_double { Err(Fault::DuplicateMember) } else { Ok(is_object) }
}

/// Where the first byte stands that a JSON string cannot hold as it is: a quote, a backslash or a control character.
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Sets the high bit of each byte of `word` that is below `limit`. A borrow can spoil the bytes after such a byte,
    // never those before the first.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH_BITS;
    let (words, tail) = bytes.as_chunks::<8>();
    for (at, chunk) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let found =
            below(word, b' ') | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let in_tail = tail.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\')?;
    Some(words.len() * 8 + in_tail)
}

#[cfg(test)]
mod tests;
