//! The counts of the last sixty minutes.

use crate::bytes::{ReadError, Reader, Writer};

/// Minutes held.
pub(crate) const MINUTES: usize = 60;

/// Counts of whole minutes; those before the first are 0.
#[derive(Clone, Debug)]
pub(crate) struct MinuteRing {
    counts: [u32; MINUTES],
    /// Where the next minute goes.
    next: u8,
}

impl Default for MinuteRing {
    fn default() -> Self {
        Self { counts: [0; MINUTES], next: 0 }
    }
}

impl MinuteRing {
    pub(crate) fn push(&mut self, count: u32) {
        if let Some(slot) = self.counts.get_mut(usize::from(self.next)) {
            *slot = count;
        }
        self.next = (self.next + 1) % MINUTES as u8;
    }

    /// The count of the minute this many before the last.
    pub(crate) fn ago(&self, minutes: usize) -> u32 {
        let place = (usize::from(self.next) + 2 * MINUTES - 1 - minutes.min(MINUTES - 1)) % MINUTES;
        self.counts.get(place).copied().unwrap_or(0)
    }

    /// Adds the minutes of another ring that ended at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        let sums: Vec<u32> = (0..MINUTES).rev().map(|ago| self.ago(ago).saturating_add(other.ago(ago))).collect();
        sums.into_iter().for_each(|count| self.push(count));
    }

    /// Records of the last minutes, at most sixty.
    pub(crate) fn sum(&self, minutes: usize) -> u64 {
        // Two stretches, before the next minute's place and at the end: going back minute by minute costs ten times that,
        // for every window of two thousand patterns.
        let (before, after) = self.counts.split_at(usize::from(self.next).min(MINUTES));
        let minutes = minutes.min(MINUTES);
        let recent = before.len().min(minutes);
        let sum = |counts: &[u32], last: usize| -> u64 {
            let from = counts.len().saturating_sub(last);
            counts.get(from..).unwrap_or_default().iter().map(|&count| u64::from(count)).sum()
        };
        sum(before, recent) + sum(after, minutes - recent)
    }

    /// As if the hour had held this many a minute, evenly.
    pub(crate) fn fill(&mut self, per_minute: f64) {
        let whole = |minute: usize| (minute as f64 * per_minute.max(0.0)).min(1e15) as u64;
        for minute in 0..MINUTES {
            self.push(u32::try_from(whole(minute + 1) - whole(minute)).unwrap_or(u32::MAX));
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        (0..MINUTES).rev().for_each(|ago| out.uint(u64::from(self.ago(ago))));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut ring = Self::default();
        for count in &mut ring.counts {
            *count = input.u32()?;
        }
        Ok(ring)
    }
}

/// Two rings are the same when they hold the same minutes, wherever they begin.
impl PartialEq for MinuteRing {
    fn eq(&self, other: &Self) -> bool {
        (0..MINUTES).all(|ago| self.ago(ago) == other.ago(ago))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_its_minutes_wherever_the_ring_begins() {
        let mut ring = MinuteRing::default();
        for count in 0..150u32 {
            ring.push(count.wrapping_mul(7_919) % 1_000);
            for minutes in [0, 1, 5, 15, 59, 60, 61] {
                let one_by_one: u64 = (0..minutes.min(MINUTES)).map(|ago| u64::from(ring.ago(ago))).sum();
                assert_eq!(ring.sum(minutes), one_by_one, "{minutes} minutes after {count}");
            }
        }
    }

    #[test]
    fn holds_the_last_hour() {
        let mut ring = MinuteRing::default();
        (1..=100).for_each(|count| ring.push(count));
        assert_eq!((ring.ago(0), ring.ago(59)), (100, 41));
        assert_eq!(ring.sum(2), 199);
        assert_eq!(ring.sum(1_000), (41..=100).sum::<u64>());
        let mut out = Writer::new();
        ring.write(&mut out);
        let read = MinuteRing::read(&mut Reader::new(out.as_bytes())).unwrap();
        assert_eq!(read, ring);
    }
}
