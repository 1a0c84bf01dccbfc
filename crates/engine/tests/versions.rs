//! Two builds on the same rows, forwards and back: what an older build wrote restores, and goes on, under this one; what
//! this one wrote keeps its totals under a build that does not know the newest of it.
//!
//! The rows of older builds are kept as text in `tests/fixtures/versions`, each with what that build said of them, and are
//! never written anew. A build that knows fewer kinds of rows is played by taking those rows away.

#![allow(clippy::unwrap_used, reason = "a test may stop where something is missing")]

mod shelf;

use sapwood_engine::machine::row::{self, BatchKey, RowKind};
use sapwood_engine::machine::stream::{
    AppendReply, Batch, BlockPolicy, Event, Identity, Restored, StreamMachine, StreamSettings, StreamStore,
};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::{Millis, Timestamp};
use shelf::Shelf;
use std::collections::BTreeMap;

/// Rows of the commit 4271b23: before blocks, detectors, lessons, facets.
const STATE_1: &str = include_str!("../../../tests/fixtures/versions/4271b23-state1.txt");
const T0: i64 = 1_763_632_800_000;
const HOUR: i64 = 3_600_000;

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

fn settings() -> StreamSettings {
    let blocks = BlockPolicy { records_min: 100, ..BlockPolicy::default() };
    StreamSettings { key_window: Millis::from_hours(24), blocks, ..StreamSettings::default() }
}

fn load(shelf: &Shelf) -> Restored {
    StreamMachine::load(identity(), &|_| settings(), shelf).unwrap()
}

/// What people count: outcomes, levels, patterns by template.
fn totals(machine: &StreamMachine) -> (u64, [u64; 6], BTreeMap<String, u64>) {
    let patterns = machine.miner().patterns().map(|pattern| (pattern.template.clone(), pattern.count)).collect();
    (machine.outcomes().accepted, machine.counters().by_level(), patterns)
}

/// What the fixture says that its build said.
fn said() -> (u64, [u64; 6], BTreeMap<String, u64>) {
    let patterns = STATE_1.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("# pattern ")?.split_once(' ')?;
        let (count, template) = rest.split_once(' ')?;
        Some((template.to_owned(), count.parse().unwrap()))
    });
    (300, [0, 60, 120, 60, 60, 0], patterns.collect())
}

fn records(from: u64) -> Vec<Record> {
    let record = |number| Record {
        timestamp: Timestamp(T0 + 12_000_000 + number as i64),
        message: format!("order shipped for customer {number} in 7 ms"),
        component: "checkout".into(),
        ..Record::default()
    };
    (from..from + 25).map(record).collect()
}

fn append(machine: &mut StreamMachine, shelf: &mut Shelf, records: &[Record], key: Option<u64>) -> AppendReply {
    let key = key.map(|hash| BatchKey { hash, fingerprint: 5 });
    let batch = Batch { segments: segment::encode(records), key, ..Batch::default() };
    let mut effects = machine.handle(Event::Append(vec![batch]), Timestamp(T0 + 12_000_500));
    effects.write(machine, shelf).unwrap();
    effects.replies.remove(0)
}

fn fold(machine: &mut StreamMachine, shelf: &mut Shelf) {
    machine.handle(Event::Fold, Timestamp(T0 + 13_000_000)).write(machine, shelf).unwrap();
}

fn held(shelf: &Shelf) -> Vec<(u64, Vec<Record>)> {
    let rows = shelf.all().into_values().filter(|row| row.kind == RowKind::Segments);
    rows.map(|row| (row.seq, row::records(&row.body).unwrap())).collect()
}

#[test]
fn rows_of_an_older_build_restore_to_what_it_said_of_them() {
    let restored = load(&Shelf::read(STATE_1));
    assert_eq!((restored.damaged, restored.rebuilt, restored.unreadable.len()), (0, None, 0));
    assert_eq!(totals(&restored.machine), said());
    assert_eq!((restored.machine.view().version, restored.machine.is_registered()), (3, true));
    let ids = |text: &str| {
        text.lines().filter_map(|line| line.strip_prefix("# pattern ")?.split(' ').next()?.parse().ok()).collect()
    };
    let known: Vec<u64> = ids(STATE_1);
    assert_eq!(known.len(), 5);
    assert!(known.iter().all(|id| restored.machine.miner().pattern(PatternId(*id)).is_some()), "ids are links");
}

#[test]
fn work_goes_on_where_the_older_build_left_it() {
    let mut shelf = Shelf::read(STATE_1);
    let mut machine = load(&shelf).machine;
    for call in [1_000, 1_011] {
        let reply = append(&mut machine, &mut shelf, &records(900), Some(call));
        assert!(matches!(reply, AppendReply::Replayed { .. }), "a retry of what the older build stored: {reply:?}");
    }
    assert!(matches!(append(&mut machine, &mut shelf, &records(900), None), AppendReply::Stored { .. }));
    fold(&mut machine, &mut shelf);
    let again = load(&shelf).machine;
    assert_eq!(again.outcomes().accepted, 325);
    assert_eq!(totals(&again), totals(&machine));
}

#[test]
fn rows_of_an_older_build_become_blocks() {
    let mut shelf = Shelf::read(STATE_1);
    let before = held(&shelf);
    let mut machine = load(&shelf).machine;
    fold(&mut machine, &mut shelf);
    let now = Timestamp(T0 + 48 * HOUR);
    while let Some(packing) = machine.next_block(&shelf, now).unwrap().packing {
        shelf.store_block(&packing).unwrap();
    }
    assert!(shelf.blocks.len() >= 3, "{} blocks", shelf.blocks.len());
    assert_eq!(held(&shelf), before);
    assert_eq!(totals(&load(&shelf).machine), said());
}

/// Rows of this build: some folded, some in blocks, some not folded.
fn ours() -> (Shelf, StreamMachine) {
    let mut shelf = Shelf::read(STATE_1);
    let mut machine = load(&shelf).machine;
    fold(&mut machine, &mut shelf);
    while let Some(packing) = machine.next_block(&shelf, Timestamp(T0 + 48 * HOUR)).unwrap().packing {
        shelf.store_block(&packing).unwrap();
    }
    append(&mut machine, &mut shelf, &records(900), Some(77));
    (shelf, machine)
}

#[test]
fn a_build_that_does_not_know_our_state_row_comes_to_the_same_totals() {
    for row in ["state", "detection", "usual", "packing", "thinned", "slices", "learnt"] {
        let (mut shelf, machine) = ours();
        shelf.meta.insert(row.into(), vec![99, 1, 2, 3]);
        let restored = load(&shelf);
        assert_eq!(restored.rebuilt.is_some(), row == "state", "{row}");
        assert_eq!(totals(&restored.machine), totals(&machine), "{row}");
        let mut restored = restored.machine;
        let reply = append(&mut restored, &mut shelf, &records(900), Some(77));
        assert!(matches!(reply, AppendReply::Replayed { .. }), "{row}: keys are rows of their own");
        fold(&mut restored, &mut shelf);
        assert_eq!(totals(&load(&shelf).machine), totals(&machine), "{row}: what it wrote can be read");
    }
}

#[test]
fn a_build_from_before_blocks_has_every_row_to_fold_and_loses_only_sight_of_the_rest() {
    let (mut shelf, machine) = ours();
    let hidden = shelf.blocks.values().map(|(last, _)| *last).max().unwrap();
    assert!(hidden <= machine.folded_seq(), "only what is folded is hidden");
    let blocks = std::mem::take(&mut shelf.blocks);
    shelf.aside.clear();
    for row in ["packing", "thinned", "slices", "detection", "usual", "taught"] {
        shelf.meta.remove(row);
    }
    shelf.meta.insert("state".into(), vec![99]);
    let mut before = load(&shelf).machine;
    assert_eq!(totals(&before).1, totals(&machine).1);
    assert_eq!(totals(&before).2, totals(&machine).2);
    append(&mut before, &mut shelf, &records(2_000), None);
    fold(&mut before, &mut shelf);
    // The newer build is back.
    shelf.blocks = blocks;
    let back = load(&shelf);
    assert_eq!((back.damaged, back.machine.counters().total()), (0, 350));
    assert_eq!(held(&shelf).iter().map(|(_, records)| records.len()).sum::<usize>(), 350);
}

#[test]
fn what_is_written_down_is_what_was_there() {
    let (shelf, _) = ours();
    assert_eq!(Shelf::read(&shelf.dump()).dump(), shelf.dump());
}
