//! The sketches against exact counts: their stated errors, that merging equals having seen both, that their bytes are
//! bounded and survive being written, and that the results are the same on every platform.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::bytes::{Reader, Writer};
use sapwood_engine::sketch::{HyperLogLog, Quantiles, SpaceSaving, hash_of_value};
use std::collections::BTreeMap;

/// Seeded numbers: a linear congruential step, mixed.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}

fn bytes_of(write: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.into_bytes()
}

fn distinct(values: &[u64]) -> HyperLogLog {
    let mut sketch = HyperLogLog::new(7);
    values.iter().for_each(|value| sketch.insert(hash_of_value(&value.to_string())));
    sketch
}

fn quantiles(values: &[f64]) -> Quantiles {
    let mut sketch = Quantiles::default();
    values.iter().for_each(|&value| sketch.insert(value));
    sketch
}

fn top(values: &[u8], capacity: usize) -> SpaceSaving {
    let mut sketch = SpaceSaving::new(capacity);
    for value in values {
        let text = value.to_string();
        sketch.insert(&text, hash_of_value(&text), 1);
    }
    sketch
}

/// Whether every count lies where the sketch says, and every value that came often enough is held.
fn check_top(sketch: &SpaceSaving, values: &[u8], capacity: usize) -> Result<(), TestCaseError> {
    let mut truth: BTreeMap<u64, u64> = BTreeMap::new();
    for value in values {
        *truth.entry(hash_of_value(&value.to_string())).or_default() += 1;
    }
    let total = values.len() as u64;
    prop_assert_eq!(sketch.total(), total);
    prop_assert!(sketch.len() <= capacity);
    for held in sketch.ranked() {
        let count = truth.get(&held.hash()).copied().unwrap_or(0);
        prop_assert!(held.count >= count && held.count - held.error <= count);
        prop_assert!(held.error <= total / capacity as u64);
        prop_assert!(!sketch.is_exact() || held.count == count);
    }
    let often = truth.iter().filter(|(_, count)| **count > total / capacity as u64);
    for (hash, _) in often {
        prop_assert!(sketch.hashes().any(|held| held == *hash));
    }
    Ok(())
}

proptest! {
    #[test]
    fn distinct_values_of_two_shards_are_those_of_one(left in proptest::collection::vec(0u64..300, 0..200), right in proptest::collection::vec(0u64..300, 0..200)) {
        let mut merged = distinct(&left);
        prop_assert!(merged.merge(&distinct(&right)));
        let mut all = [right, left].concat();
        prop_assert_eq!(&merged, &distinct(&all));
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(&merged, &distinct(&all));
        prop_assert!(!merged.is_exact() || merged.estimate() == all.len() as u64);
        prop_assert!(merged.memory_bytes() <= 128);
        let bytes = bytes_of(|out| merged.write(out));
        prop_assert_eq!(HyperLogLog::read(&mut Reader::new(&bytes)), Ok(merged));
    }

    #[test]
    fn quantiles_of_two_shards_are_those_of_one(
        left in proptest::collection::vec(any::<f64>(), 0..400), right in proptest::collection::vec(-1e6..1e6f64, 0..400),
    ) {
        let mut merged = quantiles(&left);
        merged.merge(&quantiles(&right));
        let mut all = [right, left].concat();
        prop_assert_eq!(&merged, &quantiles(&all));
        all.reverse();
        prop_assert_eq!(&merged, &quantiles(&all));
        prop_assert!(merged.memory_bytes() <= 256 * 12);
        let bytes = bytes_of(|out| merged.write(out));
        prop_assert_eq!(Quantiles::read(&mut Reader::new(&bytes)), Ok(merged));
    }

    #[test]
    fn a_quantile_is_within_a_64th_of_the_exact_one(mut values in proptest::collection::vec(0.01..100.0f64, 1..300), thousandths in 0u32..=1000) {
        let sketch = quantiles(&values);
        values.sort_by(f64::total_cmp);
        let exact = values[(values.len() - 1) * thousandths as usize / 1000];
        let seen = sketch.at(thousandths).unwrap();
        let is_only_a_bound = sketch.is_collapsed() && seen >= exact;
        prop_assert!((seen - exact).abs() <= exact / 64.0 || is_only_a_bound, "{seen} for {exact}");
    }

    #[test]
    fn counts_lie_where_the_sketch_says(values in proptest::collection::vec(0u8..60, 0..600), capacity in 1usize..20) {
        let sketch = top(&values, capacity);
        check_top(&sketch, &values, capacity)?;
        let bytes = bytes_of(|out| sketch.write(out));
        prop_assert_eq!(SpaceSaving::read(&mut Reader::new(&bytes)), Ok(sketch));
    }

    #[test]
    fn counts_lie_there_after_merging_and_after_more_values_too(
        left in proptest::collection::vec(0u8..60, 0..300), right in proptest::collection::vec(30u8..90, 0..300),
        more in proptest::collection::vec(0u8..90, 0..200), capacity in 1usize..20,
    ) {
        let mut merged = top(&left, capacity);
        merged.merge(&top(&right, capacity));
        let mut all = [left, right].concat();
        check_top(&merged, &all, capacity)?;
        for value in &more {
            merged.insert(&value.to_string(), hash_of_value(&value.to_string()), 1);
        }
        all.extend(more);
        check_top(&merged, &all, capacity)?;
    }

    #[test]
    fn any_bytes_are_a_sketch_or_refused(mut bytes: Vec<u8>, first in 0u8..20) {
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        if let Ok(mut sketch) = HyperLogLog::read(&mut Reader::new(&bytes)) {
            sketch.insert(u64::MAX);
            let _estimate = sketch.estimate();
        }
        if let Ok(mut sketch) = Quantiles::read(&mut Reader::new(&bytes)) {
            sketch.insert(-1.0);
            prop_assert!(sketch.at(500).is_some());
        }
        if let Ok(mut sketch) = SpaceSaving::read(&mut Reader::new(&bytes)) {
            let other = sketch.clone();
            sketch.insert("a", 1, u64::MAX);
            sketch.merge(&other);
        }
    }
}

#[test]
fn values_of_a_long_tail_are_found_among_ten_thousand() {
    // Value v comes about 1/v as often as value 1: the most frequent of 16 counters must be the true ones, in order.
    let mut seeded = Seeded(7);
    let mut sketch = SpaceSaving::new(64);
    let mut truth: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..100_000 {
        let value = 10_000 / (seeded.next() % 10_000 + 1);
        *truth.entry(value).or_default() += 1;
        sketch.insert(&value.to_string(), hash_of_value(&value.to_string()), 1);
    }
    let mut exact: Vec<_> = truth.into_iter().collect();
    exact.sort_by_key(|&(value, count)| (std::cmp::Reverse(count), value));
    let names = |count: usize| exact.iter().take(count).map(|(value, _)| value.to_string()).collect::<Vec<_>>();
    let seen: Vec<_> = sketch.ranked().iter().take(5).map(|held| held.text().unwrap().to_owned()).collect();
    assert_eq!(seen, names(5));
}

#[test]
fn results_are_the_same_on_every_platform() {
    let mut seeded = Seeded(42);
    let mut distinct = HyperLogLog::new(9);
    let mut numbers = Quantiles::default();
    let mut top = SpaceSaving::new(16);
    for _ in 0..20_000 {
        let value = seeded.next() % 5_000;
        let text = value.to_string();
        distinct.insert(hash_of_value(&text));
        numbers.insert(value as f64 / 7.0);
        top.insert(&(value % 37).to_string(), hash_of_value(&(value % 37).to_string()), 1);
    }
    let quantiles = [500, 900, 990].map(|thousandths| numbers.at(thousandths).unwrap().to_bits());
    let ranked: Vec<_> = top.ranked().iter().map(|held| (held.hash(), held.count, held.error)).collect();
    let all = format!("{} {quantiles:?} {ranked:?}", distinct.estimate());
    assert_eq!(hash_of_value(&all), EXPECTED, "{all}");
}

/// Of the string that the test above makes; computed natively, and asserted there and in wasm.
const EXPECTED: u64 = 5_893_298_688_989_975_375;
