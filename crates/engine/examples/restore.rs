//! How long a stream object takes to come back from its rows: 2,000 patterns and 24 hours of counters.
//!
//!   cargo run --profile sim --example restore -p sapwood-engine                          natively
//!   cargo build --profile sim --example restore -p sapwood-engine --target wasm32-wasip1  and scripts/run-wasm-tests.mjs
//!
//! Prints the median and the best of 41 restores, in time on the processor,, and the same for a restore without the state row (a rebuild from the
//! rollups). Reading the rows out of SQLite is not in it. The bound is 10 ms natively and 50 ms in wasm; with `--gate MS`
//! a median above it is a failure.

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
    let sizes = |name: &str| shelf.meta.get(name).map_or(0, Vec::len);
    let patterns: usize = shelf.patterns.values().map(Vec::len).sum();
    let pages: usize = shelf.pages.values().map(Vec::len).sum();
    let (state, learnt, detection) = (sizes("state"), sizes("learnt"), sizes("detection"));
    println!("bytes: patterns {patterns}, pages {pages}, state {state}, learnt {learnt}, detection {detection}");
    let median = measure("restore", &shelf);
    for without in ["learnt", "detection"] {
        let mut less = shelf.clone();
        less.meta.remove(without);
        measure(&format!("restore without {without}"), &less);
    }
    let mut less = shelf.clone();
    less.pages.clear();
    measure("restore without keys", &less);
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
    let start = Instant::now();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = elapsed_ns(start);
            let machine = restore(shelf);
            let took = elapsed_ns(start) - began;
            assert!(machine.miner().patterns().count() > 0, "something came back");
            took as f64 / 1_000_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[RUNS / 2];
    println!("{name}: median {median:.2} ms, best {:.2} ms", times[0]);
    median
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

/// Time of this thread on a processor, where the system tells; the machine may be busy with something else.
fn elapsed_ns(began: Instant) -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
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
