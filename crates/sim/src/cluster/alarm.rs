//! What a stream's alarm does outside, step by step: hand alerts over, remove what has expired, write to D1, send to the
//! data service. Between two steps anything may happen.

use super::disk::{StreamWrite, unpacked};
use super::message::{Answer, Call, Flush, PatternRow, Place};
use super::mutant::Mutant;
use super::stream::Task;
use super::world::{Parcel, World};
use sapwood_engine::counter::HOUR;
use sapwood_engine::level::LevelClass;
use sapwood_engine::limits;
use sapwood_engine::machine::row::Row;
use sapwood_engine::machine::stream::{Effects, Event as Input, LoadSpan, NextThinning, StreamSettings, StreamStore};
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::VecDeque;
use std::rc::Rc;

/// Rows removed in one transition, and flushes of one alarm.
const RETAIN_ROWS: usize = 500;
const ROUNDS_MAX: u32 = 20;
/// Places of which one alarm removes records early.
const THIN_PLACES: usize = 64;
/// Records of one request to the data service.
const BATCH: usize = 16;
/// What goes to D1.
pub(super) const D1_LEVEL: LevelClass = LevelClass::Warn;

/// A D1 flush on its way.
#[derive(Clone, Copy, Debug)]
struct Flushing {
    cursor: u64,
    delivered: u64,
    is_done: bool,
    generation: u32,
}

/// Records on their way to the data service.
#[derive(Clone, Debug)]
struct Loading {
    places: Vec<(u64, u32)>,
    span: LoadSpan,
}

/// For which answer the alarm waits.
#[derive(Clone, Debug)]
enum Waits {
    Nothing,
    Alert(String),
    Epoch,
    Flush(Flushing),
    Load(Loading),
}

/// What is left of an alarm's work.
#[derive(Clone, Debug)]
pub struct AlarmRun {
    due: i64,
    alerts: VecDeque<String>,
    retain_from: Option<Timestamp>,
    flushes_d1: bool,
    flushes_service: bool,
    packs: bool,
    rounds: u32,
    waits: Waits,
}

impl AlarmRun {
    /// The work that a wake asks for.
    pub fn new(effects: Effects, due: i64) -> Self {
        Self {
            due,
            alerts: effects.deliver.into(),
            retain_from: effects.retain_from,
            flushes_d1: effects.flush_d1,
            flushes_service: effects.flush_data_service,
            packs: effects.pack,
            rounds: 0,
            waits: Waits::Nothing,
        }
    }
}

impl World {
    /// Goes on until it has to wait or is done.
    pub(super) fn alarm_step(&mut self, stream: usize, mut run: AlarmRun) {
        if let Some(id) = run.alerts.pop_front() {
            run.waits = Waits::Alert(id.clone());
            let call = self.alert_call(stream, id);
            return self.alarm_calls(stream, run, Place::Domain, call);
        }
        if let Some(from) = run.retain_from.take() {
            if !self.thin(stream) {
                return;
            }
            self.retain(stream, from);
        }
        if run.flushes_d1 && run.rounds < ROUNDS_MAX {
            run.waits = Waits::Epoch;
            return self.alarm_calls(stream, run, Place::D1, Call::Epoch);
        }
        if run.flushes_d1 {
            run.flushes_d1 = false;
            run.rounds = 0;
        }
        if run.flushes_service && run.rounds < ROUNDS_MAX {
            return self.load_service(stream, run);
        }
        if std::mem::take(&mut run.packs) && self.mutant != Some(Mutant::CompactionNeverRuns) && !self.pack(stream) {
            return;
        }
        self.alarm_done(stream, run.due);
    }

    /// Makes blocks, each in a turn of its own. Whether the object lives on.
    fn pack(&mut self, stream: usize) -> bool {
        let now = self.stream_now(stream);
        let mutant = self.mutant;
        let mut due = Some(now);
        for _ in 0..limits::BLOCKS_TOGETHER {
            if self.random.permille(self.plan.fails_write) {
                self.streams[stream].disk.fails_in = Some(self.random.below(2) as u32);
            }
            let packed = self.with_stream(stream, |machine, store| {
                let mut asked = machine.clone();
                if mutant == Some(Mutant::CompactionBeforeFold) {
                    let settings = StreamSettings {
                        has_d1: false,
                        has_data_service: false,
                        key_window: Millis(0),
                        ..machine.settings().clone()
                    };
                    asked.set_settings(settings);
                    asked.checkpoint();
                }
                let next = asked.next_block(store, now)?;
                if let Some(packing) = &next.packing {
                    store.store_block(packing)?;
                }
                Ok(next)
            });
            self.end_turn(stream);
            let Ok(next) = packed else { return true };
            let Some(packing) = next.packing else {
                due = next.due;
                break;
            };
            self.tell(|| {
                let (first, last, aside) = (packing.seq_first, packing.seq_last, packing.aside.len());
                format!("stream {stream} packs rows {first} to {last}, {aside} aside, unfit: {:?}", packing.unfit)
            });
            // Rare enough that chance alone would hardly ever strike between two commits.
            if self.random.permille(self.plan.crashes * 4) {
                self.crash_stream(stream);
                return false;
            }
            if !self.streams[stream].later.is_empty() {
                self.write_later(stream);
            }
        }
        self.note(stream, Input::Packed(due));
        true
    }

    /// Removes what leaves before its time, each place in a turn of its own. Whether the object lives on.
    fn thin(&mut self, stream: usize) -> bool {
        let now = self.stream_now(stream);
        for _ in 0..THIN_PLACES {
            if self.random.permille(self.plan.fails_write) {
                self.streams[stream].disk.fails_in = Some(self.random.below(3) as u32);
            }
            let (mut shown, mut copies, mutant) = (Vec::new(), Vec::new(), self.mutant);
            let thinned = self.with_stream(stream, |machine, store| {
                let would = machine.would_thin(store, false, now)?;
                copies.extend(would.map(|thinning| thinning.copies).unwrap_or_default());
                let patterns = machine.miner().patterns();
                let all = patterns.flat_map(|pattern| pattern.exemplars.iter().chain(&pattern.last));
                shown.extend(all.map(|exemplar| (exemplar.seq, usize::from(exemplar.index))));
                let next = machine.next_thinning(store, false, now)?;
                if let NextThinning::Now(thinning) = &next {
                    store.store_thinning(thinning)?;
                }
                Ok(next)
            });
            self.streams[stream].spared.extend(shown);
            // They leave D1 first, whatever becomes of the write.
            if mutant != Some(Mutant::CopiesOfHusksStay) {
                copies.into_iter().for_each(|id| drop(self.peers.d1.records.remove(&(stream, id))));
            }
            self.end_turn(stream);
            let Ok(NextThinning::Now(thinning)) = thinned else { return true };
            self.tell(|| format!("stream {stream} removes {} records early", thinning.records));
            if self.random.permille(self.plan.crashes * 4) {
                self.crash_stream(stream);
                return false;
            }
            if !self.streams[stream].later.is_empty() {
                self.write_later(stream);
            }
        }
        true
    }

    fn alarm_calls(&mut self, stream: usize, run: AlarmRun, to: Place, call: Call) {
        let waiter = self.streams[stream].start(Task::Alarm(run));
        self.leave_stream(stream, Parcel::Call(waiter, to, Rc::new(call)));
    }

    pub(super) fn alarm_resumed(&mut self, stream: usize, mut run: AlarmRun, answer: Option<Answer>) {
        match std::mem::replace(&mut run.waits, Waits::Nothing) {
            Waits::Nothing => {}
            Waits::Alert(id) => self.handed_over(stream, id, answer.as_ref()),
            Waits::Epoch => return self.flush_d1(stream, run, answer),
            Waits::Flush(flushing) => self.flushed(stream, &mut run, flushing, answer),
            Waits::Load(loading) => self.loaded(stream, &mut run, &loading, answer),
        }
        self.alarm_step(stream, run);
    }

    /// A transition of the alarm; if it cannot be written, the alarm goes on and the next one finds the work again.
    fn note(&mut self, stream: usize, input: Input) {
        let _written = self.stream_transition(stream, input);
    }

    fn retain(&mut self, stream: usize, from: Timestamp) {
        let now = Timestamp(self.now + self.streams[stream].skew);
        let object = &mut self.streams[stream];
        let Some(machine) = &object.live else { return };
        let (mut received_before, mut seq_max) = machine.removable(from, now);
        if self.mutant == Some(Mutant::RetentionBeforeFold) {
            (received_before, seq_max) = (now, u64::MAX);
        }
        let rows = &object.disk.current;
        let is_expired = |row: &Row| {
            row.seq <= seq_max && row.time_max < from.max(received_before.min(from)) && row.at < received_before
        };
        let expired = rows.aside.values().chain(rows.journal.values()).filter(|row| is_expired(row));
        let seqs: Vec<u64> = expired.take(RETAIN_ROWS).map(|row| row.seq).collect();
        // A block leaves as a whole, when all its rows may.
        let expired = rows.blocks.iter().filter(|(_, (_, body))| unpacked(body).iter().all(is_expired));
        let blocks: Vec<u64> = expired.map(|(first, _)| *first).collect();
        object.disk.fails_in = None;
        let hours = from.minus(HOUR);
        let written = object
            .disk
            .write(StreamWrite::Remove(seqs))
            .and_then(|()| blocks.iter().try_for_each(|first| object.disk.write(StreamWrite::RemoveBlock(*first))))
            .and_then(|()| object.disk.write(StreamWrite::RemoveHours(hours)));
        if written.is_err() {
            return;
        }
        let oldest = object.disk.current.rows().values().map(|row| row.time_max.max(row.at)).min();
        self.note(stream, Input::Retained(oldest));
    }

    fn flush_d1(&mut self, stream: usize, mut run: AlarmRun, answer: Option<Answer>) {
        let Some(Answer::Epoch(epoch)) = answer else {
            run.flushes_d1 = false;
            run.rounds = 0;
            self.note(stream, Input::D1Failed("no epoch".into()));
            return self.alarm_step(stream, run);
        };
        let object = &self.streams[stream];
        let known = object.disk.current.d1_epoch;
        if known != Some(epoch) {
            let is_lost = known.is_some();
            let hours = object.disk.current.hours.keys().copied().collect();
            if self.mutant == Some(Mutant::EpochBeforeLoss) {
                let _written = self.streams[stream].disk.write(StreamWrite::Epoch(epoch));
                self.end_turn(stream);
            }
            // First the event: if only that is written, it happens again.
            let is_noted = !is_lost || self.stream_transition(stream, Input::D1Lost(hours)).is_ok();
            if is_noted {
                // The shell's own write; it is tried again if it fails.
                let _written = self.streams[stream].disk.write(StreamWrite::Epoch(epoch));
                self.end_turn(stream);
            }
            if is_lost {
                self.tell(|| format!("stream {stream}: D1 is another one"));
                // Rare enough that chance alone would hardly ever strike between the two commits.
                if self.random.permille(self.plan.crashes * 10) {
                    return self.crash_stream(stream);
                }
                run.flushes_d1 = false;
                run.rounds = 0;
                return self.alarm_step(stream, run);
            }
        }
        let Some((flush, flushing)) = self.next_flush(stream) else {
            run.flushes_d1 = false;
            return self.alarm_step(stream, run);
        };
        if self.mutant == Some(Mutant::D1CursorBeforeWrite) {
            let Flushing { cursor, delivered, generation, .. } = flushing;
            self.note(stream, Input::D1Advanced { cursor, delivered, generation });
        }
        run.waits = Waits::Flush(flushing);
        self.alarm_calls(stream, run, Place::D1, Call::Flush(Rc::new(flush)));
    }

    fn next_flush(&mut self, stream: usize) -> Option<(Flush, Flushing)> {
        let object = &mut self.streams[stream];
        if object.closing_until > self.now {
            return None;
        }
        if object.live.is_none() {
            object.live = object.load(false).ok();
        }
        let machine = object.live.take()?;
        let mut flush = Flush { stream, ..Flush::default() };
        let mut later = Vec::new();
        let store = super::disk::StreamDisk { disk: &mut object.disk, mutant: None, later: &mut later };
        let span = machine.next_for_d1(&store, D1_LEVEL, |it| {
            let ours = || machine.record_id(it.at, it.seq, it.index).to_string();
            flush.records.push((it.record.id.clone().unwrap_or_else(ours), (it.record.user_id.clone(), it.at)));
            Ok(200)
        });
        let (patterns, hours) = machine.d1_dirty();
        for id in patterns {
            // What was merged counts nothing any more; of what left its row says so.
            let row = machine.miner().pattern(id).filter(|pattern| pattern.id == id).map(|pattern| PatternRow {
                count: pattern.count,
                shown: pattern.exemplars.iter().chain(&pattern.last).map(|it| (it.seq, it.index)).collect(),
            });
            flush.patterns.push((id.to_string(), row.unwrap_or_default()));
        }
        for hour in hours {
            let Some(rollup) = object.disk.current.hours.get(&hour) else { continue };
            for (key, minutes) in rollup.series() {
                flush.rollups.push(((hour.0, key.to_string()), minutes.values().sum()));
            }
        }
        let generation = machine.d1_generation();
        object.live = Some(machine);
        let span = span.ok()?;
        flush.seq = span.cursor;
        let delivered = flush.records.len() as u64;
        Some((flush, Flushing { cursor: span.cursor, delivered, is_done: span.is_done, generation }))
    }

    fn flushed(&mut self, stream: usize, run: &mut AlarmRun, flushing: Flushing, answer: Option<Answer>) {
        run.rounds += 1;
        let Flushing { cursor, delivered, is_done, generation } = flushing;
        if matches!(answer, Some(Answer::Done)) {
            self.note(stream, Input::D1Advanced { cursor, delivered, generation });
            run.flushes_d1 = !is_done;
        } else {
            self.note(stream, Input::D1Failed("500".into()));
            run.flushes_d1 = false;
        }
        if !run.flushes_d1 {
            run.rounds = 0;
        }
    }

    fn load_service(&mut self, stream: usize, mut run: AlarmRun) {
        let object = &mut self.streams[stream];
        if object.live.is_none() && object.closing_until <= self.now {
            object.live = object.load(false).ok();
        }
        let Some(machine) = object.live.take() else { return self.alarm_done(stream, run.due) };
        let mut later = Vec::new();
        let store = super::disk::StreamDisk { disk: &mut object.disk, mutant: None, later: &mut later };
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        let span = machine.next_for_data_service(&store, BATCH, false, |it| {
            let ours = || machine.record_id(it.at, it.seq, it.index).to_string();
            ids.push(it.record.id.clone().unwrap_or_else(ours));
            places.push((it.seq, u32::from(it.index)));
        });
        object.live = Some(machine);
        let Ok(span) = span else { return self.alarm_done(stream, run.due) };
        if ids.is_empty() {
            if span.cursor > 0 {
                let LoadSpan { cursor, index, skipped, .. } = span;
                self.note(stream, Input::DataAdvanced { cursor, index, delivered: 0, undeliverable: skipped });
            }
            run.flushes_service = false;
            return self.alarm_step(stream, run);
        }
        if self.mutant == Some(Mutant::ServiceCursorBeforeAnswer) {
            let LoadSpan { cursor, index, .. } = span;
            self.note(stream, Input::DataAdvanced { cursor, index, delivered: places.len() as u64, undeliverable: 0 });
        }
        run.waits = Waits::Load(Loading { places, span });
        self.alarm_calls(stream, run, Place::Service, Call::Records(Rc::new(ids)));
    }

    fn loaded(&mut self, stream: usize, run: &mut AlarmRun, loading: &Loading, answer: Option<Answer>) {
        run.rounds += 1;
        let Loading { places, span } = loading;
        let taken = if let Some(Answer::Taken(taken)) = answer { taken } else { 0 };
        let (cursor, index) = match taken.checked_sub(1).and_then(|last| places.get(last)) {
            Some(_) if taken == places.len() => (span.cursor, span.index),
            Some((seq, index)) => (seq.saturating_sub(1), index + 1),
            None => (0, 0),
        };
        if taken > 0 {
            self.note(stream, Input::DataAdvanced { cursor, index, delivered: taken as u64, undeliverable: 0 });
        }
        if taken < places.len() {
            self.note(stream, Input::DataFailed("500".into()));
            run.flushes_service = false;
        } else if span.is_last {
            run.flushes_service = false;
        }
    }
}
