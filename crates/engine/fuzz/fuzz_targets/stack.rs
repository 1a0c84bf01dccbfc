//! Any text has frames or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood_engine::normalize::stack::parse_frames;

fuzz_target!(|text: &str| {
    let _frames = parse_frames(text);
});
