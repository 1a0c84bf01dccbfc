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
        let next = self.next + 1;
        self.next = if usize::from(next) < MINUTES { next } else { 0 };
    }

    /// The count of the minute this many before the last.
    pub(crate) fn ago(&self, minutes: usize) -> u32 {
        // Below twice the ring's length: a comparison is cheaper than a remainder.
        let place = usize::from(self.next) + MINUTES - 1 - minutes.min(MINUTES - 1);
        let place = if place >= MINUTES { place - MINUTES } else { place };
        self.counts.get(place).copied().unwrap_or(0)
    }

    /// The count that the next minute takes the place of.
    fn oldest(&self) -> u32 {
        self.counts.get(usize::from(self.next)).copied().unwrap_or(0)
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
        if let Some(small) = input.small_uints::<MINUTES>() {
            ring.counts.iter_mut().zip(small).for_each(|(count, small)| *count = u32::from(*small));
            return Ok(ring);
        }
        for count in &mut ring.counts {
            *count = input.u32()?;
        }
        Ok(ring)
    }
}

/// A ring that knows the sums of its last 5, 15 and 60 minutes: thousands of series ask for them each minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SummedMinutes {
    ring: MinuteRing,
    five: u64,
    quarter: u64,
    hour: u64,
}

impl SummedMinutes {
    /// Adds a minute; the one that left the last five is handed out.
    pub(crate) fn push(&mut self, count: u32) -> u32 {
        // What leaves a window was counted when it came, so that nothing goes below zero.
        let slid = |sum: u64, leaving: u32| (sum + u64::from(count)).wrapping_sub(u64::from(leaving));
        let left = self.ring.ago(4);
        self.five = slid(self.five, left);
        self.quarter = slid(self.quarter, self.ring.ago(14));
        self.hour = slid(self.hour, self.ring.oldest());
        self.ring.push(count);
        left
    }

    /// The count of the first of the sixty minutes.
    pub(crate) fn oldest(&self) -> u32 {
        self.ring.oldest()
    }

    /// Records of the last 1, 5, 15 and 60 minutes.
    pub(crate) fn sums(&self) -> [f64; 4] {
        // Far below the largest whole number of either type; signed ones become fractions in one instruction.
        [u64::from(self.ring.ago(0)), self.five, self.quarter, self.hour].map(|sum| sum as i64 as f64)
    }

    /// The count of the minute this many before the last.
    pub(crate) fn ago(&self, minutes: usize) -> u32 {
        self.ring.ago(minutes)
    }

    /// Records of the last minutes, at most sixty.
    pub(crate) fn sum(&self, minutes: usize) -> u64 {
        match minutes {
            1 => u64::from(self.ring.ago(0)),
            5 => self.five,
            15 => self.quarter,
            MINUTES => self.hour,
            _ => self.ring.sum(minutes),
        }
    }

    /// Adds the minutes of another series that ended at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.ring.add(&other.ring);
        *self = Self::of(std::mem::take(&mut self.ring));
    }

    /// As if the hour had held this many a minute, evenly.
    pub(crate) fn fill(&mut self, per_minute: f64) {
        self.ring.fill(per_minute);
        *self = Self::of(std::mem::take(&mut self.ring));
    }

    fn of(ring: MinuteRing) -> Self {
        Self { five: ring.sum(5), quarter: ring.sum(15), hour: ring.sum(MINUTES), ring }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.ring.write(out);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        MinuteRing::read(input).map(Self::of)
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
    fn sums_that_are_kept_are_those_of_the_ring() {
        let mut minutes = SummedMinutes::default();
        let agree = |minutes: &SummedMinutes| {
            for width in [0, 1, 5, 7, 15, 60, 61] {
                assert_eq!(minutes.sum(width), minutes.ring.sum(width), "{width} minutes");
            }
        };
        for count in 0..150u32 {
            minutes.push(if count % 7 == 3 { u32::MAX } else { count.wrapping_mul(7_919) % 1_000 });
            agree(&minutes);
        }
        let mut out = Writer::new();
        minutes.write(&mut out);
        assert_eq!(SummedMinutes::read(&mut Reader::new(out.as_bytes())).as_ref(), Ok(&minutes));
        minutes.add(&minutes.clone());
        agree(&minutes);
        minutes.fill(2.5);
        agree(&minutes);
        assert_eq!(minutes.sum(60), 150);
    }

    #[test]
    fn holds_the_last_hour() {
        let mut ring = MinuteRing::default();
        (1..=100).for_each(|count| ring.push(count));
        assert_eq!((ring.ago(0), ring.ago(59), ring.oldest()), (100, 41, 41));
        assert_eq!(ring.sum(2), 199);
        assert_eq!(ring.sum(1_000), (41..=100).sum::<u64>());
        let mut out = Writer::new();
        ring.write(&mut out);
        let read = MinuteRing::read(&mut Reader::new(out.as_bytes())).unwrap();
        assert_eq!(read, ring);
    }
}
