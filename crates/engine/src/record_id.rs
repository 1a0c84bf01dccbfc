//! The id of a stored record: a UUIDv7 (RFC 9562 section 5.7) that leads to where the record lies.
//!
//! ```text
//! 48 bits  receive time of its row, ms since epoch
//!  4 bits  version 7
//! 12 bits  object tag, high half      \ 24 bits: which object of the domain
//!  2 bits  variant                     |
//! 12 bits  object tag, low half       /
//! 36 bits  sequence of the row in the object's journal
//! 14 bits  index of the record in the row
//! ```
//!
//! Nothing has to be stored for it and nothing looked up but the row. Two components of a domain may share a tag (one
//! pair in 16 million): the reader then asks both, and the receive time tells which row is meant.

use crate::limits;
use crate::time::Timestamp;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// Where a stored record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Receive time of the row.
    pub received_at: Timestamp,
    /// Which object, see [`object_tag`].
    pub object_tag: u32,
    /// Sequence of the row, 1 to 2^36 - 1.
    pub seq: u64,
    /// Index in the row.
    pub index: u16,
}

const SEQ_BITS: u32 = 36;
const INDEX_BITS: u32 = 14;

const _: () = assert!(limits::ROW_RECORDS_MAX <= 1 << INDEX_BITS, "every record of a row has an index");

/// The 24-bit tag of the object that holds `component`'s shard `shard`.
pub fn object_tag(component: &str, shard: u16) -> u32 {
    (xxh3_64(format!("{component}|{shard}").as_bytes()) & 0xff_ffff) as u32
}

impl RecordId {
    /// Reads the text form; `None` for anything that is not one of our ids (a foreign id).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut value = 0u128;
        for (position, &byte) in bytes.iter().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                _ => return None,
            };
            value = value << 4 | u128::from(digit);
        }
        if value >> 76 & 0xf != 7 || value >> 62 & 0x3 != 2 {
            return None;
        }
        let high = (value >> 64 & 0xfff) as u32;
        let low = (value >> (SEQ_BITS + INDEX_BITS) & 0xfff) as u32;
        Some(Self {
            received_at: Timestamp((value >> 80) as i64),
            object_tag: high << 12 | low,
            seq: (value >> INDEX_BITS) as u64 & ((1 << SEQ_BITS) - 1),
            index: value as u16 & ((1 << INDEX_BITS) - 1),
        })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.received_at.0.clamp(0, (1 << 48) - 1) as u128;
        let tag = u128::from(self.object_tag & 0xff_ffff);
        let value = time << 80
            | 7 << 76
            | (tag >> 12) << 64
            | 2 << 62
            | (tag & 0xfff) << (SEQ_BITS + INDEX_BITS)
            | u128::from(self.seq & ((1 << SEQ_BITS) - 1)) << INDEX_BITS
            | u128::from(self.index & ((1 << INDEX_BITS) - 1));
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            value >> 96,
            value >> 80 & 0xffff,
            value >> 64 & 0xffff,
            value >> 48 & 0xffff,
            value & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn leads_back_to_the_record(time in 0i64..1 << 48, tag in 0u32..1 << 24, seq in 0u64..1 << 36, index in 0u16..1 << 14) {
            let id = RecordId { received_at: Timestamp(time), object_tag: tag, seq, index };
            prop_assert_eq!(RecordId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(RecordId::parse(&id.to_string().to_uppercase()), Some(id));
        }

        #[test]
        fn later_rows_of_an_object_sort_later(seq in 1u64..1 << 35, index in 0u16..1000) {
            let id = |seq, index| RecordId { received_at: Timestamp(9), object_tag: 77, seq, index }.to_string();
            prop_assert!(id(seq, index) < id(seq, index + 1));
            prop_assert!(id(seq, index) < id(seq + 1, 0));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _id = RecordId::parse(&text);
        }
    }

    #[test]
    fn foreign_ids_are_not_ours() {
        for text in ["", "evt-1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"] {
            assert_eq!(RecordId::parse(text), None, "{text}");
        }
    }
}
