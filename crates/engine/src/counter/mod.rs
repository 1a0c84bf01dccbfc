//! Rolling counters: how often what happened, by event time, in minutes.
//!
//! Kept are the marginals (level, pattern, endpoint, error type, environment) and two pairs that decisions need
//! (pattern x level, endpoint x error); everything finer is computed from segments. Counts since the beginning stay in
//! memory; minutes wait there until they are rolled up into one row an hour ([`Rollup`]). What has too many names to be
//! counted by them (users, durations) is summarized beside it ([`Facets`]).
//!
//! Invariants: for each kind of series the totals add up to the records counted (what has no room folds into the
//! kind's `other`); a record is counted in the minute of its event time, however late it comes; pending minutes plus
//! stored rollups equal a recount of the segments.

mod facets;
mod rollup;
mod series;
mod windows;

pub use facets::Facets;
pub use rollup::Rollup;
pub use series::{SeriesKey, SeriesKind};
pub use windows::{SERIES_SHOWN_MAX, Told, WINDOWS_MAX, Wanted, Windows, series_of};

use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::pattern::PatternId;
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use series::{Names, Series};
use std::collections::BTreeMap;

/// Width of a counted bucket.
pub const MINUTE: Millis = Millis::from_mins(1);
/// What one rollup row covers.
pub const HOUR: Millis = Millis::from_hours(1);

/// The counters of one object.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    names: Names,
    totals: BTreeMap<Series, u64>,
    /// Minute (event time, start in ms) and series: records since the last rollup.
    pending: BTreeMap<(i64, Series), u64>,
    /// Hour (event time, start in ms): what cannot be counted by name, since the last rollup.
    pending_facets: BTreeMap<i64, Facets>,
}

impl Counters {
    /// Counts one record with its pattern.
    pub fn count(&mut self, record: &Record, pattern: PatternId) {
        let class = record.level.class().index() as u8;
        let minute = record.timestamp.floor_to(MINUTE).0;
        let environment = self.names.id(&record.environment, limits::SERIES_MAX);
        if Facets::has_any(record) {
            self.pending_facets.entry(record.timestamp.floor_to(HOUR).0).or_default().observe(record);
        }
        self.add(minute, Series::Level(class), 1);
        self.add(minute, Series::Pattern(pattern), 1);
        self.add(minute, Series::PatternLevel(pattern, class), 1);
        self.add(minute, Series::ErrorType(record.error_type as u8), 1);
        self.add(minute, Series::Environment(environment), 1);
        if let Some(endpoint) = &record.endpoint {
            let endpoint = self.names.id(endpoint, limits::ENDPOINT_SERIES_MAX);
            self.add(minute, Series::Endpoint(endpoint), 1);
            if record.level.is_error() {
                self.add(minute, Series::EndpointError(endpoint), 1);
            }
        }
    }

    fn add(&mut self, minute: i64, series: Series, count: u64) {
        let known = self.totals.contains_key(&series);
        let series = if known || self.totals.len() < limits::SERIES_MAX { series } else { series.other() };
        *self.totals.entry(series).or_insert(0) += count;
        *self.pending.entry((minute, series)).or_insert(0) += count;
    }

    /// Books what was counted under one pattern to another: they turned out to be one. Hours that are stored already
    /// keep the old id; their readers resolve it.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        let renamed = |series: Series| match series {
            Series::Pattern(id) if id == from => Some(Series::Pattern(into)),
            Series::PatternLevel(id, class) if id == from => Some(Series::PatternLevel(into, class)),
            _ => None,
        };
        let classes = (0..6).map(|class| Series::PatternLevel(from, class));
        for series in classes.chain([Series::Pattern(from)]) {
            let (Some(count), Some(renamed)) = (self.totals.remove(&series), renamed(series)) else { continue };
            *self.totals.entry(renamed).or_insert(0) += count;
        }
        let waiting: Vec<_> = self.pending.keys().filter(|(_, series)| renamed(*series).is_some()).copied().collect();
        for (minute, series) in waiting {
            let (Some(count), Some(renamed)) = (self.pending.remove(&(minute, series)), renamed(series)) else {
                continue;
            };
            *self.pending.entry((minute, renamed)).or_insert(0) += count;
        }
    }

    /// Records counted since the beginning.
    pub fn total(&self) -> u64 {
        (0..6).map(|class| self.totals.get(&Series::Level(class)).copied().unwrap_or(0)).sum()
    }

    /// Records of each level class since the beginning.
    pub fn by_level(&self) -> [u64; 6] {
        std::array::from_fn(|class| self.totals.get(&Series::Level(class as u8)).copied().unwrap_or(0))
    }

    /// All totals since the beginning, by series.
    pub fn totals(&self) -> impl Iterator<Item = (SeriesKey, u64)> + '_ {
        self.totals.iter().map(|(&series, &count)| (self.names.key(series), count))
    }

    /// Cells that wait for the next rollup; past `limits::PENDING_CELLS_MAX` the object rolls up at once.
    pub fn pending_cells(&self) -> usize {
        self.pending.len() + self.pending_facets.len() * limits::FACETS_CELLS
    }

    /// Counts of minutes that are not rolled up yet, between two instants (end exclusive).
    pub fn pending_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, SeriesKey, u64)> + '_ {
        self.pending
            .range((from.0, Series::FIRST)..)
            .take_while(move |((minute, _), _)| *minute < to.0)
            .map(|(&(minute, series), &count)| (Timestamp(minute), self.names.key(series), count))
    }

    /// The hours with pending minutes, each with what is to be merged into its row. Nothing is forgotten until
    /// [`Counters::rolled_up`] says that the rows are written.
    pub fn pending_hours(&self) -> BTreeMap<Timestamp, Rollup> {
        let mut hours: BTreeMap<Timestamp, Rollup> = BTreeMap::new();
        for (&(minute, series), &count) in &self.pending {
            let hour = Timestamp(minute).floor_to(HOUR);
            let index = ((minute - hour.0) / MINUTE.0) as u8;
            hours.entry(hour).or_default().add(self.names.key(series), index, count);
        }
        hours
    }

    /// The hours with pending facets, each with what is to be merged into its row; forgotten with the minutes.
    pub fn pending_facets(&self) -> BTreeMap<Timestamp, Facets> {
        self.pending_facets.iter().map(|(&hour, facets)| (Timestamp(hour), facets.clone())).collect()
    }

    /// Forgets the pending minutes and facets: their rows are being written in the same transition.
    pub fn rolled_up(&mut self) {
        self.pending.clear();
        self.pending_facets.clear();
    }

    /// The totals as bytes, for the state row.
    pub(crate) fn write_totals(&self, out: &mut Writer) {
        out.uint(self.totals.len() as u64);
        for (&series, &count) in &self.totals {
            self.names.key(series).write(out);
            out.uint(count);
        }
    }

    /// Reads what [`Counters::write_totals`] wrote.
    pub(crate) fn read_totals(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut counters = Self::default();
        for _ in 0..input.count()? {
            let key = SeriesKey::read(input)?;
            let count = input.uint()?;
            counters.add_total(&key, count);
        }
        Ok(counters)
    }

    /// Adds a stored rollup to the totals, when they are rebuilt from rows.
    pub(crate) fn add_total(&mut self, key: &SeriesKey, count: u64) {
        let series = self.names.series(key);
        *self.totals.entry(series).or_insert(0) += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use proptest::prelude::*;

    fn record(at: i64, level: Level, endpoint: Option<&str>) -> Record {
        Record {
            timestamp: Timestamp(at),
            level,
            endpoint: endpoint.map(str::to_owned),
            environment: "production".into(),
            ..Record::default()
        }
    }

    #[test]
    fn a_record_is_counted_in_the_minute_of_its_event_time() {
        let mut counters = Counters::default();
        counters.count(&record(61_000, Level::ERROR, Some("/a")), PatternId(7));
        counters.count(&record(3_600_000 + 5, Level::INFO, None), PatternId(7));
        assert_eq!(counters.total(), 2);
        assert_eq!(counters.by_level(), [0, 0, 1, 0, 1, 0]);
        let first: Vec<_> = counters
            .pending_between(Timestamp(0), Timestamp(120_000))
            .map(|(t, k, n)| (t.0, k.to_string(), n))
            .collect();
        assert!(first.contains(&(60_000, "level=error".into(), 1)), "{first:?}");
        assert!(first.contains(&(60_000, "endpoint_error=/a".into(), 1)));
        assert_eq!(counters.pending_hours().len(), 2);
        counters.rolled_up();
        assert_eq!((counters.pending_cells(), counters.total()), (0, 2));
    }

    #[test]
    fn series_beyond_the_limit_fold_into_other_and_the_sums_stay() {
        let mut counters = Counters::default();
        let count = limits::SERIES_MAX as u64 + 500;
        for i in 0..count {
            counters.count(&record(0, Level::INFO, Some(&format!("/e{i}"))), PatternId(i + 1));
        }
        let sum = |kind: SeriesKind| counters.totals().filter(|(k, _)| k.kind == kind).map(|(_, n)| n).sum::<u64>();
        for kind in [SeriesKind::Level, SeriesKind::Pattern, SeriesKind::PatternLevel, SeriesKind::Endpoint] {
            assert_eq!(sum(kind), count, "{kind:?}");
        }
        assert!(counters.totals().count() <= limits::SERIES_MAX + 7);
    }

    proptest! {
        #[test]
        fn totals_equal_a_recount_and_survive_their_bytes(
            rows in proptest::collection::vec((0i64..10_000_000, 1u8..=24, 0u64..5, proptest::option::of(0u8..4)), 0..80)
        ) {
            let mut counters = Counters::default();
            for (at, level, pattern, endpoint) in &rows {
                let endpoint = endpoint.map(|e| format!("/e/{e}"));
                counters.count(&record(*at, Level::from_number(*level).unwrap(), endpoint.as_deref()), PatternId(*pattern));
            }
            for wanted in 0..5u64 {
                let naive = rows.iter().filter(|(_, _, pattern, _)| *pattern == wanted).count() as u64;
                let key = SeriesKey { kind: SeriesKind::Pattern, key: PatternId(wanted).to_string() };
                prop_assert_eq!(counters.totals().find(|(k, _)| *k == key).map_or(0, |(_, n)| n), naive);
            }
            let mut out = Writer::new();
            counters.write_totals(&mut out);
            let bytes = out.into_bytes();
            let back = Counters::read_totals(&mut Reader::new(&bytes)).unwrap();
            prop_assert_eq!(back.totals().collect::<BTreeMap<_, _>>(), counters.totals().collect::<BTreeMap<_, _>>());

            let mut merged: BTreeMap<SeriesKey, u64> = BTreeMap::new();
            for rollup in counters.pending_hours().into_values() {
                let rollup = Rollup::decode(&rollup.encode()).unwrap();
                for (key, minutes) in rollup.series() {
                    *merged.entry(key.clone()).or_insert(0) += minutes.values().sum::<u64>();
                }
            }
            prop_assert_eq!(merged, counters.totals().collect::<BTreeMap<_, _>>());
        }
    }
}
