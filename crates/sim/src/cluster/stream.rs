//! The shell of a stream object: what `src/processors/stream` does around the machine, between a disk that crashes and a
//! network that loses.
//!
//! Effects are written, machines restored and outgoing records chosen by the same code as in the product
//! (`engine::machine::stream`). What is modelled here is the platform: input arrives at any time, answers and calls leave
//! when the commits before them are durable, an alarm goes off at least once.

mod telling;

use super::alarm::AlarmRun;
use super::disk::{Disk, StreamDisk, StreamRows, StreamWrite, WriteFailed};
use super::message::{Answer, AppendAnswer, Call, CallId, Piece, Place, Waiter};
use super::mutant::Mutant;
use super::world::{Event, Parcel, WAKES_MAX, World};
use sapwood_engine::machine::row::Heads;
use sapwood_engine::machine::stream::{
    AppendReply, DomainView, Effects, Event as Input, Forward, HeardAnswer, Identity, StreamMachine, StreamSettings,
    StreamStore,
};
use sapwood_engine::pattern::lesson::Lessons;
use sapwood_engine::segment;
use sapwood_engine::shard::ShardMap;
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Batches of one commit; the product bounds bytes.
const GROUP_MAX: usize = 4;

/// What an object does while it waits for somebody else.
#[derive(Clone, Debug)]
pub enum Task {
    /// An append waits for the domain to know the object.
    Registering(CallId, Piece),
    /// A lead that has nothing yet waits for the domain to know it, before it hears.
    Meeting(CallId, u16, Vec<u8>),
    /// An append waits for quota.
    Leasing(CallId, Piece),
    /// An alert is handed over right after its commit.
    HandingOver(VecDeque<String>),
    /// The lead is told what came here.
    Forwarding(Box<Forward>),
    /// The alarm's work.
    Alarm(AlarmRun),
}

/// A commit that waits for the disk.
#[derive(Clone, Debug)]
struct Committing {
    commit: u64,
    answers: Vec<(CallId, Answer)>,
    tells: bool,
    forwards: bool,
}

/// The platform runs an alarm no earlier than this before its time; shells count on it.
pub(super) const EARLY_MAX: Millis = Millis::from_secs(3);
/// After so long the platform repeats an alarm that failed, the first time.
const RETRY: Millis = Millis::from_secs(2);

/// What a stream is given under the values of its domain: the limit says when a burst begins and how long it is silent.
fn settings_of(base: &StreamSettings, overrides: &[(String, String)]) -> StreamSettings {
    let mut settings = base.clone();
    if let Some(limit) = overrides.iter().find_map(|(_, value)| value.parse::<u32>().ok()) {
        settings.alerts.burst_errors_min = 1 + limit % 7;
        settings.alerts.cooldown = Millis(i64::from(limit) * 1_000);
    }
    settings
}

/// One object.
pub struct StreamObject {
    /// Its number.
    pub number: usize,
    /// Its identity.
    pub identity: Identity,
    settings: StreamSettings,
    /// Broken: the journal is replayed before the domain's values are in force.
    pub overrides_late: bool,
    /// Its disk.
    pub disk: Disk<StreamRows>,
    /// The machine, while it is in memory.
    pub live: Option<StreamMachine>,
    /// Grows with every crash.
    pub life: u64,
    /// How often the platform was asked to look at its alarm.
    pub looks: u64,
    /// How often its alarm ran.
    pub wakes: u64,
    /// What its clock is ahead.
    pub skew: i64,
    pub(super) tasks: BTreeMap<u64, Task>,
    next_task: u64,
    waiting: VecDeque<(CallId, Piece)>,
    committing: Option<Committing>,
    pub(super) is_handing_over: bool,
    pub(super) is_forwarding: bool,
    pub(super) is_awake: bool,
    armed_at: Option<i64>,
    /// While an alarm is worked off: when it was set for, if this life of the object set it.
    running_for: Option<Option<i64>>,
    gate: VecDeque<(u64, Parcel)>,
    pub(super) later: Vec<StreamWrite>,
    /// It is being erased: nothing begins any more.
    pub(super) closing_until: i64,
    /// Records that patterns showed when something was removed early.
    pub spared: std::collections::BTreeSet<(u64, usize)>,
    /// Whether its state row was ever rebuilt: what only that row holds started anew then.
    pub was_rebuilt: bool,
}

impl StreamObject {
    /// An object that nobody has called yet.
    pub fn new((number, component, shard): (usize, usize, u16), is_partial: bool, settings: &StreamSettings) -> Self {
        Self {
            number,
            identity: Identity { domain: "d".into(), component: format!("c{component}"), shard },
            settings: settings.clone(),
            overrides_late: false,
            disk: Disk::new(is_partial),
            live: None,
            life: 1,
            looks: 0,
            wakes: 0,
            skew: 0,
            tasks: BTreeMap::new(),
            next_task: 0,
            waiting: VecDeque::new(),
            committing: None,
            is_handing_over: false,
            is_forwarding: false,
            is_awake: false,
            armed_at: None,
            running_for: None,
            gate: VecDeque::new(),
            later: Vec::new(),
            closing_until: 0,
            spared: std::collections::BTreeSet::new(),
            was_rebuilt: false,
        }
    }

    /// What its machine is given while the domain has these values.
    pub fn settings_under(&self, overrides: &[(String, String)]) -> StreamSettings {
        settings_of(&self.settings, overrides)
    }

    /// A machine from the rows, as the product restores it. `forgets_state` plays a build that cannot read the state row.
    pub fn load(&mut self, forgets_state: bool) -> Result<StreamMachine, WriteFailed> {
        let whole = StreamDisk { disk: &mut self.disk, mutant: None, later: &mut self.later };
        if !forgets_state {
            let (base, is_late) = (&self.settings, self.overrides_late);
            let own = |overrides: &[(String, String)]| settings_of(base, if is_late { &[] } else { overrides });
            let mut machine = StreamMachine::load(self.identity.clone(), &own, &whole)?.machine;
            machine.set_settings(settings_of(base, &machine.view().overrides));
            return Ok(machine);
        }
        self.was_rebuilt = true;
        let (mut stored, _) = whole.stored()?;
        stored.state = None;
        let rollups = whole.all_rollups()?;
        let mut machine = StreamMachine::rebuild(self.identity.clone(), self.settings.clone(), stored, rollups);
        let mut unreadable = 0;
        whole.rows_after(machine.folded_seq(), &mut |row| {
            unreadable += u32::from(machine.replay(&row).is_err());
            true
        })?;
        machine.set_settings(settings_of(&self.settings, &machine.view().overrides));
        assert_eq!(unreadable, 0, "no row of this disk is damaged");
        Ok(machine)
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
        Waiter { place: Place::Stream(self.number), life: self.life, task: self.next_task }
    }

    /// Whether something of it is on its way outside, or waits for its commit.
    pub(super) fn has_something_under_way(&self) -> bool {
        self.is_awake
            || self.is_handing_over
            || self.is_forwarding
            || self.committing.is_some()
            || !self.waiting.is_empty()
    }

    /// It was erased: what waited belongs to the object that was.
    pub(super) fn begin_anew(&mut self) {
        self.is_forwarding = false;
        self.live = None;
        self.tasks.clear();
        self.armed_at = None;
        self.running_for = None;
        self.later.clear();
        self.closing_until = 0;
    }

    /// Everything in memory is gone; a prefix of the commits under way survives.
    fn crash(&mut self, kept: usize) {
        self.disk.crash(kept);
        self.live = None;
        self.life += 1;
        self.tasks.clear();
        self.waiting.clear();
        self.committing = None;
        self.is_handing_over = false;
        self.is_forwarding = false;
        self.is_awake = false;
        self.armed_at = None;
        self.running_for = None;
        self.gate.clear();
        self.later.clear();
        self.closing_until = 0;
    }
}

impl World {
    // --- life and death ---------------------------------------------------------------------------

    /// Before something reaches an object, chance may strike it.
    pub(super) fn disturb_stream(&mut self, stream: usize) {
        if self.random.permille(self.plan.crashes) {
            self.crash_stream(stream);
        } else if self.random.permille(self.plan.sleeps) {
            self.sleep_stream(stream);
        }
    }

    pub(super) fn crash_stream(&mut self, stream: usize) {
        let pending = self.streams[stream].disk.on_their_way() as u64;
        let kept = self.random.below(pending + 1) as usize;
        let jump = self.random.permille(self.plan.clock_jumps);
        let skew = if jump { self.random.below(240_000) as i64 - 120_000 } else { self.streams[stream].skew };
        self.tell(|| format!("stream {stream} crashes, keeps {kept} of {pending} commits, clock {skew:+}"));
        let object = &mut self.streams[stream];
        object.crash(kept);
        object.skew = skew;
        // The platform runs an alarm again that was broken off.
        self.look_at_alarm(Place::Stream(stream), 1_000);
    }

    /// An idle object leaves memory. What comes back must be what was there.
    fn sleep_stream(&mut self, stream: usize) {
        let object = &mut self.streams[stream];
        let is_idle = object.tasks.is_empty() && object.waiting.is_empty() && object.committing.is_none();
        if !is_idle || object.disk.pending().is_some() || !object.later.is_empty() {
            return;
        }
        let Some(before) = object.live.take() else { return };
        object.armed_at = None;
        if self.violations.is_empty() && !self.streams[stream].was_rebuilt {
            let object = &mut self.streams[stream];
            let after = object.load(false).ok();
            let difference = after.and_then(|after| super::check::difference(&before, &after));
            if let Some(difference) = difference {
                self.violate(format!("stream {stream}: a restart can be noticed: {difference}"));
            }
        }
        self.tell(|| format!("stream {stream} sleeps"));
    }

    /// The platform looks at the alarm of an object in a while, no earlier than it is due.
    pub(super) fn look_at_alarm(&mut self, place: Place, wait: i64) {
        let due = match place {
            Place::Stream(stream) => self.streams[stream].disk.current.alarm,
            _ => self.domain.disk.current.alarm,
        };
        let Some(due) = due else { return };
        let self_now = self.now;
        let looks = match place {
            Place::Stream(stream) => &mut self.streams[stream].looks,
            _ => &mut self.domain.looks,
        };
        // Only the newest look counts.
        *looks += 1;
        let look = *looks;
        let mut wait = wait.max(due - self.now);
        if self.random.permille(self.plan.odd_alarm) {
            wait += self.random.below(20_000) as i64 - EARLY_MAX.0;
        }
        self.tell(|| format!("{place:?}: alarm due {:+}, looked at {wait:+}", due - self_now));
        self.after(wait, Event::Alarm { place, look });
    }

    // --- transitions ------------------------------------------------------------------------------

    pub(super) fn stream_now(&self, stream: usize) -> Timestamp {
        Timestamp(self.now + self.streams[stream].skew)
    }

    /// Runs `work` on the machine; if it fails, the machine is forgotten and what was written is undone.
    pub(super) fn with_stream<T>(
        &mut self,
        stream: usize,
        work: impl FnOnce(&mut StreamMachine, &mut StreamDisk<'_>) -> Result<T, WriteFailed>,
    ) -> Result<T, WriteFailed> {
        let mutant = self.mutant;
        if self.streams[stream].closing_until > self.now {
            return Err(WriteFailed);
        }
        if self.streams[stream].live.is_none() {
            let forgets = self.random.permille(self.plan.switches_version);
            if forgets {
                self.tell(|| format!("stream {stream}: another build does not know the state row"));
            }
            let machine = self.streams[stream].load(forgets)?;
            self.tell(|| {
                format!("stream {stream} restored: folded {}, last {}", machine.folded_seq(), machine.last_seq())
            });
            self.streams[stream].live = Some(machine);
        }
        let object = &mut self.streams[stream];
        let Some(mut machine) = object.live.take() else { return Err(WriteFailed) };
        let mark = object.disk.mark();
        let mut store = StreamDisk { disk: &mut object.disk, mutant, later: &mut object.later };
        let result = work(&mut machine, &mut store);
        object.disk.fails_in = None;
        if result.is_err() {
            object.disk.roll_back(mark);
        }
        if result.is_ok() || mutant == Some(Mutant::MemoryKeptAfterFailure) {
            object.live = Some(machine);
        }
        result
    }

    /// Handles an event, writes, and arms the alarm: one turn, one commit.
    pub(super) fn stream_transition(&mut self, stream: usize, input: Input) -> Result<Effects, WriteFailed> {
        self.stream_transition_with(stream, input, |_| Ok(()))
    }

    /// The same with writes of the shell's own before it, in the same commit.
    pub(super) fn stream_transition_with(
        &mut self,
        stream: usize,
        input: Input,
        before: impl FnOnce(&mut StreamDisk<'_>) -> Result<(), WriteFailed>,
    ) -> Result<Effects, WriteFailed> {
        let now = self.stream_now(stream);
        if self.is_away(Place::Stream(stream)) {
            self.streams[stream].disk.fails_in = Some(0);
        } else if self.random.permille(self.plan.fails_write) {
            self.streams[stream].disk.fails_in = Some(self.random.below(4) as u32);
        }
        let result = self.with_stream(stream, |machine, store| {
            let effects = machine.handle(input, now);
            before(store)?;
            effects.write(machine, store)?;
            Ok((effects, machine.wake_at()))
        });
        if result.is_err() {
            self.tell(|| format!("stream {stream}: a write failed"));
        }
        let wake_at = result.as_ref().ok().and_then(|(_, wake_at)| *wake_at);
        self.arm_stream(stream, wake_at);
        self.end_turn(stream);
        result.map(|(effects, _)| effects)
    }

    fn arm_stream(&mut self, stream: usize, wake_at: Option<Timestamp>) {
        let now = self.stream_now(stream).0;
        let object = &mut self.streams[stream];
        if let Some(at) = wake_at
            && !object.is_awake
            && object.armed_at.is_none_or(|armed| at.0 < armed || armed < now)
            && self.mutant != Some(Mutant::NoAlarm)
        {
            let mut at = at.0.max(now + 1);
            // An alarm at the instant of the one that is running would be deleted with it.
            match object.running_for {
                _ if self.mutant == Some(Mutant::AlarmAtRunningInstant) => {}
                None => {}
                Some(None) => at = at.max(now + EARLY_MAX.0) + 1 + (now & 0xff),
                Some(Some(running)) => at += i64::from(running == at),
            }
            object.armed_at = Some(at);
            // The platform's clock is true, the object's may not be.
            let due = at - object.skew;
            if object.disk.write(StreamWrite::Alarm(Some(due))).is_ok() {
                self.look_at_alarm(Place::Stream(stream), 0);
            }
        }
    }

    /// The turn is over; what it wrote is on its way to the disk.
    pub(super) fn end_turn(&mut self, stream: usize) -> Option<u64> {
        let commit = self.streams[stream].disk.end_turn()?;
        let wait = self.disk_latency();
        let life = self.streams[stream].life;
        self.after(wait, Event::Durable { place: Place::Stream(stream), life, commit });
        Some(commit)
    }

    /// What a broken build writes too late.
    pub(super) fn write_later(&mut self, stream: usize) {
        let object = &mut self.streams[stream];
        for write in std::mem::take(&mut object.later) {
            if object.disk.write(write).is_err() {
                break;
            }
        }
        self.end_turn(stream);
    }

    /// Something leaves an object: at once, or as soon as what it wrote is on disk.
    pub(super) fn leave_stream(&mut self, stream: usize, parcel: Parcel) {
        match self.streams[stream].disk.pending() {
            Some(commit) => self.streams[stream].gate.push_back((commit, parcel)),
            None => self.dispatch(parcel),
        }
    }

    // --- being called -----------------------------------------------------------------------------

    pub(super) fn stream_called(&mut self, stream: usize, from: CallId, call: &Call) {
        match call {
            Call::Append(piece) => {
                self.ledger.sent[piece.sent].arrivals += 1;
                self.tell(|| format!("stream {stream} gets batch {}: {:?}", piece.sent, piece.step));
                self.append(stream, from, piece.clone());
            }
            Call::Heard(shard, digest) => self.heard(stream, from, *shard, digest),
            Call::Erase(version, is_dry_run) => self.erase_called(stream, from, *version, *is_dry_run),
            Call::EraseUser(erasure, user, after) => self.erase_user_called(stream, from, erasure, user, *after),
            Call::Retell => self.retell_called(stream, from),
            // Nothing was ever stored here: there is nothing to be told to.
            Call::Configure(..) if self.streams[stream].disk.current.is_blank() => {
                self.leave_stream(stream, Parcel::Answer(from, Answer::Failed));
            }
            Call::Configure(view, lessons, map) => {
                let mut told = self.stream_transition(stream, Input::Configure(view.clone()));
                self.follow_overrides(stream);
                if let (Ok(_), Some(lessons)) = (&told, lessons) {
                    told = self.stream_transition(stream, Input::Taught(lessons.clone()));
                }
                if let (Ok(_), Some(map)) = (&told, map) {
                    told = self.stream_transition(stream, Input::Spread(map.clone()));
                }
                let answer = match told {
                    Ok(_) => Answer::Done,
                    Err(WriteFailed) => Answer::Failed,
                };
                self.leave_stream(stream, Parcel::Answer(from, answer));
            }
            _ => {}
        }
    }

    /// Brings the settings in line with what the domain says.
    fn follow_overrides(&mut self, stream: usize) {
        let object = &mut self.streams[stream];
        if let Some(machine) = &mut object.live {
            machine.set_settings(settings_of(&object.settings, &machine.view().overrides));
        }
    }

    fn refuse(&mut self, stream: usize, from: CallId) {
        self.leave_stream(stream, Parcel::Answer(from, Answer::Append(AppendAnswer::Unavailable)));
    }

    fn append(&mut self, stream: usize, from: CallId, sent: Piece) {
        match self.with_stream(stream, |machine, _| Ok(machine.is_registered())) {
            Ok(true) => self.lease(stream, from, sent),
            Ok(false) => {
                let waiter = self.streams[stream].start(Task::Registering(from, sent));
                self.leave_stream(stream, Parcel::Call(waiter, Place::Domain, Rc::new(Call::Register(stream))));
            }
            Err(WriteFailed) => self.refuse(stream, from),
        }
    }

    fn registered(&mut self, stream: usize, from: CallId, sent: Piece, answer: Option<Answer>) {
        let (view, lessons, map) = match answer {
            Some(Answer::Registered(view, lessons, map)) => (view, lessons, map),
            _ if self.mutant == Some(Mutant::AcknowledgedUnregistered) => {
                (DomainView::default(), Lessons::default(), None)
            }
            _ => return self.refuse(stream, from),
        };
        match self.join_domain(stream, view, lessons, map) {
            Ok(()) => self.lease(stream, from, sent),
            Err(WriteFailed) => self.refuse(stream, from),
        }
    }

    /// Takes what the domain tells whoever registers, in the order of the shell.
    fn join_domain(
        &mut self,
        stream: usize,
        view: DomainView,
        lessons: Lessons,
        map: Option<ShardMap>,
    ) -> Result<(), WriteFailed> {
        if let Some(map) = map {
            self.stream_transition(stream, Input::Spread(map))?;
        }
        let taught = self.stream_transition(stream, Input::Taught(lessons));
        let registered = taught.and_then(|_| self.stream_transition(stream, Input::Registered(view)));
        self.follow_overrides(stream);
        registered.map(|_| ())
    }

    fn lease(&mut self, stream: usize, from: CallId, sent: Piece) {
        let batch = self.ledger.batch_of(&sent);
        let records: usize = batch.segments.iter().filter_map(|segment| segment::count(segment).ok()).sum();
        let now = self.stream_now(stream);
        match self.with_stream(stream, |machine, _| Ok(machine.lease_wanted(records as u64, now))) {
            Ok(Some(wanted)) => {
                let waiter = self.streams[stream].start(Task::Leasing(from, sent));
                self.leave_stream(stream, Parcel::Call(waiter, Place::Domain, Rc::new(Call::Lease(wanted))));
            }
            Ok(None) => self.enqueue(stream, from, sent),
            Err(WriteFailed) => self.refuse(stream, from),
        }
    }

    fn enqueue(&mut self, stream: usize, from: CallId, sent: Piece) {
        self.streams[stream].waiting.push_back((from, sent));
        if self.streams[stream].committing.is_none() {
            self.commit(stream);
        }
    }

    /// Commits what waits, as one group.
    fn commit(&mut self, stream: usize) {
        let object = &mut self.streams[stream];
        let size = object.waiting.len().min(GROUP_MAX);
        let group: Vec<_> = object.waiting.drain(..size).collect();
        if group.is_empty() {
            return;
        }
        let mut batches: Vec<_> = group.iter().map(|(_, piece)| self.ledger.batch_of(piece)).collect();
        if self.mutant == Some(Mutant::OlderMapsTaken)
            && let Some(machine) = &self.streams[stream].live
        {
            for under in batches.iter_mut().filter_map(|batch| batch.under.as_mut()) {
                if machine.shard_map().is_newer_than(&under.map) {
                    under.map = machine.shard_map().clone();
                }
            }
        }
        let effects = match self.stream_transition(stream, Input::Append(batches)) {
            Ok(effects) => effects,
            Err(WriteFailed) => {
                for (from, _) in group {
                    self.refuse(stream, from);
                }
                return self.commit(stream);
            }
        };
        let (tells, forwards) = (!effects.alerts.is_empty(), effects.forward);
        let mut answers = Vec::new();
        for ((from, piece), reply) in group.into_iter().zip(effects.replies) {
            self.tell(|| format!("stream {stream}: batch {}: {reply:?}", piece.sent));
            let answer = self.answer_to(stream, piece.sent, reply);
            answers.push((from, Answer::Append(answer)));
        }
        if self.mutant == Some(Mutant::AnswersTooMany) {
            let object = &mut self.streams[stream];
            let copied = answers.first().map(|(_, answer)| answer.clone());
            let waiting = std::mem::take(&mut object.waiting);
            answers.extend(waiting.into_iter().filter_map(|(from, _)| Some((from, copied.clone()?))));
        }
        let later = !self.streams[stream].later.is_empty();
        let pending = self.streams[stream].disk.pending();
        match pending {
            _ if self.mutant == Some(Mutant::AnswerBeforeCommit) => {
                answers.into_iter().for_each(|(from, answer)| self.answer(from, answer));
                if forwards {
                    self.forward(stream);
                }
                self.commit(stream);
            }
            Some(commit) => self.streams[stream].committing = Some(Committing { commit, answers, tells, forwards }),
            None => {
                answers.into_iter().for_each(|(from, answer)| self.answer(from, answer));
                self.commit(stream);
            }
        }
        if later {
            self.write_later(stream);
        }
    }

    fn answer_to(&mut self, stream: usize, sent: usize, reply: AppendReply) -> AppendAnswer {
        match reply {
            AppendReply::Stored(receipt) => AppendAnswer::Stored(receipt),
            AppendReply::Replayed { seq, hash } => {
                let row = self.streams[stream].disk.current.row(seq);
                let heads = row.and_then(|row| Heads::decode(&row.heads).ok());
                let receipt = heads.as_ref().and_then(|heads| heads.receipt_of(hash)).cloned();
                match receipt {
                    Some(mut receipt) if self.mutant == Some(Mutant::ReceiptOfTheRetry) => {
                        receipt.at = self.stream_now(stream);
                        receipt.duplicate = receipt.accepted;
                        receipt.accepted = 0;
                        AppendAnswer::Replayed(receipt)
                    }
                    Some(receipt) => AppendAnswer::Replayed(receipt),
                    None => {
                        self.violate(format!("stream {stream}: the first receipt of batch {sent} cannot be read"));
                        AppendAnswer::Unavailable
                    }
                }
            }
            AppendReply::KeyReused => AppendAnswer::KeyReused,
            AppendReply::Revoked => AppendAnswer::Revoked,
            AppendReply::Newer(map) => AppendAnswer::Newer(map),
            AppendReply::Unknown(known) => AppendAnswer::Unknown(known),
            AppendReply::Unreadable(error) => {
                self.violate(format!("stream {stream}: batch {sent} is unreadable: {error}"));
                AppendAnswer::Unavailable
            }
        }
    }

    /// A commit is on disk: its callers are answered, its alerts handed over, and the next group is taken.
    pub(super) fn stream_committed(&mut self, stream: usize, life: u64, commit: u64) {
        let object = &mut self.streams[stream];
        if object.life != life || object.committing.as_ref().is_none_or(|it| it.commit > commit) {
            return;
        }
        let Some(Committing { answers, tells, forwards, .. }) = object.committing.take() else { return };
        answers.into_iter().for_each(|(from, answer)| self.answer(from, answer));
        if tells {
            self.hand_over_soon(stream);
        }
        if forwards {
            self.forward(stream);
        }
        self.commit(stream);
    }

    // --- the alarm --------------------------------------------------------------------------------

    pub(super) fn stream_alarm(&mut self, stream: usize, look: u64) {
        let object = &self.streams[stream];
        let Some(due) = object.disk.current.alarm else { return };
        if object.is_awake || look != object.looks || due > self.now + EARLY_MAX.0 {
            return;
        }
        self.disturb_stream(stream);
        let object = &mut self.streams[stream];
        if object.disk.current.alarm != Some(due) {
            // Set by a commit that a crash undid. The runtime calls such an alarm off and looks at the one on disk
            // instead (workerd, ActorSqlite::armAlarmHandler).
            return;
        }
        self.tell(|| format!("stream {stream}: alarm"));
        let object = &mut self.streams[stream];
        object.running_for = Some(object.armed_at.take());
        object.is_awake = true;
        object.wakes += 1;
        if object.wakes > WAKES_MAX {
            return self.violate(format!("stream {stream} was woken {WAKES_MAX} times: its alarms make no progress"));
        }
        match self.stream_transition(stream, Input::Wake) {
            Ok(effects) => {
                let later = !self.streams[stream].later.is_empty();
                if effects.forward {
                    self.forward(stream);
                }
                let run = AlarmRun::new(effects, due);
                self.alarm_step(stream, run);
                if later {
                    self.write_later(stream);
                }
            }
            Err(WriteFailed) => {
                let now = self.stream_now(stream);
                self.streams[stream].is_awake = false;
                self.arm_stream(stream, Some(Timestamp(now.0 + 10_000)));
                self.end_turn(stream);
            }
        }
    }

    /// The alarm's work is done: the next one is set, or the one that ran is deleted.
    pub(super) fn alarm_done(&mut self, stream: usize, due: i64) {
        self.tell(|| format!("stream {stream}: alarm done"));
        self.streams[stream].is_awake = false;
        // Where a write failed the platform runs the alarm again, and takes its time.
        let earliest =
            if self.streams[stream].live.is_none() { self.stream_now(stream).plus(RETRY) } else { Timestamp(0) };
        let wake_at = self.with_stream(stream, |machine, _| Ok(machine.wake_at())).ok().flatten();
        let wake_at = wake_at.map(|at| at.max(earliest));
        self.arm_stream(stream, wake_at);
        let object = &mut self.streams[stream];
        object.running_for = None;
        if object.disk.current.alarm == Some(due) {
            // The platform's own write does not fail.
            object.disk.fails_in = None;
            let _deleted = object.disk.write(StreamWrite::Alarm(None));
        }
        if let Some(wanted) = wake_at.filter(|_| object.disk.current.alarm.is_none()) {
            self.violate(format!("stream {stream} wants to be woken at {wanted:?}, and its alarm is deleted"));
        }
        self.end_turn(stream);
        // One that was set meanwhile goes off after the one that ran. And now and then one goes off that was not due.
        self.look_at_alarm(Place::Stream(stream), 0);
        if self.random.permille(self.plan.odd_alarm / 4) {
            let look = self.streams[stream].looks;
            self.after(50, Event::Alarm { place: Place::Stream(stream), look });
        }
    }
}
