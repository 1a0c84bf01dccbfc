//! Counts of a span of event time in windows of one width, put together from minutes or from single records.
//!
//! Asked for are single series or whole kinds. Of a kind the [`SERIES_SHOWN_MAX`] largest are told one by one; the rest
//! folds into its `*` and is counted there, so that what is told of a kind always adds up. Records that came late count
//! in the window of their event time like all others.

use super::series::{OTHER, SeriesKey, SeriesKind};
use crate::level::LevelClass;
use crate::pattern::PatternId;
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Series of a kind that are told one by one.
pub const SERIES_SHOWN_MAX: usize = 20;
/// Windows of one question. At 8 bytes each, 21 series of 7 kinds take 1.8 MB.
pub const WINDOWS_MAX: usize = 1_500;

/// Which series are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// All records.
    Total,
    /// The largest of a kind, and the rest of it.
    Kind(SeriesKind),
    /// One.
    One(SeriesKey),
}

impl Wanted {
    /// Reads `total`, a kind (`endpoint`), or a kind and a name (`endpoint:/users/{id}`).
    pub fn parse(text: &str) -> Option<Self> {
        if text == "total" {
            return Some(Self::Total);
        }
        let (word, key) = text.split_once(':').map_or((text, None), |(word, key)| (word, Some(key)));
        let kind = SeriesKind::ALL.into_iter().find(|kind| kind.word() == word)?;
        match key {
            None => Some(Self::Kind(kind)),
            Some("") => None,
            Some(key) => Some(Self::One(SeriesKey { kind, key: key.to_owned() })),
        }
    }
}

/// The windows of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    from: Timestamp,
    width: Millis,
    len: usize,
    /// Where windows are not of one width (days of clocks that change): where each begins, and where the last one ends.
    starts: Vec<Timestamp>,
    wanted: BTreeSet<Wanted>,
    total: Vec<u64>,
    series: BTreeMap<SeriesKey, Vec<u64>>,
    /// All series of the span, asked for or not.
    sums: BTreeMap<SeriesKey, u64>,
}

/// What is told of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Name as [`Wanted::parse`] reads it, records in each window.
    pub series: BTreeMap<String, Vec<u64>>,
    /// Series that were folded into the `*` of their kind.
    pub folded: u64,
    /// For each kind its largest in the span, largest first.
    pub top: BTreeMap<&'static str, Vec<(String, u64)>>,
}

impl Windows {
    /// Windows of `width` from `from` on, at most [`WINDOWS_MAX`].
    pub fn new(from: Timestamp, width: Millis, len: usize, wanted: BTreeSet<Wanted>) -> Self {
        let (width, len) = (Millis(width.0.max(1)), len.min(WINDOWS_MAX));
        let starts = Vec::new();
        Self { from, width, len, starts, wanted, total: vec![0; len], series: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// Windows that begin at these instants, in order, each where the one before it ends; the last instant ends the last one. At
    /// most [`WINDOWS_MAX`].
    pub fn between(mut starts: Vec<Timestamp>, wanted: BTreeSet<Wanted>) -> Self {
        starts.truncate(WINDOWS_MAX + 1);
        let from = starts.first().copied().unwrap_or_default();
        let len = starts.len().saturating_sub(1);
        Self { starts, ..Self::new(from, Millis(1), len, wanted) }
    }

    fn place_of(&self, at: Timestamp) -> Option<usize> {
        if self.starts.is_empty() {
            return usize::try_from((at.0.saturating_sub(self.from.0)).div_euclid(self.width.0)).ok();
        }
        self.starts.partition_point(|start| *start <= at).checked_sub(1)
    }

    /// Counts records of a series at an instant; what lies outside the span is passed by. Every record is to be counted
    /// under its level once: that is what the total is made of.
    pub fn add(&mut self, at: Timestamp, key: &SeriesKey, count: u64) {
        let Some(place) = self.place_of(at) else { return };
        if place >= self.len {
            return;
        }
        let bump = |counts: &mut Vec<u64>| {
            if let Some(window) = counts.get_mut(place) {
                *window = window.saturating_add(count);
            }
        };
        if key.kind == SeriesKind::Level {
            bump(&mut self.total);
        }
        match self.sums.get_mut(key) {
            Some(sum) => *sum = sum.saturating_add(count),
            None => drop(self.sums.insert(key.clone(), count)),
        }
        if self.is_wanted(key) {
            bump(self.series.entry(key.clone()).or_insert_with(|| vec![0; self.len]));
        }
    }

    fn is_wanted(&self, key: &SeriesKey) -> bool {
        self.wanted.contains(&Wanted::Kind(key.kind)) || self.wanted.contains(&Wanted::One(key.clone()))
    }

    /// What was counted, within bounds.
    pub fn told(mut self) -> Told {
        let mut told = Told::default();
        for kind in SeriesKind::ALL {
            let largest = self.largest(kind);
            if self.wanted.contains(&Wanted::Kind(kind)) {
                told.folded += self.fold_rest(kind, &largest);
            }
            if !largest.is_empty() {
                told.top.insert(kind.word(), largest);
            }
        }
        for wanted in &self.wanted {
            match wanted {
                Wanted::Total => drop(told.series.insert("total".to_owned(), self.total.clone())),
                // Asked for by name, it is told even if nothing came.
                Wanted::One(key) => {
                    let counts = self.series.remove(key).unwrap_or_else(|| vec![0; self.len]);
                    told.series.insert(name(key), counts);
                }
                Wanted::Kind(_) => {}
            }
        }
        told.series.extend(self.series.into_iter().map(|(key, counts)| (name(&key), counts)));
        told
    }

    fn largest(&self, kind: SeriesKind) -> Vec<(String, u64)> {
        let of_kind = self.sums.iter().filter(|(key, _)| key.kind == kind && key.key != OTHER);
        let mut largest: Vec<_> = of_kind.map(|(key, &sum)| (key.key.clone(), sum)).collect();
        largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        largest.truncate(SERIES_SHOWN_MAX);
        largest
    }

    /// Puts all series of a kind but the largest, and those asked for by name, into its `*`; returns how many.
    fn fold_rest(&mut self, kind: SeriesKind, largest: &[(String, u64)]) -> u64 {
        let is_kept = |key: &SeriesKey| {
            key.kind != kind
                || key.key == OTHER
                || largest.iter().any(|(name, _)| *name == key.key)
                || self.wanted.contains(&Wanted::One(key.clone()))
        };
        let rest: Vec<_> = self.series.keys().filter(|key| !is_kept(key)).cloned().collect();
        let folded = rest.len() as u64;
        for key in rest {
            let Some(counts) = self.series.remove(&key) else { continue };
            let len = self.len;
            let other = SeriesKey { kind, key: OTHER.to_owned() };
            let into = self.series.entry(other).or_insert_with(|| vec![0; len]);
            into.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        folded
    }
}

/// A series as [`Wanted::parse`] reads it.
fn name(key: &SeriesKey) -> String {
    format!("{}:{}", key.kind.word(), key.key)
}

/// The series that one record counts for, as [`super::Counters::count`] counts it where there is room for all names.
pub fn series_of(record: &Record, pattern: PatternId) -> Vec<SeriesKey> {
    let level = LevelClass::ALL.get(record.level.class().index()).map_or(OTHER, |class| class.word());
    let key = |kind, key: String| SeriesKey { kind, key };
    let mut keys = vec![
        key(SeriesKind::Level, level.to_owned()),
        key(SeriesKind::Pattern, pattern.to_string()),
        key(SeriesKind::PatternLevel, format!("{pattern}|{level}")),
        key(SeriesKind::ErrorType, record.error_type.word().to_owned()),
        key(SeriesKind::Environment, record.environment.clone()),
    ];
    if let Some(endpoint) = &record.endpoint {
        keys.push(key(SeriesKind::Endpoint, endpoint.clone()));
        if record.level.is_error() {
            keys.push(key(SeriesKind::EndpointError, endpoint.clone()));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::super::{Counters, MINUTE};
    use super::*;
    use crate::level::Level;
    use proptest::prelude::*;

    fn key(text: &str) -> SeriesKey {
        match Wanted::parse(text) {
            Some(Wanted::One(key)) => key,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn asked(names: &[&str]) -> BTreeSet<Wanted> {
        names.iter().map(|name| Wanted::parse(name).unwrap()).collect()
    }

    #[test]
    fn series_are_asked_for_by_kind_or_by_name() {
        assert_eq!(Wanted::parse("total"), Some(Wanted::Total));
        assert_eq!(Wanted::parse("level"), Some(Wanted::Kind(SeriesKind::Level)));
        assert_eq!(key("endpoint:/users/{id}").key, "/users/{id}");
        assert_eq!(key("endpoint:/a:b").key, "/a:b");
        for wrong in ["", "totals", "level:", "Level", "users:5"] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_count_lies_in_the_window_of_its_instant_and_nothing_outside_counts() {
        let from = Timestamp(600_000);
        let mut windows = Windows::new(from, Millis(10_000), 3, asked(&["total", "level:error", "level:warn"]));
        for (at, count) in [(599_999, 100), (600_000, 1), (609_999, 2), (610_000, 4), (629_999, 8), (630_000, 100)] {
            windows.add(Timestamp(at), &key("level:error"), count);
        }
        windows.add(Timestamp(605_000), &key("level:info"), 16);
        windows.add(Timestamp(i64::MIN), &key("level:info"), 1);
        let told = windows.told();
        assert_eq!(told.series["total"], [19, 4, 8]);
        assert_eq!(told.series["level:error"], [3, 4, 8]);
        assert_eq!(told.series["level:warn"], [0, 0, 0], "asked for by name it is told");
        assert_eq!(told.series.len(), 3);
        assert_eq!(told.top["level"], [("info".to_owned(), 16), ("error".to_owned(), 15)]);
    }

    #[test]
    fn windows_of_different_widths_hold_what_lies_between_their_ends() {
        let starts = [100, 200, 500, 600].map(Timestamp).to_vec();
        let mut windows = Windows::between(starts, asked(&["total"]));
        for (at, count) in [(99, 1_000), (100, 1), (199, 2), (200, 4), (499, 8), (500, 16), (599, 32), (600, 1_000)] {
            windows.add(Timestamp(at), &key("level:info"), count);
        }
        assert_eq!(windows.told().series["total"], [3, 12, 48]);
        assert_eq!(Windows::between(Vec::new(), asked(&["total"])).told().series["total"], [0u64; 0]);
    }

    #[test]
    fn unimportant_series_fold_into_other_and_are_counted() {
        let mut windows = Windows::new(Timestamp(0), MINUTE, 2, asked(&["endpoint", "endpoint:/7"]));
        for number in 0..50u64 {
            windows.add(Timestamp(number as i64), &key(&format!("endpoint:/{number}")), number + 1);
        }
        windows.add(Timestamp(60_000), &key("endpoint:*"), 3);
        let told = windows.told();
        assert_eq!(told.series.len(), SERIES_SHOWN_MAX + 2);
        assert_eq!((told.folded, &told.series["endpoint:/7"][..]), (29, &[8, 0][..]));
        // 1 to 30 without the eighth; and those that had no room to be counted by name.
        assert_eq!(told.series["endpoint:*"], [465 - 8, 3]);
        assert_eq!(told.series.values().map(|counts| counts[0]).sum::<u64>(), 1_275);
        assert_eq!(told.top["endpoint"][0], ("/49".to_owned(), 50));
    }

    proptest! {
        /// Ten seconds from records and minutes from counters tell the same.
        #[test]
        fn records_and_minutes_add_up_to_the_same(
            records in proptest::collection::vec((0i64..600_000, 1u8..25, 0u8..4, 0u64..5), 0..60),
        ) {
            let names = ["total", "level", "pattern", "endpoint", "endpoint_error", "environment", "error_type"];
            let windows = |width: i64| Windows::new(Timestamp(0), Millis(width), (600_000 / width) as usize, asked(&names));
            let (mut fine, mut coarse, mut counters) = (windows(10_000), windows(60_000), Counters::default());
            for &(at, level, endpoint, pattern) in &records {
                let record = Record {
                    timestamp: Timestamp(at),
                    level: Level::from_number(level).unwrap(),
                    endpoint: (endpoint > 0).then(|| format!("/{endpoint}")),
                    environment: "test".into(),
                    ..Record::default()
                };
                counters.count(&record, PatternId(pattern));
                series_of(&record, PatternId(pattern)).iter().for_each(|key| fine.add(record.timestamp, key, 1));
            }
            counters.settle();
            for (minute, key, count) in counters.pending_between(Timestamp(0), Timestamp(600_000)) {
                coarse.add(minute, &key, count);
            }
            let (fine, coarse) = (fine.told(), coarse.told());
            prop_assert_eq!(&fine.top, &coarse.top);
            let by_minute = |counts: &Vec<u64>| counts.chunks(6).map(|six| six.iter().sum()).collect::<Vec<u64>>();
            let fine: BTreeMap<_, _> = fine.series.iter().map(|(name, counts)| (name.clone(), by_minute(counts))).collect();
            prop_assert_eq!(fine, coarse.series);
            }
    }
}
