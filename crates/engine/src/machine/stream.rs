//! One component's machine: its journal folded into patterns, counters and incidents.
//!
//! Every append becomes one row of the journal (more only if it would not fit), committed before anybody is answered.
//! What the machine holds is a fold of those rows: [`StreamMachine::replay`] runs the same code over rows read back as
//! [`StreamMachine::handle`] ran over them live, only that nobody is told again. A checkpoint writes what was folded as
//! rows of a stable schema, so that only the rows after it need replaying.
//!
//! `folded <= last`: rows up to `folded` are in the checkpoint, rows up to `last` are in memory.

mod append;
mod deployments;
mod detection;
mod event;
mod feedback;
mod finding;
mod forwarding;
mod outgoing;
mod packing;
mod retracting;
mod sharding;
mod state;
mod store;
mod thinning;
mod variables;

pub use append::{AppendReply, Batch, TailItem};
use deployments::Deployments;
pub use deployments::{Deployment, DeploymentSource, WIDENED_FOR};
use detection::Detection;
pub use detection::{Decision, Verdict};
pub use event::{Effects, Event};
use feedback::Feedbacks;
pub use feedback::{Demand, Feedback, FeedbackAnswer, Opinion, Threshold};
pub use finding::{Found, Slice, SliceRoom, UserSearch};
pub use forwarding::{FORWARD_EVERY, Forward, HeardAnswer};
pub use outgoing::{D1Span, LoadSpan, Outgoing};
pub use packing::{BlockPolicy, LooseRow, Next, Packing};
pub use retracting::{Line, Retraction};
pub use sharding::{Recall, Under};
pub use state::{Checkpoint, Stored, Told, decode_domain_view, decode_told, encode_domain_view, encode_told};
pub use store::{Outline, Restored, SettingsOf, StreamStore};
pub use thinning::{NextThinning, PlaceOutline, Rank, RetentionPolicy, Selection, Thinning};

use crate::baseline::Zone;
use crate::counter::Counters;
use crate::limits;
use crate::machine::outbox::{Outbox, RetryPolicy};
use crate::machine::row::{Row, RowKind};
use crate::machine::sink::{Sink, SinkPolicy};
use crate::machine::window::Window;
use crate::pattern::lesson::Lessons;
use crate::pattern::{Exemplar, Miner, PatternId};
use crate::record::Record;
use crate::record_id::{RecordId, object_tag};
use crate::shard::HeatPolicy;
use crate::time::{Millis, Timestamp};
use crate::triage::{Alert, AlertPattern, AlertPolicy, ErrorWatch, Incident, Incidents};
use std::collections::{BTreeMap, VecDeque};

/// Errors kept to show what a burst consists of.
const RECENT_ERRORS_MAX: usize = 8;

/// Which object this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Domain (tenant).
    pub domain: String,
    /// Component: the address, not the field of a record.
    pub component: String,
    /// Shard of the component, 0 unless it was split.
    pub shard: u16,
}

impl Identity {
    /// The tag in the ids of this object's records.
    pub fn tag(&self) -> u32 {
        object_tag(&self.component, self.shard)
    }
}

/// Configuration of a stream, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// When to tell.
    pub alerts: AlertPolicy,
    /// How long changes may wait before they are flushed.
    pub flush_interval: Millis,
    /// How long records are kept.
    pub retention: Millis,
    /// What leaves before that.
    pub retention_policy: RetentionPolicy,
    /// How long batch keys and record ids are remembered.
    pub key_window: Millis,
    /// Whether records, patterns and rollups go to D1.
    pub has_d1: bool,
    /// Whether records go to the data service.
    pub has_data_service: bool,
    /// Retries and breaker of both.
    pub sinks: SinkPolicy,
    /// Retries of alerts on their way to the domain object.
    pub retry: RetryPolicy,
    /// When rows are worth a block.
    pub blocks: BlockPolicy,
    /// The clocks of domains that name none.
    pub zone: Zone,
    /// What one thread should take.
    pub heat: HeatPolicy,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            alerts: AlertPolicy::default(),
            flush_interval: Millis::from_secs(30),
            retention: Millis::from_hours(24 * 30),
            retention_policy: RetentionPolicy::default(),
            key_window: Millis::from_hours(24),
            has_d1: false,
            has_data_service: false,
            sinks: SinkPolicy::default(),
            retry: RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) },
            blocks: BlockPolicy::default(),
            zone: Zone::default(),
            heat: HeatPolicy::default(),
        }
    }
}

/// What the domain object tells its streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainView {
    /// Grows with every change; an older view is ignored.
    pub version: u64,
    /// Ids of keys that must not write any more.
    pub revoked: Vec<String>,
    /// Records a day for the whole domain, if limited.
    pub records_per_day: Option<u64>,
    /// Whether somebody watches the live tail.
    pub is_watched: bool,
    /// The domain has at most two to the power of this many streams; 0 if no more than share nothing.
    pub streams_exponent: u8,
    /// Configuration of the domain, name and value, checked by the domain object.
    pub overrides: Vec<(String, String)>,
}

/// Records that the domain lets this object store today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Day (since the epoch, UTC).
    pub day: i64,
    /// Records of any level.
    pub general: u64,
    /// Records of level error or worse, beyond the general ones: errors never starve behind debug lines.
    pub errors: u64,
    /// The domain had nothing left to give today.
    pub is_spent: bool,
}

/// How many records came to which fate since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Stored.
    pub accepted: u64,
    /// Known already.
    pub duplicate: u64,
    /// Counted without text.
    pub counted_only: u64,
    /// Refused before they reached the object.
    pub rejected: u64,
}

/// One component's machine.
#[derive(Clone, Debug)]
pub struct StreamMachine {
    identity: Identity,
    tag: u32,
    settings: StreamSettings,
    clock: Timestamp,
    /// `now`s that lay before the clock.
    clock_skews: u64,
    last: u64,
    folded: u64,
    miner: Miner,
    counters: Counters,
    watch: ErrorWatch,
    incidents: Incidents,
    detection: Detection,
    feedbacks: Feedbacks,
    deployments: Deployments,
    recent_errors: VecDeque<(PatternId, Exemplar)>,
    keys: Window,
    ids: Window,
    outcomes: Outcomes,
    view: DomainView,
    is_registered: bool,
    lease: Lease,
    outbox: Outbox,
    /// What the last slices of erasures of users came to.
    slices: finding::Slices,
    sharding: sharding::Sharding,
    /// What is usual by the hour, or what came with a release, is not what was written.
    usual_changed: bool,
    d1: Sink,
    data_service: Sink,
    /// What changed since D1 got it, and with which row.
    d1_patterns: BTreeMap<PatternId, u64>,
    d1_hours: BTreeMap<Timestamp, u64>,
    /// How often D1 was lost since this instance started.
    d1_generation: u32,
    /// Hours behind what this instance last tried to lend.
    lend_tried: u32,
    flush_at: Option<Timestamp>,
    retain_at: Option<Timestamp>,
    /// When to look for rows that make a block, and what the row about it says.
    pack_at: Option<Timestamp>,
    pack_at_written: Option<Option<Timestamp>>,
    /// How far records were removed before their time, what the row about it says, and when to go on.
    thinned: thinning::Thinned,
    thinned_written: thinning::Thinned,
    thin_at: Option<Timestamp>,
}

impl StreamMachine {
    /// A machine that has seen nothing.
    pub fn new(identity: Identity, settings: StreamSettings) -> Self {
        let mut machine = Self {
            tag: identity.tag(),
            identity,
            settings,
            clock: Timestamp(0),
            clock_skews: 0,
            last: 0,
            folded: 0,
            miner: Miner::default(),
            counters: Counters::default(),
            watch: ErrorWatch::default(),
            incidents: Incidents::default(),
            detection: Detection::default(),
            feedbacks: Feedbacks::default(),
            deployments: Deployments::default(),
            recent_errors: VecDeque::new(),
            keys: Window::new(limits::BATCH_KEYS_MAX),
            ids: Window::new(limits::RECORD_IDS_MAX),
            outcomes: Outcomes::default(),
            view: DomainView::default(),
            is_registered: false,
            lease: Lease::default(),
            outbox: Outbox::default(),
            slices: finding::Slices::default(),
            sharding: sharding::Sharding::default(),
            usual_changed: false,
            d1: Sink::default(),
            data_service: Sink::default(),
            d1_patterns: BTreeMap::new(),
            d1_hours: BTreeMap::new(),
            d1_generation: 0,
            lend_tried: 0,
            flush_at: None,
            retain_at: None,
            pack_at: None,
            pack_at_written: None,
            thinned: thinning::Thinned::default(),
            thinned_written: thinning::Thinned::default(),
            thin_at: None,
        };
        machine.take_zone();
        machine
    }

    /// The only way state changes.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Effects {
        let now = self.advance(now);
        let mut effects = Effects::default();
        match event {
            Event::Append(batches) => self.append(batches, now, &mut effects),
            Event::Wake => self.wake(now, &mut effects),
            Event::Registered(view) => {
                self.is_registered = true;
                // The answer may have been overtaken by a push of a newer view.
                let newest = if view.version >= self.view.version { view } else { self.view.clone() };
                self.configure(newest, now, &mut effects);
            }
            Event::Configure(view) => {
                if view.version > self.view.version {
                    self.configure(view, now, &mut effects);
                }
            }
            Event::Taught(lessons) => {
                if lessons.version > self.miner.lessons().version {
                    effects.rows.push(self.event_row(state::encode_taught(&lessons), now));
                    self.learn(lessons, self.last);
                    self.set_dirty(now);
                }
            }
            Event::Feedback { incident, opinion, note, by } => {
                self.note_feedback((&incident, opinion), (by, note), now, &mut effects);
            }
            Event::FeedbackUndone(incident) => self.undo_feedback(&incident, now, &mut effects),
            Event::Spread(map) => self.take_map(&map, now, &mut effects),
            Event::Heard { shard, digest } => self.hear(shard, &digest, now, &mut effects),
            Event::Forwarded(forward, answer) => {
                self.forwarded(*forward, answer, now);
                effects.sharding_changed = true;
            }
            Event::ForwardFailed(error) => {
                self.forward_failed(&error, now);
                effects.sharding_changed = true;
            }
            Event::Deployed(deployment) => self.announce(deployment, now, &mut effects),
            Event::Seeded(seed) => {
                let body = state::encode_seeded(&seed);
                if self.take_seed(seed, now) {
                    effects.rows.push(self.event_row(body, now));
                }
            }
            Event::Lent(hours) => {
                effects.rows.push(self.event_row(state::encode_lent(hours), now));
                self.take_lent(hours, now);
            }
            Event::Leased(lease) => {
                self.grant(lease);
                effects.rows.push(self.event_row(state::encode_lease(&lease), now));
                self.set_dirty(now);
            }
            Event::AlertDelivered(id) => {
                self.outbox.remove(&id);
                effects.delivered.push(id);
            }
            Event::AlertFailed(id) => {
                let policy = self.settings.retry;
                self.outbox.failed(&id, now, &policy, None);
            }
            Event::D1Advanced { generation, .. } if generation != self.d1_generation => {}
            Event::D1Advanced { cursor, delivered, .. } => {
                self.d1.advanced(cursor, 0, delivered, 0);
                self.d1_patterns.retain(|_, &mut dirtied| dirtied > cursor);
                self.d1_hours.retain(|_, &mut dirtied| dirtied > cursor);
                effects.sinks_changed = true;
            }
            Event::D1Failed(error) => {
                self.d1.failed(now, &error, &self.settings.sinks, u64::from(self.tag));
                effects.sinks_changed = true;
            }
            Event::D1Lost(hours) => self.d1_lost(hours, now, &mut effects),
            Event::DataAdvanced { cursor, index, delivered, undeliverable } => {
                self.data_service.advanced(cursor, index, delivered, undeliverable);
                effects.sinks_changed = true;
            }
            Event::DataFailed(error) => {
                self.data_service.failed(now, &error, &self.settings.sinks, u64::from(self.tag) + 1);
                effects.sinks_changed = true;
            }
            Event::DataStopped(why) => {
                self.data_service.stopped(now, &why);
                effects.sinks_changed = true;
            }
            Event::DataNoBatch(until) => {
                self.data_service.no_batch_until = until;
                effects.sinks_changed = true;
            }
            Event::Fold => effects.checkpoint = self.folded < self.last,
            Event::Retract(retraction) => self.retract(retraction, now, &mut effects),
            Event::Retained(oldest) => {
                let whole = oldest.map(|oldest| oldest.plus(self.settings.retention));
                let next = whole.into_iter().chain(self.thin_at.filter(|_| oldest.is_some())).min();
                self.retain_at = next.map(|at| at.max(now.plus(Millis::from_mins(1))));
                effects.checkpoint = true;
            }
            Event::Packed(due) => {
                self.packed(due);
                effects.packing_changed = self.pack_at_written != Some(self.pack_at);
            }
        }
        effects
    }

    /// Folds a row read back from the journal. Rows must come in order; one that is folded already is skipped.
    ///
    /// # Errors
    /// A damaged row is skipped and reported; its sequence is used up.
    pub fn replay(&mut self, row: &Row) -> Result<(), crate::bytes::ReadError> {
        if row.seq <= self.last {
            return Ok(());
        }
        self.last = row.seq;
        let now = self.advance(row.at);
        match row.kind {
            RowKind::Segments | RowKind::Counted => self.replay_records(row),
            RowKind::Event => {
                state::apply_event(self, &row.body, now)?;
                Ok(())
            }
        }
    }

    /// Time does not run backwards: an earlier `now` counts as the latest one seen.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        if now < self.clock {
            self.clock_skews += 1;
        } else {
            self.clock = now;
        }
        self.clock
    }

    fn configure(&mut self, view: DomainView, now: Timestamp, effects: &mut Effects) {
        self.view = view;
        self.take_zone();
        if self.lease.is_spent {
            self.lease = Lease::default();
        }
        effects.rows.push(self.event_row(state::encode_view(&self.view, self.is_registered), now));
        self.set_dirty(now);
    }

    /// Puts lessons in force; what they join or part is sent to D1 again.
    fn learn(&mut self, lessons: Lessons, seq: u64) {
        self.miner.teach(lessons);
        self.follow_patterns(seq);
    }

    /// Adds what the domain granted to what is left of today's lease.
    fn grant(&mut self, lease: Lease) {
        let left = if self.lease.day == lease.day { self.lease } else { Lease::default() };
        self.lease = Lease {
            general: left.general.saturating_add(lease.general),
            errors: left.errors.saturating_add(lease.errors),
            ..lease
        };
    }

    fn event_row(&mut self, body: Vec<u8>, now: Timestamp) -> Row {
        self.last += 1;
        Row {
            seq: self.last,
            at: now,
            kind: RowKind::Event,
            time_min: now,
            time_max: now,
            count: 0,
            levels: 0,
            heads: Vec::new(),
            body,
        }
    }

    fn set_dirty(&mut self, now: Timestamp) {
        self.flush_at.get_or_insert(now.plus(self.settings.flush_interval));
        // What comes now may leave before what is still there has to.
        let first = now.plus(self.retention_min());
        self.retain_at = Some(self.retain_at.map_or(first, |at| at.min(first)));
        self.pack_at.get_or_insert(now.plus(self.settings.key_window));
    }

    fn wake(&mut self, now: Timestamp, effects: &mut Effects) {
        self.detect_absence(now, effects);
        if let Some(told) = self.incidents.wake(now, &self.settings.alerts) {
            effects.rows.push(self.event_row(state::encode_wake(), now));
            self.set_dirty(now);
            let alert = self.alert(told, now, None);
            self.tell(alert, now, effects);
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            effects.checkpoint = true;
            effects.lend = self.lends();
        }
        effects.flush_d1 =
            self.settings.has_d1 && self.is_d1_behind() && self.d1.is_due(now) && self.flush_at.is_none();
        effects.flush_data_service = self.settings.has_data_service
            && self.data_service.cursor < self.last
            && self.data_service.is_due(now)
            && self.flush_at.is_none();
        // What goes outside is what the checkpoint holds.
        effects.checkpoint |= effects.flush_d1 && self.folded < self.last;
        if self.forward_due().is_some_and(|at| at <= now) {
            self.begin_forwarding(now, effects);
        }
        effects.deliver = self.outbox.due(now, 16);
        if self.retain_at.is_some_and(|at| at <= now) {
            effects.retain_from = Some(now.minus(self.settings.retention));
        }
        // Behind a flush: what it has not yet folded and handed on cannot be packed, and its alarm comes anyway.
        if self.flush_at.is_none() && self.pack_at.is_some_and(|at| at <= now) {
            self.begin_packing(now);
            effects.pack = true;
        }
    }

    fn is_d1_behind(&self) -> bool {
        self.d1.cursor < self.last || !self.d1_patterns.is_empty() || !self.d1_hours.is_empty()
    }

    fn d1_lost(&mut self, hours: Vec<Timestamp>, now: Timestamp, effects: &mut Effects) {
        self.d1.cursor = 0;
        self.d1_generation = self.d1_generation.wrapping_add(1);
        self.d1_hours.extend(hours.into_iter().map(|hour| (hour, self.last)));
        for pattern in self.miner.patterns() {
            self.d1_patterns.insert(pattern.id, self.last);
        }
        self.set_dirty(now);
        effects.sinks_changed = true;
        effects.checkpoint = true;
    }

    /// The one alarm it wants: the earliest deadline that could change a decision or has work waiting.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let sink = |sink: &Sink, wanted: bool| (wanted && self.flush_at.is_none()).then_some(sink.retry_at);
        [
            self.flush_at,
            self.incidents.wake_at(),
            self.detection_due(),
            self.outbox.wake_at(),
            sink(&self.d1, self.settings.has_d1 && self.is_d1_behind()),
            sink(&self.data_service, self.settings.has_data_service && self.data_service.cursor < self.last),
            self.retain_at,
            self.forward_due(),
            self.pack_at.filter(|_| self.flush_at.is_none()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Puts an alert into the outbox.
    fn tell(&mut self, alert: Alert, now: Timestamp, effects: &mut Effects) {
        for pattern in alert.incidents.iter().filter_map(|incident| incident.pattern) {
            self.miner.mark_alerted(pattern);
        }
        if let Some(due) = self.outbox.add(&alert.id, now) {
            effects.alerts.push((alert, due));
        }
    }

    fn alert(&self, incidents: Vec<Incident>, now: Timestamp, record: Option<&Record>) -> Alert {
        let mut patterns: Vec<AlertPattern> = Vec::new();
        let mut exemplars: Vec<Exemplar> = Vec::new();
        for incident in incidents.iter().take(limits::ALERT_PATTERNS_MAX) {
            for id in self.concerned(&incident.signal) {
                let Some(pattern) = self.miner.pattern(id).filter(|_| !patterns.iter().any(|known| known.id == id))
                else {
                    continue;
                };
                let name = self.miner.naming(id).map(|naming| naming.name.clone());
                patterns.push(AlertPattern { id, template: pattern.template.clone(), name, count: pattern.count });
            }
            for exemplar in self.shown_by(&incident.signal) {
                if !exemplars.contains(&exemplar) {
                    exemplars.push(exemplar);
                }
            }
        }
        let first = incidents.first();
        let facets = first.and_then(|incident| self.miner.pattern(incident.pattern?));
        Alert {
            id: first.map(|incident| incident.id.clone()).unwrap_or_default(),
            decided_at: now,
            patterns,
            exemplars,
            new_in_release: facets.and_then(|pattern| self.new_in_release(pattern)).map(str::to_owned),
            release: match record {
                Some(record) => record.release.clone(),
                None => facets.and_then(|pattern| pattern.releases.last().cloned()),
            },
            environment: match record {
                Some(record) => record.environment.clone(),
                None => facets.and_then(|pattern| pattern.environments.last().cloned()).unwrap_or_default(),
            },
            incidents,
        }
    }

    /// How many records to ask the domain for before `records` more are appended; `None` if none are needed.
    pub fn lease_wanted(&self, records: u64, now: Timestamp) -> Option<u64> {
        self.view.records_per_day?;
        let day = now.max(self.clock).0.div_euclid(86_400_000);
        if self.lease.day == day && (self.lease.is_spent || self.lease.general >= records) {
            return None;
        }
        Some(records)
    }

    /// The id of the record at this place.
    pub fn record_id(&self, received_at: Timestamp, seq: u64, index: u16) -> RecordId {
        RecordId { received_at, object_tag: self.tag, seq, index }
    }

    /// New settings, after a change of configuration.
    pub fn set_settings(&mut self, settings: StreamSettings) {
        let retention = |settings: &StreamSettings| (settings.retention, settings.retention_policy.clone());
        let is_other = retention(&self.settings) != retention(&settings);
        self.take_settings(settings);
        if is_other {
            self.retention_changed();
        }
    }

    /// The settings under which the rows were written.
    fn take_settings(&mut self, settings: StreamSettings) {
        self.window_changed(self.settings.key_window, settings.key_window);
        // What the domain names is in its view, which is a row of the journal; this is what counts without it.
        let zone = self.settings.zone;
        self.settings = StreamSettings { zone, ..settings };
    }

    /// The data service is used under this configuration; see [`Sink::configured`].
    pub fn data_service_configured(&mut self, identity: u64) {
        self.data_service.configured(identity);
    }

    /// The settings in force.
    pub fn settings(&self) -> &StreamSettings {
        &self.settings
    }
    /// Which object this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
    /// What the domain object told last.
    pub fn view(&self) -> &DomainView {
        &self.view
    }
    /// Whether the domain object knows this object.
    pub fn is_registered(&self) -> bool {
        self.is_registered
    }
    /// Sequence of the newest row.
    pub fn last_seq(&self) -> u64 {
        self.last
    }
    /// Newest row that the checkpoint holds.
    pub fn folded_seq(&self) -> u64 {
        self.folded
    }
    /// Patterns with their statistics.
    pub fn miner(&self) -> &Miner {
        &self.miner
    }
    /// Counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
    /// Incidents.
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }
    /// Fates since the beginning.
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }
    /// Progress of D1.
    pub fn d1(&self) -> &Sink {
        &self.d1
    }
    /// Progress of the data service.
    pub fn data_service(&self) -> &Sink {
        &self.data_service
    }
    /// Alerts on their way to the domain object.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }
    /// Changes when D1 is lost.
    pub fn d1_generation(&self) -> u32 {
        self.d1_generation
    }
    /// Patterns and hours that D1 does not have yet.
    pub fn d1_dirty(&self) -> (Vec<PatternId>, Vec<Timestamp>) {
        (self.d1_patterns.keys().copied().collect(), self.d1_hours.keys().copied().collect())
    }
    /// Batch keys and record ids that were forgotten before their time, and clocks that ran backwards.
    pub fn pressure(&self) -> (u64, u64, u64) {
        (self.keys.crowded_out(), self.ids.crowded_out(), self.clock_skews)
    }
}
