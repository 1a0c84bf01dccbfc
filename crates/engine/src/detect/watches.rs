//! The patterns of a component that are watched one by one, found by their id.
//!
//! Every record looks for its pattern and every minute ends all of them, so they lie side by side in the order in which
//! they were born, with a table of places beside them (open addressing, at most half full): finding one takes a tenth of
//! what a walk down a tree took (scripts/bench-detector-cost). The order decides nothing: what is told or written goes by id. At
//! most as many as the caller lets in, and never more than [`PLACES_MAX`].

use super::detectors::PatternWatch;
use crate::pattern::PatternId;
use std::collections::BTreeMap;

/// What a place in the table can tell apart.
const PLACES_MAX: usize = u16::MAX as usize - 1;
const TABLE_MIN: usize = 16;

/// Watches by pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    held: Vec<(PatternId, PatternWatch)>,
    /// One more than the place of the watch, or 0; its length is a power of two, at least twice that of `held`.
    table: Vec<u16>,
}

impl Watches {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Makes room for so many more, so that none has to be moved while they come.
    pub(super) fn reserve(&mut self, count: usize) {
        self.held.reserve_exact(count.min(PLACES_MAX));
    }

    pub(super) fn get(&self, id: PatternId) -> Option<&PatternWatch> {
        self.held.get(self.place_of(id)?).map(|(_, watch)| watch)
    }

    pub(super) fn get_mut(&mut self, id: PatternId) -> Option<&mut PatternWatch> {
        let place = self.place_of(id)?;
        self.held.get_mut(place).map(|(_, watch)| watch)
    }

    /// The watch of a pattern, a fresh one if it had none and there is room among `at_most`.
    pub(super) fn get_or_begin(&mut self, id: PatternId, at_most: usize) -> Option<&mut PatternWatch> {
        let place = match self.place_of(id) {
            Some(place) => place,
            None if self.held.len() < at_most.min(PLACES_MAX) => {
                self.put(id, PatternWatch::default());
                self.held.len() - 1
            }
            None => return None,
        };
        self.held.get_mut(place).map(|(_, watch)| watch)
    }

    /// Holds this watch for a pattern that has none.
    fn put(&mut self, id: PatternId, watch: PatternWatch) {
        self.held.push((id, watch));
        if self.table.len() < 2 * self.held.len() {
            self.find_places();
        } else {
            enter(&mut self.table, id, self.held.len());
        }
    }

    /// Forgets a pattern and hands out what was known of it.
    pub(super) fn remove(&mut self, id: PatternId) -> Option<PatternWatch> {
        let place = self.place_of(id)?;
        let (_, watch) = self.held.swap_remove(place);
        self.find_places();
        Some(watch)
    }

    /// Forgets the patterns that are not `wanted` any more.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(PatternId) -> bool) {
        self.held.retain(|(id, _)| wanted(*id));
        self.find_places();
    }

    /// All of them, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PatternId, &PatternWatch)> {
        self.held.iter().map(|(id, watch)| (*id, watch))
    }

    /// See [`Watches::iter`].
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PatternId, &mut PatternWatch)> {
        self.held.iter_mut().map(|(id, watch)| (*id, watch))
    }

    /// By id, for what is written.
    pub(super) fn in_order(&self) -> BTreeMap<PatternId, &PatternWatch> {
        let mut ordered = BTreeMap::new();
        for (id, watch) in self.iter() {
            ordered.insert(id, watch);
        }
        ordered
    }

    fn place_of(&self, id: PatternId) -> Option<usize> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = hash(id) & mask;
        // The table is never full, so that there is an end to it.
        loop {
            let place = usize::from(*self.table.get(at)?).checked_sub(1)?;
            if self.held.get(place)?.0 == id {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes the table anew.
    fn find_places(&mut self) {
        self.table.clear();
        self.table.resize((2 * self.held.len()).next_power_of_two().max(TABLE_MIN), 0);
        for (place, (id, _)) in self.held.iter().enumerate() {
            enter(&mut self.table, *id, place + 1);
        }
    }
}

/// Puts a watch into the table; `entry` is one more than its place.
fn enter(table: &mut [u16], id: PatternId, entry: usize) {
    let mask = table.len().wrapping_sub(1);
    let mut at = hash(id) & mask;
    while let Some(held) = table.get_mut(at) {
        if *held == 0 {
            *held = entry as u16;
            return;
        }
        at = (at + 1) & mask;
    }
}

/// Ids are hashes or counts; a multiplication spreads either, and its upper bits are the best.
fn hash(id: PatternId) -> usize {
    (id.0.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40) as usize
}

/// The same patterns with the same watches, whatever came first.
impl PartialEq for Watches {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(id, watch)| other.get(id) == Some(watch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Begin(u64),
        Remove(u64),
        RetainNotOf(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0u64..60).prop_map(Step::Begin),
            2 => (0u64..60).prop_map(Step::Remove),
            1 => (2u64..7).prop_map(Step::RetainNotOf),
        ]
    }

    proptest! {
        /// Against a map: whatever comes and goes, each pattern is found, with what was noted of it.
        #[test]
        fn finds_what_a_map_finds(steps in proptest::collection::vec(step(), 0..300)) {
            let (mut watches, mut map) = (Watches::default(), BTreeMap::new());
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Begin(id) => {
                        let begun = watches.get_or_begin(PatternId(id), 40);
                        prop_assert_eq!(begun.is_some(), map.contains_key(&id) || map.len() < 40);
                        if let Some(watch) = begun {
                            watch.rhythm.beat(Timestamp(at as i64));
                            map.insert(id, at as i64);
                        }
                    }
                    Step::Remove(id) => {
                        let gone = watches.remove(PatternId(id)).and_then(|watch| watch.rhythm.last());
                        prop_assert_eq!(gone.map(|last| last.0), map.remove(&id));
                    }
                    Step::RetainNotOf(by) => {
                        watches.retain(|id| id.0 % by != 0);
                        map.retain(|id, _| id % by != 0);
                    }
                }
                prop_assert_eq!(watches.len(), map.len());
                for id in 0..60 {
                    let last = watches.get(PatternId(id)).and_then(|watch| watch.rhythm.last());
                    prop_assert_eq!(last.map(|last| last.0), map.get(&id).copied());
                }
            }
            let ids: Vec<u64> = watches.in_order().into_keys().map(|id| id.0).collect();
            prop_assert_eq!(ids, map.into_keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_of_birth_makes_no_difference() {
        let of = |ids: &[u64]| {
            let mut watches = Watches::default();
            ids.iter()
                .for_each(|&id| watches.get_or_begin(PatternId(id), 9).unwrap().rhythm.beat(Timestamp(id as i64)));
            watches
        };
        assert_eq!(of(&[3, 1, 2]), of(&[1, 2, 3]));
        assert_ne!(of(&[3, 1, 2]), of(&[1, 2, 4]));
        assert_ne!(of(&[3, 1, 2]), of(&[1, 2]));
    }
}
