//! A column of texts: shapes once, values apart and by type.
//!
//! Streams of a column: the shapes, the shape of each record, the heads of the places, numbers, texts, indices.

use super::compress::{self, Budget};
use super::shape::{self, VALUE};
use super::slot::{Slot, Sources, Streams};
use crate::bytes::{ReadError, Reader, Writer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Ends a shape in the table of shapes. No UTF-8 text holds this byte.
const SHAPE_END: u8 = 0xfe;
/// What a record without this field has instead of the number of a shape; shapes count from 1.
const ABSENT: u16 = 0;

/// What one literal and its place take in memory, with their share of the shape.
const LITERAL_BYTES: usize = 160;

/// Writes a column; nothing if no record has a value. With `contexts` (a number for each record, such as that of its
/// pattern) the shape of a record is told by its rank among the shapes that its context had so far.
pub(super) fn write(out: &mut Writer, values: &[Option<&str>], contexts: Option<&[u16]>) -> bool {
    if values.iter().all(Option::is_none) {
        return false;
    }
    let mut table = Vec::new();
    let mut known: BTreeMap<Vec<u8>, u16> = BTreeMap::new();
    let mut which: Vec<u16> = Vec::with_capacity(values.len());
    // The values of each place of each shape, in the order of the records.
    let mut places: Vec<Vec<Vec<&str>>> = Vec::new();
    let (mut key, mut cut) = (Vec::new(), Vec::new());
    for value in values {
        let Some(value) = value else {
            which.push(ABSENT);
            continue;
        };
        key.clear();
        cut.clear();
        shape::cut(value, &mut key, &mut cut);
        let number = match known.get(&key) {
            Some(&number) => number,
            None => {
                table.extend_from_slice(&key);
                table.push(SHAPE_END);
                places.push(vec![Vec::new(); cut.len()]);
                let number = places.len() as u16;
                known.insert(key.clone(), number);
                number
            }
        };
        which.push(number);
        for (place, value) in places.get_mut(usize::from(number) - 1).into_iter().flatten().zip(&cut) {
            place.push(value);
        }
    }
    let mut streams = Streams::default();
    for shape in &places {
        for (index, place) in shape.iter().enumerate() {
            super::slot::write(&mut streams, place, shape.get(..index).unwrap_or_default());
        }
    }
    let fresh = contexts.map(|contexts| into_ranks(&mut which, contexts)).unwrap_or_default();
    let mut which_bytes: Vec<u8> = which.iter().map(|&number| number as u8).collect();
    if places.len() > 255 {
        which_bytes.extend(which.iter().map(|&number| (number >> 8) as u8));
    }
    which_bytes.extend_from_slice(fresh.as_bytes());
    let all = [&table, &which_bytes, streams.heads.as_bytes(), &streams.numbers, &streams.texts, &streams.indices];
    all.into_iter().for_each(|bytes| compress::write(out, bytes));
    true
}

/// Replaces the number of each record's shape by its rank among those of its context, the next rank being one that this
/// context did not have yet; returns which shapes these were: 0 for the next new one, or the number of a known one plus 1.
fn into_ranks(which: &mut [u16], contexts: &[u16]) -> Writer {
    let mut ranks: BTreeMap<(u16, u16), u16> = BTreeMap::new();
    let mut lengths: BTreeMap<u16, u16> = BTreeMap::new();
    let mut fresh = Writer::new();
    let mut next = 1;
    for (number, &context) in which.iter_mut().zip(contexts) {
        *number = *ranks.entry((context, *number)).or_insert_with(|| {
            let length = lengths.entry(context).or_default();
            let rank = *length;
            *length += 1;
            let is_new = *number == next;
            next += u16::from(is_new);
            fresh.uint(if is_new { 0 } else { u64::from(*number) + 1 });
            rank
        });
    }
    fresh
}

/// The reverse of [`into_ranks`].
fn from_ranks(which: &mut [u16], contexts: &[u16], fresh: &mut Reader<'_>) -> Result<(), ReadError> {
    let mut known: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    let mut next = 1u16;
    for (number, context) in which.iter_mut().zip(contexts) {
        let known = known.entry(*context).or_default();
        let rank = usize::from(*number);
        if rank == known.len() {
            known.push(match fresh.u32()?.checked_sub(1) {
                Some(number) => u16::try_from(number).map_err(|_| ReadError::Overflow)?,
                None => {
                    let new = next;
                    next = next.checked_add(1).ok_or(ReadError::Overflow)?;
                    new
                }
            });
        }
        *number = *known.get(rank).ok_or(ReadError::Unknown("rank of a shape"))?;
    }
    Ok(())
}

/// The inflated streams of a column, which a [`TextColumn`] looks into.
pub(super) struct TextStreams<'a>([Cow<'a, [u8]>; 6]);

impl<'a> TextStreams<'a> {
    pub(super) fn read(input: &mut Reader<'a>, budget: &mut Budget) -> Result<Self, ReadError> {
        let mut streams: [Cow<'a, [u8]>; 6] = Default::default();
        for stream in &mut streams {
            *stream = compress::read(input, budget)?;
        }
        Ok(Self(streams))
    }
}

struct Shape<'a> {
    literals: Vec<&'a str>,
    slots: Vec<Slot<'a>>,
}

/// A column of texts, read.
pub(super) struct TextColumn<'a> {
    shapes: Vec<Shape<'a>>,
    /// For each record its shape, and which of the records of that shape it is.
    which: Vec<(u16, u16)>,
}

impl<'a> TextColumn<'a> {
    pub(super) fn read(
        streams: &'a TextStreams<'_>,
        records: usize,
        contexts: Option<&[u16]>,
        budget: &mut Budget,
    ) -> Result<Self, ReadError> {
        let [table, which, heads, numbers, texts, indices] = &streams.0;
        let literals = read_table(table, budget)?;
        budget.take(records.saturating_mul(size_of::<(u16, u16)>()))?;
        let mut counts = vec![0u16; literals.len() + 1];
        let which = read_which(which, records, contexts, &mut counts, budget)?;
        let mut sources = Sources {
            heads: Reader::new(heads),
            numbers: Reader::new(numbers),
            texts: Reader::new(texts),
            indices: Reader::new(indices),
        };
        let mut shapes = Vec::with_capacity(literals.len());
        for (literals, &count) in literals.into_iter().zip(counts.iter().skip(1)) {
            let slots = (0..literals.len() - 1)
                .map(|place| Slot::read(&mut sources, place, usize::from(count), budget))
                .collect::<Result<_, _>>()?;
            shapes.push(Shape { literals, slots });
        }
        Ok(Self { shapes, which })
    }

    /// How many records it tells of.
    pub(super) fn len(&self) -> usize {
        self.which.len()
    }

    /// The value of the record at `index`, appended to `out`; whether it has one.
    pub(super) fn append(&self, index: usize, out: &mut String, budget: &mut Budget) -> Result<bool, ReadError> {
        let &(number, rank) = self.which.get(index).ok_or(ReadError::Unknown("record of a block"))?;
        let Some(shape) = usize::from(number).checked_sub(1).and_then(|number| self.shapes.get(number)) else {
            return Ok(false);
        };
        let length = out.len();
        for (place, literal) in shape.literals.iter().enumerate() {
            if let Some((earlier, slot)) =
                place.checked_sub(1).and_then(|at| Some((shape.slots.get(..at)?, shape.slots.get(at)?)))
            {
                slot.append(usize::from(rank), earlier, out)?;
            }
            out.push_str(literal);
        }
        // Each part is at most as long as its stream; what they add up to is bounded here.
        budget.take(out.len() - length + size_of::<String>())?;
        Ok(true)
    }
}

fn read_table<'a>(table: &'a [u8], budget: &mut Budget) -> Result<Vec<Vec<&'a str>>, ReadError> {
    let Some((&SHAPE_END, shapes)) = table.split_last() else {
        return Err(ReadError::Unknown("table of shapes"));
    };
    let marks = table.iter().filter(|&&byte| matches!(byte, SHAPE_END | VALUE)).count();
    budget.take(marks.saturating_mul(LITERAL_BYTES))?;
    shapes
        .split(|&byte| byte == SHAPE_END)
        .map(|shape| {
            shape
                .split(|&byte| byte == VALUE)
                .map(|literal| std::str::from_utf8(literal).map_err(|_| ReadError::InvalidText))
                .collect()
        })
        .collect()
}

/// For each record its shape, and which of the records of that shape it is; `counts` holds a zero for each shape.
fn read_which(
    bytes: &[u8],
    records: usize,
    contexts: Option<&[u16]>,
    counts: &mut [u16],
    budget: &mut Budget,
) -> Result<Vec<(u16, u16)>, ReadError> {
    let is_wide = counts.len() > 256;
    let mut input = Reader::new(bytes);
    let low = input.raw(records)?;
    let high = input.raw(if is_wide { records } else { 0 })?;
    // The numbers, and with contexts the ranks once more.
    budget.take(records.saturating_mul(4 * size_of::<u16>()))?;
    let high = high.iter().copied().chain(std::iter::repeat(0));
    let mut which: Vec<u16> = low.iter().zip(high).map(|(&low, high)| u16::from_le_bytes([low, high])).collect();
    if let Some(contexts) = contexts {
        from_ranks(&mut which, contexts, &mut input)?;
    }
    if !input.is_empty() {
        return Err(ReadError::Unknown("bytes after the shapes of records"));
    }
    which
        .into_iter()
        .map(|number| {
            let count = counts.get_mut(usize::from(number)).ok_or(ReadError::Unknown("shape"))?;
            let rank = *count;
            *count = count.checked_add(1).ok_or(ReadError::Overflow)?;
            Ok((number, rank))
        })
        .collect()
}
