//! The disk of one object: rows in memory with the durability of a Durable Object's SQLite.
//!
//! What is written in one turn is one commit. Commits become durable in order, some time later; a crash keeps a prefix of
//! them and nothing in between. A statement may fail in the middle of a turn.

use sapwood_engine::counter::{Facets, Rollup};
use sapwood_engine::machine::compaction;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::{HUSKS, Row, RowKind, records};
use sapwood_engine::machine::stream::{
    Checkpoint, Identity, LooseRow, Outline, Packing, PlaceOutline, Stored, StreamStore, Thinning,
};
use sapwood_engine::machine::window::Page;
use sapwood_engine::pattern::{Pattern, PatternId};
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::Alert;
use std::collections::{BTreeMap, VecDeque};

use super::erase::Erased;
use super::mutant::Mutant;

/// Rows that can be changed by writes, and copied.
pub trait Rows: Clone + Default {
    /// One statement.
    type Write: Clone;
    /// Performs a statement.
    fn apply(&mut self, write: &Self::Write);
}

/// A disk.
#[derive(Debug)]
pub struct Disk<R: Rows> {
    /// What reads see: everything written.
    pub current: R,
    /// What a crash leaves at least.
    pub durable: R,
    commits: VecDeque<(u64, Vec<R::Write>)>,
    open: Vec<R::Write>,
    next_commit: u64,
    /// Statements until one fails.
    pub fails_in: Option<u32>,
    /// Whether a failed turn leaves what it had written, as statements without a transaction around them do.
    pub is_partial: bool,
}

/// A statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteFailed;

impl<R: Rows> Disk<R> {
    /// An empty disk.
    pub fn new(is_partial: bool) -> Self {
        Self {
            current: R::default(),
            durable: R::default(),
            commits: VecDeque::new(),
            open: Vec::new(),
            next_commit: 1,
            fails_in: None,
            is_partial,
        }
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// It was told to fail.
    pub fn write(&mut self, write: R::Write) -> Result<(), WriteFailed> {
        if let Some(left) = self.fails_in.as_mut() {
            if *left == 0 {
                self.fails_in = None;
                return Err(WriteFailed);
            }
            *left -= 1;
        }
        self.current.apply(&write);
        self.open.push(write);
        Ok(())
    }

    /// Undoes what was written since `mark`, unless this disk is partial.
    pub fn roll_back(&mut self, mark: usize) {
        if self.is_partial {
            return;
        }
        self.open.truncate(mark);
        self.current = self.durable.clone();
        for write in self.commits.iter().flat_map(|(_, writes)| writes).chain(&self.open) {
            self.current.apply(write);
        }
    }

    /// Where the turn's writes stand, for [`Disk::roll_back`].
    pub fn mark(&self) -> usize {
        self.open.len()
    }

    /// The turn is over: its writes are one commit. Its number, if there were any.
    pub fn end_turn(&mut self) -> Option<u64> {
        if self.open.is_empty() {
            return None;
        }
        let number = self.next_commit;
        self.next_commit += 1;
        self.commits.push_back((number, std::mem::take(&mut self.open)));
        Some(number)
    }

    /// The newest commit that is not durable yet.
    pub fn pending(&self) -> Option<u64> {
        self.commits.back().map(|(number, _)| *number)
    }

    /// Commits up to this one are durable now.
    pub fn durable_up_to(&mut self, number: u64) {
        while self.commits.front().is_some_and(|(first, _)| *first <= number) {
            for write in self.commits.pop_front().into_iter().flat_map(|(_, writes)| writes) {
                self.durable.apply(&write);
            }
        }
    }

    /// How many commits are on their way.
    pub fn on_their_way(&self) -> usize {
        self.commits.len()
    }

    /// A crash: `kept` commits of those on their way made it.
    pub fn crash(&mut self, kept: usize) {
        let last = kept.checked_sub(1).and_then(|last| self.commits.get(last)).map(|(number, _)| *number);
        if let Some(last) = last {
            self.durable_up_to(last);
        }
        self.commits.clear();
        self.open.clear();
        self.fails_in = None;
        self.current = self.durable.clone();
    }
}

/// An alert as the outbox keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// Ids of the incidents it tells of.
    pub incidents: Vec<String>,
}

/// Rows of a stream object.
#[derive(Clone, Debug, Default)]
pub struct StreamRows {
    /// The journal.
    pub journal: BTreeMap<u64, Row>,
    /// Bodies of the blocks, by the first sequence of their span, with the last.
    pub blocks: BTreeMap<u64, (u64, Vec<u8>)>,
    /// Rows of a block's span that stay as they are.
    pub aside: BTreeMap<u64, Row>,
    /// Rows that retention removed; only the checkers read them.
    pub removed: BTreeMap<u64, Row>,
    folded: u64,
    state: Option<Vec<u8>>,
    patterns: BTreeMap<PatternId, Vec<u8>>,
    learnt: Option<Vec<u8>>,
    taught: Option<Vec<u8>>,
    detection: Option<Vec<u8>>,
    /// Counts by hour.
    pub hours: BTreeMap<Timestamp, Rollup>,
    /// Sketches by hour.
    pub facets: BTreeMap<Timestamp, Facets>,
    key_pages: BTreeMap<u64, Page>,
    id_pages: BTreeMap<u64, Page>,
    /// Alerts on their way to the domain.
    pub outbox: BTreeMap<String, (Due, Told)>,
    d1: Option<Vec<u8>>,
    data_service: Option<Vec<u8>>,
    packing: Option<Vec<u8>>,
    thinned: Option<Vec<u8>>,
    slices: Option<Vec<u8>>,
    sharding: Option<Vec<u8>>,
    usual: Option<Vec<u8>>,
    /// Rows as they were before records of them were removed; only the checkers read them.
    pub whole: BTreeMap<u64, Row>,
    /// The D1 that was last written to.
    pub d1_epoch: Option<u64>,
    /// When the platform wakes the object.
    pub alarm: Option<i64>,
    /// Every alert that was ever put into the outbox; only the checkers read it.
    pub told: BTreeMap<String, Told>,
    /// What was erased; only the checkers read it.
    pub erased: Erased,
    /// Records that went with a user, with whose erasure, and whether they were the user's; only the checkers read it.
    pub retracted: BTreeMap<(u64, usize), (String, bool)>,
    /// Whether anything was ever taken back of what was folded; only the checkers read it.
    pub has_retracted: bool,
}

impl StreamRows {
    /// Whether nothing was ever written, or all of it was erased.
    pub fn is_blank(&self) -> bool {
        self.rows().is_empty() && self.removed.is_empty() && self.state.is_none()
    }
}

/// A statement of a stream object.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is a statement of the shell's rows, which say what they do")]
pub enum StreamWrite {
    Append(Row),
    AddAlert(Told, Due),
    RemoveAlert(String),
    Sinks(Vec<u8>, Vec<u8>),
    Pattern(PatternId, Vec<u8>),
    PatternGone(PatternId),
    Learnt(Vec<u8>),
    Taught(Vec<u8>),
    Detection(Vec<u8>),
    MergeHour(Timestamp, Rollup),
    ReplaceHour(Timestamp, Rollup),
    MergeFacets(Timestamp, Facets),
    KeyPage(Page),
    IdPage(Page),
    KeyPagesGone(std::ops::Range<u64>),
    IdPagesGone(std::ops::Range<u64>),
    State(Vec<u8>),
    Folded(u64),
    Epoch(u64),
    Alarm(Option<i64>),
    Remove(Vec<u64>),
    RemoveBlock(u64),
    RemoveHours(Timestamp),
    Erase,
    Packing(Vec<u8>),
    Thinned(Vec<u8>),
    Slices(Vec<u8>),
    /// What is known of shards.
    Sharding(Vec<u8>),
    Usual(Vec<u8>),
    Rewrite(Vec<(u64, Vec<u8>)>),
    RewriteOf(String, Vec<(u64, Vec<u8>)>),
    /// The rows of the span leave the journal; those named stay aside.
    LeaveJournal(std::ops::RangeInclusive<u64>, Vec<u64>),
    Block(u64, u64, Vec<u8>),
}

impl StreamRows {
    /// Every row that is there, in order, whether in the journal, aside or in a block.
    pub fn rows(&self) -> BTreeMap<u64, Row> {
        let packed = self.blocks.values().flat_map(|(_, body)| unpacked(body)).map(|row| (row.seq, row));
        let mut rows: BTreeMap<u64, Row> = packed.collect();
        rows.extend(self.aside.iter().chain(&self.journal).map(|(seq, row)| (*seq, row.clone())));
        rows
    }

    /// Puts husks into rows, wherever they are.
    fn rewrite(&mut self, bodies: &[(u64, Vec<u8>)]) {
        for (seq, body) in bodies {
            if let Some(row) = self.row(*seq) {
                self.whole.entry(*seq).or_insert(row);
            }
            if let Some(row) = self.journal.get_mut(seq).or_else(|| self.aside.get_mut(seq)) {
                (row.body, row.levels) = (body.clone(), row.levels | HUSKS);
                continue;
            }
            let Some((_, (last, block))) = self.blocks.range_mut(..=seq).next_back() else { continue };
            if seq > last {
                continue;
            }
            let mut rows = unpacked(block);
            for row in rows.iter_mut().filter(|row| row.seq == *seq) {
                row.body.clone_from(body);
            }
            if let Ok(packed) = compaction::pack(&rows) {
                *block = packed.body;
            }
        }
    }

    /// Takes note of which records leave with a user.
    fn note_retracted(&mut self, seq: u64, body: &[u8], user: &str) {
        let before = self.row(seq).and_then(|row| records(&row.body).ok()).unwrap_or_default();
        let pairs = before.into_iter().zip(records(body).unwrap_or_default());
        for (index, (was, _)) in pairs.enumerate().filter(|(_, (was, is))| !was.is_husk() && is.is_husk()) {
            let is_theirs = was.user_id.as_deref() == Some(user);
            self.retracted.insert((seq, index), (user.to_owned(), is_theirs));
        }
    }

    /// One row.
    pub fn row(&self, seq: u64) -> Option<Row> {
        if let Some(row) = self.journal.get(&seq).or_else(|| self.aside.get(&seq)) {
            return Some(row.clone());
        }
        let (_, (last, body)) = self.blocks.range(..=seq).next_back()?;
        (seq <= *last).then(|| unpacked(body)).into_iter().flatten().find(|row| row.seq == seq)
    }
}

/// The rows of a block. No block of this disk is damaged; one that is loses its rows, which the checkers see.
pub(super) fn unpacked(body: &[u8]) -> Vec<Row> {
    if body.is_empty() { Vec::new() } else { compaction::unpack(body).unwrap_or_default() }
}

impl Rows for StreamRows {
    type Write = StreamWrite;

    fn apply(&mut self, write: &StreamWrite) {
        match write.clone() {
            StreamWrite::Append(row) => {
                self.journal.insert(row.seq, row);
            }
            StreamWrite::AddAlert(told, due) => {
                self.told.insert(told.id.clone(), told.clone());
                self.outbox.entry(told.id.clone()).or_insert((due, told));
            }
            StreamWrite::RemoveAlert(id) => {
                self.outbox.remove(&id);
            }
            StreamWrite::Sinks(d1, data_service) => {
                self.d1 = Some(d1);
                self.data_service = Some(data_service);
            }
            StreamWrite::Pattern(id, body) => {
                self.patterns.insert(id, body);
            }
            StreamWrite::PatternGone(id) => {
                self.patterns.remove(&id);
            }
            StreamWrite::Learnt(row) => self.learnt = Some(row),
            StreamWrite::Taught(row) => self.taught = Some(row),
            StreamWrite::Detection(row) => self.detection = Some(row),
            StreamWrite::MergeHour(hour, delta) => self.hours.entry(hour).or_default().merge(&delta),
            StreamWrite::ReplaceHour(hour, delta) => {
                self.hours.insert(hour, delta);
            }
            StreamWrite::MergeFacets(hour, delta) => self.facets.entry(hour).or_default().merge(&delta),
            StreamWrite::KeyPage(page) => {
                self.key_pages.insert(page.number, page);
            }
            StreamWrite::IdPage(page) => {
                self.id_pages.insert(page.number, page);
            }
            StreamWrite::KeyPagesGone(gone) => self.key_pages.retain(|number, _| !gone.contains(number)),
            StreamWrite::IdPagesGone(gone) => self.id_pages.retain(|number, _| !gone.contains(number)),
            StreamWrite::State(state) => self.state = Some(state),
            StreamWrite::Folded(folded) => self.folded = folded,
            StreamWrite::Epoch(epoch) => self.d1_epoch = Some(epoch),
            StreamWrite::Alarm(at) => self.alarm = at,
            StreamWrite::Remove(seqs) => {
                for seq in seqs {
                    let row = self.journal.remove(&seq).or_else(|| self.aside.remove(&seq));
                    self.removed.extend(row.map(|row| (seq, row)));
                }
            }
            StreamWrite::RemoveBlock(first) => {
                let rows = self.blocks.remove(&first).map(|(_, body)| unpacked(&body));
                self.removed.extend(rows.into_iter().flatten().map(|row| (row.seq, row)));
            }
            StreamWrite::Packing(row) => self.packing = Some(row),
            StreamWrite::Thinned(row) => self.thinned = Some(row),
            StreamWrite::Slices(row) => self.slices = Some(row),
            StreamWrite::Sharding(row) => self.sharding = Some(row),
            StreamWrite::Usual(row) => self.usual = Some(row),
            StreamWrite::Rewrite(bodies) => self.rewrite(&bodies),
            StreamWrite::RewriteOf(user, bodies) => {
                self.has_retracted = true;
                for (seq, body) in &bodies {
                    self.note_retracted(*seq, body, &user);
                }
                self.rewrite(&bodies);
            }
            StreamWrite::LeaveJournal(span, aside) => {
                let seqs: Vec<u64> = self.journal.range(span).map(|(seq, _)| *seq).collect();
                for row in seqs.into_iter().filter_map(|seq| self.journal.remove(&seq)) {
                    if aside.contains(&row.seq) {
                        self.aside.insert(row.seq, row);
                    }
                }
            }
            StreamWrite::Block(first, last, body) => {
                self.blocks.insert(first, (last, body));
            }
            StreamWrite::Erase => {
                let before = std::mem::take(self);
                self.erased = before.erased.clone();
                self.erased.note(&before);
            }
            StreamWrite::RemoveHours(from) => self.hours.retain(|hour, _| *hour > from),
        }
    }
}

/// A stream's disk as the engine sees it, with what a broken build would do to it.
pub struct StreamDisk<'a> {
    /// The disk.
    pub disk: &'a mut Disk<StreamRows>,
    /// What is broken.
    pub mutant: Option<Mutant>,
    /// Writes that a broken build issues in a later turn.
    pub later: &'a mut Vec<StreamWrite>,
}

impl StreamDisk<'_> {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Puts husks in the place of a user's records.
    pub fn erase_from_rows(&mut self, user: &str, mut bodies: Vec<(u64, Vec<u8>)>) -> Result<(), WriteFailed> {
        if self.is(Mutant::UserErasedInRowsOnly) {
            let rows = &self.disk.current;
            bodies.retain(|(seq, _)| rows.journal.contains_key(seq) || rows.aside.contains_key(seq));
        }
        self.disk.write(StreamWrite::RewriteOf(user.to_owned(), bodies))
    }
}

impl StreamStore for StreamDisk<'_> {
    type Error = WriteFailed;

    fn append(&mut self, row: &Row) -> Result<(), WriteFailed> {
        if self.is(Mutant::EventsNotJournaled) && row.kind == RowKind::Event {
            return Ok(());
        }
        self.disk.write(StreamWrite::Append(row.clone()))
    }

    fn add_alert(&mut self, alert: &Alert, due: Due, _identity: &Identity) -> Result<(), WriteFailed> {
        let incidents = alert.incidents.iter().map(|incident| incident.id.clone()).collect();
        let write = StreamWrite::AddAlert(Told { id: alert.id.clone(), incidents }, due);
        if self.is(Mutant::AlertInLaterCommit) {
            self.later.push(write);
            return Ok(());
        }
        self.disk.write(write)
    }

    fn remove_alert(&mut self, id: &str) -> Result<(), WriteFailed> {
        self.disk.write(StreamWrite::RemoveAlert(id.to_owned()))
    }

    fn set_sinks(&mut self, d1: Vec<u8>, data_service: Vec<u8>) -> Result<(), WriteFailed> {
        self.disk.write(StreamWrite::Sinks(d1, data_service))
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), WriteFailed> {
        let mut writes = Vec::new();
        if !self.is(Mutant::StateNotWritten) {
            writes.push(StreamWrite::State(checkpoint.state));
        }
        if !self.is(Mutant::FoldedNotWritten) {
            writes.push(StreamWrite::Folded(checkpoint.folded));
        }
        let split = writes.len();
        writes.extend(checkpoint.patterns.into_iter().map(|(id, body)| StreamWrite::Pattern(id, body)));
        writes.extend(checkpoint.patterns_gone.into_iter().map(StreamWrite::PatternGone));
        writes.extend(checkpoint.learnt.map(StreamWrite::Learnt));
        writes.extend(checkpoint.taught.map(StreamWrite::Taught));
        writes.push(StreamWrite::Detection(checkpoint.detection));
        let replaces = self.is(Mutant::HoursReplaced);
        writes.extend(checkpoint.hours.into_iter().map(|(hour, delta)| match replaces {
            true => StreamWrite::ReplaceHour(hour, delta),
            false => StreamWrite::MergeHour(hour, delta),
        }));
        writes.extend(checkpoint.facets.into_iter().map(|(hour, delta)| StreamWrite::MergeFacets(hour, delta)));
        if !self.is(Mutant::KeyTableForgotten) {
            writes.extend(checkpoint.key_pages.into_iter().map(StreamWrite::KeyPage));
        }
        if !self.is(Mutant::IdTableForgotten) {
            writes.extend(checkpoint.id_pages.into_iter().map(StreamWrite::IdPage));
        }
        writes.extend(checkpoint.thinned.map(StreamWrite::Thinned));
        writes.extend(checkpoint.slices.map(StreamWrite::Slices));
        writes.extend(checkpoint.sharding.map(StreamWrite::Sharding));
        writes.extend(checkpoint.usual.map(StreamWrite::Usual));
        writes.push(StreamWrite::KeyPagesGone(checkpoint.key_pages_gone));
        writes.push(StreamWrite::IdPagesGone(checkpoint.id_pages_gone));
        if self.is(Mutant::CheckpointInTwoCommits) {
            self.later.extend(writes.split_off(split));
        }
        writes.into_iter().try_for_each(|write| self.disk.write(write))
    }

    fn set_sharding(&mut self, row: Vec<u8>) -> Result<(), WriteFailed> {
        self.disk.write(StreamWrite::Sharding(row))
    }

    fn set_packing(&mut self, row: Vec<u8>) -> Result<(), WriteFailed> {
        self.disk.write(StreamWrite::Packing(row))
    }

    fn store_block(&mut self, packing: &Packing) -> Result<(), WriteFailed> {
        let Packing { seq_first, seq_last, block, aside, .. } = packing;
        let aside = if self.is(Mutant::CompactionDropsTheRest) { Vec::new() } else { aside.clone() };
        let body = block.as_ref().map(|block| block.body.clone()).unwrap_or_default();
        let block = StreamWrite::Block(*seq_first, *seq_last, body);
        self.disk.write(StreamWrite::LeaveJournal(*seq_first..=*seq_last, aside))?;
        if self.is(Mutant::CompactionNotAtomic) {
            self.later.push(block);
            return Ok(());
        }
        self.disk.write(block)
    }

    fn store_thinning(&mut self, thinning: &Thinning) -> Result<(), WriteFailed> {
        if !self.is(Mutant::CursorBeforeThinning) {
            self.disk.write(StreamWrite::Rewrite(thinning.bodies.clone()))?;
        } else {
            self.later.push(StreamWrite::Rewrite(thinning.bodies.clone()));
        }
        if let Some(seq) = thinning.gone_up_to {
            let rows = &self.disk.current;
            let seqs = rows.journal.range(..=seq).chain(rows.aside.range(..=seq));
            let seqs = seqs.filter(|(_, row)| row.kind == RowKind::Segments).map(|(seq, _)| *seq).collect();
            let blocks: Vec<u64> =
                rows.blocks.iter().filter(|(_, (last, _))| *last <= seq).map(|(first, _)| *first).collect();
            self.disk.write(StreamWrite::Remove(seqs))?;
            blocks.into_iter().try_for_each(|first| self.disk.write(StreamWrite::RemoveBlock(first)))?;
        }
        self.disk.write(StreamWrite::Thinned(thinning.row.clone()))
    }

    fn stored(&self) -> Result<(Stored, u64), WriteFailed> {
        let rows = &self.disk.current;
        let mut damaged = 0;
        let patterns = rows.patterns.values().filter_map(|row| match Pattern::decode(row) {
            Ok(pattern) => Some(pattern),
            Err(_) => {
                damaged += 1;
                None
            }
        });
        let patterns = patterns.collect();
        let stored = Stored {
            folded: rows.folded,
            state: rows.state.clone(),
            patterns,
            learnt: rows.learnt.clone(),
            taught: rows.taught.clone(),
            detection: rows.detection.clone(),
            key_pages: rows.key_pages.values().cloned().collect(),
            id_pages: rows.id_pages.values().cloned().collect(),
            outbox: rows.outbox.iter().map(|(id, (due, _))| (id.clone(), *due)).collect(),
            d1: rows.d1.clone(),
            data_service: rows.data_service.clone(),
            packing: rows.packing.clone(),
            thinned: rows.thinned.clone(),
            slices: rows.slices.clone(),
            sharding: rows.sharding.clone(),
            usual: rows.usual.clone(),
        };
        Ok((stored, damaged))
    }

    fn all_rollups(&self) -> Result<Vec<(Timestamp, Rollup)>, WriteFailed> {
        Ok(self.disk.current.hours.iter().map(|(hour, rollup)| (*hour, rollup.clone())).collect())
    }

    fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), WriteFailed> {
        for row in self.disk.current.rows().into_values().filter(|row| row.seq > after) {
            if !visit(row) {
                break;
            }
        }
        Ok(())
    }

    fn row(&self, seq: u64) -> Result<Option<Row>, WriteFailed> {
        Ok(self.disk.current.row(seq))
    }

    fn outlines(&self, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, WriteFailed> {
        let rows = self.disk.current.rows().into_values();
        let outlines = rows.filter(|row| row.seq > after && row.seq <= to).take(room as usize).map(|row| Outline {
            seq: row.seq,
            kind: Some(row.kind),
            count: row.count,
            levels: row.levels,
        });
        Ok(outlines.collect())
    }

    fn loose(&self, room: u32) -> Result<Vec<LooseRow>, WriteFailed> {
        Ok(self.disk.current.journal.values().take(room as usize).map(LooseRow::from).collect())
    }

    fn places_after(&self, after: u64, room: u32) -> Result<Vec<PlaceOutline>, WriteFailed> {
        let rows = &self.disk.current;
        let place = |first: u64, last: u64, rows: &[Row]| PlaceOutline {
            seq_first: first,
            seq_last: last,
            at_max: rows.iter().map(|row| row.at).max().unwrap_or_default(),
            time_max: rows.iter().map(|row| row.time_max).max().unwrap_or_default(),
            levels: rows.iter().fold(0, |levels, row| levels | row.levels),
        };
        let plain = rows.journal.values().chain(rows.aside.values());
        let plain = plain.filter(|row| row.kind == RowKind::Segments && row.count > 0);
        let mut places: Vec<_> = plain.map(|row| place(row.seq, row.seq, std::slice::from_ref(row))).collect();
        let blocks = rows.blocks.iter().map(|(first, (last, body))| (*first, *last, unpacked(body)));
        places
            .extend(blocks.filter(|(.., rows)| !rows.is_empty()).map(|(first, last, rows)| place(first, last, &rows)));
        places.retain(|place| place.seq_last > after);
        places.sort_by_key(|place| place.seq_last);
        places.truncate(room as usize);
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_a_prefix_of_the_commits_and_nothing_in_between() {
        let mut disk = Disk::<StreamRows>::new(false);
        for epoch in 1..=3 {
            disk.write(StreamWrite::Epoch(epoch)).unwrap();
            disk.write(StreamWrite::Folded(epoch)).unwrap();
            assert_eq!(disk.end_turn(), Some(epoch));
        }
        disk.write(StreamWrite::Epoch(4)).unwrap();
        assert_eq!(disk.current.d1_epoch, Some(4));
        disk.durable_up_to(1);
        assert_eq!((disk.durable.d1_epoch, disk.on_their_way()), (Some(1), 2));
        disk.crash(1);
        assert_eq!((disk.current.d1_epoch, disk.current.folded, disk.pending()), (Some(2), 2, None));
    }

    #[test]
    fn a_failed_turn_is_undone_unless_the_disk_is_partial() {
        for (is_partial, expected) in [(false, Some(1)), (true, Some(2))] {
            let mut disk = Disk::<StreamRows>::new(is_partial);
            disk.write(StreamWrite::Epoch(1)).unwrap();
            disk.end_turn();
            let mark = disk.mark();
            disk.fails_in = Some(1);
            disk.write(StreamWrite::Epoch(2)).unwrap();
            assert_eq!(disk.write(StreamWrite::Epoch(3)), Err(WriteFailed));
            disk.roll_back(mark);
            assert_eq!(disk.current.d1_epoch, expected);
        }
    }
}
