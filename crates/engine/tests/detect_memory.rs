//! The memory of all series of a component with as many patterns as are watched, by a counting allocator.

use sapwood_engine::detect::{Detectors, Facts, WATCHED_PATTERNS_MAX};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
#[expect(unsafe_code, reason = "an allocator that counts cannot be written otherwise")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(clippy::print_stdout, reason = "scripts/bench-detector-cost shows the figure; a harness keeps it to itself")]
#[test]
fn all_series_of_a_component_with_two_thousand_patterns_take_less_than_four_megabytes() {
    let before = LIVE.load(Ordering::Relaxed);
    let mut detectors = Detectors::default();
    for i in 0..40_000u64 {
        let pattern = PatternId((i % WATCHED_PATTERNS_MAX as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let at = Timestamp(i as i64 * 50);
        detectors.observe(&Facts { at, pattern, is_new_pattern: false, is_error: i % 50 == 0, duration_ms: Some(5.0) });
    }
    detectors.take_signals();
    let bytes = LIVE.load(Ordering::Relaxed) - before;
    assert!(detectors.watched() > 1_900, "{}", detectors.watched());
    println!("all series of 2,000 patterns: {bytes} bytes (wanted: 4,000,000)");
    assert!(bytes < 4_000_000, "{bytes} bytes");
}
