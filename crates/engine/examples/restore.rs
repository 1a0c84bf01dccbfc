//! How long a stream object takes to come back from its rows: as many patterns as it holds and 24 hours of counters.
//! Driven by scripts/bench-restore, natively and in wasm:
//!
//!   restore fill FILE       makes the rows and writes them down as text
//!   restore time FILE       times restores from them, beside reading and checksumming the same bytes
//!   restore repeat N FILE   restores N times and prints nothing, for counting instructions
//!   restore copy N FILE     reads and checksums the bytes N times, for the same
//!
//! Reading the rows out of SQLite is not in it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock")]

#[path = "../tests/shelf/mod.rs"]
mod shelf;

use sapwood_engine::level::Level;
use sapwood_engine::machine::row::BatchKey;
use sapwood_engine::machine::stream::{Batch, Event, Identity, StreamMachine, StreamSettings, StreamStore};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use shelf::Shelf;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

const T0: i64 = 1_763_632_800_000;
/// One less than a miner holds: with another the least of them would leave.
const PATTERNS: usize = 1_998;
/// Calls in 24 hours, one in ten seconds; each has 25 records.
const CALLS: usize = 8_640;
const RECORDS: usize = 25;
const RUNS: usize = 21;
/// Restores between two looks at the clock: one alone is shorter than the steps of some clocks.
const RESTORES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fill", file] => std::fs::write(file, filled().dump()).unwrap(),
        ["time", file] => time(&read(file)),
        ["repeat", times, file] => {
            let shelf = read(file);
            (0..times.parse().unwrap()).for_each(|_| drop(restore(&shelf)));
        }
        ["copy", times, file] => {
            let shelf = read(file);
            assert!((0..times.parse().unwrap()).all(|_| copy(&shelf) != 0), "a checksum is hardly ever zero");
        }
        _ => panic!("restore fill|time FILE, restore repeat|copy N FILE"),
    }
}

fn read(file: &str) -> Shelf {
    Shelf::read(&std::fs::read_to_string(file).unwrap())
}

/// Every row that a restore reads.
fn rows(shelf: &Shelf) -> impl Iterator<Item = &Vec<u8>> {
    shelf.patterns.values().chain(shelf.meta.values()).chain(shelf.pages.values())
}

/// The least that whoever reads the rows has to do: each is brought into memory of its own and checked.
fn copy(shelf: &Shelf) -> u64 {
    rows(shelf).fold(0, |sum, row| sum ^ xxh3_64(std::hint::black_box(&row.clone())))
}

fn time(shelf: &Shelf) {
    let found = restore(shelf);
    let bytes = |name: &str| shelf.meta.get(name).map_or(0, Vec::len);
    println!(
        "{} patterns, {} records counted, {} hours; {} bytes of rows: patterns {}, pages {}, state {}, learnt {}, detection {}",
        found.miner().patterns().count(),
        found.counters().total(),
        shelf.hours.len(),
        rows(shelf).map(Vec::len).sum::<usize>(),
        shelf.patterns.values().map(Vec::len).sum::<usize>(),
        shelf.pages.values().map(Vec::len).sum::<usize>(),
        bytes("state"),
        bytes("learnt"),
        bytes("detection"),
    );
    drop(found);
    measure("read and checksum the bytes", || assert!(copy(shelf) != 0, "a checksum is hardly ever zero"));
    measure("restore", || drop(restore(shelf)));
    let without = |shelf: &Shelf, name: &str| {
        let mut less = shelf.clone();
        less.meta.remove(name);
        less
    };
    let mut less = shelf.clone();
    less.pages.clear();
    measure("restore without keys", || drop(restore(&less)));
    for name in ["detection", "learnt"] {
        let less = without(shelf, name);
        measure(&format!("restore without {name}"), || drop(restore(&less)));
    }
    let mut unknown = shelf.clone();
    unknown.meta.insert("state".into(), vec![99]);
    measure("rebuild without the state row", || drop(restore(&unknown)));
}

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

#[inline(never)]
fn restore(shelf: &Shelf) -> StreamMachine {
    StreamMachine::load(identity(), &|_| StreamSettings::default(), shelf).unwrap().machine
}

/// Prints the median and the least of some runs, each the mean of [`RESTORES`].
fn measure(name: &str, mut once: impl FnMut()) {
    let start = Instant::now();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = start.elapsed();
            (0..RESTORES).for_each(|_| once());
            (start.elapsed() - began).as_secs_f64() * 1_000.0 / RESTORES as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name}: best {:.2} ms, median {:.2} ms", times[0], times[RUNS / 2]);
}

/// Words that make a pattern of their own for each number: as many, and as different, as lines of different statements.
fn message(pattern: usize, number: usize) -> String {
    let mut state = pattern as u64 + 1;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (0..5).map(|letter| char::from(b'a' + (state >> (20 + 6 * letter)) as u8 % 26)).collect::<String>()
    };
    let words: Vec<String> = (0..4 + pattern % 9).map(|_| word()).collect();
    format!("{} took {} ms for user {number}", words.join(" "), number % 500)
}

fn filled() -> Shelf {
    let mut shelf = Shelf::default();
    let mut machine = StreamMachine::new(identity(), StreamSettings::default());
    for call in 0..CALLS {
        let at = T0 + call as i64 * 10_000;
        let record = |of: usize| {
            let number = call * RECORDS + of;
            Record {
                timestamp: Timestamp(at),
                level: [Level::DEBUG, Level::INFO, Level::INFO, Level::WARN, Level::ERROR][number % 5],
                message: message(number % PATTERNS, number),
                component: "checkout".into(),
                environment: "production".into(),
                user_id: Some(format!("u{}", number % 977)),
                ..Record::default()
            }
        };
        let segments = segment::encode(&(0..RECORDS).map(record).collect::<Vec<_>>());
        let key = Some(BatchKey { hash: call as u64, fingerprint: 1 });
        let batch = Batch { segments, key, ..Batch::default() };
        let effects = machine.handle(Event::Append(vec![batch]), Timestamp(at));
        effects.write(&mut machine, &mut shelf).unwrap();
        if call % 360 == 359 {
            shelf.checkpoint(machine.checkpoint()).unwrap();
            // What is folded is not what a restore reads.
            shelf.rows.clear();
        }
    }
    shelf
}
