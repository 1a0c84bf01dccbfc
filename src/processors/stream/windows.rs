//! Counts of a component in windows: from the stored hours and the minutes that wait to be stored, or, where windows are
//! shorter than a minute, from the records themselves.

use super::Live;
use super::read::for_each_minute;
use crate::processors::calls::{WindowsAnswer, WindowsCall};
use crate::storage::fault::Fault;
use sapwood_engine::counter::{HOUR, MINUTE, SeriesKey, Wanted, Windows, series_of};
use sapwood_engine::machine::row::{self, Heads};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::{Millis, Timestamp};

/// Records that one question opens; beyond, the answer says that it is not exact. At about 2 us each 0.4 s.
const RECORDS_MAX: u64 = 200_000;

impl Live {
    pub(super) fn windows(&self, call: &WindowsCall) -> Result<WindowsAnswer, Fault> {
        let (from, width) = (Timestamp(call.from_ms), Millis(call.width_ms.max(1)));
        let wanted = call.series.iter().filter_map(|name| Wanted::parse(name)).map(|one| self.as_now(one)).collect();
        let zone = self.machine.detectors().zone();
        let days = call.days_to_ms.map(|to| zone.days(from, Timestamp(to), call.windows)).unwrap_or_default();
        let (from, to, mut windows) = match (days.first(), days.last()) {
            (Some(&from), Some(&to)) => (from, to, Windows::between(days.clone(), wanted)),
            _ => {
                let span = Millis(width.0.saturating_mul(i64::try_from(call.windows).unwrap_or(i64::MAX)));
                (from, from.plus(span), Windows::new(from, width, call.windows, wanted))
            }
        };
        let is_exact = if width < MINUTE {
            self.count_records(from, to, &mut windows)?
        } else {
            self.count_minutes(from, to, &mut windows)?
        };
        let told = windows.told();
        let top: std::collections::BTreeMap<String, Vec<(String, u64)>> =
            told.top.into_iter().map(|(kind, largest)| (kind.to_owned(), largest)).collect();
        let template = |(id, _): &(String, u64)| {
            Some((id.clone(), self.machine.miner().pattern(PatternId::parse(id)?)?.template.clone()))
        };
        let templates = top.get("pattern").into_iter().flatten().filter_map(template).collect();
        let starts_ms = days.iter().map(|start| start.0).collect();
        let time_zone = self.config.time_zone().to_owned();
        Ok(WindowsAnswer { starts_ms, time_zone, series: told.series, folded: told.folded, top, templates, is_exact })
    }

    /// A pattern that was merged since is asked for, and counted, as the one that took it over.
    fn as_now(&self, wanted: Wanted) -> Wanted {
        match wanted {
            Wanted::One(key) => Wanted::One(self.key_now(key)),
            other => other,
        }
    }

    fn key_now(&self, key: SeriesKey) -> SeriesKey {
        SeriesKey { key: self.current_name(&key), ..key }
    }

    /// Counts the stored hours of a span and what waits to be stored; false if an hour could not be read.
    fn count_minutes(&self, from: Timestamp, to: Timestamp, windows: &mut Windows) -> Result<bool, Fault> {
        let damaged_before = self.rows.damaged_hours();
        let mut add = |minute: Timestamp, key: &SeriesKey, count: u64| {
            windows.add(minute, &self.key_now(key.clone()), count);
        };
        for (hour, rollup) in self.rows.rollups(from.floor_to(HOUR), to)? {
            for_each_minute(hour, &rollup, &mut add);
        }
        for (minute, key, count) in self.machine.counters().pending_between(from, to) {
            add(minute, &key, count);
        }
        Ok(self.rows.damaged_hours() == damaged_before)
    }

    /// Counts the records of the journal in a span; false if some could not be looked at.
    fn count_records(&self, from: Timestamp, to: Timestamp, windows: &mut Windows) -> Result<bool, Fault> {
        let (mut opened, mut is_exact) = (0u64, true);
        self.rows.journal().counted_within(from, to, |row| {
            opened += u64::from(row.count);
            if opened > RECORDS_MAX {
                is_exact = false;
                return false;
            }
            match (row::records(&row.body), Heads::decode(&row.heads)) {
                (Ok(records), Ok(heads)) => {
                    for (index, record) in records.iter().enumerate() {
                        if (from..to).contains(&record.timestamp) {
                            let pattern = self.machine.miner().resolve(heads.pattern_at(index));
                            series_of(record, pattern).iter().for_each(|key| windows.add(record.timestamp, key, 1));
                        }
                    }
                }
                // Set aside, as a search does.
                (Err(_), _) | (_, Err(_)) => is_exact = false,
            }
            true
        })?;
        Ok(is_exact)
    }
}
