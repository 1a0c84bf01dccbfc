//! What leaves before its time is over, and what does not: by level, pattern, age and bytes, in blocks and in rows; what a
//! pattern shows outlives its neighbours, counts never fall, and it costs a handful of rows.

#![allow(clippy::unwrap_used, reason = "a test may stop where something is missing")]

mod shelf;

use sapwood_engine::level::{Level, LevelClass};
use sapwood_engine::machine::row::{self, HUSKS, RowKind};
use sapwood_engine::machine::stream::{
    Batch, BlockPolicy, Event, Identity, NextThinning, RetentionPolicy, Selection, StreamMachine, StreamSettings,
    StreamStore,
};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::{Millis, Timestamp};
use shelf::Shelf;
use std::collections::{BTreeMap, BTreeSet};

const T0: i64 = 1_763_632_800_000;
const DAY: i64 = 24 * 3_600_000;

struct Object {
    machine: StreamMachine,
    shelf: Shelf,
}

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

fn settings(policy: RetentionPolicy) -> StreamSettings {
    let blocks = BlockPolicy { records_min: 400, ..BlockPolicy::default() };
    StreamSettings { key_window: Millis::from_hours(1), retention_policy: policy, blocks, ..StreamSettings::default() }
}

fn by_age() -> RetentionPolicy {
    RetentionPolicy {
        debug: Some(Millis::from_hours(3 * 24)),
        info: Some(Millis::from_hours(10 * 24)),
        ..RetentionPolicy::default()
    }
}

/// Four lines, one of each kind.
fn lines(number: usize, at: i64) -> Vec<Record> {
    let kinds = [
        (Level::DEBUG, "cache miss"),
        (Level::INFO, "order shipped"),
        (Level::WARN, "slow bank"),
        (Level::ERROR, "bank refused"),
    ];
    let record = |(level, words): &(Level, &str)| Record {
        level: *level,
        message: format!("{words} for order {number}"),
        component: "checkout".into(),
        timestamp: Timestamp(T0 + at),
        ..Record::default()
    };
    kinds.iter().map(record).collect()
}

impl Object {
    fn new(policy: RetentionPolicy) -> Self {
        Self { machine: StreamMachine::new(identity(), settings(policy)), shelf: Shelf::default() }
    }

    fn handle(&mut self, event: Event, at: i64) -> sapwood_engine::machine::stream::Effects {
        let effects = self.machine.handle(event, Timestamp(T0 + at));
        effects.write(&mut self.machine, &mut self.shelf).unwrap();
        effects
    }

    fn append(&mut self, numbers: std::ops::Range<usize>, at: i64) {
        let records: Vec<Record> = numbers.flat_map(|number| lines(number, at)).collect();
        self.handle(Event::Append(vec![Batch { segments: segment::encode(&records), ..Batch::default() }]), at);
    }

    /// An alarm as the shell works it off.
    fn wake(&mut self, at: i64) {
        let now = Timestamp(T0 + at);
        let effects = self.handle(Event::Wake, at);
        for id in effects.deliver {
            self.handle(Event::AlertDelivered(id), at);
        }
        if effects.retain_from.is_some() {
            self.thin(at);
            let oldest = self.shelf.all().values().map(|row| row.at.max(row.time_max)).min();
            self.handle(Event::Retained(oldest), at);
        }
        if effects.pack {
            let due = loop {
                let next = self.machine.next_block(&self.shelf, now).unwrap();
                let Some(packing) = next.packing else { break next.due };
                self.shelf.store_block(&packing).unwrap();
            };
            self.handle(Event::Packed(due), at);
        }
    }

    fn thin(&mut self, at: i64) {
        while let NextThinning::Now(thinning) =
            self.machine.next_thinning(&self.shelf, false, Timestamp(T0 + at)).unwrap()
        {
            self.shelf.store_thinning(&thinning).unwrap();
        }
    }

    /// Lets alarms go off until this time; how many.
    fn run_until(&mut self, until: i64) -> usize {
        let mut alarms = 0;
        while let Some(at) = self.machine.wake_at().map(|at| (at.0 - T0).max(0)).filter(|at| *at <= until) {
            alarms += 1;
            assert!(alarms < 1_000, "alarms without an end");
            self.wake(at);
        }
        alarms
    }

    fn restart(&mut self, policy: RetentionPolicy) {
        self.machine = StreamMachine::load(identity(), &|_| settings(policy.clone()), &self.shelf).unwrap().machine;
    }

    /// Messages that are still there, by level.
    fn held(&self) -> BTreeMap<LevelClass, Vec<String>> {
        let mut held: BTreeMap<LevelClass, Vec<String>> = BTreeMap::new();
        for row in self.shelf.all().values().filter(|row| row.kind == RowKind::Segments) {
            for record in row::records(&row.body).unwrap().into_iter().filter(|record| !record.is_husk()) {
                held.entry(record.level.class()).or_default().push(record.message);
            }
        }
        held
    }

    fn counts(&self) -> [usize; 4] {
        let held = self.held();
        [LevelClass::Debug, LevelClass::Info, LevelClass::Warn, LevelClass::Error]
            .map(|class| held.get(&class).map_or(0, Vec::len))
    }

    fn pattern_of(&self, words: &str) -> PatternId {
        self.machine.miner().patterns().find(|pattern| pattern.template.contains(words)).unwrap().id
    }

    /// How many records of a pattern people are shown, and are still there.
    fn shown(&self, words: &str) -> usize {
        let pattern = self.machine.miner().pattern(self.pattern_of(words)).unwrap();
        let places: BTreeSet<_> =
            pattern.exemplars.iter().chain(&pattern.last).map(|it| (it.seq, usize::from(it.index))).collect();
        let rows = self.shelf.all();
        for (seq, index) in &places {
            let records = row::records(&rows.get(seq).unwrap().body).unwrap();
            assert!(!records.get(*index).unwrap().is_husk(), "what a pattern shows is there");
        }
        places.len()
    }

    /// 200 lines of each kind in blocks, a few more in rows.
    fn filled(policy: RetentionPolicy) -> Self {
        let mut object = Self::new(policy);
        for call in 0..20 {
            object.append(call * 10..call * 10 + 10, call as i64 * 1_000);
        }
        object.run_until(3 * 3_600_000);
        object.append(200..202, 3 * 3_600_000);
        object.run_until(DAY);
        assert_eq!(object.shelf.blocks.len(), 2);
        assert_eq!(object.counts(), [202; 4]);
        object
    }
}

#[test]
fn debug_lines_leave_first_then_informational_ones_and_warnings_stay() {
    let mut object = Object::filled(by_age());
    let (outcomes, total) = (object.machine.outcomes(), object.machine.counters().total());
    let ids = |object: &Object| object.shelf.all().into_values().map(|row| (row.seq, row.count)).collect::<Vec<_>>();
    let before = ids(&object);
    object.run_until(3 * DAY);
    assert_eq!(object.counts(), [202; 4], "nothing is old enough");
    let written = object.shelf.written;
    object.run_until(4 * DAY);
    let shown = object.shown("cache miss");
    assert_eq!(object.counts(), [shown, 202, 202, 202]);
    let cost = object.shelf.written - written;
    // Two blocks, a row, the row with the cursors for each, and a checkpoint.
    assert!(cost <= 16, "{cost} rows written for 202 records that left");
    object.run_until(20 * DAY);
    assert_eq!(object.counts(), [shown, object.shown("order shipped"), 202, 202]);
    assert_eq!(ids(&object), before, "rows keep their places: ids go on leading to their records");
    assert_eq!((object.machine.outcomes(), object.machine.counters().total()), (outcomes, total), "counts never fall");
    assert_eq!(object.machine.miner().patterns().map(|pattern| pattern.count).sum::<u64>(), total);
    assert!(object.machine.thinned_to() >= Some(Timestamp(T0)), "readers can say that something left");
    assert!(object.shelf.all().values().filter(|row| row.kind == RowKind::Segments).all(|row| row.levels & HUSKS != 0));
}

#[test]
fn first_and_last_records_of_a_pattern_outlive_their_neighbours() {
    let mut object = Object::filled(by_age());
    object.run_until(20 * DAY);
    for (words, class) in [("cache miss", LevelClass::Debug), ("order shipped", LevelClass::Info)] {
        let held = object.held().remove(&class).unwrap();
        assert!(held.contains(&format!("{words} for order 0")) && held.contains(&format!("{words} for order 201")));
        assert!(!held.contains(&format!("{words} for order 100")));
        assert!(object.shown(words) >= 2);
    }
}

#[test]
fn a_pattern_can_be_called_brief_or_lasting() {
    let mut object = Object::filled(by_age());
    let (brief, lasting) = (object.pattern_of("slow bank"), object.pattern_of("cache miss"));
    let policy = RetentionPolicy { brief: [brief].into(), lasting: [lasting].into(), ..by_age() };
    object.machine.set_settings(settings(policy));
    object.run_until(20 * DAY);
    let [debug, info, warn, error] = object.counts();
    assert_eq!((debug, error), (202, 202));
    assert_eq!((info, warn), (object.shown("order shipped"), object.shown("slow bank")));
}

#[test]
fn without_a_policy_nobody_looks_and_nothing_leaves() {
    let mut object = Object::filled(RetentionPolicy::default());
    assert_eq!(object.run_until(29 * DAY), 0, "an object with nothing to do sleeps");
    assert_eq!(object.counts(), [202; 4]);
    assert_eq!(object.machine.thinned_to(), None);
}

#[test]
fn what_was_removed_is_not_looked_at_again_and_a_restart_changes_nothing() {
    let mut object = Object::filled(by_age());
    object.run_until(5 * DAY);
    let (held, written) = (object.held(), object.shelf.written);
    let to = object.machine.thinned_to();
    object.restart(by_age());
    assert_eq!(object.machine.thinned_to(), to);
    object.thin(5 * DAY);
    assert_eq!((object.held(), object.shelf.written), (held, written));
    let alarms = object.run_until(9 * DAY);
    assert!(alarms <= 1, "{alarms} alarms though nothing is due");
}

#[test]
fn a_lost_cursor_costs_a_look_and_its_row() {
    let mut object = Object::filled(by_age());
    object.run_until(5 * DAY);
    let held = object.held();
    object.shelf.meta.insert("thinned".into(), vec![9, 9]);
    object.restart(by_age());
    let written = object.shelf.written;
    object.thin(5 * DAY);
    assert_eq!((object.held(), object.shelf.written), (held, written + 1));
}

#[test]
fn what_comes_after_all_is_thinned_leaves_early_too() {
    let mut object = Object::filled(by_age());
    object.run_until(12 * DAY);
    object.append(900..1_000, 12 * DAY);
    object.run_until(23 * DAY);
    let [debug, info, ..] = object.counts();
    assert!(debug <= 10 && info <= 10, "{debug} and {info} are left");
}

#[test]
fn a_policy_that_comes_later_holds_for_what_is_there() {
    for restarts in [false, true] {
        let mut object = Object::filled(RetentionPolicy::default());
        object.run_until(20 * DAY);
        match restarts {
            true => object.restart(by_age()),
            false => object.machine.set_settings(settings(by_age())),
        }
        object.append(900..901, 20 * DAY);
        object.run_until(20 * DAY + 3_600_000);
        let [debug, info, warn, error] = object.counts();
        assert!(debug <= 10 && info <= 10, "{debug} and {info} are left, restarts: {restarts}");
        assert_eq!((warn, error), (203, 203));
    }
}

#[test]
fn what_is_not_delivered_or_may_be_asked_for_by_a_retry_does_not_leave() {
    let mut object = Object::new(RetentionPolicy { debug: Some(Millis(1)), ..RetentionPolicy::default() });
    object.append(0..10, 0);
    let takes_nothing = |object: &mut Object, at: i64, is_over: bool| match object
        .machine
        .next_thinning(&object.shelf, is_over, Timestamp(T0 + at))
        .unwrap()
    {
        NextThinning::Later(_) => true,
        NextThinning::Now(thinning) => thinning.bodies.is_empty() && thinning.gone_up_to.is_none(),
    };
    for is_over in [false, true] {
        assert!(takes_nothing(&mut object, 2 * 3_600_000, is_over), "not folded");
    }
    object.run_until(60_000);
    for is_over in [false, true] {
        assert!(takes_nothing(&mut object, 60_000, is_over), "within the key window");
    }
    let with_d1 = StreamSettings { has_d1: true, ..object.machine.settings().clone() };
    object.machine.set_settings(with_d1);
    assert!(takes_nothing(&mut object, 2 * 3_600_000, true), "D1 does not have it");
}

#[test]
fn too_many_bytes_take_what_says_least_and_then_the_oldest() {
    let mut object = Object::filled(RetentionPolicy { bytes_max: Some(1), ..RetentionPolicy::default() });
    let mut seen = vec![object.counts()];
    while let NextThinning::Now(thinning) =
        object.machine.next_thinning(&object.shelf, true, Timestamp(T0 + DAY)).unwrap()
    {
        object.shelf.store_thinning(&thinning).unwrap();
        seen.push(object.counts());
    }
    for pair in seen.windows(2) {
        let (&[debug, info, ..], &[_, later_info, warn, error]) = (&pair[0], &pair[1]);
        assert!(info == later_info || debug < 10, "debug lines leave first: {pair:?}");
        assert!((warn, error) == (202, 202) || info < 10, "warnings leave last: {pair:?}");
    }
    assert_eq!(object.counts(), [0; 4], "in the end the oldest leave whole, until it is enough");
    assert_eq!(object.machine.counters().total(), 808);
}

#[test]
fn levels_and_patterns_can_be_removed_by_name_what_patterns_show_with_them() {
    let mut object = Object::filled(RetentionPolicy::default());
    let slow = object.pattern_of("slow bank");
    let mut remove = |selection: Selection, before: i64| {
        let (mut seq, mut records) = (0, 0);
        loop {
            let next = object.machine.select_in_place(
                &object.shelf,
                &selection,
                Timestamp(T0 + before),
                seq,
                Timestamp(T0 + DAY),
            );
            let Some((next, thinning)) = next.unwrap() else { break };
            (seq, records) = (next, records + thinning.records);
            object.shelf.store_thinning(&thinning).unwrap();
        }
        (records, object.counts())
    };
    let debug = Selection { levels: 1 << LevelClass::Debug.index(), ..Selection::default() };
    assert_eq!(remove(debug.clone(), 9_500), (100, [102, 202, 202, 202]), "only what is older");
    assert_eq!(remove(debug.clone(), DAY), (102, [0, 202, 202, 202]));
    assert_eq!(remove(debug, DAY).0, 0, "again finds nothing");
    let slow = Selection { patterns: [slow].into(), ..Selection::default() };
    assert_eq!(remove(slow, DAY), (202, [0, 202, 0, 202]));
}

#[test]
fn what_leaves_is_named_for_whoever_has_copies_and_naming_it_changes_nothing() {
    let mut object = Object::new(by_age());
    object.machine.set_settings(StreamSettings { has_d1: true, ..settings(by_age()) });
    object.append(0..50, 0);
    object.handle(Event::Fold, 1);
    let generation = object.machine.d1_generation();
    let cursor = object.machine.last_seq();
    object.handle(Event::D1Advanced { cursor, delivered: 0, generation }, 2);
    let now = Timestamp(T0 + 4 * DAY);
    let would = object.machine.would_thin(&object.shelf, false, now).unwrap().unwrap();
    assert_eq!(object.machine.would_thin(&object.shelf, false, now).unwrap(), Some(would.clone()), "again, the same");
    // 50 debug lines without the first ones and the last that their pattern shows.
    assert_eq!((would.copies.len() as u64, would.copies.iter().collect::<BTreeSet<_>>().len()), (would.records, 46));
    let NextThinning::Now(thinning) = object.machine.next_thinning(&object.shelf, false, now).unwrap() else {
        panic!("it is due");
    };
    assert_eq!(thinning, would);
    let before = object.shelf.clone();
    object.shelf.store_thinning(&thinning).unwrap();
    let mut husks = Vec::new();
    for (seq, row) in object.shelf.all() {
        let was = row::records(&before.rows[&seq].body).unwrap();
        for (index, (is, was)) in row::records(&row.body).unwrap().iter().zip(was).enumerate() {
            if is.is_husk() {
                assert_eq!(was.level.class(), LevelClass::Debug);
                husks.push(object.machine.record_id(row.at, seq, index as u16).to_string());
            }
        }
    }
    assert_eq!(thinning.copies, husks, "exactly what left");
    assert_eq!(object.machine.would_thin(&object.shelf, false, now).unwrap(), None, "and nothing is left to leave");
}

#[test]
fn where_copies_cannot_leave_it_is_tried_again_an_hour_later_and_not_at_once() {
    let mut object = Object::new(by_age());
    object.append(0..50, 0);
    object.run_until(2 * DAY);
    let at = 4 * DAY;
    object.machine.thin_later(Timestamp(T0 + at));
    object.handle(Event::Retained(Some(Timestamp(T0))), at);
    let next = object.machine.wake_at().unwrap();
    assert_eq!(next.0 - T0 - at, by_age().delay.0, "{next:?}");
}
