//! Which values came most often: Space-Saving (Metwally, Agrawal, El Abbadi 2005,
//! <https://doi.org/10.1007/978-3-540-30570-5_27>), merged as in Agarwal et al. 2012 (*Mergeable summaries*,
//! <https://doi.org/10.1145/2213556.2213562>).
//!
//! While there are no more different values than room, all of it is exact. After that a new value takes the place of
//! the rarest and inherits its count as its error: for every value `true count <= count <= true count + error`, and no
//! error exceeds `total / capacity`. So each value that came more often than that is here.
//!
//! A value that took another's place is kept by its hash only until it comes again: a stream of unique values copies
//! no text. Texts are cut to 64 bytes; the hash is that of the whole.
//!
//! Invariants: at most `capacity` values, each hash once; ties are broken by place, which is part of the stored form, so
//! that a restart changes nothing.

use crate::bytes::{ReadError, Reader, Writer};

/// Bytes of a value's text that are kept.
pub(super) const TEXT_BYTES_MAX: usize = 64;
const CAPACITY_MAX: usize = 1_024;

/// A value and how often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    hash: u64,
    /// Never less than the truth.
    pub count: u64,
    /// The truth is at least `count - error`.
    pub error: u64,
    /// Unknown while it came once since it took another's place.
    text: Option<Box<str>>,
}

/// The most frequent values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceSaving {
    capacity: usize,
    entries: Vec<Counted>,
    total: u64,
    is_exact: bool,
    /// Of the texts held; follows from them.
    text_bytes: usize,
}

/// What became of a value that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was held already.
    Known,
    /// There was room.
    Added,
    /// It took the place of the value with this hash.
    Replaced(u64),
}

impl Counted {
    /// The value, cut to 64 bytes; `None` if it is too rare to be known.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Its hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl SpaceSaving {
    /// Nothing seen, with room for so many values (1 to 1,024).
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.clamp(1, CAPACITY_MAX), entries: Vec::new(), total: 0, is_exact: true, text_bytes: 0 }
    }

    /// Notes a value.
    pub fn insert(&mut self, text: &str, hash: u64, times: u64) -> Inserted {
        self.total = self.total.saturating_add(times);
        if let Some(known) = self.entries.iter_mut().find(|known| known.hash == hash) {
            known.count = known.count.saturating_add(times);
            if known.text.is_none() {
                known.text = Some(cut(text).into());
                self.text_bytes += cut(text).len();
            }
            return Inserted::Known;
        }
        if self.entries.len() < self.capacity {
            // Three steps of growth at most, and no more room than the values can take.
            if self.entries.len() == self.entries.capacity() {
                let more = self.entries.len().max(2).min(self.capacity - self.entries.len());
                self.entries.reserve_exact(more);
            }
            self.entries.push(Counted { hash, count: times, error: 0, text: Some(cut(text).into()) });
            self.text_bytes += cut(text).len();
            return Inserted::Added;
        }
        self.is_exact = false;
        // With a capacity of one or more there is a rarest.
        let Some(rarest) = self.entries.iter_mut().min_by_key(|known| known.count) else { return Inserted::Known };
        let (error, replaced) = (rarest.count, rarest.hash);
        self.text_bytes -= rarest.text.as_ref().map_or(0, |text| text.len());
        *rarest = Counted { hash, count: error.saturating_add(times), error, text: None };
        Inserted::Replaced(replaced)
    }

    /// Takes a value back that was noted. One that nobody else brought is forgotten; how much was seen in all stays.
    pub fn retract(&mut self, hash: u64) {
        let Some(at) = self.entries.iter().position(|known| known.hash == hash) else { return };
        let is_exact = self.is_exact;
        let Some(known) = self.entries.get_mut(at) else { return };
        known.count = known.count.saturating_sub(1);
        if known.count > known.error {
            return;
        }
        known.error = known.count;
        self.text_bytes -= known.text.take().map_or(0, |text| text.len());
        // Where nothing was ever replaced a value without a count is none; elsewhere its place is the floor of others.
        if is_exact {
            self.entries.remove(at);
        }
    }

    /// Takes in what another saw. The errors of both add up, and stay below the sum of both totals by the capacity.
    pub fn merge(&mut self, other: &Self) {
        let (floor, other_floor) = (self.floor(), other.floor());
        let mut merged = std::mem::take(&mut self.entries);
        for known in &mut merged {
            match other.entries.iter().find(|entry| entry.hash == known.hash) {
                Some(more) => {
                    known.count = known.count.saturating_add(more.count);
                    known.error = known.error.saturating_add(more.error);
                    known.text = known.text.take().or_else(|| more.text.clone());
                }
                None => {
                    known.count = known.count.saturating_add(other_floor);
                    known.error = known.error.saturating_add(other_floor);
                }
            }
        }
        for entry in &other.entries {
            if !merged.iter().any(|known| known.hash == entry.hash) {
                let mut entry = entry.clone();
                entry.count = entry.count.saturating_add(floor);
                entry.error = entry.error.saturating_add(floor);
                merged.push(entry);
            }
        }
        merged.sort_by(|left, right| {
            right.count.cmp(&left.count).then(left.error.cmp(&right.error)).then(left.hash.cmp(&right.hash))
        });
        self.is_exact = self.is_exact && other.is_exact && merged.len() <= self.capacity;
        merged.truncate(self.capacity);
        merged.shrink_to_fit();
        self.entries = merged;
        self.text_bytes = self.text_bytes_held();
        self.total = self.total.saturating_add(other.total);
    }

    /// The most that a value which is not held can have come.
    fn floor(&self) -> u64 {
        if self.is_exact { 0 } else { self.entries.iter().map(|known| known.count).min().unwrap_or(0) }
    }

    /// All values held, the most frequent first; of equally frequent ones that with the smaller error, then by text.
    pub fn ranked(&self) -> Vec<&Counted> {
        let mut ranked: Vec<_> = self.entries.iter().collect();
        ranked.sort_by(|left, right| {
            let by_count = right.count.cmp(&left.count).then(left.error.cmp(&right.error));
            by_count.then_with(|| left.text.cmp(&right.text)).then(left.hash.cmp(&right.hash))
        });
        ranked
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether every value seen is held with its true count.
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Values held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hashes of the values held.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|known| known.hash)
    }

    /// The hashes of the values held, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries.iter().map(|known| (known.hash, known.count))
    }

    /// Bytes held beside the struct, as on a platform of 64 bits.
    pub fn memory_bytes(&self) -> usize {
        // Hash, count, error, pointer and length of the text, and what an allocator adds to a small text.
        const ENTRY_BYTES: usize = 40 + 16;
        self.entries.len() * ENTRY_BYTES + self.text_bytes
    }

    fn text_bytes_held(&self) -> usize {
        self.entries.iter().filter_map(Counted::text).map(str::len).sum()
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Writer) {
        out.uint(self.capacity as u64 * 2 + u64::from(self.is_exact));
        out.uint(self.total);
        out.uint(self.entries.len() as u64);
        for known in &self.entries {
            out.u64_fixed(known.hash);
            out.uint(known.count);
            out.uint(known.error);
            out.optional_text(known.text());
        }
    }

    /// Reads what [`SpaceSaving::write`] wrote.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let head = input.uint()?;
        if !(1..=CAPACITY_MAX as u64).contains(&(head / 2)) {
            return Err(ReadError::Unknown("capacity"));
        }
        let (capacity, total) = ((head / 2) as usize, input.uint()?);
        let mut sketch = Self { capacity, entries: Vec::new(), total, is_exact: head % 2 == 1, text_bytes: 0 };
        let count = input.count()?;
        if count > sketch.capacity {
            return Err(ReadError::Overflow);
        }
        sketch.entries.reserve_exact(count);
        for _ in 0..count {
            let (hash, count, error) = (input.u64_fixed()?, input.uint()?, input.uint()?);
            let text = input.optional_text()?;
            if text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) || error > count {
                return Err(ReadError::Overflow);
            }
            if sketch.entries.iter().any(|known| known.hash == hash) {
                return Err(ReadError::Unknown("value that comes twice"));
            }
            sketch.entries.push(Counted { hash, count, error, text: text.map(Into::into) });
        }
        sketch.text_bytes = sketch.text_bytes_held();
        Ok(sketch)
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::hash_of_value;

    fn of(values: &[&str], capacity: usize) -> SpaceSaving {
        let mut sketch = SpaceSaving::new(capacity);
        for value in values {
            sketch.insert(value, hash_of_value(value), 1);
        }
        sketch
    }

    fn shown(sketch: &SpaceSaving) -> Vec<(Option<&str>, u64, u64)> {
        sketch.ranked().into_iter().map(|known| (known.text(), known.count, known.error)).collect()
    }

    #[test]
    fn all_is_exact_while_there_is_room() {
        let sketch = of(&["up", "down", "up"], 2);
        assert!(sketch.is_exact());
        assert_eq!(shown(&sketch), [(Some("up"), 2, 0), (Some("down"), 1, 0)]);
        assert_eq!((sketch.total(), sketch.len(), sketch.is_empty()), (3, 2, false));
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_rarest_and_is_named_when_it_comes_again() {
        let mut sketch = of(&["a", "a", "a", "b", "c"], 2);
        assert!(!sketch.is_exact());
        assert_eq!(shown(&sketch), [(Some("a"), 3, 0), (None, 2, 1)]);
        sketch.insert("c", hash_of_value("c"), 1);
        assert_eq!(shown(&sketch), [(Some("a"), 3, 0), (Some("c"), 3, 1)]);
    }

    #[test]
    fn long_texts_are_cut_at_a_character_but_told_apart_by_their_end() {
        let long = "ü".repeat(40);
        let longer = format!("{long}!");
        let sketch = of(&[&long, &longer], 4);
        assert_eq!(sketch.len(), 2);
        assert!(sketch.ranked().iter().all(|known| known.text() == Some("ü".repeat(32).as_str())));
    }

    #[test]
    fn merging_exact_ones_is_exact_until_there_is_no_room() {
        let mut left = of(&["a", "b", "b"], 3);
        left.merge(&of(&["b", "c"], 3));
        assert!(left.is_exact());
        assert_eq!(shown(&left), [(Some("b"), 3, 0), (Some("a"), 1, 0), (Some("c"), 1, 0)]);
        left.merge(&of(&["d"], 3));
        assert_eq!((left.is_exact(), left.len(), left.total()), (false, 3, 6));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let read = |bytes: &[u8]| SpaceSaving::read(&mut Reader::new(bytes));
        let sketch = of(&["a", "b", "a", "c", "d"], 2);
        let mut out = Writer::new();
        sketch.write(&mut out);
        let bytes = out.into_bytes();
        assert_eq!(read(&bytes), Ok(sketch));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        assert_eq!(read(&[0, 0, 0]), Err(ReadError::Unknown("capacity")));
        let refused = |entries: &[(u64, u64, u64, &str)]| {
            let mut out = Writer::new();
            out.uint(4);
            out.uint(0);
            out.uint(entries.len() as u64);
            for &(hash, count, error, text) in entries {
                out.u64_fixed(hash);
                out.uint(count);
                out.uint(error);
                out.optional_text(Some(text));
            }
            read(out.as_bytes()).unwrap_err()
        };
        assert_eq!(refused(&[(1, 1, 0, "a"), (2, 1, 0, "a"), (3, 1, 0, "a")]), ReadError::Overflow);
        assert_eq!(refused(&[(1, 1, 2, "a")]), ReadError::Overflow);
        assert_eq!(refused(&[(1, 1, 0, &"a".repeat(65))]), ReadError::Overflow);
        assert_eq!(refused(&[(1, 1, 0, "a"), (1, 1, 0, "a")]), ReadError::Unknown("value that comes twice"));
    }
}
