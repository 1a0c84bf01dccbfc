//! What is smuggled into a play so that there is something to find: an error that nobody has seen before, and a burst
//! of one that is known.

use crate::play::source::{ReadRecord, Source};
use sapwood_engine::level::Level;
use sapwood_engine::time::{Millis, Timestamp};

/// Errors of a burst, and how far apart they are.
const BURST_ERRORS: usize = 60;
const BURST_GAP: Millis = Millis(50);

/// What an injection is meant to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectionKind {
    NeverSeen,
    Burst,
}

/// One injection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Injection {
    pub kind: InjectionKind,
    /// Place of the source into which it goes.
    pub source: usize,
    pub component: String,
    pub message: String,
    pub at: Timestamp,
    pub count: usize,
}

impl Injection {
    /// The records and when they happen.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Timestamp, ReadRecord)> + '_ {
        (0..self.count).map(|place| {
            let record =
                ReadRecord { level: Some(Level::ERROR), message: self.message.clone(), ..ReadRecord::default() };
            (self.at.plus(Millis(BURST_GAP.0 * place as i64)), record)
        })
    }
}

/// The two injections for a live part of `live` that begins at `now`: the never-seen error at its half, the burst at
/// three quarters, in the two components with the fewest errors, so that they stand out.
pub(crate) fn injections(sources: &[Source], seed: u64, now: Timestamp, live: Millis) -> Vec<Injection> {
    let mut quiet: Vec<usize> = (0..sources.len()).collect();
    quiet.sort_by_key(|&place| sources[place].errors());
    // A burst wants an error that is known: the quietest component that has one.
    let burst = quiet.iter().copied().find(|&place| sources[place].errors() > 0).or(quiet.last().copied());
    let never_seen = quiet.iter().copied().find(|&place| Some(place) != burst).or(burst);
    let make = |kind, place: usize, message, at: i64, count| Injection {
        kind,
        source: place,
        component: sources[place].component.clone(),
        message,
        at: now.plus(Millis(at)),
        count,
    };
    let mut injections = Vec::new();
    injections
        .extend(never_seen.map(|place| make(InjectionKind::NeverSeen, place, never_seen_message(seed), live.0 / 2, 1)));
    injections
        .extend(burst.map(|place| {
            make(InjectionKind::Burst, place, known_error(&sources[place]), live.0 * 3 / 4, BURST_ERRORS)
        }));
    injections
}

/// The message of the first error, else of the last record.
fn known_error(source: &Source) -> String {
    let error = source.records.iter().find(|record| record.level.is_some_and(Level::is_error));
    error.or(source.records.last()).map(|record| record.message.clone()).unwrap_or_default()
}

/// A sentence of words that only this seed has. Letters only: digits would be taken for a variable.
fn never_seen_message(seed: u64) -> String {
    let mut state = seed;
    let mut word = || {
        let mut word = String::new();
        for _ in 0..4 {
            // SplitMix64: neighbouring seeds give unrelated words.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            word.push(char::from(b"bdfgklmnprstvz"[(mixed % 14) as usize]));
            word.push(char::from(b"aeiou"[(mixed / 14 % 5) as usize]));
        }
        word
    };
    format!("the {} of {} has come loose", word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    fn source(component: &str, errors: usize, records: usize) -> Source {
        let record = |place| ReadRecord {
            message: format!("{component} {place}"),
            level: Some(if place < errors { Level::ERROR } else { Level::INFO }),
            ..ReadRecord::default()
        };
        let records = (0..records).rev().map(record).collect();
        Source { path: PathBuf::new(), component: component.into(), lines: 0, records }
    }

    #[test]
    fn the_burst_repeats_a_known_error_of_the_quietest_and_the_new_one_goes_elsewhere() {
        let sources = [source("loud", 50, 60), source("none", 0, 9), source("few", 2, 9)];
        let found = injections(&sources, 7, Timestamp(1_000), Millis(40_000));
        let shape: Vec<_> = found.iter().map(|i| (i.kind, i.component.as_str(), i.at.0, i.count)).collect();
        assert_eq!(
            shape,
            [(InjectionKind::NeverSeen, "none", 21_000, 1), (InjectionKind::Burst, "few", 31_000, BURST_ERRORS)]
        );
        assert_eq!(found[1].message, "few 1");
        let times: Vec<_> = found[1].records().map(|(at, _)| at.0).collect();
        assert_eq!((times.len(), times[0], times[59]), (60, 31_000, 33_950));
        assert!(found[1].records().all(|(_, record)| record.level == Some(Level::ERROR)));
    }

    #[test]
    fn one_file_gets_both_and_none_gets_none() {
        let found = injections(&[source("only", 0, 3)], 7, Timestamp(0), Millis(100));
        assert_eq!(found.iter().map(|i| i.component.as_str()).collect::<Vec<_>>(), ["only", "only"]);
        assert_eq!(found[1].message, "only 0");
        assert!(injections(&[], 7, Timestamp(0), Millis(100)).is_empty());
    }

    #[test]
    fn a_run_has_words_of_its_own_without_digits() {
        let messages: BTreeSet<_> = (0..1_000).map(never_seen_message).collect();
        assert_eq!(messages.len(), 1_000);
        assert!(messages.iter().all(|text| text.bytes().all(|b| b.is_ascii_lowercase() || b == b' ')));
    }
}
