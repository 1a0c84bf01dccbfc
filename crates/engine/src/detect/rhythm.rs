//! When the next record is due at the latest: for jobs that report regularly, and for series that simply never pause
//! so long.
//!
//! Gaps are learned as mean, mean deviation and longest of late; a gap that was told as a silence teaches only as much
//! as a usual long one.

use super::count_watch::SLOT;
use crate::baseline::Mean;
use crate::baseline::special::exp;
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

const GAPS_MIN: u32 = 8;
/// A series is regular when its gaps deviate from their mean by less than this share of it.
const REGULAR: f64 = 0.2;
/// e^-14 is one in a million: how sure a silence of irregular series is.
const SILENT_RECORDS: f64 = 14.0;
/// No absence is surer than this.
const CHANCE_MIN: f64 = 1e-12;
/// Gaps below this are not worth an alarm.
const SILENCE_MS_MIN: f64 = 30_000.0;

/// The gaps of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rhythm {
    last: Option<Timestamp>,
    gap: Mean,
    deviation: Mean,
    longest: f64,
}

impl Rhythm {
    /// A record came.
    #[inline(always)]
    pub(crate) fn beat(&mut self, at: Timestamp) {
        let Some(last) = self.last else {
            self.last = Some(at);
            return;
        };
        if at < last {
            return;
        }
        let gap = at.since(last).0 as f64;
        let most = if self.gap.count() >= GAPS_MIN { 1.5 * larger(self.longest, self.gap.value()) } else { gap };
        let most = larger(most, 1.0);
        let gap = if gap < most { gap } else { most };
        if self.gap.count() >= 3 {
            self.deviation.learn((gap - self.gap.value()).abs(), 0.05);
        }
        self.gap.learn(gap, 0.05);
        self.longest = larger(self.longest * 0.9995, gap);
        self.last = Some(at);
    }

    /// Mean gap, if the gaps are regular and worth watching.
    pub(crate) fn period(&self) -> Option<Millis> {
        let gap = self.gap.value();
        let is_regular =
            self.gap.count() >= GAPS_MIN && self.deviation.value() < REGULAR * gap && gap >= SILENCE_MS_MIN;
        is_regular.then_some(Millis(gap as i64))
    }

    /// Gaps seen.
    pub(crate) fn gaps(&self) -> u32 {
        self.gap.count()
    }

    /// The series was cut off with all others and can only go on from here.
    pub(crate) fn resume(&mut self, at: Timestamp) {
        self.last = self.last.map(|last| last.max(at));
    }

    /// How likely a regular series pauses this long by itself: gaps taken as Laplace's law about their mean.
    pub(crate) fn chance_of(&self, pause: Millis) -> f64 {
        let deviation = self.deviation.value().max(self.gap.value() * 0.02).max(1.0);
        let beyond = (pause.0 as f64 - self.gap.value()).max(0.0);
        (0.5 * exp(-beyond / deviation)).max(CHANCE_MIN)
    }

    /// Another series goes on as this one.
    pub(crate) fn merge(&mut self, other: &Self) {
        let last = self.last.max(other.last);
        if other.gap.count() > self.gap.count() {
            *self = other.clone();
        }
        self.last = last;
    }

    /// The last record.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// When a regular series is overdue: half a period, or four deviations, after it was due, within three periods; and
    /// never before `lateness`, for those that are on their way, has passed since it was due.
    pub(crate) fn overdue_at(&self, lateness: Millis) -> Option<Timestamp> {
        self.period()?;
        let gap = self.gap.value();
        // The longest delay of late is slowly forgotten, and was taken in slots.
        let on_the_way = 1.25 * lateness.0 as f64 + SLOT.0 as f64;
        let wait = (gap + (0.5 * gap).max(4.0 * self.deviation.value())).max(self.longest * 1.2);
        Some(self.last?.plus(Millis(wait.min(2.8 * gap).max(gap + on_the_way) as i64)))
    }

    /// When a series with this many records a minute is silent, regular or not.
    pub(crate) fn silent_at(&self, per_minute: f64, lateness: Millis) -> Option<Timestamp> {
        if let Some(overdue) = self.overdue_at(lateness) {
            return Some(overdue);
        }
        if self.gap.count() < 20 || per_minute <= 0.0 {
            return None;
        }
        let wait = (SILENT_RECORDS / per_minute * 60_000.0).max(self.longest * 1.5).max(SILENCE_MS_MIN);
        // A week without anything is nobody's rhythm.
        (wait < 7.0 * 86_400_000.0).then(|| self.last.map(|last| last.plus(Millis(wait as i64)))).flatten()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.last.is_some()));
        out.int(self.last.map_or(0, |last| last.0));
        self.gap.write(out);
        self.deviation.write(out);
        out.f64(self.longest);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let has_last = input.u8()? != 0;
        let last = Timestamp(input.int()?).clamped();
        let (gap, deviation, longest) = (Mean::read(input)?, Mean::read(input)?, input.f64()?);
        if !longest.is_finite() {
            return Err(ReadError::Unknown("gap"));
        }
        Ok(Self { last: has_last.then_some(last), gap, deviation, longest })
    }
}

/// `f64::max` of what are numbers: without its care for others, in the way of every record.
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_job_is_overdue_within_three_periods() {
        let mut rhythm = Rhythm::default();
        (0..20).for_each(|i| rhythm.beat(Timestamp(i * 300_000 + i % 3 * 1_000)));
        let last = rhythm.last().unwrap();
        let wait = rhythm.overdue_at(Millis(0)).unwrap().since(last).0;
        assert!((400_000..900_000).contains(&wait), "{wait}");
    }

    #[test]
    fn irregular_series_are_silent_when_chance_no_longer_explains_it() {
        let mut rhythm = Rhythm::default();
        let mut at = 0;
        for i in 0..200 {
            at += 1_000 + (i * 7_919 % 13) * 1_500;
            rhythm.beat(Timestamp(at));
        }
        assert_eq!(rhythm.period(), None);
        let wait = rhythm.silent_at(6.0, Millis(0)).unwrap().since(Timestamp(at)).0;
        assert_eq!(wait, 140_000);
        assert_eq!(rhythm.silent_at(0.0, Millis(0)), None);
    }

    #[test]
    fn a_long_silence_does_not_become_usual() {
        let mut rhythm = Rhythm::default();
        (0..40).for_each(|i| rhythm.beat(Timestamp(i * 60_000)));
        rhythm.beat(Timestamp(40 * 60_000 + 86_400_000));
        assert!(rhythm.overdue_at(Millis(0)).unwrap().since(rhythm.last().unwrap()).0 < 180_000);
    }
}
