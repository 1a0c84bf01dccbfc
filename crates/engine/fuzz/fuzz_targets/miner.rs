//! Any lines: every one is counted once, and what is restored from the rows is what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood_engine::limits;
use sapwood_engine::pattern::{Miner, Pattern};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;

fuzz_target!(|text: &str| {
    let mut miner = Miner::default();
    let mut lines = 0;
    for (line, seq) in text.split('\n').zip(1..) {
        let record = Record { message: line.to_owned(), ..Record::default() };
        let id = miner.observe(&record, seq, 0, Timestamp(seq as i64)).id;
        assert!(miner.pattern(id).is_some());
        lines += 1;
    }
    assert!(miner.len() <= limits::PATTERNS_MAX);
    assert_eq!(miner.patterns().map(|pattern| pattern.count).sum::<u64>(), lines);
    let rows: Vec<Vec<u8>> = miner.patterns().map(Pattern::encode).collect();
    let patterns = rows.iter().map(|row| Pattern::decode(row).expect("it was just encoded"));
    let learnt = miner.take_learnt();
    let mut restored = Miner::restore(patterns, learnt.as_deref());
    assert_eq!(restored.patterns().map(Pattern::encode).collect::<Vec<_>>(), rows);
    for line in text.split('\n').take(64) {
        let record = Record { message: line.to_owned(), ..Record::default() };
        let (id, again) = (miner.observe(&record, 0, 0, Timestamp(0)), restored.observe(&record, 0, 0, Timestamp(0)));
        assert_eq!(id, again);
    }
});
