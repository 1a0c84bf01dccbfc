//! The segment: the durable, self-contained block of the records of one call and one component.
//!
//! Whoever decodes a request builds its segments, and those bytes are what is stored: the object only looks inside.
//! Layout, version 1 (all integers as in [`crate::bytes`] unless a width is given):
//!
//! ```text
//! 0   4  magic  "SWsg"
//! 4   1  version = 1
//! 5   1  compression: 0 none, 1 LZ4 block
//! 6   2  reserved for encryption (algorithm, key slot), zero; anything else is refused
//! 8   4  record count, little endian
//! 12  4  payload length after decompression, little endian
//! 16  8  XXH3-64 of everything behind this field, little endian
//! 24  .. payload: per record its length, then the record (see `codec`)
//! ```
//!
//! Invariants: no bytes can panic the reader or make it allocate more than [`limits::SEGMENT_RAW_BYTES_MAX`]; a segment
//! whose checksum does not match is refused whole. Left out here: patterns and positions (the journal row holds those),
//! and columns by template: those belong to the [`block`], for the thousands of records that are kept together.

pub mod block;
mod codec;

use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::record::Record;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 4] = b"SWsg";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 24;
/// Below this, compression costs more than it saves.
const COMPRESS_BYTES_MIN: usize = 128;

const COMPRESSION_NONE: u8 = 0;
const COMPRESSION_LZ4: u8 = 1;

/// Encodes records as one or more segments, each within [`limits::SEGMENT_RAW_BYTES_MAX`] and
/// [`limits::SEGMENT_RECORDS_MAX`], in order. No records, no segments.
pub fn encode(records: &[Record]) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let mut payload = Writer::with_capacity(256 * records.len().min(limits::SEGMENT_RECORDS_MAX));
    let mut one = Writer::new();
    let mut count = 0usize;
    let mut previous = 0i64;
    for record in records {
        one.clear();
        codec::write(&mut one, record, previous);
        let full =
            payload.len() + one.len() + 4 > limits::SEGMENT_RAW_BYTES_MAX || count == limits::SEGMENT_RECORDS_MAX;
        if full && count > 0 {
            segments.push(seal(&payload, count));
            payload.clear();
            count = 0;
            one.clear();
            codec::write(&mut one, record, 0);
        }
        payload.bytes(one.as_bytes());
        previous = record.timestamp.0;
        count += 1;
    }
    if count > 0 {
        segments.push(seal(&payload, count));
    }
    segments
}

fn seal(payload: &Writer, count: usize) -> Vec<u8> {
    let raw = payload.as_bytes();
    let mut compression = COMPRESSION_NONE;
    let mut body = std::borrow::Cow::Borrowed(raw);
    if raw.len() >= COMPRESS_BYTES_MIN {
        let packed = lz4_flex::block::compress(raw);
        if packed.len() < raw.len() {
            compression = COMPRESSION_LZ4;
            body = packed.into();
        }
    }
    let mut segment = Vec::with_capacity(HEADER_BYTES + body.len());
    segment.extend_from_slice(MAGIC);
    segment.extend_from_slice(&[VERSION, compression, 0, 0]);
    segment.extend_from_slice(&(count as u32).to_le_bytes());
    segment.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    segment.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    segment.extend_from_slice(&body);
    segment
}

/// Number of records that the header states, without reading further.
///
/// # Errors
/// If the header is not one of this build's.
pub fn count(segment: &[u8]) -> Result<usize, ReadError> {
    Header::read(segment).map(|header| header.count)
}

/// Decodes all records of a segment.
///
/// # Errors
/// Damaged or unknown bytes. Nothing of a damaged segment is returned.
pub fn decode(segment: &[u8]) -> Result<Vec<Record>, ReadError> {
    let header = Header::read(segment)?;
    let raw = header.payload(segment)?;
    let mut reader = Reader::new(&raw);
    let mut records = Vec::with_capacity(header.count);
    let mut previous = 0i64;
    for _ in 0..header.count {
        let mut inner = Reader::new(reader.bytes()?);
        codec::read_onto(&mut inner, previous, &mut records)?;
        previous = records.last().map_or(previous, |record: &Record| record.timestamp.0);
    }
    if reader.is_empty() { Ok(records) } else { Err(ReadError::Unknown("bytes after the last record")) }
}

struct Header {
    compression: u8,
    count: usize,
    raw_bytes: usize,
    checksum: u64,
}

impl Header {
    fn read(segment: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(segment);
        if reader.raw(4)? != MAGIC {
            return Err(ReadError::Unknown("segment magic"));
        }
        if reader.u8()? != VERSION {
            return Err(ReadError::Unknown("segment version"));
        }
        let compression = reader.u8()?;
        if compression > COMPRESSION_LZ4 {
            return Err(ReadError::Unknown("segment compression"));
        }
        if reader.raw(2)? != [0, 0] {
            return Err(ReadError::Unknown("segment key"));
        }
        let count = read_u32(&mut reader)? as usize;
        let raw_bytes = read_u32(&mut reader)? as usize;
        let checksum = reader.u64_fixed()?;
        // Each record takes at least two bytes, so a count beyond the payload is a lie.
        if raw_bytes > limits::SEGMENT_RAW_BYTES_MAX + limits::RECORD_BYTES_MAX || count > raw_bytes {
            return Err(ReadError::Unknown("segment size"));
        }
        Ok(Self { compression, count, raw_bytes, checksum })
    }

    fn payload<'a>(&self, segment: &'a [u8]) -> Result<std::borrow::Cow<'a, [u8]>, ReadError> {
        let body = segment.get(HEADER_BYTES..).ok_or(ReadError::Truncated)?;
        if xxh3_64(body) != self.checksum {
            return Err(ReadError::Unknown("segment checksum"));
        }
        let raw = match self.compression {
            COMPRESSION_NONE => std::borrow::Cow::Borrowed(body),
            _ => lz4_flex::block::decompress(body, self.raw_bytes)
                .map_err(|_| ReadError::Unknown("segment payload"))?
                .into(),
        };
        if raw.len() == self.raw_bytes { Ok(raw) } else { Err(ReadError::Unknown("segment payload length")) }
    }
}

fn read_u32(reader: &mut Reader<'_>) -> Result<u32, ReadError> {
    let mut value = [0u8; 4];
    value.copy_from_slice(reader.raw(4)?);
    Ok(u32::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Fingerprint};
    use crate::level::Level;
    use crate::normalize::stack::Language;
    use crate::record::{Defect, ErrorType, Frame, Redaction, RedactionKind, Source, Triage, TriageLevel};
    use crate::time::Timestamp;
    use crate::value::Value;
    use proptest::prelude::*;

    fn full_record() -> Record {
        Record {
            id: Some("evt-1".into()),
            timestamp: Timestamp(1_763_632_800_123),
            level: Level::ERROR,
            message: "payment failed for order 17".into(),
            component: "checkout".into(),
            service: Some("shop".into()),
            environment: "production".into(),
            source: Source::Backend,
            error_type: ErrorType::Exception,
            error_code: Some("E42".into()),
            endpoint: Some("/orders/{id}".into()),
            category: "api".into(),
            priority: 2,
            user_id: Some("u".into()),
            session_id: Some("s".into()),
            request_id: Some("r".into()),
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
            span_id: Some("b7ad6b7169203331".into()),
            release: Some("1.2.3".into()),
            stack_trace: Some("Error: x\n  at f (a.js:1:2)".into()),
            frames: vec![Frame {
                function: Some("f".into()),
                file: Some("a.js".into()),
                line: Some(1),
                column: Some(2),
                in_app: true,
            }],
            fault: Some(Box::new(Fault {
                fingerprint: Fingerprint(7),
                language: Language::JavaScript,
                exception_type: Some("Error".into()),
                function: Some("f".into()),
                file: Some("a.js".into()),
                causes: vec!["TypeError".into()],
                told: Some("x".into()),
            })),
            url: Some("https://x/y".into()),
            method: Some("GET".into()),
            ip: Some("10.0.0.1".into()),
            user_agent: Some("curl".into()),
            duration_ms: Some(12.5),
            memory_usage: Some(0.75),
            feature: Some("pay".into()),
            workflow: Some("order".into()),
            tags: vec!["a".into(), "b".into()],
            attributes: vec![
                ("n".into(), Value::Null),
                ("b".into(), Value::Bool(true)),
                ("i".into(), Value::Int(-5)),
                ("f".into(), Value::Float(0.1)),
                ("t".into(), Value::Text("é".into())),
                ("l".into(), Value::List(vec![Value::Int(1), Value::Map(vec![("k".into(), Value::Bool(false))])])),
            ],
            message_template: Some("payment failed for order {id}".into()),
            triage: Triage { level: TriageLevel::High, actions: vec!["api_health_check"] },
            categorization_confidence: 80,
            defects: vec![Defect::ZoneAssumed, Defect::DuplicateField],
            redactions: vec![Redaction { kind: RedactionKind::Card, count: 2 }],
        }
    }

    fn record(timestamp: i64, message: &str) -> Record {
        Record { timestamp: Timestamp(timestamp), message: message.into(), priority: 3, ..Record::default() }
    }

    #[test]
    fn every_field_survives() {
        let records = vec![full_record(), record(5, "x"), full_record(), record(i64::MIN, "")];
        let segments = encode(&records);
        assert_eq!(segments.len(), 1);
        assert_eq!(count(&segments[0]), Ok(4));
        assert_eq!(decode(&segments[0]), Ok(records));
    }

    #[test]
    fn no_records_make_no_segment() {
        assert!(encode(&[]).is_empty());
    }

    #[test]
    fn many_or_large_records_make_several_segments_in_order() {
        let large = "m".repeat(60_000);
        let records: Vec<_> = (0..100).map(|i| record(i, &large)).collect();
        let segments = encode(&records);
        assert!(segments.len() > 3);
        let back: Vec<_> = segments.iter().flat_map(|s| decode(s).unwrap()).collect();
        assert_eq!(back, records);

        let many: Vec<_> = (0..limits::SEGMENT_RECORDS_MAX as i64 + 1).map(|i| record(i, "")).collect();
        let segments = encode(&many);
        assert_eq!(
            segments.iter().map(|s| count(s).unwrap()).collect::<Vec<_>>(),
            vec![limits::SEGMENT_RECORDS_MAX, 1]
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let segment = encode(&[full_record(), record(7, "hello hello hello hello hello hello hello")]).remove(0);
        for position in 0..segment.len() {
            let mut damaged = segment.clone();
            damaged[position] ^= 0x10;
            assert_ne!(decode(&damaged).ok(), decode(&segment).ok(), "byte {position}");
        }
        for length in 0..segment.len() {
            assert!(decode(&segment[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn an_encrypted_segment_is_refused_by_name() {
        let mut segment = encode(&[record(1, "x")]).remove(0);
        segment[6] = 1;
        assert_eq!(decode(&segment), Err(ReadError::Unknown("segment key")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _outcome = decode(&bytes);
            let mut framed = encode(&[record(1, "x")]).remove(0)[..HEADER_BYTES].to_vec();
            framed.extend_from_slice(&bytes);
            framed[12..16].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            framed[16..24].copy_from_slice(&xxh3_64(&bytes).to_le_bytes());
            let _outcome = decode(&framed);
        }
    }
}
