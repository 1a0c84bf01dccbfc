//! Rows of the journal as a block, and a block as rows again.
//!
//! Whoever reads the journal asks for rows, by their sequence or in order. A store that has packed some of them into a
//! block gives them back with [`unpack`], and nobody can tell: the same sequences, receive times, records, patterns,
//! receipts and foreign ids. Only the keys of the batches are gone, because no retry can ask for them any more, and the
//! bytes of the body may differ (they are segments made anew).
//!
//! What may be packed is the machine's to say: accepted records only, folded, behind all sinks, beyond the key window.
//! Rows of other kinds between them stay where they are. Left out here: storing, and deleting the rows in the same
//! commit.

use crate::bytes::{ReadError, Writer};
use crate::limits;
use crate::machine::row::{self, Heads, Row, RowKind};
use crate::pattern::PatternId;
use crate::record::Record;
use crate::segment;
use crate::segment::block::{self, Block, BlockError, SourceRow, Stored, Unfit};
use crate::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// Rows packed into a block, with what a store needs to know to find them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRows {
    /// Sequences of the rows, ascending: these leave the journal in the commit that brings the block.
    pub seqs: Vec<u64>,
    /// Latest receive time.
    pub received_max: Timestamp,
    /// Smallest of the rows' smallest event times.
    pub time_min: Timestamp,
    /// Largest of the rows' largest event times.
    pub time_max: Timestamp,
    /// Records.
    pub count: u32,
    /// One bit per level class.
    pub levels: u8,
    /// The block.
    pub body: Vec<u8>,
    /// Rows between them that cannot be read, or are none of accepted records, and why; they are not in the block.
    pub unreadable: Vec<(u64, ReadError)>,
}

/// A row, opened.
struct Opened {
    records: Vec<Record>,
    patterns: Vec<PatternId>,
    note: Vec<u8>,
}

/// Packs as many of `rows`, from the first, as fit one block; they are in the order of the journal. Those that cannot be
/// read are told and left out.
///
/// # Errors
/// If not even the first fits.
pub fn pack(rows: &[Row]) -> Result<PackedRows, Unfit> {
    let mut unreadable = Vec::new();
    let mut readable = Vec::new();
    for row in rows {
        match open(row) {
            Ok(opened) => readable.push((row, opened)),
            Err(error) => unreadable.push((row.seq, error)),
        }
    }
    let sources: Vec<SourceRow<'_>> = readable
        .iter()
        .map(|(row, opened)| SourceRow {
            seq: row.seq,
            at: row.at,
            records: &opened.records,
            patterns: &opened.patterns,
            note: &opened.note,
        })
        .collect();
    let mut taken = sources.len();
    let body = loop {
        match block::encode(sources.get(..taken).unwrap_or_default()) {
            Err(Unfit::TooMany | Unfit::TooLarge) if taken > 1 => taken /= 2,
            outcome => break outcome?,
        }
    };
    let is_whole = taken == readable.len();
    let taken: Vec<&Row> = readable.iter().take(taken).map(|(row, _)| *row).collect();
    let seq_last = taken.last().map_or(0, |row| row.seq);
    unreadable.retain(|(seq, _)| is_whole || *seq <= seq_last);
    Ok(PackedRows {
        seqs: taken.iter().map(|row| row.seq).collect(),
        received_max: taken.iter().map(|row| row.at).max().unwrap_or_default(),
        time_min: taken.iter().map(|row| row.time_min).min().unwrap_or_default(),
        time_max: taken.iter().map(|row| row.time_max).max().unwrap_or_default(),
        count: taken.iter().map(|row| row.count).sum(),
        levels: taken.iter().fold(0, |levels, row| levels | row.levels),
        body,
        unreadable,
    })
}

fn open(row: &Row) -> Result<Opened, ReadError> {
    if row.kind != RowKind::Segments {
        return Err(ReadError::Unknown("kind of a row to pack"));
    }
    let records = row::records(&row.body)?;
    let heads = Heads::decode(&row.heads)?;
    let patterns = (0..records.len()).map(|index| heads.pattern_at(index)).collect();
    // What became of the calls; the rest of the heads follows from the records.
    let mut batches = heads.batches;
    batches.iter_mut().for_each(|batch| batch.key = None);
    let note = if batches.is_empty() { Vec::new() } else { Heads { batches, ..Heads::default() }.encode() };
    Ok(Opened { records, patterns, note })
}

/// The rows of a block, in order.
///
/// # Errors
/// If the block cannot be read.
pub fn unpack(body: &[u8]) -> Result<Vec<Row>, BlockError> {
    let block = Block::open(body)?;
    let all: Vec<u32> = (0..block.summary().records).collect();
    let mut stored = block.records(&all)?.into_iter();
    let mut rows = Vec::new();
    for (told, note) in block.rows()?.into_iter().zip(block.notes()?) {
        let of_row: Vec<Stored> = stored.by_ref().take(told.count as usize).collect();
        rows.push(rebuild(told.seq, told.at, of_row, &note)?);
    }
    Ok(rows)
}

fn rebuild(seq: u64, at: Timestamp, stored: Vec<Stored>, note: &[u8]) -> Result<Row, ReadError> {
    let mut heads = if note.is_empty() { Heads::default() } else { Heads::decode(note)? };
    let (patterns, records): (Vec<PatternId>, Vec<Record>) =
        stored.into_iter().map(|stored| (stored.pattern, stored.record)).unzip();
    heads.set_patterns(&patterns);
    let foreign = |(index, record): (usize, &Record)| {
        record.id.as_ref().map(|id| (u16::try_from(index).unwrap_or(u16::MAX), xxh3_64(id.as_bytes())))
    };
    heads.foreign_ids = records.iter().enumerate().filter_map(foreign).collect();
    let mut body = Writer::new();
    segment::encode(&records).iter().for_each(|segment| body.bytes(segment));
    let times = || records.iter().map(|record| record.timestamp);
    Ok(Row {
        seq,
        at,
        kind: RowKind::Segments,
        time_min: times().min().unwrap_or(at),
        time_max: times().max().unwrap_or(at),
        count: records.len() as u32,
        levels: row::levels_of(&records),
        heads: heads.encode(),
        body: body.into_bytes(),
    })
}

/// How many of these rows, told by their counts of records, make a block now: enough of them for
/// [`limits::BLOCK_RECORDS_MIN`] records and no more, or none yet.
pub fn enough(counts: impl IntoIterator<Item = u32>) -> Option<usize> {
    let mut records = 0usize;
    counts
        .into_iter()
        .position(|count| {
            records = records.saturating_add(count as usize);
            records >= limits::BLOCK_RECORDS_MIN
        })
        .map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::machine::row::{BatchHead, BatchKey, Place, Receipt};
    use proptest::prelude::*;

    fn record(number: u64) -> Record {
        Record {
            id: number.is_multiple_of(3).then(|| format!("evt-{number}")),
            timestamp: Timestamp(1_763_632_800_000 + 7 * number as i64),
            level: if number.is_multiple_of(10) { Level::ERROR } else { Level::INFO },
            message: format!("order {number} of user-{} failed", number % 5),
            component: "checkout".into(),
            environment: "production".into(),
            category: "api".into(),
            ..Record::default()
        }
    }

    /// A row as the machine seals it.
    fn row(seq: u64, numbers: std::ops::Range<u64>) -> Row {
        let at = Timestamp(1_763_632_900_000 + seq as i64);
        let count = (numbers.end - numbers.start) as u16;
        let stored: Vec<Stored> = numbers
            .map(|number| Stored { seq, at, index: 0, pattern: PatternId(1 + number % 2), record: record(number) })
            .collect();
        let receipt = Receipt {
            at,
            accepted: count.into(),
            duplicate: 2,
            places: vec![Place { seq, first: 0, count }],
            ..Receipt::default()
        };
        let key = Some(BatchKey { hash: seq, fingerprint: 9 });
        let batches = vec![BatchHead { key, rejected: 1, is_replay: false, receipt }];
        let note = Heads { batches, ..Heads::default() }.encode();
        rebuild(seq, at, stored, &note).unwrap()
    }

    fn without_keys(row: &Row) -> (Heads, Vec<Record>) {
        let mut heads = Heads::decode(&row.heads).unwrap();
        heads.batches.iter_mut().for_each(|batch| batch.key = None);
        (heads, row::records(&row.body).unwrap())
    }

    fn outside(row: &Row) -> (u64, Timestamp, RowKind, Timestamp, Timestamp, u32, u8) {
        (row.seq, row.at, row.kind, row.time_min, row.time_max, row.count, row.levels)
    }

    proptest! {
        #[test]
        fn nobody_can_tell_a_row_from_one_that_was_packed(sizes in proptest::collection::vec((1u64..4, 0u64..40), 1..9)) {
            let (mut seq, mut number) = (0, 0);
            let mut rows: Vec<Row> = sizes
                .into_iter()
                .map(|(gap, size)| {
                    (seq, number) = (seq + gap, number + size);
                    row(seq, number - size..number)
                })
                .collect();
            rows.push(row(seq + 1, number..number + 1));
            let packed = pack(&rows).unwrap();
            prop_assert_eq!(&packed.seqs, &rows.iter().map(|row| row.seq).collect::<Vec<_>>());
            prop_assert_eq!(packed.count, rows.iter().map(|row| row.count).sum::<u32>());
            let back = unpack(&packed.body).unwrap();
            prop_assert_eq!(back.len(), rows.len());
            for (before, after) in rows.iter().zip(&back) {
                prop_assert_eq!(outside(before), outside(after));
                prop_assert_eq!(without_keys(before), without_keys(after));
                prop_assert!(packed.time_min <= before.time_min && before.time_max <= packed.time_max);
                prop_assert!(before.at <= packed.received_max && before.levels & !packed.levels == 0);
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named_and_the_others_go_without_it() {
        let mut rows = vec![row(1, 0..5), row(2, 5..9), row(3, 0..2), row(4, 9..12)];
        rows[1].body[9] ^= 1;
        rows[2].kind = RowKind::Counted;
        let packed = pack(&rows).unwrap();
        assert_eq!((packed.seqs, packed.count), (vec![1, 4], 8));
        assert!(matches!(packed.unreadable[..], [(2, _), (3, ReadError::Unknown("kind of a row to pack"))]));
    }

    #[test]
    fn rows_without_records_make_no_block() {
        assert_eq!(pack(&[row(1, 0..0)]), Err(Unfit::Empty));
    }

    #[test]
    fn what_is_too_large_for_one_block_is_packed_from_the_first_row_on() {
        let mut state = 7u64;
        let mut noise = |seq: u64| {
            let mut row = row(seq, 0..1);
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + (state >> 33) as u8 % 94)
            };
            let records: Vec<Record> = (0..16)
                .map(|_| Record { message: (0..60_000).map(|_| byte()).collect(), ..Record::default() })
                .collect();
            let mut body = Writer::new();
            segment::encode(&records).iter().for_each(|segment| body.bytes(segment));
            (row.body, row.count) = (body.into_bytes(), 16);
            row
        };
        let rows: Vec<Row> = (1..5).map(&mut noise).collect();
        assert_eq!(pack(&rows).map(|packed| packed.seqs), Ok(vec![1, 2]));
    }

    #[test]
    fn a_block_is_made_as_soon_as_there_is_enough_for_one() {
        assert_eq!(enough([100; 40]), None);
        assert_eq!(enough([100; 60]), Some(41));
        assert_eq!(enough([16_384, 5]), Some(1));
        assert_eq!(enough([]), None);
    }

    #[test]
    fn bytes_that_are_no_block_are_refused() {
        assert!(unpack(b"SWbk").is_err());
    }
}
