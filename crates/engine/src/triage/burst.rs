//! Burst of errors: more errors in the last minute of event time than the component's own recent minutes explain.
//!
//! Time is the events' own, so a batch that arrives late in one piece is spread over the minutes it speaks of. The
//! expectation is an exponentially weighted mean of errors per minute (weight 1/8), held in thousandths so that the
//! arithmetic is the same everywhere. Minutes of a burst are learned only up to the threshold, so that a burst does not
//! teach itself as normal at once, yet a lasting new level does become normal.

use super::incident::AlertPolicy;
use crate::baseline::tail::count_at_least;
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::{Signal, SignalKind, Subject};
use crate::time::{Millis, Timestamp};

const SLOT_MS: i64 = 10_000;
const SLOTS: usize = 6;
const WINDOW: Millis = Millis(SLOT_MS * SLOTS as i64);
/// Relative variance that errors a minute are believed to have.
const SPREAD: f64 = 0.25;
/// Minutes without errors that are folded in one by one; after that many nothing of the mean is left.
const IDLE_MINUTES_MAX: i64 = 64;

/// A finding: errors in the last minute beyond what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Errors in the minute that ends now.
    pub seen: u64,
    /// Expected errors a minute, in thousandths.
    pub expected_milli: u64,
    /// Errors a minute at which it counts as a burst.
    pub threshold: u64,
}

impl Burst {
    /// The same as a signal of the component's errors at this event time. Its probability takes the expectation for at
    /// least one a minute: of a component that never had errors nothing better is known.
    pub(crate) fn signal(&self, at: Timestamp) -> Signal {
        let expected = self.expected_milli as f64 / 1_000.0;
        Signal {
            kind: SignalKind::Burst,
            subject: Subject::Errors,
            at,
            since: at.minus(WINDOW),
            window: WINDOW,
            expected,
            expected_low: 0.0,
            expected_high: self.threshold as f64,
            seen: self.seen,
            total: self.seen,
            probability: count_at_least(self.seen, expected.max(1.0), SPREAD).clamp(1e-12, 1.0),
            is_alerting: true,
        }
    }
}

/// Watches one component's errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorWatch {
    /// Index (event time / 10 s) of the newest slot.
    newest: i64,
    slots: [u64; SLOTS],
    /// Errors of the minute being filled, by event time, and which minute that is.
    minute: i64,
    minute_count: u64,
    mean_milli: u64,
}

impl ErrorWatch {
    /// Counts one error with this event time; tells whether the last minute now is a burst.
    pub fn count(&mut self, at: Timestamp, policy: &AlertPolicy) -> Option<Burst> {
        self.close_minutes(at.0.div_euclid(SLOT_MS * SLOTS as i64), policy);
        let slot = at.0.div_euclid(SLOT_MS);
        if slot > self.newest {
            let passed = slot.saturating_sub(self.newest).min(SLOTS as i64) as usize;
            self.slots.rotate_right(passed);
            self.slots.iter_mut().take(passed).for_each(|count| *count = 0);
            self.newest = slot;
        }
        let age = usize::try_from(self.newest - slot).unwrap_or(SLOTS);
        *self.slots.get_mut(age)? += 1;
        let seen = self.slots.iter().sum();
        let threshold = self.threshold(policy);
        (seen >= threshold).then_some(Burst { seen, expected_milli: self.mean_milli, threshold })
    }

    fn threshold(&self, policy: &AlertPolicy) -> u64 {
        let expected = (self.mean_milli + 1_000).saturating_mul(u64::from(policy.burst_factor)) / 1_000;
        expected.max(u64::from(policy.burst_errors_min))
    }

    fn close_minutes(&mut self, minute: i64, policy: &AlertPolicy) {
        if minute <= self.minute {
            if minute == self.minute {
                self.minute_count += 1;
            }
            return;
        }
        let learned = self.minute_count.min(self.threshold(policy)).saturating_mul(1_000);
        self.mean_milli = self.mean_milli - self.mean_milli / 8 + learned / 8;
        let idle = (minute - self.minute - 1).min(IDLE_MINUTES_MAX);
        for _ in 0..idle {
            self.mean_milli -= self.mean_milli / 8;
        }
        self.minute = minute;
        self.minute_count = 1;
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.int(self.newest);
        for count in self.slots {
            out.uint(count);
        }
        out.int(self.minute);
        out.uint(self.minute_count);
        out.uint(self.mean_milli);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut watch = Self { newest: input.int()?, ..Self::default() };
        for slot in &mut watch.slots {
            *slot = input.uint()?;
        }
        watch.minute = input.int()?;
        watch.minute_count = input.uint()?;
        watch.mean_milli = input.uint()?;
        Ok(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> AlertPolicy {
        AlertPolicy { burst_errors_min: 10, burst_factor: 3, ..AlertPolicy::default() }
    }

    #[test]
    fn ten_errors_within_a_minute_on_a_quiet_component_are_a_burst() {
        let mut watch = ErrorWatch::default();
        for i in 0..9 {
            assert_eq!(watch.count(Timestamp(1_000_000 + i * 5_000), &policy()), None);
        }
        assert_eq!(watch.count(Timestamp(1_045_000), &policy()).map(|b| b.seen), Some(10));
    }

    #[test]
    fn the_same_errors_over_ten_minutes_are_none() {
        let mut watch = ErrorWatch::default();
        for i in 0..100 {
            assert_eq!(watch.count(Timestamp(1_000_000 + i * 10_000), &policy()), None, "{i}");
        }
    }

    #[test]
    fn a_steady_rate_becomes_normal_and_three_times_that_is_a_burst() {
        let mut watch = ErrorWatch::default();
        let mut at = 0;
        let mut bursts = 0;
        for _ in 0..60 * 30 {
            at += 2_000;
            bursts += usize::from(watch.count(Timestamp(at), &policy()).is_some());
        }
        assert!(bursts > 0, "thirty a minute is a burst before it is normal");
        assert_eq!(watch.count(Timestamp(at + 2_000), &policy()), None);
        let tripled = (0..600).any(|i| watch.count(Timestamp(at + 2_000 + i * 300), &policy()).is_some());
        assert!(tripled);
    }

    #[test]
    fn a_late_batch_counts_in_the_minutes_it_speaks_of() {
        let mut watch = ErrorWatch::default();
        watch.count(Timestamp(10_000_000), &policy());
        for i in 0..50 {
            assert_eq!(watch.count(Timestamp(10_000_000 - 120_000 - i), &policy()), None);
        }
    }

    #[test]
    fn survives_its_bytes() {
        let mut watch = ErrorWatch::default();
        for i in 0..25 {
            watch.count(Timestamp(i * 9_000), &policy());
        }
        let mut out = Writer::new();
        watch.write(&mut out);
        assert_eq!(ErrorWatch::read(&mut Reader::new(out.as_bytes())), Ok(watch));
    }
}
