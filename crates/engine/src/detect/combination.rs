//! Rare combinations: a pattern that is frequent comes with a level, an endpoint or an environment that is frequent too,
//! and the two were never seen together.
//!
//! Looked at is only the first record of each such pair, which the miner notices as it counts. It is remarkable if the
//! two would have met [`TOGETHER_MIN`] times had they nothing to do with each other, and if the pattern has come long
//! enough with nothing new ([`OF_PATTERN_MIN`] records, [`PROBABILITY_MAX`]). That is a hint and no alarm: it wakes nobody,
//! and there are at most [`TOLD_MAX`] an hour, so that a component that is rebuilt is not told piece by piece.
//!
//! A pair that comes with a release is told with it, and sooner ([`super::release`]); a release by itself is new for every
//! pattern, and is no half of a pair. Left out: values of variables, which have detectors of their own ([`super::drift`]).

use super::signal::{Facet, Signal, SignalKind, Subject};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};

/// How often the two would have met by chance.
const TOGETHER_MIN: f64 = 20.0;
/// Records of the pattern before this one.
const OF_PATTERN_MIN: u64 = 500;
/// How often the pattern may come with something new.
const PROBABILITY_MAX: f64 = 2e-3;
/// A pattern that is known with more goes with anything.
const KNOWN_MAX: usize = 3;
/// Told in an hour of event time.
const TOLD_MAX: u32 = 6;
const VERSION: u8 = 1;

/// The first record of a pattern with a level, an endpoint or an environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Together {
    pub(crate) pattern: PatternId,
    pub(crate) facet: Facet,
    /// Event time.
    pub(crate) at: Timestamp,
    /// Records of the pattern before this one, and how many values of the facet they had.
    pub(crate) of_pattern: u64,
    pub(crate) known: usize,
    /// Records of the component with this value, and all of them.
    pub(crate) of_value: u64,
    pub(crate) all: u64,
}

/// What was told of rare combinations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Combinations {
    hour: i64,
    told: u32,
    untold: u64,
    signals: Vec<Signal>,
}

impl Combinations {
    /// Looks at two that never met; `with_release` is how often they would have before the running release, and how
    /// probable it is that they do since by chance, where that says that they came with it. Whether it is told.
    pub(crate) fn note(&mut self, it: &Together, with_release: Option<(f64, f64)>) -> bool {
        let of_release = || with_release.map(|(expected, chance)| signal_with(it, expected, chance));
        let Some(signal) = signal_of(it).or_else(of_release) else { return false };
        let hour = it.at.0.div_euclid(Millis::from_hours(1).0);
        if hour != self.hour {
            (self.hour, self.told) = (hour, 0);
        }
        if self.told >= TOLD_MAX {
            self.untold += 1;
            return false;
        }
        self.told += 1;
        self.signals.push(signal);
        true
    }

    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// As bytes, for rows. Signals not yet taken are not part of it.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.int(self.hour);
        out.uint(u64::from(self.told));
        out.uint(self.untold);
    }

    /// Reads what [`Combinations::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of the combinations"));
        }
        Ok(Self { hour: input.int()?, told: input.u32()?, untold: input.uint()?, signals: Vec::new() })
    }
}

fn signal_of(it: &Together) -> Option<Signal> {
    let expected = it.of_pattern as f64 * it.of_value as f64 / it.all.max(1) as f64;
    // As often as the pattern came with something new so far, this time counted.
    let probability = it.known.max(1) as f64 / (it.of_pattern as f64 + 1.0);
    let is_rare = expected >= TOGETHER_MIN && it.of_pattern >= OF_PATTERN_MIN && probability <= PROBABILITY_MAX;
    (is_rare && it.known <= KNOWN_MAX).then(|| signal_with(it, expected, probability))
}

fn signal_with(it: &Together, expected: f64, probability: f64) -> Signal {
    let reach = 3.0 * expected.sqrt();
    Signal {
        kind: SignalKind::RareCombination,
        subject: Subject::Facet(it.pattern, it.facet),
        at: it.at,
        since: it.at,
        window: Millis(0),
        expected,
        expected_low: (expected - reach).max(0.0),
        expected_high: expected + reach,
        seen: 1,
        total: it.of_pattern.saturating_add(1),
        probability,
        is_alerting: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IT: Together = Together {
        pattern: PatternId(7),
        facet: Facet::Endpoint,
        at: Timestamp(1_000),
        of_pattern: 4_000,
        known: 1,
        of_value: 2_000,
        all: 20_000,
    };

    fn told(it: Together) -> Vec<Signal> {
        let mut combinations = Combinations::default();
        let is_told = combinations.note(&it, None);
        let signals = combinations.take_signals();
        assert_eq!(is_told, signals.len() == 1);
        signals
    }

    #[test]
    fn two_that_are_frequent_and_never_met_are_told_with_how_often_they_should_have() {
        let found = told(IT);
        let [signal] = &found[..] else { panic!("{found:?}") };
        assert_eq!((signal.expected, signal.seen, signal.total), (400.0, 1, 4_001));
        assert_eq!(signal.subject, Subject::Facet(PatternId(7), Facet::Endpoint));
        assert!(signal.expected_low > 300.0 && signal.probability < 3e-4 && !signal.is_alerting, "{signal:?}");
    }

    #[test]
    fn what_is_rare_itself_or_goes_with_anything_is_not() {
        assert_eq!(told(Together { of_pattern: 499, ..IT }), []);
        assert_eq!(told(Together { of_value: 90, ..IT }), [], "they would have met eighteen times");
        assert_eq!(told(Together { known: 4, ..IT }), []);
        assert_eq!(told(Together { of_pattern: 600, known: 2, ..IT }), []);
        assert_eq!(told(Together { all: 0, of_value: 0, ..IT }), []);
    }

    #[test]
    fn what_came_with_a_release_is_told_of_a_pattern_that_is_known_with_more() {
        let it = Together { known: 6, ..IT };
        let mut combinations = Combinations::default();
        assert!(!combinations.note(&it, None) && combinations.note(&it, Some((80.0, 1e-3))));
        let [signal] = combinations.take_signals()[..] else { panic!("one was told") };
        assert_eq!((signal.expected, signal.probability, signal.is_alerting), (80.0, 1e-3, false));
    }

    #[test]
    fn a_component_that_is_rebuilt_is_not_told_piece_by_piece() {
        let mut combinations = Combinations::default();
        let told = (0..20).filter(|&id| combinations.note(&Together { pattern: PatternId(id), ..IT }, None));
        assert_eq!(told.count(), 6);
        assert_eq!((combinations.take_signals().len(), combinations.untold), (6, 14));
        combinations.note(&Together { at: Timestamp(3_600_000), ..IT }, None);
        assert_eq!(combinations.take_signals().len(), 1);
        let mut out = Writer::new();
        combinations.write(&mut out);
        assert_eq!(Combinations::read(&mut Reader::new(out.as_bytes())), Ok(combinations));
    }
}
