//! The journal of a stream object and the blocks that it becomes: one sequence of rows, wherever they lie.
//!
//! A block's row hides the rows of the journal up to its last sequence ("packed"): inserting it is what moves its records,
//! in one statement. The hidden rows are not deleted one by one, which would be billed like writing them; the journal has
//! an older part, and when all of that is hidden it is dropped as a table, which costs nothing, and the newer part takes
//! its place. That is done only while everything is folded, so that a build that knows no blocks still finds in `journal`
//! every row that it has to fold.
//!
//! Invariants: sequences up to `packed` are in a block or aside, those above it in the journal; the newest block's row
//! stays, emptied if its records expired, because it says how far `packed` is. No cursor stays open behind a call, since
//! a table that is being read cannot be dropped. A block that cannot be read stays where it is and stands for one row
//! that cannot be read either, so that every reader counts it. Left out here: what to pack, which is the machine's.

use super::fault::Fault;
use super::sql::{Columns, Sql, int, time, uint};
use crate::monitoring::report;
use sapwood_engine::machine::compaction::{self, PackedRows};
use sapwood_engine::machine::erasure::Counts;
use sapwood_engine::machine::row::{self, HUSKS, Row, RowKind};
use sapwood_engine::machine::stream::{LooseRow, Outline, Packing, PlaceOutline};
use sapwood_engine::query::RowSummary;
use sapwood_engine::record::Record;
use sapwood_engine::segment::block::Block;
use sapwood_engine::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use worker::SqlStorageValue as Value;

const COLUMNS: &str = "seq, at, kind, time_min, time_max, count, levels, heads, body";
const TABLE: &str = "CREATE TABLE journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, \
     time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, count INTEGER NOT NULL, levels INTEGER NOT NULL, \
     heads BLOB NOT NULL, body BLOB NOT NULL) STRICT";
/// Rows, and bytes of them, that are in memory at once while the journal is walked.
const WALK_ROWS: i64 = 128;
const WALK_BYTES: u64 = 4 * 1024 * 1024;
/// Heads that are in memory at once while a caller's id is looked for.
const HEADS_ROWS: i64 = 256;
/// How many hidden rows outweigh one that is not and has to be written anew when their table is dropped.
const HIDDEN_FOR_ONE: u64 = 64;
/// Bytes that no build takes for segments: the body of the row that stands for a block that cannot be read.
const UNREADABLE: &[u8] = &[0xff];

/// The journal of one object.
pub struct Journal {
    sql: Rc<Sql>,
    /// Rows up to this one are in a block or aside.
    packed: Cell<u64>,
    /// The block that was opened last, by its first sequence.
    opened: RefCell<Option<(u64, Rc<Vec<Row>>)>>,
}

/// What a reader may have to open.
pub enum Place {
    /// A row.
    Row(RowSummary),
    /// A block; `seq` is that of its first row, `at` the latest receive time.
    Block(RowSummary),
}

/// What is in blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockFigures {
    /// Blocks.
    pub blocks: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What may leave: rows older than `from` by event time and than `received_before` by receive time, up to `seq_max`.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Event time.
    pub from: Timestamp,
    /// Receive time.
    pub received_before: Timestamp,
    /// Sequence.
    pub seq_max: u64,
}

impl Expiry {
    fn takes(&self, seq: u64, time_max: Timestamp, at: Timestamp) -> bool {
        seq <= self.seq_max && time_max < self.from && at < self.received_before
    }

    fn values(&self) -> Vec<Value> {
        vec![uint(self.seq_max), time(self.from), time(self.received_before)]
    }
}

/// The columns of a block without its body.
struct Head {
    seq_first: u64,
    seq_last: u64,
    at_max: Timestamp,
    time_min: Timestamp,
    time_max: Timestamp,
    count: u32,
    levels: u8,
}

impl Journal {
    /// The journal in `sql`, whose schema is up to date.
    pub fn open(sql: Rc<Sql>) -> Result<Self, Fault> {
        let query = "SELECT max(seq_last) FROM block";
        let packed = sql.all("read how far blocks reach", query, vec![], Columns::optional_int)?;
        let packed = packed.into_iter().flatten().next().and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
        Ok(Self { sql, packed: Cell::new(packed), opened: RefCell::new(None) })
    }

    /// Appends a row.
    pub fn append(&self, row: &Row) -> Result<(), Fault> {
        self.insert("journal", row)
    }

    fn insert(&self, table: &str, row: &Row) -> Result<(), Fault> {
        let values = vec![
            uint(row.seq),
            time(row.at),
            int(row.kind.code().into()),
            time(row.time_min),
            time(row.time_max),
            int(row.count.into()),
            int(row.levels.into()),
            Value::Blob(row.heads.clone()),
            Value::Blob(row.body.clone()),
        ];
        let statement = format!("INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        self.sql.run("append to the journal", &statement, values)
    }

    // --- reading ----------------------------------------------------------------------------------

    /// The rows that are in no block and not aside, with these columns.
    fn loose_rows(&self, columns: &str) -> String {
        let packed = self.packed.get();
        format!(
            "SELECT {columns} FROM journal_old WHERE seq > {packed} \
             UNION ALL SELECT {columns} FROM journal WHERE seq > {packed}"
        )
    }

    /// The rows that are in no block, with these columns.
    fn plain_rows(&self, columns: &str) -> String {
        format!("SELECT {columns} FROM aside UNION ALL {}", self.loose_rows(columns))
    }

    /// One whole row.
    pub fn row(&self, seq: u64) -> Result<Option<Row>, Fault> {
        let tables: &[&str] = if seq > self.packed.get() { &["journal", "journal_old"] } else { &["aside"] };
        for table in tables {
            let query = format!("SELECT {COLUMNS} FROM {table} WHERE seq = ?");
            let found = self.sql.all("read a row", &query, vec![uint(seq)], read_row)?;
            if let Some(row) = found.into_iter().flatten().next() {
                return Ok(Some(row));
            }
        }
        let heads = self.heads_of("seq_first <= ? ORDER BY seq_first DESC LIMIT 1", vec![uint(seq)])?;
        let Some(head) = heads.into_iter().next().filter(|head| seq <= head.seq_last) else { return Ok(None) };
        Ok(self.rows_of(&head)?.iter().find(|row| row.seq == seq).cloned())
    }

    fn heads_of(&self, which: &str, values: Vec<Value>) -> Result<Vec<Head>, Fault> {
        let query =
            format!("SELECT seq_first, seq_last, at_max, time_min, time_max, count, levels FROM block WHERE {which}");
        self.sql.all("read what blocks there are", &query, values, |columns| Head {
            seq_first: columns.uint(),
            seq_last: columns.uint(),
            at_max: Timestamp(columns.int()),
            time_min: Timestamp(columns.int()),
            time_max: Timestamp(columns.int()),
            count: columns.int() as u32,
            levels: columns.int() as u8,
        })
    }

    /// The bytes of a block.
    pub fn block(&self, seq_first: u64) -> Result<Option<Vec<u8>>, Fault> {
        let query = "SELECT body FROM block WHERE seq_first = ?";
        let found = self.sql.all("read a block", query, vec![uint(seq_first)], Columns::blob)?;
        Ok(found.into_iter().next().filter(|body| !body.is_empty()))
    }

    /// The rows of a block. Those of one that cannot be read are one row that cannot be read.
    fn rows_of(&self, head: &Head) -> Result<Rc<Vec<Row>>, Fault> {
        if let Some((seq_first, rows)) = &*self.opened.borrow()
            && *seq_first == head.seq_first
        {
            return Ok(Rc::clone(rows));
        }
        let rows = match self.block(head.seq_first)?.map(|body| compaction::unpack(&body)) {
            None => Vec::new(),
            Some(Ok(rows)) => rows,
            Some(Err(error)) => {
                report("BlockUnreadable", &[("seq", &head.seq_first), ("error", &error)]);
                vec![stand_in(head)]
            }
        };
        let rows = Rc::new(rows);
        self.opened.replace(Some((head.seq_first, Rc::clone(&rows))));
        Ok(rows)
    }

    /// Rows and blocks that hold accepted records in a span of event time, newest first as far as that can be told.
    pub fn places(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Vec<Place>, Fault> {
        let query = format!(
            "SELECT seq, at, time_min, time_max, count, levels FROM ({}) \
             WHERE kind = 0 AND count > 0 AND time_max >= ? AND time_min < ? ORDER BY seq DESC",
            self.plain_rows("seq, at, kind, time_min, time_max, count, levels")
        );
        let values = vec![time(from.unwrap_or(Timestamp::MIN)), time(to.unwrap_or(Timestamp::MAX))];
        let mut places = self.sql.all("read summaries", &query, values.clone(), |columns| {
            Place::Row(RowSummary {
                seq: columns.uint(),
                at: Timestamp(columns.int()),
                time_min: Timestamp(columns.int()),
                time_max: Timestamp(columns.int()),
                count: columns.int() as u32,
                levels: columns.int() as u8,
            })
        })?;
        let blocks = self.heads_of("count > 0 AND time_max >= ? AND time_min < ? ORDER BY seq_first DESC", values)?;
        places.extend(blocks.into_iter().map(|head| {
            Place::Block(RowSummary {
                seq: head.seq_first,
                at: head.at_max,
                time_min: head.time_min,
                time_max: head.time_max,
                count: head.count,
                levels: head.levels,
            })
        }));
        Ok(places)
    }

    /// Whole rows that count records in a span of event time (also those whose text was not kept), until `visit` has
    /// enough.
    pub fn counted_within(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut visit: impl FnMut(&Row) -> bool,
    ) -> Result<(), Fault> {
        let query = format!(
            "SELECT {COLUMNS} FROM ({}) WHERE kind IN (0, 1) AND count > 0 AND time_max >= ? AND time_min < ? \
             AND seq < ? ORDER BY seq DESC LIMIT ?",
            self.plain_rows(COLUMNS)
        );
        let mut before = i64::MAX as u64;
        loop {
            let values = vec![time(from), time(to), uint(before), int(WALK_ROWS)];
            let rows = self.sql.all("read rows of a span", &query, values, read_row)?;
            let rows: Vec<Row> = rows.into_iter().flatten().collect();
            let Some(last) = rows.last() else { break };
            before = last.seq;
            if !rows.iter().all(&mut visit) {
                return Ok(());
            }
        }
        let within = "count > 0 AND time_max >= ? AND time_min < ? ORDER BY seq_first DESC";
        for head in self.heads_of(within, vec![time(from), time(to)])? {
            let rows = self.rows_of(&head)?;
            if !rows.iter().filter(|row| row.time_max >= from && row.time_min < to).all(&mut visit) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Heads of the rows with accepted records that are in no block, newest first, until `visit` has enough.
    pub fn heads(&self, mut visit: impl FnMut(u64, Vec<u8>) -> bool) -> Result<(), Fault> {
        let query = format!(
            "SELECT seq, heads FROM ({}) WHERE kind = 0 AND count > 0 AND seq < ? ORDER BY seq DESC LIMIT ?",
            self.plain_rows("seq, kind, count, heads")
        );
        let mut before = i64::MAX as u64;
        loop {
            let values = vec![uint(before), int(HEADS_ROWS)];
            let found = self.sql.all("read heads", &query, values, |columns| (columns.uint(), columns.blob()))?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            before = *last;
            if !found.into_iter().all(|(seq, heads)| visit(seq, heads)) {
                return Ok(());
            }
        }
    }

    /// First sequences of the blocks that hold records, newest first.
    pub fn blocks(&self) -> Result<Vec<u64>, Fault> {
        let heads = self.heads_of("count > 0 ORDER BY seq_first DESC", vec![])?;
        Ok(heads.into_iter().map(|head| head.seq_first).collect())
    }

    /// Whole rows with `seq > after`, oldest first, until `visit` says that it has enough.
    pub fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Fault> {
        let mut after = after;
        while after < self.packed.get() {
            let next = self.heads_of("seq_last > ? ORDER BY seq_first LIMIT 1", vec![uint(after)])?;
            let until = next.first().map_or(self.packed.get(), |head| head.seq_last);
            let query = format!("SELECT {COLUMNS} FROM aside WHERE seq > ? AND seq <= ?");
            let values = vec![uint(after), uint(until)];
            let mut rows: Vec<Row> =
                self.sql.all("read rows aside", &query, values, read_row)?.into_iter().flatten().collect();
            if let Some(head) = next.first() {
                rows.extend(self.rows_of(head)?.iter().filter(|row| row.seq > after).cloned());
            }
            rows.sort_by_key(|row| row.seq);
            if !rows.into_iter().all(&mut *visit) {
                return Ok(());
            }
            after = until;
        }
        self.loose_after(after, visit)
    }

    fn loose_after(&self, mut after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Fault> {
        let doing = "read the journal";
        let sizes = format!(
            "SELECT seq, bytes FROM ({}) WHERE seq > ? ORDER BY seq LIMIT ?",
            self.loose_rows("seq, length(heads) + length(body) AS bytes")
        );
        let whole =
            format!("SELECT {COLUMNS} FROM ({}) WHERE seq > ? AND seq <= ? ORDER BY seq", self.loose_rows(COLUMNS));
        loop {
            let values = vec![uint(after), int(WALK_ROWS)];
            let sizes = self.sql.all(doing, &sizes, values, |columns| (columns.uint(), columns.uint()))?;
            let mut bytes = 0;
            let fits = sizes.into_iter().enumerate().take_while(|(number, (_, size))| {
                bytes += size;
                *number == 0 || bytes <= WALK_BYTES
            });
            let Some((_, (last, _))) = fits.last() else { return Ok(()) };
            let rows = self.sql.all(doing, &whole, vec![uint(after), uint(last)], read_row)?;
            if !rows.into_iter().flatten().all(&mut *visit) {
                return Ok(());
            }
            after = last;
        }
    }

    /// Outlines of the rows with `after < seq <= to`, oldest first, at most `room` of them. Of a row in a block the levels
    /// are those of the block.
    pub fn outlines(&self, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, Fault> {
        let mut found = Vec::new();
        let mut passed = after;
        while passed < to.min(self.packed.get()) && found.len() < room as usize {
            let next = self.heads_of("seq_last > ? ORDER BY seq_first LIMIT 1", vec![uint(passed)])?;
            let until = next.first().map_or(self.packed.get(), |head| head.seq_last);
            let mut part = self.outlines_in("SELECT seq, kind, count, levels FROM aside", passed, until, room)?;
            if let Some(head) = next.first() {
                part.extend(self.outlines_of(head)?.into_iter().filter(|it| it.seq > passed));
            }
            part.sort_by_key(|outline| outline.seq);
            found.extend(part.into_iter().filter(|it| it.seq <= to));
            passed = until;
        }
        if found.len() < room as usize && passed < to {
            let left = room - found.len() as u32;
            found.extend(self.outlines_in(&self.loose_rows("seq, kind, count, levels"), passed, to, left)?);
        }
        found.truncate(room as usize);
        Ok(found)
    }

    fn outlines_in(&self, rows: &str, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, Fault> {
        let query =
            format!("SELECT seq, kind, count, levels FROM ({rows}) WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
        let values = vec![uint(after), uint(to), int(room.into())];
        self.sql.all("read outlines", &query, values, |columns| Outline {
            seq: columns.uint(),
            kind: RowKind::from_code(columns.int() as u8),
            count: columns.int() as u32,
            levels: columns.int() as u8,
        })
    }

    fn outlines_of(&self, head: &Head) -> Result<Vec<Outline>, Fault> {
        let Some(body) = self.block(head.seq_first)? else { return Ok(Vec::new()) };
        let outline = |seq, count| Outline { seq, kind: Some(RowKind::Segments), count, levels: head.levels };
        let rows = Block::open(&body).and_then(|block| block.rows());
        Ok(match rows {
            Ok(rows) => rows.into_iter().map(|row| outline(row.seq, row.count)).collect(),
            Err(_) => vec![outline(head.seq_last, head.count)],
        })
    }

    /// The oldest rows that are neither in a block nor set aside, at most `room` of them.
    pub fn loose(&self, room: u32) -> Result<Vec<LooseRow>, Fault> {
        let query = format!(
            "SELECT seq, at, kind, count, bytes FROM ({}) ORDER BY seq LIMIT ?",
            self.loose_rows("seq, at, kind, count, length(body) AS bytes")
        );
        self.sql.all("look for rows to pack", &query, vec![int(room.into())], |columns| LooseRow {
            seq: columns.uint(),
            at: Timestamp(columns.int()),
            kind: RowKind::from_code(columns.int() as u8),
            count: columns.int() as u32,
            bytes: columns.uint(),
        })
    }

    /// Rows and blocks with records whose last sequence is greater, in order, at most `room` of them.
    pub fn places_after(&self, after: u64, room: u32) -> Result<Vec<PlaceOutline>, Fault> {
        let query = format!(
            "SELECT seq, seq, at, time_max, levels FROM ({}) WHERE kind = 0 AND count > 0 AND seq > ?1 \
             UNION ALL SELECT seq_first, seq_last, at_max, time_max, levels FROM block WHERE count > 0 AND seq_last > ?1 \
             ORDER BY 2 LIMIT ?2",
            self.plain_rows("seq, at, kind, time_max, count, levels")
        );
        self.sql.all("look for records to remove", &query, vec![uint(after), int(room.into())], |columns| {
            PlaceOutline {
                seq_first: columns.uint(),
                seq_last: columns.uint(),
                at_max: Timestamp(columns.int()),
                time_max: Timestamp(columns.int()),
                levels: columns.int() as u8,
            }
        })
    }

    /// Removes every place with records up to a row.
    pub fn remove_up_to(&self, seq: u64) -> Result<(), Fault> {
        let expiry = Expiry { from: Timestamp::MAX, received_before: Timestamp::MAX, seq_max: seq };
        self.retain(&expiry, u32::MAX).map(drop)
    }

    /// The first row that was received at an instant or later.
    pub fn first_received(&self, at: Timestamp) -> Result<Option<u64>, Fault> {
        let query = format!("SELECT min(seq) FROM ({}) WHERE at >= ?", self.plain_rows("seq, at"));
        let plain = self.sql.all("find the first row of a span", &query, vec![time(at)], Columns::optional_int)?;
        let plain = plain.into_iter().flatten().next().and_then(|seq| u64::try_from(seq).ok());
        let block = self.heads_of("count > 0 AND at_max >= ? ORDER BY seq_first LIMIT 1", vec![time(at)])?;
        let packed = match block.first() {
            None => None,
            Some(head) => self.rows_of(head)?.iter().find(|row| row.at >= at).map(|row| row.seq),
        };
        Ok(plain.into_iter().chain(packed).min())
    }

    /// What is in blocks. A blob's length is in its row's header: no body is read.
    pub fn figures(&self) -> Result<BlockFigures, Fault> {
        let query = "SELECT count(*), total(count), total(length(body)) FROM block WHERE count > 0";
        let found = self.sql.all("read what is in blocks", query, vec![], |columns| BlockFigures {
            blocks: columns.uint(),
            records: columns.uint(),
            bytes: columns.uint(),
        })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Receive times of the first and the last row with records, up to a row.
    pub fn received_between(&self, to: u64) -> Result<Option<(Timestamp, Timestamp)>, Fault> {
        let query = format!(
            "SELECT min(at), max(at) FROM ({}) WHERE kind = 0 AND count > 0 AND seq <= ?",
            self.plain_rows("seq, at, kind, count")
        );
        let plain = self.sql.all("find what was received", &query, vec![uint(to)], |columns| {
            columns.optional_int().zip(columns.optional_int())
        })?;
        let plain = plain.into_iter().flatten().flat_map(|(from, to)| [Timestamp(from), Timestamp(to)]);
        let blocks = self.heads_of("count > 0 AND seq_first <= ? ORDER BY seq_first", vec![uint(to)])?;
        let first = match blocks.first() {
            None => None,
            Some(head) => self.rows_of(head)?.iter().map(|row| row.at).min(),
        };
        let times: Vec<Timestamp> = plain.chain(first).chain(blocks.iter().map(|head| head.at_max)).collect();
        Ok(times.iter().min().copied().zip(times.iter().max().copied()))
    }

    /// Which of these rows have left.
    pub fn missing(&self, seqs: BTreeSet<u64>) -> Result<BTreeSet<u64>, Fault> {
        let mut missing = seqs;
        let (Some(&first), Some(&last)) = (missing.first(), missing.last()) else { return Ok(missing) };
        let query = format!("SELECT seq FROM ({}) WHERE seq BETWEEN ? AND ?", self.plain_rows("seq"));
        for seq in self.sql.all("find rows", &query, vec![uint(first), uint(last)], Columns::uint)? {
            missing.remove(&seq);
        }
        for head in self.heads_of("count > 0 AND seq_last >= ? AND seq_first <= ?", vec![uint(first), uint(last)])? {
            if missing.range(head.seq_first..=head.seq_last).next().is_some() {
                self.rows_of(&head)?.iter().for_each(|row| {
                    missing.remove(&row.seq);
                });
            }
        }
        Ok(missing)
    }

    /// What is held, by name.
    pub fn holdings(&self) -> Result<Counts, Fault> {
        let one = |query: &str| {
            let found = self.sql.all("count what is held", query, vec![], Columns::uint)?;
            Ok::<u64, Fault>(found.into_iter().sum())
        };
        let rows = self.plain_rows("kind, count");
        let figures = self.figures()?;
        let records = one(&format!("SELECT total(count) FROM ({rows}) WHERE kind = 0"))? + figures.records;
        Ok(Counts::from([
            ("records".to_owned(), records),
            ("journal_rows".to_owned(), one(&format!("SELECT count(*) FROM ({rows})"))?),
            ("blocks".to_owned(), figures.blocks),
        ]))
    }

    // --- rewriting --------------------------------------------------------------------------------

    /// Replaces the records of rows by the same with husks among them, hidden copies too, so that nothing of what is taken
    /// out waits on disk for its table to be dropped. One transaction, please.
    pub fn set_all_bodies(&self, bodies: Vec<(u64, Vec<u8>)>) -> Result<(), Fault> {
        self.rewrite_rows(&bodies, &["aside", "journal_old", "journal"])?;
        self.rewrite_blocks(bodies)
    }

    /// The same without the hidden copies, each of which would be billed: they go with their table.
    pub fn set_bodies(&self, bodies: Vec<(u64, Vec<u8>)>) -> Result<(), Fault> {
        let (hidden, loose): (Vec<_>, Vec<_>) = bodies.iter().cloned().partition(|(seq, _)| *seq <= self.packed.get());
        self.rewrite_rows(&loose, &["journal_old", "journal"])?;
        self.rewrite_rows(&hidden, &["aside"])?;
        self.rewrite_blocks(bodies)
    }

    /// What else the columns of rows say of them stays.
    fn rewrite_rows(&self, bodies: &[(u64, Vec<u8>)], tables: &[&str]) -> Result<(), Fault> {
        for (seq, body) in bodies {
            for table in tables {
                let statement = format!("UPDATE {table} SET body = ?, levels = levels | {HUSKS} WHERE seq = ?");
                self.sql.run("rewrite a row", &statement, vec![Value::Blob(body.clone()), uint(*seq)])?;
            }
        }
        Ok(())
    }

    fn rewrite_blocks(&self, bodies: Vec<(u64, Vec<u8>)>) -> Result<(), Fault> {
        let (Some(first), Some(last)) = (bodies.first(), bodies.last()) else { return Ok(()) };
        let span = vec![uint(first.0), uint(last.0)];
        let mut bodies: BTreeMap<u64, Vec<u8>> = bodies.into_iter().collect();
        for head in self.heads_of("count > 0 AND seq_last >= ? AND seq_first <= ?", span)? {
            let mut rows = self.rows_of(&head)?.to_vec();
            let mut is_other = false;
            for row in &mut rows {
                if let Some(body) = bodies.remove(&row.seq) {
                    (row.body, row.levels, is_other) = (body, row.levels | HUSKS, true);
                }
            }
            if is_other {
                self.remake(&head, &rows)?;
            }
        }
        Ok(())
    }

    /// Makes a block anew of these rows of its own. What does not fit it any more, for whatever reason, stays aside: what
    /// is taken out has to leave.
    fn remake(&self, head: &Head, rows: &[Row]) -> Result<(), Fault> {
        let is_husks = |row: &Row| row::records(&row.body).is_ok_and(|records| records.iter().all(Record::is_husk));
        if rows.iter().all(is_husks) {
            return self.put_block(head.seq_first, None);
        }
        let packed = compaction::pack(rows)
            .inspect_err(|error| {
                report("BlockNotRemade", &[("block", &head.seq_first), ("error", &format!("{error:?}"))])
            })
            .ok();
        let taken: BTreeSet<u64> = packed.iter().flat_map(|packed| &packed.seqs).copied().collect();
        for row in rows.iter().filter(|row| !taken.contains(&row.seq)) {
            report("RowSetAside", &[("seq", &row.seq), ("block", &head.seq_first)]);
            self.insert("aside", row)?;
        }
        self.put_block(head.seq_first, packed.as_ref())
    }

    /// Puts a block in the place of another; none leaves the row alone, which says how far blocks reach.
    fn put_block(&self, seq_first: u64, packed: Option<&PackedRows>) -> Result<(), Fault> {
        let values = block_values(packed).into_iter().chain([uint(seq_first)]).collect();
        let statement = "UPDATE block SET at_max = ?, time_min = ?, time_max = ?, count = ?, rows = ?, levels = ?, \
                         body = ? WHERE seq_first = ?";
        self.opened.replace(None);
        self.sql.run("make a block anew", statement, values)
    }

    // --- packing ----------------------------------------------------------------------------------

    /// Stores a block and sets aside what stays beside it; the rest of the span is hidden by it.
    pub fn store_block(&self, packing: &Packing) -> Result<(), Fault> {
        let copy = format!("INSERT INTO aside SELECT {COLUMNS} FROM ({}) WHERE seq = ?", self.loose_rows(COLUMNS));
        for &seq in &packing.aside {
            self.sql.run("set a row aside", &copy, vec![uint(seq)])?;
        }
        let values = block_values(packing.block.as_ref());
        let values = [uint(packing.seq_first), uint(packing.seq_last)].into_iter().chain(values).collect();
        self.sql.run("write a block", "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)?;
        self.packed.set(self.packed.get().max(packing.seq_last));
        Ok(())
    }

    /// Whether the room of hidden rows should be given back: the older part holds hardly anything else, or there is none
    /// and the newer one begins with some. Sequences have no gaps to speak of, so three of them tell.
    pub fn has_hidden_part(&self) -> Result<bool, Fault> {
        let query = "SELECT (SELECT min(seq) FROM journal_old), (SELECT max(seq) FROM journal_old), \
                     (SELECT min(seq) FROM journal)";
        let found = self.sql.all("look for hidden rows", query, vec![], |columns| {
            [columns.optional_int(), columns.optional_int(), columns.optional_int()]
                .map(|seq| seq.and_then(|seq| u64::try_from(seq).ok()))
        })?;
        let packed = self.packed.get();
        Ok(match found.into_iter().next().unwrap_or_default() {
            [Some(first), Some(last), _] => {
                let hidden = (packed + 1).saturating_sub(first);
                hidden > 0 && last.saturating_sub(packed).saturating_mul(HIDDEN_FOR_ONE) <= hidden
            }
            [_, _, newer] => newer.is_some_and(|first| first <= packed),
        })
    }

    /// Damages the oldest block.
    #[cfg(feature = "fault-injection")]
    pub fn damage_block(&self) -> Result<(), Fault> {
        let statement = "UPDATE block SET body = substr(body, 1, length(body) - 1) \
                         WHERE seq_first = (SELECT min(seq_first) FROM block WHERE count > 0)";
        self.opened.replace(None);
        self.sql.run("fault injected: damage a block", statement, vec![])
    }

    /// Drops the older part with its hidden rows, the few others carried over; the newer part takes its place. One
    /// transaction, please.
    pub fn turn_over(&self) -> Result<(), Fault> {
        let doing = "turn the journal over";
        let carry = format!("INSERT INTO journal SELECT * FROM journal_old WHERE seq > {}", self.packed.get());
        self.sql.run(doing, &carry, vec![])?;
        self.sql.run(doing, "DROP TABLE journal_old", vec![])?;
        self.sql.run(doing, "ALTER TABLE journal RENAME TO journal_old", vec![])?;
        self.sql.run(doing, TABLE, vec![])
    }

    // --- removing ---------------------------------------------------------------------------------

    /// Removes what may leave, at most `room` rows and blocks; returns how many rows of the journal that were. A block
    /// leaves as a whole, when the last of its rows may.
    pub fn retain(&self, expiry: &Expiry, room: u32) -> Result<u64, Fault> {
        let mut removed = 0;
        for table in ["aside", "journal_old", "journal"] {
            // Hidden rows go with their table, for nothing.
            let hidden = if table == "aside" { 0 } else { self.packed.get() };
            let query = format!(
                "SELECT seq FROM {table} WHERE seq > {hidden} AND seq <= ? AND time_max < ? AND at < ? \
                 ORDER BY seq LIMIT ?"
            );
            let values = expiry.values().into_iter().chain([int(room.into())]).collect();
            let seqs = self.sql.all("find expired rows", &query, values, Columns::uint)?;
            let statement = format!("DELETE FROM {table} WHERE seq = ?");
            for &seq in &seqs {
                self.sql.run("delete expired rows", &statement, vec![uint(seq)])?;
            }
            removed += seqs.len() as u64;
        }
        let query = "SELECT seq_first, seq_last, rows FROM block WHERE seq_last <= ? AND time_max < ? AND at_max < ? \
                     AND (count > 0 OR seq_last < (SELECT max(seq_last) FROM block)) ORDER BY seq_first LIMIT ?";
        let values = expiry.values().into_iter().chain([int(room.into())]).collect();
        let blocks = self
            .sql
            .all("find expired blocks", query, values, |columns| (columns.uint(), columns.uint(), columns.uint()))?;
        for (seq_first, seq_last, rows) in blocks {
            let statement = if seq_last >= self.packed.get() {
                "UPDATE block SET count = 0, rows = 0, body = x'' WHERE seq_first = ?"
            } else {
                "DELETE FROM block WHERE seq_first = ?"
            };
            self.sql.run("delete expired blocks", statement, vec![uint(seq_first)])?;
            removed += rows;
        }
        self.opened.replace(None);
        Ok(removed)
    }

    /// Makes blocks anew of which only some rows may leave, at most `room` of them from sequence `after` on; where to go on,
    /// if that was not the end.
    pub fn trim(&self, expiry: &Expiry, after: u64, room: usize) -> Result<Option<u64>, Fault> {
        let mut made = 0;
        for head in self.cut_across(expiry, after)? {
            if made >= room {
                return Ok(Some(head.seq_first.saturating_sub(1)));
            }
            if self.leaving(&head, expiry)?.0 == 0 {
                continue;
            }
            made += 1;
            let rows = self.rows_of(&head)?;
            let kept: Vec<Row> =
                rows.iter().filter(|row| !expiry.takes(row.seq, row.time_max, row.at)).cloned().collect();
            let packed = match compaction::pack(&kept) {
                Ok(packed) if packed.seqs.len() == kept.len() => packed,
                // It leaves as a whole, later.
                _ => continue,
            };
            self.put_block(head.seq_first, Some(&packed))?;
        }
        Ok(None)
    }

    /// The blocks of which some rows may leave and others not, by what stands beside them.
    fn cut_across(&self, expiry: &Expiry, after: u64) -> Result<Vec<Head>, Fault> {
        let which = "count > 0 AND seq_first > ? AND seq_first <= ? AND time_min < ? \
                     AND NOT (seq_last <= ? AND time_max < ? AND at_max < ?) ORDER BY seq_first";
        let first = [uint(after), uint(expiry.seq_max), time(expiry.from)];
        self.heads_of(which, first.into_iter().chain(expiry.values()).collect())
    }

    /// Rows and records of a block that may leave; none of one that cannot be read.
    fn leaving(&self, head: &Head, expiry: &Expiry) -> Result<(u64, u64), Fault> {
        let Some(body) = self.block(head.seq_first)? else { return Ok((0, 0)) };
        let spans = Block::open(&body).and_then(|block| block.spans()).unwrap_or_default();
        let leaving = spans.into_iter().filter(|(row, _, latest)| expiry.takes(row.seq, *latest, row.at));
        Ok(leaving.fold((0, 0), |(rows, records), (row, ..)| (rows + 1, records + u64::from(row.count))))
    }

    /// Rows and accepted records that may leave, whatever the room.
    pub fn expiring(&self, expiry: &Expiry) -> Result<(u64, u64), Fault> {
        let doing = "count expired rows";
        let query = format!(
            "SELECT count(*), total(count) FROM ({}) WHERE seq <= ? AND time_max < ? AND at < ?",
            self.plain_rows("seq, at, time_max, count")
        );
        let read = |columns: &mut Columns| (columns.uint(), columns.uint());
        let (mut rows, mut records) =
            self.sql.all(doing, &query, expiry.values(), read)?.into_iter().next().unwrap_or_default();
        let query = "SELECT total(rows), total(count) FROM block WHERE seq_last <= ? AND time_max < ? AND at_max < ?";
        let whole = self.sql.all(doing, query, expiry.values(), read)?.into_iter().next().unwrap_or_default();
        (rows, records) = (rows + whole.0, records + whole.1);
        for head in self.cut_across(expiry, 0)? {
            let leaving = self.leaving(&head, expiry)?;
            (rows, records) = (rows + leaving.0, records + leaving.1);
        }
        Ok((rows, records))
    }

    /// The event time or, if later, the receive time of the row or block that expires first.
    pub fn oldest(&self) -> Result<Option<Timestamp>, Fault> {
        let query = format!(
            "SELECT min(latest) FROM (SELECT max(time_max, at) AS latest FROM ({}) \
             UNION ALL SELECT max(time_max, at_max) AS latest FROM block WHERE count > 0)",
            self.plain_rows("time_max, at")
        );
        let found = self.sql.all("read the oldest row", &query, vec![], Columns::optional_int)?;
        Ok(found.into_iter().flatten().next().map(Timestamp))
    }
}

/// The columns of a block behind its sequences. Without one, of a row that only says how far blocks reach.
fn block_values(block: Option<&PackedRows>) -> Vec<Value> {
    let Some(block) = block else {
        return vec![int(0), int(0), int(0), int(0), int(0), int(0), Value::Blob(Vec::new())];
    };
    vec![
        time(block.received_max),
        time(block.time_min),
        time(block.time_max),
        int(block.count.into()),
        uint(block.seqs.len() as u64),
        int(block.levels.into()),
        Value::Blob(block.body.clone()),
    ]
}

fn stand_in(head: &Head) -> Row {
    Row {
        seq: head.seq_last,
        at: head.at_max,
        kind: RowKind::Segments,
        time_min: head.time_min,
        time_max: head.time_max,
        count: head.count,
        levels: head.levels,
        heads: Vec::new(),
        body: UNREADABLE.to_vec(),
    }
}

fn read_row(columns: &mut Columns) -> Option<Row> {
    Some(Row {
        seq: columns.uint(),
        at: Timestamp(columns.int()),
        kind: RowKind::from_code(columns.int() as u8)?,
        time_min: Timestamp(columns.int()),
        time_max: Timestamp(columns.int()),
        count: columns.int() as u32,
        levels: columns.int() as u8,
        heads: columns.blob(),
        body: columns.blob(),
    })
}
