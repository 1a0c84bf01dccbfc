//! A column of packed values of which few differ: each once, and for each record which.
//!
//! Streams of a column: the different values, each with its length; the number of each record's value, low bytes first,
//! and where there are more than 256 the high bytes behind them.

use super::compress::{self, Budget};
use crate::bytes::{ReadError, Reader, Writer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Different values that a column can tell apart.
const VALUES_MAX: usize = 1 << 16;

/// Numbers of records' values, as two planes of bytes.
pub(super) fn write_indices(out: &mut Writer, indices: &[u16], different: usize) {
    let mut bytes: Vec<u8> = indices.iter().map(|&index| index as u8).collect();
    if different > 256 {
        bytes.extend(indices.iter().map(|&index| (index >> 8) as u8));
    }
    compress::write(out, &bytes);
}

pub(super) fn read_indices(
    input: &mut Reader<'_>,
    budget: &mut Budget,
    records: usize,
    different: usize,
) -> Result<Vec<u16>, ReadError> {
    budget.take(records.saturating_mul(size_of::<u16>()))?;
    let bytes = compress::read(input, budget)?;
    let mut bytes = Reader::new(&bytes);
    let low = bytes.raw(records)?;
    let high = bytes.raw(if different > 256 { records } else { 0 })?;
    let high = high.iter().copied().chain(std::iter::repeat(0));
    let indices: Vec<u16> = low.iter().zip(high).map(|(&low, high)| u16::from_le_bytes([low, high])).collect();
    if indices.iter().all(|&index| usize::from(index) < different) {
        Ok(indices)
    } else {
        Err(ReadError::Unknown("number of a value"))
    }
}

/// Writes a column; `false` if there are more different values than a column can tell apart.
pub(super) fn write(out: &mut Writer, values: &[Vec<u8>]) -> bool {
    let mut known: BTreeMap<&[u8], u16> = BTreeMap::new();
    let mut table = Writer::new();
    let mut indices = Vec::with_capacity(values.len());
    for value in values {
        let next = known.len();
        if next == VALUES_MAX && !known.contains_key(value.as_slice()) {
            return false;
        }
        indices.push(*known.entry(value).or_insert_with(|| {
            table.bytes(value);
            next as u16
        }));
    }
    compress::write(out, table.as_bytes());
    write_indices(out, &indices, known.len());
    true
}

/// The inflated table of a column.
pub(super) struct BlobTable<'a>(Cow<'a, [u8]>);

impl<'a> BlobTable<'a> {
    pub(super) fn read(input: &mut Reader<'a>, budget: &mut Budget) -> Result<Self, ReadError> {
        Ok(Self(compress::read(input, budget)?))
    }
}

/// A column, read.
pub(super) struct BlobColumn<'a> {
    pub(super) entries: Vec<&'a [u8]>,
    pub(super) indices: Vec<u16>,
}

impl<'a> BlobColumn<'a> {
    pub(super) fn read(
        table: &'a BlobTable<'_>,
        input: &mut Reader<'_>,
        budget: &mut Budget,
        records: usize,
    ) -> Result<Self, ReadError> {
        let mut reader = Reader::new(&table.0);
        let mut entries = Vec::new();
        while !reader.is_empty() {
            if entries.len() == VALUES_MAX {
                return Err(ReadError::Unknown("count of values"));
            }
            budget.take(size_of::<&[u8]>())?;
            entries.push(reader.bytes()?);
        }
        let indices = read_indices(input, budget, records, entries.len())?;
        Ok(Self { entries, indices })
    }

    /// The value of the record at `index`.
    pub(super) fn at(&self, index: usize) -> Result<&'a [u8], ReadError> {
        let number = self.indices.get(index).ok_or(ReadError::Unknown("record of a block"))?;
        self.entries.get(usize::from(*number)).copied().ok_or(ReadError::Unknown("number of a value"))
    }
}
