//! When rows of the journal become a block, and which: the decision, for whoever keeps the rows.
//!
//! A row may be packed when it is folded, when the sinks have it and when no retry can ask for it any more
//! ([`StreamMachine::removable`]). Rows are packed from the oldest on, without gaps: behind a block the journal begins
//! anew. What lies between and cannot be packed (events, counts without text, damaged rows) is set aside in the same
//! commit. A block is made of enough rows, or, a day later, of what there is if that is worth it; what is not stays in
//! the journal and nobody wakes for it.
//!
//! Left out here: storing, and giving the room of packed rows back.

use super::store::StreamStore;
use super::{StreamMachine, StreamSettings};
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::machine::compaction::{self, PackedRows};
use crate::machine::row::{Row, RowKind};
use crate::segment::block::Unfit;
use crate::time::{Millis, Timestamp};

/// Rows that one look passes.
const LOOK_ROWS: u32 = 8_192;
/// Bytes of the rows of one block, before; the block has to fit a row itself and is smaller than they are.
const SOURCE_BYTES_MAX: u64 = 2 * limits::ROW_BYTES_MAX as u64;
/// When to look again if a sink holds rows back, or if packing failed: seldom enough to cost nothing.
const LOOK_AGAIN: Millis = Millis::from_mins(10);

/// When rows are worth a block. Not for operators: the simulator's cluster is too small for the real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPolicy {
    /// Records for which a block is made at once.
    pub records_min: u64,
    /// How long one block waits for others, so that an alarm makes several.
    pub delay: Millis,
    /// How long fewer records wait for more.
    pub patience: Millis,
    /// Records, and rows, for which a block is worth its row after that.
    pub late_records_min: u64,
    /// See above.
    pub late_rows_min: usize,
}

impl Default for BlockPolicy {
    fn default() -> Self {
        Self {
            records_min: limits::BLOCK_RECORDS_MIN as u64,
            delay: Millis::from_hours(1),
            patience: Millis::from_hours(24),
            late_records_min: 256,
            late_rows_min: 8,
        }
    }
}

/// A row that is in no block, without its records.
#[derive(Clone, Copy, Debug)]
pub struct LooseRow {
    /// Sequence.
    pub seq: u64,
    /// Receive time.
    pub at: Timestamp,
    /// Kind; `None` for one of a later build.
    pub kind: Option<RowKind>,
    /// Accepted records.
    pub count: u32,
    /// Bytes of its body.
    pub bytes: u64,
}

impl From<&Row> for LooseRow {
    fn from(row: &Row) -> Self {
        Self { seq: row.seq, at: row.at, kind: Some(row.kind), count: row.count, bytes: row.body.len() as u64 }
    }
}

/// What leaves the journal in one commit: the rows from `seq_first` to `seq_last`, as a block or aside.
#[derive(Clone, Debug)]
pub struct Packing {
    /// First row.
    pub seq_first: u64,
    /// Last row.
    pub seq_last: u64,
    /// The block; `None` if nothing between them makes one.
    pub block: Option<PackedRows>,
    /// Rows that stay as they are, beside the block.
    pub aside: Vec<u64>,
    /// Why no block could be made of rows that should have made one.
    pub unfit: Option<Unfit>,
}

/// What to do about blocks now.
#[derive(Clone, Debug)]
pub struct Next {
    /// What to store; then ask again.
    pub packing: Option<Packing>,
    /// If there is nothing to store: when to ask again.
    pub due: Option<Timestamp>,
}

/// Rows that would make a block now.
#[derive(Default)]
struct Chosen {
    seqs: Vec<u64>,
    /// Those of them that hold records.
    full: Vec<u64>,
    aside: Vec<u64>,
    records: u64,
    bytes: u64,
    first_at: Option<Timestamp>,
}

impl Chosen {
    fn take(&mut self, row: &LooseRow) {
        self.first_at.get_or_insert(row.at);
        if row.kind == Some(RowKind::Segments) {
            self.seqs.push(row.seq);
            self.full.extend((row.count > 0).then_some(row.seq));
            self.records += u64::from(row.count);
            self.bytes += row.bytes;
        } else {
            self.aside.push(row.seq);
        }
    }

    fn is_enough(&self, policy: &BlockPolicy) -> bool {
        self.records >= policy.records_min || self.bytes >= SOURCE_BYTES_MAX
    }

    fn is_worth_it(&self, policy: &BlockPolicy) -> bool {
        self.records >= policy.late_records_min && self.seqs.len() >= policy.late_rows_min
    }
}

impl StreamMachine {
    /// The next rows to pack, made into a block; or when to ask again.
    ///
    /// # Errors
    /// The store's.
    pub fn next_block<S: StreamStore>(&self, store: &S, now: Timestamp) -> Result<Next, S::Error> {
        let StreamSettings { key_window: window, blocks: policy, .. } = &self.settings;
        let window = *window;
        let (received_before, seq_max) = self.removable(Timestamp::MAX, now);
        let loose = store.loose(LOOK_ROWS)?;
        let may_go = |row: &LooseRow| row.seq <= seq_max && row.at < received_before;
        let mut chosen = Chosen::default();
        let ready = loose.iter().take_while(|row| may_go(row)).count();
        for row in loose.iter().take(ready) {
            // A row that is larger than all the room is a block of its own.
            if !chosen.seqs.is_empty() && chosen.bytes.saturating_add(row.bytes) > SOURCE_BYTES_MAX {
                break;
            }
            chosen.take(row);
            if chosen.is_enough(policy) {
                break;
            }
        }
        let late = loose.first().map(|first| first.at.plus(window).plus(policy.patience));
        let is_late = late.is_some_and(|late| late <= now);
        let is_full = chosen.is_enough(policy) || chosen.seqs.len() + chosen.aside.len() < ready;
        if is_full || ready >= LOOK_ROWS as usize || (is_late && chosen.is_worth_it(policy)) {
            return Ok(Next { packing: Some(pack(store, chosen)?), due: None });
        }
        // Not yet: when there will be enough of what is there already, or when it will have waited for long enough.
        let is_held_back = loose.get(ready).is_some_and(|row| row.at < received_before);
        let mut due = late.filter(|_| chosen.is_worth_it(policy));
        let (mut is_enough, mut blocks) = (false, 0);
        for row in loose.iter().skip(ready) {
            let free_at = row.at.plus(window).plus(Millis(1));
            if due.is_some_and(|due| due <= free_at) {
                break;
            }
            chosen.take(row);
            if chosen.is_enough(policy) {
                blocks += 1;
                chosen = Chosen::default();
                if !std::mem::replace(&mut is_enough, true) {
                    let together = late.map_or(free_at, |late| late.max(free_at)).min(free_at.plus(policy.delay));
                    due = Some(due.map_or(together, |due| due.min(together)));
                }
                if blocks == limits::BLOCKS_TOGETHER {
                    due = Some(free_at);
                }
            } else if due.is_none() && !is_enough && chosen.is_worth_it(policy) {
                due = late.map(|late| late.max(free_at));
            }
        }
        Ok(Next { packing: None, due: due.map(|at| again(at, is_held_back, now)) })
    }

    /// Blocks were made as far as there was anything to make them of.
    pub(super) fn packed(&mut self, due: Option<Timestamp>) {
        self.pack_at = due;
    }

    /// A look has begun; if it ends without telling, there is another one later.
    pub(super) fn begin_packing(&mut self, now: Timestamp) {
        self.pack_at = Some(now.plus(LOOK_AGAIN));
    }

    /// The key window was changed: what waits for its end waits for another one.
    pub(super) fn window_changed(&mut self, before: Millis, after: Millis) {
        self.pack_at = self.pack_at.map(|at| at.minus(before).plus(after));
        self.pack_at_written = self.pack_at_written.map(|at| at.map(|at| at.minus(before).plus(after)));
    }

    /// The row that says when to look again: without the key window, which may be another one when it is read.
    pub(super) fn write_packing(&mut self) -> Vec<u8> {
        self.pack_at_written = Some(self.pack_at);
        let mut out = Writer::new();
        out.u8(1);
        out.int(self.pack_at.map_or(i64::MIN, |at| at.minus(self.settings.key_window).0));
        out.into_bytes()
    }

    /// The same, if it says something else than the one that is there.
    pub(super) fn take_packing(&mut self) -> Option<Vec<u8>> {
        (self.pack_at_written != Some(self.pack_at)).then(|| self.write_packing())
    }

    /// Takes up what [`StreamMachine::write_packing`] wrote. Without it, or if it cannot be read, a look at once finds out.
    pub(super) fn read_packing(&mut self, row: Option<&[u8]>) {
        let told = row.and_then(|row| read(row).ok());
        let told = told.map(|at| at.map(|at| at.plus(self.settings.key_window)));
        self.pack_at_written = told;
        self.pack_at = told.unwrap_or((self.folded > 0).then_some(Timestamp(0)));
    }
}

/// A look that would come too early to find anything comes later.
fn again(due: Timestamp, is_held_back: bool, now: Timestamp) -> Timestamp {
    let earliest = if is_held_back { now.plus(LOOK_AGAIN) } else { now.plus(Millis(1)) };
    due.max(earliest)
}

fn read(row: &[u8]) -> Result<Option<Timestamp>, ReadError> {
    let mut input = Reader::new(row);
    if input.u8()? != 1 {
        return Err(ReadError::Unknown("version of when to pack"));
    }
    Ok(Some(input.int()?).filter(|&at| at != i64::MIN).map(Timestamp))
}

fn pack<S: StreamStore>(store: &S, chosen: Chosen) -> Result<Packing, S::Error> {
    let Chosen { seqs, full, mut aside, .. } = chosen;
    let seq_first = seqs.iter().chain(&aside).min().copied().unwrap_or_default();
    let mut seq_last = seqs.iter().chain(&aside).max().copied().unwrap_or_default();
    let mut rows = Vec::with_capacity(seqs.len());
    for &seq in &seqs {
        rows.extend(store.row(seq)?);
    }
    match compaction::pack(&rows) {
        Ok(packed) => {
            let is_whole = packed.seqs.len() + packed.unreadable.len() == rows.len();
            if !is_whole {
                seq_last = packed.seqs.last().copied().unwrap_or(seq_last);
            }
            aside.extend(packed.unreadable.iter().map(|(seq, _)| *seq));
            aside.retain(|seq| *seq <= seq_last);
            aside.sort_unstable();
            Ok(Packing { seq_first, seq_last, block: Some(packed), aside, unfit: None })
        }
        // As rows they are as good as before; only the way on must be free.
        Err(unfit) => {
            aside.extend(full);
            aside.sort_unstable();
            Ok(Packing { seq_first, seq_last, block: None, aside, unfit: Some(unfit) })
        }
    }
}
