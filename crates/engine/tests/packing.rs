//! When rows of a stream become a block and which: over a shelf that keeps what it is given, with real batches.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::counter::Rollup;
use sapwood_engine::machine::compaction;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::{self, Row, RowKind};
use sapwood_engine::machine::stream::{
    Batch, BlockPolicy, Checkpoint, DomainView, Event, Identity, LooseRow, Outline, Packing, PlaceOutline, Stored,
    StreamMachine, StreamSettings, StreamStore, Thinning,
};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_engine::triage::Alert;
use std::collections::BTreeMap;
use std::convert::Infallible;

const T0: i64 = 1_767_650_400_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Rows and blocks; of the checkpoint only what the tests ask for.
#[derive(Default)]
struct Shelf {
    rows: BTreeMap<u64, Row>,
    blocks: Vec<Packing>,
    aside: BTreeMap<u64, Row>,
    stored: Stored,
}

impl StreamStore for Shelf {
    type Error = Infallible;
    fn append(&mut self, row: &Row) -> Result<(), Infallible> {
        self.rows.insert(row.seq, row.clone());
        Ok(())
    }
    fn add_alert(&mut self, _: &Alert, _: Due, _: &Identity) -> Result<(), Infallible> {
        Ok(())
    }
    fn remove_alert(&mut self, _: &str) -> Result<(), Infallible> {
        Ok(())
    }
    fn set_sinks(&mut self, d1: Vec<u8>, _: Vec<u8>) -> Result<(), Infallible> {
        self.stored.d1 = Some(d1);
        Ok(())
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Infallible> {
        self.stored.folded = checkpoint.folded;
        self.stored.state = Some(checkpoint.state);
        self.stored.packing = checkpoint.packing.or(self.stored.packing.take());
        Ok(())
    }
    fn set_sharding(&mut self, _row: Vec<u8>) -> Result<(), Infallible> {
        Ok(())
    }
    fn set_packing(&mut self, row: Vec<u8>) -> Result<(), Infallible> {
        self.stored.packing = Some(row);
        Ok(())
    }
    fn store_block(&mut self, packing: &Packing) -> Result<(), Infallible> {
        let behind = self.rows.split_off(&(packing.seq_last + 1));
        let left = std::mem::replace(&mut self.rows, behind);
        self.aside.extend(left.into_iter().filter(|(seq, _)| packing.aside.contains(seq)));
        self.blocks.push(packing.clone());
        Ok(())
    }
    fn store_thinning(&mut self, _: &Thinning) -> Result<(), Infallible> {
        Ok(())
    }
    fn places_after(&self, _: u64, _: u32) -> Result<Vec<PlaceOutline>, Infallible> {
        Ok(Vec::new())
    }
    fn stored(&self) -> Result<(Stored, u64), Infallible> {
        Ok((self.stored.clone(), 0))
    }
    fn all_rollups(&self) -> Result<Vec<(Timestamp, Rollup)>, Infallible> {
        Ok(Vec::new())
    }
    fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Infallible> {
        self.rows.range(after + 1..).all(|(_, row)| visit(row.clone()));
        Ok(())
    }
    fn row(&self, seq: u64) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(&seq).cloned())
    }
    fn outlines(&self, _: u64, _: u64, _: u32) -> Result<Vec<Outline>, Infallible> {
        Ok(Vec::new())
    }
    fn loose(&self, room: u32) -> Result<Vec<LooseRow>, Infallible> {
        Ok(self.rows.values().take(room as usize).map(LooseRow::from).collect())
    }
}

struct Object {
    machine: StreamMachine,
    shelf: Shelf,
}

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

fn settings() -> StreamSettings {
    let blocks = BlockPolicy {
        records_min: 100,
        delay: Millis::from_mins(30),
        patience: Millis::from_hours(24),
        late_records_min: 20,
        late_rows_min: 4,
    };
    StreamSettings { key_window: Millis::from_hours(1), blocks, ..StreamSettings::default() }
}

impl Object {
    fn new(settings: StreamSettings) -> Self {
        Self { machine: StreamMachine::new(identity(), settings), shelf: Shelf::default() }
    }

    fn handle(&mut self, event: Event, at: i64) -> bool {
        let effects = self.machine.handle(event, Timestamp(T0 + at));
        effects.write(&mut self.machine, &mut self.shelf).unwrap();
        effects.pack
    }

    /// A call of `count` records at this time.
    fn append(&mut self, count: usize, at: i64) {
        let record = |number: usize| Record {
            message: format!("order {number} of user-{} failed", number % 5),
            timestamp: Timestamp(T0 + at),
            ..Record::default()
        };
        let segments = segment::encode(&(0..count).map(record).collect::<Vec<_>>());
        self.handle(Event::Append(vec![Batch { segments, ..Batch::default() }]), at);
    }

    /// An alarm with all that it does; how many blocks it made.
    fn wake(&mut self, at: i64) -> usize {
        let before = self.shelf.blocks.len();
        if !self.handle(Event::Wake, at) {
            return 0;
        }
        let due = loop {
            let next = self.machine.next_block(&self.shelf, Timestamp(T0 + at)).unwrap();
            let Some(packing) = next.packing else { break next.due };
            self.shelf.store_block(&packing).unwrap();
        };
        self.handle(Event::Packed(due), at);
        self.shelf.blocks.len() - before
    }

    /// Lets alarms go off until none is wanted or this time has come; how many, and how many blocks they made.
    fn run_until(&mut self, until: i64) -> (usize, usize) {
        let (mut alarms, mut blocks) = (0, 0);
        while let Some(at) = self.machine.wake_at().map(|at| (at.0 - T0).max(0)).filter(|at| *at <= until) {
            alarms += 1;
            assert!(alarms < 1_000, "alarms without an end");
            blocks += self.wake(at);
        }
        (alarms, blocks)
    }

    fn restart(&mut self, settings: StreamSettings) {
        self.machine = StreamMachine::load(identity(), &|_| settings.clone(), &self.shelf).unwrap().machine;
    }
}

#[test]
fn enough_rows_become_blocks_when_no_retry_asks_for_them_any_more_and_then_nobody_wakes() {
    let mut object = Object::new(settings());
    for number in 0..25 {
        object.append(10, number * 1_000);
    }
    assert_eq!(object.run_until(HOUR - 1).1, 0, "within the key window nothing is packed");
    assert_eq!(object.run_until(2 * HOUR).1, 2);
    assert_eq!(object.shelf.rows.len(), 5, "what is not enough waits");
    let spans: Vec<_> = object.shelf.blocks.iter().map(|block| (block.seq_first, block.seq_last)).collect();
    assert_eq!(spans, [(1, 10), (11, 20)]);
    let (alarms, blocks) = object.run_until(26 * HOUR);
    assert_eq!((blocks, object.shelf.rows.len()), (1, 0), "a day later what there is becomes one");
    assert!(alarms <= 2, "{alarms} alarms");
    assert_eq!(object.run_until(29 * DAY), (0, 0), "an idle object sleeps until something expires");
}

#[test]
fn several_blocks_are_made_in_one_alarm_rather_than_each_in_its_own() {
    let mut object = Object::new(settings());
    let (mut alarms, mut blocks) = (0, 0);
    for minute in 0..12 * 60 {
        // A block's worth every ten minutes, for ten hours.
        if minute % 10 == 0 && minute < 600 {
            object.append(100, minute * 60_000);
        }
        let made = object.wake(minute * 60_000);
        blocks += made;
        alarms += usize::from(made > 0);
    }
    let left = object.shelf.rows.values().filter(|row| row.kind == RowKind::Segments).count();
    assert_eq!((blocks, left), (60, 0));
    assert!(alarms <= 20, "{alarms} alarms");
}

#[test]
fn what_is_not_worth_a_block_stays_and_nobody_wakes_for_it() {
    let mut object = Object::new(settings());
    object.append(30, 0);
    object.append(30, 1_000);
    object.append(30, 2_000);
    object.run_until(3 * DAY);
    assert_eq!((object.shelf.blocks.len(), object.shelf.rows.len()), (0, 3));
    assert_eq!(object.run_until(29 * DAY), (0, 0));
    // With one row more it is worth it, when that may go.
    object.append(30, 29 * DAY);
    assert_eq!(object.run_until(29 * DAY + HOUR).1, 0);
    assert_eq!(object.run_until(29 * DAY + HOUR + 10).1, 1);
}

#[test]
fn events_and_damaged_rows_between_them_are_set_aside() {
    let mut object = Object::new(settings());
    object.append(60, 0);
    object.handle(Event::Configure(DomainView { version: 7, ..DomainView::default() }), 1_000);
    object.append(30, 2_000);
    object.append(60, 3_000);
    let damaged = object.shelf.rows.get_mut(&3).unwrap();
    damaged.body[9] ^= 1;
    object.run_until(2 * HOUR);
    let [packing] = &object.shelf.blocks[..] else { panic!("{:?}", object.shelf.blocks) };
    assert_eq!((packing.seq_first, packing.seq_last, &packing.aside[..]), (1, 4, &[2, 3][..]));
    let block = packing.block.as_ref().unwrap();
    assert_eq!((&block.seqs[..], block.count), (&[1, 4][..], 120));
    assert!(matches!(block.unreadable[..], [(3, _)]));
    let back = compaction::unpack(&block.body).unwrap();
    assert_eq!(
        back.iter().map(|row| (row.seq, row::records(&row.body).unwrap().len())).collect::<Vec<_>>(),
        [(1, 60), (4, 60)]
    );
    assert_eq!(object.shelf.aside[&2].kind, RowKind::Event);
}

#[test]
fn rows_that_a_sink_has_not_got_stay_and_are_looked_at_now_and_then() {
    let mut object = Object::new(StreamSettings { has_d1: true, ..settings() });
    object.append(120, 0);
    for minute in 0..180 {
        object.wake(minute * 60_000);
    }
    assert!(object.shelf.blocks.is_empty());
    let generation = object.machine.d1_generation();
    object.handle(Event::D1Advanced { cursor: 1, delivered: 0, generation }, 180 * 60_000);
    let blocks: usize = (180..200).map(|minute| object.wake(minute * 60_000)).sum();
    assert_eq!(blocks, 1);
}

#[test]
fn a_restart_does_not_forget_when_to_look_and_a_shorter_window_brings_it_nearer() {
    let mut object = Object::new(settings());
    object.append(120, 0);
    object.run_until(60_000);
    object.restart(settings());
    let due = |object: &Object| object.machine.wake_at().unwrap().0 - T0;
    assert_eq!(due(&object), HOUR);
    object.restart(StreamSettings { key_window: Millis::from_mins(5), ..settings() });
    assert_eq!(due(&object), 5 * 60_000);
    object.machine.set_settings(settings());
    assert_eq!(due(&object), HOUR);
    // Rows of a build that knew no blocks: a look at once.
    object.shelf.stored.packing = None;
    object.restart(settings());
    assert!(due(&object) <= 0);
    object.run_until(120_000);
    assert_eq!(due(&object), HOUR + 1 + 30 * 60_000);
    assert_eq!(object.run_until(2 * HOUR).1, 1);
}

#[test]
fn a_look_that_ends_without_telling_is_repeated_later_and_not_at_once() {
    let mut object = Object::new(settings());
    object.append(120, 0);
    object.run_until(60_000);
    assert!(object.handle(Event::Wake, HOUR + 1));
    assert!(object.machine.wake_at().unwrap().0 >= T0 + HOUR + 60_000);
}
