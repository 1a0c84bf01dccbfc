//! Any bytes are a block or refused; a block that was tampered with and signed again may hold anything, but reading it
//! ends, within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood_engine::query::Filter;
use sapwood_engine::segment::block::Block;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 32 {
        let sum = xxh3_64_with_seed(&bytes[32..], xxh3_64(&bytes[..24]));
        bytes[24..32].copy_from_slice(&sum.to_le_bytes());
    }
    let Ok(block) = Block::open(&bytes) else { return };
    let _rows = block.rows();
    let _notes = block.notes();
    let _first = block.records(&[0]);
    let filter = Filter { texts: vec!["order".into()], user_id: Some("u".into()), ..Filter::default() };
    if let Ok(found) = block.select(&filter, &|pattern| pattern) {
        let _records = block.records(&found);
    }
});
