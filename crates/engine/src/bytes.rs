//! Reading and writing of packed bytes: LEB128 integers, zig-zag, length-prefixed text.
//!
//! Every stored form of the engine (segments, journal heads, pattern rows, rollups, state) is written with these. The
//! reader never panics and never allocates more than the bytes it was given can hold: a length that points past the
//! end is an error before anything is reserved.

use std::fmt;

/// Why packed bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The bytes end before the value does.
    Truncated,
    /// An integer is longer than 64 bits, or does not fit where it belongs.
    Overflow,
    /// Text that is not UTF-8.
    InvalidText,
    /// A code, version or checksum that this build does not know or that does not match.
    Unknown(&'static str),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end too early"),
            Self::Overflow => f.write_str("an integer is out of range"),
            Self::InvalidText => f.write_str("text is not UTF-8"),
            Self::Unknown(what) => write!(f, "unknown or damaged {what}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Appends packed values to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity) }
    }
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
    /// Empties the buffer, keeping its room.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }
    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.buffer.push(value);
    }
    /// Eight bytes, little endian.
    pub fn u64_fixed(&mut self, value: u64) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }
    /// An unsigned integer, 1 to 10 bytes.
    pub fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.buffer.push(value as u8);
    }
    /// A signed integer, small magnitudes short.
    pub fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)) as u64);
    }
    /// A float, exactly.
    pub fn f64(&mut self, value: f64) {
        self.u64_fixed(value.to_bits());
    }
    /// Raw bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
    }
    /// Text with its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
    /// Text or nothing.
    pub fn optional_text(&mut self, text: Option<&str>) {
        match text {
            None => self.u8(0),
            Some(text) => {
                self.u8(1);
                self.text(text);
            }
        }
    }
}

/// Reads packed values from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes that are known to be text: see [`Reader::expect_texts`].
    known: &'a str,
    /// Bytes behind those.
    behind_known: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, known: "", behind_known: 0 }
    }
    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }
    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    /// The next `count` bytes.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        if count > self.rest.len() {
            return Err(ReadError::Truncated);
        }
        let (head, tail) = self.rest.split_at(count);
        self.rest = tail;
        Ok(head)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        let (&byte, tail) = self.rest.split_first().ok_or(ReadError::Truncated)?;
        self.rest = tail;
        Ok(byte)
    }
    /// Eight bytes, little endian.
    pub fn u64_fixed(&mut self) -> Result<u64, ReadError> {
        let mut value = [0u8; 8];
        value.copy_from_slice(self.raw(8)?);
        Ok(u64::from_le_bytes(value))
    }
    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(ReadError::Overflow);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::Overflow)
    }
    /// The next `N` unsigned integers if each of them takes one byte; nothing is read otherwise.
    pub fn small_uints<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (bytes, tail) = self.rest.split_first_chunk::<N>()?;
        // All at once, which is a few instructions, and no way out before the end.
        if bytes.iter().fold(0, |all, byte| all | byte) >= 0x80 {
            return None;
        }
        self.rest = tail;
        Some(bytes)
    }
    /// An unsigned integer that fits 32 bits.
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        u32::try_from(self.uint()?).map_err(|_| ReadError::Overflow)
    }
    /// A count of things of which each takes at least one byte of what is left: safe to reserve.
    pub fn count(&mut self) -> Result<usize, ReadError> {
        let count = usize::try_from(self.uint()?).map_err(|_| ReadError::Overflow)?;
        if count > self.rest.len() { Err(ReadError::Truncated) } else { Ok(count) }
    }
    /// A signed integer.
    pub fn int(&mut self) -> Result<i64, ReadError> {
        let value = self.uint()?;
        Ok(((value >> 1) as i64) ^ -((value & 1) as i64))
    }
    /// A float.
    pub fn f64(&mut self) -> Result<f64, ReadError> {
        Ok(f64::from_bits(self.u64_fixed()?))
    }
    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let count = self.count()?;
        self.raw(count)
    }
    /// Text with its length.
    pub fn text(&mut self) -> Result<&'a str, ReadError> {
        let count = self.count()?;
        self.text_of(count)
    }

    /// The next `count` bytes, as text.
    #[inline]
    pub fn text_of(&mut self, count: usize) -> Result<&'a str, ReadError> {
        let bytes = self.raw(count)?;
        let end = (self.known.len() + self.behind_known).checked_sub(self.rest.len());
        let known = end.and_then(|end| self.known.get(end.checked_sub(count)?..end));
        // What is not known is looked at by itself; so is what begins or ends inside of a character.
        known.map_or_else(|| std::str::from_utf8(bytes).map_err(|_| ReadError::InvalidText), Ok)
    }

    /// Looks at what is left once for all texts in it: where many short ones follow one another, their lengths between
    /// them are characters, too, and a look at each costs more than all of them. Changes nothing of what is read.
    pub fn expect_texts(&mut self) {
        self.known = match std::str::from_utf8(self.rest) {
            Ok(text) => text,
            Err(error) => {
                let valid = self.rest.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
        };
        self.behind_known = self.rest.len() - self.known.len();
    }

    /// Text or nothing.
    pub fn optional_text(&mut self) -> Result<Option<&'a str>, ReadError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(ReadError::Unknown("presence byte")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            unsigned: u64, signed: i64, float: f64, text in ".{0,40}", blob: Vec<u8>, option in proptest::option::of(".{0,9}"),
        ) {
            let mut writer = Writer::new();
            writer.uint(unsigned);
            writer.int(signed);
            writer.f64(float);
            writer.text(&text);
            writer.bytes(&blob);
            writer.optional_text(option.as_deref());
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.uint(), Ok(unsigned));
            prop_assert_eq!(reader.int(), Ok(signed));
            prop_assert_eq!(reader.f64().map(f64::to_bits), Ok(float.to_bits()));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert_eq!(reader.bytes(), Ok(blob.as_slice()));
            prop_assert_eq!(reader.optional_text(), Ok(option.as_deref()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn expecting_texts_changes_nothing_of_what_is_read(
            texts in proptest::collection::vec(prop_oneof![4 => ".{0,12}", 1 => ".{120,140}"], 0..8),
            before in proptest::collection::vec(any::<u8>(), 0..4),
            change in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            expect_at in 0usize..8,
        ) {
            let mut writer = Writer::new();
            writer.raw(&before);
            texts.iter().for_each(|text| writer.text(text));
            let mut bytes = writer.into_bytes();
            if let Some((at, byte)) = change && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (mut plain, mut expecting) = (Reader::new(&bytes), Reader::new(&bytes));
            prop_assert_eq!(plain.raw(before.len()), expecting.raw(before.len()));
            for index in 0..=texts.len() {
                if index == expect_at {
                    expecting.expect_texts();
                }
                prop_assert_eq!(plain.text(), expecting.text());
                prop_assert_eq!(plain.remaining(), expecting.remaining());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.text().is_ok() && !reader.is_empty() {}
            let mut reader = Reader::new(&bytes);
            while reader.uint().is_ok() && !reader.is_empty() {}
            let mut reader = Reader::new(&bytes);
            while reader.optional_text().is_ok() && !reader.is_empty() {}
        }
    }

    #[test]
    fn integers_of_one_byte_are_read_together_and_others_left_where_they_are() {
        let mut writer = Writer::new();
        [0, 127, 5, 128, 1].into_iter().for_each(|value| writer.uint(value));
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.small_uints::<4>(), None);
        assert_eq!(reader.small_uints::<3>(), Some(&[0, 127, 5]));
        assert_eq!((reader.small_uints::<2>(), reader.uint(), reader.small_uints::<2>()), (None, Ok(128), None));
        assert_eq!((reader.small_uints::<1>(), reader.is_empty()), (Some(&[1]), true));
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        assert_eq!(Reader::new(&[0xff; 10]).uint(), Err(ReadError::Overflow));
        assert_eq!(Reader::new(&[0x80; 11]).uint(), Err(ReadError::Overflow));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).u32(), Err(ReadError::Overflow));
    }

    #[test]
    fn a_length_past_the_end_is_refused_before_anything_is_reserved() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes(), Err(ReadError::Truncated));
        assert_eq!(Reader::new(&[2]).optional_text(), Err(ReadError::Unknown("presence byte")));
        assert_eq!(Reader::new(&[1, 0xff]).text(), Err(ReadError::InvalidText));
    }
}
