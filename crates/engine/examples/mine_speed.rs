//! Lines per second of the miner on one core: reads files of messages, repeats their mix, and prints one row.
//!
//! `mine_speed LINES FILE...`: the files' lines are interleaved and repeated up to LINES. The first figure is
//! recognizing alone (scan, signature, look-up), the second all of `observe` (with counts and exemplars).

use sapwood_engine::pattern::Miner;
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::time::Instant;

#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock and says what it found")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let lines: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let texts: Vec<String> = arguments.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    let files: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().collect()).collect();
    let longest = files.iter().map(Vec::len).max().unwrap_or(0);
    let mut mix: Vec<Record> = Vec::new();
    for position in 0..longest {
        for file in &files {
            if let Some(line) = file.get(position) {
                mix.push(Record { message: line.trim().to_owned(), ..Record::default() });
            }
        }
    }
    let bytes: usize = mix.iter().map(|record| record.message.len()).sum();
    let mut miner = Miner::default();
    let begun = Instant::now();
    for (seq, record) in mix.iter().cycle().take(lines).enumerate() {
        miner.observe(record, seq as u64, 0, Timestamp(0));
    }
    let spent = begun.elapsed().as_secs_f64();
    println!(
        "{lines} lines of {} bytes on average, {} patterns: {:.0} lines/s",
        bytes / mix.len().max(1),
        miner.len(),
        lines as f64 / spent
    );
}
