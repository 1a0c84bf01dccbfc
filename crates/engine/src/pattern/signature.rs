//! The signature of a line: its words, delimiters and variables in order, folded into 64 bits.
//!
//! White space does not count. Variables in a row, with nothing but list punctuation between them, are one: the length
//! of a list makes no new shape. The same fold serves the fast path (straight from the scanner) and the slow one (over
//! tokens of which some were made variables), so a generalized line has the signature of a line that came that way.

use super::header;
use super::rules::Rule;
use super::scan::{Sink, scan};
use super::shape::Shape;
use crate::limits;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x5a97_00d1_6e5c_a11e;
const VARIABLE: u64 = 0xd1b5_4a32_d192_ed03;
const DELIMITER: u64 = 0xa076_1d64_78bd_642f;

/// A fold in progress. Copied to try what follows from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    state: u64,
    /// The state right behind the last variable, while only list punctuation followed it; else zero.
    behind_variable: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self { state: SEED, behind_variable: 0 }
    }
}

impl Fold {
    /// A word with this hash.
    pub(super) fn word(&mut self, hash: u64) {
        self.mix(hash);
        self.behind_variable = 0;
    }

    /// A delimiter. Runs of the same one count once.
    pub(super) fn delimiter(&mut self, byte: u8) {
        self.mix(DELIMITER ^ u64::from(byte));
        if !joins_variables(byte) {
            self.behind_variable = 0;
        }
    }

    /// A variable.
    pub(super) fn variable(&mut self) {
        if self.behind_variable == 0 || !Rule::Lists.holds() {
            self.mix(VARIABLE);
            self.behind_variable = self.state;
        } else {
            self.state = self.behind_variable;
        }
    }

    /// The signature; never zero, which is the overflow pattern's.
    pub(super) fn finish(self) -> u64 {
        let mut state = self.state;
        state ^= state >> 32;
        state = state.wrapping_mul(MULTIPLIER);
        state ^= state >> 29;
        state.max(1)
    }

    fn mix(&mut self, value: u64) {
        self.state = (self.state.rotate_left(23) ^ value).wrapping_mul(MULTIPLIER);
    }
}

/// Punctuation that people put between the values of a list or the parts of one value.
pub(super) fn joins_variables(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b':' | b'|' | b'-' | b'.' | b'+')
}

#[inline(never)]
/// The hash of a word, eight bytes at a time.
pub(super) fn hash_of(word: &[u8]) -> u64 {
    let mut state = SEED ^ word.len() as u64;
    let (chunks, tail) = word.as_chunks::<8>();
    for chunk in chunks {
        state = (state ^ u64::from_le_bytes(*chunk)).wrapping_mul(MULTIPLIER);
        state ^= state >> 32;
    }
    let last = match tail {
        [] => 0,
        &[a] => u64::from(a),
        &[a, b] => u64::from(u16::from_le_bytes([a, b])),
        &[a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        // Two halves that overlap: with the length in the seed, each tail has its own number.
        tail => half(tail.first_chunk()) << 32 | half(tail.last_chunk()),
    };
    state = (state ^ last).wrapping_mul(MULTIPLIER);
    state ^ state >> 32
}

/// The hash of a word of less than eight bytes (and not none), which are the lowest of `chunk`.
#[inline(always)]
pub(super) fn hash_of_short(length: usize, chunk: u64) -> u64 {
    let state = (SEED ^ length as u64 ^ tail(length, chunk)).wrapping_mul(MULTIPLIER);
    state ^ state >> 32
}

/// The hash of a word of eight to fifteen bytes: the first eight, and the others as the lowest of `last`.
#[inline(always)]
fn hash_of_two(length: usize, first: u64, last: u64) -> u64 {
    let mut state = (SEED ^ length as u64 ^ first).wrapping_mul(MULTIPLIER);
    state ^= state >> 32;
    state = (state ^ tail(length % 8, last)).wrapping_mul(MULTIPLIER);
    state ^ state >> 32
}

/// What [`hash_of`] makes of the last bytes, less than eight.
#[inline(always)]
fn tail(length: usize, chunk: u64) -> u64 {
    let bits = 8 * length as u32;
    match length {
        4.. => chunk << 32 | chunk >> (bits - 32) & 0xffff_ffff,
        _ => chunk & !(u64::MAX << bits),
    }
}

fn half(bytes: Option<&[u8; 4]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

struct Straight<'a> {
    text: &'a [u8],
    fold: Fold,
    tokens: usize,
}

impl Sink for Straight<'_> {
    #[inline(always)]
    fn word(&mut self, start: usize, end: usize) {
        self.tokens += 1;
        self.fold.word(hash_of(self.text.get(start..end).unwrap_or_default()));
    }
    #[inline(always)]
    fn short_word(&mut self, start: usize, end: usize, [first, last]: [u64; 2]) {
        self.tokens += 1;
        self.fold.word(match end - start {
            length @ ..8 => hash_of_short(length, first),
            length => hash_of_two(length, first, last),
        });
    }
    #[inline(always)]
    fn delimiter(&mut self, byte: u8, _start: usize, _end: usize) {
        self.tokens += 1;
        self.fold.delimiter(byte);
    }
    #[inline(always)]
    fn variable(&mut self, _start: usize, _end: usize) {
        self.tokens += 1;
        self.fold.variable();
    }
    fn room(&self) -> usize {
        limits::PATTERN_TOKENS_MAX.saturating_sub(self.tokens)
    }
}

/// The signature of a message. What lies behind [`limits::PATTERN_TOKENS_MAX`] tokens is one variable.
pub(super) fn signature_of(message: &str) -> u64 {
    let text = message.as_bytes();
    let mut sink = Straight { text, fold: Fold::default(), tokens: 0 };
    if header::thread(text).1 > 0 {
        // Few messages have one: they go the long way, and the others do not pay for a scan in parts.
        return Shape::of(message).signature();
    }
    if scan(text, 0, &mut sink) < text.len() {
        sink.fold.variable();
    }
    sink.fold.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_long_way_has_the_same_signature(
            header in prop_oneof![Just(""), Just("2026-11-21 10:11:12,5 INFO [a b] "), Just("10:11:12.5 [a[b] c] WARN - ")],
            words in proptest::collection::vec("[a-z]{1,9}|[0-9]{1,4}|[=,:.]|[A-Z]{3}[0-9]", 0..40),
        ) {
            let message = header.to_owned() + &words.join(" ");
            prop_assert_eq!(signature_of(&message), Shape::of(&message).signature());
        }

        #[test]
        fn a_short_word_has_one_hash(word in "[a-zA-Z]{1,15}", behind: [u64; 2]) {
            let mut bytes = [behind[0].to_le_bytes(), behind[1].to_le_bytes()].concat();
            bytes[..word.len()].copy_from_slice(word.as_bytes());
            let [first, last] = [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
            let mut sink = Straight { text: &[], fold: Fold::default(), tokens: 0 };
            sink.short_word(0, word.len(), [first, last]);
            let mut fold = Fold::default();
            fold.word(hash_of(word.as_bytes()));
            prop_assert_eq!(sink.fold.finish(), fold.finish());
        }
    }
}
