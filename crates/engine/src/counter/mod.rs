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
mod repeats;
mod rollup;
mod series;
mod waiting;
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
use repeats::{Cell, Repeats};
use series::{Names, Series};
use std::collections::BTreeMap;
use waiting::{Sum, Waiting};

/// Width of a counted bucket.
pub const MINUTE: Millis = Millis::from_mins(1);
/// What one rollup row covers.
pub const HOUR: Millis = Millis::from_hours(1);

/// The counters of one object.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    names: Names,
    /// Number of the environment of the record that was counted last.
    last_environment: u32,
    totals: BTreeMap<Series, u64>,
    /// Minute (event time, start in ms), then series: records since the last rollup.
    pending: BTreeMap<i64, BTreeMap<Series, u64>>,
    /// Hour (event time, start in ms): what cannot be counted by name, since the last rollup.
    pending_facets: BTreeMap<i64, Facets>,
    /// Records like one before them in the row being folded; empty between rows ([`Counters::settle`]).
    repeats: Repeats,
    /// Sums of that row; empty between rows, too.
    waiting: Waiting,
}

impl Counters {
    /// Counts one record with its pattern. What was counted is seen by readers after [`Counters::settle`].
    pub fn count(&mut self, record: &Record, pattern: PatternId) {
        if Facets::has_any(record) {
            self.pending_facets.entry(record.timestamp.floor_to(HOUR).0).or_default().observe(record);
        }
        let likeness = repeats::Likeness::of(record, pattern);
        if self.repeats.take(&likeness, &self.names) {
            return;
        }
        let environment = self.environment(&record.environment);
        let endpoint = record.endpoint.as_ref().map(|name| self.names.id(name, limits::ENDPOINT_SERIES_MAX));
        let cell = likeness.cell(environment, endpoint);
        self.add_all(&cell, 1);
        if let Some((displaced, count)) = self.repeats.begin(&likeness, cell) {
            self.add_all(&displaced, count);
        }
    }

    /// The number of an environment: nearly always that of the record before.
    fn environment(&mut self, name: &str) -> u32 {
        if self.names.text(self.last_environment) != name {
            self.last_environment = self.names.id(name, limits::SERIES_MAX);
        }
        self.last_environment
    }

    /// Books what came again and again to its series. Whoever counts calls this before anybody reads: once a row, since
    /// most records of a row are like another of it.
    pub fn settle(&mut self) {
        for (cell, count) in self.repeats.drain() {
            self.add_all(&cell, count);
        }
        while let Some(sum) = self.waiting.take_one() {
            self.book(sum);
        }
    }

    fn add_all(&mut self, cell: &Cell, count: u64) {
        if count == 0 {
            return;
        }
        let Cell { minute, pattern, class, error_type, environment, endpoint, is_error } = *cell;
        self.add(minute, Series::level(class), count);
        self.add(minute, Series::pattern(pattern), count);
        self.add(minute, Series::pattern_level(pattern, class), count);
        self.add(minute, Series::error_type(error_type), count);
        self.add(minute, Series::environment(environment), count);
        if let Some(endpoint) = endpoint {
            self.add(minute, Series::endpoint(endpoint), count);
            if is_error {
                self.add(minute, Series::endpoint_error(endpoint), count);
            }
        }
    }

    #[inline]
    fn add(&mut self, minute: i64, series: Series, count: u64) {
        if !self.waiting.add(minute, series, count) {
            self.begin(Sum { minute, series, count });
        }
    }

    #[inline(never)]
    fn begin(&mut self, sum: Sum) {
        self.book(sum);
        if let Some(displaced) = self.waiting.begin(sum.minute, sum.series) {
            self.book(displaced);
        }
    }

    fn book(&mut self, Sum { minute, series, count }: Sum) {
        if count == 0 {
            return;
        }
        let series = match self.totals.get_mut(&series) {
            Some(total) => {
                *total += count;
                series
            }
            None => {
                let series = if self.totals.len() < limits::SERIES_MAX { series } else { series.other() };
                *self.totals.entry(series).or_insert(0) += count;
                series
            }
        };
        *self.pending.entry(minute).or_default().entry(series).or_insert(0) += count;
    }

    /// Books what was counted under one pattern to another: they turned out to be one. Hours that are stored already
    /// keep the old id; their readers resolve it.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        self.settle();
        let classes = (0..6).map(|class| Series::pattern_level(from, class));
        for series in classes.chain([Series::pattern(from)]) {
            let (Some(count), Some(renamed)) = (self.totals.remove(&series), series.renamed(from, into)) else {
                continue;
            };
            *self.totals.entry(renamed).or_insert(0) += count;
        }
        for minute in self.pending.values_mut() {
            let waiting: Vec<_> =
                minute.keys().filter_map(|&series| Some((series, series.renamed(from, into)?))).collect();
            for (series, renamed) in waiting {
                let Some(count) = minute.remove(&series) else { continue };
                *minute.entry(renamed).or_insert(0) += count;
            }
        }
    }

    /// Records counted since the beginning.
    pub fn total(&self) -> u64 {
        debug_assert!(self.repeats.is_empty() && self.waiting.is_empty(), "settled before it is read");
        (0..6).map(|class| self.totals.get(&Series::level(class)).copied().unwrap_or(0)).sum()
    }

    /// Records of each level class since the beginning.
    pub fn by_level(&self) -> [u64; 6] {
        std::array::from_fn(|class| self.totals.get(&Series::level(class as u8)).copied().unwrap_or(0))
    }

    /// Records of this endpoint since the beginning.
    pub(crate) fn of_endpoint(&self, endpoint: &str) -> u64 {
        self.of_name(endpoint, Series::endpoint)
    }

    /// Records of this environment since the beginning.
    pub(crate) fn of_environment(&self, environment: &str) -> u64 {
        self.of_name(environment, Series::environment)
    }

    /// What had no room of its own has no count of its own.
    fn of_name(&self, name: &str, series: impl Fn(u32) -> Series) -> u64 {
        self.names.find(name).and_then(|name| self.totals.get(&series(name))).copied().unwrap_or(0)
    }

    /// All totals since the beginning, by series.
    pub fn totals(&self) -> impl Iterator<Item = (SeriesKey, u64)> + '_ {
        self.totals.iter().map(|(&series, &count)| (self.names.key(series), count))
    }

    /// Cells that wait for the next rollup; past `limits::PENDING_CELLS_MAX` the object rolls up at once.
    pub fn pending_cells(&self) -> usize {
        let of_minutes: usize = self.pending.values().map(BTreeMap::len).sum();
        of_minutes + self.pending_facets.len() * limits::FACETS_CELLS
    }

    /// Counts of minutes that are not rolled up yet, between two instants (end exclusive).
    pub fn pending_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, SeriesKey, u64)> + '_ {
        let minutes = self.pending.range(from.0..).take_while(move |(minute, _)| **minute < to.0);
        minutes.flat_map(move |(&minute, counts)| {
            counts.iter().map(move |(&series, &count)| (Timestamp(minute), self.names.key(series), count))
        })
    }

    /// The hours with pending minutes, each with what is to be merged into its row. Nothing is forgotten until
    /// [`Counters::rolled_up`] says that the rows are written.
    pub fn pending_hours(&self) -> BTreeMap<Timestamp, Rollup> {
        let mut hours: BTreeMap<Timestamp, Rollup> = BTreeMap::new();
        for (&minute, counts) in &self.pending {
            let hour = Timestamp(minute).floor_to(HOUR);
            let index = ((minute - hour.0) / MINUTE.0) as u8;
            let rollup = hours.entry(hour).or_default();
            counts.iter().for_each(|(&series, &count)| rollup.add(self.names.key(series), index, count));
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
        let mut names = Names::default();
        let count = input.count()?;
        let mut totals: Vec<(Series, u64)> = Vec::with_capacity(count.min(limits::SERIES_MAX));
        for _ in 0..count {
            let (kind, key) = SeriesKey::read_parts(input)?;
            let (series, count) = (names.series(kind, key), input.uint()?);
            // What this build cannot tell apart is one series to it.
            match totals.last_mut() {
                Some((last, sum)) if *last == series => *sum = sum.saturating_add(count),
                _ => totals.push((series, count)),
            }
        }
        // They lie in order, nearly always; a tree that is made of what is in order is made at once.
        let mut counters = Self { names, ..Self::default() };
        if totals.is_sorted_by(|(one, _), (other, _)| one < other) {
            counters.totals = totals.into_iter().collect();
        } else {
            totals.into_iter().for_each(|(series, count)| counters.add_to(series, count));
        }
        Ok(counters)
    }

    /// Adds a stored rollup to the totals, when they are rebuilt from rows.
    pub(crate) fn add_total(&mut self, key: &SeriesKey, count: u64) {
        let series = self.names.series(key.kind, &key.key);
        self.add_to(series, count);
    }

    fn add_to(&mut self, series: Series, count: u64) {
        let total = self.totals.entry(series).or_insert(0);
        *total = total.saturating_add(count);
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
        counters.settle();
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
        counters.settle();
        let sum = |kind: SeriesKind| counters.totals().filter(|(k, _)| k.kind == kind).map(|(_, n)| n).sum::<u64>();
        for kind in [SeriesKind::Level, SeriesKind::Pattern, SeriesKind::PatternLevel, SeriesKind::Endpoint] {
            assert_eq!(sum(kind), count, "{kind:?}");
        }
        assert!(counters.totals().count() <= limits::SERIES_MAX + 7);
    }

    #[test]
    fn totals_are_read_whatever_their_order_and_what_is_one_series_to_this_build_is_added() {
        let of_kind = |kind, key: &str| SeriesKey { kind, key: key.into() };
        let rows = [
            (of_kind(SeriesKind::Environment, "staging"), 3),
            (of_kind(SeriesKind::Level, "level of a later build"), 5),
            (of_kind(SeriesKind::Level, "another one"), 7),
            (of_kind(SeriesKind::Environment, "production"), 11),
            (of_kind(SeriesKind::Environment, "staging"), u64::MAX),
        ];
        let mut out = Writer::new();
        out.uint(rows.len() as u64);
        for (key, count) in &rows {
            key.write(&mut out);
            out.uint(*count);
        }
        let read = Counters::read_totals(&mut Reader::new(out.as_bytes())).unwrap();
        let totals: Vec<_> = read.totals().map(|(key, count)| (key.to_string(), count)).collect();
        let expected = [("level=*", 12), ("environment=staging", u64::MAX), ("environment=production", 11)];
        assert_eq!(totals, expected.map(|(key, count)| (key.to_owned(), count)));
    }

    #[test]
    fn booking_by_rows_gives_what_booking_each_record_gives() {
        // More shapes than the table has places, and more names than there is room for.
        let shapes = 3 * limits::ENDPOINT_SERIES_MAX as u64;
        let of = |i: u64| {
            let shape = (i * i + i / 3) % shapes;
            let level = if shape.is_multiple_of(5) { Level::ERROR } else { Level::INFO };
            let endpoint = (!shape.is_multiple_of(7)).then(|| format!("/orders/{}/items", shape / 2));
            let mut record = record((shape / 900) as i64 * 60_000, level, endpoint.as_deref());
            record.environment = if shape.is_multiple_of(11) { "staging".into() } else { "production".into() };
            (record, PatternId(shape % 40))
        };
        let (mut by_rows, mut one_by_one) = (Counters::default(), Counters::default());
        for i in 0..20_000 {
            let (record, pattern) = of(i);
            by_rows.count(&record, pattern);
            one_by_one.count(&record, pattern);
            one_by_one.settle();
            if i % 500 == 499 {
                by_rows.settle();
            }
            if i == 7_777 {
                by_rows.merge_pattern(PatternId(3), PatternId(4));
                one_by_one.merge_pattern(PatternId(3), PatternId(4));
            }
        }
        assert_eq!((&by_rows.totals, &by_rows.pending), (&one_by_one.totals, &one_by_one.pending));
        assert_eq!(by_rows.total(), 20_000);
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
            counters.settle();
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
