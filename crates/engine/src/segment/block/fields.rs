//! The attributes of the records: their names and types by shape, their values by path.
//!
//! The shape of a record's attributes is packed bytes: a count, then for each field its name and its value:
//!
//! ```text
//! 0 null
//! 1 boolean   and the number of the column that holds it, as `true` or `false`
//! 3 integer   and the number of its column
//! 4 float     and the number of its column
//! 5 text      and the number of its column
//! 6 list      its count, then the values
//! 7 map       its count, then names and values
//! ```
//!
//! Each column holds the values of one path, in the order in which the shapes of the records name them.

use super::compress::Budget;
use super::text::{self, TextColumn, TextStreams};
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::value::{Fields, Value};
use std::collections::BTreeMap;

/// Paths with a column of their own; what comes later shares the last.
const PATHS_MAX: usize = 256;
/// Values of one column; then a new one is begun.
const COLUMN_VALUES_MAX: usize = 0xffff;
/// What a value takes in memory, beside its text.
const NODE_BYTES: usize = 64;

/// The values of all records while they are written, by column.
#[derive(Default)]
pub(super) struct Leaves {
    columns: Vec<Vec<String>>,
    column_of: BTreeMap<String, usize>,
}

impl Leaves {
    fn push(&mut self, path: &str, value: String) -> u64 {
        let path = if self.column_of.len() < PATHS_MAX || self.column_of.contains_key(path) { path } else { "" };
        let known = self.column_of.get(path).copied();
        let is_full = |column: &usize| self.columns.get(*column).is_none_or(|values| values.len() >= COLUMN_VALUES_MAX);
        let number = known.filter(|column| !is_full(column)).unwrap_or(self.columns.len());
        if number == self.columns.len() {
            self.columns.push(Vec::new());
            self.column_of.insert(path.to_owned(), number);
        }
        if let Some(column) = self.columns.get_mut(number) {
            column.push(value);
        }
        number as u64
    }

    /// Appends all columns: their count, then for each the count of its values and the column.
    pub(super) fn write(&self, out: &mut Writer) {
        out.uint(self.columns.len() as u64);
        for column in &self.columns {
            out.uint(column.len() as u64);
            text::write(out, &column.iter().map(|value| Some(value.as_str())).collect::<Vec<_>>(), None);
        }
    }
}

/// Appends the shape of `fields`; their values go into `leaves`.
pub(super) fn write_shape(out: &mut Writer, fields: &Fields, path: &mut String, leaves: &mut Leaves) {
    out.uint(fields.len() as u64);
    for (name, value) in fields {
        let length = path.len();
        path.push('.');
        path.push_str(name);
        out.text(name);
        write_value(out, value, path, leaves);
        path.truncate(length);
    }
}

fn write_value(out: &mut Writer, value: &Value, path: &mut String, leaves: &mut Leaves) {
    let (code, text) = match value {
        Value::Null => return out.u8(0),
        Value::Bool(value) => (1, value.to_string()),
        Value::Int(value) => (3, value.to_string()),
        Value::Float(value) => (4, float_text(*value)),
        Value::Text(value) => (5, value.clone()),
        Value::List(values) => {
            out.u8(6);
            out.uint(values.len() as u64);
            for value in values {
                write_value(out, value, path, leaves);
            }
            return;
        }
        Value::Map(fields) => {
            out.u8(7);
            return write_shape(out, fields, path, leaves);
        }
    };
    out.u8(code);
    out.uint(leaves.push(path, text));
}

/// A float as the shortest text that gives it back; where none does, its bits behind an `x`.
pub(super) fn float_text(value: f64) -> String {
    let text = format!("{value:?}");
    match text.parse::<f64>() {
        Ok(back) if back.to_bits() == value.to_bits() => text,
        _ => format!("x{:016x}", value.to_bits()),
    }
}

/// The reverse of [`float_text`].
pub(super) fn float_of(text: &str) -> Result<f64, ReadError> {
    let value = match text.strip_prefix('x') {
        Some(bits) => u64::from_str_radix(bits, 16).ok().map(f64::from_bits),
        None => text.parse().ok(),
    };
    value.ok_or(ReadError::Unknown("float"))
}

/// The inflated columns of values.
pub(super) struct LeafStreams<'a>(Vec<(usize, TextStreams<'a>)>);

impl<'a> LeafStreams<'a> {
    pub(super) fn read(input: &mut Reader<'a>, budget: &mut Budget) -> Result<Self, ReadError> {
        let count = input.count()?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let values = input.u32()? as usize;
            if values > COLUMN_VALUES_MAX {
                return Err(ReadError::Unknown("count of values"));
            }
            budget.take(size_of::<TextStreams<'_>>())?;
            columns.push((values, TextStreams::read(input, budget)?));
        }
        Ok(Self(columns))
    }
}

/// The values of all records, each column with how far it was read.
pub(super) struct LeafColumns<'a>(Vec<(usize, TextColumn<'a>)>);

impl<'a> LeafColumns<'a> {
    pub(super) fn read(streams: &'a LeafStreams<'_>, budget: &mut Budget) -> Result<Self, ReadError> {
        let columns =
            streams.0.iter().map(|(values, streams)| Ok((0, TextColumn::read(streams, *values, None, budget)?)));
        Ok(Self(columns.collect::<Result<_, ReadError>>()?))
    }

    fn next(&mut self, number: u64, budget: &mut Budget) -> Result<String, ReadError> {
        let column = usize::try_from(number).ok().and_then(|number| self.0.get_mut(number));
        let (at, column) = column.ok_or(ReadError::Unknown("column"))?;
        let mut text = String::new();
        if !column.append(*at, &mut text, budget)? {
            return Err(ReadError::Unknown("value"));
        }
        *at += 1;
        Ok(text)
    }

    /// Passes by one value of each of these columns.
    pub(super) fn skip(&mut self, columns: &[u32]) -> Result<(), ReadError> {
        for &number in columns {
            let column = usize::try_from(number).ok().and_then(|number| self.0.get_mut(number));
            let (at, column) = column.ok_or(ReadError::Unknown("column"))?;
            *at += 1;
            if *at > column.len() {
                return Err(ReadError::Unknown("value"));
            }
        }
        Ok(())
    }

    /// The attributes of the next record, whose shape this is.
    pub(super) fn read_shape(&mut self, shape: &[u8], budget: &mut Budget) -> Result<Fields, ReadError> {
        let mut input = Reader::new(shape);
        let fields = self.read_fields(&mut input, 0, budget)?;
        if input.is_empty() { Ok(fields) } else { Err(ReadError::Unknown("bytes after attributes")) }
    }

    fn read_fields(&mut self, input: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Fields, ReadError> {
        let mut fields = Fields::new();
        for _ in 0..input.count()? {
            let name = input.text()?;
            budget.take(name.len() + NODE_BYTES)?;
            fields.push((name.to_owned(), self.read_value(input, depth, budget)?));
        }
        Ok(fields)
    }

    fn read_value(&mut self, input: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Value, ReadError> {
        check_depth(depth)?;
        Ok(match input.u8()? {
            0 => Value::Null,
            1 => match self.next(input.uint()?, budget)?.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => return Err(ReadError::Unknown("boolean")),
            },
            3 => Value::Int(self.next(input.uint()?, budget)?.parse().map_err(|_| ReadError::Unknown("integer"))?),
            4 => Value::Float(float_of(&self.next(input.uint()?, budget)?)?),
            5 => Value::Text(self.next(input.uint()?, budget)?),
            6 => {
                let mut values = Vec::new();
                for _ in 0..input.count()? {
                    budget.take(NODE_BYTES)?;
                    values.push(self.read_value(input, depth + 1, budget)?);
                }
                Value::List(values)
            }
            7 => Value::Map(self.read_fields(input, depth + 1, budget)?),
            _ => return Err(ReadError::Unknown("value type")),
        })
    }
}

/// The columns that hold the values of a record whose attributes have this shape, in order.
pub(super) fn columns_of(shape: &[u8], budget: &mut Budget) -> Result<Vec<u32>, ReadError> {
    let mut input = Reader::new(shape);
    let mut columns = Vec::new();
    // How many values are still to come, and whether they have names, from the outermost level in.
    let mut open = vec![(input.count()?, true)];
    while let Some((left, has_names)) = open.last_mut() {
        let Some(rest) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = rest;
        if *has_names {
            input.bytes()?;
        }
        match input.u8()? {
            0 => {}
            1 | 3 | 4 | 5 => {
                budget.take(size_of::<u32>())?;
                columns.push(input.u32()?);
            }
            code @ (6 | 7) => {
                check_depth(open.len())?;
                open.push((input.count()?, code == 7));
            }
            _ => return Err(ReadError::Unknown("value type")),
        }
    }
    Ok(columns)
}

/// One more than normalize lets through, so that no bytes can drive the reader deep.
fn check_depth(depth: usize) -> Result<(), ReadError> {
    if depth > limits::ATTRIBUTE_DEPTH_MAX + 1 { Err(ReadError::Unknown("nesting")) } else { Ok(()) }
}
