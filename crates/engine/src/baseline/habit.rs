//! How far a model's own probabilities can be believed: peaks over a threshold.
//!
//! Under a true model one value in a hundred has a tail of 1 %, and beyond that each further factor of e in the tail is
//! e times as rare. Logs clump and rhythms are not quite what was learned, so both are learned here as they are: how
//! often a series goes beyond 1 %, and how far beyond (the mean excess of an exponential law). A tail is then read as
//! what it is for this series. The law is never believed to be lighter than the model's, and no single value teaches
//! more than a few usual ones, so that an incident does not become a habit.

use super::Mean;
use super::special::{exp, ln};
use crate::bytes::{ReadError, Reader, Writer};

/// Tails below this are peaks.
const PEAK: f64 = 0.01;
/// Peaks that a mean excess rests on.
const PEAKS_MEMORY: f64 = 60.0;
/// Values that the model's word is worth before any was seen.
const VALUES_PRIOR: u32 = 500;
/// Multiples of the usual excess that one peak may teach.
const EXCESS_MAX: f64 = 4.0;

/// The peaks of one window of one series, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habit {
    share: Mean,
    excess: Mean,
}

impl Habit {
    /// The tail that the model's `tail` means for this series.
    pub fn read(&self, tail: f64) -> f64 {
        if tail >= PEAK {
            return tail;
        }
        let beyond = ln(PEAK) - ln(tail.max(1e-300));
        (self.share.value().max(PEAK) * exp(-beyond / self.usual())).max(tail)
    }

    /// Learns a value's tail, with this weight among values.
    pub fn learn(&mut self, tail: f64, weight: f64) {
        let is_peak = tail < PEAK;
        if self.share.count() == 0 {
            self.share.restart(PEAK, VALUES_PRIOR);
        }
        self.share.learn(if is_peak { 1.0 } else { 0.0 }, weight);
        if !is_peak {
            // Without peaks the law is slowly believed again.
            let usual = self.excess.value();
            self.excess.restart(usual + (1.0 - usual).min(0.0) * weight / 2.0, self.excess.count());
        } else {
            let beyond = ln(PEAK) - ln(tail.max(1e-300));
            // The first peaks are taken as one of sixty, or the first incident would be the law.
            let usual = self.usual();
            if self.excess.count() == 0 {
                self.excess.restart(1.0, 20);
            }
            self.excess.learn(beyond.min(EXCESS_MAX * usual), 1.0 / PEAKS_MEMORY);
        }
    }

    fn usual(&self) -> f64 {
        self.excess.value().max(1.0)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.share.write(out);
        self.excess.write(out);
    }

    pub(crate) fn parse(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { share: Mean::read(input)?, excess: Mean::read(input)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tails of a series whose true tail is the model's to the power of `1 / heavy`.
    fn taught(heavy: f64) -> Habit {
        let mut habit = Habit::default();
        for value in 0..20_000u32 {
            let truth = (f64::from(value.wrapping_mul(7_919) % 20_000) + 0.5) / 20_000.0;
            habit.learn(exp(ln(truth) * heavy), 1.0 / 5_000.0);
        }
        habit
    }

    #[test]
    fn a_true_model_is_believed() {
        let habit = taught(1.0);
        for tail in [0.5, 0.01, 1e-6, 1e-12] {
            let read = habit.read(tail);
            assert!(read >= tail && read < tail * 1_000.0_f64.min(1.0 - 2.0 * ln(tail)), "{tail} {read}");
        }
    }

    #[test]
    fn what_happens_every_day_is_no_longer_improbable() {
        let habit = taught(3.0);
        // A tail of 1e-9 by the model is one in a thousand here.
        assert!(habit.read(1e-9) > 1e-4, "{}", habit.read(1e-9));
        assert!(habit.read(1e-60) < 1e-12);
    }

    #[test]
    fn one_incident_is_not_a_habit() {
        let mut habit = taught(1.0);
        let before = habit.read(1e-9);
        habit.learn(1e-200, 1.0 / 5_000.0);
        assert!(habit.read(1e-9) < before * 5.0);
    }

    #[test]
    fn survives_its_bytes_and_odd_numbers() {
        let mut habit = taught(2.0);
        habit.learn(f64::NAN, 0.1);
        habit.learn(-1.0, 0.1);
        assert!(habit.read(f64::NAN).is_nan() || habit.read(0.0) >= 0.0);
        let mut out = Writer::new();
        habit.write(&mut out);
        assert_eq!(Habit::parse(&mut Reader::new(out.as_bytes())), Ok(habit));
    }
}
