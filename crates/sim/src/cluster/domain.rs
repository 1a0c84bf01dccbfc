//! The shell of the domain object: what `src/processors/domain` does around its machine.

use super::disk::{Disk, Rows, WriteFailed};
use super::message::{Answer, Call, CallId, Place, Waiter};
use super::mutant::Mutant;
use super::stream::EARLY_MAX;
use super::world::{Event, Parcel, WAKES_MAX, World};
use sapwood_engine::machine::domain::{
    Answer as Reply, Component, DomainMachine, DomainSettings, Effects, Event as Input, KeyEntry, Stored,
    split_message_id,
};
use sapwood_engine::machine::erasure::{Scope, Step};
use sapwood_engine::machine::outbox::{Due, RetryPolicy};
use sapwood_engine::machine::stream::DomainView;
use sapwood_engine::pattern::lesson::{Reference, Teaching};
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Rows of the domain object.
#[derive(Clone, Debug, Default)]
pub struct DomainRows {
    state: Option<Vec<u8>>,
    lessons: Option<Vec<u8>>,
    /// The directory.
    pub components: BTreeMap<(String, u16), Component>,
    keys: BTreeMap<String, KeyEntry>,
    /// Alerts that were taken, and whose they are.
    pub alerts: BTreeMap<String, usize>,
    erasures: BTreeMap<String, Vec<u8>>,
    /// Messages: when they are due, and `None` once they are settled.
    pub outbox: BTreeMap<String, Option<Due>>,
    /// When the platform wakes the object.
    pub alarm: Option<i64>,
}

/// A statement of the domain object.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is a statement of the shell's rows, which say what they do")]
pub enum DomainWrite {
    State(Vec<u8>),
    Lessons(Vec<u8>),
    Component(String, u16, Component),
    Key(String, KeyEntry),
    Alert(String, usize),
    AlertGone(String),
    ComponentGone(String, u16),
    Erasure(String, Vec<u8>),
    ErasureGone(String),
    Message(String, Due),
    Due(String, Due),
    Settle(String),
    Alarm(Option<i64>),
}

impl Rows for DomainRows {
    type Write = DomainWrite;

    fn apply(&mut self, write: &DomainWrite) {
        match write.clone() {
            DomainWrite::State(state) => self.state = Some(state),
            DomainWrite::Lessons(lessons) => self.lessons = Some(lessons),
            DomainWrite::Component(name, shard, component) => {
                self.components.entry((name, shard)).or_insert(component);
            }
            DomainWrite::Key(id, entry) => {
                self.keys.insert(id, entry);
            }
            DomainWrite::Alert(id, stream) => {
                self.alerts.insert(id, stream);
            }
            DomainWrite::AlertGone(id) => {
                self.alerts.remove(&id);
                self.outbox.retain(|message, _| split_message_id(message).0 != id);
            }
            DomainWrite::ComponentGone(name, shard) => {
                self.components.remove(&(name, shard));
            }
            DomainWrite::Erasure(id, body) => {
                self.erasures.insert(id, body);
            }
            DomainWrite::ErasureGone(id) => {
                self.erasures.remove(&id);
            }
            DomainWrite::Message(id, due) => {
                self.outbox.entry(id).or_insert(Some(due));
            }
            DomainWrite::Due(id, due) => {
                self.outbox.entry(id).and_modify(|known| *known = Some(due));
            }
            DomainWrite::Settle(id) => {
                self.outbox.entry(id).and_modify(|due| *due = None);
            }
            DomainWrite::Alarm(at) => self.alarm = at,
        }
    }
}

/// What it waits for.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A step of an erasure.
    Erasing(String, Step),
    /// A target.
    Delivering(String),
    /// A stream that is told the view of this version.
    Syncing(usize, u64),
}

/// The object.
pub struct DomainObject {
    settings: DomainSettings,
    /// Its disk.
    pub disk: Disk<DomainRows>,
    /// The machine, while it is in memory.
    pub live: Option<DomainMachine>,
    /// Grows with every crash.
    pub life: u64,
    /// How often the platform was asked to look at its alarm.
    pub looks: u64,
    /// How often its alarm ran.
    pub wakes: u64,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    busy: BTreeSet<String>,
    armed_at: Option<i64>,
    running_for: Option<Option<i64>>,
    /// What the alarm that is running was due for, while it waits for streams that are told the view.
    told_for: Option<i64>,
    gate: VecDeque<(u64, Parcel)>,
    /// The limit in force since the beginning, if it never changed.
    pub quota: Option<u64>,
}

impl DomainObject {
    /// An object that nobody has called yet.
    pub fn new(disk: Disk<DomainRows>, quota: Option<u64>, targets: usize, has_copies: bool) -> Self {
        let settings = DomainSettings {
            records_per_day: quota,
            has_copies,
            targets: (0..targets).map(|target| format!("t{target}")).collect(),
            retry: RetryPolicy { base: Millis::from_secs(5), cap: Millis::from_mins(10) },
            ..DomainSettings::default()
        };
        let (tasks, gate) = (BTreeMap::new(), VecDeque::new());
        let busy = BTreeSet::new();
        Self {
            settings,
            disk,
            live: None,
            life: 1,
            looks: 0,
            wakes: 0,
            tasks,
            next_task: 0,
            busy,
            armed_at: None,
            running_for: None,
            told_for: None,
            gate,
            quota,
        }
    }

    fn stored(&self) -> Stored {
        let rows = &self.disk.current;
        let due = |(id, due): (&String, &Option<Due>)| Some((id.clone(), (*due)?));
        Stored {
            state: rows.state.clone(),
            components: rows.components.iter().map(|((name, shard), it)| (name.clone(), *shard, it.clone())).collect(),
            keys: rows.keys.iter().map(|(id, entry)| (id.clone(), entry.clone())).collect(),
            outbox: rows.outbox.iter().filter_map(due).collect(),
            lessons: rows.lessons.clone(),
            erasures: rows.erasures.values().cloned().collect(),
        }
    }

    /// A machine from the rows.
    pub fn load(&self) -> DomainMachine {
        DomainMachine::restore(self.settings.clone(), self.stored()).unwrap_or_default()
    }

    /// How long streams remember batch keys.
    pub fn remember_keys_for(&mut self, window: Millis) {
        self.settings.key_window = window;
    }

    /// Whether a key is revoked and all streams have said that they know.
    pub fn is_revoked_everywhere(&self, key: &str) -> bool {
        // Most keys are not: no machine has to be restored to know that.
        if self.disk.pending().is_some() || self.disk.current.keys.get(key).is_none_or(|it| it.revoked_at.is_none()) {
            return false;
        }
        let mut machine = self.load();
        let is_synced = machine.handle(Input::Wake, Timestamp(i64::MAX / 4)).sync.is_empty();
        is_synced && machine.view().revoked.iter().any(|it| it == key)
    }

    /// Commits up to this one are durable; what leaves now. `None` if that was another life.
    pub fn durable(&mut self, life: u64, commit: u64) -> Option<Vec<Parcel>> {
        if life != self.life {
            return None;
        }
        self.disk.durable_up_to(commit);
        let mut parcels = Vec::new();
        while self.gate.front().is_some_and(|(needs, _)| *needs <= commit) {
            parcels.extend(self.gate.pop_front().map(|(_, parcel)| parcel));
        }
        Some(parcels)
    }

    pub(super) fn start(&mut self, task: Task) -> Waiter {
        self.next_task += 1;
        self.tasks.insert(self.next_task, task);
        Waiter { place: Place::Domain, life: self.life, task: self.next_task }
    }
}

/// The alarm that the machine wants. A broken build trusts deliveries for ever.
fn wake_at(
    machine: &DomainMachine,
    busy: &BTreeSet<String>,
    now: Timestamp,
    mutant: Option<Mutant>,
) -> Option<Timestamp> {
    let trusts = mutant == Some(Mutant::DeliveryWithoutAlarm);
    let trusted_until = if trusts { Timestamp(i64::MAX / 8) } else { now };
    machine.wake_at_beside(busy, trusted_until).filter(|at| !trusts || *at < trusted_until)
}

impl World {
    pub(super) fn disturb_domain(&mut self) {
        if self.random.permille(self.plan.crashes) {
            self.crash_domain();
        }
    }

    pub(super) fn crash_domain(&mut self) {
        let pending = self.domain.disk.on_their_way() as u64;
        let kept = self.random.below(pending + 1) as usize;
        self.tell(|| format!("domain crashes, keeps {kept} of {pending} commits"));
        let object = &mut self.domain;
        object.disk.crash(kept);
        object.live = None;
        object.life += 1;
        object.tasks.clear();
        object.busy.clear();
        object.armed_at = None;
        object.running_for = None;
        object.told_for = None;
        object.gate.clear();
        self.look_at_alarm(Place::Domain, 1_000);
    }

    /// Runs a turn: `extra` are the writes that the shell issues itself, before the machine's and after them.
    fn domain_turn(
        &mut self,
        before: Option<DomainWrite>,
        input: Input,
        after: impl FnOnce(&Effects) -> Vec<DomainWrite>,
    ) -> Result<Effects, WriteFailed> {
        let now = Timestamp(self.now);
        let mutant = self.mutant;
        let fails = self.random.permille(self.plan.fails_write);
        let fails_in = self.random.below(4) as u32;
        let object = &mut self.domain;
        let mut machine = object.live.take().unwrap_or_else(|| object.load());
        object.disk.fails_in = fails.then_some(fails_in);
        let mark = object.disk.mark();
        let result = (|| {
            before.map_or(Ok(()), |write| object.disk.write(write))?;
            let effects = machine.handle(input, now);
            for (name, shard, component) in &effects.components {
                object.disk.write(DomainWrite::Component(name.clone(), *shard, component.clone()))?;
            }
            for (id, entry) in &effects.keys {
                object.disk.write(DomainWrite::Key(id.clone(), entry.clone()))?;
            }
            for (id, _, due) in &effects.messages {
                if mutant != Some(Mutant::MessagesNotStored) {
                    object.disk.write(DomainWrite::Message(id.clone(), *due))?;
                }
            }
            for (name, shard) in &effects.components_gone {
                object.disk.write(DomainWrite::ComponentGone(name.clone(), *shard))?;
            }
            for id in &effects.alerts_gone {
                object.disk.write(DomainWrite::AlertGone(id.clone()))?;
            }
            for (id, body) in &effects.erasures {
                if mutant != Some(Mutant::ErasureNotStored) {
                    object.disk.write(DomainWrite::Erasure(id.clone(), body.clone()))?;
                }
            }
            for id in &effects.erasures_gone {
                object.disk.write(DomainWrite::ErasureGone(id.clone()))?;
            }
            if effects.lessons_changed {
                object.disk.write(DomainWrite::Lessons(machine.lessons().encode()))?;
            }
            let is_grant = matches!(effects.answer, Reply::Leased(_));
            if effects.state_changed && !(is_grant && mutant == Some(Mutant::GrantsForgotten)) {
                object.disk.write(DomainWrite::State(machine.encode_state()))?;
            }
            for write in after(&effects) {
                object.disk.write(write)?;
            }
            Ok(effects)
        })();
        object.disk.fails_in = None;
        if result.is_err() {
            object.disk.roll_back(mark);
        } else {
            let wake_at = wake_at(&machine, &object.busy, now, mutant);
            object.live = Some(machine);
            self.arm_domain(wake_at);
        }
        if let Some(commit) = self.domain.disk.end_turn() {
            let wait = self.disk_latency();
            let life = self.domain.life;
            self.after(wait, Event::Durable { place: Place::Domain, life, commit });
        }
        result
    }

    pub(super) fn domain_transition(&mut self, input: Input) -> Result<Effects, WriteFailed> {
        self.domain_turn(None, input, |_| Vec::new())
    }

    fn arm_domain(&mut self, wake_at: Option<Timestamp>) {
        let now = self.now;
        if let Some(at) = wake_at
            && self.domain.armed_at.is_none_or(|armed| at.0 < armed || armed < now)
            && self.mutant != Some(Mutant::NoAlarm)
        {
            let mut at = at.0.max(now + 1);
            // An alarm at the instant of the one that is running would be deleted with it.
            match self.domain.running_for {
                _ if self.mutant == Some(Mutant::AlarmAtRunningInstant) => {}
                None => {}
                Some(None) => at = at.max(now + EARLY_MAX.0) + 1 + (now & 0xff),
                Some(Some(running)) => at += i64::from(running == at),
            }
            self.domain.armed_at = Some(at);
            // The platform's own write does not fail.
            let _written = self.domain.disk.write(DomainWrite::Alarm(Some(at)));
            self.look_at_alarm(Place::Domain, 0);
        }
    }

    pub(super) fn leave_domain(&mut self, parcel: Parcel) {
        match self.domain.disk.pending() {
            Some(commit) => self.domain.gate.push_back((commit, parcel)),
            None => self.dispatch(parcel),
        }
    }

    pub(super) fn domain_called(&mut self, from: CallId, call: &Call) {
        let answer = match call {
            Call::Register(stream) => self.register(*stream),
            Call::Lease(wanted) => match self.domain_transition(Input::Lease(*wanted)).map(|effects| effects.answer) {
                Ok(Reply::Leased(lease)) => Answer::Leased(lease),
                _ => Answer::Failed,
            },
            Call::Alert(stream, id, version) => self.take_alert(*stream, id, *version),
            _ => Answer::Failed,
        };
        self.leave_domain(Parcel::Answer(from, answer));
    }

    /// The component of a stream, and which of its shards it is.
    pub(super) fn name_of(&self, stream: usize) -> (String, u16) {
        let identity = &self.streams[stream].identity;
        (identity.component.clone(), identity.shard)
    }

    /// The stream of a component's shard.
    pub(super) fn number_of(&self, component: &str, shard: u16) -> usize {
        let component: usize = component.trim_start_matches('c').parse().unwrap_or(0);
        component + usize::from(shard) * self.plan.streams
    }

    fn register(&mut self, stream: usize) -> Answer {
        let (component, shard) = self.name_of(stream);
        let registered = Input::Register { component: component.clone(), shard };
        match self.domain_transition(registered).map(|effects| effects.answer) {
            Ok(Reply::Registered) => self.domain.live.as_ref().map_or(Answer::Failed, |it| {
                Answer::Registered(self.view_of(it), it.lessons().clone(), it.shard_map(&component).cloned())
            }),
            _ => Answer::Failed,
        }
    }

    /// What streams are told. A broken build has forgotten the keys of a domain that was erased.
    fn view_of(&self, machine: &DomainMachine) -> DomainView {
        let mut view = machine.view().clone();
        let was_erased = machine.erasures().any(|erasure| erasure.scope == Scope::Domain);
        if was_erased && self.mutant == Some(Mutant::DomainErasedKeysForgotten) {
            view.revoked.clear();
        }
        view
    }

    fn take_alert(&mut self, stream: usize, id: &str, version: u64) -> Answer {
        let component = self.name_of(stream);
        let machine = self.domain.live.take().unwrap_or_else(|| self.domain.load());
        let is_old = machine.is_of_old_life(&component.0, version);
        self.domain.live = Some(machine);
        if is_old || !self.domain.disk.current.components.contains_key(&component) {
            // Of a component that was erased.
            return Answer::Done;
        }
        let is_known = self.domain.disk.current.alerts.contains_key(id);
        if is_known && self.mutant != Some(Mutant::AlertTakenTwice) {
            return Answer::Done;
        }
        self.tell(|| format!("domain takes alert {id}"));
        let taken = self.domain_turn(
            Some(DomainWrite::Alert(id.to_owned(), stream)),
            Input::Alert { id: id.to_owned() },
            |_| Vec::new(),
        );
        match taken {
            Ok(_) => {
                self.deliver_due();
                Answer::Done
            }
            Err(WriteFailed) => Answer::Failed,
        }
    }

    /// Starts one delivery for each target that has something due and is not busy.
    fn deliver_due(&mut self) {
        let Ok(effects) = self.domain_transition(Input::Wake) else { return };
        for id in effects.deliver {
            let (alert, target) = split_message_id(&id);
            let (alert, target) = (alert.to_owned(), target.to_owned());
            if !self.domain.busy.insert(target.clone()) {
                continue;
            }
            if self.domain.disk.current.outbox.get(&id).is_some_and(Option::is_none) {
                self.violate(format!("alert {id} is sent again, though it had been delivered"));
            }
            let number = target.trim_start_matches('t').parse().unwrap_or(0);
            let waiter = self.domain.start(Task::Delivering(id.clone()));
            self.leave_domain(Parcel::Call(waiter, Place::Target(number), Rc::new(Call::Deliver(alert))));
            // Nothing reaches an object whose last alert is under way, so chance has to come by itself.
            if self.random.permille(self.plan.crashes_delivering) {
                let wait = self.random.below(2_000) as i64;
                self.after(wait, Event::CrashDomain);
            }
        }
    }

    pub(super) fn sync_streams(&mut self) {
        let Ok(effects) = self.domain_transition(Input::Wake) else { return };
        let Some(machine) = &self.domain.live else { return };
        let view = self.view_of(machine);
        let lessons = |component: &str, shard| machine.lessons_for(component, shard).cloned();
        let told: Vec<_> = effects
            .sync
            .iter()
            .map(|(name, shard)| {
                (self.number_of(name, *shard), lessons(name, *shard), machine.shard_map(name).cloned())
            })
            .collect();
        for (stream, lessons, map) in told {
            let waiter = self.domain.start(Task::Syncing(stream, view.version));
            self.leave_domain(Parcel::Call(
                waiter,
                Place::Stream(stream),
                Rc::new(Call::Configure(view.clone(), lessons, map)),
            ));
        }
    }

    pub(super) fn domain_resumed(&mut self, life: u64, task: u64, answer: Option<Answer>) {
        if self.domain.life != life {
            return;
        }
        match self.domain.tasks.remove(&task) {
            None => {}
            Some(Task::Erasing(id, step)) => self.erasure_resumed(id, step, answer),
            Some(Task::Delivering(id)) => {
                self.domain.busy.remove(split_message_id(&id).1);
                let settled = if matches!(answer, Some(Answer::Done)) {
                    self.domain_turn(Some(DomainWrite::Settle(id.clone())), Input::Delivered(id), |_| Vec::new())
                } else {
                    self.domain_turn(None, Input::Failed { id, not_before: None }, |effects| {
                        effects.retries.iter().map(|(id, due)| DomainWrite::Due(id.clone(), *due)).collect()
                    })
                };
                if settled.is_ok() {
                    self.deliver_due();
                }
            }
            Some(Task::Syncing(stream, version)) => {
                let (component, shard) = self.name_of(stream);
                let is_there = matches!(answer, Some(Answer::Done)) || self.mutant == Some(Mutant::SyncedUnseen);
                let input = if is_there { Input::Synced { component, shard, version } } else { Input::SyncFailed };
                // If that cannot be written, the view is pushed again.
                let _written = self.domain_transition(input);
                self.domain_alarm_done();
            }
        }
    }

    pub(super) fn domain_alarm(&mut self, look: u64) {
        let Some(due) = self.domain.disk.current.alarm else { return };
        // One alarm at a time.
        if look != self.domain.looks || self.domain.told_for.is_some() {
            return;
        }
        self.disturb_domain();
        if self.domain.disk.current.alarm != Some(due) {
            // As in a stream: called off, the one on disk is looked at instead.
            return;
        }
        self.domain.running_for = Some(self.domain.armed_at.take());
        self.domain.wakes += 1;
        if self.domain.wakes > WAKES_MAX {
            return self.violate(format!("the domain was woken {WAKES_MAX} times: its alarms make no progress"));
        }
        self.tell(|| "domain: alarm".into());
        self.deliver_due();
        self.sync_streams();
        self.erase_due();
        self.domain.told_for = Some(due);
        self.domain_alarm_done();
    }

    /// The alarm ends when the streams that it told something have answered: then the next one is set, or the one that
    /// ran is deleted.
    fn domain_alarm_done(&mut self) {
        let tells = self.domain.tasks.values().any(|task| matches!(task, Task::Syncing(..)));
        if tells {
            return self.commit_domain();
        }
        let Some(due) = self.domain.told_for.take() else { return };
        let wake_at = match self.domain.live.take() {
            Some(machine) => {
                let wake_at = wake_at(&machine, &self.domain.busy, Timestamp(self.now), self.mutant);
                self.domain.live = Some(machine);
                wake_at
            }
            // The turn failed: the platform is asked to come again.
            None => Some(Timestamp(self.now + 10_000)),
        };
        self.arm_domain(wake_at);
        self.domain.running_for = None;
        if self.domain.disk.current.alarm == Some(due) {
            let _deleted = self.domain.disk.write(DomainWrite::Alarm(None));
        }
        if let Some(wanted) = wake_at.filter(|_| self.domain.disk.current.alarm.is_none()) {
            self.violate(format!("the domain wants to be woken at {wanted:?}, and its alarm is deleted"));
        }
        self.commit_domain();
        self.look_at_alarm(Place::Domain, 0);
    }

    fn commit_domain(&mut self) {
        if let Some(commit) = self.domain.disk.end_turn() {
            let wait = self.disk_latency();
            let life = self.domain.life;
            self.after(wait, Event::Durable { place: Place::Domain, life, commit });
        }
    }

    /// An administrator revokes a key.
    pub(super) fn revoke(&mut self, key: u64) {
        let id = format!("key-{key}");
        let entry = KeyEntry {
            name: id.clone(),
            scopes: vec!["ingest".into()],
            component: None,
            created_at: Timestamp(self.now),
            revoked_at: None,
        };
        self.tell(|| format!("{id} is revoked"));
        if self.domain_transition(Input::KeyCreated { id: id.clone(), entry }).is_ok()
            && self.domain_transition(Input::RevokeKey(id)).is_ok()
        {
            self.sync_streams();
        }
    }

    /// An administrator teaches something about the patterns of a component, or undoes it.
    pub(super) fn teach(&mut self) {
        let taught: Vec<u64> = match &self.domain.live {
            Some(machine) => machine.lessons().list().iter().map(|lesson| lesson.id).collect(),
            None => Vec::new(),
        };
        if !taught.is_empty() && self.random.permille(400) {
            let id = taught[self.random.below(taught.len() as u64) as usize];
            self.tell(|| format!("lesson {id} is undone"));
            if self.domain_transition(Input::Undo(id)).is_ok() {
                self.sync_streams();
            }
            return;
        }
        let stream = self.random.below(self.streams.len() as u64) as usize;
        let Some(machine) = &self.streams[stream].live else { return };
        let known: Vec<Reference> = machine
            .miner()
            .patterns()
            .map(|pattern| Reference { id: pattern.id, template: pattern.template.clone() })
            .collect();
        if known.is_empty() {
            return;
        }
        let mut any = || known[self.random.below(known.len() as u64) as usize].clone();
        let (one, other) = (any(), any());
        let teaching = match self.random.below(3) {
            0 => Teaching::Constant { pattern: one, place: 0 },
            _ => Teaching::Merge { from: vec![one], into: other },
        };
        self.tell(|| format!("taught is {teaching:?}"));
        let teachings = vec![(teaching, String::new())];
        // What cannot stand is refused and changes nothing.
        if self.domain_transition(Input::Teach { teachings, by: "ann".into() }).is_ok() {
            self.sync_streams();
        }
    }

    /// An administrator changes the limit.
    pub(super) fn reconfigure(&mut self) {
        let limit = self.random.between(40, 400);
        self.tell(|| format!("the limit is {limit} now"));
        self.domain.quota = None;
        if self.domain_transition(Input::Configure(vec![("LIMIT".into(), limit.to_string())])).is_ok()
            && self.domain_transition(Input::Limit(Some(limit))).is_ok()
        {
            self.sync_streams();
        }
    }
}
