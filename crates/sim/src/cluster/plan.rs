//! How hard a seed is on the cluster: the chance of each fault, the load, and the settings, all from the seed.

use super::message::Place;
use crate::random::Random;
use sapwood_engine::machine::outbox::RetryPolicy;
use sapwood_engine::machine::sink::SinkPolicy;
use sapwood_engine::machine::stream::{BlockPolicy, RetentionPolicy, StreamSettings};
use sapwood_engine::time::Millis;
use sapwood_engine::triage::AlertPolicy;
use std::ops::Range;

/// Chances are in thousandths.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Components.
    pub streams: usize,
    /// Batches that clients send.
    pub batches: usize,
    /// How long they do, ms.
    pub active_ms: u64,
    /// A request is lost.
    pub loses_request: u64,
    /// An answer is lost.
    pub loses_answer: u64,
    /// A request arrives twice.
    pub doubles: u64,
    /// A message takes seconds and not milliseconds.
    pub delays: u64,
    /// An object crashes when something reaches it.
    pub crashes: u64,
    /// The domain object crashes soon after it began to deliver an alert. It does so to the end: the last alerts of a run
    /// are those of silence, and nothing reaches the object after them.
    pub crashes_delivering: u64,
    /// An idle object is put to sleep when something reaches it.
    pub sleeps: u64,
    /// A statement fails.
    pub fails_write: u64,
    /// A commit takes long to reach the disk.
    pub slow_disk: u64,
    /// An alarm goes off twice, or early, or late.
    pub odd_alarm: u64,
    /// The clock of an object jumps when it starts.
    pub clock_jumps: u64,
    /// D1, the data service and the targets fail.
    pub peer_fails: u64,
    /// They do it and do not say so.
    pub peer_lies: u64,
    /// Who is away for how long, ms since the beginning; of an object its disk, which is full then.
    pub outages: Vec<(Place, Range<i64>)>,
    /// D1 is dropped, once in the run.
    pub drops_d1: bool,
    /// Another build runs for a while, which does not know the state row.
    pub switches_version: u64,
    /// Records a day, if the domain is limited.
    pub quota: Option<u64>,
    /// Settings of the streams.
    pub settings: StreamSettings,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(random: &mut Random) -> Self {
        let rate = |random: &mut Random, most: u64| if random.permille(400) { 0 } else { random.below(most) };
        let is_short = random.permille(250);
        let packs = random.permille(400);
        let settings = StreamSettings {
            alerts: AlertPolicy { cooldown: Millis::from_mins(3), ..AlertPolicy::default() },
            flush_interval: Millis(random.between(2_000, 60_000) as i64),
            retention: if is_short { Millis::from_mins(20) } else { Millis::from_hours(24 * 30) },
            retention_policy: RetentionPolicy {
                debug: (is_short || packs).then_some(Millis::from_mins(16)),
                info: (is_short || packs).then_some(Millis::from_mins(18)),
                delay: Millis::from_mins(1),
                ..RetentionPolicy::default()
            },
            key_window: if is_short || packs { Millis::from_mins(15) } else { Millis::from_hours(24) },
            has_d1: random.permille(800),
            has_data_service: random.permille(800),
            sinks: SinkPolicy::default(),
            retry: RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) },
            blocks: BlockPolicy {
                records_min: random.between(4, 40),
                delay: Millis::from_mins(2),
                patience: Millis::from_mins(30),
                late_records_min: 4,
                late_rows_min: 2,
            },
            ..StreamSettings::default()
        };
        Self {
            streams: random.between(1, 3) as usize,
            batches: random.between(20, 90) as usize,
            active_ms: random.between(2, 40) * 60_000,
            loses_request: rate(random, 120),
            loses_answer: rate(random, 150),
            doubles: rate(random, 100),
            delays: rate(random, 200),
            crashes: rate(random, 60),
            crashes_delivering: rate(random, 600),
            sleeps: rate(random, 200),
            fails_write: rate(random, 40),
            slow_disk: rate(random, 200),
            odd_alarm: rate(random, 300),
            clock_jumps: rate(random, 300),
            peer_fails: rate(random, 300),
            peer_lies: rate(random, 200),
            outages: [Place::D1, Place::Service, Place::Target(0), Place::Stream(0)]
                .into_iter()
                .filter_map(|place| {
                    let from = random.below(20 * 60_000) as i64;
                    let minutes = if matches!(place, Place::Stream(_)) { 6 } else { 45 };
                    let until = from + random.between(1, minutes) as i64 * 60_000;
                    random.permille(250).then_some((place, from..until))
                })
                .collect(),
            drops_d1: random.permille(200),
            switches_version: if random.permille(120) { 200 } else { 0 },
            quota: random.permille(250).then(|| random.between(40, 400)),
            settings,
        }
    }

    /// The faults are over; what is under way goes on.
    pub fn heal(&mut self) {
        for rate in [
            &mut self.loses_request,
            &mut self.loses_answer,
            &mut self.doubles,
            &mut self.delays,
            &mut self.crashes,
            &mut self.sleeps,
            &mut self.fails_write,
            &mut self.slow_disk,
            &mut self.odd_alarm,
            &mut self.clock_jumps,
            &mut self.peer_fails,
            &mut self.peer_lies,
            &mut self.switches_version,
        ] {
            *rate = 0;
        }
        self.outages.clear();
    }
}
