//! Text as a reader would decode it, with the way back to where each byte came from.
//!
//! A secret may hide behind `%70assword`, `\u0070assword` or `&#112;assword`. Rather than teach every detector every
//! encoding, the text is decoded and the same detectors read the result; what they find is mapped back and removed from
//! the original. A [`View`] is one such reading: the first is the text itself, each further one decodes the one before.
//!
//! Invariants: `origin` is empty (the text itself: byte `i` comes from byte `i`) or has one more entry than `bytes`;
//! origins never decrease; `depth[i]` says how many times byte `i` was decoded, so that a detector can tell a quote
//! which was written from one which was escaped. Decoding never lengthens.
//!
//! Left out: `\"` and `\\` stay, because the detectors count backslashes themselves; that is what tells the end of an
//! escaped string from a quote inside it. Control escapes (`\n`) stay, as they are word boundaries in every reading.

use std::cell::Cell;

/// How often a text is decoded over itself: `%252540` takes three. Each reading costs one pass over the text.
pub(super) const DEPTH_MAX: usize = 3;

/// A text decoded, to be read.
pub(super) struct Decoded {
    bytes: Vec<u8>,
    origin: Vec<u32>,
    depth: Vec<u8>,
    /// Bytes looked at while decoding.
    steps: u64,
}

impl Decoded {
    /// A reading of it.
    pub(super) fn view(&self) -> View<'_> {
        View { steps: Cell::new(self.steps), ..View::new(&self.bytes, &self.origin, &self.depth) }
    }
}

/// One reading of a text, and the work done on it.
pub(super) struct View<'a> {
    bytes: &'a [u8],
    origin: &'a [u32],
    depth: &'a [u8],
    /// Bytes looked at, all detectors together; the proof that work grows with the text and not faster.
    pub(super) steps: Cell<u64>,
    /// No semicolon stands between what was read last of a line and here; so that a line is searched once only.
    pub(super) no_semicolon_to: Cell<usize>,
    /// The run of token characters that was read last: many tokens may seem to begin in one run.
    token_run: Cell<(usize, usize)>,
}

impl<'a> View<'a> {
    /// The text itself.
    pub(super) fn plain(text: &'a [u8]) -> Self {
        Self::new(text, &[], &[])
    }

    fn new(bytes: &'a [u8], origin: &'a [u32], depth: &'a [u8]) -> Self {
        let (steps, no_semicolon_to, token_run) = (Cell::new(0), Cell::new(0), Cell::new((0, 0)));
        Self { bytes, origin, depth, steps, no_semicolon_to, token_run }
    }

    /// The bytes of this reading.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of bytes in this reading.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Byte `index`, or NUL past the end: no detector takes NUL for anything but an end.
    pub(super) fn at(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }

    /// The byte before `index`, or NUL at the start.
    pub(super) fn before(&self, index: usize) -> u8 {
        index.checked_sub(1).map_or(0, |index| self.at(index))
    }

    /// The bytes from `start` to `end`, as far as they exist.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end.min(self.bytes.len())).unwrap_or_default()
    }

    /// Whether the bytes at `index` are `expected`.
    pub(super) fn is_at(&self, index: usize, expected: &[u8]) -> bool {
        self.bytes.get(index..).is_some_and(|rest| rest.starts_with(expected))
    }

    /// How many times byte `index` was decoded.
    pub(super) fn depth(&self, index: usize) -> u8 {
        self.depth.get(index).copied().unwrap_or(0)
    }

    /// Where in the original text byte `index` begins; the length of the text for the end.
    pub(super) fn origin(&self, index: usize) -> usize {
        match self.origin.get(index) {
            Some(origin) => *origin as usize,
            None if self.origin.is_empty() => index,
            None => self.origin.last().map_or(0, |origin| *origin as usize),
        }
    }

    /// Counts `bytes` as looked at.
    pub(super) fn spend(&self, bytes: usize) {
        self.steps.set(self.steps.get().saturating_add(bytes as u64));
    }

    /// End of the run of bytes from `start` for which `wanted` holds.
    pub(super) fn run_end(&self, start: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len());
        self.spend(length + 1);
        start.min(self.bytes.len()) + length
    }

    /// End of the run from `start`, but at most `most` bytes: enough to decide, where a decision may be no.
    pub(super) fn run_end_within(&self, start: usize, most: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let window = self.slice(start, start.saturating_add(most));
        let length = window.iter().position(|&byte| !wanted(byte)).unwrap_or(window.len());
        self.spend(length + 1);
        start.min(self.len()) + length
    }

    /// End of the run of token characters (base64url) from `start`.
    pub(super) fn token_end(&self, start: usize) -> usize {
        let (from, to) = self.token_run.get();
        if from <= start && start < to {
            return to;
        }
        let end = self.run_end(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        self.token_run.set((start, end));
        end
    }

    /// This reading decoded once more, or nothing if there is nothing to decode.
    pub(super) fn decoded(&self) -> Option<Decoded> {
        let first = (0..self.len()).find(|&index| Escape::at(self, index).is_some())?;
        let mut bytes = Vec::with_capacity(self.len());
        let mut origins = Vec::with_capacity(self.len() + 1);
        let mut depths = Vec::with_capacity(self.len());
        bytes.extend_from_slice(self.slice(0, first));
        origins.extend((0..first).map(|index| self.origin(index) as u32));
        depths.extend((0..first).map(|index| self.depth(index)));
        let mut index = first;
        while index < self.len() {
            let origin = self.origin(index) as u32;
            if let Some(escape) = Escape::at(self, index) {
                let depth = self.depth(index).saturating_add(1);
                for &byte in escape.bytes() {
                    bytes.push(byte);
                    origins.push(origin);
                    depths.push(depth);
                }
                index += escape.length;
            } else {
                bytes.push(self.at(index));
                origins.push(origin);
                depths.push(self.depth(index));
                index += 1;
            }
        }
        origins.push(self.origin(self.len()) as u32);
        Some(Decoded { bytes, origin: origins, depth: depths, steps: self.len() as u64 })
    }
}

/// One escape: what it stands for, and how many bytes it takes. Stands for fewer bytes than it takes.
struct Escape {
    decoded: [u8; 4],
    decoded_len: usize,
    length: usize,
}

impl Escape {
    /// The escape at `index`, if there is one.
    fn at(view: &View<'_>, index: usize) -> Option<Self> {
        match view.at(index) {
            b'%' => {
                let byte = hex(view.at(index + 1))? << 4 | hex(view.at(index + 2))?;
                Some(Self { decoded: [byte, 0, 0, 0], decoded_len: 1, length: 3 })
            }
            b'\\' => Self::backslash(view, index),
            b'&' => Self::entity(view, index),
            _ => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.decoded.get(..self.decoded_len).unwrap_or_default()
    }

    /// One character, in UTF-8.
    fn character(code: u32, length: usize) -> Self {
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut decoded = [0; 4];
        let decoded_len = character.encode_utf8(&mut decoded).len();
        Self { decoded, decoded_len, length }
    }

    /// `\u0070`, `\x70` and `\/`, behind one backslash or (text nested in text) up to eight.
    fn backslash(view: &View<'_>, index: usize) -> Option<Self> {
        let mut letter = index + 1;
        while view.at(letter) == b'\\' && letter < index + 8 {
            letter += 1;
        }
        let digits = |start: usize, count: usize| {
            (start..start + count).try_fold(0u32, |code, at| Some(code << 4 | u32::from(hex(view.at(at))?)))
        };
        match view.at(letter) {
            b'u' => {
                let code = digits(letter + 1, 4)?;
                let high = (0xD800..0xDC00).contains(&code) && view.is_at(letter + 5, b"\\u");
                let low = if high { digits(letter + 7, 4) } else { None };
                match low {
                    Some(low) if (0xDC00..0xE000).contains(&low) => {
                        let code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        Some(Self::character(code, letter + 11 - index))
                    }
                    _ => Some(Self::character(code, letter + 5 - index)),
                }
            }
            b'x' => Some(Self::character(digits(letter + 1, 2)?, letter + 3 - index)),
            b'/' => Some(Self { decoded: [b'/', 0, 0, 0], decoded_len: 1, length: letter + 1 - index }),
            _ => None,
        }
    }

    /// `&#64;`, `&#x40;` and the named entities of the characters that delimit text.
    fn entity(view: &View<'_>, index: usize) -> Option<Self> {
        const NAMED: [(&[u8], u8); 12] = [
            (b"&quot;", b'"'),
            (b"&apos;", b'\''),
            (b"&amp;", b'&'),
            (b"&lt;", b'<'),
            (b"&gt;", b'>'),
            (b"&commat;", b'@'),
            (b"&colon;", b':'),
            (b"&equals;", b'='),
            (b"&period;", b'.'),
            (b"&nbsp;", b' '),
            (b"&lowbar;", b'_'),
            (b"&sol;", b'/'),
        ];
        if view.at(index + 1) != b'#' {
            let (name, byte) = NAMED.iter().find(|(name, _)| view.is_at(index, name))?;
            return Some(Self { decoded: [*byte, 0, 0, 0], decoded_len: 1, length: name.len() });
        }
        let is_hex = matches!(view.at(index + 2), b'x' | b'X');
        let radix = if is_hex { 16 } else { 10 };
        let start = index + if is_hex { 3 } else { 2 };
        let mut end = start;
        let mut code = 0u32;
        while end < start + 8 {
            let Some(digit) = char::from(view.at(end)).to_digit(radix) else { break };
            code = code.saturating_mul(radix).saturating_add(digit);
            end += 1;
        }
        (end > start && view.at(end) == b';').then(|| Self::character(code, end + 1 - index))
    }
}

/// Value of a hex digit.
pub(super) fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let plain = View::plain(text.as_bytes());
        let decoded = plain.decoded().map(|decoded| decoded.view().bytes().to_vec());
        assert_eq!(decoded.as_deref().map(String::from_utf8_lossy).as_deref(), Some(expected));
    }

    #[test]
    fn escapes_of_urls_json_and_html_are_decoded() {
        check("user%40example.com", "user@example.com");
        check("%E2%82%AC", "€");
        check(r"\u0070ass\\u0077ord \x41 \/", "password A /");
        check(r"\ud83d\ude00 \ud83d \ud83d\u0041", "😀 \u{fffd} \u{fffd}A");
        check("a&#64;b &#x40; &quot;x&quot; &amp;amp;", "a@b @ \"x\" &amp;");
    }

    #[test]
    fn what_is_no_escape_is_left_and_costs_nothing() {
        for text in ["100% sure", "%zz %4", r#"a\"b \\ \n \u12 \xg"#, "a & b &# &#; &#x; &#99999999999;", "&quot", ""] {
            assert!(View::plain(text.as_bytes()).decoded().is_none(), "{text}");
        }
    }

    #[test]
    fn each_byte_knows_where_it_came_from_and_how_deep_it_lay() {
        let plain = View::plain(b"a%2540b");
        let once = plain.decoded().expect("there is an escape");
        let twice = once.view().decoded().expect("there is one inside it");
        let twice = twice.view();
        assert_eq!(twice.bytes(), b"a@b");
        assert_eq!([twice.origin(0), twice.origin(1), twice.origin(2), twice.origin(3)], [0, 1, 6, 7]);
        assert_eq!([twice.depth(0), twice.depth(1), twice.depth(2)], [0, 2, 0]);
        assert!(twice.decoded().is_none());
    }
}
