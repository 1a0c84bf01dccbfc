//! What goes outside next, and what may leave: which records D1 and the data service get, up to which row that brings
//! them, and which rows no one needs any more.
//!
//! Both sinks get records in the order of the journal, so that "what arrived" is always a prefix and one number.

use super::store::StreamStore;
use super::{StreamMachine, StreamSettings};
use crate::level::LevelClass;
use crate::machine::row::{self, Heads, RowKind};
use crate::pattern::PatternId;
use crate::record::Record;
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// Records of one D1 flush, and bytes of their JSON.
const D1_RECORDS_MAX: usize = 500;
const D1_BYTES_MAX: usize = 700_000;
/// Rows that one D1 flush passes by, and those that it opens.
const D1_OUTLINES: u32 = 4_096;
const D1_ROWS_OPENED: usize = 64;
/// Rows that one load for the data service opens.
const LOAD_ROWS_MAX: usize = 256;

/// A record on its way out, with its place.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The record.
    pub record: &'a Record,
    /// Its row.
    pub seq: u64,
    /// Its place in the row.
    pub index: u16,
    /// When the row was received.
    pub at: Timestamp,
    /// The pattern that it was given when it came.
    pub pattern: PatternId,
}

/// How far a flush to D1 brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct D1Span {
    /// The row up to which D1 has everything then.
    pub cursor: u64,
    /// Whether that is all there is.
    pub is_done: bool,
}

/// How far a load brings the data service, once all its records have their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSpan {
    /// Last row that is then through.
    pub cursor: u64,
    /// Records of the row after it that are through.
    pub index: u32,
    /// Records left out by policy or because they cannot be read.
    pub skipped: u64,
    /// Whether nothing waits behind them.
    pub is_last: bool,
}

impl StreamMachine {
    /// The records that D1 does not have yet, by policy: those of `level_min` and above, and those that show what a
    /// pattern looks like. `take` gets each of them and says how many bytes it takes.
    ///
    /// # Errors
    /// The store's, or what `take` says.
    pub fn next_for_d1<S: StreamStore>(
        &self,
        store: &S,
        level_min: LevelClass,
        mut take: impl FnMut(Outgoing<'_>) -> Result<usize, S::Error>,
    ) -> Result<D1Span, S::Error> {
        let mut cursor = self.d1.cursor;
        let (mut count, mut bytes, mut opened) = (0, 0, 0);
        let outlines = store.outlines(cursor, self.folded, D1_OUTLINES)?;
        let mut is_done = outlines.len() < D1_OUTLINES as usize;
        let exemplars: BTreeSet<u64> =
            self.miner.patterns().flat_map(|it| it.exemplars.iter().map(|exemplar| exemplar.seq)).collect();
        for outline in outlines {
            let is_empty = outline.kind != Some(RowKind::Segments) || outline.count == 0;
            // Most rows hold nothing that is wanted; those are not even read.
            let is_wanted = outline.levels >> level_min.index() != 0 || exemplars.contains(&outline.seq);
            if is_empty || !is_wanted {
                cursor = outline.seq;
                continue;
            }
            // At most a few rows at a time: each can hold thousands of records.
            if count >= D1_RECORDS_MAX || bytes >= D1_BYTES_MAX || opened >= D1_ROWS_OPENED {
                is_done = false;
                break;
            }
            cursor = outline.seq;
            opened += 1;
            let Some(row) = store.row(outline.seq)? else { continue };
            let (Ok(records), Ok(heads)) = (row::records(&row.body), Heads::decode(&row.heads)) else { continue };
            for (index, record) in records.iter().enumerate() {
                let pattern = heads.pattern_at(index);
                let index = index as u16;
                if record.is_husk() {
                    continue;
                }
                if record.level.class() >= level_min || self.is_exemplar(pattern, row.seq, index) {
                    bytes += take(Outgoing { record, seq: row.seq, index, at: row.at, pattern })?;
                    count += 1;
                }
            }
        }
        if is_done {
            cursor = self.folded;
        }
        Ok(D1Span { cursor, is_done })
    }

    fn is_exemplar(&self, pattern: PatternId, seq: u64, index: u16) -> bool {
        self.miner
            .pattern(pattern)
            .is_some_and(|pattern| pattern.exemplars.iter().any(|it| it.seq == seq && it.index == index))
    }

    /// The next records for the data service, at most `room`; `take` gets each of them. With `only_warnings` the others
    /// are left out and counted.
    ///
    /// # Errors
    /// The store's.
    pub fn next_for_data_service<S: StreamStore>(
        &self,
        store: &S,
        room: usize,
        only_warnings: bool,
        mut take: impl FnMut(Outgoing<'_>),
    ) -> Result<LoadSpan, S::Error> {
        let (cursor, start) = (self.data_service.cursor, self.data_service.index);
        let mut rows = Vec::new();
        let mut count = 0u64;
        let mut span = LoadSpan { cursor, index: start, skipped: 0, is_last: true };
        let is_last = &mut span.is_last;
        store.rows_after(cursor, &mut |row| {
            if count >= room as u64 + u64::from(start) || rows.len() >= LOAD_ROWS_MAX {
                *is_last = false;
                return false;
            }
            count += u64::from(row.count);
            rows.push(row);
            true
        })?;
        let mut taken = 0;
        for row in rows {
            let from = if row.seq == cursor + 1 { start } else { 0 };
            span.cursor = row.seq;
            span.index = 0;
            if row.kind != RowKind::Segments {
                continue;
            }
            let (Ok(records), Ok(heads)) = (row::records(&row.body), Heads::decode(&row.heads)) else {
                span.skipped += u64::from(row.count);
                continue;
            };
            for (index, record) in records.iter().enumerate().skip(from as usize) {
                if taken >= room {
                    return Ok(LoadSpan { cursor: row.seq - 1, index: index as u32, is_last: false, ..span });
                }
                if record.is_husk() {
                    continue;
                }
                if only_warnings && record.level.class() < LevelClass::Warn {
                    span.skipped += 1;
                    continue;
                }
                let pattern = heads.pattern_at(index);
                take(Outgoing { record, seq: row.seq, index: index as u16, at: row.at, pattern });
                taken += 1;
            }
        }
        Ok(span)
    }

    /// Up to which instant of receipt, at most `received_before`, and up to which row something may go: what is folded,
    /// what the sinks have, and what no retry can ask for any more.
    pub fn removable(&self, received_before: Timestamp, now: Timestamp) -> (Timestamp, u64) {
        let StreamSettings { has_d1, has_data_service, key_window, .. } = self.settings;
        let sinks = [
            (has_d1, self.d1.cursor),
            (has_data_service, self.data_service.cursor),
            (self.is_follower(), self.sharding.lead.cursor),
        ];
        let cursors = sinks.into_iter().filter(|(is_on, _)| *is_on).map(|(_, cursor)| cursor);
        (received_before.min(now.minus(key_window)), cursors.fold(self.folded, u64::min))
    }
}
