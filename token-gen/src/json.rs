//! Strict JSON: one text, bounded depth, exact integers, no member twice.
//!
//! serde_json does the parsing. This file adds what it leaves open: it keeps the last of two equal members
//! unless asked, and folds every number it can into the type requested.

use alloc::{borrow::Cow, vec::Vec};
use core::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

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
    let doubled = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = Seed { depth_left: max_depth, doubled: &doubled }
        .deserialize(&mut reader)
        .and_then(|node| reader.end().map(|()| node))
        .map_err(|_| Fault::Syntax)?;
    if doubled.get() { Err(Fault::DuplicateMember) } else { Ok(node) }
}

#[derive(Clone, Copy)]
struct Seed<'d> {
    depth_left: usize,
    doubled: &'d Cell<bool>,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Number, Node::Int))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Owned(text.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node<'de>, A::Error> {
        let seed = self.deeper()?;
        let mut object = Vec::with_capacity(6);
        while let Some(key) = members.next_key_seed(Key)? {
            object.push((key, members.next_value_seed(seed)?));
        }
        if has_double(&object) {
            self.doubled.set(true);
        }
        Ok(Node::Object(Object(object)))
    }
}

fn has_double(members: &[(Cow<'_, str>, Node<'_>)]) -> bool {
    if members.len() > SORT_ABOVE {
        let mut keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
        keys.sort_unstable();
        return keys.windows(2).any(|pair| pair[0] == pair[1]);
    }
    members.iter().enumerate().any(|(i, (key, _))| members[..i].iter().any(|(earlier, _)| earlier == key))
}

/// A member name, borrowed where it holds no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;

    #[test]
    fn integers_are_integers_only() {
        for (text, expected) in [
            ("0", Node::Int(0)),
            ("-9223372036854775808", Node::Int(i64::MIN)),
            ("9223372036854775807", Node::Int(i64::MAX)),
            ("9223372036854775808", Node::Number),
            ("-9223372036854775809", Node::Number),
            ("1.0", Node::Number),
            ("1e3", Node::Number),
            ("-0", Node::Number),
        ] {
            assert_eq!(parse(text, 8), Ok(expected), "{text}");
        }
    }

    #[test]
    fn doubles_are_found_at_every_depth_and_after_escapes() {
        let many = |last: &str| {
            let members: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
            format!("{{{members}\"{last}\":0}}")
        };
        for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#, &many("k7")] {
            assert_eq!(parse(text, 8), Err(Fault::DuplicateMember), "{text}");
        }
        assert!(parse(&many("k40"), 8).is_ok());
    }

    #[test]
    fn a_syntax_fault_wins_over_a_double_before_it() {
        assert_eq!(parse(r#"{"a":1,"a":2}x"#, 8), Err(Fault::Syntax));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse("[[[]]]", 3).is_ok());
        assert_eq!(parse("[[[[]]]]", 3), Err(Fault::Syntax));
        assert_eq!(parse(&"[".repeat(100_000), 8), Err(Fault::Syntax));
    }
}
