//! What was seen recently, by hash: batch keys and record ids that make retries free.
//!
//! Entries are kept in the order of arrival, for a stated time and up to a stated number, whichever ends first. For the
//! disk they are cut into pages of [`PAGE_ENTRIES`]; a full page never changes, so that a checkpoint writes only the last.

use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Entries of a page.
pub const PAGE_ENTRIES: u64 = 1024;

/// One remembered hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The hash.
    pub hash: u64,
    /// A second hash that must match (a batch's content), or zero.
    pub fingerprint: u64,
    /// The journal row that tells more, or zero.
    pub seq: u64,
    /// When it came.
    pub at: Timestamp,
}

/// A page of entries for the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Number of the page; the key of its row.
    pub number: u64,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A bounded memory of hashes.
#[derive(Clone, Debug)]
pub struct Window {
    entries: VecDeque<Entry>,
    /// Ordinal of the first held entry since the beginning.
    first: u64,
    index: BTreeMap<u64, u64>,
    room: usize,
    /// Ordinal from which on entries are not on disk yet.
    saved: u64,
    /// Lowest page that may still be on disk.
    page_low: u64,
    /// Entries that left for lack of room before their time.
    crowded_out: u64,
}

impl Window {
    /// An empty window for at most `room` entries.
    pub fn new(room: usize) -> Self {
        Self { entries: VecDeque::new(), first: 0, index: BTreeMap::new(), room, saved: 0, page_low: 0, crowded_out: 0 }
    }

    /// The entry with this hash.
    pub fn find(&self, hash: u64) -> Option<&Entry> {
        let ordinal = self.index.get(&hash)?;
        self.entries.get(usize::try_from(ordinal.checked_sub(self.first)?).ok()?)
    }

    /// Remembers an entry; the oldest leaves if there is no room.
    pub fn insert(&mut self, entry: Entry) {
        if self.entries.len() >= self.room {
            self.crowded_out += 1;
            self.drop_oldest();
        }
        self.index.insert(entry.hash, self.first + self.entries.len() as u64);
        self.entries.push_back(entry);
    }

    /// Forgets what is older than `span` at `now`.
    pub fn expire(&mut self, now: Timestamp, span: Millis) {
        while self.entries.front().is_some_and(|entry| now.since(entry.at) > span) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            if self.index.get(&entry.hash) == Some(&self.first) {
                self.index.remove(&entry.hash);
            }
            self.first += 1;
        }
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries that left for lack of room before their time.
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Pages to write and page numbers to delete since the last call.
    pub fn take_pages(&mut self) -> (Vec<Page>, std::ops::Range<u64>) {
        let end = self.first + self.entries.len() as u64;
        let mut pages = Vec::new();
        let mut number = self.saved.max(self.first) / PAGE_ENTRIES;
        while self.saved < end && number * PAGE_ENTRIES < end {
            pages.push(self.page(number));
            number += 1;
        }
        self.saved = end;
        let dead = self.page_low..self.first / PAGE_ENTRIES;
        self.page_low = self.first / PAGE_ENTRIES;
        (pages, dead)
    }

    fn page(&self, number: u64) -> Page {
        let start = (number * PAGE_ENTRIES).max(self.first);
        let skip = usize::try_from(start - self.first).unwrap_or(usize::MAX);
        let take = usize::try_from((number + 1) * PAGE_ENTRIES - start).unwrap_or(0);
        let entries: Vec<_> = self.entries.iter().skip(skip).take(take).collect();
        let mut out = Writer::with_capacity(entries.len() * 24);
        out.uint(start);
        out.uint(entries.len() as u64);
        let mut at = 0;
        let mut seq = 0;
        for entry in entries {
            out.u64_fixed(entry.hash);
            out.u64_fixed(entry.fingerprint);
            out.int(entry.seq.wrapping_sub(seq) as i64);
            out.int(entry.at.0 - at);
            (seq, at) = (entry.seq, entry.at.0);
        }
        Page { number, body: out.into_bytes() }
    }

    /// A window from its pages, in order of their numbers.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn restore(room: usize, pages: impl IntoIterator<Item = Page>) -> Result<Self, ReadError> {
        let mut window = Self::new(room);
        let mut is_first = true;
        let mut index = Vec::new();
        for page in pages {
            let mut input = Reader::new(&page.body);
            let start = input.uint()?;
            if is_first {
                window.first = start;
                window.page_low = page.number;
                is_first = false;
            }
            let (mut at, mut seq) = (0i64, 0u64);
            let count = input.count()?;
            index.reserve(count);
            for _ in 0..count {
                let (hash, fingerprint) = (input.u64_fixed()?, input.u64_fixed()?);
                seq = seq.wrapping_add(input.int()? as u64);
                at = at.wrapping_add(input.int()?);
                index.push((hash, window.first + window.entries.len() as u64));
                window.entries.push_back(Entry { hash, fingerprint, seq, at: Timestamp(at) });
            }
        }
        // At once, which takes half of what one by one does; of a hash that came again the newest entry counts.
        window.index = index.into_iter().collect();
        while window.entries.len() > room {
            window.drop_oldest();
        }
        window.saved = window.first + window.entries.len() as u64;
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(hash: u64, at: i64) -> Entry {
        Entry { hash, fingerprint: hash ^ 5, seq: hash / 3, at: Timestamp(at) }
    }

    #[test]
    fn remembers_for_its_time_and_up_to_its_number() {
        let mut window = Window::new(3);
        for hash in 1..=4 {
            window.insert(entry(hash, hash as i64 * 10));
        }
        assert_eq!((window.find(1), window.len(), window.crowded_out()), (None, 3, 1));
        assert_eq!(window.find(2), Some(&entry(2, 20)));
        window.expire(Timestamp(35), Millis(10));
        assert_eq!((window.find(2), window.find(3).is_some()), (None, true));
    }

    #[test]
    fn a_full_page_is_written_once_and_deleted_when_nothing_of_it_is_left() {
        let mut window = Window::new(3 * PAGE_ENTRIES as usize);
        for hash in 0..PAGE_ENTRIES + 5 {
            window.insert(entry(hash, 0));
        }
        let (pages, dead) = window.take_pages();
        assert_eq!((pages.iter().map(|p| p.number).collect::<Vec<_>>(), dead), (vec![0, 1], 0..0));
        window.insert(entry(9_999_999, 1));
        let (pages, _) = window.take_pages();
        assert_eq!(pages.iter().map(|p| p.number).collect::<Vec<_>>(), [1]);
        assert_eq!(window.take_pages(), (vec![], 0..0));
        window.expire(Timestamp(100), Millis(99));
        assert_eq!(window.take_pages(), (vec![], 0..1));
    }

    #[test]
    fn pages_of_a_larger_window_restore_what_there_is_room_for() {
        let mut larger = Window::new(10);
        for (at, hash) in [7, 8, 7, 9, 8, 10].into_iter().enumerate() {
            larger.insert(entry(hash, at as i64));
        }
        let (pages, _) = larger.take_pages();
        let mut one_by_one = Window::new(3);
        larger.entries.iter().for_each(|entry| one_by_one.insert(*entry));
        let restored = Window::restore(3, pages).unwrap();
        assert_eq!((&restored.entries, restored.first), (&one_by_one.entries, one_by_one.first));
        assert_eq!((&restored.index, restored.crowded_out()), (&one_by_one.index, 0));
        assert_eq!(restored.find(8), Some(&entry(8, 4)), "of a hash that came again the newest is known");
        assert_eq!(restored.find(7), None);
    }

    proptest! {
        #[test]
        fn pages_written_over_time_restore_the_window(steps in proptest::collection::vec((1usize..900, 0i64..50), 1..12)) {
            let room = 2_000;
            let mut window = Window::new(room);
            let mut disk = BTreeMap::new();
            let (mut hash, mut now) = (0u64, 0i64);
            for (count, pause) in steps {
                now += pause;
                for _ in 0..count {
                    hash += 1;
                    window.insert(entry(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15), now));
                }
                window.expire(Timestamp(now), Millis(60));
                let (pages, dead) = window.take_pages();
                for page in pages {
                    disk.insert(page.number, page);
                }
                for number in dead {
                    disk.remove(&number);
                }
                let mut restored = Window::restore(room, disk.values().cloned()).unwrap();
                restored.expire(Timestamp(now), Millis(60));
                prop_assert_eq!(&restored.entries, &window.entries);
                prop_assert_eq!(restored.first, window.first);
                for entry in &window.entries {
                    prop_assert_eq!(restored.find(entry.hash), Some(entry));
                }
            }
        }

        #[test]
        fn any_bytes_are_a_page_or_refused(body: Vec<u8>) {
            let _window = Window::restore(10, [Page { number: 0, body }]);
        }
    }
}
