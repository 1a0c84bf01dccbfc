//! How hot an object is: what it was sent of late, against what one thread should take.
//!
//! Counted by receive time in slots of ten seconds and forgotten with the object: whoever is hot is hot again soon. What
//! is told is a load in thousandths of a thread's share, when a slot is over: if the object was above its share for a
//! minute, and, while the component is split, now and then what it has, so that somebody can see when it is too little.

use crate::time::{Millis, Timestamp};

const SLOT: Millis = Millis::from_secs(10);
/// Slots above the share, one after the other, that are told at once.
const HOT_SLOTS: u32 = 6;
/// How often a shard of a split component tells what it has.
const TOLD_EVERY: Millis = Millis::from_mins(5);

/// What one thread should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatPolicy {
    /// Records a second; 0: nothing is ever too hot.
    pub records_per_second: u32,
    /// Batches a second.
    pub batches_per_second: u32,
}

impl Default for HeatPolicy {
    fn default() -> Self {
        Self { records_per_second: 20_000, batches_per_second: 400 }
    }
}

impl HeatPolicy {
    fn load(&self, records: u64, batches: u64) -> u32 {
        if self.records_per_second == 0 || self.batches_per_second == 0 {
            return 0;
        }
        let seconds = (SLOT.0 / 1_000) as u64;
        let of = |count: u64, share: u32| count.saturating_mul(1_000) / (u64::from(share) * seconds);
        let load = of(records, self.records_per_second).max(of(batches, self.batches_per_second));
        u32::try_from(load).unwrap_or(u32::MAX)
    }
}

/// What came in the slot that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heat {
    slot: i64,
    records: u64,
    batches: u64,
    hot: u32,
    told_at: Timestamp,
}

impl Heat {
    /// Counts what came at `now`; the load of the last slot in thousandths, if it has to be told.
    pub fn count(
        &mut self,
        records: u64,
        batches: u64,
        now: Timestamp,
        policy: &HeatPolicy,
        is_split: bool,
    ) -> Option<u32> {
        let slot = now.0.div_euclid(SLOT.0);
        let mut told = None;
        if slot != self.slot {
            let load = policy.load(self.records, self.batches);
            let is_next = slot == self.slot + 1;
            self.hot = if load > 1_000 && is_next { self.hot + 1 } else { u32::from(load > 1_000) };
            let is_due = is_split && now.since(self.told_at) >= TOLD_EVERY;
            if self.hot >= HOT_SLOTS || is_due {
                self.hot = 0;
                self.told_at = now;
                told = Some(load);
            }
            (self.slot, self.records, self.batches) = (slot, 0, 0);
        }
        self.records += records;
        self.batches += batches;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: HeatPolicy = HeatPolicy { records_per_second: 100, batches_per_second: 10 };

    /// What is told when so many records and batches come in each slot, by slot.
    fn told(slots: &[(u64, u64)], is_split: bool) -> Vec<(usize, u32)> {
        let mut heat = Heat::default();
        let mut told = Vec::new();
        for (slot, (records, batches)) in slots.iter().enumerate() {
            let now = Timestamp(1_700_000_000_000 + slot as i64 * SLOT.0 + 3_000);
            told.extend(heat.count(*records, *batches, now, &POLICY, is_split).map(|load| (slot, load)));
        }
        told
    }

    #[test]
    fn a_minute_above_the_share_is_told_and_told_again_after_another() {
        assert_eq!(told(&[(3_000, 5); 13], false), [(6, 3_000), (12, 3_000)]);
        assert_eq!(told(&[(10, 250); 7], false), [(6, 2_500)], "many small batches are as hot");
    }

    #[test]
    fn a_peak_is_not_and_a_pause_begins_anew() {
        assert_eq!(told(&[(3_000, 5), (3_000, 5), (10, 1), (3_000, 5), (3_000, 5), (3_000, 5), (3_000, 5)], false), []);
        assert_eq!(told(&[(1_000, 5); 20], false), [], "at its share");
    }

    #[test]
    fn a_shard_tells_its_load_every_five_minutes() {
        let slots = told(&[(100, 1); 70], true);
        assert_eq!(slots, [(0, 0), (30, 100), (60, 100)]);
        assert_eq!(told(&[(100, 1); 70], false), []);
    }

    #[test]
    fn without_a_share_nothing_is_hot() {
        let off = HeatPolicy { records_per_second: 0, ..POLICY };
        assert_eq!(off.load(u64::MAX, u64::MAX), 0);
        assert_eq!(POLICY.load(u64::MAX, 0), u32::MAX);
    }
}
