//! What the miner holds, by an allocator that counts the bytes that were asked for (what the system's allocator adds to
//! each piece is not in these figures; it was under a fifth by resident size).
//!
//! The lines are made up like those of services: 60 to 110 bytes, six to ten words of which no two statements share all,
//! three values, an endpoint, an environment and a release; each statement is seen four times, so that all its exemplars
//! are there. Sketches of variables have a budget of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are for whoever changes them; a test harness keeps them to itself"
)]
#![allow(unsafe_code, reason = "an allocator cannot be written without it; this one only counts")]

use sapwood_engine::level::Level;
use sapwood_engine::limits;
use sapwood_engine::pattern::{Miner, Pattern};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

const MEGABYTE: usize = 1_000_000;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Of this thread only, as tests run beside each other: bytes held, and the most that was held.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(freed: usize, taken: usize) {
    let _thread_is_ending = HELD.try_with(|held| {
        let now = (held.get().0 + taken).saturating_sub(freed);
        held.set((now, held.get().1.max(now)));
    });
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What `work` gives, the bytes it still holds then and the most that it held.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = work();
    let (now, most) = HELD.get();
    (result, now - before, most - before)
}

fn word(number: usize) -> String {
    let mut left = number;
    let mut word = String::new();
    for _ in 0..5 {
        word.push(char::from(b"bdfgklmnprst"[left % 12]));
        word.push(char::from(b"aeiou"[left / 12 % 5]));
        left /= 60;
    }
    word
}

fn statement(number: usize, value: usize) -> Record {
    let (a, b, c) = (word(number * 7919 + 13), word(number * 104_729 + 7), word(number / 3));
    let message = match number % 3 {
        0 => format!("{a} the {b} of order {value} in {c} after {} ms, attempt {}", value * 3, value % 7),
        1 => format!("{a}: could not {b} user=u{value} from 10.0.{}.7:443 because the {c} was gone", value % 250),
        _ => format!("{b} {a} /srv/{c}/{value}.log rotated, {} KB kept, {} lines dropped by {c}", value * 5, value),
    };
    Record {
        message,
        timestamp: Timestamp(value as i64),
        level: if number.is_multiple_of(5) { Level::ERROR } else { Level::INFO },
        endpoint: Some(format!("/v1/{c}")),
        environment: "production".into(),
        release: Some("2026.11.20-1".into()),
        ..Record::default()
    }
}

fn garbage(number: usize) -> Record {
    let message =
        (0..9).map(|at| word(number * 2_654_435_761 % 777_600_000 + at * 7_177)).collect::<Vec<_>>().join(" ");
    Record { message, timestamp: Timestamp(number as i64), ..Record::default() }
}

/// Each statement four times, with `garbage_share` lines that were never seen before each of them.
fn mined(statements: usize, garbage_share: usize) -> Miner {
    let mut miner = Miner::default();
    let mut seq = 0;
    for round in 0..4 {
        for number in 0..statements {
            for _ in 0..garbage_share {
                seq += 1;
                miner.observe(&garbage(seq), seq as u64, 0, Timestamp(seq as i64));
            }
            seq += 1;
            miner.observe(&statement(number, round * 31 + number % 17), seq as u64, 0, Timestamp(seq as i64));
        }
    }
    miner
}

fn bytes_of_rows(miner: &mut Miner) -> usize {
    let learnt = miner.take_learnt().unwrap();
    miner.patterns().map(|pattern| pattern.encode().len()).sum::<usize>() + learnt.len()
}

#[test]
fn two_thousand_patterns_take_less_than_four_megabytes_and_their_rows_less_than_one() {
    let (mut miner, held, most) = measured(|| mined(limits::PATTERNS_MAX - 2, 0));
    assert_eq!(miner.len(), limits::PATTERNS_MAX - 2);
    let full = |pattern: &Pattern| pattern.count == 4 && pattern.exemplars.len() == 3 && pattern.last.is_some();
    assert!(miner.patterns().all(full));
    let rows = bytes_of_rows(&mut miner);
    println!("2,000 patterns: {held} bytes held, {most} at most, {rows} in rows");
    assert!(most < 4 * MEGABYTE, "{most}");
    assert!(rows < MEGABYTE, "{rows}");
}

#[test]
fn five_thousand_statements_and_garbage_take_less_than_eight_megabytes() {
    let (mut miner, held, most) = measured(|| mined(5_000, 2));
    assert!(miner.len() > limits::PATTERNS_MAX * 8 / 10);
    let rows = bytes_of_rows(&mut miner);
    println!("5,000 statements and garbage: {held} bytes held, {most} at most, {rows} in rows");
    assert!(most < 8 * MEGABYTE, "{most}");
    let row = miner.patterns().map(Pattern::encode).collect::<Vec<_>>();
    let patterns: Vec<_> = row.iter().map(|row| Pattern::decode(row).unwrap()).collect();
    let (restored, held_again, _) = measured(|| Miner::restore(patterns.clone(), None));
    assert_eq!(restored.len(), miner.len());
    assert!(held_again < 8 * MEGABYTE, "{held_again}");
}
