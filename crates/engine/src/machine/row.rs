//! The row of a stream object's journal: the segments of the calls that were committed together, with what the object
//! decided about them.
//!
//! `heads` is small and read often (replays, searches by pattern, look-ups of foreign ids); `body` is the segments as
//! received. The index of a record counts over all segments of the row, in order. A row of kind `Counted` holds records
//! without their text, of which only the counts are kept; a row of kind `Event` holds one event that changed state.

use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::PatternId;
use crate::record::Record;
use crate::record_id::RecordId;
use crate::segment;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A bit beside those of the level classes: some of the records are husks, so that their number is not the row's count and
/// whoever counts has to look.
pub const HUSKS: u8 = 1 << 7;

/// The `levels` of records.
pub fn levels_of<'a>(records: impl IntoIterator<Item = &'a Record>) -> u8 {
    records
        .into_iter()
        .fold(0, |levels, record| levels | 1 << record.level.class().index() | if record.is_husk() { HUSKS } else { 0 })
}

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Accepted records, as segments.
    Segments,
    /// Records of which only the count was kept.
    Counted,
    /// An event other than an append that changed state.
    Event,
}

impl RowKind {
    /// The code in the table.
    pub const fn code(self) -> u8 {
        self as u8
    }
    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Segments, Self::Counted, Self::Event].get(usize::from(code)).copied()
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Sequence, from 1, without gaps.
    pub seq: u64,
    /// Receive time.
    pub at: Timestamp,
    /// What it holds.
    pub kind: RowKind,
    /// Smallest event time (receive time if it holds no record).
    pub time_min: Timestamp,
    /// Largest event time.
    pub time_max: Timestamp,
    /// Records.
    pub count: u32,
    /// One bit per level class, and [`HUSKS`].
    pub levels: u8,
    /// See [`Heads`].
    pub heads: Vec<u8>,
    /// Length-prefixed segments, or the event.
    pub body: Vec<u8>,
}

/// Where accepted records lie: `count` records of row `seq` from index `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Row.
    pub seq: u64,
    /// Index of the first.
    pub first: u16,
    /// How many.
    pub count: u16,
}

/// The fate of a record that reached the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Stored.
    Accepted,
    /// Its id is known already.
    Duplicate,
    /// Over quota: counted, text dropped.
    CountedOnly,
}

impl Fate {
    fn from_code(code: u8) -> Result<Self, ReadError> {
        [Self::Accepted, Self::Duplicate, Self::CountedOnly]
            .get(usize::from(code))
            .copied()
            .ok_or(ReadError::Unknown("fate"))
    }
}

/// What was decided about one batch; the answer to a retry of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Receive time.
    pub at: Timestamp,
    /// Records stored.
    pub accepted: u32,
    /// Records known already.
    pub duplicate: u32,
    /// Records counted without text.
    pub counted_only: u32,
    /// Fate of each record, in order; empty if all were accepted.
    pub fates: Vec<Fate>,
    /// Where the accepted ones lie, in order.
    pub places: Vec<Place>,
}

/// Identity of a batch for replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchKey {
    /// Hash of the caller's key.
    pub hash: u64,
    /// Hash of what was sent under it.
    pub fingerprint: u64,
}

/// One batch as the journal remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchHead {
    /// Its key, if it had one.
    pub key: Option<BatchKey>,
    /// Records of the same request that were refused before they reached the object.
    pub rejected: u32,
    /// Whether this is a replay (its records were counted when they first came).
    pub is_replay: bool,
    /// What was decided.
    pub receipt: Receipt,
}

/// What the journal remembers beside the records of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Batches that end in this row.
    pub batches: Vec<BatchHead>,
    /// Distinct patterns of the row.
    pub patterns: Vec<PatternId>,
    /// For each record, the index of its pattern in `patterns`.
    pub pattern_of: Vec<u16>,
    /// Hashes of the callers' own ids: index of the record, hash.
    pub foreign_ids: Vec<(u16, u64)>,
}

const VERSION: u8 = 1;

impl Heads {
    /// The bytes of the `heads` column.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.batches.len() as u64);
        for batch in &self.batches {
            write_batch(&mut out, batch);
        }
        out.uint(self.patterns.len() as u64);
        for pattern in &self.patterns {
            out.u64_fixed(pattern.0);
        }
        out.uint(self.pattern_of.len() as u64);
        for &index in &self.pattern_of {
            out.uint(u64::from(index));
        }
        out.uint(self.foreign_ids.len() as u64);
        for &(index, hash) in &self.foreign_ids {
            out.uint(u64::from(index));
            out.u64_fixed(hash);
        }
        out.into_bytes()
    }

    /// Reads the `heads` column.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("heads version"));
        }
        let mut heads = Self::default();
        for _ in 0..input.count()? {
            heads.batches.push(read_batch(&mut input)?);
        }
        for _ in 0..input.count()? {
            heads.patterns.push(PatternId(input.u64_fixed()?));
        }
        for _ in 0..input.count()? {
            heads.pattern_of.push(read_u16(&mut input)?);
        }
        for _ in 0..input.count()? {
            heads.foreign_ids.push((read_u16(&mut input)?, input.u64_fixed()?));
        }
        if input.is_empty() { Ok(heads) } else { Err(ReadError::Unknown("bytes after heads")) }
    }

    /// Notes the pattern of each record, in order.
    pub fn set_patterns(&mut self, patterns: &[PatternId]) {
        let mut known: BTreeMap<PatternId, u16> = BTreeMap::new();
        self.patterns.clear();
        self.pattern_of.clear();
        for &pattern in patterns {
            let next = self.patterns.len() as u16;
            self.pattern_of.push(*known.entry(pattern).or_insert(next));
            if known.len() > self.patterns.len() {
                self.patterns.push(pattern);
            }
        }
    }

    /// The pattern of the record at `index`.
    pub fn pattern_at(&self, index: usize) -> PatternId {
        let slot = self.pattern_of.get(index).copied().unwrap_or(u16::MAX);
        self.patterns.get(usize::from(slot)).copied().unwrap_or(PatternId::OVERFLOW)
    }

    /// The receipt of the batch with this key hash, for a retry.
    pub fn receipt_of(&self, hash: u64) -> Option<&Receipt> {
        let is_it = |batch: &&BatchHead| !batch.is_replay && batch.key.is_some_and(|key| key.hash == hash);
        self.batches.iter().find(is_it).map(|batch| &batch.receipt)
    }
}

fn write_batch(out: &mut Writer, batch: &BatchHead) {
    out.u8(u8::from(batch.key.is_some()) | u8::from(batch.is_replay) << 1);
    if let Some(key) = batch.key {
        out.u64_fixed(key.hash);
        out.u64_fixed(key.fingerprint);
    }
    out.uint(u64::from(batch.rejected));
    batch.receipt.write(out);
}

impl Receipt {
    /// Appends the receipt: in heads, and on the way back to the edge.
    pub fn write(&self, out: &mut Writer) {
        let receipt = self;
        out.int(receipt.at.0);
        for count in [receipt.accepted, receipt.duplicate, receipt.counted_only] {
            out.uint(u64::from(count));
        }
        out.uint(receipt.fates.len() as u64);
        for &fate in &receipt.fates {
            out.u8(fate as u8);
        }
        out.uint(receipt.places.len() as u64);
        for place in &receipt.places {
            out.uint(place.seq);
            out.uint(u64::from(place.first));
            out.uint(u64::from(place.count));
        }
    }

    /// Reads what [`Receipt::write`] wrote.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut receipt = Receipt {
            at: Timestamp(input.int()?),
            accepted: input.u32()?,
            duplicate: input.u32()?,
            counted_only: input.u32()?,
            ..Receipt::default()
        };
        for _ in 0..input.count()? {
            receipt.fates.push(Fate::from_code(input.u8()?)?);
        }
        for _ in 0..input.count()? {
            receipt.places.push(Place { seq: input.uint()?, first: read_u16(input)?, count: read_u16(input)? });
        }
        Ok(receipt)
    }

    /// The fate of the record at `index` of the batch.
    pub fn fate(&self, index: usize) -> Fate {
        if self.fates.is_empty() { Fate::Accepted } else { self.fates.get(index).copied().unwrap_or(Fate::Duplicate) }
    }

    /// Ids of the accepted records, in order.
    pub fn ids(&self, object_tag: u32) -> impl Iterator<Item = RecordId> + '_ {
        self.places.iter().flat_map(move |place| {
            (0..place.count).map(move |offset| RecordId {
                received_at: self.at,
                object_tag,
                seq: place.seq,
                index: place.first.saturating_add(offset),
            })
        })
    }
}

fn read_batch(input: &mut Reader<'_>) -> Result<BatchHead, ReadError> {
    let flags = input.u8()?;
    let key = match flags & 1 {
        0 => None,
        _ => Some(BatchKey { hash: input.u64_fixed()?, fingerprint: input.u64_fixed()? }),
    };
    let rejected = input.u32()?;
    let receipt = Receipt::read(input)?;
    Ok(BatchHead { key, rejected, is_replay: flags >> 1 & 1 == 1, receipt })
}

fn read_u16(input: &mut Reader<'_>) -> Result<u16, ReadError> {
    u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)
}

/// The records of a row, in order of their index.
///
/// # Errors
/// Damaged bytes; nothing of a damaged row is returned.
pub fn records(body: &[u8]) -> Result<Vec<Record>, ReadError> {
    let mut input = Reader::new(body);
    let mut records = Vec::new();
    while !input.is_empty() {
        records.append(&mut segment::decode(input.bytes()?)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_survive_their_bytes(
            key in proptest::option::of((any::<u64>(), any::<u64>())), rejected: u32, is_replay: bool, at: i64,
            counts: (u32, u32, u32), fates in proptest::collection::vec(0u8..3, 0..9),
            places in proptest::collection::vec((any::<u64>(), any::<u16>(), any::<u16>()), 0..4),
            patterns: Vec<u64>, pattern_of: Vec<u16>, foreign_ids: Vec<(u16, u64)>,
        ) {
            let receipt = Receipt {
                at: Timestamp(at), accepted: counts.0, duplicate: counts.1, counted_only: counts.2,
                fates: fates.into_iter().map(|code| Fate::from_code(code).unwrap()).collect(),
                places: places.into_iter().map(|(seq, first, count)| Place { seq, first, count }).collect(),
            };
            let key = key.map(|(hash, fingerprint)| BatchKey { hash, fingerprint });
            let heads = Heads {
                batches: vec![BatchHead { key, rejected, is_replay, receipt: receipt.clone() }],
                patterns: patterns.into_iter().map(PatternId).collect(), pattern_of, foreign_ids,
            };
            let back = Heads::decode(&heads.encode());
            prop_assert_eq!(back.as_ref(), Ok(&heads));
            if let Some(key) = key {
                prop_assert_eq!(heads.receipt_of(key.hash), (!is_replay).then_some(&receipt));
            }
        }

        #[test]
        fn any_bytes_are_heads_or_refused(bytes: Vec<u8>) {
            let _heads = Heads::decode(&bytes);
            let _records = records(&bytes);
        }
    }
}
