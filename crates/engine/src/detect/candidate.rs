//! A deviation on its way to being told: what it is called, what was expected, and whether it is sure enough to wake people.
//!
//! Sure is what is improbable for all series that are judged together, and what rests on enough: a drop on a day of
//! experience, a new level on a week, more than usual on some records. Left out: whether it is explained by another.

use super::count_watch::{Deviation, count_reach};
use super::fdr::told_up_to;
use super::ratio_watch::{RatioDeviation, ratio_reach};
use super::signal::{Signal, SignalKind, Subject};
use crate::time::{Millis, Timestamp};

/// Sure enough to tell somebody: the chance in an hour.
pub(crate) const ALERT_BELOW: f64 = 2e-7;
/// Records below which more than due wakes nobody: the least that bursts of errors take by default.
const ALERT_RECORDS_MIN: u64 = 10;
/// Minutes that a level has stood before less than it wakes people (its night has been seen), and before another level
/// does (its weekend).
const ALERT_AFTER_DAY: u32 = 1_440;
const ALERT_AFTER_WEEK: u32 = 10_080;
/// How many times as far a count may lie from what is due while something is known to shake it. A tail of a normal law
/// falls with the square of the distance: the probability becomes its square root.
pub(super) const WIDER: f64 = std::f64::consts::SQRT_2;

/// A finding that has not yet passed the common test.
pub(super) struct Candidate {
    /// Found by the windows of hours.
    pub(super) is_level: bool,
    pub(super) subject: Subject,
    pub(super) probability: f64,
    /// Series that are judged together with this one: people are woken by the least probable of all of them.
    pub(super) series: usize,
    pub(super) signal: Signal,
}

impl Candidate {
    /// Sure enough to wake people, for what it is one of.
    fn is_sure(&self) -> bool {
        self.probability * (self.series.max(1) as f64) < ALERT_BELOW
    }

    /// The same, if its window reaches into a span in which the baseline is wider.
    pub(super) fn judged_within(mut self, widened: &[(Timestamp, Timestamp)]) -> Self {
        if reaches_into(widened, self.signal.since, self.signal.at) {
            self.probability = self.probability.max(0.0).sqrt();
            let is_sure = self.is_sure();
            let signal = &mut self.signal;
            signal.probability = self.probability;
            signal.is_alerting &= is_sure;
            signal.expected_low = (signal.expected - (signal.expected - signal.expected_low) * WIDER).max(0.0);
            signal.expected_high = signal.expected + (signal.expected_high - signal.expected) * WIDER;
        }
        self
    }
}

/// Whether a window shares any time with one of these spans.
pub(super) fn reaches_into(spans: &[(Timestamp, Timestamp)], from: Timestamp, to: Timestamp) -> bool {
    spans.iter().any(|&(start, end)| from < end && start < to)
}

/// Those that are told of all that one moment found, the least probable first.
pub(super) fn discoveries(mut found: Vec<Candidate>, series: usize, share: f64) -> Vec<Candidate> {
    let most = told_up_to(found.iter().map(|candidate| candidate.probability), series, share);
    found.retain(|candidate| candidate.probability <= most);
    found.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    found
}

/// Short windows tell bursts; only a rise that needs a quarter of an hour to show is a level.
pub(super) fn kind_of(deviation: &Deviation) -> SignalKind {
    match (deviation.is_above(), deviation.window >= Millis::from_mins(15)) {
        (true, false) => SignalKind::Burst,
        (true, true) => SignalKind::LevelShift,
        (false, _) => SignalKind::Drop,
    }
}

/// What is known of a series of counts when it is judged.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Minutes that its level has stood.
    pub(super) minutes: u32,
    /// Series judged together with it.
    pub(super) series: usize,
}

impl Known {
    /// Whether so much experience, and so many records, may wake people.
    fn is_enough_for(self, kind: SignalKind, seen: u64) -> bool {
        match kind {
            SignalKind::Drop => self.minutes >= ALERT_AFTER_DAY,
            SignalKind::LevelShift => self.minutes >= ALERT_AFTER_WEEK,
            _ => seen >= ALERT_RECORDS_MIN,
        }
    }
}

pub(super) fn count_candidate(
    (subject, known): (Subject, Known),
    deviation: Deviation,
    at: Timestamp,
    kind: SignalKind,
) -> Candidate {
    let Deviation { window, expected, spread, seen, probability } = deviation;
    let band = (expected, count_reach(expected, spread));
    let signal = deviating((kind, subject), (at, window), band, (seen, seen), probability);
    let mut candidate = Candidate { is_level: false, subject, probability, series: known.series, signal };
    candidate.signal.is_alerting = candidate.is_sure() && known.is_enough_for(kind, seen);
    candidate
}

pub(super) fn ratio_candidate(deviation: RatioDeviation, at: Timestamp, kind: SignalKind) -> Candidate {
    let RatioDeviation { window, share, strength, hits, total, probability } = deviation;
    let subject = if kind == SignalKind::ErrorRatio { Subject::Errors } else { Subject::Durations };
    let band = ratio_reach(total, share, strength);
    let signal = deviating((kind, subject), (at, window), band, (hits, total), probability);
    let signal = Signal { is_alerting: probability < ALERT_BELOW, ..signal };
    Candidate { is_level: false, subject, probability, series: 1, signal }
}

/// The signal of a window that ends at `at`: of `total` records `seen` were of the kind, and `expected` of them, give or
/// take `reach`, were looked for. It wakes nobody yet.
fn deviating(
    (kind, subject): (SignalKind, Subject),
    (at, window): (Timestamp, Millis),
    (expected, reach): (f64, f64),
    (seen, total): (u64, u64),
    probability: f64,
) -> Signal {
    Signal {
        kind,
        subject,
        at,
        since: at.minus(window),
        window,
        expected,
        expected_low: (expected - reach).max(0.0),
        expected_high: expected + reach,
        seen,
        total,
        probability,
        is_alerting: false,
    }
}
