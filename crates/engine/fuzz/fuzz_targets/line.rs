//! Any line is parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood_engine::parse::parse_line;
use sapwood_engine::time::Timestamp;

fuzz_target!(|line: &str| {
    let _parsed = parse_line(line, Timestamp(1_763_700_000_000_000));
});
