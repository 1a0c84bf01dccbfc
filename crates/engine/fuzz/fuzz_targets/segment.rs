//! Any bytes are a segment or refused, and what was read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood_engine::segment;

fuzz_target!(|bytes: &[u8]| {
    let Ok(records) = segment::decode(bytes) else { return };
    let again: Vec<_> =
        segment::encode(&records).iter().flat_map(|bytes| segment::decode(bytes).expect("it was just encoded")).collect();
    assert_eq!(again, records);
});
