//! From a signature to what is known of it: an open-addressed table.
//!
//! The look-up is on the path of every line, and a signature is a good hash already, so the table neither hashes again
//! nor compares more than the key (a B-tree of 10,000 signatures took 2.5 times as long). The order of its slots
//! depends on the history, so nothing is ever iterated in it.

/// A known signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The slot of its pattern.
    pub(super) slot: u32,
    /// Words that were found where this shape has its variable.
    pub(super) words: Words,
}

/// Up to three different words, by 21 bits of their hashes: enough to tell a variable that has proved to hold words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(u64);

impl Words {
    const BITS: u32 = 21;

    /// One word, by its hash.
    pub(super) fn of(word: u32) -> Self {
        Self(u64::from(word >> (32 - Self::BITS)).max(1))
    }

    /// The words of both; a fourth is not kept.
    pub(super) fn with(mut self, other: Self) -> Self {
        for word in other.each() {
            let count = self.each().count() as u32;
            if count < 3 && !self.each().any(|known| known == word) {
                self.0 |= word << (count * Self::BITS);
            }
        }
        self
    }

    /// How many, up to three.
    pub(super) fn count(self) -> usize {
        self.each().count()
    }

    fn each(self) -> impl Iterator<Item = u64> {
        let mask = (1 << Self::BITS) - 1;
        (0..3).map(move |place| self.0 >> (place * Self::BITS) & mask).filter(|&word| word != 0)
    }

    /// As stored.
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// From what was stored.
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// Signature to [`Known`]. Zero is no signature.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// A power of two, or empty; at most half full.
    cells: Vec<(u64, Known)>,
    len: usize,
}

const CELLS_MIN: usize = 64;

impl Index {
    /// What is known of a signature.
    pub(super) fn find(&self, signature: u64) -> Option<Known> {
        let mut at = self.home(signature)?;
        loop {
            let &(key, known) = self.cells.get(at)?;
            if key == signature {
                return Some(known);
            }
            if key == 0 {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Sets what is known.
    pub(super) fn insert(&mut self, signature: u64, known: Known) {
        if signature == 0 {
            return;
        }
        if (self.len + 1) * 2 > self.cells.len() {
            self.grow();
        }
        let Some(mut at) = self.home(signature) else { return };
        while let Some(cell) = self.cells.get_mut(at) {
            if cell.0 == signature || cell.0 == 0 {
                self.len += usize::from(cell.0 == 0);
                *cell = (signature, known);
                return;
            }
            at = self.next(at);
        }
    }

    /// Forgets a signature, and closes the gap so that what was pushed on is still found.
    pub(super) fn remove(&mut self, signature: u64) {
        let Some(mut at) = self.home(signature) else { return };
        while let Some(&(key, _)) = self.cells.get(at) {
            if key == 0 {
                return;
            }
            if key == signature {
                break;
            }
            at = self.next(at);
        }
        self.len -= 1;
        let mut gap = at;
        let mut probe = self.next(at);
        while let Some(&cell) = self.cells.get(probe).filter(|cell| cell.0 != 0) {
            let home = self.home(cell.0).unwrap_or(probe);
            let mask = self.cells.len() - 1;
            // The entry may move into the gap unless its home lies behind it.
            if probe.wrapping_sub(home) & mask >= probe.wrapping_sub(gap) & mask {
                if let Some(free) = self.cells.get_mut(gap) {
                    *free = cell;
                }
                gap = probe;
            }
            probe = self.next(probe);
        }
        if let Some(free) = self.cells.get_mut(gap) {
            *free = Default::default();
        }
    }

    fn home(&self, signature: u64) -> Option<usize> {
        let mask = self.cells.len().checked_sub(1)?;
        (signature != 0).then_some(signature as usize & mask)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    fn grow(&mut self) {
        let cells = vec![Default::default(); (self.cells.len() * 2).max(CELLS_MIN)];
        let old = std::mem::replace(&mut self.cells, cells);
        self.len = 0;
        for (signature, known) in old.into_iter().filter(|cell| cell.0 != 0) {
            self.insert(signature, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn three_different_words_are_told_apart_and_a_fourth_changes_nothing() {
        let word = |number: u32| Words::of(number << 20);
        let two = word(1).with(word(2)).with(word(1));
        assert_eq!((Words::default().count(), word(1).count(), two.count()), (0, 1, 2));
        let three = word(3).with(two);
        assert_eq!((three.count(), three.with(word(4))), (3, three));
        assert_eq!(Words::from_bits(three.bits()), three);
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0u64..40, any::<u32>()), 0..400)) {
            // Few low bits, so that entries collide and push each other on.
            let spread = |key: u64| (key & 3) | (key << 40);
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            for (is_insert, key, slot) in steps {
                let key = spread(key);
                if is_insert && key != 0 {
                    index.insert(key, Known { slot, words: Words::of(1) });
                    model.insert(key, slot);
                } else {
                    index.remove(key);
                    model.remove(&key);
                }
                prop_assert_eq!(index.len, model.len());
                for key in (0..40).map(spread) {
                    prop_assert_eq!(index.find(key).map(|known| known.slot), model.get(&key).copied());
                }
            }
        }
    }
}
