//! How far the records of a rare series come in clumps.
//!
//! A series with a record in an hour has nothing to learn a spread from: nearly all of its windows are empty. But its hours
//! tell, over weeks: what comes once comes four more times within the hour, or it does not. From the mean of the hours' counts
//! and of their squares follows how much more than Poisson's they vary (their index of dispersion); a negative binomial with
//! that is the law of clumps that come by chance, with sizes of the logarithmic law.
//!
//! Left out: series so busy that their windows teach their own spread. One hour never teaches more than a few usual clumps, so
//! that an incident does not become a habit by itself.

use super::Mean;
use crate::bytes::{ReadError, Reader, Writer};

/// Weight of an hour in what is learned: three weeks.
const WEIGHT: f64 = 1.0 / 504.0;
/// Records of a series nobody knows that are believed to have come alone.
const PRIOR: f64 = 10.0;
/// Times the usual clump that one hour teaches.
const TIMES_MAX: f64 = 4.0;
/// Records due in an hour up to which clumps are believed, and from which windows speak for themselves.
const RARE: f64 = 3.0;
const BUSY: f64 = 6.0;
/// More than this says nothing more.
const EXCESS_MAX: f64 = 1_000.0;

/// The clumps of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clumps {
    /// Records of an hour.
    records: Mean,
    /// The same and its square, where no hour holds far more than a usual clump.
    size: Mean,
    square: Mean,
    /// What follows from these.
    excess: f64,
}

impl Clumps {
    /// An hour ended in which so many records came.
    pub fn learn(&mut self, records: u64) {
        let records = records as f64;
        let size = records.min((TIMES_MAX * self.ratio()).max(2.0));
        self.records.learn(records, WEIGHT);
        self.size.learn(size, WEIGHT);
        self.square.learn(size * size, WEIGHT);
        self.excess = self.learned_excess();
    }

    /// Mean records of the hour that a record is in.
    fn ratio(&self) -> f64 {
        let hours = f64::from(self.size.count()).min(1.0 / WEIGHT);
        (self.square.value() * hours + PRIOR) / (self.size.value() * hours + PRIOR)
    }

    /// How much more than Poisson's its counts vary, in parts of the mean: 0 is Poisson's law, or a series that is not rare.
    pub fn excess(&self) -> f64 {
        self.excess
    }

    fn learned_excess(&self) -> f64 {
        let due = self.records.value();
        let believed = ((BUSY - due) / (BUSY - RARE)).clamp(0.0, 1.0);
        // By chance alone a record has as many others in its hour as are due.
        ((self.ratio() - 1.0 - due) * believed).clamp(0.0, EXCESS_MAX)
    }

    /// Another series goes on as part of this one: the one that clumps more is the better guess.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.excess > self.excess {
            *self = *other;
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        [self.records, self.size, self.square].iter().for_each(|mean| mean.write(out));
    }

    pub(crate) fn parse(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (records, size, square) = (Mean::read(input)?, Mean::read(input)?, Mean::read(input)?);
        let read = Self { records, size, square, excess: 0.0 };
        Ok(Self { excess: read.learned_excess(), ..read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is learned of so many hours in which `size` records come at once, every minute with this chance.
    fn learned(per_hour: f64, size: u64, hours: u32) -> Clumps {
        let (mut clumps, mut mixed) = (Clumps::default(), 11u64);
        for _ in 0..hours {
            let mut records = 0;
            for _ in 0..60 {
                mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let is_one = (mixed >> 33) as f64 / f64::from(1u32 << 31) < per_hour / 60.0;
                records += if is_one { size } else { 0 };
            }
            clumps.learn(records);
        }
        clumps
    }

    #[test]
    fn what_comes_by_chance_is_no_clump_at_any_rate() {
        for per_hour in [0.02, 0.2, 1.0, 2.0, 4.0, 8.0, 50.0] {
            for hours in [5, 50, 5_000] {
                let excess = learned(per_hour, 1, hours).excess();
                assert!(excess < 0.5, "{per_hour} an hour: {excess}");
            }
        }
    }

    #[test]
    fn a_busy_series_is_busy_from_its_first_hours_on() {
        for hours in 1..60 {
            assert_eq!(learned(40.0, 9, hours).excess(), 0.0, "{hours} hours");
        }
    }

    #[test]
    fn clumps_are_told_by_their_size_while_they_are_rare() {
        for (per_hour, size) in [(0.05, 5), (0.2, 5), (0.2, 12), (0.05, 40)] {
            let excess = learned(per_hour, size, 20_000).excess();
            let wanted = size as f64 - 1.0;
            assert!((0.6 * wanted..1.5 * wanted).contains(&excess), "{size} at {per_hour} an hour: {excess}");
        }
        assert_eq!(learned(2.0, 5, 5_000).excess(), 0.0, "ten an hour are not rare: their windows say how they vary");
    }

    #[test]
    fn one_incident_teaches_no_more_than_a_few_usual_clumps() {
        let mut clumps = learned(0.1, 1, 500);
        clumps.learn(1_000);
        assert!(clumps.excess() < 1.0, "{}", clumps.excess());
    }

    #[test]
    fn survives_its_bytes_and_any_count() {
        let mut clumps = learned(0.2, 7, 3_000);
        let mut out = Writer::new();
        clumps.write(&mut out);
        assert_eq!(Clumps::parse(&mut Reader::new(out.as_bytes())), Ok(clumps));
        [u64::MAX, 0, u64::MAX].into_iter().for_each(|records| clumps.learn(records));
        assert!((0.0..=EXCESS_MAX).contains(&clumps.excess()));
    }
}
