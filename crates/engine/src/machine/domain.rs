//! One domain's machine: the directory of its components, its keys, limits and configuration, and the deliveries of its
//! alerts. A control plane: no record passes through it.
//!
//! Unlike a stream it keeps no journal: its rows are the truth, and each transition writes the rows it changed in one
//! commit. Whatever its streams have to know is the [`DomainView`]; a change of it is pushed to each of them, and pushed
//! again until it arrived (`unsynced`), so that a revoked key stops at the objects at once.

mod erasing;
mod event;
mod sharding;

pub use event::{Answer, Effects, Event, Stored};

use crate::baseline::{Prior, Seed};
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::STREAMS_FREE;
use crate::limits;
use crate::machine::erasure::Erasure;
use crate::machine::outbox::{Outbox, RetryPolicy};
use crate::machine::stream::{DomainView, Lease};
use crate::pattern::lesson::{LessonFault, Lessons, Teaching};
use crate::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Messages that may wait for their targets. At 8 KB each 8 MB of rows.
pub const OUTBOX_MAX: usize = 1_000;
/// Keys of a domain, revoked ones included.
pub const KEYS_MAX: usize = 1_000;
/// How long whoever delivers to a target is trusted to be alive: four times what one attempt may take.
const DELIVERY_PATIENCE: Millis = Millis::from_mins(1);
/// Smallest grant of records, so that a small quota does not cost a call a record.
const GRANT_MIN: u64 = 64;

/// A component of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// When it registered.
    pub registered_at: Timestamp,
    /// What it last lent to newcomers; a row of its own.
    pub prior: Option<Prior>,
}

/// An API key as the domain remembers it; never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// For people.
    pub name: String,
    /// ingest, read, admin.
    pub scopes: Vec<String>,
    /// The only component it may write to, if any.
    pub component: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSettings {
    /// Components; the rest go to `other`.
    pub components_max: usize,
    /// Records a day from the service's configuration; a domain override wins.
    pub records_per_day: Option<u64>,
    /// Retries of deliveries.
    pub retry: RetryPolicy,
    /// Names of the targets that alerts go to.
    pub targets: Vec<String>,
    /// Whether streams copy to D1.
    pub has_copies: bool,
    /// Objects over which a hot component is spread at most; 1: none is split by itself.
    pub shards_max: u16,
    /// How long batch keys and record ids are remembered.
    pub key_window: Millis,
}

impl Default for DomainSettings {
    fn default() -> Self {
        Self {
            components_max: 200,
            records_per_day: None,
            retry: RetryPolicy::default(),
            targets: Vec::new(),
            has_copies: false,
            shards_max: 8,
            key_window: Millis::from_hours(24),
        }
    }
}

/// One domain's machine.
#[derive(Clone, Debug, Default)]
pub struct DomainMachine {
    settings: DomainSettings,
    view: DomainView,
    components: BTreeMap<(String, u16), Component>,
    keys: BTreeMap<String, KeyEntry>,
    outbox: Outbox,
    /// Targets that take nothing any more, until they are configured anew.
    disabled: BTreeSet<String>,
    unsynced: BTreeSet<(String, u16)>,
    lessons: Lessons,
    /// There are lessons that this build could not read.
    has_unread_lessons: bool,
    /// What of the rows could not be read, and why.
    unread: Vec<(&'static str, ReadError)>,
    /// Streams that may not have the newest lessons; all of them are in `unsynced` too.
    untaught: BTreeSet<(String, u16)>,
    sync_failures: u32,
    sync_at: Timestamp,
    /// Day of the grants below, records granted, of which to errors only.
    day: i64,
    granted: u64,
    granted_errors: u64,
    /// Alerts that found no room in the outbox.
    alerts_dropped: u64,
    /// Erasures by id, finished ones too.
    erasures: BTreeMap<String, Erasure>,
    shards: sharding::Shards,
}

/// The id of a message: one alert to one target.
pub fn message_id(alert: &str, target: &str) -> String {
    format!("{alert}#{target}")
}

/// The alert and the target of a message.
pub fn split_message_id(id: &str) -> (&str, &str) {
    id.rsplit_once('#').unwrap_or((id, ""))
}

impl DomainMachine {
    /// A machine from its rows.
    ///
    /// # Errors
    /// The state row is damaged or of an unknown version. The caller then passes none: limits and revocations are
    /// rebuilt from the key rows, configuration has to be set again.
    pub fn restore(settings: DomainSettings, stored: Stored) -> Result<Self, ReadError> {
        let mut machine = Self { settings, ..Self::default() };
        machine.components =
            stored.components.into_iter().map(|(name, shard, component)| ((name, shard), component)).collect();
        machine.keys = stored.keys.into_iter().collect();
        machine.outbox = Outbox::restore(stored.outbox);
        // What cannot be read is of a later build, or damaged. Its row stays as it is; later builds will go on with it.
        for row in &stored.erasures {
            match Erasure::decode(row) {
                Ok(erasure) => _ = machine.erasures.insert(erasure.id.clone(), erasure),
                Err(fault) => machine.unread.push(("erasure", fault)),
            }
        }
        // Streams keep the lessons that they were told.
        match stored.lessons.as_deref().map(Lessons::decode) {
            Some(Ok(lessons)) => machine.lessons = lessons,
            Some(Err(fault)) => {
                machine.has_unread_lessons = true;
                machine.unread.push(("lessons", fault));
            }
            None => {}
        }
        match stored.state {
            Some(state) => machine.read_state(&state)?,
            None => {
                let revoked = machine.keys.iter().filter(|(_, key)| key.revoked_at.is_some());
                machine.view.revoked = revoked.map(|(id, _)| id.clone()).collect();
            }
        }
        if machine.view.records_per_day.is_none() {
            machine.view.records_per_day = machine.settings.records_per_day;
        }
        // Version 0 is that of a stream that has no view: what it says could not be told from what an erased life said.
        machine.view.version = machine.view.version.max(1);
        Ok(machine)
    }

    /// The only way state changes.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Effects {
        let mut effects = Effects::default();
        match event {
            Event::Register { component, shard } => self.register(component, shard, now, &mut effects),
            Event::Lent { component, shard, version, prior } => {
                self.take_prior((component, shard), version, prior, &mut effects);
            }
            Event::Spread { component, shards, by } => self.spread(&component, shards, &by, now, &mut effects),
            Event::Heat { component, shard, load } => self.take_load(component, shard, load, now, &mut effects),
            Event::KeyCreated { id, entry } => {
                effects.answer = Answer::NoRoom;
                if self.keys.len() < KEYS_MAX {
                    effects.keys.push((id.clone(), entry.clone()));
                    self.keys.insert(id, entry);
                    effects.answer = Answer::Done;
                }
            }
            Event::RevokeKey(id) => self.revoke(id, now, &mut effects),
            Event::Configure(overrides) => {
                self.view.overrides = overrides;
                self.disabled.clear();
                self.changed(&mut effects);
                effects.answer = Answer::Done;
            }
            Event::Limit(records) => {
                let records = records.or(self.settings.records_per_day);
                if self.view.records_per_day != records {
                    self.view.records_per_day = records;
                    self.changed(&mut effects);
                }
            }
            Event::Teach { teachings, by } => match self.would_teach(&teachings, &by, now) {
                Ok((lessons, ids)) => {
                    self.set_lessons(lessons, &mut effects);
                    effects.answer = Answer::Taught(ids);
                }
                Err((index, fault)) => effects.answer = Answer::NotTaught(index, fault),
            },
            Event::Undo(id) => {
                let mut lessons = self.lessons.clone();
                effects.answer = match lessons.undo(id) {
                    Ok(lesson) => {
                        self.set_lessons(lessons, &mut effects);
                        Answer::Undone(Box::new(lesson))
                    }
                    Err(fault) => Answer::NotUndone(fault),
                };
            }
            Event::Lease(wanted) => {
                effects.answer = Answer::Leased(self.grant(wanted, now));
                effects.state_changed = true;
            }
            Event::Alert { id } => self.alert(&id, now, &mut effects),
            Event::Delivered(id) => {
                self.outbox.remove(&id);
                effects.gone.push(id);
            }
            Event::Failed { id, not_before } => {
                let policy = self.settings.retry;
                if let Some(due) = self.outbox.failed(&id, now, &policy, not_before) {
                    effects.retries.push((id, due));
                }
            }
            Event::Refused { id, disables_target } => {
                self.outbox.remove(&id);
                if disables_target {
                    self.disabled.insert(split_message_id(&id).1.to_owned());
                    effects.state_changed = true;
                }
                effects.gone.push(id);
            }
            Event::Watched(is_watched) => {
                if self.view.is_watched != is_watched {
                    self.view.is_watched = is_watched;
                    self.changed(&mut effects);
                }
            }
            Event::Synced { component, shard, version } => {
                let stream = (component, shard);
                if version == self.view.version && self.unsynced.remove(&stream) {
                    self.untaught.remove(&stream);
                    self.sync_failures = 0;
                    effects.state_changed = true;
                }
            }
            Event::SyncFailed => {
                self.sync_failures = self.sync_failures.saturating_add(1);
                let policy = RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) };
                self.sync_at = now.plus(policy.wait(self.sync_failures, self.view.version));
            }
            Event::Erase { id, scope, by, alerts } => self.erase(id, scope, by, alerts, now, &mut effects),
            Event::ErasureDue => self.erasure_due(now, &mut effects),
            Event::ErasureStep { id, step, outcome } => self.erasure_step(&id, &step, outcome, now, &mut effects),
            Event::AlertsStripped { id, counts } => self.alerts_stripped(&id, &counts, &mut effects),
            Event::Wake => {
                effects.deliver = self.outbox.due(now, OUTBOX_MAX);
                if now >= self.sync_at {
                    effects.sync = self.unsynced.iter().cloned().collect();
                }
            }
        }
        effects
    }

    fn register(&mut self, component: String, shard: u16, now: Timestamp, effects: &mut Effects) {
        let key = (component, shard);
        effects.answer = Answer::Registered;
        if self.components.contains_key(&key) {
            return;
        }
        if self.is_being_erased(&key.0, key.1) {
            effects.answer = Answer::NotYet;
            return;
        }
        let is_reserved = matches!(key.0.as_str(), "default" | "other");
        let room = self.settings.components_max.min(limits::COMPONENTS_MAX);
        let is_known = self.components.keys().any(|(name, _)| *name == key.0);
        let names: BTreeSet<&str> = self.components.keys().map(|(name, _)| name.as_str()).collect();
        let named = names.into_iter().filter(|name| !matches!(*name, "default" | "other")).count();
        if !is_reserved && !is_known && named >= room {
            effects.answer = Answer::Full;
            return;
        }
        let component = Component { registered_at: now, prior: None };
        effects.components.push((key.0.clone(), key.1, component.clone()));
        self.components.insert(key, component);
        // Of what the domain's detectors may spend on false alarms each stream has its share. All learn it when their
        // number doubles, which is less than two messages a stream.
        let exponent = exponent_of(self.components.keys().filter(|(_, shard)| *shard == 0).count());
        if self.view.streams_exponent != exponent {
            self.view.streams_exponent = exponent;
            self.changed(effects);
        }
    }

    /// Keeps what a component lends, unless the one that says so was erased since.
    fn take_prior(&mut self, stream: (String, u16), version: u64, prior: Prior, effects: &mut Effects) {
        effects.answer = Answer::Done;
        let is_gone = self.is_of_old_life(&stream.0, version) || self.is_being_erased(&stream.0, stream.1);
        if let Some(component) = self.components.get_mut(&stream).filter(|_| !is_gone) {
            component.prior = Some(prior.clone());
            effects.priors.push((stream.0, stream.1, prior));
        }
    }

    /// What the domain's components have for one that registers.
    pub fn seed_for(&self, component: &str) -> Option<Seed> {
        let lenders = self.components.iter().filter_map(|((name, _), it)| Some((name.as_str(), it.prior.as_ref()?)));
        Seed::blend(component, lenders)
    }

    fn revoke(&mut self, id: String, now: Timestamp, effects: &mut Effects) {
        let Some(entry) = self.keys.get_mut(&id) else {
            effects.answer = Answer::NotFound;
            return;
        };
        effects.answer = Answer::Done;
        if entry.revoked_at.is_some() {
            return;
        }
        entry.revoked_at = Some(now);
        effects.keys.push((id.clone(), entry.clone()));
        self.view.revoked.push(id);
        self.changed(effects);
    }

    /// The view changed: every stream has to learn it.
    fn changed(&mut self, effects: &mut Effects) {
        self.view.version += 1;
        self.unsynced = self.components.keys().cloned().collect();
        self.sync_at = Timestamp(0);
        effects.sync = self.unsynced.iter().cloned().collect();
        effects.state_changed = true;
    }

    /// The lessons with these, and their ids.
    ///
    /// # Errors
    /// The first that cannot stand.
    pub fn would_teach(
        &self,
        teachings: &[(Teaching, String)],
        by: &str,
        now: Timestamp,
    ) -> Result<(Lessons, Vec<u64>), (usize, LessonFault)> {
        let mut lessons = self.lessons.clone();
        let mut ids = Vec::new();
        for (index, (teaching, note)) in teachings.iter().enumerate() {
            ids.push(lessons.teach(teaching.clone(), by, now, note).map_err(|fault| (index, fault))?);
        }
        Ok((lessons, ids))
    }

    fn set_lessons(&mut self, mut lessons: Lessons, effects: &mut Effects) {
        if lessons.version == self.lessons.version {
            return;
        }
        if std::mem::take(&mut self.has_unread_lessons) {
            // Newer than any that a stream may have: each change of lessons was one of the view too.
            lessons.version = lessons.version.max(self.view.version.saturating_add(1));
        }
        self.lessons = lessons;
        self.untaught = self.components.keys().cloned().collect();
        effects.lessons_changed = true;
        self.changed(effects);
    }

    fn grant(&mut self, wanted: u64, now: Timestamp) -> Lease {
        let day = now.0.div_euclid(86_400_000);
        if self.day != day {
            (self.day, self.granted, self.granted_errors) = (day, 0, 0);
        }
        let Some(limit) = self.view.records_per_day else {
            return Lease { day, general: u64::from(u32::MAX), errors: 0, is_spent: false };
        };
        let reserve = limit / 10;
        let left = (limit - reserve).saturating_sub(self.granted);
        let errors_left = reserve.saturating_sub(self.granted_errors);
        // An eighth of what is left at a time: components that ask later find something, and a busy one asks rarely.
        let general = wanted.max(left / 8).max(GRANT_MIN).min(left);
        let errors = (errors_left / 8).max(GRANT_MIN / 8).min(errors_left);
        self.granted += general;
        self.granted_errors += errors;
        Lease { day, general, errors, is_spent: general == left && errors == errors_left }
    }

    fn alert(&mut self, id: &str, now: Timestamp, effects: &mut Effects) {
        effects.answer = Answer::Done;
        let targets = self.settings.targets.iter().filter(|target| !self.disabled.contains(*target));
        for target in targets {
            let message = message_id(id, target);
            if self.outbox.len() >= OUTBOX_MAX {
                self.alerts_dropped += 1;
                effects.state_changed = true;
                continue;
            }
            if let Some(due) = self.outbox.add(&message, now) {
                effects.messages.push((message, target.clone(), due));
            }
        }
        effects.deliver = self.outbox.due(now, OUTBOX_MAX);
    }

    /// The one alarm it wants.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at_beside(&BTreeSet::new(), Timestamp(0))
    }

    /// The one alarm it wants at `now`, while deliveries to these targets are under way. Whoever delivers sees to what is
    /// due for them, unless the object dies meanwhile: then the alarm does, some time later.
    pub fn wake_at_beside(&self, busy: &BTreeSet<String>, now: Timestamp) -> Option<Timestamp> {
        let is_busy = |id: &str| busy.contains(split_message_id(id).1);
        let sync = (!self.unsynced.is_empty()).then_some(self.sync_at);
        let message = self.outbox.wake_at_for(|id| !is_busy(id));
        let patience = now.plus(DELIVERY_PATIENCE);
        let under_way = self.outbox.wake_at_for(is_busy).map(|due| due.max(patience));
        [message, under_way, sync, self.erasure_at()].into_iter().flatten().min()
    }

    /// New settings, after a change of configuration.
    pub fn set_settings(&mut self, settings: DomainSettings) {
        self.settings = settings;
    }
    /// What streams are told.
    pub fn view(&self) -> &DomainView {
        &self.view
    }
    /// What could not be read when the machine was restored, and why: everything else is there.
    pub fn unread(&self) -> &[(&'static str, ReadError)] {
        &self.unread
    }
    /// What people taught about patterns.
    pub fn lessons(&self) -> &Lessons {
        &self.lessons
    }
    /// The lessons, if this stream may not have the newest.
    pub fn lessons_for(&self, component: &str, shard: u16) -> Option<&Lessons> {
        self.untaught.contains(&(component.to_owned(), shard)).then_some(&self.lessons)
    }
    /// Streams that do not have the newest view yet.
    pub fn unsynced(&self) -> impl Iterator<Item = &(String, u16)> {
        self.unsynced.iter()
    }
    /// The directory: component, shard, entry.
    pub fn components(&self) -> impl Iterator<Item = (&str, u16, &Component)> {
        self.components.iter().map(|((name, shard), component)| (name.as_str(), *shard, component))
    }
    /// Keys by id.
    pub fn keys(&self) -> impl Iterator<Item = (&String, &KeyEntry)> {
        self.keys.iter()
    }
    /// Messages waiting.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }
    /// Targets that take nothing any more.
    pub fn disabled_targets(&self) -> impl Iterator<Item = &String> {
        self.disabled.iter()
    }
    /// Alerts that found no room.
    pub fn alerts_dropped(&self) -> u64 {
        self.alerts_dropped
    }
    /// Records granted today: all, and of those to errors only.
    pub fn granted(&self) -> (u64, u64) {
        (self.granted + self.granted_errors, self.granted_errors)
    }

    /// The state row.
    pub fn encode_state(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        out.bytes(&super::stream::encode_domain_view(&self.view));
        out.uint(self.disabled.len() as u64);
        for target in &self.disabled {
            out.text(target);
        }
        write_streams(&mut out, &self.unsynced);
        out.int(self.day);
        for count in [self.granted, self.granted_errors, self.alerts_dropped] {
            out.uint(count);
        }
        // Builds without lessons end here, and pass by what follows.
        write_streams(&mut out, &self.untaught);
        self.shards.write(&mut out);
        out.into_bytes()
    }

    fn read_state(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != 1 {
            return Err(ReadError::Unknown("domain state version"));
        }
        self.view = super::stream::decode_domain_view(input.bytes()?)?;
        for _ in 0..input.count()? {
            self.disabled.insert(input.text()?.to_owned());
        }
        self.unsynced = read_streams(&mut input)?;
        self.day = input.int()?;
        self.granted = input.uint()?;
        self.granted_errors = input.uint()?;
        self.alerts_dropped = input.uint()?;
        if !input.is_empty() {
            self.untaught = read_streams(&mut input)?;
        }
        if !input.is_empty() {
            match sharding::Shards::read(&mut input) {
                Ok((shards, faults)) => {
                    self.shards = shards;
                    self.unread.extend(faults.into_iter().map(|fault| ("shard map", fault)));
                }
                Err(fault) => self.unread.push(("shard maps", fault)),
            }
        }
        Ok(())
    }
}

/// The smallest power of two that is no less than this many streams; 0 for as few as share nothing.
fn exponent_of(streams: usize) -> u8 {
    if streams <= STREAMS_FREE as usize { 0 } else { streams.next_power_of_two().trailing_zeros() as u8 }
}

fn write_streams(out: &mut Writer, streams: &BTreeSet<(String, u16)>) {
    out.uint(streams.len() as u64);
    for (component, shard) in streams {
        out.text(component);
        out.uint(u64::from(*shard));
    }
}

fn read_streams(input: &mut Reader<'_>) -> Result<BTreeSet<(String, u16)>, ReadError> {
    let mut streams = BTreeSet::new();
    for _ in 0..input.count()? {
        let component = input.text()?.to_owned();
        streams.insert((component, u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?));
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::lesson::UndoFault;

    fn machine(components_max: usize) -> DomainMachine {
        let targets = vec!["webhook".to_owned(), "slack".to_owned()];
        let settings = DomainSettings { components_max, targets, ..DomainSettings::default() };
        DomainMachine::restore(settings, Stored::default()).unwrap()
    }

    fn register(machine: &mut DomainMachine, component: &str) -> Answer {
        machine.handle(Event::Register { component: component.into(), shard: 0 }, Timestamp(1)).answer
    }

    fn restored(machine: &DomainMachine) -> DomainMachine {
        let stored = Stored {
            state: Some(machine.encode_state()),
            components: machine.components().map(|(name, shard, c)| (name.to_owned(), shard, c.clone())).collect(),
            keys: machine.keys().map(|(id, entry)| (id.clone(), entry.clone())).collect(),
            outbox: Vec::new(),
            lessons: Some(machine.lessons().encode()),
            erasures: machine.erasures().map(Erasure::encode).collect(),
        };
        DomainMachine::restore(machine.settings.clone(), stored).unwrap()
    }

    fn key() -> KeyEntry {
        KeyEntry {
            name: "k".into(),
            scopes: vec!["ingest".into()],
            component: None,
            created_at: Timestamp(1),
            revoked_at: None,
        }
    }

    #[test]
    fn streams_learn_how_many_they_are_when_their_number_doubles() {
        let mut machine = machine(200);
        let mut told = Vec::new();
        for number in 1..=40 {
            let event = Event::Register { component: format!("c{number}"), shard: 0 };
            let effects = machine.handle(event, Timestamp(1));
            if !effects.sync.is_empty() {
                told.push((number, effects.sync.len(), machine.view().streams_exponent));
                assert!(effects.state_changed);
            }
        }
        assert_eq!(told, [(9, 9, 4), (17, 17, 5), (33, 33, 6)]);
        assert_eq!(restored(&machine).view(), machine.view());
    }

    #[test]
    fn components_beyond_the_limit_go_to_other_which_always_has_room() {
        let mut machine = machine(2);
        assert_eq!(register(&mut machine, "default"), Answer::Registered);
        assert_eq!(register(&mut machine, "a"), Answer::Registered);
        assert_eq!(register(&mut machine, "b"), Answer::Registered);
        assert_eq!(register(&mut machine, "c"), Answer::Full);
        assert_eq!(register(&mut machine, "a"), Answer::Registered);
        assert_eq!(register(&mut machine, "other"), Answer::Registered);
        assert_eq!(restored(&machine).components().count(), 4);
    }

    #[test]
    fn a_revoked_key_is_pushed_to_every_stream_until_each_has_it() {
        let mut machine = machine(10);
        register(&mut machine, "a");
        register(&mut machine, "b");
        machine.handle(Event::KeyCreated { id: "k1".into(), entry: key() }, Timestamp(1));
        assert_eq!(machine.handle(Event::RevokeKey("nope".into()), Timestamp(2)).answer, Answer::NotFound);
        let effects = machine.handle(Event::RevokeKey("k1".into()), Timestamp(2));
        assert_eq!((effects.answer, effects.sync.len()), (Answer::Done, 2));
        let version = machine.view().version;
        machine.handle(Event::Synced { component: "a".into(), shard: 0, version }, Timestamp(3));
        machine.handle(Event::SyncFailed, Timestamp(3));
        let mut machine = restored(&machine);
        assert_eq!(machine.view().revoked, ["k1"]);
        let effects = machine.handle(Event::Wake, machine.wake_at().unwrap());
        assert_eq!(effects.sync, [("b".to_owned(), 0)]);
        machine.handle(Event::Synced { component: "b".into(), shard: 0, version: version - 1 }, Timestamp(4));
        assert!(machine.wake_at().is_some(), "an old version does not count");
        machine.handle(Event::Synced { component: "b".into(), shard: 0, version }, Timestamp(4));
        assert_eq!(machine.wake_at(), None);
        assert!(machine.handle(Event::RevokeKey("k1".into()), Timestamp(9)).sync.is_empty());
    }

    fn naming(id: u64, name: &str) -> Teaching {
        use crate::pattern::{PatternId, lesson};
        let pattern = lesson::Reference { id: PatternId(id), template: String::new() };
        Teaching::Name { pattern, naming: lesson::Naming { name: name.into(), ..lesson::Naming::default() } }
    }

    fn teach(machine: &mut DomainMachine, teachings: Vec<Teaching>) -> Effects {
        let teachings = teachings.into_iter().map(|teaching| (teaching, String::new())).collect();
        machine.handle(Event::Teach { teachings, by: "ann".into() }, Timestamp(5))
    }

    #[test]
    fn lessons_are_pushed_to_every_stream_until_each_has_them() {
        let mut machine = machine(10);
        register(&mut machine, "a");
        register(&mut machine, "b");
        let effects = teach(&mut machine, vec![naming(1, "one"), naming(2, "two")]);
        assert_eq!((effects.answer, effects.sync.len()), (Answer::Taught(vec![1, 2]), 2));
        assert!(effects.lessons_changed && effects.state_changed);
        let version = machine.view().version;
        machine.handle(Event::Synced { component: "a".into(), shard: 0, version }, Timestamp(6));
        machine.handle(Event::Watched(true), Timestamp(6));
        let mut machine = restored(&machine);
        assert_eq!(machine.unsynced().count(), 2, "both have to learn who watches");
        assert!(machine.lessons_for("a", 0).is_none(), "a has the lessons");
        assert_eq!(machine.lessons_for("b", 0).map(|lessons| lessons.list().len()), Some(2));
        let version = machine.view().version;
        machine.handle(Event::Synced { component: "b".into(), shard: 0, version }, Timestamp(7));
        assert!(machine.lessons_for("b", 0).is_none());
        let effects = machine.handle(Event::Undo(1), Timestamp(8));
        assert!(matches!(effects.answer, Answer::Undone(lesson) if lesson.by == "ann"));
        assert_eq!(machine.lessons_for("a", 0).map(|lessons| lessons.list().len()), Some(1));
        assert_eq!(machine.handle(Event::Undo(1), Timestamp(9)).answer, Answer::NotUndone(UndoFault::Unknown));
    }

    #[test]
    fn several_lessons_are_taught_all_or_none_and_the_same_again_changes_nothing() {
        let mut machine = machine(10);
        let effects = teach(&mut machine, vec![naming(1, "one"), naming(2, "")]);
        assert_eq!(effects.answer, Answer::NotTaught(1, LessonFault::NoName));
        assert!(machine.lessons().is_empty() && !effects.lessons_changed && !effects.state_changed);
        teach(&mut machine, vec![naming(1, "one")]);
        let version = machine.view().version;
        let effects = teach(&mut machine, vec![naming(1, "one")]);
        assert_eq!((effects.answer, effects.lessons_changed), (Answer::Taught(vec![1]), false));
        assert_eq!(machine.view().version, version);
        let damaged = Stored { lessons: Some(vec![9]), ..Stored::default() };
        let restored = DomainMachine::restore(DomainSettings::default(), damaged).unwrap();
        assert!(restored.has_unread_lessons && restored.lessons().is_empty(), "it is no reason to stay away");
    }

    #[test]
    fn without_its_state_row_revocations_come_back_from_the_keys() {
        let mut revoked = key();
        revoked.revoked_at = Some(Timestamp(5));
        let keys = vec![("k1".to_owned(), revoked), ("k2".to_owned(), key())];
        let machine = DomainMachine::restore(DomainSettings::default(), Stored { keys, ..Stored::default() }).unwrap();
        assert_eq!(machine.view().revoked, ["k1"]);
        let damaged = Stored { state: Some(vec![9, 9]), ..Stored::default() };
        assert!(DomainMachine::restore(DomainSettings::default(), damaged).is_err());
    }

    #[test]
    fn an_alert_goes_to_each_target_once_however_often_it_is_handed_over() {
        let mut machine = machine(10);
        let effects = machine.handle(Event::Alert { id: "a1".into() }, Timestamp(1));
        assert_eq!(effects.deliver, ["a1#webhook", "a1#slack"]);
        assert_eq!(effects.messages.len(), 2);
        let again = machine.handle(Event::Alert { id: "a1".into() }, Timestamp(2));
        assert!(again.messages.is_empty());
        machine.handle(Event::Delivered("a1#slack".into()), Timestamp(3));
        let effects = machine.handle(Event::Failed { id: "a1#webhook".into(), not_before: None }, Timestamp(3));
        let due = effects.retries[0].1;
        assert!(due.at > Timestamp(3));
        assert!(machine.handle(Event::Wake, Timestamp(3)).deliver.is_empty());
        assert_eq!(machine.handle(Event::Wake, due.at).deliver, ["a1#webhook"]);
        assert_eq!(machine.wake_at(), Some(due.at));
        let busy = BTreeSet::from(["webhook".to_owned()]);
        let later = due.at.plus(DELIVERY_PATIENCE);
        assert_eq!(machine.wake_at_beside(&busy, due.at), Some(later), "it is being seen to, unless that dies");
    }

    #[test]
    fn a_target_that_is_gone_gets_nothing_until_it_is_configured_anew() {
        let mut machine = machine(10);
        machine.handle(Event::Alert { id: "a1".into() }, Timestamp(1));
        machine.handle(Event::Refused { id: "a1#slack".into(), disables_target: true }, Timestamp(1));
        let mut machine = restored(&machine);
        assert_eq!(machine.handle(Event::Alert { id: "a2".into() }, Timestamp(2)).messages.len(), 1);
        machine.handle(Event::Configure(vec![]), Timestamp(3));
        assert_eq!(machine.handle(Event::Alert { id: "a3".into() }, Timestamp(4)).messages.len(), 2);
    }

    #[test]
    fn the_outbox_is_bounded_and_what_it_refuses_is_counted() {
        let mut machine = machine(10);
        for i in 0..OUTBOX_MAX {
            machine.handle(Event::Alert { id: format!("a{i}") }, Timestamp(1));
        }
        assert_eq!(machine.outbox().len(), OUTBOX_MAX);
        assert_eq!(machine.alerts_dropped(), OUTBOX_MAX as u64);
        assert_eq!(restored(&machine).alerts_dropped(), OUTBOX_MAX as u64);
    }

    #[test]
    fn grants_never_exceed_the_day_s_limit_and_a_tenth_is_kept_for_errors() {
        let mut machine = machine(10);
        machine.handle(Event::Limit(Some(10_000)), Timestamp(0));
        let (mut general, mut errors, mut calls) = (0, 0, 0);
        loop {
            let Answer::Leased(lease) = machine.handle(Event::Lease(10), Timestamp(5)).answer else { panic!() };
            general += lease.general;
            errors += lease.errors;
            calls += 1;
            if calls % 7 == 0 {
                machine = restored(&machine);
            }
            if lease.is_spent {
                break;
            }
        }
        assert_eq!((general, errors), (9_000, 1_000));
        assert!(calls < 150, "{calls}");
        let Answer::Leased(tomorrow) = machine.handle(Event::Lease(10), Timestamp(86_400_005)).answer else { panic!() };
        assert!(tomorrow.general > 0);
    }
}
