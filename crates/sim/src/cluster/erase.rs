//! Erasing a component while everything else goes on and goes wrong: the shells of the domain and of the stream, and what
//! must be true of it.
//!
//! The plan is the product's (`engine::machine::erasure`). Modelled are the calls between the objects, D1's sweep, and the
//! stream that closes, waits until nothing of it is on its way, and loses its disk in one commit. What was erased is kept
//! aside for the checkers: none of it may come back, and nothing else may be missing.

use super::disk::{StreamRows, StreamWrite, WriteFailed};
use super::domain::Task;
use super::ledger::Sent;
use super::message::{Answer, Call, CallId, Place, Swept};
use super::mutant::Mutant;
use super::stream::StreamObject;
use super::world::{Parcel, World};
use sapwood_engine::machine::domain::Event as Input;
use sapwood_engine::machine::erasure::{Counts, Erasure, Scope, Stage, Step, StepOutcome};
use sapwood_engine::machine::row::{Heads, RowKind, records};
use sapwood_engine::machine::stream::{Event as StreamInput, Slice};
use sapwood_engine::time::Timestamp;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What an object held before it was erased; only the checkers read it.
#[derive(Clone, Debug, Default)]
pub struct Erased {
    /// How often it was erased.
    pub times: u32,
    /// Numbers of the records.
    pub uids: BTreeSet<u64>,
    /// The callers' ids of the records.
    pub ids: BTreeSet<String>,
    /// Hashes of the batch keys.
    pub keys: BTreeSet<u64>,
    /// Alerts.
    pub told: BTreeSet<String>,
}

impl Erased {
    /// Takes note of what goes.
    pub fn note(&mut self, rows: &StreamRows) {
        self.times += 1;
        self.told.extend(rows.told.keys().cloned());
        let held = rows.rows();
        for row in rows
            .removed
            .values()
            .chain(held.values())
            .chain(rows.whole.values())
            .filter(|row| row.kind != RowKind::Event)
        {
            let heads = Heads::decode(&row.heads).unwrap_or_default();
            self.keys.extend(heads.batches.iter().filter_map(|batch| Some(batch.key?.hash)));
            for record in records(&row.body).unwrap_or_default() {
                self.uids.extend(record.request_id.as_ref().and_then(|uid| uid.parse::<u64>().ok()));
                self.ids.extend(record.id);
            }
        }
    }
}

impl Erased {
    /// Whether a batch, or a part of it, was decided in a life that is over.
    pub fn knows(&self, sent: &Sent) -> bool {
        sent.batch.key.is_some_and(|key| self.keys.contains(&key.hash))
            || sent.uids.clone().any(|uid| self.uids.contains(&uid) || self.ids.contains(&format!("id-{uid}")))
    }
}

impl World {
    /// An administrator erases a component.
    pub(super) fn erase_component(&mut self, stream: usize) {
        self.erase(Scope::Component(self.streams[stream].identity.component.clone()), Some(stream));
    }

    /// An administrator erases the domain.
    pub(super) fn erase_domain(&mut self) {
        self.erase(Scope::Domain, None);
    }

    fn erase(&mut self, scope: Scope, only: Option<usize>) {
        let rows = &self.domain.disk.current;
        let is_meant = |of: usize| only.is_none_or(|only| only == of % self.plan.streams);
        let alerts = rows.alerts.iter().filter(|(_, of)| is_meant(**of));
        let alerts = alerts.map(|(id, _)| id.clone()).collect();
        self.tell(|| format!("{} is to be erased", scope.shown()));
        let id = format!("e{}", self.now);
        let event = Input::Erase { id, scope, by: "ann".into(), alerts };
        if self.domain_transition(event).is_ok() {
            self.sync_streams();
            self.erase_due();
        }
    }

    /// Carries out what is due.
    pub(super) fn erase_due(&mut self) {
        let Ok(effects) = self.domain_transition(Input::ErasureDue) else { return };
        for (id, step) in effects.steps {
            let place = |component: &str, shard: u16| Place::Stream(self.number_of(component, shard));
            let (to, call) = match &step {
                Step::Count { component, shard } => (place(component, *shard), Call::Erase(u64::MAX, true)),
                Step::Erase { component, shard, version } => (place(component, *shard), Call::Erase(*version, false)),
                Step::Sweep => (Place::D1, Call::Sweep(self.swept_by(&id))),
                Step::Retell { component, shard } => (place(component, *shard), Call::Retell),
                Step::EraseUser { component, shard, user, cursor } => {
                    (place(component, *shard), Call::EraseUser(id.clone(), user.clone(), *cursor))
                }
            };
            self.tell(|| format!("domain: erasure {id}: {step:?}"));
            let call = Rc::new(call);
            // Rare enough that chance alone would hardly ever strike: a copy that comes when a new life has begun.
            if matches!(step, Step::Erase { .. } | Step::EraseUser { .. })
                && self.random.permille(self.plan.doubles * 4)
            {
                let wait = self.random.between(10_000, 120_000) as i64;
                self.leave_domain(Parcel::Copy(wait, to, Rc::clone(&call)));
            }
            let waiter = self.domain.start(Task::Erasing(id, step));
            self.leave_domain(Parcel::Call(waiter, to, call));
        }
    }

    fn swept_by(&self, id: &str) -> Swept {
        let of = |name: &String| -> Vec<usize> {
            let is_of_it = |object: &&StreamObject| object.identity.component == *name;
            self.streams.iter().filter(is_of_it).map(|object| object.number).collect()
        };
        let plan = self.domain.live.as_ref().and_then(|machine| machine.erasure(id));
        match plan.map(|plan| (&plan.scope, plan)) {
            None => Swept::Streams(Vec::new()),
            Some((Scope::Component(name), _)) => Swept::Streams(of(name)),
            Some((Scope::Domain, _)) => Swept::Streams((0..self.streams.len()).collect()),
            Some((Scope::User { user, component, .. }, plan)) => {
                let is_endless = self.mutant == Some(Mutant::UserSweptWithoutEnd);
                let until = |name: &str| if is_endless { Timestamp::MAX } else { plan.swept_up_to(name) };
                let names = self.streams.iter().map(|object| &object.identity.component);
                let is_meant = |name: &&String| component.as_ref().is_none_or(|only| only == *name);
                let streams = names.filter(is_meant).flat_map(|name| of(name).into_iter().map(|it| (it, until(name))));
                Swept::User(user.clone(), streams.collect())
            }
        }
    }

    /// What came of a step.
    pub(super) fn erasure_resumed(&mut self, id: String, step: Step, answer: Option<Answer>) {
        let failed = || StepOutcome::Failed("no".into());
        let outcome = match (&step, answer) {
            (Step::Count { .. }, Some(Answer::Erased(records, _))) => {
                StepOutcome::Counted { counts: counted(records), sent: Default::default() }
            }
            (Step::Erase { .. }, Some(Answer::Erased(records, false))) => StepOutcome::Erased(counted(records)),
            (Step::EraseUser { .. }, Some(Answer::UserErased(slice))) => {
                let Slice { cursor, counts, sent, is_done, reached, .. } = slice;
                StepOutcome::UserErased { cursor, counts, sent, is_done, reached }
            }
            (Step::Sweep, Some(Answer::Done)) => StepOutcome::Swept { counts: Counts::new(), is_done: true },
            (Step::Retell { .. }, Some(Answer::Done)) => StepOutcome::Retold,
            _ => failed(),
        };
        // A broken build believes that what it asked for was done.
        let believes = self.mutant == Some(Mutant::ErasedUnseen) && matches!(step, Step::Erase { .. });
        let outcome = if believes { StepOutcome::Erased(Counts::new()) } else { outcome };
        let is_swept = matches!(outcome, StepOutcome::Swept { .. });
        let booked = self.domain_transition(Input::ErasureStep { id: id.clone(), step, outcome });
        self.note_finished(&id);
        if is_swept && self.mutant == Some(Mutant::SweptOnce) && booked.is_ok() {
            self.skip_the_rest(&id);
        }
        self.erase_due();
    }

    /// What a broken build does after the first sweep.
    fn skip_the_rest(&mut self, id: &str) {
        for _ in 0..4 {
            let erasure = self.domain.live.as_ref().and_then(|machine| machine.erasure(id));
            let Some(erasure) = erasure.filter(|erasure| !erasure.is_finished()) else { return };
            for step in erasure.steps() {
                let outcome = match erasure_stage(self, id) {
                    Some(Stage::Settling) => StepOutcome::Swept { counts: Counts::new(), is_done: true },
                    _ => StepOutcome::Retold,
                };
                if self.domain_transition(Input::ErasureStep { id: id.to_owned(), step, outcome }).is_err() {
                    return;
                }
            }
        }
    }

    // --- the stream -------------------------------------------------------------------------------

    pub(super) fn erase_called(&mut self, stream: usize, from: CallId, version: u64, is_dry_run: bool) {
        let answer = self.erase_stream(stream, version, is_dry_run).unwrap_or(Answer::Failed);
        self.leave_stream(stream, Parcel::Answer(from, answer));
    }

    fn erase_stream(&mut self, stream: usize, version: u64, is_dry_run: bool) -> Result<Answer, WriteFailed> {
        if self.streams[stream].disk.current.is_blank() {
            let object = &mut self.streams[stream];
            object.closing_until = 0;
            // Whoever waits for its first registration has nothing yet, and is told of an old life when that comes.
            let is_busy = !is_dry_run && object.has_something_under_way();
            if !is_dry_run && !is_busy {
                object.begin_anew();
            }
            return Ok(Answer::Erased(0, is_busy));
        }
        if self.streams[stream].closing_until <= self.now {
            let (is_registered, known) =
                self.with_stream(stream, |machine, _| Ok((machine.is_registered(), machine.view().version)))?;
            let is_newer = is_registered && known >= version;
            if is_newer && self.mutant != Some(Mutant::NewLifeErased) {
                return Ok(Answer::Erased(0, false));
            }
        }
        let object = &mut self.streams[stream];
        let held = object.disk.current.rows();
        let held = held.values().filter(|row| row.kind == RowKind::Segments);
        let count = held.map(|row| u64::from(row.count)).sum();
        if is_dry_run {
            return Ok(Answer::Erased(count, false));
        }
        object.closing_until = self.now + 600_000;
        object.live = None;
        if object.has_something_under_way() {
            return Ok(Answer::Erased(count, true));
        }
        object.disk.fails_in = None;
        object.disk.write(StreamWrite::Erase)?;
        object.begin_anew();
        self.tell(|| format!("stream {stream} is erased"));
        self.end_turn(stream);
        Ok(Answer::Erased(count, false))
    }

    pub(super) fn retell_called(&mut self, stream: usize, from: CallId) {
        let is_done = self.streams[stream].disk.current.is_blank() || {
            let hours = self.streams[stream].disk.current.hours.keys().copied().collect();
            self.stream_transition(stream, StreamInput::D1Lost(hours)).is_ok()
        };
        let answer = if is_done { Answer::Done } else { Answer::Failed };
        self.leave_stream(stream, Parcel::Answer(from, answer));
    }

    // --- what must be true ------------------------------------------------------------------------

    /// Nothing of what was erased is left, and no erasure waits for ever.
    pub(super) fn check_erasures(&self, wrong: &mut Vec<String>) {
        let machine = self.domain.load();
        for erasure in machine.erasures().filter(|erasure| !erasure.is_finished()) {
            wrong.push(format!("erasure {} is not finished: {:?} {:?}", erasure.id, erasure.stage, erasure.last_error));
        }
        for object in &self.streams {
            let (name, times) = (&object.identity.component, object.disk.durable.erased.times);
            let shard = object.identity.shard;
            let has_part =
                |erasure: &&Erasure| erasure.parts.iter().any(|part| part.component == *name && part.shard == shard);
            let is_whole = |erasure: &&Erasure| !matches!(erasure.scope, Scope::User { .. });
            let asked = machine.erasures().filter(is_whole).filter(has_part).count();
            // Whoever cannot read the state row has no view: an erasure that comes late is then believed.
            if times as usize > asked && !object.was_rebuilt {
                wrong.push(format!("{name} was erased {times} times, asked for {asked}"));
            }
        }
        for object in self.streams.iter().filter(|object| object.disk.durable.erased.times > 0) {
            let stream = object.number;
            let rows = &object.disk.durable;
            let there = rows.rows();
            let held = there.values().chain(rows.removed.values()).filter(|row| row.kind == RowKind::Segments);
            let ids: BTreeSet<String> =
                held.flat_map(|row| records(&row.body).unwrap_or_default()).filter_map(|record| record.id).collect();
            for (_, id) in self.peers.d1.records.keys().filter(|(of, _)| *of == stream) {
                if rows.erased.ids.contains(id) && !ids.contains(id) {
                    wrong.push(format!("stream {stream}: D1 still has {id}, which was erased"));
                }
            }
            // An object that lost its view to a change of builds is believed: what it handed over then may come late.
            let alerts = self.domain.disk.durable.alerts.keys().filter(|_| !object.was_rebuilt);
            for id in alerts.filter(|id| rows.erased.told.contains(*id)) {
                wrong.push(format!("stream {stream}: the domain still has alert {id}, which was erased"));
            }
        }
    }
}

fn erasure_stage(world: &World, id: &str) -> Option<Stage> {
    world.domain.live.as_ref()?.erasure(id).map(|erasure| erasure.stage)
}

fn counted(records: u64) -> Counts {
    if records == 0 { Counts::new() } else { Counts::from([("records".to_owned(), records)]) }
}
