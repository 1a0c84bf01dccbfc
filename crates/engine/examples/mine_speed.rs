//! Lines per second of the miner on one core, and a digest of what it said: reads files of messages, and prints one row.
//!
//! `mine_speed LINES FILE...` interleaves the files' lines, repeats them up to LINES and times all of `observe` (with
//! counts and exemplars). `mine_speed digest FILE...` prints one number over every id given and every template in the
//! end, of each file from an empty start: the same on every platform. Its third form, `mine_speed batches FILE...`,
//! restores the miner from its rows after batches of many sizes, and must print the same. `mine_speed garbage LINES WORDS`
//! times lines of words that were never seen before.

use sapwood_engine::pattern::{Miner, Pattern};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

#[allow(clippy::print_stdout, reason = "a bench says what it found")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    if what == "garbage" {
        let numbers: Vec<usize> = arguments.filter_map(|text| text.parse().ok()).collect();
        return garbage(numbers.first().copied().unwrap_or(10_000), numbers.get(1).copied().unwrap_or(12));
    }
    let texts: Vec<String> = arguments.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    let files: Vec<Vec<Record>> = texts.iter().map(|text| text.lines().map(record).collect()).collect();
    match what.as_str() {
        "digest" => println!("{:016x}", digest(&files, false)),
        "batches" => println!("{:016x}", digest(&files, true)),
        lines => speed(&files, lines.parse().unwrap_or(1_000_000)),
    }
}

fn record(line: &str) -> Record {
    Record { message: line.trim().to_owned(), ..Record::default() }
}

/// A number over all ids and templates.
fn digest(files: &[Vec<Record>], in_batches: bool) -> u64 {
    let mut said = String::new();
    for file in files {
        let mut miner = Miner::default();
        let mut left = 1;
        let mut learnt = None;
        for (seq, record) in file.iter().enumerate() {
            let id = miner.observe(record, seq as u64, 0, Timestamp(0)).id;
            said.push_str(&format!("{id}\n"));
            left -= 1;
            if in_batches && left == 0 {
                left = 1 + seq * 7 % 401;
                miner = restarted(&mut miner, &mut learnt);
            }
        }
        for pattern in miner.patterns() {
            said.push_str(&format!("{} {} {}\n", pattern.id, pattern.count, pattern.template));
        }
    }
    xxh3_64(said.as_bytes())
}

/// What an object that was evicted starts with again; `learnt` is the row of the last time that it changed.
fn restarted(miner: &mut Miner, learnt: &mut Option<Vec<u8>>) -> Miner {
    *learnt = miner.take_learnt().or_else(|| learnt.take());
    let rows = miner.patterns().filter_map(|pattern| Pattern::decode(&pattern.encode()).ok());
    Miner::restore(rows, learnt.as_deref())
}

#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock and says what it found")]
fn garbage(lines: usize, words: usize) {
    let mut state = 1u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (0..7).map(|at| char::from(b'a' + (state >> (20 + 5 * at) & 15) as u8)).collect::<String>()
    };
    let records: Vec<Record> =
        (0..lines).map(|_| record(&(0..words).map(|_| word()).collect::<Vec<_>>().join(" "))).collect();
    let mut miner = Miner::default();
    let begun = Instant::now();
    for (seq, record) in records.iter().enumerate() {
        miner.observe(record, seq as u64, 0, Timestamp(0));
    }
    let spent = begun.elapsed().as_secs_f64();
    println!("{lines} lines of {words} unseen words: {:.1} us a line", spent * 1e6 / lines as f64);
}

#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock and says what it found")]
fn speed(files: &[Vec<Record>], lines: usize) {
    let longest = files.iter().map(Vec::len).max().unwrap_or(0);
    let mix: Vec<&Record> =
        (0..longest).flat_map(|position| files.iter().filter_map(move |file| file.get(position))).collect();
    let bytes: usize = mix.iter().map(|record| record.message.len()).sum();
    let mut miner = Miner::default();
    let begun = Instant::now();
    for (seq, &record) in mix.iter().cycle().take(lines).enumerate() {
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
