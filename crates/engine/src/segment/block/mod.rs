//! The block: thousands of records of one component in columns, made of the rows of a journal that nobody appends to.
//!
//! A segment is what a call brings and is written in a hurry; a block is what is kept. It holds whole rows of the
//! journal, so that a record's id (receive time, object, row, index) still leads to it. Template text is stored once
//! and values apart, by type (`shape`, `slot`, `number`); every other field of a record is a column too (`columns`,
//! `fields`, `blob`); each stream is compressed by itself (`compress`). `docs/formats/segment.md` draws it byte by byte.
//!
//! A reader opens the header, which costs one pass of a checksum; [`Block::may_match`] looks at time, level, pattern
//! and letters (`trigrams`); [`Block::select`] inflates only the columns that a filter asks for; [`Block::records`]
//! inflates the rest and restores what was selected.
//!
//! Invariants: no bytes can panic the reader, and what it reserves in one call is taken from
//! [`limits::BLOCK_MEMORY_MAX`] beforehand; what [`encode`] returns was read back and found equal. The header is clear
//! and everything in it and in the clear sections is numbers; text lies in the sealed sections, behind one another at
//! the end, where a later version encrypts them. Left out here: encryption itself, and when to make a block.

mod blob;
mod columns;
mod compress;
mod fields;
mod number;
mod shape;
mod slot;
mod text;
mod trigrams;

use crate::bytes::{ReadError, Reader, Writer};
use crate::level::Level;
use crate::limits;
use crate::pattern::PatternId;
use crate::query::{Filter, Subject};
use crate::record::Record;
use crate::time::Timestamp;
pub use columns::section_name;
use compress::Budget;
use std::collections::BTreeSet;
use std::fmt;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const MAGIC: &[u8; 4] = b"SWbk";
const VERSION: u8 = 1;
const CHECKSUM_AT: usize = 24;
const CHECKSUM_END: usize = CHECKSUM_AT + 8;
/// Bytes of an entry of the directory: tag and length.
const ENTRY_BYTES: usize = 5;

/// A row of the journal on its way into a block.
#[derive(Clone, Copy, Debug)]
pub struct SourceRow<'a> {
    /// Sequence.
    pub seq: u64,
    /// Receive time.
    pub at: Timestamp,
    /// Its records, in the order of their index.
    pub records: &'a [Record],
    /// The pattern of each.
    pub patterns: &'a [PatternId],
    /// What else the row has to say, such as what became of its calls: bytes that the block only hands back. They lie
    /// in the clear and hold no text that somebody logged.
    pub note: &'a [u8],
}

/// Why rows do not make a block. They stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No records.
    Empty,
    /// More records than [`limits::BLOCK_RECORDS_MAX`], or more different patterns, shapes or values than can be numbered.
    TooMany,
    /// More bytes than fit a row.
    TooLarge,
    /// The rows are not in order, or a row has not as many patterns as records.
    Disorder,
    /// What was written did not read back as it was. Nothing may be deleted on the strength of it.
    NotRestored,
}

/// Why a block could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// Damaged, or of a version that this build does not know.
    Unreadable(ReadError),
    /// Encrypted in a way, or with a key, that this build does not have.
    Sealed {
        /// Algorithm, as the header names it.
        algorithm: u8,
        /// Key.
        key_id: u32,
    },
}

impl From<ReadError> for BlockError {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::Sealed { algorithm, key_id } => write!(f, "encrypted: algorithm {algorithm}, key {key_id}"),
        }
    }
}

impl std::error::Error for BlockError {}

/// What a block's header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// Records.
    pub records: u32,
    /// Rows of the journal.
    pub rows: u32,
    /// Sequence of the first row.
    pub seq_first: u64,
    /// Sequence of the last row.
    pub seq_last: u64,
    /// Smallest event time.
    pub time_min: Timestamp,
    /// Largest event time.
    pub time_max: Timestamp,
    /// One bit per level class.
    pub levels: u8,
}

/// A row of the journal in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Sequence.
    pub seq: u64,
    /// Receive time.
    pub at: Timestamp,
    /// Records.
    pub count: u32,
}

/// A record of a block, and where in the journal it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Sequence of its row.
    pub seq: u64,
    /// Receive time of its row.
    pub at: Timestamp,
    /// Its index in the row.
    pub index: u16,
    /// Its pattern, as its row named it.
    pub pattern: PatternId,
    /// The record.
    pub record: Record,
}

/// Makes a block of whole rows.
///
/// # Errors
/// If they do not fit; see [`Unfit`].
pub fn encode(rows: &[SourceRow<'_>]) -> Result<Vec<u8>, Unfit> {
    let records: Vec<&Record> = rows.iter().flat_map(|row| row.records).collect();
    let patterns: Vec<PatternId> = rows.iter().flat_map(|row| row.patterns).copied().collect();
    if records.is_empty() {
        return Err(Unfit::Empty);
    }
    if records.len() > limits::BLOCK_RECORDS_MAX {
        return Err(Unfit::TooMany);
    }
    let is_ordered = rows.iter().zip(rows.iter().skip(1)).all(|(one, next)| one.seq < next.seq);
    if !is_ordered || rows.iter().any(|row| row.records.len() != row.patterns.len()) {
        return Err(Unfit::Disorder);
    }
    let mut sections = Vec::new();
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    let ats: Vec<u64> = rows.iter().map(|row| number::from_signed(row.at.0)).collect();
    let counts: Vec<u64> = rows.iter().map(|row| row.records.len() as u64).collect();
    sections.push((columns::ROWS, columns::write_numbers(&[&seqs, &ats, &counts])));
    let notes: Vec<Vec<u8>> = rows.iter().map(|row| row.note.to_vec()).collect();
    let pattern_of = columns::write_clear(&records, &patterns, &notes, &mut sections).ok_or(Unfit::TooMany)?;
    columns::write_sealed(&records, &pattern_of, &mut sections).ok_or(Unfit::TooMany)?;
    let block = seal(rows, &records, &sections);
    if block.len() > limits::ROW_BYTES_MAX {
        return Err(Unfit::TooLarge);
    }
    if restores(&block, rows) { Ok(block) } else { Err(Unfit::NotRestored) }
}

fn seal(rows: &[SourceRow<'_>], records: &[&Record], sections: &[columns::Section]) -> Vec<u8> {
    let times = || records.iter().map(|record| record.timestamp.0);
    let levels = records.iter().fold(0u8, |mask, record| mask | Filter::level_bit(record.level.class()));
    let mut out = Writer::new();
    out.raw(MAGIC);
    out.raw(&[VERSION, 0, 0, 0]);
    // Key and nonce of an encryption that is not there.
    out.raw(&[0; 16]);
    out.u64_fixed(0);
    out.raw(&(records.len() as u32).to_le_bytes());
    out.raw(&(rows.len() as u32).to_le_bytes());
    out.u64_fixed(rows.first().map_or(0, |row| row.seq));
    out.u64_fixed(rows.last().map_or(0, |row| row.seq));
    out.u64_fixed(times().min().unwrap_or(0) as u64);
    out.u64_fixed(times().max().unwrap_or(0) as u64);
    out.raw(&[levels, sections.len() as u8, 0, 0]);
    for (tag, section) in sections {
        out.u8(*tag);
        out.raw(&(section.len() as u32).to_le_bytes());
    }
    sections.iter().for_each(|(_, section)| out.raw(section));
    let mut block = out.into_bytes();
    let sum = checksum(&block).to_le_bytes();
    if let Some(place) = block.get_mut(CHECKSUM_AT..CHECKSUM_END) {
        place.copy_from_slice(&sum);
    }
    block
}

/// Of everything but itself.
fn checksum(block: &[u8]) -> u64 {
    let before = xxh3_64(block.get(..CHECKSUM_AT).unwrap_or_default());
    xxh3_64_with_seed(block.get(CHECKSUM_END..).unwrap_or_default(), before)
}

fn restores(block: &[u8], rows: &[SourceRow<'_>]) -> bool {
    let Ok(block) = Block::open(block) else { return false };
    let all: Vec<u32> = (0..block.summary.records).collect();
    let Ok(stored) = block.records(&all) else { return false };
    let mut stored = stored.iter();
    let is_it = |row: &SourceRow<'_>, index: usize, record: &Record, stored: &Stored| {
        (stored.seq, stored.at, usize::from(stored.index)) == (row.seq, row.at, index)
            && row.patterns.get(index) == Some(&stored.pattern)
            && codec_bytes(record) == codec_bytes(&stored.record)
    };
    let are_equal = rows.iter().all(|row| {
        row.records
            .iter()
            .enumerate()
            .all(|(index, record)| stored.next().is_some_and(|stored| is_it(row, index, record, stored)))
    });
    let are_noted = block.notes().is_ok_and(|notes| notes.iter().eq(rows.iter().map(|row| row.note)));
    are_equal && are_noted && stored.next().is_none()
}

/// Equal bytes are equal records, down to the bits of a float.
fn codec_bytes(record: &Record) -> Vec<u8> {
    let mut out = Writer::new();
    super::codec::write(&mut out, record, 0);
    out.into_bytes()
}

/// A block, opened: its header and where its sections lie.
#[derive(Debug)]
pub struct Block<'a> {
    summary: BlockSummary,
    /// Tags and bytes, tags ascending.
    sections: Vec<(u8, &'a [u8])>,
}

impl<'a> Block<'a> {
    /// Opens a block: checks its header and its checksum, inflates nothing.
    ///
    /// # Errors
    /// If it is damaged, of another version, or encrypted.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let mut input = Reader::new(bytes);
        if input.raw(4)? != MAGIC {
            return Err(ReadError::Unknown("block magic").into());
        }
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("block version").into());
        }
        let [flags, algorithm, reserved] = fixed(&mut input)?;
        let key_id = u32::from_le_bytes(fixed(&mut input)?);
        let _nonce = input.raw(12)?;
        if input.u64_fixed()? != checksum(bytes) {
            return Err(ReadError::Unknown("block checksum").into());
        }
        if algorithm != 0 || key_id != 0 {
            return Err(BlockError::Sealed { algorithm, key_id });
        }
        if flags != 0 || reserved != 0 {
            return Err(ReadError::Unknown("block flags").into());
        }
        let summary = BlockSummary {
            records: u32::from_le_bytes(fixed(&mut input)?),
            rows: u32::from_le_bytes(fixed(&mut input)?),
            seq_first: input.u64_fixed()?,
            seq_last: input.u64_fixed()?,
            time_min: Timestamp(input.u64_fixed()? as i64),
            time_max: Timestamp(input.u64_fixed()? as i64),
            levels: input.u8()?,
        };
        let [count, ..] = fixed::<3>(&mut input)?;
        if summary.records as usize > limits::BLOCK_RECORDS_MAX || summary.rows as usize > limits::BLOCK_RECORDS_MAX {
            return Err(ReadError::Unknown("block size").into());
        }
        let mut directory = Reader::new(input.raw(usize::from(count) * ENTRY_BYTES)?);
        let mut sections: Vec<(u8, &[u8])> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let tag = directory.u8()?;
            let length = u32::from_le_bytes(fixed(&mut directory)?);
            if !columns::is_known(tag) || sections.last().is_some_and(|(last, _)| *last >= tag) {
                return Err(ReadError::Unknown("block section").into());
            }
            sections.push((tag, input.raw(length as usize)?));
        }
        if !input.is_empty() {
            return Err(ReadError::Unknown("bytes after a block").into());
        }
        let block = Self { summary, sections };
        columns::NEEDED.into_iter().try_for_each(|tag| block.needed(tag).map(|_| ()))?;
        Ok(block)
    }

    /// What the header tells.
    pub fn summary(&self) -> &BlockSummary {
        &self.summary
    }

    /// Bytes of each section as stored, by tag: for people who want to know where the room goes.
    pub fn section_bytes(&self) -> impl Iterator<Item = (u8, usize)> + '_ {
        self.sections.iter().map(|(tag, bytes)| (*tag, bytes.len()))
    }

    fn section(&self, tag: u8) -> Option<&'a [u8]> {
        self.sections.iter().find(|(known, _)| *known == tag).map(|(_, bytes)| *bytes)
    }

    fn needed(&self, tag: u8) -> Result<&'a [u8], ReadError> {
        self.section(tag).ok_or(ReadError::Unknown("block: a section is missing"))
    }

    fn count(&self) -> usize {
        self.summary.records as usize
    }

    /// The rows, in order.
    ///
    /// # Errors
    /// If the section is damaged.
    pub fn rows(&self) -> Result<Vec<BlockRow>, BlockError> {
        Ok(self.read_rows(&mut Budget::new(limits::BLOCK_MEMORY_MAX))?)
    }

    fn read_rows(&self, budget: &mut Budget) -> Result<Vec<BlockRow>, ReadError> {
        let [seqs, ats, counts] =
            columns::read_numbers(self.needed(columns::ROWS)?, self.summary.rows as usize, budget)?;
        let mut left = self.summary.records;
        let mut rows = Vec::with_capacity(seqs.len());
        for ((seq, at), count) in seqs.into_iter().zip(ats).zip(counts) {
            let count = u32::try_from(count).map_err(|_| ReadError::Overflow)?;
            left = left.checked_sub(count).ok_or(ReadError::Unknown("rows of a block"))?;
            rows.push(BlockRow { seq, at: Timestamp(number::to_signed(at)), count });
        }
        if left == 0 { Ok(rows) } else { Err(ReadError::Unknown("rows of a block")) }
    }

    /// The rows, each with its smallest and largest event time (its receive time if it has no record), in order. Only
    /// clear columns are inflated.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn spans(&self) -> Result<Vec<(BlockRow, Timestamp, Timestamp)>, BlockError> {
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        let rows = self.read_rows(&mut budget)?;
        let times = columns::read_times(self.needed(columns::TIMES)?, self.count(), &mut budget)?;
        let mut left = times.as_slice();
        let span = |row: BlockRow| {
            let (own, behind) = left.split_at_checked(row.count as usize).unwrap_or((left, &[]));
            left = behind;
            (row, own.iter().min().copied().unwrap_or(row.at), own.iter().max().copied().unwrap_or(row.at))
        };
        Ok(rows.into_iter().map(span).collect())
    }

    /// The note of each row, in order.
    ///
    /// # Errors
    /// If the section is damaged.
    pub fn notes(&self) -> Result<Vec<Vec<u8>>, BlockError> {
        let rows = self.summary.rows as usize;
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        budget.take(rows.saturating_mul(size_of::<Vec<u8>>()))?;
        let Some(section) = self.section(columns::NOTES) else { return Ok(vec![Vec::new(); rows]) };
        Ok(columns::read_notes(section, rows, &mut budget)?)
    }

    /// The position in the block of the record that was number `index` of row `seq`.
    ///
    /// # Errors
    /// If the section is damaged.
    pub fn position_of(&self, seq: u64, index: u16) -> Result<Option<u32>, BlockError> {
        let mut first = 0u32;
        for row in self.rows()? {
            if row.seq == seq {
                return Ok((u32::from(index) < row.count).then(|| first + u32::from(index)));
            }
            first += row.count;
        }
        Ok(None)
    }

    /// The position of the newest record that its caller named `id`; only the column of ids is inflated.
    ///
    /// # Errors
    /// If that is damaged.
    pub fn position_of_id(&self, id: &str) -> Result<Option<u32>, BlockError> {
        let Some(section) = self.section(columns::ID) else { return Ok(None) };
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        let budget = &mut budget;
        let (_, pattern_of) = columns::read_patterns(self.needed(columns::PATTERNS)?, self.count(), budget)?;
        let all: Vec<u32> = (0..self.summary.records).collect();
        let ids = columns::read_column(columns::ID, Some(section), &pattern_of, &all, budget)?;
        let found = ids.iter().rposition(|known| known.as_deref() == Some(id));
        Ok(found.and_then(|position| u32::try_from(position).ok()))
    }

    /// The distinct patterns of the records, as their rows named them.
    ///
    /// # Errors
    /// If the section is damaged.
    pub fn patterns(&self) -> Result<Vec<PatternId>, BlockError> {
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        Ok(columns::read_patterns(self.needed(columns::PATTERNS)?, self.count(), &mut budget)?.0)
    }

    /// Whether a record of this block can be what `filter` asks for, by time, level, pattern and letters. `resolve`
    /// gives the pattern that stands for another since they were merged.
    ///
    /// # Errors
    /// If a section that had to be looked at is damaged.
    pub fn may_match(&self, filter: &Filter, resolve: &dyn Fn(PatternId) -> PatternId) -> Result<bool, BlockError> {
        let is_in_time = filter.from.is_none_or(|from| self.summary.time_max >= from)
            && filter.to.is_none_or(|to| self.summary.time_min < to);
        let has_level = filter.levels == 0 || filter.levels & self.summary.levels != 0;
        if !is_in_time || !has_level {
            return Ok(false);
        }
        let is_wanted = |pattern: PatternId| filter.patterns.contains(&resolve(pattern));
        if !filter.patterns.is_empty() && !self.patterns()?.into_iter().any(is_wanted) {
            return Ok(false);
        }
        if filter.texts.is_empty() {
            return Ok(true);
        }
        let mut section = Reader::new(self.needed(columns::TRIGRAMS)?);
        let bits = compress::read(&mut section, &mut Budget::new(trigrams::BYTES))?;
        Ok(filter.texts.iter().all(|text| trigrams::may_hold(&bits, text)))
    }

    /// Positions of the records that are what `filter` asks for, ascending. Only the columns that it names are inflated.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn select(&self, filter: &Filter, resolve: &dyn Fn(PatternId) -> PatternId) -> Result<Vec<u32>, BlockError> {
        if !self.may_match(filter, resolve)? {
            return Ok(Vec::new());
        }
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        let budget = &mut budget;
        let (patterns, pattern_of) = columns::read_patterns(self.needed(columns::PATTERNS)?, self.count(), budget)?;
        let patterns: Vec<PatternId> = patterns.into_iter().map(resolve).collect();
        let times = columns::read_times(self.needed(columns::TIMES)?, self.count(), budget)?;
        let levels = self.read_levels(budget)?;
        let clear = |position: u32| {
            let position = position as usize;
            let pattern = pattern_of.get(position).and_then(|number| patterns.get(usize::from(*number)));
            Some((*times.get(position)?, *levels.get(position)?, *pattern?))
        };
        // First by what is clear, then by one column after the other, each among those that are left.
        let by_clear = Filter {
            from: filter.from,
            to: filter.to,
            levels: filter.levels,
            level_min: filter.level_min,
            patterns: filter.patterns.clone(),
            ..Filter::default()
        };
        let mut positions: Vec<u32> = (0..self.summary.records)
            .filter(|&position| {
                clear(position).is_some_and(|(timestamp, level, pattern)| {
                    by_clear.matches(&Subject { timestamp, level, pattern, ..Subject::default() })
                })
            })
            .collect();
        type Choose = fn(&Filter) -> Vec<&String>;
        let chosen: [(u8, Choose); 7] = [
            (columns::ENVIRONMENT, |filter| filter.environments.iter().collect()),
            (columns::CATEGORY, |filter| filter.categories.iter().collect()),
            (columns::ENDPOINT, |filter| filter.endpoints.iter().collect()),
            (columns::USER, |filter| filter.user_id.iter().collect()),
            (columns::SESSION, |filter| filter.session_id.iter().collect()),
            (columns::REQUEST, |filter| filter.request_id.iter().collect()),
            (columns::TRACE, |filter| filter.trace_id.iter().collect()),
        ];
        for (tag, wanted) in chosen {
            let wanted: BTreeSet<&String> = wanted(filter).into_iter().collect();
            if !wanted.is_empty() {
                let values = columns::read_column(tag, self.section(tag), &pattern_of, &positions, budget)?;
                let mut values = values.iter();
                positions
                    .retain(|_| values.next().is_some_and(|value| value.as_ref().is_some_and(|v| wanted.contains(v))));
            }
        }
        if !filter.texts.is_empty() {
            self.retain_texts(&filter.texts, &pattern_of, &mut positions, budget)?;
        }
        Ok(positions)
    }

    /// Keeps the positions at which all `texts` occur in message, error code or stack trace.
    fn retain_texts(
        &self,
        texts: &[String],
        pattern_of: &[u16],
        positions: &mut Vec<u32>,
        budget: &mut Budget,
    ) -> Result<(), ReadError> {
        let [messages, codes, stacks] = [columns::MESSAGE, columns::ERROR_CODE, columns::STACK]
            .map(|tag| columns::read_column(tag, self.section(tag), pattern_of, positions, budget));
        let (messages, codes, stacks) = (messages?, codes?, stacks?);
        let by_text = Filter { texts: texts.to_vec(), ..Filter::default() };
        let mut columns = messages.iter().zip(&codes).zip(&stacks);
        positions.retain(|_| {
            columns.next().is_some_and(|((message, code), stack)| {
                by_text.matches(&Subject {
                    message: message.as_deref().unwrap_or_default(),
                    error_code: code.as_deref(),
                    stack_trace: stack.as_deref(),
                    ..Subject::default()
                })
            })
        });
        Ok(())
    }

    fn read_levels(&self, budget: &mut Budget) -> Result<Vec<Level>, ReadError> {
        let levels = compress::read(&mut Reader::new(self.needed(columns::LEVELS)?), budget)?;
        if levels.len() != self.count() {
            return Err(ReadError::Unknown("levels of a block"));
        }
        levels.iter().map(|&level| Level::from_number(level).ok_or(ReadError::Unknown("level"))).collect()
    }

    /// The records at `positions`, which ascend; positions beyond the block are an error.
    ///
    /// # Errors
    /// If a section is damaged. Nothing of a damaged block is returned.
    pub fn records(&self, positions: &[u32]) -> Result<Vec<Stored>, BlockError> {
        let mut budget = Budget::new(limits::BLOCK_MEMORY_MAX);
        let budget = &mut budget;
        let rows = self.read_rows(budget)?;
        let (patterns, pattern_of) = columns::read_patterns(self.needed(columns::PATTERNS)?, self.count(), budget)?;
        let times = columns::read_times(self.needed(columns::TIMES)?, self.count(), budget)?;
        let levels = self.read_levels(budget)?;
        let records = columns::read_records(&|tag| self.section(tag), &pattern_of, positions, budget)?;
        let mut rows = rows.into_iter();
        let (mut row, mut first) = (rows.next(), 0u32);
        let mut stored = Vec::with_capacity(positions.len());
        for (&position, mut record) in positions.iter().zip(records) {
            const MISSING: ReadError = ReadError::Unknown("record of a block");
            while row.is_some_and(|row| position.wrapping_sub(first) >= row.count) {
                first += row.map_or(0, |row| row.count);
                row = rows.next();
            }
            let row = row.ok_or(MISSING)?;
            let at = position as usize;
            record.timestamp = *times.get(at).ok_or(MISSING)?;
            record.level = *levels.get(at).ok_or(MISSING)?;
            let number = pattern_of.get(at).ok_or(MISSING)?;
            stored.push(Stored {
                seq: row.seq,
                at: row.at,
                index: u16::try_from(position.wrapping_sub(first)).map_err(|_| ReadError::Overflow)?,
                pattern: *patterns.get(usize::from(*number)).ok_or(MISSING)?,
                record,
            });
        }
        Ok(stored)
    }
}

fn fixed<const N: usize>(input: &mut Reader<'_>) -> Result<[u8; N], ReadError> {
    let mut value = [0; N];
    value.copy_from_slice(input.raw(N)?);
    Ok(value)
}
