//! What could be found at all: a detector that knows everything but when.
//!
//! The oracle knows a world's true rate at every instant, its clumps, its share of errors, its law of durations, and the
//! exact shape of the fault it waits for. By Neyman and Pearson nothing finds more at the same rate of false alarms than
//! the likelihood ratio, here of the best start so far (Page's test). Its thresholds are chosen on the very quiet weeks
//! it is measured on, which favours it: what it misses, no detector has to find.
//!
//! It leaves out new patterns and missed jobs, which need no statistics.

use crate::scenario::{FaultKind, Happening, Law, STEP_MS};
use sapwood_engine::baseline::special::{exp, ln};

/// What the oracle waits for; the place is the place of its statistic.
pub const KINDS: [FaultKind; 6] = [
    FaultKind::Burst,
    FaultKind::Drop,
    FaultKind::Silence,
    FaultKind::LevelShift,
    FaultKind::ErrorRatio,
    FaultKind::Latency,
];
/// Steps of a burst of 60 s.
const BURST_STEPS: usize = (60_000 / STEP_MS) as usize;
/// Stands for "impossible", and is forgotten by the next step.
const NEVER: f64 = -1e9;

/// The likelihood ratios of one world so far.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    burst: [f64; BURST_STEPS],
    sums: [f64; KINDS.len()],
}

impl Oracle {
    /// Takes a step's records in, under the law they came from, and gives the log-likelihood ratio of each kind.
    pub fn step(&mut self, law: &Law, records: &[Happening]) -> [f64; KINDS.len()] {
        let records = || records.iter().filter(|record| law.is_random(record));
        let count = records().count() as f64;
        let times = |factor| law.ln_count(count, factor) - law.ln_count(count, 1.0);
        self.burst.rotate_right(1);
        self.burst[0] = times(3.0);
        let mut sum = 0.0;
        let burst = self.burst.map(|step| {
            sum += step;
            sum
        });
        let share = law.error_share;
        let more = (share + 0.05).min(0.999);
        let errors = records().filter(|record| record.is_error).count() as f64;
        let error_ratio =
            errors * (ln(more) - ln(share.max(1e-9))) + (count - errors) * (ln(1.0 - more) - ln(1.0 - share));
        let latency = records().map(|record| law.ln_twice_as_slow(record.duration_ms)).sum();
        let silence = if count == 0.0 { -law.ln_count(0.0, 1.0) } else { NEVER };
        let steps = [0.0, times(0.3), silence, times(1.5), error_ratio, latency];
        for (sum, step) in self.sums.iter_mut().zip(steps) {
            *sum = sum.max(0.0) + step;
        }
        self.sums[0] = burst.into_iter().fold(f64::NEG_INFINITY, f64::max);
        self.sums
    }
}

/// `ln(e^a + e^b)`.
pub(crate) fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + ln(1.0 + exp(low - high)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Fault, World};

    /// The largest ratio of a kind while a fault is on, in a world of this seed.
    fn largest(seed: u64, fault: Option<Fault>, place: usize) -> f64 {
        let (mut world, mut oracle, mut records) = (World::new(seed, fault), Oracle::default(), Vec::new());
        let mut largest = f64::NEG_INFINITY;
        for _ in 0..720 {
            records.clear();
            let law = world.law();
            world.step(&mut records);
            largest = largest.max(oracle.step(&law, &records)[place]);
        }
        largest
    }

    #[test]
    fn a_fault_of_its_kind_is_likelier_than_none() {
        let seed = (0..).find(|&seed| World::new(seed, None).per_minute >= 60.0).unwrap_or(0);
        for (place, kind) in KINDS.into_iter().enumerate() {
            let faulty = largest(seed, Some(Fault::new(kind, 3_600_000)), place);
            assert!(faulty > largest(seed, None, place) + 3.0, "{kind:?} {faulty}");
        }
    }

    #[test]
    fn sums_of_logarithms_are_those_of_their_numbers() {
        assert!((ln_sum(0.0, 0.0) - core::f64::consts::LN_2).abs() < 1e-12);
        assert_eq!(ln_sum(f64::NEG_INFINITY, 3.0), 3.0);
        assert_eq!(ln_sum(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    }
}
