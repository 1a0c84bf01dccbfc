//! The detectors of one component behind one narrow door.
//!
//! Time is the events' own: a record closes the slots before it, and [`Detectors::close`] closes those that no record
//! closed. Between the two nothing has to run, so that a sleeping object stays asleep until
//! [`Detectors::next_deadline`]. Records older than the slot being filled by a minute are counted as late and judged
//! by nothing.
//!
//! All series judged at one moment share one test (Benjamini-Hochberg), so that two thousand quiet patterns are no
//! noisier than one; a pattern's deviation is not told while the component's own is open. What is found is told once,
//! when it opens.

use super::count_watch::{CountWatch, Deviation, SLOT};
use super::ratio_watch::{RatioDeviation, RatioWatch};
use super::rhythm::Rhythm;
use super::signal::{Signal, SignalKind, Subject};
use crate::baseline::{Mean, Season};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};
use std::collections::BTreeMap;

/// Patterns watched one by one; at about 500 bytes each 1 MB. Records of others count for the component only.
pub const WATCHED_PATTERNS_MAX: usize = 2_000;
/// Signals that wait to be taken.
const SIGNALS_MAX: usize = 1_000;
/// Expected share of false findings at one moment; 10 s apart this is one in a month for a component.
const FALSE_SHARE: f64 = 1e-6;
/// Sure enough to tell somebody.
const ALERT_BELOW: f64 = 1e-9;
/// After a longer pause the slots in between are not closed one by one.
const SLOTS_CLOSED_MAX: i64 = 400;
const SLOTS_A_MINUTE: i64 = 6;
/// Records before a new pattern is news.
const KNOWN_RECORDS_MIN: u64 = 200;
/// Share of records that bring a new pattern above which novelty is this component's habit.
const NOVELTY_MAX: f64 = 0.02;
/// Later than this a record raises nothing.
const LATE: Millis = Millis::from_mins(1);
const VERSION: u8 = 1;

/// What the detectors need to know of a record.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Event time.
    pub at: Timestamp,
    /// Its pattern.
    pub pattern: PatternId,
    /// The pattern was born with this record.
    pub is_new_pattern: bool,
    /// Level error or worse.
    pub is_error: bool,
    /// How long what it reports took, in milliseconds.
    pub duration_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct PatternWatch {
    counts: CountWatch,
    rhythm: Rhythm,
    is_missed: bool,
}

/// The detectors of one component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detectors {
    /// Index (event time / 10 s) of the slot being filled; none before the first record.
    slot: Option<i64>,
    season: Season,
    hour_records: u64,
    /// Slots of the hour being filled that were closed one by one and outside a silence.
    hour_slots: u32,
    component: CountWatch,
    errors: RatioWatch,
    slow: RatioWatch,
    /// Ninth decile of the durations, in milliseconds.
    slow_from: f64,
    durations: u64,
    rhythm: Rhythm,
    is_silent: bool,
    patterns: BTreeMap<PatternId, PatternWatch>,
    novelty: Mean,
    records: u64,
    late: u64,
    unwatched: u64,
    signals: Vec<Signal>,
    signals_dropped: u64,
}

/// A finding that has not yet passed the common test.
struct Candidate {
    subject: Subject,
    probability: f64,
    signal: Signal,
}

impl Detectors {
    /// Takes note of one record.
    pub fn observe(&mut self, facts: &Facts) {
        let slot = facts.at.0.div_euclid(SLOT.0);
        let current = *self.slot.get_or_insert(slot);
        if slot > current {
            self.advance(slot);
        } else if (current - slot).saturating_mul(SLOT.0) > LATE.0 {
            self.late += 1;
            return;
        }
        self.records += 1;
        self.hour_records += 1;
        self.is_silent = false;
        self.component.count();
        self.errors.count(facts.is_error);
        self.rhythm.beat(facts.at);
        if let Some(duration) = facts.duration_ms {
            self.count_duration(duration);
        }
        self.count_pattern(facts);
        let novelty = if facts.is_new_pattern { 1.0 } else { 0.0 };
        if facts.is_new_pattern && self.records > KNOWN_RECORDS_MIN && self.novelty.value() < NOVELTY_MAX {
            self.tell_new(facts);
        }
        self.novelty.learn(novelty, 0.002);
    }

    /// Closes what is over at `now`, records or not.
    pub fn close(&mut self, now: Timestamp) {
        let slot = now.0.div_euclid(SLOT.0);
        if self.slot.is_some_and(|current| slot > current) {
            self.advance(slot);
        }
        self.find_silence(now);
    }

    /// The findings since the last call, oldest first.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// The earliest instant at which the absence of records would be a finding; [`Detectors::close`] wants to be called
    /// then.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let silence = if self.is_silent { None } else { self.silent_at() };
        let missed =
            self.patterns.values().filter(|watch| !watch.is_missed).filter_map(|watch| watch.rhythm.overdue_at());
        missed.chain(silence).min()
    }

    /// Records that came too late to raise anything.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Records of patterns that had no room to be watched one by one.
    pub fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Records a minute that are due at this instant, and the minutes of experience behind that.
    pub fn expected_per_minute(&self, at: Timestamp) -> (f64, u32) {
        (self.component.level(self.season.factor(at)), self.component.experience())
    }

    fn count_duration(&mut self, duration: f64) {
        if !duration.is_finite() || duration < 0.0 {
            return;
        }
        self.durations += 1;
        let is_slow = duration > self.slow_from;
        // The decile climbs nine times as far for a slow record as it sinks for another; the steps shrink with age.
        let step = (2.0 / (self.durations as f64 + 10.0)).max(0.001);
        let start = if self.durations == 1 { duration } else { self.slow_from };
        self.slow_from = (start * if is_slow { 1.0 + 0.9 * step } else { 1.0 - 0.1 * step }).clamp(1e-3, 1e12);
        if self.durations > 300 {
            self.slow.count(is_slow);
        }
    }

    fn count_pattern(&mut self, facts: &Facts) {
        let has_room = self.patterns.len() < WATCHED_PATTERNS_MAX;
        let watch = if has_room {
            self.patterns.entry(facts.pattern).or_default()
        } else if let Some(watch) = self.patterns.get_mut(&facts.pattern) {
            watch
        } else {
            self.unwatched += 1;
            return;
        };
        watch.counts.count();
        watch.rhythm.beat(facts.at);
        watch.is_missed = false;
    }

    fn advance(&mut self, to: i64) {
        let Some(from) = self.slot else { return };
        let first = from.max(to.saturating_sub(SLOTS_CLOSED_MAX));
        for slot in first..to {
            self.close_slot(slot);
        }
        if first > from {
            // A pause this long is a silence, not a level: the hour it ended in is not learned.
            self.hour_slots = 0;
        }
        self.slot = Some(to);
    }

    fn close_slot(&mut self, slot: i64) {
        let end = Timestamp((slot + 1).saturating_mul(SLOT.0)).clamped();
        let factor = self.season.factor(end);
        let mut found = Vec::new();
        let ends_minute = (slot + 1).rem_euclid(SLOTS_A_MINUTE) == 0;
        if let Some(deviation) = self.component.judge_slots(factor) {
            found.push(count_candidate(Subject::Component, deviation, end, SignalKind::Burst));
        }
        if ends_minute {
            self.close_minute(end, factor, &mut found);
        }
        self.component.close_slot();
        self.patterns.values_mut().for_each(|watch| watch.counts.close_slot());
        self.tell(found);
        self.find_silence(end);
        self.hour_slots += u32::from(!self.is_silent);
        if end.0.rem_euclid(3_600_000) == 0 {
            if self.hour_slots >= 350 {
                self.season.learn(end.minus(Millis::from_hours(1)), self.hour_records as f64);
            }
            (self.hour_records, self.hour_slots) = (0, 0);
        }
    }

    fn close_minute(&mut self, end: Timestamp, factor: f64, found: &mut Vec<Candidate>) {
        let back = |minutes| self.season.factor(end.minus(Millis::from_mins(minutes)));
        let hour_factor = (factor + back(20) + back(40) + back(60)) / 4.0;
        let (deviation, shifted) = self.component.close_minute(factor, hour_factor);
        if let Some(deviation) = deviation.filter(|_| !self.is_silent) {
            if shifted {
                let candidate = count_candidate(Subject::Component, deviation, end, SignalKind::LevelShift);
                push(&mut self.signals, &mut self.signals_dropped, candidate.signal);
            } else if !self.component.is_open() {
                found.push(count_candidate(Subject::Component, deviation, end, kind_of(&deviation)));
            }
        }
        for (watch, kind) in [(&mut self.errors, SignalKind::ErrorRatio), (&mut self.slow, SignalKind::LatencyShift)] {
            let was_open = watch.is_open();
            if let Some(deviation) = watch.close_minute().filter(|_| !was_open) {
                found.push(ratio_candidate(deviation, end, kind));
            }
        }
        let is_explained = self.component.is_open() || self.is_silent;
        for (&id, watch) in &mut self.patterns {
            let was_open = watch.counts.is_open();
            let (deviation, _) = watch.counts.close_minute(factor, hour_factor);
            if let Some(deviation) = deviation.filter(|_| !was_open && !is_explained) {
                found.push(count_candidate(Subject::Pattern(id), deviation, end, kind_of(&deviation)));
            }
        }
    }

    /// Tells what passes the common test of its family: the component's three series, or its patterns.
    fn tell(&mut self, found: Vec<Candidate>) {
        if found.is_empty() {
            return;
        }
        let (component, patterns) = found.into_iter().partition(|candidate| candidate.subject == Subject::Component);
        let mut found = discoveries(component, 3);
        found.extend(discoveries(patterns, self.patterns.len()));
        // The component first: what explains the patterns is told instead of them.
        for candidate in found {
            match candidate.subject {
                Subject::Component => match candidate.signal.kind {
                    SignalKind::ErrorRatio => self.errors.open(),
                    SignalKind::LatencyShift => self.slow.open(),
                    _ if self.component.is_open() => continue,
                    _ => self.component.open(),
                },
                Subject::Pattern(id) => {
                    if let Some(watch) = self.patterns.get_mut(&id) {
                        watch.counts.open();
                    }
                    if self.component.is_open() {
                        continue;
                    }
                }
            }
            push(&mut self.signals, &mut self.signals_dropped, candidate.signal);
        }
    }

    fn silent_at(&self) -> Option<Timestamp> {
        let last = self.rhythm.last()?;
        if self.component.experience() < 10 {
            return None;
        }
        // The lowest the season promises for the next hour: a night that begins is no silence.
        let factor = [0, 30, 60].map(|ahead| self.season.factor(last.plus(Millis::from_mins(ahead))));
        self.rhythm.silent_at(self.component.level(factor.into_iter().fold(f64::INFINITY, f64::min)))
    }

    fn find_silence(&mut self, now: Timestamp) {
        if !self.is_silent && self.silent_at().is_some_and(|deadline| deadline <= now) {
            self.is_silent = true;
            self.component.open();
            let since = self.rhythm.last().unwrap_or(now);
            let signal = self.absence(SignalKind::Silence, Subject::Component, since, now, true);
            push(&mut self.signals, &mut self.signals_dropped, signal);
        }
        if self.is_silent {
            return;
        }
        let overdue = |watch: &PatternWatch| !watch.is_missed && watch.rhythm.overdue_at().is_some_and(|at| at <= now);
        let missed: Vec<PatternId> =
            self.patterns.iter().filter(|(_, watch)| overdue(watch)).map(|(&id, _)| id).collect();
        for id in missed {
            let Some(watch) = self.patterns.get_mut(&id) else { continue };
            watch.is_missed = true;
            let since = watch.rhythm.last().unwrap_or(now);
            let signal = self.absence(SignalKind::Missed, Subject::Pattern(id), since, now, true);
            push(&mut self.signals, &mut self.signals_dropped, signal);
        }
    }

    fn absence(
        &self,
        kind: SignalKind,
        subject: Subject,
        since: Timestamp,
        now: Timestamp,
        is_alerting: bool,
    ) -> Signal {
        let window = now.since(since);
        let due = match subject {
            Subject::Component => self.component.level(self.season.factor(now)) * window.0 as f64 / 60_000.0,
            Subject::Pattern(_) => 1.0,
        };
        let (expected_low, probability) = (due.min(1.0), ALERT_BELOW);
        Signal {
            kind,
            subject,
            at: now,
            since,
            window,
            expected: due,
            expected_low,
            expected_high: due,
            seen: 0,
            total: 0,
            probability,
            is_alerting,
        }
    }

    fn tell_new(&mut self, facts: &Facts) {
        let probability = self.novelty.value().max(1.0 / (self.records as f64 + 1.0));
        let signal = Signal {
            kind: SignalKind::NewPattern,
            subject: Subject::Pattern(facts.pattern),
            at: facts.at,
            since: facts.at,
            window: Millis(0),
            expected: probability,
            expected_low: 0.0,
            expected_high: 0.0,
            seen: 1,
            total: 1,
            probability,
            is_alerting: facts.is_error,
        };
        push(&mut self.signals, &mut self.signals_dropped, signal);
    }

    /// The whole state as bytes, for the checkpoint. Signals not yet taken are not part of it.
    pub fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.u8(u8::from(self.slot.is_some()));
        out.int(self.slot.unwrap_or(0));
        self.season.write(out);
        out.uint(self.hour_records);
        out.uint(u64::from(self.hour_slots));
        self.component.write(out);
        self.errors.write(out);
        self.slow.write(out);
        out.f64(self.slow_from);
        out.uint(self.durations);
        self.rhythm.write(out);
        out.u8(u8::from(self.is_silent));
        self.novelty.write(out);
        [self.records, self.late, self.unwatched, self.signals_dropped].into_iter().for_each(|count| out.uint(count));
        out.uint(self.patterns.len() as u64);
        for (id, watch) in &self.patterns {
            out.uint(id.0);
            watch.counts.write(out);
            watch.rhythm.write(out);
            out.u8(u8::from(watch.is_missed));
        }
    }

    /// Reads what [`Detectors::write`] wrote; an unknown version is refused, and what it held has to be learned again.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of the detectors"));
        }
        let has_slot = input.u8()? != 0;
        let slot = input.int()?;
        let mut read = Self { slot: has_slot.then_some(slot), season: Season::read(input)?, ..Self::default() };
        read.hour_records = input.uint()?;
        read.hour_slots = input.u32()?;
        read.component = CountWatch::read(input)?;
        read.errors = RatioWatch::read(input)?;
        read.slow = RatioWatch::read(input)?;
        read.slow_from = input.f64()?;
        read.durations = input.uint()?;
        read.rhythm = Rhythm::read(input)?;
        read.is_silent = input.u8()? != 0;
        read.novelty = Mean::read(input)?;
        for count in [&mut read.records, &mut read.late, &mut read.unwatched, &mut read.signals_dropped] {
            *count = input.uint()?;
        }
        for _ in 0..input.count()?.min(WATCHED_PATTERNS_MAX) {
            let id = PatternId(input.uint()?);
            let watch = PatternWatch {
                counts: CountWatch::read(input)?,
                rhythm: Rhythm::read(input)?,
                is_missed: input.u8()? != 0,
            };
            read.patterns.insert(id, watch);
        }
        Ok(read)
    }
}

/// Benjamini-Hochberg: with the largest `k` whose `k`-th smallest probability is at most `k / series` of the share
/// allowed, the first `k`.
fn discoveries(mut found: Vec<Candidate>, series: usize) -> Vec<Candidate> {
    found.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let allowed = |place: usize| FALSE_SHARE * (place as f64 + 1.0) / (series.max(1) as f64);
    let last = found.iter().enumerate().rev().find(|(place, candidate)| candidate.probability <= allowed(*place));
    let count = last.map_or(0, |(place, _)| place + 1);
    found.truncate(count);
    found
}

fn push(signals: &mut Vec<Signal>, dropped: &mut u64, signal: Signal) {
    if signals.len() < SIGNALS_MAX {
        signals.push(signal);
    } else {
        *dropped += 1;
    }
}

/// Short windows tell bursts; only a rise that needs a quarter of an hour to show is a level.
fn kind_of(deviation: &Deviation) -> SignalKind {
    match (deviation.is_above(), deviation.window >= Millis::from_mins(15)) {
        (true, false) => SignalKind::Burst,
        (true, true) => SignalKind::LevelShift,
        (false, _) => SignalKind::Drop,
    }
}

fn count_candidate(subject: Subject, deviation: Deviation, at: Timestamp, kind: SignalKind) -> Candidate {
    let Deviation { window, expected, spread, seen, probability } = deviation;
    let reach = 3.0 * (expected + spread * expected * expected).sqrt();
    let signal = Signal {
        kind,
        subject,
        at,
        since: at.minus(window),
        window,
        expected,
        expected_low: (expected - reach).max(0.0),
        expected_high: expected + reach,
        seen,
        total: seen,
        probability,
        is_alerting: probability < ALERT_BELOW,
    };
    Candidate { subject, probability, signal }
}

fn ratio_candidate(deviation: RatioDeviation, at: Timestamp, kind: SignalKind) -> Candidate {
    let RatioDeviation { window, share, strength, hits, total, probability } = deviation;
    let trials = total as f64;
    let expected = trials * share;
    let reach = 3.0 * (expected * (1.0 - share) * (1.0 + (trials - 1.0).max(0.0) / (strength + 1.0))).sqrt();
    let signal = Signal {
        kind,
        subject: Subject::Component,
        at,
        since: at.minus(window),
        window,
        expected,
        expected_low: (expected - reach).max(0.0),
        expected_high: expected + reach,
        seen: hits,
        total,
        probability,
        is_alerting: probability < ALERT_BELOW,
    };
    Candidate { subject: Subject::Component, probability, signal }
}
