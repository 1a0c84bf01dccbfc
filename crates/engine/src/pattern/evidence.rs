//! Evidence for variables: for a line with one word left open (a context), the words that were seen there.
//!
//! Bounded: at most [`limits::PATTERN_CONTEXTS_MAX`] contexts of at most [`WORDS_MAX`] words. The oldest context leaves
//! first, but one that has gathered several words is given a second round: a flood of unique lines brings contexts of
//! one word only, and those push out each other.
//!
//! After a restart it stays the bytes it was stored as until a line comes that has to be learnt: most wakes see none, and
//! 4,096 contexts in a tree are a tenth of a restore.

use super::PatternId;
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use std::collections::{BTreeMap, VecDeque};

/// Words remembered of a context: no threshold is higher.
pub(super) const WORDS_MAX: usize = 8;

/// A word seen in a context, and the pattern of the line that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Part of the word's hash; the lowest bit is [`Seen::is_state`].
    pub(super) word: u32,
    /// The pattern's id then; it may have been merged since.
    pub(super) pattern: PatternId,
}

impl Seen {
    /// Whether the word looked like a state: the lowest bit says so.
    pub(super) fn is_state(self) -> bool {
        self.word & 1 == 1
    }
}

#[derive(Clone, Debug)]
struct Entry {
    first: Seen,
    /// Empty, and so without memory of its own, for most: a flood of unique lines brings contexts of one word.
    more: Vec<Seen>,
    had_second_round: bool,
}

impl Entry {
    fn of(first: Seen) -> Self {
        Self { first, more: Vec::new(), had_second_round: false }
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// All contexts.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    entries: BTreeMap<u64, Entry>,
    /// Contexts by age. May name contexts that were taken already, never more than twice as many as are held.
    order: VecDeque<u64>,
    /// What was stored, in place of the two above, as long as nobody asked for it.
    packed: Option<Box<[u8]>>,
}

impl Evidence {
    /// Makes of what was stored what can be asked; before any of the methods below.
    pub(super) fn unpack(&mut self) {
        if let Some(packed) = self.packed.take() {
            // It was looked through when it was read.
            *self = Self::parse(&mut Reader::new(&packed)).unwrap_or_default();
        }
    }

    /// Words other than this one that were seen in a context.
    pub(super) fn others(&self, context: u64, word: u32) -> usize {
        debug_assert!(self.packed.is_none(), "unpacked before it is asked");
        self.entries.get(&context).map_or(0, |entry| entry.seen().filter(|seen| seen.word != word).count())
    }

    /// Notes a word; returns whether that was new.
    pub(super) fn note(&mut self, context: u64, seen: Seen) -> bool {
        debug_assert!(self.packed.is_none(), "unpacked before it is added to");
        if let Some(entry) = self.entries.get_mut(&context) {
            let is_new = entry.more.len() + 1 < WORDS_MAX && entry.seen().all(|known| known.word != seen.word);
            if is_new {
                // A list that grows by itself begins with room for four.
                entry.more.reserve_exact(1);
                entry.more.push(seen);
            }
            return is_new;
        }
        self.make_room();
        self.order.push_back(context);
        self.entries.insert(context, Entry::of(seen));
        true
    }

    /// Takes out what was seen in a context: it has served.
    pub(super) fn take(&mut self, context: u64) -> Vec<Seen> {
        let entry = self.entries.remove(&context);
        let seen = entry.map(|entry| entry.seen().copied().collect()).unwrap_or_default();
        if self.order.len() > 2 * self.entries.len() + 64 {
            self.order.retain(|context| self.entries.contains_key(context));
        }
        seen
    }

    fn make_room(&mut self) {
        while self.entries.len() >= limits::PATTERN_CONTEXTS_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.entries.get_mut(&oldest) {
                Some(entry) if !entry.more.is_empty() && !entry.had_second_round => {
                    entry.had_second_round = true;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.entries.remove(&oldest);
                }
            }
        }
    }

    /// Appends all of it.
    pub(super) fn write(&self, out: &mut Writer) {
        if let Some(packed) = &self.packed {
            return out.raw(packed);
        }
        out.uint(self.order.len() as u64);
        for context in &self.order {
            out.u64_fixed(*context);
            let Some(entry) = self.entries.get(context) else {
                out.uint(0);
                continue;
            };
            out.uint((entry.more.len() as u64 + 1) * 2 + u64::from(entry.had_second_round));
            for seen in entry.seen() {
                out.uint(u64::from(seen.word));
                out.u64_fixed(seen.pattern.0);
            }
        }
    }

    /// Takes what [`Evidence::write`] wrote, as it is; damage is found now.
    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut ahead = input.clone();
        for _ in 0..ahead.count()? {
            ahead.u64_fixed()?;
            let head = ahead.uint()?;
            if head == 0 {
                continue;
            }
            for _ in 0..words_of(head)? {
                ahead.u32()?;
                ahead.u64_fixed()?;
            }
        }
        let packed = input.raw(input.remaining() - ahead.remaining())?;
        Ok(Self { packed: Some(packed.into()), ..Self::default() })
    }

    fn parse(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut evidence = Self::default();
        for _ in 0..input.count()? {
            let context = input.u64_fixed()?;
            evidence.order.push_back(context);
            let head = input.uint()?;
            if head == 0 {
                continue;
            }
            let words = words_of(head)?;
            let mut read = || Ok::<_, ReadError>(Seen { word: input.u32()?, pattern: PatternId(input.u64_fixed()?) });
            let mut entry = Entry { had_second_round: head % 2 == 1, ..Entry::of(read()?) };
            for _ in 1..words {
                entry.more.push(read()?);
            }
            evidence.entries.insert(context, entry);
        }
        Ok(evidence)
    }
}

/// How many words a stored context has.
fn words_of(head: u64) -> Result<u64, ReadError> {
    if (1..=WORDS_MAX as u64).contains(&(head / 2)) { Ok(head / 2) } else { Err(ReadError::Overflow) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(word: u32) -> Seen {
        Seen { word, pattern: PatternId(9) }
    }

    #[test]
    fn a_context_with_several_words_outlives_a_flood_of_single_ones_once() {
        let mut evidence = Evidence::default();
        for word in 0..3 {
            assert!(evidence.note(1, seen(word)));
        }
        assert!(!evidence.note(1, seen(2)));
        let max = limits::PATTERN_CONTEXTS_MAX as u64;
        for context in 2..max + 100 {
            evidence.note(context, seen(0));
        }
        assert_eq!(evidence.others(1, 0), 2);
        assert_eq!(evidence.entries.len(), limits::PATTERN_CONTEXTS_MAX);
        for context in max + 100..3 * max {
            evidence.note(context, seen(0));
        }
        assert_eq!(evidence.others(1, 0), 0);
        assert!(evidence.order.len() <= limits::PATTERN_CONTEXTS_MAX);
    }

    #[test]
    fn it_survives_its_bytes_taken_contexts_included() {
        let mut evidence = Evidence::default();
        for context in 1..50 {
            (0..context as u32 % 12).for_each(|word| {
                evidence.note(context, seen(word));
            });
        }
        assert_eq!(evidence.take(7).len(), 7);
        let mut out = Writer::new();
        evidence.write(&mut out);
        let bytes = out.into_bytes();
        let mut back = Evidence::read(&mut Reader::new(&bytes)).unwrap();
        for is_unpacked in [false, true] {
            let mut again = Writer::new();
            back.write(&mut again);
            assert_eq!(again.into_bytes(), bytes, "unpacked: {is_unpacked}");
            back.unpack();
        }
        assert_eq!((back.others(7, 0), back.others(11, 100)), (0, WORDS_MAX));
        for length in 0..bytes.len() {
            assert!(Evidence::read(&mut Reader::new(&bytes[..length])).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_is_stored_of_it_is_looked_through_before_it_is_kept() {
        let mut out = Writer::new();
        out.uint(1);
        out.u64_fixed(5);
        out.uint(2 * (WORDS_MAX as u64 + 1));
        out.raw(&[0; 100]);
        assert!(Evidence::read(&mut Reader::new(out.as_bytes())).is_err(), "more words than any context has");
    }

    #[test]
    fn taking_and_noting_the_same_context_for_ever_does_not_grow_it() {
        let mut evidence = Evidence::default();
        for _ in 0..10_000 {
            evidence.note(5, seen(1));
            evidence.take(5);
        }
        assert!(evidence.order.len() <= 66);
    }
}
