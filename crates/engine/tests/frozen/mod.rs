//! A history of one component and of its domain that leaves a row of every kind, and what a build says of the rows.
//!
//! `cargo run -p sapwood-engine --example freeze_rows stream|domain` writes the rows of this build down, with what it says
//! of them; they are kept in tests/golden/rows and every later build must say the same (tests/versions_golden.rs).

#![allow(dead_code, unreachable_pub, reason = "a test and an example use it")]

use super::shelf::Shelf;
use sapwood_engine::baseline::{Prior, Seed};
use sapwood_engine::machine::domain::{self, Component, DomainMachine, DomainSettings, KeyEntry};
use sapwood_engine::machine::erasure::Scope;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::BatchKey;
use sapwood_engine::machine::stream::{
    Batch, BlockPolicy, Deployment, DeploymentSource, DomainView, Effects, Event, HeardAnswer, Identity, Lease,
    NextThinning, Opinion, Restored, RetentionPolicy, Retraction, Slice, SliceRoom, StreamMachine, StreamSettings,
    StreamStore, Under, UserSearch,
};
use sapwood_engine::normalize::{NormalizeContext, normalize};
use sapwood_engine::pattern::lesson::{Lessons, Naming, Reference, Teaching};
use sapwood_engine::record::{RawRecord, Record};
use sapwood_engine::segment;
use sapwood_engine::shard::ShardMap;
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const T0: i64 = 1_763_632_800_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

pub fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

/// The same component in its second object.
pub fn follower_identity() -> Identity {
    Identity { shard: 1, ..identity() }
}

pub fn settings() -> StreamSettings {
    StreamSettings {
        key_window: Millis::from_hours(1),
        blocks: BlockPolicy { records_min: 100, ..BlockPolicy::default() },
        has_d1: true,
        has_data_service: true,
        retention_policy: RetentionPolicy { debug: Some(Millis::from_hours(2)), ..RetentionPolicy::default() },
        ..StreamSettings::default()
    }
}

struct Object {
    machine: StreamMachine,
    shelf: Shelf,
    /// By which callers go.
    map: ShardMap,
}

impl Object {
    fn handle(&mut self, event: Event, at: i64) -> Effects {
        let effects = self.machine.handle(event, Timestamp(T0 + at));
        effects.write(&mut self.machine, &mut self.shelf).unwrap();
        effects
    }

    fn new(identity: Identity) -> Self {
        Self { machine: StreamMachine::new(identity, settings()), shelf: Shelf::default(), map: ShardMap::default() }
    }

    /// What the lead has to hear of what came here, as if the lead said that it had.
    fn tell(&mut self, at: i64) -> Vec<u8> {
        let next = self.machine.next_to_forward(&self.shelf).unwrap().unwrap();
        let digest = next.digest.clone();
        self.handle(Event::Forwarded(Box::new(next), HeardAnswer::default()), at);
        digest
    }

    /// A call of 25 records; every fifth call has a key, some records ids of their own.
    fn call(&mut self, number: usize, at: i64) {
        let records: Vec<Record> = (0..25).map(|of| record(number, of, at)).collect();
        let key = number.is_multiple_of(5).then_some(BatchKey { hash: 1_000 + number as u64, fingerprint: 9 });
        let segments = segment::encode(&records);
        let under = (!self.map.is_whole()).then(|| Under { map: self.map.clone(), ..Under::default() });
        self.handle(Event::Append(vec![Batch { segments, key, rejected: 1, under, ..Batch::default() }]), at + 500);
    }

    /// Alarms until then, as the shell works them off.
    fn sleep(&mut self, to: i64) {
        for alarm in 0.. {
            let Some(at) = self.machine.wake_at().filter(|at| at.0 <= T0 + to) else { return };
            assert!(alarm < 5_000, "alarms make progress");
            let at = at.0 - T0;
            let effects = self.handle(Event::Wake, at);
            // The domain object takes no alerts, so that they stay.
            for id in effects.deliver {
                self.handle(Event::AlertFailed(id), at);
            }
            if effects.retain_from.is_some() {
                self.handle(Event::Retained(Some(Timestamp(T0))), at);
            }
            if effects.pack {
                self.handle(Event::Packed(None), at);
            }
            if effects.flush_d1 {
                let generation = self.machine.d1_generation();
                let cursor = self.machine.last_seq();
                self.handle(Event::D1Advanced { cursor, delivered: 3, generation }, at);
            }
            if effects.flush_data_service {
                let cursor = self.machine.last_seq();
                self.handle(Event::DataAdvanced { cursor, index: 0, delivered: 4, undeliverable: 0 }, at);
            }
        }
    }
}

/// Lines with numbers, states and words in their places, of every level; one with a trace, one of a template of the client.
fn record(call: usize, of: usize, at: i64) -> Record {
    let number = call * 25 + of;
    let (level, message) = match of % 6 {
        0 => ("debug", format!("cache miss for key k{number}")),
        1 | 2 => ("info", format!("order {number} shipped in {} ms to host-{}", 3 + number % 40, number % 3)),
        3 => ("warn", format!("bank answers slowly: {} ms", 900 + number)),
        4 => ("error", format!("payment of customer {number} refused: code={}", number % 4)),
        _ => ("fatal", "TypeError: sku is gone".to_owned()),
    };
    let raw = RawRecord {
        message: Some(message),
        level: Some(level.into()),
        stack_trace: (of % 6 == 5).then(|| "TypeError: sku is gone\n    at add (/app/cart.js:12:7)".to_owned()),
        message_template: (of == 24).then(|| "order {id} was paid".to_owned()),
        endpoint: Some(format!("/orders/{}", of % 2)),
        user_id: of.is_multiple_of(5).then(|| format!("user-{}", of % 10)),
        release: Some(if call < 8 { "1.4.0" } else { "1.5.0" }.to_owned()),
        id: (of == 3).then(|| format!("own-{call}")),
        ..RawRecord::default()
    };
    let context = NormalizeContext { now: Timestamp(T0 + at), default_environment: "production", key_component: None };
    let mut record = normalize(raw, &context).unwrap();
    record.timestamp = Timestamp(T0 + at + of as i64);
    record.component = "checkout".into();
    record
}

fn view(version: u64) -> DomainView {
    DomainView {
        version,
        revoked: vec!["key-of-yesterday".into()],
        records_per_day: Some(10_000),
        overrides: vec![("CRITICAL_THRESHOLD".into(), "50".into())],
        ..DomainView::default()
    }
}

fn lease(general: u64) -> Lease {
    Lease { day: T0.div_euclid(24 * HOUR), general, errors: 20, is_spent: false }
}

fn lessons(names: &[&str]) -> Lessons {
    let mut lessons = Lessons::default();
    let pattern = Reference::of_template("bank answers slowly: <*> ms");
    for name in names {
        let naming = Naming { name: (*name).into(), ..Naming::default() };
        let teaching = Teaching::Name { pattern: pattern.clone(), naming };
        lessons.teach(teaching, "me", Timestamp(T0), "a test").unwrap();
    }
    lessons
}

fn prior(hours: u32) -> Prior {
    Prior { hours, zone: 1, week: (0..24).map(|hour| if (8..18).contains(&hour) { 1_412 } else { 706 }).collect() }
}

/// The component: three hours of work, a checkpoint, blocks, what expiry and an erasure took, and events of each kind that
/// no checkpoint holds.
pub fn stream() -> (Shelf, StreamMachine) {
    let mut object = Object::new(identity());
    let mut other = Object::new(follower_identity());
    let [first, second] = maps();
    object.handle(Event::Registered(view(3)), 0);
    object.handle(Event::Seeded(Seed::blend("checkout", [("cart", &prior(200)), ("shop", &prior(300))]).unwrap()), 0);
    object.handle(Event::Leased(lease(325)), 1);
    object.handle(Event::Taught(lessons(&["slow bank"])), 2);
    for call in 0..12 {
        object.call(call, call as i64 * MINUTE);
    }
    let deployed = |release: &str, at| Deployment {
        release: release.into(),
        at: Timestamp(T0 + at),
        source: DeploymentSource::Announced("ci".into()),
    };
    object.handle(Event::Deployed(deployed("1.5.0", 12 * MINUTE)), 12 * MINUTE);
    object.handle(Event::Lent(170), 12 * MINUTE);
    let incident = object.machine.incidents().all().next().unwrap().id.clone();
    let said = |opinion| Event::Feedback { incident: incident.clone(), opinion, note: "n".into(), by: "me".into() };
    object.handle(said(Opinion::Noise), 13 * MINUTE);
    (object.map, other.map) = (first.clone(), first);
    other.call(30, 14 * MINUTE);
    object.call(31, 14 * MINUTE);
    object.handle(Event::Heard { shard: 1, digest: other.tell(14 * MINUTE) }, 14 * MINUTE);
    object.sleep(3 * HOUR);
    object.handle(Event::D1Failed("away".into()), 3 * HOUR);
    object.handle(Event::Fold, 3 * HOUR);
    while let Some(packing) = object.machine.next_block(&object.shelf, Timestamp(T0 + 3 * HOUR)).unwrap().packing {
        object.shelf.store_block(&packing).unwrap();
    }
    // Too late for a block, soon enough for all that follows.
    object.handle(Event::Leased(lease(75)), 3 * HOUR);
    for call in 12..15 {
        object.call(call, 3 * HOUR + call as i64 * SECOND);
    }
    object.handle(Event::Fold, 3 * HOUR + MINUTE);
    let cursor = object.machine.last_seq() - 2;
    object.handle(Event::DataAdvanced { cursor, index: 2, delivered: 2, undeliverable: 1 }, 3 * HOUR + MINUTE);
    while let NextThinning::Now(thinning) =
        object.machine.next_thinning(&object.shelf, false, Timestamp(T0 + 3 * HOUR + MINUTE)).unwrap()
    {
        object.shelf.store_thinning(&thinning).unwrap();
    }
    erase(&mut object, 3 * HOUR + 2 * MINUTE);
    // From here on nothing is folded.
    object.handle(Event::Configure(view(4)), 4 * HOUR);
    object.handle(Event::Leased(lease(50)), 4 * HOUR);
    object.handle(Event::Taught(lessons(&["slow bank", "slower bank"])), 4 * HOUR);
    object.handle(Event::FeedbackUndone(incident.clone()), 4 * HOUR);
    object.handle(said(Opinion::Real), 4 * HOUR + 1);
    object.handle(Event::Deployed(deployed("1.6.0", 4 * HOUR)), 4 * HOUR);
    object.handle(Event::Lent(340), 4 * HOUR);
    (object.map, other.map) = (second.clone(), second);
    other.call(32, 4 * HOUR);
    object.handle(Event::Heard { shard: 1, digest: other.tell(4 * HOUR) }, 4 * HOUR);
    object.call(33, 4 * HOUR);
    object.call(15, 4 * HOUR + SECOND);
    object.call(15, 4 * HOUR + 2 * SECOND);
    // The quota is used up: counted, and no text.
    object.handle(Event::Leased(Lease { is_spent: true, ..lease(3) }), 4 * HOUR + 3 * SECOND);
    object.call(16, 4 * HOUR + 4 * SECOND);
    (object.shelf, object.machine)
}

/// How the component was spread, and is.
fn maps() -> [ShardMap; 2] {
    let window = Millis::from_hours(1);
    let first = ShardMap::default().changed(2, Timestamp(T0 + 14 * MINUTE), window).unwrap();
    let second = first.changed(3, Timestamp(T0 + 4 * HOUR), window).unwrap();
    [first, second]
}

/// The second object of a component that was split: part of it is told to the lead, part is not.
pub fn follower() -> (Shelf, StreamMachine) {
    let mut object = Object::new(follower_identity());
    let [first, second] = maps();
    object.map = first;
    object.handle(Event::Registered(view(3)), 14 * MINUTE);
    object.handle(Event::Leased(lease(300)), 14 * MINUTE);
    for call in 0..4 {
        object.call(call, 14 * MINUTE + call as i64);
    }
    object.tell(15 * MINUTE);
    object.handle(Event::Fold, 16 * MINUTE);
    object.handle(Event::ForwardFailed("away".into()), 16 * MINUTE);
    object.map = second;
    object.call(4, 4 * HOUR);
    (object.shelf, object.machine)
}

fn erase(object: &mut Object, at: i64) {
    let room = SliceRoom { rows: 500, records: 10_000 };
    let search = UserSearch { user: "user-5", after: 0, room, is_dry_run: false, is_sending: false };
    let found = object.machine.find_user(&object.shelf, &search).unwrap();
    let slice = Slice {
        erasure: "erasure-1".into(),
        after: 0,
        cursor: found.cursor,
        is_done: found.is_done,
        counts: found.counts(),
        sent: found.sent,
        reached: None,
    };
    object.shelf.replace(&found.bodies);
    let (user, rows_gone) = ("user-5".to_owned(), BTreeSet::new());
    object.handle(Event::Retract(Retraction { user, lines: found.lines, rows_gone, slice }), at);
}

/// What a build says of a component's rows, a line each; of what later builds add, nothing.
pub fn stream_told(shelf: &Shelf, restored: &Restored) -> Vec<String> {
    let machine = &restored.machine;
    let mut told = Vec::new();
    let outcomes = machine.outcomes();
    told.push(format!("damaged {}, rebuilt {}", restored.damaged, restored.rebuilt.is_some()));
    told.push(format!(
        "outcomes {} {} {} {}",
        outcomes.accepted, outcomes.duplicate, outcomes.counted_only, outcomes.rejected
    ));
    told.push(format!("rows to {}, folded to {}", machine.last_seq(), machine.folded_seq()));
    for (series, count) in machine.counters().totals() {
        told.push(format!("total {series} {count}"));
    }
    for pattern in machine.miner().patterns() {
        let shown: Vec<String> =
            pattern.exemplars.iter().chain(&pattern.last).map(|it| format!("{}.{}", it.seq, it.index)).collect();
        let distinct: Vec<u64> = pattern.variables.held().iter().map(|variable| variable.distinct().0).collect();
        told.push(format!(
            "pattern {} {} {:?} shows {} distinct {distinct:?} alerted {} fault {} {}",
            pattern.id,
            pattern.count,
            pattern.levels,
            shown.join(" "),
            pattern.was_alerted,
            pattern.fault.is_some(),
            pattern.template
        ));
    }
    for incident in machine.incidents().all() {
        let end = incident.closed_at.map(|at| at.0);
        told.push(format!("incident {} {} told {} end {end:?}", incident.id, incident.count, incident.was_told));
    }
    for feedback in machine.feedback() {
        told.push(format!("feedback {} {:?} by {}", feedback.incident, feedback.opinion, feedback.by));
    }
    for deployment in machine.deployments() {
        told.push(format!("deployment {} {}", deployment.release, deployment.at.0));
    }
    told.push(format!("running release {:?}", machine.running_release()));
    for lesson in machine.miner().lessons().list() {
        told.push(format!("lesson {} by {}", lesson.id, lesson.by));
    }
    let view = machine.view();
    told.push(format!(
        "view {} {:?} {:?} registered {}",
        view.version,
        view.revoked,
        view.overrides,
        machine.is_registered()
    ));
    told.push(format!("keys {:?}", machine.pressure()));
    told.push(format!("d1 {} {}", machine.d1().cursor, machine.d1().delivered));
    told.push(format!("data service {} {}", machine.data_service().cursor, machine.data_service().delivered));
    let spread = machine.shard_map();
    let before = spread.before(Timestamp(T0 + 4 * HOUR), Millis::from_hours(24)).iter().map(|epoch| epoch.shards);
    told.push(format!("spread over {} since {:?}", spread.current().shards, before.collect::<Vec<_>>()));
    told.push(format!(
        "heard of shard 1 to {}, calls {:?}",
        machine.heard_from(1),
        machine.called().collect::<Vec<_>>()
    ));
    if machine.is_follower() {
        let (lead, next) = (machine.lead(), machine.next_to_forward(shelf).unwrap());
        told.push(format!("lead {} {} {:?}", lead.cursor, lead.delivered, lead.last_error));
        told.push(format!("to tell {:?}", next.map(|it| (it.cursor, it.records, it.told, it.gone))));
    }
    told.push(format!("thinned to {:?}", machine.thinned_to().map(|at| at.0)));
    let slice = machine.known_slice("erasure-1", 0);
    told.push(format!("erased {:?}", slice.map(|slice| (slice.cursor, slice.is_done, slice.counts))));
    for (id, due) in &shelf.outbox {
        told.push(format!("alert {id} {}", due.at.0));
    }
    for (hour, rollup) in &shelf.hours {
        let records: u64 = rollup.series().map(|(_, minutes)| minutes.values().sum::<u64>()).sum();
        told.push(format!("hour {} {records}", hour.0));
    }
    told.push(format!("facets of {} hours", shelf.facets.len()));
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for row in shelf.all().into_values().filter(|row| row.kind == sapwood_engine::machine::row::RowKind::Segments) {
        for record in sapwood_engine::machine::row::records(&row.body).unwrap() {
            *kept
                .entry(if record.is_husk() { "husk".into() } else { record.level.class().word().to_owned() })
                .or_default() += 1;
        }
    }
    told.push(format!("records {kept:?}"));
    told
}

/// The domain of that component: what every row of it may hold.
pub fn domain() -> (DomainMachine, Vec<(String, Due)>) {
    let targets = vec!["slack".to_owned(), "webhook".to_owned()];
    let settings = DomainSettings { targets, has_copies: true, ..DomainSettings::default() };
    let mut machine = DomainMachine::restore(settings, domain::Stored::default()).unwrap();
    let mut at = 0;
    let mut handle = |event| {
        at += SECOND;
        machine.handle(event, Timestamp(T0 + at))
    };
    for component in ["default", "checkout", "cart"] {
        handle(domain::Event::Register { component: component.into(), shard: 0 });
    }
    let entry = |name: &str, component: Option<&str>| KeyEntry {
        name: name.into(),
        scopes: vec!["ingest".into(), "read".into()],
        component: component.map(str::to_owned),
        created_at: Timestamp(T0),
        revoked_at: None,
    };
    handle(domain::Event::KeyCreated { id: "k1".into(), entry: entry("shop", None) });
    handle(domain::Event::KeyCreated { id: "k2".into(), entry: entry("checkout", Some("checkout")) });
    handle(domain::Event::RevokeKey("k1".into()));
    handle(domain::Event::Configure(vec![("RETENTION_DAYS_DEBUG".into(), "3".into())]));
    handle(domain::Event::Limit(Some(5_000)));
    handle(domain::Event::Lease(100));
    let pattern = Reference::of_template("order <*> shipped");
    let naming = Naming { name: "shipped".into(), ..Naming::default() };
    let teachings = vec![(Teaching::Name { pattern, naming }, "why".to_owned())];
    handle(domain::Event::Teach { teachings, by: "me".into() });
    let mut outbox: BTreeMap<String, Due> = BTreeMap::new();
    for alert in ["a1", "a2"] {
        outbox.extend(
            handle(domain::Event::Alert { id: alert.into() }).messages.into_iter().map(|(id, _, due)| (id, due)),
        );
    }
    outbox.extend(handle(domain::Event::Failed { id: "a1#webhook".into(), not_before: None }).retries);
    let refused = domain::Event::Refused { id: "a2#slack".into(), disables_target: true };
    handle(refused).gone.iter().for_each(|id| {
        outbox.remove(id);
    });
    handle(domain::Event::Lent { component: "cart".into(), shard: 0, version: 9, prior: prior(190) });
    handle(domain::Event::Spread { component: "cart".into(), shards: 4, by: "me".into() });
    handle(domain::Event::Register { component: "cart".into(), shard: 3 });
    let user = Scope::User { user: "user-5".into(), fingerprint: "f5".into(), component: None };
    for (id, scope) in [("e1", user), ("e2", Scope::Component("checkout".into()))] {
        handle(domain::Event::Erase { id: id.into(), scope, by: "me".into(), alerts: Vec::new() });
    }
    (machine, outbox.into_iter().collect())
}

/// What a build says of a domain's rows, a line each.
pub fn domain_told(machine: &DomainMachine) -> Vec<String> {
    let mut told = Vec::new();
    let view = machine.view();
    told.push(format!("view {} {:?} {:?} {:?}", view.version, view.revoked, view.records_per_day, view.overrides));
    for (name, shard, component) in machine.components() {
        let hours = component.prior.as_ref().map(|prior| prior.hours);
        told.push(format!("component {name} {shard} {} prior {hours:?}", component.registered_at.0));
    }
    for (id, key) in machine.keys() {
        told.push(format!(
            "key {id} {} {:?} {:?} {:?}",
            key.name,
            key.scopes,
            key.component,
            key.revoked_at.map(|at| at.0)
        ));
    }
    for lesson in machine.lessons().list() {
        told.push(format!("lesson {} by {}", lesson.id, lesson.by));
    }
    for (name, map) in machine.shard_maps() {
        told.push(format!("spread {name} over {}", map.current().shards));
    }
    told.push(format!("unsynced {:?}", machine.unsynced().collect::<Vec<_>>()));
    told.push(format!("disabled {:?}", machine.disabled_targets().collect::<Vec<_>>()));
    told.push(format!("granted {:?} dropped {}", machine.granted(), machine.alerts_dropped()));
    told.push(format!("waiting {} due {:?}", machine.outbox().len(), machine.outbox().due(Timestamp(T0 + HOUR), 10)));
    for erasure in machine.erasures() {
        told.push(format!(
            "erasure {} {} finished {} steps {}",
            erasure.id,
            erasure.scope.shown(),
            erasure.is_finished(),
            erasure.steps().len()
        ));
    }
    told.push(format!("wakes {:?}", machine.wake_at().map(|at| at.0)));
    told
}

/// A domain's rows as text, one line each.
pub fn domain_dump(machine: &DomainMachine, outbox: &[(String, Due)]) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold("x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut out = String::new();
    let mut line = |text: String| out.push_str(&(text + "\n"));
    line(format!("state {}", hex(&machine.encode_state())));
    line(format!("lessons {}", hex(&machine.lessons().encode())));
    for (name, shard, component) in machine.components() {
        let prior = component.prior.as_ref().map_or("x".to_owned(), |prior| hex(&prior.encode()));
        line(format!("component {name} {shard} {} {prior}", component.registered_at.0));
    }
    for (id, key) in machine.keys() {
        let revoked = key.revoked_at.map_or("-".to_owned(), |at| at.0.to_string());
        let component = key.component.as_deref().unwrap_or("-");
        line(format!("key {id} {} {} {component} {} {revoked}", key.name, key.scopes.join(","), key.created_at.0));
    }
    for (id, due) in outbox {
        line(format!("outbox {id} {} {} {}", due.at.0, due.attempts, due.order));
    }
    for erasure in machine.erasures() {
        line(format!("erasure {}", hex(&erasure.encode())));
    }
    out
}

/// What [`domain_dump`] wrote down.
pub fn domain_read(text: &str) -> domain::Stored {
    let bytes = |text: &str| -> Vec<u8> {
        let digits = &text.as_bytes()[1..];
        digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    };
    let mut stored = domain::Stored::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let optional = |text: &str| (text != "-").then(|| text.to_owned());
        match words[..] {
            ["state", row] => stored.state = Some(bytes(row)),
            ["lessons", row] => stored.lessons = Some(bytes(row)),
            ["erasure", row] => stored.erasures.push(bytes(row)),
            ["component", name, shard, at, prior] => {
                let prior = Some(bytes(prior)).filter(|row| !row.is_empty());
                // As the shell does: one that cannot be read is lent anew.
                let prior = prior.and_then(|row| Prior::decode(&row).ok());
                let component = Component { registered_at: Timestamp(at.parse().unwrap()), prior };
                stored.components.push((name.to_owned(), shard.parse().unwrap(), component));
            }
            ["key", id, name, scopes, component, at, revoked] => {
                let entry = KeyEntry {
                    name: name.to_owned(),
                    scopes: scopes.split(',').map(str::to_owned).collect(),
                    component: optional(component),
                    created_at: Timestamp(at.parse().unwrap()),
                    revoked_at: optional(revoked).map(|at| Timestamp(at.parse().unwrap())),
                };
                stored.keys.push((id.to_owned(), entry));
            }
            ["outbox", id, at, attempts, order] => {
                let at = Timestamp(at.parse().unwrap());
                let due = Due { at, attempts: attempts.parse().unwrap(), order: order.parse().unwrap() };
                stored.outbox.push((id.to_owned(), due));
            }
            _ => panic!("no such row: {line}"),
        }
    }
    stored
}
