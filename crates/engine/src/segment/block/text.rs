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

/// Writes a column; nothing if no record has a value.
pub(super) fn write(out: &mut Writer, values: &[Option<&str>]) -> bool {
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
    let mut which_bytes: Vec<u8> = which.iter().map(|&number| number as u8).collect();
    if places.len() > 255 {
        which_bytes.extend(which.iter().map(|&number| (number >> 8) as u8));
    }
    let all = [&table, &which_bytes, streams.heads.as_bytes(), &streams.numbers, &streams.texts, &streams.indices];
    all.into_iter().for_each(|bytes| compress::write(out, bytes));
    true
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
    pub(super) fn read(streams: &'a TextStreams<'_>, records: usize, budget: &mut Budget) -> Result<Self, ReadError> {
        let [table, which, heads, numbers, texts, indices] = &streams.0;
        let literals = read_table(table, budget)?;
        budget.take(records.saturating_mul(size_of::<(u16, u16)>()))?;
        let mut counts = vec![0u16; literals.len() + 1];
        let which = read_which(which, records, &mut counts)?;
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

fn read_which(bytes: &[u8], records: usize, counts: &mut [u16]) -> Result<Vec<(u16, u16)>, ReadError> {
    let is_wide = counts.len() > 256;
    let mut input = Reader::new(bytes);
    let low = input.raw(records)?;
    let high = input.raw(if is_wide { records } else { 0 })?;
    (0..records)
        .map(|index| {
            let number = [low.get(index).copied().unwrap_or(0), high.get(index).copied().unwrap_or(0)];
            let number = u16::from_le_bytes(number);
            let count = counts.get_mut(usize::from(number)).ok_or(ReadError::Unknown("shape"))?;
            let rank = *count;
            *count = count.checked_add(1).ok_or(ReadError::Overflow)?;
            Ok((number, rank))
        })
        .collect()
}
