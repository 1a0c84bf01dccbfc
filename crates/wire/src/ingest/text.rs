//! A request body as text, and what was mended to make it text.
//!
//! A body is nearly always UTF-8, which costs one fast check and no copy. If it is not, each broken sequence becomes
//! U+FFFD in a copy; which records that touches, and where a place in the copy lies in the body, is found by walking
//! the broken sequences again, so that nothing has to be remembered per broken byte.

use std::borrow::Cow;
use std::ops::Range;
use std::str::Utf8Chunks;

/// Bytes of U+FFFD.
const REPLACEMENT_BYTES: usize = '\u{FFFD}'.len_utf8();
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A body, readable.
#[derive(Debug)]
pub(super) struct BodyText<'a> {
    body: &'a [u8],
    /// Bytes of a byte-order mark in front of `body`.
    mark_bytes: usize,
    /// The body without a byte-order mark.
    pub(super) text: Cow<'a, str>,
}

impl<'a> BodyText<'a> {
    /// Reads `body`.
    pub(super) fn read(body: &'a [u8]) -> Self {
        let (body, mark_bytes) = match body.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (rest, BYTE_ORDER_MARK.len()),
            None => (body, 0),
        };
        // Several times as fast as the lossy walk, and nearly always enough.
        let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
        Self { body, mark_bytes, text }
    }

    /// Whether broken sequences were replaced.
    pub(super) fn is_damaged(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }

    /// The replaced places, to be asked about in ascending order.
    pub(super) fn damage(&self) -> Damage<'a> {
        Damage { chunks: self.is_damaged().then(|| self.body.utf8_chunks()), text_at: 0, next: None }
    }

    /// Where the byte at `text_offset` of the text lies in the body as it was sent.
    pub(super) fn body_offset(&self, text_offset: usize) -> usize {
        if !self.is_damaged() {
            return text_offset + self.mark_bytes;
        }
        let (mut text_at, mut body_at) = (0, 0);
        for chunk in self.body.utf8_chunks() {
            let valid = chunk.valid().len();
            if text_offset <= text_at + valid {
                return body_at + (text_offset - text_at) + self.mark_bytes;
            }
            text_at += valid;
            body_at += valid;
            if text_offset < text_at + REPLACEMENT_BYTES && !chunk.invalid().is_empty() {
                // Inside a replacement: the broken sequence that it stands for.
                return body_at + self.mark_bytes;
            }
            text_at += REPLACEMENT_BYTES;
            body_at += chunk.invalid().len();
        }
        self.body.len() + self.mark_bytes
    }
}

/// A walk over the replaced places of a text, in order.
pub(super) struct Damage<'a> {
    chunks: Option<Utf8Chunks<'a>>,
    text_at: usize,
    next: Option<usize>,
}

impl Damage<'_> {
    /// Whether a replaced place lies in `range` of the text. Ranges are asked for in ascending order.
    pub(super) fn touches(&mut self, range: &Range<usize>) -> bool {
        while let Some(chunks) = &mut self.chunks {
            if let Some(at) = self.next {
                if at >= range.start {
                    return at < range.end;
                }
                self.next = None;
            }
            match chunks.next() {
                None => self.chunks = None,
                Some(chunk) => {
                    self.text_at += chunk.valid().len();
                    if !chunk.invalid().is_empty() {
                        self.next = Some(self.text_at);
                        self.text_at += REPLACEMENT_BYTES;
                    }
                }
            }
        }
        false
    }
}

/// Replaces `\u` escapes that are half of a surrogate pair by `\ufffd`, of the same length; `None` if there are none.
/// JavaScript writes such halves when a text was cut in the middle of an emoji, and JSON's grammar allows them.
pub(super) fn mend_surrogates(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += step;
        match escaped_unit(bytes, at) {
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                let copy = mended.get_or_insert_with(|| bytes.to_vec());
                if let Some(slot) = copy.get_mut(at + 2..at + 6) {
                    slot.copy_from_slice(b"fffd");
                }
                at += 6;
            }
            // Another escape: its second byte is skipped, so that `\\u` is a backslash and a letter.
            _ => at += 2,
        }
    }
    String::from_utf8(mended?).ok()
}

/// The UTF-16 unit of the escape `\uXXXX` at `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let hex = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    hex.iter().try_fold(0, |unit, byte| Some(unit * 16 + char::from(*byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_mended_text_are_places_in_the_body() {
        let body = b"\xEF\xBB\xBFab\xFFcd\xC3\xE2\x82ef";
        let text = BodyText::read(body);
        assert_eq!(text.text, "ab\u{FFFD}cd\u{FFFD}\u{FFFD}ef");
        for (letter, place) in [("a", 3), ("b", 4), ("c", 6), ("d", 7), ("e", 11), ("f", 12)] {
            assert_eq!(text.body_offset(text.text.find(letter).unwrap()), place, "{letter}");
        }
        assert_eq!(text.body_offset(text.text.len()), body.len());
        assert_eq!(text.body_offset(1_000), body.len());
        assert_eq!([2, 3, 4].map(|inside| text.body_offset(inside)), [5, 5, 5], "the broken byte itself");
        assert_eq!(BodyText::read(b"\xEF\xBB\xBFab").body_offset(1), 4);
    }

    #[test]
    fn damage_is_found_in_the_ranges_it_touches() {
        let text = BodyText::read(b"aa\xFFbb cc \xFE\xFEdd");
        let mut damage = text.damage();
        let asked: Vec<bool> = [0..2, 2..7, 8..10, 11..19, 19..25].iter().map(|range| damage.touches(range)).collect();
        assert_eq!(asked, [false, true, false, true, false]);
        assert!(!BodyText::read(b"clean").damage().touches(&(0..5)));
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_pairs_stay() {
        let check = |input: &str, expected: Option<&str>| {
            assert_eq!(mend_surrogates(input).as_deref(), expected, "{input}");
        };
        check(r#""cut \ud83d""#, Some(r#""cut \ufffd""#));
        check(r#""\uDE00 and \ud83d\uD83D\uDE00""#, Some(r#""\ufffd and \ufffd\uD83D\uDE00""#));
        check(r#""\ud83d\ude00""#, None);
        check(r#""\\ud83d""#, None);
        check(r#""\u00"#, None);
        check("no escape", None);
    }
}
