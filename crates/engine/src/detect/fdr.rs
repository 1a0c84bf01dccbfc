//! Many series, few false findings: what is told of all series that are judged together.
//!
//! Within a component, Benjamini-Hochberg over what one moment found, so that two thousand quiet patterns cost no more
//! than one ([`told_up_to`]). Over the components of a domain, each may spend its part of what all of them may
//! ([`is_sure_in_domain`]): what a detector may spend is what [`STREAMS_FREE`] components may spend together, and with `m`
//! components a probability wakes people below that divided by `m`. The sum of what `m` components spend is the same
//! whatever they have in common (Bonferroni's inequality needs no independence), so that the false alarms an hour of a
//! whole domain do not grow with the number of its series. What is not sure enough is shown, and told should it grow.
//!
//! Left out: absences. A rhythm that broke is judged by how long it is silent, and its probability falls without end while
//! it lasts, so that no threshold keeps it from being told.

use super::candidate;
use super::signal::{Signal, SignalKind};
use super::{drift, trend};
use std::collections::BinaryHeap;

/// Streams that spend what one may: smaller domains are judged alike.
pub(crate) const STREAMS_FREE: u32 = 8;

/// The probability below which a finding of this kind may wake people; `None` if that goes by something else.
pub(crate) fn alert_below(kind: SignalKind) -> Option<f64> {
    match kind {
        SignalKind::Burst
        | SignalKind::Drop
        | SignalKind::LevelShift
        | SignalKind::ErrorRatio
        | SignalKind::LatencyShift => Some(candidate::ALERT_BELOW),
        SignalKind::Trend => Some(trend::ALERT_BELOW),
        SignalKind::ValueDrift => Some(drift::ALERT_BELOW),
        SignalKind::Silence
        | SignalKind::Missed
        | SignalKind::NewPattern
        | SignalKind::NewValue
        | SignalKind::RareCombination => None,
    }
}

/// Whether a signal that is sure enough to wake people of one component still is where that is one of so many streams.
pub(crate) fn is_sure_in_domain(signal: &Signal, streams: u32) -> bool {
    let share = alert_below(signal.kind).map(|threshold| share_of_domain(threshold, streams));
    signal.is_alerting && share.is_none_or(|share| signal.probability < share)
}

/// A stream's share of what a domain of so many may spend.
fn share_of_domain(threshold: f64, streams: u32) -> f64 {
    threshold * f64::from(STREAMS_FREE) / f64::from(streams.max(STREAMS_FREE))
}

/// Benjamini-Hochberg: the probability up to which those found are told, which is `k / series` of the share allowed with
/// the largest `k` whose `k`-th smallest is at most that; 0 if there is none.
pub(super) fn told_up_to(found: impl Iterator<Item = f64>, series: usize, share: f64) -> f64 {
    let allowed = |place: usize| share * (place as f64 + 1.0) / (series.max(1) as f64);
    let found = ascending(found);
    let last = found.iter().enumerate().rev().find(|(place, probability)| **probability <= allowed(*place));
    last.map_or(0.0, |(place, _)| allowed(place))
}

/// Numbers in order. By a heap, whose code is a tenth of a sort's; there are few.
pub(super) fn ascending(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    const SIGN: u64 = 1 << 63;
    // As whole numbers in the same order: those below zero are mirrored.
    let key = |number: f64| {
        let bits = number.to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    };
    let number = |key: u64| f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN });
    numbers.map(key).collect::<BinaryHeap<u64>>().into_sorted_vec().into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    #[test]
    fn a_domain_of_a_thousand_quiet_series_is_as_quiet_as_one_of_eight_and_strong_faults_are_found() {
        // What is true of one threshold is true of all: one at which a test can count.
        let threshold = 1e-3;
        let false_of = |streams: u32| {
            let hours = 1_000u64;
            let chance = |series: u64| (mixed(series) >> 11) as f64 / (1u64 << 53) as f64;
            let tests = (0..u64::from(streams) * hours).map(chance);
            tests.filter(|&chance| chance < share_of_domain(threshold, streams)).count()
        };
        // Eight an hour of a thousand hours are expected of each, with a standard deviation of 2.8.
        for streams in [8, 64, 1_024] {
            assert!((1..=20).contains(&false_of(streams)), "{streams}: {}", false_of(streams));
        }
        let told = |kind, probability, streams| {
            let signal = Signal { kind, probability, ..signal() };
            is_sure_in_domain(&signal, streams)
        };
        for kind in SignalKind::ALL {
            assert!(told(kind, 1e-13, 1_024), "{kind:?}");
            assert!(!is_sure_in_domain(&Signal { kind, is_alerting: false, ..signal() }, 1));
        }
        assert!(told(SignalKind::Burst, 1e-7, 8) && !told(SignalKind::Burst, 1e-7, 32));
        assert!(told(SignalKind::Silence, 1e-3, 1_024), "an absence is judged by how long it lasts");
    }

    fn signal() -> Signal {
        Signal {
            kind: SignalKind::Burst,
            subject: crate::detect::Subject::Component,
            at: crate::time::Timestamp(0),
            since: crate::time::Timestamp(0),
            window: crate::time::Millis(60_000),
            expected: 1.0,
            expected_low: 0.0,
            expected_high: 4.0,
            seen: 90,
            total: 90,
            probability: 1e-20,
            is_alerting: true,
        }
    }

    #[test]
    fn what_many_series_find_together_is_held_to_one_share() {
        let told = |found: &[f64], series| {
            let most = told_up_to(found.iter().copied(), series, 0.01);
            found.iter().copied().filter(|it| *it <= most).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0.03, 0.009], 1), [0.009]);
        assert_eq!(told(&[0.009], 2), [0.0f64; 0]);
        assert_eq!(told(&[0.0099, 0.005], 2), [0.0099, 0.005], "the second may use what the first did not");
        assert_eq!(told(&[], 0), [0.0f64; 0]);
    }

    #[test]
    fn numbers_are_ordered_on_both_sides_of_zero() {
        let mixed = [3.0, -0.5, 0.0, -7.0, f64::INFINITY, 1e-300, f64::NEG_INFINITY, -0.5];
        let mut expected = mixed;
        expected.sort_by(f64::total_cmp);
        assert_eq!(ascending(mixed.into_iter()), expected);
    }
}
