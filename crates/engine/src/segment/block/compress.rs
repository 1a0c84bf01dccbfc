//! Streams of bytes, compressed one by one: what is alike lies together, and each kind of data has codes of its own.
//!
//! ```text
//! uint  length before compression times 4, plus the method: 0 stored, 1 DEFLATE (RFC 1951)
//! uint  length as stored, unless the method is 0
//! ..    the bytes
//! ```
//!
//! Invariant: a reader takes what it inflates from a [`Budget`], before it reserves anything. Why DEFLATE: decision
//! record 0065.

use crate::bytes::{ReadError, Reader, Writer};
use miniz_oxide::{deflate, inflate};
use std::borrow::Cow;

const STORED: u64 = 0;
const DEFLATE: u64 = 1;
/// Below this, a compressed stream is hardly ever smaller.
const COMPRESS_BYTES_MIN: usize = 24;
/// Higher levels take a fifth more time for half a percent.
const LEVEL: u8 = 6;

/// Memory that may still be reserved while one block is read.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.0 = self.0.checked_sub(bytes).ok_or(ReadError::Unknown("size of a block"))?;
        Ok(())
    }
}

/// Appends a stream.
pub(super) fn write(out: &mut Writer, bytes: &[u8]) {
    let length = (bytes.len() as u64) << 2;
    if bytes.len() >= COMPRESS_BYTES_MIN {
        let packed = deflate::compress_to_vec(bytes, LEVEL);
        if packed.len() + 2 < bytes.len() {
            out.uint(length | DEFLATE);
            out.bytes(&packed);
            return;
        }
    }
    out.uint(length | STORED);
    out.raw(bytes);
}

/// Reads a stream.
pub(super) fn read<'a>(input: &mut Reader<'a>, budget: &mut Budget) -> Result<Cow<'a, [u8]>, ReadError> {
    let head = input.uint()?;
    let length = usize::try_from(head >> 2).map_err(|_| ReadError::Overflow)?;
    match head & 3 {
        STORED => Ok(Cow::Borrowed(input.raw(length)?)),
        DEFLATE => {
            let packed = input.bytes()?;
            budget.take(length)?;
            let mut bytes = vec![0; length];
            match inflate::decompress_slice_iter_to_slice(&mut bytes, std::iter::once(packed), false, true) {
                Ok(inflated) if inflated == length => Ok(Cow::Owned(bytes)),
                _ => Err(ReadError::Unknown("stream of a block")),
            }
        }
        _ => Err(ReadError::Unknown("compression of a stream")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round(bytes: &[u8]) -> usize {
        let mut out = Writer::new();
        write(&mut out, bytes);
        let mut input = Reader::new(out.as_bytes());
        assert_eq!(read(&mut input, &mut Budget::new(bytes.len())).unwrap().as_ref(), bytes);
        assert!(input.is_empty());
        out.len()
    }

    #[test]
    fn what_repeats_is_stored_small_and_what_does_not_as_it_is() {
        assert!(round(&[7; 10_000]) < 40);
        assert_eq!(round(b"abc"), 4);
        assert_eq!(round(b""), 1);
    }

    #[test]
    fn a_stream_that_claims_more_than_the_budget_is_refused_before_it_is_inflated() {
        let mut out = Writer::new();
        write(&mut out, &[0; 10_000]);
        let error = read(&mut Reader::new(out.as_bytes()), &mut Budget::new(9_999));
        assert_eq!(error, Err(ReadError::Unknown("size of a block")));
        let mut lie = Writer::new();
        lie.uint(u64::MAX << 2 | DEFLATE);
        lie.bytes(&[1, 2, 3]);
        assert!(read(&mut Reader::new(lie.as_bytes()), &mut Budget::new(1 << 20)).is_err());
    }

    #[test]
    fn a_stream_of_another_length_than_it_says_is_refused() {
        for length in [9_999u64, 10_001] {
            let mut lie = Writer::new();
            lie.uint(length << 2 | DEFLATE);
            lie.bytes(&deflate::compress_to_vec(&[0; 10_000], LEVEL));
            assert!(read(&mut Reader::new(lie.as_bytes()), &mut Budget::new(1 << 20)).is_err());
        }
        assert!(read(&mut Reader::new(&[2, 0]), &mut Budget::new(9)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_survive_and_any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0u8..9, 0..300), wild: Vec<u8>) {
            round(&bytes);
            let _outcome = read(&mut Reader::new(&wild), &mut Budget::new(1 << 16));
        }
    }
}
