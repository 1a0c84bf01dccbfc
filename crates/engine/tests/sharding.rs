//! Shards of a component: requests reach them exactly once while the component is spread in other ways, whoever knows of
//! it; and the lead sees one component.
//!
//! The machines are the shipped ones; edges and the network are what the tests play: edges know older maps, requests are
//! broken off between any two calls and repeated by somebody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod shelf;

use proptest::prelude::*;
use sapwood_engine::level::Level;
use sapwood_engine::machine::row::{BatchKey, Fate, Heads, Receipt};
use sapwood_engine::machine::stream::{
    AppendReply, Batch, Event, HeardAnswer, Identity as Object, Line, Recall, Retraction, Slice, StreamMachine,
    StreamSettings, Under,
};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::shard::{Dispatch, Identity, Mode, Outcome, ShardMap, Step};
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_engine::triage::{Alert, AlertPolicy};
use shelf::Shelf;
use std::collections::{BTreeMap, VecDeque};
use xxhash_rust::xxh3::xxh3_64;

const START: i64 = 1_700_000_000_000;
const DAY: Millis = Millis::from_hours(24);

fn settings() -> StreamSettings {
    let alerts = AlertPolicy { group_window: Millis(0), ..AlertPolicy::default() };
    StreamSettings { alerts, ..StreamSettings::default() }
}

fn identity(shard: u16) -> Object {
    Object { domain: "example.com".into(), component: "hot".into(), shard }
}

/// One shard with its rows.
struct Shard {
    machine: StreamMachine,
    shelf: Shelf,
    alerts: Vec<Alert>,
    forwards: bool,
}

impl Shard {
    fn new(shard: u16) -> Self {
        Self {
            machine: StreamMachine::new(identity(shard), settings()),
            shelf: Shelf::default(),
            alerts: Vec::new(),
            forwards: false,
        }
    }

    fn handle(&mut self, event: Event, now: i64) -> (Vec<AppendReply>, Option<HeardAnswer>) {
        let effects = self.machine.handle(event, Timestamp(now));
        effects.write(&mut self.machine, &mut self.shelf).unwrap();
        self.forwards |= effects.forward;
        for (alert, _) in effects.alerts {
            self.handle(Event::AlertDelivered(alert.id.clone()), now);
            self.alerts.push(alert);
        }
        (effects.replies, effects.heard)
    }

    /// Everything in memory is lost.
    fn restart(&mut self) {
        let identity = self.machine.identity().clone();
        self.machine = StreamMachine::load(identity, &|_| settings(), &self.shelf).unwrap().machine;
    }

    fn records(&self) -> Vec<Record> {
        self.shelf
            .all()
            .values()
            .flat_map(|row| sapwood_engine::machine::row::records(&row.body).unwrap_or_default())
            .collect()
    }
}

/// The shards that exist, and what travels between them.
struct Cluster {
    shards: BTreeMap<u16, Shard>,
    now: i64,
}

/// What became of some records.
type Fates = Vec<Fate>;

impl Cluster {
    fn new() -> Self {
        Self { shards: BTreeMap::new(), now: START }
    }

    fn shard(&mut self, number: u16) -> &mut Shard {
        self.shards.entry(number).or_insert_with(|| Shard::new(number))
    }

    /// Makes a call as the edge does, and reads its answer as the edge does.
    fn call(&mut self, step: &Step, sent: &Sent) -> Outcome<Fates> {
        let records: Vec<Record> = step.records.iter().map(|&at| sent.records[at].clone()).collect();
        let ids = records.iter().map(|record| record.id.as_ref().map_or(0, |id| xxh3_64(id.as_bytes()))).collect();
        let recall = (step.mode == Mode::Recall).then_some(Recall { records: records.len() as u32, ids });
        let segments = if recall.is_some() { Vec::new() } else { segment::encode(&records) };
        let key = step.key.map(|hash| BatchKey { hash, fingerprint: sent.fingerprint });
        let under = Some(Under { map: step.map.clone(), known: step.known.clone(), recall });
        let now = self.now;
        let shard = self.shard(step.shard);
        let batch = Batch { key, segments, under, ..Batch::default() };
        let reply = shard.handle(Event::Append(vec![batch]), now).0.remove(0);
        let fates = |receipt: &Receipt| (0..records.len()).map(|index| receipt.fate(index)).collect();
        match reply {
            AppendReply::Stored(receipt) => Outcome::Settled(fates(&receipt)),
            AppendReply::Replayed { seq, hash } => {
                let heads = Heads::decode(&shard.shelf.all().get(&seq).unwrap().heads).unwrap();
                Outcome::Settled(fates(heads.receipt_of(hash).unwrap()))
            }
            AppendReply::Unknown(known) => Outcome::Unknown(known),
            AppendReply::Newer(map) => Outcome::Newer(map),
            other => panic!("{other:?}"),
        }
    }
}

/// What a client sends, as often as it likes.
#[derive(Clone, Debug)]
struct Sent {
    key: Option<u64>,
    fingerprint: u64,
    records: Vec<Record>,
    /// The fate of each record as the client was told last.
    told: Option<Fates>,
}

impl Sent {
    fn dispatch(&self, map: &ShardMap, now: i64) -> Dispatch<Fates> {
        let ids = self.records.iter().map(|it| it.id.as_ref().map(|id| xxh3_64(id.as_bytes()))).collect();
        let identity = Identity { key: self.key, any: self.fingerprint << 32, ids };
        Dispatch::new(map.clone(), identity, Timestamp(now), DAY)
    }
}

/// One attempt of a request, broken off wherever the test likes.
struct Attempt {
    number: usize,
    dispatch: Dispatch<Fates>,
    calls: VecDeque<Step>,
    /// A call of it failed, and it went on: its client is told that it has to come again.
    has_failed: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Answered,
    /// The attempt is lost with the answer.
    BrokenOff,
    AnswerLost,
    NeverArrives,
}

#[derive(Clone, Debug)]
enum Act {
    /// A new request: whether it has a key, and for each record whether it has an id; by an edge that knows this map.
    Send(bool, Vec<bool>, usize),
    /// A request is sent again, by an edge that knows this map.
    Repeat(usize, usize),
    /// One of the calls under way is made.
    Call(usize, Way),
    /// The component is spread anew.
    Spread(u16),
    /// A shard dies.
    Restart(u16),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![16 => Just(Way::Answered), 2 => Just(Way::BrokenOff), 1 => Just(Way::AnswerLost), 1 => Just(Way::NeverArrives)]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (any::<bool>(), proptest::collection::vec(any::<bool>(), 1..6), 0usize..3).prop_map(|(key, ids, map)| Act::Send(key, ids, map)),
        3 => (0usize..64, 0usize..3).prop_map(|(sent, map)| Act::Repeat(sent, map)),
        12 => (0usize..64, way()).prop_map(|(attempt, way)| Act::Call(attempt, way)),
        1 => (0usize..4).prop_map(|power| Act::Spread(1 << power)),
        1 => (0u16..8).prop_map(Act::Restart),
    ];
    proptest::collection::vec(act, 1..140)
}

struct Play {
    cluster: Cluster,
    maps: Vec<ShardMap>,
    sent: Vec<Sent>,
    attempts: Vec<Attempt>,
    uids: u64,
}

impl Play {
    fn new() -> Self {
        Self { cluster: Cluster::new(), maps: vec![ShardMap::default()], sent: vec![], attempts: vec![], uids: 0 }
    }

    /// The map of an edge that is so many changes behind.
    fn map(&self, behind: usize) -> ShardMap {
        self.maps[self.maps.len().saturating_sub(1 + behind)].clone()
    }

    fn begin(&mut self, number: usize, map: &ShardMap) {
        let dispatch = self.sent[number].dispatch(map, self.cluster.now);
        self.attempts.push(Attempt { number, dispatch, calls: VecDeque::new(), has_failed: false });
    }

    fn act(&mut self, act: Act) {
        self.cluster.now += 7;
        match act {
            Act::Send(has_key, ids, behind) => {
                let number = self.sent.len();
                let records = ids.into_iter().map(|has_id| {
                    self.uids += 1;
                    let id = has_id.then(|| format!("id-{}", self.uids));
                    let request_id = Some(self.uids.to_string());
                    Record {
                        message: "a line".into(),
                        component: "hot".into(),
                        id,
                        request_id,
                        timestamp: Timestamp(START),
                        ..Record::default()
                    }
                });
                let records: Vec<Record> = records.collect();
                let key = has_key.then(|| xxh3_64(&number.to_le_bytes()));
                self.sent.push(Sent { key, fingerprint: number as u64 + 1, records, told: None });
                let map = self.map(behind);
                self.begin(number, &map);
            }
            Act::Repeat(number, behind) => {
                // Only what is known by something is ever sent twice.
                let known: Vec<usize> = (0..self.sent.len())
                    .filter(|&at| self.sent[at].key.is_some() || self.sent[at].records.iter().all(|it| it.id.is_some()))
                    .collect();
                if let Some(&number) = known.get(number % known.len().max(1)) {
                    let map = self.map(behind);
                    self.begin(number, &map);
                }
            }
            Act::Call(attempt, way) => {
                if !self.attempts.is_empty() {
                    let at = attempt % self.attempts.len();
                    self.step(at, way);
                }
            }
            Act::Spread(shards) => {
                let now = Timestamp(self.cluster.now);
                if let Ok(map) = self.maps.last().unwrap().changed(shards, now, DAY) {
                    self.maps.push(map);
                }
            }
            Act::Restart(shard) => {
                if let Some(shard) = self.cluster.shards.get_mut(&shard) {
                    shard.restart();
                }
            }
        }
    }

    fn step(&mut self, at: usize, way: Way) {
        let attempt = &mut self.attempts[at];
        if attempt.calls.is_empty() {
            attempt.calls.extend(attempt.dispatch.next_calls(Vec::new));
        }
        let Some(step) = attempt.calls.pop_front() else {
            let Attempt { number, dispatch, has_failed, .. } = self.attempts.remove(at);
            if !has_failed {
                self.settled(number, dispatch);
            }
            return;
        };
        let sent = &self.sent[attempt.number];
        let outcome = (way != Way::NeverArrives).then(|| self.cluster.call(&step, sent));
        match (way, outcome) {
            (Way::Answered, Some(outcome)) => {
                attempt.dispatch.take(step, outcome, || panic!("maps do not change that fast"));
            }
            (Way::AnswerLost | Way::NeverArrives, _) => {
                attempt.has_failed = true;
                attempt.dispatch.take(step, Outcome::Failed(Vec::new()), || panic!("it failed already"));
            }
            _ => drop(self.attempts.remove(at)),
        }
    }

    /// An attempt is over: every record has a fate, and it is the one that the client was told before.
    fn settled(&mut self, number: usize, dispatch: Dispatch<Fates>) {
        let sent = &mut self.sent[number];
        let mut fates = vec![None; sent.records.len()];
        for part in dispatch.into_parts() {
            for (at, fate) in part.records.iter().zip(part.fate) {
                assert_eq!(fates[*at].replace(fate), None, "a record has two fates");
            }
        }
        let fates: Fates = fates.into_iter().map(|fate| fate.expect("a record has no fate")).collect();
        if let Some(told) = sent.told.as_ref().filter(|_| sent.key.is_some()) {
            assert_eq!(*told, fates, "a retry gets another answer: {sent:?}");
        }
        sent.told.get_or_insert(fates);
    }

    fn finish(&mut self) {
        while !self.attempts.is_empty() {
            self.cluster.now += 7;
            self.step(0, Way::Answered);
        }
    }

    fn check(&self) {
        let mut copies: BTreeMap<String, u32> = BTreeMap::new();
        for record in self.cluster.shards.values().flat_map(Shard::records) {
            *copies.entry(record.request_id.unwrap()).or_default() += 1;
        }
        for (number, sent) in self.sent.iter().enumerate() {
            for record in &sent.records {
                let stored = copies.get(record.request_id.as_ref().unwrap()).copied().unwrap_or(0);
                assert!(stored <= 1, "request {number}: a record is stored {stored} times: {sent:?}");
                assert!(stored == 1 || sent.told.is_none(), "request {number}: acknowledged and not stored: {sent:?}");
            }
        }
        let accepted: u64 = self.cluster.shards.values().map(|shard| shard.machine.outcomes().accepted).sum();
        assert_eq!(accepted, copies.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 400 }, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_stored_once_however_maps_change_and_requests_are_repeated(acts in acts()) {
        let mut play = Play::new();
        acts.into_iter().for_each(|act| play.act(act));
        play.finish();
        play.check();
    }
}

/// A component in one object, or in several: the same records at the same times.
struct Component {
    shards: Vec<Shard>,
    /// Of two calls to the lead the answer of one is lost, and now and then one is made twice.
    is_unreliable: bool,
    calls: u64,
}

impl Component {
    fn new(shards: u16, is_unreliable: bool) -> Self {
        Self { shards: (0..shards).map(Shard::new).collect(), is_unreliable, calls: 0 }
    }

    /// Wakes whoever wants to be woken up to `until`.
    fn sleep(&mut self, until: i64) {
        for at in (0..self.shards.len()).rev() {
            for turn in 0.. {
                assert!(turn < 1_000, "an alarm that leads to itself");
                let Some(due) = self.shards[at].machine.wake_at().filter(|due| due.0 <= until) else { break };
                self.handle(at, Event::Wake, due.0.max(START));
            }
        }
    }

    fn handle(&mut self, at: usize, event: Event, now: i64) {
        let effects = self.shards[at].machine.handle(event, Timestamp(now));
        let shard = &mut self.shards[at];
        effects.write(&mut shard.machine, &mut shard.shelf).unwrap();
        for (alert, _) in effects.alerts {
            shard.handle(Event::AlertDelivered(alert.id.clone()), now);
            shard.alerts.push(alert);
        }
        if effects.pack {
            shard.machine.handle(Event::Packed(None), Timestamp(now));
        }
        if effects.forward {
            self.forward(at, now);
        }
    }

    fn forward(&mut self, at: usize, now: i64) {
        while let Some(next) = self.shards[at].machine.next_to_forward(&self.shards[at].shelf).unwrap() {
            self.calls += 1;
            let chance = xxh3_64(&self.calls.to_le_bytes()) >> 8;
            let heard = Event::Heard { shard: at as u16, digest: next.digest.clone() };
            let copies = if self.is_unreliable && chance.is_multiple_of(5) { 2 } else { 1 };
            let mut answer = None;
            for _ in 0..copies {
                answer = self.shards[0].handle(heard.clone(), now).1;
            }
            if self.is_unreliable && chance.is_multiple_of(2) {
                self.handle(at, Event::ForwardFailed("no answer".into()), now);
                return;
            }
            let is_last = next.is_last;
            self.handle(at, Event::Forwarded(Box::new(next), answer.unwrap()), now);
            if is_last {
                return;
            }
        }
    }

    fn send(&mut self, record: Record, now: i64) {
        self.sleep(now);
        let hash = xxh3_64(record.request_id.as_ref().unwrap().as_bytes());
        let at = (hash >> 32) as usize % self.shards.len();
        let batch = Batch { segments: segment::encode(&[record]), ..Batch::default() };
        self.handle(at, Event::Append(vec![batch]), now);
    }

    fn restart(&mut self) {
        self.shards.iter_mut().for_each(Shard::restart);
    }

    /// What people were told: kind of signal, and the template that it is about.
    fn told(&self) -> Vec<(String, String)> {
        let of = |alert: &Alert| -> Vec<(String, String)> {
            let template = |id| alert.patterns.iter().find(|it| Some(it.id) == id).map(|it| it.template.clone());
            let told = |it: &sapwood_engine::triage::Incident| {
                (it.signal.kind.as_str().to_owned(), template(it.pattern).unwrap_or_default())
            };
            alert.incidents.iter().map(told).collect()
        };
        self.shards.iter().flat_map(|shard| shard.alerts.iter().flat_map(of)).collect()
    }

    fn patterns(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for pattern in self.shards.iter().flat_map(|shard| shard.machine.miner().patterns()) {
            *counts.entry(pattern.template.clone()).or_default() += pattern.count;
        }
        counts
    }
}

const MINUTE: i64 = 60_000;

/// Three hours of a component: two kinds of lines a second, a rare job, an error now and then; then a new error, a burst
/// of errors, and silence.
fn lines(mut each: impl FnMut(Record, i64)) {
    let mut number = 0u64;
    let mut line = |at: i64, level: Level, message: String, each: &mut dyn FnMut(Record, i64)| {
        number += 1;
        let now = START + at;
        let duration_ms = Some((number * 7 % 50) as f64);
        let request_id = Some(number.to_string());
        let timestamp = Timestamp(now - 5);
        each(
            Record { message, level, timestamp, component: "hot".into(), request_id, duration_ms, ..Record::default() },
            now,
        );
    };
    for second in 0..3 * 3_600i64 {
        let at = second * 1_000;
        line(at, Level::INFO, format!("request {second} done"), &mut each);
        line(at + 400, Level::INFO, format!("cache hit for {second}"), &mut each);
        if second % 300 == 17 {
            line(at + 500, Level::ERROR, format!("payment {second} failed"), &mut each);
        }
        if second == 9_000 {
            line(at + 600, Level::ERROR, "disk sda is gone".into(), &mut each);
        }
        if (10_000..10_060).contains(&second) {
            for part in 0..3 {
                line(at + 700 + part, Level::ERROR, format!("upstream {part} timed out after {second} ms"), &mut each);
            }
        }
    }
}

#[test]
fn people_are_told_the_same_of_a_component_in_four_objects_as_of_one_in_one() {
    let mut whole = Component::new(1, false);
    let mut spread = Component::new(4, false);
    let mut shaky = Component::new(4, true);
    let mut restarts = 0;
    lines(|record, now| {
        whole.send(record.clone(), now);
        spread.send(record.clone(), now);
        shaky.send(record, now);
        if (now - START) / (20 * MINUTE) > restarts {
            restarts += 1;
            shaky.restart();
        }
    });
    let end = START + 3 * 3_600_000 + 30 * MINUTE;
    [&mut whole, &mut spread, &mut shaky].into_iter().for_each(|it| it.sleep(end));
    let kinds: Vec<String> = whole.told().into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.iter().any(|kind| kind == "new_pattern") && kinds.iter().any(|kind| kind == "silence"), "{kinds:?}");
    for (other, name) in [(&spread, "calm"), (&shaky, "shaken")] {
        assert_eq!(other.told(), whole.told(), "{name}");
        assert_eq!(other.patterns(), whole.patterns(), "every line is counted once");
        let followers = other.shards.iter().skip(1);
        assert!(followers.clone().all(|it| it.alerts.is_empty() && it.machine.incidents().all().next().is_none()));
        assert!(followers.clone().all(|it| it.machine.lead().cursor == it.machine.last_seq()), "all was told");
    }
    let evidence = spread.shards[0].alerts.iter().flat_map(|alert| &alert.incidents).flat_map(|it| &it.evidence);
    let tags: Vec<u32> = evidence.map(|id| id.object_tag).collect();
    assert!(tags.iter().any(|tag| *tag != identity(0).tag()), "what a follower stored is shown from there");
}

#[test]
fn a_new_error_is_told_in_the_turn_in_which_a_follower_stores_it() {
    let mut spread = Component::new(4, false);
    for number in 0..40 {
        spread.send(of_shard(number % 4, 4, number * 50, "request done", Level::INFO), START + 10);
    }
    assert_eq!(spread.told(), []);
    spread.send(of_shard(2, 4, 5_000, "disk sda is gone", Level::ERROR), START + 20);
    assert_eq!(spread.told(), [("new_pattern".to_owned(), "disk sda is gone".to_owned())]);
    spread.send(of_shard(3, 4, 9_000, "disk sda is gone", Level::ERROR), START + 30);
    assert_eq!(spread.told().len(), 1, "another shard's first is not the component's");
    spread.sleep(START + MINUTE);
    assert_eq!(spread.told().len(), 1);
}

/// A record that comes to one certain shard.
fn of_shard(shard: u64, shards: u64, from: u64, message: &str, level: Level) -> Record {
    let number = (from..).find(|it: &u64| (xxh3_64(it.to_string().as_bytes()) >> 32) % shards == shard).unwrap();
    Record {
        message: message.into(),
        level,
        timestamp: Timestamp(START),
        component: "hot".into(),
        request_id: Some(number.to_string()),
        ..Record::default()
    }
}

#[test]
fn what_cannot_be_read_is_not_heard_and_what_a_follower_cannot_read_is_counted() {
    let mut spread = Component::new(2, false);
    for bytes in [Vec::new(), vec![9], vec![1, 200, 200], vec![0xff; 64]] {
        assert_eq!(spread.shards[0].handle(Event::Heard { shard: 1, digest: bytes }, START).1, None);
    }
    let good = {
        spread.shards[1].handle(Event::Append(vec![batch(&[of_shard(1, 2, 0, "disk is gone", Level::ERROR)])]), START);
        spread.shards[1].machine.next_to_forward(&spread.shards[1].shelf).unwrap().unwrap().digest
    };
    for cut in 0..good.len() {
        let heard = Event::Heard { shard: 1, digest: good[..cut].to_vec() };
        assert_eq!(spread.shards[0].handle(heard, START).1, None, "cut after {cut} bytes");
    }
    assert_eq!(
        spread.shards[0].handle(Event::Heard { shard: 0, digest: good.clone() }, START).1,
        None,
        "the lead itself"
    );
    assert_eq!(spread.shards[1].handle(Event::Heard { shard: 1, digest: good.clone() }, START).1, None, "no lead");
    assert_eq!(spread.shards[0].machine.last_seq(), 0, "nothing of it was kept");
    assert!(spread.shards[0].handle(Event::Heard { shard: 1, digest: good }, START).1.is_some());

    // The row of two records is damaged before the lead heard of it; the next one is told all the same.
    let two = [of_shard(1, 2, 9, "a line", Level::INFO), of_shard(1, 2, 99, "a line", Level::INFO)];
    spread.shards[1].handle(Event::Append(vec![batch(&two)]), START);
    let damaged = spread.shards[1].machine.last_seq();
    let row = spread.shards[1].shelf.rows.get_mut(&damaged).unwrap();
    let middle = row.body.len() / 2;
    row.body[middle] ^= 0xff;
    spread.handle(1, Event::Append(vec![batch(&[of_shard(1, 2, 999, "disk is gone", Level::ERROR)])]), START);
    spread.sleep(START + MINUTE);
    let lead = spread.shards[1].machine.lead();
    assert_eq!((lead.cursor, lead.undeliverable), (spread.shards[1].machine.last_seq(), 2));
    assert_eq!(lead.delivered, 2, "the two errors");
}

fn batch(records: &[Record]) -> Batch {
    Batch { segments: segment::encode(records), ..Batch::default() }
}

#[test]
fn what_is_told_at_once_fits_a_row_and_every_new_error_is_shown_in_the_end() {
    let mut spread = Component::new(2, false);
    // Errors that are new, each with 12 KB of words that nobody else has: 3.6 MB, of which a row holds 1.9.
    let word = |number: u64, part: u64| {
        let hash = xxh3_64(format!("{number} {part}").as_bytes());
        hash.to_le_bytes().iter().map(|byte| char::from(b'a' + byte % 26)).collect::<String>()
    };
    let long = |number: u64| (0..1_400).map(|part| word(number, part)).collect::<Vec<_>>().join(" ");
    for number in 0..300 {
        let record = of_shard(1, 2, number * 10, &format!("{} broke", long(number)), Level::ERROR);
        let effects = spread.shards[1].machine.handle(Event::Append(vec![batch(&[record])]), Timestamp(START));
        let shard = &mut spread.shards[1];
        effects.write(&mut shard.machine, &mut shard.shelf).unwrap();
    }
    let patterns = spread.shards[1].machine.miner().patterns().count();
    let mut calls = 0;
    while let Some(next) = spread.shards[1].machine.next_to_forward(&spread.shards[1].shelf).unwrap() {
        calls += 1;
        assert!(next.digest.len() < sapwood_engine::limits::ROW_BYTES_MAX, "{} bytes", next.digest.len());
        let heard = Event::Heard { shard: 1, digest: next.digest.clone() };
        let answer = spread.shards[0].handle(heard, START).1.unwrap();
        spread.shards[1].handle(Event::Forwarded(Box::new(next), answer), START);
    }
    assert!(calls > 1, "one call could hold all of it");
    assert_eq!(spread.shards[0].machine.miner().patterns().count(), patterns);
    assert!(spread.shards[0].machine.miner().patterns().all(|it| it.count == 0), "the lead counts none of them");
}

#[test]
fn words_of_an_erased_user_leave_the_lead_too() {
    let mut spread = Component::new(2, false);
    let mut of_bob = of_shard(1, 2, 0, "only bob-the-first ever wrote these words", Level::ERROR);
    of_bob.user_id = Some("bob".into());
    spread.handle(1, Event::Append(vec![batch(&[of_bob.clone()])]), START);
    spread.handle(1, Event::Append(vec![batch(&[of_shard(1, 2, 50, "disk is gone", Level::ERROR)])]), START);
    spread.sleep(START + MINUTE);
    let known = |spread: &Component| -> Vec<String> {
        spread.shards[0]
            .machine
            .miner()
            .patterns()
            .filter(|it| it.id != PatternId::OVERFLOW)
            .map(|it| it.template.clone())
            .collect()
    };
    assert!(known(&spread).iter().any(|template| template.contains("bob-the-first")), "{:?}", known(&spread));
    let follower = &mut spread.shards[1];
    let (seq, row) = follower.shelf.rows.iter().find(|(_, row)| row.count == 1).unwrap();
    let pattern = Heads::decode(&row.heads).unwrap().pattern_at(0);
    let line = Line { at: row.at, seq: *seq, index: 0, pattern, record: of_bob };
    let retraction = Retraction {
        user: "bob".into(),
        lines: vec![line],
        rows_gone: std::collections::BTreeSet::new(),
        slice: Slice::default(),
    };
    spread.handle(1, Event::Retract(retraction), START + MINUTE);
    spread.sleep(START + 2 * MINUTE);
    assert_eq!(known(&spread), ["disk is gone"]);
    spread.restart();
    assert_eq!(known(&spread), ["disk is gone"], "and stay away");
}
