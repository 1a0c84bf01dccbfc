//! The stream machine over an obedient disk in memory: what is promised about durability, identity, quotas and alerts,
//! and that a restart at any point cannot be noticed.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::counter::{Facets, HOUR, Rollup, SeriesKind};
use sapwood_engine::level::Level;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::{self, BatchKey, Heads, Row, RowKind};
use sapwood_engine::machine::stream::{
    AppendReply, Batch, DomainView, Effects, Event, Identity, Lease, Stored, StreamMachine, StreamSettings, Told,
    decode_domain_view, decode_told, encode_told,
};
use sapwood_engine::machine::window::Page;
use sapwood_engine::normalize::{NormalizeContext, normalize};
use sapwood_engine::pattern::lesson::{Lessons, Naming, Reference, Teaching};
use sapwood_engine::pattern::{Pattern, PatternId};
use sapwood_engine::record::{RawRecord, Record};
use sapwood_engine::segment;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_engine::triage::Alert;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
struct Disk {
    rows: BTreeMap<u64, Row>,
    folded: u64,
    state: Option<Vec<u8>>,
    detection: Option<Vec<u8>>,
    patterns: BTreeMap<PatternId, Vec<u8>>,
    learnt: Option<Vec<u8>>,
    taught: Option<Vec<u8>>,
    hours: BTreeMap<Timestamp, Rollup>,
    facets: BTreeMap<Timestamp, Facets>,
    key_pages: BTreeMap<u64, Page>,
    id_pages: BTreeMap<u64, Page>,
    outbox: BTreeMap<String, Due>,
    d1: Option<Vec<u8>>,
    data_service: Option<Vec<u8>>,
    packing: Option<Vec<u8>>,
}

struct Object {
    machine: StreamMachine,
    disk: Disk,
    settings: StreamSettings,
    alerts: Vec<Alert>,
    lessons: Lessons,
}

fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

impl Object {
    fn new() -> Self {
        Self::with(StreamSettings::default())
    }

    fn with(settings: StreamSettings) -> Self {
        let machine = StreamMachine::new(identity(), settings.clone());
        Self { machine, disk: Disk::default(), settings, alerts: Vec::new(), lessons: Lessons::default() }
    }

    fn handle(&mut self, event: Event, now: i64) -> Effects {
        let effects = self.machine.handle(event, Timestamp(now));
        for row in &effects.rows {
            assert!(self.disk.rows.insert(row.seq, row.clone()).is_none(), "a sequence is used once");
        }
        for (alert, due) in &effects.alerts {
            self.disk.outbox.insert(alert.id.clone(), *due);
            self.alerts.push(alert.clone());
        }
        for id in &effects.delivered {
            self.disk.outbox.remove(id);
        }
        if effects.sinks_changed {
            self.disk.d1 = Some(self.machine.d1().encode());
            self.disk.data_service = Some(self.machine.data_service().encode());
        }
        if effects.checkpoint || effects.packing_changed {
            self.checkpoint();
        }
        if effects.pack {
            // Nothing here is worth a block.
            self.handle(Event::Packed(None), now);
        }
        effects
    }

    fn checkpoint(&mut self) {
        let checkpoint = self.machine.checkpoint();
        let disk = &mut self.disk;
        disk.folded = checkpoint.folded;
        disk.state = Some(checkpoint.state);
        disk.detection = Some(checkpoint.detection);
        disk.patterns.extend(checkpoint.patterns);
        for id in checkpoint.patterns_gone {
            disk.patterns.remove(&id);
        }
        disk.packing = checkpoint.packing.or(disk.packing.take());
        disk.learnt = checkpoint.learnt.or(disk.learnt.take());
        disk.taught = checkpoint.taught.or(disk.taught.take());
        for (hour, delta) in checkpoint.hours {
            disk.hours.entry(hour).or_default().merge(&delta);
        }
        for (hour, delta) in checkpoint.facets {
            disk.facets.entry(hour).or_default().merge(&delta);
        }
        disk.key_pages.extend(checkpoint.key_pages.into_iter().map(|page| (page.number, page)));
        disk.id_pages.extend(checkpoint.id_pages.into_iter().map(|page| (page.number, page)));
        disk.key_pages.retain(|number, _| !checkpoint.key_pages_gone.contains(number));
        disk.id_pages.retain(|number, _| !checkpoint.id_pages_gone.contains(number));
    }

    fn stored(&self) -> Stored {
        let disk = self.disk.clone();
        Stored {
            folded: disk.folded,
            state: disk.state,
            detection: disk.detection,
            patterns: disk.patterns.values().map(|row| Pattern::decode(row).unwrap()).collect(),
            learnt: disk.learnt,
            taught: disk.taught,
            key_pages: disk.key_pages.into_values().collect(),
            id_pages: disk.id_pages.into_values().collect(),
            outbox: disk.outbox.into_iter().collect(),
            d1: disk.d1,
            data_service: disk.data_service,
            packing: disk.packing,
            thinned: None,
            slices: None,
            sharding: None,
            usual: None,
        }
    }

    fn restored(&self) -> StreamMachine {
        let mut machine = StreamMachine::restore(identity(), self.settings.clone(), self.stored()).unwrap();
        for row in self.disk.rows.range(self.disk.folded + 1..).map(|(_, row)| row) {
            machine.replay(row).unwrap();
        }
        machine
    }

    fn append(&mut self, records: &[Record], now: i64) -> AppendReply {
        self.append_as(records, None, now)
    }

    fn append_as(&mut self, records: &[Record], key: Option<BatchKey>, now: i64) -> AppendReply {
        let batch = Batch { key, segments: segment::encode(records), ..Batch::default() };
        self.handle(Event::Append(vec![batch]), now).replies.remove(0)
    }

    fn reference(&self, id: PatternId) -> Reference {
        let template = self.machine.miner().pattern(id).map(|pattern| pattern.template.clone()).unwrap_or_default();
        Reference { id, template }
    }

    fn teach(&mut self, teaching: Teaching, now: i64) -> Option<u64> {
        let taught = self.lessons.teach(teaching, "ann", Timestamp(now), "").ok();
        self.handle(Event::Taught(self.lessons.clone()), now);
        taught
    }

    /// Every stored record, decoded from the journal.
    fn stored_records(&self) -> Vec<Record> {
        let segments = self.disk.rows.values().filter(|row| row.kind == RowKind::Segments);
        segments.flat_map(|row| row::records(&row.body).unwrap()).collect()
    }
}

fn record(message: &str, level: Level, at: i64) -> Record {
    Record { message: message.into(), level, timestamp: Timestamp(at), environment: "test".into(), ..Record::default() }
}

fn info(message: &str) -> Record {
    record(message, Level::INFO, 1_000_000)
}

fn key(hash: u64, fingerprint: u64) -> Option<BatchKey> {
    Some(BatchKey { hash, fingerprint })
}

const NOW: i64 = 1_000_500;

#[test]
fn a_batch_is_one_row_and_its_receipt_tells_where_each_record_lies() {
    let mut object = Object::new();
    let AppendReply::Stored(receipt) = object.append(&[info("a 1"), info("a 2"), info("b")], NOW) else { panic!() };
    assert_eq!((receipt.accepted, receipt.places.len(), object.disk.rows.len()), (3, 1, 1));
    let place = receipt.places[0];
    let row = &object.disk.rows[&place.seq];
    assert_eq!((place.first, place.count, row.count), (0, 3, 3));
    let heads = Heads::decode(&row.heads).unwrap();
    assert_eq!(heads.pattern_at(0), heads.pattern_at(1));
    assert_ne!(heads.pattern_at(0), heads.pattern_at(2));
}

#[test]
fn batches_that_wait_for_the_same_commit_share_a_row() {
    let mut object = Object::new();
    let batch = |text: &str| Batch { segments: segment::encode(&[info(text)]), ..Batch::default() };
    let effects = object.handle(Event::Append((0..10).map(|i| batch(&format!("m {i}"))).collect()), NOW);
    assert_eq!((effects.rows.len(), effects.replies.len()), (1, 10));
    let AppendReply::Stored(receipt) = &effects.replies[7] else { panic!() };
    assert_eq!((receipt.places[0].first, receipt.places[0].count), (7, 1));
}

#[test]
fn a_batch_too_large_for_one_row_makes_several_and_all_stay_within_a_row_s_size() {
    let mut object = Object::new();
    let mut state = 7u64;
    let mut noise = |bytes: usize| -> String {
        (0..bytes)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                char::from(b'!' + (state >> 57) as u8 % 90)
            })
            .collect()
    };
    let records: Vec<_> = (0..100).map(|_| info(&noise(60_000))).collect();
    let AppendReply::Stored(receipt) = object.append(&records, NOW) else { panic!() };
    assert_eq!(receipt.accepted, 100);
    assert!(object.disk.rows.len() > 2);
    assert!(object.disk.rows.values().all(|row| row.body.len() + row.heads.len() < 2_000_000));
    assert_eq!(object.stored_records(), records);
    assert_eq!(receipt.places.iter().map(|place| u32::from(place.count)).sum::<u32>(), 100);
}

#[test]
fn a_retry_under_its_key_changes_nothing_and_finds_its_first_receipt() {
    let mut object = Object::new();
    let AppendReply::Stored(first) = object.append_as(&[info("a"), info("b")], key(1, 2), NOW) else { panic!() };
    for restarts in 0..2 {
        let reply = object.append_as(&[info("a"), info("b")], key(1, 2), NOW + 10);
        let AppendReply::Replayed { seq, hash } = reply else { panic!("{reply:?}") };
        let heads = Heads::decode(&object.disk.rows[&seq].heads).unwrap();
        assert_eq!(heads.receipt_of(hash), Some(&first));
        assert_eq!(object.append_as(&[info("c")], key(1, 3), NOW + 11), AppendReply::KeyReused);
        if restarts == 0 {
            object.machine = object.restored();
        }
    }
    assert_eq!(object.stored_records().len(), 2);
    let outcomes = object.machine.outcomes();
    assert_eq!((outcomes.accepted, outcomes.duplicate), (2, 4));
}

#[test]
fn the_same_key_twice_in_one_commit_is_stored_once() {
    let mut object = Object::new();
    let batch = Batch { key: key(1, 2), segments: segment::encode(&[info("a")]), ..Batch::default() };
    let replies = object.handle(Event::Append(vec![batch.clone(), batch]), NOW).replies;
    assert!(matches!(replies[..], [AppendReply::Stored(_), AppendReply::Replayed { .. }]), "{replies:?}");
    assert_eq!(object.stored_records().len(), 1);
}

#[test]
fn a_key_is_forgotten_after_its_window() {
    let mut object = Object::with(StreamSettings { key_window: Millis(1_000), ..StreamSettings::default() });
    object.append_as(&[info("a")], key(1, 2), NOW);
    assert!(matches!(object.append_as(&[info("a")], key(1, 2), NOW + 1_000), AppendReply::Replayed { .. }));
    assert!(matches!(object.append_as(&[info("a")], key(1, 2), NOW + 1_001), AppendReply::Stored(_)));
}

#[test]
fn a_record_id_is_stored_once_whatever_the_batch() {
    let with_id = |id: &str| Record { id: Some(id.into()), ..info("x") };
    let mut object = Object::new();
    object.append(&[with_id("1"), with_id("2")], NOW);
    object.machine = object.restored();
    let AppendReply::Stored(receipt) = object.append(&[with_id("2"), with_id("3"), with_id("3")], NOW + 1) else {
        panic!()
    };
    assert_eq!((receipt.accepted, receipt.duplicate, receipt.fates.len()), (1, 2, 3));
    let ids: Vec<_> = object.stored_records().into_iter().filter_map(|record| record.id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[test]
fn over_quota_records_are_counted_without_text_and_errors_have_a_reserve() {
    let mut object = Object::new();
    let view = DomainView { version: 1, records_per_day: Some(100), ..DomainView::default() };
    object.handle(Event::Registered(view), NOW);
    assert_eq!(object.machine.lease_wanted(4, Timestamp(NOW)), Some(4));
    object.handle(Event::Leased(Lease { day: 0, general: 2, errors: 1, is_spent: true }), NOW);
    assert_eq!(object.machine.lease_wanted(4, Timestamp(NOW)), None, "nothing to be had before tomorrow");
    let secret = "customer 4711 said private words";
    let batch = [
        info("a 1"),
        info("a 2"),
        info(secret),
        record("boom", Level::ERROR, 1_000_000),
        record("bang", Level::ERROR, 1_000_000),
    ];
    let AppendReply::Stored(receipt) = object.append(&batch, NOW) else { panic!() };
    assert_eq!((receipt.accepted, receipt.counted_only, receipt.duplicate), (3, 2, 0));
    assert_eq!(object.machine.counters().total(), 5, "all are counted");
    assert!(object.machine.miner().patterns().any(|p| p.template == "customer <*> said private words" && p.count == 1));
    let disk: Vec<u8> = object.disk.rows.values().flat_map(|row| row.body.clone()).collect();
    assert!(!disk.windows(4).any(|window| window == b"4711"), "the text of a counted record is not stored");
    let outcomes = object.machine.outcomes();
    assert_eq!((outcomes.accepted, outcomes.counted_only), (3, 2));
    assert_eq!(object.machine.lease_wanted(1, Timestamp(NOW + 86_400_000)), Some(1), "tomorrow it asks again");
}

#[test]
fn a_record_that_is_only_counted_counts_to_the_pattern_of_its_fault() {
    let failing = |sku: u32, place: &str| {
        let message = format!("Order {sku} failed");
        let stack = format!("TypeError: sku {sku} is gone\n    at {place} (/app/cart.js:{sku}:7)");
        let raw = RawRecord { message: Some(message), stack_trace: Some(stack), ..RawRecord::default() };
        let context = NormalizeContext { now: Timestamp(NOW), default_environment: "production", key_component: None };
        normalize(raw, &context).unwrap()
    };
    let mut object = Object::new();
    object.append(&[failing(1, "add"), failing(2, "remove")], NOW);
    let view = DomainView { version: 1, records_per_day: Some(100), ..DomainView::default() };
    object.handle(Event::Registered(view), NOW);
    object.handle(Event::Leased(Lease { day: 0, general: 0, errors: 0, is_spent: true }), NOW);
    let AppendReply::Stored(receipt) = object.append(&[failing(3, "add"), failing(4, "add")], NOW + 1) else {
        panic!()
    };
    assert_eq!(receipt.counted_only, 2);
    object.machine = object.restored();
    let counts = |object: &Object| {
        let mut counts: Vec<_> = object
            .machine
            .miner()
            .patterns()
            .map(|pattern| (pattern.fault.as_ref().unwrap().function.clone().unwrap(), pattern.count))
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(counts(&object), [("add".to_owned(), 3), ("remove".to_owned(), 1)]);
}

#[test]
fn a_revoked_key_writes_nothing() {
    let mut object = Object::new();
    let view = DomainView { version: 1, revoked: vec!["k1".into()], ..DomainView::default() };
    object.handle(Event::Registered(view), NOW);
    let batch = Batch { key_id: Some("k1".into()), segments: segment::encode(&[info("a")]), ..Batch::default() };
    assert_eq!(object.handle(Event::Append(vec![batch]), NOW).replies, [AppendReply::Revoked]);
    assert!(object.stored_records().is_empty());
}

#[test]
fn an_older_view_of_the_domain_is_ignored() {
    let mut object = Object::new();
    object.handle(Event::Registered(DomainView { version: 5, is_watched: true, ..DomainView::default() }), NOW);
    object.handle(Event::Configure(DomainView { version: 4, ..DomainView::default() }), NOW);
    assert!(object.machine.view().is_watched);
    object.machine = object.restored();
    assert!(object.machine.view().is_watched && object.machine.is_registered());
}

#[test]
fn a_view_that_was_pushed_before_the_answer_to_the_registration_came_stays() {
    let mut object = Object::new();
    let revoked = DomainView { version: 2, revoked: vec!["k1".into()], ..DomainView::default() };
    object.handle(Event::Configure(revoked.clone()), NOW);
    object.handle(Event::Registered(DomainView { version: 1, ..DomainView::default() }), NOW + 1);
    assert!(object.machine.is_registered());
    assert_eq!(object.machine.view(), &revoked, "a revoked key does not come back to life");
    assert_eq!(object.restored().view(), &revoked);
}

#[test]
fn damaged_segments_are_refused_and_leave_no_trace() {
    let mut object = Object::new();
    let mut segments = segment::encode(&[info("a")]);
    segments[0][30] ^= 1;
    let effects = object.handle(Event::Append(vec![Batch { segments, ..Batch::default() }]), NOW);
    assert!(matches!(effects.replies[..], [AppendReply::Unreadable(_)]));
    assert!(object.disk.rows.is_empty());
}

#[test]
fn a_never_seen_error_is_told_in_the_turn_that_writes_it_once_with_its_line() {
    let mut object = Object::new();
    object.append(&[info("all well")], NOW);
    assert!(object.alerts.is_empty());
    object.append(&[record("payment 17 failed", Level::ERROR, NOW - 5)], NOW);
    let [alert] = &object.alerts[..] else { panic!("{:?}", object.alerts) };
    assert_eq!(alert.patterns[0].template, "payment <*> failed");
    assert_eq!(alert.exemplars[0].message, "payment 17 failed");
    assert_eq!(alert.incidents[0].first_seen, Timestamp(NOW - 5));
    object.append(&[record("payment 18 failed", Level::ERROR, NOW)], NOW + 1_000);
    object.machine = object.restored();
    object.append(&[record("payment 19 failed", Level::ERROR, NOW)], NOW + 100_000);
    assert_eq!(object.alerts.len(), 1);
}

#[test]
fn a_burst_is_told_with_expected_and_seen() {
    let mut object = Object::with(StreamSettings::default());
    for minute in 0..30 {
        let at = NOW + minute * 60_000;
        object.append(&[record("slow query 5", Level::ERROR, at)], at);
    }
    object.alerts.clear();
    let at = NOW + 30 * 60_000;
    let burst: Vec<_> = (0..40).map(|i| record(&format!("slow query {i}"), Level::ERROR, at + i * 100)).collect();
    object.append(&burst, at + 4_000);
    let [alert] = &object.alerts[..] else { panic!("{:?}", object.alerts) };
    let incident = &alert.incidents[0];
    let signal = incident.signal;
    assert_eq!((signal.kind.as_str(), signal.subject.to_string().as_str()), ("burst", "errors"));
    assert!(signal.expected < 1.5 && signal.seen >= 10 && signal.probability < 1e-3, "{incident:?}");
    assert!(!alert.exemplars.is_empty());
}

#[test]
fn backfill_raises_nothing_and_is_counted_where_it_belongs() {
    let mut object = Object::new();
    let week_ago = NOW + 7 * 86_400_000;
    let old: Vec<_> = (0..500).map(|i| record("ancient fault", Level::ERROR, NOW + i)).collect();
    object.append(&old, week_ago);
    assert!(object.alerts.is_empty());
    assert_eq!(object.machine.incidents().all().count(), 0);
    object.checkpoint();
    let hour = Timestamp(NOW).floor_to(Millis::from_hours(1));
    let counted: u64 = object.disk.hours[&hour]
        .series()
        .filter(|(key, _)| key.kind == SeriesKind::Level)
        .map(|(_, minutes)| minutes.values().sum::<u64>())
        .sum();
    assert_eq!(counted, 500);
}

#[test]
fn errors_that_follow_an_alert_are_gathered_and_told_when_the_window_ends() {
    let mut object = Object::new();
    let fault = |i: i64| record(&format!("fault {}", "x".repeat(i as usize)), Level::ERROR, NOW + i);
    for i in 1..6 {
        object.append(&[fault(i)], NOW + i);
    }
    assert_eq!(object.alerts.len(), 1);
    object.machine = object.restored();
    let wake = object.machine.wake_at().unwrap();
    assert!(wake <= Timestamp(NOW + 1 + 60_000));
    object.handle(Event::Wake, NOW + 1 + 60_000);
    assert_eq!(object.alerts.len(), 2);
    assert_eq!(object.alerts[1].incidents.len(), 4);
    object.machine = object.restored();
    object.handle(Event::Wake, NOW + 200_000);
    assert_eq!(object.alerts.len(), 2, "told once");
}

#[test]
fn one_record_a_minute_costs_at_most_two_alarms_an_hour_beyond_its_flushes() {
    let mut object = Object::new();
    let (mut flushes, mut others) = (0, 0);
    let mut now = NOW;
    for minute in 0..60 {
        let due = NOW + minute * 60_000;
        while let Some(wake) = object.machine.wake_at().filter(|at| at.0 < due) {
            now = now.max(wake.0);
            let effects = object.handle(Event::Wake, now);
            if effects.checkpoint { flushes += 1 } else { others += 1 }
        }
        now = due;
        let level = if minute % 20 == 0 { Level::ERROR } else { Level::INFO };
        object.append(&[record(&format!("tick {minute}"), level, now)], now);
        for id in object.machine.outbox().due(Timestamp(now), 9) {
            object.handle(Event::AlertDelivered(id), now);
        }
    }
    assert!(flushes <= 60, "{flushes}");
    assert!(others <= 2, "{others}");
}

#[test]
fn a_spare_wake_does_nothing() {
    let mut object = Object::new();
    object.append(&[info("a")], NOW);
    let before = object.disk.rows.len();
    let effects = object.handle(Event::Wake, NOW + 1);
    assert!(!effects.checkpoint && effects.deliver.is_empty() && effects.retain_from.is_none());
    assert_eq!(object.disk.rows.len(), before);
}

#[test]
fn an_unknown_state_version_is_rebuilt_from_rows_with_all_counts_and_patterns() {
    let mut object = Object::new();
    object.append(&[info("a 1"), info("a 2"), record("b", Level::WARN, NOW)], NOW);
    object.checkpoint();
    object.append(&[info("a 3")], NOW + 1);
    object.disk.state = Some(vec![250, 1, 2, 3]);
    assert!(StreamMachine::restore(identity(), object.settings.clone(), object.stored()).is_err());
    let rollups = object.disk.hours.clone();
    let mut rebuilt = StreamMachine::rebuild(identity(), object.settings.clone(), object.stored(), rollups);
    for row in object.disk.rows.range(object.disk.folded + 1..).map(|(_, row)| row) {
        rebuilt.replay(row).unwrap();
    }
    let totals = |machine: &StreamMachine| machine.counters().totals().collect::<BTreeMap<_, _>>();
    assert_eq!(totals(&rebuilt), totals(&object.machine));
    let patterns =
        |machine: &StreamMachine| machine.miner().patterns().map(|p| (p.id, p.count, p.first_seen)).collect::<Vec<_>>();
    assert_eq!(patterns(&rebuilt), patterns(&object.machine));
    assert_eq!(rebuilt.outcomes().accepted, 4);
    assert!(!rebuilt.is_registered(), "it registers again");
    let (patterns, hours) = rebuilt.d1_dirty();
    assert_eq!((patterns.len(), hours.len()), (2, 1), "what D1 has of them is not known, so it gets all again");
}

#[test]
fn d1_gets_what_changed_and_after_a_loss_everything() {
    let mut object = Object::with(StreamSettings { has_d1: true, ..StreamSettings::default() });
    object.append(&[info("a"), info("b")], NOW);
    let effects = object.handle(Event::Wake, NOW + 30_000);
    assert!(effects.flush_d1 && effects.checkpoint);
    let cursor = object.machine.folded_seq();
    assert_eq!((object.machine.d1_dirty().0.len(), object.machine.d1_dirty().1.len()), (2, 1));
    object.append(&[info("a")], NOW + 30_001);
    object.handle(Event::D1Advanced { cursor, delivered: 2, generation: 0 }, NOW + 30_002);
    assert_eq!(object.machine.d1_dirty().0.len(), 1, "what changed meanwhile is still dirty");
    object.machine = object.restored();
    assert_eq!(object.machine.d1_dirty().0.len(), 1);
    assert_eq!(object.machine.d1().cursor, cursor);
    let hours: Vec<_> = object.disk.hours.keys().copied().collect();
    object.handle(Event::D1Lost(hours), NOW + 40_000);
    assert_eq!((object.machine.d1().cursor, object.machine.d1_dirty().0.len()), (0, 2));
    let generation = object.machine.d1_generation();
    let begun_before = generation.wrapping_sub(1);
    object.handle(Event::D1Advanced { cursor, delivered: 2, generation: begun_before }, NOW + 40_001);
    assert_eq!(object.machine.d1().cursor, 0, "what was sent to the lost one does not count");
    object.handle(Event::D1Advanced { cursor, delivered: 2, generation }, NOW + 40_002);
    assert_eq!(object.machine.d1().cursor, cursor);
}

#[test]
fn a_failing_sink_is_retried_by_alarm_and_costs_intake_nothing() {
    let mut object = Object::with(StreamSettings { has_data_service: true, ..StreamSettings::default() });
    object.append(&[info("a")], NOW);
    let mut now = NOW + 30_000;
    assert!(object.handle(Event::Wake, now).flush_data_service);
    for _ in 0..8 {
        object.handle(Event::DataFailed("503".into()), now);
        object.machine = object.restored();
        let wake = object.machine.wake_at().unwrap();
        assert!(wake.0 > now);
        assert!(!object.handle(Event::Wake, wake.0 - 1).flush_data_service);
        now = wake.0;
        assert!(object.handle(Event::Wake, now).flush_data_service);
    }
    let last = object.machine.last_seq();
    object.handle(Event::DataAdvanced { cursor: last, index: 0, delivered: 1, undeliverable: 0 }, now);
    assert_eq!(object.machine.data_service().failures, 0);
    assert!(!object.handle(Event::Wake, now + 1).flush_data_service);
}

#[test]
fn time_that_runs_backwards_is_clamped_and_counted() {
    let mut object = Object::new();
    object.append(&[info("a")], NOW);
    object.append(&[info("b")], NOW - 100_000);
    assert!(object.disk.rows.values().all(|row| row.at == Timestamp(NOW)));
    assert_eq!(object.machine.pressure().2, 1);
}

#[test]
fn patterns_that_turn_out_to_be_one_have_one_series_and_one_row() {
    let mut object = Object::new();
    let names = ["mail", "index", "cache", "video", "image", "audio"];
    for (name, pause) in names.iter().zip(0..) {
        object.append(&[info(&format!("the {name} worker is ready")), info("payment 17 failed")], NOW + pause);
        if pause == 2 {
            object.checkpoint();
        }
    }
    object.checkpoint();
    assert_eq!((object.machine.miner().len(), object.disk.patterns.len()), (2, 2));
    for machine in [&object.machine, &object.restored()] {
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        for (key, count) in machine.counters().totals().filter(|(key, _)| key.kind == SeriesKind::Pattern) {
            totals.insert(key.key, count);
        }
        let patterns = machine.miner().patterns().map(|pattern| (pattern.id.to_string(), pattern.count));
        assert_eq!(totals, patterns.collect());
    }
    // An hour stored before the merge names the old ids; resolved, the sums come out.
    let mut stored: BTreeMap<PatternId, u64> = BTreeMap::new();
    for rollup in object.disk.hours.values() {
        for (key, minutes) in rollup.series().filter(|(key, _)| key.kind == SeriesKind::Pattern) {
            let id = object.machine.miner().resolve(PatternId::parse(&key.key).unwrap());
            *stored.entry(id).or_insert(0) += minutes.values().sum::<u64>();
        }
    }
    assert_eq!(stored, object.machine.miner().patterns().map(|pattern| (pattern.id, pattern.count)).collect());
    // And so does what was told of the records: each row names a pattern that can still be asked for.
    for row in object.disk.rows.values() {
        for id in row::Heads::decode(&row.heads).unwrap().patterns {
            assert!(object.machine.miner().pattern(id).is_some());
        }
    }
}

#[test]
fn an_incident_goes_on_when_its_pattern_turns_out_to_be_another() {
    let mut object = Object::new();
    for (name, pause) in ["mail", "index", "cache", "video", "image", "audio"].iter().zip(0..) {
        object.append(&[record(&format!("the {name} worker is broken"), Level::ERROR, NOW + pause)], NOW + pause);
    }
    let machine = &object.machine;
    let elder = machine.miner().patterns().next().unwrap().id;
    let open: Vec<_> = machine.incidents().all().map(|incident| (incident.pattern.unwrap(), incident.count)).collect();
    // Four names were errors never seen before; the fifth and sixth were seen to be the same, and count in the newest.
    assert_eq!(open, [(elder, 1), (elder, 1), (elder, 1), (elder, 3)]);
    assert_eq!(machine.miner().len(), 1);
}

#[test]
fn a_lesson_is_one_row_of_the_journal_and_what_it_joins_is_sent_to_d1_again() {
    let mut object = Object::new();
    let seq_of = |object: &Object| object.disk.rows.len();
    object.append(&[info("worker 1 started"), info("job 2 began")], NOW);
    let ids: Vec<_> = object.machine.miner().patterns().map(|pattern| pattern.id).collect();
    object.handle(Event::D1Advanced { cursor: object.machine.last_seq(), delivered: 2, generation: 0 }, NOW);
    assert!(object.machine.d1_dirty().0.is_empty());
    let (from, into) = (vec![object.reference(ids[0])], object.reference(ids[1]));
    let before = seq_of(&object);
    let lesson = object.teach(Teaching::Merge { from, into }, NOW).unwrap();
    assert_eq!(seq_of(&object), before + 1);
    assert_eq!(object.machine.d1_dirty().0, ids);
    object.handle(Event::Taught(object.lessons.clone()), NOW);
    assert_eq!(seq_of(&object), before + 1, "the same again is no event");
    for machine in [object.restored(), {
        object.checkpoint();
        object.restored()
    }] {
        assert_eq!((machine.miner().resolve(ids[0]), machine.miner().lessons()), (ids[1], &object.lessons));
    }
    object.lessons.undo(lesson).unwrap();
    object.handle(Event::Taught(object.lessons.clone()), NOW);
    assert_eq!(object.restored().miner().resolve(ids[0]), ids[0]);
}

#[test]
fn an_alert_calls_a_pattern_by_its_taught_name() {
    let mut object = Object::new();
    let naming = Naming { name: "Lost payment".into(), ..Naming::default() };
    object.teach(Teaching::Template { template: "payment <*> failed <*>".into(), naming }, NOW);
    object.append(&[record("payment 17 failed badly", Level::ERROR, NOW)], NOW);
    let pattern = &object.alerts[0].patterns[0];
    assert_eq!((pattern.template.as_str(), pattern.name.as_deref()), ("payment <*> failed <*>", Some("Lost payment")));
}

#[test]
fn a_value_that_parts_by_a_lesson_alarms_nobody_as_new() {
    let mut object = Object::new();
    let failed = |card: u32, now| record(&format!("card {card} refused"), Level::ERROR, now);
    object.append(&[failed(1, NOW)], NOW);
    let told = object.alerts.len();
    let id = object.machine.miner().patterns().next().unwrap().id;
    object.teach(Teaching::Constant { pattern: object.reference(id), place: 0 }, NOW);
    object.append(&[failed(2, NOW + 1)], NOW + 1);
    assert_eq!((object.machine.miner().len(), object.alerts.len()), (2, told));
}

#[test]
fn lessons_that_cannot_be_read_come_again_with_registering() {
    let mut object = Object::new();
    object.handle(Event::Registered(DomainView::default()), NOW);
    let naming = Naming { name: "n".into(), ..Naming::default() };
    object.teach(Teaching::Template { template: "payment <*>".into(), naming }, NOW);
    object.checkpoint();
    assert!(object.restored().is_registered());
    object.disk.taught = Some(vec![77]);
    assert!(!object.restored().is_registered());
}

#[test]
fn what_a_stream_is_told_survives_the_way() {
    let view = DomainView { version: 3, revoked: vec!["k".into()], ..DomainView::default() };
    let mut lessons = Lessons::default();
    let naming = Naming { name: "n".into(), ..Naming::default() };
    lessons.teach(Teaching::Template { template: "payment <*>".into(), naming }, "ann", Timestamp(1), "why").unwrap();
    let plain = Told { view: view.clone(), lessons: None, seed: None, map: None };
    assert_eq!(decode_told(&encode_told(&view, None, None, None)), Ok(plain));
    let told = encode_told(&view, Some(&lessons), None, None);
    assert_eq!(decode_domain_view(&told), Ok(view.clone()), "a build without lessons reads the view");
    assert_eq!(decode_told(&told), Ok(Told { view, lessons: Some(lessons), seed: None, map: None }));
    assert!(decode_told(&told[..told.len() - 1]).is_err());
}

#[derive(Clone, Debug)]
enum Step {
    Merge(u8, u8),
    Constant(u8),
    Undo(u8),
    Append { records: Vec<(u8, u8, bool, i64)>, key: Option<u8> },
    Wake,
    Checkpoint,
    Configure(bool),
    Lease(u8),
    Deliver,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let record = (0u8..6, 0u8..24, any::<bool>(), -400_000i64..400_000);
    let step = prop_oneof![
        6 => (proptest::collection::vec(record, 0..6), proptest::option::of(0u8..4))
            .prop_map(|(records, key)| Step::Append { records, key }),
        2 => Just(Step::Wake),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(Step::Configure),
        1 => (0u8..5).prop_map(Step::Lease),
        1 => Just(Step::Deliver),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, into)| Step::Merge(from, into)),
        1 => any::<u8>().prop_map(Step::Constant),
        1 => any::<u8>().prop_map(Step::Undo),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec((step, 0i64..40_000), 1..40)
}

/// Some lines whose shapes stay apart, and some that turn out to be one shape when enough of them came.
fn text_of(shape: u8, level: u8, offset: i64) -> String {
    let name = "s".repeat(level.into());
    match shape {
        0..3 => format!("shape {} value {offset}", "s".repeat(shape.into())),
        3 => format!("could not find the user {name} in {offset} rows"),
        4 => format!("the {name} was not ready yet"),
        _ => format!("name={name} other=o{name} of {offset} was not found"),
    }
}

/// Teaches, or undoes, something about the patterns that are there.
fn teach_some(object: &mut Object, step: &Step, now: i64) {
    let ids: Vec<_> = object.machine.miner().patterns().map(|pattern| pattern.id).collect();
    let pick = |at: u8| ids.get(usize::from(at) % ids.len().max(1)).map(|&id| object.reference(id));
    let teaching = match step {
        Step::Merge(from, into) => {
            pick(*from).zip(pick(*into)).map(|(from, into)| Teaching::Merge { from: vec![from], into })
        }
        Step::Constant(at) => pick(*at).map(|pattern| Teaching::Constant { pattern, place: 0 }),
        _ => None,
    };
    if let Some(teaching) = teaching {
        object.teach(teaching, now);
        return;
    }
    let known: Vec<u64> = object.lessons.list().iter().map(|lesson| lesson.id).collect();
    if let (Step::Undo(at), false) = (step, known.is_empty())
        && object.lessons.undo(known[usize::from(*at) % known.len()]).is_ok()
    {
        object.handle(Event::Taught(object.lessons.clone()), now);
    }
}

fn run(object: &mut Object, step: &Step, now: i64, version: &mut u64) -> u64 {
    match step {
        Step::Merge(..) | Step::Constant(_) | Step::Undo(_) => {
            teach_some(object, step, now);
            0
        }
        Step::Append { records, key: key_of } => {
            let records: Vec<_> = records
                .iter()
                .map(|&(shape, level, has_id, offset)| Record {
                    id: has_id.then(|| format!("id-{shape}-{level}")),
                    endpoint: (shape % 2 == 0).then(|| format!("/e/{shape}")),
                    user_id: level.is_multiple_of(2).then(|| format!("user {}", offset.rem_euclid(7))),
                    duration_ms: (shape > 2).then_some(offset as f64),
                    ..record(&text_of(shape, level, offset), Level::from_number(level + 1).unwrap(), now + offset)
                })
                .collect();
            let count = records.len() as u64;
            match object.append_as(&records, key_of.and_then(|k| key(k.into(), count)), now) {
                AppendReply::Stored(receipt) => {
                    let sum = receipt.accepted + receipt.duplicate + receipt.counted_only;
                    assert_eq!(u64::from(sum), count, "every record has one fate");
                    count
                }
                AppendReply::Replayed { .. } => count,
                AppendReply::KeyReused => 0,
                other => panic!("{other:?}"),
            }
        }
        Step::Wake => {
            object.handle(Event::Wake, now);
            0
        }
        Step::Checkpoint => {
            object.checkpoint();
            0
        }
        Step::Configure(is_limited) => {
            *version += 1;
            let records_per_day = is_limited.then_some(1_000);
            object.handle(
                Event::Configure(DomainView { version: *version, records_per_day, ..DomainView::default() }),
                now,
            );
            0
        }
        Step::Lease(general) => {
            let day = now.div_euclid(86_400_000);
            object.handle(Event::Leased(Lease { day, general: (*general).into(), errors: 1, is_spent: true }), now);
            0
        }
        Step::Deliver => {
            for id in object.machine.outbox().due(Timestamp(now), 9) {
                object.handle(Event::AlertDelivered(id), now);
            }
            0
        }
        Step::Restart => {
            object.machine = object.restored();
            0
        }
    }
}

/// What a machine knows, for comparison: its checkpoint from the same folded position, and what it wants next.
fn knowledge(machine: &StreamMachine, now: i64) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut machine = machine.clone();
    // Events that change nothing but the clock are not in the journal; the next event sets it.
    machine.handle(Event::AlertFailed("nobody's".into()), Timestamp(now));
    let patterns: Vec<_> = machine.miner().patterns().map(|pattern| pattern.encode()).collect();
    let totals: Vec<_> = machine.counters().totals().collect();
    let facets = machine.counters().pending_facets();
    let wake_at = machine.wake_at();
    let checkpoint = machine.checkpoint();
    let state = (checkpoint.state, checkpoint.detection, wake_at);
    let waiting = machine.outbox().due(Timestamp(i64::MAX), usize::MAX);
    (machine.last_seq(), machine.outcomes(), totals, patterns, state, waiting, facets)
}

#[test]
fn a_restart_before_anything_came_cannot_be_noticed() {
    let mut object = Object::new();
    object.checkpoint();
    assert_eq!(object.machine.wake_at(), None);
    assert_eq!(object.restored().wake_at(), None);
    assert_eq!(knowledge(&object.restored(), NOW), knowledge(&object.machine, NOW));
}

/// Lines whose patterns were joined by lessons, in two ways that once left places of another template behind.
#[test]
fn patterns_that_come_back_from_a_merge_have_the_places_of_their_template() {
    let append = |records: &[(u8, u8)]| {
        let records = records.iter().map(|&(shape, level)| (shape, level, false, 0)).collect();
        Step::Append { records, key: None }
    };
    let found = [
        vec![
            (append(&[(3, 3), (0, 0), (1, 0)]), 0),
            (Step::Merge(70, 26), 0),
            (append(&[(3, 4)]), 0),
            (Step::Wake, 30_000),
            (Step::Undo(0), 0),
            (append(&[(3, 1)]), 0),
        ],
        vec![
            (append(&[(3, 3), (0, 0)]), 0),
            (append(&[(4, 7), (1, 0), (2, 0)]), 0),
            (Step::Merge(35, 66), 0),
            (Step::Merge(12, 5), 0),
            (Step::Merge(23, 45), 0),
            (Step::Undo(34), 0),
            (Step::Checkpoint, 0),
            (append(&[(1, 0)]), 0),
        ],
    ];
    for steps in found {
        let mut object = Object::new();
        let (mut now, mut version) = (NOW, 0);
        for (step, pause) in &steps {
            now += pause;
            run(&mut object, step, now, &mut version);
            assert_eq!(knowledge(&object.restored(), now), knowledge(&object.machine, now), "after {step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_restart_at_any_point_cannot_be_noticed(steps in steps()) {
        let mut object = Object::new();
        let mut now = NOW;
        let (mut version, mut sent) = (0, 0);
        for (step, pause) in &steps {
            now += pause;
            sent += run(&mut object, step, now, &mut version);
            prop_assert_eq!(knowledge(&object.restored(), now), knowledge(&object.machine, now));
        }
        let outcomes = object.machine.outcomes();
        prop_assert_eq!(outcomes.accepted + outcomes.duplicate + outcomes.counted_only, sent);
        prop_assert_eq!(outcomes.accepted, object.stored_records().len() as u64);
        prop_assert_eq!(object.machine.counters().total(), outcomes.accepted + outcomes.counted_only);

        // Stored hours plus what waits equal a recount of the journal.
        object.checkpoint();
        let mut levels = BTreeMap::new();
        for rollup in object.disk.hours.values() {
            for (key, minutes) in rollup.series().filter(|(key, _)| key.kind == SeriesKind::Level) {
                *levels.entry(key.key.clone()).or_insert(0) += minutes.values().sum::<u64>();
            }
        }
        let mut naive = BTreeMap::new();
        for row in object.disk.rows.values().filter(|row| row.kind != RowKind::Event) {
            for record in row::records(&row.body).unwrap() {
                *naive.entry(record.level.to_string()).or_insert(0u64) += 1;
            }
        }
        prop_assert_eq!(levels, naive);

        // And so do the facets.
        let mut facets: BTreeMap<Timestamp, Facets> = BTreeMap::new();
        for row in object.disk.rows.values().filter(|row| row.kind != RowKind::Event) {
            for record in row::records(&row.body).unwrap() {
                facets.entry(record.timestamp.floor_to(HOUR)).or_default().observe(&record);
            }
        }
        facets.retain(|_, facets| *facets != Facets::default());
        prop_assert_eq!(&object.disk.facets, &facets);
    }
}
