//! Text hygiene: what leaves here cannot forge a line in a terminal or a text log, and has a known length.
//!
//! Two shapes of text exist. A *line* (message, every field, tags, attribute texts and names) never holds a control
//! character: a line break is written as the two characters `\n` (`\r` for a lone carriage return), a tab becomes a
//! space. A *block* (stack traces only) keeps `\n` and `\t`, and every kind of line end becomes `\n`.
//!
//! In both, complete terminal sequences that only format (`ESC [ ... m` and its family, titles and links, character
//! sets) are removed; every other C0 or C1 control character is shown as `\xNN`, and what would break or reorder a
//! line in Unicode (U+2028, U+2029, bidirectional embeddings, overrides and isolates) as `\u{NNNN}`. A sequence that
//! never ends hides nothing: its escape character is shown and the rest stays. Text that is too long is cut between
//! characters and says so at its end, within the limit: `…[cut 12345 bytes]`.
//!
//! Left alone: joiners, direction marks (U+200E, U+200F) and variation selectors, because ordinary writing needs them;
//! and the backslash itself, so that a sent `\n` of two characters and an escaped line break look alike.

use std::fmt::{self, Write};

/// What becomes of line breaks and tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// The text is one line.
    Escaped,
    /// The text is a block of lines.
    Kept,
}

/// What was done to a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// It was longer than allowed.
    pub cut: bool,
    /// Control characters were removed, replaced or escaped.
    pub controls: bool,
}

/// The longest cut marker: three bytes of ellipsis and a count of twenty digits.
const MARKER_BYTES_MAX: usize = 35;

/// Cleans `text` in place; see the module for the rules. Text that is already clean is only looked at. The result has
/// at most `limit` bytes and cleaning it again changes nothing.
pub fn clean(text: &mut String, limit: usize, breaks: Breaks) -> Cleaned {
    let odd = odd_at(text.as_bytes(), 0, breaks).is_some();
    if !odd && text.len() <= limit {
        return Cleaned::default();
    }
    let mut rewrite = Rewrite::new(text, limit, breaks);
    let cut = rewrite.run();
    let controls = rewrite.controls;
    *text = rewrite.out;
    Cleaned { cut, controls }
}

/// Whether `text` may stay as it is as one line, whatever its length: it has no control characters and no line breaks.
pub(super) fn is_plain_line(text: &str) -> bool {
    odd_at(text.as_bytes(), 0, Breaks::Escaped).is_none()
}

/// Removes white space at both ends, in place.
pub fn trim(text: &mut String) {
    let is_visible = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if is_visible(text.as_bytes().first()) && is_visible(text.as_bytes().last()) {
        return;
    }
    text.truncate(text.trim_end().len());
    let blank = text.len() - text.trim_start().len();
    if blank > 0 {
        text.drain(..blank);
    }
}

/// One pass over the text. `out` is what was written; `kept` is the last point at which a cut marker still fits.
struct Rewrite<'a> {
    text: &'a str,
    limit: usize,
    /// Bytes kept free for the cut marker; none where the limit is too small to hold one.
    reserve: usize,
    breaks: Breaks,
    out: String,
    /// Bytes of `out`, and bytes of `text` that they stand for.
    kept: (usize, usize),
    controls: bool,
}

impl<'a> Rewrite<'a> {
    fn new(text: &'a str, limit: usize, breaks: Breaks) -> Self {
        let out = String::with_capacity(text.len().min(limit) + 16);
        let reserve = if limit > MARKER_BYTES_MAX { MARKER_BYTES_MAX } else { 0 };
        Self { text, limit, reserve, breaks, out, kept: (0, 0), controls: false }
    }

    /// True if the text had to be cut.
    fn run(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let odd = odd_at(bytes, at, self.breaks).unwrap_or(bytes.len());
            if !self.push(at, self.text.get(at..odd).unwrap_or_default()) {
                return self.cut();
            }
            at = odd;
            if at < bytes.len() {
                let (shown, length) = self.odd(at);
                if !self.push_shown(at + length, &shown) {
                    return self.cut();
                }
                at += length;
            }
        }
        false
    }

    /// Appends a clean run that starts at `from` in the source; false if the limit is reached.
    fn push(&mut self, from: usize, run: &str) -> bool {
        if run.is_empty() {
            return true;
        }
        let room = self.limit.saturating_sub(self.reserve).saturating_sub(self.out.len());
        if run.len() <= room {
            self.out.push_str(run);
            self.kept = (self.out.len(), from + run.len());
            return true;
        }
        let fits = run.floor_char_boundary(room);
        if self.out.len() + self.reserve <= self.limit {
            self.kept = (self.out.len() + fits, from + fits);
        }
        self.out.push_str(run.get(..run.floor_char_boundary(self.limit)).unwrap_or_default());
        self.out.len() <= self.limit && run.len() <= self.limit
    }

    /// Appends what stands for an odd character; `after` is where the source goes on. False if the limit is reached.
    fn push_shown(&mut self, after: usize, shown: &Shown) -> bool {
        match shown {
            Shown::Nothing => {}
            Shown::Char(character) => self.out.push(*character),
            Shown::Word(word) => self.out.push_str(word),
            Shown::Byte(byte) => self.show(format_args!("\\x{byte:02x}")),
            Shown::Code(code) => self.show(format_args!("\\u{{{code:04x}}}")),
        }
        if self.out.len() + self.reserve <= self.limit {
            self.kept = (self.out.len(), after);
        }
        self.out.len() <= self.limit
    }

    fn show(&mut self, shown: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(shown);
    }

    fn cut(&mut self) -> bool {
        let (written, read) = self.kept;
        self.out.truncate(written);
        if self.reserve > 0 {
            self.show(format_args!("…[cut {} bytes]", self.text.len().saturating_sub(read)));
        }
        true
    }

    /// What stands for the odd character at `at`, and how many bytes of the source it takes.
    fn odd(&mut self, at: usize) -> (Shown, usize) {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let block = self.breaks == Breaks::Kept;
        let shown = match rest {
            [b'\t', ..] => return (Shown::Char(' '), 1),
            [b'\r', b'\n', ..] if block => return (Shown::Char('\n'), 2),
            [b'\r', ..] if block => return (Shown::Char('\n'), 1),
            [b'\r', b'\n', ..] => (Shown::Word("\\n"), 2),
            [b'\n', ..] => (Shown::Word("\\n"), 1),
            [b'\r', ..] => (Shown::Word("\\r"), 1),
            [0x1b, ..] => match formatting_len(rest) {
                Some(length) => (Shown::Nothing, length),
                None => (Shown::Byte(0x1b), 1),
            },
            [0xc2, low, ..] => (Shown::Byte(*low), 2),
            [0xe2, middle, low, ..] => {
                (Shown::Code(0x2000 + (u32::from(middle & 0x3f) << 6) + u32::from(low & 0x3f)), 3)
            }
            [byte, ..] => (Shown::Byte(*byte), 1),
            [] => (Shown::Nothing, 1),
        };
        self.controls = true;
        shown
    }
}

/// What is written in place of an odd character.
enum Shown {
    Nothing,
    Char(char),
    Word(&'static str),
    Byte(u8),
    Code(u32),
}

/// The length of the formatting sequence that `bytes` starts with, if it is complete. Only printable bytes occur
/// inside one, so a failed look never goes past the next control character and the whole pass stays linear.
fn formatting_len(bytes: &[u8]) -> Option<usize> {
    let inside = |from: usize| bytes.iter().skip(from).position(|&byte| byte < 0x20 || byte == 0x7f).map(|n| from + n);
    match bytes.get(1)? {
        b'[' => {
            let last = bytes.iter().skip(2).position(|byte| !(0x20..=0x3f).contains(byte))? + 2;
            (0x40..=0x7e).contains(bytes.get(last)?).then_some(last + 1)
        }
        b']' => {
            let end = inside(2)?;
            match bytes.get(end..)? {
                [0x07, ..] => Some(end + 1),
                [0x1b, b'\\', ..] => Some(end + 2),
                _ => None,
            }
        }
        b'(' | b')' => (0x30..=0x7e).contains(bytes.get(2)?).then_some(3),
        _ => None,
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Whether all eight bytes are printable ASCII: no high bit, none below 0x20, none equal to 0x7f. Sums carry into a
/// neighbour only if a high bit is set, and that is refused first.
const fn is_plain(eight: u64) -> bool {
    (eight | eight.wrapping_add(ONES)) & HIGHS == 0 && eight.wrapping_add(0x60 * ONES) & HIGHS == HIGHS
}

/// The position of the first byte at or after `from` that may not stay as it is.
fn odd_at(bytes: &[u8], from: usize, breaks: Breaks) -> Option<usize> {
    let mut at = from;
    // Most texts are plain throughout: sixteen bytes at a time.
    let (pairs, _) = bytes.get(from..)?.as_chunks::<16>();
    for pair in pairs {
        let pair = u128::from_le_bytes(*pair);
        if !is_plain(pair as u64) || !is_plain((pair >> 64) as u64) {
            break;
        }
        at += 16;
    }
    loop {
        let rest = bytes.get(at..)?;
        if let Some(eight) = rest.first_chunk::<8>()
            && is_plain(u64::from_le_bytes(*eight))
        {
            at += 8;
            continue;
        }
        let end = rest.len().min(8);
        if end == 0 {
            return None;
        }
        // The last bytes, filled up with blanks.
        if end < 8 {
            let mut eight = [b' '; 8];
            eight.iter_mut().zip(rest).for_each(|(byte, last)| *byte = *last);
            if is_plain(u64::from_le_bytes(eight)) {
                return None;
            }
        }
        match (0..end).find(|&offset| is_odd(rest.get(offset..).unwrap_or_default(), breaks)) {
            Some(offset) => return Some(at + offset),
            None => at += end,
        }
    }
}

/// Whether `bytes` starts with something that may not stay as it is.
fn is_odd(bytes: &[u8], breaks: Breaks) -> bool {
    match bytes {
        [b'\n' | b'\t', ..] => breaks == Breaks::Escaped,
        [0..=0x1f | 0x7f, ..]
        | [0xc2, 0x80..=0x9f, ..]
        | [0xe2, 0x80, 0xa8..=0xae, ..]
        | [0xe2, 0x81, 0xa6..=0xa9, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: &str) -> String {
        let mut text = input.to_string();
        clean(&mut text, 1000, Breaks::Escaped);
        text
    }

    fn block(input: &str) -> String {
        let mut text = input.to_string();
        clean(&mut text, 1000, Breaks::Kept);
        text
    }

    #[test]
    fn a_line_stays_one_line() {
        for (input, expected) in [
            ("plain text", "plain text"),
            ("ünïcödé 東京 🚀 \u{200f}", "ünïcödé 東京 🚀 \u{200f}"),
            ("a\nb", "a\\nb"),
            ("a\r\nb\rc", "a\\nb\\rc"),
            ("a\tb", "a b"),
            ("a\0b\u{7f}", "a\\x00b\\x7f"),
            ("nel\u{85}csi\u{9b}31m", "nel\\x85csi\\x9b31m"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("\u{202e}txt.exe\u{2066}x\u{2069}", "\\u{202e}txt.exe\\u{2066}x\\u{2069}"),
            ("no\u{a0}break", "no\u{a0}break"),
            ("eight b\nytes", "eight b\\nytes"),
        ] {
            assert_eq!(line(input), expected, "{input:?}");
        }
    }

    #[test]
    fn a_block_keeps_its_lines_and_tabs_and_nothing_else() {
        for (input, expected) in
            [("a\n\tat b", "a\n\tat b"), ("a\r\nb\rc", "a\nb\nc"), ("a\u{2028}\0\n", "a\\u{2028}\\x00\n")]
        {
            assert_eq!(block(input), expected, "{input:?}");
        }
    }

    #[test]
    fn formatting_goes_and_unfinished_sequences_hide_nothing() {
        for (input, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[1;38;5;196mx\u{1b}[K\u{1b}[2Jy", "xy"),
            ("\u{1b}]8;;https://x.example\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}(Btext", "text"),
            ("\u{1b}[31", "\\x1b[31"),
            ("\u{1b}[31é", "\\x1b[31é"),
            ("\u{1b}]0;never ends", "\\x1b]0;never ends"),
            ("\u{1b}]0;broken\nnext", "\\x1b]0;broken\\nnext"),
            ("\u{1b}", "\\x1b"),
            ("\u{1b}c", "\\x1bc"),
            ("\u{1b}(", "\\x1b("),
        ] {
            assert_eq!(line(input), expected, "{input:?}");
        }
    }

    #[test]
    fn says_what_it_did() {
        let done = |input: &str, limit| clean(&mut input.to_string(), limit, Breaks::Escaped);
        assert_eq!(done("fine", 4), Cleaned { cut: false, controls: false });
        assert_eq!(done("tab\tonly", 40), Cleaned { cut: false, controls: false });
        assert_eq!(done("a\nb", 40), Cleaned { cut: false, controls: true });
        assert_eq!(done(&"x".repeat(41), 40), Cleaned { cut: true, controls: false });
    }

    #[test]
    fn a_cut_is_marked_within_the_limit_and_counts_what_is_missing() {
        let mut text = "x".repeat(200);
        assert!(clean(&mut text, 100, Breaks::Escaped).cut);
        assert_eq!(text, format!("{}…[cut 135 bytes]", "x".repeat(65)));
        let mut text = "é".repeat(100);
        clean(&mut text, 100, Breaks::Escaped);
        assert_eq!(text, format!("{}…[cut 136 bytes]", "é".repeat(32)));
        let mut text = "\0".repeat(100);
        clean(&mut text, 100, Breaks::Escaped);
        assert_eq!(text, format!("{}…[cut 84 bytes]", "\\x00".repeat(16)));
        let mut text = "x".repeat(50);
        clean(&mut text, 20, Breaks::Escaped);
        assert_eq!(text, "x".repeat(20), "a limit without room for the marker is a plain cut");
    }

    #[test]
    fn exactly_the_limit_is_not_cut() {
        for mut text in ["x".repeat(100), format!("{}\n", "x".repeat(98))] {
            assert!(!clean(&mut text, 100, Breaks::Escaped).cut);
            assert_eq!(text.len(), 100);
        }
    }

    #[test]
    fn trims_both_ends() {
        for (input, expected) in [(" a b\n", "a b"), ("a", "a"), ("\u{3000}\t ", ""), ("", "")] {
            let mut text = input.to_string();
            trim(&mut text);
            assert_eq!(text, expected);
        }
    }
}
