//! What a stream keeps on disk beside its journal, and how it comes back.
//!
//! A checkpoint is written in one commit: the state row, the rows of changed patterns, the hours that counted something,
//! the pages of remembered keys. Restoring reads them and replays the rows after `folded`. If the state row is of a
//! version that this build does not know, the totals are rebuilt from the rollups and the rest starts anew: patterns,
//! counts and records are complete either way.

use super::deployments::{Deployment, Deployments};
use super::detection::Detection;
use super::feedback::{Feedback, Feedbacks};
use super::finding::Slices;
use super::sharding::Sharding;
use super::{DomainView, Identity, Lease, Outcomes, StreamMachine, StreamSettings};
use crate::baseline::Seed;
use crate::bytes::{ReadError, Reader, Writer};
use crate::counter::{Counters, Facets, Rollup};
use crate::limits;
use crate::machine::outbox::{Due, Outbox};
use crate::machine::sink::Sink;
use crate::machine::window::{Page, Window};
use crate::pattern::lesson::Lessons;
use crate::pattern::{Exemplar, Miner, Pattern, PatternId};
use crate::shard::ShardMap;
use crate::time::Timestamp;
use crate::triage::{ErrorWatch, Incidents};
use std::collections::BTreeMap;
use std::ops::Range;

/// Version 1 had incidents of error records only, version 2 neither feedback nor deployments; both are still read.
const STATE_VERSION: u8 = 3;
const EVENT_VIEW: u8 = 1;
const EVENT_WAKE: u8 = 2;
const EVENT_LEASE: u8 = 3;
const EVENT_TAUGHT: u8 = 16;
const EVENT_CLOSE: u8 = 4;
const EVENT_FEEDBACK: u8 = 5;
const EVENT_FEEDBACK_UNDONE: u8 = 6;
const EVENT_DEPLOYED: u8 = 7;
const EVENT_RETRACTION: u8 = 8;
const EVENT_SEEDED: u8 = 9;
const EVENT_LENT: u8 = 10;
const EVENT_SPREAD: u8 = 11;
const EVENT_HEARD: u8 = 12;

/// Rows to write in one commit.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// Newest journal row that the checkpoint holds.
    pub folded: u64,
    /// The state row.
    pub state: Vec<u8>,
    /// The row of the detectors.
    pub detection: Vec<u8>,
    /// Changed patterns.
    pub patterns: Vec<(PatternId, Vec<u8>)>,
    /// Patterns that left.
    pub patterns_gone: Vec<PatternId>,
    /// What the miner learnt (signatures, aliases, evidence), if it changed.
    pub learnt: Option<Vec<u8>>,
    /// What people taught and what follows from it, if it changed.
    pub taught: Option<Vec<u8>>,
    /// Counts to merge into the rows of these hours.
    pub hours: BTreeMap<Timestamp, Rollup>,
    /// Facets to merge into the rows of these hours.
    pub facets: BTreeMap<Timestamp, Facets>,
    /// When to make blocks, if that changed.
    pub packing: Option<Vec<u8>>,
    /// How far records were removed before their time, if that changed.
    pub thinned: Option<Vec<u8>>,
    /// The last slices of erasures, if one was added. A row of its own: a build that does not know it reads all others.
    pub slices: Option<Vec<u8>>,
    /// What is known of the component's shards, if that changed. A row of its own, too.
    pub sharding: Option<Vec<u8>>,
    /// What is usual by the hour, and what came with which release, if that changed. A row of its own, too.
    pub usual: Option<Vec<u8>>,
    /// Pages of batch keys.
    pub key_pages: Vec<Page>,
    /// Pages of batch keys that left.
    pub key_pages_gone: Range<u64>,
    /// Pages of record ids.
    pub id_pages: Vec<Page>,
    /// Pages of record ids that left.
    pub id_pages_gone: Range<u64>,
}

/// Rows read back.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Newest journal row that the checkpoint holds.
    pub folded: u64,
    /// The state row.
    pub state: Option<Vec<u8>>,
    /// The row of the detectors.
    pub detection: Option<Vec<u8>>,
    /// All patterns that could be read.
    pub patterns: Vec<Pattern>,
    /// What the miner learnt.
    pub learnt: Option<Vec<u8>>,
    /// What people taught.
    pub taught: Option<Vec<u8>>,
    /// Pages of batch keys, in order.
    pub key_pages: Vec<Page>,
    /// Pages of record ids, in order.
    pub id_pages: Vec<Page>,
    /// Alerts in the outbox.
    pub outbox: Vec<(String, Due)>,
    /// Row of the D1 sink.
    pub d1: Option<Vec<u8>>,
    /// Row of the data service's sink.
    pub data_service: Option<Vec<u8>>,
    /// When to make blocks.
    pub packing: Option<Vec<u8>>,
    /// How far records were removed before their time.
    pub thinned: Option<Vec<u8>>,
    /// The last slices of erasures.
    pub slices: Option<Vec<u8>>,
    /// What is known of the component's shards.
    pub sharding: Option<Vec<u8>>,
    /// What is usual by the hour, and what came with which release.
    pub usual: Option<Vec<u8>>,
}

impl StreamMachine {
    /// A machine from its rows. The rows of the journal after [`Stored::folded`] must be replayed next.
    ///
    /// # Errors
    /// The state row is damaged or of an unknown version: see [`StreamMachine::rebuild`].
    pub fn restore(identity: Identity, settings: StreamSettings, stored: Stored) -> Result<Self, ReadError> {
        let mut machine = Self::from_rows(identity, settings, &stored);
        if let Some(state) = &stored.state {
            machine.read_state(state)?;
            // The domain's view in it was an event, which makes dirty; when to pack is what the row says.
            machine.read_packing(stored.packing.as_deref());
        }
        let cursor = machine.d1.cursor;
        machine.d1_patterns.retain(|_, &mut dirtied| dirtied > cursor);
        machine.d1_hours.retain(|_, &mut dirtied| dirtied > cursor);
        machine.restore_miner(stored);
        Ok(machine)
    }

    /// A machine from the rows that every version understands, without the state row: totals come from the rollups;
    /// incidents, the error watch and the domain's view start anew (the object registers again).
    pub fn rebuild(
        identity: Identity,
        settings: StreamSettings,
        stored: Stored,
        rollups: impl IntoIterator<Item = (Timestamp, Rollup)>,
    ) -> Self {
        let mut machine = Self::from_rows(identity, settings, &stored);
        for (hour, rollup) in rollups {
            // What of it D1 has is not known any more.
            machine.d1_hours.insert(hour, machine.folded);
            for (key, minutes) in rollup.series() {
                machine.counters.add_total(key, minutes.values().sum());
            }
        }
        machine.outcomes.accepted = machine.counters.total();
        machine.restore_miner(stored);
        // Nor of patterns that are another one by now, or left: D1 may still count what they counted.
        let known = machine.miner.patterns().flat_map(|pattern| machine.miner.ids_of(pattern.id));
        let known = known.chain(machine.slices.left());
        machine.d1_patterns = known.map(|pattern| (pattern, machine.folded)).collect();
        machine
    }

    fn restore_miner(&mut self, stored: Stored) {
        let Stored { patterns, learnt, taught, .. } = stored;
        self.miner = Miner::restore_taught(patterns, learnt.as_deref(), taught.as_deref());
        // Lessons that cannot be read come again with the answer to registering.
        self.is_registered &= taught.is_none() || self.miner.lessons().version > 0;
    }

    fn from_rows(identity: Identity, settings: StreamSettings, stored: &Stored) -> Self {
        let mut machine = Self::new(identity, settings);
        machine.last = stored.folded;
        machine.folded = stored.folded;
        // A damaged page only means that retries of that time are not recognized; it must not keep the object down.
        let window =
            |room, pages: &[Page]| Window::restore(room, pages.iter().cloned()).unwrap_or_else(|_| Window::new(room));
        machine.keys = window(limits::BATCH_KEYS_MAX, &stored.key_pages);
        machine.ids = window(limits::RECORD_IDS_MAX, &stored.id_pages);
        machine.outbox = Outbox::restore(stored.outbox.iter().cloned());
        // What cannot be read is learned again; it is no reason to rebuild the rest.
        let detection = stored.detection.as_deref().and_then(|row| Detection::read(row).ok());
        machine.detection = detection.unwrap_or_default();
        if let Some(row) = stored.usual.as_deref() {
            // What cannot be read is learned again, here too.
            machine.usual_changed = machine.detection.read_usual(row).is_err();
        }
        machine.take_zone();
        let sink = |row: &Option<Vec<u8>>| row.as_deref().and_then(|row| Sink::decode(row).ok()).unwrap_or_default();
        machine.d1 = sink(&stored.d1);
        machine.data_service = sink(&stored.data_service);
        machine.read_packing(stored.packing.as_deref());
        machine.read_thinned(stored.thinned.as_deref());
        // What cannot be read is forgotten: a call that comes again is then told what is left to erase, which is nothing.
        // What cannot be read is heard again, or shown again.
        machine.sharding = stored.sharding.as_deref().and_then(|row| Sharding::read(row).ok()).unwrap_or_default();
        machine.slices = stored.slices.as_deref().and_then(|row| Slices::read(row).ok()).unwrap_or_default();
        machine
    }

    /// What has to be written so that the journal up to now need not be replayed. The caller writes it in one commit or
    /// forgets the machine.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let (patterns, patterns_gone) = self.miner.take_dirty();
        let (key_pages, key_pages_gone) = self.keys.take_pages();
        let (id_pages, id_pages_gone) = self.ids.take_pages();
        let (hours, facets) = (self.counters.pending_hours(), self.counters.pending_facets());
        self.counters.rolled_up();
        self.folded = self.last;
        Checkpoint {
            folded: self.folded,
            state: self.write_state(),
            detection: self.detection.write(),
            patterns: patterns
                .into_iter()
                .filter_map(|id| self.miner.pattern(id).map(|pattern| (id, pattern.encode())))
                .collect(),
            patterns_gone,
            learnt: self.miner.take_learnt(),
            taught: self.miner.take_taught(),
            hours,
            facets,
            packing: self.take_packing(),
            thinned: self.take_thinned(),
            slices: self.slices.take_row(),
            sharding: self.sharding.take_row(),
            usual: std::mem::take(&mut self.usual_changed).then(|| self.detection.write_usual()),
            key_pages,
            key_pages_gone,
            id_pages,
            id_pages_gone,
        }
    }

    fn write_state(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(STATE_VERSION);
        out.int(self.clock.0);
        out.uint(self.clock_skews);
        let Outcomes { accepted, duplicate, counted_only, rejected } = self.outcomes;
        for count in [accepted, duplicate, counted_only, rejected] {
            out.uint(count);
        }
        self.counters.write_totals(&mut out);
        self.watch.write(&mut out);
        self.incidents.write(&mut out);
        out.uint(self.recent_errors.len() as u64);
        for (pattern, exemplar) in &self.recent_errors {
            out.u64_fixed(pattern.0);
            exemplar.write(&mut out);
        }
        out.bytes(&encode_view(&self.view, self.is_registered));
        write_lease(&mut out, &self.lease);
        out.uint(self.d1_patterns.len() as u64);
        for (pattern, &seq) in &self.d1_patterns {
            out.u64_fixed(pattern.0);
            out.uint(seq);
        }
        out.uint(self.d1_hours.len() as u64);
        for (hour, &seq) in &self.d1_hours {
            out.int(hour.0);
            out.uint(seq);
        }
        out.int(self.retain_at.map_or(i64::MIN, |at| at.0));
        out.int(self.flush_at.map_or(i64::MIN, |at| at.0));
        self.feedbacks.write(&mut out);
        self.deployments.write(&mut out);
        out.into_bytes()
    }

    fn read_state(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let mut input = Reader::new(bytes);
        let version = input.u8()?;
        if !(1..=STATE_VERSION).contains(&version) {
            return Err(ReadError::Unknown("state version"));
        }
        self.clock = Timestamp(input.int()?);
        self.clock_skews = input.uint()?;
        self.outcomes = Outcomes {
            accepted: input.uint()?,
            duplicate: input.uint()?,
            counted_only: input.uint()?,
            rejected: input.uint()?,
        };
        self.counters = Counters::read_totals(&mut input)?;
        self.watch = ErrorWatch::read(&mut input)?;
        self.incidents = Incidents::read(&mut input, version == 1)?;
        for _ in 0..input.count()? {
            let pattern = PatternId(input.u64_fixed()?);
            self.recent_errors.push_back((pattern, Exemplar::read(&mut input)?));
        }
        let now = self.clock;
        let view = input.bytes()?;
        apply_event(self, view, now)?;
        self.lease = read_lease(&mut input)?;
        for _ in 0..input.count()? {
            let pattern = PatternId(input.u64_fixed()?);
            let seq = input.uint()?;
            self.d1_patterns.insert(pattern, seq);
        }
        for _ in 0..input.count()? {
            let hour = Timestamp(input.int()?);
            let seq = input.uint()?;
            self.d1_hours.insert(hour, seq);
        }
        self.retain_at = Some(input.int()?).filter(|&at| at != i64::MIN).map(Timestamp);
        self.flush_at = Some(input.int()?).filter(|&at| at != i64::MIN).map(Timestamp);
        if version > 2 {
            self.feedbacks = Feedbacks::read(&mut input)?;
            self.deployments = Deployments::read(&mut input)?;
            self.detection.detectors.widen(self.deployments.widened());
        }
        if input.is_empty() { Ok(()) } else { Err(ReadError::Unknown("bytes after the state")) }
    }
}

/// The body of an event row: the domain's view.
pub(super) fn encode_view(view: &DomainView, is_registered: bool) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_VIEW);
    out.u8(u8::from(is_registered));
    out.raw(&encode_domain_view(view));
    out.into_bytes()
}

/// The domain's view as bytes: in event rows, in the domain's state row, and on the way between the two objects.
pub fn encode_domain_view(view: &DomainView) -> Vec<u8> {
    let mut out = Writer::new();
    out.uint(view.version);
    out.uint(view.revoked.len() as u64);
    for id in &view.revoked {
        out.text(id);
    }
    match view.records_per_day {
        None => out.u8(0),
        Some(records) => {
            out.u8(1);
            out.uint(records);
        }
    }
    // Builds that do not know the exponent read 0 and 1, and take what is larger for nobody watching.
    out.u8(u8::from(view.is_watched) | view.streams_exponent.min(127) << 1);
    out.uint(view.overrides.len() as u64);
    for (name, value) in &view.overrides {
        out.text(name);
        out.text(value);
    }
    out.into_bytes()
}

/// What the domain object tells a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its view.
    pub view: DomainView,
    /// Its lessons, if the stream may not have them.
    pub lessons: Option<Lessons>,
    /// What a newcomer begins with, if anybody has anything to lend.
    pub seed: Option<Seed>,
    /// How the component is spread, if it ever was split. Without it an object that nobody calls would take, for ever, what
    /// an edge sends that has not heard of the change either.
    pub map: Option<ShardMap>,
}

/// What the domain object tells a stream as bytes: see [`Told`].
pub fn encode_told(
    view: &DomainView,
    lessons: Option<&Lessons>,
    seed: Option<&Seed>,
    map: Option<&ShardMap>,
) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(&encode_domain_view(view));
    // Lessons of version 0 are none, and so is a seed without bytes: they make room for what follows.
    match lessons {
        Some(lessons) => out.bytes(&lessons.encode()),
        None if seed.is_some() || map.is_some() => out.bytes(&Lessons::default().encode()),
        None => {}
    }
    match seed {
        Some(seed) => out.bytes(&seed.encode()),
        None if map.is_some() => out.bytes(&[]),
        None => {}
    }
    if let Some(map) = map {
        out.bytes(&map.encode());
    }
    out.into_bytes()
}

/// Reads what [`encode_told`] wrote. Builds without lessons write, and read, the view alone; those without seeds, what is
/// before them. A seed or a map that cannot be read is none: registering must not fail for it.
///
/// # Errors
/// Damaged bytes.
pub fn decode_told(bytes: &[u8]) -> Result<Told, ReadError> {
    let mut input = Reader::new(bytes);
    let view = read_view(&mut input)?;
    let lessons = if input.is_empty() { None } else { Some(Lessons::decode(input.bytes()?)?) };
    let seed = if input.is_empty() { None } else { Seed::decode(input.bytes()?).ok() };
    let map = input.bytes().ok().and_then(|map| ShardMap::decode(map).ok());
    Ok(Told { view, lessons: lessons.filter(|lessons| lessons.version > 0), seed, map })
}

/// Reads what [`encode_domain_view`] wrote.
///
/// # Errors
/// Damaged bytes.
pub fn decode_domain_view(bytes: &[u8]) -> Result<DomainView, ReadError> {
    read_view(&mut Reader::new(bytes))
}

fn read_view(input: &mut Reader<'_>) -> Result<DomainView, ReadError> {
    let mut view = DomainView { version: input.uint()?, ..DomainView::default() };
    for _ in 0..input.count()? {
        view.revoked.push(input.text()?.to_owned());
    }
    if input.u8()? == 1 {
        view.records_per_day = Some(input.uint()?);
    }
    let watched = input.u8()?;
    (view.is_watched, view.streams_exponent) = (watched & 1 == 1, watched >> 1);
    for _ in 0..input.count()? {
        view.overrides.push((input.text()?.to_owned(), input.text()?.to_owned()));
    }
    Ok(view)
}

/// The body of an event row: the domain's lessons.
pub(super) fn encode_taught(lessons: &Lessons) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_TAUGHT);
    out.bytes(&lessons.encode());
    out.into_bytes()
}

/// The body of an event row: a wake that told gathered incidents.
pub(super) fn encode_wake() -> Vec<u8> {
    vec![EVENT_WAKE]
}

/// The body of an event row: the detectors closed what was over at `until`.
pub(super) fn encode_close(until: Timestamp) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_CLOSE);
    out.int(until.0);
    out.into_bytes()
}

/// The body of an event row: what somebody said of an incident. It names the threshold too, so that it holds whatever
/// became of the incident.
pub(super) fn encode_feedback(feedback: &Feedback) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_FEEDBACK);
    feedback.write(&mut out);
    out.into_bytes()
}

/// The body of an event row: what was said of an incident was taken back.
pub(super) fn encode_feedback_undone(incident: &str) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_FEEDBACK_UNDONE);
    out.text(incident);
    out.into_bytes()
}

/// The body of an event row: somebody announced a deployment.
pub(super) fn encode_deployed(deployment: &Deployment) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_DEPLOYED);
    deployment.write(&mut out);
    out.into_bytes()
}

/// The body of an event row: a user's records were taken out. What followed from it is in the checkpoint of the same
/// commit.
pub(super) fn encode_retraction() -> Vec<u8> {
    vec![EVENT_RETRACTION]
}

/// The body of an event row: what the component begins with.
pub(super) fn encode_seeded(seed: &Seed) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_SEEDED);
    out.bytes(&seed.encode());
    out.into_bytes()
}

/// The body of an event row: the domain has what was lent with so many hours behind it.
pub(super) fn encode_lent(hours: u32) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_LENT);
    out.uint(u64::from(hours));
    out.into_bytes()
}

/// The body of an event row: the component is spread in this way from now on.
pub(super) fn encode_spread(map: &ShardMap) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_SPREAD);
    out.bytes(&map.encode());
    out.into_bytes()
}

/// The body of an event row: what another shard told.
pub(super) fn encode_heard(shard: u16, digest: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(digest.len() + 8);
    out.u8(EVENT_HEARD);
    out.uint(u64::from(shard));
    out.bytes(digest);
    out.into_bytes()
}

/// The body of an event row: records granted by the domain.
pub(super) fn encode_lease(lease: &Lease) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(EVENT_LEASE);
    write_lease(&mut out, lease);
    out.into_bytes()
}

fn write_lease(out: &mut Writer, lease: &Lease) {
    out.int(lease.day);
    out.uint(lease.general);
    out.uint(lease.errors);
    out.u8(u8::from(lease.is_spent));
}

fn read_lease(input: &mut Reader<'_>) -> Result<Lease, ReadError> {
    Ok(Lease { day: input.int()?, general: input.uint()?, errors: input.uint()?, is_spent: input.u8()? == 1 })
}

/// Applies the body of an event row on replay.
pub(super) fn apply_event(machine: &mut StreamMachine, body: &[u8], now: Timestamp) -> Result<(), ReadError> {
    let mut input = Reader::new(body);
    match input.u8()? {
        EVENT_VIEW => {
            machine.is_registered = input.u8()? == 1;
            machine.view = read_view(&mut input)?;
            machine.take_zone();
            if machine.lease.is_spent {
                machine.lease = Lease::default();
            }
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_RETRACTION => {
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_WAKE => {
            let policy = machine.settings.alerts;
            if let Some(told) = machine.incidents.wake(now, &policy) {
                machine.tell_group(told, now, None, None);
            }
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_TAUGHT => {
            let lessons = Lessons::decode(input.bytes()?)?;
            machine.learn(lessons, machine.last);
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_LEASE => {
            let lease = read_lease(&mut input)?;
            machine.grant(lease);
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_SEEDED => {
            let seed = Seed::decode(input.bytes()?)?;
            machine.take_seed(seed, now);
            Ok(())
        }
        EVENT_LENT => {
            let hours = input.u32()?;
            machine.take_lent(hours, now);
            Ok(())
        }
        EVENT_SPREAD => {
            machine.sharding.adopt(&ShardMap::decode(input.bytes()?)?);
            machine.set_dirty(now);
            Ok(())
        }
        EVENT_HEARD => {
            let shard = u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?;
            machine.hear_again(shard, input.bytes()?, now)
        }
        EVENT_CLOSE => {
            let until = Timestamp(input.int()?).clamped();
            machine.close_detection(until, now, None);
            Ok(())
        }
        EVENT_FEEDBACK => {
            let feedback = Feedback::read(&mut input)?;
            machine.take_feedback(feedback, now);
            Ok(())
        }
        EVENT_DEPLOYED => {
            let deployment = Deployment::read(&mut input)?;
            machine.take_deployment(deployment, now);
            Ok(())
        }
        EVENT_FEEDBACK_UNDONE => {
            let incident = input.text()?;
            machine.drop_feedback(incident, now);
            Ok(())
        }
        _ => Err(ReadError::Unknown("event")),
    }
}
