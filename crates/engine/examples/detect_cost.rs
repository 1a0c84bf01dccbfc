//! What the detectors cost, for counting instructions:
//!
//!   valgrind --tool=callgrind --toggle-collect='*observed*' target/release/examples/detect_cost RECORDS PATTERNS [GAP_MS]
//!
//! Only the last RECORDS are counted; before them go as many as fill the longest window twice, by which time all windows
//! are judged. Each has its share of closed slots and minutes; the making of records is not counted.
//! `detect_cost close PATTERNS` prints how long it takes to close a minute in which each pattern had a record or two.
//! Nothing else of the machine runs here. `scripts/bench-detector-cost` runs both.

use sapwood_engine::detect::{Detectors, Facts};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;
use std::time::{Duration, Instant};

/// Minutes closed before the clock runs, and with it: more than the longest window, so that all are judged.
const MINUTES_BEFORE: i64 = 120;
const MINUTES_TIMED: i64 = 60;

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "close").is_some() {
        let patterns = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(2_000);
        return close(patterns);
    }
    count(arguments)
}

/// Times the close of a minute over so many patterns.
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock and says what it found")]
fn close(patterns: u64) {
    let mut detectors = Detectors::default();
    let (mut spent, mut longest) = (Duration::default(), Duration::default());
    for minute in 0..MINUTES_BEFORE + MINUTES_TIMED {
        for pattern in 0..patterns {
            for record in 0..1 + (pattern + minute as u64) % 2 {
                detectors.observe(&Facts {
                    at: Timestamp(minute * 60_000 + (pattern * 25 + record) as i64 % 59_000),
                    pattern: PatternId(pattern.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
                    is_new_pattern: false,
                    is_error: false,
                    duration_ms: Some((pattern % 500) as f64),
                });
            }
        }
        // Up to the last slot of the minute; what is timed closes this one slot, and with it the minute.
        detectors.close(Timestamp(minute * 60_000 + 55_000));
        let begun = Instant::now();
        detectors.close(Timestamp((minute + 1) * 60_000));
        if minute >= MINUTES_BEFORE {
            let took = begun.elapsed();
            (spent, longest) = (spent + took, longest.max(took));
        }
        detectors.take_signals();
    }
    let mean = spent.as_secs_f64() * 1e3 / MINUTES_TIMED as f64;
    println!("{patterns} patterns: {mean:.3} ms to close a minute, at most {:.3}", longest.as_secs_f64() * 1e3);
}

/// Shows so many records to detectors that have seen as many as they will ever need.
fn count(arguments: impl Iterator<Item = String>) {
    let mut numbers = arguments.filter_map(|argument| argument.parse::<u64>().ok());
    let (records, patterns) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(50).max(1));
    let gap = numbers.next().unwrap_or(20).max(1);
    let before = MINUTES_BEFORE as u64 * 60_000 / gap;
    let mut detectors = Detectors::default();
    let (mut at, mut mixed, mut signals) = (1_700_000_000_000i64, 1u64, 0);
    for number in 0..before + records {
        mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        at += ((mixed >> 33) % (2 * gap)) as i64;
        // Few patterns bring most records.
        let rank = (mixed >> 40) % patterns;
        let pattern = rank * ((mixed >> 20) % patterns) / patterns;
        let facts = Facts {
            at: Timestamp(at),
            pattern: PatternId(pattern.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            is_new_pattern: false,
            is_error: mixed >> 58 == 0,
            duration_ms: Some(((mixed >> 12) % 500) as f64),
        };
        if number < before {
            detectors.observe(&facts);
        } else {
            observed(&mut detectors, &facts);
        }
        signals += detectors.take_signals().len();
    }
    assert!(detectors.watched() > 0 && signals < (before + records) as usize, "nothing was optimized away");
}

/// What is counted; by its name, so that it must be a function of its own.
#[inline(never)]
fn observed(detectors: &mut Detectors, facts: &Facts) {
    detectors.observe(facts);
}
