//! How long a stream object takes to come back from its rows: 2,000 patterns and 24 hours of counters.
//!
//!   cargo run --profile sim --example restore -p sapwood-engine                          natively
//!   cargo build --profile sim --example restore -p sapwood-engine --target wasm32-wasip1  and scripts/run-wasm-tests.mjs
//!
//! Prints the median and the best of 41 restores, and the same for a restore without the state row (a rebuild from the
//! rollups). Reading the rows out of SQLite is not in it. The bound is 10 ms natively and 50 ms in wasm; with `--gate MS`
//! a median above it is a failure.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

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

const T0: i64 = 1_763_632_800_000;
const PATTERNS: usize = 2_000;
/// Calls in 24 hours, one in ten seconds; each has 25 records.
const CALLS: usize = 8_640;
const RECORDS: usize = 25;
const RUNS: usize = 41;

fn main() {
    let mut shelf = filled();
    let rows: usize =
        shelf.patterns.values().chain(shelf.meta.values()).chain(shelf.pages.values()).map(Vec::len).sum();
    let found = restore(&shelf);
    println!(
        "{} patterns, {} records counted, {} hours, {rows} bytes of rows",
        found.miner().patterns().count(),
        found.counters().total(),
        shelf.hours.len()
    );
    let median = measure("restore", &shelf);
    shelf.meta.insert("state".into(), vec![99]);
    measure("rebuild", &shelf);
    let mut arguments = std::env::args().skip_while(|argument| argument != "--gate").skip(1);
    if let Some(gate) = arguments.next().and_then(|gate| gate.parse::<f64>().ok()) {
        assert!(median <= gate, "a restore takes {median:.2} ms, at most {gate} are allowed");
    }
}

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

fn restore(shelf: &Shelf) -> StreamMachine {
    StreamMachine::load(identity(), &|_| StreamSettings::default(), shelf).unwrap().machine
}

fn measure(name: &str, shelf: &Shelf) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let machine = restore(shelf);
            let took = began.elapsed().as_secs_f64() * 1_000.0;
            assert!(machine.miner().patterns().count() > 0);
            took
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[RUNS / 2];
    println!("{name}: median {median:.2} ms, best {:.2} ms", times[0]);
    median
}

/// Words that make a pattern of their own for each number.
fn message(pattern: usize, number: usize) -> String {
    const WORDS: [&str; 13] = [
        "cache", "order", "bank", "queue", "login", "mail", "invoice", "session", "shard", "index", "upload", "worker",
        "token",
    ];
    let word = |by: usize| WORDS[(pattern / by) % WORDS.len()];
    let (first, second, third) = (word(1), word(13), word(169));
    format!(
        "{first} {second} {third} step{} took {} ms for user {number}",
        ["a", "b"][pattern / 1_000 % 2],
        number % 500
    )
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
