//! What the detectors cost, for counting instructions:
//!
//!   valgrind --tool=callgrind target/release/examples/detect_cost RECORDS PATTERNS [GAP_MS]
//!
//! The difference between two numbers of records, divided by it, is the cost of one with its share of closed slots and
//! minutes. Nothing else of the machine runs here.

use sapwood_engine::detect::{Detectors, Facts};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (records, patterns) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(50).max(1));
    let gap = numbers.next().unwrap_or(20).max(1);
    let mut detectors = Detectors::default();
    let (mut at, mut mixed, mut signals) = (1_700_000_000_000i64, 1u64, 0);
    for _ in 0..records {
        mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        at += ((mixed >> 33) % (2 * gap)) as i64;
        // Few patterns bring most records.
        let rank = (mixed >> 40) % patterns;
        let pattern = rank * ((mixed >> 20) % patterns) / patterns;
        detectors.observe(&Facts {
            at: Timestamp(at),
            pattern: PatternId(pattern.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            is_new_pattern: false,
            is_error: mixed >> 58 == 0,
            duration_ms: Some(((mixed >> 12) % 500) as f64),
        });
        signals += detectors.take_signals().len();
    }
    assert!(detectors.watched() > 0 && signals < records as usize, "nothing was optimized away");
}
