//! The grammar of RFC 8259, one method a rule. Each takes its rule off the front of the text; `None` is a fault.

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::{Named, Node, Object, special};

/// How much of a string with escapes is read at a time: a typical payload.
const RUN: usize = 128;

/// Which bytes end a run: outside an escape the closing quote, after a backslash all that do not stand for themselves,
/// and control characters anywhere.
const ENDS_RUN: [[bool; 256]; 2] = {
    let mut ends = [[false; 256], [true; 256]];
    let mut control = 0;
    while control < b' ' as usize {
        ends[0][control] = true;
        control += 1;
    }
    ends[0][b'"' as usize] = true;
    ends[1][b'"' as usize] = false;
    ends[1][b'\\' as usize] = false;
    ends[1][b'/' as usize] = false;
    ends
};

/// What is still to be read of a JSON text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether some object read so far has a member twice.
    pub(super) found_double: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, found_double: false }
    }

    /// One value and nothing after it.
    pub(super) fn text(&mut self, max_depth: usize) -> Option<Node<'a>> {
        let mut node = Node::Null;
        self.space();
        self.value(&mut node, max_depth)?;
        self.space();
        (self.at == self.text.len()).then_some(node)
    }

    /// Reads a value into its place: moving finished nodes about took a tenth of a verify.
    fn value(&mut self, node: &mut Node<'a>, depth_left: usize) -> Option<()> {
        match self.peek()? {
            b'"' => *node = Node::String(self.string()?),
            b'{' => self.object(node, depth_left.checked_sub(1)?)?,
            b'[' => self.array(node, depth_left.checked_sub(1)?)?,
            b'n' => self.word("null")?,
            b't' => {
                self.word("true")?;
                *node = Node::Bool;
            }
            b'f' => {
                self.word("false")?;
                *node = Node::Bool;
            }
            _ => match self.number()? {
                Some(value) => *node = Node::Int(value),
                None => *node = Node::Number,
            },
        }
        Some(())
    }

    /// The members `names` of one object and nothing after it; `false` where the text is another value.
    ///
    /// They are read into their places, and looked for where the last one ended: a token writes its claims in one
    /// order, and a list of members that is searched afterwards took an eighth of a verify.
    pub(super) fn named<const N: usize>(
        &mut self,
        names: &[&str; N],
        found: &mut Named<'a, N>,
        max_depth: usize,
    ) -> Option<bool> {
        self.space();
        if self.peek()? != b'{' {
            self.text(max_depth)?;
            return Some(false);
        }
        let depth_left = max_depth.checked_sub(1)?;
        let mut others = Vec::new();
        let mut next = 0;
        self.members(|reader, key| {
            let is_next = names.get(next).is_some_and(|name| key == *name);
            let at = if is_next { Some(next) } else { names.iter().position(|name| key == *name) };
            let Some(at) = at else {
                others.push((key, Node::Null));
                return reader.value(&mut Node::Null, depth_left);
            };
            next = at + 1;
            reader.found_double |= found[at].is_some();
            reader.value(found[at].insert(Node::Null), depth_left)
        })?;
        self.found_double |= Object(others).has_double();
        self.space();
        (self.at == self.text.len()).then_some(true)
    }

    fn object(&mut self, node: &mut Node<'a>, depth_left: usize) -> Option<()> {
        let mut members = Vec::new();
        self.members(|reader, key| {
            if members.is_empty() {
                members.reserve(8);
            }
            members.push((key, Node::Null));
            reader.value(&mut members.last_mut()?.1, depth_left)
        })?;
        let object = Object(members);
        self.found_double |= object.has_double();
        *node = Node::Object(object);
        Some(())
    }

    /// An object, each of whose values `value` reads.
    #[inline]
    fn members(&mut self, mut value: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            value(self, key)?;
            self.space();
            if self.eat(b'}') {
                return Some(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn array(&mut self, node: &mut Node<'a>, depth_left: usize) -> Option<()> {
        self.at += 1;
        self.space();
        let mut items = Vec::new();
        if !self.eat(b']') {
            loop {
                items.push(Node::Null);
                self.value(items.last_mut()?, depth_left)?;
                self.space();
                if self.eat(b']') {
                    break;
                }
                self.expect(b',')?;
                self.space();
            }
        }
        *node = Node::Array(items);
        Some(())
    }

    /// A string with its quotes, borrowed where it holds no escapes.
    ///
    /// Inlined so that a borrowed one stays in registers: nearly all are, and they are most of a token.
    #[inline]
    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if self.eat(b'"') {
            return Some(Cow::Borrowed(plain));
        }
        self.escaped(plain).map(Cow::Owned)
    }

    /// The whole of a string of which `plain`, up to its first escape, has been read.
    #[inline(never)]
    fn escaped(&mut self, plain: &str) -> Option<String> {
        let mut string = Vec::with_capacity(plain.len() + RUN);
        string.extend_from_slice(plain.as_bytes());
        loop {
            self.run(&mut string);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    string.extend_from_slice(self.escape()?.encode_utf8(&mut [0; 4]).as_bytes());
                }
                // A run may end before the string does.
                byte if byte >= b' ' => {}
                _ => return None,
            }
        }
        self.at += 1;
        String::from_utf8(string).ok()
    }

    /// Moves characters over until the closing quote, or an escape that does not stand for itself.
    ///
    /// A payload is JSON inside a JSON string: every few characters an escaped quote, at no regular distance. So
    /// nothing here branches on an escape; looking for each one took a tenth of a verify.
    fn run(&mut self, out: &mut Vec<u8>) {
        let rest = &self.text.as_bytes()[self.at..];
        let rest = &rest[..rest.len().min(RUN)];
        let mut len = out.len();
        out.resize(len + rest.len(), 0);
        let (mut taken, mut escaped) = (0, false);
        for &byte in rest {
            if ENDS_RUN[usize::from(escaped)][usize::from(byte)] {
                break;
            }
            out[len] = byte;
            escaped = !escaped & (byte == b'\\');
            len += usize::from(!escaped);
            taken += 1;
        }
        out.truncate(len);
        // A backslash without what it escapes is left for the caller.
        self.at += taken - usize::from(escaped);
    }

    /// The characters up to the next quote, backslash or control character; `None` at the end of the text.
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let len = special(rest.as_bytes())?;
        self.at += len;
        rest.get(..len)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Option<char> {
        let escape = self.peek()?;
        self.at += 1;
        Some(match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.utf16_unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    // A low surrogate by itself is no character either.
                    return char::from_u32(unit);
                }
                self.expect(b'\\')?;
                self.expect(b'u')?;
                let low = self.utf16_unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + low);
            }
            _ => return None,
        })
    }

    fn utf16_unit(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }

    /// A number; `Some(None)` where it is no integer of 64 bits.
    fn number(&mut self) -> Option<Option<i64>> {
        let negative = self.eat(b'-');
        let leads_with_zero = self.peek() == Some(b'0');
        let Digits { len, value } = self.digits()?;
        if leads_with_zero && len > 1 {
            return None;
        }
        let mut integral = !(negative && leads_with_zero);
        if self.eat(b'.') {
            integral = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            integral = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let magnitude = value.filter(|_| integral);
        Some(magnitude.and_then(|magnitude| {
            if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
        }))
    }

    /// One digit or more. A token holds four long numbers, so they are read by eights.
    fn digits(&mut self) -> Option<Digits> {
        let rest = &self.text.as_bytes()[self.at..];
        let (mut len, mut value) = (0, 0u64);
        // Nineteen digits never overflow; of more, only how many they are is of interest.
        while let Some(eight) = rest[len..].first_chunk().and_then(|eight| eight_digits(*eight)) {
            value = value.wrapping_mul(100_000_000).wrapping_add(eight);
            len += 8;
        }
        while let Some(digit) = rest.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            len += 1;
        }
        self.at += len;
        (len > 0).then_some(Digits { len, value: (len <= 19).then_some(value) })
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }
}

/// A run of digits.
struct Digits {
    len: usize,
    /// What they stand for; `None` for twenty and more, which no integer of 64 bits has (a zero cannot lead).
    value: Option<u64>,
}

/// The value of eight digits, if that is what they are.
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    const SIXES: u64 = u64::from_ne_bytes([6; 8]);
    const HIGH_NIBBLES: u64 = u64::from_ne_bytes([0xf0; 8]);
    let digits = u64::from_le_bytes(bytes) ^ ZEROS;
    // Ten to fifteen spill into the high nibble once six is added; everything else outside 0..=9 is there already.
    if (digits | digits.wrapping_add(SIXES)) & HIGH_NIBBLES != 0 {
        return None;
    }
    // Neighbours are joined by twos, then fours, then eights; the first digit is in the lowest byte.
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}
