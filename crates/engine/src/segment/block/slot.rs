//! The values of one place of a shape, by type.
//!
//! The writer takes the first form that holds all of them without loss: the same as an earlier place, a dictionary,
//! numbers in one of the ways people write numbers, hex digits, or plain text.

use super::compress::Budget;
use super::number::{self, Numbers};
use crate::bytes::{ReadError, Reader, Writer};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Ends a text in a stream of texts. No UTF-8 text holds this byte.
pub(super) const END: u8 = 0xff;
/// Places with fewer values than this are plain text without a head: it would cost more than it saves.
pub(super) const FEW: usize = 3;

/// The streams of a column while it is written.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) heads: Writer,
    pub(super) numbers: Vec<u8>,
    pub(super) texts: Vec<u8>,
    pub(super) indices: Vec<u8>,
}

/// The streams of a column while it is read.
pub(super) struct Sources<'a> {
    pub(super) heads: Reader<'a>,
    pub(super) numbers: Reader<'a>,
    pub(super) texts: Reader<'a>,
    pub(super) indices: Reader<'a>,
}

/// How a number is written. The codes are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `17`
    Decimal,
    /// `0017`, all of one width.
    DecimalOf(u8),
    /// `0017`, each of its own width, which follows in `indices`.
    DecimalVaried,
    /// `15:37:56` as seconds.
    Clock,
    /// `10.0.0.1`
    Address,
    /// `1f`
    Hex,
    /// `001f`, all of one width.
    HexOf(u8),
    /// `001F`, all of one width.
    UpperHexOf(u8),
}

const KIND_TEXTS: u8 = 0;
const KIND_DICTIONARY: u8 = 1;
const KIND_SAME: u8 = 2;
const KIND_WIDE_HEX: u8 = 3;
const KIND_UUID: u8 = 4;
/// Kinds from here on are the forms of numbers.
const KIND_NUMBERS: u8 = 16;

impl Form {
    fn code(self) -> (u8, Option<u8>) {
        match self {
            Self::Decimal => (0, None),
            Self::DecimalOf(width) => (1, Some(width)),
            Self::DecimalVaried => (2, None),
            Self::Clock => (3, None),
            Self::Address => (4, None),
            Self::Hex => (5, None),
            Self::HexOf(width) => (6, Some(width)),
            Self::UpperHexOf(width) => (7, Some(width)),
        }
    }

    fn read(code: u8, heads: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(match code {
            0 => Self::Decimal,
            1 => Self::DecimalOf(heads.u8()?),
            2 => Self::DecimalVaried,
            3 => Self::Clock,
            4 => Self::Address,
            5 => Self::Hex,
            6 => Self::HexOf(heads.u8()?),
            7 => Self::UpperHexOf(heads.u8()?),
            _ => return Err(ReadError::Unknown("form of a number")),
        })
    }

    fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Decimal | Self::DecimalOf(_) | Self::DecimalVaried => text.parse().ok(),
            Self::Clock => {
                let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
                let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
                hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
            }
            Self::Address => text.parse::<Ipv4Addr>().ok().map(|address| u64::from(u32::from(address))),
            Self::Hex | Self::HexOf(_) | Self::UpperHexOf(_) => u64::from_str_radix(text, 16).ok(),
        }
    }

    fn print(self, value: u64, width: usize, out: &mut String) {
        // Writing to a string does not fail.
        let _ = match self {
            Self::Decimal => write!(out, "{value}"),
            Self::DecimalOf(_) | Self::DecimalVaried => write!(out, "{value:0width$}"),
            Self::Clock => write!(out, "{:02}:{:02}:{:02}", value / 3_600, value / 60 % 60, value % 60),
            Self::Address => write!(out, "{}", Ipv4Addr::from(value as u32)),
            Self::Hex => write!(out, "{value:x}"),
            Self::HexOf(_) => write!(out, "{value:0width$x}"),
            Self::UpperHexOf(_) => write!(out, "{value:0width$X}"),
        };
    }

    /// The numbers of all these texts, if this form gives every one of them back.
    fn of_all(self, values: &[&str]) -> Option<Vec<u64>> {
        let mut printed = String::new();
        values
            .iter()
            .map(|text| {
                let value = self.parse(text)?;
                printed.clear();
                self.print(value, text.len(), &mut printed);
                let has_width = match self {
                    Self::DecimalOf(width) | Self::HexOf(width) | Self::UpperHexOf(width) => {
                        usize::from(width) == text.len()
                    }
                    Self::DecimalVaried => text.len() <= usize::from(u8::MAX),
                    _ => true,
                };
                (has_width && printed == *text).then_some(value)
            })
            .collect()
    }
}

pub(super) fn write_text(texts: &mut Vec<u8>, text: &str) {
    texts.extend_from_slice(text.as_bytes());
    texts.push(END);
}

/// Writes the values of the place behind `earlier` of the same shape.
pub(super) fn write(out: &mut Streams, values: &[&str], earlier: &[Vec<&str>]) {
    if values.len() < FEW {
        values.iter().for_each(|value| write_text(&mut out.texts, value));
        return;
    }
    if let Some(same) = earlier.iter().position(|earlier| earlier.as_slice() == values) {
        out.heads.u8(KIND_SAME);
        out.heads.uint(same as u64);
        return;
    }
    let mut known = BTreeMap::new();
    let mut entries = Vec::new();
    let indices: Vec<u16> = values
        .iter()
        .map(|value| {
            *known.entry(*value).or_insert_with(|| {
                entries.push(*value);
                (entries.len() - 1).min(usize::from(u16::MAX)) as u16
            })
        })
        .collect();
    let form = form_of(values);
    let is_dictionary = match form {
        // A compressor finds what comes twice by itself; a dictionary pays where values come again and again, and of
        // numbers only where they are long.
        Some((_, ref numbers)) => entries.len() == 1 || entries.len() * 8 <= values.len() && !is_narrow(numbers),
        None => entries.len() * 3 <= values.len(),
    };
    if is_dictionary && entries.len() < usize::from(u16::MAX) {
        write_dictionary(out, &entries, &indices);
    } else if let Some((form, numbers)) = form {
        let (code, width) = form.code();
        out.heads.u8(KIND_NUMBERS + code);
        width.into_iter().for_each(|width| out.heads.u8(width));
        number::write(&mut out.heads, &mut out.numbers, &numbers);
        if form == Form::DecimalVaried {
            out.indices.extend(values.iter().map(|text| text.len() as u8));
        }
    } else if !write_wide_hex(out, values) {
        out.heads.u8(KIND_TEXTS);
        values.iter().for_each(|value| write_text(&mut out.texts, value));
    }
}

fn is_narrow(numbers: &[u64]) -> bool {
    let (min, max) = numbers.iter().fold((u64::MAX, 0), |(min, max), &value| (value.min(min), value.max(max)));
    max.saturating_sub(min) < 256
}

fn form_of(values: &[&str]) -> Option<(Form, Vec<u64>)> {
    let width = values.first().map_or(0, |text| text.len()).min(usize::from(u8::MAX)) as u8;
    let forms = [
        Form::Decimal,
        Form::DecimalOf(width),
        Form::DecimalVaried,
        Form::Clock,
        Form::Address,
        Form::HexOf(width),
        Form::UpperHexOf(width),
        Form::Hex,
    ];
    forms.into_iter().find_map(|form| form.of_all(values).map(|numbers| (form, numbers)))
}

fn write_dictionary(out: &mut Streams, entries: &[&str], indices: &[u16]) {
    out.heads.u8(KIND_DICTIONARY);
    out.heads.uint(entries.len() as u64);
    entries.iter().for_each(|entry| write_text(&mut out.texts, entry));
    if entries.len() > 1 {
        out.indices.extend(indices.iter().map(|&index| index as u8));
    }
    if entries.len() > 256 {
        out.indices.extend(indices.iter().map(|&index| (index >> 8) as u8));
    }
}

/// Hex digits of one width and case that no number holds, or UUIDs in lower case.
fn write_wide_hex(out: &mut Streams, values: &[&str]) -> bool {
    let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let width = values.first().map_or(0, |text| text.len());
    let is_uuid_byte = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => is_lower_hex(byte),
    };
    if values.iter().all(|text| text.len() == 36 && text.bytes().enumerate().all(is_uuid_byte)) {
        out.heads.u8(KIND_UUID);
    } else if width.is_multiple_of(2)
        && width <= usize::from(u8::MAX)
        && values.iter().all(|text| text.len() == width && text.bytes().all(is_lower_hex))
    {
        out.heads.u8(KIND_WIDE_HEX);
        out.heads.u8(width as u8);
    } else {
        return false;
    }
    let nibble = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'a' - 10) };
    for text in values {
        let mut nibbles = text.bytes().filter(|&byte| byte != b'-').map(nibble);
        while let (Some(high), Some(low)) = (nibbles.next(), nibbles.next()) {
            out.numbers.push(high << 4 | low);
        }
    }
    true
}

/// The values of a place, read.
pub(super) enum Slot<'a> {
    Texts(Vec<&'a str>),
    /// With one entry there are no indices.
    Dictionary {
        entries: Vec<&'a str>,
        low: &'a [u8],
        high: &'a [u8],
    },
    /// What stands in an earlier place.
    Same(usize),
    Numbers {
        numbers: Numbers,
        form: Form,
        widths: &'a [u8],
    },
    /// Bytes of each value, and all of them.
    WideHex(usize, &'a [u8]),
    Uuid(&'a [u8]),
}

pub(super) fn read_text<'a>(texts: &mut Reader<'a>) -> Result<&'a str, ReadError> {
    let mut ahead = texts.clone();
    let length = ahead.raw(ahead.remaining())?.iter().position(|&byte| byte == END).ok_or(ReadError::Truncated)?;
    let text = texts.raw(length)?;
    texts.u8()?;
    std::str::from_utf8(text).map_err(|_| ReadError::InvalidText)
}

impl<'a> Slot<'a> {
    /// Reads the place number `place` of a shape that `count` records have.
    pub(super) fn read(
        from: &mut Sources<'a>,
        place: usize,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Self, ReadError> {
        let mut texts = |from: &mut Sources<'a>, count: usize| {
            budget.take(count.saturating_mul(size_of::<&str>()))?;
            (0..count).map(|_| read_text(&mut from.texts)).collect::<Result<Vec<_>, _>>()
        };
        if count < FEW {
            return Ok(Self::Texts(texts(from, count)?));
        }
        match from.heads.u8()? {
            KIND_TEXTS => Ok(Self::Texts(texts(from, count)?)),
            KIND_DICTIONARY => {
                let entries = from.heads.u32()? as usize;
                let entries = texts(from, entries)?;
                let low = from.indices.raw(if entries.len() > 1 { count } else { 0 })?;
                let high = from.indices.raw(if entries.len() > 256 { count } else { 0 })?;
                Ok(Self::Dictionary { entries, low, high })
            }
            KIND_SAME => {
                let same = from.heads.u32()? as usize;
                if same < place { Ok(Self::Same(same)) } else { Err(ReadError::Unknown("place")) }
            }
            KIND_WIDE_HEX => {
                let bytes = usize::from(from.heads.u8()?) / 2;
                Ok(Self::WideHex(bytes, from.numbers.raw(count.checked_mul(bytes).ok_or(ReadError::Overflow)?)?))
            }
            KIND_UUID => Ok(Self::Uuid(from.numbers.raw(count.checked_mul(16).ok_or(ReadError::Overflow)?)?)),
            kind => {
                let code = kind.checked_sub(KIND_NUMBERS).ok_or(ReadError::Unknown("kind of values"))?;
                let form = Form::read(code, &mut from.heads)?;
                budget.take(count.saturating_mul(size_of::<u64>()))?;
                let numbers = number::read(&mut from.heads, &mut from.numbers, count)?;
                let widths = from.indices.raw(if form == Form::DecimalVaried { count } else { 0 })?;
                Ok(Self::Numbers { numbers, form, widths })
            }
        }
    }

    /// Appends the value of the record that is number `index` of its shape; `earlier` are the places before this one.
    pub(super) fn append(&self, index: usize, earlier: &[Self], out: &mut String) -> Result<(), ReadError> {
        const MISSING: ReadError = ReadError::Unknown("value");
        match self {
            Self::Texts(texts) => out.push_str(texts.get(index).ok_or(MISSING)?),
            Self::Dictionary { entries, low, high } => {
                let low = low.get(index).copied().unwrap_or(0);
                let high = high.get(index).copied().unwrap_or(0);
                out.push_str(entries.get(usize::from(u16::from_le_bytes([low, high]))).ok_or(MISSING)?);
            }
            Self::Same(place) => {
                // A chain of equal places would be followed for ever deeper; a writer names the first of them.
                let (before, at) = (earlier.get(..*place).ok_or(MISSING)?, earlier.get(*place).ok_or(MISSING)?);
                match at {
                    Self::Same(_) => return Err(ReadError::Unknown("place")),
                    at => at.append(index, before, out)?,
                }
            }
            Self::Numbers { numbers, form, widths } => {
                let width = match form {
                    Form::DecimalOf(width) | Form::HexOf(width) | Form::UpperHexOf(width) => *width,
                    _ => widths.get(index).copied().unwrap_or(0),
                };
                form.print(numbers.at(index).ok_or(MISSING)?, usize::from(width), out);
            }
            Self::WideHex(width, bytes) => {
                let from = index.checked_mul(*width).ok_or(MISSING)?;
                hex(bytes.get(from..from + width).ok_or(MISSING)?, out);
            }
            Self::Uuid(bytes) => {
                let from = index.checked_mul(16).ok_or(MISSING)?;
                for (group, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
                    if group > 0 {
                        out.push('-');
                    }
                    hex(bytes.get(from + range.start..from + range.end).ok_or(MISSING)?, out);
                }
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes and reads `values`; returns the kind that was chosen.
    fn round(values: &[&str]) -> Option<u8> {
        let mut streams = Streams::default();
        write(&mut streams, values, &[]);
        let mut sources = Sources {
            heads: Reader::new(streams.heads.as_bytes()),
            numbers: Reader::new(&streams.numbers),
            texts: Reader::new(&streams.texts),
            indices: Reader::new(&streams.indices),
        };
        let slot = Slot::read(&mut sources, 0, values.len(), &mut Budget::new(1 << 20)).unwrap();
        for (index, value) in values.iter().enumerate() {
            let mut text = String::new();
            slot.append(index, &[], &mut text).unwrap();
            assert_eq!(text, *value);
        }
        assert!(sources.heads.is_empty() && sources.numbers.is_empty());
        assert!(sources.texts.is_empty() && sources.indices.is_empty());
        streams.heads.as_bytes().first().copied()
    }

    #[test]
    fn values_are_stored_by_their_type() {
        let number = |form: Form| Some(KIND_NUMBERS + form.code().0);
        assert_eq!(round(&["17", "4", "230", "0"]), number(Form::Decimal));
        assert_eq!(round(&["017", "004", "230"]), number(Form::DecimalOf(3)));
        assert_eq!(round(&["017", "4", "230"]), number(Form::DecimalVaried));
        assert_eq!(round(&["15:37:56", "15:37:57", "00:00:00"]), number(Form::Clock));
        assert_eq!(round(&["10.0.0.1", "10.0.0.2", "255.255.255.255"]), number(Form::Address));
        assert_eq!(round(&["00ff", "1234", "abcd"]), number(Form::HexOf(4)));
        assert_eq!(round(&["00FF", "1234", "ABCD"]), number(Form::UpperHexOf(4)));
        assert_eq!(round(&["ff", "1234", "abcd"]), number(Form::Hex));
        assert_eq!(round(&["0af7651916cd43dd8448eb211c80319c"; 1]), None);
        let wide = ["0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319d", &"0".repeat(32)];
        assert_eq!(round(&wide), Some(KIND_WIDE_HEX));
        let uuids = [
            "b9000564-fe1a-409b-b8cc-1e88b294cd1d",
            "b9000564-fe1a-409b-b8cc-1e88b294cd1e",
            "00000000-0000-0000-0000-000000000000",
        ];
        assert_eq!(round(&uuids), Some(KIND_UUID));
        assert_eq!(round(&["alice", "bob", "alice", "bob", "bob", "alice"]), Some(KIND_DICTIONARY));
        assert_eq!(round(&["x"; 9]), Some(KIND_DICTIONARY));
        assert_eq!(round(&["a", "b", ""]), Some(KIND_TEXTS));
        assert_eq!(round(&["99:99:99", "1:2:3", "00:00:61"]), Some(KIND_TEXTS));
        assert_eq!(round(&["18446744073709551616", "1", "2"]), Some(KIND_TEXTS));
    }

    #[test]
    fn a_dictionary_holds_more_than_256_entries() {
        let words: Vec<String> = (0..1_000).map(|index| format!("w-{}x", index % 300)).collect();
        assert_eq!(round(&words.iter().map(String::as_str).collect::<Vec<_>>()), Some(KIND_DICTIONARY));
    }

    #[test]
    fn places_that_name_each_other_in_a_chain_are_refused() {
        let earlier = [Slot::Texts(vec!["a"]), Slot::Same(0), Slot::Same(1)];
        let mut out = String::new();
        assert_eq!(Slot::Same(0).append(0, &earlier, &mut out), Ok(()));
        assert!(Slot::Same(1).append(0, &earlier, &mut out).is_err());
        assert!(Slot::Same(9).append(0, &earlier, &mut out).is_err());
    }

    proptest! {
        #[test]
        fn any_values_survive(values in proptest::collection::vec(".{0,6}|[0-9]{1,21}|[0-9a-f]{16,18}|[0-9.:]{7,9}", 0..12)) {
            round(&values.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
