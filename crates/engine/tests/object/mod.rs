//! One component's machine with its rows, woken when it wants to be: what tests of hours of a component share.

#![allow(dead_code, reason = "each test file uses a part")]

use sapwood_engine::baseline::Prior;
use sapwood_engine::detect::{SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::row::Row;
use sapwood_engine::machine::stream::{Batch, Checkpoint, Event, Identity, Stored, StreamMachine, StreamSettings};
use sapwood_engine::pattern::{Pattern, PatternId};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_engine::triage::{Alert, AlertPolicy};
use std::collections::BTreeMap;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const START: i64 = 1_700_000_000_000 / HOUR * HOUR;

/// A machine with its rows, woken when it wants to be.
pub(crate) struct Object {
    pub(crate) machine: StreamMachine,
    pub(crate) settings: StreamSettings,
    pub(crate) rows: Vec<Row>,
    pub(crate) patterns: BTreeMap<PatternId, Vec<u8>>,
    pub(crate) learnt: Option<Vec<u8>>,
    pub(crate) packing: Option<Vec<u8>>,
    pub(crate) usual: Option<Vec<u8>>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) alarms: u32,
    pub(crate) flushes: u32,
    /// What it lent, and whether the domain is there to take it.
    pub(crate) lent: Vec<Prior>,
    pub(crate) has_domain: bool,
}

pub(crate) fn identity() -> Identity {
    Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 }
}

impl Object {
    pub(crate) fn new() -> Self {
        let settings = StreamSettings {
            alerts: AlertPolicy { group_window: Millis(0), ..AlertPolicy::default() },
            ..StreamSettings::default()
        };
        Self {
            machine: StreamMachine::new(identity(), settings.clone()),
            settings,
            rows: Vec::new(),
            patterns: BTreeMap::new(),
            learnt: None,
            packing: None,
            usual: None,
            checkpoint: Checkpoint::default(),
            alerts: Vec::new(),
            alarms: 0,
            flushes: 0,
            lent: Vec::new(),
            has_domain: true,
        }
    }

    pub(crate) fn handle(&mut self, event: Event, now: i64) {
        let effects = self.machine.handle(event, Timestamp(now));
        self.rows.extend(effects.rows);
        for (alert, _) in effects.alerts {
            self.machine.handle(Event::AlertDelivered(alert.id.clone()), Timestamp(now));
            self.alerts.push(alert);
        }
        if effects.checkpoint || effects.packing_changed {
            self.flushes += u32::from(effects.checkpoint);
            self.write_checkpoint();
        }
        if let Some(prior) = effects.lend {
            let hours = prior.hours;
            self.lent.push(prior);
            if self.has_domain {
                self.handle(Event::Lent(hours), now);
            }
        }
        if effects.pack {
            // Nothing here is worth a block.
            self.handle(Event::Packed(None), now);
        }
    }

    pub(crate) fn write_checkpoint(&mut self) {
        let checkpoint = self.machine.checkpoint();
        self.patterns.extend(checkpoint.patterns.iter().cloned());
        checkpoint.patterns_gone.iter().for_each(|id| drop(self.patterns.remove(id)));
        self.learnt = checkpoint.learnt.clone().or(self.learnt.take());
        self.packing = checkpoint.packing.clone().or(self.packing.take());
        self.usual = checkpoint.usual.clone().or(self.usual.take());
        self.checkpoint = checkpoint;
    }

    /// Lets time pass up to `until`: the machine is woken whenever it wants.
    pub(crate) fn sleep(&mut self, until: i64) {
        while let Some(at) = self.machine.wake_at().filter(|at| at.0 <= until) {
            self.alarms += 1;
            assert!(self.alarms < 100_000, "an alarm that leads to itself");
            self.handle(Event::Wake, at.0.max(START));
        }
    }

    pub(crate) fn send(&mut self, records: &[Record], now: i64) {
        self.sleep(now);
        self.handle(Event::Append(vec![Batch { segments: segment::encode(records), ..Batch::default() }]), now);
    }

    /// The machine as it comes back: from the last checkpoint and the rows after it, or from the rows alone.
    pub(crate) fn restored(&self, from_rows_alone: bool) -> StreamMachine {
        let stored = Stored {
            folded: self.checkpoint.folded,
            state: Some(self.checkpoint.state.clone()).filter(|state| !state.is_empty()),
            detection: Some(self.checkpoint.detection.clone()).filter(|row| !row.is_empty()),
            patterns: self.patterns.values().map(|row| Pattern::decode(row).unwrap()).collect(),
            learnt: self.learnt.clone(),
            packing: self.packing.clone(),
            usual: self.usual.clone(),
            ..Stored::default()
        };
        let mut machine = match from_rows_alone {
            true => StreamMachine::new(identity(), self.settings.clone()),
            false => StreamMachine::restore(identity(), self.settings.clone(), stored).unwrap(),
        };
        self.rows.iter().for_each(|row| machine.replay(row).unwrap());
        machine
    }

    pub(crate) fn told(&self) -> Vec<(SignalKind, Subject)> {
        let incidents = self.alerts.iter().flat_map(|alert| &alert.incidents);
        incidents.map(|incident| (incident.signal.kind, incident.signal.subject)).collect()
    }

    pub(crate) fn open(&self, now: i64) -> usize {
        self.machine.incidents().open_at(Timestamp(now), &self.settings.alerts).count()
    }
}

pub(crate) fn record(message: &str, level: Level, at: i64) -> Record {
    Record { message: message.into(), level, timestamp: Timestamp(at), environment: "test".into(), ..Record::default() }
}

pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 29
}

/// A record each ten seconds in four shapes, unevenly, and a job every five minutes.
pub(crate) fn usual(object: &mut Object, from: i64, to: i64) {
    let shapes = ["cart opened by customer", "price of article read", "stock of article counted", "page served in"];
    let mut at = from;
    while at < to {
        let step = at / (10 * SECOND);
        let chance = mixed(step as u64) >> 33;
        let own = at + (chance % 9_000) as i64;
        let mut records = vec![record(&format!("{} {step}", shapes[(chance / 9_000 % 4) as usize]), Level::INFO, own)];
        if step % 30 == 0 {
            records.push(record(&format!("nightly export wrote {step} rows"), Level::INFO, own));
        }
        object.send(&records, own + 300);
        at += 10 * SECOND;
    }
}
