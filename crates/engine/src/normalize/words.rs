//! The words of a text, found once per record and shared by every rule that reads words.
//!
//! A word is a maximal run of letters, digits and non-ASCII characters, split again where camel case says so
//! (`HTTPServer` is `http`, `server`). Rules compare whole words, so `author` is not `auth` and `build` is not `ui`.
//! Three things are not prose and give no words: paths (`/var/lib/auth`), the path part of URLs, and long runs that
//! mix letters and digits (ids, hashes, base64), which would otherwise contain every short word there is. The host of
//! a URL is read apart, because it often names the environment.
//!
//! A word is a number of 128 bits: its first fifteen bytes in lower case and its length. Comparing, hashing and
//! looking up need no memory. Only the first [`WORDS_BYTES_MAX`] bytes and [`WORDS_MAX`] words are read: what a message
//! is about stands at its beginning, and cost per record stays bounded.

use super::vocabulary::{self, Meaning};
use crate::eight;

/// Bytes of a text that are read for words.
pub const WORDS_BYTES_MAX: usize = 4096;
/// Words of a text that are kept.
pub const WORDS_MAX: usize = 512;

/// Runs of at least this length that contain a digit are ids; runs longer than [`RUN_BYTES_MAX`] are, anyway.
const ID_BYTES_MIN: usize = 16;
const RUN_BYTES_MAX: usize = 48;

/// One word: fifteen lower-case bytes and the length, comparable as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u128);

impl Word {
    /// The word with this text. Longer words than fifteen bytes keep their beginning and their length.
    pub const fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    const fn of_bytes(text: &[u8]) -> Self {
        let length = if text.len() > 255 { 255 } else { text.len() };
        let mut rest = match text.split_at_checked(15) {
            Some((head, _)) => head,
            None => text,
        };
        let mut word = (length as u128) << 120;
        let mut shift = 0;
        while let Some((byte, others)) = rest.split_first() {
            word |= (byte.to_ascii_lowercase() as u128) << shift;
            shift += 8;
            rest = others;
        }
        Self(word)
    }

    /// The word that the first `length` bytes of `text` are: the same as [`Self::of`] of these, eight bytes at a time.
    fn beginning(text: &[u8], length: usize) -> Self {
        let kept = length.min(15);
        let (low, high) = (eight::first(text), eight::first(text.get(8..).unwrap_or_default()));
        let low = lower_case(low & first_bytes(kept));
        let high = if kept > 8 { lower_case(high & first_bytes(kept - 8)) } else { 0 };
        Self(u128::from(low) | u128::from(high | (length.min(255) as u64) << 56) << 64)
    }

    /// The word that the first `length` bytes of `text`, at most fifteen, are, if nothing can split it: ASCII letters and
    /// digits, capitals throughout or none behind the first.
    #[inline(always)]
    fn plain(text: &[u8], length: usize) -> Option<Self> {
        let low = eight::first(text) & first_bytes(length);
        let high =
            if length > 8 { eight::first(text.get(8..).unwrap_or_default()) & first_bytes(length - 8) } else { 0 };
        let (capitals, more) = (eight::upper_case(low), eight::upper_case(high));
        let has_inner = capitals & !0xff | more != 0;
        let is_all = capitals == eight::HIGHS & first_bytes(length)
            && more == eight::HIGHS & first_bytes(length.saturating_sub(8));
        let is_plain = (low | high) & eight::HIGHS == 0 && (!has_inner || is_all);
        let word = u128::from(low | capitals >> 2) | u128::from(high | more >> 2 | (length as u64) << 56) << 64;
        is_plain.then_some(Self(word))
    }

    /// The word as a number, for tables.
    pub(crate) const fn key(self) -> u128 {
        self.0
    }

    /// The value, if the word is a decimal number of at most nine digits.
    pub fn number(self) -> Option<u32> {
        let bytes = self.0.to_le_bytes();
        let length = usize::from(*bytes.last()?);
        if !(1..=9).contains(&length) {
            return None;
        }
        bytes
            .get(..length)?
            .iter()
            .try_fold(0u32, |sum, &byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    }
}

/// A mask of the first `count` of eight bytes.
const fn first_bytes(count: usize) -> u64 {
    match count {
        0..8 => (1 << (8 * count)) - 1,
        _ => u64::MAX,
    }
}

/// Eight bytes with their upper-case ASCII letters in lower case.
const fn lower_case(eight: u64) -> u64 {
    eight | eight::upper_case(eight) >> 2
}

/// A word of a text with what the vocabulary says of it. A phrase gives its meaning to its first word and takes the
/// meanings of the others away.
#[derive(Clone, Copy, Debug)]
struct Entry {
    word: Word,
    meaning: Meaning,
    /// Which word of the text it is, from 0.
    place: usize,
}

/// The words of one text.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Those that are kept, in order.
    entries: Vec<Entry>,
    /// Words that were read.
    count: usize,
    /// What the words and phrases mean, together.
    pub(crate) meaning: Meaning,
    /// What the host names of URLs mean, together.
    pub(crate) host: Meaning,
}

impl Words {
    /// The words of `text`. `escaped` says that line breaks were written as `\n` in it, so that a backslash and what
    /// follows is not the beginning of a word.
    pub fn of(text: &str, escaped: bool) -> Self {
        Self::read::<true>(text, escaped)
    }

    /// Of the words of `text` those that may be in the vocabulary, alone or in a phrase: most words of most texts are
    /// not, and need not be looked up. Enough for every question about meanings, and for none about other words.
    pub(crate) fn known_of(text: &str, escaped: bool) -> Self {
        Self::read::<false>(text, escaped)
    }

    fn read<const ALL: bool>(text: &str, escaped: bool) -> Self {
        const KNOWN_USUAL: usize = 12;
        let head = text.get(..text.floor_char_boundary(WORDS_BYTES_MAX)).unwrap_or_default();
        let room = if ALL { (head.len() / 5 + 4).min(WORDS_MAX) } else { KNOWN_USUAL };
        let mut words = Self { entries: Vec::with_capacity(room), ..Self::default() };
        Scan::<ALL> { bytes: head.as_bytes(), escaped }.read(&mut words);
        words.apply_phrases();
        words
    }

    fn push(&mut self, word: Word) {
        if !self.is_full() {
            self.entries.push(Entry { word, meaning: vocabulary::meaning(word), place: self.count });
            self.count += 1;
        }
    }

    fn is_full(&self) -> bool {
        self.count >= WORDS_MAX
    }

    /// Replaces the meanings of words by those of the phrases they form, and sums all up.
    fn apply_phrases(&mut self) {
        let mut at = 0;
        let mut voided = false;
        // Where the word stands that a claim taken back would reach.
        let mut next = 0;
        while let Some(entry) = self.entries.get(at).copied() {
            voided &= entry.place == next;
            next = entry.place + 1;
            if entry.meaning == Meaning::NONE {
                voided = false;
                at += 1;
                continue;
            }
            let phrase = if entry.meaning.has(Meaning::LEAD) { self.phrase_at(at, entry.word) } else { None };
            let (length, said) = phrase.unwrap_or((1, entry.meaning));
            let meaning = if voided { said.without(Meaning::VOIDABLE) } else { said };
            for (offset, entry) in self.entries.iter_mut().skip(at).take(length).enumerate() {
                entry.meaning = if offset == 0 { meaning } else { Meaning::NONE };
            }
            self.meaning = self.meaning | meaning;
            // What takes back a claim reaches over it: `no unhandled exceptions`.
            voided = meaning.has(Meaning::VOIDS) || meaning != said;
            at += length;
            next = entry.place + length;
        }
    }

    fn phrase_at(&self, at: usize, first: Word) -> Option<(usize, Meaning)> {
        vocabulary::phrases_from(first).find_map(|phrase| {
            let words = phrase.words();
            self.has_at(at, words).then_some((words.len(), phrase.meaning))
        })
    }

    /// Whether these words follow one another from the entry at `at` on.
    fn has_at(&self, at: usize, words: &[Word]) -> bool {
        let Some(first) = self.entries.get(at) else { return words.is_empty() };
        words.iter().enumerate().all(|(offset, word)| {
            self.entries
                .get(at + offset)
                .is_some_and(|entry| entry.word == *word && entry.place == first.place + offset)
        })
    }

    /// The word at `index`, where all words were read.
    pub(crate) fn word(&self, index: usize) -> Option<Word> {
        self.entries.get(index).map(|entry| entry.word)
    }

    /// All words, in order, where all were read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Word> + '_ {
        self.entries.iter().map(|entry| entry.word)
    }

    /// Whether the words of `phrase`, separated by spaces, follow one another somewhere.
    pub fn has(&self, phrase: &str) -> bool {
        let words: Vec<Word> = phrase.split(' ').map(Word::of).collect();
        (0..self.entries.len()).any(|at| self.has_at(at, &words))
    }

    /// Whether one of these words, separated by spaces, occurs.
    pub fn has_any(&self, words: &str) -> bool {
        words.split(' ').map(Word::of).any(|word| self.iter().any(|other| other == word))
    }

    /// Whether a word meaning `one` and a word meaning `other` stand at most `distance` words apart, in any order; a
    /// phrase that means both counts.
    pub(crate) fn near(&self, one: Meaning, other: Meaning, distance: usize) -> bool {
        self.meaning.has(one)
            && self.meaning.has(other)
            && self.within(distance, |entry| entry.meaning.has(one), |entry| entry.meaning.has(other))
    }

    /// Whether one of the words of each list, separated by spaces, stand at most `distance` words apart.
    pub(crate) fn has_near(&self, one: &str, other: &str, distance: usize) -> bool {
        let list = |words: &str| words.split(' ').map(Word::of).collect::<Vec<_>>();
        let (ones, others) = (list(one), list(other));
        self.within(distance, |entry| ones.contains(&entry.word), |entry| others.contains(&entry.word))
    }

    fn within(&self, distance: usize, one: impl Fn(&Entry) -> bool, other: impl Fn(&Entry) -> bool) -> bool {
        self.entries.iter().enumerate().filter(|(_, entry)| one(entry)).any(|(at, entry)| {
            // Entries that are at most so far apart are so as words, too.
            let around = self.entries.iter().take(at + distance + 1).skip(at.saturating_sub(distance));
            around.into_iter().any(|near| near.place.abs_diff(entry.place) <= distance && other(near))
        })
    }
}

/// What the words of a short text (an endpoint, a component's name) mean, together. Slashes only separate here.
pub(crate) fn meaning_of(text: &str) -> Meaning {
    let mut sum = Meaning::NONE;
    let mut rest = text.as_bytes();
    for _ in 0..WORDS_MAX {
        let run = Run::at(rest);
        let is_one = run.length < 16 && run.classes & (UPPER | FOREIGN) == 0;
        if !is_one || vocabulary::may_hold(rest, run.length) {
            run.split(&mut |word| sum = sum | vocabulary::meaning(word));
        }
        rest = match rest.get(run.length + 1..) {
            Some(rest) => rest,
            None => break,
        };
    }
    sum
}

fn meaning_of_host(host: &[u8]) -> Meaning {
    if host.starts_with(b"127.") || host.starts_with(b"[::1]") {
        return Meaning::DEVELOPMENT;
    }
    let mut sum = Meaning::NONE;
    for label in host.split(|byte| !byte.is_ascii_alphanumeric()) {
        sum = sum | vocabulary::meaning(Word::of_bytes(label));
    }
    sum
}

/// Walks over a text and leaves out what is not prose; with `ALL` it keeps every word, otherwise those that may be known.
struct Scan<'a, const ALL: bool> {
    bytes: &'a [u8],
    escaped: bool,
}

impl<const ALL: bool> Scan<'_, ALL> {
    /// Reads the words of the text. A function of its own: the loops over bytes need the registers.
    #[inline(never)]
    fn read(&self, words: &mut Words) {
        let bytes = self.bytes;
        let mut at = 0;
        // Where prose went on behind what was left out last.
        let mut from = 0;
        while let Some(&byte) = bytes.get(at) {
            let class = CLASSES[byte as usize];
            if class == 0 {
                at += 1;
                continue;
            }
            if class & WORD == 0 {
                let next = if byte == b'/' || self.escaped { self.read_sign(at, from, words) } else { None };
                at = next.unwrap_or(at + 1);
                from = next.unwrap_or(from);
                continue;
            }
            let start = at;
            let mut inner = 0;
            at += 1;
            while let Some(class) = bytes.get(at).map(|byte| CLASSES[*byte as usize])
                && class & WORD != 0
            {
                inner |= class;
                at += 1;
            }
            self.read_run(start, at, inner & (UPPER | FOREIGN) != 0, words);
            if words.is_full() {
                return;
            }
        }
    }

    /// The words of the run of word bytes from `start` to `end`. `is_odd` says that a byte behind its first may split it.
    #[inline(always)]
    fn read_run(&self, start: usize, end: usize, is_odd: bool, words: &mut Words) {
        let Some(text) = self.bytes.get(start..) else { return };
        let length = end - start;
        if !ALL && !is_odd && length <= 15 && !vocabulary::may_hold(text, length) {
            words.count += 1;
            return;
        }
        let is_scheme = text.get(length) == Some(&b':') && text.get(length + 1) == Some(&b'/');
        match if is_scheme || length > 15 { None } else { Word::plain(text, length) } {
            Some(word) => words.push(word),
            None => self.read_odd_run(start, end, words),
        }
    }

    /// The same of any run.
    #[inline(never)]
    fn read_odd_run(&self, start: usize, end: usize, words: &mut Words) {
        let mut at = start;
        while at < end {
            let Some(rest) = self.bytes.get(at..) else { return };
            let run = Run::at(rest).up_to_punctuation();
            if run.length > 0 && !run.is_web_scheme() {
                run.split(&mut |word| words.push(word));
            }
            // A separator of several bytes stands here: see `up_to_punctuation`.
            at += if run.length > 0 { run.length } else { separator_len(rest.first().copied().unwrap_or_default()) };
        }
    }

    /// Where to go on behind what begins with the slash or backslash at `at` and is no prose, if something does; `from` is
    /// where this reading began.
    fn read_sign(&self, at: usize, from: usize, words: &mut Words) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        if rest.first() == Some(&b'\\') {
            return Some(at + escape_len(rest));
        }
        let before = at.checked_sub(1).and_then(|before| self.bytes.get(before));
        if at > from && before == Some(&b':') && rest.get(1) == Some(&b'/') {
            let length = token_len(rest);
            let after = rest.get(2..length).unwrap_or_default();
            let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(after.len());
            words.host = words.host | meaning_of_host(after.get(..end).unwrap_or_default());
            return Some(at + length);
        }
        // A slash begins a path unless a word ends right before it: `/var` and `=/var` do, `HTTP/1.1` and `and/or` do
        // not.
        let starts_a_path = before.is_none_or(|&byte| !is_word_byte(byte) && byte != b')');
        starts_a_path.then(|| at + token_len(rest))
    }
}

/// The length of the path or URL that `bytes` starts with: up to white space, a quote, a bracket or a comma.
fn token_len(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'(' | b')' | b',' | b';' | b'|');
    bytes.iter().position(ends).unwrap_or(bytes.len()).max(1)
}

/// The length of an escape as text hygiene writes it: `\n`, `\x1b`, `\u{2028}`.
fn escape_len(bytes: &[u8]) -> usize {
    match bytes {
        [_, b'n' | b'r', ..] => 2,
        [_, b'x', ..] => 4,
        [_, b'u', b'{', ..] => 8,
        _ => 1,
    }
}

/// A run of bytes of words at the beginning of `text`, and what all of them together are.
#[derive(Clone, Copy)]
struct Run<'a> {
    text: &'a [u8],
    length: usize,
    /// The classes of its bytes, as far as they matter: whether the first letter is a capital does not.
    classes: u8,
}

/// A byte of a word: a letter, a digit, or not ASCII.
const WORD: u8 = 1;
/// A digit.
const DIGIT: u8 = 2;
/// An upper-case letter.
const UPPER: u8 = 4;
/// Not ASCII, and perhaps the first byte of a separator.
const PUNCTUATION: u8 = 8;
/// Not ASCII.
const FOREIGN: u8 = 16;
/// No part of a word, but perhaps the beginning of something that is left out.
const SIGN: u8 = 32;
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            classes[index] = WORD;
        }
        if byte.is_ascii_digit() {
            classes[index] |= DIGIT;
        }
        if byte.is_ascii_uppercase() {
            classes[index] |= UPPER;
        }
        if matches!(byte, 0xc2 | 0xe2) {
            classes[index] |= PUNCTUATION;
        }
        if byte >= 0x80 {
            classes[index] |= FOREIGN;
        }
        if matches!(byte, b'/' | b'\\') {
            classes[index] = SIGN;
        }
        index += 1;
    }
    classes
};

impl<'a> Run<'a> {
    /// The run that `text` begins with; it may be empty.
    fn at(text: &'a [u8]) -> Self {
        let (mut length, mut classes) = (0, 0);
        // A capital at the beginning splits nothing.
        let mut counts = !UPPER;
        for byte in text {
            let class = CLASSES[*byte as usize];
            if class & WORD == 0 {
                break;
            }
            classes |= class & counts;
            counts = u8::MAX;
            length += 1;
        }
        Self { text, length, classes }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// The run up to general punctuation (dashes, quotes, the ellipsis) or a no-break space, which separate words in
    /// prose as well.
    fn up_to_punctuation(self) -> Self {
        if self.classes & PUNCTUATION == 0 {
            return self;
        }
        let separates = |pair: &[u8]| matches!(pair, [0xe2, 0x80] | [0xc2, 0xa0]);
        match self.bytes().windows(2).position(separates) {
            Some(length) => Self { length, ..self },
            None => self,
        }
    }

    fn is_web_scheme(&self) -> bool {
        let is_named = |scheme: &[u8]| self.bytes().eq_ignore_ascii_case(scheme);
        self.text.get(self.length..).is_some_and(|after| after.starts_with(b"://"))
            && [b"http".as_slice(), b"https", b"ws", b"wss"].into_iter().any(is_named)
    }

    /// Hands out the words of the run, split at camel case. Ids stay whole: they are words that no rule knows.
    fn split(&self, each: &mut impl FnMut(Word)) {
        let is_id = self.length > RUN_BYTES_MAX
            || (self.length >= ID_BYTES_MIN
                && self.classes & DIGIT != 0
                && self.bytes().iter().any(u8::is_ascii_digit));
        let mut start = 0;
        if !is_id && self.classes & UPPER != 0 {
            let capitals = self.bytes().iter().enumerate().skip(1).filter(|(_, byte)| byte.is_ascii_uppercase());
            for (at, _) in capitals.filter(|&(at, _)| is_camel_break(self.bytes(), at)) {
                each(Word::beginning(self.text.get(start..).unwrap_or_default(), at - start));
                start = at;
            }
        }
        if start < self.length {
            each(Word::beginning(self.text.get(start..).unwrap_or_default(), self.length - start));
        }
    }
}

/// The length of a separator that begins with a byte of a word: U+2000 to U+203F take three bytes, U+00A0 two.
const fn separator_len(first: u8) -> usize {
    if first == 0xe2 { 3 } else { 2 }
}

fn is_word_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & WORD != 0
}

/// Whether a new word begins at `at`: `fooBar` before `B`, `HTTPServer` before `S`, but `APIs` is one word.
fn is_camel_break(run: &[u8], at: usize) -> bool {
    let byte = |index: usize| run.get(index).copied().unwrap_or_default();
    let (before, here, after) = (byte(at.wrapping_sub(1)), byte(at), byte(at + 1));
    if !here.is_ascii_uppercase() {
        return false;
    }
    let plural = after == b's' && !byte(at + 2).is_ascii_lowercase();
    before.is_ascii_lowercase()
        || before.is_ascii_digit()
        || (before.is_ascii_uppercase() && after.is_ascii_lowercase() && !plural)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        let words = Words::of(text, false);
        let expected: Vec<Word> = expected.split_whitespace().map(Word::of).collect();
        assert_eq!(words.iter().collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn words_end_where_people_see_them_end() {
        check("Connection to db-01 failed: timeout=30s", "connection to db 01 failed timeout 30s");
        check(
            "user_id authService HTTPServer parseURLs OAuth2Client",
            "user id auth service http server parse urls o auth2 client",
        );
        check("APIs buildUI e2e 5XX", "apis build ui e2e 5 xx");
        check("naïve 数据库 it’s failed—retrying…done a\u{a0}b", "naïve 数据库 it s failed retrying done a b");
        check("", "");
    }

    #[test]
    fn a_word_read_eight_bytes_at_a_time_is_the_word_read_byte_by_byte() {
        let text = "AZaz09@[`{\u{80}é数据HTTPServer_and-what.Follows it, to the END of a long text";
        for start in 0..text.len() {
            for length in 0..(text.len() - start).min(40) {
                let rest = &text.as_bytes()[start..];
                assert_eq!(Word::beginning(rest, length), Word::of_bytes(&rest[..length]), "{start} {length}");
            }
        }
        let long = [b'Q'; 300];
        assert_eq!(Word::beginning(&long, 299), Word::of_bytes(&long[..299]));
        assert_eq!(Word::beginning(&long, 255), Word::beginning(&long, 256), "the length counts to 255");
    }

    #[test]
    fn paths_urls_and_ids_are_not_prose() {
        check("read /var/lib/auth/db.sql now", "read now");
        check("file=/etc/auth.conf, next", "file next");
        check("GET /auth/login HTTP/1.1", "get http 1 1");
        check("see https://auth.example.com/login?x=1 for and/or", "see for and or");
        check("open postgres://db.example/x", "open postgres");
        check("id dGhpcyBpcyBEYiBVaSBBcGk5 done", "id dGhpcyBpcyBEYiBVaSBBcGk5 done");
    }

    #[test]
    fn an_escaped_line_break_is_not_part_of_a_word() {
        let words = Words::of("first\\nerror\\x1b\\u{2028}auth", true);
        assert_eq!(words.iter().collect::<Vec<_>>(), [Word::of("first"), Word::of("error"), Word::of("auth")]);
        check("C:\\new\\dev", "c new dev");
    }

    #[test]
    fn a_word_knows_its_number() {
        assert_eq!(Word::of("404").number(), Some(404));
        for other in ["", "4o4", "1234567890", "é"] {
            assert_eq!(Word::of(other).number(), None, "{other}");
        }
    }

    #[test]
    fn words_that_share_fifteen_bytes_differ_by_length() {
        assert_ne!(Word::of("internationalis"), Word::of("internationalisation"));
        assert_eq!(Word::of("ABC"), Word::of("abc"));
    }

    #[test]
    fn cost_is_bounded() {
        let words = Words::of(&"a ".repeat(10_000), false);
        assert_eq!(words.iter().count(), WORDS_MAX);
        assert!(Words::of(&"é".repeat(5_000), false).iter().count() == 1);
    }

    /// Words and phrases of the vocabulary, words that are like them, and what separates and leaves out words.
    fn pieces() -> Vec<String> {
        let mut pieces: Vec<String> = vocabulary::texts().flat_map(|text| text.split(' ').map(str::to_owned)).collect();
        pieces.extend(vocabulary::texts().filter(|text| text.contains(' ') && text.len() < 40).map(str::to_owned));
        let others = [
            " ",
            " ",
            " ",
            " ",
            "/",
            "://",
            "http://",
            "wss://",
            "_",
            "-",
            ".",
            ",",
            "(",
            ")",
            "\"",
            "\\n",
            "\\x1b",
            "…",
            "’",
            "\u{a0}",
            "é",
            "naïve",
            "127.0.0.1",
            "x",
            "42",
            "404",
            "HTTP",
            "aB",
            "URLs",
            "no",
            "without",
            "service",
            "Service",
            "down",
            "abcdefghijklmno",
            "abcdefghijklmnop",
            "deadbeefdeadbeef1",
            "qzx",
            "zz",
        ];
        pieces.extend(others.map(str::to_owned));
        pieces
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_the_known_words_mean_is_what_all_words_mean(
            parts in proptest::collection::vec((proptest::sample::select(pieces()), 0u8..8), 0..40),
            escaped: bool,
        ) {
            let spelled = |(part, how): &(String, u8)| match how {
                0 => part.to_uppercase(),
                1 => part.chars().take(1).flat_map(char::to_uppercase).chain(part.chars().skip(1)).collect(),
                2 | 3 => part.clone(),
                _ => format!("{part} "),
            };
            let text: String = parts.iter().map(spelled).collect();
            let (all, known) = (Words::of(&text, escaped), Words::known_of(&text, escaped));
            prop_assert_eq!((all.meaning, all.host, all.count), (known.meaning, known.host, known.count), "{}", text);
            for one in (0..35).map(Meaning::of_bit) {
                for other in (0..35).map(Meaning::of_bit) {
                    for distance in [1, 2, 5] {
                        prop_assert_eq!(all.near(one, other, distance), known.near(one, other, distance), "{}", text);
                    }
                }
            }
        }

        #[test]
        fn words_are_read_as_byte_by_byte(
            parts in proptest::collection::vec((proptest::sample::select(pieces()), 0u8..8), 0..20),
            escaped: bool,
        ) {
            let text: String = parts.iter().map(|(part, how)| if *how < 4 { part.clone() } else { format!("{part} ") }).collect();
            let words = Words::of(&text, escaped);
            prop_assert_eq!(words.iter().collect::<Vec<_>>(), reference(&text, escaped), "{}", text);
        }
    }

    /// The words of a text, byte by byte: slow and plainly right.
    fn reference(text: &str, escaped: bool) -> Vec<Word> {
        let bytes = text.as_bytes();
        let (mut words, mut at) = (Vec::new(), 0);
        while let Some(&byte) = bytes.get(at) {
            let rest = &bytes[at..];
            if is_word_byte(byte) {
                let run = Run::at(rest).up_to_punctuation();
                if run.length > 0 && !run.is_web_scheme() {
                    run.split(&mut |word| words.push(word));
                }
                at += if run.length > 0 { run.length } else { separator_len(byte) };
            } else if rest.starts_with(b"://")
                || byte == b'/' && (at == 0 || !is_word_byte(bytes[at - 1]) && bytes[at - 1] != b')')
            {
                at += token_len(rest);
            } else if byte == b'\\' && escaped {
                at += escape_len(rest);
            } else {
                at += 1;
            }
        }
        words
    }

    #[test]
    fn phrases_and_words_can_be_asked_for() {
        let words = Words::of("Brute force attempt", false);
        assert!(words.has("brute force") && !words.has("force brute") && words.has_any("x attempt"));
    }
}
